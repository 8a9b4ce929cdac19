//! The one maker of touches: of the page on which a visit began, the page that led there, and what is given of it.

use super::address::{Address, MOST_OF_A_PARAMETER, clean, redacted_text};
use super::channels::{self, AI_ASSISTANT, Facts};
use super::events::{MAX_AHEAD, Pages};
use super::rules::TouchRules;
use super::sources::{self, Category};
use crate::fault::Fault;
use crate::instant::Timestamp;
use crate::leads::{ClickIds, Touch};

/// What a page says of how a visit began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Visit<'a> {
    /// The page on which it began, or at least the page that is known.
    pub landing: Option<&'a str>,
    /// Whether the visit is known to have begun on that page.
    pub began_there: bool,
    /// The page that linked to it.
    pub referrer: Option<&'a str>,
}

impl<'a> Visit<'a> {
    /// From a form: its page and referrer, and the landing of the visit and its referrer.
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

/// How a door reports a touch.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// Its members, as far as the caller knows them.
    Given(Box<Touch>),
    /// The pages of a form that was sent.
    Form(Pages),
}

impl From<Touch> for Report {
    fn from(touch: Touch) -> Self {
        Self::Given(Box::new(touch))
    }
}

impl Report {
    /// The touch that is reported, if anything is; of the instant `at` where the report names none.
    ///
    /// One that a clock ahead dates after `now` happened now.
    pub fn touch(&self, rules: &TouchRules, at: Timestamp, now: Timestamp) -> Option<Touch> {
        match self {
            Report::Given(given) => {
                let visit = Visit {
                    landing: given.landing_url.as_deref(),
                    began_there: true,
                    referrer: given.referrer.as_deref(),
                };
                let at = given.occurred_at.map_or(at, |given| given.min(now));
                touch(visit, given, rules, at)
            }
            Report::Form(pages) => touch(pages.visit(true), &Touch::default(), rules, at),
        }
    }

    /// What is wrong with the members that a caller gives, which stand under `pointer`.
    pub fn faults(&self, pointer: &str, rules: &TouchRules, now: Timestamp) -> Vec<Fault> {
        let Report::Given(given) = self else { return vec![] };
        let mut faults = vec![];
        let mut fault = |member: &str, code, detail: String| {
            faults.push(Fault::new(format!("{pointer}/{member}"), code, detail))
        };
        if let Some(channel) = &given.channel
            && !channels::is_known(channel, &rules.channels)
        {
            let known: Vec<&str> = channels::known(&rules.channels).collect();
            fault(
                "channel",
                "not_allowed",
                format!("is none of {}", known.join(", ")),
            );
        }
        for (member, address) in [("landing_url", &given.landing_url), ("referrer", &given.referrer)] {
            if address
                .as_deref()
                .is_some_and(|text| Address::read(text).is_none())
            {
                fault(
                    member,
                    "invalid_format",
                    "is not the address of a page or an app".into(),
                );
            }
        }
        if given
            .occurred_at
            .is_some_and(|at| at > now.plus_millis(MAX_AHEAD))
        {
            let detail = "is more than 5 minutes in the future";
            fault("occurred_at", "out_of_range", detail.into());
        }
        faults
    }
}

/// Make a touch: of how a visit began, and of what is given beside it, which goes before what the addresses say. `None`
/// where nothing is known.
///
/// Addresses are stored bare. UTM parameters say source and medium themselves. What they leave open is said by a click id
/// that somebody paid for, else by the referrer (a search engine by its name with the medium `organic`, an AI assistant by
/// its host with `ai-assistant`, any other site by its host with `referral`), else by Meta's click id. A referrer of the
/// company's own sites, or that people pass through, says nothing: where the visit began elsewhere on it, its way and its
/// channel are unknown.
pub fn touch(visit: Visit<'_>, given: &Touch, rules: &TouchRules, at: Timestamp) -> Option<Touch> {
    let landing = visit.landing.and_then(Address::read);
    let referrer = visit.referrer.and_then(Address::read);
    let text = |given: &Option<String>, name| {
        let given = given.as_deref().map(|text| {
            let open = redacted_text(text);
            clean(open.as_deref().unwrap_or(text), MOST_OF_A_PARAMETER)
        });
        let landed = || landing.as_ref().and_then(|landing| landing.parameter(name));
        given.filter(|text| !text.is_empty()).or_else(landed)
    };
    let campaign = text(&given.campaign, "utm_campaign");
    let (term, content) = (text(&given.term, "utm_term"), text(&given.content, "utm_content"));
    let click_ids = ClickIds::first(given.click_ids.as_ref(), landing.as_ref().and_then(ClickIds::of));
    let outer = referrer
        .as_ref()
        .filter(|referrer| rules.leads(referrer, landing.as_ref()));
    let (source, medium) = way(
        text(&given.source, "utm_source"),
        text(&given.medium, "utm_medium"),
        click_ids.as_ref(),
        outer,
    );

    let is_silent = source.is_none() && medium.is_none() && campaign.is_none();
    let has_page = landing.is_some() || referrer.is_some();
    let began_elsewhere = is_silent && !visit.began_there && outer.is_none() && referrer.is_some();
    let facts = Facts {
        source: source.as_deref(),
        medium: medium.as_deref(),
        campaign: campaign.as_deref(),
        referrer_host: outer.and_then(Address::host),
    };
    let derived = || {
        let is_known = !began_elsewhere && (has_page || !is_silent);
        is_known.then(|| channels::channel(facts, &rules.channels))
    };
    let made = Touch {
        channel: given.channel.clone().or_else(derived),
        source,
        medium,
        campaign,
        term,
        content,
        click_ids,
        landing_url: landing.as_ref().and_then(Address::bare),
        referrer: referrer.as_ref().and_then(Address::bare),
        occurred_at: None,
    };
    (has_page || made != Touch::default()).then_some(Touch {
        occurred_at: Some(at),
        ..made
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
    // A referrer's medium belongs to its source: beside another source it would state what nobody stated.
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
