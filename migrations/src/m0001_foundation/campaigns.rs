//! Campaigns and the `utm_campaign` values that they are known by.

use sea_orm_migration::prelude::*;

use crate::dialect;
use crate::schema::{big, big_or_null, id, index, table, text, text_or_null};

pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let campaigns = vec![
        id("id"),
        big("version"),
        text("name"),
        text("channel"),
        text("aliases"),
        text("starts_on"),
        text_or_null("ends_on"),
        big_or_null("archived_at"),
        big("created_at"),
        big("updated_at"),
    ];
    manager
        .create_table(table("campaigns", &["id"], campaigns))
        .await?;
    manager
        .create_index(index("campaigns", &["channel", "id"]))
        .await?;

    // By the compared form: no two campaigns share one.
    let aliases = vec![text("alias_key"), id("campaign_id")];
    dialect::key_table(manager, table("campaign_aliases", &["alias_key"], aliases)).await?;
    manager
        .create_index(index("campaign_aliases", &["campaign_id"]))
        .await
}
