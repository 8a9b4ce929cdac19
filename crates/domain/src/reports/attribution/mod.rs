//! Attribution: which touches get how much credit for an outcome. Every model but Markov is a pure function of the
//! outcome's frozen path, so that no credit is stored.

pub mod credit;
pub mod markov;
mod poles;
pub mod report;
#[cfg(test)]
mod tests;

pub use credit::apportion;
pub use poles::{NotPoles, Pole, Poles};

use std::collections::HashMap;

use crate::campaigns::alias_key;
use crate::duration::Duration;
use crate::id::{CampaignId, TouchId};
use crate::instant::Timestamp;
use crate::words::words;

/// The most touches of a frozen path: the first and the newest 999.
pub const MOST_TOUCHES: usize = 1000;
/// The default `lookback`, in days.
pub const LOOKBACK_DAYS: i64 = 365;
const DAY: i64 = 86_400_000;

words! {
    /// What touches are credited for.
    #[derive(Default)]
    PathOutcome {
        /// A cycle that entered mql.
        Mql = "mql",
        /// A cycle that entered sql.
        Sql = "sql",
        /// A deal that was opened.
        Opportunity = "opportunity",
        /// A deal that was won; its reopening takes the credit back.
        #[default]
        Customer = "customer",
    }

    /// How credit is divided among the touches of a path.
    #[derive(Default)]
    ModelName {
        /// All to the first touch.
        FirstTouch = "first_touch",
        /// All to the last touch.
        LastTouch = "last_touch",
        /// All to the last touch at or before the instant at which the primary lead became known.
        LeadTouch = "lead_touch",
        /// All to the last touch that is not direct; if all are direct, to the last.
        LastNonDirect = "last_non_direct",
        /// Equal parts.
        #[default]
        Linear = "linear",
        /// 40 first, 40 last, 20 shared by the rest.
        UFirstLast = "u_first_last",
        /// 40 first, 40 lead touch, 20 shared by the rest.
        UFirstLead = "u_first_lead",
        /// 30 first, 30 lead touch, 30 touch before the deal was opened, 10 shared by the rest.
        W = "w",
        /// 22.5 first, lead touch, touch before the deal was opened, last; 10 shared by the rest.
        FullPath = "full_path",
        /// Half as much for each `half_life` before the outcome.
        TimeDecay = "time_decay",
        /// `poles` and `rest` as given.
        Custom = "custom",
        /// By the removal effects of channels in an order-1 Markov chain over all journeys of the report.
        Markov = "markov",
    }
}

impl PathOutcome {
    /// Whether it is about deals, and so has an amount.
    pub const fn is_of_deals(self) -> bool {
        matches!(self, Self::Opportunity | Self::Customer)
    }
}

/// A touch on a path, as it was when the path was frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTouch {
    /// The touch.
    pub id: TouchId,
    /// When it happened.
    pub at: Timestamp,
    /// Its channel.
    pub channel: Option<String>,
    /// Its source.
    pub source: Option<String>,
    /// Its `utm_campaign`.
    pub campaign: Option<String>,
    /// The campaign known by it, once [`Path::find_campaigns`] has looked it up.
    pub campaign_id: Option<CampaignId>,
    /// The ad or link: its `utm_content`.
    pub content: Option<String>,
}

impl PathTouch {
    /// Whether marketing made it: its channel is known, and neither `sales` nor `direct`.
    pub fn is_of_marketing(&self) -> bool {
        self.channel
            .as_deref()
            .is_some_and(|channel| channel != "sales" && channel != "direct")
    }

    fn is_direct(&self) -> bool {
        self.channel.as_deref().is_none_or(|channel| channel == "direct")
    }
}

/// The frozen path of an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// The touches in time order, ties by id, none after the outcome.
    touches: Vec<PathTouch>,
    /// When the outcome happened.
    outcome_at: Timestamp,
    /// When the primary lead became known.
    lead_at: Option<Timestamp>,
    /// When the deal was opened.
    deal_at: Option<Timestamp>,
}

impl Path {
    /// Look up the campaigns of the touches, by [`alias_key`].
    pub fn find_campaigns(&mut self, known: &HashMap<String, CampaignId>) {
        for touch in &mut self.touches {
            let key = touch.campaign.as_deref().map(alias_key);
            touch.campaign_id = key.and_then(|key| known.get(&key).copied());
        }
    }

    /// A path of touches in any order. Touches after the outcome are left out.
    pub fn new(
        mut touches: Vec<PathTouch>,
        outcome_at: Timestamp,
        lead_at: Option<Timestamp>,
        deal_at: Option<Timestamp>,
    ) -> Self {
        touches.retain(|touch| touch.at <= outcome_at);
        touches.sort_by_key(|touch| (touch.at, touch.id.uuid()));
        Self {
            touches,
            outcome_at,
            lead_at,
            deal_at,
        }
    }

