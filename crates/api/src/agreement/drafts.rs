//! Drafts of the agreement: creating, editing, comparing and discarding them, and the signatures of both teams.

use actix_web::{delete, get, patch, post};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tandem_domain::agreement::AgreementVersion;
use tandem_domain::agreement::draft::{self, Difference, DraftDetails, DraftRefused, Standing};
use tandem_domain::instant::Timestamp;
use tandem_store::{self as store, StoreError, Tx};
use utoipa::{IntoParams, ToSchema};

use super::{AgreementPath, AgreementView, Seen, invalid_document, summaries};
use crate::access::scopes::{AgreementsRead, AgreementsSign, AgreementsWrite};
use crate::edge::core::Core;
use crate::edge::ctx::{Ctx, Permission};
use crate::edge::http::faults::invalid;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::record::PatchOf;
use crate::edge::http::reply::{Created, Reply, Tagged, etag};
use crate::edge::http::services::Services;
use crate::edge::job::{JobRun, Remaining};

/// The operations on drafts.
pub(super) fn configure(config: &mut Services<'_>) {
    config
        .service(create_agreement)
        .service(update_agreement)
        .service(discard_agreement)
        .service(get_agreement_diff)
        .service(sign_agreement)
        .service(withdraw_signature);
}

/// A draft of an agreement.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateAgreement {
    /// The document, which may be incomplete; default that of the copied version, else an empty one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    document: Option<Value>,
    /// When it comes into force once both teams have signed it; at once if omitted or past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    effective_at: Option<Timestamp>,
}

/// A JSON merge patch of a draft: omitted members stay, lists are replaced, `null` removes a member.
type AgreementPatch = PatchOf<CreateAgreement>;

/// The source of a draft.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CreateAgreementQuery {
    /// The version whose document is copied.
    #[param(minimum = 1)]
    from: Option<i64>,
}

/// The version to compare with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DiffQuery {
    /// The other version; default the one on which it is based.
    #[param(minimum = 1)]
    against: Option<i64>,
}

/// The differences between two versions.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgreementDiff {
    /// The version.
    #[schema(minimum = 1)]
    version: i64,
    /// The other version.
    #[schema(minimum = 1)]
    against: i64,
    /// The differences, in the order of the document.
    #[schema(max_items = 10000)]
    differences: Vec<Difference>,
}

/// Create a draft of an agreement.
///
/// For revops and both managers. The draft is based on the version in force and has no effect until both managers have
/// signed it. It may be incomplete; its content is validated, and all errors are reported at once.
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
/// For revops and both managers. An edit ends the draft's signatures.
#[utoipa::path(tag = "agreement", params(AgreementPath), security(("bearer" = [AgreementsWrite])),
    request_body = AgreementPatch,
    responses((status = 200, description = "The updated draft", body = AgreementView,
        headers(("ETag" = String, description = "Counts edits and signatures")))))]
#[patch("/v1/agreements/{version}")]
async fn update_agreement(
    ctx: Ctx<AgreementsWrite>,
    path: Path<AgreementPath>,
    body: MergePatch<AgreementPatch>,
) -> Reply<Tagged<AgreementView>> {
    let tx = ctx.begin().await?;
    let (in_force, version) = for_update(&ctx, &tx, &path.0).await?;
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
    let answer = tagged(&tx, version).await?;
    ctx.commit(tx, answer).await
}

/// Discard a draft of an agreement.
///
/// For revops and both managers. Discards a draft, or a signed version that is not in force yet.
#[utoipa::path(tag = "agreement", params(AgreementPath), security(("bearer" = [AgreementsWrite])),
    responses((status = 200, description = "The discarded version", body = AgreementView,
        headers(("ETag" = String, description = "Counts edits and signatures")))))]
#[post("/v1/agreements/{version}/discard")]
async fn discard_agreement(
    ctx: Ctx<AgreementsWrite>,
    path: Path<AgreementPath>,
) -> Reply<Tagged<AgreementView>> {
    let tx = ctx.begin().await?;
    let (_, version) = for_update(&ctx, &tx, &path.0).await?;
    let (version, change) = draft::discard(version, ctx.act()).map_err(not_drafted)?;
    store::write_records(&tx, [change]).await?;
    let answer = tagged(&tx, version).await?;
    ctx.commit(tx, answer).await
}

