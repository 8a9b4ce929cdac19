//! Touches as they are stored: made of sessions and events, or given by hand.

use super::events::Event;
use super::rules::TouchRules;
use super::sessions::{Session, event_touch};
use crate::id::{Id, LeadId, TouchId, VisitorId};
use crate::instant::Timestamp;
use crate::leads::Touch;

/// The kind of touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TouchKind {
    /// A visit of the site.
    Session,
    /// A link of an e-mail that was followed.
    EmailClick,
    /// An event that was attended.
    EventAttendance,
    /// It was stated: by a user, by a partner or by an import.
    Given,
}

impl TouchKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Session,
        Self::EmailClick,
        Self::EventAttendance,
        Self::Given,
    ];

    /// The kind's name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            TouchKind::Session => "session",
            TouchKind::EmailClick => "email_click",
            TouchKind::EventAttendance => "event_attendance",
            TouchKind::Given => "given",
        }
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// A touch, or a session that makes none.
#[derive(Debug, Clone, PartialEq)]
pub struct TouchRecord {
    /// Which. Of a session it may change when a late event comes.
    pub id: TouchId,
    /// The kind of touch: a visit, a click in an e-mail, attendance of an event, or one that a user, partner or import
    /// reported.
    pub kind: TouchKind,
    /// Whose, once known.
    pub lead_id: Option<LeadId>,
    /// Which visitor's.
    pub visitor_id: Option<VisitorId>,
    /// When it happened; of a session when it began.
    pub occurred_at: Timestamp,
    /// The touch; none of a session that makes none.
    pub touch: Option<Touch>,
    /// The session that it was made of.
    pub session: Option<Session>,
}

impl TouchRecord {
    /// A stated touch. Its instant is `at` if it names none.
    pub fn given(id: TouchId, lead_id: LeadId, touch: &Touch, at: Timestamp) -> Self {
        let occurred_at = touch.occurred_at.unwrap_or(at);
        Self {
            id,
            kind: TouchKind::Given,
            lead_id: Some(lead_id),
            visitor_id: None,
            occurred_at,
            touch: Some(Touch {
                occurred_at: Some(occurred_at),
                ..touch.clone()
            }),
            session: None,
        }
    }

    /// The touch that an event makes by itself, if it makes one: a link of an e-mail that was followed, an event that was
    /// attended. Bots and machines make none.
    pub fn of_event(event: &Event, rules: &TouchRules) -> Option<Self> {
        if !event.counts() {
            return None;
        }
        let made = event_touch(
            &event.kind,
            &event.pages,
            &event.properties,
            event.occurred_at,
            rules,
        )?;
        let is_click = event.kind.name() == "email_click";
        Some(Self {
            id: Id::from_uuid(event.id.uuid()),
            kind: if is_click {
                TouchKind::EmailClick
            } else {
                TouchKind::EventAttendance
            },
            lead_id: event.lead_id,
            visitor_id: event.visitor_id,
            occurred_at: event.occurred_at,
            touch: Some(made),
            session: None,
        })
    }

    /// The row of a session.
    pub fn of_session(
        id: TouchId,
        lead_id: Option<LeadId>,
        visitor_id: Option<VisitorId>,
        session: Session,
    ) -> Self {
        Self {
            id,
            kind: TouchKind::Session,
            lead_id,
            visitor_id,
            occurred_at: session.started_at,
            touch: session.touch.clone(),
            session: Some(session),
        }
    }
}
