//! What both teams agreed: conditions, scores, promises and reasons, as a versioned document.

mod drafts;
mod previews;

use std::time::Duration;

use actix_web::{get, put};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tandem_domain::access::Staff;
use tandem_domain::agreement::signature::Signature;
use tandem_domain::agreement::{self, AgreementVersion, ReplaceError, VersionState};
use tandem_domain::fault::Fault;
use tandem_domain::instant::Timestamp;
use tandem_store as store;
use tandem_store::scoring::Rejudging;
use utoipa::{IntoParams, ToSchema};

use self::previews::PreviewSummary;
use crate::access::scopes::{AgreementsRead, AgreementsWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::Json;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::{Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::edge::job::Job;
use crate::edge::room::Room;

/// This room.
pub const ROOM: Room = Room {
    jobs: &[
        Job::when(
            "agreements",
            Duration::from_secs(1),
            |snapshot| Box::pin(store::agreement::next_in_force(snapshot)),
            |core, turn| Box::pin(drafts::bring_into_force(core, turn)),
        )
        .by_one_promptly(),
        Job::when(
            "previews",
            Duration::from_secs(1),
            |snapshot| Box::pin(store::agreement::previews::next_run(snapshot)),
            |core, turn| Box::pin(previews::run(core, turn)),
        )
        .by_one(),
    ],
    ..Room::of(configure)
};

fn configure(config: &mut Services<'_>) {
    config
        .service(get_current_agreement)
        .service(update_current_agreement)
        .service(list_agreements)
        .service(get_agreement);
    drafts::configure(config);
    previews::configure(config);
}

/// A version of the agreement: the document that marketing and sales sign, with its state and signatures.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgreementView {
    /// The number of the version, from 1. Every stage change names the version by which it was judged.
    #[schema(minimum = 1, example = 1)]
    version: i64,
    /// The state of the version.
    state: VersionState,
    /// The document; that of a draft may be incomplete.
    #[schema(value_type = Object)]
    document: Value,
    /// The version on which it was based.
    #[schema(minimum = 1)]
    based_on: Option<i64>,
    /// From when it was scheduled to be in force.
    effective_at: Option<Timestamp>,
    /// When it came into force.
    in_force_from: Option<Timestamp>,
    /// When another version replaced it.
    superseded_at: Option<Timestamp>,
    /// The id of the user who created it; `null` for the provisional version of a new installation.
    #[schema(max_length = 64, example = "user_01h455vb4pex5vsknk084sn02q")]
    created_by: Option<String>,
    /// When it was created.
    created_at: Timestamp,
    /// The signatures, including those that no longer count, with the reason.
    #[schema(max_items = 1000)]
    signatures: Vec<Signature>,
    /// The newest previews of it, newest first; of a page of versions none.
    #[schema(max_items = 20)]
    previews: Vec<PreviewSummary>,
    /// Whether a review is due: `review.every` has passed since it came into force and since both managers last held a
    /// review, or a signer has left or has another role.
    review_due: bool,
    /// Whether `review.stale_after` has passed since it came into force.
    stale: bool,
    /// The progress of judging leads again since it came into force, or since a setting on which it relies changed;
    /// `null` once all are judged.
    rejudging: Option<RejudgingView>,
}

/// How many of the leads have been judged by the version in force.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rejudging)]
pub(crate) struct RejudgingView {
    /// All leads.
    #[schema(minimum = 0)]
    total: u64,
    /// Leads that have been judged by the version in force.
    #[schema(minimum = 0)]
    done: u64,
}

impl From<Rejudging> for RejudgingView {
    fn from(Rejudging { total, done }: Rejudging) -> Self {
        Self { total, done }
    }
}

/// What the state of a version depends on beside the version: the instant, and who is there and met.
struct Seen {
    at: Timestamp,
    zone: TimeZone,
    staff: Staff,
    reviewed_at: Option<Timestamp>,
}

impl Seen {
    async fn at(on: &impl store::Read, at: Timestamp) -> Result<Self, Problem> {
        let reviewed = store::reviews::last_held(on, at).await?;
        Ok(Self {
            at,
            zone: store::rules::company(on).await?.zone(),
            staff: store::access::staff(on).await?,
            reviewed_at: reviewed.map(|(_, at)| at),
        })
    }
}

impl AgreementView {
    /// A version as it stands at an instant.
    fn of(version: AgreementVersion, seen: &Seen) -> Self {
        let Seen {
            at,
            zone,
            staff,
            reviewed_at,
        } = seen;
        let lost = version.state == VersionState::InForce && version.has_lost_a_signer(staff);
        Self {
            version: version.number,
            state: version.state,
            review_due: lost || version.is_review_due(*reviewed_at, *at, zone),
            stale: version.is_stale(*at, zone),
            document: version.document,
            based_on: version.based_on,
            effective_at: version.effective_at,
            in_force_from: version.in_force_from,
            superseded_at: version.superseded_at,
            signatures: version.signatures,
            created_by: version.created_by,
            created_at: version.created_at,
            previews: vec![],
            rejudging: None,
        }
    }

    /// The same with its previews.
    fn previewed(self, previews: Vec<PreviewSummary>) -> Self {
        Self { previews, ..self }
    }

    /// The same with how far leads are judged again by it.
    fn judged_again(self, progress: Option<Rejudging>) -> Self {
        Self {
            rejudging: progress.map(RejudgingView::from),
            ..self
        }
    }
}

/// A version that was put in force, with warnings about its document.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgreementInForce {
    /// The version that is in force now.
    agreement: AgreementView,
    /// Warnings about parts that are valid but probably mistakes.
    #[schema(max_items = 1000)]
    warnings: Vec<Warning>,
}

