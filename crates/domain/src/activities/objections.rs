//! Objections: each has a code of the agreement, or is in words that marketing maps to a code once. From then on the same words
//! map themselves.

use std::collections::HashMap;

use serde_json::json;

use super::Objection;
use crate::access::{Denied, Role, Scope};
use crate::act::Act;
use crate::agreement::{Agreement, ReasonList};
use crate::fault::Fault;
use crate::id::ObjectionMappingId;
use crate::instant::Timestamp;
use crate::journal::{Facts, facts};
use crate::leads::search::fold;
use crate::record::{Edited, Plain, counted};

/// Words and the code that they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectionMapping {
    /// Its id.
    pub id: ObjectionMappingId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// The words, as they were mapped first.
    pub text: String,
    /// The code in the agreement's list `objection`.
    pub code: String,
    /// When the words were mapped.
    pub created_at: Timestamp,
    /// When the code last changed.
    pub updated_at: Timestamp,
}

counted!(ObjectionMapping);

impl Plain for ObjectionMapping {
    const NOUN: &'static str = "objection_mapping";
    const READ: Scope = Scope::ActivitiesRead;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        (
            "objection_mapping.created",
            "Objections in these words were mapped to a code.",
        ),
        (
            "objection_mapping.updated",
            "Objections in these words were mapped to another code.",
        ),
    ];

    fn facts(&self) -> Facts {
        facts(json!({"text": self.text, "code": self.code}))
    }
}

/// The words of an objection in the form in which they are compared: without case, accents, repeated spaces and the marks at
/// their end.
pub fn objection_key(text: &str) -> String {
    let folded = fold(text);
    let words: Vec<&str> = folded.split_whitespace().collect();
    let key = words.join(" ");
    let bare = key.trim_end_matches(|c: char| ".!?,;:\u{2026}".contains(c) || c.is_whitespace());
    match bare.is_empty() {
        true => key,
        false => bare.to_owned(),
    }
}

/// The codes that words are mapped to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectionMap(HashMap<String, String>);

impl FromIterator<(String, String)> for ObjectionMap {
    /// Of pairs of compared words and codes.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl ObjectionMap {
    /// The objections, each in words that are mapped with its code.
    pub fn mapped(&self, mut objections: Vec<Objection>) -> Vec<Objection> {
        for objection in objections.iter_mut().filter(|one| one.code.is_none()) {
            let text = objection.text.as_deref();
            objection.code = text.and_then(|text| self.0.get(&objection_key(text)).cloned());
        }
        objections
    }
}

/// Why words were not mapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Something does not fit.
    #[error("the request has faults")]
    Invalid(Vec<Fault>),
}

/// Map words to a code; `known` is what they are mapped to already. By a user of marketing, revops or an admin.
pub fn map_objection(
    known: Option<&ObjectionMapping>,
    text: &str,
    code: String,
    agreement: &Agreement,
    act: &Act,
) -> Result<Edited<ObjectionMapping>, MappingError> {
    let person = act.by.demand_person()?;
    if !(person.is_admin() || person.is_marketing() || person.role == Role::Revops) {
        return Err(Denied::WrongRole.into());
    }
    let mut faults = vec![];
    if objection_key(text).is_empty() {
        faults.push(Fault::new("/text", "required", "must not be blank"));
    }
    if agreement.reason(ReasonList::Objection, &code).is_none() {
        let detail = "is not an objection in the agreement in force";
        faults.push(Fault::new("/code", "not_allowed", detail));
    }
    if !faults.is_empty() {
        return Err(MappingError::Invalid(faults));
    }
    if let Some(known) = known {
        let edited = ObjectionMapping {
            code,
            ..known.clone()
        };
        return Ok(known.becomes(edited, act.now));
    }
    let made = ObjectionMapping {
        id: act.ids.next(),
        version: 1,
        text: text.trim().to_owned(),
        code,
        created_at: act.now,
        updated_at: act.now,
    };
    let change = made.created();
    Ok((made, Some(change)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_without_case_accents_spaces_and_final_marks() {
        for (one, other) in [
            ("Too  dear!", "too dear"),
            ("Zu teuer\u{2026}", "ZU TEUER."),
            ("Trop ch\u{e8}re", "trop chere"),
            ("  Why?\n", "why"),
        ] {
            assert_eq!(objection_key(one), objection_key(other), "{one}");
        }
        assert_ne!(objection_key("too dear"), objection_key("not too dear"));
        assert_eq!(objection_key("???"), "???", "marks alone are words too");
        assert_eq!(objection_key(" \u{200b} "), "");
    }

    #[test]
    fn words_that_are_mapped_have_their_code_and_stay() {
        let map = ObjectionMap::from_iter([("too dear".to_owned(), "price".to_owned())]);
        let said = |code: Option<&str>, text: Option<&str>| Objection {
            code: code.map(str::to_owned),
            text: text.map(str::to_owned),
            quote: None,
        };
        let mapped = map.mapped(vec![
            said(None, Some("Too dear.")),
            said(None, Some("Too late")),
            said(Some("timing"), None),
        ]);
        let expected = [
            said(Some("price"), Some("Too dear.")),
            said(None, Some("Too late")),
            said(Some("timing"), None),
        ];
        assert_eq!(mapped, expected);
    }
}
