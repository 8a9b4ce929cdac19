//! Leads and companies: what they are, and how statements about them become what is shown.

pub mod change;
pub mod consent;
pub mod country;
pub mod custom;
pub mod duplicates;
pub mod fields;
pub mod free_mail;
pub mod identity;
pub mod job;
mod phone;
pub mod save;
pub mod search;
mod touch;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use crate::id::{CompanyId, LeadId, UserId};
use crate::instant::Timestamp;
use crate::money::Money;
use crate::stage::Stage;
use identity::Identifier;

pub use touch::{ClickIds, Touch};

/// The record's id in another system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalId {
    /// The system.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        example = "crm"
    )]
    pub system: String,
    /// The id in that system.
    #[schema(min_length = 1, max_length = 255, example = "4711")]
    pub id: String,
}

/// A lead: a person known by at least one identifier.
#[derive(Debug, Clone, PartialEq)]
pub struct Lead {
    /// Who it is, for good.
    pub id: LeadId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// Counts what time and rules changed, from 0.
    pub derived: i64,
    /// The lead's stage.
    pub stage: Stage,
    /// When it entered that stage.
    pub stage_since: Timestamp,
    /// The stage before, in the same cycle.
    pub came_from: Option<Stage>,
    /// The current pass through the stages, from 1.
    pub cycle: i64,
    /// The owner.
    pub owner_id: Option<UserId>,
    /// Who was, before it went back to nurture or out.
    pub previous_owner_id: Option<UserId>,
    /// No rule makes it an MQL before this instant (a date given with the decision).
    pub nurture_until: Option<Timestamp>,
    /// E-mails, phones and external ids, each kind in its order; the first e-mail is the primary one.
    pub identifiers: Vec<Identifier>,
    /// The winners among the statements about it.
    pub profile: Profile,
    /// The lead's company.
    pub company_id: Option<CompanyId>,
    /// Where it first came from, if known.
    pub first_touch: Option<Touch>,
    /// Its latest touch.
    pub last_touch: Option<Touch>,
    /// Its latest touch that was not direct.
    pub last_non_direct_touch: Option<Touch>,
    /// Its latest touch at or before it became known.
    pub lead_touch: Option<Touch>,
    /// When it was last active: the newest of its own events and submissions. What bots did is left out.
    pub last_activity_at: Option<Timestamp>,
    /// When it last submitted a form as a customer, churned or disqualified lead.
    pub returned_at: Option<Timestamp>,
    /// Not worked any more, by hand.
    pub archived_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What is known about a person. Absent and empty are the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// The plain text fields that have a value.
    pub text: BTreeMap<fields::LeadField, String>,
    /// The budget.
    pub budget: Option<Money>,
    /// The number of days within which the person wants to decide.
    pub timeline_days: Option<i64>,
    /// The declared custom fields that have a value, by name.
    pub custom: BTreeMap<String, Value>,
}

impl Profile {
    /// The value of a text field.
    pub fn get(&self, field: fields::LeadField) -> Option<&str> {
        self.text.get(&field).map(String::as_str)
    }
}

impl Profile {
    /// State the value of a field by its name; `null` and empty text remove it. Names of other fields change nothing.
    pub fn state(&mut self, field: &str, value: &Value) {
        let text = value.as_str().filter(|text| !text.is_empty());
        if let Some(known) = fields::LeadField::named(field) {
            match text {
                Some(text) => self.text.insert(known, text.to_owned()),
                None => self.text.remove(&known),
            };
        } else if let Some(name) = field.strip_prefix("custom.") {
            match fields::is_empty(value) {
                true => self.custom.remove(name),
                false => self.custom.insert(name.to_owned(), value.clone()),
            };
        } else if field == "budget" {
            self.budget = serde_json::from_value(value.clone()).ok();
        } else if field == "timeline_days" {
            self.timeline_days = value.as_i64();
        }
    }
}

impl Lead {
    /// The one touch that is known so far.
    pub fn begin_with(&mut self, touch: &Touch) {
        self.first_touch = Some(touch.clone());
        self.last_touch = Some(touch.clone());
        self.last_non_direct_touch = touch.is_not_direct().then(|| touch.clone());
        let was_before = touch.occurred_at.is_some_and(|at| at <= self.created_at);
        self.lead_touch = was_before.then(|| touch.clone());
    }

    /// The primary e-mail.
    pub fn email(&self) -> Option<&str> {
        self.of_kind(identity::Kind::Email)
            .next()
            .map(|identifier| identifier.value.as_str())
    }

    /// The identifiers of one kind, in their order.
    pub fn of_kind(&self, kind: identity::Kind) -> impl Iterator<Item = &Identifier> {
        self.identifiers
            .iter()
            .filter(move |identifier| identifier.kind == kind)
    }
}

/// A company: the organisation that leads belong to, keyed by its web domain.
#[derive(Debug, Clone, PartialEq)]
pub struct Company {
    /// Its id.
    pub id: CompanyId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// The web domain, in ASCII and lower case.
    pub domain: Option<String>,
    /// The winners among the statements about it.
    pub text: BTreeMap<fields::CompanyField, String>,
    /// The number of employees.
    pub employees: Option<i64>,
    /// The owner.
    pub owner_id: Option<UserId>,
    /// Not worked any more, by hand.
    pub archived_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Company {
    /// State the value of a field by its name; `null` and empty text remove it. Names of other fields change nothing.
    pub fn state(&mut self, field: &str, value: &Value) {
        let text = value.as_str().filter(|text| !text.is_empty());
        if let Some(known) = fields::CompanyField::named(field) {
            match text {
                Some(text) => self.text.insert(known, text.to_owned()),
                None => self.text.remove(&known),
            };
        } else if field == "employees" {
            self.employees = value.as_i64();
        } else if field == "owner_id" {
            self.owner_id = text.and_then(|text| text.parse().ok());
        }
    }

    /// The value of a text field.
    pub fn get(&self, field: fields::CompanyField) -> Option<&str> {
        self.text.get(&field).map(String::as_str)
    }

    /// The company's name.
    pub fn name(&self) -> Option<&str> {
        self.get(fields::CompanyField::Name)
    }
}
