//! What every operation answers beside its success: problems by kind, shared headers, shared parameters.

use super::shared::{REQUEST_ID, headers, parameters};
use crate::edge::http::problem::{Code, MEDIA_TYPE, Problem, ProblemView};
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

/// A problem response that operations share: component, status, description, codes of the examples.
type Shared = (&'static str, u16, &'static str, &'static [Code]);

const SHARED: [Shared; 14] = [
    (
        "BadRequest",
        400,
        "The request is malformed, or a query parameter or header is invalid",
        &[
            Code::InvalidParameter,
            Code::MalformedJson,
            Code::DuplicateKey,
            Code::InvalidHeader,
            Code::CredentialInUrl,
        ],
    ),
    (
        "Unauthenticated",
        401,
        "The request has no valid credential",
        &[Code::Unauthenticated, Code::InvalidToken],
    ),
    (
        "Forbidden",
        403,
        "The caller may not do this",
        &[Code::InsufficientScope, Code::WrongRole, Code::NotOwner],
    ),
    (
        "NotFound",
        404,
        "The record does not exist, or the caller may not see it",
        &[Code::NotFound],
    ),
    (
        "RequestTimeout",
        408,
        "The request took too long to arrive",
        &[Code::RequestTimeout],
    ),
    (
        "Conflict",
        409,
        "The record's state does not allow this, or the same request is still running",
        &[Code::Conflict, Code::RequestInProgress, Code::IllegalTransition],
    ),
    (
        "Stale",
        412,
        "The record has changed since it was read",
        &[Code::Stale],
    ),
    (
        "BodyTooLarge",
        413,
        "The body exceeds the limit of this operation",
        &[Code::BodyTooLarge],
    ),
    (
        "UnsupportedMediaType",
        415,
        "The body is not JSON in UTF-8",
        &[Code::UnsupportedMediaType],
    ),
    (
        "Invalid",
        422,
        "The body is invalid (all violations are listed), or the Idempotency-Key was used with another body",
        &[Code::ValidationFailed, Code::IdempotencyKeyReused],
    ),
    (
        "TooManyRequests",
        429,
        "The rate limit is exceeded; nothing was done",
        &[Code::TooManyRequests],
    ),
    (
        "HeadTooLarge",
        431,
        "The address and headers are larger than 32 KiB",
        &[Code::HeadTooLarge],
    ),
    (
        "InternalError",
        500,
        "An internal error; the outcome is unknown",
        &[Code::InternalError],
    ),
    (
        "Unavailable",
        503,
        "The service cannot answer at the moment; nothing was done",
        &[Code::Unavailable, Code::Overloaded],
    ),
];

/// Attach the shared responses, headers and parameters to one operation; what its handler documented stays.
pub(super) fn attach(path: &str, method: &str, operation: &mut Map<String, Value>) {
    let has_body = operation.contains_key("requestBody");
    let is_secured = is_secured(operation);
    let keyed = method == "post" && takes_key(path);
    let tags = |place: &str| {
        operation
            .get("responses")
            .is_some_and(|r| r.pointer(place).is_some())
    };
    let tagged = tags("/200/headers/ETag");
    let acts = method == "post" && path.contains('{') && (tagged || tags("/201/headers/ETag"));

    if is_secured {
        parameter(operation, "OnBehalfOf");
    }
    if keyed {
        parameter(operation, "IdempotencyKey");
    }
    let description = operation.get("description").and_then(Value::as_str);
    if description.is_some_and(|text| text.contains("`Prefer: return=total-count`")) {
        parameter(operation, "Prefer");
    }
    if method == "get" && tagged {
        parameter(operation, "IfNoneMatch");
    }
    // What changes one resource that has an entity tag can be bound to it.
    let binds = matches!(method, "patch" | "delete") || (tagged && method == "put") || acts;
    if binds {
        parameter(operation, "IfMatch");
    }

    let guarded = binds || has_parameter(operation, "If-Match");
    let paged = method == "get" && has_query_parameter(operation, "cursor");
    let writes = keyed || matches!(method, "put" | "patch" | "delete");
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    let Some(responses) = responses.as_object_mut() else {
        return;
    };
    if paged && let Some(page) = responses.get_mut("200") {
        page["headers"]["Link"] = json!({"$ref": "#/components/headers/Link"});
    }
    if method == "get" && tagged {
        responses
            .entry("304")
            .or_insert_with(|| json!({"description": "The record has not changed since that ETag"}));
    }
    let statuses = [
        (400, true),
        (401, is_secured),
        (403, is_secured),
        (404, path.contains('{')),
        (408, has_body),
        (409, writes),
        (412, guarded),
        (413, has_body),
        (415, has_body),
        (422, has_body || keyed),
        (429, true),
        (431, true),
        (500, true),
        (503, true),
    ];
    for (status, applies) in statuses {
        if applies {
            responses
                .entry(status.to_string())
                .or_insert_with(|| json!({"$ref": format!("#/components/responses/{}", component(status))}));
        }
    }
    for (status, response) in responses.iter_mut() {
        if path.starts_with("/v1/capture/") || path == "/v1/consents/confirm" {
            offer_page(status, response);
        }
        complete(status, response, keyed);
    }
}

/// Who sends a form from a browser without JavaScript reads a problem as a page.
fn offer_page(status: &str, response: &mut Value) {
    let shared = SHARED.iter().find(|shared| shared.1.to_string() == status);
    if let (Some((_, _, description, codes)), true) = (shared, response.get("$ref").is_some()) {
        *response = json!({"description": description, "content": problems(codes)});
    }
    if status.parse::<u16>().is_ok_and(|status| status >= 400) {
        response["content"]["text/html"] = json!({"schema": {"type": "string"}});
    }
}

/// Add the components that [`attach`] refers to.
pub(super) fn components(document: &mut Value) {
    let mut schemas = Vec::new();
    ProblemView::schemas(&mut schemas);
    schemas.push((ProblemView::name().into_owned(), ProblemView::schema()));
    for (name, schema) in schemas {
        document["components"]["schemas"][name] = json!(schema);
    }
    for (name, header) in headers() {
        document["components"]["headers"][name] = header;
    }
    for (name, parameter) in parameters() {
        document["components"]["parameters"][name] = parameter;
    }
    for (name, status, description, codes) in SHARED {
        let mut response = json!({"description": description, "content": problems(codes)});
        complete(&status.to_string(), &mut response, false);
        document["components"]["responses"][name] = response;
    }
}

/// Whether the operation requires a caller.
fn is_secured(operation: &Map<String, Value>) -> bool {
    let requirements = operation.get("security").and_then(Value::as_array);
    let mut schemes = requirements.into_iter().flatten().filter_map(Value::as_object);
    schemes.any(|requirement| !requirement.is_empty())
}

/// Whether a POST to this path honours the Idempotency-Key.
fn takes_key(path: &str) -> bool {
    let is_open = path.starts_with("/v1/auth/") || path.starts_with("/v1/setup") || path == "/v1/collect";
    path.starts_with("/v1/") && !is_open
}

fn component(status: u16) -> &'static str {
    SHARED
        .iter()
        .find(|shared| shared.1 == status)
        .map_or("InternalError", |shared| shared.0)
}

