//! The headers that operations share, in requests and in answers.

use serde_json::{Value, json};

/// The id in all examples.
pub(super) const REQUEST_ID: &str = "req_01h455vb4pex5vsknk084sn02q";

/// The response headers, by the name of their component.
pub(super) fn headers() -> [(&'static str, Value); 7] {
    let header = |description: &str, schema: Value| json!({"description": description, "schema": schema});
    [
        (
            "RequestId",
            json!({
                "description": "The id of the request: the caller's X-Request-Id, or a generated one",
                "required": true,
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$", "maxLength": 64, "example": REQUEST_ID}
            }),
        ),
        (
            "RateLimit",
            header(
                "What remains of the rate limit, and the seconds until it is fully restored",
                json!({"type": "string", "maxLength": 256, "example": "\"key\";r=598;t=1"}),
            ),
        ),
        (
            "RateLimitPolicy",
            header(
                "The rate limit: requests per number of seconds",
                json!({"type": "string", "maxLength": 256, "example": "\"key\";q=600;w=60"}),
            ),
        ),
        (
            "IdempotentReplayed",
            header(
                "`true` if this repeats the answer to an earlier request with the same Idempotency-Key",
                json!({"type": "string", "enum": ["true"]}),
            ),
        ),
        (
            "RetryAfter",
            header(
                "After how many seconds to retry",
                json!({"type": "integer", "format": "int32", "minimum": 0, "maximum": 86_400, "example": 1}),
            ),
        ),
        (
            "Link",
            header(
                "The address of the next page, if there is one",
                json!({"type": "string", "maxLength": 8192, "example": "</v1/leads?cursor=abc>; rel=\"next\""}),
            ),
        ),
        (
            "Challenge",
            header(
                "How to authenticate, and the scope that is missing",
                json!({"type": "string", "maxLength": 256, "example": "Bearer"}),
            ),
        ),
    ]
}

/// The header parameters, by the name of their component.
pub(super) fn parameters() -> [(&'static str, Value); 5] {
    let parameter = |name: &str, description: &str, schema: Value| json!({"name": name, "in": "header", "required": false, "description": description, "schema": schema});
    [
        (
            "IdempotencyKey",
            parameter(
                "Idempotency-Key",
                "A unique text that the caller chooses for this request. For 72 hours every further request with the same key, path and body gets the stored first answer, so that a request with a lost answer can be retried.",
                json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}),
            ),
        ),
        (
            "OnBehalfOf",
            parameter(
                "X-On-Behalf-Of",
                "For keys: the user on whose behalf, and with whose rights, the key acts.",
                json!({"type": "string", "maxLength": 31, "pattern": "^user_[0-7][0-9a-hjkmnp-tv-z]{25}$"}),
            ),
        ),
        (
            "IfMatch",
            parameter(
                "If-Match",
                "The ETag on which the change is based. If the record has changed since, the answer is 412.",
                json!({"type": "string", "minLength": 1, "maxLength": 256,
                    "pattern": r#"^(\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*)$"#}),
            ),
        ),
        (
            "Prefer",
            parameter(
                "Prefer",
                "`return=total-count` adds the total number of items to the answer.",
                json!({"type": "string", "maxLength": 256, "example": "return=total-count"}),
            ),
        ),
        (
            "IfNoneMatch",
            parameter(
                "If-None-Match",
                "The ETag that the caller has. If it is the present one, the answer is 304.",
                json!({"type": "string", "minLength": 1, "maxLength": 256}),
            ),
        ),
    ]
}
