//! The records behind the figures of a review, as they were when it was created.

use actix_web::get;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tandem_domain::access::Scope;
use tandem_domain::id::ReviewId;
use tandem_domain::instant::{Day, Timestamp};
use tandem_store::deals::revenue::{self, RevenueFilter};
use tandem_store::reviews::FrozenList;
use tandem_store::{self as store, Snapshot};
use utoipa::{IntoParams, ToSchema};

use super::{ReviewPath, actions};
use crate::access::scopes::ReportsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::Reply;
use crate::reports::request::{Ids, asked};
use crate::reports::{
    attribution, campaigns, customers, deals, funnel, handoffs, leakage, objections, quotes, sla,
};

/// The most records that are stored of one list.
const MOST_RECORDS: u64 = 10_000;
const FUNNEL: &str = "/v1/reports/funnel/evidence";
const HANDOFFS: &str = "/v1/reports/handoffs/evidence";
const DEALS: &str = "/v1/reports/deals/evidence";
const CUSTOMERS: &str = "/v1/reports/customers/evidence";
const FOLLOW_UPS: &str = "/v1/reports/follow-ups/evidence";
const SLA: &str = "/v1/reports/sla/evidence";
const LEAKAGE: &str = "/v1/reports/leakage/evidence";
const QUOTES: &str = "/v1/reports/quotes/evidence";
const REVENUE: &str = "/v1/revenue";
const ACTIONS: &str = "/v1/actions";
const COSTS: &str = "/v1/reports/costs/evidence";
const CONVERSATIONS: &str = "/v1/reports/conversations/evidence";
const ATTRIBUTION: &str = "/v1/reports/attribution/evidence";
const OBJECTIONS: &str = "/v1/reports/objections/evidence";
const LISTS: [&str; 14] = [
    OBJECTIONS,
    COSTS,
    CONVERSATIONS,
    ATTRIBUTION,
    FUNNEL,
    HANDOFFS,
    DEALS,
    CUSTOMERS,
    FOLLOW_UPS,
    SLA,
    LEAKAGE,
    QUOTES,
    REVENUE,
    ACTIONS,
];

/// The links of a pack to lists of records, each once, in the order of their numbers.
pub(super) type Links = Vec<String>;

/// Read the records behind every link of a pack: what is stored with it.
pub(super) async fn freeze(
    on: &Snapshot,
    now: Timestamp,
    mut pack: Value,
) -> Result<(Value, Links, Vec<FrozenList>), Problem> {
    let mut found: Vec<String> = vec![];
    each_link(&mut pack, &mut |link| {
        if is_list(link) && !found.contains(link) {
            found.push(link.clone());
        }
    });
    let (mut links, mut lists) = (vec![], vec![]);
    for link in found {
        let (path, query) = link.split_once('?').unwrap_or((&link, ""));
        let Some(records) = records(on, now, path, parameters(query)).await? else {
            continue;
        };
        lists.push(FrozenList {
            path: path.to_owned(),
            total: records.total,
            ids: records.ids,
        });
        links.push(link);
    }
    Ok((pack, links, lists))
}

/// The pack with its links leading to the stored lists of its review.
pub(super) fn linked(mut pack: Value, links: &Links, review: ReviewId) -> Value {
    each_link(&mut pack, &mut |link| {
        if let Some(place) = links.iter().position(|known| known.as_str() == link.as_str()) {
            *link = format!("/v1/reviews/{review}/evidence?list={place}");
        }
    });
    pack
}

/// Whether a link leads to a list that is stored. The others stay: agreements, reviews.
fn is_list(link: &str) -> bool {
    link.split_once('?')
        .is_some_and(|(path, _)| LISTS.contains(&path))
}

/// The links of a pack: the texts of its `evidence`. Its other texts are those of users, who may write anything.
fn each_link(value: &mut Value, see: &mut impl FnMut(&mut String)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_link(item, see)),
        Value::Object(members) => {
            for (name, member) in members {
                match name.as_str() {
                    "evidence" => each_text(member, see),
                    _ => each_link(member, see),
                }
            }
        }
        _ => {}
    }
}

fn each_text(value: &mut Value, see: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => see(text),
        Value::Object(members) => members.values_mut().for_each(|member| each_text(member, see)),
        _ => {}
    }
}

/// The records of one of our lists; `None` of a list that is not known here: its link stays.
async fn records(on: &Snapshot, now: Timestamp, path: &str, query: Value) -> Result<Option<Ids>, Problem> {
    Ok(Some(match path {
        FUNNEL => funnel::ids(on, now, query, MOST_RECORDS).await?,
        HANDOFFS => handoffs::ids(on, now, query, MOST_RECORDS).await?,
        DEALS => deals::ids(on, now, query, MOST_RECORDS).await?,
        CUSTOMERS => customers::customer_ids(on, query, MOST_RECORDS).await?,
        FOLLOW_UPS => customers::follow_up_ids(on, query, MOST_RECORDS).await?,
        SLA => sla::ids(on, now, query, MOST_RECORDS).await?,
        LEAKAGE => leakage::ids(on, now, query, MOST_RECORDS).await?,
        QUOTES => quotes::ids(on, query, MOST_RECORDS).await?,
        REVENUE => entries(on, query).await?,
        ACTIONS => actions::ids(on, query, MOST_RECORDS).await?,
        OBJECTIONS => objections::ids(on, query, MOST_RECORDS).await?,
        COSTS => campaigns::evidence::cost_ids(on, query, MOST_RECORDS).await?,
        CONVERSATIONS => campaigns::evidence::conversation_ids(on, query, MOST_RECORDS).await?,
        ATTRIBUTION => attribution::ids(on, now, query, MOST_RECORDS).await?,
        _ => return Ok(None),
    }))
}

