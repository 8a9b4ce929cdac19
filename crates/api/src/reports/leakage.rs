//! Leakage: what nobody works, as it stands now.

use std::collections::{BTreeMap, HashMap};

use actix_web::get;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tandem_domain::agreement::BuyingRole;
use tandem_domain::id::{ClockId, DealId, HandoffId, LeadId, UserId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::reports::dimension::{By, Dimension, Value};
use tandem_domain::reports::leakage::{IDLE_DAYS, Leak, Watermarks};
use tandem_domain::reports::row::{Cut, Key, arrange};
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::page::Page;
use tandem_store::reports::{LeakItem, LeakScope, LeakTally};
use tandem_store::rules::Rules;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::answer::{Report, Table};
use super::request::{Filters, Ids, asked, filters};
use crate::access::scopes::{DealsRead, HandoffsRead, LeadsRead, LeakEvidenceRead, ReportsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

/// Which leaks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LeakageQuery {
    /// The dimension of the rows; default `owner`.
    #[param(inline, example = "owner")]
    by: Option<Dimension>,
    /// The days after which a lead that is neither qualified nor archived counts as idle.
    #[param(minimum = 1, maximum = 3650, default = 30)]
    idle_days: Option<i64>,
}

/// Leads, hand-offs and deals that nobody is working on.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeakageView {
    /// The instant of the figures.
    pub as_of: Timestamp,
    /// The dimensions of the rows.
    #[schema(inline, example = "owner")]
    pub by: Dimension,
    /// The days after which a lead counts as idle.
    #[schema(minimum = 1, example = 30)]
    pub idle_days: i64,
    /// The version of the agreement in force.
    #[schema(minimum = 1, example = 1)]
    pub agreement_version: i64,
    /// Whether that version is provisional: nobody has signed it.
    pub provisional: bool,
    /// The rows, the largest first; unknown values come last.
    #[schema(max_items = 1000)]
    pub rows: Vec<LeakageRow>,
    /// How many smaller rows are omitted after the 1,000 largest; the totals include them.
    #[schema(minimum = 0, example = 0)]
    pub omitted_rows: i64,
    /// The totals of all rows, for every kind of leak.
    #[schema(max_items = 20)]
    pub totals: Vec<LeakView>,
}

/// The leaks of one row.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeakageRow {
    /// The value of the dimension; `null` if unknown.
    #[schema(max_length = 2000, example = "user_01h455vb4pex5vsknk084sn02q")]
    pub key: Option<String>,
    /// Every kind of leak.
    #[schema(max_items = 20)]
    pub leaks: Vec<LeakView>,
}

/// How many leaks of one kind there are, and since when.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeakView {
    /// The kind of leak.
    pub leak: Leak,
    /// The number of leaks.
    #[schema(minimum = 0, example = 4)]
    pub count: i64,
    /// Since when the oldest has been a leak; `null` if there is none, and for leaks that are counted by days.
    pub oldest: Option<Timestamp>,
    /// A link to the leaks.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/leakage/evidence?leak=uncontacted"
    )]
    pub evidence: String,
}

/// Report leads, hand-offs and deals that nobody is working on.
///
/// The present leaks: hand-offs not reviewed or contacted in time, leads without a present owner or without a next
/// step, returned leads that wait for an answer, overdue or stale deals, deals without a required role or with a quote
/// unanswered for 14 days, and idle leads that are neither qualified nor archived. Archived leads, and other members of the group of an open deal, are excluded. One lead may have several
/// kinds of leak. `Accept: text/csv` returns a table.
#[utoipa::path(tag = "reports", params(Filters, LeakageQuery), security(("bearer" = [ReportsRead])),
    responses((status = 200, description = "The leaks",
        content((LeakageView = "application/json"), (String = "text/csv")))))]
#[get("/v1/reports/leakage")]
pub(super) async fn get_leakage(
    ctx: Ctx<ReportsRead>,
    query: Query<Both<Filters, LeakageQuery>>,
) -> Reply<Report<LeakageView>> {
    let Both(Filters(only), own) = query.0;
    let by = own.by.unwrap_or(Dimension::Owner);
    let idle_days = own.idle_days.unwrap_or(IDLE_DAYS);
    let snapshot = ctx.report().await?;
    let now = snapshot.as_of(ctx.now());
    let view = report(&snapshot, now, only, by, idle_days).await?;
    Report::preferred(ctx.request(), "leakage", view, table)
}

