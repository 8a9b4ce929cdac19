//! Queues: where work waits that nobody owns.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Person, Role};
use crate::id::TeamId;

/// Where hand-offs wait that nobody owns: one queue for each team, and a general one. On the wire and on disk `general`,
/// or the team's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Queue {
    /// The queue of leads that no routing rule names.
    General,
    /// A team's queue.
    Team(TeamId),
}

impl Queue {
    /// Whether a sales user takes from it: from the general one everybody does, from a team's its members.
    pub fn is_open_to(self, person: &Person) -> bool {
        let is_theirs = match self {
            Queue::General => true,
            Queue::Team(team) => person.teams.contains(&team),
        };
        is_theirs && person.role == Role::Sales
    }
}

/// The text names no queue: it is neither `general` nor the id of a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither general nor the id of a team")]
pub struct NotAQueue;

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Queue::General => f.write_str("general"),
            Queue::Team(team) => team.fmt(f),
        }
    }
}

impl FromStr for Queue {
    type Err = NotAQueue;

    fn from_str(text: &str) -> Result<Self, NotAQueue> {
        match text {
            "general" => Ok(Queue::General),
            team => team.parse().map(Queue::Team).map_err(|_| NotAQueue),
        }
    }
}

impl Serialize for Queue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Queue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl utoipa::PartialSchema for Queue {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::schema::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::SchemaType::Type(
                utoipa::openapi::schema::Type::String,
            ))
            .pattern(Some("^(general|team_[0-7][0-9a-hjkmnp-tv-z]{25})$"))
            .max_length(Some(31))
            .examples(["general"])
            .into()
    }
}

impl utoipa::ToSchema for Queue {}
