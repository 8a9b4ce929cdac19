//! `POST /v1/capture/{form_key}`: what a stranger sends becomes a submission, and a lead.

use std::time::Duration;

use actix_web::post;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tandem_domain::access::Actor;
use tandem_domain::capture::{Context, Posted};
use tandem_domain::fault::Fault;
use tandem_domain::id::SubmissionId;
use tandem_domain::instant::Timestamp;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::batch::{Captures, Outcome};
use super::item::Item;
use super::known_forms::Sender;
use super::{body, bots, known_forms, page};
use crate::edge::ctx::{Ctx, Public};
use crate::edge::http::faults::invalid;
use crate::edge::http::json::{Raw, operation_key, shapes};
use crate::edge::http::problem::{Code, Problem, ProblemView};
use crate::edge::http::query::Path;
use crate::edge::http::reply::{Rendered, Reply};
use crate::edge::http::services::Services;
use crate::edge::writer::{Queue, Undone};

/// How long a submission may wait for its turn: nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The operations on what strangers send.
pub fn configure(config: &mut Services<'_>) {
    config.service(capture_submission);
}

/// A submission of a website's form. Unknown members are stored and have no effect.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Understood {
    /// The answers, by the names of the form's fields. Answers to unknown fields are stored.
    #[schema(value_type = Object, example = json!({"email": "ada@example.com", "message": "Hello"}))]
    pub fields: Map<String, Value>,
    /// The visitor's id on the website. The visitor's events become the lead's.
    #[schema(max_length = 200)]
    pub visitor_id: Option<String>,
    /// The person's answers about consent. They are stored with the submission, in the form's wording.
    #[schema(max_items = 50)]
    pub consent: Option<Vec<ConsentAnswer>>,
    /// Where the person was.
    #[schema(schema_with = nullable_page)]
    pub context: Option<Page>,
    /// When the person submitted the form, by the page's clock. With `sent_at` the submission is dated before its
    /// arrival by the time between the two, at most 7 days; without `sent_at` at its arrival.
    pub submitted_at: Option<Timestamp>,
    /// When an offline queue sends the submission, by the same clock as `submitted_at`. The submission is dated earlier
    /// by the time it waited.
    pub sent_at: Option<Timestamp>,
    /// Whether this is a test: all checks run and the submission is stored, but no lead is created or changed.
    pub test: Option<bool>,
}

/// Whether a person agreed to one purpose.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ConsentAnswer {
    /// The purpose.
    #[schema(min_length = 1, max_length = 64, example = "marketing_email")]
    pub purpose: String,
    /// Whether the person agreed: `true`, or a text as a form sends it. Only a clear yes grants (`true`, `1`, `on`,
    /// `yes` and the form's `granting_values`).
    #[schema(schema_with = boolean_or_text)]
    pub granted: Value,
}

fn boolean_or_text() -> RefOr<Schema> {
    let types = SchemaType::Array(vec![Type::Boolean, Type::String]);
    let either = ObjectBuilder::new().schema_type(types).max_length(Some(200));
    either.build().into()
}

/// The page and the visit in which the form was submitted. Unknown members are stored.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct Page {
    /// The URL of the page with the form.
    #[schema(max_length = 8192, example = "https://www.example.com/contact")]
    pub page_url: Option<String>,
    /// The title of the page with the form, stored with the submission.
    #[schema(max_length = 8192, example = "Contact")]
    pub page_title: Option<String>,
    /// The URL of the page that linked to the page with the form.
    #[schema(max_length = 8192)]
    pub referrer: Option<String>,
    /// The URL of the page on which the visit began; its `utm_` parameters show where the person came from.
    #[schema(max_length = 8192, example = "https://www.example.com/?utm_source=newsletter")]
    pub landing_url: Option<String>,
    /// The page that linked to it.
    #[schema(max_length = 8192)]
    pub landing_referrer: Option<String>,
    /// The browser's language.
    #[schema(max_length = 100, example = "it")]
    pub language: Option<String>,
    /// When the form was shown, by the page's clock. A submission within the form's `min_fill_seconds` of it is stored
    /// as spam. It is compared with `submitted_at` if given, else with the server's clock.
    pub rendered_at: Option<Timestamp>,
}

/// What a website sends. The one request body that is open: members that nobody knows are stored, not refused.
#[derive(Debug)]
pub struct CaptureRequest;

/// What a form without JavaScript sends: flat fields, every one a text.
#[derive(Debug)]
pub struct FlatRequest;

