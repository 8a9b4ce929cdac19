//! A lead's timeline: everything that happened to it and that it did, the newest first.

use std::borrow::Cow;

use actix_web::get;
use serde::{Deserialize, Deserializer, de};
use serde_json::json;
use tandem_domain::change;
use tandem_domain::id::{EntryId, Id, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::tracking::record::TouchKind;
use tandem_store::{Snapshot, journal, leads, tracking};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::entry::{EntryView, NOTICE};
use super::position;
use crate::access::scopes::LeadsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::{DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::Reply;

/// Something that the lead did.
pub(super) const EVENT: &str = "event.recorded";
/// A touch that was made of what the lead did.
pub(super) const TOUCH: &str = "touch.made";

/// Whose timeline.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct TimelinePath {
    /// The lead.
    #[param(inline)]
    lead_id: LeadId,
}

/// What of it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TimelineQuery {
    /// Entries of these types.
    #[param(inline, style = Form, explode = false, min_items = 1, max_items = 50, example = json!(["lead.stage_changed"]))]
    types: Option<Vec<TimelineType>>,
    /// The most entries of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(min_length = 1, max_length = 2048)]
    cursor: Option<String>,
}

/// A type of entry on a timeline: those of the journal, events and touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TimelineType(&'static str);

fn names() -> impl Iterator<Item = &'static str> {
    // A notice is its addressee's, and nothing that happened to the lead.
    let of_journal = change::types()
        .map(|(name, _)| name)
        .filter(|name| *name != NOTICE);
    of_journal.chain([EVENT, TOUCH])
}

impl<'de> Deserialize<'de> for TimelineType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let known = names().find(|name| *name == text);
        known
            .map(Self)
            .ok_or_else(|| de::Error::custom("not a type of entry"))
    }
}

impl PartialSchema for TimelineType {
    fn schema() -> RefOr<Schema> {
        let description = "A type of timeline entry: those of the journal; `event.recorded`, an event of the lead; `touch.made`, a touch derived from it";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(description))
            .enum_values(Some(names()))
            .into()
    }
}

impl ToSchema for TimelineType {
    fn name() -> Cow<'static, str> {
        "TimelineType".into()
    }
}

/// Which kinds of entries are asked for.
struct Asked {
    journal: Option<Vec<String>>,
    events: bool,
    touches: bool,
}

impl Asked {
    fn of(types: Option<Vec<TimelineType>>) -> Self {
        let Some(types) = types else {
            return Self {
                journal: Some(vec![]),
                events: true,
                touches: true,
            };
        };
        let is_asked = |name| types.contains(&TimelineType(name));
        let others = types.iter().filter(|one| ![EVENT, TOUCH].contains(&one.0));
        let others: Vec<String> = others.map(|one| one.0.to_owned()).collect();
        Self {
            journal: Some(others).filter(|names| !names.is_empty()),
            events: is_asked(EVENT),
            touches: is_asked(TOUCH),
        }
    }
}

/// Read a lead's timeline.
///
/// The journal entries, events and touches of the lead and of records merged into it, newest first, by `(occurred_at,
/// id)`. Events and touches are not in the change feed; their `seq` is 0.
#[utoipa::path(tag = "journal", params(TimelinePath, TimelineQuery), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "A page of the timeline", body = Listing<EntryView>)))]
#[get("/v1/leads/{lead_id}/timeline")]
pub(super) async fn get_lead_timeline(
    ctx: Ctx<LeadsRead>,
    path: Path<TimelinePath>,
    query: Query<TimelineQuery>,
) -> Reply<Listing<EntryView>> {
    let (lead_id, query) = (path.0.lead_id, query.0);
    let after: Option<(Timestamp, EntryId)> = position(&ctx, query.cursor.as_deref())?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let snapshot = ctx.snapshot().await?;
    let (mut entries, has_more) = merged(&snapshot, lead_id, Asked::of(query.types), after, limit).await?;
    if entries.is_empty() {
        // A lead that exists may have nothing to show; one that does not is 404.
        leads::check(&snapshot, lead_id).await?;
    }
    let has_more = has_more || entries.len() as u64 > limit;
    entries.truncate(limit as usize);
    let next = entries
        .last()
        .filter(|_| has_more)
        .map(|last| json!([last.occurred_at, last.id]));
    Ok(Listing::new(&ctx.master, ctx.request(), entries, next))
}

/// The next entries of every kind, in their order; and whether any kind has more than these.
async fn merged(
    on: &Snapshot,
    lead_id: LeadId,
    asked: Asked,
    after: Option<(Timestamp, EntryId)>,
    limit: u64,
) -> Result<(Vec<EntryView>, bool), Problem> {
    let (mut entries, mut has_more) = (vec![], false);
    if let Some(types) = &asked.journal {
        let page = journal::timeline(on, lead_id, types, NOTICE, after, limit).await?;
        has_more |= page.has_more;
        entries.extend(EntryView::all(page.data)?);
    }
    let place = after.map(|(at, id)| (at, id.uuid()));
    if asked.events {
        let page = tracking::events_of(on, lead_id, &[], place, limit).await?;
        has_more |= page.has_more;
        let visitors = page.data.iter().filter_map(|event| event.visitor_id);
        let visitors = tracking::visitor_keys(on, visitors).await?;
        entries.extend(
            page.data
                .into_iter()
                .map(|event| EntryView::of_event(event, &visitors)),
        );
    }
    if asked.touches {
        // Touches of the kind `given` are left out: each has an entry in the journal.
        let page = tracking::touches_of(on, lead_id, Some(TouchKind::Given), place, limit).await?;
        has_more |= page.has_more;
        entries.extend(page.data.iter().map(EntryView::of_touch));
    }
    let order = |entry: &EntryView| (entry.occurred_at, Id::uuid(entry.id));
    entries.sort_by_key(|entry| std::cmp::Reverse(order(entry)));
    Ok((entries, has_more))
}
