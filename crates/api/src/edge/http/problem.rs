//! Problem documents (RFC 9457): the one form in which a caller learns that something went wrong.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Map, Value, json};
use std::fmt;
use tandem_store::idempotency::Record;
use utoipa::ToSchema;

pub use super::code::Code;
pub use super::violation::{Location, Violation, ViolationView};

/// The media type of every problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// How many violations one answer lists; the detail says when there are more.
pub const MOST_VIOLATIONS: usize = 100;

/// Says that a stored answer is repeated.
const REPLAYED: &str = "Idempotent-Replayed";

tokio::task_local! {
    /// The id of the request that the running task works on; the outermost middleware sets it.
    pub static REQUEST_ID: String;
}

/// Why a request was refused, to be answered as a problem document.
pub struct Problem(Box<Inner>);

struct Inner {
    code: Code,
    detail: Option<String>,
    cause: Option<String>,
    errors: Vec<Violation>,
    members: Map<String, Value>,
    retry_after: Option<u32>,
    allow: Option<String>,
    kept: Option<StoredAnswer>,
}

/// The answer that was given to an idempotent request the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers that were stored, Content-Type among them.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl StoredAnswer {
    /// The answer as it was stored.
    pub fn of(record: &Record) -> Self {
        Self {
            status: record.status,
            headers: record.headers.clone(),
            body: record.body.clone().into_bytes(),
        }
    }
}

impl Problem {
    /// A problem with the catalogue's status, title and detail.
    pub fn new(code: Code) -> Problem {
        Problem(Box::new(Inner {
            code,
            detail: None,
            cause: None,
            errors: Vec::new(),
            members: Map::new(),
            retry_after: None,
            allow: None,
            kept: None,
        }))
    }

    /// The body breaks these rules (422).
    pub fn invalid(violations: Vec<Violation>) -> Problem {
        Problem::new(Code::ValidationFailed).listing(violations, "field")
    }

    /// The query breaks these rules (400).
    pub fn invalid_parameters(violations: Vec<Violation>) -> Problem {
        Problem::new(Code::InvalidParameter).listing(violations, "query parameter")
    }

    /// No problem at all: the stored answer of an idempotent request, which ends the handler like one.
    ///
    /// It is answered verbatim, with `Idempotent-Replayed: true`.
    pub fn kept(kept: StoredAnswer) -> Problem {
        let mut problem = Problem::new(Code::IdempotencyKeyReused);
        problem.0.kept = Some(kept);
        problem
    }

    /// What is particular about this occurrence. A 5xx keeps the catalogue's words whatever is given here.
    pub fn detail(mut self, detail: impl Into<String>) -> Problem {
        self.0.detail = Some(detail.into());
        self
    }

    /// A further member of the document: `current`, `allowed`, `lead_ids`, `scope`. A 5xx shows none.
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Problem {
        self.0.members.insert(key.to_owned(), value.into());
        self
    }

    /// The violations that the document lists, sorted by place.
    pub fn errors(mut self, mut violations: Vec<Violation>) -> Problem {
        violations.sort();
        violations.dedup();
        self.0.errors = violations;
        self
    }

    /// After how many seconds it is worth trying again. 429 and 503 say 1 when nothing is given.
    pub fn retry_after(mut self, seconds: u32) -> Problem {
        self.0.retry_after = Some(seconds);
        self
    }

    /// The methods that the resource has, for the header Allow: `GET, PATCH`.
    pub fn allow(mut self, methods: impl Into<String>) -> Problem {
        self.0.allow = Some(methods.into());
        self
    }

    /// What is logged once when this is answered; the caller never sees it.
    pub fn because(mut self, cause: impl fmt::Display) -> Problem {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The kind of problem. A stored answer says `idempotency_key_reused`; see [`Problem::as_kept`].
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The stored answer, where this is one.
    pub fn as_kept(&self) -> Option<&StoredAnswer> {
        self.0.kept.as_ref()
    }

    /// The violations that this lists.
    pub fn violations(&self) -> &[Violation] {
        &self.0.errors
    }

    /// The problem document as JSON.
    pub fn document(&self, request_id: &str) -> Value {
        let Inner {
            code,
            detail,
            errors,
            members,
            ..
        } = &*self.0;
        let ours = code.is_ours();
        let detail = detail.as_deref().filter(|_| !ours).unwrap_or(code.detail());
        let mut document = json!({
            "type": format!("/problems/{}", code.slug()),
            "title": code.title(),
            "status": code.status().as_u16(),
            "detail": detail,
            "instance": format!("urn:request:{request_id}"),
            "code": code.name(),
            "request_id": request_id,
        });
        if !ours && let Some(object) = document.as_object_mut() {
            object.extend(members.iter().map(|(key, value)| (key.clone(), value.clone())));
            if !errors.is_empty() {
                object.insert(
                    "errors".into(),
                    json!(&errors[..errors.len().min(MOST_VIOLATIONS)]),
                );
            }
        }
        document
    }

    fn listing(self, violations: Vec<Violation>, what: &str) -> Problem {
        let problem = self.errors(violations);
        let detail = match problem.0.errors.len() {
            1 => format!("1 {what} is invalid"),
            n if n <= MOST_VIOLATIONS => format!("{n} {what}s are invalid"),
            _ => format!("More than {MOST_VIOLATIONS} {what}s are invalid; here are the first"),
        };
        problem.detail(detail)
    }

    fn challenge(&self) -> Option<String> {
        match self.0.code {
            Code::InvalidToken => Some("Bearer error=\"invalid_token\"".into()),
            Code::InsufficientScope => Some(match self.0.members.get("scope").and_then(Value::as_str) {
                Some(scope) => format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\""),
                None => "Bearer error=\"insufficient_scope\"".into(),
            }),
            code if code.status() == StatusCode::UNAUTHORIZED => Some("Bearer".into()),
            _ => None,
        }
    }
}