impl PartialSchema for FlatRequest {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(8192));
        let fields = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("The form's own fields, and the context in fields whose names begin with `_`."))
            .additional_properties(Some(AdditionalProperties::RefOr(Schema::from(text.build()).into())))
            .examples([serde_json::json!({"email": "ada@example.com", "_page_url": "https://www.example.com/contact"})]);
        fields.build().into()
    }
}

impl ToSchema for FlatRequest {}

impl PartialSchema for CaptureRequest {
    fn schema() -> RefOr<Schema> {
        open(Understood::schema())
    }
}

impl ToSchema for CaptureRequest {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Understood::schemas(schemas);
    }
}

fn nullable_page() -> RefOr<Schema> {
    let mut schema = open(Page::schema());
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.schema_type = SchemaType::Array(vec![Type::Object, Type::Null]);
    }
    schema
}

fn open(mut schema: RefOr<Schema>) -> RefOr<Schema> {
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(true)));
    }
    schema
}

/// The answer to a submission. It reveals nothing about existing leads.
#[derive(Debug, Serialize, ToSchema)]
pub struct Receipt {
    /// The submission's id, to quote in questions.
    submission_id: SubmissionId,
    /// Always `accepted`.
    #[schema(inline)]
    status: Taken,
}

impl Receipt {
    /// What became of the submission.
    pub(super) fn accepted(submission_id: SubmissionId) -> Self {
        Self {
            submission_id,
            status: Taken::Accepted,
        }
    }
}

/// That a submission was taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// It was.
    Accepted,
}

/// The answer when a submission was stored but could not be processed.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeptReceipt {
    /// Always `kept`.
    #[schema(inline)]
    status: KeptStatus,
}

/// That a submission is stored.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeptStatus {
    /// It is.
    Kept,
}

/// The publishable key in the path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct FormKeyPath {
    /// The form's publishable key.
    #[param(
        max_length = 25,
        pattern = "^fk_[0-9A-Za-z]{22}$",
        example = "fk_5hGz0mUq2bXe7RkW1tYc9N"
    )]
    form_key: String,
}

/// No answer comes sooner than this. Somebody new is more to write than somebody known: what a lone request takes for
/// either lies below it, so that the time of the answer reveals nothing to a stranger.
const SOONEST: Duration = Duration::from_millis(20);

/// Submit a form.
///
/// For websites: the publishable key in the address is the only credential, and only pages of the form's
/// `allowed_origins` may submit. An invalid submission is refused with its reasons, and stored. The answer never
/// reveals whether the person was known.
///
/// A form without JavaScript sends `application/x-www-form-urlencoded` or `multipart/form-data` (no files). Its fields
/// are those of the form, plus `_visitor_id`, `_page_url`, `_page_title`, `_referrer`, `_landing_url`,
/// `_landing_referrer`, `_language`, `_rendered_at`, `_submitted_at`, `_sent_at`, `_charset_`, `_consent_<purpose>` and
/// `_test`. The answer is `303` to the form's `redirect_url`, or a small page. Its problems are pages too, unless the
/// request accepts JSON and no HTML, or a script sends it (`Sec-Fetch-Mode: cors`).
///
/// A body of another media type, or of none, is read if it looks like JSON or a form; else it is refused, and stored. The
/// body is decoded by its declared charset (`charset`, `_charset_`), else as UTF-8; NUL is removed. Unknown query parameters are
/// ignored. `Origin: null` is treated like no origin. An invalid answer rejects the submission only if its field is
/// required or the e-mail; else it stays in the body, with a remark.
///
/// Without an `Idempotency-Key`, the same form, e-mail and answers within 60 seconds are one submission. Each
/// repetition gets an id of its own, which leads to that submission.
#[utoipa::path(tag = "capture", params(FormKeyPath), security(()),
    request_body(content((CaptureRequest = "application/json"),
        (FlatRequest = "application/x-www-form-urlencoded"), (FlatRequest = "multipart/form-data"))),
    responses(
        (status = 200, description = "The submission was accepted: a page of thanks", body = String, content_type = "text/html",
            headers(("Access-Control-Allow-Origin" = String, description = "The page's origin, if it may submit the form"))),
        (status = 201, description = "The submission was accepted", body = Receipt,
            headers(("Location" = String, description = "The submission's address, for users with access"),
                ("Access-Control-Allow-Origin" = String, description = "The page's origin, if it may submit the form"),
                ("Vary" = String, description = "`Origin`"))),
        (status = 202, description = "The submission could not be processed; it is stored and can be replayed", body = KeptReceipt),
        (status = 303, description = "The submission was accepted; the form's own `redirect_url` says thanks",
            headers(("Location" = String, description = "The form's `redirect_url`"))),
        (status = 403, description = "Pages of this origin may not submit the form", body = ProblemView,
            content_type = "application/problem+json")))]
