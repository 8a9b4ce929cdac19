//! Captures of this build beside those of another one, in turns of one run: what the changes between them cost.

use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::crowd::{self, Next};
use super::form::{self, COMPANIES, Sender};
use super::stage::{Stage, form_key};
use super::{Order, Turn, homes};
use crate::Failure;
use crate::client::{Client, Request};
use crate::server::{Home, Server};

/// Over how many connections captures come.
const CONNECTIONS: [usize; 2] = [32, 128];
/// How often the builds take turns at each number of connections.
const TURNS: usize = 4;
/// How many events each known person of the mix has.
const EVENTS: u64 = 50;
/// How many events go in one request.
const BATCH: u64 = 1_000;
/// The least rate of this build, as a share of the other's: plain captures, and the mix.
const LEAST: [f64; 2] = [0.9, 0.8];

/// What was measured.
pub struct Beside {
    lines: Vec<Line>,
    turn: Duration,
}

/// One database at one number of connections: captures/s of each turn.
struct Line {
    database: &'static str,
    connections: usize,
    other: Vec<f64>,
    plain: Vec<f64>,
    mixed: Vec<f64>,
}

/// A server that is sent captures.
struct Player {
    home: Home,
    server: Server,
    next: Next,
}

impl Player {
    fn plain(stage: &Stage) -> Result<Self, Failure> {
        let home = stage.copy("plain")?;
        Ok(Self { server: home.start()?, next: stage.strangers(), home })
    }

    /// Of fifty captures four are of people who have events, and one makes an MQL that a team gets by turns.
    fn mixed(stage: &Stage) -> Result<Self, Failure> {
        let home = stage.copy("mixed")?;
        let server = home.start()?;
        let mut admin = Client::connect(server.address, Some(&server.admin()?))?;
        let asking = Sender::new(form_key(&mut admin, form::asking_form())?);
        route_to_a_team(&mut admin)?;
        for first in (0..COMPANIES).step_by((BATCH / EVENTS) as usize) {
            let people = first..COMPANIES.min(first + BATCH / EVENTS);
            admin.succeed(&Request::post("/v1/events", events(people)))?;
        }
        let sender = stage.sender();
        Ok(Self { server, next: Rc::new(move || sender.mixed(&asking)), home })
    }

    fn turn(&self, connections: usize, time: Duration) -> Result<f64, Failure> {
        let load = crowd::closed_loop(self.server.address, &self.next, connections, time)?.taken;
        // Jobs that follow captures are over before another server is measured.
        thread::sleep(time);
        Ok(Turn::new(load.took.len() as u64, load.wall).rate())
    }

    fn stop(self) -> Result<(), Failure> {
        self.server.stop()?;
        self.home.strike()
    }
}

fn route_to_a_team(admin: &mut Client) -> Result<(), Failure> {
    let mut members: Vec<Value> = vec![];
    for n in 1..=5 {
        let user = json!({
            "email": format!("rep{n}@example.com"), "name": format!("Rep {n}"), "role": "sales",
            "password": "correct horse battery staple 7",
        });
        let created = admin.succeed(&Request::post("/v1/users", user))?;
        members.push(created.json()?["id"].clone());
    }
    let team = json!({"name": "Sales", "members": members});
    let team = admin.succeed(&Request::post("/v1/teams", team))?.json()?["id"].clone();
    let rules = json!({"rules": [{"name": "In turn", "to": {"team_id": team}}]});
    admin.succeed(&Request::put("/v1/routing", rules))?;
    Ok(())
}

fn events(people: std::ops::Range<u64>) -> Value {
    let event = |company: u64, n: u64| {
        json!({
            "event_id": format!("seen-{company}-{n}"),
            "lead": {"email": form::known(company)},
            "type": "page_view",
            "url": format!("https://www.example.com/pages/{n}"),
        })
    };
    let all = people.flat_map(|company| (0..EVENTS).map(move |n| event(company, n)));
    json!({"events": all.collect::<Vec<_>>()})
}

/// Measures the ordered program and another build of it.
pub fn measure(order: &Order<'_>, other: &Path) -> Result<Beside, Failure> {
    let mut beside = Beside { lines: vec![], turn: order.turn };
    for home in homes(order)? {
        let database = home.name;
        let other = Stage::set(home.renamed("other", other))?;
        let own = Stage::set(home)?;
        let players = [Player::plain(&other)?, Player::plain(&own)?, Player::mixed(&own)?];
        // Pools, prepared statements and caches are there before anything counts.
        for player in &players {
            player.turn(CONNECTIONS[1], order.turn)?;
        }
        for connections in CONNECTIONS {
            let mut rates = [const { vec![] }; 3];
            for _ in 0..TURNS {
                for (player, rates) in players.iter().zip(&mut rates) {
                    rates.push(player.turn(connections, order.turn)?);
                }
            }
            let [other, plain, mixed] = rates;
            let line = Line { database, connections, other, plain, mixed };
            let [plain, mixed] = line.ratios();
            crate::say(&format!(
                "{database}, {connections}: {plain:.2} of the other's rate, the mix {mixed:.2}"
            ));
            beside.lines.push(line);
        }
        let [other_player, plain, mixed] = players;
        assert_handed_over(&mixed.server)?;
        [other_player, plain, mixed].into_iter().try_for_each(Player::stop)?;
        [other, own].iter().try_for_each(Stage::strike)?;
    }
    Ok(beside)
}

/// The mix proves something only if its MQLs have reached the team.
fn assert_handed_over(server: &Server) -> Result<(), Failure> {
    let mut admin = Client::connect(server.address, Some(&server.admin()?))?;
    let page = admin.succeed(&Request::get("/v1/handoffs?state=pending&limit=200"))?.json()?;
    let handoffs = page["data"].as_array().map_or(&[][..], Vec::as_slice);
    match handoffs.len() == 200 && handoffs.iter().all(|one| one["owner_id"].is_string()) {
        true => Ok(()),
        false => Err("not all MQLs of the mix were handed to a user".into()),
    }
}

fn median(rates: &[f64]) -> f64 {
    let mut rates = rates.to_vec();
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Line {
    /// Plain captures and the mix, as shares of the other build's plain captures.
    fn ratios(&self) -> [f64; 2] {
        let other = median(&self.other);
        [median(&self.plain) / other, median(&self.mixed) / other]
    }
}

impl Beside {
    /// The section.
    pub fn write(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "\n## Captures beside another build\n")?;
        writeln!(
            page,
            "The builds take turns of {} s, {TURNS} each; the rates are medians. Plain captures are of strangers. Of fifty captures of the \
             mix four are of people with {EVENTS} events, and one makes an MQL that is handed to a team by turns. This build should \
             reach {} of the other's rate with plain captures and {} with the mix.\n",
            self.turn.as_secs(),
            LEAST[0],
            LEAST[1],
        )?;
        writeln!(
            page,
            "| database | connections | other, captures/s | this, captures/s | ratio | mix, captures/s | ratio |\n\
             | --- | --: | --: | --: | --: | --: | --: |"
        )?;
        for line in &self.lines {
            let [plain, mixed] = line.ratios();
            writeln!(
                page,
                "| {} | {} | {:.0} | {:.0} | {plain:.2} | {:.0} | {mixed:.2} |",
                line.database,
                line.connections,
                median(&line.other),
                median(&line.plain),
                median(&line.mixed),
            )?;
        }
        Ok(())
    }
}