/// Compare two versions of the agreement.
///
/// Every place at which they differ, with the values in both.
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
/// For a marketing manager and a sales manager, each in person and for their own side. With the second signature the
/// version comes into force, at its `effective_at` if that is later, and replaces the version in force. Each signature
/// needs a complete preview of the document as it stands, over the last 90 days or back to the first lead. Send the draft's `ETag` in `If-Match`, so that you sign exactly what you read.
#[utoipa::path(tag = "agreement", params(AgreementPath), security(("bearer" = [AgreementsSign])),
    responses((status = 200, description = "The signed version", body = AgreementView,
        headers(("ETag" = String, description = "Counts edits and signatures")))))]
#[post("/v1/agreements/{version}/sign")]
async fn sign_agreement(ctx: Ctx<AgreementsSign>, path: Path<AgreementPath>) -> Reply<Tagged<AgreementView>> {
    let tx = ctx.begin().await?;
    let (in_force, version) = for_update(&ctx, &tx, &path.0).await?;
    let staff = store::access::staff(&tx).await?;
    let standing = Standing {
        in_force,
        scheduled: store::agreement::scheduled(&tx).await?,
        staff: &staff,
        is_previewed: store::agreement::previews::is_previewed(&tx, &version).await?,
    };
    let (version, changes) = {
        let form_ids = tx.rules().form_ids();
        let known = tx.rules().known(&tx.rules().custom_fields, &form_ids);
        draft::sign(version, standing, &known, ctx.act()).map_err(not_drafted)?
    };
    store::write_records(&tx, changes).await?;
    let answer = tagged(&tx, version).await?;
    ctx.commit(tx, answer).await
}

/// Withdraw your own signature.
///
/// Possible until the other side has signed.
#[utoipa::path(tag = "agreement", params(AgreementPath), security(("bearer" = [AgreementsSign])),
    responses((status = 200, description = "The updated draft", body = AgreementView,
        headers(("ETag" = String, description = "Counts edits and signatures")))))]
#[delete("/v1/agreements/{version}/sign")]
async fn withdraw_signature(
    ctx: Ctx<AgreementsSign>,
    path: Path<AgreementPath>,
) -> Reply<Tagged<AgreementView>> {
    let tx = ctx.begin().await?;
    let (_, version) = for_update(&ctx, &tx, &path.0).await?;
    let (version, change) = draft::withdraw(version, ctx.act()).map_err(not_drafted)?;
    store::write_records(&tx, [change]).await?;
    let answer = tagged(&tx, version).await?;
    ctx.commit(tx, answer).await
}

/// The version in force and the one of the path, locked. Refuses an `If-Match` of an earlier edit.
async fn for_update<P: Permission>(
    ctx: &Ctx<P>,
    tx: &Tx,
    path: &AgreementPath,
) -> Result<(AgreementVersion, AgreementVersion), Problem> {
    let in_force = store::agreement::in_force_for_update(tx).await?;
    let version = store::agreement::get(tx, path.version).await?;
    ctx.check_if_match(version.edits)?;
    Ok((in_force, version))
}

/// A version that this transaction changed, as an answer shows it.
async fn view(tx: &Tx, version: AgreementVersion) -> Result<AgreementView, Problem> {
    let seen = Seen::at(tx, tx.act().now).await?;
    let previews = summaries(tx, &version).await?;
    Ok(AgreementView::of(version, &seen).previewed(previews))
}

/// The same with its `ETag`.
async fn tagged(tx: &Tx, version: AgreementVersion) -> Result<Tagged<AgreementView>, Problem> {
    let tag = etag(version.edits, 0);
    Ok(Tagged::new(tag, view(tx, version).await?))
}

/// Put the scheduled version in force if its time has come.
pub(super) async fn bring_into_force(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    let tx = turn.begin(core).await?;
    store::agreement::bring_into_force(&tx).await?;
    tx.commit().await?;
    Ok(Remaining::Nothing)
}

pub(super) fn not_drafted(refused: DraftRefused) -> Problem {
    match refused {
        DraftRefused::Denied(reason) => reason.into(),
        DraftRefused::Invalid(faults) => invalid_document(faults),
        DraftRefused::State(state) => Problem::new(Code::Conflict)
            .detail("Only a draft can be edited, signed or discarded")
            .with("current", json!(state)),
        DraftRefused::Outdated { in_force } => {
            Problem::new(Code::OutdatedDraft).with("current", in_force.to_string())
        }
        DraftRefused::Signed => Problem::new(Code::AlreadySigned),
        DraftRefused::InvalidPeriod(faults) => invalid(faults),
        DraftRefused::PreviewMissing => Problem::new(Code::PreviewMissing),
        DraftRefused::SignerLeft => Problem::new(Code::SignerLeft),
        DraftRefused::NotSigned => {
            Problem::new(Code::Conflict).detail("You have no signature on this draft that counts")
        }
    }
}
