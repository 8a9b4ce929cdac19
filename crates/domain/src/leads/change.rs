//! What happens to leads and companies, and what the journal says of it.

use std::collections::BTreeMap;

use serde_json::json;

use super::consent::{Confirmation, ConsentState, ConsentStatement};
use super::fields::FieldValue;
use super::identity::Identifier;
use super::{Company, Lead, Touch};
use crate::handoff::qualification::Qualification;
use crate::id::{IdentifierId, LeadId, SegmentId, TouchId, UserId};
use crate::instant::Timestamp;
use crate::journal::Facts;
use crate::journal::{Entry, Subject};
use crate::lifecycle::{Cycle, Transition};
use crate::scoring::{ScoreRecord, StoredScore};
use crate::tracking::record::TouchRecord;
use crate::tracking::visitor::Identified;

/// The types of entry about leads, with what they mean.
pub(crate) const TYPES: &[(&str, &str)] = &[
    ("lead.created", "A user or partner created a lead."),
    ("lead.captured", "A form created a lead."),
    ("lead.updated", "Fields or identifiers of a lead changed."),
    ("lead.stage_changed", "A lead moved to another stage."),
    ("lead.assigned", "A lead has another owner, or none."),
    ("lead.archived", "A lead was archived."),
    ("lead.restored", "A lead was restored."),
    ("consent.granted", "A person agreed to a purpose."),
    ("consent.confirmed", "A person confirmed consent by a link."),
    (
        "consent.withdrawn",
        "Consent to a purpose was refused or withdrawn.",
    ),
    (
        "consent.disregarded",
        "A system repeated, without a date, a consent that was withdrawn since; it has no effect.",
    ),
    (
        "consent.link_issued",
        "A confirmation link for consent was issued.",
    ),
    ("touch.added", "A touch of a lead was recorded."),
    ("visitor.identified", "A visitor was linked to a lead."),
    (
        "lead.returned",
        "A customer, a churned or a disqualified lead submitted a form again.",
    ),
    (
        "qualification.updated",
        "A lead's budget, authority, need or timeline changed or was confirmed.",
    ),
    ("lead.segments_changed", "A lead entered or left segments."),
    ("score.band_changed", "The score of a lead reached another band."),
];

/// The types of entry about companies, with what they mean.
pub(crate) const COMPANY_TYPES: &[(&str, &str)] = &[
    ("company.created", "A company was created."),
    ("company.updated", "Fields of a company changed."),
    ("company.archived", "A company was archived."),
    ("company.restored", "A company was restored."),
];

