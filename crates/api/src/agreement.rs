//! What both teams agreed: conditions, scores, promises and reasons, as a versioned document.

use std::time::Duration;

use actix_web::{delete, get, patch, post, put};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tandem_domain::access::Staff;
use tandem_domain::agreement::draft::{self, Difference, DraftDetails, DraftRefused, Signature, Standing};
use tandem_domain::agreement::{self, AgreementVersion, Refused, VersionState};
use tandem_domain::fault::Fault;
use tandem_domain::instant::Timestamp;
use tandem_store::scoring::Rejudging;
use tandem_store::{self as store, StoreError, Tx};
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::{AgreementsRead, AgreementsSign, AgreementsWrite};
use crate::edge::core::Core;
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::record::PatchOf;
use crate::edge::http::reply::{Created, Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::edge::job::{Job, Left, Turn};
use crate::edge::room::Room;

/// This room.
pub const ROOM: Room = Room {
    jobs: &[Job::when(
        "agreements",
        Duration::from_secs(1),
        |snapshot| Box::pin(store::agreement::next_in_force(snapshot)),
        |core, turn| Box::pin(bring_into_force(core, turn)),
    )
    .by_one_promptly()],
    ..Room::of(configure)
};

fn configure(config: &mut Services<'_>) {
    config
        .service(get_current_agreement)
        .service(update_current_agreement)
        .service(list_agreements)
        .service(create_agreement)
        .service(get_agreement)
        .service(update_agreement)
        .service(discard_agreement)
        .service(get_agreement_diff)
        .service(sign_agreement)
        .service(withdraw_signature);
}

/// A version of the agreement.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgreementView {
    /// Counts from 1; every stage change names the version that it was judged by.
    #[schema(minimum = 1, example = 1)]
    version: i64,
    /// What has become of it.
    state: VersionState,
    /// What it says; that of a draft may be incomplete.
    #[schema(value_type = Object)]
    document: Value,
    /// The version that it was made from.
    #[schema(minimum = 1)]
    based_on: Option<i64>,
    /// From when on it was to be in force.
    effective_at: Option<Timestamp>,
    /// Since when it is or was in force.
    in_force_from: Option<Timestamp>,
    /// When another version took its place.
    superseded_at: Option<Timestamp>,
    /// Who created it, by id; nobody created the one that an installation starts with.
    #[schema(max_length = 64, example = "user_01h455vb4pex5vsknk084sn02q")]
    created_by: Option<String>,
    /// When it was created.
    created_at: Timestamp,
    /// Who signed it and when; signatures that no longer count stay, with what ended them.
    #[schema(max_items = 1000)]
    signatures: Vec<Signature>,
    /// Whether both teams are to meet about it: `review.every` has passed since it came into force, or a signer has left or
    /// has another role.
    review_due: bool,
    /// Whether `review.stale_after` has passed since it came into force.
    stale: bool,
    /// How far the leads are judged again since it came into force, or since a setting that it relies on changed; `null`
    /// where all are.
    rejudging: Option<RejudgingView>,
}

/// How far leads are judged again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rejudging)]
struct RejudgingView {
    /// All leads.
    #[schema(minimum = 0)]
    total: u64,
    /// Those that are judged by what is in force now.
    #[schema(minimum = 0)]
    done: u64,
}

impl AgreementView {
    /// A version as it stands at an instant.
    fn of(version: AgreementVersion, at: Timestamp, zone: &TimeZone, staff: &Staff) -> Self {
        let lost = version.state == VersionState::InForce && version.has_lost_a_signer(staff);
        Self {
            version: version.number,
            state: version.state,
            review_due: lost || version.is_review_due(at, zone),
            stale: version.is_stale(at, zone),
            document: version.document,
            based_on: version.based_on,
            effective_at: version.effective_at,
            in_force_from: version.in_force_from,
            superseded_at: version.superseded_at,
            signatures: version.signatures,
            created_by: version.created_by,
            created_at: version.created_at,
            rejudging: None,
        }
    }

    /// The same with how far leads are judged again by it.
    fn judged_again(self, progress: Option<Rejudging>) -> Self {
        Self {
            rejudging: progress.map(|Rejudging { total, done }| RejudgingView { total, done }),
            ..self
        }
    }
}

/// A version that was put in force, with what its document may say but probably does not mean.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgreementInForce {
    /// The version that is in force now.
    agreement: AgreementView,
    /// What is allowed but probably not meant.
    #[schema(max_items = 1000)]
    warnings: Vec<Warning>,
}

