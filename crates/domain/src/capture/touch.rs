//! Where a person came from, as far as the addresses of the page say.

use std::collections::BTreeMap;

use super::Context;
use crate::instant::Timestamp;
use crate::leads::Touch;

/// What the page's address says of where the person came from: its UTM parameters, taken as they are.
/// Channels by rule, click ids and sessions come with tracking.
pub(super) fn first_touch(context: &Context, at: Timestamp) -> Option<Touch> {
    let said = |url: &Option<String>| url.clone().filter(|url| !url.trim().is_empty());
    let landing = said(&context.landing_url).or_else(|| said(&context.page_url))?;
    let referrer = said(&context.landing_referrer).or_else(|| said(&context.referrer));
    let bare = |url: &String| Some(without_query(url)).filter(|url| !url.is_empty());
    let utm = utm(&landing);
    let take = |name: &str| {
        utm.get(name)
            .map(|text| text.chars().take(200).collect::<String>())
    };
    Some(Touch {
        channel: None,
        source: take("utm_source"),
        medium: take("utm_medium"),
        campaign: take("utm_campaign"),
        term: take("utm_term"),
        content: take("utm_content"),
        landing_url: bare(&landing),
        referrer: referrer.as_ref().and_then(bare),
        occurred_at: Some(at),
    })
}

/// An address without what may be personal in it: credentials, query and fragment.
fn without_query(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let bare = &url[..end];
    let Some((scheme, rest)) = bare.split_once("://") else {
        return bare.chars().take(2048).collect();
    };
    let (host, path) = rest
        .split_once('/')
        .map_or((rest, None), |(host, path)| (host, Some(path)));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let joined = path.map_or_else(
        || format!("{scheme}://{host}"),
        |path| format!("{scheme}://{host}/{path}"),
    );
    joined.chars().take(2048).collect()
}

fn utm(url: &str) -> BTreeMap<String, String> {
    let query = url
        .split_once('?')
        .map_or("", |(_, rest)| rest.split('#').next().unwrap_or(""));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(name, value)| name.starts_with("utm_") && !value.is_empty())
        .filter_map(|(name, value)| Some((name.to_owned(), percent_decoded(value)?)))
        .filter(|(_, value)| !value.trim().is_empty() && !value.contains('\0'))
        .collect()
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = vec![];
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (rest.next()?, rest.next()?);
                let digit = |b: u8| (b as char).to_digit(16);
                (digit(high)? * 16 + digit(low)?) as u8
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}
