//! Who takes part in the demo: a fictitious maker of cargo bikes, its people, forms, campaigns and visitors' names.

use tandem_domain::access::Role;
use tandem_domain::capture::{
    FieldType, FormConsent, FormField, FormSettings, LegalBasis, MakeForm, Unticked,
};
use tandem_domain::leads::custom::{CustomField, CustomType};

/// The company.
pub const COMPANY: &str = "Hartwell Cargo Bikes";
/// Where its reports are made.
pub const TIMEZONE: &str = "Europe/Berlin";
/// Its website.
pub const ORIGIN: &str = "https://www.hartwell.example";
/// Who administers.
pub const ADMIN: (&str, &str) = ("grace@hartwell.example", "Grace Okafor");

/// The team: e-mail, name, role.
pub const TEAM: [(&str, &str, Role); 9] = [
    ("ines@hartwell.example", "Inês Duarte", Role::MarketingManager),
    ("tom@hartwell.example", "Tom Lindqvist", Role::Marketing),
    ("ruth@hartwell.example", "Ruth Adler", Role::SalesManager),
    ("piotr@hartwell.example", "Piotr Zieliński", Role::Sales),
    ("amara@hartwell.example", "Amara Diallo", Role::Sales),
    ("jonas@hartwell.example", "Jonas Brandt", Role::Sales),
    ("chloe@hartwell.example", "Chloé Martin", Role::Sales),
    ("sean@hartwell.example", "Seán Byrne", Role::Sales),
    ("nora@hartwell.example", "Nora Feld", Role::Viewer),
];
/// The place of marketing in the team.
pub const MARKETING: usize = 1;
/// The place of the sales manager in the team.
pub const SALES_MANAGER: usize = 2;
/// The places of sales in the team, with how quick and how good each is (1 is usual).
pub const SALES: [(usize, f64, f64); 5] = [
    (3, 0.6, 1.15),
    (4, 0.8, 1.2),
    (5, 1.0, 1.0),
    (6, 1.3, 0.95),
    (7, 2.2, 0.75),
];

/// A form, and how serious those are who fill it in (0 to 1).
pub struct FormPlan {
    /// The name that people see.
    pub name: &'static str,
    /// The page that it stands on.
    pub page: &'static str,
    /// How serious its people are.
    pub intent: f64,
    /// How often it is filled in, beside the others.
    pub weight: f64,
}

/// The forms.
pub const FORMS: [FormPlan; 4] = [
    FormPlan {
        name: "Request a demo",
        page: "/demo",
        intent: 0.72,
        weight: 0.24,
    },
    FormPlan {
        name: "Webinar: cargo bikes in winter",
        page: "/webinar",
        intent: 0.42,
        weight: 0.18,
    },
    FormPlan {
        name: "Download the fleet guide",
        page: "/fleet-guide",
        intent: 0.32,
        weight: 0.36,
    },
    FormPlan {
        name: "Newsletter",
        page: "/news",
        intent: 0.12,
        weight: 0.22,
    },
];

/// The way by which a visitor comes.
pub struct Way {
    /// `utm_source`; none for people who come by themselves.
    pub source: Option<&'static str>,
    /// `utm_medium`.
    pub medium: &'static str,
    /// `utm_campaign`.
    pub campaign: &'static str,
    /// Where the visitor was before.
    pub referrer: &'static str,
    /// How much better its people are.
    pub lift: f64,
    /// How many come by it.
    pub weight: f64,
    /// The months in which it runs.
    pub months: std::ops::RangeInclusive<i8>,
}

const fn way(
    source: Option<&'static str>,
    medium: &'static str,
    campaign: &'static str,
    referrer: &'static str,
    lift: f64,
    weight: f64,
    months: std::ops::RangeInclusive<i8>,
) -> Way {
    Way {
        source,
        medium,
        campaign,
        referrer,
        lift,
        weight,
        months,
    }
}

