//! Leads, identifiers, companies, field values, search terms; agreements, stage changes and cycles.

use sea_orm_migration::prelude::*;

use crate::dialect;
use crate::schema::{big, big_or_null, flag, id, id_or_null, index, table, text, text_or_null, unique};

pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let leads = vec![
        id("id"),
        big("version"),
        big("derived"),
        text("stage"),
        big("stage_since"),
        text_or_null("came_from"),
        big("cycle"),
        id_or_null("owner_id"),
        id_or_null("previous_owner_id"),
        big_or_null("nurture_until"),
        id_or_null("company_id"),
        text("name_key"),
        text_or_null("country"),
        text_or_null("source"),
        text_or_null("channel"),
        text("profile"),
        text("custom"),
        text_or_null("first_touch"),
        text_or_null("last_touch"),
        text_or_null("last_non_direct_touch"),
        text_or_null("lead_touch"),
        big_or_null("last_activity_at"),
        big_or_null("returned_at"),
        id_or_null("merged_into"),
        big_or_null("erased_at"),
        big_or_null("archived_at"),
        flag("is_listed"),
        big("created_at"),
        big("updated_at"),
    ];
    manager.create_table(table("leads", &["id"], leads)).await?;
    for columns in [
        &["is_listed", "id"][..],
        &["is_listed", "created_at", "id"],
        &["is_listed", "updated_at", "id"],
        &["is_listed", "name_key", "id"],
        &["is_listed", "stage", "id"],
        &["is_listed", "stage", "created_at", "id"],
        &["is_listed", "stage", "updated_at", "id"],
        &["is_listed", "owner_id", "id"],
        &["is_listed", "owner_id", "updated_at", "id"],
        &["is_listed", "company_id", "id"],
        &["is_listed", "country", "id"],
        &["is_listed", "source", "id"],
        &["company_id", "name_key", "id"],
    ] {
        manager.create_index(index("leads", columns)).await?;
    }
    dialect::index_where(manager, "leads", &["merged_into"], "merged_into IS NOT NULL").await?;
    dialect::index_where(
        manager,
        "leads",
        &["owner_id", "returned_at"],
        "returned_at IS NOT NULL",
    )
    .await?;

    // One row for each lead: what it was judged to be, and from when on that is no longer true if nothing new happens.
    let scores = vec![
        id("lead_id"),
        big("derived"),
        big("fit"),
        big("engagement"),
        big("total"),
        big("exact_fit"),
        big("exact_engagement"),
        text_or_null("band"),
        flag("truncated"),
        text("blocked_by"),
        big_or_null("valid_until"),
        text("segments"),
        big_or_null("history_changed_at"),
        // Whether another record made it untrue.
        flag("is_expired"),
        big("agreement_version"),
        big("revision"),
    ];
    manager
        .create_table(table("scores", &["lead_id"], scores))
        .await?;
    for column in ["total", "fit", "engagement", "band", "revision"] {
        manager
            .create_index(index("scores", &[column, "lead_id"]))
            .await?;
    }
    let segments = vec![
        id("id"),
        big("version"),
        text("name"),
        text_or_null("description"),
        text("condition"),
        big_or_null("archived_at"),
        big("created_at"),
        big("updated_at"),
    ];
    manager.create_table(table("segments", &["id"], segments)).await?;
    let members = vec![id("segment_id"), id("lead_id"), big("since")];
    dialect::key_table(
        manager,
        table("segment_members", &["segment_id", "lead_id"], members),
    )
    .await?;
    manager
        .create_index(index("segment_members", &["lead_id"]))
        .await?;

    let score_history = vec![
        id("id"),
        id("lead_id"),
        big("at"),
        text("cause"),
        big("exact_fit"),
        big("exact_engagement"),
        text_or_null("band"),
        big("agreement_version"),
    ];
    manager
        .create_table(table("score_history", &["id"], score_history))
        .await?;
    manager
        .create_index(index("score_history", &["lead_id", "id"]))
        .await?;
    dialect::index_where(manager, "scores", &["valid_until"], "valid_until IS NOT NULL").await?;
    dialect::index_where(manager, "scores", &["lead_id"], "blocked_by <> ''").await?;

    let identifiers = vec![
        id("id"),
        id("lead_id"),
        text("kind"),
        text("system"),
        text("value"),
        text("source"),
        big("position"),
        big("created_at"),
    ];
    manager
        .create_table(table("identifiers", &["id"], identifiers))
        .await?;
    manager.create_index(index("identifiers", &["lead_id"])).await?;
    manager
        .create_index(index("identifiers", &["kind", "system", "value"]))
        .await?;
    dialect::unique_where(
        manager,
        "identifiers",
        &["kind", "system", "value"],
        "kind <> 'phone'",
    )
    .await?;

    let companies = vec![
        id("id"),
        big("version"),
        text_or_null("domain"),
        text_or_null("name"),
        text("name_key"),
        text_or_null("industry"),
        text_or_null("country"),
        big_or_null("employees"),
        id_or_null("owner_id"),
        big_or_null("archived_at"),
        flag("is_listed"),
        big("created_at"),
        big("updated_at"),
    ];
    manager
        .create_table(table("companies", &["id"], companies))
        .await?;
    manager.create_index(unique("companies", &["domain"])).await?;
    for columns in [
        &["is_listed", "id"][..],
        &["is_listed", "created_at", "id"],
        &["is_listed", "updated_at", "id"],
        &["is_listed", "name_key", "id"],
        &["name_key", "id"],
        &["owner_id", "id"],
    ] {
        manager.create_index(index("companies", columns)).await?;
    }

    let values = vec![
        id("id"),
        id_or_null("lead_id"),
        id_or_null("company_id"),
        text("field"),
        text("value"),
        text("source"),
        big("observed_at"),
        big("recorded_at"),
        text("stated_by"),
    ];
    manager
        .create_table(table("field_values", &["id"], values))
        .await?;
    manager
        .create_index(index(
            "field_values",
            &["lead_id", "field", "source", "observed_at", "id"],
        ))
        .await?;
    manager
        .create_index(index(
            "field_values",
            &["company_id", "field", "source", "observed_at", "id"],
        ))
        .await?;

    // Each word by which a lead is found; `origin` says whether it is its own or its company's.
    let lead_terms = vec![text("term"), id("lead_id"), text("origin")];
    dialect::key_table(
        manager,
        table("lead_terms", &["term", "lead_id", "origin"], lead_terms),
    )
    .await?;
    manager
        .create_index(index("lead_terms", &["lead_id", "term"]))
        .await?;
    let company_terms = vec![text("term"), id("company_id")];
    dialect::key_table(
        manager,
        table("company_terms", &["term", "company_id"], company_terms),
    )
    .await?;
    manager
        .create_index(index("company_terms", &["company_id", "term"]))
        .await?;
    // Companies of many leads that were renamed: up to which lead their new words have come.
    let renamed = vec![id("company_id"), id("mark"), id("done_to")];
    manager
        .create_table(table("renamed_companies", &["company_id"], renamed))
        .await?;

    // Two leads that may be one person, the one with the lower id first.
    let duplicates = vec![
        id("id"),
        big("version"),
        id("lead_id"),
        id("other_lead_id"),
        text("reasons"),
        text("state"),
        big("created_at"),
        big("updated_at"),
    ];
    manager
        .create_table(table("duplicates", &["id"], duplicates))
        .await?;
    manager
        .create_index(unique("duplicates", &["lead_id", "other_lead_id"]))
        .await?;
    manager
        .create_index(index("duplicates", &["other_lead_id"]))
        .await?;
    manager
        .create_index(index("duplicates", &["state", "id"]))
        .await?;

    let agreements = vec![
        big("number"),
        text("state"),
        text("document"),
        big_or_null("based_on"),
        text_or_null("created_by"),
        big("created_at"),
        big_or_null("effective_at"),
        big_or_null("in_force_from"),
        big_or_null("superseded_at"),
        // Counts its edits and signatures.
        big("edits"),
        big("document_version"),
        text("signatures"),
    ];
    manager
        .create_table(table("agreements", &["number"], agreements))
        .await?;

    // `last` is the lead up to which it has come.
    let previews = vec![
        id("id"),
        big("version"),
        big("document_version"),
        text("state"),
        big("from_at"),
        big("to_at"),
        flag("suffices"),
        text("requested_by"),
        big("requested_at"),
        big_or_null("finished_at"),
        big("total"),
        big("done"),
        id_or_null("last"),
        text("figures"),
    ];
    manager.create_table(table("previews", &["id"], previews)).await?;
    manager
        .create_index(index("previews", &["version", "id"]))
        .await?;
    dialect::index_where(manager, "previews", &["id"], "state = 'running'").await?;
    let previewed = vec![
        id("id"),
        id("preview_id"),
        text("list"),
        id("lead_id"),
        big("cycle"),
        big_or_null("would_be_at"),
        big_or_null("made_at"),
        text("evidence"),
        text("blocked_by"),
        text("outcome"),
    ];
    manager
        .create_table(table("previewed_leads", &["id"], previewed))
        .await?;
    manager
        .create_index(index("previewed_leads", &["preview_id", "list", "id"]))
        .await?;
    manager
        .create_index(index("previewed_leads", &["lead_id"]))
        .await?;

    let transitions = vec![
        id("id"),
        id("lead_id"),
        big("cycle"),
        text_or_null("from_stage"),
        text("to_stage"),
        big("at"),
        text("actor_kind"),
        text("actor_id"),
        id_or_null("on_behalf_of"),
        text_or_null("reason"),
        text_or_null("note"),
        big_or_null("until"),
        big("agreement_version"),
        big_or_null("fit"),
        big_or_null("engagement"),
        big_or_null("total"),
        text_or_null("band"),
        text_or_null("rule"),
        text_or_null("evidence"),
        id_or_null("caused_by"),
        big_or_null("caused_at"),
    ];
    manager
        .create_table(table("transitions", &["id"], transitions))
        .await?;
    manager
        .create_index(index("transitions", &["lead_id", "at", "id"]))
        .await?;

    let cycles = vec![
        id("id"),
        id("lead_id"),
        big("number"),
        big("started_at"),
        big_or_null("ended_at"),
        big_or_null("lead_at"),
        big_or_null("mql_at"),
        big_or_null("sal_at"),
        big_or_null("sql_at"),
        big_or_null("opportunity_at"),
        big_or_null("customer_at"),
        big_or_null("nurture_at"),
        big_or_null("disqualified_at"),
        big_or_null("churned_at"),
        big_or_null("lead_left_at"),
        big_or_null("mql_left_at"),
        big_or_null("sal_left_at"),
        big_or_null("sql_left_at"),
        big_or_null("opportunity_left_at"),
        big_or_null("customer_left_at"),
        big("path"),
        text_or_null("last_reason"),
        big("agreement_version"),
        text_or_null("channel"),
        text_or_null("source"),
        text_or_null("campaign"),
        text_or_null("campaign_key"),
        text_or_null("content"),
        id_or_null("form_id"),
        text_or_null("country"),
        id_or_null("owner_id"),
    ];
    manager.create_table(table("cycles", &["id"], cycles)).await?;
    manager
        .create_index(unique("cycles", &["lead_id", "number"]))
        .await?;
    // Covers the funnel by source: counting reads the index alone, in its order.
    manager
        .create_index(index(
            "cycles",
            &["source", "path", "last_reason", "agreement_version", "started_at"],
        ))
        .await?;
    manager.create_index(index("cycles", &["started_at"])).await?;
    // What happened in a period, and whose leads have several cycles: few rows each, and none that capture writes.
    for at in [
        "mql_at",
        "sal_at",
        "sql_at",
        "opportunity_at",
        "customer_at",
        "ended_at",
    ] {
        dialect::index_where(manager, "cycles", &[at], &format!("{at} IS NOT NULL")).await?;
    }
    dialect::index_where(manager, "cycles", &["lead_id"], "number > 1").await
}
