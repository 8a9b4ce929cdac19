//! What a report credits: the parts of each outcome, where they belong, and the revenue that marketing influenced.

use super::markov::{Chain, Channel};
use super::{Model, Path, PathTouch, apportion};
use crate::id::TouchId;
use crate::instant::Timestamp;
use crate::reports::dimension::{Dimension, Value};
use crate::words::words;

words! {
    /// A list of outcomes behind a figure.
    #[derive(Default)]
    AttributionFigure {
        /// Those that were credited. Filters by channel, source, campaign and `utm_content` choose touches.
        #[default]
        Credited = "credited",
        /// All of them.
        All = "all",
        /// Those with a touch that counts.
        Attributed = "attributed",
        /// Those without a touch that the model credits.
        Unattributed = "unattributed",
        /// Those whose amount no exchange rate converts.
        Unconverted = "unconverted",
        /// Those with a touch of marketing.
        Influenced = "influenced",
        /// Those whose lead touch was marketing's.
        Sourced = "sourced",
    }
}

/// The dimensions that a touch has; all others are those of the outcome's cycle or deal.
pub const OF_TOUCHES: [Dimension; 5] = [
    Dimension::Channel,
    Dimension::Source,
    Dimension::Campaign,
    Dimension::CampaignRecord,
    Dimension::UtmContent,
];

/// Who gets a part of the credit: a touch, or by Markov a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Earner<'p> {
    /// A touch of the path.
    Touch(&'p PathTouch),
    /// A channel of the report.
    Channel(&'p Channel),
}

/// A part of an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit<'p> {
    /// Who gets it.
    pub earner: Earner<'p>,
    /// Minor units of the base currency; negative of a reopened deal.
    pub value: i64,
    /// Thousandths of an outcome; negative of a reopened deal.
    pub thousandths: i64,
}

/// How credit is divided in a report.
#[derive(Debug, Clone)]
pub enum Division {
    /// Each path by itself.
    Path(Model),
    /// Among the channels of all journeys, by their removal effects.
    Chain(Vec<(Channel, u64)>),
}

impl Division {
    /// By the removal effects of channels in the journeys that converted and those that did not.
    pub fn chain<'p>(
        converted: impl IntoIterator<Item = &'p Path>,
        lost: impl IntoIterator<Item = &'p Path>,
    ) -> Self {
        let mut chain = Chain::default();
        let channels = |path: &'p Path| path.touches().iter().map(|touch| touch.channel.as_deref());
        for path in converted {
            chain.add(channels(path), true);
        }
        for path in lost {
            chain.add(channels(path), false);
        }
        Self::Chain(chain.weights().into_iter().collect())
    }

    /// The parts of an outcome, in the order of the path: of its value and of one, or of minus one where it `reverses`
    /// another. Nothing where no touch earns anything.
    pub fn divide<'p>(&'p self, path: &'p Path, value: i64, reverses: bool) -> Vec<Credit<'p>> {
        let (earners, weights): (Vec<Earner<'p>>, Vec<u64>) = match self {
            Self::Path(model) => match model.weights(path) {
                Some(weights) => (path.touches().iter().map(Earner::Touch).collect(), weights),
                None => return vec![],
            },
            Self::Chain(_) if path.touches().is_empty() => return vec![],
            Self::Chain(channels) => channels
                .iter()
                .map(|(channel, weight)| (Earner::Channel(channel), *weight))
                .unzip(),
        };
        if weights.iter().all(|weight| *weight == 0) {
            return vec![];
        }
        let whole = if reverses { -1000 } else { 1000 };
        let values = apportion(value, &weights);
        let parts = values.into_iter().zip(apportion(whole, &weights));
        let credit = |(earner, (value, thousandths))| Credit {
            earner,
            value,
            thousandths,
        };
        let credits = earners.into_iter().zip(parts).map(credit);
        credits
            .filter(|part| part.value != 0 || part.thousandths != 0)
            .collect()
    }
}

impl Earner<'_> {
    /// Its value in a dimension of touches; `None` in any other.
    pub fn value(&self, dimension: Dimension) -> Option<Option<Value>> {
        let text = match (self, dimension) {
            (Self::Touch(touch), Dimension::Channel) => &touch.channel,
            (Self::Touch(touch), Dimension::Source) => &touch.source,
            (Self::Touch(touch), Dimension::Campaign) => &touch.campaign,
            (Self::Touch(touch), Dimension::CampaignRecord) => {
                return Some(touch.campaign_id.map(Value::Campaign));
            }
            (Self::Touch(touch), Dimension::UtmContent) => &touch.content,
            (Self::Channel(channel), Dimension::Channel) => *channel,
            _ => return None,
        };
        Some(text.clone().map(Value::Text))
    }

    /// The touch, where it is one.
    pub fn touch(&self) -> Option<(TouchId, Timestamp)> {
        match self {
            Self::Touch(touch) => Some((touch.id, touch.at)),
            Self::Channel(_) => None,
        }
    }
}

/// The revenue of deals that were won, less that of those that were opened again, in minor units of the base currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revenue {
    /// All of it.
    pub all: Share,
    /// That of deals with a touch within the default lookback: every model credits just this.
    pub attributed: Share,
    /// That of deals with a touch of marketing.
    pub influenced: Share,
    /// That of deals whose lead touch was marketing's.
    pub sourced: Share,
}

/// A part of the revenue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Minor units.
    pub amount: i64,
    /// From how many closings and reopenings.
    pub entries: i64,
}

impl Revenue {
    /// Count an amount with its path, which is bounded by the lookback already.
    pub fn add(&mut self, amount: i64, path: &Path) {
        for (share, counts) in [
            (&mut self.all, true),
            (&mut self.attributed, !path.touches().is_empty()),
            (&mut self.influenced, path.is_influenced()),
            (&mut self.sourced, path.is_sourced()),
        ] {
            share.amount += if counts { amount } else { 0 };
            share.entries += i64::from(counts);
        }
    }
}
