//! Campaigns: what marketing runs, and by which `utm_campaign` its touches are known.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::{Value, json};

use crate::access::{Actor, Denied};
use crate::fault::Fault;
use crate::id::{CampaignId, Ids};
use crate::instant::Timestamp;
use crate::record::{Edited, Plain, counted};

/// The most characters of an alias: as many as are kept of a `utm_campaign`.
const MAX_ALIAS_CHARS: usize = 200;

/// What marketing runs over some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    /// Which.
    pub id: CampaignId,
    /// Counts the commands that changed it, from 1.
    pub version: i64,
    /// What people call it.
    pub name: String,
    /// The channel that it runs in, such as `paid_social`.
    pub channel: String,
    /// What `utm_campaign` says of it, as given, in order; no two campaigns share one, whatever the case.
    pub aliases: Vec<String>,
    /// Its first day.
    pub starts_on: Date,
    /// Its last day, where it has one.
    pub ends_on: Option<Date>,
    /// Since when it is put away.
    pub archived_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A campaign that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeCampaign {
    /// What people call it.
    pub name: String,
    /// The channel that it runs in.
    pub channel: String,
    /// What `utm_campaign` says of it.
    pub aliases: Vec<String>,
    /// Its first day.
    pub starts_on: Date,
    /// Its last day.
    pub ends_on: Option<Date>,
}

/// A change of a campaign that is asked for; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EditCampaign {
    /// What people call it.
    pub name: Option<String>,
    /// The channel that it runs in.
    pub channel: Option<String>,
    /// All that `utm_campaign` says of it.
    pub aliases: Option<Vec<String>>,
    /// Its first day.
    pub starts_on: Option<Date>,
    /// Its last day; `Some(None)` takes it away.
    pub ends_on: Option<Option<Date>>,
    /// Whether it is put away.
    pub archived: Option<bool>,
}

/// Why a campaign was not made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
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
        self.aliases.iter().map(|alias| alias_key(alias))
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = vec![];
        if self.ends_on.is_some_and(|end| end < self.starts_on) {
            faults.push(Fault::new("/ends_on", "not_allowed", "lies before the first day"));
        }
        let mut seen = BTreeSet::new();
        for (index, key) in self.keys().enumerate() {
            let wrong = match key.chars().count() {
                0 => Some(("required", "is empty")),
                length if length > MAX_ALIAS_CHARS => Some(("too_long", "has more than 200 characters")),
                _ if !seen.insert(key) => Some(("not_allowed", "stands there twice")),
                _ => None,
            };
            if let Some((code, detail)) = wrong {
                let at = format!("/utm_campaign_aliases/{index}");
                faults.push(Fault::new(at, code, detail));
            }
        }
        faults
    }
}

counted!(Campaign);

impl Plain for Campaign {
    const NOUN: &'static str = "campaign";
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("campaign.created", "A campaign was created."),
        ("campaign.updated", "A campaign changed."),
    ];

    fn facts(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("name", json!(self.name)),
            ("channel", json!(self.channel)),
            ("utm_campaign_aliases", json!(self.aliases)),
            ("starts_on", json!(self.starts_on.to_string())),
            ("ends_on", json!(self.ends_on.map(|day| day.to_string()))),
            ("archived_at", json!(self.archived_at)),
        ]
    }
}

/// Make a campaign. That its aliases are nobody else's is asked beside it.
pub fn create(asked: MakeCampaign, actor: &Actor, now: Timestamp, ids: &Ids) -> Result<Campaign, Refused> {
    may_manage(actor)?;
    let campaign = Campaign {
        id: ids.next(),
        version: 1,
        name: asked.name.trim().to_owned(),
        channel: asked.channel,
        aliases: trimmed(asked.aliases),
        starts_on: asked.starts_on,
        ends_on: asked.ends_on,
        archived_at: None,
        created_at: now,
        updated_at: now,
    };
    match campaign.faults() {
        faults if faults.is_empty() => Ok(campaign),
        faults => Err(Refused::Invalid(faults)),
    }
}

