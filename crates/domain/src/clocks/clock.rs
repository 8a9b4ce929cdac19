//! One running promise: warned, breached, met, void, and corrected by what arrives late.
//!
//! A clock keeps facts (when it is due, the act that met it, what ended it) and which warnings went out; its state follows
//! from them. So it does not depend on the order in which the facts arrive, nor on when somebody looks.

use crate::instant::Timestamp;
use crate::words::words;

use super::promise::Deadline;

words! {
    /// The kind of promise that a clock measures; the agreement sets how long each may take.
    ClockKind {
        /// Sales accepts or rejects a hand-off.
        Review = "review",
        /// Sales contacts the lead.
        FirstContact = "first_contact",
        /// Sales makes the agreed number of attempts.
        Attempts = "attempts",
        /// Sales decides what becomes of the lead.
        Outcome = "outcome",
        /// Marketing acknowledges or disputes a rejection or a loss.
        Feedback = "feedback",
    }

    /// The side that made the promise: marketing or sales.
    Side {
        /// The sales team.
        Sales = "sales",
        /// The marketing team.
        Marketing = "marketing",
    }

    /// The state of a clock: `running`, `warned` (80 % of the time has passed), `met`, `breached`, `met_late`, or
    /// `void` (the promise no longer applies).
    ClockState {
        /// Not due, not met.
        Running = "running",
        /// 80 % of its time has run.
        Warned = "warned",
        /// Met at `due_at` or before.
        Met = "met",
        /// Not met by `due_at`; it can still be met late.
        Breached = "breached",
        /// Met after `due_at`.
        MetLate = "met_late",
        /// No longer of interest.
        Void = "void",
    }

    /// Why a clock is void.
    VoidReason {
        /// Its lead was merged into another one, whose clock runs.
        Merged = "merged",
        /// A new clock runs in its place.
        Restarted = "restarted",
        /// The lead left the stage in which the promise holds.
        LeftStage = "left_stage",
        /// The person was erased; figures go on counting the clock.
        Erased = "erased",
    }
}

/// How a clock ended without being met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The promise no longer holds.
    Void(VoidReason),
    /// The promise was given up before it was due: breached.
    GivenUp,
}

/// The end of a clock that was not met by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The instant, at `due_at` or before.
    pub at: Timestamp,
    /// What happened.
    pub how: How,
}

/// One promise. The store keeps its fields; [`Clock::state`] follows from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clock {
    /// The kind of promise.
    pub kind: ClockKind,
    /// When it started.
    pub started_at: Timestamp,
    /// When its owner is warned, and the last instant at which it can be met in time.
    pub deadline: Deadline,
    /// The version of the agreement whose promise it is; it stays when another one comes into force.
    pub agreement_version: i64,
    /// When the earliest act of the kind that meets it happened.
    pub act_at: Option<Timestamp>,
    /// The end that it came to without an act.
    pub ended: Option<Ended>,
    /// Whether the warning went out.
    pub has_warned: bool,
    /// Whether the breach was reported; it stays so when a late log meets the promise.
    pub has_breached: bool,
}

/// What happened to a clock, for the journal, notices and escalations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClockEvent {
    /// Its warning went out; once.
    Warned,
    /// It was breached; once.
    Breached,
    /// It was met in time.
    Met,
    /// It was met after it was due.
    MetLate,
    /// It is void.
    Voided,
    /// Something that arrived late changed how it had ended.
    Corrected,
}

impl ClockKind {
    /// The side that made the promise: marketing or sales.
    pub const fn side(self) -> Side {
        match self {
            ClockKind::Feedback => Side::Marketing,
            ClockKind::Review | ClockKind::FirstContact | ClockKind::Attempts | ClockKind::Outcome => {
                Side::Sales
            }
        }
    }
}

impl Clock {
    /// A clock that runs from `started_at`, with the deadline of its [`super::Promise`].
    pub const fn start(
        kind: ClockKind,
        started_at: Timestamp,
        deadline: Deadline,
        agreement_version: i64,
    ) -> Self {
        Self {
            kind,
            started_at,
            deadline,
            agreement_version,
            act_at: None,
            ended: None,
            has_warned: false,
            has_breached: false,
        }
    }

    /// The state.
    pub fn state(&self) -> ClockState {
        match (self.met_at(), self.ended) {
            (Some(at), _) if at <= self.deadline.due_at => ClockState::Met,
            (Some(_), _) => ClockState::MetLate,
            (
                None,
                Some(Ended {
                    how: How::Void(_), ..
                }),
            ) => ClockState::Void,
            (
                None,
                Some(Ended {
                    how: How::GivenUp, ..
                }),
            ) => ClockState::Breached,
            (None, None) if self.has_breached => ClockState::Breached,
            (None, None) if self.has_warned => ClockState::Warned,
            (None, None) => ClockState::Running,
        }
    }

    /// When it was met, in time or late: the earliest act, unless the clock had ended before.
    pub fn met_at(&self) -> Option<Timestamp> {
        self.act_at
            .filter(|act_at| self.ended.is_none_or(|ended| *act_at <= ended.at))
    }

