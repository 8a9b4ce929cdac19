//! Fictitious people and companies: the same ones at every run, with rare, common and very common words.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tandem_domain::id::splitmix64;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::Touch;
use tandem_domain::leads::custom::{CustomField, CustomType};
use tandem_domain::leads::fields::{CompanyField, LeadField};
use tandem_domain::leads::identity::{Domain, Email, Invalid, Phone};
use tandem_domain::leads::save::{CompanyStatement, Statement};
use tandem_domain::leads::search::fold;
use tandem_domain::tracking::Report;

/// A last name that one lead of 40,000 has.
pub const RARE: &str = "Quillfeather";
/// The first name that most leads have: about one of seven.
pub const COMMON: &str = "Anna";
/// A last name that about one lead of 22 has, whatever its first name.
pub const COMMON_LAST: &str = "Bergström";
/// Two common words, about one lead of 30 and of 40, which one lead of 100,000 has both.
pub const STRANGERS: [&str; 2] = ["Oskar", "Vandermeer"];
/// Two words of companies: each is common, both together some twenty companies have.
pub const COMPANY: &str = "Amber Harbour";
/// The external system that every lead is known in.
pub const SYSTEM: &str = "crm";

/// How many leads a company has on average.
const LEADS_OF_A_COMPANY: u64 = 20;

const FIRST: [&str; 52] = [
    "Anna",
    "Marco",
    "Elena",
    "Jonas",
    "Chloé",
    "Oskar",
    "Ingrid",
    "Matteo",
    "Zoë",
    "Björn",
    "Lucía",
    "Tomasz",
    "Agnieszka",
    "Henrik",
    "Noémie",
    "Pieter",
    "Sanne",
    "Ruairí",
    "Siobhán",
    "Callum",
    "Isla",
    "Wojciech",
    "Katarína",
    "Dušan",
    "Milica",
    "Giorgos",
    "Eleni",
    "Rasmus",
    "Freja",
    "Aino",
    "Väinö",
    "Beatriz",
    "Joaquim",
    "Inês",
    "Bogdan",
    "Ioana",
    "Mehmet",
    "Ayşe",
    "Yusuf",
    "Leïla",
    "Karim",
    "Amira",
    "Nikolai",
    "Svetlana",
    "Haruto",
    "Yui",
    "Minjun",
    "Priya",
    "Arjun",
    "Thandiwe",
    "Kwame",
    "Ngozi",
];
const STEM: [&str; 40] = [
    "Berg", "Lind", "Wald", "Stein", "Holm", "Dahl", "Nord", "Sund", "Vest", "Eng", "Rosen", "Silver",
    "Gold", "Eber", "Kirch", "Acker", "Brand", "Falken", "Hirsch", "Klein", "Lager", "Mühl", "Neu", "Ober",
    "Pfeil", "Quist", "Ritter", "Schön", "Thal", "Ulm", "Vogel", "Winter", "Zimmer", "Ash", "Birch", "Cedar",
    "Elm", "Haw", "Oak", "Thorn",
];
const ENDING: [&str; 12] =
    ["ström", "mann", "feld", "qvist", "gren", "lund", "bach", "hausen", "wood", "field", "ton", "worth"];
