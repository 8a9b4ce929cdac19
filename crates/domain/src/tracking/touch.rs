//! The touch of a visit: made of the page on which it began and the page that led there.

use super::address::Address;
use super::channels::{self, AI_ASSISTANT, ChannelRules, Facts};
use super::sources::{self, Category};
use crate::instant::Timestamp;
use crate::leads::{ClickIds, Touch};

/// What a page says of how a visit began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visit<'a> {
    /// The page on which it began, or at least the page that is known.
    pub landing: Option<&'a str>,
    /// Whether the visit is known to have begun on that page.
    pub began_there: bool,
    /// The page that led there.
    pub referrer: Option<&'a str>,
}

impl<'a> Visit<'a> {
    /// What a form tells: on which page it stands and what led there, and where the visit landed and what led there.
    ///
    /// A form on the very page on which the visit landed was led to by what led to the page.
    pub fn of_form(
        page: Option<&'a str>,
        referrer: Option<&'a str>,
        landing: Option<&'a str>,
        led: Option<&'a str>,
    ) -> Self {
        let is_elsewhere = landing.is_some() && landing != page;
        Self {
            landing: landing.or(page),
            began_there: landing.is_some(),
            referrer: led.or(referrer.filter(|_| !is_elsewhere)),
        }
    }
}

/// The touch of a visit; none where nothing is known of its pages.
///
/// UTM parameters say source and medium themselves. What they leave open is said by a click id that somebody paid for,
/// else by the referrer (a search engine by its name with the medium `organic`, an AI assistant by its host with
/// `ai-assistant`, any other site by its host with `referral`), else by Meta's click id. A referrer of the same site
/// says nothing: where the visit began elsewhere on it, its way and its channel are unknown.
pub fn touch(visit: Visit<'_>, rules: &ChannelRules, at: Timestamp) -> Option<Touch> {
    let landing = visit.landing.and_then(Address::read);
    let referrer = visit.referrer.and_then(Address::read);
    if landing.is_none() && referrer.is_none() {
        return None;
    }
    let utm = |name| landing.as_ref().and_then(|landing| landing.parameter(name));
    let (campaign, term, content) = (utm("utm_campaign"), utm("utm_term"), utm("utm_content"));
    let click_ids = landing.as_ref().and_then(ClickIds::of);
    let is_own = |referrer: &Address| {
        landing
            .as_ref()
            .is_some_and(|landing| landing.is_same_site(referrer))
    };
    let outer = referrer.as_ref().filter(|referrer| !is_own(referrer));
    let (source, medium) = way(utm("utm_source"), utm("utm_medium"), click_ids.as_ref(), outer);

    let facts = Facts {
        source: source.as_deref(),
        medium: medium.as_deref(),
        campaign: campaign.as_deref(),
        referrer_host: outer.and_then(Address::host),
    };
    let is_silent = source.is_none() && medium.is_none() && campaign.is_none();
    let began_elsewhere = is_silent && !visit.began_there && outer.is_none() && referrer.is_some();
    Some(Touch {
        channel: (!began_elsewhere).then(|| channels::channel(facts, rules)),
        source,
        medium,
        campaign,
        term,
        content,
        click_ids,
        landing_url: landing.as_ref().and_then(Address::bare),
        referrer: referrer.as_ref().and_then(Address::bare),
        occurred_at: Some(at),
    })
}

/// The source and medium of a way.
fn way(
    source: Option<String>,
    medium: Option<String>,
    click_ids: Option<&ClickIds>,
    referrer: Option<&Address>,
) -> (Option<String>, Option<String>) {
    if source.is_some() && medium.is_some() {
        return (source, medium);
    }
    let paid = click_ids
        .and_then(ClickIds::paid_source)
        .map(|source| (source.to_owned(), "cpc"));
    let led = || referrer.and_then(led_by);
    let meta = || {
        let has_id = click_ids.is_some_and(|ids| ids.fbclid.is_some());
        has_id.then(|| ("facebook.com".to_owned(), "referral"))
    };
    // A referrer's medium belongs to its source: beside another source it would say what nobody said.
    let is_named = source.is_some();
    let found = if is_named {
        paid
    } else {
        paid.or_else(led).or_else(meta)
    };
    let (found_source, found_medium) = found.unzip();
    (
        source.or(found_source),
        medium.or(found_medium.map(str::to_owned)),
    )
}

fn led_by(referrer: &Address) -> Option<(String, &'static str)> {
    let host = referrer.name()?.to_owned();
    Some(match sources::site(referrer) {
        Some(site) if site.category == Category::Search => (site.name.to_owned(), "organic"),
        Some(site) if site.category == Category::Assistant => (host, AI_ASSISTANT),
        _ => (host, "referral"),
    })
}

#[cfg(test)]
mod tests;
