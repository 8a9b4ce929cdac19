//! Objections: how often leads raised them, what became of the deals in which they did, and the trend.

use std::collections::{BTreeSet, HashMap};

use actix_web::get;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tandem_domain::id::{ActivityId, DealId, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::money::{Currency, Money};
use tandem_domain::reports::Basis;
use tandem_domain::reports::dimension::{By, Dimension, Value};
use tandem_domain::reports::kpis::DealFigure;
use tandem_domain::reports::objections::ObjectionFacts;
use tandem_domain::reports::row::{Cut, Key, arrange};
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::reports::{Books, RaisedObjection, Records};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::answer::{RateView, Report, Table, rate_cells, report_view, whole};
use super::request::{Chosen, Defaults, Divided, Ids, MinSample, Question, Selection, asked, encoded};
use crate::access::scopes::{ActivitiesRead, DealsRead, ObjectionsRead, ReportsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

report_view!(
    /// Objections, and what became of the deals in which they were raised.
    ObjectionsView: ObjectionRow,
    /// All objections; each deal counts once.
    ObjectionFigures
);

/// By what objections are divided.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ObjectionsQuery {
    /// A second dimension of the rows beside the objection.
    #[param(inline, example = "campaign")]
    by: Option<Dimension>,
}

/// One objection.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObjectionRow {
    /// Its code; `null` for objections in words that nobody mapped to a code.
    #[schema(max_length = 64, example = "price")]
    key: Option<String>,
    /// The value of the second dimension, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000, example = "spring_launch")]
    second_key: Option<Option<String>>,
    /// Its figures.
    figures: ObjectionFigures,
}

/// How often an objection was raised, and what became of deals.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObjectionFigures {
    /// How often it was raised in the period: in activities, conversations and at the closing of deals.
    #[schema(minimum = 0, example = 18)]
    raised: i64,
    /// How often in the previous period; `null` if the period is open.
    #[schema(minimum = 0, example = 12)]
    raised_before: Option<i64>,
    /// `raised` minus `raised_before`.
    #[schema(example = 6)]
    change: Option<i64>,
    /// Of the deals that were closed in the period and in which it had been raised, those that were won.
    win_rate: RateView,
    /// How many of the lost ones have an amount in the base currency.
    #[schema(minimum = 0, example = 4)]
    lost_valued: i64,
    /// The total amount of these.
    lost_value: Money,
    /// Links to the counted records.
    evidence: ObjectionEvidenceLinks,
}

/// Links to the counted records.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObjectionEvidenceLinks {
    /// The objections.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/objections/evidence?basis=activity&reason=price"
    )]
    raised: String,
    /// Those of the previous period.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/objections/evidence?basis=activity&reason=price"
    )]
    raised_before: Option<String>,
    /// The lost deals with an amount in the base currency.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/deals/evidence?basis=activity&figure=lost_objected&objection=price"
    )]
    lost_valued: String,
}

/// Report objections.
///
/// How often each objection was raised in the period, with the previous period's number, and what became of the deals that were
/// closed in the period and in which it had been raised: stated at closing, in one of their activities, or by their primary lead
/// before they were closed. A second dimension divides the rows; the filter `reason` chooses an objection. In words that nobody
/// mapped to a code (`GET /v1/objections/unmapped`) it is `null`. `Accept: text/csv` returns a table.
#[utoipa::path(tag = "reports", params(Chosen, ObjectionsQuery, MinSample),
    security(("bearer" = [ReportsRead, ActivitiesRead, DealsRead])),
    responses((status = 200, description = "The objections",
        content((ObjectionsView = "application/json"), (String = "text/csv")))))]
#[get("/v1/reports/objections")]
pub(super) async fn get_objections_report(
    ctx: Ctx<ObjectionsRead>,
    query: Query<Both<Both<Chosen, ObjectionsQuery>, MinSample>>,
) -> Reply<Report<ObjectionsView>> {
    let Both(Both(chosen, own), MinSample { min_sample }) = query.0;
    let snapshot = ctx.report().await?;
    let view = report(&snapshot, snapshot.as_of(ctx.now()), chosen, own.by, min_sample).await?;
    Report::preferred(ctx.request(), "objections", view, table)
}

