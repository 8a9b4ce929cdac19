//! The program as a process, and the year that its demo makes, on both databases.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod commands;
mod demo;
mod readme;
