//! Promises of users to customers: made with a deal or in an activity, done or still open after the win.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Deal, DealError};
use crate::access::{Denied, Scope};
use crate::act::Act;
use crate::activities::Activity;
use crate::fault::Fault;
use crate::id::{ActivityId, CompanyId, DealId, LeadId, PromiseId};
use crate::instant::{Day, Timestamp};
use crate::journal::{Facts, facts};
use crate::record::{Edited, Plain, RecordChange, archived_at, counted};
use crate::words::words;

words! {
    /// Where a promise was made.
    PromiseSource {
        /// In an activity.
        Activity = "activity",
        /// With a deal.
        Deal = "deal",
    }
}

/// A promise, as a request describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreatePromise)]
pub struct PromiseDetails {
    /// What was promised.
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"\S",
        example = "Train the team in the first week"
    )]
    pub text: String,
    /// The day by which it is due.
    pub due_on: Option<Day>,
    /// When it was done.
    pub done_at: Option<Timestamp>,
}

/// A promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// Its id.
    pub id: PromiseId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// What a request describes of it.
    pub details: PromiseDetails,
    /// The activity in which it was made; fixed.
    pub activity_id: Option<ActivityId>,
    /// The deal; fixed.
    pub deal_id: Option<DealId>,
    /// The lead of the activity, or the primary lead of the deal; fixed.
    pub lead_id: Option<LeadId>,
    /// The company of the deal or activity, as it was when the promise was made.
    pub company_id: Option<CompanyId>,
    /// When it was archived: it was a mistake, or its activity no longer states it.
    pub archived_at: Option<Timestamp>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

counted!(Promise);

impl Plain for Promise {
    const NOUN: &'static str = "promise";
    const READ: Scope = Scope::DealsRead;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("promise.created", "A promise to a customer was recorded."),
        (
            "promise.updated",
            "A promise to a customer changed, was done, archived or restored.",
        ),
    ];

    fn facts(&self) -> Facts {
        let mut known = facts(json!(self.details));
        known.insert("activity_id".into(), json!(self.activity_id));
        known.insert("deal_id".into(), json!(self.deal_id));
        known.insert("archived_at".into(), json!(self.archived_at));
        known
    }

    fn lead_id(&self) -> Option<LeadId> {
        self.lead_id
    }
}

impl Promise {
    /// Where it was made.
    pub const fn source(&self) -> PromiseSource {
        match self.activity_id {
            Some(_) => PromiseSource::Activity,
            None => PromiseSource::Deal,
        }
    }

    fn blank(details: PromiseDetails, act: &Act) -> Self {
        Self {
            id: act.ids.next(),
            version: 1,
            details,
            activity_id: None,
            deal_id: None,
            lead_id: None,
            company_id: None,
            archived_at: None,
            created_at: act.now,
            updated_at: act.now,
        }
    }
}

impl PromiseDetails {
    fn sound(self, act: &Act) -> Result<Self, DealError> {
        let mut faults = vec![];
        let text = self.text.trim().to_owned();
        if text.is_empty() {
            faults.push(Fault::new("/text", "required", "must not be blank"));
        }
        if self.done_at.is_some_and(|at| at > act.now) {
            faults.push(Fault::new(
                "/done_at",
                "out_of_range",
                "must not be in the future",
            ));
        }
        DealError::unless_sound(faults)?;
        Ok(Self { text, ..self })
    }
}

/// Record a promise that was made with a deal, open or closed: by its owner or a sales manager.
pub fn create(deal: &Deal, details: PromiseDetails, act: &Act) -> Result<Promise, DealError> {
    act.may_work(deal.owner_id)?;
    let details = details.sound(act)?;
    Ok(Promise {
        deal_id: Some(deal.id),
        lead_id: deal.primary_lead_id,
        company_id: deal.company_id,
        ..Promise::blank(details, act)
    })
}

/// Update a promise. All of sales may, since others take over the customer. What an activity states changes
/// with the activity alone; its promise can only be done.
pub fn edit(
    known: &Promise,
    details: PromiseDetails,
    archived: Option<bool>,
    act: &Act,
) -> Result<Edited<Promise>, DealError> {
    let person = act.by.demand_person()?;
    if !(person.is_admin() || person.is_sales()) {
        return Err(Denied::WrongRole.into());
    }
    let details = details.sound(act)?;
    if known.activity_id.is_some() {
        let mut faults = vec![];
        for (place, differs) in [
            ("/text", details.text != known.details.text),
            ("/due_on", details.due_on != known.details.due_on),
            ("/archived", archived.is_some()),
        ] {
            if differs {
                let detail = "is changed in the activity that states the promise";
                faults.push(Fault::new(place, "not_allowed", detail));
            }
        }
        DealError::unless_sound(faults)?;
    }
    let edited = Promise {
        details,
        archived_at: archived_at(known.archived_at, archived, act.now),
        ..known.clone()
    };
    Ok(known.becomes(edited, act.now))
}

/// The promises that an activity states become records. `known` are those of the activity so far: one whose text it still
/// states stays, with what was done; the others are archived.
pub fn follow(activity: &Activity, known: &[Promise], act: &Act) -> Vec<RecordChange<Promise>> {
    let mut known: VecDeque<&Promise> = known.iter().collect();
    let mut changes = vec![];
    for stated in &activity.promises {
        let text = stated.text.trim();
        let same = known.iter().position(|one| one.details.text == text);
        match same.and_then(|place| known.remove(place)) {
            Some(promise) => {
                let mut edited = promise.clone();
                edited.details.due_on = stated.due_on;
                edited.archived_at = None;
                changes.extend(promise.becomes(edited, act.now).1);
            }
            None => {
                let details = PromiseDetails {
                    text: text.to_owned(),
                    due_on: stated.due_on,
                    done_at: None,
                };
                let made = Promise {
                    activity_id: Some(activity.id),
                    deal_id: activity.deal_id,
                    lead_id: activity.lead_id,
                    company_id: activity.company_id,
                    ..Promise::blank(details, act)
                };
                changes.push(made.created());
            }
        }
    }
    for gone in known {
        let edited = Promise {
            archived_at: gone.archived_at.or(Some(act.now)),
            ..gone.clone()
        };
        changes.extend(gone.becomes(edited, act.now).1);
    }
    changes
}
