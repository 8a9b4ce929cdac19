//! What content did: who saw it, how deals ended with and without a reader, which objections it met.

use actix_web::get;
use serde::{Deserialize, Serialize};
use tandem_domain::content::evidence::Ends;
use tandem_domain::content::{Content, ContentKind, ContentStage, ContentState};
use tandem_domain::id::{ContentId, LeadId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::reports::period::Days;
use tandem_domain::reports::{Basis, Rate};
use tandem_store as store;
use tandem_store::reports::{ContentFacts, Reader};
use tandem_store::rules::Rules;
use utoipa::{IntoParams, ToSchema};

use super::answer::{Period, RateView, Report, Table, cell, number, rate_cells};
use super::request::{MinSample, Selection, days};
use crate::access::scopes::{ContentRead, ContentReportRead, EvidenceRead, LeadsRead, ReportsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

/// The most rows of the report.
const MOST_ROWS: usize = 1000;

/// Which period.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Within {
    /// The first day, in the company's time zone; default from the beginning.
    #[param(inline)]
    from: Option<Day>,
    /// The day after the last one, in the company's time zone; default to the end.
    #[param(inline)]
    to: Option<Day>,
}

impl Within {
    fn days(&self, rules: &Rules) -> Result<Days, Problem> {
        let text = |day: Option<Day>| day.map(|day| day.to_string());
        days(
            text(self.from).as_deref(),
            text(self.to).as_deref(),
            &rules.company.zone(),
        )
    }
}

/// Which content, and which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ReaderQuery {
    /// The content.
    content_id: ContentId,
    /// The most leads of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// What the content library did in a period.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContentReportView {
    /// The instant of the figures.
    as_of: Timestamp,
    /// The period covered.
    period: Period,
    /// The fewest cases for a meaningful rate; with fewer it is marked `insufficient`.
    #[schema(minimum = 1, example = 30)]
    min_sample: i64,
    /// One row for each piece of content, that with the most views first.
    #[schema(max_items = 1000)]
    rows: Vec<ContentReportRow>,
    /// How many further rows there are after the first 1,000.
    #[schema(minimum = 0, example = 0)]
    omitted_rows: i64,
}

/// What one piece of content did.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContentReportRow {
    /// The content.
    content_id: ContentId,
    /// Its title.
    #[schema(max_length = 200, example = "What a stock count costs")]
    title: String,
    /// Its kind.
    kind: ContentKind,
    /// The part of a purchase that it helps with.
    stage: ContentStage,
    /// Whether it is published.
    state: ContentState,
    /// Whether it is archived.
    archived: bool,
    /// Views and downloads in the period, also by visitors who are not identified; without those of crawlers and other machines.
    #[schema(minimum = 0, example = 1210)]
    views: i64,
    /// The downloads among them, including submissions of its forms.
    #[schema(minimum = 0, example = 140)]
    downloads: i64,
    /// The leads who saw it in the period.
    #[schema(minimum = 0, example = 310)]
    leads: i64,
    /// These leads.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/content/evidence?content_id=content_01h455vb4pex5vsknk084sn02q"
    )]
    leads_evidence: String,
    /// Of the deals won in the period, those with a lead who had seen it before they were closed.
    won: RateView,
    /// Of the deals lost in the period, those with a lead who had seen it before they were closed.
    lost: RateView,
    /// Of the deals closed in the period with a lead who had seen it before, those that were won.
    win_rate: RateView,
    /// How the win rate with a reader compares with that of all other deals.
    lift: LiftView,
    /// The objections that it answers.
    #[schema(max_items = 50)]
    objections: Vec<MetObjection>,
}

/// How many times as often deals with a reader are won as deals without, with a 95 % interval (of the logarithm). It shows
/// that both go together, not that one causes the other.
#[derive(Debug, Serialize, ToSchema)]
pub struct LiftView {
    /// The ratio of both win rates; `null` if one of the groups is empty, or no deal without a reader was won.
    #[schema(minimum = 0, example = 1.4)]
    value: Option<f64>,
    /// The interval's lower bound; `null` if a group has no won deal.
    #[schema(minimum = 0, example = 1.1)]
    low: Option<f64>,
    /// The interval's upper bound.
    #[schema(minimum = 0, example = 1.8)]
    high: Option<f64>,
    /// Whether one of the groups has fewer deals than `min_sample`.
    insufficient: bool,
}

