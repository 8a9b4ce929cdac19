//! What happened, as values: rules return them, the store writes them, the journal is made from them. The kinds of each
//! room stand in the room; plain records share one.

use crate::access::Scope;
use crate::access::account::{ApiKey, Team, User};
use crate::access::change::AccessChange;
use crate::activities::change::ActivityChange;
use crate::activities::conversation::Conversation;
use crate::activities::objections::ObjectionMapping;
use crate::agreement::change::AgreementChange;
use crate::campaigns::{Campaign, CostsChange};
use crate::capture::{CaptureChange, Form, FormKey};
use crate::clocks::record::ClockChange;
use crate::content::Content;
use crate::content::requests::ContentRequest;
use crate::deals::change::DealChange;
use crate::deals::pipelines::Pipeline;
use crate::deals::promises::Promise;
use crate::deals::quotes::QuoteChange;
use crate::deals::revenue::RevenueEntry;
use crate::handoff::change::HandoffChange;
use crate::journal::Entry;
use crate::leads::change::{CompanyChange, LeadChange};
use crate::leads::duplicates::DuplicateChange;
use crate::notices::NoticeChange;
use crate::record::{Happened, Plain, RecordChange};
use crate::reports::review::{ActionItem, Review};
use crate::routing::UserAvailability;
use crate::routing::decision::RoutingChange;
use crate::segments::Segment;
use crate::settings::SettingChange;
use crate::tracking::change::TrackingChange;
use crate::tracking::keys::TrackingKey;
use crate::transfer::Import;
use crate::transfer::change::HistoryChange;
use crate::{
    access, activities, agreement, capture, clocks, deals, handoff, leads, notices, settings, transfer,
};

