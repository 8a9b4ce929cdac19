//! Cycles: the passes of a lead through the stages, as reports count them.

use super::Stage;
use crate::id::{CycleId, FormId, Ids, LeadId, UserId};
use crate::instant::Timestamp;
use crate::leads::{Lead, Touch};

/// One pass of a lead through the stages: the row that reports count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle {
    /// Which.
    pub id: CycleId,
    /// Whose.
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
    /// The last reason given.
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
    /// The form that made the lead known.
    pub form_id: Option<FormId>,
    /// The lead's country.
    pub country: Option<String>,
    /// The owner, or the last one.
    pub owner_id: Option<UserId>,
}

impl Cycle {
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
        if let Some(from) = from
            && self.entered_at(from).is_some_and(|entered| entered <= at)
            && let Some(left) = self.left.get_mut(from as usize)
        {
            *left = left.or(Some(at));
        }
        let place = &mut self.entered[to as usize];
        *place = place.or(Some(at));
        self.ended_at = to.ends_cycle().then_some(at);
    }

    /// Note an entry of the past out of a stage; the cycle ends no sooner by it. What is known of later entries says when
    /// the stay in it ended.
    pub(super) fn enter_earlier(&mut self, from: Option<Stage>, to: Stage, at: Timestamp) {
        if let Some(left) = from.and_then(|from| self.left.get_mut(from as usize)) {
            *left = Some(left.map_or(at, |known| known.min(at)));
        }
        let others = Stage::ALL.iter().filter(|stage| **stage != to);
        let next = others
            .filter_map(|stage| self.entered_at(*stage))
            .filter(|entered| *entered >= at)
            .min();
        if let Some(left) = self.left.get_mut(to as usize) {
            *left = next;
        }
        let place = &mut self.entered[to as usize];
        *place = Some(place.map_or(at, |known| known.min(at)));
    }

    /// The stage that was entered last at or before an instant, as far as first entries tell.
    pub(super) fn stage_at(&self, at: Timestamp) -> Option<Stage> {
        let entries = Stage::ALL
            .iter()
            .filter_map(|stage| Some((self.entered_at(*stage)?, *stage)));
        entries
            .filter(|(entered, _)| *entered <= at)
            .max()
            .map(|(_, stage)| stage)
    }

    /// Take in all moves of this cycle, by date, one of which history has just told; only the latest thing known of the
    /// lead ends the cycle or takes it up again.
    pub(crate) fn retell(&mut self, moves: &[(Stage, Timestamp)], is_latest: bool) {
        for (place, (stage, at)) in moves.iter().enumerate() {
            let entered = &mut self.entered[*stage as usize];
            *entered = Some(entered.map_or(*at, |known| known.min(*at)));
            let is_first = moves[..place].iter().all(|(before, _)| before != stage);
            if let (true, Some(left)) = (is_first, self.left.get_mut(*stage as usize)) {
                let next = moves[place..].iter().find(|(after, _)| after != stage);
                *left = next.map(|(_, at)| *at);
            }
        }
        if let (true, Some((stage, at))) = (is_latest, moves.last()) {
            self.ended_at = stage.ends_cycle().then_some(*at);
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

    /// Let reports group it by where the lead came from when it began, as far as its touches tell by now.
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
    }
}
