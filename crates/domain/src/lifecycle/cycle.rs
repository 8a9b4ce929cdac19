//! Cycles: the passes of a lead through the stages, as reports count them.

use super::Stage;
use crate::id::{CycleId, FormId, Ids, LeadId, UserId};
use crate::instant::Timestamp;
use crate::leads::{Lead, Touch};

/// One pass of a lead through the stages: the row that reports count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// Its id.
    pub id: CycleId,
    /// The lead.
    pub lead_id: LeadId,
    /// Counts from 1.
    pub number: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, if it has.
    pub ended_at: Option<Timestamp>,
    /// The first entry of each stage in this cycle, in the order of [`Stage::ALL`].
    pub entered: [Option<Timestamp>; 9],
    /// The end of the first stay in each stage of the path, lead to customer, in this cycle.
    pub left: [Option<Timestamp>; 6],
    /// The reason code of the latest stage change in this cycle that had one.
    pub last_reason: Option<String>,
    /// The version of the agreement under which it became MQL.
    pub agreement_version: i64,
    /// What reports group by.
    pub dimensions: Dimensions,
}

/// What reports group cycles by. Country and owner are as they were at the last change of the lead while the cycle was its
/// current one; where the lead came from is derived from its touches, whenever these become known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dimensions {
    /// The channel of the touch that it began with.
    pub channel: Option<String>,
    /// The source of that touch.
    pub source: Option<String>,
    /// The campaign of that touch.
    pub campaign: Option<String>,
    /// The ad or link of that touch.
    pub content: Option<String>,
    /// The form that made the lead known.
    pub form_id: Option<FormId>,
    /// The lead's country.
    pub country: Option<String>,
    /// The owner, or the last one.
    pub owner_id: Option<UserId>,
}

impl Cycle {
    /// The stages that only a lead that was handed over reaches.
    pub(crate) const HANDED_OVER: [Stage; 6] = [
        Stage::Mql,
        Stage::Sal,
        Stage::Sql,
        Stage::Opportunity,
        Stage::Customer,
        Stage::Churned,
    ];

    /// Whether a cycle ends where a lead reaches a stage: disqualified and churned end it; nurture only where it was handed
    /// over, since a lead that was nurtured before goes on in the same cycle.
    pub(crate) const fn ends_in(stage: Stage, was_handed_over: bool) -> bool {
        match stage {
            Stage::Disqualified | Stage::Churned => true,
            Stage::Nurture => was_handed_over,
            _ => false,
        }
    }

    /// The first pass of a lead that has just become known.
    pub fn first(lead: &Lead, form_id: Option<FormId>, agreement_version: i64, ids: &Ids) -> Self {
        let mut cycle = Self {
            id: ids.next(),
            lead_id: lead.id,
            number: 1,
            started_at: lead.created_at,
            ended_at: None,
            entered: [None; 9],
            left: [None; 6],
            last_reason: None,
            agreement_version,
            dimensions: Dimensions {
                form_id,
                ..Dimensions::default()
            },
        };
        cycle.enter(None, Stage::Lead, lead.created_at);
        cycle.describe(lead);
        cycle.begin_with(lead.first_touch.as_ref(), None);
        cycle
    }

    pub(crate) fn next(&self, at: Timestamp, ids: &Ids) -> Self {
        let mut cycle = Self {
            id: ids.next(),
            number: self.number + 1,
            started_at: at,
            ended_at: None,
            entered: [None; 9],
            left: [None; 6],
            last_reason: None,
            ..self.clone()
        };
        cycle.enter(None, Stage::Lead, at);
        cycle
    }

    /// A cycle that starts at MQL was never in the stage lead, though it counts there: `from` is then the stage that the
    /// cycle before ended in, and no stay ends. Nor does one whose end is dated before its beginning: that is no stay.
    pub(super) fn enter(&mut self, from: Option<Stage>, to: Stage, at: Timestamp) {
        if let Some(left) = from.and_then(|from| self.stay_ended_by(from, to))
            && self.entered_at(left).is_some_and(|entered| entered <= at)
            && let Some(left) = self.left.get_mut(left as usize)
        {
            *left = left.or(Some(at));
        }
        let place = &mut self.entered[to as usize];
        *place = place.or(Some(at));
        self.stand(to, at);
    }

