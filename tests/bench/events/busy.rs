//! A lead that did very much: how soon its pages open.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use tandem_domain::instant::Timestamp;

use super::BATCH;
use super::server_events::now;
use crate::Failure;
use crate::client::{Client, Request};
use crate::load::Measured;

/// How many events the lead has.
pub const EVENTS: usize = 50_000;
/// How often each page is opened.
const TIMES: usize = 100;
/// From one event to the next, in milliseconds.
const STEP: i64 = 60_000;

/// Make the lead, and open its pages.
pub fn open(address: SocketAddr, key: &str) -> Result<Vec<(&'static str, Measured)>, Failure> {
    let mut client = Client::connect(address, Some(key))?;
    let lead = json!({"emails": ["busy@example.com"]});
    let lead = client.succeed(&Request::post("/v1/leads", lead))?.json()?;
    let id = lead["id"].as_str().ok_or("a lead without an id")?.to_owned();
    let identify = json!({"visitor_id": "busy-visitor", "lead": {"id": id}});
    client.succeed(&Request::post("/v1/identify", identify))?;
    let begun = now() - 3 * EVENTS as i64 * STEP;
    for request in 0..EVENTS / BATCH {
        let events: Vec<_> = (0..BATCH)
            .map(|n| request * BATCH + n)
            // Twenty pages, a rest of forty minutes, and so on.
            .map(|n| begun + (n + n / 20 * 40) as i64 * STEP)
            .map(|at| {
                json!({"type": "page_view", "visitor_id": "busy-visitor",
                "occurred_at": Timestamp::from_millis(at), "url": "https://www.example.com/pricing"})
            })
            .collect();
        client.succeed(&Request::post("/v1/events", json!({ "events": events })))?;
    }
    let paths = [
        ("the lead", ""),
        ("its timeline", "/timeline"),
        ("its events", "/events"),
        ("its events of one type", "/events?types=page_view"),
        ("its touches", "/touches"),
        ("its sessions", "/sessions"),
    ];
    let mut pages = vec![];
    for (name, path) in paths {
        let request = Request::get(format!("/v1/leads/{id}{path}"));
        let begun = Instant::now();
        let mut took = (0..TIMES)
            .map(|_| client.succeed(&request).map(|answer| answer.took))
            .collect::<Result<Vec<Duration>, _>>()?;
        took.sort_unstable();
        let wall = begun.elapsed();
        pages.push((name, Measured { took, wall }));
    }
    Ok(pages)
}
