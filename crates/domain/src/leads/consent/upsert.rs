//! What an upsert says of consent: systems repeat what they know, and only new statements are stored.

use super::{ConsentFact, ConsentState, Standing, StateConsent, address_of, write_down};
use crate::act::Act;
use crate::change::Change;
use crate::id::LeadId;
use crate::instant::Timestamp;
use crate::leads::save::Statement;
use crate::world::World;

/// Keep what an upsert says of consent, as far as it is new. Needs the lead's facts in `world`.
pub(in crate::leads) fn take_over(
    world: &mut World,
    lead_id: LeadId,
    said: &Statement,
    act: &Act,
) -> Vec<Change> {
    let mut changes = vec![];
    for one in &said.consents {
        let one = &StateConsent {
            address: one.address.clone().or_else(|| said.emails.first().cloned()),
            ..one.clone()
        };
        let Some(state) = news(world, lead_id, one, said.observed_at, act.now) else {
            continue;
        };
        let heard_now = state == ConsentState::Disregarded;
        let stated_at = one.stated_at.or(said.observed_at).filter(|_| !heard_now);
        let one = StateConsent {
            stated_at,
            ..one.clone()
        };
        changes.extend(write_down(world, lead_id, [(state, one)], None, act));
    }
    changes
}

/// What an upsert's statement is stored as; `None` if it says nothing new.
///
/// One that bears its instant is a repetition if the same was stated of that very instant. One without may come from a system
/// that repeats day after day what it once heard. So it is new only if the newest statement differs, and it may withdraw
/// what was granted, but not grant what was withdrawn.
fn news(
    world: &World,
    lead_id: LeadId,
    said: &StateConsent,
    observed_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<ConsentState> {
    let address = address_of(world, lead_id, &said.purpose, said.address.as_ref());
    let facts = world.consent_of(lead_id).of(&said.purpose).iter();
    let facts: Vec<&ConsentFact> = facts.filter(|fact| fact.concerns(address.as_deref())).collect();
    let at = said.stated_at.or(observed_at).map(|at| at.min(now));
    let is_same = |fact: &&ConsentFact| fact.state == said.state() && Some(fact.stated_at) == at;
    if facts.iter().any(is_same) {
        return None;
    }
    let standing = Standing::of(facts.iter().copied().cloned());
    match standing.newest().filter(|_| said.stated_at.is_none()) {
        None => Some(said.state()),
        Some(newest) if newest.state != ConsentState::Withdrawn => {
            (!said.granted).then_some(ConsentState::Withdrawn)
        }
        Some(withdrawn) => {
            let is_repeated = |fact: &&ConsentFact| {
                fact.state == ConsentState::Disregarded && fact.stated_at > withdrawn.stated_at
            };
            (said.granted && !facts.iter().any(is_repeated)).then_some(ConsentState::Disregarded)
        }
    }
}
