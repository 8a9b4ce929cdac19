//! Reports: counted by the database, over cycles.

mod evidence;
mod funnel;
mod selection;

pub use evidence::{Figure, evidence, evidence_count};
pub use funnel::{Again, Lengths, Tallied, again, lengths, span, tally};
pub use selection::{Cut, Dimension, Key, Scope, Value};
