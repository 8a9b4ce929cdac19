//! Campaigns: what marketing runs, by which `utm_campaign` its touches are known, and what it costs by day.

mod costs;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

pub use self::costs::{Cost, CostsChange, DailyCost, replace_costs};
use crate::access::{Actor, Denied, Scope};
use crate::act::Act;
use crate::fault::Fault;
use crate::id::{CampaignId, UserId};
use crate::instant::{Day, Timestamp};
use crate::journal::{Facts, facts};
use crate::money::Money;
use crate::record::{Edited, Plain, archived_at, counted};

/// The most characters of an alias: as many as are stored of a `utm_campaign`.
const MAX_ALIAS_CHARS: usize = 200;

/// A marketing campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateCampaign)]
pub struct CampaignDetails {
    /// The name that people see.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", example = "Spring 2026")]
    pub name: String,
    /// The channel that it runs in, such as `paid_social`.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[a-z][a-z0-9_]*$",
        example = "paid_social"
    )]
    pub channel: String,
    /// The values of `utm_campaign` by which its touches are known, without case; each is one campaign's alone.
    #[serde(default)]
    #[schema(schema_with = aliases)]
    pub utm_campaign_aliases: Vec<String>,
    /// The first day.
    #[schema(example = "2026-03-01")]
    pub starts_on: Day,
    /// The last day, if there is one.
    #[schema(example = "2026-05-31")]
    pub ends_on: Option<Day>,
    /// The total budget.
    pub budget: Option<Money>,
    /// The owner.
    pub owner_id: Option<UserId>,
    /// The campaign that contains this one; neither itself nor one of its parts.
    pub parent_id: Option<CampaignId>,
    /// The campaign's brief.
    pub brief: Option<Brief>,
}

/// The brief of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignBrief)]
pub struct Brief {
    /// The audience.
    #[schema(max_length = 2000, example = "Heads of operations in retail")]
    pub audience: Option<String>,
    /// The message to the audience.
    #[schema(max_length = 2000, example = "Stock that counts itself")]
    pub message: Option<String>,
    /// The offer.
    #[schema(max_length = 2000, example = "A free audit of one shop")]
    pub offer: Option<String>,
    /// The promise to a lead, which sales must honour.
    #[schema(max_length = 2000, example = "A call back within one working day")]
    pub promise: Option<String>,
}

fn aliases() -> utoipa::openapi::Array {
    use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
    let alias = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(MAX_ALIAS_CHARS))
        .pattern(Some(r"\S"));
    ArrayBuilder::new()
        .items(alias)
        .max_items(Some(100))
        .examples([json!(["spring-26"])])
        .description(Some(
            "All values of `utm_campaign` that identify this campaign, ignoring case. A value belongs to one campaign only.",
        ))
        .build()
}

/// A campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    /// Its id.
    pub id: CampaignId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// What may be edited of it.
    pub details: CampaignDetails,
    /// When it was archived; `null` if it is not.
    pub archived_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

counted!(Campaign);

impl Plain for Campaign {
    const NOUN: &'static str = "campaign";
    const READ: Scope = Scope::CampaignsRead;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("campaign.created", "A campaign was created."),
        ("campaign.updated", "A campaign changed."),
        costs::TYPE,
    ];

    fn facts(&self) -> Facts {
        let mut known = facts(json!(self.details));
        known.insert("archived_at".into(), json!(self.archived_at));
        known
    }
}

/// What stands beside a campaign that is created or changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// The wanted parent and all its ancestors; empty if it does not exist.
    pub lineage: Vec<CampaignId>,
    /// Whether the wanted owner is a user.
    pub knows_owner: bool,
}

/// Why a campaign was not created or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CampaignError {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Something does not fit.
    #[error("the campaign is not sound")]
    Invalid(Vec<Fault>),
}

/// How a `utm_campaign` is compared: without space around it and without case.
pub fn alias_key(text: &str) -> String {
    text.trim().to_lowercase()
}

impl Campaign {
    /// The keys by which its touches are known.
    pub fn keys(&self) -> impl Iterator<Item = String> {
        self.details
            .utm_campaign_aliases
            .iter()
            .map(|alias| alias_key(alias))
    }

    fn faults(&self, beside: &Beside) -> Vec<Fault> {
        let (mut faults, details) = (vec![], &self.details);
        if details.ends_on.is_some_and(|end| end < details.starts_on) {
            faults.push(Fault::new("/ends_on", "not_allowed", "is before the first day"));
        }
        if details.owner_id.is_some() && !beside.knows_owner {
            faults.push(Fault::new("/owner_id", "not_found", "is not a user"));
        }
        if details.parent_id.is_some() && beside.lineage.is_empty() {
            faults.push(Fault::new("/parent_id", "not_found", "is not a campaign"));
        } else if beside.lineage.contains(&self.id) {
            let detail = "is the campaign itself or a part of it";
            faults.push(Fault::new("/parent_id", "not_allowed", detail));
        }
        let mut seen = BTreeSet::new();
        for (index, key) in self.keys().enumerate() {
            let wrong = match key.chars().count() {
                0 => Some(("required", "is empty")),
                length if length > MAX_ALIAS_CHARS => Some(("too_long", "has more than 200 characters")),
                _ if !seen.insert(key) => Some(("not_allowed", "is listed twice")),
                _ => None,
            };
            if let Some((code, detail)) = wrong {
                let at = format!("/utm_campaign_aliases/{index}");
                faults.push(Fault::new(at, code, detail));
            }
        }
        faults
    }

