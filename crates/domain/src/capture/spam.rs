//! What looks like spam: judged before anything else, answered as if accepted.

use super::answers::{pointer, text_of};
use super::{Form, Posted};
use crate::fault::Fault;
use crate::instant::Timestamp;

/// The signs of spam in a submission; empty if there are none.
///
/// How long the form was open is measured by the page's own clock if it names both instants, else by ours; a page whose
/// clock goes ahead of ours, and one that does not say when it was shown, are no sign.
pub(super) fn signs(form: &Form, posted: &Posted, now: Timestamp) -> Vec<Fault> {
    let mut signs = vec![];
    let honeypot = form.settings.honeypot_field.as_deref();
    if let Some(name) = honeypot.filter(|name| posted.fields.get(*name).and_then(text_of).is_some()) {
        signs.push(Fault::new(
            pointer(name),
            "honeypot_filled",
            "people do not see this field",
        ));
    }
    let open = posted.context.rendered_at.map(|shown| {
        let sent = posted.submitted_at.unwrap_or(now);
        sent.millis().saturating_sub(shown.millis())
    });
    let least = form.settings.min_fill_seconds.map(|seconds| seconds * 1000);
    if let (Some(open), Some(least)) = (open, least)
        && (0..least).contains(&open)
    {
        let detail = "was filled in faster than a person can";
        signs.push(Fault::new("/context/rendered_at", "filled_too_fast", detail));
    }
    if posted.by_bot {
        signs.push(Fault::new("", "known_bot", "was sent by a known bot"));
    }
    signs
}