/// The objections of what is asked for, divided by one more dimension or none.
pub(super) async fn report(
    snapshot: &Snapshot,
    now: Timestamp,
    chosen: Chosen,
    by: Option<Dimension>,
    min_sample: Option<i64>,
) -> Result<ObjectionsView, Problem> {
    let code = By::Dimension(Dimension::Reason);
    let further = by.filter(|by| *by != Dimension::Reason).map(By::Dimension);
    let defaults = Defaults {
        basis: Basis::Activity,
        by: code,
        records: Records::Cycles,
    };
    let divided = Divided::of([code].into_iter().chain(further).collect(), min_sample);
    let question = Question::ask(snapshot, chosen, divided, defaults).await?;
    let base = question.rules.money.base;
    let books = Books { now, base };
    let (cuts, selection) = (&question.cuts, &question.selection);
    let before = selection.before(&question.zone);
    let mut rows = facts(snapshot, selection, cuts, books).await?;
    let totals = facts(snapshot, selection, &[], books).await?;
    let (raised_before, all_before) = match &before {
        Some(before) => (
            raised(snapshot, before, cuts).await?,
            raised(snapshot, before, &[]).await?.into_values().sum(),
        ),
        None => (HashMap::new(), 0),
    };
    for keys in raised_before.keys() {
        rows.entry(keys.clone()).or_default();
    }
    let volume = |facts: &ObjectionFacts| facts.raised;
    let (rows, omitted) = arrange(rows, cuts, ObjectionFacts::default, volume);
    let view = View {
        base,
        min_sample: question.min_sample,
    };
    let row = |(keys, facts): (Vec<Key>, ObjectionFacts)| {
        let (key, second_key) = question.names(&keys);
        let earlier = before.as_ref().map(|before| {
            let raised = raised_before.get(&keys).copied().unwrap_or_default();
            (raised, before.row(cuts, &keys))
        });
        ObjectionRow {
            key,
            second_key,
            figures: view.figures(&selection.row(cuts, &keys), facts, earlier),
        }
    };
    let totals = totals.into_values().next().unwrap_or_default();
    let earlier = before.clone().map(|before| (all_before, before));
    Ok(ObjectionsView::of(
        question.head(now, BTreeSet::from([question.rules.agreement.number])),
        rows.into_iter().map(row).collect(),
        omitted,
        view.figures(selection, totals, earlier),
    ))
}

async fn raised(
    snapshot: &Snapshot,
    selection: &Selection,
    cuts: &[Cut],
) -> Result<HashMap<Vec<Key>, i64>, Problem> {
    let raised = store::reports::raised_objections(snapshot, &selection.scope(), cuts).await?;
    Ok(raised.into_iter().collect())
}

async fn facts(
    snapshot: &Snapshot,
    selection: &Selection,
    cuts: &[Cut],
    books: Books,
) -> Result<HashMap<Vec<Key>, ObjectionFacts>, Problem> {
    let mut facts: HashMap<Vec<Key>, ObjectionFacts> = HashMap::new();
    for (keys, raised) in raised(snapshot, selection, cuts).await? {
        facts.entry(keys).or_default().raised = raised;
    }
    for (keys, is_won, worth) in
        store::reports::met_objections(snapshot, &selection.scope(), cuts, books).await?
    {
        let of_row = facts.entry(keys).or_default();
        match is_won {
            true => of_row.won = worth,
            false => of_row.lost = worth,
        }
    }
    Ok(facts)
}

/// What all rows have in common.
struct View {
    base: Currency,
    min_sample: i64,
}

impl View {
    fn figures(
        &self,
        selection: &Selection,
        facts: ObjectionFacts,
        before: Option<(i64, Selection)>,
    ) -> ObjectionFigures {
        let (raised_before, before) = before.unzip();
        let won = [DealFigure::WonObjected, DealFigure::Objected].map(|figure| deals(selection, figure));
        ObjectionFigures {
            raised: facts.raised,
            raised_before,
            change: raised_before.map(|before| facts.raised - before),
            win_rate: RateView::of(facts.win_rate(), self.min_sample, won),
            lost_valued: facts.lost.valued,
            lost_value: Money {
                amount: facts.lost.value,
                currency: self.base,
            },
            evidence: ObjectionEvidenceLinks {
                raised: selection.evidence("objections", &[]),
                raised_before: before.map(|before| before.evidence("objections", &[])),
                lost_valued: deals(selection, DealFigure::LostObjected),
            },
        }
    }
}

