//! Forms, their keys, and submissions.

use sea_orm_migration::prelude::*;

use crate::schema::{big, big_or_null, id, id_or_null, index, table, text, text_or_null, unique};

pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let forms = vec![
        id("id"),
        big("version"),
        text("name"),
        text("fields"),
        text("allowed_origins"),
        text_or_null("redirect_url"),
        text_or_null("honeypot_field"),
        big_or_null("min_fill_seconds"),
        text_or_null("service_requested"),
        id_or_null("campaign_id"),
        id_or_null("content_id"),
        text("consent"),
        big_or_null("archived_at"),
        big("created_at"),
        big("updated_at"),
    ];
    manager.create_table(table("forms", &["id"], forms)).await?;

    let keys = vec![
        id("id"),
        id("form_id"),
        text("key"),
        big_or_null("expires_at"),
        big("created_at"),
    ];
    manager.create_table(table("form_keys", &["id"], keys)).await?;
    manager.create_index(unique("form_keys", &["key"])).await?;
    manager.create_index(index("form_keys", &["form_id"])).await?;

    let submissions = vec![
        id("id"),
        big("version"),
        id("form_id"),
        text("status"),
        id_or_null("lead_id"),
        text("consent"),
        text("raw"),
        text("media_type"),
        text("faults"),
        text("remarks"),
        id_or_null("twin"),
        big("received_at"),
    ];
    manager
        .create_table(table("submissions", &["id"], submissions))
        .await?;
    manager
        .create_index(index("submissions", &["form_id", "id"]))
        .await?;
    manager
        .create_index(index("submissions", &["status", "id"]))
        .await?;
    manager.create_index(index("submissions", &["twin"])).await?;
    manager
        .create_index(index("submissions", &["lead_id", "id"]))
        .await?;

    let repeats = vec![id("id"), id("submission_id")];
    manager
        .create_table(table("submission_repeats", &["id"], repeats))
        .await
}
