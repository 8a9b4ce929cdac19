//! What servers tell: visitors who look at ten pages each, half of them in one request and half in the next.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tandem_domain::instant::Timestamp;

use super::BATCH;
use crate::client::Request;

/// How many of a visitor's events one request tells.
const OF_A_VISITOR: u64 = 5;
/// How many visitors begin with each request.
const NEW: u64 = BATCH as u64 / OF_A_VISITOR / 2;
/// How far back visits lie, in milliseconds: events come late, and never too early.
const AGO: i64 = 24 * 3_600_000;

const LANDINGS: [&str; 4] = [
    "?utm_source=google&utm_medium=cpc&utm_campaign=spring&gclid=Cj0KCQ",
    "?utm_source=newsletter&utm_medium=email&utm_campaign=may",
    "",
    "?utm_source=linkedin&utm_medium=paid_social&utm_campaign=founders",
];

/// Everybody who tells: no visitor twice.
#[derive(Default)]
pub struct Teller(AtomicU64);

/// The visitors of one connection.
pub struct Crowd {
    number: u64,
    requests: u64,
}

impl Teller {
    /// The visitors of another connection.
    pub fn crowd(&self) -> Crowd {
        Crowd { number: self.0.fetch_add(1, Ordering::Relaxed), requests: 0 }
    }
}

impl Crowd {
    /// The next request.
    pub fn request(&mut self) -> Request {
        let first = self.requests * NEW;
        self.requests += 1;
        let events: Vec<Value> = (first..first + 2 * NEW)
            .flat_map(|visitor| {
                // Those who began with the request before go on.
                let page = if visitor < first + NEW && first > 0 { OF_A_VISITOR } else { 0 };
                (page..page + OF_A_VISITOR).map(move |page| (visitor, page))
            })
            .map(|(visitor, page)| self.event(visitor, page))
            .collect();
        Request::post("/v1/events", json!({ "events": events }))
    }

    fn event(&self, visitor: u64, page: u64) -> Value {
        let query = if page == 0 { LANDINGS[visitor as usize % LANDINGS.len()] } else { "" };
        let referrer = (page > 0).then(|| format!("https://www.example.com/products/{}", page - 1));
        json!({
            "type": "page_view",
            "visitor_id": format!("v-{:08}-{visitor:08}", self.number),
            "event_id": format!("{}-{visitor}-{page}", self.number),
            "occurred_at": Timestamp::from_millis(now() - AGO + (visitor % 1000) as i64 * 100 + page as i64 * 20_000),
            "url": format!("https://www.example.com/products/{page}{query}"),
            "referrer": referrer.unwrap_or_else(|| "https://www.google.com/".into()),
            "properties": {"title": "Our products", "position": page},
        })
    }
}

/// The clock of this machine, in milliseconds.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}
