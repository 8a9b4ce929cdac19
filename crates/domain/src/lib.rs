//! The rules of Tandem: pure functions and types. No I/O, no async, no clock, no chance.
//!
//! Facts come in, a decision goes out: rules take a [`world::World`] of loaded facts, an instant and
//! [`id::Ids`], and return what happened as [`change::Change`] values. See ARCHITECTURE.md.

pub mod access;
pub mod act;
pub mod activities;
pub mod agreement;
pub mod campaigns;
pub mod capture;
pub mod change;
pub mod clocks;
pub mod content;
pub mod deals;
pub mod duration;
pub mod fault;
pub mod handoff;
pub mod id;
pub mod instant;
pub mod journal;
pub mod judge;
pub mod leads;
pub mod lifecycle;
pub mod money;
pub mod notices;
pub mod record;
pub mod reports;
pub mod role;
pub mod routing;
pub mod scoring;
pub mod segments;
pub mod settings;
pub mod settle;
pub mod stage;
pub mod tracking;
pub mod transfer;
mod words;
pub mod work;
pub mod world;
