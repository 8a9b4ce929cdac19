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
    let visit = Visit::of_form(
        said(&context.page_url),
        said(&context.referrer),
        said(&context.landing_url),
        said(&context.landing_referrer),
    );
    touch(visit, rules, at)
}
