//! Files that are imported: the pieces that are stored until the end, and the rows that were rejected.

use sea_orm_migration::prelude::*;

use crate::schema::{big, big_or_null, flag, id, id_or_null, index, table, text, text_or_null};

pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let imports = vec![
        id("id"),
        text("kind"),
        text("mode"),
        flag("is_dry_run"),
        text("state"),
        text_or_null("mapping"),
        text("file"),
        big("rows_read"),
        big("created"),
        big("updated"),
        big("unchanged"),
        big("rejected"),
        big("warnings"),
        text_or_null("failure"),
        text("actor_kind"),
        text("actor_id"),
        id_or_null("on_behalf_of"),
        text("digest"),
        big("chunks"),
        big("bytes"),
        big("created_at"),
        big_or_null("started_at"),
        big_or_null("ended_at"),
    ];
    manager.create_table(table("imports", &["id"], imports)).await?;
    manager.create_index(index("imports", &["state", "id"])).await?;
    manager.create_index(index("imports", &["digest", "id"])).await?;

    // The file as it came, in pieces; base64 is text on both databases.
    let chunks = vec![id("import_id"), big("number"), text("content"), big("created_at")];
    manager
        .create_table(table("import_chunks", &["import_id", "number"], chunks))
        .await?;
    manager
        .create_index(index("import_chunks", &["created_at"]))
        .await?;

    let rejects = vec![
        id("import_id"),
        big("row"),
        big("line"),
        flag("is_kept"),
        text("code"),
        text("detail"),
        text("cells"),
    ];
    manager
        .create_table(table("import_rejects", &["import_id", "is_kept", "row"], rejects))
        .await?;

    // The statements of imports about the stages of leads, from which stage changes and cycles are derived.
    let statements = vec![
        id("lead_id"),
        text("key"),
        text("kind"),
        text("to_stage"),
        id_or_null("deal_id"),
        big("at"),
        text_or_null("from_stage"),
        text_or_null("reason"),
        text_or_null("note"),
        id_or_null("owner_id"),
        id("import_id"),
        big_or_null("deal_version"),
    ];
    manager
        .create_table(table("past_statements", &["lead_id", "key"], statements))
        .await
}
