//! `POST /v1/collect`: events of a visitor, from a site's pages.

use actix_web::body::BoxBody;
use actix_web::http::header::{CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, Responder, post};
use serde::Deserialize;
use tandem_domain::access::Actor;
use tandem_domain::id::EventId;
use tandem_domain::tracking::events;
use tandem_domain::tracking::visitor::visitor_key;
use utoipa::IntoParams;

use super::batch::{Arrival, Item, Tracks};
use super::body::{CollectRequest, CollectedEvent, Who, items};
use super::events::{hand_in, hash};
use super::sites;
use crate::capture::bots;
use crate::edge::ctx::{Ctx, Public};
use crate::edge::http::address;
use crate::edge::http::json::{Raw, operation_key, shapes};
use crate::edge::http::problem::{Code, Location, Problem, ProblemView, Violation};
use crate::edge::http::query::Query;
use crate::edge::http::reply::Reply;
use crate::edge::http::services::Services;
use crate::edge::http::strict;
use crate::edge::writer::Queue;

/// The operation for sites.
pub fn configure(config: &mut Services<'_>) {
    config.service(collect_events);
}

/// By which key.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CollectQuery {
    /// The site's publishable tracking key.
    #[param(
        max_length = 64,
        example = "tdm_pk_Q3mJ5vXy8ZbR1nWc0sKtLpHd6FgA2eU7iOqB4xT9zNk0Ab3xF"
    )]
    key: String,
}

/// That it was accepted; the answer is empty.
#[derive(Debug)]
struct Collected(Option<HeaderValue>);

impl Responder for Collected {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::NoContent().finish();
        sites::name_origin(response.headers_mut(), self.0);
        // Pages that isolate themselves (COEP) would else see every beacon fail.
        let any = HeaderValue::from_static("cross-origin");
        response.headers_mut().insert(CROSS_ORIGIN_RESOURCE_POLICY, any);
        response
    }
}

/// Record events of a website's visitors.
///
/// For websites: the publishable tracking key is the only credential, and only pages of its `allowed_origins` may use
/// it. A `text/plain` body is read as JSON too, so that `navigator.sendBeacon` needs no preflight. The answer has no
/// content. An invalid event is dropped, as is any further event of a visitor with 10,000 stored events. Events of
/// known bots are stored and never counted. An event older than a day is dated at its arrival. A body may have 128 KiB,
/// and the bytes per key and per address are limited (`429`). Unknown query parameters are ignored.
#[utoipa::path(tag = "tracking", params(CollectQuery), security(()),
    request_body(content((CollectRequest = "application/json"), (String = "text/plain"))),
    responses((status = 204, description = "The events were recorded",
            headers(("Access-Control-Allow-Origin" = String, description = "The page's origin"),
                ("Cross-Origin-Resource-Policy" = String, description = "`cross-origin`"))),
        (status = 403, description = "Pages of this origin may not use the key", body = ProblemView,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such key, or it is no longer valid", body = ProblemView,
            content_type = "application/problem+json")))]
#[post("/v1/collect")]
async fn collect_events(ctx: Ctx<Public>, query: Query<CollectQuery>, sent: Raw) -> Reply<Collected> {
    let place = ctx.part::<Queue<Tracks>>().place()?;
    let request = ctx.request();
    if !is_taken(request) {
        return Err(Problem::new(Code::UnsupportedMediaType));
    }
    let key = query.0.key;
    let site = sites::of(request, &key).await?;
    let origin = site.check_origin(request.headers())?;
    ctx.limits.admit_form(&key)?;
    let from = address::of(&ctx.settings, request);
    ctx.limits.admit_bytes(&key, from, sent.0.len())?;
    let shape = shapes(request)?.body(&operation_key(request));
    let shape =
        shape.ok_or_else(|| Problem::new(Code::InternalError).because("what is collected has no shape"))?;
    let (body, refused) = strict::parse_apart(&sent.0, "events")?;
    let told = items::<CollectedEvent>(shape, &body, refused)?;
    let visitor = body["visitor_id"].as_str().and_then(visitor_key);
    let Some(visitor) = visitor else {
        let unfit = Violation::new(
            Location::at(["visitor_id"]),
            "invalid_format",
            "is not a visitor's id",
        );
        return Err(Problem::invalid(vec![unfit]));
    };

    let sent_at = body["sent_at"].as_str().and_then(|text| text.parse().ok());
    let told_by = site.id.to_string();
    let is_bot = bots::is_bot(request.headers());
    let mut arrivals = vec![];
    for (index, event) in told.fit {
        let (mut said, own_id) = event.said();
        let at = said.occurred_at;
        said.occurred_at = at.map(|at| events::by_our_clock(at, sent_at, ctx.now()));
        if let Ok(read) = events::read_of_page(said, ctx.now()) {
            let id: EventId = ctx.ids().next();
            arrivals.push(Arrival {
                id,
                index,
                who: Who::Visitor(visitor.to_owned()),
                hash: own_id.map(|own_id| hash(&told_by, &own_id)),
                read,
                is_bot,
                is_machine: false,
            });
        }
    }
    let item = Item {
        act: ctx.act_as(Actor::System("tracking")),
        told_by,
        events: arrivals,
        rejected: vec![],
        makes_leads: false,
        once: None,
    };
    hand_in(&ctx, place, item).await?;
    Ok(Collected(origin))
}

/// Whether the body's type is one that is taken: JSON, also as text, in UTF-8. A page need not say a type.
fn is_taken(request: &HttpRequest) -> bool {
    match request.mime_type() {
        Ok(Some(kind)) => {
            let is_known = matches!(kind.essence_str(), "text/plain" | "application/json");
            is_known && kind.get_param("charset").is_none_or(|charset| charset == "utf-8")
        }
        Ok(None) => true,
        Err(_) => false,
    }
}
