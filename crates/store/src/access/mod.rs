//! Users, teams, sessions, secret keys, and what is known about those who try to come in.

pub mod invitations;
pub mod keys;
pub mod sessions;
pub mod signing;
mod staff;
pub mod teams;
pub mod throttles;
pub mod users;

use tandem_domain::instant::Timestamp;

use crate::db::{Conn, Tx};
use crate::dialect;
use crate::error::StoreError;

pub use staff::{staff, users_with_emails};
pub use users::find as find_user;

/// Take the one lock over users, teams and keys, until the end of the transaction: who administers, which names are
/// taken and which secrets are good is then read as it will be written.
pub async fn lock_accounts(tx: &Tx) -> Result<(), StoreError> {
    Ok(dialect::lock_exactly(tx.conn(), &["accounts"]).await?)
}

/// Forget what has expired: sessions, spent tokens, invitations, throttles, known addresses, old secrets; at most `limit` of each.
/// Answers how many of the most numerous kind went.
pub async fn forget_expired(tx: &Tx, now: Timestamp, limit: u64) -> Result<u64, StoreError> {
    let gone = [
        sessions::forget_expired(tx, now, limit).await?,
        sessions::forget_spent(tx, now, limit).await?,
        invitations::forget_expired(tx, now, limit).await?,
        throttles::forget_quiet(tx, now, limit).await?,
        throttles::forget_known(tx, now, limit).await?,
        keys::forget_expired_secrets(tx, now, limit).await?,
    ];
    Ok(gone.into_iter().max().unwrap_or_default())
}
