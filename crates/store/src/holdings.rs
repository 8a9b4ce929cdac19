//! What is held about people, table by table: how merging reads it and what erasure does with it.
//!
//! Every table with a `lead_id`, and every text column anywhere, is entered here; a test compares this with the
//! schema. Whoever adds a table decides here what it means for a person's rights.

/// What a column is, for the person whom it may tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// Names, codes, keys and figures: nothing personal.
    Impersonal,
    /// Personal; shown in the dossier and emptied on erasure.
    Personal,
    /// A hash or a sealed secret: says nothing, is dropped with its row.
    Secret,
    /// About a user of Tandem, not about a lead.
    OfUser,
}

/// The tables whose rows belong to a lead, read by its members.
pub const BY_MEMBERS: &[&str] = &[
    "cycles",
    "field_values",
    "identifiers",
    "journal",
    "journal_values",
    "lead_terms",
    "submissions",
    "transitions",
];

/// Every text column of every table.
pub const COLUMNS: &[(&str, &str, Holding)] = {
    use Holding::{Impersonal, OfUser, Personal, Secret};
    &[
        ("agreements", "document", Impersonal),
        ("agreements", "state", Impersonal),
        ("api_key_secrets", "secret_hash", Secret),
        ("api_keys", "hint", Impersonal),
        ("api_keys", "name", Impersonal),
        ("api_keys", "scopes", Impersonal),
        ("companies", "country", Impersonal),
        ("companies", "domain", Impersonal),
        ("companies", "industry", Impersonal),
        ("companies", "name", Impersonal),
        ("companies", "name_key", Impersonal),
        ("company_terms", "term", Impersonal),
        ("cycles", "campaign", Impersonal),
        ("cycles", "channel", Impersonal),
        ("cycles", "country", Impersonal),
        ("cycles", "last_reason", Impersonal),
        ("cycles", "source", Impersonal),
        ("field_values", "field", Impersonal),
        ("field_values", "source", Impersonal),
        ("field_values", "stated_by", Impersonal),
        ("field_values", "value", Personal),
        ("form_keys", "key", Impersonal),
        ("forms", "allowed_origins", Impersonal),
        ("forms", "fields", Impersonal),
        ("forms", "name", Impersonal),
        ("idempotency", "body", Personal),
        ("idempotency", "body_hash", Secret),
        ("idempotency", "headers", Impersonal),
        ("idempotency", "key_hash", Secret),
        ("idempotency", "lead_ids", Impersonal),
        ("identifiers", "kind", Impersonal),
        ("identifiers", "system", Impersonal),
        ("identifiers", "value", Personal),
        ("invitations", "token_hash", Secret),
        ("journal", "actor_id", Impersonal),
        ("journal", "actor_kind", Impersonal),
        ("journal", "fields", Impersonal),
        ("journal", "request_id", Impersonal),
        ("journal", "subject_id", Impersonal),
        ("journal", "subject_kind", Impersonal),
        ("journal", "type", Impersonal),
        ("journal_values", "after_values", Personal),
        ("journal_values", "before_values", Personal),
        ("journal_values", "data", Personal),
        ("lead_terms", "origin", Impersonal),
        ("lead_terms", "term", Personal),
        ("leads", "came_from", Impersonal),
        ("leads", "channel", Impersonal),
        ("leads", "country", Personal),
        ("leads", "custom", Personal),
        ("leads", "first_touch", Personal),
        ("leads", "name_key", Personal),
        ("leads", "profile", Personal),
        ("leads", "source", Impersonal),
        ("leads", "stage", Impersonal),
        ("leases", "holder", Impersonal),
        ("leases", "name", Impersonal),
        ("passwords", "hash", Secret),
        ("revisions", "name", Impersonal),
        ("sessions", "previous_hash", Secret),
        ("sessions", "sealed_token", Secret),
        ("sessions", "token_hash", Secret),
        ("settings", "name", Impersonal),
        ("settings", "value", Impersonal),
        ("signing_keys", "kid", Impersonal),
        ("signing_keys", "public", Impersonal),
        ("signing_keys", "sealed", Secret),
        ("spent_tokens", "token_hash", Secret),
        ("submissions", "faults", Impersonal),
        ("submissions", "raw", Personal),
        ("submissions", "status", Impersonal),
        ("teams", "name", Impersonal),
        ("throttles", "key", Secret),
        ("transitions", "actor_id", Impersonal),
        ("transitions", "actor_kind", Impersonal),
        ("transitions", "from_stage", Impersonal),
        ("transitions", "note", Personal),
        ("transitions", "reason", Impersonal),
        ("transitions", "to_stage", Impersonal),
        ("users", "email", OfUser),
        ("users", "name", OfUser),
        ("users", "role", OfUser),
    ]
};
