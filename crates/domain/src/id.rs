//! Typed ids (TypeID: a prefix and a UUIDv7 in Crockford base32) and the source they are drawn from.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicU64};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::instant::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A kind of record, named by the prefix of its ids.
pub trait Named {
    /// The prefix, such as `lead` in `lead_01h455vb4pex5vsknk084sn02q`.
    const PREFIX: &'static str;
    /// The name of the id's schema in the OpenAPI document.
    const SCHEMA: &'static str;
}

/// The id of a `T`: 16 bytes on disk, `prefix_suffix` on the wire (<https://github.com/jetify-com/typeid>).
pub struct Id<T>(Uuid, PhantomData<fn() -> T>);

impl<T> Id<T> {
    /// The id with these 128 bits.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The 128 bits.
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// When it was drawn: a UUIDv7 begins with its milliseconds (RFC 9562).
    pub const fn drawn_at(self) -> Timestamp {
        Timestamp::from_millis((self.0.as_u128() >> 80) as i64)
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<T: Named> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bits = self.0.as_u128();
        let mut suffix = [0u8; 26];
        for place in suffix.iter_mut().rev() {
            *place = ALPHABET[(bits & 31) as usize];
            bits >>= 5;
        }
        write!(f, "{}_", T::PREFIX)?;
        suffix.iter().try_for_each(|c| write!(f, "{}", *c as char))
    }
}

impl<T: Named> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not an id of the kind that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct NotAnId;

impl<T: Named> FromStr for Id<T> {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let suffix = text
            .strip_prefix(T::PREFIX)
            .and_then(|rest| rest.strip_prefix('_'))
            .ok_or(NotAnId)?;
        if suffix.len() != 26 || suffix.as_bytes()[0] > b'7' {
            return Err(NotAnId);
        }
        let mut bits = 0u128;
        for c in suffix.bytes() {
            let digit = ALPHABET.iter().position(|a| *a == c).ok_or(NotAnId)?;
            bits = bits << 5 | digit as u128;
        }
        Ok(Self::from_uuid(Uuid::from_u128(bits)))
    }
}

impl<T: Named> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: Named> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl<T: Named> PartialSchema for Id<T> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .pattern(Some(format!("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", T::PREFIX)))
            .max_length(Some(T::PREFIX.len() + 27))
            .examples([format!("{}_01h455vb4pex5vsknk084sn02q", T::PREFIX)])
            .into()
    }
}

impl<T: Named> ToSchema for Id<T> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed(T::SCHEMA)
    }
}

