//! Channels: the company's own rules first, then the published definitions of GA4's default channel group.
//!
//! The definitions and their order are those of <https://support.google.com/analytics/answer/9756891> ("Manual traffic"),
//! case does not matter. What they call lists of search, social, video and shopping sites are our own
//! ([`super::sources`]); so is that of AI assistants, for the channel that GA4 has had since May 2026. Two things differ, and
//! both on purpose: a source that says that somebody paid for it (`google_ads`) is paid where it names no medium. And
//! `event`, `partner` and `sales` are never found out: they are given to touches by hand.

mod rules;

use std::collections::BTreeSet;

use super::sources::{self, Category};

pub use rules::{ChannelRule, ChannelRules, Conditions, MAX_RULES, TextMatch};

/// The medium of a visit that an AI assistant led to, as GA4 names it.
pub const AI_ASSISTANT: &str = "ai-assistant";

/// A channel that the definitions know; a company's own rules may name others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// A typed address, a bookmark, or a way that nothing is known of.
    Direct,
    /// Ads over several networks at once.
    CrossNetwork,
    /// Ads on shopping sites, or of a campaign for shopping.
    PaidShopping,
    /// Ads in search engines.
    PaidSearch,
    /// Ads on social sites.
    PaidSocial,
    /// Ads on video sites.
    PaidVideo,
    /// Banners.
    Display,
    /// Any other ads.
    PaidOther,
    /// Shopping sites, or a campaign for shopping, unpaid.
    OrganicShopping,
    /// Social sites, unpaid.
    OrganicSocial,
    /// Video sites, unpaid.
    OrganicVideo,
    /// AI assistants, unpaid.
    AiAssistant,
    /// Search engines, unpaid.
    OrganicSearch,
    /// E-mail.
    Email,
    /// Affiliates.
    Affiliates,
    /// Links on other sites.
    Referral,
    /// Podcasts and other audio.
    Audio,
    /// Text messages.
    Sms,
    /// Notifications on a phone.
    MobilePush,
    /// A fair, a webinar: given by hand.
    Event,
    /// A partner: given by hand.
    Partner,
    /// Outbound sales: given by hand.
    Sales,
    /// There is a source, and no definition matches it.
    Unassigned,
}

impl Channel {
    /// Every channel, in the order of the definitions.
    pub const ALL: &'static [Channel] = {
        use Channel::*;
        &[
            Direct,
            CrossNetwork,
            PaidShopping,
            PaidSearch,
            PaidSocial,
            PaidVideo,
            Display,
            PaidOther,
            OrganicShopping,
            OrganicSocial,
            OrganicVideo,
            AiAssistant,
            OrganicSearch,
            Email,
            Affiliates,
            Referral,
            Audio,
            Sms,
            MobilePush,
            Event,
            Partner,
            Sales,
            Unassigned,
        ]
    };

    /// The channel's name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Channel::Direct => "direct",
            Channel::CrossNetwork => "cross_network",
            Channel::PaidShopping => "paid_shopping",
            Channel::PaidSearch => "paid_search",
            Channel::PaidSocial => "paid_social",
            Channel::PaidVideo => "paid_video",
            Channel::Display => "display",
            Channel::PaidOther => "paid_other",
            Channel::OrganicShopping => "organic_shopping",
            Channel::OrganicSocial => "organic_social",
            Channel::OrganicVideo => "organic_video",
            Channel::AiAssistant => "ai_assistant",
            Channel::OrganicSearch => "organic_search",
            Channel::Email => "email",
            Channel::Affiliates => "affiliates",
            Channel::Referral => "referral",
            Channel::Audio => "audio",
            Channel::Sms => "sms",
            Channel::MobilePush => "mobile_push",
            Channel::Event => "event",
            Channel::Partner => "partner",
            Channel::Sales => "sales",
            Channel::Unassigned => "unassigned",
        }
    }
}

/// The channels that a touch may be given: those of the definitions, then those that the company's own rules name.
pub fn known(rules: &ChannelRules) -> impl Iterator<Item = &str> {
    let own = rules.rules.iter().map(|rule| rule.channel.as_str());
    let own: BTreeSet<&str> = own
        .filter(|own| !Channel::ALL.iter().any(|channel| channel.name() == *own))
        .collect();
    Channel::ALL.iter().map(|channel| channel.name()).chain(own)
}

/// Whether a touch may be given this channel.
pub fn is_known(channel: &str, rules: &ChannelRules) -> bool {
    known(rules).any(|known| known == channel)
}