const NAMED: [&str; 50] = [
    "Amber", "Silver", "Copper", "Cobalt", "Crimson", "Ivory", "Jade", "Golden", "Indigo", "Scarlet",
    "Northern", "Southern", "Eastern", "Western", "Upper", "Lower", "Bright", "Quiet", "Swift", "Steady",
    "Clear", "Deep", "High", "Broad", "Little", "Grand", "Old", "New", "Young", "Green", "Blue", "Red",
    "White", "Black", "Grey", "Royal", "Noble", "Simple", "Prime", "First", "Second", "Double", "Triple",
    "Single", "Lucky", "Happy", "Brave", "Gentle", "Wild", "Calm",
];
const THING: [&str; 50] = [
    "Harbour", "Mountain", "River", "Forest", "Meadow", "Valley", "Island", "Bridge", "Tower", "Castle",
    "Garden", "Orchard", "Lantern", "Compass", "Anchor", "Sail", "Wheel", "Anvil", "Hammer", "Loom",
    "Needle", "Thread", "Button", "Mirror", "Window", "Door", "Bell", "Clock", "Kettle", "Cup", "Plate",
    "Spoon", "Falcon", "Heron", "Otter", "Badger", "Fox", "Hare", "Stag", "Salmon", "Pine", "Maple",
    "Willow", "Cedar", "Stone", "Pebble", "Cloud", "Rain", "Snow", "Ember",
];
const KIND: [&str; 20] = [
    "Works",
    "Labs",
    "Group",
    "Trading",
    "Partners",
    "Systems",
    "Studio",
    "Foods",
    "Energy",
    "Health",
    "Tools",
    "Optics",
    "Logistics",
    "Textiles",
    "Paper",
    "Glass",
    "Media",
    "Books",
    "Travel",
    "Design",
];
const COUNTRY: [(&str, &str, &str); 12] = [
    ("DE", "49", "de"),
    ("IT", "39", "it"),
    ("FR", "33", "fr"),
    ("GB", "44", "en"),
    ("ES", "34", "es"),
    ("NL", "31", "nl"),
    ("CH", "41", "de"),
    ("SE", "46", "sv"),
    ("PL", "48", "pl"),
    ("PT", "351", "pt"),
    ("IE", "353", "en"),
    ("IS", "354", "is"),
];
const CAME: [(&str, &str); 10] = [
    ("google", "organic_search"),
    ("google_ads", "paid_search"),
    ("newsletter", "email"),
    ("linkedin", "paid_social"),
    ("direct", "direct"),
    ("bing", "organic_search"),
    ("partner", "referral"),
    ("webinar", "event"),
    ("fair", "event"),
    ("podcast", "display"),
];
const TITLE: [&str; 10] = [
    "Buyer",
    "Head of Purchasing",
    "Engineer",
    "Managing Director",
    "Head of Marketing",
    "Analyst",
    "Founder",
    "Consultant",
    "Operations Manager",
    "Sales Manager",
];
const SEGMENT: [&str; 4] = ["small", "middle", "large", "public"];

/// Where chance comes from: the same for the same lead and question.
#[derive(Clone, Copy)]
pub struct Dice(u64);

impl Dice {
    /// The dice of the n-th of a kind.
    pub fn of(n: u64) -> Self {
        Self(splitmix64(n.wrapping_mul(0x9e37_79b9) ^ 0x7461_6e64_656d))
    }

    /// A number from 0 to, not including, 1.
    pub fn roll(&mut self) -> f64 {
        self.0 = splitmix64(self.0);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// An index; all are as likely.
    pub fn pick(&mut self, many: usize) -> usize {
        ((self.roll() * many as f64) as usize).min(many - 1)
    }

    /// An index; the first ones are much more likely.
    pub fn favour(&mut self, many: usize) -> usize {
        ((self.roll().powi(2) * many as f64) as usize).min(many - 1)
    }
}

/// The declared custom fields.
pub fn custom_fields() -> Vec<CustomField> {
    let field = |name: &str, kind, options: &[&str]| CustomField {
        name: name.into(),
        label: name.into(),
        kind,
        options: options.iter().map(|option| (*option).to_owned()).collect(),
    };
    vec![
        field("segment", CustomType::Choice, &SEGMENT),
        field("seats", CustomType::Integer, &[]),
        field("newsletter", CustomType::Boolean, &[]),
    ]
}

/// So many leads and their companies.
#[derive(Clone, Copy)]
pub struct People {
    /// How many leads.
    pub leads: u64,
}

impl People {
    /// What is said about the n-th lead, known since an instant.
    pub fn lead(self, n: u64, at: Timestamp) -> Result<Statement, Invalid> {
        let mut dice = Dice::of(n);
        let (first, last) = name(n, &mut dice);
        let (country, code, language) = COUNTRY[dice.favour(COUNTRY.len())];
        let (source, channel) = CAME[dice.favour(CAME.len())];
        let mut text: BTreeMap<LeadField, Option<String>> = BTreeMap::new();
        let mut say = |field, value: &str| drop(text.insert(field, Some(value.to_owned())));
        say(LeadField::FirstName, first);
        say(LeadField::LastName, &last);
        say(LeadField::JobTitle, TITLE[dice.pick(TITLE.len())]);
        say(LeadField::Country, country);
        say(LeadField::Language, language);
        let mut custom: BTreeMap<String, Value> = BTreeMap::new();
        custom.insert("segment".into(), json!(SEGMENT[dice.favour(SEGMENT.len())]));
        custom.insert("seats".into(), json!(dice.pick(500)));
        if dice.roll() < 0.5 {
            custom.insert("newsletter".into(), json!(true));
        }
        let mut phones = vec![];
        if has_phone(n) {
            phones.push(Phone::parse(&format!("+{code}{}", phone_digits(n)))?);
        }
        let mut company = None;
        if dice.roll() < 0.85 {
            company = Some(self.company(n)?);
        }
        Ok(Statement {
            external_ids: vec![(SYSTEM.into(), external_id(n))],
            emails: vec![Email::parse(&self.email(n))?],
            phones,
            text,
            custom,
            company,
            first_touch: Some(Report::from(Touch {
                channel: Some(channel.into()),
                source: Some(source.into()),
                campaign: Some(format!("campaign-{}", dice.favour(60))),
                occurred_at: Some(at),
                ..Touch::default()
            })),
            ..Statement::default()
        })
    }

