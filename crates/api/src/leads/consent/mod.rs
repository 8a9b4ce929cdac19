//! Consent over HTTP: its history, what follows from it, and the links that confirm it.

pub mod body;
mod link;
mod page;
pub mod view;

use actix_web::{get, post};
use serde::Deserialize;
use tandem_domain::act::Act;
use tandem_domain::fault::Fault;
use tandem_domain::id::LeadId;
use tandem_domain::leads::consent::{self, Confirmation, ConsentError, StateConsent};
use tandem_store::{self as store, Tx};
use utoipa::IntoParams;

pub use page::{PATH as LINK, dress};

use self::body::ConsentWrite;
use self::view::{ConsentsView, LinkView, contacts};
use super::LeadPath;
use crate::access::scopes::{LeadsRead, LeadsWrite};
use crate::edge::crypto::hex;
use crate::edge::crypto::secret::ConsentToken;
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::{invalid, refuse};
use crate::edge::http::json::Json;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::Path;
use crate::edge::http::reply::{Created, Reply};
use crate::edge::http::services::Services;

/// The operations on consent.
pub fn configure(config: &mut Services<'_>) {
    config.service(list_consents).service(record_consent);
    config.service(create_confirmation);
    link::configure(config);
}

/// A purpose of a lead.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct PurposePath {
    /// The lead's id.
    lead_id: LeadId,
    /// The purpose.
    #[param(
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z][a-z0-9_]*$",
        example = "marketing_email"
    )]
    purpose: String,
}

/// Read a lead's consent.
///
/// Whether the person may be contacted for each purpose, and all statements about it.
#[utoipa::path(tag = "consent", params(LeadPath), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "The present consent, and the history", body = ConsentsView)))]
#[get("/v1/leads/{lead_id}/consents")]
async fn list_consents(ctx: Ctx<LeadsRead>, path: Path<LeadPath>) -> Reply<Json<ConsentsView>> {
    let snapshot = ctx.snapshot().await?;
    let found = store::leads::get(&snapshot, path.0.lead_id).await?;
    let history = store::leads::consent::history(&snapshot, path.0.lead_id).await?;
    let rules = ctx.db().rules_at(found.settings_revision).await?;
    let contacts = contacts(&found.consent, &rules.shown_by.consent, found.lead.email());
    Ok(Json(ConsentsView::of(contacts, history)))
}

/// Record consent.
///
/// Record that a person agrees to a purpose, or no longer agrees: the wording, the legal basis and the source. The
/// purpose must be declared. A statement about an e-mail purpose applies to one address, by default the lead's first.
/// Statements are only added. The newest by `stated_at` counts; an older one changes nothing.
#[utoipa::path(tag = "consent", params(LeadPath), security(("bearer" = [LeadsWrite])), request_body = ConsentWrite,
    responses((status = 201, description = "The present consent, and the history", body = ConsentsView,
        headers(("Location" = String, description = "The lead's consents")))))]
#[post("/v1/leads/{lead_id}/consents")]
async fn record_consent(
    ctx: Ctx<LeadsWrite>,
    path: Path<LeadPath>,
    body: Json<ConsentWrite>,
) -> Reply<Created<ConsentsView>> {
    let lead_id = path.0.lead_id;
    refuse(body.0.faults(""))?;
    let tx = ctx.begin().await?;
    record(&tx, ctx.act(), lead_id, body.0.into()).await?;
    let found = store::leads::get(&tx, lead_id).await?;
    let history = store::leads::consent::history(&tx, lead_id).await?;
    let rules = &tx.rules().shown_by.consent;
    let view = ConsentsView::of(contacts(&found.consent, rules, found.lead.email()), history);
    let answer = Created::at(format!("/v1/leads/{lead_id}/consents"), view).about(vec![lead_id]);
    ctx.commit(tx, answer).await
}

/// Create a confirmation link.
///
/// For purposes with double opt-in: your mail system puts the link into its message. The link is shown once and valid
/// for the purpose's `token_days`; its page asks the person to confirm. The answer is `409` if consent is already
/// confirmed, or not granted.
#[utoipa::path(tag = "consent", params(PurposePath), security(("bearer" = [LeadsWrite])),
    responses((status = 201, description = "The link", body = LinkView,
        headers(("Location" = String, description = "The lead's consents")))))]
#[post("/v1/leads/{lead_id}/consents/{purpose}/confirmation")]
async fn create_confirmation(ctx: Ctx<LeadsWrite>, path: Path<PurposePath>) -> Reply<Created<LinkView>> {
    let PurposePath { lead_id, purpose } = path.0;
    if !consent::is_purpose(&purpose) {
        return Err(Problem::new(Code::NotFound));
    }
    let token = ConsentToken::generate();
    let address = format!("{}/v1/consents/confirm", crate::capture::reached_at(&ctx));
    let tx = ctx.begin().await?;
    let confirmation = issue(&tx, ctx.act(), lead_id, &purpose, hex(&token.hash())).await?;
    let view = LinkView {
        confirm_url: Some(format!("{address}?token={}", token.reveal())),
        token: Some(token.reveal().to_owned()),
        expires_at: confirmation.expires_at,
    };
    let answer = Created::at(format!("/v1/leads/{lead_id}/consents"), view)
        .shown_once(&["token", "confirm_url"])
        .about(vec![lead_id]);
    ctx.commit(tx, answer).await
}

/// Record what was stated of a lead's consent.
async fn record(tx: &Tx, act: &Act, lead_id: LeadId, said: StateConsent) -> Result<(), Problem> {
    let mut world = store::leads::world_for_consent(tx, [lead_id]).await?;
    let changes = consent::state(&mut world, lead_id, said, act).map_err(refused)?;
    Ok(store::settle(tx, &mut world, act, changes).await?)
}

/// Create the link whose token has this hash.
async fn issue(
    tx: &Tx,
    act: &Act,
    lead_id: LeadId,
    purpose: &str,
    token_hash: String,
) -> Result<Confirmation, Problem> {
    let mut world = store::leads::world_for_consent(tx, [lead_id]).await?;
    let (confirmation, change) = consent::issue(&world, lead_id, purpose, act).map_err(refused)?;
    store::leads::consent::add_link(tx, &confirmation, token_hash).await?;
    store::settle(tx, &mut world, act, Some(change)).await?;
    Ok(confirmation)
}

fn refused(refused: ConsentError) -> Problem {
    match refused {
        ConsentError::NoSuchLead => Problem::new(Code::NotFound),
        ConsentError::Denied(reason) => reason.into(),
        ConsentError::Undeclared => invalid(vec![Fault::new(
            "/purpose",
            "not_allowed",
            "is not a declared purpose of consent",
        )]),
        ConsentError::NotGranted => Problem::new(Code::Conflict)
            .with("current", "not_granted")
            .detail("There is no grant for this purpose to confirm"),
        ConsentError::IsConfirmed => Problem::new(Code::Conflict)
            .with("current", "confirmed")
            .detail("The consent is already confirmed"),
    }
}