/// A warning about a part of the document that is valid but probably a mistake.
#[derive(Debug, Serialize, ToSchema)]
struct Warning {
    /// Where in the body: a JSON pointer as a URI fragment.
    #[schema(max_length = 512, example = "#/document/commitments/sales/review_within")]
    pointer: String,
    /// The warning, as a code for programs.
    #[schema(max_length = 64, example = "longer_than_a_day")]
    code: &'static str,
    /// The warning, as a sentence for people.
    #[schema(max_length = 2048, example = "is open time: 24h are 3.0 working days")]
    detail: String,
}

impl Warning {
    fn of(fault: Fault) -> Self {
        Self {
            pointer: format!("#/document{}", fault.pointer),
            code: fault.code,
            detail: fault.detail,
        }
    }
}

/// An agreement document to put in force.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UpdateCurrentAgreement {
    /// The whole document.
    #[schema(value_type = Object)]
    document: Value,
}

/// A version by its number.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct AgreementPath {
    /// The version.
    #[param(minimum = 1, example = 1)]
    version: i64,
}

/// Which page of versions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct AgreementsQuery {
    /// Only versions that came into force at this instant or later.
    #[param(inline)]
    in_force_since: Option<Timestamp>,
    /// The most versions of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Read the agreement in force.
///
/// The agreement in force: who is a fit, what makes an MQL, how leads are scored, what the teams promise each other,
/// and the reasons with their consequences. A new installation starts with a provisional one, whose working hours are
/// in the company's time zone until another document replaces it.
#[utoipa::path(tag = "agreement", security(("bearer" = [AgreementsRead])),
    responses((status = 200, description = "The version in force", body = AgreementView)))]
#[get("/v1/agreements/current")]
async fn get_current_agreement(ctx: Ctx<AgreementsRead>) -> Reply<Json<AgreementView>> {
    let snapshot = ctx.snapshot().await?;
    let rules = store::rules::read(&snapshot).await?;
    let version = store::agreement::get(&snapshot, rules.agreement.number).await?;
    let rejudging = store::scoring::rejudging(&snapshot).await?;
    let view = AgreementView::of(version, &Seen::at(&snapshot, ctx.now()).await?);
    Ok(Json(view.judged_again(rejudging)))
}

/// Put another document in force.
///
/// For revops and admins, as long as no version has been signed by both teams (`409 already_signed`). The document comes
/// into force at once as the next provisional version. All errors are reported at once. Leads in lead and nurture are judged again in the background (`rejudging`); leads
/// that are already MQLs stay MQLs. Sending the document in force again changes nothing.
#[utoipa::path(tag = "agreement", security(("bearer" = [AgreementsWrite])), request_body = UpdateCurrentAgreement,
    responses((status = 200, description = "The version in force now, with warnings", body = AgreementInForce)))]
