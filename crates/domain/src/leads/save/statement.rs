//! One statement about one field, stored if it is new.

use serde_json::Value;

use crate::act::Act;
use crate::change::Change;
use crate::instant::Timestamp;
use crate::leads::change::{CompanyChange, LeadChange};
use crate::leads::fields::{About, FieldValue, Source, is_empty};
use crate::world::World;

/// One statement about one field, before it is known whether it is new.
pub(super) struct FieldStatement {
    /// Whom it is about.
    pub(super) about: About,
    /// The field's name.
    pub(super) field: String,
    /// The statement.
    pub(super) value: Value,
    /// When it was true.
    pub(super) observed_at: Timestamp,
    /// Where it is from.
    pub(super) source: Source,
}

impl FieldStatement {
    /// Keep the statement unless it is known: the newest one of its kind says the same, or, where it is of an earlier
    /// date, it was itself stated before. Returns the value that wins now.
    pub(super) fn record(self, world: &mut World, changes: &mut Vec<Change>, act: &Act) -> Option<Value> {
        let source = self.source;
        let statements = world
            .statements
            .entry((self.about, self.field.clone()))
            .or_default();
        let newest = statements.newest_like(source);
        let newest_id = newest.map(|newest| newest.id);
        // A statement of now comes after the earlier ones, whatever another machine's clock showed.
        let observed_at = match newest {
            Some(newest) if self.observed_at == act.now && newest.observed_at > act.now => {
                newest.observed_at.plus_millis(1)
            }
            _ => self.observed_at,
        };
        let is_newest = newest.is_some_and(|newest| newest.value == self.value);
        let is_itself = |known: &FieldValue| {
            (known.source, known.observed_at, &known.value) == (source, observed_at, &self.value)
        };
        let is_known = is_newest || (self.observed_at < act.now && statements.all().any(is_itself));
        let says_nothing = is_empty(&self.value) && (source != Source::Hand || statements.winner().is_none());
        if is_known || says_nothing {
            return None;
        }
        let statement = FieldValue {
            id: act.ids.next_after(newest_id),
            about: self.about,
            field: self.field,
            value: self.value,
            source,
            observed_at,
            recorded_at: act.now,
            by: act.by.id(),
        };
        changes.push(match self.about {
            About::Lead(_) => LeadChange::FieldStated(statement.clone()).into(),
            About::Company(_) => CompanyChange::FieldStated(statement.clone()).into(),
        });
        statements.add(statement);
        statements.winner().map(|winner| winner.value.clone())
    }
}