    /// The same path without the touches before `lookback`.
    pub fn within(mut self, lookback: Lookback) -> Self {
        if let Lookback::Millis(most) = lookback {
            let outcome = self.outcome_at.millis();
            self.touches.retain(|touch| outcome - touch.at.millis() <= most);
        }
        self
    }

    /// Its touches in time order.
    pub fn touches(&self) -> &[PathTouch] {
        &self.touches
    }

    /// Whether a touch of marketing stands on it.
    pub fn is_influenced(&self) -> bool {
        self.touches.iter().any(PathTouch::is_of_marketing)
    }

    /// Whether its lead touch is marketing's.
    pub fn is_sourced(&self) -> bool {
        let lead = self.before(self.lead_at);
        lead.is_some_and(|place| self.touches[place].is_of_marketing())
    }

    /// The place of the last touch at or before an instant.
    fn before(&self, instant: Option<Timestamp>) -> Option<usize> {
        let instant = instant?;
        self.touches
            .partition_point(|touch| touch.at <= instant)
            .checked_sub(1)
    }

    /// The place of a pole; `None` where it is missing.
    fn place(&self, pole: Pole) -> Option<usize> {
        match pole {
            Pole::First => (!self.touches.is_empty()).then_some(0),
            Pole::Lead => self.before(self.lead_at),
            Pole::Deal => self.before(self.deal_at),
            Pole::Last => self.touches.len().checked_sub(1),
        }
    }
}

/// How long before the outcome touches earn credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookback {
    /// However long ago they happened.
    All,
    /// This many milliseconds.
    Millis(i64),
}

impl Default for Lookback {
    fn default() -> Self {
        Self::Millis(LOOKBACK_DAYS * DAY)
    }
}

impl From<Duration> for Lookback {
    fn from(duration: Duration) -> Self {
        Self::Millis(duration.millis())
    }
}

/// A model that needs nothing but a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// All to the first touch.
    FirstTouch,
    /// All to the last touch.
    LastTouch,
    /// All to the lead touch.
    LeadTouch,
    /// All to the last touch that is not direct.
    LastNonDirect,
    /// Equal parts.
    Linear,
    /// Halved for each half-life, in milliseconds, before the outcome.
    TimeDecay(i64),
    /// Shares of poles and of the rest.
    Poles(Poles),
}

impl Model {
    /// The model with this name; `half_life` in milliseconds for `time_decay`, `custom` for `custom`. `None` for `markov`,
    /// which needs all journeys, and for `custom` without poles.
    pub fn named(name: ModelName, half_life: i64, custom: Option<Poles>) -> Option<Self> {
        Some(match name {
            ModelName::FirstTouch => Self::FirstTouch,
            ModelName::LastTouch => Self::LastTouch,
            ModelName::LeadTouch => Self::LeadTouch,
            ModelName::LastNonDirect => Self::LastNonDirect,
            ModelName::Linear => Self::Linear,
            ModelName::UFirstLast => Self::Poles(Poles::U_FIRST_LAST),
            ModelName::UFirstLead => Self::Poles(Poles::U_FIRST_LEAD),
            ModelName::W => Self::Poles(Poles::W),
            ModelName::FullPath => Self::Poles(Poles::FULL_PATH),
            ModelName::TimeDecay => Self::TimeDecay(half_life),
            ModelName::Custom => Self::Poles(custom?),
            ModelName::Markov => return None,
        })
    }

    /// The weight of each touch of a path, as whole numbers of any sum; `None` where no touch earns anything.
    pub fn weights(&self, path: &Path) -> Option<Vec<u64>> {
        let touches = path.touches();
        let last = touches.len().checked_sub(1)?;
        let only = |place: usize| Some((0..=last).map(|n| u64::from(n == place)).collect());
        match self {
            Self::LeadTouch => only(path.place(Pole::Lead)?),
            _ if last == 0 => Some(vec![1]),
            Self::FirstTouch => only(0),
            Self::LastTouch => only(last),
            Self::LastNonDirect => {
                let led = touches.iter().rposition(|touch| !touch.is_direct());
                only(led.unwrap_or(last))
            }
            Self::Linear => Some(vec![1; last + 1]),
            Self::TimeDecay(half_life) => Some(decay(path, *half_life)),
            Self::Poles(poles) => poles.weights(path),
        }
    }
}

/// 2^(-age / half-life), relative to the newest touch, so that an old path does not vanish.
fn decay(path: &Path, half_life: i64) -> Vec<u64> {
    let newest = path.touches.last().map_or(0, |touch| touch.at.millis());
    let one = |touch: &PathTouch| {
        let age = (newest - touch.at.millis()) as f64 / half_life.max(1) as f64;
        credit::whole((-age).exp2())
    };
    path.touches.iter().map(one).collect()
}
