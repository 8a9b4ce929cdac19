//! The edge: requests come in strictly, answers and problems go out in one form.

pub mod address;
pub mod batch;
pub mod bound;
pub mod code;
pub mod connection;
pub mod cors;
mod explain;
pub mod faults;
pub mod filter;
pub mod json;
mod leaks;
pub mod limits;
pub mod listing;
pub mod packed;
pub mod patch;
pub mod problem;
pub mod query;
mod query_shape;
pub mod record;
pub mod reply;
pub mod request;
pub mod routes;
pub mod services;
pub mod shape;
pub mod strict;
pub mod violation;
pub mod walls;
