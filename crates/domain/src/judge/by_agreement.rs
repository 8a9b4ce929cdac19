//! Leads by the agreement in force: their scores, and who becomes an MQL by rule.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{are_loaded, fields};
use super::{Cause, Needs, Rule, Rulebook};
use crate::access::Actor;
use crate::act::Act;
use crate::agreement::conditions::{Evidence, Facts, Field, Standard};
use crate::change::Change;
use crate::handoff::is_disputed;
use crate::id::{EventId, LeadId, SegmentId};

use crate::instant::Timestamp;
use crate::leads::Lead;
use crate::leads::change::LeadChange;
use crate::lifecycle::mql::{Readiness, Wait};
use crate::lifecycle::{ByRule, CausedBy, Step, take};
use crate::scoring::{Score, ScoreCause, ScoreRecord, StoredScore};
use crate::stage::Stage;
use crate::world::World;

/// Scores, and the move to MQL by rule, at once when the agreement's conditions hold.
#[derive(Debug)]
pub(super) struct ByAgreement;

/// What the agreement says of a lead at an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// The score with its contributions.
    pub score: Score,
    /// What is stored of it.
    pub stored: StoredScore,
    /// The segments that it is in.
    pub segments: BTreeSet<SegmentId>,
    /// Why the lead becomes an MQL now; nothing where it does not.
    becomes_mql: Option<ByRule>,
}

/// What the agreement in force says of a loaded lead whose history is loaded.
pub fn assess(world: &mut World, lead_id: LeadId, at: Timestamp) -> Option<Assessment> {
    let version = world.rules.agreement.clone();
    let mut facts = fields(world, world.leads.get(&lead_id)?, &version.rules.needs);
    // The history is lent and not copied: it may hold thousands of events.
    let place = world.judging.histories.entry(lead_id).or_default();
    facts.histories = std::mem::take(place);
    let readiness = Readiness::of(&mut facts, &version.rules, at);
    let assessment = world.leads.get(&lead_id).and_then(|lead| {
        let wait = Wait::of(lead, world.cycles.get(&lead_id)?, &facts, &version, at);
        let stored = StoredScore::of(&readiness.score, version.number, version.revision);
        Some(assessed(lead, readiness, wait, stored, &facts))
    });
    world.judging.histories.insert(lead_id, facts.histories);
    assessment
}

fn assessed(
    lead: &Lead,
    readiness: Readiness,
    wait: Wait,
    mut stored: StoredScore,
    facts: &Facts,
) -> Assessment {
    let becomes_mql = (readiness.is_ready && wait.is_over).then(|| because(&readiness, facts));
    let ends = [stored.valid_until, readiness.memberships.valid_until];
    stored.valid_until = ends.into_iter().flatten().min();
    let may_become = matches!(lead.stage, Stage::Lead | Stage::Nurture) && lead.archived_at.is_none();
    if may_become && becomes_mql.is_none() {
        stored.blocked_by = readiness.blocked_by;
        stored.truncated = readiness.truncated;
        let ends = [readiness.valid_until, wait.valid_until];
        stored.valid_until = ends.into_iter().flatten().min();
    }
    Assessment {
        score: readiness.score,
        stored,
        segments: readiness.memberships.ids,
        becomes_mql,
    }
}

/// What decided, and the newest event among it.
fn because(readiness: &Readiness, facts: &Facts) -> ByRule {
    let mut ids: Vec<EventId> = vec![];
    for part in &readiness.evidence {
        match part {
            Evidence::Events { event_ids, .. } => ids.extend(event_ids),
            Evidence::Score { .. } | Evidence::Band { .. } => {
                let contributions = readiness.score.contributions.iter();
                ids.extend(contributions.flat_map(|contribution| &contribution.event_ids));
            }
            _ => {}
        }
    }
    ByRule {
        rule: ByRule::MQL.into(),
        evidence: readiness.evidence.clone(),
        caused_by: facts.newest_of(&ids).map(|event| CausedBy {
            event_id: event.id,
            occurred_at: event.at,
        }),
    }
}

impl Cause {
    /// Whether the agreement's rules look at anything of what happened.
    fn concerns(&self, needs: &crate::agreement::conditions::Needs) -> bool {
        let last_activity = Field::Standard(Standard::LastActivityAt);
        self.is_stated
            || self.events.iter().any(|kind| needs.events.contains_key(kind))
            || !self.events.is_empty() && needs.fields.contains(&last_activity)
            || self.touches && needs.touches
            || self.contacts && needs.events.keys().any(|kind| kind.as_activity().is_some())
    }
}

impl Rule for ByAgreement {
    fn needs(&self, world: &World, cause: &Cause, _: &Rulebook<'_>) -> Needs {
        let mut needs = Needs::default();
        let looked_at = &world.rules.agreement.rules.needs;
        if !cause.concerns(looked_at) {
            return needs;
        }
        if !are_loaded(world, cause.lead_id, looked_at) {
            needs.judging.insert(cause.lead_id);
        }
        // A rejection may be disputed.
        let was_rejected = |lead: &Lead| lead.stage == Stage::Nurture && lead.came_from == Some(Stage::Mql);
        let lead = world.leads.get(&cause.lead_id);
        if lead.is_some_and(was_rejected) && !world.sales.loaded.contains(&cause.lead_id) {
            needs.sales.insert(cause.lead_id);
        }
        needs
    }

