//! The end of the change feed, watched by one task for all who wait for it.
//!
//! The task is started by the first who sits down and ends when nobody waits any more: a service that nobody follows
//! asks its database nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tandem_store::journal::{self, Entry, FeedPosition, Mark};
use tandem_store::{Db, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How many callers of one process may wait at a time.
const SEATS: usize = 500;
/// How many of these one caller may have.
const SEATS_OF_ONE: usize = 50;
/// How often the end is looked at: what other processes commit shows by this alone.
const LOOK: Duration = Duration::from_millis(200);
/// The least time between two looks, however often this process commits.
const PAUSE: Duration = Duration::from_millis(10);
/// How many entries one query of a look reads.
const PAGE: u64 = 500;

/// The end of the feed, for all who wait for it.
#[derive(Debug)]
pub struct Tail {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    seats: Arc<Semaphore>,
    /// How many seats each caller has.
    callers: Mutex<HashMap<String, usize>>,
    ends: watch::Sender<Ends>,
    is_watched: AtomicBool,
}

/// How far the feed has come: in all, and by type since the watch began.
#[derive(Debug, Clone, Default)]
struct Ends {
    /// Where the watch began; what lies before it may be of any type.
    first: FeedPosition,
    last: Mark,
    by_type: HashMap<String, FeedPosition>,
    /// How often the watch began again, since the journal lacked the entry that it stood behind.
    breaks: u64,
}

/// The right to wait. Dropped, it is given back.
#[derive(Debug)]
pub struct Seat {
    shared: Arc<Shared>,
    ends: watch::Receiver<Ends>,
    caller: String,
    _permit: OwnedSemaphorePermit,
}

impl Tail {
    /// Nobody waits yet.
    pub fn new() -> Self {
        let seats = Arc::new(Semaphore::new(SEATS));
        let shared = Shared {
            seats,
            callers: Mutex::default(),
            ends: watch::Sender::new(Ends::default()),
            is_watched: AtomicBool::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        SEATS - self.shared.seats.available_permits()
    }

    /// Take a seat; `None` where all are taken, or the caller has as many as one may have.
    pub fn sit(&self, caller: &str) -> Option<Seat> {
        let permit = self.shared.seats.clone().try_acquire_owned().ok()?;
        let mut callers = self.shared.callers();
        let seats = callers.entry(caller.to_owned()).or_default();
        if *seats >= SEATS_OF_ONE {
            return None;
        }
        *seats += 1;
        Some(Seat {
            shared: self.shared.clone(),
            ends: self.shared.ends.subscribe(),
            caller: caller.to_owned(),
            _permit: permit,
        })
    }
}

impl Shared {
    fn callers(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut callers = self.shared.callers();
        if let Some(seats) = callers.get_mut(&self.caller) {
            *seats -= 1;
            if *seats == 0 {
                callers.remove(&self.caller);
            }
        }
    }
}

impl Default for Tail {
    fn default() -> Self {
        Self::new()
    }
}

impl Seat {
    /// Wait until the feed has an entry of these types (all, where none is named) behind a place; `false` if there was
    /// none for 200 ms, so that the caller can look at the time and come again.
    pub async fn glance(&mut self, db: &Db, behind: FeedPosition, types: &[String]) -> bool {
        // Each time again: the watch ends with the worker thread that it was started on.
        keep_watch(&self.shared, db);
        let reached = self.ends.wait_for(|ends| ends.of(types) > behind);
        matches!(tokio::time::timeout(LOOK, reached).await, Ok(Ok(_)))
    }

    /// How often the feed broke off: see [`Ends::breaks`].
    pub fn breaks(&self) -> u64 {
        self.ends.borrow().breaks
    }
}

impl Ends {
    fn of(&self, types: &[String]) -> FeedPosition {
        if types.is_empty() {
            return self.last.place;
        }
        let ends = types.iter().filter_map(|name| self.by_type.get(name)).copied();
        ends.max().unwrap_or_default().max(self.first)
    }

    async fn begin(db: &Db) -> Result<Self, StoreError> {
        let last = journal::last(db).await?;
        Ok(Self {
            first: last.place,
            last,
            by_type: HashMap::new(),
            breaks: 0,
        })
    }

    /// Read what has come since. Where the journal lacks the last entry (see [`journal::has`]), begin again. That is asked
    /// after the page was read: entries behind the lost one do not hide that others before it are missing.
    async fn advance(&mut self, db: &Db) -> Result<(), StoreError> {
        loop {
            let page = journal::changes(db, self.last.place, &[], &[], PAGE).await?;
            if !journal::has(db, self.last).await? {
                let breaks = self.breaks + 1;
                *self = Self {
                    breaks,
                    ..Self::begin(db).await?
                };
                return Ok(());
            }
            self.last = page.data.last().map_or(self.last, Entry::mark);
            for entry in page.data {
                self.by_type.insert(entry.kind, entry.place);
            }
            if !page.has_more {
                return Ok(());
            }
        }
    }
}

/// Start the watch, unless it is on.
fn keep_watch(shared: &Arc<Shared>, db: &Db) {
    if shared.is_watched.swap(true, Ordering::AcqRel) {
        return;
    }
    let watch = Watch(shared.clone());
    let db = db.clone();
    tokio::spawn(async move { watch.run(&db).await });
}

/// The running watch. Dropped, however it ends, the next caller starts another.
struct Watch(Arc<Shared>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.is_watched.store(false, Ordering::Release);
    }
}

impl Watch {
    async fn run(self, db: &Db) {
        let mut commits = db.commits();
        let mut known: Option<Ends> = None;
        while self.0.seats.available_permits() < SEATS {
            commits.mark_unchanged();
            if let Err(error) = self.look(db, &mut known).await {
                tracing::debug!(%error, "cannot read the end of the feed");
            }
            tokio::time::sleep(PAUSE).await;
            let _ = tokio::time::timeout(LOOK, commits.changed()).await;
        }
    }

    async fn look(&self, db: &Db, known: &mut Option<Ends>) -> Result<(), StoreError> {
        let ends = match known {
            Some(ends) => {
                ends.advance(db).await?;
                ends
            }
            None => known.insert(Ends::begin(db).await?),
        };
        self.0.ends.send_if_modified(|shown| {
            let has_moved = shown.last != ends.last || shown.breaks != ends.breaks;
            if has_moved {
                *shown = ends.clone();
            }
            has_moved
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seq: i64) -> FeedPosition {
        FeedPosition {
            epoch: 1,
            xid: 0,
            seq,
        }
    }

    #[test]
    fn a_type_ends_where_it_was_last_seen_or_where_the_watch_began() {
        let by_type = HashMap::from([("lead.created".to_owned(), at(7))]);
        let last = Mark {
            place: at(9),
            entry: None,
        };
        let ends = Ends {
            first: at(5),
            last,
            by_type,
            breaks: 0,
        };

        assert_eq!(ends.of(&[]), at(9));
        assert_eq!(ends.of(&["lead.created".into()]), at(7));
        assert_eq!(ends.of(&["user.created".into()]), at(5));
    }

    #[test]
    fn a_seat_that_is_left_is_free_again() {
        let tail = Tail::new();
        let mut seats: Vec<Seat> = (0..SEATS)
            .filter_map(|n| tail.sit(&format!("caller {}", n / SEATS_OF_ONE)))
            .collect();

        assert_eq!(seats.len(), SEATS);
        assert!(tail.sit("another").is_none());

        seats.pop();
        assert!(tail.sit("another").is_some());
    }

    #[test]
    fn one_caller_leaves_seats_for_others() {
        let tail = Tail::new();
        let mut seats: Vec<Seat> = (0..SEATS).filter_map(|_| tail.sit("one")).collect();

        assert_eq!(seats.len(), SEATS_OF_ONE);
        assert!(tail.sit("another").is_some());

        seats.pop();
        assert!(tail.sit("one").is_some());
        drop(seats);
        assert!(tail.shared.callers().is_empty());
    }
}
