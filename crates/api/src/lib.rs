//! The HTTP interface and background jobs of Tandem. Knows no SQL.

pub mod access;
mod activities;
mod agreement;
pub mod ambient;
mod campaigns;
pub mod capture;
mod clocks;
mod content;
mod deals;
mod duplicates;
pub mod edge;
mod handoff;
pub mod journal;
mod leads;
mod lifecycle;
mod notices;
mod operation;
pub mod program;
mod reports;
mod routing;
mod segments;
mod settings;
mod tracking;
pub mod transfer;
mod work;