/// An objection that content answers.
#[derive(Debug, Serialize, ToSchema)]
pub struct MetObjection {
    /// Its code.
    #[schema(max_length = 64, example = "price")]
    code: String,
    /// The leads who raised it in the period.
    #[schema(minimum = 0, example = 40)]
    raised: i64,
    /// Those of them who saw the content at any time.
    #[schema(minimum = 0, example = 12)]
    readers: i64,
}

/// A lead who saw a piece of content.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContentReader {
    /// The lead.
    lead_id: LeadId,
    /// When it saw it first in the period.
    first_seen_at: Timestamp,
    /// When it saw it last in the period.
    last_seen_at: Timestamp,
    /// How often in the period.
    #[schema(minimum = 1, example = 2)]
    views: i64,
}

impl From<Reader> for ContentReader {
    fn from(reader: Reader) -> Self {
        Self {
            lead_id: reader.lead_id,
            first_seen_at: reader.first_at,
            last_seen_at: reader.last_at,
            views: reader.views,
        }
    }
}

/// Report what content did.
///
/// For each piece of the library: views, the leads who saw it, its share among won and lost deals, the win rate with a reader
/// and how it compares with that of other deals, and the objections that it answers. Deals count in the period in which they
/// were closed; a reader is a lead of the deal who had seen the content before. `Accept: text/csv` returns a table.
#[utoipa::path(tag = "reports", params(Within, MinSample), security(("bearer" = [ReportsRead, ContentRead])),
    responses((status = 200, description = "What content did",
        content((ContentReportView = "application/json"), (String = "text/csv")))))]
#[get("/v1/reports/content")]
pub(super) async fn get_content_report(
    ctx: Ctx<ContentReportRead>,
    query: Query<Both<Within, MinSample>>,
) -> Reply<Report<ContentReportView>> {
    let Both(within, sample) = query.0;
    let snapshot = ctx.report().await?;
    let rules = store::rules::read(&snapshot).await?;
    let selection = selection(&within, &rules)?;
    let min_sample = sample.min_sample.unwrap_or(rules.reports.min_sample);
    let facts = store::reports::content_facts(&snapshot, &selection.scope()).await?;
    let library = store::content::all(&snapshot).await?;
    let row = |content| ContentReportRow::of(content, &facts, &selection, min_sample);
    let mut rows: Vec<ContentReportRow> = library.into_iter().map(row).collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.views), row.content_id));
    let omitted_rows = rows.len().saturating_sub(MOST_ROWS) as i64;
    rows.truncate(MOST_ROWS);
    let view = ContentReportView {
        as_of: snapshot.as_of(ctx.now()),
        period: Period::of(&selection.days, &rules.company.timezone),
        min_sample,
        rows,
        omitted_rows,
    };
    Report::preferred(ctx.request(), "content", view, table)
}

