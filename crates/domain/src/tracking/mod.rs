//! Where people come from: addresses, click ids, sources, channels, and the touches made of them; visitors, what they
//! do, and whom they are linked to.

pub mod address;
pub mod change;
pub mod channels;
mod clicks;
pub mod events;
pub mod keys;
pub mod record;
mod rules;
pub mod sessions;
pub mod sources;
pub mod streams;
mod touch;
pub mod visitor;
pub mod visitors;

pub use rules::{IgnoredReferrers, TouchRules};
pub use touch::Report;