/// Refer to a shared parameter, unless the operation has one of that name already.
fn parameter(operation: &mut Map<String, Value>, component: &str) {
    let reference = json!({"$ref": format!("#/components/parameters/{component}")});
    let name = parameters()
        .into_iter()
        .find(|(name, _)| *name == component)
        .map(|(_, mut shared)| shared["name"].take());
    let documented = name
        .as_ref()
        .and_then(Value::as_str)
        .is_some_and(|name| has_parameter(operation, name));
    let list = operation.entry("parameters").or_insert_with(|| json!([]));
    if let (false, Some(list)) = (documented, list.as_array_mut())
        && !list.contains(&reference)
    {
        list.push(reference);
    }
}

fn has_parameter(operation: &Map<String, Value>, name: &str) -> bool {
    let parameters = operation
        .get("parameters")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut names = parameters
        .filter(|p| p["in"] == "header")
        .filter_map(|p| p["name"].as_str());
    names.any(|other| other.eq_ignore_ascii_case(name))
}

fn has_query_parameter(operation: &Map<String, Value>, name: &str) -> bool {
    let parameters = operation
        .get("parameters")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let mut queries = parameters.filter(|p| p["in"] == "query");
    queries.any(|p| p["name"] == name)
}

/// Give a response the headers of its status, and a problem without content the form of one.
fn complete(status: &str, response: &mut Value, keyed: bool) {
    if response.get("$ref").is_some() {
        return;
    }
    let Some(status) = status.parse::<u16>().ok() else {
        return;
    };
    if status >= 400 && response.get("content").is_none_or(Value::is_null) {
        let codes: Vec<_> = Code::ALL
            .iter()
            .copied()
            .filter(|code| code.status().as_u16() == status)
            .collect();
        response["content"] = problems(&codes[..codes.len().min(3)]);
    }
    let success = (200..300).contains(&status) || status == 303;
    let names = [
        ("X-Request-Id", "RequestId", true),
        ("RateLimit", "RateLimit", success || status == 429),
        ("RateLimit-Policy", "RateLimitPolicy", success || status == 429),
        ("Idempotent-Replayed", "IdempotentReplayed", success && keyed),
        ("Retry-After", "RetryAfter", matches!(status, 409 | 429 | 503)),
        ("WWW-Authenticate", "Challenge", matches!(status, 401 | 403)),
    ];
    for (name, component, applies) in names {
        if applies && response["headers"].get(name).is_none() {
            response["headers"][name] = json!({"$ref": format!("#/components/headers/{component}")});
        }
    }
}

