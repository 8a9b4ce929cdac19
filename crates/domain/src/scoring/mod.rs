//! Scores: who a lead is and what it did, as contributions that add up exactly.

#[cfg(test)]
pub(crate) mod draw;
mod history;
#[cfg(test)]
pub(crate) mod oracle;
mod stored;
#[cfg(test)]
mod tests;

pub use history::{ScoreCause, ScoreRecord};
pub use stored::StoredScore;

use serde::Serialize;
use utoipa::ToSchema;

use crate::agreement::conditions::{Facts, MatchedEvents, Resolved, Standing, activity};
use crate::agreement::decay::Decay;
use crate::agreement::points::Points;
use crate::agreement::scoring::{Repeated, Scoring, Side};
use crate::id::{ActivityId, EventId};
use crate::instant::Timestamp;

/// How often an instant at which the score might change is looked at before one is given that may be too early.
const MOST_LOOKS: usize = 64;

/// A lead's score at an instant.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Score {
    /// The points for who the lead is, in whole points, rounded down.
    pub fit: i64,
    /// The points for what the lead did, in whole points, rounded down.
    pub engagement: i64,
    /// Fit and engagement together, in whole points, rounded down; may exceed the sum of the two rounded values by one.
    pub total: i64,
    /// The exact values.
    pub exact: Exact,
    /// The bands of fit and engagement, such as `A1`, if the agreement has bands.
    #[schema(max_length = 16, example = "A1")]
    pub band: Option<String>,
    /// What it consists of. Those of a side add up to its exact value.
    pub contributions: Vec<Contribution>,
    /// When the whole points next change if nothing new happens; never too late. `None`: never.
    pub valid_until: Option<Timestamp>,
    /// Whether a rule counted its maximum of 1,000 events although there were more.
    pub truncated: bool,
}

/// A score before its points are rounded down to whole ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Exact {
    /// Fit: points for who the lead is.
    pub fit: Points,
    /// Engagement: points for what the lead did.
    pub engagement: Points,
    /// Fit and engagement together.
    pub total: Points,
}

/// A part of a score: the points of one rule, or what a maximum or the floor changed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Contribution {
    /// The side to which it adds: fit or engagement.
    pub side: SideName,
    /// The kind of contribution.
    pub kind: ContributionKind,
    /// The rule's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The label: the rule's label, or the group's name.
    pub label: String,
    /// The points; negative if a maximum removes some.
    pub points: Points,
    /// How many times the rule added its points.
    pub count: usize,
    /// The events for which it added them, newest first.
    pub event_ids: Vec<EventId>,
    /// The activities for which it added them, newest first; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub activity_ids: Vec<ActivityId>,
}

/// A side of the score: fit or engagement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SideName {
    /// Fit: points for who the lead is.
    Fit,
    /// Engagement: points for what the lead did.
    Engagement,
}

/// Whether a contribution is the points of a rule, or the correction by a maximum or the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContributionKind {
    /// A rule gave points.
    Rule,
    /// A group's maximum took some away.
    GroupMax,
    /// The side's maximum took some away.
    SideMax,
    /// A side is never below 0.
    Floor,
}

/// Fit, engagement and total in whole points.
type Whole = (i64, i64, i64);

impl Exact {
    const fn of(fit: i64, engagement: i64) -> Self {
        Self {
            fit: Points(fit),
            engagement: Points(engagement),
            total: Points(fit + engagement),
        }
    }

    /// Fit, engagement and total in whole points, rounded down.
    pub const fn whole(self) -> (i64, i64, i64) {
        (self.fit.floor(), self.engagement.floor(), self.total.floor())
    }
}

impl Score {
    /// The score as conditions compare it.
    pub fn standing(&self) -> Standing {
        Standing {
            fit: self.fit,
            engagement: self.engagement,
            total: self.total,
            band: self.band.clone(),
            valid_until: self.valid_until,
        }
    }
}