macro_rules! changes {
    ($($(#[$doc:meta])* $name:ident($kind:ident),)*) => {
        /// One typed thing that happened.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(
            clippy::large_enum_variant,
            reason = "most changes are of leads; a box around each would cost more than the room saved"
        )]
        pub enum Change {
            $($(#[$doc])* $name($kind),)*
            /// To a plain record.
            Record(Happened, Record),
        }

        $(impl From<$kind> for Change {
            fn from(change: $kind) -> Self {
                Self::$name(change)
            }
        })*
    };
}

changes! {
    /// To a lead.
    Lead(LeadChange),
    /// To a company.
    Company(CompanyChange),
    /// To a suggestion that two leads are one person.
    Duplicate(DuplicateChange),
    /// To the costs of a campaign.
    Costs(CostsChange),
    /// To a deal.
    Deal(DealChange),
    /// To a quote of a deal.
    Quote(QuoteChange),
    /// To a hand-off.
    Handoff(HandoffChange),
    /// Of routing.
    Routing(RoutingChange),
    /// To a clock.
    Clock(ClockChange),
    /// To a notice.
    Notice(NoticeChange),
    /// To an activity.
    Activity(ActivityChange),
    /// To a submission or to the keys of a form.
    Capture(CaptureChange),
    /// To a visitor, an event or a touch.
    Tracking(TrackingChange),
    /// To what imports state of the past.
    History(HistoryChange),
    /// To a setting.
    Setting(SettingChange),
    /// To the agreement.
    Agreement(AgreementChange),
    /// To a secret of an account.
    Access(AccessChange),
}

macro_rules! records {
    ($($name:ident,)*) => {
        /// A plain record of any kind, as it is now.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Record {
            $(#[doc = concat!("Of the kind `", stringify!($name), "`.")] $name(Box<$name>),)*
        }

        $(impl From<RecordChange<$name>> for Change {
            fn from(change: RecordChange<$name>) -> Self {
                Self::Record(change.happened, Record::$name(Box::new(change.record)))
            }
        })*

        const RECORD_TYPES: &[&[(&str, &str)]] = &[$($name::TYPES,)*];

        /// Every kind of plain record by its noun in the journal, with the scope that reads it.
        pub const RECORDS: &[(&str, Scope)] = &[$(($name::NOUN, $name::READ),)*];

        fn of_record(happened: &Happened, record: &Record) -> Entry {
            match record { $(Record::$name(one) => happened.entry(one.as_ref()),)* }
        }
    };
}

/// Gives a macro the name of every plain record: here they become one type, in the store each finds its rows.
#[macro_export]
macro_rules! for_each_record {
    ($then:ident) => {
        $then! {
            ActionItem,
            ApiKey,
            Campaign,
            Content,
            ContentRequest,
            Conversation,
            Form,
            Import,
            ObjectionMapping,
            Pipeline,
            Promise,
            RevenueEntry,
            Review,
            Segment,
            Team,
            TrackingKey,
            User,
            UserAvailability,
        }
    };
}

for_each_record!(records);

/// A change that touches no lead: no rule looks at it, so that it may be written as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Unruled(Change);

impl<R> From<RecordChange<R>> for Unruled
where
    Change: From<RecordChange<R>>,
{
    fn from(change: RecordChange<R>) -> Self {
        Self(change.into())
    }
}

impl From<SettingChange> for Unruled {
    fn from(change: SettingChange) -> Self {
        Self(change.into())
    }
}

impl From<AgreementChange> for Unruled {
    fn from(change: AgreementChange) -> Self {
        Self(change.into())
    }
}

impl From<NoticeChange> for Unruled {
    fn from(change: NoticeChange) -> Self {
        Self(change.into())
    }
}

impl From<CostsChange> for Unruled {
    fn from(change: CostsChange) -> Self {
        Self(change.into())
    }
}

impl From<QuoteChange> for Unruled {
    fn from(change: QuoteChange) -> Self {
        Self(change.into())
    }
}

impl From<AccessChange> for Unruled {
    fn from(change: AccessChange) -> Self {
        Self(change.into())
    }
}

/// A publishable key of a form was written.
impl From<FormKey> for Unruled {
    fn from(key: FormKey) -> Self {
        Self(CaptureChange::KeyWritten(key).into())
    }
}

impl From<Unruled> for Change {
    fn from(change: Unruled) -> Self {
        change.0
    }
}

/// Every type of journal entry there is, with what it means.
pub fn types() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rooms = [
        leads::change::TYPES,
        leads::change::COMPANY_TYPES,
        leads::duplicates::TYPES,
        capture::TYPES,
        deals::change::TYPES,
        deals::quotes::TYPES,
        handoff::change::TYPES,
        clocks::record::TYPES,
        notices::TYPES,
        activities::change::TYPES,
        settings::TYPES,
        agreement::change::TYPES,
        access::change::TYPES,
        transfer::change::TYPES,
    ];
    let records = RECORD_TYPES.iter().copied();
    rooms.into_iter().chain(records).flatten().copied()
}

impl Change {
    /// The journal entry that it leaves, if one of its own: statements and identifiers show in their lead's.
    pub fn entry(&self) -> Option<Entry> {
        let entry = match self {
            Self::Lead(change) => change.entry()?,
            Self::Company(change) => change.entry()?,
            Self::Duplicate(change) => change.entry(),
            Self::Costs(change) => change.entry(),
            Self::Deal(change) => change.entry(),
            Self::Quote(change) => change.entry(),
            Self::Handoff(change) => change.entry()?,
            // The hand-off says where it went.
            Self::Routing(_) => return None,
            Self::Clock(change) => change.entry()?,
            Self::Notice(change) => change.entry(),
            Self::Activity(change) => change.entry()?,
            Self::Capture(change) => change.entry()?,
            Self::Tracking(_) => return None,
            Self::History(change) => change.entry()?,
            Self::Setting(change) => change.entry(),
            Self::Agreement(change) => change.entry(),
            Self::Access(change) => change.entry(),
            Self::Record(happened, record) => of_record(happened, record),
        };
        debug_assert!(types().any(|(name, _)| name == entry.kind), "{}", entry.kind);
        Some(entry)
    }
}
