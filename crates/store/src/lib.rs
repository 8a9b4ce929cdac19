//! Persistence of Tandem: SQLite (embedded) and PostgreSQL from one code. Knows rows and statements, no HTTP.

pub mod access;
pub mod agreement;
pub mod backup;
pub mod campaigns;
pub mod capture;
pub mod db;
pub mod deals;
mod dialect;
pub mod duplicates;
pub mod error;
mod handoff;
pub mod holdings;
pub mod horizon;
pub mod idempotency;
pub mod journal;
pub mod leads;
pub mod leases;
pub mod lifecycle;
pub mod page;
mod prepare;
pub mod reports;
pub mod rows;
pub mod rules;
pub mod scoring;
pub mod settings;
pub mod tracking;
pub mod transfer;
mod wal;
mod ways;
mod write;

pub use db::{Db, Read, Snapshot, Tx};
pub use dialect::Server;
pub use error::StoreError;
pub use horizon::{Clock, Horizon};
pub use prepare::prepare;
pub use write::{settle, settle_all, write_history, write_records};