/// Change a campaign; nothing where it is as asked already.
pub fn edit(
    campaign: &Campaign,
    asked: EditCampaign,
    actor: &Actor,
    now: Timestamp,
) -> Result<Edited<Campaign>, Refused> {
    may_manage(actor)?;
    let mut edited = campaign.clone();
    edited.name = asked.name.map_or(edited.name, |name| name.trim().to_owned());
    edited.channel = asked.channel.unwrap_or(edited.channel);
    edited.aliases = asked.aliases.map_or(edited.aliases, trimmed);
    edited.starts_on = asked.starts_on.unwrap_or(edited.starts_on);
    edited.ends_on = asked.ends_on.unwrap_or(edited.ends_on);
    edited.archived_at = match asked.archived {
        Some(true) => edited.archived_at.or(Some(now)),
        Some(false) => None,
        None => edited.archived_at,
    };
    let faults = edited.faults();
    if !faults.is_empty() {
        return Err(Refused::Invalid(faults));
    }
    Ok(campaign.becomes(edited, now))
}

fn trimmed(aliases: Vec<String>) -> Vec<String> {
    aliases.into_iter().map(|alias| alias.trim().to_owned()).collect()
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
    use crate::record::Happened;
    use jiff::civil::date;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn by(role: Role) -> Actor {
        Actor::User(Person {
            id: Ids::new(NOW, 1).next(),
            role,
            admin: false,
            teams: vec![],
        })
    }

    fn asked(aliases: &[&str]) -> MakeCampaign {
        MakeCampaign {
            name: " Spring ".into(),
            channel: "paid_social".into(),
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            starts_on: date(2026, 3, 1),
            ends_on: None,
        }
    }

    #[test]
    fn a_campaign_is_known_by_its_aliases_without_case() {
        let campaign = create(
            asked(&[" Spring_26", "frühling"]),
            &by(Role::Marketing),
            NOW,
            &mut Ids::new(NOW, 0),
        )
        .unwrap();

        assert_eq!((campaign.name.as_str(), campaign.version), ("Spring", 1));
        assert_eq!(campaign.keys().collect::<Vec<_>>(), ["spring_26", "frühling"]);
        assert_eq!(alias_key("FRÜHLING "), "frühling");
    }

    #[test]
    fn an_alias_stands_once_and_the_end_behind_the_beginning() {
        let mut wrong = asked(&["a", " ", "A "]);
        wrong.ends_on = Some(date(2026, 2, 28));

        let refused = create(wrong, &by(Role::Marketing), NOW, &mut Ids::new(NOW, 0));

        let Err(Refused::Invalid(faults)) = refused else {
            panic!("{refused:?}")
        };
        let places: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(
            places,
            ["/ends_on", "/utm_campaign_aliases/1", "/utm_campaign_aliases/2"]
        );
    }

    #[test]
    fn only_what_differs_is_a_change_and_sales_makes_none() {
        let campaign = create(asked(&["a"]), &by(Role::Marketing), NOW, &mut Ids::new(NOW, 0)).unwrap();
        let later = NOW.plus_millis(1);
        let ended = EditCampaign {
            ends_on: Some(Some(date(2026, 3, 31))),
            aliases: Some(vec!["a".into()]),
            ..EditCampaign::default()
        };

        let Ok((edited, Some(change))) = edit(&campaign, ended.clone(), &by(Role::Marketing), later) else {
            panic!("a change")
        };

        let Happened::Edited { before, after } = change.happened else {
            panic!("an edit")
        };
        assert_eq!((edited.version, edited.updated_at), (2, later));
        assert_eq!(
            json!([before, after]),
            json!([{"ends_on": null}, {"ends_on": "2026-03-31"}])
        );
        assert_eq!(
            edit(&edited, ended.clone(), &by(Role::Marketing), later),
            Ok((edited.clone(), None))
        );
        assert_eq!(
            edit(&campaign, ended, &by(Role::Sales), later),
            Err(Refused::Denied(Denied::WrongRole))
        );
    }
}
