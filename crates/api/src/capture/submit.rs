//! `POST /v1/capture/{form_key}`: what a stranger sends becomes a submission, and a lead.

use std::sync::Arc;

use actix_web::middleware::from_fn;
use actix_web::{HttpMessage, HttpRequest, post, web};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tandem_domain::access::Actor;
use tandem_domain::capture::{Context, Form, Posted, capture, statement};
use tandem_domain::fault::Fault;
use tandem_domain::id::SubmissionId;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::save::Statement;
use tandem_store as store;
use tandem_store::{StoreError, Tx};
use utoipa::openapi::schema::{AdditionalProperties, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::{cors, door};
use crate::ctx::{Ctx, Public};
use crate::http::json::{operation_key, shapes};
use crate::http::problem::{Code, MOST_VIOLATIONS, Place, Problem, ProblemView, Violation};
use crate::http::query::Path;
use crate::http::reply::{Created, Reply};
use crate::http::strict;
use crate::settings::invalid;

/// The operations on what strangers send.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(capture_submission);
}

/// What a website sends, as far as it is understood; further members are kept, and change nothing.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Understood {
    /// The answers, by the names of the form's fields; further ones are kept.
    #[schema(value_type = Object, example = json!({"email": "ada@example.com", "message": "Hello"}))]
    pub fields: Map<String, Value>,
    /// The visitor's id on the website. Kept with the submission.
    #[schema(max_length = 200)]
    pub visitor_id: Option<String>,
    /// What the person consented to: purpose and whether it was granted. Kept with the submission.
    #[schema(value_type = Option<Vec<Object>>, max_items = 50, example = json!([{"purpose": "marketing_email", "granted": true}]))]
    pub consent: Option<Vec<Map<String, Value>>>,
    /// Where the person was.
    #[schema(schema_with = nullable_page)]
    pub context: Option<Page>,
    /// When the person sent it, where it comes later than that.
    pub submitted_at: Option<Timestamp>,
    /// Whether it only tries the form out: every check runs, the submission is kept, no lead comes of it.
    pub test: Option<bool>,
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
}

/// What a website sends. The one request body that is open: members that nobody knows are kept, not refused.
#[derive(Debug)]
pub struct CaptureRequest;

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

/// What a stranger is told: nothing about anybody.
#[derive(Debug, Serialize, ToSchema)]
pub struct Receipt {
    /// The submission, to be named in questions.
    submission_id: SubmissionId,
    /// That it was taken.
    #[schema(inline)]
    status: Taken,
}

/// That a submission was taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// It was.
    Accepted,
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

/// Send a form.
///
/// For websites: no credential but the publishable key in the address, and pages of the form's `allowed_origins`
/// only. What does not fit is refused with its reasons, and kept. The answer never tells whether the person was known.
#[utoipa::path(tag = "capture", params(FormKeyPath), security(()), request_body = CaptureRequest,
    responses(
        (status = 201, description = "It was taken", body = Receipt,
            headers(("Location" = String, description = "The submission's address, for the company"),
                ("Access-Control-Allow-Origin" = String, description = "The page's origin, if it may send the form"),
                ("Vary" = String, description = "`Origin`"))),
        (status = 403, description = "Pages of this origin may not send the form", body = ProblemView,
            content_type = "application/problem+json")))]
#[post("/v1/capture/{form_key}", wrap = "from_fn(cors::reflect)")]
async fn capture_submission(
    ctx: Ctx<Public>,
    path: Path<FormKeyPath>,
    body: web::Bytes,
) -> Reply<Created<Receipt>> {
    let request = ctx.request();
    let door = door::of(request).await?.ok_or_else(not_found)?;
    door.check_origin(request.headers())?;
    ctx.limits.admit_form(&path.0.form_key)?;
    let (posted, malformed) = read(request, &body)?;

    let principal = format!("form/{}", door.form_id);
    let tx = ctx.begin_as(Actor::Form(door.form_id), &principal).await?;
    let form = tx
        .rules()
        .forms
        .get(&door.form_id)
        .filter(|form| form.archived_at.is_none());
    let form = form.cloned().ok_or_else(not_found)?;
    let id = ctx.ids().next();
    let outcomes = take(&tx, vec![Item { id, form, posted }]).await?;
    match outcomes.into_iter().find_map(Result::err) {
        None => {
            let receipt = Receipt {
                submission_id: id,
                status: Taken::Accepted,
            };
            ctx.commit_as(
                &principal,
                tx,
                Created::at(format!("/v1/submissions/{id}"), receipt),
            )
            .await
        }
        // What is refused is kept all the same; its answer is not, so that it may be sent again, mended.
        Some(faults) => {
            tx.commit().await?;
            Err(malformed.unwrap_or_else(|| invalid(faults)))
        }
    }
}

