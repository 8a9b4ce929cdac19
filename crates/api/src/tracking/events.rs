//! `POST /v1/events`: events of visitors and leads, from servers.

use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::{HttpRequest, HttpResponse, Responder, post};
use tandem_domain::id::EventId;
use tandem_domain::tracking::events::{self, Unfit};
use uuid::Uuid;

use super::batch::{Arrival, Item, Outcome, Tracks};
use super::body::{EventsAnswer, EventsRequest, Items, RejectedEvent, ToldEvent, items};
use crate::access::scopes::EventsWrite;
use crate::edge::crypto;
use crate::edge::ctx::{Ctx, Permission};
use crate::edge::http::json::{Unparsed, operation_key, shapes};
use crate::edge::http::problem::{Code, Problem, StoredAnswer};
use crate::edge::http::reply::{Reply, respond};
use crate::edge::http::services::Services;
use crate::edge::http::strict;
use crate::edge::writer::{Queue, Reserved, Undone};

/// How long events may wait for their turn: nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The operation for servers.
pub fn configure(config: &mut Services<'_>) {
    config.service(record_events);
}

/// An answer as it was rendered.
#[derive(Debug)]
struct Told(StoredAnswer);

impl Responder for Told {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        respond(self.0)
    }
}

/// Record events of visitors and leads.
///
/// Up to 1,000 events, each of a visitor or of a lead. Invalid events are rejected individually; the valid ones are
/// recorded in one transaction. Events may arrive late and in any order: sessions and touches come out as if each had
/// arrived in time. An event with an `event_id` is recorded once, however often it is sent.
///
/// At most 10,000 events are stored of an unidentified visitor, 100,000 of an identified one; further ones are rejected
/// with `too_many_events`. Events that name a lead have no such limit.
#[utoipa::path(tag = "tracking", security(("bearer" = [EventsWrite])), request_body = EventsRequest,
    responses((status = 200, description = "The results of the events", body = EventsAnswer)))]
#[post("/v1/events")]
async fn record_events(ctx: Ctx<EventsWrite>, body: Unparsed) -> Reply<Told> {
    let place = ctx.part::<Queue<Tracks>>().place()?;
    let request = ctx.request();
    let shape = shapes(request)?.body(&operation_key(request));
    let shape = shape.ok_or_else(|| Problem::new(Code::InternalError).because("events have no shape"))?;
    let (body, refused) = strict::parse_apart(&body.0, "events")?;
    let Items { fit, mut rejected } = items::<ToldEvent>(shape, &body, refused)?;

    let told_by = ctx.actor().id();
    let mut arrivals = vec![];
    for (index, event) in fit {
        let who = match event.who() {
            Ok(who) => who,
            Err((code, detail)) => {
                rejected.push(RejectedEvent::new(index, code, detail));
                continue;
            }
        };
        let is_machine = event.is_machine();
        let (said, own_id) = event.said();
        match events::read(said, ctx.now()) {
            Ok(read) => {
                let id: EventId = ctx.ids().next();
                arrivals.push(Arrival {
                    id,
                    index,
                    who,
                    hash: own_id.map(|own_id| hash(&told_by, &own_id)),
                    read,
                    is_bot: false,
                    is_machine,
                });
            }
            Err(unfit) => rejected.push(unfit_at(index, unfit)),
        }
    }
    rejected.sort_by_key(|rejected| rejected.index);
    let item = Item {
        act: ctx.act().clone(),
        told_by,
        events: arrivals,
        rejected,
        makes_leads: body["create_lead"].as_bool().unwrap_or_default(),
        once: ctx.once_by_caller(),
    };
    hand_in(&ctx, place, item).await.map(Told)
}

fn unfit_at(index: usize, unfit: Unfit) -> RejectedEvent {
    RejectedEvent::new(index, unfit.code(), unfit)
}

/// The hash that identifies an event for good: of its sender and its own id.
pub(super) fn hash(told_by: &str, own_id: &str) -> Uuid {
    let whole = crypto::sha256(format!("{told_by}\u{0}{own_id}").as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&whole[..16]);
    Uuid::from_bytes(half)
}

/// Hand events to the writer, and wait for what becomes of them.
pub(super) async fn hand_in<P: Permission>(
    ctx: &Ctx<P>,
    place: Reserved<'_, Tracks>,
    item: Item,
) -> Result<StoredAnswer, Problem> {
    let has_key = item.once.is_some();
    let ticket = place.take(item);
    let commits = ctx.commits();
    match ticket.wait(PATIENCE, || commits.begin()).await {
        Ok(Outcome::Taken(answer)) => Ok(answer),
        Ok(Outcome::Repeated(answer)) => Err(Problem::kept(answer)),
        Ok(Outcome::KeyReused) => Err(Problem::new(Code::IdempotencyKeyReused)),
        Err(Undone::Locked) if has_key => Err(Problem::new(Code::RequestInProgress).retry_after(1)),
        Err(undone) => Err(undone.into()),
    }
}
