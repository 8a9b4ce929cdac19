//! Sessions: the family of refresh tokens that one login begins, rotated at each use.

use crate::id::{SessionId, UserId};
use crate::instant::Timestamp;

const DAY: i64 = 86_400_000;

/// How long the successor of a refresh token is given again, in milliseconds: a lost answer logs nobody out.
pub const REPEATABLE: i64 = 10_000;
/// How long a session lasts without being used, in milliseconds.
pub const IDLE: i64 = 30 * DAY;
/// How long a session lasts at most, in milliseconds.
pub const LONGEST: i64 = 180 * DAY;

/// A login of a user. Tokens are known by their hashes alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The user.
    pub user_id: UserId,
    /// The hash of the refresh token that is good now.
    pub token_hash: String,
    /// The hash of the one before it.
    pub previous_hash: Option<String>,
    /// The current token itself, sealed, to be returned again to a caller that lost the answer.
    pub sealed_token: Option<String>,
    /// When the current token was made.
    pub rotated_at: Timestamp,
    /// When the session ends by itself.
    pub expires_at: Timestamp,
    /// When it was ended.
    pub revoked_at: Option<Timestamp>,
    /// When the login was.
    pub created_at: Timestamp,
}

/// What a presented refresh token leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// It is the current one: a successor is due.
    Current,
    /// It was the current one until a moment ago: the same successor again.
    JustSpent,
    /// It was used up before: somebody has stolen it, or its successor.
    Reused,
    /// The session is over.
    Over,
}

impl Session {
    /// A session that a login begins.
    pub fn begin(id: SessionId, user_id: UserId, token_hash: String, now: Timestamp) -> Self {
        Self {
            id,
            user_id,
            token_hash,
            previous_hash: None,
            sealed_token: None,
            rotated_at: now,
            expires_at: now.plus_millis(IDLE),
            revoked_at: None,
            created_at: now,
        }
    }

    /// Whether it may be used at an instant.
    pub fn is_open_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// What a token of this family leads to.
    pub fn present(&self, token_hash: &str, now: Timestamp) -> Presented {
        let is_previous = self.previous_hash.as_deref() == Some(token_hash);
        match () {
            () if !self.is_open_at(now) => Presented::Over,
            () if self.token_hash == token_hash => Presented::Current,
            () if is_previous && now < self.rotated_at.plus_millis(REPEATABLE) => Presented::JustSpent,
            () => Presented::Reused,
        }
    }

    /// The session with a successor of its token.
    pub fn rotate(&self, token_hash: String, sealed_token: String, now: Timestamp) -> Self {
        let end = self.created_at.plus_millis(LONGEST);
        Self {
            previous_hash: Some(self.token_hash.clone()),
            token_hash,
            sealed_token: Some(sealed_token),
            rotated_at: now,
            expires_at: now.plus_millis(IDLE).min(end),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Ids;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn session() -> Session {
        let ids = Ids::new(at(0), 0);
        Session::begin(ids.next(), ids.next(), "a".into(), at(0))
    }

    #[test]
    fn a_spent_token_gives_its_successor_again_for_ten_seconds() {
        let rotated = session().rotate("b".into(), "sealed".into(), at(5));
        assert_eq!(rotated.present("b", at(5)), Presented::Current);
        assert_eq!(rotated.present("a", at(10_004)), Presented::JustSpent);
        assert_eq!(rotated.present("a", at(10_005)), Presented::Reused);
    }

    #[test]
    fn an_older_token_betrays_a_thief() {
        let rotated = session()
            .rotate("b".into(), "s".into(), at(1))
            .rotate("c".into(), "t".into(), at(2));
        assert_eq!(rotated.present("a", at(2)), Presented::Reused);
        assert_eq!(rotated.present("b", at(2)), Presented::JustSpent);
    }

    #[test]
    fn a_session_ends_when_idle_and_at_its_longest() {
        assert_eq!(session().present("a", at(IDLE)), Presented::Over);
        let late = session().rotate("b".into(), "s".into(), at(LONGEST - 1));
        assert_eq!(late.expires_at, at(LONGEST));
    }
}
