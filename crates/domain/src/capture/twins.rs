//! Duplicate submissions: the same form, e-mail and answers within a minute are one.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Form, Posted, SubmissionStatus};
use crate::id::{LeadId, SubmissionId};
use crate::instant::Timestamp;
use crate::leads::identity::Email;

/// For how long a submission like an earlier one is the same, in milliseconds.
pub const TWIN_MS: i64 = 60_000;

/// What makes two submissions the same, hashed. Where the caller gave an `Idempotency-Key`, that alone counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sameness(u128);

impl Sameness {
    /// The sameness whose text (see [`Sameness::text`]) has this hash.
    pub fn of_hash(hash: &[u8; 32]) -> Self {
        let bits = hash[..10]
            .iter()
            .fold(0, |bits, byte| bits << 8 | u128::from(*byte));
        Self(bits)
    }

    /// What is hashed: the form, the e-mail in its canonical form, every other answer and consent.
    pub fn text(form: &Form, posted: &Posted, email: Option<&Email>) -> String {
        let is_email = |name: &str| {
            let mut fields = form.fields.iter();
            fields.any(|field| field.name == name && field.maps_to.as_deref() == Some("email"))
        };
        // The map is sorted, whatever order the members came in.
        let mut answers = posted.fields.clone();
        answers.retain(|name, _| email.is_none() || !is_email(name));
        serde_json::json!([
            form.id,
            email.map(Email::as_str),
            answers,
            posted.consent,
            posted.is_test
        ])
        .to_string()
    }

    /// Under which value a submission of this instant is stored: the minute in front, so that an index over it grows at
    /// its end alone, and 80 bits of the hash behind.
    pub fn key(self, at: Timestamp) -> Uuid {
        let minute = at.millis().max(0) as u128 / TWIN_MS as u128;
        Uuid::from_u128(minute << 80 | self.0)
    }

    /// Under which values a twin may be stored that came at most a minute before.
    pub fn keys(self, at: Timestamp) -> [Uuid; 2] {
        [self.key(at.plus_millis(-TWIN_MS)), self.key(at)]
    }

    fn of_key(key: Uuid) -> Self {
        Self(key.as_u128() & ((1 << 80) - 1))
    }
}

/// A submission that was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// Its id.
    pub id: SubmissionId,
    /// The status.
    pub status: SubmissionStatus,
    /// The lead that it created or updated, if it was accepted.
    pub lead_id: Option<LeadId>,
    /// When it arrived.
    pub received_at: Timestamp,
}

/// The submissions that may have twins: of the last minute, and those decided before in the same batch.
#[derive(Debug, Clone, Default)]
pub struct Twins(HashMap<Sameness, Earlier>);

impl Twins {
    /// Add a stored submission by the value that it is stored under. One that failed has no twins: its repetition is
    /// processed.
    pub fn note(&mut self, key: Uuid, earlier: Earlier) {
        if earlier.status == SubmissionStatus::Failed {
            return;
        }
        let newest = self.0.entry(Sameness::of_key(key)).or_insert(earlier);
        if newest.received_at < earlier.received_at {
            *newest = earlier;
        }
    }

    /// The twin of a submission that comes in now.
    pub fn find(&self, sameness: Sameness, now: Timestamp) -> Option<&Earlier> {
        let earlier = self.0.get(&sameness)?;
        (now.millis().saturating_sub(earlier.received_at.millis()) < TWIN_MS).then_some(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Ids;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_twin_is_found_within_a_minute_and_never_later(first in 0i64..1_000_000, later in 0i64..200_000) {
            let (then, now) = (Timestamp::from_millis(first), Timestamp::from_millis(first + later));
            let sameness = Sameness::of_hash(&[7; 32]);
            let kept_under = sameness.key(then);
            let mut twins = Twins::default();
            if sameness.keys(now).contains(&kept_under) {
                let id = Ids::new(then, 0).next();
                twins.note(kept_under, Earlier { id, status: SubmissionStatus::Accepted, lead_id: None, received_at: then });
            }

            prop_assert_eq!(twins.find(sameness, now).is_some(), later < TWIN_MS);
        }
    }

    #[test]
    fn another_hash_and_a_failed_one_are_no_twins() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let (same, other) = (Sameness::of_hash(&[1; 32]), Sameness::of_hash(&[2; 32]));
        let ids = Ids::new(now, 0);
        let earlier = |status| Earlier {
            id: ids.next(),
            status,
            lead_id: None,
            received_at: now,
        };
        let mut twins = Twins::default();
        twins.note(same.key(now), earlier(SubmissionStatus::Failed));
        assert_eq!(twins.find(same, now), None);
        twins.note(same.key(now), earlier(SubmissionStatus::Spam));
        assert!(twins.find(same, now).is_some() && twins.find(other, now).is_none());
    }
}
