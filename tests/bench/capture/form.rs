//! The form that is sent, and who sends it: each capture is of a new person at a company that is known.

use std::cell::Cell;

use serde_json::{Value, json};

/// How many companies are known before anything is measured.
pub const COMPANIES: u64 = 1_000;
/// The first person who is measured; those before are known. A person's number is the national part of an Italian
/// mobile number, and has ten digits.
const STRANGERS: u64 = 3_210_000_000;
/// The first person who is known.
const KNOWN: u64 = 3_200_000_000;

const FIRST: [&str; 8] = ["Giulia", "Marco", "Sofia", "Luca", "Aurora", "Matteo", "Chiara", "Davide"];
const LAST: [&str; 8] = ["Rossi", "Ferrari", "Bianchi", "Romano", "Colombo", "Ricci", "Marino", "Greco"];
const CAMPAIGN: [(&str, &str, &str); 4] = [
    ("google", "cpc", "spring"),
    ("newsletter", "email", "may"),
    ("linkedin", "paid_social", "founders"),
    ("bing", "organic", ""),
];

/// The form, as it is made over HTTP.
pub fn form() -> Value {
    json!({
        "name": "Contact",
        "fields": [
            {"name": "email", "label": "E-mail", "type": "email", "required": true, "maps_to": "email"},
            {"name": "first_name", "label": "First name", "type": "text", "maps_to": "first_name"},
            {"name": "last_name", "label": "Last name", "type": "text", "maps_to": "last_name"},
            {"name": "phone", "label": "Phone", "type": "phone", "maps_to": "phone"},
            {"name": "website", "label": "Website", "type": "text", "maps_to": "company.domain"},
            {"name": "message", "label": "Message", "type": "textarea"},
        ],
        "allowed_origins": ["https://www.example.com"],
    })
}

/// A form that asks for a service: who sends it becomes an MQL.
pub fn asking_form() -> Value {
    let mut form = form();
    form["service_requested"] = json!("Consultation");
    form
}

/// The e-mail address of the person by whom a company became known.
pub fn known(company: u64) -> String {
    format!("p{}@{}", KNOWN + company, domain(company))
}

/// The domain of a company.
pub fn domain(company: u64) -> String {
    format!("firma{company:04}.example")
}

/// Who sends the form of one database: no person twice.
pub struct Sender {
    key: String,
    next: Cell<u64>,
}

impl Sender {
    /// Of the form with this publishable key.
    pub fn new(key: String) -> Self {
        Self { key, next: Cell::new(0) }
    }

    /// The capture of a person whom nobody knows yet.
    pub fn stranger(&self) -> Vec<u8> {
        let n = self.turn();
        self.of(STRANGERS + n, n.wrapping_mul(7_919) % COMPANIES, "")
    }

    /// The next capture of a mix: of fifty, four are of people who are known, and one is of a stranger by the form of
    /// `asking`.
    pub fn mixed(&self, asking: &Sender) -> Vec<u8> {
        let n = self.turn();
        let company = n.wrapping_mul(7_919) % COMPANIES;
        match n % 50 {
            0 => asking.of(STRANGERS + n, company, ""),
            1..=4 => self.of(KNOWN + company, company, &format!(" My {n}th question: when may I call?")),
            _ => self.of(STRANGERS + n, company, ""),
        }
    }

    fn turn(&self) -> u64 {
        let n = self.next.get();
        self.next.set(n + 1);
        n
    }

    /// The first capture of the person by whom a company becomes known.
    pub fn first(&self, company: u64) -> Vec<u8> {
        self.of(KNOWN + company, company, "")
    }

    /// Another capture of that person.
    pub fn again(&self, company: u64) -> Vec<u8> {
        self.of(KNOWN + company, company, " Once more: when may I call?")
    }

    /// The capture of a person, as it goes over the wire.
    pub fn of(&self, person: u64, company: u64, more: &str) -> Vec<u8> {
        let (source, medium, campaign) = CAMPAIGN[person as usize % CAMPAIGN.len()];
        let domain = domain(company);
        let body = json!({
            "fields": {
                "email": format!("p{person}@{domain}"),
                "first_name": FIRST[person as usize % FIRST.len()],
                "last_name": LAST[person as usize / 8 % LAST.len()],
                "phone": format!("+39 {person}"),
                "website": domain,
                "message": format!("Please send me an offer for our office in Turin, some forty seats.{more}"),
            },
            "context": {
                "page_url": format!("https://www.example.com/contact?utm_source={source}&utm_medium={medium}&utm_campaign={campaign}"),
                "page_title": "Contact us",
                "referrer": "https://www.google.com/",
                "landing_url": format!("https://www.example.com/?utm_source={source}&utm_medium={medium}&utm_campaign={campaign}"),
                "language": "it",
            },
        })
        .to_string();
        format!(
            "POST /v1/capture/{} HTTP/1.1\r\nHost: localhost\r\nOrigin: https://www.example.com\r\n\
             User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
             Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        )
        .into_bytes()
    }
}
