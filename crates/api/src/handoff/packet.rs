//! The packet of a hand-off: as JSON, or as a page for a rep on the phone.

use std::fmt::Write;

use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, get};
use serde::Deserialize;
use serde_json::Value;
use tandem_domain::access::Actor;
use tandem_domain::handoff::{self, packet::Packet};
use tandem_store as store;
use utoipa::IntoParams;

use super::HandoffPath;
use crate::access::scopes::{HandoffsRead, LeadsRead, PacketsRead};
use crate::capture::page::{escaped, telling};
use crate::edge::ctx::Ctx;
use crate::edge::http::problem::StoredAnswer;
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::{Rendered, Reply};

/// How a packet is read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PacketQuery {
    /// Whether a user opens the packet in person; the first time is recorded with the hand-off. Omit it when
    /// prefetching.
    #[serde(default)]
    #[param(default = false)]
    opened: bool,
}

/// Read the packet of a hand-off.
///
/// What sales knew when the lead was handed over. The packet never changes; read the lead for its present state. With
/// `Accept: text/html` the answer is a short page to print or to read on a phone. An imported hand-off has no packet
/// (`404`).
#[utoipa::path(tag = "handoffs", params(HandoffPath, PacketQuery), security(("bearer" = [HandoffsRead, LeadsRead])),
    responses((status = 200, description = "The packet",
        content((Packet = "application/json"), (String = "text/html")))))]
#[get("/v1/handoffs/{handoff_id}/packet")]
pub(super) async fn get_handoff_packet(
    ctx: Ctx<PacketsRead>,
    path: Path<HandoffPath>,
    query: Query<PacketQuery>,
) -> Reply<Rendered> {
    let id = path.0.handoff_id;
    let reader = match ctx.actor() {
        Actor::User(person) if query.0.opened => Some(person.id),
        _ => None,
    };
    let packet = store::handoff::packet(ctx.db(), id).await?;
    let answer = Rendered(rendered(ctx.request(), packet));
    let Some(reader) = reader else {
        return Ok(answer);
    };
    let tx = ctx.begin().await?;
    let mut world = store::handoff::world_of(&tx, id).await?;
    let opened = handoff::open(&mut world, id, reader, ctx.act());
    store::settle(&tx, &mut world, ctx.act(), opened).await?;
    ctx.commit(tx, answer).await
}

fn rendered(request: &HttpRequest, packet: String) -> StoredAnswer {
    let accept = request
        .headers()
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        let packet: Value = serde_json::from_str(&packet).unwrap_or_default();
        return telling(200, "Lead handed over", &page(&packet));
    }
    StoredAnswer {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: packet.into_bytes(),
    }
}

/// The packet in a few sections; what is not known is left out.
fn page(packet: &Value) -> String {
    let mut page = String::new();
    let who = &packet["who"];
    section(
        &mut page,
        "Who",
        &[
            ("Name", joined(&[&who["first_name"], &who["last_name"]])),
            ("Role", text(&who["job_title"])),
            ("E-mail", listed(&who["emails"])),
            ("Phone", listed(&who["phones"])),
            ("Country", text(&who["country"])),
            (
                "Company",
                joined(&[&who["company"]["name"], &who["company"]["domain"]]),
            ),
            ("Industry", text(&who["company"]["industry"])),
            ("Employees", text(&who["company"]["employees"])),
        ],
    );
    let request = &packet["request"];
    let mut asked = vec![
        ("Need".to_owned(), text(&request["need"])),
        ("Form".to_owned(), text(&request["form_name"])),
        ("Service".to_owned(), text(&request["service_requested"])),
        ("Sent".to_owned(), text(&request["sent_at"])),
    ];
    for answer in items(&request["answers"]) {
        asked.push((text(&answer["field"]), text(&answer["value"])));
    }
    let asked: Vec<(&str, String)> = asked
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    section(&mut page, "What they asked for", &asked);
    let (origin, brief) = (&packet["origin"], &packet["origin"]["campaign"]["brief"]);
    let touch = |touch: &Value| joined(&[&touch["channel"], &touch["source"], &touch["campaign"]]);
    section(
        &mut page,
        "Where from",
        &[
            ("First touch", touch(&origin["first"])),
            ("Latest touch", touch(&origin["last"])),
            ("Campaign", text(&origin["campaign"]["name"])),
            ("Message", text(&brief["message"])),
            ("Offer", text(&brief["offer"])),
            ("Promise", text(&brief["promise"])),
            ("Last read", text(&packet["last_message"]["text"])),
        ],
    );
    let counts = items(&packet["behaviour"]["counts"]).iter();
    let counts: Vec<(String, String)> = counts
        .map(|one| (text(&one["type"]), text(&one["count"])))
        .collect();
    let mut did: Vec<(&str, String)> = counts
        .iter()
        .map(|(name, count)| (name.as_str(), count.clone()))
        .collect();
    for event in items(&packet["behaviour"]["last_events"]) {
        did.push((
            "Event",
            joined(&[&event["at"], &event["type"], &event["about"], &event["url"]]),
        ));
    }
    section(&mut page, "What they did", &did);
    let contacts: Vec<(&str, String)> = items(&packet["company_contacts"])
        .iter()
        .map(|one| {
            (
                "Colleague",
                joined(&[&one["name"], &one["job_title"], &one["stage"]]),
            )
        })
        .collect();
    section(&mut page, "Who else is known", &contacts);
    let cycles: Vec<(&str, String)> = items(&packet["earlier_cycles"])
        .iter()
        .map(|one| {
            (
                "Earlier",
                joined(&[&one["started_at"], &one["reached"], &one["reason"], &one["note"]]),
            )
        })
        .collect();
    section(&mut page, "Before", &cycles);
    page
}

/// A heading with its lines; nothing where no line says something.
fn section(page: &mut String, title: &str, lines: &[(&str, String)]) {
    let known: Vec<&(&str, String)> = lines.iter().filter(|(_, value)| !value.is_empty()).collect();
    if known.is_empty() {
        return;
    }
    let _ = writeln!(page, "<h2>{}</h2>\n<ul>", escaped(title));
    for (name, value) in known {
        let _ = writeln!(page, "<li><b>{}</b> {}</li>", escaped(name), escaped(value));
    }
    page.push_str("</ul>\n");
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn joined(values: &[&Value]) -> String {
    let known = values.iter().map(|value| text(value));
    known
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}

fn listed(value: &Value) -> String {
    joined(&items(value).iter().collect::<Vec<_>>())
}
