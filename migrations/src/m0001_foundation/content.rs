//! The content library, and what sales asks for.

use sea_orm_migration::prelude::*;

use crate::dialect;
use crate::schema::{big, big_or_null, id, id_or_null, index, table, text, text_or_null};

pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let content = vec![
        id("id"),
        big("version"),
        text("title"),
        text("kind"),
        text("url_patterns"),
        text("stage"),
        id_or_null("campaign_id"),
        text("answers_objections"),
        text("state"),
        big_or_null("archived_at"),
        big("created_at"),
        big("updated_at"),
    ];
    manager.create_table(table("content", &["id"], content)).await?;
    for columns in [
        &["state", "id"][..],
        &["kind", "id"],
        &["stage", "id"],
        &["campaign_id", "id"],
    ] {
        manager.create_index(index("content", columns)).await?;
    }

    let requests = vec![
        id("id"),
        big("version"),
        text("title"),
        text("why"),
        text_or_null("objection"),
        text("lead_ids"),
        text("deal_ids"),
        text("state"),
        id_or_null("content_id"),
        text_or_null("answer"),
        id_or_null("requested_by"),
        big_or_null("answered_at"),
        big("created_at"),
        big("updated_at"),
    ];
    manager
        .create_table(table("content_requests", &["id"], requests))
        .await?;
    manager
        .create_index(index("content_requests", &["state", "id"]))
        .await?;
    let leads = vec![id("request_id"), id("lead_id")];
    dialect::key_table(
        manager,
        table("content_request_leads", &["request_id", "lead_id"], leads),
    )
    .await?;
    let deals = vec![id("request_id"), id("deal_id")];
    dialect::key_table(
        manager,
        table("content_request_deals", &["request_id", "deal_id"], deals),
    )
    .await
}
