//! The registry of fields: every fact about a lead that a condition may name, in one table.

use crate::leads::custom::{CustomField, CustomType};

/// What values a field has, and so which operators it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldType {
    /// Only whether there is a value: conditions do not look at personal data.
    Presence,
    /// Text, compared in lower case.
    Text,
    /// A number.
    Number,
    /// Money, compared in the base currency.
    Money,
    /// `true` or `false`.
    Boolean,
    /// An instant, or a calendar day that counts from its midnight in the company's zone.
    Date,
}

/// Where a field's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The lead's identifiers and what may be used of them.
    Identity,
    /// The winning statement about the lead.
    Lead,
    /// The winning statement about the lead's company.
    Company,
    /// The lead's own events and submissions, or when it came.
    History,
    /// Where the lead or its company stands now. It is not stored with the time at which it was true, so scoring, which
    /// can be asked for a past instant, must not use it.
    State,
}

/// A field's line in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The name in conditions.
    pub name: &'static str,
    /// What values it has.
    pub kind: FieldType,
    /// Where they come from.
    pub origin: Origin,
    /// What it means, for the documentation.
    pub meaning: &'static str,
}

macro_rules! registry {
    ($($field:ident = $name:literal, $kind:ident, $origin:ident, $meaning:literal;)*) => {
        /// A field that every installation has.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Standard { $(#[doc = $meaning] $field,)* }

        impl Standard {
            /// Every standard field, in the order of the documentation.
            pub const ALL: &'static [Standard] = &[$(Standard::$field,)*];

            /// The field's line in the registry.
            pub const fn entry(self) -> &'static Entry {
                match self {
                    $(Standard::$field => &Entry {
                        name: $name, kind: FieldType::$kind, origin: Origin::$origin, meaning: $meaning,
                    },)*
                }
            }
        }
    };
}

registry! {
    Email = "email", Presence, Identity, "The e-mail address.";
    Phone = "phone", Presence, Identity, "The phone number.";
    FirstName = "first_name", Presence, Lead, "The given name.";
    LastName = "last_name", Presence, Lead, "The family name.";
    Contactable = "contactable", Boolean, Identity, "Whether there is an e-mail or phone that may be used.";
    LastActivityAt = "last_activity_at", Date, History, "The newest of the lead's own events and submissions.";
    Voice = "voice", Text, State, "Who speaks with the lead: marketing or sales.";
    EmailDomain = "email.domain", Text, Identity, "The domain of the primary e-mail.";
    EmailIsFree = "email.is_free", Boolean, Identity, "Whether that domain gives addresses to everybody.";
    Country = "country", Text, Lead, "The lead's country, ISO 3166-1 alpha-2.";
    Language = "language", Text, Lead, "The lead's language, BCP 47.";
    JobTitle = "job_title", Text, Lead, "The job title.";
    JobFunction = "job_function", Text, Lead, "The function, derived from the job title.";
    Seniority = "seniority", Text, Lead, "The seniority, derived from the job title.";
    Budget = "budget", Money, Lead, "The budget, in the base currency at the rate of the day on which it was observed.";
    TimelineDays = "timeline_days", Number, Lead, "In how many days the lead wants to buy.";
    Need = "need", Text, Lead, "The need, in the lead's own words.";
    CreatedAt = "created_at", Date, History, "When the lead became known.";
    ReturnedAt = "returned_at", Date, History, "When it last came back as a customer, churned or disqualified lead.";
    Owner = "owner", Text, State, "The responsible user's id.";
    Cycle = "cycle", Number, State, "The current pass through the stages, from 1.";
    CompanyName = "company.name", Text, Company, "The company's name.";
    CompanyDomain = "company.domain", Text, Company, "The company's web domain.";
    CompanyIndustry = "company.industry", Text, Company, "The company's industry.";
    CompanyEmployees = "company.employees", Number, Company, "The company's number of employees.";
    CompanyCountry = "company.country", Text, Company, "The company's country, ISO 3166-1 alpha-2.";
    CompanyOwner = "company.owner", Text, State, "The id of the user who is responsible for the company.";
    CompanyStage = "company.stage", Text, State, "The furthest stage among the company's leads.";
    BudgetConfirmed = "qualification.budget.confirmed", Boolean, State, "Whether the budget is confirmed.";
    AuthorityConfirmed = "qualification.authority.confirmed", Boolean, State, "Whether the authority is confirmed.";
    NeedConfirmed = "qualification.need.confirmed", Boolean, State, "Whether the need is confirmed.";
    TimelineConfirmed = "qualification.timeline.confirmed", Boolean, State, "Whether the timeline is confirmed.";
}

/// A field that a condition may name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// One that every installation has.
    Standard(Standard),
    /// One that the company declared, `custom.<name>`.
    Custom {
        /// The name without `custom.`.
        name: String,
        /// What values it has.
        kind: FieldType,
    },
}

impl Field {
    /// The field with this name, given the company's own declarations.
    pub fn named(name: &str, custom: &[CustomField]) -> Option<Self> {
        if let Some(own) = name.strip_prefix("custom.") {
            let declared = custom.iter().find(|field| field.name == own)?;
            return Some(Field::Custom {
                name: own.to_owned(),
                kind: FieldType::of(declared.kind),
            });
        }
        let mut all = Standard::ALL.iter().copied();
        all.find(|field| field.entry().name == name).map(Field::Standard)
    }

    /// The name in conditions.
    pub fn name(&self) -> String {
        match self {
            Field::Standard(field) => field.entry().name.to_owned(),
            Field::Custom { name, .. } => format!("custom.{name}"),
        }
    }

    /// What values it has.
    pub fn kind(&self) -> FieldType {
        match self {
            Field::Standard(field) => field.entry().kind,
            Field::Custom { kind, .. } => *kind,
        }
    }

    /// Whether scoring may use it: what it was at a past instant is known.
    pub fn may_score(&self) -> bool {
        !matches!(self, Field::Standard(field) if field.entry().origin == Origin::State)
    }
}

impl FieldType {
    /// The type of a declared field.
    pub const fn of(kind: CustomType) -> Self {
        match kind {
            CustomType::Text | CustomType::Choice => FieldType::Text,
            CustomType::Integer | CustomType::Number => FieldType::Number,
            CustomType::Boolean => FieldType::Boolean,
            CustomType::Date => FieldType::Date,
        }
    }
}