/// Something in a document that is allowed but probably not meant.
#[derive(Debug, Serialize, ToSchema)]
struct Warning {
    /// Where in the body: a JSON pointer as a URI fragment.
    #[schema(max_length = 512, example = "#/document/commitments/sales/review_within")]
    pointer: String,
    /// What, as a word for programs.
    #[schema(max_length = 64, example = "longer_than_a_day")]
    code: &'static str,
    /// What, as a sentence for people.
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

/// A document that is to be in force.
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
    /// The most versions of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Read the agreement in force.
///
/// Who is a fit, what makes an MQL, how leads are scored, what the teams promise each other, and the reasons with what
/// each leads to. A new installation starts with a provisional one, whose working hours follow the company's time zone
/// until another document takes its place.
#[utoipa::path(tag = "agreement", security(("bearer" = [AgreementsRead])),
    responses((status = 200, description = "The version in force", body = AgreementView)))]
#[get("/v1/agreements/current")]
async fn get_current_agreement(ctx: Ctx<AgreementsRead>) -> Reply<Json<AgreementView>> {
    let snapshot = ctx.snapshot().await?;
    let rules = store::rules::read(&snapshot).await?;
    let version = store::agreement::get(&snapshot, rules.agreement.number).await?;
    let rejudging = store::scoring::rejudging(&snapshot).await?;
    let staff = store::access::staff(&snapshot).await?;
    let view = AgreementView::of(version, ctx.now(), &rules.company.zone(), &staff);
    Ok(Json(view.judged_again(rejudging)))
}

/// Put another document in force.
///
/// For revops and admins, as long as no version has been signed by both teams (`409 already_signed`): the document is in force at once as the next provisional
/// version. All faults are refused at once; what is not evaluated yet is refused with `not_supported_yet`. Leads in lead and
/// nurture are judged again in the background (`rejudging`); leads that are MQLs already stay MQLs. The document in force
/// again changes nothing.
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
    let staff = store::access::staff(&tx).await?;
    let view = AgreementView::of(replaced.version, ctx.now(), &rules.company.zone(), &staff);
    let answer = AgreementInForce {
        agreement: view.judged_again(rejudging),
        warnings: replaced.warnings.into_iter().map(Warning::of).collect(),
    };
    ctx.commit(tx, Json(answer)).await
}

/// List the versions of the agreement.
///
/// The newest first.
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
    let zone = store::rules::company(&snapshot).await?.zone();
    let staff = store::access::staff(&snapshot).await?;
    let page = store::agreement::list(&snapshot, after, limit).await?;
    let place = |version: &AgreementVersion| version.number;
    let view = |version| AgreementView::of(version, ctx.now(), &zone, &staff);
    Ok(Listing::of(&ctx.master, ctx.request(), page, place, view))
}

/// Read a version of the agreement.
#[utoipa::path(tag = "agreement", params(AgreementPath), security(("bearer" = [AgreementsRead])),
    responses((status = 200, description = "The version", body = AgreementView,
        headers(("ETag" = String, description = "Counts edits and signatures")))))]
#[get("/v1/agreements/{version}")]
async fn get_agreement(ctx: Ctx<AgreementsRead>, path: Path<AgreementPath>) -> Reply<Tagged<AgreementView>> {
    let snapshot = ctx.snapshot().await?;
    let zone = store::rules::company(&snapshot).await?.zone();
    let version = store::agreement::get(&snapshot, path.0.version).await?;
    let staff = store::access::staff(&snapshot).await?;
    let tag = etag(version.edits, 0);
    Ok(Tagged::new(
        tag,
        AgreementView::of(version, ctx.now(), &zone, &staff),
    ))
}

/// A draft of an agreement.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateAgreement {
    /// The document, which may be incomplete; without one that of the version that is copied, else an empty one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    document: Option<Value>,
    /// From when on it is to be in force once both teams have signed it; at once where it is left out or past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    effective_at: Option<Timestamp>,
}

/// A JSON merge patch of a draft: what is left out stays, lists replace, `null` removes.
type AgreementPatch = PatchOf<CreateAgreement>;

/// What a draft is made of.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CreateAgreementQuery {
    /// The version whose document is copied.
    #[param(minimum = 1)]
    from: Option<i64>,
}

/// What a version is compared with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DiffQuery {
    /// The other version; the one that it is based on where it is left out.
    #[param(minimum = 1)]
    against: Option<i64>,
}

/// How two versions differ.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgreementDiff {
    /// The version.
    #[schema(minimum = 1)]
    version: i64,
    /// The other one.
    #[schema(minimum = 1)]
    against: i64,
    /// The differences, in the order of the document.
    #[schema(max_items = 10000)]
    differences: Vec<Difference>,
}

/// Create a draft of an agreement.
///
/// For revops and both managers. The draft is based on the version in force and changes nothing until both managers have
/// signed it. It may be incomplete; what it has is checked, all faults at once.
#[utoipa::path(tag = "agreement", params(CreateAgreementQuery), security(("bearer" = [AgreementsWrite])),
    request_body = CreateAgreement,
    responses((status = 201, description = "The draft", body = AgreementView,
        headers(("ETag" = String, description = "Counts edits and signatures"), ("Location" = String, description = "Its address")))))]
