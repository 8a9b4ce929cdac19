//! The outcomes behind figures of attribution, each with its credits.

use actix_web::get;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tandem_domain::id::{DealId, LeadId, TouchId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::money::{Currency, MoneySum};
use tandem_domain::reports::Basis;
use tandem_domain::reports::attribution::report::{AttributionFigure, Credit};
use tandem_domain::reports::dimension::Dimension;
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::page::Page;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::question::{Asked, Credited, Found, ModelQuery, OutcomeQuery, Touches, split};
use crate::access::scopes::{CustomerEvidenceRead, DealsRead, LeadsRead, ReportsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;
use crate::reports::request::{Chosen, Ids, asked};

/// Which figure.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AttributionEvidenceQuery {
    /// The figure; default the credited outcomes.
    #[param(inline, example = "credited")]
    figure: Option<AttributionFigure>,
    /// Only with an amount in this currency.
    currency: Option<Currency>,
    /// The most entries of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// What a list of outcomes is asked.
type EvidenceOf = Both<Both<Chosen, Both<OutcomeQuery, ModelQuery>>, AttributionEvidenceQuery>;

/// An outcome, or a reopening that takes one back, with its credits.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttributionEvidence {
    /// The deal; `null` for the outcomes of leads.
    deal_id: Option<DealId>,
    /// The lead; of a deal its primary one.
    lead_id: Option<LeadId>,
    /// The number of the lead's cycle.
    #[schema(minimum = 1, example = 1)]
    cycle: Option<i64>,
    /// The owner.
    owner_id: Option<UserId>,
    /// When it counts.
    at: Timestamp,
    /// Whether it takes back the credit of a deal that was opened again.
    reverses: bool,
    /// The amount; negative of a reopening.
    amount: Option<MoneySum>,
    /// The amount in the base currency; `null` without an amount, or without an exchange rate.
    value: Option<MoneySum>,
    /// The credits that count in the figure, in the order of the path.
    #[schema(max_items = 1000)]
    credits: Vec<TouchCredit>,
}

/// The credit of one touch, or by `markov` of one channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct TouchCredit {
    /// The touch; `null` by `markov`.
    touch_id: Option<TouchId>,
    /// When it happened.
    occurred_at: Option<Timestamp>,
    /// Its channel.
    #[schema(max_length = 2000, example = "email")]
    channel: Option<String>,
    /// Its source.
    #[schema(max_length = 2000, example = "newsletter")]
    source: Option<String>,
    /// Its campaign.
    #[schema(max_length = 2000, example = "spring-sale")]
    campaign: Option<String>,
    /// The credit in thousandths of an outcome.
    #[schema(example = 333)]
    thousandths: i64,
    /// The credited amount in minor units of the base currency.
    #[schema(example = 166_667)]
    value: i64,
}