/// The ways.
pub const WAYS: [Way; 9] = [
    way(None, "", "", "https://www.google.com/", 0.04, 0.24, 1..=12),
    way(None, "", "", "", 0.06, 0.12, 1..=12),
    way(
        Some("google"),
        "cpc",
        "always_on_search",
        "https://www.google.com/",
        0.02,
        0.18,
        1..=12,
    ),
    way(
        Some("google"),
        "cpc",
        "spring_fleet",
        "https://www.google.com/",
        0.05,
        0.16,
        3..=5,
    ),
    way(
        Some("linkedin"),
        "paid_social",
        "autumn_budgets",
        "https://www.linkedin.com/",
        -0.02,
        0.20,
        9..=11,
    ),
    way(
        Some("facebook"),
        "paid_social",
        "city_without_vans",
        "https://www.facebook.com/",
        -0.16,
        0.14,
        4..=8,
    ),
    way(
        Some("newsletter"),
        "email",
        "monthly_news",
        "",
        0.03,
        0.12,
        1..=12,
    ),
    way(
        Some("partner_velostadt"),
        "referral",
        "partner_programme",
        "https://velostadt.example/",
        0.14,
        0.08,
        1..=12,
    ),
    way(
        Some("newsletter"),
        "email",
        "winter_webinar",
        "",
        0.0,
        0.22,
        1..=2,
    ),
];

/// A campaign, with what it costs on each day of its months.
pub struct Spending {
    /// Its name.
    pub name: &'static str,
    /// The `utm_campaign` of its visitors.
    pub alias: &'static str,
    /// Its channel.
    pub channel: &'static str,
    /// Euro cents on each day.
    pub cents: i64,
    /// The months in which it runs.
    pub months: std::ops::RangeInclusive<i8>,
}

const fn spending(
    name: &'static str,
    alias: &'static str,
    channel: &'static str,
    cents: i64,
    months: std::ops::RangeInclusive<i8>,
) -> Spending {
    Spending {
        name,
        alias,
        channel,
        cents,
        months,
    }
}

/// The campaigns.
pub const CAMPAIGNS: [Spending; 8] = [
    spending(
        "Always-on search",
        "always_on_search",
        "paid_search",
        90_000,
        1..=12,
    ),
    spending("Spring fleet", "spring_fleet", "paid_search", 180_000, 3..=5),
    spending("Autumn budgets", "autumn_budgets", "paid_social", 240_000, 9..=11),
    spending(
        "City without vans",
        "city_without_vans",
        "paid_social",
        140_000,
        4..=8,
    ),
    spending("Monthly news", "monthly_news", "email", 18_000, 1..=12),
    spending(
        "Partner programme",
        "partner_programme",
        "referral",
        30_000,
        1..=12,
    ),
    spending("Winter webinar", "winter_webinar", "email", 50_000, 1..=2),
    spending("Fleet Expo", "fleet_expo", "event", 250_000, 5..=5),
];

/// First names, last names, and the country that they are from.
pub const NAMES: [(&str, &[&str], &[&str]); 7] = [
    (
        "DE",
        &["Anna", "Lukas", "Mia", "Felix", "Jürgen", "Sabine", "Emil"],
        &["Schäfer", "Krüger", "Vogt", "Brandt", "Lorenz", "Engel"],
    ),
    (
        "FR",
        &["Camille", "Hugo", "Léa", "Noémie", "Théo"],
        &["Moreau", "Lefèvre", "Garnier", "Chevalier", "Blanc"],
    ),
    (
        "NL",
        &["Sanne", "Daan", "Femke", "Bram"],
        &["de Vries", "Bakker", "Visser", "Mulder"],
    ),
    (
        "GB",
        &["Oliver", "Priya", "Callum", "Isla", "Kwame"],
        &["Whitfield", "Ashworth", "Okoro", "Marsh", "Kapoor"],
    ),
    (
        "IT",
        &["Giulia", "Matteo", "Chiara", "Davide"],
        &["Conti", "Ferrari", "Gallo", "Rinaldi"],
    ),
    (
        "CH",
        &["Lea", "Noah", "Reto", "Ursina"],
        &["Ammann", "Bühler", "Frei", "Wyss"],
    ),
    (
        "PL",
        &["Zofia", "Jakub", "Maja", "Wojciech"],
        &["Nowak", "Kowalczyk", "Wójcik", "Mazur"],
    ),
];
/// How many come from each of [`NAMES`].
pub const COUNTRY_WEIGHTS: [f64; 7] = [0.36, 0.14, 0.14, 0.14, 0.09, 0.08, 0.05];