    fn decide(&self, world: &mut World, cause: &Cause, _: &Rulebook<'_>, act: &Act) -> Vec<Change> {
        let lead_id = cause.lead_id;
        if !cause.concerns(&world.rules.agreement.rules.needs) {
            return vec![];
        }
        let Some(Assessment {
            stored,
            segments,
            becomes_mql,
            ..
        }) = assess(world, lead_id, act.now)
        else {
            return vec![];
        };
        let mut changes = keep(world, lead_id, stored, &segments, cause, act);
        // While the last rejection is disputed, no rule starts a new cycle.
        if let Some(by_rule) = becomes_mql.filter(|_| !is_disputed(world, lead_id)) {
            let act = act.with_actor(Actor::System("agreement"));
            let known = world.leads.get(&lead_id).map_or(act.now, |lead| lead.updated_at);
            // Another machine's clock may have been ahead: a lead's time does not run backwards.
            let at = act.now.max(known);
            let step = Step {
                by_rule: Some(by_rule),
                ..Step::plain(Stage::Mql, at, at)
            };
            changes.extend(take(world, lead_id, step, &act.not_before(known)));
        }
        changes
    }
}

/// Store a score where anything of it differs from what is stored.
fn keep(
    world: &mut World,
    lead_id: LeadId,
    mut score: StoredScore,
    segments: &BTreeSet<SegmentId>,
    cause: &Cause,
    act: &Act,
) -> Vec<Change> {
    let known = world.judging.scores.get(&lead_id);
    let before = known.map(|known| known.segments.clone()).unwrap_or_default();
    let since = |id: &SegmentId| (*id, before.get(id).copied().unwrap_or(act.now));
    score.segments = segments.iter().map(since).collect();
    let why = why(cause, known, &score);
    let is_late = cause.changes_past && !cause.is_new;
    score.history_changed_at = match is_late {
        true => Some(act.now),
        false => known.and_then(|known| known.history_changed_at),
    };
    let mut is_recorded = true;
    let mut band_before = None;
    if let Some(known) = known {
        let is_same = score.shows_the_same_as(known);
        let is_as_stored = known.revision == score.revision && !known.is_expired;
        if is_same && is_as_stored && known.segments == score.segments {
            return vec![];
        }
        score.derived = known.derived + i64::from(!is_same);
        let has_other_band = known.band != score.band;
        band_before = known.band.clone().filter(|_| has_other_band);
        is_recorded = has_other_band || why != ScoreCause::Time && known.exact != score.exact;
    }
    world.judging.scores.insert(lead_id, score.clone());
    let now = score.segments.clone();
    let version = world.leads.get(&lead_id).map_or(0, |lead| lead.version);
    let record = is_recorded.then(|| ScoreRecord {
        id: act.ids.next(),
        lead_id,
        at: act.now,
        cause: why,
        exact: score.exact,
        band: score.band.clone(),
        agreement_version: score.agreement_version,
    });
    let scored = LeadChange::Scored {
        lead_id,
        version,
        score: Box::new(score),
        band_before,
        record: record.map(Box::new),
    };
    let mut changes = vec![scored.into()];
    if now.keys().ne(before.keys()) {
        let other = |one: &BTreeMap<SegmentId, Timestamp>, other: &BTreeMap<SegmentId, Timestamp>| {
            let new = one.keys().filter(|id| !other.contains_key(id));
            new.copied().collect()
        };
        let segmented = LeadChange::Segmented {
            lead_id,
            version,
            entered: other(&now, &before),
            left: other(&before, &now),
            now,
        };
        changes.push(segmented.into());
    }
    changes
}

/// The segments of a lead that a rule moved: they may name its stage.
#[derive(Debug)]
pub(super) struct Segments;

impl Segments {
    fn is_asked(world: &World, cause: &Cause) -> bool {
        cause.moved_by_rule && !world.rules.agreement.rules.segments.is_empty()
    }
}

impl Rule for Segments {
    fn needs(&self, world: &World, cause: &Cause, _: &Rulebook<'_>) -> Needs {
        let mut needs = Needs::default();
        let looked_at = &world.rules.agreement.rules.needs;
        if Self::is_asked(world, cause) && !are_loaded(world, cause.lead_id, looked_at) {
            needs.judging.insert(cause.lead_id);
        }
        needs
    }

    fn decide(&self, world: &mut World, cause: &Cause, _: &Rulebook<'_>, act: &Act) -> Vec<Change> {
        if !Self::is_asked(world, cause) {
            return vec![];
        }
        let assessed = assess(world, cause.lead_id, act.now);
        assessed.map_or(vec![], |of| {
            keep(world, cause.lead_id, of.stored, &of.segments, cause, act)
        })
    }
}

/// Why a score is another one.
fn why(cause: &Cause, known: Option<&StoredScore>, score: &StoredScore) -> ScoreCause {
    match known {
        None => ScoreCause::Created,
        Some(_) if cause.is_new => ScoreCause::Created,
        Some(known) if cause.is_refreshed && known.revision < score.revision => ScoreCause::Agreement,
        Some(known) if cause.is_refreshed && known.is_expired => ScoreCause::Company,
        Some(_) if cause.is_refreshed => ScoreCause::Time,
        Some(_) if cause.sends_form => ScoreCause::Submission,
        Some(_) if !cause.events.is_empty() || cause.adopts => ScoreCause::Event,
        Some(_) if cause.contacts => ScoreCause::Activity,
        Some(_) => ScoreCause::Record,
    }
}

#[cfg(test)]
mod tests;
