//! Campaigns, the `utm_campaign` values that they are known by, and their costs.

use sea_orm_migration::prelude::*;

use crate::dialect;
use crate::schema::{big, big_or_null, id, id_or_null, index, table, text, text_or_null, unique};

pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let campaigns = vec![
        id("id"),
        big("version"),
        text("name"),
        text("channel"),
        text("aliases"),
        text("starts_on"),
        text_or_null("ends_on"),
        big_or_null("budget"),
        text_or_null("budget_currency"),
        id_or_null("owner_id"),
        id_or_null("parent_id"),
        text_or_null("brief"),
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
    manager
        .create_index(index("campaigns", &["parent_id", "id"]))
        .await?;
    manager
        .create_index(index("campaigns", &["starts_on", "id"]))
        .await?;

    // By the compared form: no two campaigns share one.
    let aliases = vec![text("alias_key"), id("campaign_id")];
    dialect::key_table(manager, table("campaign_aliases", &["alias_key"], aliases)).await?;
    manager
        .create_index(index("campaign_aliases", &["campaign_id"]))
        .await?;

    let costs = vec![
        id("id"),
        id("campaign_id"),
        text("spent_on"),
        big("amount"),
        text("currency"),
    ];
    manager
        .create_table(table("campaign_costs", &["id"], costs))
        .await?;
    manager
        .create_index(index("campaign_costs", &["spent_on"]))
        .await?;
    manager
        .create_index(unique("campaign_costs", &["campaign_id", "spent_on"]))
        .await
}
