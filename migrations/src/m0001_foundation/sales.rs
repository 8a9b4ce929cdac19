//! What sales works on: hand-offs with their packets, clocks, notices.

use sea_orm_migration::prelude::*;

use crate::dialect;
use crate::schema::{big, big_or_null, flag, id, id_or_null, index, table, text, text_or_null, unique};

pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let handoffs = vec![
        id("id"),
        big("version"),
        id("lead_id"),
        id_or_null("company_id"),
        big("cycle"),
        text("state"),
        big("made_at"),
        id_or_null("made_by"),
        flag("self_sourced"),
        flag("imported"),
        id_or_null("owner_id"),
        text_or_null("queue"),
        big_or_null("assigned_at"),
        big_or_null("decided_at"),
        id_or_null("decided_by"),
        text_or_null("reason"),
        text_or_null("note"),
        big_or_null("until"),
        id_or_null("evidence_activity_id"),
        big_or_null("opened_at"),
        id_or_null("opened_by"),
        big_or_null("first_contact_at"),
        // The greatest value where no review is promised.
        big("due_at"),
        text_or_null("void_reason"),
        id_or_null("joins_deal_id"),
        id_or_null("joins_lead_id"),
        id_or_null("taken_from"),
        id_or_null("disputed_by"),
        big_or_null("disputed_at"),
        text_or_null("argument"),
        id_or_null("ruled_by"),
        big_or_null("ruled_at"),
        text_or_null("ruling_note"),
        // When those who can rule on an open dispute are reminded.
        big_or_null("remind_at"),
        big("agreement_version"),
        id_or_null("routing_decision_id"),
        big("updated_at"),
    ];
    manager.create_table(table("handoffs", &["id"], handoffs)).await?;
    manager
        .create_index(unique("handoffs", &["lead_id", "cycle"]))
        .await?;
    for columns in [
        &["made_at", "id"][..],
        &["due_at", "id"],
        &["state", "made_at", "id"],
        &["state", "due_at", "id"],
        &["owner_id", "state", "made_at", "id"],
        &["reason", "made_at", "id"],
    ] {
        manager.create_index(index("handoffs", columns)).await?;
    }
    dialect::index_where(
        manager,
        "handoffs",
        &["queue", "made_at", "id"],
        "queue IS NOT NULL",
    )
    .await?;
    dialect::index_where(
        manager,
        "handoffs",
        &["company_id", "id"],
        "company_id IS NOT NULL",
    )
    .await?;

    dialect::index_where(manager, "handoffs", &["remind_at"], "remind_at IS NOT NULL").await?;

    // Frozen: written with the hand-off, emptied by erasure, changed by nothing else.
    let packets = vec![
        id("handoff_id"),
        id("lead_id"),
        big("packet_version"),
        text("packet"),
    ];
    manager
        .create_table(table("handoff_packets", &["handoff_id"], packets))
        .await?;

    let decisions = vec![
        id("id"),
        id("lead_id"),
        big("at"),
        id_or_null("owner_id"),
        text_or_null("queue"),
        text("rules"),
        id_or_null("team_id"),
        text_or_null("turn"),
    ];
    manager
        .create_table(table("routing_decisions", &["id"], decisions))
        .await?;
    manager
        .create_index(index("routing_decisions", &["lead_id", "id"]))
        .await?;
    let turns = vec![id("team_id"), text("turns"), big("updated_at")];
    manager
        .create_table(table("team_turns", &["team_id"], turns))
        .await?;
    let availability = vec![id("id"), big("version"), text("details"), big("updated_at")];
    manager
        .create_table(table("availability", &["id"], availability))
        .await?;
    // Appended only, and deleted by the job that looks: nobody waits for a row of another. A look that had no room for all
    // goes on behind the hand-off that it came to.
    let marks = vec![
        id("id"),
        big("at"),
        big_or_null("after_made_at"),
        id_or_null("after_id"),
    ];
    manager.create_table(table("queue_marks", &["id"], marks)).await?;
    manager.create_index(index("queue_marks", &["at"])).await?;

    let qualifications = vec![
        id("lead_id"),
        text("item"),
        text_or_null("value"),
        text_or_null("note"),
        text("source"),
        text("stated_by"),
        big("stated_at"),
        big_or_null("confirmed_cycle"),
        id_or_null("confirmed_by"),
        big_or_null("confirmed_at"),
    ];
    manager
        .create_table(table("qualifications", &["lead_id", "item"], qualifications))
        .await?;

    let clocks = vec![
        id("id"),
        big("version"),
        text("kind"),
        text("side"),
        text("state"),
        id_or_null("lead_id"),
        id_or_null("handoff_id"),
        id_or_null("deal_id"),
        id_or_null("owner_id"),
        text_or_null("queue"),
        big_or_null("quota_count"),
        big_or_null("quota_days"),
        big("started_at"),
        big("warn_at"),
        big("due_at"),
        // When something fires by itself next.
        big_or_null("next_look"),
        big_or_null("act_at"),
        big_or_null("met_at"),
        big_or_null("breached_at"),
        big_or_null("ended_at"),
        text_or_null("ended_how"),
        flag("has_warned"),
        flag("has_breached"),
        big("agreement_version"),
    ];
    manager.create_table(table("clocks", &["id"], clocks)).await?;
    dialect::index_where(manager, "clocks", &["next_look"], "next_look IS NOT NULL").await?;
    for columns in [
        &["state", "due_at", "id"][..],
        &["owner_id", "state", "due_at", "id"],
        &["kind", "due_at", "id"],
        &["due_at", "id"],
        &["lead_id", "id"],
    ] {
        manager.create_index(index("clocks", columns)).await?;
    }
    dialect::index_where(manager, "clocks", &["handoff_id"], "handoff_id IS NOT NULL").await?;
    dialect::index_where(manager, "clocks", &["deal_id"], "deal_id IS NOT NULL").await?;

    let notices = vec![
        id("id"),
        id("user_id"),
        text("kind"),
        big("at"),
        text("subject_type"),
        text("subject_id"),
        id_or_null("lead_id"),
        text_or_null("act"),
        big_or_null("read_at"),
    ];
    manager.create_table(table("notices", &["id"], notices)).await?;
    manager
        .create_index(index("notices", &["user_id", "at", "id"]))
        .await?;
    dialect::index_where(manager, "notices", &["user_id", "at"], "read_at IS NULL").await?;
    manager.create_index(index("notices", &["at"])).await
}