#[post("/v1/capture/{form_key}")]
async fn capture_submission(ctx: Ctx<Public>, path: Path<FormKeyPath>, sent: Raw) -> Reply<Rendered> {
    let soonest = tokio::time::sleep(SOONEST);
    let place = ctx.part::<Queue<Captures>>().place()?;
    let request = ctx.request();
    let door = known_forms::of(request).await?.ok_or_else(not_found)?;
    ctx.limits.admit_form(&path.0.form_key)?;
    let shape = shapes(request)?.body(&operation_key(request));
    let shape = shape.ok_or_else(|| Problem::new(Code::InternalError).because("a capture has no shape"))?;
    let (sender, read) = (
        door.sender(request.headers()),
        body::read(body::media_type(request.headers()), &sent.0, shape),
    );
    let is_foreign = sender == Sender::Foreign;
    let read = read.map_err(|problem| if is_foreign { foreign() } else { problem })?;

    // A page that may not send the form must not use up a key: its submission is stored, and answers nobody else.
    let once = ctx
        .once(&format!("form/{}", door.form_id))
        .filter(|_| !is_foreign);
    let (has_key, wants_page) = (once.is_some(), body::wants_page(request.headers()));
    let id = ctx.ids().next();
    let mut posted = Posted {
        by_bot: bots::is_bot(request.headers()),
        is_foreign,
        ..read.posted
    };
    if sender == Sender::Hidden {
        let detail = "the page hid its origin (`Origin: null`)";
        posted.remarks.push(Fault::new("", "hidden_origin", detail));
    }
    let act = ctx.act_as(Actor::Form(door.form_id));
    let mut item = Item::new(act, id, door.form_id, posted, once, wants_page);
    if let Some(rules) = ctx.db.rules_lately() {
        item = item.read_ahead(rules);
    }
    let ticket = place.take(item);
    let commits = ctx.commits();
    let done = ticket.wait(PATIENCE, || commits.begin()).await;
    soonest.await;
    match done {
        // It is stored, whatever else is wrong with it.
        Ok(_) if is_foreign => Err(foreign()),
        Ok(Outcome::Taken(answer) | Outcome::Kept(answer)) => Ok(Rendered(answer)),
        Ok(Outcome::Repeated(answer)) => Err(Problem::kept(answer)),
        Ok(Outcome::KeyReused) => Err(Problem::new(Code::IdempotencyKeyReused)),
        Ok(Outcome::NoForm) => Err(not_found()),
        Ok(Outcome::Refused(form, faults)) => match read.malformed {
            Some(malformed) => Err(malformed),
            None if wants_page => Ok(Rendered(page::refusal(&form, &faults))),
            None => Err(invalid(faults)),
        },
        Err(Undone::Locked) if has_key => Err(Problem::new(Code::RequestInProgress).retry_after(1)),
        Err(undone) => Err(undone.into()),
    }
}

fn not_found() -> Problem {
    Problem::new(Code::NotFound)
}

fn foreign() -> Problem {
    Problem::new(Code::OriginNotAllowed)
}

/// What was sent for a purpose, as a form would send it.
fn as_sent(granted: &Value) -> String {
    match granted {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl From<Understood> for Posted {
    fn from(understood: Understood) -> Self {
        let page = understood.context.unwrap_or_default();
        let consent = understood.consent.unwrap_or_default();
        Self {
            fields: understood.fields,
            consent: consent
                .into_iter()
                .map(|one| (one.purpose, as_sent(&one.granted)))
                .collect(),
            context: Context {
                page_url: page.page_url,
                landing_url: page.landing_url,
                landing_referrer: page.landing_referrer,
                referrer: page.referrer,
                language: page.language,
                rendered_at: page.rendered_at,
            },
            visitor: understood.visitor_id,
            submitted_at: understood.submitted_at,
            sent_at: understood.sent_at,
            is_test: understood.test.unwrap_or_default(),
            ..Self::default()
        }
    }
}
