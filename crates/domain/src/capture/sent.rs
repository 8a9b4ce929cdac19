//! What a submission that made or found its lead says of the visitor who sent it: whose the browser is from then on, and
//! that a form was sent.

use serde_json::{Map, json};

use super::{Form, Posted, Submission};
use crate::act::Act;
use crate::change::Change;
use crate::id::LeadId;
use crate::tracking::change::TrackingChange;
use crate::tracking::events::{Event, EventKind};
use crate::tracking::visitor::{Teller, visitor_key};
use crate::world::World;

/// Link the visitor with the lead, and record the event. The visitor is among the loaded facts if it was known.
///
/// Of a visitor of whom as many events are kept as may be, the submission and the link stand all the same.
pub(super) fn sent(
    world: &mut World,
    lead_id: LeadId,
    submission: &Submission,
    form: &Form,
    posted: &Posted,
    act: &Act,
) -> Vec<Change> {
    let visitors = &mut world.tracking.visitors;
    let told_by = submission.form_id.to_string();
    let (mut changes, mut visitor_id) = (vec![], None);
    if let Some(key) = posted.visitor.as_deref().and_then(visitor_key) {
        let said_at = Some(submission.received_at);
        changes = visitors.identify(key, lead_id, said_at, &told_by, act);
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
        told_by,
        visitor_id,
        lead_id: Some(lead_id),
        occurred_at: posted.submitted_at.unwrap_or(submission.received_at).min(act.now),
        received_at: act.now,
        pages: posted.context.pages().unwrap_or_default(),
        properties,
        is_bot: false,
        is_machine: false,
    };
    changes.push(TrackingChange::EventRecorded(Box::new(event)).into());
    changes
}
