//! The versions of the agreement: which one is in force, and how another takes its place.

use std::sync::Arc;

use jiff::ToSpan;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use utoipa::ToSchema;

use super::Agreement;
use super::conditions::{Condition, Known, Usage};
use super::document::{Rules, SegmentRule};
use super::reader::Reader;
use super::signature::Signature;
use crate::fault::Fault;
use crate::id::SegmentId;
use crate::instant::Timestamp;

/// The state of a version of the agreement: `provisional` and `in_force` versions apply now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    /// In force, and signed by nobody.
    Provisional,
    /// In force, and signed by both teams.
    InForce,
    /// Another version has taken its place.
    Superseded,
    /// Not in force, and not signed by both teams.
    Draft,
    /// Signed by both teams, and to be in force from `effective_at` on.
    Scheduled,
    /// Never to be in force.
    Discarded,
}

impl VersionState {
    /// The state's name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            VersionState::Provisional => "provisional",
            VersionState::InForce => "in_force",
            VersionState::Superseded => "superseded",
            VersionState::Draft => "draft",
            VersionState::Scheduled => "scheduled",
            VersionState::Discarded => "discarded",
        }
    }

    /// The state with this name.
    pub fn named(name: &str) -> Option<Self> {
        let in_force = [Self::Provisional, Self::InForce, Self::Superseded];
        let others = [Self::Draft, Self::Scheduled, Self::Discarded];
        in_force
            .into_iter()
            .chain(others)
            .find(|state| state.name() == name)
    }
}

/// A version of the agreement as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct AgreementVersion {
    /// Counts from 1.
    pub number: i64,
    /// The state of the version.
    pub state: VersionState,
    /// The version of the record: incremented by each edit and signature, from 1.
    pub edits: i64,
    /// The version of the document: incremented by each edit of it, from 1.
    pub document_version: i64,
    /// The document; that of a draft may be incomplete.
    pub document: Json,
    /// The version on which it was based.
    pub based_on: Option<i64>,
    /// The id of the user who created it; `null` for the provisional version of a new installation.
    pub created_by: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// From when it was scheduled to be in force.
    pub effective_at: Option<Timestamp>,
    /// When it came into force.
    pub in_force_from: Option<Timestamp>,
    /// When another version replaced it.
    pub superseded_at: Option<Timestamp>,
    /// The signatures, including those that no longer count.
    pub signatures: Vec<Signature>,
}

/// The version that decides, compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Counts from 1.
    pub number: i64,
    /// Whether it is signed by nobody.
    pub provisional: bool,
    /// What it says.
    pub agreement: Agreement,
    /// Its conditions and scoring, compiled.
    pub rules: Arc<Rules>,
    /// The conditions of the segments in use, as they are stored.
    pub segments: Arc<Vec<(SegmentId, Json)>>,
    /// Counts the changes of what leads are judged by, the agreement among it: a stored score that names a lower
    /// revision is out of date.
    pub revision: i64,
}

impl Version {
    /// Compile a version with the segments in use. It was read without faults when it was stored; what it refers to stays
    /// known.
    pub fn compile(
        stored: AgreementVersion,
        segments: Arc<Vec<(SegmentId, Json)>>,
        known: &Known<'_>,
        revision: i64,
    ) -> Result<Self, Vec<Fault>> {
        let rules = Rules::read(&stored.document, None, known)?;
        let rules = rules.with_segments(read_segments(&segments, known)?);
        let agreement = stored.agreement().map_err(|error| {
            let detail = format!("does not have the form of an agreement: {error}");
            vec![Fault::new("", "invalid_format", detail)]
        })?;
        Ok(Self {
            number: stored.number,
            provisional: stored.state == VersionState::Provisional,
            agreement,
            rules: Arc::new(rules),
            segments,
            revision,
        })
    }

    /// What is wrong with it and with the segments once conditions may refer to this alone: a setting that they rely on must
    /// stay.
    pub fn faults_with(&self, known: &Known<'_>) -> Vec<Fault> {
        let agreement = Rules::read(&json!(self.agreement), None, known).err();
        let used = self.segments.iter();
        let used: Vec<_> = used
            .filter(|(id, _)| known.segments.contains(id))
            .cloned()
            .collect();
        let segments = read_segments(&used, known).err();
        [agreement, segments].into_iter().flatten().flatten().collect()
    }
}