/// The deals of a figure: the reason of an objection is its code, that of a deal is another one.
fn deals(selection: &Selection, figure: DealFigure) -> String {
    let (reasons, others): (Vec<_>, Vec<_>) = selection
        .only
        .iter()
        .cloned()
        .partition(|(dimension, _)| *dimension == Dimension::Reason);
    let of_deals = Selection {
        only: others,
        ..selection.clone()
    };
    let mut link = of_deals.evidence("deals", &[("figure", figure.name())]);
    for (_, code) in reasons {
        link += &match code {
            Some(Value::Text(code)) => format!("&objection={}", encoded(&code)),
            _ => "&unmapped_objection=true".to_owned(),
        };
    }
    link
}

fn table(view: &ObjectionsView) -> Table {
    let names = [
        "raised",
        "raised_before",
        "change",
        "win_rate",
        "win_rate_of",
        "win_rate_low",
        "win_rate_high",
        "win_rate_insufficient",
        "lost_valued",
        "lost_value",
        "currency",
    ];
    let mut table = Table::new(&view.by, &names);
    for row in &view.rows {
        table.row(row.key.as_deref(), row.second_key.as_ref(), line(&row.figures));
    }
    table.total(line(&view.totals));
    table
}

fn line(figures: &ObjectionFigures) -> Vec<String> {
    let mut cells = vec![
        figures.raised.to_string(),
        whole(figures.raised_before),
        whole(figures.change),
    ];
    cells.extend(rate_cells(Some(&figures.win_rate)));
    cells.push(figures.lost_valued.to_string());
    cells.push(figures.lost_value.amount.to_string());
    cells.push(figures.lost_value.currency.to_string());
    cells
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct RaisedQuery {
    /// The most objections of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// An objection that was raised.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObjectionEvidence {
    /// The activity in which it was raised; `null` if it was stated when the deal was closed.
    activity_id: Option<ActivityId>,
    /// The deal.
    deal_id: Option<DealId>,
    /// The lead.
    lead_id: Option<LeadId>,
    /// Its place among the objections of the activity or the closing, from 0.
    #[schema(minimum = 0, example = 0)]
    position: i64,
    /// The code; `null` if nobody mapped its words.
    #[schema(max_length = 64, example = "price")]
    code: Option<String>,
    /// When it was raised.
    occurred_at: Timestamp,
}

/// List the objections counted in a figure.
///
/// Returns exactly the objections that were raised, ordered by the id of their activity or deal. Takes the same filters as the
/// report. `total_count` is always present and exact.
#[utoipa::path(tag = "reports", params(Chosen, RaisedQuery),
    security(("bearer" = [ReportsRead, ActivitiesRead, DealsRead])),
    responses((status = 200, description = "A page of objections", body = Listing<ObjectionEvidence>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/reports/objections/evidence")]
pub(super) async fn list_objection_evidence(
    ctx: Ctx<ObjectionsRead>,
    query: Query<Both<Chosen, RaisedQuery>>,
) -> Reply<Listing<ObjectionEvidence>> {
    let Both(chosen, query) = query.0;
    let limit = query.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after: Option<(Uuid, i64)> = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let snapshot = ctx.report().await?;
    let rules = store::rules::read(&snapshot).await?;
    let scope = chosen.select(Basis::Activity, &rules.company.zone())?.scope();
    let page = store::reports::raised_page(&snapshot, &scope, after, limit).await?;
    let total = store::reports::raised_count(&snapshot, &scope).await?;
    let position = |one: &RaisedObjection| (one.id, one.position);
    let listing = Listing::of(&ctx.master, ctx.request(), page, position, ObjectionEvidence::of);
    Ok(listing.counted(Some((total, false))))
}

/// The activities, or else deals, of the first objections of a list, and the number of all objections.
pub(super) async fn ids(snapshot: &Snapshot, query: Json, limit: u64) -> Result<Ids, Problem> {
    let chosen: Chosen = asked(query)?;
    let rules = store::rules::read(snapshot).await?;
    let scope = chosen.select(Basis::Activity, &rules.company.zone())?.scope();
    let page = store::reports::raised_page(snapshot, &scope, None, limit).await?;
    let total = store::reports::raised_count(snapshot, &scope).await?;
    let id = |one: RaisedObjection| {
        let activity = one.activity_id.map(|id| id.to_string());
        activity
            .or_else(|| one.deal_id.map(|id| id.to_string()))
            .unwrap_or_default()
    };
    Ok(Ids::of(page, total, id))
}

impl ObjectionEvidence {
    fn of(one: RaisedObjection) -> Self {
        Self {
            activity_id: one.activity_id,
            deal_id: one.deal_id,
            lead_id: one.lead_id,
            position: one.position,
            code: one.code,
            occurred_at: one.occurred_at,
        }
    }
}