/// List the leads who saw a piece of content.
///
/// Returns exactly the leads counted in `leads` of the report, ordered by id. `total_count` is exact.
#[utoipa::path(tag = "reports", params(Within, ReaderQuery), security(("bearer" = [ReportsRead, LeadsRead])),
    responses((status = 200, description = "A page of leads", body = Listing<ContentReader>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/reports/content/evidence")]
pub(super) async fn list_content_evidence(
    ctx: Ctx<EvidenceRead>,
    query: Query<Both<Within, ReaderQuery>>,
) -> Reply<Listing<ContentReader>> {
    let Both(within, query) = query.0;
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let snapshot = ctx.report().await?;
    let rules = store::rules::read(&snapshot).await?;
    let scope = selection(&within, &rules)?.scope();
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let (page, total) = store::reports::readers(&snapshot, &scope, query.content_id, after, limit).await?;
    let place = |reader: &Reader| reader.lead_id;
    let listing = Listing::of(&ctx.master, ctx.request(), page, place, ContentReader::from);
    Ok(listing.counted(Some((total, false))))
}

/// The address of the leads who saw content in a period.
fn readers_at(id: &str, selection: &Selection) -> String {
    let edges = [("from", selection.days.first), ("to", selection.days.next)];
    let edges = edges
        .iter()
        .filter_map(|(name, day)| Some(format!("&{name}={}", (*day)?)));
    format!(
        "/v1/reports/content/evidence?content_id={id}{}",
        edges.collect::<String>()
    )
}

fn selection(within: &Within, rules: &Rules) -> Result<Selection, Problem> {
    Ok(Selection {
        basis: Basis::Activity,
        days: within.days(rules)?,
        only: vec![],
    })
}

impl ContentReportRow {
    fn of(content: Content, facts: &ContentFacts, selection: &Selection, min_sample: i64) -> Self {
        let id = content.id.to_string();
        let seen = facts.seen.get(&content.id).copied().unwrap_or_default();
        let read = facts.read.get(&content.id).copied().unwrap_or_default();
        let ends = Ends {
            won: facts.closed.won,
            lost: facts.closed.lost,
            ..read
        };
        let all = |figure| selection.evidence("deals", &[("figure", figure)]);
        let readers = |figure| selection.evidence("deals", &[("figure", figure), ("read_content_id", &id)]);
        let rate = |part, whole, evidence| RateView::of(Rate { part, whole }, min_sample, evidence);
        let codes = content.details.answers_objections.into_iter();
        let met = |code: String| MetObjection {
            raised: facts.raised.get(&code).copied().unwrap_or_default(),
            readers: facts
                .met
                .get(&(content.id, code.clone()))
                .copied()
                .unwrap_or_default(),
            code,
        };
        Self {
            content_id: content.id,
            title: content.details.title,
            kind: content.details.kind,
            stage: content.details.stage,
            state: content.details.state,
            archived: content.archived_at.is_some(),
            views: seen.views,
            downloads: seen.downloads,
            leads: seen.leads,
            leads_evidence: readers_at(&id, selection),
            won: rate(ends.won_read, ends.won, [readers("won"), all("won")]),
            lost: rate(ends.lost_read, ends.lost, [readers("lost"), all("lost")]),
            win_rate: rate(ends.won_read, ends.read(), [readers("won"), readers("closed")]),
            lift: LiftView::of(ends, min_sample),
            objections: codes.map(met).collect(),
        }
    }
}

impl LiftView {
    fn of(ends: Ends, min_sample: i64) -> Self {
        let lift = ends.lift();
        let (low, high) = lift.and_then(|lift| lift.interval).unzip();
        Self {
            value: lift.map(|lift| lift.value),
            low,
            high,
            insufficient: ends.read().min(ends.unread()) < min_sample,
        }
    }
}

fn table(view: &ContentReportView) -> Table {
    let mut figures = vec![
        "content_id",
        "title",
        "kind",
        "stage",
        "state",
        "views",
        "downloads",
        "leads",
    ];
    figures.extend(["won", "won_of", "won_low", "won_high", "won_insufficient"]);
    figures.extend(["lost", "lost_of", "lost_low", "lost_high", "lost_insufficient"]);
    figures.extend([
        "win_rate",
        "win_rate_of",
        "win_rate_low",
        "win_rate_high",
        "win_rate_insufficient",
    ]);
    figures.extend(["lift", "lift_low", "lift_high", "lift_insufficient"]);
    let mut table = Table::new(&[], &figures);
    for row in &view.rows {
        let mut line = vec![
            row.content_id.to_string(),
            cell(Some(&row.title)),
            row.kind.name().to_owned(),
            row.stage.name().to_owned(),
            row.state.name().to_owned(),
        ];
        line.extend([row.views, row.downloads, row.leads].map(|count| count.to_string()));
        for rate in [&row.won, &row.lost, &row.win_rate] {
            line.extend(rate_cells(Some(rate)));
        }
        line.extend([row.lift.value, row.lift.low, row.lift.high].map(number));
        line.push(row.lift.insufficient.to_string());
        table.row(None, None, line);
    }
    table
}
