//! Confirmation links: a page that asks, and the answer. A GET changes nothing, since scanners of mail follow links.

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, get, post};
use futures::future::{FutureExt, LocalBoxFuture};
use serde::Deserialize;
use tandem_domain::act::Act;
use tandem_domain::leads::consent::{Confirmation, confirm, purpose_named};
use tandem_store::rules::ConsentRules;
use tandem_store::{self as store, Tx};
use url::form_urlencoded;
use utoipa::{IntoParams, ToSchema};

use super::page::{self, wants_page};
use super::view::{ConfirmedStatus, ConfirmedView};
use crate::edge::crypto::hex;
use crate::edge::crypto::secret::ConsentToken;
use crate::edge::ctx::{Ctx, Public};
use crate::edge::http::json::{Json, Raw};
use crate::edge::http::problem::{Code, Problem, ProblemView};
use crate::edge::http::query::Query;
use crate::edge::http::reply::{Answer, Rendered, Reply};
use crate::edge::http::services::Services;

const FORM: &str = "application/x-www-form-urlencoded";

/// The operations behind links.
pub fn configure(config: &mut Services<'_>) {
    config.service(get_confirmation).service(confirm_consent);
}

/// The token of a link.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct LinkQuery {
    /// The token.
    #[param(
        max_length = 128,
        example = "tdm_ct_Q3mJ5vXy8ZbR1nWc0sKtLpHd6FgA2eU7iOqB4xT9zNk"
    )]
    token: Option<String>,
}

/// A consent to confirm.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConfirmConsent {
    /// The token from the link.
    #[schema(
        min_length = 1,
        max_length = 128,
        example = "tdm_ct_Q3mJ5vXy8ZbR1nWc0sKtLpHd6FgA2eU7iOqB4xT9zNk"
    )]
    token: String,
}

/// The token as JSON, or as the page sends it.
struct Sent(ConfirmConsent);

impl FromRequest for Sent {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = request.headers().get(CONTENT_TYPE);
        if !kind.is_some_and(|kind| kind.as_bytes().starts_with(FORM.as_bytes())) {
            let json = Json::<ConfirmConsent>::from_request(request, payload);
            return async move { Ok(Self(json.await?.0)) }.boxed_local();
        }
        let bytes = Raw::from_request(request, payload);
        async move {
            let bytes = bytes.await?.0;
            let token = form_urlencoded::parse(&bytes).find(|(name, _)| name == "token");
            let token = token.map(|(_, token)| token.into_owned()).unwrap_or_default();
            Ok(Self(ConfirmConsent { token }))
        }
        .boxed_local()
    }
}

/// Show the page that confirms consent.
///
/// The page of a confirmation link, with the wording and a button. Opening it confirms nothing. An unknown or expired
/// link, or one of a consent that was withdrawn since, is not found.
#[utoipa::path(tag = "consent", params(LinkQuery), security(()), responses(
    (status = 200, description = "A page with a button, or with thanks if it is confirmed", body = String, content_type = "text/html"),
    (status = 404, description = "The link is no longer valid", body = ProblemView, content_type = "application/problem+json")))]
#[get("/v1/consents/confirm")]
async fn get_confirmation(ctx: Ctx<Public>, query: Query<LinkQuery>) -> Reply<Rendered> {
    let gone = || not_good(&ctx);
    let Some(token) = query.0.token.as_deref().and_then(ConsentToken::parse) else {
        return gone();
    };
    let snapshot = ctx.snapshot().await?;
    let Some(link) = store::leads::consent::find_link(&snapshot, &hex(&token.hash())).await? else {
        return gone();
    };
    let rules = store::rules::consent(&snapshot).await?;
    let said = store::leads::consent::facts(&snapshot, link.lead_id).await?;
    let purpose = purpose_named(&rules.purposes, &link.purpose);
    let standing = said.standing(&purpose, link.address.as_deref());
    if link.check(&standing, ctx.now()).is_err() {
        return gone();
    }
    let label = label(&rules, &link);
    if link.used_at.is_some() {
        return Ok(Rendered(page::confirmed(&label)));
    }
    let granted = store::leads::consent::statement(&snapshot, link.consent_id).await?;
    let company = store::rules::company(&snapshot).await?.name;
    let asked = page::asked(&company, &label, granted.wording.as_deref(), token.reveal());
    Ok(Rendered(asked))
}

/// Confirm consent.
///
/// The token proves that the person received the mail. The same token again changes nothing and gets the same answer. A
/// browser that submits the page's form gets a page.
#[utoipa::path(tag = "consent", security(()),
    request_body(content((ConfirmConsent = "application/json"), (ConfirmConsent = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "The consent is confirmed", content((ConfirmedView = "application/json"), (String = "text/html"))),
        (status = 404, description = "The token is no longer valid", body = ProblemView,
            content_type = "application/problem+json")))]
#[post("/v1/consents/confirm")]
async fn confirm_consent(ctx: Ctx<Public>, sent: Sent) -> Reply<Rendered> {
    let gone = || not_good(&ctx);
    let Some(token) = ConsentToken::parse(&sent.0.token) else {
        return gone();
    };
    let hash = hex(&token.hash());
    let tx = ctx.begin().await?;
    let Some(link) = use_link(&tx, ctx.act(), &hash).await? else {
        return gone();
    };
    let answer = if wants_page(ctx.request()) {
        page::confirmed(&label(&tx.rules().shown_by.consent, &link))
    } else {
        Json(ConfirmedView {
            confirmed_at: link.used_at.unwrap_or(ctx.now()),
            purpose: link.purpose,
            status: ConfirmedStatus::Confirmed,
        })
        .render()
    };
    ctx.commit(tx, Rendered(answer)).await
}

/// Confirm what a link is about, unless that is done; `None` where the link is not good any more.
async fn use_link(tx: &Tx, act: &Act, hash: &str) -> Result<Option<Confirmation>, Problem> {
    let Some(link) = store::leads::consent::find_link(tx, hash).await? else {
        return Ok(None);
    };
    let mut world = store::leads::world_for_consent(tx, [link.lead_id]).await?;
    // Read again under the lead's lock: of two clicks one comes first.
    let Some(link) = store::leads::consent::find_link(tx, hash).await? else {
        return Ok(None);
    };
    let Ok(changes) = confirm(&mut world, &link, act) else {
        return Ok(None);
    };
    if !changes.is_empty() {
        store::settle(tx, &mut world, act, changes).await?;
        store::leads::consent::use_link(tx, hash).await?;
    }
    Ok(Some(link))
}

/// The link is unknown, too old, or void: the answer is the same.
fn not_good(ctx: &Ctx<Public>) -> Reply<Rendered> {
    if wants_page(ctx.request()) {
        return Ok(Rendered(page::not_good()));
    }
    Err(Problem::new(Code::NotFound).detail("The link is no longer valid"))
}

fn label(rules: &ConsentRules, link: &Confirmation) -> String {
    purpose_named(&rules.purposes, &link.purpose).label.clone()
}