/// List the outcomes counted in a figure of attribution.
///
/// Returns exactly the entries counted in the figure that the parameter `figure` names, ordered by id, each with its
/// credits. Takes the same parameters as the report. For `figure=credited` the filters `channel`, `source`, `campaign`
/// and `utm_content` choose credited touches; for every other figure they are those of the cycle's first touch.
/// `total_count` is always present and exact.
#[utoipa::path(tag = "reports", params(Chosen, OutcomeQuery, ModelQuery, AttributionEvidenceQuery),
    security(("bearer" = [ReportsRead, LeadsRead, DealsRead])),
    responses((status = 200, description = "A page of outcomes", body = Listing<AttributionEvidence>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/reports/attribution/evidence")]
pub(in crate::reports) async fn list_attribution_evidence(
    ctx: Ctx<CustomerEvidenceRead>,
    query: Query<EvidenceOf>,
) -> Reply<Listing<AttributionEvidence>> {
    let limit = query.0.1.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after: Option<Uuid> = listing::after(&ctx.master, ctx.request(), query.0.1.cursor.as_deref())?;
    let snapshot = ctx.report().await?;
    let base = store::rules::read(&snapshot).await?.money.base;
    let counted = Counted::read(&snapshot, snapshot.as_of(ctx.now()), query.0).await?;
    let entries = counted.entries();
    let total = entries.len() as u64;
    let rest = entries.into_iter().filter(|entry| Some(entry.row.id) > after);
    let page = Page::of(rest.take(limit as usize + 1).collect(), limit);
    let view = |entry: &Found| {
        let credits = counted.report.credits(entry);
        let credits = credits
            .iter()
            .filter(|credit| counted.touches.has(&credit.earner));
        AttributionEvidence::of(entry, base, credits.map(TouchCredit::of).collect())
    };
    let listing = Listing::of(&ctx.master, ctx.request(), page, |entry| entry.row.id, view);
    Ok(listing.counted(Some((total, false))))
}

/// The deals, or else leads, of the first outcomes of a list, and the number of all outcomes.
pub(in crate::reports) async fn ids(
    snapshot: &Snapshot,
    now: Timestamp,
    query: Json,
    limit: u64,
) -> Result<Ids, Problem> {
    let counted = Counted::read(snapshot, now, asked(query)?).await?;
    let entries = counted.entries();
    let total = entries.len() as u64;
    let page = Page::of(entries.into_iter().take(limit as usize).collect(), limit);
    let id = |entry: &Found| {
        let deal = entry.row.deal_id.map(|id| id.to_string());
        deal.or_else(|| entry.row.lead_id.map(|id| id.to_string()))
            .unwrap_or_default()
    };
    Ok(Ids::of(page, total, id))
}

/// The outcomes of a report, and which of them a figure counts.
struct Counted {
    report: Credited,
    touches: Touches,
    figure: AttributionFigure,
    currency: Option<Currency>,
}

impl Counted {
    async fn read(snapshot: &Snapshot, now: Timestamp, query: EvidenceOf) -> Result<Self, Problem> {
        let Both(Both(chosen, Both(of, model)), query) = query;
        let asked = Asked::read(of.outcome.unwrap_or_default(), model)?;
        let figure = query.figure.unwrap_or_default();
        let (chosen, of_touches) = match figure {
            AttributionFigure::Credited => split(chosen),
            _ => (chosen, vec![]),
        };
        let rules = store::rules::read(snapshot).await?;
        let selection = chosen.select(Basis::Activity, &rules.company.zone())?;
        let touches = Touches::read(snapshot, of_touches).await?;
        let mut report = asked.load(snapshot, &selection, &[], &rules, now).await?;
        if touches.name_campaigns() {
            report.find_campaigns(snapshot).await?;
        }
        Ok(Self {
            report,
            touches,
            figure,
            currency: query.currency,
        })
    }

    /// The outcomes that the figure counts, by id.
    fn entries(&self) -> Vec<&Found> {
        let is_counted = |entry: &&Found| {
            let has_currency = |currency| entry.row.amount.is_some_and(|amount| amount.currency == currency);
            self.currency.is_none_or(has_currency) && counts(&self.report, entry, self.figure, &self.touches)
        };
        self.report.entries.iter().filter(is_counted).collect()
    }
}

/// Whether an outcome counts in a figure.
fn counts(report: &Credited, entry: &Found, figure: AttributionFigure, of_touches: &Touches) -> bool {
    let path = &entry.row.path;
    match figure {
        AttributionFigure::All => true,
        AttributionFigure::Credited => report
            .credits(entry)
            .iter()
            .any(|credit| of_touches.has(&credit.earner)),
        AttributionFigure::Unattributed => report.credits(entry).is_empty(),
        AttributionFigure::Unconverted => entry.row.amount.is_some() && entry.value.is_none(),
        AttributionFigure::Attributed => entry.value.is_some() && !path.touches().is_empty(),
        AttributionFigure::Influenced => entry.value.is_some() && path.is_influenced(),
        AttributionFigure::Sourced => entry.value.is_some() && path.is_sourced(),
    }
}

impl AttributionEvidence {
    fn of(entry: &Found, currency: Currency, credits: Vec<TouchCredit>) -> Self {
        let row = &entry.row;
        Self {
            deal_id: row.deal_id,
            lead_id: row.lead_id,
            cycle: row.cycle,
            owner_id: row.owner_id,
            at: row.at,
            reverses: row.reverses.is_some(),
            amount: row.amount.map(MoneySum::from),
            value: entry.value.map(|amount| MoneySum { amount, currency }),
            credits,
        }
    }
}

impl TouchCredit {
    fn of(credit: &Credit<'_>) -> Self {
        let (touch_id, occurred_at) = credit.earner.touch().unzip();
        let text = |dimension| {
            credit
                .earner
                .value(dimension)
                .flatten()
                .map(|value| value.to_string())
        };
        Self {
            touch_id,
            occurred_at,
            channel: text(Dimension::Channel),
            source: text(Dimension::Source),
            campaign: text(Dimension::Campaign),
            thousandths: credit.thousandths,
            value: credit.value,
        }
    }
}
