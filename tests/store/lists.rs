//! Lists by every way: the page is the one that a slow and obvious look at all leads finds.

use tandem_domain::act::Act;
use tandem_domain::id::{Ids, splitmix64};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::Touch;
use tandem_domain::leads::fields::{CompanyField, LeadField};
use tandem_domain::leads::identity::{Domain, Email, Phone};
use tandem_domain::leads::save::{self, CompanyStatement, OnConflict, Plan, Statement};
use tandem_domain::leads::search::{self, Word};
use tandem_domain::tracking::Report;
use tandem_store::Db;
use tandem_store::leads::{
    Bounds, LeadFilter, LeadPage, LeadSort, LeadWithCompany, Part, Position, list_within,
};
use tandem_tests::{Database, START};

use crate::act;

const LEADS: u64 = 240;
const FIRST: [&str; 5] = ["Anna", "Annabel", "Björn", "Chloé", "Zoë"];
const LAST: [&str; 5] = ["Berg", "Bergström", "Amber", "Lind", "Annas"];
const COMPANY: [&str; 4] = ["Amber Harbour", "Harbour Lights", "Copper Annex", "Lindwood"];
const WORDS: [&str; 15] = [
    "anna",
    "ann",
    "a",
    "bergstrom",
    "berg",
    "b",
    "amber",
    "harbour",
    "lind",
    "chloe",
    "zoe",
    "lights",
    "copper",
    "nobody",
    // A word, and the end of a phone.
    "4567",
];
const COUNTRIES: [&str; 3] = ["CH", "IT", "SE"];
/// So low that few leads take every way.
const LOW: Bounds = Bounds { common: 20, ranked: 60, followed: 4, asked: 15, walked: 30 };

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = splitmix64(self.0);
        (self.0 % sides as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }
}

fn hour(n: u64) -> Timestamp {
    START.plus_millis(n as i64 * 3_600_000)
}

fn person(n: u64, dice: &mut Dice) -> Statement {
    let text = [
        (LeadField::FirstName, dice.pick(&FIRST)),
        (LeadField::LastName, dice.pick(&LAST)),
        (LeadField::Country, dice.pick(&COUNTRIES)),
    ];
    let company = dice.pick(&COMPANY);
    Statement {
        emails: vec![Email::parse(&format!("p{n}@harbour-{}.example", dice.roll(9))).unwrap()],
        phones: n
            .is_multiple_of(3)
            .then(|| Phone::parse(&format!("+3932{n:04}4567")).unwrap())
            .into_iter()
            .collect(),
        text: text.map(|(field, value)| (field, Some(value.to_owned()))).into(),
        company: (dice.roll(3) > 0).then(|| CompanyStatement {
            domain: None,
            text: [(CompanyField::Name, Some(company.to_owned()))].into(),
            employees: None,
            ..CompanyStatement::default()
        }),
        plan: Plan { timeline_days: (dice.roll(3) == 0).then_some(Some(60)), ..Plan::default() },
        first_touch: Some(Report::from(Touch {
            source: Some(dice.pick(&["google", "fair"]).to_owned()),
            ..Touch::default()
        })),
        ..Statement::default()
    }
}

async fn fill(db: &Db) {
    let mut dice = Dice(7);
    for n in 0..LEADS {
        let said = person(n, &mut dice);
        // Every third lead was known long before it was written down: its id is younger than it.
        let at = hour(if n % 3 == 0 { n / 2 } else { n });
        let tx = db.begin(act(n + 1)).await.unwrap();
        let mut world = tandem_store::leads::world(&tx, [&said]).await.unwrap();
        let ids = Ids::new(hour(n), n + 1);
        let act = Act { ids, now: at, ..tx.act().clone() };
        let mut saved = save::upsert(&mut world, &said, OnConflict::Refuse, &act).unwrap();
        if n % 8 == 5 {
            let away = save::archive(&mut world, saved.lead_id, true, &act).unwrap();
            saved.changes.extend(away);
        }
        tandem_store::settle(&tx, &mut world, tx.act(), saved.changes).await.unwrap();
        tx.commit().await.unwrap();
    }
}

