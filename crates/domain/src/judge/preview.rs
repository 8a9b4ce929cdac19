//! Preview: what an agreement would have done to a lead, judged at every arrival as live, and compared with what really happened.

use super::past::{Background, Past, Sight, Then, is_open, next_cycle};
use crate::agreement::Version;
use crate::agreement::conditions::{Evidence, Field, Standard};
use crate::agreement::preview::{CycleOutcome, PreviewList};
use crate::instant::Timestamp;
use crate::leads::Lead;
use crate::lifecycle::mql::{Readiness, Wait};
use crate::stage::Stage;

/// What an agreement would have done to a lead in one cycle, compared with what really happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The cycle in which it became an MQL, or would have.
    pub cycle: i64,
    /// Which list it is on.
    pub list: PreviewList,
    /// When the agreement would have made it an MQL.
    pub would_be_at: Option<Timestamp>,
    /// When the rule of then made it an MQL.
    pub made_at: Option<Timestamp>,
    /// What decides under the agreement: at the would-be instant, else at the real one.
    pub evidence: Vec<Evidence>,
    /// What blocks the lead under the agreement, where it would not have become an MQL.
    pub blocked_by: Vec<String>,
    /// What came of the cycle.
    pub outcome: CycleOutcome,
}

/// What an agreement would have done to a lead.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Previewed {
    /// The cycles in which it would have become an MQL, or became one by rule.
    pub compared: Vec<Compared>,
    /// How often it was handed over by hand, or was sourced by sales.
    pub by_hand: i64,
    /// Whether the agreement would make it an MQL now.
    pub is_ready: bool,
}

/// Run an agreement over what really happened to a lead between two instants, both included, and over how it stands at
/// `now`.
pub fn preview(
    past: &Past,
    background: &Background,
    version: &Version,
    (from, to): (Timestamp, Timestamp),
    now: Timestamp,
) -> Previewed {
    let would_be = would_be(past, background, version, from, to);
    let made = past.transitions.iter().filter(|transition| {
        transition.to == Stage::Mql && transition.by_rule.is_some() && (from..=to).contains(&transition.at)
    });
    let made: Vec<(i64, Timestamp)> = made.map(|transition| (transition.cycle, transition.at)).collect();
    let mut compared: Vec<Compared> = would_be
        .into_iter()
        .map(|one| {
            let made_at = made.iter().find(|(cycle, _)| *cycle == one.cycle);
            Compared {
                cycle: one.cycle,
                list: match made_at {
                    Some(_) => PreviewList::Kept,
                    None => PreviewList::Gained,
                },
                would_be_at: Some(one.at),
                made_at: made_at.map(|(_, at)| *at),
                evidence: one.evidence,
                blocked_by: vec![],
                outcome: outcome(past, one.cycle),
            }
        })
        .collect();
    for (cycle, at) in made {
        if compared.iter().any(|one| one.cycle == cycle) {
            continue;
        }
        let readiness = past.readiness(background, version, Sight::Arrived(at));
        let (evidence, blocked_by) = readiness
            .map(|of| (of.evidence, of.blocked_by))
            .unwrap_or_default();
        compared.push(Compared {
            cycle,
            list: PreviewList::Lost,
            would_be_at: None,
            made_at: Some(at),
            evidence,
            blocked_by,
            outcome: outcome(past, cycle),
        });
    }
    let by_hand = past.by_hand.iter().filter(|at| (from..=to).contains(*at));
    Previewed {
        compared,
        by_hand: by_hand.count() as i64,
        is_ready: past
            .becomes_mql(background, version, Sight::Happened(now))
            .is_some(),
    }
}

/// How far a cycle really came.
fn outcome(past: &Past, number: i64) -> CycleOutcome {
    let cycle = past.cycles.iter().find(|cycle| cycle.number == number);
    let reached = |stage| cycle.is_some_and(|cycle| cycle.entered_at(stage).is_some());
    CycleOutcome {
        handed_over: reached(Stage::Mql) || reached(Stage::Sal),
        accepted: reached(Stage::Sal),
        sql: reached(Stage::Sql),
        won: reached(Stage::Customer),
    }
}

/// A lead that would have become an MQL.
struct WouldBe {
    cycle: i64,
    at: Timestamp,
    evidence: Vec<Evidence>,
}