    fn sound(self, beside: &Beside) -> Result<Self, CampaignError> {
        match self.faults(beside) {
            faults if faults.is_empty() => Ok(self),
            faults => Err(CampaignError::Invalid(faults)),
        }
    }
}

impl CampaignDetails {
    fn trimmed(self) -> Self {
        let aliases = self.utm_campaign_aliases.into_iter();
        Self {
            name: self.name.trim().to_owned(),
            utm_campaign_aliases: aliases.map(|alias| alias.trim().to_owned()).collect(),
            ..self
        }
    }
}

/// Create a campaign. That its aliases are nobody else's is asked beside it.
pub fn create(details: CampaignDetails, beside: &Beside, act: &Act) -> Result<Campaign, CampaignError> {
    may_manage(&act.by)?;
    let campaign = Campaign {
        id: act.ids.next(),
        version: 1,
        details: details.trimmed(),
        archived_at: None,
        created_at: act.now,
        updated_at: act.now,
    };
    campaign.sound(beside)
}

/// Update a campaign, and archive or restore it; no change if nothing differs.
pub fn edit(
    campaign: &Campaign,
    details: CampaignDetails,
    archived: Option<bool>,
    beside: &Beside,
    act: &Act,
) -> Result<Edited<Campaign>, CampaignError> {
    may_manage(&act.by)?;
    let edited = Campaign {
        details: details.trimmed(),
        archived_at: archived_at(campaign.archived_at, archived, act.now),
        ..campaign.clone()
    };
    Ok(campaign.becomes(edited.sound(beside)?, act.now))
}

/// Campaigns are marketing's. A key by itself acts by its scope.
fn may_manage(actor: &Actor) -> Result<(), Denied> {
    match actor.person() {
        Some(person) if !person.is_marketing() && !person.is_admin() => Err(Denied::WrongRole),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Person, Role};
    use crate::id::Ids;
    use crate::record::Happened;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    pub(super) fn by(role: Role, now: Timestamp) -> Act {
        let person = Person {
            id: Ids::new(NOW, 1).next(),
            role,
            admin: false,
            teams: vec![],
        };
        Act::new(Actor::User(person), "req", now, 0)
    }

    fn asked(aliases: &[&str]) -> CampaignDetails {
        CampaignDetails {
            name: " Spring ".into(),
            channel: "paid_social".into(),
            utm_campaign_aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            starts_on: "2026-03-01".parse().unwrap(),
            ends_on: None,
            budget: None,
            owner_id: None,
            parent_id: None,
            brief: None,
        }
    }

    fn created(details: CampaignDetails, beside: &Beside) -> Result<Campaign, CampaignError> {
        create(details, beside, &by(Role::Marketing, NOW))
    }

    fn places(refused: Result<impl std::fmt::Debug, CampaignError>) -> Vec<String> {
        match refused {
            Err(CampaignError::Invalid(faults)) => faults.into_iter().map(|fault| fault.pointer).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_campaign_is_known_by_its_aliases_without_case() {
        let campaign = created(asked(&[" Spring_26", "frühling"]), &Beside::default()).unwrap();

        assert_eq!((campaign.details.name.as_str(), campaign.version), ("Spring", 1));
        assert_eq!(campaign.keys().collect::<Vec<_>>(), ["spring_26", "frühling"]);
        assert_eq!(alias_key("FRÜHLING "), "frühling");
    }

    #[test]
    fn an_alias_stands_once_and_the_end_behind_the_beginning() {
        let mut wrong = asked(&["a", " ", "A "]);
        wrong.ends_on = "2026-02-28".parse().ok();

        assert_eq!(
            places(created(wrong, &Beside::default())),
            ["/ends_on", "/utm_campaign_aliases/1", "/utm_campaign_aliases/2"]
        );
    }

    #[test]
    fn a_parent_is_a_campaign_above_and_an_owner_a_user() {
        let campaign = created(asked(&[]), &Beside::default()).unwrap();
        let other: CampaignId = Ids::new(NOW, 9).next();
        let below = |lineage: Vec<CampaignId>, knows_owner| {
            let details = CampaignDetails {
                parent_id: Some(other),
                owner_id: Some(Ids::new(NOW, 8).next()),
                ..campaign.details.clone()
            };
            let beside = Beside { lineage, knows_owner };
            edit(&campaign, details, None, &beside, &by(Role::Marketing, NOW))
        };

        assert!(below(vec![other], true).is_ok());
        assert_eq!(places(below(vec![], false)), ["/owner_id", "/parent_id"]);
        assert_eq!(places(below(vec![other, campaign.id], true)), ["/parent_id"]);
    }

    #[test]
    fn only_what_differs_is_a_change_and_sales_makes_none() {
        let (campaign, later) = (
            created(asked(&["a"]), &Beside::default()).unwrap(),
            NOW.plus_millis(1),
        );
        let ended = CampaignDetails {
            ends_on: "2026-03-31".parse().ok(),
            ..campaign.details.clone()
        };
        let change =
            |known: &Campaign, role| edit(known, ended.clone(), None, &Beside::default(), &by(role, later));

        let Ok((edited, Some(told))) = change(&campaign, Role::Marketing) else {
            panic!("a change")
        };

        let Happened::Edited { before, after } = told.happened else {
            panic!("an edit")
        };
        assert_eq!((edited.version, edited.updated_at), (2, later));
        assert_eq!(
            json!([before, after]),
            json!([{"ends_on": null}, {"ends_on": "2026-03-31"}])
        );
        assert_eq!(change(&edited, Role::Marketing), Ok((edited.clone(), None)));
        assert_eq!(
            change(&campaign, Role::Sales),
            Err(CampaignError::Denied(Denied::WrongRole))
        );
    }
}