/// The conditions of segments, compiled.
fn read_segments(segments: &[(SegmentId, Json)], known: &Known<'_>) -> Result<Vec<SegmentRule>, Vec<Fault>> {
    let mut reader = Reader::new();
    let rules = segments.iter().filter_map(|(id, when)| {
        let when = Condition::read(when, "/when", Usage::Segment, known, &mut reader)?;
        Some(SegmentRule { id: *id, when })
    });
    let rules: Vec<SegmentRule> = rules.collect();
    match reader.into_faults() {
        faults if faults.is_empty() => Ok(rules),
        faults => Err(faults),
    }
}

impl AgreementVersion {
    /// The version that a new installation starts with. Its working hours follow the company's time zone, as long as
    /// nobody has put another version in its place.
    pub fn first(at: Timestamp) -> Self {
        Self {
            number: 1,
            edits: 1,
            document_version: 1,
            state: VersionState::Provisional,
            document: json!(Agreement::provisional()),
            based_on: None,
            created_by: None,
            created_at: at,
            effective_at: Some(at),
            in_force_from: Some(at),
            superseded_at: None,
            signatures: vec![],
        }
    }

    /// What it says, typed; an error where it is an incomplete draft.
    pub fn agreement(&self) -> Result<Agreement, serde_json::Error> {
        Agreement::deserialize(&self.document)
    }

    /// The version with its working hours in the company's time zone, where nobody has written it.
    pub fn in_zone(mut self, timezone: &str) -> Self {
        let calendar = self.document.get_mut("calendar");
        if let Some(calendar) = calendar.filter(|_| self.created_by.is_none()) {
            calendar["timezone"] = json!(timezone);
        }
        self
    }

    /// Whether both teams were to have met about it by this instant: `review.every` has passed since it came into force,
    /// and since both managers last held a review. Never of a version that has not come into force.
    pub fn is_review_due(&self, reviewed_at: Option<Timestamp>, at: Timestamp, zone: &TimeZone) -> bool {
        let latest = |from| reviewed_at.map_or(from, |held: Timestamp| held.max(from));
        self.has_passed(self.in_force_from.map(latest), at, zone, "every")
    }

    /// Whether `review.stale_after` has passed since it came into force.
    pub fn is_stale(&self, at: Timestamp, zone: &TimeZone) -> bool {
        self.has_passed(self.in_force_from, at, zone, "stale_after")
    }

    /// When the next review is due that follows one at this instant; `None` where the agreement has no interval.
    pub fn next_review(&self, since: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let months = self.months("every")?;
        let next = since
            .to_jiff()
            .to_zoned(zone.clone())
            .checked_add(months.months());
        Some(Timestamp::from_millis(next.ok()?.timestamp().as_millisecond()))
    }

    /// Whether one and a half of the intervals between reviews have not passed since one at `reviewed_at`; always where the
    /// agreement has no interval.
    pub fn is_recent(&self, reviewed_at: Timestamp, at: Timestamp, zone: &TimeZone) -> bool {
        // Half of an odd number of months is 15 days.
        let limit = || {
            let months = self.months("every")?;
            let since = reviewed_at.to_jiff().to_zoned(zone.clone());
            let span = (months + months / 2).months().days(months % 2 * 15);
            since.checked_add(span).ok()
        };
        limit().is_none_or(|limit| at.to_jiff() <= limit.timestamp())
    }

    fn months(&self, member: &str) -> Option<i64> {
        let every = self.document.get("review")?.get(member)?.as_str()?;
        every.split(' ').next()?.parse().ok()
    }

    fn has_passed(&self, since: Option<Timestamp>, at: Timestamp, zone: &TimeZone, member: &str) -> bool {
        let due = || {
            let since = since?.to_jiff().to_zoned(zone.clone());
            since.checked_add(self.months(member)?.months()).ok()
        };
        due().is_some_and(|due| due.timestamp() <= at.to_jiff())
    }
}

#[cfg(test)]
impl Version {
    /// The version that an installation without custom fields and forms starts with.
    pub(crate) fn provisional() -> Arc<Self> {
        use std::sync::LazyLock;

        static COMPILED: LazyLock<Arc<Version>> = LazyLock::new(|| {
            let known = Known {
                custom: &[],
                forms: &std::collections::BTreeSet::new(),
                segments: &std::collections::BTreeSet::new(),
                purposes: &std::collections::BTreeSet::new(),
                zone: &TimeZone::UTC,
                currency: crate::money::Currency::EUR,
            };
            let first = AgreementVersion::first(Timestamp::from_millis(0));
            Arc::new(Version::compile(first, Arc::default(), &known, 0).unwrap())
        });
        COMPILED.clone()
    }
}
