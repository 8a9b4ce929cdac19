//! Fills a database through the domain's rules and the store: leads, companies, stages, owners, the journal.

use sea_orm::ConnectionTrait;
use tandem_domain::access::account::User;
use tandem_domain::access::{Actor, Person, Role};
use tandem_domain::act::Act;
use tandem_domain::change::Change;
use tandem_domain::handoff::qualification::all_confirmed;
use tandem_domain::handoff::qualify;
use tandem_domain::id::{Ids, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::fields::About;
use tandem_domain::leads::save::{self, OnConflict};
use tandem_domain::lifecycle::{MoveLead, Stage, move_lead};
use tandem_domain::record::Plain;
use tandem_domain::settings::SettingChange;
use tandem_domain::settings::name::CUSTOM_FIELDS;
use tandem_domain::world::World;
use tandem_store::db::DatabaseLocation;
use tandem_store::{Db, journal, rules};

use crate::Failure;
use crate::people::{Dice, People, custom_fields};

/// How many leads one transaction takes.
const CHUNK: u64 = 1_000;
/// After how many leads it is told how far it is.
const PROGRESS: u64 = 100_000;
/// Over how long the leads became known.
const SPAN: i64 = 2 * 365 * 86_400_000;
/// How many users of sales own leads.
const OWNERS: u64 = 40;

/// Fill the database, which has its schema. The last lead became known just before `now`.
pub async fn fill(place: &DatabaseLocation, people: People, now: Timestamp) -> Result<(), Failure> {
    let db = Db::connect(place, 2).await?;
    let first = now.plus_millis(-SPAN);
    if !db.is_sqlite() {
        journal::add_partitions_since(&db, first, now).await?;
    }
    let staff = Staff::new(first);
    let start: Vec<Change> = staff
        .users
        .iter()
        .map(|user| user.created().into())
        .chain([Change::Setting(SettingChange::Changed {
            name: CUSTOM_FIELDS,
            version: 1,
            before: serde_json::Value::Null,
            after: serde_json::to_value(custom_fields())?,
        })])
        .collect();
    write(&db, &start, first, u64::MAX).await?;
    let rules = rules::read(&db).await?;
    let mut world = World::new(rules.agreement.clone(), rules.custom_fields.clone());
    let mut n = 0;
    while n < people.leads {
        let end = people.leads.min(n + CHUNK);
        let at = |n: u64| first.plus_millis((SPAN as f64 * (n as f64 / people.leads as f64)) as i64);
        let mut changes = vec![];
        for n in n..end {
            changes.extend(live(&mut world, &staff, people, n, at(n), now)?);
        }
        write(&db, &changes, at(end - 1), n).await?;
        forget_leads(&mut world);
        if end / PROGRESS > n / PROGRESS {
            crate::say(&format!("{end} leads on {}", if db.is_sqlite() { "SQLite" } else { "PostgreSQL" }));
        }
        n = end;
    }
    db.close().await;
    settle(place).await
}

async fn write(db: &Db, changes: &[Change], at: Timestamp, seed: u64) -> Result<(), Failure> {
    let act = Act::new(Actor::System("bench"), format!("bench-{seed}"), at, !seed);
    let tx = db.begin(act).await?;
    let mut world = tandem_store::leads::empty_world(&tx);
    tandem_store::settle(&tx, &mut world, tx.act(), changes.to_vec()).await?;
    Ok(tx.commit().await?)
}

/// What a real server has done long since: statistics, visibility, an empty log.
pub async fn settle(place: &DatabaseLocation) -> Result<(), Failure> {
    let (url, statements) = match place {
        DatabaseLocation::Sqlite(path) => {
            (format!("sqlite://{}", path.display()), &["ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"][..])
        }
        DatabaseLocation::Postgres { url, .. } => (url.clone(), &["VACUUM (ANALYZE)", "CHECKPOINT"][..]),
    };
    let connection = sea_orm::Database::connect(url).await?;
    for statement in statements {
        connection.execute_unprepared(statement).await?;
    }
    Ok(connection.close().await?)
}

/// Who works the leads.
struct Staff {
    users: Vec<User>,
    marketing: Actor,
    key: Actor,
}

impl Staff {
    fn new(at: Timestamp) -> Self {
        let ids = Ids::new(at, 1);
        let users: Vec<User> = (0..OWNERS)
            .map(|n| User {
                id: ids.next(),
                version: 1,
                email: format!("sales-{n}@example.com"),
                name: format!("Sales {n}"),
                role: Role::Sales,
                admin: false,
                disabled_at: None,
                created_at: at,
                updated_at: at,
            })
            .collect();
        let marketing = Person { id: ids.next(), role: Role::MarketingManager, admin: false, teams: vec![] };
        Self {
            users,
            marketing: Actor::User(marketing),
            key: Actor::Key { id: ids.next(), on_behalf_of: None },
        }
    }

    fn sales(&self, dice: &mut Dice) -> Actor {
        Actor::User(Person {
            id: self.users[dice.favour(self.users.len())].id,
            role: Role::Sales,
            admin: false,
            teams: vec![],
        })
    }
}

/// All that happens to the n-th lead: it becomes known, and perhaps goes some way.
fn live(
    world: &mut World,
    staff: &Staff,
    people: People,
    n: u64,
    at: Timestamp,
    now: Timestamp,
) -> Result<Vec<Change>, Failure> {
    let ids = Ids::new(at, n);
    let said = people.lead(n, at)?;
    let saved = save::upsert(
        world,
        &said,
        OnConflict::Refuse,
        &Act { ids: ids.clone(), ..Act::new(staff.key.clone(), "bench", at, 0) },
    )?;
    let mut changes = saved.changes;
    let mut dice = Dice::of(!n);
    let seller = staff.sales(&mut dice);
    // Of 100 leads 45 become MQL, 24 SAL, 14 SQL, 8 opportunity and 4 customer; 8 of those that stay go out.
    let way: &[(Stage, f64)] = &[
        (Stage::Mql, 0.45),
        (Stage::Sal, 0.53),
        (Stage::Sql, 0.6),
        (Stage::Opportunity, 0.57),
        (Stage::Customer, 0.5),
    ];
    let mut moment = at;
    for (stage, chance) in way {
        if dice.roll() >= *chance {
            if *stage == Stage::Mql && dice.roll() < 0.15 {
                let reason = ["not_a_fit", "no_response", "spam"][dice.pick(3)];
                changes.extend(go(world, saved.lead_id, None, Some(reason), &staff.marketing, moment, &ids)?);
            }
            break;
        }
        moment = moment.plus_millis((dice.roll() * 20.0 * 86_400_000.0) as i64).min(now);
        let actor = if *stage == Stage::Mql { &staff.marketing } else { &seller };
        changes.extend(match stage {
            Stage::Sql => {
                let act = Act { ids: ids.clone(), ..Act::new(actor.clone(), "bench", moment, 0) };
                qualify(world, saved.lead_id, &all_confirmed(), &act)?
            }
            _ => go(world, saved.lead_id, Some(*stage), None, actor, moment, &ids)?,
        });
    }
    Ok(changes)
}

fn go(
    world: &mut World,
    lead: LeadId,
    to: Option<Stage>,
    reason: Option<&str>,
    actor: &Actor,
    at: Timestamp,
    ids: &Ids,
) -> Result<Vec<Change>, Failure> {
    let asked =
        MoveLead { to, reason: reason.map(str::to_owned), note: Some("as agreed".into()), until: None };
    Ok(move_lead(world, lead, &asked, &Act { ids: ids.clone(), ..Act::new(actor.clone(), "bench", at, 0) })?)
}

/// The next leads are strangers; the companies stay known.
fn forget_leads(world: &mut World) {
    world.leads.clear();
    world.cycles.clear();
    world.holders.clear();
    world.sales.qualifications.clear();
    world.statements.retain(|(about, _), _| matches!(about, About::Company(_)));
}
