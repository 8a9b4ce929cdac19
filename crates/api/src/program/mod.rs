//! The program around the rooms: configuration, starting and stopping, jobs.

pub mod app;
pub mod config;
pub mod jobs;
pub mod logging;
pub mod metrics;
pub mod serve;
mod upkeep;