#[post("/v1/agreements")]
async fn create_agreement(
    ctx: Ctx<AgreementsWrite>,
    query: Query<CreateAgreementQuery>,
    body: Json<CreateAgreement>,
) -> Reply<Created<AgreementView>> {
    let tx = ctx.begin().await?;
    let in_force = store::agreement::in_force_for_update(&tx).await?;
    let copied = match query.0.from {
        Some(from) => store::agreement::get(&tx, from).await?.document,
        None => json!({}),
    };
    let details = DraftDetails {
        document: body.0.document.unwrap_or(copied),
        effective_at: body.0.effective_at,
    };
    let number = store::agreement::next_number(&tx).await?;
    let (version, change) = {
        let form_ids = tx.rules().form_ids();
        let known = tx.rules().known(&tx.rules().custom_fields, &form_ids);
        draft::draft(number, details, &in_force, &known, ctx.act()).map_err(not_drafted)?
    };
    store::write_records(&tx, [change]).await?;
    let location = format!("/v1/agreements/{number}");
    let answer = Created::at(location, view(&tx, version).await?).tagged(etag(1, 0));
    ctx.commit(tx, answer).await
}

/// Edit a draft of an agreement.
///
/// For revops and both managers. An edit ends the signatures that the draft has.
#[utoipa::path(tag = "agreement", params(AgreementPath), security(("bearer" = [AgreementsWrite])),
    request_body = AgreementPatch,
    responses((status = 200, description = "The draft as it is now", body = AgreementView,
        headers(("ETag" = String, description = "Counts edits and signatures")))))]
#[patch("/v1/agreements/{version}")]
async fn update_agreement(
    ctx: Ctx<AgreementsWrite>,
    path: Path<AgreementPath>,
    body: MergePatch<AgreementPatch>,
) -> Reply<Tagged<AgreementView>> {
    let tx = ctx.begin().await?;
    let in_force = store::agreement::in_force_for_update(&tx).await?;
    let version = store::agreement::get(&tx, path.0.version).await?;
    ctx.check_if_match(version.edits)?;
    let known = CreateAgreement {
        document: Some(version.document.clone()),
        effective_at: version.effective_at,
    };
    let (asked, _) = body.0.apply(&known)?;
    let details = DraftDetails {
        document: asked.document.unwrap_or(json!({})),
        effective_at: asked.effective_at,
    };
    let (version, change) = {
        let form_ids = tx.rules().form_ids();
        let known = tx.rules().known(&tx.rules().custom_fields, &form_ids);
        draft::edit(version, details, &in_force, &known, ctx.act()).map_err(not_drafted)?
    };
    store::write_records(&tx, change).await?;
    let answer = Tagged::new(etag(version.edits, 0), view(&tx, version).await?);
    ctx.commit(tx, answer).await
}

/// Discard a draft of an agreement.
///
/// For revops and both managers: a draft, or a version that is signed and comes into force later.
#[utoipa::path(tag = "agreement", params(AgreementPath), security(("bearer" = [AgreementsWrite])),
    responses((status = 200, description = "The version as it is now", body = AgreementView,
        headers(("ETag" = String, description = "Counts edits and signatures")))))]
#[post("/v1/agreements/{version}/discard")]
async fn discard_agreement(
    ctx: Ctx<AgreementsWrite>,
    path: Path<AgreementPath>,
) -> Reply<Tagged<AgreementView>> {
    let tx = ctx.begin().await?;
    store::agreement::in_force_for_update(&tx).await?;
    let version = store::agreement::get(&tx, path.0.version).await?;
    ctx.check_if_match(version.edits)?;
    let (version, change) = draft::discard(version, ctx.act()).map_err(not_drafted)?;
    store::write_records(&tx, [change]).await?;
    let answer = Tagged::new(etag(version.edits, 0), view(&tx, version).await?);
    ctx.commit(tx, answer).await
}

/// Compare two versions of the agreement.
///
/// Each place at which they differ, with what stands there in both.
#[utoipa::path(tag = "agreement", params(AgreementPath, DiffQuery), security(("bearer" = [AgreementsRead])),
    responses((status = 200, description = "The differences", body = AgreementDiff)))]
#[get("/v1/agreements/{version}/diff")]
async fn get_agreement_diff(
    ctx: Ctx<AgreementsRead>,
    path: Path<AgreementPath>,
    query: Query<DiffQuery>,
) -> Reply<Json<AgreementDiff>> {
    let snapshot = ctx.snapshot().await?;
    let version = store::agreement::get(&snapshot, path.0.version).await?;
    let against = query.0.against.or(version.based_on).unwrap_or(version.number);
    let other = store::agreement::get(&snapshot, against).await?;
    Ok(Json(AgreementDiff {
        version: version.number,
        against,
        differences: draft::differences(&other.document, &version.document),
    }))
}