macro_rules! named {
    ($($(#[$doc:meta])* $tag:ident, $alias:ident, $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $tag {}
        impl Named for $tag {
            const PREFIX: &'static str = $prefix;
            const SCHEMA: &'static str = stringify!($alias);
        }
        $(#[$doc])*
        pub type $alias = Id<$tag>;
    )*};
}

named! {
    /// A lead: a person known by at least one identifier.
    LeadTag, LeadId, "lead";
    /// A company: the organisation that a lead belongs to.
    CompanyTag, CompanyId, "company";
    /// An identifier of a lead.
    IdentifierTag, IdentifierId, "identifier";
    /// One statement about a field of a lead or company.
    FieldValueTag, FieldValueId, "value";
    /// A suggestion that two leads are one person.
    DuplicateTag, DuplicateId, "duplicate";
    /// One statement about consent.
    ConsentTag, ConsentId, "consent";
    /// A stage change.
    TransitionTag, TransitionId, "transition";
    /// One pass of a lead through the stages.
    CycleTag, CycleId, "cycle";
    /// A user of Tandem.
    UserTag, UserId, "user";
    /// A team of users.
    TeamTag, TeamId, "team";
    /// A login of a user: the family of its refresh tokens.
    SessionTag, SessionId, "session";
    /// A partner's secret key.
    KeyTag, KeyId, "key";
    /// A token signing key.
    SigningKeyTag, SigningKeyId, "sigkey";
    /// A form on a website.
    FormTag, FormId, "form";
    /// A publishable key of a form.
    FormKeyTag, FormKeyId, "formkey";
    /// One POST to a form.
    SubmissionTag, SubmissionId, "submission";
    /// A marketing campaign.
    CampaignTag, CampaignId, "campaign";
    /// The cost of a campaign on one day.
    CostTag, CostId, "cost";
    /// A piece of the content library.
    ContentTag, ContentId, "content";
    /// What sales asks marketing to write.
    ContentRequestTag, ContentRequestId, "contentreq";
    /// A pipeline: the stages that a deal goes through.
    PipelineTag, PipelineId, "pipeline";
    /// A deal.
    DealTag, DealId, "deal";
    /// A move of a deal to another stage.
    DealMoveTag, DealMoveId, "dealmove";
    /// An offer sent within a deal.
    QuoteTag, QuoteId, "quote";
    /// A promise of a user to a customer.
    PromiseTag, PromiseId, "promise";
    /// An invoice, renewal or refund of a customer.
    RevenueEntryTag, RevenueEntryId, "revenue";
    /// A hand-off: the passing of an MQL from marketing to sales.
    HandoffTag, HandoffId, "handoff";
    /// A running promise.
    ClockTag, ClockId, "clock";
    /// A call, e-mail, meeting, message, note or task.
    ActivityTag, ActivityId, "activity";
    /// A call that a partner reports.
    ConversationTag, ConversationId, "conversation";
    /// Words of an objection and the code that they mean.
    ObjectionMappingTag, ObjectionMappingId, "objectionmap";
    /// A message to one user.
    NoticeTag, NoticeId, "notice";
    /// A routing decision with its reasons.
    RoutingDecisionTag, RoutingDecisionId, "routing";
    /// An import of a file.
    ImportTag, ImportId, "import";
    /// A journal entry.
    EntryTag, EntryId, "entry";
    /// A publishable tracking key of a site.
    TrackingKeyTag, TrackingKeyId, "trackkey";
    /// A browser that a site distinguishes.
    VisitorTag, VisitorId, "visitor";
    /// A visitor's link to a lead.
    LinkTag, LinkId, "link";
    /// Something that a visitor or lead did.
    EventTag, EventId, "event";
    /// A touch.
    TouchTag, TouchId, "touch";
    /// A segment of leads.
    SegmentTag, SegmentId, "seg";
    /// A preview of a version of the agreement.
    PreviewTag, PreviewId, "preview";
    /// A review: the regular meeting of both teams, with its frozen figures.
    ReviewTag, ReviewId, "review";
    /// An action item of a review.
    ActionItemTag, ActionItemId, "action";
    /// A change of a score.
    ScoreRecordTag, ScoreRecordId, "score";
    /// A lead in the result of a preview.
    PreviewedTag, PreviewedId, "previewed";
    /// An HTTP request.
    RequestTag, RequestId, "req";
}

/// The least id that can be drawn at an instant: a UUIDv7 begins with its milliseconds (RFC 9562).
pub fn first_uuid_at(at: Timestamp) -> Uuid {
    Uuid::from_u128(u128::try_from(at.millis()).unwrap_or_default() << 80)
}

/// The ids of one request, batch or job: UUIDv7 from the call's instant, a counter and a seed.
///
/// The same instant and seed give the same ids in the same order. Twelve bits of counter follow the 48 bits of
/// milliseconds; past 4,096 ids the next millisecond is used, so that ids of one source always ascend. Ids that
/// different sources draw in the same millisecond interleave: they are keys, not an order.
/// A clone draws from the same source: a request, its transaction and its batch share one.
#[derive(Debug, Clone)]
pub struct Ids {
    millis: u64,
    seed: u64,
    counter: Arc<AtomicU64>,
}

impl Ids {
    /// A source of ids for an instant. Two sources that live at the same instant need different seeds.
    pub fn new(now: Timestamp, seed: u64) -> Self {
        Self {
            millis: now.millis().max(0) as u64,
            seed,
            counter: Arc::default(),
        }
    }

    /// The same source, of which no further id is older than this instant.
    pub fn since(&self, now: Timestamp) -> Self {
        Self {
            millis: self.millis.max(now.millis().max(0) as u64),
            ..self.clone()
        }
    }

    /// The next id.
    pub fn next<T>(&self) -> Id<T> {
        let counter = self.counter.fetch_add(1, atomic::Ordering::Relaxed);
        let millis = self.millis + (counter >> 12);
        let ordinal = counter & 0xfff;
        let chance = splitmix64(self.seed ^ splitmix64(counter));
        let high = (millis & 0xffff_ffff_ffff) << 16 | 0x7000 | ordinal;
        let low = chance & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000;
        Id::from_uuid(Uuid::from_u64_pair(high, low))
    }

    /// The next id that is greater than another one: of two statements within a millisecond the later one then has the
    /// greater id, whatever process drew it. Gives up where the other id is from the future (clocks of two machines).
    pub fn next_after<T>(&self, other: Option<Id<T>>) -> Id<T> {
        let drawn = self.next();
        match other {
            Some(other) if drawn <= other => (0..0x1000)
                .map(|_| self.next())
                .find(|id| *id > other)
                .unwrap_or(drawn),
            _ => drawn,
        }
    }
}

/// One step of SplitMix64 (Steele, Lea and Flood 2014): a bijection of 64 bits that scatters well.
pub fn splitmix64(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example_is_read_and_written() {
        // https://github.com/jetify-com/typeid/tree/main/spec: prefix_01h455vb4pex5vsknk084sn02q
        let uuid = Uuid::parse_str("01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        let id = LeadId::from_uuid(uuid);
        assert_eq!(id.to_string(), "lead_01h455vb4pex5vsknk084sn02q");
        assert_eq!("lead_01h455vb4pex5vsknk084sn02q".parse(), Ok(id));
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in [
            "",
            "lead_",
            "lead",
            "user_01h455vb4pex5vsknk084sn02q",
            "lead_01H455VB4PEX5VSKNK084SN02Q",
            "lead_81h455vb4pex5vsknk084sn02q",
            "lead_01h455vb4pex5vsknk084sn02",
            "lead_01h455vb4pex5vsknk084sn02l",
            "lead_01h455vb4pex5vsknk084sn0é",
        ] {
            assert_eq!(text.parse::<LeadId>(), Err(NotAnId), "{text}");
        }
    }

    #[test]
    fn ids_of_one_source_ascend_past_the_counters_end() {
        let ids = Ids::new(Timestamp::from_millis(1_700_000_000_000), 7);
        let drawn: Vec<LeadId> = (0..50_000).map(|_| ids.next()).collect();
        assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_later_draw_of_another_source_can_be_made_greater() {
        let at = Timestamp::from_millis(5);
        for seed in 0..50 {
            let first: LeadId = Ids::new(at, seed).next();
            let second: LeadId = Ids::new(at, seed + 1000).next_after(Some(first));
            assert!(second > first);
        }
        let future: LeadId = Ids::new(Timestamp::from_millis(9), 0).next();
        assert!(Ids::new(at, 1).next_after(Some(future)) < future);
    }

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let at = Timestamp::from_millis(5);
        let (a, b, c) = (Ids::new(at, 1), Ids::new(at, 1), Ids::new(at, 2));
        let (a, b, c): (LeadId, LeadId, LeadId) = (a.next(), b.next(), c.next());
        assert_eq!(a, b);
        assert_ne!(a, c);
    }
}
