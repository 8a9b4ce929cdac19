//! SQLite's write-ahead log, checkpointed on a separate connection, so that no commit waits for it.
//!
//! By default SQLite checkpoints the log within the commit that makes it long. Here a reader does it while the writer
//! continues. A writer that never pauses leaves no moment in which the whole log is checkpointed and can restart: then one
//! of its commits does the little that is left, at [`MOST`] pages.

use std::time::Duration;

use crate::db::{Conn, Db};
use crate::dialect::{self, Checkpoint};
use crate::error::StoreError;

/// From this many pages (of 4 KiB: 4 MB) on the background task checkpoints the log.
const ENOUGH: i64 = 1_000;
/// At this many pages (of 4 KiB: 32 MB) the committing connection checkpoints the log itself.
pub(crate) const MOST: u32 = 8_000;
/// How long the background task waits between two looks at the log's length.
const PAUSE: Duration = Duration::from_millis(100);

impl Db {
    /// Checkpoint the log whenever commits have made it long, until this future is dropped. PostgreSQL does so by
    /// itself.
    pub async fn keep_log_short(&self) {
        if !self.is_sqlite() {
            return;
        }
        let mut commits = self.commits();
        while commits.changed().await.is_ok() {
            if let Err(error) = self.bring_log_home().await {
                tracing::warn!(%error, "the WAL cannot be checkpointed");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Checkpoint the log if it is long; returns how many pages remain.
    pub async fn bring_log_home(&self) -> Result<i64, StoreError> {
        let left = dialect::checkpoint(self.conn(), Checkpoint::Look).await?;
        if left < ENOUGH {
            return Ok(left);
        }
        Ok(dialect::checkpoint(self.conn(), Checkpoint::BesideWriter).await?)
    }
}
