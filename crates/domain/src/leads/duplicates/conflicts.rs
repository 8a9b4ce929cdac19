//! Leads that a refused statement named as one: suggested at once, since no comparison would find them.

use std::collections::BTreeSet;

use super::{Duplicate, DuplicateChange, DuplicateState, Found, Reason, first};
use crate::id::{Ids, LeadId};
use crate::instant::Timestamp;
use crate::world::World;

/// The pairs of leads that one refused statement names: the eldest with each of the others, of those that are not
/// archived.
pub fn named_as_one<'a>(world: &World, conflicts: impl IntoIterator<Item = &'a Vec<LeadId>>) -> Found {
    let mut found = Found::new();
    for named in conflicts {
        let is_there = |id: &LeadId| world.leads.get(id).is_some_and(|lead| lead.archived_at.is_none());
        let named: BTreeSet<LeadId> = named.iter().copied().filter(is_there).collect();
        let Some(eldest) = named.first().copied() else {
            continue;
        };
        let others = named.into_iter().skip(1);
        found.extend(others.map(|other| ((eldest, other), BTreeSet::from([Reason::IdentifiersConflict]))));
    }
    found
}

/// The changes of the suggestions about leads that a statement named as one: each pair is suggested once, and a
/// dismissed suggestion stays dismissed.
pub fn suggest(known: Vec<Duplicate>, mut told: Found, now: Timestamp, ids: &Ids) -> Vec<DuplicateChange> {
    let mut changes = vec![];
    for duplicate in known {
        let Some(reasons) = told.remove(&duplicate.leads) else {
            continue;
        };
        if duplicate.state != DuplicateState::Dismissed {
            // Of what was withdrawn nothing speaks any more but this.
            let still = match duplicate.state {
                DuplicateState::Open => duplicate.reasons.clone(),
                _ => BTreeSet::new(),
            };
            let reasons = still.into_iter().chain(reasons).collect();
            changes.extend(duplicate.becomes(DuplicateState::Open, reasons, now));
        }
    }
    changes.extend(
        told.into_iter()
            .map(|(leads, reasons)| first(leads, reasons, now, ids)),
    );
    changes
}