/// The present leaks, by a dimension.
pub(super) async fn report(
    snapshot: &Snapshot,
    now: Timestamp,
    only: Vec<(Dimension, Option<Value>)>,
    by: Dimension,
    idle_days: i64,
) -> Result<LeakageView, Problem> {
    let rules = store::rules::read(snapshot).await?;
    let scope = LeakScope {
        marks: watermarks(&rules, now, idle_days),
        required_roles: required_roles(&rules),
        away: store::routing::away(snapshot, now).await?,
        only: only.clone(),
    };
    let cuts = [Cut::By(by)];
    let tallies = store::reports::leak_tally(snapshot, &scope, Leak::ALL, &cuts).await?;
    let totals = Leaks::count(&tallies);
    let mut by_row: HashMap<Vec<Key>, Vec<LeakTally>> = HashMap::new();
    for tally in tallies {
        by_row.entry(tally.keys.clone()).or_default().push(tally);
    }
    let rows = by_row
        .into_iter()
        .map(|(keys, tallies)| (keys, Leaks::count(&tallies)))
        .collect();
    let (rows, omitted_rows) = arrange(rows, &cuts, Leaks::default, Leaks::all);
    let row = |(keys, leaks): (Vec<Key>, Leaks)| {
        let mut own = only.clone();
        if let Some(Key::Value(value)) = keys.first() {
            own.retain(|(known, _)| *known != by);
            own.push((by, value.clone()));
        }
        LeakageRow {
            key: keys.first().and_then(|key| cuts[0].shown(key)),
            leaks: leaks.views(&own, idle_days),
        }
    };
    Ok(LeakageView {
        as_of: now,
        by,
        idle_days,
        agreement_version: rules.agreement.number,
        provisional: rules.agreement.provisional,
        rows: rows.into_iter().map(row).collect(),
        omitted_rows,
        totals: totals.views(&only, idle_days),
    })
}

fn required_roles(rules: &Rules) -> Vec<BuyingRole> {
    let opportunity = &rules.agreement.agreement.stages.opportunity;
    opportunity.required_roles.clone()
}

fn watermarks(rules: &Rules, now: Timestamp, idle_days: i64) -> Watermarks {
    let stale_after = rules.agreement.agreement.stages.opportunity.stale_after;
    let today = now.date_in(&rules.company.zone());
    Watermarks::at(
        now,
        Day::try_from(today).unwrap_or(Day::FIRST),
        stale_after,
        idle_days,
    )
}

/// How many leaks of each kind there are, and since when the oldest.
#[derive(Default)]
struct Leaks(BTreeMap<Leak, (i64, Option<Timestamp>)>);

impl Leaks {
    fn count(tallies: &[LeakTally]) -> Self {
        let mut all = BTreeMap::<Leak, (i64, Option<Timestamp>)>::new();
        for tally in tallies {
            let (count, oldest) = all.entry(tally.leak).or_default();
            *count += tally.count;
            *oldest = [*oldest, tally.oldest].into_iter().flatten().min();
        }
        Self(all)
    }

    fn all(&self) -> i64 {
        self.0.values().map(|(count, _)| count).sum()
    }

    fn views(&self, only: &[(Dimension, Option<Value>)], idle_days: i64) -> Vec<LeakView> {
        let view = |leak: &Leak| {
            let (count, oldest) = self.0.get(leak).copied().unwrap_or_default();
            LeakView {
                leak: *leak,
                count,
                oldest,
                evidence: address(*leak, only, idle_days),
            }
        };
        Leak::ALL.iter().map(view).collect()
    }
}

fn address(leak: Leak, only: &[(Dimension, Option<Value>)], idle_days: i64) -> String {
    let mut parts = vec![format!("leak={}", leak.name())];
    if leak == Leak::Idle && idle_days != IDLE_DAYS {
        parts.push(format!("idle_days={idle_days}"));
    }
    parts.extend(filters(only));
    format!("/v1/reports/leakage/evidence?{}", parts.join("&"))
}