    /// When the promise was broken: the first millisecond after `due_at`, or when it was given up. `None` while it is not.
    pub fn breached_at(&self) -> Option<Timestamp> {
        match (self.state(), self.ended) {
            (ClockState::Breached, Some(ended)) => Some(ended.at),
            (ClockState::Breached | ClockState::MetLate, _) => Some(self.breaks_at()),
            _ => None,
        }
    }

    /// Why it is void.
    pub fn void_reason(&self) -> Option<VoidReason> {
        match (self.state(), self.ended) {
            (
                ClockState::Void,
                Some(Ended {
                    how: How::Void(reason),
                    ..
                }),
            ) => Some(reason),
            _ => None,
        }
    }

    /// Whether an activity that was logged after the breach showed that the promise had been met in time.
    pub fn was_met_by_late_log(&self) -> bool {
        self.has_breached && self.state() == ClockState::Met
    }

    /// The next instant at which [`Clock::look`] has something to report; `None` once nothing can fire by itself.
    pub fn next_look(&self) -> Option<Timestamp> {
        match self.state() {
            ClockState::Running => Some(self.deadline.warn_at),
            ClockState::Warned => Some(self.breaks_at()),
            ClockState::Met | ClockState::Breached | ClockState::MetLate | ClockState::Void => None,
        }
    }

    /// What fires by itself by now: the warning, then the breach, each once.
    #[must_use]
    pub fn look(&mut self, now: Timestamp) -> Vec<ClockEvent> {
        self.change(now, |_| {})
    }

    /// Count an act that meets the promise and happened at `at`, whenever it was logged. The earliest one counts.
    #[must_use]
    pub fn meet(&mut self, at: Timestamp, now: Timestamp) -> Vec<ClockEvent> {
        let earliest = self.act_at.map_or(at, |act_at| act_at.min(at));
        self.correct(Some(earliest), now)
    }

    /// Replace the earliest act, after activities were logged late, edited or deleted; `None` if no act is
    /// left.
    #[must_use]
    pub fn correct(&mut self, act_at: Option<Timestamp>, now: Timestamp) -> Vec<ClockEvent> {
        self.change(now, |clock| clock.act_at = act_at)
    }

    /// The promise no longer holds from `at` on. A breach stays a breach, and what was met stays met.
    #[must_use]
    pub fn void(&mut self, reason: VoidReason, at: Timestamp) -> Vec<ClockEvent> {
        self.end(How::Void(reason), at)
    }

    /// The promise was given up at `at`, before it was due: a breach at that instant.
    #[must_use]
    pub fn give_up(&mut self, at: Timestamp) -> Vec<ClockEvent> {
        self.end(How::GivenUp, at)
    }

    /// Replace the deadline, computed from the same start in the calendar of the first owner. A clock that was breached, met
    /// or void keeps its own.
    #[must_use]
    pub fn reschedule(&mut self, deadline: Deadline, now: Timestamp) -> Vec<ClockEvent> {
        let mut events = self.look(now);
        if matches!(self.state(), ClockState::Running | ClockState::Warned) {
            self.deadline = deadline;
            events.extend(self.look(now));
        }
        events
    }

    fn end(&mut self, how: How, at: Timestamp) -> Vec<ClockEvent> {
        let is_first = self.ended.is_none() && at <= self.deadline.due_at;
        self.change(at, |clock| {
            if is_first {
                clock.ended = Some(Ended { at, how });
            }
        })
    }

    fn breaks_at(&self) -> Timestamp {
        self.deadline.due_at.plus_millis(1)
    }

    /// Change the facts; report what had fired by itself before the clock was closed, then how it stands now.
    fn change(&mut self, now: Timestamp, change: impl FnOnce(&mut Self)) -> Vec<ClockEvent> {
        let before = (self.state(), self.met_at());
        change(self);
        let mut events = self.fire(now);
        let after = (self.state(), self.met_at());
        let was_closed = !matches!(before.0, ClockState::Running | ClockState::Warned);
        match (before.0, after.0) {
            _ if before == after => {}
            (ClockState::Breached, ClockState::MetLate) => events.push(ClockEvent::MetLate),
            _ if was_closed => events.push(ClockEvent::Corrected),
            (_, ClockState::Met) => events.push(ClockEvent::Met),
            (_, ClockState::MetLate) => events.push(ClockEvent::MetLate),
            (_, ClockState::Void) => events.push(ClockEvent::Voided),
            (_, ClockState::Running | ClockState::Warned | ClockState::Breached) => {}
        }
        events
    }

    fn fire(&mut self, now: Timestamp) -> Vec<ClockEvent> {
        let closed_at = self.met_at().or(self.ended.map(|ended| ended.at));
        let by = closed_at.map_or(now, |at| at.min(now));
        let gave_up = self.state() == ClockState::Breached;
        let mut events = vec![];
        if !self.has_warned && self.deadline.warn_at <= by {
            self.has_warned = true;
            events.push(ClockEvent::Warned);
        }
        if !self.has_breached && (self.deadline.due_at < by || gave_up) {
            self.has_breached = true;
            events.push(ClockEvent::Breached);
        }
        events
    }
}