/// One submission on its way. Its id is drawn once, before the first attempt.
#[derive(Debug)]
pub struct Item {
    /// The submission's id.
    pub id: SubmissionId,
    /// The form, as it is in this transaction.
    pub form: Arc<Form>,
    /// What was sent.
    pub posted: Posted,
}

/// Take in a batch of submissions within the caller's transaction, each standing on the decisions before it, and
/// answer each: taken, or kept as rejected for these faults.
///
/// A lone request is a batch of one. The journal names the transaction's actor, so a batch is of one form.
pub async fn take(tx: &Tx, items: Vec<Item>) -> Result<Vec<Result<SubmissionId, Vec<Fault>>>, StoreError> {
    let now = tx.stamp().now;
    let custom_fields = &tx.rules().custom_fields;
    let said: Vec<Result<Statement, Vec<Fault>>> = items
        .iter()
        .map(|item| statement(&item.form, &item.posted, custom_fields, now))
        .collect();
    let mut world = store::leads::world(tx, said.iter().flatten()).await?;

    let (mut outcomes, mut changes) = (vec![], vec![]);
    for (item, said) in items.into_iter().zip(said) {
        let captured = capture(
            &mut world,
            &item.form,
            &item.posted,
            said,
            item.id,
            now,
            &mut tx.ids(),
        );
        changes.extend(captured.changes);
        outcomes.push(if captured.faults.is_empty() {
            Ok(item.id)
        } else {
            Err(captured.faults)
        });
    }

    store::write(tx, &changes).await?;
    Ok(outcomes)
}

fn not_found() -> Problem {
    Problem::new(Code::NotFound)
}

/// Read a body: leniently in what it may hold, strictly in its form. One that cannot be read comes back with its
/// faults, to be kept; with the problem to answer where it is no JSON; as that problem alone where no text can be kept.
fn read(request: &HttpRequest, body: &[u8]) -> Result<(Posted, Option<Problem>), Problem> {
    demand_json(request)?;
    let kept = str::from_utf8(body)
        .ok()
        .filter(|text| !text.contains('\0') && !text.trim().is_empty());
    let unread = |raw: &str, faults| Posted {
        raw: raw.to_owned(),
        faults,
        ..Posted::default()
    };
    let (value, raw) = match (strict::parse(body), kept) {
        (Ok(value), Some(raw)) => (value, raw),
        (Err(problem), Some(raw)) => {
            return Ok((unread(raw, faults(problem.violations())), Some(problem)));
        }
        (Err(problem), None) => return Err(problem),
        (Ok(_), None) => return Err(Problem::new(Code::MalformedJson)),
    };
    let shape = shapes(request)?.body(&operation_key(request));
    let shape = shape.ok_or_else(|| Problem::new(Code::InternalError).because("a capture has no shape"))?;
    let violations = shape.check(&value);
    if !violations.is_empty() {
        return Ok((unread(raw, faults(&violations)), None));
    }
    let Ok(understood) = Understood::deserialize(&value) else {
        let fault = Fault::new("", "invalid_format", "does not have the documented form");
        return Ok((unread(raw, vec![fault]), None));
    };
    Ok((understood.into_posted(raw), None))
}

fn demand_json(request: &HttpRequest) -> Result<(), Problem> {
    let mime = request.mime_type().ok().flatten();
    let is_json = mime.is_some_and(|mime| {
        mime.essence_str() == "application/json"
            && mime.get_param("charset").is_none_or(|charset| charset == "utf-8")
    });
    if is_json {
        Ok(())
    } else {
        Err(Problem::new(Code::UnsupportedMediaType))
    }
}

/// What the walk over a body found, as it is kept with the submission.
fn faults(violations: &[Violation]) -> Vec<Fault> {
    let fault = |violation: &Violation| {
        let pointer = match &violation.place {
            Place::Pointer(pointer) => {
                percent_decode_str(pointer.trim_start_matches('#')).decode_utf8_lossy()
            }
            Place::Header(_) | Place::Parameter(_) => "".into(),
        };
        Fault::new(pointer, violation.code, &violation.detail)
    };
    violations.iter().take(MOST_VIOLATIONS).map(fault).collect()
}

impl Understood {
    fn into_posted(self, raw: &str) -> Posted {
        let page = self.context.unwrap_or_default();
        Posted {
            fields: self.fields,
            context: Context {
                page_url: page.page_url,
                landing_url: page.landing_url,
                landing_referrer: page.landing_referrer,
                referrer: page.referrer,
                language: page.language,
            },
            submitted_at: self.submitted_at,
            is_test: self.test.unwrap_or_default(),
            raw: raw.to_owned(),
            faults: vec![],
        }
    }
}
