//! Behaviour over HTTP, on both databases. Every answer is held against the published document on the way.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod access;
mod bad_input;
mod campaigns;
mod capture;
mod capture_batches;
mod capture_pages;
mod capture_spam;
mod companies;
mod consent;
mod deals;
mod demo;
mod duplicates;
mod examples;
mod funnel;
mod idempotency;
mod imports;
mod imports_history;
mod journal;
mod keys;
mod leads;
mod lists;
mod matrix;
mod model;
mod operation;
mod pipelines;
mod races;
mod reports;
mod script;
mod settings;
mod stages;
mod told;
mod trace;
mod tracked;
mod tracking;
mod users;
