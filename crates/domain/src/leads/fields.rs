//! Field values: every statement about a lead or company is stored, one pure function chooses the winners.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::access::Actor;
use crate::id::{CompanyId, FieldValueId, LeadId};
use crate::instant::Timestamp;

macro_rules! fields {
    ($(#[$outer:meta])* $kind:ident { $($(#[$doc:meta])* $name:ident = $text:literal, $max:literal;)* }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind { $($(#[$doc])* $name,)* }

        impl $kind {
            /// Every field of this kind.
            pub const ALL: &'static [$kind] = &[$($kind::$name,)*];

            /// The field's name on the wire and on disk.
            pub const fn name(self) -> &'static str {
                match self { $($kind::$name => $text,)* }
            }

            /// The most characters that a value may have.
            pub const fn max_chars(self) -> usize {
                match self { $($kind::$name => $max,)* }
            }

            /// The field with this name.
            pub fn named(name: &str) -> Option<$kind> {
                Self::ALL.iter().copied().find(|field| field.name() == name)
            }
        }
    };
}

fields! {
    /// The plain text fields of a lead.
    LeadField {
        /// The given name.
        FirstName = "first_name", 200;
        /// The family name.
        LastName = "last_name", 200;
        /// The job title.
        JobTitle = "job_title", 200;
        /// ISO 3166-1 alpha-2, upper case.
        Country = "country", 2;
        /// BCP 47, such as `it` or `pt-BR`.
        Language = "language", 35;
        /// The need, in the person's own words.
        Need = "need", 4000;
    }
}

fields! {
    /// The plain text fields of a company.
    CompanyField {
        /// The name.
        Name = "name", 200;
        /// The industry.
        Industry = "industry", 200;
        /// ISO 3166-1 alpha-2, upper case.
        Country = "country", 2;
    }
}

/// Where a statement came from; it decides, together with the time, which statement is the shown value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Typed by a user of the company.
    Hand,
    /// Sent by a form.
    Form,
    /// Sent by a partner's key.
    Api,
    /// Read from a file.
    Import,
    /// Reported by a partner's system.
    Partner,
}

impl Source {
    /// The source's name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Source::Hand => "hand",
            Source::Form => "form",
            Source::Api => "api",
            Source::Import => "import",
            Source::Partner => "partner",
        }
    }

    /// The source with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Hand, Self::Form, Self::Api, Self::Import, Self::Partner]
            .into_iter()
            .find(|s| s.name() == name)
    }

    /// How far it is believed: a user of the company before known systems, these before strangers.
    pub const fn rank(self) -> Rank {
        match self {
            Source::Hand => Rank::Hand,
            Source::Api | Source::Import | Source::Partner => Rank::Known,
            Source::Form => Rank::Stranger,
        }
    }

    /// The source of what an actor states.
    pub fn of(actor: &Actor) -> Self {
        match actor {
            Actor::User(_) => Source::Hand,
            Actor::Key { .. } => Source::Api,
            Actor::Form(_) => Source::Form,
            Actor::System(_) => Source::Import,
        }
    }
}

/// How far a source is believed; the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Senders of forms: anybody can send one.
    Stranger,
    /// Keys and imports.
    Known,
    /// A user of the company.
    Hand,
}

/// The lead or company that a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum About {
    /// A lead.
    Lead(LeadId),
    /// A company.
    Company(CompanyId),
}

/// One statement about a field of a lead or company.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldValue {
    /// Which; of two otherwise equal statements the greater id wins.
    pub id: FieldValueId,
    /// Whom it is about.
    pub about: About,
    /// The field's name: `first_name`, `company_id`, `custom.<name>`, ...
    pub field: String,
    /// The value; `null` means empty.
    pub value: Value,
    /// The source of the statement.
    pub source: Source,
    /// When it was true, as far as the source knows.
    pub observed_at: Timestamp,
    /// When it was created in Tandem.
    pub recorded_at: Timestamp,
    /// Who stated it: the id of a user, key or form.
    pub by: String,
}

impl FieldValue {
    /// By hand first, then keys and imports, then forms; among equals the newest observation, then the greater id.
    fn rank(&self) -> (Rank, Timestamp, FieldValueId) {
        (self.source.rank(), self.observed_at, self.id)
    }

    /// Whether the statement takes part at all: what is empty says something only by hand.
    pub fn counts(&self) -> bool {
        self.source == Source::Hand || !is_empty(&self.value)
    }
}

/// Whether a value says nothing: `null` or empty text.
pub fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Null) || value.as_str() == Some("")
}

/// The statement that is shown among those about one field of one record.
pub fn winner<'a>(statements: impl IntoIterator<Item = &'a FieldValue>) -> Option<&'a FieldValue> {
    statements
        .into_iter()
        .filter(|statement| statement.counts())
        .max_by_key(|statement| statement.rank())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Ids;
    use proptest::prelude::*;

    fn statement(ids: &Ids, lead: LeadId, source: Source, at: i64, value: Value) -> FieldValue {
        let observed_at = Timestamp::from_millis(at);
        let id = ids.next();
        FieldValue {
            id,
            about: About::Lead(lead),
            field: "first_name".into(),
            value,
            source,
            observed_at,
            recorded_at: observed_at,
            by: "test".into(),
        }
    }

    proptest! {
        #[test]
        fn the_winner_is_what_a_slow_reading_of_the_rule_says(
            drawn in prop::collection::vec((0usize..5, 0i64..4, 0u8..3), 0..12)
        ) {
            let ids = Ids::new(Timestamp::from_millis(0), 0);
            let lead = ids.next();
            let sources = [Source::Hand, Source::Form, Source::Api, Source::Import, Source::Partner];
            let all: Vec<_> = drawn
                .iter()
                .map(|(s, at, v)| {
                    let value = match v { 0 => Value::Null, 1 => "".into(), n => format!("{n}").into() };
                    statement(&ids, lead, sources[*s], *at, value)
                })
                .collect();
            let by_hand: Vec<_> = all.iter().filter(|s| s.source == Source::Hand).collect();
            let others: Vec<_> = all.iter().filter(|s| s.source != Source::Hand && !is_empty(&s.value)).collect();
            let (of_forms, known): (Vec<_>, Vec<_>) = others.into_iter().partition(|s| s.source == Source::Form);
            let pool = [by_hand, known, of_forms].into_iter().find(|pool| !pool.is_empty()).unwrap_or_default();
            let mut oracle: Option<&FieldValue> = None;
            for candidate in pool {
                oracle = match oracle {
                    Some(best) if best.observed_at > candidate.observed_at => Some(best),
                    Some(best) if best.observed_at == candidate.observed_at && best.id > candidate.id => Some(best),
                    _ => Some(candidate),
                };
            }
            prop_assert_eq!(winner(&all), oracle);
        }
    }
}
