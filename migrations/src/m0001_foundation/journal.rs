//! The journal and, apart from it, the values that erasure must find.

use sea_orm_migration::prelude::*;

use crate::dialect;
use crate::schema::index;

pub async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let journal = "id uuid NOT NULL, epoch bigint NOT NULL, xid bigint NOT NULL, seq bigint NOT NULL, \
        type text NOT NULL, subject_kind text NOT NULL, subject_id text NOT NULL, subject_version bigint NOT NULL, \
        lead_id uuid, actor_kind text NOT NULL, actor_id text NOT NULL, on_behalf_of uuid, \
        occurred_at bigint NOT NULL, request_id text NOT NULL, fields text NOT NULL, agreement_version bigint, \
        is_imported boolean NOT NULL";
    dialect::growing_table(manager, "journal", journal).await?;
    dialect::journal_sequence(manager).await?;
    for columns in [
        &["epoch", "xid", "seq"][..],
        &["lead_id", "occurred_at", "id"],
        &["subject_id", "id"],
        &["actor_id", "id"],
        &["type", "id"],
    ] {
        manager.create_index(index("journal", columns)).await?;
    }
    let values = "id uuid NOT NULL, lead_id uuid, before_values text, after_values text, data text NOT NULL";
    dialect::growing_table(manager, "journal_values", values).await?;
    manager.create_index(index("journal_values", &["lead_id"])).await
}
