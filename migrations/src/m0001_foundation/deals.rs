//! Pipelines, deals, their leads, moves and objections, quotes, promises, revenue; exchange rates.

use sea_orm_migration::prelude::*;

use crate::dialect;
use crate::schema::{big, big_or_null, flag, id, id_or_null, index, table, text, text_or_null};

pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let pipelines = vec![
        id("id"),
        big("version"),
        text("name"),
        flag("is_default"),
        text("stages"),
        big_or_null("archived_at"),
        big("created_at"),
        big("updated_at"),
    ];
    manager
        .create_table(table("pipelines", &["id"], pipelines))
        .await?;
    dialect::unique_where(manager, "pipelines", &["is_default"], "is_default").await?;

    let deals = vec![
        id("id"),
        big("version"),
        text_or_null("external_system"),
        text_or_null("external_id"),
        text("name"),
        id("pipeline_id"),
        text("stage"),
        big("stage_since"),
        text("state"),
        big_or_null("amount"),
        text_or_null("currency"),
        text_or_null("recurring"),
        text_or_null("expected_close_on"),
        id_or_null("owner_id"),
        id_or_null("company_id"),
        id_or_null("primary_lead_id"),
        big_or_null("cycle"),
        big_or_null("closed_at"),
        text_or_null("reason"),
        text_or_null("competitor"),
        text_or_null("closed_from"),
        big_or_null("base_amount"),
        text_or_null("base_currency"),
        text_or_null("rate"),
        flag("moved_lead"),
        big("opened_at"),
        big("created_at"),
        big("updated_at"),
    ];
    manager.create_table(table("deals", &["id"], deals)).await?;
    for columns in [
        &["state", "id"][..],
        &["pipeline_id", "stage", "id"],
        &["owner_id", "id"],
        &["company_id", "id"],
        &["currency", "amount", "id"],
        &["primary_lead_id", "id"],
        &["created_at", "id"],
        &["updated_at", "id"],
        &["opened_at", "id"],
        &["state", "closed_at", "id"],
        &["state", "expected_close_on", "id"],
    ] {
        manager.create_index(index("deals", columns)).await?;
    }
    dialect::unique_where(
        manager,
        "deals",
        &["external_system", "external_id"],
        "external_id IS NOT NULL",
    )
    .await?;

    let deal_leads = vec![
        id("deal_id"),
        id("lead_id"),
        text_or_null("role"),
        big("position"),
    ];
    dialect::key_table(manager, table("deal_leads", &["deal_id", "lead_id"], deal_leads)).await?;
    manager
        .create_index(index("deal_leads", &["lead_id", "deal_id"]))
        .await?;

    // What a move did to the revenue stands with it: closed months stay as they were.
    let deal_moves = vec![
        id("id"),
        id("deal_id"),
        text_or_null("from_stage"),
        text("to_stage"),
        big("at"),
        text("actor_kind"),
        text("actor_id"),
        id_or_null("on_behalf_of"),
        text_or_null("reason"),
        text_or_null("note"),
        big_or_null("revenue"),
        text_or_null("currency"),
        big_or_null("base_revenue"),
        text_or_null("base_currency"),
        text_or_null("rate"),
    ];
    manager
        .create_table(table("deal_moves", &["id"], deal_moves))
        .await?;
    manager
        .create_index(index("deal_moves", &["deal_id", "at", "id"]))
        .await?;
    dialect::index_where(manager, "deal_moves", &["at", "id"], "revenue IS NOT NULL").await?;

    let objections = vec![
        id("deal_id"),
        big("position"),
        id_or_null("lead_id"),
        big("occurred_at"),
        text_or_null("code"),
        text_or_null("text"),
        text_or_null("text_key"),
        text_or_null("quote"),
    ];
    manager
        .create_table(table("deal_objections", &["deal_id", "position"], objections))
        .await?;
    for columns in [&["code", "occurred_at"][..], &["lead_id"]] {
        manager.create_index(index("deal_objections", columns)).await?;
    }
    super::activities::unmapped(manager, "deal_objections").await?;

    let promises = vec![
        id("id"),
        big("version"),
        text("text"),
        text_or_null("due_on"),
        big_or_null("done_at"),
        id_or_null("activity_id"),
        id_or_null("deal_id"),
        id_or_null("lead_id"),
        id_or_null("company_id"),
        big_or_null("archived_at"),
        big("created_at"),
        big("updated_at"),
    ];
    manager.create_table(table("promises", &["id"], promises)).await?;
    for columns in [
        &["activity_id"][..],
        &["deal_id", "id"],
        &["lead_id", "id"],
        &["company_id", "id"],
    ] {
        manager.create_index(index("promises", columns)).await?;
    }

    let revenue = vec![
        id("id"),
        big("version"),
        id_or_null("company_id"),
        id_or_null("lead_id"),
        text("happened_on"),
        big("amount"),
        text("currency"),
        text("kind"),
        text("external_system"),
        text("external_id"),
        big("created_at"),
        big("updated_at"),
    ];
    manager
        .create_table(table("revenue_entries", &["id"], revenue))
        .await?;
    for columns in [
        &["happened_on", "id"][..],
        &["company_id", "id"],
        &["lead_id", "id"],
    ] {
        manager.create_index(index("revenue_entries", columns)).await?;
    }
    dialect::unique_where(
        manager,
        "revenue_entries",
        &["external_system", "external_id"],
        "external_id IS NOT NULL",
    )
    .await?;

    // The touches of an outcome as they were when it happened, and what it was worth: of cycles that entered mql or sql or
    // ended, by the cycle's id; of deals that were opened, won, lost or opened again, by the move's id.
    let attribution_paths = vec![
        text("outcome"),
        id("id"),
        id_or_null("lead_id"),
        id_or_null("deal_id"),
        id_or_null("reverses"),
        big("at"),
        big("outcome_at"),
        big_or_null("lead_at"),
        big_or_null("deal_at"),
        big_or_null("amount"),
        text_or_null("currency"),
        big_or_null("base_amount"),
        text_or_null("base_currency"),
        text("path"),
        flag("is_imported"),
    ];
    manager
        .create_table(table("attribution_paths", &["outcome", "id"], attribution_paths))
        .await?;
    manager
        .create_index(index("attribution_paths", &["outcome", "at", "id"]))
        .await?;
    for column in ["lead_id", "deal_id"] {
        let some = format!("{column} IS NOT NULL");
        dialect::index_where(manager, "attribution_paths", &[column, "outcome"], &some).await?;
    }

    let quotes = vec![
        id("id"),
        big("version"),
        id("deal_id"),
        text("number"),
        big("amount"),
        text("currency"),
        text_or_null("recurring"),
        text("state"),
        big_or_null("sent_at"),
        text_or_null("valid_until"),
        text_or_null("url"),
        text_or_null("external_system"),
        text_or_null("external_id"),
        big_or_null("closed_at"),
        big("created_at"),
        big("updated_at"),
    ];
    manager.create_table(table("quotes", &["id"], quotes)).await?;
    for columns in [
        &["deal_id", "id"][..],
        &["state", "id"],
        &["state", "valid_until", "id"],
        &["sent_at", "id"],
    ] {
        manager.create_index(index("quotes", columns)).await?;
    }
    dialect::unique_where(
        manager,
        "quotes",
        &["external_system", "external_id"],
        "external_id IS NOT NULL",
    )
    .await?;

    let rates = vec![
        text("from_currency"),
        text("to_currency"),
        text("in_force_on"),
        text("rate"),
    ];
    let key = &["from_currency", "to_currency", "in_force_on"];
    dialect::key_table(manager, table("exchange_rates", key, rates)).await
}
