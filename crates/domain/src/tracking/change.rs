//! What happens to visitors, events and touches. It is recorded or derived, and leaves no journal entry.

use super::events::Event;
use super::record::TouchRecord;
use super::visitor::Visitor;
use crate::id::TouchId;

/// What happened to what is tracked.
#[derive(Debug, Clone, PartialEq)]
pub enum TrackingChange {
    /// A visitor was seen for the first time.
    VisitorSeen(Visitor),
    /// An event was recorded. The lead who did it, if known by then, stands in it.
    EventRecorded(Box<Event>),
    /// A touch or a session follows from events; it replaces what stood under its id.
    TouchKept(Box<TouchRecord>),
    /// A session is no more: other ones follow from the events.
    TouchGone(TouchId),
}
