//! Users, teams, sessions, keys; settings, revisions, idempotency, leases.

use sea_orm_migration::prelude::*;

use crate::schema::{big, big_or_null, flag, id, id_or_null, index, table, text, text_or_null, unique};

pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let users = vec![
        id("id"),
        big("version"),
        text("email"),
        text("name"),
        text("role"),
        flag("admin"),
        big_or_null("disabled_at"),
        big("created_at"),
        big("updated_at"),
    ];
    manager.create_table(table("users", &["id"], users)).await?;
    manager.create_index(unique("users", &["email"])).await?;

    let passwords = vec![id("user_id"), text("hash"), big("changed_at")];
    manager
        .create_table(table("passwords", &["user_id"], passwords))
        .await?;

    let invitations = vec![
        text("token_hash"),
        id("user_id"),
        big("expires_at"),
        big_or_null("used_at"),
        big("created_at"),
    ];
    manager
        .create_table(table("invitations", &["token_hash"], invitations))
        .await?;
    manager.create_index(index("invitations", &["user_id"])).await?;

    let teams = vec![
        id("id"),
        big("version"),
        text("name"),
        big("created_at"),
        big("updated_at"),
    ];
    manager.create_table(table("teams", &["id"], teams)).await?;
    manager.create_index(unique("teams", &["name"])).await?;
    let members = vec![id("team_id"), id("user_id")];
    manager
        .create_table(table("team_members", &["team_id", "user_id"], members))
        .await?;
    manager.create_index(index("team_members", &["user_id"])).await?;

    let sessions = vec![
        id("id"),
        id("user_id"),
        text("token_hash"),
        text_or_null("previous_hash"),
        text_or_null("sealed_token"),
        big("rotated_at"),
        big("expires_at"),
        big_or_null("revoked_at"),
        big("created_at"),
    ];
    manager.create_table(table("sessions", &["id"], sessions)).await?;
    manager.create_index(unique("sessions", &["token_hash"])).await?;
    manager
        .create_index(index("sessions", &["previous_hash"]))
        .await?;
    manager.create_index(index("sessions", &["user_id"])).await?;
    manager.create_index(index("sessions", &["expires_at"])).await?;

    // Hashes of refresh tokens that were used up: one that comes back betrays a stolen family.
    let spent = vec![text("token_hash"), id("session_id"), big("expires_at")];
    manager
        .create_table(table("spent_tokens", &["token_hash"], spent))
        .await?;
    manager
        .create_index(index("spent_tokens", &["expires_at"]))
        .await?;

    let keys = vec![
        id("id"),
        big("version"),
        text("name"),
        text("scopes"),
        text("hint"),
        big_or_null("expires_at"),
        big_or_null("revoked_at"),
        big_or_null("last_used_at"),
        id_or_null("created_by"),
        big("created_at"),
        big("updated_at"),
    ];
    manager.create_table(table("api_keys", &["id"], keys)).await?;

    // A rotated key has two secrets until the overlap ends.
    let secrets = vec![
        text("secret_hash"),
        id("key_id"),
        big_or_null("expires_at"),
        big("created_at"),
    ];
    manager
        .create_table(table("api_key_secrets", &["secret_hash"], secrets))
        .await?;
    manager
        .create_index(index("api_key_secrets", &["key_id"]))
        .await?;

    let signing = vec![
        id("id"),
        text("kid"),
        text("sealed"),
        text("public"),
        big("created_at"),
        big_or_null("retired_at"),
    ];
    manager
        .create_table(table("signing_keys", &["id"], signing))
        .await?;

    let throttles = vec![
        text("key"),
        big("count"),
        big("window_started_at"),
        big("blocked_until"),
    ];
    manager
        .create_table(table("throttles", &["key"], throttles))
        .await?;
    manager
        .create_index(index("throttles", &["window_started_at"]))
        .await?;

    // Accounts with the addresses that have logged in to them, as one hash.
    let known = vec![text("key"), big("expires_at")];
    manager
        .create_table(table("known_addresses", &["key"], known))
        .await?;
    manager
        .create_index(index("known_addresses", &["expires_at"]))
        .await?;

    let settings = vec![text("name"), text("value"), big("version")];
    manager
        .create_table(table("settings", &["name"], settings))
        .await?;
    manager
        .create_table(table("revisions", &["name"], vec![text("name"), big("revision")]))
        .await?;

    let idempotency = vec![
        text("key_hash"),
        text("body_hash"),
        big("status"),
        text("headers"),
        text("body"),
        text("lead_ids"),
        big("created_at"),
        big("expires_at"),
    ];
    manager
        .create_table(table("idempotency", &["key_hash"], idempotency))
        .await?;
    manager
        .create_index(index("idempotency", &["expires_at"]))
        .await?;

    let leases = vec![text("name"), text("holder"), big("fence"), big("expires_at")];
    manager.create_table(table("leases", &["name"], leases)).await
}
