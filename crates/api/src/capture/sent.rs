//! What submissions tell tracking: that a form was sent, and whose the visitor is from then on.

use std::collections::BTreeSet;

use serde_json::{Map, json};
use tandem_domain::act::Act;
use tandem_domain::capture::CaptureChange;
use tandem_domain::capture::{Posted, Submission, SubmissionStatus};
use tandem_domain::change::Change;
use tandem_domain::id::LeadId;
use tandem_domain::leads::change::LeadChange;
use tandem_domain::tracking::events::{Event, EventKind, Pages};
use tandem_domain::tracking::visitors::{Link, Teller, visitor_key};
use tandem_store::tracking::{self, Identified, Visitors};
use tandem_store::{StoreError, Tx};

/// What the submissions of one transaction tell.
#[derive(Default)]
pub struct Sent {
    visitors: Visitors,
    links: Vec<Identified>,
    events: Vec<Event>,
    fresh: BTreeSet<LeadId>,
}

impl Sent {
    /// Lock and load the visitors, before anything else is locked by name.
    pub async fn prepare(tx: &Tx, visitors: impl Iterator<Item = Option<&str>>) -> Result<Self, StoreError> {
        let keys: BTreeSet<String> = visitors
            .filter_map(|visitor| visitor_key(visitor?))
            .map(str::to_owned)
            .collect();
        Ok(Self {
            visitors: tracking::visitors(tx, &keys).await?,
            ..Self::default()
        })
    }

    /// Note what was decided about one submission; the change that its visitor is somebody's from now on, if it is news.
    pub fn note(&mut self, act: &Act, posted: &Posted, changes: &[Change]) -> Option<Change> {
        let mut link = None;
        for change in changes {
            match change {
                Change::Lead(LeadChange::Created { lead, .. }) => drop(self.fresh.insert(lead.id)),
                Change::Capture(
                    CaptureChange::Received(submission) | CaptureChange::Replayed(submission),
                ) => {
                    link = self.take(act, posted, submission);
                }
                _ => {}
            }
        }
        link.map(|link| LeadChange::VisitorIdentified(link).into())
    }

    fn take(&mut self, act: &Act, posted: &Posted, submission: &Submission) -> Option<Link> {
        let (SubmissionStatus::Accepted, Some(lead_id)) = (submission.status, submission.lead_id) else {
            return None;
        };
        let told_by = submission.form_id.to_string();
        let ids = &act.ids;
        let key = posted.visitor.as_deref().and_then(visitor_key);
        let mut news = None;
        let visitor_id = key.map(|key| {
            let visitor = self.visitors.visit(key, act.now, ids);
            let is_first = visitor.links.is_empty();
            news = visitor.identify_as_of(submission.received_at, lead_id, act.now, ids);
            self.links.extend(news.map(|link| Identified {
                link,
                told_by: told_by.clone(),
                is_first,
            }));
            visitor.id
        });
        // A visitor of whom very much is kept: the submission and the link stand all the same.
        if key.is_some_and(|key| !self.visitors.admit(key, Teller::Service)) {
            return news;
        }
        let said = json!({"form_id": submission.form_id, "submission_id": submission.id});
        let context = posted.context.clone();
        let known = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        self.events.push(Event {
            id: ids.next(),
            kind: EventKind::form_submit(),
            told_by,
            visitor_id,
            lead_id: Some(lead_id),
            occurred_at: posted.submitted_at.unwrap_or(submission.received_at).min(act.now),
            received_at: act.now,
            pages: Pages {
                url: known(context.page_url),
                referrer: known(context.referrer),
                landing_url: known(context.landing_url),
                landing_referrer: known(context.landing_referrer),
            }
            .kept(),
            properties: said.as_object().cloned().unwrap_or_else(Map::new),
            is_bot: false,
        });
        news
    }

    /// Record it, once the leads are written.
    pub async fn record(self, tx: &Tx) -> Result<(), StoreError> {
        if self.events.is_empty() && self.links.is_empty() {
            return Ok(());
        }
        tracking::record(tx, &self.visitors, &self.links, self.events, &self.fresh).await
    }
}