/// The score of a lead at an instant.
pub fn score(facts: &Facts, scoring: &Scoring, at: Timestamp) -> Score {
    let scored = Scored::new(facts, scoring, at);
    let millis = at.millis();
    let (fit_sums, engagement_sums) = (scored.fit_sums(at), scored.engagement_sums(millis));
    let fit = Bounded::of(&scoring.fit, &fit_sums);
    let engagement = Bounded::of(&scoring.engagement, &engagement_sums);
    let mut contributions = vec![];
    fit.list(&scoring.fit, SideName::Fit, &mut contributions, |place| {
        let holds = scored.fit[place].holds(at);
        (usize::from(holds), scored.fit[place].ids(at))
    });
    engagement.list(
        &scoring.engagement,
        SideName::Engagement,
        &mut contributions,
        |place| {
            let Repeated { query, max_times, .. } = &scoring.engagement.rules[place].when;
            let ids: Vec<EventId> = scored.engagement[place].ids(millis).take(*max_times).collect();
            match query.event.as_activity() {
                Some(_) => (ids.len(), (vec![], ids.into_iter().map(activity).collect())),
                None => (ids.len(), (ids, vec![])),
            }
        },
    );
    let (fit, engagement) = (fit.total, engagement.total);
    let exact = Exact::of(fit, engagement);
    let bands = scoring
        .fit
        .band(exact.fit.floor())
        .zip(scoring.engagement.band(exact.engagement.floor()));
    Score {
        fit: exact.fit.floor(),
        engagement: exact.engagement.floor(),
        total: exact.total.floor(),
        exact,
        band: bands.map(|(fit, engagement)| format!("{fit}{engagement}")),
        contributions,
        valid_until: scored.next_change(at, exact.whole()),
        truncated: scored.is_truncated(at),
    }
}

/// The rules with the facts of one lead.
struct Scored<'a> {
    scoring: &'a Scoring,
    fit: Vec<Resolved<'a>>,
    engagement: Vec<MatchedEvents<'a>>,
}

impl<'a> Scored<'a> {
    fn new(facts: &'a Facts, scoring: &'a Scoring, at: Timestamp) -> Self {
        let fit = scoring.fit.rules.iter().map(|rule| rule.when.resolve(facts, at));
        let engagement = scoring.engagement.rules.iter().map(|rule| {
            let Repeated { query, max_times, .. } = &rule.when;
            query.see(facts, *max_times, at.millis())
        });
        Self {
            scoring,
            fit: fit.collect(),
            engagement: engagement.collect(),
        }
    }

    fn fit_sums(&self, at: Timestamp) -> Vec<i64> {
        let rules = self.scoring.fit.rules.iter().zip(&self.fit);
        rules
            .map(|(rule, when)| if when.holds(at) { rule.points.0 } else { 0 })
            .collect()
    }

    fn engagement_sums(&self, at: i64) -> Vec<i64> {
        (0..self.engagement.len())
            .map(|place| self.engagement_sum(place, at))
            .collect()
    }

    /// What a rule gives at an instant. With points above 0 it only falls as long as no new event happens, with points
    /// below 0 it only rises.
    fn engagement_sum(&self, place: usize, at: i64) -> i64 {
        let (rule, seen) = (&self.scoring.engagement.rules[place], &self.engagement[place]);
        let most = rule.when.max_times;
        let Some(decay) = &rule.when.decay else {
            return rule.points.0 * seen.count(at).min(most as i64);
        };
        let shares = seen
            .instants(at)
            .take(most)
            .map(|instant| decay.left(rule.points, at - instant));
        shares.sum()
    }

    fn is_truncated(&self, at: Timestamp) -> bool {
        let fit = self.fit.iter().any(|when| when.is_truncated(at));
        fit || self.engagement.iter().any(|seen| seen.is_truncated(at.millis()))
    }

    /// The whole points at an instant.
    fn whole(&self, at: i64) -> Whole {
        let fit = self.fit_value(at);
        Exact::of(fit, self.engagement_value(&self.engagement_sums(at))).whole()
    }

    fn fit_value(&self, at: i64) -> i64 {
        Bounded::of(&self.scoring.fit, &self.fit_sums(Timestamp::from_millis(at))).total
    }

    fn engagement_value(&self, sums: &[i64]) -> i64 {
        Bounded::of(&self.scoring.engagement, sums).total
    }

    /// The first instant after this one at which the whole points are others.
    fn next_change(&self, at: Timestamp, now: Whole) -> Option<Timestamp> {
        let mut look = at.millis();
        for _ in 0..MOST_LOOKS {
            let from = Timestamp::from_millis(look);
            let of_fit = self.fit.iter().filter_map(|when| when.next_change(from));
            let arrivals = self.engagement.iter().filter_map(|seen| seen.arrival(look));
            let bound = of_fit.map(Timestamp::millis).chain(arrivals).min();
            look = self.next_loss(look, bound, now).or(bound)?;
            if self.whole(look) != now {
                break;
            }
        }
        Some(Timestamp::from_millis(look))
    }