fn problems(codes: &[Code]) -> Value {
    let examples: Map<_, _> = codes
        .iter()
        .map(|code| {
            (
                code.name().to_owned(),
                json!({"summary": code.title(), "value": example(*code)}),
            )
        })
        .collect();
    json!({MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}})
}

fn example(code: Code) -> Value {
    let place = |place: &str, at: &str, code: &str, detail: &str| json!([{place: at, "code": code, "detail": detail}]);
    let mut example = Problem::new(code).document(REQUEST_ID);
    let (member, value) = match code {
        Code::ValidationFailed => (
            "errors",
            place(
                "pointer",
                "#/email",
                "invalid_format",
                "must be an e-mail address",
            ),
        ),
        Code::InvalidParameter => (
            "errors",
            place("parameter", "limit", "out_of_range", "must be at most 200"),
        ),
        Code::InvalidHeader => (
            "errors",
            place("header", "If-Match", "invalid_format", "must be an ETag"),
        ),
        Code::DuplicateKey => (
            "errors",
            place("pointer", "#/email", "duplicate_key", code.detail()),
        ),
        Code::InsufficientScope => ("scope", json!("leads:write")),
        Code::IllegalTransition => ("current", json!("mql")),
        Code::Stale => ("current", json!("\"7.3\"")),
        _ => return example,
    };
    example[member] = value;
    if code == Code::IllegalTransition {
        example["allowed"] = json!(["sal", "nurture", "disqualified"]);
    }
    example
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::http::shape::Shapes;
    use crate::edge::openapi::sample::document;

    #[test]
    fn every_example_is_a_problem_as_documented() {
        let mut document = document();
        document["components"]["schemas"]["Problem"]["additionalProperties"] = json!(false);
        let schema = json!({"$ref": "#/components/schemas/Problem"});
        let body = json!({"content": {"application/json": {"schema": schema}}});
        document["paths"] = json!({"/problem": {"post": {"requestBody": body}}});
        let shapes = Shapes::compile(&document).unwrap();
        let shape = shapes.body("POST /problem").unwrap();

        for code in Code::ALL {
            assert_eq!(shape.check(&example(*code)), [], "{}", code.name());
        }
    }

    #[test]
    fn every_shared_status_has_codes_of_its_own() {
        for (name, status, _, codes) in SHARED {
            assert!(
                codes.iter().all(|code| code.status().as_u16() == status),
                "{name}"
            );
        }
    }
}