/// The days of a list of revenue.
#[derive(Deserialize)]
struct RevenueDays {
    on_gte: Option<Day>,
    on_lt: Option<Day>,
}

/// The ids of the first entries of revenue of some days, and the number of all.
async fn entries(on: &Snapshot, query: Value) -> Result<Ids, Problem> {
    let RevenueDays { on_gte, on_lt } = asked(query)?;
    let filter = RevenueFilter {
        on_gte,
        on_lt,
        ..RevenueFilter::default()
    };
    let page = revenue::list(on, &filter, None, MOST_RECORDS).await?;
    let (total, _) = revenue::count(on, &filter).await?;
    Ok(Ids::of(page, total, |entry| entry.id.to_string()))
}

/// The parameters of one of our own links, in the types of the document.
fn parameters(query: &str) -> Value {
    let mut members = Map::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let text = percent_decode_str(value).decode_utf8_lossy().into_owned();
        let value = match name {
            "without" | "state" => json!(text.split(',').collect::<Vec<_>>()),
            "roll_up" | "unmapped_objection" | "churned_without_reason" => json!(text == "true"),
            "idle_days" => text.parse::<i64>().map_or(Value::Null, Value::from),
            _ => Value::String(text),
        };
        members.insert(name.to_owned(), value);
    }
    Value::Object(members)
}

/// The scopes that read the records of a list.
fn scopes(path: &str) -> &'static [Scope] {
    match path {
        FUNNEL => &[Scope::LeadsRead],
        DEALS | QUOTES | REVENUE => &[Scope::DealsRead],
        CUSTOMERS | ATTRIBUTION => &[Scope::LeadsRead, Scope::DealsRead],
        COSTS => &[Scope::CampaignsRead],
        OBJECTIONS => &[Scope::ActivitiesRead, Scope::DealsRead],
        FOLLOW_UPS | CONVERSATIONS => &[Scope::ActivitiesRead],
        HANDOFFS | SLA => &[Scope::HandoffsRead],
        ACTIONS => &[],
        _ => &[Scope::LeadsRead, Scope::HandoffsRead, Scope::DealsRead],
    }
}

/// Which list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FrozenQuery {
    /// The number of the list, as the links of the pack name it.
    #[param(minimum = 0, maximum = 100_000, example = 0)]
    list: i64,
    /// The most records of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// A record behind a figure of a review.
#[derive(Debug, Serialize, ToSchema)]
pub struct FrozenRecord {
    /// Its id: of a cycle, hand-off, clock, deal, quote, entry of revenue, company, lead, activity or action item.
    #[schema(max_length = 64, example = "handoff_01h455vb4pex5vsknk084sn02q")]
    id: String,
}

/// List the records behind a figure of a review.
///
/// The records that the figure counted when the review was created, by their ids: whatever changed since, `total_count`
/// equals the figure. Of a list with more than 10,000 records the first 10,000 are stored. Needs the scope that reads
/// such records, as the lists of the reports do.
#[utoipa::path(tag = "reviews", params(ReviewPath, FrozenQuery), security(("bearer" = [ReportsRead])),
    responses((status = 200, description = "A page of records", body = Listing<FrozenRecord>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/reviews/{review_id}/evidence")]
pub(super) async fn list_review_evidence(
    ctx: Ctx<ReportsRead>,
    path: Path<ReviewPath>,
    query: Query<FrozenQuery>,
) -> Reply<Listing<FrozenRecord>> {
    let query = query.0;
    let limit = query.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64) as usize;
    let after: Option<usize> = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let list = store::reviews::frozen(ctx.db(), path.0.review_id, query.list).await?;
    for scope in scopes(&list.path) {
        ctx.demand(*scope)?;
    }
    let first = after.unwrap_or_default();
    let all = list.ids.len();
    let page = list.ids.into_iter().skip(first).take(limit);
    let data: Vec<FrozenRecord> = page.map(|id| FrozenRecord { id }).collect();
    let next = first + data.len();
    let next = (next < all && !data.is_empty()).then(|| json!(next));
    let total = list.total.max(0) as u64;
    Ok(Listing::new(&ctx.master, ctx.request(), data, next).counted(Some((total, false))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_of_a_pack_lead_to_what_is_stored() {
        let link = "/v1/reports/deals/evidence?basis=activity&figure=won";
        let pack = json!({"a": [{"evidence": link, "text": link}, 1], "b": {"evidence": {"of": link}}});
        let review: ReviewId = "review_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        let linked = linked(pack, &vec!["other".to_owned(), link.to_owned()], review);
        let stored = format!("/v1/reviews/{review}/evidence?list=1");
        // A text that a user wrote is no link, whatever it says.
        assert_eq!(
            linked,
            json!({"a": [{"evidence": stored, "text": link}, 1], "b": {"evidence": {"of": stored}}})
        );
        assert!(is_list(link) && !is_list("/v1/reports/deals") && !is_list("/v1/reviews/x/evidence?list=1"));
    }

    #[test]
    fn parameters_have_the_types_of_the_document() {
        assert_eq!(
            parameters("figure=won&source=a%26b&without=owner,reason&idle_days=30"),
            json!({"figure": "won", "source": "a&b", "without": ["owner", "reason"], "idle_days": 30})
        );
    }
}
