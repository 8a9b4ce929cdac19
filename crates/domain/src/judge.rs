//! The one answer to any change of a lead: every writer calls it, nothing else moves a lead by rule.

use crate::act::Act;
use crate::agreement::Version;
use crate::change::Change;
use crate::id::LeadId;
use crate::world::World;

/// What leads are judged by: the agreement in force, compiled.
#[derive(Debug)]
pub struct Rulebook<'a> {
    /// The agreement in force.
    pub agreement: &'a Version,
}

/// Judge a lead anew after something changed.
///
/// The provisional agreement has no rules: no score, no condition for MQL, no clocks. So nothing follows from a
/// change yet, and a lead moves by hand only.
pub fn judge(_: &mut World, _: LeadId, _: &Rulebook<'_>, _: &Act) -> Vec<Change> {
    vec![]
}
