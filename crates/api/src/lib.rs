//! The HTTP interface and background jobs of Tandem. Knows no SQL.

pub mod access;
pub mod activities;
pub mod agreement;
pub mod ambient;
pub mod campaigns;
pub mod capture;
pub mod clocks;
pub mod deals;
pub mod duplicates;
pub mod edge;
pub mod handoff;
pub mod journal;
pub mod leads;
pub mod lifecycle;
pub mod notices;
pub mod operation;
pub mod program;
pub mod reports;
pub mod routing;
pub mod segments;
pub mod settings;
pub mod tracking;
pub mod transfer;
pub mod work;