/// Sign a draft of an agreement.
///
/// For a marketing manager and a sales manager, each in person and for their own side. With the second signature the version
/// is in force, or from its `effective_at` on; then it takes the place of the version that it is based on. `If-Match` with the
/// draft's `ETag` makes sure that what is signed is what was read.
#[utoipa::path(tag = "agreement", params(AgreementPath), security(("bearer" = [AgreementsSign])),
    responses((status = 200, description = "The version as it is now", body = AgreementView,
        headers(("ETag" = String, description = "Counts edits and signatures")))))]
#[post("/v1/agreements/{version}/sign")]
async fn sign_agreement(ctx: Ctx<AgreementsSign>, path: Path<AgreementPath>) -> Reply<Tagged<AgreementView>> {
    let tx = ctx.begin().await?;
    let in_force = store::agreement::in_force_for_update(&tx).await?;
    let version = store::agreement::get(&tx, path.0.version).await?;
    ctx.check_if_match(version.edits)?;
    let staff = store::access::staff(&tx).await?;
    let standing = Standing {
        in_force,
        scheduled: store::agreement::scheduled(&tx).await?,
        staff: &staff,
    };
    let (version, changes) = {
        let form_ids = tx.rules().form_ids();
        let known = tx.rules().known(&tx.rules().custom_fields, &form_ids);
        draft::sign(version, standing, &known, ctx.act()).map_err(not_drafted)?
    };
    store::write_records(&tx, changes).await?;
    let answer = Tagged::new(etag(version.edits, 0), view(&tx, version).await?);
    ctx.commit(tx, answer).await
}

/// Withdraw one's own signature.
///
/// As long as the other one is missing.
#[utoipa::path(tag = "agreement", params(AgreementPath), security(("bearer" = [AgreementsSign])),
    responses((status = 200, description = "The draft as it is now", body = AgreementView,
        headers(("ETag" = String, description = "Counts edits and signatures")))))]
#[delete("/v1/agreements/{version}/sign")]
async fn withdraw_signature(
    ctx: Ctx<AgreementsSign>,
    path: Path<AgreementPath>,
) -> Reply<Tagged<AgreementView>> {
    let tx = ctx.begin().await?;
    store::agreement::in_force_for_update(&tx).await?;
    let version = store::agreement::get(&tx, path.0.version).await?;
    ctx.check_if_match(version.edits)?;
    let (version, change) = draft::withdraw(version, ctx.act()).map_err(not_drafted)?;
    store::write_records(&tx, [change]).await?;
    let answer = Tagged::new(etag(version.edits, 0), view(&tx, version).await?);
    ctx.commit(tx, answer).await
}

/// A version that this transaction changed, as an answer shows it.
async fn view(tx: &Tx, version: AgreementVersion) -> Result<AgreementView, Problem> {
    let staff = store::access::staff(tx).await?;
    let zone = tx.rules().company.zone();
    Ok(AgreementView::of(version, tx.act().now, &zone, &staff))
}

/// Put the scheduled version in force if its time has come.
async fn bring_into_force(core: &Core, turn: &Turn) -> Result<Left, StoreError> {
    let tx = turn.begin(core).await?;
    store::agreement::bring_into_force(&tx).await?;
    tx.commit().await?;
    Ok(Left::Nothing)
}

fn not_drafted(refused: DraftRefused) -> Problem {
    match refused {
        DraftRefused::Denied(reason) => reason.into(),
        DraftRefused::Invalid(faults) => invalid_document(faults),
        DraftRefused::State(state) => Problem::new(Code::Conflict)
            .detail("Only a draft can be edited, signed or discarded")
            .with("current", json!(state)),
        DraftRefused::Outdated { in_force } => {
            Problem::new(Code::OutdatedDraft).with("in_force", json!(in_force))
        }
        DraftRefused::Signed => Problem::new(Code::AlreadySigned),
        DraftRefused::SignerLeft => Problem::new(Code::SignerLeft),
        DraftRefused::NotSigned => {
            Problem::new(Code::Conflict).detail("You have no signature on this draft that counts")
        }
    }
}

fn invalid_document(faults: Vec<Fault>) -> Problem {
    let below = |fault: Fault| Fault {
        pointer: format!("/document{}", fault.pointer),
        ..fault
    };
    invalid(faults.into_iter().map(below).collect())
}

fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::Denied(reason) => reason.into(),
        Refused::Invalid(faults) => invalid_document(faults),
        Refused::Signed => Problem::new(Code::AlreadySigned),
    }
}
