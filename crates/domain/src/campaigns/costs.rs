//! What a campaign costs, day by day.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Campaign, CampaignError, may_manage};
use crate::act::Act;
use crate::fault::Fault;
use crate::id::{CampaignId, CostId};
use crate::instant::Day;
use crate::journal::{Entry, Facts, Subject};
use crate::money::Money;

/// The type of entry about costs, with what it means.
pub(crate) const TYPE: (&str, &str) = (
    "campaign.costs_updated",
    "Costs of a campaign were set, replaced or deleted.",
);

/// The cost of a campaign on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Its id.
    pub id: CostId,
    /// The campaign.
    pub campaign_id: CampaignId,
    /// The day, in the company's zone.
    pub on: Day,
    /// The total spent on that day.
    pub amount: Money,
}

/// The cost of a campaign on one day, to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DailyCost {
    /// The day, in the company's zone.
    #[schema(example = "2026-03-01")]
    pub on: Day,
    /// The total spent on that day; `null` deletes the day's cost.
    #[schema(required = true)]
    pub amount: Option<Money>,
}

/// What happened to the costs of a campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct CostsChange {
    /// The campaign.
    pub campaign_id: CampaignId,
    /// Its version, which costs do not count up.
    pub version: i64,
    /// Costs that were replaced or deleted, as they were.
    pub before: Vec<Cost>,
    /// Costs that were stated; those that replace one have its id.
    pub after: Vec<Cost>,
}

impl CostsChange {
    /// The costs that are gone without another one in their place.
    pub fn deleted(&self) -> impl Iterator<Item = CostId> {
        let stays: BTreeSet<CostId> = self.after.iter().map(|cost| cost.id).collect();
        let ids = self.before.iter().map(|cost| cost.id);
        ids.filter(move |id| !stays.contains(id))
    }

    pub(crate) fn entry(&self) -> Entry {
        let by_day = |costs: &[Cost]| -> Facts {
            let day = |cost: &Cost| (cost.on.to_string(), json!(cost.amount));
            costs.iter().map(day).collect()
        };
        let subject = Subject::new("campaign", self.campaign_id, self.version);
        let entry = Entry::plain(TYPE.0, subject, None, json!({}));
        entry.edited(&by_day(&self.before), &by_day(&self.after))
    }
}

/// State costs of days: the same day again replaces, nothing deletes. `known` are the costs of these days so far; a day
/// that costs what it cost changes nothing.
pub fn replace_costs(
    campaign: &Campaign,
    known: &[Cost],
    asked: &[DailyCost],
    act: &Act,
) -> Result<Option<CostsChange>, CampaignError> {
    may_manage(&act.by)?;
    let mut seen = BTreeSet::new();
    let twice = asked.iter().enumerate().filter(|(_, cost)| !seen.insert(cost.on));
    let detail = "the day is listed twice";
    let faults: Vec<Fault> = twice
        .map(|(index, _)| Fault::new(format!("/{index}/on"), "not_allowed", detail))
        .collect();
    if !faults.is_empty() {
        return Err(CampaignError::Invalid(faults));
    }
    let known: BTreeMap<Day, Cost> = known.iter().map(|cost| (cost.on, *cost)).collect();
    let mut change = CostsChange {
        campaign_id: campaign.id,
        version: campaign.version,
        before: vec![],
        after: vec![],
    };
    for cost in asked {
        let before = known.get(&cost.on);
        if before.map(|before| before.amount) == cost.amount {
            continue;
        }
        change.before.extend(before);
        change.after.extend(cost.amount.map(|amount| Cost {
            id: before.map_or_else(|| act.ids.next(), |before| before.id),
            campaign_id: campaign.id,
            on: cost.on,
            amount,
        }));
    }
    let is_empty = change.before.is_empty() && change.after.is_empty();
    Ok((!is_empty).then_some(change))
}

#[cfg(test)]
mod tests {
    use super::super::tests::by;
    use super::super::{Beside, CampaignDetails, create};
    use super::*;
    use crate::access::Role;
    use crate::instant::Timestamp;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn campaign() -> Campaign {
        let details = json!({"name": "Spring", "channel": "email", "starts_on": "2026-03-01"});
        let details: CampaignDetails = serde_json::from_value(details).unwrap();
        create(details, &Beside::default(), &by(Role::Marketing, NOW)).unwrap()
    }

    fn of(day: u8, amount: Option<i64>) -> DailyCost {
        let money = |amount| serde_json::from_value(json!({"amount": amount, "currency": "EUR"})).unwrap();
        DailyCost {
            on: format!("2026-03-{day:02}").parse().unwrap(),
            amount: amount.map(money),
        }
    }

    #[test]
    fn a_day_stands_once_and_sales_states_none() {
        let campaign = campaign();
        let twice = [of(1, Some(5)), of(2, None), of(1, None)];

        let refused = replace_costs(&campaign, &[], &twice, &by(Role::Marketing, NOW));

        assert!(matches!(refused, Err(CampaignError::Invalid(faults)) if faults[0].pointer == "/2/on"));
        assert!(replace_costs(&campaign, &[], &[], &by(Role::Sales, NOW)).is_err());
    }

    proptest! {
        #[test]
        fn the_last_amount_of_a_day_stays(
            asked in prop::collection::vec(prop::collection::btree_map(1u8..6, prop::option::of(0i64..4), 0..4), 0..12)
        ) {
            let (campaign, act) = (campaign(), by(Role::Marketing, NOW));
            let (mut costs, mut expected) = (BTreeMap::new(), BTreeMap::new());
            for round in asked {
                let asked: Vec<DailyCost> = round.iter().map(|(day, amount)| of(*day, *amount)).collect();
                let known: Vec<Cost> = costs.values().copied().collect();
                let changed = replace_costs(&campaign, &known, &asked, &act).unwrap();
                for cost in &asked {
                    expected.insert(cost.on, cost.amount);
                }
                if let Some(change) = changed {
                    for id in change.deleted().collect::<Vec<_>>() {
                        prop_assert!(costs.remove(&id).is_some());
                    }
                    costs.extend(change.after.iter().map(|cost| (cost.id, *cost)));
                }
                let shown: BTreeMap<Day, Money> = costs.values().map(|cost| (cost.on, cost.amount)).collect();
                prop_assert_eq!(shown.len(), costs.len(), "one a day");
                let wanted = expected.iter().filter_map(|(day, amount)| Some((*day, (*amount)?)));
                prop_assert_eq!(&shown, &wanted.collect::<BTreeMap<Day, Money>>());
            }
        }
    }
}