/// Answer a problem, or the stored answer that it carries, for the request with this id.
pub fn render(problem: &Problem, request_id: &str) -> HttpResponse {
    if let Some(kept) = problem.as_kept() {
        return replay(kept);
    }
    let inner = &*problem.0;
    let mut response = HttpResponse::build(inner.code.status());
    response
        .insert_header((CONTENT_TYPE, MEDIA_TYPE))
        .insert_header((CACHE_CONTROL, "no-store"));
    if let Some(challenge) = problem.challenge() {
        response.insert_header((WWW_AUTHENTICATE, challenge));
    }
    if let Some(allow) = &inner.allow {
        response.insert_header((ALLOW, allow.as_str()));
    }
    let waiting = matches!(
        inner.code.status(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    if let Some(seconds) = inner.retry_after.or(waiting.then_some(1)) {
        response.insert_header((RETRY_AFTER, seconds));
    }
    response.body(problem.document(request_id).to_string())
}

fn replay(kept: &StoredAnswer) -> HttpResponse {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in &kept.headers {
        response.append_header((name.as_str(), value.as_str()));
    }
    response.insert_header((REPLAYED, "true"));
    response.body(kept.body.clone())
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        match self.as_kept() {
            Some(kept) => StatusCode::from_u16(kept.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            None => self.0.code.status(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let request_id = REQUEST_ID
            .try_with(String::clone)
            .unwrap_or_else(|_| "unknown".into());
        if let Some(cause) = &self.0.cause {
            let code = self.0.code.name();
            if self.0.code.is_ours() {
                tracing::error!(request_id, code, cause, "request failed");
            } else {
                tracing::info!(request_id, code, cause, "request refused");
            }
        }
        render(self, &request_id)
    }
}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code.name())
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("code", &self.0.code)
            .field("cause", &self.0.cause)
            .field("errors", &self.0.errors)
            .finish_non_exhaustive()
    }
}

impl From<Code> for Problem {
    fn from(code: Code) -> Problem {
        Problem::new(code)
    }
}

/// What went wrong (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
pub struct ProblemView {
    /// A page that explains this kind of problem
    #[schema(format = "uri-reference", example = "/problems/validation-failed")]
    pub r#type: String,
    /// A short title of the problem
    #[schema(max_length = 128, example = "Validation failed")]
    pub title: String,
    /// The HTTP status
    #[schema(minimum = 400, maximum = 599, example = 422)]
    pub status: i32,
    /// An explanation of this occurrence
    #[schema(max_length = 2048, example = "1 field is invalid")]
    pub detail: String,
    /// A URI of this occurrence, with the request id
    #[schema(format = "uri", example = "urn:request:req_01h455vb4pex5vsknk084sn02q")]
    pub instance: String,
    /// The problem's code, for programs
    pub code: Code,
    /// The id of the request, as in the header X-Request-Id
    #[schema(
        pattern = "^[A-Za-z0-9._-]{1,64}$",
        max_length = 64,
        example = "req_01h455vb4pex5vsknk084sn02q"
    )]
    pub request_id: String,
    /// All violations in the request
    #[schema(max_items = 100)]
    pub errors: Option<Vec<ViolationView>>,
    /// The record's present stage or ETag
    #[schema(max_length = 128)]
    pub current: Option<String>,
    /// The nearest known name
    #[schema(max_items = 200)]
    pub allowed: Option<Vec<String>>,
    /// The cursor from which to resume the change feed
    #[schema(max_length = 2048)]
    pub cursor: Option<String>,
    /// The leads to which the identifiers in the request belong
    #[schema(max_items = 100)]
    pub lead_ids: Option<Vec<String>>,
    /// The missing scope
    #[schema(max_length = 64)]
    pub scope: Option<String>,
    /// The missing exchange rate
    pub missing_rate: Option<MissingRate>,
    /// The stages that cannot be removed, with the number of deals that use each
    #[schema(max_items = 100)]
    pub in_use: Option<Vec<StageUse>>,
    /// The user who made the earlier decision
    #[schema(max_length = 64)]
    pub decided_by: Option<String>,
    /// When the earlier decision was made
    #[schema(format = DateTime, max_length = 24)]
    pub decided_at: Option<String>,
}

