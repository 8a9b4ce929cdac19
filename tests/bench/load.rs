//! What is asked, and how long the answers take: both databases take turns within one run.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Failure;
use crate::client::{Client, Request};
use crate::people::{self, Dice, People};
use crate::server::Server;

/// How often the databases take turns for one kind of request.
const TURNS: u64 = 4;
/// The longest turn; a slow kind of request gets fewer of them.
const TURN: Duration = Duration::from_millis(750);
/// What nobody measures: the first requests of a connection, a slow one once.
const WARM_UP: u64 = 5;
/// What is slow.
const SLOW: Duration = Duration::from_millis(50);

/// One kind of request.
pub struct Kind {
    /// What people call it.
    pub name: &'static str,
    /// Whether the target (p99 below 20 ms) is about it: detail, list page, `q`.
    pub has_target: bool,
    /// Over how many connections it is asked at once.
    pub connections: &'static [u64],
    make: Box<dyn Fn(u64) -> Request + Send + Sync>,
}

/// What requests are made of: ids that differ between the databases, and what is the same.
pub struct Facts {
    people: People,
    ids: Vec<String>,
    owner: String,
    created: [String; 2],
    month: [String; 2],
    deep: String,
    span: [String; 2],
}

/// How long a kind of request took on one database.
pub struct Measured {
    /// Each answer, ascending.
    pub took: Vec<Duration>,
    /// All turns together.
    pub wall: Duration,
}

impl Measured {
    /// The time that this share of the answers did not exceed, in milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        let last = self.took.len().saturating_sub(1);
        let place = (self.took.len() as f64 * share).ceil() as usize;
        let took = self.took.get(place.saturating_sub(1).min(last));
        took.map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0)
    }

    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.took.len() as f64 / self.wall.as_secs_f64()
    }
}

impl Facts {
    /// Ask a server for what the requests need.
    pub fn of(server: &Server, key: &str, people: People) -> Result<Self, Failure> {
        let mut client = Client::connect(server.address, Some(key))?;
        let mut get = |path: &str| client.succeed(&Request::get(path)).and_then(|answer| answer.json());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut ids = vec![];
        let mut owners = std::collections::HashMap::<String, u64>::new();
        for n in 0..1_000u64 {
            let n = n * people.leads / 1_000;
            let path = format!("/v1/leads/by-external-id/{}/{}", people::SYSTEM, people::external_id(n));
            let lead = get(&path)?;
            ids.push(text(&lead["id"]));
            if let Some(owner) = lead["owner_id"].as_str() {
                *owners.entry(owner.to_owned()).or_default() += 1;
            }
        }
        let busiest = owners.into_iter().max_by_key(|(_, leads)| *leads).unwrap_or_default();
        let of_middle = |share: u64| people::external_id(people.leads * share / 100);
        let mut instant = |share| {
            let path = format!("/v1/leads/by-external-id/{}/{}", people::SYSTEM, of_middle(share));
            get(&path).map(|lead| text(&lead["created_at"]))
        };
        // The leads are spread over two years: 1 % of them are of one week, 4 % of one month.
        let (from, to, month_end) = (instant(50)?, instant(51)?, instant(54)?);
        let (first, last) = (instant(0)?, instant(99)?);
        let mut deep = String::new();
        for _ in 0..100 {
            let page = get(&format!("/v1/leads?sort=-updated_at{deep}"))?;
            deep = format!("&cursor={}", text(&page["next_cursor"]));
        }
        Ok(Self {
            people,
            ids,
            owner: busiest.0,
            created: [from.clone(), to],
            month: [from, month_end],
            deep,
            span: [first, last],
        })
    }
}