#[put("/v1/agreements/current")]
async fn update_current_agreement(
    ctx: Ctx<AgreementsWrite>,
    body: Json<UpdateCurrentAgreement>,
) -> Reply<Json<AgreementInForce>> {
    let tx = ctx.begin().await?;
    let rules = tx.rules();
    let current = store::agreement::in_force_for_update(&tx).await?;
    let current = current.in_zone(&rules.company.timezone);
    let form_ids = rules.form_ids();
    let known = rules.known(&rules.custom_fields, &form_ids);
    let has_scheduled = store::agreement::scheduled(&tx).await?.is_some();
    let number = store::agreement::next_number(&tx).await?;
    let document = &body.0.document;
    let replaced = agreement::replace(current, has_scheduled, number, document, &known, ctx.act());
    let replaced = replaced.map_err(refused)?;
    store::write_records(&tx, replaced.change).await?;
    let rejudging = store::scoring::rejudging(&tx).await?;
    let view = AgreementView::of(replaced.version, &Seen::at(&tx, ctx.now()).await?);
    let answer = AgreementInForce {
        agreement: view.judged_again(rejudging),
        warnings: replaced.warnings.into_iter().map(Warning::of).collect(),
    };
    ctx.commit(tx, Json(answer)).await
}

/// List the versions of the agreement.
///
/// Newest first.
#[utoipa::path(tag = "agreement", params(AgreementsQuery), security(("bearer" = [AgreementsRead])),
    responses((status = 200, description = "A page of versions", body = Listing<AgreementView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/agreements")]
async fn list_agreements(
    ctx: Ctx<AgreementsRead>,
    query: Query<AgreementsQuery>,
) -> Reply<Listing<AgreementView>> {
    let after = listing::after(&ctx.master, ctx.request(), query.0.cursor.as_deref())?;
    let limit = query.0.limit.unwrap_or(DEFAULT_LIMIT);
    let snapshot = ctx.snapshot().await?;
    let page = store::agreement::list(&snapshot, query.0.in_force_since, after, limit).await?;
    let place = |version: &AgreementVersion| version.number;
    let seen = Seen::at(&snapshot, ctx.now()).await?;
    let view = |version| AgreementView::of(version, &seen);
    Ok(Listing::of(&ctx.master, ctx.request(), page, place, view))
}

/// Read a version of the agreement.
#[utoipa::path(tag = "agreement", params(AgreementPath), security(("bearer" = [AgreementsRead])),
    responses((status = 200, description = "The version", body = AgreementView,
        headers(("ETag" = String, description = "Counts edits and signatures")))))]
#[get("/v1/agreements/{version}")]
async fn get_agreement(ctx: Ctx<AgreementsRead>, path: Path<AgreementPath>) -> Reply<Tagged<AgreementView>> {
    let snapshot = ctx.snapshot().await?;
    let version = store::agreement::get(&snapshot, path.0.version).await?;
    let previews = summaries(&snapshot, &version).await?;
    let tag = etag(version.edits, 0);
    let view = AgreementView::of(version, &Seen::at(&snapshot, ctx.now()).await?);
    Ok(Tagged::new(tag, view.previewed(previews)))
}

/// The newest previews of a version.
async fn summaries(
    on: &impl store::Read,
    version: &AgreementVersion,
) -> Result<Vec<PreviewSummary>, Problem> {
    let previews = store::agreement::previews::of_version(on, version.number).await?;
    let previews = previews.iter();
    Ok(previews
        .map(|preview| PreviewSummary::of(preview, version))
        .collect())
}

fn invalid_document(faults: Vec<Fault>) -> Problem {
    let below = |fault: Fault| Fault {
        pointer: format!("/document{}", fault.pointer),
        ..fault
    };
    invalid(faults.into_iter().map(below).collect())
}

fn refused(refused: ReplaceError) -> Problem {
    match refused {
        ReplaceError::Denied(reason) => reason.into(),
        ReplaceError::Invalid(faults) => invalid_document(faults),
        ReplaceError::Signed => Problem::new(Code::AlreadySigned),
    }
}
