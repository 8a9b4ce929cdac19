//! Scores: who a lead is and what it did, as contributions that add up exactly.

#[cfg(test)]
mod oracle;
mod stored;
#[cfg(test)]
mod tests;

pub use stored::StoredScore;

use serde::Serialize;
use utoipa::ToSchema;

use crate::agreement::conditions::{Facts, Resolved, Seen, Standing};
use crate::agreement::scoring::{Points, Repeated, Scoring, Side};
use crate::id::EventId;
use crate::instant::Timestamp;

/// How often an instant at which the score might change is looked at before one is given that may be too early.
const MOST_LOOKS: usize = 64;
/// How many departures of events from their windows are looked at before the same.
const MOST_DEPARTURES: usize = 2_000;

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
    /// When the score next changes if nothing new happens; never too late. `None`: never.
    pub valid_until: Option<Timestamp>,
    /// Whether a rule counted its maximum of 1,000 events although there were more.
    pub truncated: bool,
}

/// The exact values of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Exact {
    /// Fit: points for who the lead is.
    pub fit: Points,
    /// Engagement: points for what the lead did.
    pub engagement: Points,
    /// Fit and engagement together.
    pub total: Points,
}

/// A contribution to a score.
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

/// The kind of a contribution.
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

impl Score {
    /// The score as conditions compare it.
    pub const fn standing(&self) -> Standing {
        Standing {
            fit: self.fit,
            engagement: self.engagement,
            total: self.total,
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
        (usize::from(holds), scored.fit[place].event_ids(at))
    });
    engagement.list(
        &scoring.engagement,
        SideName::Engagement,
        &mut contributions,
        |place| {
            let most = scoring.engagement.rules[place].when.max_times;
            let ids: Vec<EventId> = scored.engagement[place].ids(millis).take(most).collect();
            (ids.len(), ids)
        },
    );
    let (fit, engagement) = (fit.total, engagement.total);
    let exact = Exact {
        fit: Points(fit),
        engagement: Points(engagement),
        total: Points(fit + engagement),
    };
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
        valid_until: scored.next_change(at, (fit, engagement)),
        truncated: scored.is_truncated(at),
    }
}

/// The rules with the facts of one lead.
struct Scored<'a> {
    scoring: &'a Scoring,
    fit: Vec<Resolved<'a>>,
    engagement: Vec<Seen<'a>>,
}

impl<'a> Scored<'a> {
    fn new(facts: &'a Facts, scoring: &'a Scoring, at: Timestamp) -> Self {
        let fit = scoring.fit.rules.iter().map(|rule| rule.when.resolve(facts, at));
        let engagement = scoring.engagement.rules.iter().map(|rule| {
            let Repeated { query, max_times } = &rule.when;
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
        let rules = self.scoring.engagement.rules.iter().zip(&self.engagement);
        rules
            .map(|(rule, seen)| rule.points.0 * times(rule.when.max_times, seen.count(at)))
            .collect()
    }

    fn is_truncated(&self, at: Timestamp) -> bool {
        let fit = self.fit.iter().any(|when| when.is_truncated(at));
        fit || self.engagement.iter().any(|seen| seen.is_truncated(at.millis()))
    }

    /// The exact values at an instant.
    fn exact(&self, at: Timestamp) -> (i64, i64) {
        let fit = Bounded::of(&self.scoring.fit, &self.fit_sums(at)).total;
        let sums = self.engagement_sums(at.millis());
        (fit, Bounded::of(&self.scoring.engagement, &sums).total)
    }

    /// The first instant after this one at which a side has another exact value.
    fn next_change(&self, at: Timestamp, now: (i64, i64)) -> Option<Timestamp> {
        let mut look = at;
        let mut departures = MOST_DEPARTURES;
        for _ in 0..MOST_LOOKS {
            let fit = self.fit.iter().filter_map(|when| when.next_change(look)).min();
            look = fit
                .into_iter()
                .chain(self.next_departure(look, &mut departures))
                .chain(self.next_arrival(look))
                .min()?;
            if departures == 0 || self.exact(look) != now {
                break;
            }
        }
        Some(look)
    }

    fn next_arrival(&self, at: Timestamp) -> Option<Timestamp> {
        let arrivals = self
            .engagement
            .iter()
            .filter_map(|seen| seen.arrival(at.millis()));
        arrivals.min().map(Timestamp::from_millis)
    }

    /// The first instant at which events leave their windows and the side's value changes by it, or at which no more of
    /// them may be looked at.
    fn next_departure(&self, at: Timestamp, most: &mut usize) -> Option<Timestamp> {
        let side = &self.scoring.engagement;
        let mut sums = self.engagement_sums(at.millis());
        let now = Bounded::of(side, &sums).total;
        let mut departures: Vec<_> = self
            .engagement
            .iter()
            .map(|seen| seen.departures(at.millis()).peekable())
            .collect();
        let mut look = None;
        while *most > 0 {
            *most -= 1;
            look = Some(
                departures
                    .iter_mut()
                    .filter_map(|next| next.peek().map(|(at, _)| *at))
                    .min()?,
            );
            for (place, next) in departures.iter_mut().enumerate() {
                if let Some((_, left)) = next.next_if(|(at, _)| Some(*at) == look) {
                    let rule = &side.rules[place];
                    sums[place] = rule.points.0 * times(rule.when.max_times, left);
                }
            }
            if Bounded::of(side, &sums).total != now {
                break;
            }
        }
        look.map(Timestamp::from_millis)
    }
}

/// How many times a rule gives its points.
fn times(most: usize, count: i64) -> i64 {
    count.min(most as i64)
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

    /// Add the side's contributions: of each rule that gave points how many times and for which events, then what the
    /// bounds changed.
    fn list<W>(
        &self,
        side: &Side<W>,
        name: SideName,
        found: &mut Vec<Contribution>,
        times_and_events: impl Fn(usize) -> (usize, Vec<EventId>),
    ) {
        for (place, rule) in side.rules.iter().enumerate() {
            let (count, event_ids) = times_and_events(place);
            if count > 0 {
                found.push(Contribution {
                    side: name,
                    kind: ContributionKind::Rule,
                    rule: Some(rule.id.clone()),
                    label: rule.label.clone(),
                    points: Points(self.sums[place]),
                    count,
                    event_ids,
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