/// Every kind of request, for one database. `salt` keeps the leads apart that several runs make; `is_alone` says that no other
/// build is asked the same, which may not know all of it.
pub fn kinds(facts: Facts, salt: u64, is_alone: bool) -> Vec<Kind> {
    let Facts {
        people,
        ids,
        owner,
        created: [from, to],
        month: [month, month_end],
        deep,
        span: [first, last],
    } = facts;
    let some = move |i: u64| Dice::of(i).pick(people.leads as usize) as u64;
    let id = {
        let ids = ids.clone();
        move |i: u64| ids[Dice::of(i).pick(ids.len())].clone()
    };
    let id_too = id.clone();
    let fixed = |path: String| move |_: u64| Request::get(path.clone());
    let list = |query: &str| fixed(format!("/v1/leads?{query}"));
    let [oskar, vandermeer] = people::STRANGERS;
    let q = |words: &str| fixed(format!("/v1/leads?q={}", words.replace(' ', "%20")));
    let mut kinds = vec![];
    let mut add = |name, has_target, make: Box<dyn Fn(u64) -> Request + Send + Sync>| {
        kinds.push(Kind { name, has_target, connections: &[1, 8], make });
    };
    add("detail", true, Box::new(move |i| Request::get(format!("/v1/leads/{}", id(i)))));
    add(
        "detail by external id",
        true,
        Box::new(move |i| {
            let id = people::external_id(some(i));
            Request::get(format!("/v1/leads/by-external-id/{}/{id}", people::SYSTEM))
        }),
    );
    add("list, default", true, Box::new(fixed("/v1/leads".into())));
    if is_alone {
        add("list, five members", true, Box::new(list("fields=email,first_name,last_name,stage,created_at")));
        add("list, with touches", true, Box::new(list("include=touches")));
    }
    add("list, stage, latest change first", true, Box::new(list("stage=mql&sort=-updated_at")));
    add("list, owner", true, Box::new(list(&format!("owner_id={owner}"))));
    add(
        "list, owner and stages, latest change first",
        true,
        Box::new(list(&format!("owner_id={owner}&stage=sal,sql&sort=-updated_at"))),
    );
    add("list, country", true, Box::new(list("country=CH")));
    add("list, country, latest change first", true, Box::new(list("country=CH&sort=-updated_at")));
    add("list, source and stage", true, Box::new(list("source=podcast&stage=customer")));
    add("list, channel", true, Box::new(list("channel=display")));
    add(
        "list, created in a week",
        true,
        Box::new(list(&format!("created_at_gte={from}&created_at_lt={to}"))),
    );
    add(
        "list, created in a month, by name",
        true,
        Box::new(list(&format!("created_at_gte={month}&created_at_lt={month_end}&sort=name"))),
    );
    add("list, by name", true, Box::new(list("sort=name")));
    add("list, page 100, latest change first", true, Box::new(list(&format!("sort=-updated_at{deep}"))));
    add("q, rare word", true, Box::new(q(people::RARE)));
    add("q, common word", true, Box::new(q(people::COMMON)));
    add(
        "q, common word, latest change first",
        true,
        Box::new(list(&format!("q={}&sort=-updated_at", people::COMMON))),
    );
    add(
        "q, common word in a rare stage",
        true,
        Box::new(list(&format!("q={}&stage=customer", people::COMMON))),
    );
    add("q, one letter", true, Box::new(q("a")));
    add(
        "q, two common words",
        true,
        Box::new(q(&format!("{} {}", people::COMMON, people::COMMON_LAST.replace('ö', "o")))),
    );
    add("q, two common words that hardly meet", true, Box::new(q(&format!("{oskar} {vandermeer}"))));
    add("q, no such word", true, Box::new(q("xylophonist")));
    add("q, e-mail", true, Box::new(move |i| Request::get(format!("/v1/leads?q={}", people.email(some(i))))));
    add(
        "q, end of a phone",
        true,
        Box::new(move |i| Request::get(format!("/v1/leads?q={}", &people::phone_digits(some(i))[3..]))),
    );
    add("q, company", true, Box::new(q(people::COMPANY)));
    add("timeline", false, Box::new(move |i| Request::get(format!("/v1/leads/{}/timeline", id_too(i)))));
    add("changes, from the beginning", false, Box::new(fixed("/v1/changes".into())));
    add(
        "create",
        false,
        Box::new(move |i| {
            let n = Dice::of(i).pick(1_000_000);
            let email = format!("new.{salt}.{i}@amber-harbour-{}.example", n % 1000);
            let company =
                json!({"name": "New Harbour", "domain": format!("new-harbour-{}.example", n % 1000)});
            Request::post(
                "/v1/leads",
                json!({"email": email, "first_name": people::COMMON, "last_name": "Newcomer", "country": "IT",
                    "phones": [format!("+39{:09}", n)], "company": company,
                    "external_ids": [{"system": "bench", "id": format!("{salt}-{i}")}]}),
            )
        }),
    );
    add(
        "change of a known lead",
        false,
        Box::new(move |i| {
            let id = people::external_id(some(i));
            Request::post(
                "/v1/leads",
                json!({"external_id": {"system": people::SYSTEM, "id": id}, "job_title": format!("Title {i}")}),
            )
        }),
    );
    let funnel = fixed(format!("/v1/reports/funnel?by=source&from={}&to={}", &first[..10], &last[..10]));
    kinds.push(Kind {
        name: "funnel by source, two years",
        has_target: false,
        connections: &[1],
        make: Box::new(funnel),
    });
    kinds
}

/// Measure one kind on all databases, in turns, over so many connections.
pub fn measure(
    sides: &[(&Server, &str, &Kind)],
    connections: u64,
    requests: u64,
) -> Result<Vec<Measured>, Failure> {
    let mut measured: Vec<Measured> =
        sides.iter().map(|_| Measured { took: vec![], wall: Duration::ZERO }).collect();
    let each = (requests / TURNS / connections).max(1);
    for turn in 0..TURNS {
        for (side, sum) in sides.iter().zip(&mut measured) {
            let (took, wall) = take_turn(side, connections, each, turn)?;
            sum.took.extend(took);
            sum.wall += wall;
        }
    }
    measured.iter_mut().for_each(|sum| sum.took.sort_unstable());
    Ok(measured)
}

fn take_turn(
    (server, key, kind): &(&Server, &str, &Kind),
    connections: u64,
    each: u64,
    turn: u64,
) -> Result<(Vec<Duration>, Duration), Failure> {
    let one = |place: u64| -> Result<(Vec<Duration>, Duration), String> {
        let text = |error: Failure| format!("{}: {error}", kind.name);
        let mut client = Client::connect(server.address, Some(key)).map_err(text)?;
        let base = ((connections * TURNS + turn) * 64 + place) * 1_000_000;
        for i in 0..WARM_UP {
            let took = client.succeed(&(kind.make)(base + i)).map_err(text)?.took;
            if took > SLOW {
                break;
            }
        }
        let mut took = vec![];
        let begun = Instant::now();
        for i in 0..each {
            took.push(client.succeed(&(kind.make)(base + WARM_UP + i)).map_err(text)?.took);
            if begun.elapsed() > TURN {
                break;
            }
        }
        Ok((took, begun.elapsed()))
    };
    let results: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (0..connections).map(|place| scope.spawn(move || one(place))).collect();
        running.into_iter().map(|thread| thread.join()).collect()
    });
    let (mut all, mut longest) = (vec![], Duration::ZERO);
    for result in results {
        let (took, wall) = result.map_err(|_| "a connection's thread panicked")??;
        all.extend(took);
        longest = longest.max(wall);
    }
    Ok((all, longest))
}