/// The instants at which an agreement would have made a lead an MQL: at most one for each real cycle.
fn would_be(
    past: &Past,
    background: &Background,
    version: &Version,
    from: Timestamp,
    to: Timestamp,
) -> Vec<WouldBe> {
    let mut found: Vec<WouldBe> = vec![];
    let mut at = from.max(past.arrived_at());
    let Some(mut replay) = Replay::at(past, background, version, at) else {
        return found;
    };
    while at <= to {
        let cycle = next_cycle(&replay.then.cycle);
        let is_open = is_open(&replay.then.lead) && found.iter().all(|one| one.cycle != cycle);
        let mut valid_until = None;
        if is_open {
            let (readiness, wait) = replay.judge(at);
            let becomes = readiness.is_ready && wait.is_over && !past.is_disputed(at);
            if becomes {
                found.push(WouldBe {
                    cycle,
                    at,
                    evidence: readiness.evidence,
                });
            } else {
                let ends = [readiness.valid_until, wait.valid_until];
                valid_until = ends.into_iter().flatten().filter(|until| *until > at).min();
            }
        }
        let next = [replay.next_arrival(), valid_until].into_iter().flatten().min();
        let Some(next) = next else { break };
        at = next;
        if at <= to {
            replay.advance(at);
        }
    }
    found
}

/// A lead whose past arrives once more.
struct Replay<'p> {
    past: &'p Past,
    background: &'p Background,
    version: &'p Version,
    then: Then,
    /// The place of the next event.
    next_event: usize,
    /// When something of the lead but its events changed, in ascending order, and the place of the next.
    changes: Vec<Timestamp>,
    next_change: usize,
}

impl<'p> Replay<'p> {
    fn at(past: &'p Past, background: &'p Background, version: &'p Version, at: Timestamp) -> Option<Self> {
        let then = past.then(background, &version.rules.needs, Sight::Arrived(at))?;
        let mut changes: Vec<Timestamp> = past.changes(background).collect();
        changes.sort_unstable();
        changes.dedup();
        Some(Self {
            next_event: past.done.partition_point(|done| done.arrived_at <= at),
            next_change: changes.partition_point(|change| *change <= at),
            past,
            background,
            version,
            then,
            changes,
        })
    }

    fn next_arrival(&self) -> Option<Timestamp> {
        let event = self.past.done.get(self.next_event).map(|done| done.arrived_at);
        let change = self.changes.get(self.next_change).copied();
        [event, change].into_iter().flatten().min()
    }

    /// Add what arrived up to an instant.
    fn advance(&mut self, at: Timestamp) {
        let needs = &self.version.rules.needs;
        let active = self.then.lead.last_activity_at;
        while let Some(done) = self.past.done.get(self.next_event)
            && done.arrived_at <= at
        {
            if needs.events.contains_key(&done.kind) {
                let history = self.then.facts.histories.entry(done.kind.clone());
                history.or_default().insert(done.event.clone());
            }
            if done.kind.as_activity().is_none() {
                let active = &mut self.then.lead.last_activity_at;
                *active = (*active).max(Some(done.event.at));
            }
            self.next_event += 1;
        }
        let changed = self.changes[self.next_change..].partition_point(|change| *change <= at);
        self.next_change += changed;
        let is_active = self.then.lead.last_activity_at != active;
        let asks_activity = || needs.fields.contains(&Field::Standard(Standard::LastActivityAt));
        // A move by rule at an instant is seen from the next one on.
        let last = self.past.move_then(Sight::Arrived(at));
        let known = (self.then.lead.stage, self.then.lead.stage_since);
        let has_moved = last.is_some_and(|last| (last.to, last.at) != known);
        if changed > 0 || has_moved || is_active && asks_activity() {
            self.renew(at);
        }
    }

    /// Read the record once more; what the lead did stays.
    fn renew(&mut self, at: Timestamp) {
        let sight = Sight::Arrived(at);
        let Some((lead, cycle)) = self.past.lead_then(sight) else {
            return;
        };
        let lead = Lead {
            last_activity_at: self.then.lead.last_activity_at,
            ..lead
        };
        let histories = std::mem::take(&mut self.then.facts.histories);
        let needs = &self.version.rules.needs;
        self.then.facts = self.past.fields_then(self.background, needs, &lead, sight);
        self.then.facts.histories = histories;
        self.then.lead = lead;
        self.then.cycle = cycle;
    }

    fn judge(&mut self, at: Timestamp) -> (Readiness, Wait) {
        let Then { lead, cycle, facts } = &mut self.then;
        let readiness = Readiness::of(facts, &self.version.rules, at);
        let wait = Wait::of(lead, cycle, facts, self.version, at);
        (readiness, wait)
    }
}