    /// The first instant after this one, before the next at which something else happens, from which on the age of events
    /// may have changed the whole points.
    ///
    /// In between each rule's sum only falls or only rises, and the side's value follows every sum. So the value lies between
    /// the one with what falls as it is at the end and what rises as it is at the beginning, and the one the other way round; both
    /// ends move apart, so that a binary search finds the first instant. Where nothing rises it is exact, elsewhere it may be
    /// too early.
    fn next_loss(&self, from: i64, bound: Option<i64>, now: Whole) -> Option<i64> {
        let last = bound.map_or_else(|| self.last_loss(from), |bound| Some(bound - 1))?;
        let fit = self.fit_value(from);
        let before = self.engagement_sums(from);
        let may_differ = |at: i64| {
            let (mut least, mut most) = (before.clone(), before.clone());
            for (place, rule) in self.scoring.engagement.rules.iter().enumerate() {
                let changed = if rule.points.0 > 0 { &mut least } else { &mut most };
                changed[place] = self.engagement_sum(place, at);
            }
            let [least, most] =
                [least, most].map(|sums| Exact::of(fit, self.engagement_value(&sums)).whole());
            least != now || most != now
        };
        if last <= from || !may_differ(last) {
            return None;
        }
        // It may not differ at `same`, and may at `other`.
        let (mut same, mut other) = (from, last);
        while other - same > 1 {
            let middle = same + (other - same) / 2;
            *(if may_differ(middle) { &mut other } else { &mut same }) = middle;
        }
        Some(other)
    }

    /// The instant from which on no event that counts now loses any more; nothing where none does.
    fn last_loss(&self, at: i64) -> Option<i64> {
        let rules = self.scoring.engagement.rules.iter().zip(&self.engagement);
        let ends = rules.filter_map(|(rule, seen)| {
            let decays = rule.when.decay.as_ref().map_or(i64::MAX, Decay::end);
            let age = decays.min(seen.window().saturating_add(1));
            let newest = seen.instants(at).next().filter(|_| age < i64::MAX)?;
            Some(newest.saturating_add(age))
        });
        ends.max()
    }
}

/// A side's sums within its bounds, in thousandths.
struct Bounded<'s> {
    sums: &'s [i64],
    /// What each group's maximum takes away.
    over_group: Vec<i64>,
    /// What the side's maximum takes away.
    over_side: i64,
    /// What the floor of 0 adds.
    below_floor: i64,
    total: i64,
}

impl<'s> Bounded<'s> {
    fn of<W>(side: &Side<W>, sums: &'s [i64]) -> Self {
        let mut groups = vec![0; side.groups.len()];
        for (rule, sum) in side.rules.iter().zip(sums) {
            if let Some(group) = rule.group {
                groups[group] += sum;
            }
        }
        let over = |sum: i64, max: i64| (sum - Points::whole(max).0).max(0);
        let over_group: Vec<i64> = groups
            .iter()
            .zip(&side.groups)
            .map(|(sum, group)| group.max.map_or(0, |max| over(*sum, max)))
            .collect();
        let sum = sums.iter().sum::<i64>() - over_group.iter().sum::<i64>();
        let over_side = over(sum, side.max);
        let below_floor = (-sum).max(0);
        Self {
            sums,
            over_group,
            over_side,
            below_floor,
            total: sum - over_side + below_floor,
        }
    }

    /// Add the side's contributions: of each rule that gave points how many times and for what, then what the
    /// bounds changed.
    fn list<W>(
        &self,
        side: &Side<W>,
        name: SideName,
        found: &mut Vec<Contribution>,
        times_and_ids: impl Fn(usize) -> (usize, (Vec<EventId>, Vec<ActivityId>)),
    ) {
        for (place, rule) in side.rules.iter().enumerate() {
            let (count, (event_ids, activity_ids)) = times_and_ids(place);
            if count > 0 {
                found.push(Contribution {
                    side: name,
                    kind: ContributionKind::Rule,
                    rule: Some(rule.id.clone()),
                    label: rule.label.clone(),
                    points: Points(self.sums[place]),
                    count,
                    event_ids,
                    activity_ids,
                });
            }
        }
        let mut bound = |kind, label: &str, points: i64| {
            if points != 0 {
                found.push(Contribution {
                    side: name,
                    kind,
                    rule: None,
                    label: label.to_owned(),
                    points: Points(points),
                    count: 1,
                    event_ids: vec![],
                    activity_ids: vec![],
                });
            }
        };
        for (group, over) in side.groups.iter().zip(&self.over_group) {
            bound(ContributionKind::GroupMax, &group.name, -over);
        }
        bound(ContributionKind::SideMax, "Maximum", -self.over_side);
        bound(ContributionKind::Floor, "Floor", self.below_floor);
    }
}
