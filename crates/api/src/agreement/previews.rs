//! Previews: what a version of the agreement would have done, requested, run in the background and read.

use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use tandem_domain::agreement::change::AgreementChange;
use tandem_domain::agreement::conditions::Evidence;
use tandem_domain::agreement::preview::{
    CycleOutcome, Outcomes, Preview, PreviewList, PreviewState, PreviewedLead,
};
use tandem_domain::agreement::{AgreementVersion, PreviewPeriod, request_preview};
use tandem_domain::id::{LeadId, PreviewId, PreviewedId};
use tandem_domain::instant::Timestamp;
use tandem_store::agreement::previews as stored;
use tandem_store::{self as store, StoreError};
use utoipa::{IntoParams, ToSchema};

use super::AgreementPath;
use super::drafts::not_drafted;
use crate::access::scopes::{AgreementsRead, AgreementsWrite, LeadsRead, PreviewedRead};
use crate::edge::core::Core;
use crate::edge::ctx::Ctx;
use crate::edge::http::json::Json;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::{Accepted, Reply};
use crate::edge::http::services::Services;
use crate::edge::job::{JobRun, Remaining};

/// Leads that are judged between two commits.
const BATCH: u64 = 200;
/// The mean days of a month: 365.25 / 12.
const MONTH: f64 = 30.4375;

/// The operations on previews.
pub(super) fn configure(config: &mut Services<'_>) {
    config
        .service(preview_agreement)
        .service(get_preview)
        .service(list_previewed_leads);
}

/// The period of a preview.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PreviewAgreement {
    /// The beginning of the period; default 90 days before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    /// The end of the period; default now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Timestamp>,
}

/// A preview by its id.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct PreviewPath {
    /// The version.
    #[param(minimum = 1, example = 1)]
    version: i64,
    /// The preview's id.
    preview_id: PreviewId,
}

/// A list of a preview.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct PreviewListPath {
    /// The version.
    #[param(minimum = 1, example = 1)]
    version: i64,
    /// The preview's id.
    preview_id: PreviewId,
    /// Which list.
    #[param(inline, example = "gained")]
    list: PreviewList,
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PreviewedQuery {
    /// The most leads of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// A preview, as a version shows it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PreviewSummary {
    /// Its id.
    id: PreviewId,
    /// Its state.
    state: PreviewState,
    /// The beginning of the period.
    from: Timestamp,
    /// The end of the period.
    to: Timestamp,
    /// Whether managers may sign the version by it: it is complete, reaches back 90 days (or to the first lead), and evaluates the
    /// document as it stands.
    allows_signing: bool,
    /// When it was requested.
    requested_at: Timestamp,
}

impl PreviewSummary {
    /// A preview of a version.
    pub(super) fn of(preview: &Preview, version: &AgreementVersion) -> Self {
        Self {
            id: preview.id,
            state: preview.state,
            from: preview.from,
            to: preview.to,
            allows_signing: preview.allows_signing(version),
            requested_at: preview.requested_at,
        }
    }
}

/// What a version would have done to the leads of a period, compared with what really happened.
#[derive(Debug, Serialize, ToSchema)]
struct PreviewView {
    /// Its id.
    id: PreviewId,
    /// The version.
    #[schema(minimum = 1)]
    version: i64,
    /// Its state.
    state: PreviewState,
    /// The beginning of the period.
    from: Timestamp,
    /// The end of the period.
    to: Timestamp,
    /// Whether managers may sign the version by it: it is complete, reaches back 90 days (or to the first lead), and evaluates the
    /// document as it stands.
    allows_signing: bool,
    /// The id of the actor who requested it.
    #[schema(max_length = 64)]
    requested_by: String,
    /// When it was requested.
    requested_at: Timestamp,
    /// When it was completed.
    finished_at: Option<Timestamp>,
    /// How many leads have been judged.
    progress: PreviewProgress,
    /// Leads that would have become MQLs and did not by rule.
    gained: OutcomesView,
    /// Leads that became MQLs by rule and would not have.
    lost: OutcomesView,
    /// Leads that became MQLs by rule and would have, too.
    kept: OutcomesView,
    /// Everyone who became an MQL by rule: `kept` and `lost`.
    actual: OutcomesView,
    /// Everyone who would have become an MQL: `kept` and `gained`.
    expected: OutcomesView,
    /// Hand-offs of the period by hand, and leads that sales sourced; in none of the lists.
    #[schema(minimum = 0)]
    by_hand: i64,
    /// Leads that the version would hand over at the moment of the request.
    #[schema(minimum = 0)]
    ready_now: i64,
    /// MQLs by rule a month (of 30.4375 days), against the commitment of the document.
    mqls_per_month: ExpectedFigure,
    /// The acceptance rate, against the commitment of the document.
    acceptance_rate: ExpectedFigure,
}

