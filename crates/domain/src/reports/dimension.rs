//! What reports divide their records by and choose them by. A new dimension is one row of the table here, beside its
//! column in the store.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::period::Calendar;
use crate::id::{CampaignId, FormId, TeamId, UserId};

/// What records have that a report divides them by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// Where the cycle's first touch came through.
    Channel,
    /// Where that touch came from.
    Source,
    /// The `utm_campaign` of that touch, as it was written.
    Campaign,
    /// The campaign that has this `utm_campaign` among its aliases.
    CampaignRecord,
    /// The ad or link of that touch: its `utm_content`.
    UtmContent,
    /// The form that made the lead known.
    Form,
    /// The lead's country.
    Country,
    /// The industry of the lead's company.
    Industry,
    /// The owner.
    Owner,
    /// The owner's team.
    Team,
    /// The version of the agreement.
    AgreementVersion,
    /// The score band when the cycle entered mql.
    Band,
    /// The reason that was given.
    Reason,
}

/// How a dimension's values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text of so many characters at most.
    Text(usize),
    /// An ISO 3166 code of two letters, in upper case.
    Country,
    /// The id of a form.
    Form,
    /// The id of a user.
    User,
    /// The id of a team.
    Team,
    /// The id of a campaign.
    Campaign,
    /// A whole number from 1.
    Number,
}

/// What is known of a dimension.
#[derive(Debug, Clone, Copy)]
pub struct Details {
    /// Its name in `by` and `without`.
    pub name: &'static str,
    /// The parameter that chooses one of its values.
    pub parameter: &'static str,
    /// How its values are written.
    pub kind: Kind,
    /// What the parameter does.
    pub about: &'static str,
}

impl Dimension {
    /// Every dimension.
    pub const ALL: &'static [Dimension] = &[
        Dimension::Channel,
        Dimension::Source,
        Dimension::Campaign,
        Dimension::CampaignRecord,
        Dimension::UtmContent,
        Dimension::Form,
        Dimension::Country,
        Dimension::Industry,
        Dimension::Owner,
        Dimension::Team,
        Dimension::AgreementVersion,
        Dimension::Band,
        Dimension::Reason,
    ];

    /// What is known of it: the table of dimensions.
    pub const fn details(self) -> Details {
        let (name, parameter, kind, about) = match self {
            Self::Channel => (
                "channel",
                "channel",
                Kind::Text(2000),
                "Only with a first touch of this channel.",
            ),
            Self::Source => (
                "source",
                "source",
                Kind::Text(2000),
                "Only with a first touch from this source.",
            ),
            Self::Campaign => (
                "campaign",
                "campaign",
                Kind::Text(2000),
                "Only with a first touch of this campaign.",
            ),
            Self::CampaignRecord => (
                "campaign_id",
                "campaign_id",
                Kind::Campaign,
                "Only with a first touch of the campaign with this id: of one of its aliases.",
            ),
            Self::UtmContent => (
                "utm_content",
                "utm_content",
                Kind::Text(2000),
                "Only with a first touch of this `utm_content`.",
            ),
            Self::Form => (
                "form",
                "form_id",
                Kind::Form,
                "Only leads that this form created.",
            ),
            Self::Country => ("country", "country", Kind::Country, "Only leads in this country."),
            Self::Industry => (
                "industry",
                "industry",
                Kind::Text(200),
                "Only leads whose company is in this industry.",
            ),
            Self::Owner => (
                "owner",
                "owner_id",
                Kind::User,
                "Only with this owner, or this last owner.",
            ),
            Self::Team => (
                "team",
                "team_id",
                Kind::Team,
                "Only with an owner of this team; an owner of several teams counts in the oldest.",
            ),
            Self::AgreementVersion => (
                "agreement_version",
                "agreement_version",
                Kind::Number,
                "Only under this version of the agreement.",
            ),
            Self::Band => (
                "band",
                "band",
                Kind::Text(16),
                "Only with this score band when the cycle entered mql.",
            ),
            Self::Reason => ("reason", "reason", Kind::Text(64), "Only with this last reason."),
        };
        Details {
            name,
            parameter,
            kind,
            about,
        }
    }

    /// The dimension with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|known| known.details().name == name)
    }
}

/// A value of a dimension.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A name or code.
    Text(String),
    /// A form.
    Form(FormId),
    /// A user.
    User(UserId),
    /// A team.
    Team(TeamId),
    /// A campaign.
    Campaign(CampaignId),
    /// A campaign with all below it: only as a filter.
    CampaignTree(CampaignId),
    /// A number.
    Number(i64),
}