/// First words of companies' names.
pub const FIRST_WORDS: [&str; 24] = [
    "Amber", "Bramble", "Copper", "Dovetail", "Elder", "Fern", "Granite", "Harbour", "Ivory", "Juniper",
    "Kestrel", "Linden", "Maple", "North", "Orchard", "Pebble", "Quarry", "River", "Saffron", "Thistle",
    "Upland", "Vale", "Willow", "Yarrow",
];
/// What companies do: the last word of the name.
pub const TRADES: [&str; 12] = [
    "Bakery",
    "Couriers",
    "Pharmacies",
    "Florists",
    "Facilities",
    "Catering",
    "Parcels",
    "Laundry",
    "Electric",
    "Markets",
    "Clinics",
    "Waterworks",
];
/// What people do.
pub const TITLES: [&str; 7] = [
    "Fleet Manager",
    "Head of Operations",
    "Managing Director",
    "Buyer",
    "Sustainability Lead",
    "Office Manager",
    "Owner",
];
/// What people write.
pub const NEEDS: [&str; 6] = [
    "Two of our vans are to go by the summer.",
    "Deliveries in the old town, cars are locked out from January.",
    "Cooled boxes for food, three depots.",
    "Just looking what is possible.",
    "A replacement for ten leased bikes.",
    "Bikes with space for ladders and tools.",
];
/// To whom deals are lost.
pub const COMPETITORS: [&str; 3] = ["Velora", "Lastrad Works", "Urban Haul"];

/// The custom fields of leads.
pub fn custom_fields() -> Vec<CustomField> {
    vec![CustomField {
        name: "fleet_size".into(),
        label: "Vehicles in use".into(),
        kind: CustomType::Integer,
        options: vec![],
    }]
}

/// A form as marketing makes it.
pub fn form(plan: &FormPlan) -> MakeForm {
    let field = |name: &str, label: &str, kind, required, maps_to: &str| FormField {
        name: name.into(),
        label: label.into(),
        kind,
        required,
        maps_to: Some(maps_to.into()),
    };
    let mut fields = vec![
        field("email", "E-mail", FieldType::Email, true, "email"),
        field("first_name", "First name", FieldType::Text, false, "first_name"),
        field("last_name", "Last name", FieldType::Text, false, "last_name"),
    ];
    if plan.intent > 0.2 {
        fields.extend([
            field("company", "Company", FieldType::Text, false, "company.name"),
            field("job_title", "What you do", FieldType::Text, false, "job_title"),
            field("country", "Country", FieldType::Text, false, "country"),
        ]);
    }
    if plan.intent > 0.5 {
        fields.extend([
            field("phone", "Phone", FieldType::Phone, false, "phone"),
            field(
                "fleet_size",
                "Vehicles in use",
                FieldType::Number,
                false,
                "custom.fleet_size",
            ),
            field("need", "What is it about?", FieldType::Textarea, false, "need"),
        ]);
    }
    let consent = FormConsent {
        purpose: "marketing_email".into(),
        wording: "You may send me news by e-mail.".into(),
        legal_basis: LegalBasis::Consent,
        required: plan.intent < 0.2,
        granting_values: vec![],
        unticked: Unticked::Nothing,
    };
    MakeForm {
        name: plan.name.into(),
        fields,
        allowed_origins: vec![ORIGIN.into()],
        settings: FormSettings {
            redirect_url: Some(format!("{ORIGIN}/thank-you")),
            honeypot_field: Some("website".into()),
            consent: vec![consent],
            ..FormSettings::default()
        },
    }
}
