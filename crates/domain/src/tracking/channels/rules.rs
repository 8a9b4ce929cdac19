//! The company's own rules for channels: ordered, the first that fits decides.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Facts;
use crate::fault::Fault;

/// The most rules.
pub const MAX_RULES: usize = 200;

/// Rules for channels, in order of precedence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelRules {
    /// The rules. The first match decides, before GA4's definitions.
    #[schema(max_items = 200)]
    pub rules: Vec<ChannelRule>,
}

/// A rule: if all of its conditions hold, it determines the channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelRule {
    /// The conditions, at least one.
    pub when: Conditions,
    /// The channel: one of the known ones, or one of your own.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[a-z][a-z0-9_]*$",
        example = "partner"
    )]
    pub channel: String,
}

/// The conditions on a touch; all given ones must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// On the source (`utm_source`, or the referrer's name).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<TextMatch>,
    /// On the medium (`utm_medium`, or `organic`, `referral`, `cpc`, `ai-assistant`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<TextMatch>,
    /// On the campaign's name (`utm_campaign`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<TextMatch>,
    /// On the host of the page that led to the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer_host: Option<TextMatch>,
}

/// A condition on a text: exactly one of these, ignoring case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TextMatch {
    /// The text equals this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", example = "partner-portal")]
    pub exact: Option<String>,
    /// The text starts with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    pub prefix: Option<String>,
    /// The text contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    pub contains: Option<String>,
}

impl ChannelRules {
    /// The channel that the first fitting rule names.
    pub fn channel(&self, facts: Facts<'_>) -> Option<&str> {
        let rule = self.rules.iter().find(|rule| rule.when.hold(facts))?;
        Some(&rule.channel)
    }

    /// What is wrong with the rules.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = vec![];
        for (index, rule) in self.rules.iter().enumerate() {
            let at = format!("/rules/{index}/when");
            if rule.when == Conditions::default() {
                faults.push(Fault::new(at.as_str(), "required", "a rule needs a condition"));
            }
            for (name, condition) in rule.when.each() {
                if let Some(condition) = condition
                    && condition.said().count() != 1
                {
                    faults.push(Fault::new(
                        format!("{at}/{name}"),
                        "invalid_value",
                        "is exactly one of exact, prefix and contains",
                    ));
                }
            }
        }
        faults
    }
}

impl Conditions {
    fn each(&self) -> [(&'static str, Option<&TextMatch>); 4] {
        [
            ("source", self.source.as_ref()),
            ("medium", self.medium.as_ref()),
            ("campaign", self.campaign.as_ref()),
            ("referrer_host", self.referrer_host.as_ref()),
        ]
    }

    fn hold(&self, facts: Facts<'_>) -> bool {
        let texts = [facts.source, facts.medium, facts.campaign, facts.referrer_host];
        let mut asked = self.each().into_iter().zip(texts);
        *self != Self::default()
            && asked.all(|((_, condition), text)| {
                condition.is_none_or(|condition| condition.fits(text.unwrap_or_default()))
            })
    }
}

impl TextMatch {
    fn said(&self) -> impl Iterator<Item = &String> {
        [&self.exact, &self.prefix, &self.contains].into_iter().flatten()
    }

    fn fits(&self, text: &str) -> bool {
        let lower = |text: &str| text.trim().to_lowercase();
        let text = lower(text);
        self.said().next().is_some()
            && self.exact.as_ref().is_none_or(|wanted| text == lower(wanted))
            && self
                .prefix
                .as_ref()
                .is_none_or(|wanted| text.starts_with(&lower(wanted)))
            && self
                .contains
                .as_ref()
                .is_none_or(|wanted| text.contains(&lower(wanted)))
    }
}