    /// The stage in which a stay ends by a step. Before the first hand-off nurture is time in the stage lead: that stay
    /// ends when the lead leaves nurture.
    fn stay_ended_by(&self, from: Stage, to: Stage) -> Option<Stage> {
        match (from, to) {
            _ if self.was_handed_over() => Some(from),
            (Stage::Lead, Stage::Nurture) => None,
            (Stage::Nurture, _) => self.entered_at(Stage::Nurture).map(|_| Stage::Lead),
            _ => Some(from),
        }
    }

    /// Whether it has reached MQL or any later stage.
    fn was_handed_over(&self) -> bool {
        Self::HANDED_OVER
            .iter()
            .any(|stage| self.entered_at(*stage).is_some())
    }

    /// Record where the lead stands, and since when: that may end the cycle.
    pub(super) fn stand(&mut self, stage: Stage, since: Timestamp) {
        self.ended_at = Self::ends_in(stage, self.was_handed_over()).then_some(since);
    }

    /// Whether it has ended: what follows is the next cycle, or takes back the step that ended this one.
    pub fn is_over(&self) -> bool {
        self.ended_at.is_some()
    }

    /// Replace its history by these moves, which are sorted by date.
    pub(crate) fn rebuild(&mut self, started_at: Timestamp, moves: &[(Stage, Timestamp)]) {
        self.started_at = started_at;
        (self.entered, self.left) = ([None; 9], [None; 6]);
        self.entered[Stage::Lead as usize] = Some(started_at);
        let handed_over = moves
            .iter()
            .position(|(stage, _)| Self::HANDED_OVER.contains(stage));
        let is_time_before_mql = |place: usize| handed_over.is_none_or(|first| place < first);
        for (place, (stage, at)) in moves.iter().enumerate() {
            let entered = &mut self.entered[*stage as usize];
            *entered = Some(entered.map_or(*at, |known| known.min(*at)));
            let is_first = moves[..place].iter().all(|(before, _)| before != stage);
            if let (true, Some(left)) = (is_first, self.left.get_mut(*stage as usize)) {
                let ends = |(place, (after, _)): &(usize, &(Stage, Timestamp))| match (stage, after) {
                    (Stage::Lead, Stage::Nurture) => !is_time_before_mql(*place),
                    _ => after != stage,
                };
                let next = moves.iter().enumerate().skip(place).find(ends);
                *left = next.map(|(_, (_, at))| *at);
            }
        }
        if let Some((stage, at)) = moves.last() {
            self.stand(*stage, *at);
        }
    }

    /// The first entry of a stage in this cycle.
    pub fn entered_at(&self, stage: Stage) -> Option<Timestamp> {
        self.entered[stage as usize]
    }

    /// Which stages it entered, a bit for each in the order of [`Stage::ALL`], and [`Cycle::OVER`] where it has ended:
    /// what reports count by.
    pub fn path(&self) -> i64 {
        let entered = self.entered.iter().enumerate();
        let bits = entered.map(|(place, at)| i64::from(at.is_some()) << place);
        bits.sum::<i64>() | if self.ended_at.is_some() { Self::OVER } else { 0 }
    }

    /// The bit of [`Cycle::path`] that says that the cycle is over.
    pub const OVER: i64 = 1 << Stage::ALL.len();

    /// Take over what reports group by from the lead as it is now, but for where it came from.
    pub fn describe(&mut self, lead: &Lead) {
        self.dimensions = Dimensions {
            country: lead
                .profile
                .get(crate::leads::fields::LeadField::Country)
                .map(str::to_owned),
            owner_id: lead.owner_id.or(lead.previous_owner_id),
            ..std::mem::take(&mut self.dimensions)
        };
    }

    /// Let reports group it by where the lead came from when it began, as far as its touches show by now.
    ///
    /// `first` is the lead's first touch; `returned` is its first after the cycle before this one ended. What is dated
    /// after the beginning led to nothing of it.
    pub fn begin_with(&mut self, first: Option<&Touch>, returned: Option<&Touch>) {
        let started_at = self.started_at;
        let was_before = |touch: &&Touch| touch.occurred_at.is_some_and(|at| at <= started_at);
        let touch = returned.filter(was_before).or(first.filter(was_before));
        let touch = touch.cloned().unwrap_or_default();
        self.dimensions.channel = touch.channel;
        self.dimensions.source = touch.source;
        self.dimensions.campaign = touch.campaign;
        self.dimensions.content = touch.content;
    }
}
