//! The frozen history of the schema. A migration that has been released is never edited; the next one follows.

mod dialect;
mod m0001_foundation;
mod schema;

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

/// Applies what is missing, in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0001_foundation::Migration)]
    }

    fn migration_table_name() -> DynIden {
        "migrations".into_iden()
    }
}
