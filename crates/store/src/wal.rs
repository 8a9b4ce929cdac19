//! SQLite's write-ahead log, brought home to the database beside the writer, so that no commit waits for it.
//!
//! By itself SQLite brings the log home within the commit that makes it long. Here a reader does it, while the writer goes
//! on. A writer that never pauses leaves no moment in which all of it is home and the log can begin anew: then one of its
//! commits does the little that is left, at [`MOST`] pages.

use std::time::Duration;

use crate::db::{Conn, Db};
use crate::dialect::{self, Checkpoint};
use crate::error::StoreError;

/// From so many pages on the log is brought home: 4 MB.
const ENOUGH: i64 = 1_000;
/// With so many pages a commit brings it home itself: 32 MB.
pub(crate) const MOST: u32 = 8_000;
/// How long commits gather before the log is looked at.
const PAUSE: Duration = Duration::from_millis(100);

impl Db {
    /// Bring the log home whenever commits have made it long, for as long as somebody waits for this. PostgreSQL does so by
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

    /// Bring the log home, if it is long; answers how many pages still are not.
    pub async fn bring_log_home(&self) -> Result<i64, StoreError> {
        let left = dialect::checkpoint(self.conn(), Checkpoint::Look).await?;
        if left < ENOUGH {
            return Ok(left);
        }
        Ok(dialect::checkpoint(self.conn(), Checkpoint::BesideWriter).await?)
    }
}
