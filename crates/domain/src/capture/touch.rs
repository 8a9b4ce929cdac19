//! Where a person came from, as far as the page with the form says.

use super::Context;
use crate::instant::Timestamp;
use crate::leads::Touch;
use crate::tracking::channels::ChannelRules;
use crate::tracking::{Visit, touch};

/// The touch that the context of a submission tells of: of the landing page where it is known, else of the page with
/// the form.
pub(super) fn first_touch(context: &Context, rules: &ChannelRules, at: Timestamp) -> Option<Touch> {
    fn said(text: &Option<String>) -> Option<&str> {
        text.as_deref().filter(|text| !text.trim().is_empty())
    }
    let landing = said(&context.landing_url);
    let visit = Visit {
        landing: landing.or(said(&context.page_url)),
        began_there: landing.is_some(),
        referrer: match landing {
            Some(_) => said(&context.landing_referrer),
            None => said(&context.landing_referrer).or(said(&context.referrer)),
        },
    };
    touch(visit, rules, at)
}
