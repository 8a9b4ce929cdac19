//! Tracking: sites' keys, visitors and whom they were linked to, events, and the touches that are made of them.

use sea_orm_migration::prelude::*;

use crate::dialect;
use crate::schema::{big, big_or_null, id, id_or_null, index, table, text, text_or_null, unique};

pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let keys = vec![
        id("id"),
        big("version"),
        text("name"),
        text("allowed_origins"),
        text("key"),
        text_or_null("previous_key"),
        big_or_null("previous_until"),
        big_or_null("revoked_at"),
        big("created_at"),
        big("updated_at"),
    ];
    manager
        .create_table(table("tracking_keys", &["id"], keys))
        .await?;
    manager.create_index(unique("tracking_keys", &["key"])).await?;
    dialect::index_where(
        manager,
        "tracking_keys",
        &["previous_key"],
        "previous_key IS NOT NULL",
    )
    .await?;

    let visitors = vec![id("id"), text("key"), big("created_at")];
    manager.create_table(table("visitors", &["id"], visitors)).await?;
    manager.create_index(unique("visitors", &["key"])).await?;
    let links = vec![
        id("id"),
        id("visitor_id"),
        id("lead_id"),
        text("told_by"),
        big("linked_at"),
    ];
    manager
        .create_table(table("visitor_links", &["id"], links))
        .await?;
    manager
        .create_index(index("visitor_links", &["visitor_id", "linked_at"]))
        .await?;
    manager.create_index(index("visitor_links", &["lead_id"])).await?;

    let events = "id uuid NOT NULL, type text NOT NULL, told_by text NOT NULL, visitor_id uuid, lead_id uuid, \
        occurred_at bigint NOT NULL, received_at bigint NOT NULL, url text, referrer text, landing_url text, \
        landing_referrer text, properties text NOT NULL, content_id uuid, is_bot boolean NOT NULL, is_machine boolean NOT NULL";
    dialect::growing_table(manager, "events", events).await?;
    // Most events are nobody's for ever: they stand in the index of visitors alone.
    dialect::index_where(
        manager,
        "events",
        &["lead_id", "occurred_at", "id"],
        "lead_id IS NOT NULL",
    )
    .await?;
    // A rule looks at the newest 1,000 of one type.
    dialect::index_where(
        manager,
        "events",
        &["lead_id", "type", "occurred_at", "id"],
        "lead_id IS NOT NULL",
    )
    .await?;
    dialect::index_where(
        manager,
        "events",
        &["visitor_id", "occurred_at"],
        "visitor_id IS NOT NULL",
    )
    .await?;
    // Who saw a piece of content. Few pages are content.
    dialect::index_where(
        manager,
        "events",
        &["content_id", "lead_id", "occurred_at"],
        "content_id IS NOT NULL",
    )
    .await?;
    // What is nobody's is forgotten in the order in which it came.
    dialect::index_where(manager, "events", &["id"], "lead_id IS NULL").await?;
    // Outlives the events: an event is never recorded twice.
    dialect::key_table(manager, table("event_keys", &["hash"], vec![id("hash")])).await?;

    let touches = vec![
        id("id"),
        text("kind"),
        id_or_null("lead_id"),
        id_or_null("visitor_id"),
        big("occurred_at"),
        text_or_null("touch"),
        text_or_null("channel"),
        big_or_null("run_at"),
        big_or_null("ended_at"),
        big_or_null("events"),
        text_or_null("signals"),
    ];
    manager.create_table(table("touches", &["id"], touches)).await?;
    dialect::index_where(
        manager,
        "touches",
        &["lead_id", "occurred_at", "id"],
        "lead_id IS NOT NULL",
    )
    .await?;
    dialect::index_where(
        manager,
        "touches",
        &["visitor_id", "ended_at"],
        "visitor_id IS NOT NULL",
    )
    .await
}
