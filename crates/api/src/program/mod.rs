//! The program around the rooms: configuration, starting and stopping, jobs, command line.

pub mod app;
pub mod commands;
pub mod config;
pub mod jobs;
pub mod logging;
pub mod metrics;
pub mod serve;