fn question(dice: &mut Dice) -> (LeadFilter, LeadSort, bool) {
    let mut filter = LeadFilter::default();
    let words: Vec<&str> = (0..dice.roll(4)).map(|_| dice.pick(&WORDS)).collect();
    filter.q = Some(words.join(" ")).filter(|q| !q.is_empty());
    if dice.roll(4) == 0 {
        filter.country = (0..=dice.roll(2)).map(|_| dice.pick(&COUNTRIES).to_owned()).collect();
    }
    filter.archived = dice.roll(6) == 0;
    if dice.roll(4) == 0 {
        filter.source = vec!["fair".into()];
    }
    if dice.roll(3) == 0 {
        let from = dice.roll(LEADS as usize) as u64;
        filter.created_at_gte = Some(hour(from));
        filter.created_at_lt = (dice.roll(2) == 0).then(|| hour(from + 40));
    }
    if dice.roll(5) == 0 {
        filter.updated_at_lt = Some(hour(dice.roll(LEADS as usize) as u64));
    }
    if dice.roll(4) == 0 {
        let bound = |dice: &mut Dice| (dice.roll(2) == 0).then(|| dice.roll(50) as i64);
        filter.score.total_gte = bound(dice);
        filter.score.total_lt = bound(dice);
        filter.score.fit_gte = bound(dice);
        filter.score.engagement_gte = (dice.roll(8) == 0).then_some(1);
        filter.score.band = (dice.roll(2) == 0).then(|| "B3".to_owned()).into_iter().collect();
    }
    let sorts = [
        LeadSort::Id,
        LeadSort::Id,
        LeadSort::CreatedAt,
        LeadSort::UpdatedAt,
        LeadSort::Name,
        LeadSort::Score,
        LeadSort::Score,
    ];
    (filter, dice.pick(&sorts), dice.roll(2) == 0)
}

fn has_word(found: &LeadWithCompany, word: &Word) -> bool {
    let mut terms = search::lead_terms(&found.lead);
    terms.extend(found.company.iter().flat_map(search::company_terms));
    let begins = |term: &String| word.beginnings.iter().any(|beginning| term.starts_with(beginning.as_str()));
    terms.iter().any(begins)
}

fn is_meant(found: &LeadWithCompany, filter: &LeadFilter) -> bool {
    let lead = &found.lead;
    let country = lead.profile.get(LeadField::Country).unwrap_or_default();
    let source = lead.first_touch.as_ref().and_then(|touch| touch.source.as_deref()).unwrap_or_default();
    let among = |asked: &[String], value: &str| asked.is_empty() || asked.iter().any(|one| one == value);
    let (score, asked) = (found.score.as_ref().unwrap(), &filter.score);
    asked.total_gte.is_none_or(|least| score.total >= least)
        && asked.total_lt.is_none_or(|bound| score.total < bound)
        && asked.fit_gte.is_none_or(|least| score.fit >= least)
        && asked.engagement_gte.is_none_or(|least| score.engagement >= least)
        && (asked.band.is_empty() || score.band.iter().any(|band| asked.band.contains(band)))
        && among(&filter.country, country)
        && among(&filter.source, source)
        && filter.archived == lead.archived_at.is_some()
        && filter.created_at_gte.is_none_or(|at| lead.created_at >= at)
        && filter.created_at_lt.is_none_or(|at| lead.created_at < at)
        && filter.updated_at_lt.is_none_or(|at| lead.updated_at < at)
        && search::query(filter.q.as_deref().unwrap_or_default()).iter().all(|word| has_word(found, word))
}

fn position(found: &LeadWithCompany, sort: LeadSort) -> Position {
    let lead = &found.lead;
    match sort {
        LeadSort::Id => Position::Id(lead.id),
        LeadSort::CreatedAt => Position::At(lead.created_at, lead.id),
        LeadSort::UpdatedAt => Position::At(lead.updated_at, lead.id),
        LeadSort::Name => Position::Name(search::name_key(lead), lead.id),
        LeadSort::Score => Position::Score(total(found), lead.id),
    }
}

/// Every lead has a score: of the provisional agreement, for its address, its phone and its plans.
fn total(found: &LeadWithCompany) -> i64 {
    found.score.as_ref().unwrap().total
}

fn sorted(mut all: Vec<LeadWithCompany>, sort: LeadSort, descending: bool) -> Vec<LeadWithCompany> {
    all.sort_by(|a, b| {
        let (scored, other) = (a, b);
        let (a, b) = (&a.lead, &b.lead);
        let order = match sort {
            LeadSort::Id => a.id.cmp(&b.id),
            LeadSort::CreatedAt => (a.created_at, a.id).cmp(&(b.created_at, b.id)),
            LeadSort::UpdatedAt => (a.updated_at, a.id).cmp(&(b.updated_at, b.id)),
            LeadSort::Name => (search::name_key(a), a.id).cmp(&(search::name_key(b), b.id)),
            LeadSort::Score => (total(scored), a.id).cmp(&(total(other), b.id)),
        };
        if descending { order.reverse() } else { order }
    });
    all
}