fn table(view: &LeakageView) -> Table {
    let names = Leak::ALL.iter().map(|leak| leak.name()).collect::<Vec<_>>();
    let mut table = Table::new(&[By::Dimension(view.by)], &names);
    let line = |leaks: &[LeakView]| leaks.iter().map(|leak| leak.count.to_string()).collect();
    for row in &view.rows {
        table.row(row.key.as_deref(), None, line(&row.leaks));
    }
    table.total(line(&view.totals));
    table
}

/// Which leaks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LeakEvidenceQuery {
    /// The kind of leak.
    #[param(inline)]
    leak: Leak,
    /// The days after which a lead that is neither qualified nor archived counts as idle.
    #[param(minimum = 1, maximum = 3650, default = 30)]
    idle_days: Option<i64>,
    /// The most leaks of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// A lead, hand-off or deal that nobody is working on.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeakEvidence {
    /// Since when it has been a leak; `null` for leaks that are counted by days.
    since: Option<Timestamp>,
    /// The lead.
    lead_id: Option<LeadId>,
    /// The hand-off.
    handoff_id: Option<HandoffId>,
    /// The breached clock.
    clock_id: Option<ClockId>,
    /// The deal.
    deal_id: Option<DealId>,
    /// The owner.
    owner_id: Option<UserId>,
}

/// List the leaks of one kind.
///
/// Returns exactly the leaks counted in the report, ordered by the id of the record. Takes the same filters as the
/// report. `total_count` is always present and exact.
#[utoipa::path(tag = "reports", params(Filters, LeakEvidenceQuery),
    security(("bearer" = [ReportsRead, LeadsRead, HandoffsRead, DealsRead])),
    responses((status = 200, description = "A page of leaks", body = Listing<LeakEvidence>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/reports/leakage/evidence")]
pub(super) async fn list_leakage_evidence(
    ctx: Ctx<LeakEvidenceRead>,
    query: Query<Both<Filters, LeakEvidenceQuery>>,
) -> Reply<Listing<LeakEvidence>> {
    let limit = query.0.1.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after: Option<Uuid> = listing::after(&ctx.master, ctx.request(), query.0.1.cursor.as_deref())?;
    let snapshot = ctx.report().await?;
    let now = snapshot.as_of(ctx.now());
    let (page, total) = page(&snapshot, now, query.0, after, limit).await?;
    let listing = Listing::of(&ctx.master, ctx.request(), page, |leak| leak.id, LeakEvidence::of);
    Ok(listing.counted(Some((total, false))))
}

async fn page(
    snapshot: &Snapshot,
    now: Timestamp,
    Both(Filters(only), query): Both<Filters, LeakEvidenceQuery>,
    after: Option<Uuid>,
    limit: u64,
) -> Result<(Page<LeakItem>, u64), Problem> {
    let rules = store::rules::read(snapshot).await?;
    let marks = watermarks(&rules, now, query.idle_days.unwrap_or(IDLE_DAYS));
    let away = store::routing::away(snapshot, now).await?;
    let scope = LeakScope {
        marks,
        required_roles: required_roles(&rules),
        away,
        only,
    };
    let page = store::reports::leak_evidence(snapshot, &scope, query.leak, after, limit).await?;
    let all = store::reports::leak_tally(snapshot, &scope, &[query.leak], &[]).await?;
    let total = all.iter().map(|tally| tally.count.max(0) as u64).sum();
    Ok((page, total))
}

/// The ids of the first records of a list, and the number of all.
pub(super) async fn ids(
    snapshot: &Snapshot,
    now: Timestamp,
    query: Json,
    limit: u64,
) -> Result<Ids, Problem> {
    let (page, total) = page(snapshot, now, asked(query)?, None, limit).await?;
    let id = |leak: LeakItem| {
        let deal = leak.deal_id.map(|id| id.to_string());
        let handoff = leak.handoff_id.map(|id| id.to_string());
        deal.or(handoff)
            .or(leak.lead_id.map(|id| id.to_string()))
            .unwrap_or_default()
    };
    Ok(Ids::of(page, total, id))
}

impl LeakEvidence {
    fn of(leak: LeakItem) -> Self {
        Self {
            since: leak.since,
            lead_id: leak.lead_id,
            handoff_id: leak.handoff_id,
            clock_id: leak.clock_id,
            deal_id: leak.deal_id,
            owner_id: leak.owner_id,
        }
    }
}
