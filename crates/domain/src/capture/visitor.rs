//! What a submission that made or found its lead says of the visitor who sent it: whose the browser is from then on, and
//! that a form was sent.

use serde_json::{Map, json};

use super::{Form, Posted, Submission};
use crate::act::Act;
use crate::change::Change;
use crate::id::{FormId, LeadId};
use crate::instant::Timestamp;
use crate::tracking::change::TrackingChange;
use crate::tracking::events::{Event, EventKind};
use crate::tracking::visitor::{Teller, visitor_key};
use crate::world::World;

/// Link the visitor with the lead, and record the event. The visitor is among the loaded facts if it was known.
///
/// Of a visitor of whom as many events are stored as may be, the submission and the link stand all the same.
pub(super) fn sent(
    world: &mut World,
    lead_id: LeadId,
    submission: &Submission,
    form: &Form,
    posted: &Posted,
    act: &Act,
) -> Vec<Change> {
    let mut changes = linked(world, lead_id, form.id, posted, submission.received_at, act);
    let visitors = &mut world.tracking.visitors;
    let mut visitor_id = None;
    if let Some(key) = posted.visitor.as_deref().and_then(visitor_key) {
        if !visitors.admit(key, Teller::Service) {
            return changes;
        }
        visitor_id = visitors.get(key).map(|visitor| visitor.id);
    }
    let mut properties = Map::from_iter([
        ("form_id".to_owned(), json!(submission.form_id)),
        ("submission_id".to_owned(), json!(submission.id)),
    ]);
    let service = form.settings.service_requested.as_ref();
    properties.extend(service.map(|service| ("service_requested".to_owned(), json!(service))));
    let campaign = form.settings.campaign_id.as_ref();
    properties.extend(campaign.map(|id| ("campaign_id".to_owned(), json!(id))));
    let event = Event {
        id: act.ids.next(),
        kind: EventKind::form_submit(),
        told_by: form.id.to_string(),
        visitor_id,
        lead_id: Some(lead_id),
        occurred_at: posted.counts_from(submission.received_at).min(act.now),
        received_at: act.now,
        pages: posted.context.pages().unwrap_or_default(),
        properties,
        content_id: form.settings.content_id,
        is_bot: false,
        is_machine: false,
    };
    changes.push(TrackingChange::EventRecorded(Box::new(event)).into());
    changes
}

/// Whose the browser is from an instant on: the lead's who sent the form with it.
pub(super) fn linked(
    world: &mut World,
    lead_id: LeadId,
    form_id: FormId,
    posted: &Posted,
    at: Timestamp,
    act: &Act,
) -> Vec<Change> {
    match posted.visitor.as_deref().and_then(visitor_key) {
        Some(key) => {
            let visitors = &mut world.tracking.visitors;
            visitors.identify(key, lead_id, Some(at), &form_id.to_string(), act)
        }
        None => vec![],
    }
}