/// What happened to a lead.
#[derive(Debug, Clone, PartialEq)]
pub enum LeadChange {
    /// It became known.
    Created {
        /// The lead.
        lead: Box<Lead>,
        /// Its first cycle.
        cycle: Cycle,
        /// The first entry of its stage history.
        transition: Transition,
        /// The fields that were stated.
        after: Facts,
    },
    /// Fields or identifiers changed.
    Edited {
        /// The lead after the change.
        lead: Box<Lead>,
        /// Its current cycle, where the change shows in it.
        cycle: Option<Cycle>,
        /// The changed fields before.
        before: Facts,
        /// The changed fields after.
        after: Facts,
        /// Whether it is found by other words of its own.
        has_other_words: bool,
        /// Whether it belongs to another company, or to none.
        has_other_company: bool,
    },
    /// It moved to another stage.
    Moved {
        /// The lead after the change.
        lead: Box<Lead>,
        /// The move.
        transition: Transition,
        /// The cycle that it was made in, or that it started.
        cycle: Cycle,
        /// The owner before.
        from_owner: Option<UserId>,
    },
    /// It has another owner, or none.
    Assigned {
        /// The lead after the change.
        lead: Box<Lead>,
        /// Its current cycle, which names the owner.
        cycle: Option<Cycle>,
        /// The owner before.
        from: Option<UserId>,
    },
    /// It was archived.
    Archived(Box<Lead>),
    /// It was restored.
    Restored(Box<Lead>),
    /// It got an identifier.
    IdentifierAdded(LeadId, Identifier),
    /// An identifier has another place among its kind.
    IdentifierMoved(LeadId, Identifier),
    /// It lost an identifier.
    IdentifierRemoved(LeadId, IdentifierId),
    /// A field was stated.
    FieldStated(FieldValue),
    /// Consent was stated.
    ConsentStated {
        /// The lead after the change.
        lead: Box<Lead>,
        /// The statement.
        statement: ConsentStatement,
    },
    /// A link was issued by which the person may confirm consent.
    ConfirmationIssued(Confirmation),
    /// A statement about the lead named a touch of it.
    TouchStated {
        /// The touch's id.
        id: TouchId,
        /// The lead.
        lead_id: LeadId,
        /// The touch, with its instant.
        touch: Box<Touch>,
    },
    /// A touch was recorded.
    TouchAdded(Box<TouchRecord>),
    /// A visitor was identified as the lead. Its history follows by derivation.
    VisitorIdentified(Identified),
    /// It was active: the newest of its own events and submissions, where that is later than what was known.
    Active {
        /// The lead.
        lead_id: LeadId,
        /// When it happened.
        at: Timestamp,
    },
    /// What was derived of it was no longer true, and it was judged again.
    Refreshed {
        /// The lead.
        lead_id: LeadId,
    },
    /// Its score, or what is stored with it, is another one.
    Scored {
        /// The lead.
        lead_id: LeadId,
        /// The lead's version.
        version: i64,
        /// The score.
        score: Box<StoredScore>,
        /// The band before, where it is another one now.
        band_before: Option<String>,
        /// The record of the change in its history.
        record: Option<Box<ScoreRecord>>,
    },
    /// It entered or left segments.
    Segmented {
        /// The lead.
        lead_id: LeadId,
        /// The lead's version.
        version: i64,
        /// The segments that it entered.
        entered: Vec<SegmentId>,
        /// The segments that it left.
        left: Vec<SegmentId>,
        /// All segments that it is in now, each since when.
        now: BTreeMap<SegmentId, Timestamp>,
    },
    /// It sent a form as a customer, as a churned or as a disqualified lead.
    Returned(Box<Lead>),
    /// What is known of its budget, authority, need or timeline, or who confirmed it, changed.
    Qualified {
        /// The lead after the change.
        lead: Box<Lead>,
        /// The items that changed.
        items: Qualification,
        /// The changed items before.
        before: Facts,
        /// The changed items after.
        after: Facts,
    },
}

