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
        "The request breaks the rules of HTTP or ended before it was complete. Send it again as a whole; if it \
         keeps failing, look at the client or at a proxy on the way.";
    MalformedJson BAD_REQUEST "malformed_json" "malformed-json" "Malformed JSON"
        "The body is not a JSON document"
        "The body is empty, is not JSON in UTF-8 (no byte order mark), has text after its end, holds half of a \
         surrogate pair, or holds a number that no computer can represent. The detail names line and column.";
    DuplicateKey BAD_REQUEST "duplicate_key" "duplicate-key" "Duplicate key"
        "An object of the body names a member twice"
        "Parsers disagree about which of two members of one name counts, so none is taken. Send each member \
         once. Two spellings of one name, such as an escaped letter, are the same name.";
    TooDeep BAD_REQUEST "too_deep" "too-deep" "Nested too deeply"
        "The body is nested deeper than 32 levels"
        "Objects and arrays may stand in each other up to 32 levels deep. No resource needs more than a few.";
    ForbiddenCharacter BAD_REQUEST "forbidden_character" "forbidden-character" "Forbidden character"
        "The body holds a NUL character"
        "The character U+0000 cannot be stored in text, so it is refused everywhere: in values and in names of \
         members.";
    InvalidParameter BAD_REQUEST "invalid_parameter" "invalid-parameter" "Invalid query parameter"
        "A query parameter is invalid"
        "A query parameter is unknown, repeated, missing, of the wrong type, out of its range or not one of the \
         allowed values. All violations of the request stand in `errors`, each with the parameter's name.";
    InvalidHeader BAD_REQUEST "invalid_header" "invalid-header" "Invalid header"
        "A request header is invalid"
        "A header such as Idempotency-Key, If-Match or X-On-Behalf-Of does not have the form that the \
         documentation gives for it. The member `errors` names the header.";
    InvalidCursor BAD_REQUEST "invalid_cursor" "invalid-cursor" "Invalid cursor"
        "The cursor was not issued by this service"
        "Cursors are opaque and signed. Take `next_cursor` of the previous page as it is; do not build, shorten \
         or decode it. When in doubt begin again without a cursor.";
    CursorMismatch BAD_REQUEST "cursor_mismatch" "cursor-mismatch" "Cursor of another query"
        "The cursor belongs to another list, filter or sort"
        "A cursor continues exactly the query that it came from: same path, same filters, same sort. Repeat \
         these together with the cursor, or begin again without one.";
    CredentialInUrl BAD_REQUEST "credential_in_url" "credential-in-url" "Credential in the URL"
        "A secret credential was sent in the URL"
        "URLs end up in logs and histories, so a token or secret key there is refused, and the credential \
         should be considered leaked: revoke it. Send it as `Authorization: Bearer`.";
    Unauthenticated UNAUTHORIZED "unauthenticated" "unauthenticated" "Not authenticated"
        "This needs an Authorization header with a bearer token"
        "The request names nobody. Send `Authorization: Bearer` with the access token of a user or with the \
         secret key of a partner.";
    InvalidToken UNAUTHORIZED "invalid_token" "invalid-token" "Invalid token"
        "The token is unknown, expired or revoked"
        "The token or key is malformed, expired, revoked, or its user has been disabled. Users take a new access \
         token with their refresh token or log in again; partners ask for a new key.";
    InvalidCredentials UNAUTHORIZED "invalid_credentials" "invalid-credentials" "Invalid credentials"
        "E-mail and password do not belong together"
        "No active account has this e-mail and password. The answer is the same whether or not the account \
         exists.";
    InsufficientScope FORBIDDEN "insufficient_scope" "insufficient-scope" "Insufficient scope"
        "The credential lacks the scope that this needs"
        "The caller is known but may not do this. The member `scope` names what is missing; an administrator \
         can grant it to the key or give the user another role.";
    NotOwner FORBIDDEN "not_owner" "not-owner" "Not the owner"
        "Only the owner may do this"
        "The record belongs to somebody else. Its owner, a member of the team whose queue holds it, or a sales \
         manager may do this.";
    WrongRole FORBIDDEN "wrong_role" "wrong-role" "Wrong role"
        "The caller's role does not allow this"
        "The act is reserved to other roles, and a key needs X-On-Behalf-Of with a user who has one of them.";
    OriginNotAllowed FORBIDDEN "origin_not_allowed" "origin-not-allowed" "Origin not allowed"
        "The site that sent this is not on the key's list"
        "A publishable key works only on the origins that it was made for. Add the site's origin, with scheme \
         and port, to the form or tracking key.";
    NotFound NOT_FOUND "not_found" "not-found" "Not found"
        "There is nothing here"
        "The path or the record does not exist, or the caller may not see it: the answer is the same.";
    MethodNotAllowed METHOD_NOT_ALLOWED "method_not_allowed" "method-not-allowed" "Method not allowed"
        "The resource does not know this method"
        "The path exists but not with this method. The header Allow lists those that it has.";
    RequestTimeout REQUEST_TIMEOUT "request_timeout" "request-timeout" "Request timeout"
        "The request took too long to arrive"
        "The whole request, its body included, must arrive within the time limit. Nothing was done; send it \
         again.";
    IllegalTransition CONFLICT "illegal_transition" "illegal-transition" "Illegal move"
        "The record cannot move from where it is to where it was sent"
        "The member `current` says where the record stands and `allowed` where it may go from there.";
    IdentifiersConflict CONFLICT "identifiers_conflict" "identifiers-conflict" "Identifiers of several leads"
        "The identifiers belong to different leads"
        "The e-mail, phone and external ids of one request must name one person. The member `lead_ids` lists the \
         leads that they name; where they were not named as one before, `GET /v1/duplicates` suggests them. Leave an \
         identifier out, or change the leads first.";
    LeadNotSql CONFLICT "lead_not_sql" "lead-not-sql" "Lead not qualified"
        "The primary lead is not qualified for a deal"
        "A deal needs a primary lead that sales has qualified. The member `current` says where the lead stands and \
         `allowed` where it must stand; qualify it first, or name another primary lead.";
    DealClosed CONFLICT "deal_closed" "deal-closed" "Deal closed"
        "What a closed deal is worth stays"
        "Amount and recurrence of a deal that was won or lost are part of what was reported. A sales manager can \
         reopen the deal; then they may be changed.";
    MissingExchangeRate CONFLICT "missing_exchange_rate" "missing-exchange-rate" "Missing exchange rate"
        "There is no exchange rate to the base currency in force on that day"
        "A deal is reported in the base currency at the rate in force on the day it was closed. The member \
         `missing_rate` names the pair and the day; add the rate by `PUT /v1/settings/exchange-rates` and repeat the \
         request.";
    CursorAhead CONFLICT "cursor_ahead" "cursor-ahead" "Cursor ahead of the journal"
        "The journal lacks the entry of the cursor; read again from the one in `cursor`"
        "The database was restored from a copy, or a standby took over that lacks the newest transactions: what the \
         cursor stands behind is not in the journal any more, and newer entries may stand before it. Read again from the \
         member `cursor`: it stands a minute before the lost entry, so that some entries come twice, with the same ids, \
         and none is left out. What followers have seen beyond it is lost here.";
    AlreadyDecided CONFLICT "already_decided" "already-decided" "Already decided"
        "Somebody else decided before"
        "The hand-off was accepted, rejected, disputed, ruled on or taken by somebody else. The members `decided_by` and `decided_at` say who \
         and when, `current` where it stands.";
    StillInWork CONFLICT "still_in_work" "still-in-work" "Still in work"
        "The lead is worked on"
        "A lead with a pending hand-off, a running promise or an open deal cannot be archived. Decide on the hand-off, or \
         move the lead to nurture or disqualified first.";
    StageInUse CONFLICT "stage_in_use" "stage-in-use" "Stage in use"
        "Deals stand in a stage that is to go"
        "Open deals stand in the stage, or closed ones would be opened again there. The member `in_use` says how many \
         for each stage; move these first, or keep the stage.";
    AlreadyExists CONFLICT "already_exists" "already-exists" "Already exists"
        "There is one with this name already"
        "A name, e-mail or other unique value is taken. Change it, or use the record that has it.";
    Conflict CONFLICT "conflict" "conflict" "Conflict"
        "The record's state does not allow this"
        "Somebody changed the record at the same moment, or it is not in a state that allows the act. Read it \
         again and decide anew.";
    RequestInProgress CONFLICT "request_in_progress" "request-in-progress" "Request in progress"
        "A request with the same Idempotency-Key is still running"
        "The first request with this key has not been answered yet. Wait as long as Retry-After says and send \
         the same request again: it gets the first one's answer.";
    LastAdmin CONFLICT "last_admin" "last-admin" "Last administrator"
        "The last administrator cannot be removed"
        "At least one active administrator who can log in must remain. Appoint another one first; who was invited \
         counts once the password is chosen.";
    SetupCompleted CONFLICT "setup_completed" "setup-completed" "Set-up completed"
        "The set-up has been completed already"
        "The one-time set-up token makes the first administrator and no other. Log in, or make one with \
         `tandem admin create`.";
    Stale PRECONDITION_FAILED "stale" "stale" "Stale version"
        "The record has changed since it was read"
        "If-Match names a version that is no longer the current one; the member `current` is the present ETag. \
         Read the record again, apply the change to it and send that.";
    BodyTooLarge PAYLOAD_TOO_LARGE "body_too_large" "body-too-large" "Body too large"
        "The body is larger than this operation takes"
        "Bodies may have 1 MiB, those of public capture 64 KiB, also once they are unpacked. Send fewer items per \
         request.";
    UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" "unsupported-media-type"
        "Unsupported media type"
        "The body must be JSON in UTF-8 with a matching Content-Type"
        "Send `Content-Type: application/json`, for PATCH also `application/merge-patch+json`. No other charset \
         than UTF-8 is taken.";
    ValidationFailed UNPROCESSABLE_ENTITY "validation_failed" "validation-failed" "Validation failed"
        "The body is invalid"
        "The body is JSON but breaks rules of the operation's schema or of the subject. All violations stand in \
         `errors`, each with a JSON pointer, a code and a sentence.";
    ReasonMismatch UNPROCESSABLE_ENTITY "reason_mismatch" "reason-mismatch" "Reason does not fit"
        "The reason does not belong to this move"
        "Each move takes reasons of its own list; the member `allowed` names those that fit.";
    IdempotencyKeyReused UNPROCESSABLE_ENTITY "idempotency_key_reused" "idempotency-key-reused"
        "Idempotency-Key used before"
        "The Idempotency-Key was used with another body"
        "A key stands for one request. Repeat exactly the first body to get its answer again, or use a new key \
         for a new request.";
    TooManyRequests TOO_MANY_REQUESTS "too_many_requests" "too-many-requests" "Too many requests"
        "The rate limit is used up"
        "The request was not processed. Wait as long as Retry-After says; RateLimit and RateLimit-Policy tell \
         the limit and what is left of it.";
    HeadTooLarge REQUEST_HEADER_FIELDS_TOO_LARGE "head_too_large" "head-too-large" "Head too large"
        "The address and headers are too large"
        "The address, with its query, and the headers may have 32 KiB together. Send a shorter query, and fewer \
         or shorter headers.";
    InternalError INTERNAL_SERVER_ERROR "internal_error" "internal-error" "Internal error"
        "Something went wrong on our side"
        "A bug or an unforeseen state. Whether the request took effect is unknown: repeat it with the same \
         Idempotency-Key. The operator finds the cause in the log under the request id.";
    Unavailable SERVICE_UNAVAILABLE "unavailable" "unavailable" "Unavailable"
        "The service cannot answer at the moment"
        "The database is away or busy, or the service is starting or stopping. The request was not processed; \
         repeat it after the time in Retry-After.";
    Overloaded SERVICE_UNAVAILABLE "overloaded" "overloaded" "Overloaded"
        "There is more work than can be taken at the moment"
        "A queue is full. The request was not processed; repeat it after the time in Retry-After.";
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
