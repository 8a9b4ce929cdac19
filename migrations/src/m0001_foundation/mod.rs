//! The first schema: access, settings, leads, stages, campaigns, capture, deals, hand-offs, imports, journal.

mod access;
mod activities;
mod campaigns;
mod capture;
mod consents;
mod content;
mod deals;
mod journal;
mod leads;
mod reviews;
mod sales;
mod tracking;
mod transfer;

use sea_orm_migration::prelude::*;

use crate::dialect;

/// The first schema.
#[derive(Debug)]
pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0001_foundation"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        access::up(manager).await?;
        leads::up(manager).await?;
        campaigns::up(manager).await?;
        content::up(manager).await?;
        consents::up(manager).await?;
        capture::up(manager).await?;
        deals::up(manager).await?;
        sales::up(manager).await?;
        activities::up(manager).await?;
        reviews::up(manager).await?;
        transfer::up(manager).await?;
        journal::up(manager).await?;
        tracking::up(manager).await?;
        dialect::compare_by_bytes(manager).await
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration(
            "the schema only goes forward; restore a backup".into(),
        ))
    }
}