impl LeadChange {
    pub(crate) fn entry(&self) -> Option<Entry> {
        let plain = |kind: &'static str, lead: &Lead, data| {
            let subject = Subject::new("lead", lead.id, lead.version);
            Entry::plain(kind, subject, Some(lead.id), data)
        };
        let of_consent = |kind: &'static str, id: String, lead_id, data| {
            Entry::plain(kind, Subject::new("consent", id, 0), Some(lead_id), data)
        };
        Some(match self {
            Self::Created {
                lead, cycle, after, ..
            } => {
                let mut data = json!({"stage": lead.stage, "cycle": lead.cycle});
                let mut kind = "lead.created";
                if let Some(form_id) = cycle.dimensions.form_id {
                    kind = "lead.captured";
                    data["form_id"] = json!(form_id);
                }
                plain(kind, lead, data).created(after)
            }
            Self::Edited {
                lead, before, after, ..
            } => plain("lead.updated", lead, json!({})).edited(before, after),
            Self::Moved {
                lead,
                transition,
                from_owner,
                ..
            } => {
                let data = json!({
                    "from": transition.from, "to": transition.to, "cycle": transition.cycle,
                    "reason": transition.reason, "note": transition.note, "until": transition.until,
                    "transition_id": transition.id, "agreement_version": transition.agreement_version,
                    "score": transition.score, "rule": transition.by_rule.as_ref().map(|by| &by.rule),
                    "owner_id": lead.owner_id, "previous_owner_id": from_owner, "voice": transition.to.voice(),
                });
                plain("lead.stage_changed", lead, data)
            }
            Self::Assigned { lead, from, .. } => {
                plain("lead.assigned", lead, json!({"from": from, "to": lead.owner_id}))
            }
            Self::Qualified {
                lead, before, after, ..
            } => {
                let subject = Subject::new("qualification", lead.id, lead.version);
                Entry::plain("qualification.updated", subject, Some(lead.id), json!({})).edited(before, after)
            }
            Self::Archived(lead) => plain("lead.archived", lead, json!({})),
            Self::Restored(lead) => plain("lead.restored", lead, json!({})),
            Self::Returned(lead) => {
                let data = json!({"stage": lead.stage, "returned_at": lead.returned_at});
                plain("lead.returned", lead, data)
            }
            Self::Scored {
                lead_id,
                version,
                score,
                band_before,
                ..
            } => {
                let data = json!({
                    "from": band_before.as_ref()?, "to": score.band, "fit": score.fit,
                    "engagement": score.engagement, "total": score.total,
                    "agreement_version": score.agreement_version,
                });
                let subject = Subject::new("score", *lead_id, *version);
                Entry::plain("score.band_changed", subject, Some(*lead_id), data)
            }
            Self::Segmented {
                lead_id,
                version,
                entered,
                left,
                ..
            } => {
                let subject = Subject::new("lead", *lead_id, *version);
                let data = json!({"entered": entered, "left": left});
                Entry::plain("lead.segments_changed", subject, Some(*lead_id), data)
            }
            Self::IdentifierAdded(..)
            | Self::IdentifierMoved(..)
            | Self::IdentifierRemoved(..)
            | Self::FieldStated(_)
            | Self::TouchStated { .. }
            | Self::Active { .. }
            | Self::Refreshed { .. } => return None,
            Self::ConsentStated { statement, .. } => {
                let kind = match statement.state {
                    ConsentState::Granted => "consent.granted",
                    ConsentState::Confirmed => "consent.confirmed",
                    ConsentState::Withdrawn => "consent.withdrawn",
                    ConsentState::Disregarded => "consent.disregarded",
                };
                let data = json!({
                    "purpose": statement.purpose, "source": statement.source,
                    "reason": statement.reason, "confirms": statement.confirms,
                    "submission_id": statement.submission_id, "stated_at": statement.stated_at,
                });
                of_consent(kind, statement.id.to_string(), statement.lead_id, data)
            }
            Self::ConfirmationIssued(link) => {
                let data = json!({"purpose": link.purpose, "expires_at": link.expires_at});
                let id = link.consent_id.to_string();
                of_consent("consent.link_issued", id, link.lead_id, data)
            }
            Self::TouchAdded(record) => {
                let subject = Subject::new("touch", record.id, 1);
                Entry::plain("touch.added", subject, record.lead_id, json!(record.touch))
            }
            Self::VisitorIdentified(Identified { link, .. }) => {
                let subject = Subject::new("visitor", link.visitor_id, 1);
                let data = json!({"linked_at": link.at});
                Entry::plain("visitor.identified", subject, Some(link.lead_id), data)
            }
        })
    }
}

/// What happened to a company.
#[derive(Debug, Clone, PartialEq)]
pub enum CompanyChange {
    /// It became known.
    Created {
        /// The company.
        company: Company,
        /// The fields that were stated.
        after: Facts,
    },
    /// Fields changed.
    Edited {
        /// The company after the change.
        company: Company,
        /// The changed fields before.
        before: Facts,
        /// The changed fields after.
        after: Facts,
    },
    /// It was archived.
    Archived(Company),
    /// It was restored.
    Restored(Company),
    /// A field was stated.
    FieldStated(FieldValue),
}

impl CompanyChange {
    pub(crate) fn entry(&self) -> Option<Entry> {
        let plain = |kind: &'static str, company: &Company| {
            let subject = Subject::new("company", company.id, company.version);
            Entry::plain(kind, subject, None, json!({}))
        };
        Some(match self {
            Self::Created { company, after } => plain("company.created", company).created(after),
            Self::Edited {
                company,
                before,
                after,
            } => plain("company.updated", company).edited(before, after),
            Self::Archived(company) => plain("company.archived", company),
            Self::Restored(company) => plain("company.restored", company),
            Self::FieldStated(_) => return None,
        })
    }
}