async fn save_all(db: &Db, seed: u64, said: &[Statement]) {
    let tx = db.begin(act(seed)).await.unwrap();
    let mut world = tandem_store::leads::world(&tx, said).await.unwrap();
    let mut changes = vec![];
    for one in said {
        let saved =
            save::upsert(&mut world, one, OnConflict::Refuse, &Act { now: hour(seed), ..tx.act().clone() })
                .unwrap();
        changes.extend(saved.changes);
    }
    tandem_store::settle(&tx, &mut world, tx.act(), changes).await.unwrap();
    tx.commit().await.unwrap();
}

/// The pages of a list, one after another.
async fn walk(
    db: &Db,
    filter: &LeadFilter,
    sort: LeadSort,
    descending: bool,
    limit: u64,
) -> Vec<LeadWithCompany> {
    let mut found: Vec<LeadWithCompany> = vec![];
    loop {
        let after = found.last().map(|last| position(last, sort));
        let wanted = LeadPage { sort, descending, after: after.as_ref(), limit, parts: Part::ALL };
        let page = list_within(db, LOW, filter, wanted).await;
        let page = page.unwrap();
        found.extend(page.data);
        if !page.has_more {
            return found;
        }
    }
}

#[tandem_tests::test]
async fn every_way_finds_the_same_page(database: &Database) {
    let db = database.connect().await;
    fill(&db).await;
    let mut all = vec![];
    for archived in [false, true] {
        let everybody = LeadFilter { archived, ..LeadFilter::default() };
        let wanted =
            LeadPage { sort: LeadSort::Id, descending: false, after: None, limit: 1_000, parts: Part::ALL };
        all.extend(tandem_store::leads::list(&db, &everybody, wanted).await.unwrap().data);
    }
    assert_eq!(all.len() as u64, LEADS);

    // The word that is followed is many a lead's own and its company's: one lead, found twice.
    let twice = |descending| {
        let q = Some("amber harbour".to_owned());
        (LeadFilter { q, ..LeadFilter::default() }, LeadSort::Id, descending)
    };
    let mut dice = Dice(11);
    let others = std::iter::repeat_with(|| question(&mut dice)).take(150);
    let mut met = 0;
    for (filter, sort, descending) in [twice(true), twice(false)].into_iter().chain(others) {
        let meant: Vec<LeadWithCompany> = all.iter().filter(|one| is_meant(one, &filter)).cloned().collect();
        let expected = sorted(meant, sort, descending);
        for limit in [2, 11] {
            let found = walk(&db, &filter, sort, descending, limit).await;
            assert_eq!(found, expected, "{filter:?} by {sort:?}, descending: {descending}, {limit} a page");
        }
        met += expected.len();
    }
    assert!(met > 1_000, "the questions are about somebody: {met}");
    db.close().await;
}

#[tandem_tests::test]
async fn many_leads_follow_the_new_name_of_their_company(database: &Database) {
    let db = database.connect().await;
    let company = |name: &str| CompanyStatement {
        domain: Some(Domain::parse("large.example").unwrap()),
        text: [(CompanyField::Name, Some(name.to_owned()))].into(),
        employees: None,
        ..CompanyStatement::default()
    };
    let colleague = |n: usize| Statement {
        company: Some(company("Copper Works")),
        ..crate::statement(&format!("p{n}@large.example"))
    };
    let said: Vec<Statement> = (0..1_100).map(colleague).collect();
    save_all(&db, 1, &said).await;
    save_all(&db, 2, &[Statement { company: Some(company("Silver Works")), ..said[0].clone() }]).await;

    let mut rounds = 0;
    while tandem_store::leads::next_rename(&db).await.unwrap().is_some() {
        let tx = db.begin(act(10 + rounds)).await.unwrap();
        tandem_store::leads::follow_renames(&tx, 500).await.unwrap();
        tx.commit().await.unwrap();
        rounds += 1;
    }

    let found = async |q: &str| {
        let filter = LeadFilter { q: Some(q.into()), ..LeadFilter::default() };
        tandem_store::leads::count(&db, &filter).await.unwrap()
    };
    assert_eq!((found("silver").await, found("copper").await), ((1_100, false), (0, false)));
    assert_eq!(rounds, 4, "500, 500, 100, and none");
    db.close().await;
}
