//! Budget, need and time that forms, imports and keys state of a lead are proposed for its qualification.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Cause, Needs, Rule, Rulebook};
use crate::act::Act;
use crate::agreement::BantItem;
use crate::change::Change;
use crate::handoff::propose;
use crate::handoff::qualification::{Qualification, Qualified};
use crate::leads::fields::{About, FieldValue, Source};
use crate::money::Money;
use crate::world::World;

/// The fields of a lead that propose an item of its qualification.
const FIELDS: [(&str, BantItem); 3] = [
    ("budget", BantItem::Budget),
    ("need", BantItem::Need),
    ("timeline_days", BantItem::Timeline),
];

/// Proposes what was stated by others than users, as far as it is what the lead shows. What a user stated, and what is
/// confirmed, stays.
#[derive(Debug)]
pub(super) struct Proposing;

/// The item that a statement is about, where it is one of those that are proposed.
pub(super) fn proposed_by(statement: &FieldValue) -> Option<BantItem> {
    let known = FIELDS.iter().find(|(field, _)| *field == statement.field);
    known
        .map(|(_, item)| *item)
        .filter(|_| statement.source != Source::Hand)
}

impl Rule for Proposing {
    fn needs(&self, world: &World, cause: &Cause, _: &Rulebook<'_>) -> Needs {
        let mut needs = Needs::default();
        // Of a new lead nothing is known beside what was stated with it.
        if !cause.proposes.is_empty() && !cause.is_new && !world.sales.loaded.contains(&cause.lead_id) {
            needs.sales.insert(cause.lead_id);
        }
        needs
    }

    fn decide(&self, world: &mut World, cause: &Cause, _: &Rulebook<'_>, _: &Act) -> Vec<Change> {
        let mut stated: Qualification = BTreeMap::new();
        for (field, item) in FIELDS.iter().filter(|(_, item)| cause.proposes.contains(item)) {
            let about = (About::Lead(cause.lead_id), (*field).to_owned());
            let winner = world.statements.get(&about).and_then(|known| known.winner());
            let Some(winner) = winner.filter(|winner| winner.source != Source::Hand) else {
                continue;
            };
            if let Some(value) = text_of(&winner.value) {
                let one = Qualified {
                    value: Some(value),
                    note: None,
                    source: winner.source,
                    stated_by: winner.by.clone(),
                    stated_at: winner.recorded_at,
                    confirmed: None,
                };
                stated.insert(*item, one);
            }
        }
        Vec::from_iter(propose(world, cause.lead_id, stated))
    }
}

/// A field's value in words: an amount of money with its currency, a number of days, text as it is.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.chars().take(2000).collect()),
        Value::Number(days) => Some(format!("{days} days")),
        Value::Object(_) => {
            let money: Money = serde_json::from_value(value.clone()).ok()?;
            let digits = money.currency.digits();
            let unit = 10_i64.pow(digits);
            let (whole, rest) = (money.amount / unit, money.amount % unit);
            let fraction = match digits {
                0 => String::new(),
                digits => format!(".{rest:0width$}", width = digits as usize),
            };
            Some(format!("{whole}{fraction} {}", money.currency))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_as_people_write_them() {
        for (value, text) in [
            (
                json!({"amount": 5_000_005, "currency": "EUR"}),
                Some("50000.05 EUR"),
            ),
            (json!({"amount": 300, "currency": "JPY"}), Some("300 JPY")),
            (json!(60), Some("60 days")),
            (json!("40 shops"), Some("40 shops")),
            (json!(null), None),
        ] {
            assert_eq!(text_of(&value).as_deref(), text, "{value}");
        }
    }
}