/// The progress of a preview.
#[derive(Debug, Serialize, ToSchema)]
struct PreviewProgress {
    /// All leads.
    #[schema(minimum = 0)]
    total: i64,
    /// Leads that have been judged.
    #[schema(minimum = 0)]
    done: i64,
}

/// A figure as it was, as it would have been, and as it is promised.
#[derive(Debug, Serialize, ToSchema)]
struct ExpectedFigure {
    /// As it was; `null` if it is unknown.
    actual: Option<f64>,
    /// As it would have been under the version; `null` if it is unknown.
    expected: Option<f64>,
    /// As the document promises; `null` if it promises nothing.
    committed: Option<f64>,
}

/// Leads of a list, each once for a cycle, and what came of those that were really handed over. Of the others it is unknown.
#[derive(Debug, Serialize, ToSchema)]
struct OutcomesView {
    /// The leads of the list.
    #[schema(minimum = 0)]
    leads: i64,
    /// Those that were really handed over.
    #[schema(minimum = 0)]
    handed_over: i64,
    /// Those that sales accepted.
    #[schema(minimum = 0)]
    accepted: i64,
    /// Those that became SQLs.
    #[schema(minimum = 0)]
    sql: i64,
    /// Those that became customers.
    #[schema(minimum = 0)]
    won: i64,
    /// `accepted` of `handed_over`; `null` if nobody was handed over.
    #[schema(minimum = 0, maximum = 1)]
    acceptance_rate: Option<f64>,
    /// `sql` of `handed_over`; `null` if nobody was handed over.
    #[schema(minimum = 0, maximum = 1)]
    sql_rate: Option<f64>,
    /// `won` of `handed_over`; `null` if nobody was handed over.
    #[schema(minimum = 0, maximum = 1)]
    win_rate: Option<f64>,
}

impl From<Outcomes> for OutcomesView {
    fn from(of: Outcomes) -> Self {
        let rate = |count: i64| (of.handed_over > 0).then(|| rounded(count as f64 / of.handed_over as f64));
        Self {
            leads: of.leads,
            handed_over: of.handed_over,
            accepted: of.accepted,
            sql: of.sql,
            won: of.won,
            acceptance_rate: rate(of.accepted),
            sql_rate: rate(of.sql),
            win_rate: rate(of.won),
        }
    }
}

/// To four decimals.
fn rounded(figure: f64) -> f64 {
    (figure * 10_000.0).round() / 10_000.0
}

impl PreviewView {
    fn of(preview: Preview, version: &AgreementVersion) -> Self {
        let figures = &preview.figures;
        let actual = OutcomesView::from(figures.kept.and(figures.lost));
        let expected = OutcomesView::from(figures.kept.and(figures.gained));
        let promised = |name: &str| {
            version
                .document
                .pointer("/commitments/marketing")?
                .get(name)?
                .as_f64()
        };
        let a_month = |leads: i64| Some(rounded(leads as f64 * MONTH / preview.days()));
        Self {
            id: preview.id,
            version: preview.version,
            state: preview.state,
            from: preview.from,
            to: preview.to,
            allows_signing: preview.allows_signing(version),
            requested_at: preview.requested_at,
            finished_at: preview.finished_at,
            progress: PreviewProgress {
                total: preview.total,
                done: preview.done,
            },
            gained: figures.gained.into(),
            lost: figures.lost.into(),
            kept: figures.kept.into(),
            by_hand: figures.by_hand,
            ready_now: figures.ready,
            mqls_per_month: ExpectedFigure {
                actual: a_month(actual.leads),
                expected: a_month(expected.leads),
                committed: promised("mqls_per_month"),
            },
            acceptance_rate: ExpectedFigure {
                actual: actual.acceptance_rate,
                expected: expected.acceptance_rate,
                committed: promised("min_acceptance_rate"),
            },
            actual,
            expected,
            requested_by: preview.requested_by,
        }
    }
}

/// A lead in a list of a preview.
#[derive(Debug, Serialize, ToSchema)]
struct PreviewedLeadView {
    /// Its place in the list.
    id: PreviewedId,
    /// The lead.
    lead_id: LeadId,
    /// The cycle in which it became an MQL, or would have.
    #[schema(minimum = 1)]
    cycle: i64,
    /// When it would have become an MQL; `null` if it would not.
    would_be_at: Option<Timestamp>,
    /// When it became an MQL by rule; `null` if it did not.
    made_at: Option<Timestamp>,
    /// What decides under the version: at `would_be_at`, else at `made_at`.
    #[schema(max_items = 1000)]
    evidence: Vec<Evidence>,
    /// What blocks the lead under the version, as `mql_blocked_by` on a lead.
    #[schema(max_items = 300)]
    blocked_by: Vec<String>,
    /// How far it really came in the cycle.
    outcome: CycleOutcome,
}