/// The known channel that people mean by a text, whatever its case and the signs between its words (`Paid Search`).
pub fn read(text: &str, rules: &ChannelRules) -> Option<String> {
    let letters = |text: &str| -> String {
        let letters = text.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect()
    };
    let wanted = letters(text);
    known(rules)
        .find(|known| letters(known) == wanted)
        .map(str::to_owned)
}

/// What is known of a way, as the definitions look at it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    /// The source, such as `google` or `news.example.com`.
    pub source: Option<&'a str>,
    /// The medium, such as `cpc`.
    pub medium: Option<&'a str>,
    /// The campaign's name.
    pub campaign: Option<&'a str>,
    /// The host of the page that led to the site.
    pub referrer_host: Option<&'a str>,
}

/// The channel of a way: by the first of the company's own rules that fits, else by the definitions.
pub fn channel(facts: Facts<'_>, rules: &ChannelRules) -> String {
    match rules.channel(facts) {
        Some(own) => own.to_owned(),
        None => by_definition(facts).name().to_owned(),
    }
}

/// The channel by GA4's definitions, the first that fits.
pub fn by_definition(facts: Facts<'_>) -> Channel {
    let lower = |text: Option<&str>| text.map(|text| text.trim().to_lowercase()).unwrap_or_default();
    let (source, medium, campaign) = (lower(facts.source), lower(facts.medium), lower(facts.campaign));
    let category = sources::category(&source);
    let is = |wanted| category == Some(wanted);
    let is_for_ads = sources::is_for_ads(&source);
    let is_paid = is_paid(&medium) || medium.is_empty() && is_for_ads;
    let is_organic = |wanted| is(wanted) && !is_for_ads;
    let is_shopping = is(Category::Shopping) || is_for_shopping(&campaign);
    let medium_is = |names: &[&str]| names.contains(&medium.as_str());

    if is_direct(&source, &medium) && campaign.is_empty() {
        Channel::Direct
    } else if campaign.contains("cross-network") {
        Channel::CrossNetwork
    } else if is_shopping && is_paid {
        Channel::PaidShopping
    } else if is(Category::Search) && is_paid {
        Channel::PaidSearch
    } else if is(Category::Social) && is_paid {
        Channel::PaidSocial
    } else if is(Category::Video) && is_paid {
        Channel::PaidVideo
    } else if medium_is(&["display", "banner", "expandable", "interstitial", "cpm"]) {
        Channel::Display
    } else if is_paid {
        Channel::PaidOther
    } else if is_shopping {
        Channel::OrganicShopping
    } else if is_organic(Category::Social)
        || medium_is(&[
            "social",
            "social-network",
            "social-media",
            "sm",
            "social network",
            "social media",
        ])
    {
        Channel::OrganicSocial
    } else if is_organic(Category::Video) || medium.contains("video") {
        Channel::OrganicVideo
    } else if is(Category::Assistant) || medium_is(&[AI_ASSISTANT]) {
        Channel::AiAssistant
    } else if is_organic(Category::Search) || medium_is(&["organic"]) {
        Channel::OrganicSearch
    } else if is_mail(&source) || is_mail(&medium) {
        Channel::Email
    } else if medium_is(&["affiliate"]) {
        Channel::Affiliates
    } else if medium_is(&["referral", "app", "link"]) {
        Channel::Referral
    } else if medium_is(&["audio"]) {
        Channel::Audio
    } else if source == "sms" || medium == "sms" {
        Channel::Sms
    } else if medium.ends_with("push")
        || medium.contains("mobile")
        || medium.contains("notification")
        || source == "firebase"
    {
        Channel::MobilePush
    } else {
        Channel::Unassigned
    }
}

/// The way is unknown, or stated to be direct.
fn is_direct(source: &str, medium: &str) -> bool {
    matches!(source, "" | "(direct)") && matches!(medium, "" | "(none)" | "(not set)")
}

/// The definitions' `^(.*cp.*|ppc|retargeting|paid.*)$`.
fn is_paid(medium: &str) -> bool {
    medium.contains("cp") || matches!(medium, "ppc" | "retargeting") || medium.starts_with("paid")
}

/// The definitions' `^(.*(([^a-df-z]|^)shop|shopping).*)$`: a shop that is no workshop.
fn is_for_shopping(campaign: &str) -> bool {
    let begins_a_word = |at: usize| {
        let before = campaign[..at].chars().next_back();
        before.is_none_or(|c| c == 'e' || !c.is_ascii_lowercase())
    };
    campaign.contains("shopping") || campaign.match_indices("shop").any(|(at, _)| begins_a_word(at))
}

fn is_mail(text: &str) -> bool {
    matches!(text, "email" | "e-mail" | "e_mail" | "e mail")
}

#[cfg(test)]
mod tests;
