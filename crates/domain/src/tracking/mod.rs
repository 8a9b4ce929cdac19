//! Where people come from: addresses, click ids, sources, channels, and the touches made of them.

pub mod address;
pub mod channels;
mod clicks;
pub mod sources;
mod touch;

pub use touch::{Visit, touch};
