//! The rows that changes of visitors, events and touches leave.

use serde_json::{Value, json};
use tandem_domain::id::Id;
use tandem_domain::tracking::change::TrackingChange;
use tandem_domain::tracking::events::Event;
use tandem_domain::tracking::visitor::Identified;

use crate::rows;
use crate::write::Rows;

impl Rows {
    pub(crate) fn add_tracking(&mut self, change: &TrackingChange) {
        match change {
            TrackingChange::VisitorSeen(visitor) => {
                self.visitors.push(rows::visitors::Model::of(visitor));
            }
            TrackingChange::EventRecorded(event) => self.add_event(event),
            TrackingChange::TouchKept(record) => {
                let row = rows::touches::Model::of(record);
                self.touches.insert(row.id, row);
            }
            TrackingChange::TouchGone(id) => {
                self.gone_touches.insert(id.uuid());
            }
        }
    }

    fn add_event(&mut self, event: &Event) {
        let file = event.properties.get("file").and_then(Value::as_str);
        let url = event.pages.url.as_deref();
        let by_page = || self.content.of_event(&event.kind, url, file);
        let content_id = event.content_id.or_else(by_page).map(Id::uuid);
        self.events.push(rows::events::Model {
            content_id,
            ..rows::events::Model::of(event)
        });
    }

    pub(crate) fn add_link(&mut self, identified: &Identified) {
        let Identified {
            link,
            told_by,
            adopts,
        } = identified;
        self.links.push(rows::visitor_links::Model::of(link, told_by));
        if *adopts {
            self.touched.insert(link.lead_id);
            self.adoptions
                .push(json!({"visitor_id": link.visitor_id.uuid(), "lead_id": link.lead_id.uuid()}));
        }
    }
}
