//! What people agreed to, purpose by purpose, and the links by which they confirm it.

use sea_orm_migration::prelude::*;

use crate::schema::{big, big_or_null, id, id_or_null, index, table, text, text_or_null};

pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let consents = vec![
        id("id"),
        id("lead_id"),
        text("purpose"),
        text_or_null("address"),
        text("state"),
        text_or_null("reason"),
        text_or_null("wording"),
        text_or_null("legal_basis"),
        text("source"),
        id_or_null("submission_id"),
        id_or_null("confirms"),
        big("stated_at"),
        big("recorded_at"),
        text("stated_by"),
    ];
    manager.create_table(table("consents", &["id"], consents)).await?;
    // What stands is found by the first, the history is read by the second.
    manager
        .create_index(index("consents", &["lead_id", "purpose", "state", "stated_at"]))
        .await?;
    manager
        .create_index(index("consents", &["lead_id", "stated_at", "id"]))
        .await?;

    let links = vec![
        text("token_hash"),
        id("lead_id"),
        text("purpose"),
        text_or_null("address"),
        id("consent_id"),
        big("granted_at"),
        big("expires_at"),
        big_or_null("used_at"),
        big("created_at"),
    ];
    manager
        .create_table(table("consent_links", &["token_hash"], links))
        .await?;
    manager
        .create_index(index("consent_links", &["lead_id", "purpose"]))
        .await?;
    manager
        .create_index(index("consent_links", &["expires_at"]))
        .await
}
