//! Previews: what a version would have done to the leads of a period, kept with what really happened to them.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::conditions::Evidence;
use super::version::AgreementVersion;
use crate::id::{LeadId, PreviewId, PreviewedId};
use crate::instant::Timestamp;
use crate::journal::{Entry, Subject};
use crate::words::words;

words! {
    /// The state of a preview.
    PreviewState {
        /// It runs in the background.
        Running = "running",
        /// It is complete.
        Finished = "finished",
        /// The document cannot be evaluated any more: something that it refers to is gone.
        Failed = "failed",
    }

    /// A list of a preview.
    PreviewList {
        /// Leads that the previewed version would have made MQLs, and that no rule really made one; a user may have.
        Gained = "gained",
        /// Leads that a rule really made MQLs, and that the previewed version would not have.
        Lost = "lost",
        /// Leads that a rule really made MQLs, and that the previewed version would have, too.
        Kept = "kept",
    }
}

/// A preview of a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// Its id.
    pub id: PreviewId,
    /// The number of the version.
    pub version: i64,
    /// The document of the version that it evaluates: [`AgreementVersion::document_version`].
    pub document_version: i64,
    /// Its state.
    pub state: PreviewState,
    /// The beginning of the period.
    pub from: Timestamp,
    /// The end of the period.
    pub to: Timestamp,
    /// Whether the period reaches as far back as a signature demands.
    pub suffices: bool,
    /// The id of the actor who requested it.
    pub requested_by: String,
    /// When it was requested.
    pub requested_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How many leads there are to judge.
    pub total: i64,
    /// How many were judged.
    pub done: i64,
    /// The last lead that was judged: leads are judged in the order of their ids.
    pub last: Option<LeadId>,
    /// The result, as far as it has come.
    pub figures: PreviewFigures,
}

/// The result of a preview.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewFigures {
    /// Leads that the previewed version would have made MQLs, and that no rule really made one; a user may have.
    pub gained: Outcomes,
    /// Leads that a rule really made MQLs, and that the previewed version would not have.
    pub lost: Outcomes,
    /// Leads that a rule really made MQLs, and that the previewed version would have, too.
    pub kept: Outcomes,
    /// Hand-offs by hand, and leads that sales sourced: in no list.
    pub by_hand: i64,
    /// Leads that the version would make MQLs now.
    pub ready: i64,
}

/// What came of the leads of a list, as far as they were really handed over; of the others it is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Leads of the list, once for each cycle.
    pub leads: i64,
    /// Those that were really handed over, by rule or by hand.
    pub handed_over: i64,
    /// Those that sales accepted.
    pub accepted: i64,
    /// Those that became SQLs.
    pub sql: i64,
    /// Those that became customers.
    pub won: i64,
}

/// How far one lead really came in a cycle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CycleOutcome {
    /// Whether it was handed over.
    pub handed_over: bool,
    /// Whether sales accepted it.
    pub accepted: bool,
    /// Whether it became an SQL.
    pub sql: bool,
    /// Whether it became a customer.
    pub won: bool,
}

/// A lead in the result of a preview.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewedLead {
    /// Its id.
    pub id: PreviewedId,
    /// The preview.
    pub preview_id: PreviewId,
    /// The list.
    pub list: PreviewList,
    /// The lead.
    pub lead_id: LeadId,
    /// The cycle in which it became an MQL, or would have.
    pub cycle: i64,
    /// When the version would have made it an MQL.
    pub would_be_at: Option<Timestamp>,
    /// When the rule of then made it an MQL.
    pub made_at: Option<Timestamp>,
    /// What decides under the version.
    pub evidence: Vec<Evidence>,
    /// What blocks the lead under the version.
    pub blocked_by: Vec<String>,
    /// How far it really came.
    pub outcome: CycleOutcome,
}

impl Outcomes {
    /// Count one lead.
    pub fn add(&mut self, outcome: CycleOutcome) {
        self.leads += 1;
        self.handed_over += i64::from(outcome.handed_over);
        self.accepted += i64::from(outcome.accepted);
        self.sql += i64::from(outcome.sql);
        self.won += i64::from(outcome.won);
    }

    /// Both lists together.
    pub const fn and(self, other: Self) -> Self {
        Self {
            leads: self.leads + other.leads,
            handed_over: self.handed_over + other.handed_over,
            accepted: self.accepted + other.accepted,
            sql: self.sql + other.sql,
            won: self.won + other.won,
        }
    }
}

impl PreviewFigures {
    /// The figures of a list.
    pub const fn list(&mut self, list: PreviewList) -> &mut Outcomes {
        match list {
            PreviewList::Gained => &mut self.gained,
            PreviewList::Lost => &mut self.lost,
            PreviewList::Kept => &mut self.kept,
        }
    }
}

impl Preview {
    /// Whether a signature on a version may rely on it.
    pub fn allows_signing(&self, version: &AgreementVersion) -> bool {
        let is_of_it = (self.version, self.document_version) == (version.number, version.document_version);
        is_of_it && self.state == PreviewState::Finished && self.suffices
    }

    /// The days of its period.
    pub fn days(&self) -> f64 {
        (self.to.millis() - self.from.millis()) as f64 / 86_400_000.0
    }

    pub(super) fn entry(&self) -> Entry {
        let kind = match self.state {
            PreviewState::Running => "agreement.preview_requested",
            PreviewState::Finished => "agreement.preview_finished",
            PreviewState::Failed => "agreement.preview_failed",
        };
        let data = json!({
            "version": self.version, "preview_id": self.id, "from": self.from, "to": self.to,
            "gained": self.figures.gained.leads, "lost": self.figures.lost.leads,
            "kept": self.figures.kept.leads,
        });
        Entry::plain(
            kind,
            Subject::new("agreement", self.version, self.document_version),
            None,
            data,
        )
    }
}