impl Value {
    /// The value that a text stands for in a dimension of this kind; `None` where it is none.
    pub fn read(kind: Kind, text: &str) -> Option<Self> {
        fn id<T: FromStr>(text: &str) -> Option<T> {
            text.parse().ok()
        }
        match kind {
            Kind::Text(_) => Some(Self::Text(text.to_owned())),
            Kind::Country => Some(Self::Text(text.to_ascii_uppercase())),
            Kind::Form => id(text).map(Self::Form),
            Kind::User => id(text).map(Self::User),
            Kind::Team => id(text).map(Self::Team),
            Kind::Campaign => id(text).map(Self::Campaign),
            Kind::Number => text.parse().ok().map(Self::Number),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Form(id) => id.fmt(f),
            Self::User(id) => id.fmt(f),
            Self::Team(id) => id.fmt(f),
            Self::Campaign(id) | Self::CampaignTree(id) => id.fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// What the rows of a report stand for, in one dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A value.
    Dimension(Dimension),
    /// A division of the calendar.
    Time(Calendar),
}

impl By {
    const TIMES: [Calendar; 3] = [Calendar::Week, Calendar::Month, Calendar::Quarter];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dimension(dimension) => dimension.details().name,
            Self::Time(Calendar::Week) => "week",
            Self::Time(Calendar::Month) => "month",
            Self::Time(Calendar::Quarter) => "quarter",
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        let times = Self::TIMES.into_iter().map(Self::Time);
        Dimension::ALL.iter().copied().map(Self::Dimension).chain(times)
    }
}

/// A word of a closed list on the wire.
trait Word: Sized + Copy {
    const ABOUT: &'static str;

    fn all() -> Vec<Self>;
    fn word(self) -> &'static str;
}

impl Word for By {
    const ABOUT: &'static str = "A dimension of the rows of a report. Weeks begin on Monday.";

    fn all() -> Vec<Self> {
        By::all().collect()
    }

    fn word(self) -> &'static str {
        self.name()
    }
}

impl Word for Dimension {
    const ABOUT: &'static str = "A dimension that may be unknown.";

    fn all() -> Vec<Self> {
        Self::ALL.to_vec()
    }

    fn word(self) -> &'static str {
        self.details().name
    }
}

macro_rules! on_the_wire {
    ($($word:ident),*) => {$(
        impl Serialize for $word {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl<'de> Deserialize<'de> for $word {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                let known = <Self as Word>::all().into_iter().find(|known| known.word() == text);
                known.ok_or_else(|| de::Error::custom("not a word of the list"))
            }
        }

        impl PartialSchema for $word {
            fn schema() -> RefOr<Schema> {
                let words = <Self as Word>::all().into_iter().map(Word::word);
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some(Self::ABOUT))
                    .enum_values(Some(words))
                    .into()
            }
        }

        impl ToSchema for $word {}
    )*};
}

on_the_wire!(By, Dimension);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dimension_has_a_name_and_a_parameter_of_its_own() {
        let mut names: Vec<_> = By::all().map(By::name).collect();
        let mut parameters: Vec<_> = Dimension::ALL.iter().map(|d| d.details().parameter).collect();
        let all = (names.len(), parameters.len());
        names.sort_unstable();
        names.dedup();
        parameters.sort_unstable();
        parameters.dedup();
        assert_eq!((names.len(), parameters.len()), all);
        for by in By::all() {
            let wire = serde_json::to_value(by).unwrap();
            assert_eq!(serde_json::from_value::<By>(wire).unwrap(), by);
        }
    }

    #[test]
    fn a_value_reads_as_it_is_written() {
        let user = UserId::from_uuid(uuid::Uuid::from_u128(7));
        for (kind, value) in [
            (Kind::Text(64), Value::Text("no_budget".into())),
            (Kind::Country, Value::Text("IT".into())),
            (Kind::User, Value::User(user)),
            (Kind::Number, Value::Number(3)),
        ] {
            assert_eq!(Value::read(kind, &value.to_string()), Some(value));
        }
        assert_eq!(Value::read(Kind::Country, "it"), Some(Value::Text("IT".into())));
        assert_eq!(Value::read(Kind::User, "form_01h455vb4pex5vsknk084sn02q"), None);
    }
}