impl From<PreviewedLead> for PreviewedLeadView {
    fn from(lead: PreviewedLead) -> Self {
        Self {
            id: lead.id,
            lead_id: lead.lead_id,
            cycle: lead.cycle,
            would_be_at: lead.would_be_at,
            made_at: lead.made_at,
            evidence: lead.evidence,
            blocked_by: lead.blocked_by,
            outcome: lead.outcome,
        }
    }
}

/// Preview a version of the agreement.
///
/// For revops and both managers. Runs the version over what really happened in the period, in the background, and changes no
/// lead: who would have become an MQL and when, who would not any more, and what became of both. Each lead is judged at every
/// arrival, as live, while it was in `lead` or `nurture` and not waiting or archived. Settings, owners, qualification and the stages of companies
/// count as they are now. Both managers sign a version only after a complete preview of the document as it stands, over the
/// last 90 days or back to the first lead.
#[utoipa::path(tag = "agreement", params(AgreementPath), security(("bearer" = [AgreementsWrite])),
    request_body = PreviewAgreement,
    responses((status = 202, description = "The preview, which runs in the background", body = PreviewView,
        headers(("Location" = String, description = "Its address")))))]
#[post("/v1/agreements/{version}/preview")]
async fn preview_agreement(
    ctx: Ctx<AgreementsWrite>,
    path: Path<AgreementPath>,
    body: Json<PreviewAgreement>,
) -> Reply<Accepted<PreviewView>> {
    let tx = ctx.begin().await?;
    let in_force = store::agreement::in_force_for_update(&tx).await?;
    let version = store::agreement::get(&tx, path.0.version).await?;
    let leads = stored::leads_to_judge(&tx).await?;
    let period = PreviewPeriod {
        from: body.0.from,
        to: body.0.to,
    };
    let preview = {
        let form_ids = tx.rules().form_ids();
        let known = tx.rules().known(&tx.rules().custom_fields, &form_ids);
        request_preview(&version, period, leads, &in_force, &known, ctx.act()).map_err(not_drafted)?
    };
    store::write_records(&tx, [AgreementChange::Preview(Box::new(preview.clone()))]).await?;
    let location = format!("/v1/agreements/{}/previews/{}", version.number, preview.id);
    ctx.commit(tx, Accepted::at(location, PreviewView::of(preview, &version)))
        .await
}

/// Read a preview.
///
/// While it runs, `progress` shows how far it has come, and the figures are those of the leads judged so far.
#[utoipa::path(tag = "agreement", params(PreviewPath), security(("bearer" = [AgreementsRead])),
    responses((status = 200, description = "The preview", body = PreviewView)))]
#[get("/v1/agreements/{version}/previews/{preview_id}")]
async fn get_preview(ctx: Ctx<AgreementsRead>, path: Path<PreviewPath>) -> Reply<Json<PreviewView>> {
    let snapshot = ctx.snapshot().await?;
    let preview = stored::get(&snapshot, path.0.version, path.0.preview_id).await?;
    let version = store::agreement::get(&snapshot, path.0.version).await?;
    Ok(Json(PreviewView::of(preview, &version)))
}

/// List the leads of a preview.
///
/// `gained`, `lost` or `kept`, in the order in which they were judged, each with what decides under the version.
#[utoipa::path(tag = "agreement", params(PreviewListPath, PreviewedQuery), security(("bearer" = [AgreementsRead, LeadsRead])),
    responses((status = 200, description = "A page of leads", body = Listing<PreviewedLeadView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/agreements/{version}/previews/{preview_id}/{list}")]
async fn list_previewed_leads(
    ctx: Ctx<PreviewedRead>,
    path: Path<PreviewListPath>,
    query: Query<PreviewedQuery>,
) -> Reply<Listing<PreviewedLeadView>> {
    let after = listing::after(&ctx.master, ctx.request(), query.0.cursor.as_deref())?;
    let limit = query.0.limit.unwrap_or(DEFAULT_LIMIT);
    let snapshot = ctx.snapshot().await?;
    let preview = stored::get(&snapshot, path.0.version, path.0.preview_id).await?;
    let page = stored::list(&snapshot, preview.id, path.0.list, after, limit).await?;
    let place = |lead: &PreviewedLead| lead.id;
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        place,
        PreviewedLeadView::from,
    ))
}

/// Run the previews that are not complete, batch by batch: read without locks, judge on a thread of its own, write.
pub(super) async fn run(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    for _ in 0..turn.rounds {
        let snapshot = core.db.snapshot().await?;
        let batch = stored::next_batch(&snapshot, BATCH).await?;
        drop(snapshot);
        let Some(batch) = batch else {
            return Ok(Remaining::Nothing);
        };
        let judged = tokio::task::spawn_blocking(move || batch.judge())
            .await
            .map_err(|error| StoreError::Internal(format!("a preview was not judged: {error}")))?;
        let tx = turn.begin(core).await?;
        stored::write_batch(&tx, judged).await?;
        tx.commit().await?;
    }
    Ok(Remaining::More)
}
