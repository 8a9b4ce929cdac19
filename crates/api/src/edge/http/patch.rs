//! A member of a merge patch (RFC 7396): left out, emptied or set.

use serde::{Deserialize, Deserializer};

/// What a merge patch does to one member. Use it with `#[serde(default)]` and
/// `#[schema(value_type = Option<..>)]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// The member is not in the patch: it stays as it is.
    #[default]
    Absent,
    /// The member is `null`: it is emptied.
    Null,
    /// The member gets this value.
    Set(T),
}

impl<T> Patch<T> {
    /// Whether the member stays as it is.
    pub fn is_absent(&self) -> bool {
        matches!(self, Patch::Absent)
    }

    /// The same patch with its value made into another.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Patch::Absent => Patch::Absent,
            Patch::Null => Patch::Null,
            Patch::Set(value) => Patch::Set(f(value)),
        }
    }

    /// The same patch with its value parsed, or why it cannot be.
    pub fn try_map<U, E>(self, f: impl FnOnce(T) -> Result<U, E>) -> Result<Patch<U>, E> {
        Ok(match self {
            Patch::Absent => Patch::Absent,
            Patch::Null => Patch::Null,
            Patch::Set(value) => Patch::Set(f(value)?),
        })
    }

    /// The value that is set, if one is.
    pub fn as_set(&self) -> Option<&T> {
        match self {
            Patch::Set(value) => Some(value),
            Patch::Absent | Patch::Null => None,
        }
    }

    /// What the member becomes, where it changes: `Some(None)` is emptied.
    pub fn change(self) -> Option<Option<T>> {
        match self {
            Patch::Absent => None,
            Patch::Null => Some(None),
            Patch::Set(value) => Some(Some(value)),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::deserialize(deserializer)? {
            None => Patch::Null,
            Some(value) => Patch::Set(value),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Change {
        #[serde(default)]
        name: Patch<String>,
    }

    fn name(json: &str) -> Patch<String> {
        serde_json::from_str::<Change>(json).unwrap().name
    }

    #[test]
    fn absent_null_and_set_are_three_things() {
        assert_eq!(name("{}"), Patch::Absent);
        assert_eq!(name(r#"{"name": null}"#), Patch::Null);
        assert_eq!(name(r#"{"name": "Ada"}"#), Patch::Set("Ada".into()));
        assert_eq!(name(r#"{"name": null}"#).change(), Some(None));
        assert_eq!(name(r#"{"name": "Ada"}"#).map(|n| n.len()), Patch::Set(3));
        assert_eq!(
            name(r#"{"name": "Ada"}"#).try_map(|n| n.parse::<u8>().map_err(|_| "no")),
            Err("no")
        );
        assert!(name("{}").is_absent() && name("{}").as_set().is_none());
    }
}
