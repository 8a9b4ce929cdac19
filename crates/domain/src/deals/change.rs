//! What happens to deals, and what the journal says of it.

use serde_json::json;

use super::{Deal, DealMove, State};
use crate::activities::Objection;
use crate::handoff::Conclusion;
use crate::journal::Facts;
use crate::journal::{Entry, Subject};

/// The types of entry about deals, with what they mean.
pub(crate) const TYPES: &[(&str, &str)] = &[
    ("deal.opened", "A deal was opened."),
    ("deal.moved", "A deal went to another stage of its pipeline."),
    ("deal.won", "A deal was won."),
    ("deal.lost", "A deal was lost."),
    ("deal.reopened", "A closed deal was opened again."),
    (
        "deal.acknowledged",
        "Marketing acknowledged that a deal was lost.",
    ),
    ("deal.updated", "Fields or leads of a deal changed."),
];

/// What happened to a deal.
#[derive(Debug, Clone, PartialEq)]
pub enum DealChange {
    /// It was opened.
    Opened {
        /// The deal.
        deal: Box<Deal>,
        /// The first entry of its history.
        made: DealMove,
        /// The fields that it was opened with.
        after: Facts,
    },
    /// It went to another stage of its pipeline.
    Moved {
        /// The deal after the change.
        deal: Box<Deal>,
        /// The move.
        made: DealMove,
    },
    /// It was won or lost.
    Closed {
        /// The deal after the change.
        deal: Box<Deal>,
        /// The move.
        made: DealMove,
        /// The objections that were raised until then.
        objections: Vec<Objection>,
    },
    /// It was closed and is open again.
    Reopened {
        /// The deal after the change.
        deal: Box<Deal>,
        /// The move.
        made: DealMove,
    },
    /// Fields or members changed.
    Edited {
        /// The deal after the change.
        deal: Box<Deal>,
        /// The changed fields before.
        before: Facts,
        /// The changed fields after.
        after: Facts,
    },
    /// Marketing acknowledged that it was lost, with its conclusion.
    Acknowledged(Box<Deal>, Conclusion),
}

impl DealChange {
    pub(crate) fn entry(&self) -> Entry {
        match self {
            Self::Opened { deal, made, after } => moved("deal.opened", deal, made).created(after),
            Self::Moved { deal, made } => moved("deal.moved", deal, made),
            Self::Closed {
                deal,
                made,
                objections,
            } => {
                let kind = match deal.state() {
                    State::Lost => "deal.lost",
                    State::Open | State::Won => "deal.won",
                };
                let mut entry = moved(kind, deal, made);
                if !objections.is_empty() {
                    entry.data.insert("objections".into(), json!(objections));
                }
                entry
            }
            Self::Reopened { deal, made } => moved("deal.reopened", deal, made),
            Self::Edited { deal, before, after } => {
                let entry = Entry::plain("deal.updated", subject(deal), deal.primary_lead_id, json!({}));
                entry.edited(before, after)
            }
            Self::Acknowledged(deal, conclusion) => {
                let data = json!({"note": conclusion.note, "action_item_id": conclusion.action_item_id});
                Entry::plain("deal.acknowledged", subject(deal), deal.primary_lead_id, data)
            }
        }
    }
}

fn subject(deal: &Deal) -> Subject {
    Subject::new("deal", deal.id, deal.version)
}

fn moved(kind: &'static str, deal: &Deal, made: &DealMove) -> Entry {
    let mut data = json!({
        "name": deal.name, "from": made.from, "to": made.to, "at": made.at, "move_id": made.id,
        "reason": made.reason, "note": made.note, "amount": deal.amount, "owner_id": deal.owner_id,
    });
    if let Some(closing) = &deal.closing {
        data["competitor"] = json!(closing.competitor);
        data["value"] = json!(closing.value.map(|value| value.money));
    }
    Entry::plain(kind, subject(deal), deal.primary_lead_id, data)
}