    /// The n-th lead's e-mail.
    pub fn email(self, n: u64) -> String {
        let (first, last) = name(n, &mut Dice::of(n));
        format!("{}.{}.{n}@{}", ascii(first), ascii(&last), domain(self.company_of(n)))
    }

    /// Leads of one company became known at very different times.
    fn company_of(self, n: u64) -> u64 {
        n.wrapping_mul(7_919) % (self.leads / LEADS_OF_A_COMPANY).max(1)
    }

    fn company(self, n: u64) -> Result<CompanyStatement, Invalid> {
        let company = self.company_of(n);
        let (named, thing, kind) = words_of(company);
        Ok(CompanyStatement {
            domain: Some(Domain::parse(&domain(company))?),
            text: [(CompanyField::Name, Some(format!("{named} {thing} {kind}")))].into(),
            employees: None,
            ..CompanyStatement::default()
        })
    }
}

/// The n-th lead's external id.
pub fn external_id(n: u64) -> String {
    format!("C-{n:08}")
}

/// The last nine digits of the n-th lead's phone, which no other lead has. No number begins with a zero.
pub fn phone_digits(n: u64) -> String {
    (100_000_000 + (n * 61_803_399 + 12_345) % 900_000_000).to_string()
}

/// Whether the n-th lead has a phone: seven of ten do.
pub fn has_phone(n: u64) -> bool {
    n % 10 < 7
}

fn name(n: u64, dice: &mut Dice) -> (&'static str, String) {
    let first = FIRST[dice.favour(FIRST.len())];
    let place = dice.favour(STEM.len() * ENDING.len());
    let last = format!("{}{}", STEM[place / ENDING.len()], ENDING[place % ENDING.len()]);
    match n {
        n if n % 40_000 == 17 => (first, RARE.to_owned()),
        n if n % 100_000 == 23 => (STRANGERS[0], STRANGERS[1].to_owned()),
        n if n % 40 == 3 && first != STRANGERS[0] => (first, STRANGERS[1].to_owned()),
        _ => (first, last),
    }
}

fn ascii(text: &str) -> String {
    fold(text).chars().filter(char::is_ascii_alphanumeric).collect()
}

fn domain(company: u64) -> String {
    let (named, thing, _) = words_of(company);
    format!("{}-{}-{company}.example", named.to_lowercase(), thing.to_lowercase())
}

fn words_of(company: u64) -> (&'static str, &'static str, &'static str) {
    let company = company as usize;
    let (named, rest) = (company % NAMED.len(), company / NAMED.len());
    (NAMED[named], THING[rest % THING.len()], KIND[rest / THING.len() % KIND.len()])
}
