//! The closed catalogue of problems: every refusal that a caller can meet, in one table.

use actix_web::http::StatusCode;
use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! catalogue {
    ($($variant:ident $status:ident $name:literal $slug:literal $title:literal
        $detail:literal $explain:literal;)+) => {
        /// What went wrong, as a word that programs can rely on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $title] $variant,)+
        }

        impl Code {
            /// Every code, in the order of its status.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)+];

            /// The member `code` of a problem document: `validation_failed`.
            pub const fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)+ }
            }

            /// The last part of the member `type`: `validation-failed`.
            pub const fn slug(self) -> &'static str {
                match self { $(Code::$variant => $slug,)+ }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> StatusCode {
                match self { $(Code::$variant => StatusCode::$status,)+ }
            }

            /// The member `title`: the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)+ }
            }

            /// The member `detail` where the occurrence has nothing to add.
            pub const fn detail(self) -> &'static str {
                match self { $(Code::$variant => $detail,)+ }
            }

            /// A paragraph for the page of this problem: what it means and what to do about it.
            pub const fn explain(self) -> &'static str {
                match self { $(Code::$variant => $explain,)+ }
            }
        }
    };
}

catalogue! {
    BadRequest BAD_REQUEST "bad_request" "bad-request" "Bad request"
        "The request could not be read"
        "The request violates HTTP, or ended before it was complete. Retry it; if it fails again, check the client and the proxies in between.";
    MalformedJson BAD_REQUEST "malformed_json" "malformed-json" "Malformed JSON"
        "The body is not a JSON document"
        "The body is empty, is not JSON in UTF-8 (without byte order mark), has text after its end, or contains a lone surrogate or an unrepresentable number. The detail names line and column.";
    DuplicateKey BAD_REQUEST "duplicate_key" "duplicate-key" "Duplicate key"
        "An object of the body names a member twice"
        "Parsers disagree about which of two members with the same name applies, so the body is refused. Send each member once. Two spellings of one name, such as an escaped letter, are the same name.";
    TooDeep BAD_REQUEST "too_deep" "too-deep" "Nested too deeply"
        "The body is nested deeper than 32 levels"
        "Objects and arrays may be nested up to 32 levels. No resource needs more than a few.";
    ForbiddenCharacter BAD_REQUEST "forbidden_character" "forbidden-character" "Forbidden character"
        "The body contains a NUL character"
        "The character U+0000 cannot be stored in text, so it is refused everywhere: in values and in names of \
         members.";
    InvalidParameter BAD_REQUEST "invalid_parameter" "invalid-parameter" "Invalid query parameter"
        "A query parameter is invalid"
        "A query parameter is unknown, repeated, missing, of the wrong type, out of its range or not one of the allowed values. `errors` lists all violations, each with the parameter's name.";
    InvalidHeader BAD_REQUEST "invalid_header" "invalid-header" "Invalid header"
        "A request header is invalid"
        "A header such as Idempotency-Key, If-Match or X-On-Behalf-Of does not have the documented form. `errors` names the header.";
    InvalidCursor BAD_REQUEST "invalid_cursor" "invalid-cursor" "Invalid cursor"
        "The cursor was not issued by this service"
        "Cursors are opaque and signed. Send `next_cursor` of the previous page unchanged; do not build, shorten or decode it. If in doubt start again without a cursor.";
    CursorMismatch BAD_REQUEST "cursor_mismatch" "cursor-mismatch" "Cursor of another query"
        "The cursor belongs to another list, filter or sort"
        "A cursor continues the query from which it came: the same path, filters and sort. Repeat these together with the cursor, or start again without one.";
    CredentialInUrl BAD_REQUEST "credential_in_url" "credential-in-url" "Credential in the URL"
        "A secret credential was sent in the URL"
        "URLs end up in logs and histories, so a token or secret key in a URL is refused. Treat the credential as leaked and revoke it. Send credentials as `Authorization: Bearer`.";
    Unauthenticated UNAUTHORIZED "unauthenticated" "unauthenticated" "Not authenticated"
        "This needs an Authorization header with a bearer token"
        "The request has no credential. Send `Authorization: Bearer` with the access token of a user or the secret key of a partner.";
    InvalidToken UNAUTHORIZED "invalid_token" "invalid-token" "Invalid token"
        "The token is unknown, expired or revoked"
        "The token or key is malformed, expired or revoked, or its user has been disabled. Users obtain a new access token with their refresh token, or log in again; partners request a new key.";
    InvalidCredentials UNAUTHORIZED "invalid_credentials" "invalid-credentials" "Invalid credentials"
        "E-mail and password do not match"
        "No active account has this e-mail and password. The answer is the same whether or not the account \
         exists.";
    InsufficientScope FORBIDDEN "insufficient_scope" "insufficient-scope" "Insufficient scope"
        "The credential lacks the scope that this needs"
        "The caller is authenticated but lacks the scope in the member `scope`. An administrator can grant it to the key, or give the user another role.";
    NotOwner FORBIDDEN "not_owner" "not-owner" "Not the owner"
        "Only the owner may do this"
        "The record has another owner. Its owner, a member of the team in whose queue it waits, or a sales manager may do this.";
    WrongRole FORBIDDEN "wrong_role" "wrong-role" "Wrong role"
        "The caller's role does not allow this"
        "The act is reserved to other roles, and a key needs X-On-Behalf-Of with a user who has one of them.";
    OriginNotAllowed FORBIDDEN "origin_not_allowed" "origin-not-allowed" "Origin not allowed"
        "The site that sent this is not on the key's list"
        "A publishable key works only on its listed origins. Add the site's origin, with scheme and port, to the form or tracking key.";
    NotFound NOT_FOUND "not_found" "not-found" "Not found"
        "There is nothing here"
        "The path or the record does not exist, or the caller may not see it: the answer is the same.";
    MethodNotAllowed METHOD_NOT_ALLOWED "method_not_allowed" "method-not-allowed" "Method not allowed"
        "The resource does not support this method"
        "The path exists, but not with this method. The header Allow lists its methods.";
    RequestTimeout REQUEST_TIMEOUT "request_timeout" "request-timeout" "Request timeout"
        "The request took too long to arrive"
        "The whole request, including its body, must arrive within the time limit. Nothing was done; retry it.";
    IllegalTransition CONFLICT "illegal_transition" "illegal-transition" "Illegal move"
        "The record cannot make this move from its present stage"
        "`current` is the record's present stage, and `allowed` lists the stages to which it may move.";
    IdentifiersConflict CONFLICT "identifiers_conflict" "identifiers-conflict" "Identifiers of several leads"
        "The identifiers belong to different leads"
        "The e-mail, phone and external ids of one request must belong to one lead. `lead_ids` lists the leads to which they belong; unless they were dismissed before, `GET /v1/duplicates` suggests them. Omit an identifier, or change the leads first.";
    LeadNotSql CONFLICT "lead_not_sql" "lead-not-sql" "Lead not qualified"
        "The primary lead is not qualified for a deal"
        "A deal needs a primary lead that sales has qualified. `current` is the lead's stage, and `allowed` lists the required ones. Qualify the lead first, or name another primary lead.";
    DealClosed CONFLICT "deal_closed" "deal-closed" "Deal closed"
        "The value of a closed deal cannot change, and it gets no quotes"
        "Amount and recurrence of a closed deal have been reported. A sales manager can reopen the deal; then they may change, and quotes may be recorded.";
    QuoteClosed CONFLICT "quote_closed" "quote-closed" "Quote closed"
        "The quote can no longer change"
        "The quote was accepted or declined, its last day has passed, or its deal is closed. `current` is its state. Record another quote, or reopen the deal.";
    MissingExchangeRate CONFLICT "missing_exchange_rate" "missing-exchange-rate" "Missing exchange rate"
        "No exchange rate to the base currency is in force on that day"
        "A deal is reported in the base currency at the rate of the day on which it closed. `missing_rate` names the pair and the day; add the rate by `PUT /v1/settings/exchange-rates` and retry.";
    CursorAhead CONFLICT "cursor_ahead" "cursor-ahead" "Cursor ahead of the journal"
        "The journal lacks the entry of the cursor; resume from `cursor`"
        "The database was restored from a backup, or a standby without the newest transactions took over. The journal has lost the entry of your cursor, and newer entries may precede it. Resume from the member `cursor`, which is a minute before the lost entry: some entries come twice, with the same ids, and none is skipped. Entries that followers have seen but that do not come again are lost.";
    AlreadyDecided CONFLICT "already_decided" "already-decided" "Already decided"
        "Somebody else decided before"
        "The hand-off was accepted, rejected, disputed, ruled on or taken by somebody else. The members `decided_by` and `decided_at` say who \
         and when, `current` where it stands.";
    AlreadySigned CONFLICT "already_signed" "already-signed" "Already signed"
        "The agreement is signed already"
        "Another signature for the same side counts, or, where a document is to be put in force without signatures, both \
         teams have signed a version before: then only a draft that both sign takes its place.";
    OutdatedDraft CONFLICT "outdated_draft" "outdated-draft" "Outdated draft"
        "The draft is based on a version that is no longer in force"
        "Another version came into force since the draft was created; the member `current` names it. Create a copy of the \
         draft (`POST /v1/agreements?from=...`), which is based on the version in force, and sign that.";
    PreviewMissing CONFLICT "preview_missing" "preview-missing" "Preview missing"
        "The document as it stands has no complete preview over the last 90 days"
        "A version is signed only after its effect on the past has been shown. Request POST /v1/agreements/{version}/preview, wait until it is finished, and sign then. An edit of the document needs another preview; a preview of a shorter period does not count, unless it reaches back to the first lead.";
    SignerLeft CONFLICT "signer_left" "signer-left" "Signer left"
        "Who signed the draft first may no longer sign"
        "The user who signed for the other side is disabled or has another role by now. Edit the draft, which ends the \
         signatures, and let two managers sign it.";
    StillInWork CONFLICT "still_in_work" "still-in-work" "Still in work"
        "The lead is still being worked on"
        "A lead with a pending hand-off, a running promise or an open deal cannot be archived. Decide the hand-off, or move the lead to nurture or disqualified first.";
    StageInUse CONFLICT "stage_in_use" "stage-in-use" "Stage in use"
        "A stage to be removed is in use by deals"
        "Open deals are in the stage, or closed deals would reopen in it. `in_use` states how many for each stage. Move these deals first, or do not remove the stage.";
    AlreadyExists CONFLICT "already_exists" "already-exists" "Already exists"
        "The name is taken"
        "Another record has the same name, e-mail or other unique value. Choose another, or use that record.";
    Conflict CONFLICT "conflict" "conflict" "Conflict"
        "The record's state does not allow this"
        "Another request changed the record at the same moment, or its state does not allow the operation. Read the record and decide again.";
    RequestInProgress CONFLICT "request_in_progress" "request-in-progress" "Request in progress"
        "A request with the same Idempotency-Key is still running"
        "The first request with this key has not been answered yet. Wait for Retry-After and retry: the retry gets the first request's answer.";
    LastAdmin CONFLICT "last_admin" "last-admin" "Last administrator"
        "The last administrator cannot be removed"
        "At least one active administrator who can log in must remain. Appoint another one first; an invited user counts once it has set its password.";
    SetupCompleted CONFLICT "setup_completed" "setup-completed" "Set-up completed"
        "The set-up has been completed already"
        "The one-time set-up token creates only the first administrator. Log in, or create one with `tandem admin create`.";
    HistoryExpired GONE "history_expired" "history-expired" "History expired"
        "What this needs of the past is no longer stored"
        "The score of an earlier instant is computed from what happened by then, under the agreement that was in force. That agreement refers to something that is gone, such as a custom field, or the events of that time were deleted. Read a later instant.";
    Stale PRECONDITION_FAILED "stale" "stale" "Stale version"
        "The record has changed since it was read"
        "If-Match does not name the present version; `current` is the present ETag. Read the record, apply the change to it, and send it again.";
    BodyTooLarge PAYLOAD_TOO_LARGE "body_too_large" "body-too-large" "Body too large"
        "The body is larger than this operation takes"
        "A body may have 1 MiB, that of a public capture 64 KiB, also after unpacking. Send fewer items per request.";
    UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" "unsupported-media-type"
        "Unsupported media type"
        "The body must be JSON in UTF-8 with a matching Content-Type"
        "Send `Content-Type: application/json`, or for PATCH `application/merge-patch+json`, in UTF-8.";
    ValidationFailed UNPROCESSABLE_ENTITY "validation_failed" "validation-failed" "Validation failed"
        "The body is invalid"
        "The body is JSON but violates the operation's schema or a rule. `errors` lists all violations, each with a JSON pointer, a code and a sentence.";
    ReasonMismatch UNPROCESSABLE_ENTITY "reason_mismatch" "reason-mismatch" "Reason does not fit"
        "The reason does not fit this move"
        "Each move has its own list of reasons; `allowed` lists those that fit.";
    IdempotencyKeyReused UNPROCESSABLE_ENTITY "idempotency_key_reused" "idempotency-key-reused"
        "Idempotency-Key used before"
        "The Idempotency-Key was used with another body"
        "A key identifies one request. Repeat the first body unchanged to get its answer again, or use a new key for a new request.";
    TooManyRequests TOO_MANY_REQUESTS "too_many_requests" "too-many-requests" "Too many requests"
        "The rate limit is exceeded"
        "The request was not processed. Wait for Retry-After. RateLimit and RateLimit-Policy show the limit and what remains of it.";
    HeadTooLarge REQUEST_HEADER_FIELDS_TOO_LARGE "head_too_large" "head-too-large" "Head too large"
        "The address and headers are too large"
        "The address with its query and the headers may have 32 KiB together. Send a shorter query, or fewer or shorter headers.";
    InternalError INTERNAL_SERVER_ERROR "internal_error" "internal-error" "Internal error"
        "Internal error in the service"
        "A bug or an unexpected state. It is unknown whether the request took effect: retry it with the same Idempotency-Key. The operator finds the cause in the log by the request id.";
    Unavailable SERVICE_UNAVAILABLE "unavailable" "unavailable" "Unavailable"
        "The service cannot answer at the moment"
        "The database is unavailable or busy, or the service is starting or stopping. The request was not processed; retry it after Retry-After.";
    Overloaded SERVICE_UNAVAILABLE "overloaded" "overloaded" "Overloaded"
        "The service is overloaded"
        "A queue is full. The request was not processed; retry it after Retry-After.";
}

impl Code {
    /// The code with this slug, if there is one.
    pub fn by_slug(slug: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.slug() == slug)
    }

    /// Whether the fault is the service's own, so that the caller learns no particulars.
    pub fn is_ours(self) -> bool {
        self.status().is_server_error()
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("The kind of problem; `GET /problems/{slug}` explains each"))
            .enum_values(Some(Code::ALL.iter().map(|code| code.name())))
            .into()
    }
}

impl ToSchema for Code {
    fn name() -> std::borrow::Cow<'static, str> {
        "ProblemCode".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_and_slugs_are_unique_and_of_one_stem() {
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.name()).collect();

        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(code.name().replace('_', "-"), code.slug());
            assert_eq!(Code::by_slug(code.slug()), Some(*code));
            assert!(
                code.explain().len() > code.detail().len() / 2,
                "{} is explained",
                code.name()
            );
        }
    }

    #[test]
    fn codes_stand_in_the_order_of_their_status() {
        assert!(Code::ALL.is_sorted_by_key(|code| code.status().as_u16()));
    }
}