/// A missing exchange rate.
#[derive(ToSchema)]
pub struct MissingRate {
    /// The currency of the amount
    #[schema(max_length = 3, example = "USD")]
    pub from: String,
    /// The base currency
    #[schema(max_length = 3, example = "EUR")]
    pub to: String,
    /// The day on which no rate is in force
    #[schema(format = Date, max_length = 10, example = "2026-01-01")]
    pub on: String,
}

/// A stage of a pipeline that deals use.
#[derive(ToSchema)]
pub struct StageUse {
    /// The key of the stage
    #[schema(max_length = 64, example = "proposal")]
    pub stage: String,
    /// How many deals
    #[schema(minimum = 1, example = 3)]
    pub deals: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;

    async fn body(response: HttpResponse) -> Value {
        serde_json::from_slice(&to_bytes(response.into_body()).await.unwrap()).unwrap()
    }

    fn header<'a>(response: &'a HttpResponse, name: &str) -> Option<&'a str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[actix_web::test]
    async fn a_problem_is_answered_with_the_id_of_its_request() {
        let problem = Problem::new(Code::IllegalTransition)
            .with("current", "mql")
            .with("allowed", vec!["sal"]);

        let response = REQUEST_ID
            .scope("req_1".into(), async { problem.error_response() })
            .await;

        assert_eq!(response.status(), 409);
        assert_eq!(
            header(&response, "content-type"),
            Some("application/problem+json")
        );
        let expected = json!({
            "type": "/problems/illegal-transition", "title": "Illegal move", "status": 409,
            "detail": "The record cannot make this move from its present stage",
            "instance": "urn:request:req_1", "code": "illegal_transition", "request_id": "req_1",
            "current": "mql", "allowed": ["sal"]
        });
        assert_eq!(body(response).await, expected);
    }

    #[actix_web::test]
    async fn a_fault_of_ours_tells_nothing_but_when_to_come_back() {
        let problem = Problem::new(Code::Unavailable)
            .detail("table leads is locked")
            .with("sql", "SELECT")
            .because("table leads is locked");

        let response = problem.error_response();

        assert_eq!(header(&response, "retry-after"), Some("1"));
        let body = body(response).await;
        assert_eq!(body["detail"], Code::Unavailable.detail());
        assert_eq!(body["request_id"], "unknown");
        assert!(body.get("sql").is_none());
    }

    #[actix_web::test]
    async fn violations_are_sorted_counted_and_cut() {
        let violations = (0..150)
            .rev()
            .map(|n| Violation::new(Location::at([format!("{n:03}")]), "required", "is missing"));

        let body = Problem::invalid(violations.collect()).document("r");

        assert_eq!(
            body["detail"],
            "More than 100 fields are invalid; here are the first"
        );
        assert_eq!(body["errors"].as_array().unwrap().len(), 100);
        assert_eq!(
            body["errors"][0],
            json!({"pointer": "#/000", "code": "required", "detail": "is missing"})
        );
        let one = vec![Violation::new(
            Location::parameter("limit"),
            "out_of_range",
            "must be at most 200",
        )];
        assert_eq!(
            Problem::invalid_parameters(one).document("r")["detail"],
            "1 query parameter is invalid"
        );
    }

    #[actix_web::test]
    async fn a_challenge_names_the_missing_scope() {
        let forbidden = Problem::new(Code::InsufficientScope)
            .with("scope", "leads:write")
            .error_response();
        let unknown = Problem::new(Code::Unauthenticated).error_response();

        let expected = "Bearer error=\"insufficient_scope\", scope=\"leads:write\"";
        assert_eq!(header(&forbidden, "www-authenticate"), Some(expected));
        assert_eq!(header(&unknown, "www-authenticate"), Some("Bearer"));
        assert_eq!(
            header(&Problem::new(Code::NotOwner).error_response(), "www-authenticate"),
            None
        );
    }

    #[actix_web::test]
    async fn a_kept_answer_is_repeated_verbatim() {
        let headers = vec![
            ("content-type".into(), "application/json".into()),
            ("etag".into(), "\"1.0\"".into()),
        ];
        let problem = Problem::kept(StoredAnswer {
            status: 201,
            headers,
            body: b"{\"id\": 1}".to_vec(),
        });

        let response = problem.error_response();

        assert_eq!(response.status(), 201);
        assert_eq!(header(&response, "etag"), Some("\"1.0\""));
        assert_eq!(header(&response, "idempotent-replayed"), Some("true"));
        assert_eq!(to_bytes(response.into_body()).await.unwrap(), &b"{\"id\": 1}"[..]);
    }
}
