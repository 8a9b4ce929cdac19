//! Reviews of both teams: the frozen pack of figures, the records behind each figure, action items.

use sea_orm_migration::prelude::*;

use crate::dialect;
use crate::schema::{big, big_or_null, flag, id, id_or_null, index, table, text, text_or_null};

pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let reviews = vec![
        id("id"),
        big("version"),
        text("from_on"),
        text("to_on"),
        id_or_null("created_by"),
        big("created_at"),
        big("updated_at"),
        big_or_null("held_at"),
        text("attended_by"),
        flag("by_both_managers"),
    ];
    manager.create_table(table("reviews", &["id"], reviews)).await?;
    dialect::index_where(manager, "reviews", &["held_at"], "by_both_managers").await?;

    // Written with the review, and never changed.
    let packs = vec![id("review_id"), text("pack")];
    manager
        .create_table(table("review_packs", &["review_id"], packs))
        .await?;
    let lists = vec![
        id("review_id"),
        big("place"),
        text("path"),
        big("total"),
        text("ids"),
    ];
    manager
        .create_table(table("review_lists", &["review_id", "place"], lists))
        .await?;

    let items = vec![
        id("id"),
        big("version"),
        id("review_id"),
        text("text"),
        id("owner_id"),
        text("due_on"),
        text("state"),
        text_or_null("note"),
        big_or_null("closed_at"),
        big("created_at"),
        big("updated_at"),
    ];
    manager
        .create_table(table("action_items", &["id"], items))
        .await?;
    for columns in [
        &["review_id", "id"][..],
        &["owner_id", "id"],
        &["state", "id"],
        &["due_on", "id"],
    ] {
        manager.create_index(index("action_items", columns)).await?;
    }
    Ok(())
}
