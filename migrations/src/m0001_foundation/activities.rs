//! What users do with leads: activities and tasks, conversations that partners report, and the objections that were raised.

use sea_orm_migration::prelude::*;

use crate::dialect;
use crate::schema::{big, big_or_null, flag, id, id_or_null, index, table, text, text_or_null, unique};

pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let activities = vec![
        id("id"),
        big("version"),
        // The lead that it counts for: its own, or the primary lead of its deal.
        id_or_null("lead_id"),
        id_or_null("deal_id"),
        id_or_null("company_id"),
        id_or_null("user_id"),
        id_or_null("owner_id"),
        text_or_null("queue"),
        text("type"),
        text_or_null("direction"),
        big("occurred_at"),
        big_or_null("duration_s"),
        text_or_null("outcome"),
        text_or_null("subject"),
        text_or_null("body"),
        // The greatest value where nothing is due.
        big("due_at"),
        big_or_null("done_at"),
        flag("is_open"),
        // When the owner of a task is to be notified.
        big_or_null("remind_at"),
        flag("is_reminded"),
        flag("automatic"),
        text("promises"),
        text("content_ids"),
        text_or_null("external_system"),
        text_or_null("external_id"),
        id_or_null("conversation_id"),
        text_or_null("intent"),
        flag("is_touched"),
        big("created_at"),
        big("updated_at"),
    ];
    manager
        .create_table(table("activities", &["id"], activities))
        .await?;
    dialect::unique_where(
        manager,
        "activities",
        &["external_system", "external_id"],
        "external_id IS NOT NULL",
    )
    .await?;
    for columns in [
        &["occurred_at", "id"][..],
        &["lead_id", "occurred_at", "id"],
        &["user_id", "occurred_at", "id"],
        &["type", "occurred_at", "id"],
        &["due_at", "id"],
    ] {
        manager.create_index(index("activities", columns)).await?;
    }
    for (columns, condition) in [
        (&["deal_id", "occurred_at", "id"][..], "deal_id IS NOT NULL"),
        (&["company_id", "occurred_at", "id"], "company_id IS NOT NULL"),
        (&["owner_id", "is_open", "due_at", "id"], "owner_id IS NOT NULL"),
        (&["queue", "is_open", "due_at", "id"], "queue IS NOT NULL"),
        (&["remind_at"], "remind_at IS NOT NULL"),
        (&["done_at"], "done_at IS NOT NULL"),
        (&["conversation_id"], "conversation_id IS NOT NULL"),
    ] {
        dialect::index_where(manager, "activities", columns, condition).await?;
    }

    let objections = vec![
        id("activity_id"),
        big("position"),
        id_or_null("lead_id"),
        big("occurred_at"),
        text_or_null("code"),
        text_or_null("text"),
        // The words in the form in which they are compared.
        text_or_null("text_key"),
        text_or_null("quote"),
    ];
    manager
        .create_table(table("objections", &["activity_id", "position"], objections))
        .await?;
    for columns in [&["code", "occurred_at"][..], &["lead_id"]] {
        manager.create_index(index("objections", columns)).await?;
    }
    unmapped(manager, "objections").await?;

    let mappings = vec![
        id("id"),
        big("version"),
        text("text"),
        text("text_key"),
        text("code"),
        big("created_at"),
        big("updated_at"),
    ];
    manager
        .create_table(table("objection_mappings", &["id"], mappings))
        .await?;
    manager
        .create_index(unique("objection_mappings", &["text_key"]))
        .await?;
    conversations(manager).await
}

/// Indexes of the objections in words: all with the same words, and those that no code is known for.
pub(super) async fn unmapped(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    dialect::index_where(manager, table, &["text_key"], "text_key IS NOT NULL").await?;
    let waiting = "text_key IS NOT NULL AND code IS NULL";
    dialect::index_where(manager, table, &["text_key", "occurred_at"], waiting).await
}

async fn conversations(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let conversations = vec![
        id("id"),
        big("version"),
        text("provider"),
        text("external_id"),
        id_or_null("lead_id"),
        id_or_null("user_id"),
        text("intent"),
        text("details"),
        big_or_null("linked_at"),
        big("created_at"),
        big("updated_at"),
    ];
    manager
        .create_table(table("conversations", &["id"], conversations))
        .await?;
    manager
        .create_index(unique("conversations", &["provider", "external_id"]))
        .await?;
    for columns in [&["lead_id", "id"][..], &["user_id", "id"], &["intent", "id"]] {
        manager.create_index(index("conversations", columns)).await?;
    }
    dialect::index_where(manager, "conversations", &["id"], "lead_id IS NULL").await?;
    // The identifiers that conversations without a lead wait for.
    let keys = vec![id("conversation_id"), text("kind"), text("system"), text("value")];
    let key = &["conversation_id", "kind", "system", "value"];
    manager
        .create_table(table("conversation_keys", key, keys))
        .await?;
    manager
        .create_index(index("conversation_keys", &["kind", "system", "value"]))
        .await
}
