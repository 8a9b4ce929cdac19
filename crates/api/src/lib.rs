//! The HTTP interface, background jobs and command line of Tandem. Knows no SQL.

pub mod access;
pub mod agreement;
pub mod ambient;
pub mod app;
pub mod campaigns;
pub mod capture;
pub mod commands;
pub mod config;
pub mod crypto;
pub mod ctx;
pub mod deals;
pub mod duplicates;
pub mod http;
pub mod jobs;
pub mod journal;
pub mod leads;
pub mod lifecycle;
pub mod logging;
pub mod metrics;
pub mod openapi;
pub mod operation;
pub mod reports;
pub mod serve;
pub mod settings;
pub mod tracking;
pub mod transfer;
