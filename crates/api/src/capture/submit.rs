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

use super::door::Sender;
use super::item::Item;
use super::take::{Captures, Outcome};
use super::{body, bots, door, page};
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

/// What a website sends, as far as it is understood; further members are kept, and change nothing.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Understood {
    /// The answers, by the names of the form's fields; further ones are kept.
    #[schema(value_type = Object, example = json!({"email": "ada@example.com", "message": "Hello"}))]
    pub fields: Map<String, Value>,
    /// The visitor's id on the website: what the visitor did there becomes the lead's.
    #[schema(max_length = 200)]
    pub visitor_id: Option<String>,
    /// What the person agreed to. What the form asks for is kept with the submission, in the form's words.
    #[schema(max_items = 50)]
    pub consent: Option<Vec<Granted>>,
    /// Where the person was.
    #[schema(schema_with = nullable_page)]
    pub context: Option<Page>,
    /// When the person sent it, by the clock of the page. It counts only beside `sent_at`, and at most 7 days back; else a
    /// form counts from when it comes in.
    pub submitted_at: Option<Timestamp>,
    /// When an offline queue sends it on, by the same clock: it counts from so much earlier as the queue held it.
    pub sent_at: Option<Timestamp>,
    /// Whether it only tries the form out: every check runs, the submission is kept, no lead comes of it.
    pub test: Option<bool>,
}

/// Whether a person agreed to one purpose.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Granted {
    /// What for.
    #[schema(min_length = 1, max_length = 64, example = "marketing_email")]
    pub purpose: String,
    /// Whether it was granted: `true`, or a text as a form sends it. Only a clear yes counts (`true`, `1`, `on`, `yes` and
    /// the form's `granting_values`).
    #[schema(schema_with = boolean_or_text)]
    pub granted: Value,
}

fn boolean_or_text() -> RefOr<Schema> {
    let types = SchemaType::Array(vec![Type::Boolean, Type::String]);
    let either = ObjectBuilder::new().schema_type(types).max_length(Some(200));
    either.build().into()
}

/// Where the person was when the form was sent; further members are kept.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct Page {
    /// The page with the form.
    #[schema(max_length = 8192, example = "https://www.example.com/contact")]
    pub page_url: Option<String>,
    /// Its title. Kept with the submission.
    #[schema(max_length = 8192, example = "Contact")]
    pub page_title: Option<String>,
    /// The page before it.
    #[schema(max_length = 8192)]
    pub referrer: Option<String>,
    /// The page on which the visit began; its `utm_` parameters say where the person came from.
    #[schema(max_length = 8192, example = "https://www.example.com/?utm_source=newsletter")]
    pub landing_url: Option<String>,
    /// The page that led there.
    #[schema(max_length = 8192)]
    pub landing_referrer: Option<String>,
    /// The browser's language.
    #[schema(max_length = 100, example = "it")]
    pub language: Option<String>,
    /// When the form was shown, by the page's clock: what was filled in faster than the form's `min_fill_seconds` looks
    /// like spam. Compared with `submitted_at` where that is given.
    pub rendered_at: Option<Timestamp>,
}

/// What a website sends. The one request body that is open: members that nobody knows are kept, not refused.
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
            .description(Some("The form's own fields, and context under names that begin with `_`."))
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

/// The answer to a stranger: nothing about anybody.
#[derive(Debug, Serialize, ToSchema)]
pub struct Receipt {
    /// The submission, to be named in questions.
    submission_id: SubmissionId,
    /// That it was taken.
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

/// That a submission is kept, though nothing came of it yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeptReceipt {
    /// That it is kept.
    #[schema(inline)]
    status: KeptStatus,
}

/// That a submission is kept.
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
/// either lies below it, so that the time of the answer tells a stranger nothing.
const SOONEST: Duration = Duration::from_millis(20);

/// Submit a form.
///
/// For websites: no credential but the publishable key in the address, and pages of the form's `allowed_origins`
/// only. What does not fit is refused with its reasons, and kept. The answer never shows whether the person was known.
///
/// A form without JavaScript sends `application/x-www-form-urlencoded` or `multipart/form-data` (no files): the flat
/// fields are the form's; `_visitor_id`, `_page_url`, `_page_title`, `_referrer`, `_landing_url`, `_landing_referrer`,
/// `_language`, `_rendered_at`, `_submitted_at`, `_sent_at`, `_charset_`, `_consent_<purpose>` and `_test` say the rest. It
/// is answered by `303` to the form's `redirect_url`, or by a small page; also its problems are pages, unless it accepts
/// JSON and no HTML or a script sends it (`Sec-Fetch-Mode: cors`).
///
/// Bytes are read in the charset that the body declares (`charset`, `_charset_`), else as UTF-8. Query parameters that
/// others append are ignored. An `Origin: null` is taken like none. What does not fit beside the required answers and the
/// e-mail costs nothing: it stays in the body, and the submission says so.
///
/// The same form, e-mail and answers within 60 seconds are one submission, where no `Idempotency-Key` is given; each of its
/// senders gets an id that leads to it.
#[utoipa::path(tag = "capture", params(FormKeyPath), security(()),
    request_body(content((CaptureRequest = "application/json"),
        (FlatRequest = "application/x-www-form-urlencoded"), (FlatRequest = "multipart/form-data"))),
    responses(
        (status = 200, description = "The submission was accepted; a page of thanks", body = String, content_type = "text/html",
            headers(("Access-Control-Allow-Origin" = String, description = "The page's origin, if it may send the form"))),
        (status = 201, description = "The submission was accepted", body = Receipt,
            headers(("Location" = String, description = "The submission's address, for the company"),
                ("Access-Control-Allow-Origin" = String, description = "The page's origin, if it may send the form"),
                ("Vary" = String, description = "`Origin`"))),
        (status = 202, description = "It could not be worked on and is kept, to be replayed by the company", body = KeptReceipt),
        (status = 303, description = "The submission was accepted; the form's own `redirect_url` says thanks",
            headers(("Location" = String, description = "The form's `redirect_url`"))),
        (status = 403, description = "Pages of this origin may not send the form", body = ProblemView,
            content_type = "application/problem+json")))]
#[post("/v1/capture/{form_key}")]
async fn capture_submission(ctx: Ctx<Public>, path: Path<FormKeyPath>, sent: Raw) -> Reply<Rendered> {
    let soonest = tokio::time::sleep(SOONEST);
    let place = ctx.part::<Queue<Captures>>().place()?;
    let request = ctx.request();
    let door = door::of(request).await?.ok_or_else(not_found)?;
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
