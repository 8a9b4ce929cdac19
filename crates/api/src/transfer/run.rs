//! Importing files: one after the other, by the holder of the lease, batch after batch with their progress.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tandem_domain::access::{Actor, ActorKind, Person, Role};
use tandem_domain::act::{Act, Origin};
use tandem_domain::change::Change;
use tandem_domain::id::ImportId;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::change::LeadChange;
use tandem_domain::leads::identity::Key;
use tandem_domain::transfer::mapping::Mapping;
use tandem_domain::transfer::values::Plan;
use tandem_domain::transfer::{ACTOR, Failure, Import, ImportMode, ImportState, Progress};
use tandem_store::{self as store, Db, StoreError, Tx, leases, transfer};

use super::kinds::{self, Ground, Taken};
use super::reading::{BATCH, Batches, Broken, survey};
use super::rows::Row;
use super::suggest;
use crate::ambient::{Ambient, Stopwatch};
use crate::edge::http::shape::Shapes;

/// The one lease: files are imported one at a time, in the order in which they came.
const LEASE: &str = "imports";
/// How long it lasts unless it is kept.
const LASTS: i64 = 10_000;
/// How often a batch that found the database busy is tried again, and how long after.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(200);
/// How long one transaction aims to take, and how long while submissions wait.
const AIM: Duration = Duration::from_millis(50);
const CROWDED: Duration = Duration::from_millis(15);
/// How many rows the first transaction takes, and the fewest; `BATCH` is the most.
const FIRST: usize = 100;
const LEAST: usize = 10;
/// How often an import that waits looks whether submissions still do.
const LOOK: Duration = Duration::from_millis(2);
/// The pieces of a file that one transaction forgets.
const FORGET: i64 = 16;

/// Imports the queued files, one at a time, under a lease.
pub struct Runner<'a> {
    /// The database.
    pub db: &'a Db,
    /// The clock and the chance.
    pub ambient: &'a Ambient,
    /// The compiled JSON schemas of the OpenAPI document, against which rows are checked.
    pub shapes: &'a Shapes,
    /// The name under which the lease is held.
    pub holder: &'a str,
    /// Whether to stop after the batch that is on its way.
    pub is_stopping: &'a AtomicBool,
    /// How many submissions and events of this process wait to be written: the import leaves them the writer.
    pub waiting: &'a (dyn Fn() -> usize + Sync),
    /// After how many batches to stop: for tests, which end the service in the middle.
    pub batches: Option<usize>,
}

/// How many rows one transaction takes, by how long they take: nobody waits for a writer longer than that.
#[derive(Debug)]
struct Pace {
    rows: usize,
    /// Whether submissions wait.
    is_crowded: bool,
}

impl Pace {
    /// So many rows took so long.
    fn took(&mut self, rows: usize, time: Duration) {
        let aim = if self.is_crowded { CROWDED } else { AIM };
        let wanted = rows as f64 * aim.as_secs_f64() / time.as_secs_f64().max(1e-6);
        // One slow transaction does not bring the import to a crawl, nor one fast one everybody else.
        let wanted = (wanted.round() as usize).clamp(self.rows / 2, self.rows * 2);
        self.rows = wanted.clamp(LEAST, BATCH);
    }
}

/// Why a batch was not taken.
enum Refused {
    /// Another process, or a person, has gone on with the import or ended it.
    Overtaken,
    Store(StoreError),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Runner<'_> {
    /// Import the queued files until none is left. Returns whether the lease was free.
    pub async fn run(&self) -> Result<bool, StoreError> {
        let mut left = self.batches.unwrap_or(usize::MAX);
        while let Some(import) = transfer::next(self.db).await? {
            if self.is_stopping.load(Ordering::SeqCst) || left == 0 {
                break;
            }
            if !self.holds_lease().await? {
                return Ok(false);
            }
            self.take_in(import, &mut left).await?;
        }
        leases::end(self.db, LEASE, self.holder).await?;
        Ok(true)
    }

    async fn holds_lease(&self) -> Result<bool, StoreError> {
        let now = self.ambient.now();
        let lease = leases::take(self.db, LEASE, self.holder, now, now.plus_millis(LASTS)).await?;
        Ok(lease.is_some())
    }

    /// Keep the lease while something takes its time.
    async fn holding<T>(&self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                () = tokio::time::sleep(Duration::from_millis(LASTS as u64 / 5)) => {
                    self.holds_lease().await?;
                }
            }
        }
    }

    async fn take_in(&self, mut import: Import, left: &mut usize) -> Result<(), StoreError> {
        if import.file.rows.is_none() {
            match self.holding(survey(self.db, &import)).await? {
                Ok(facts) => import.file = facts,
                Err(Broken::File(failure)) => return self.end(import.id, Some(failure)).await,
                Err(Broken::Store(error)) => return self.give_up(import.id, error).await,
            }
            import.state = ImportState::Running;
            import.started_at = Some(self.ambient.now());
            if !self.begin_reading(&import).await? {
                return Ok(());
            }
        }
        let plan = match self.plan(&import).await? {
            Ok(plan) => plan,
            Err(failure) => return self.end(import.id, Some(failure)).await,
        };
        let mut batches = Batches::of(self.db, &import);
        let mut tried = HashSet::new();
        let mut pace = Pace {
            rows: FIRST,
            is_crowded: false,
        };
        loop {
            if self.is_stopping.load(Ordering::SeqCst) || *left == 0 {
                return Ok(());
            }
            *left -= 1;
            let rows = match self.holding(batches.next()).await? {
                Ok(Some(rows)) => rows,
                Ok(None) => {
                    let is_whole = import.file.rows == Some(import.progress.rows_read);
                    return self.end(import.id, (!is_whole).then(internal)).await;
                }
                Err(Broken::File(failure)) => return self.end(import.id, Some(failure)).await,
                Err(Broken::Store(error)) => return self.give_up(import.id, error).await,
            };
            let mut rest = &rows[..];
            while !rest.is_empty() {
                if self.is_stopping.load(Ordering::SeqCst) {
                    return Ok(());
                }
                let watch = Stopwatch::start();
                let portion = rest.split_off(..pace.rows.min(rest.len())).unwrap_or_default();
                match self.take_patiently(&import, &plan, portion, &mut tried).await {
                    Ok(progress) => import.progress = progress,
                    Err(Refused::Overtaken) => return Ok(()),
                    Err(Refused::Store(error)) => return self.give_up(import.id, error).await,
                }
                let took = watch.elapsed();
                pace.is_crowded = (self.waiting)() > 0;
                pace.took(portion.len(), took);
                self.leave_to_others(took).await;
            }
            if !self.holds_lease().await? {
                return Ok(());
            }
        }
    }

    /// Do nothing while submissions wait, for as long as a transaction has just taken at most.
    async fn leave_to_others(&self, took: Duration) {
        let watch = Stopwatch::start();
        while (self.waiting)() > 0 && watch.elapsed() < took {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The mapping that counts, over the file's columns.
    async fn plan(&self, import: &Import) -> Result<Result<Plan, Failure>, StoreError> {
        let rules = store::rules::read(self.db).await?;
        let columns = &import.file.columns;
        let mapping = effective(import, &rules.custom_fields);
        if mapping.fields.is_empty() {
            let detail = "no column has the name of a field; send a mapping (a dry run suggests one)";
            return Ok(Err(Failure::new("mapping_needed", detail)));
        }
        Ok(
            Plan::new(&mapping, columns, rules.company.zone(), import.created_at).map_err(|missing| {
                let quoted = |names: &[String]| {
                    names
                        .iter()
                        .take(20)
                        .map(|name| format!("`{name}`"))
                        .collect::<Vec<_>>()
                        .join(", ")
                };
                let detail = format!(
                    "the file lacks the column {}; it has {}",
                    quoted(&missing),
                    quoted(columns)
                );
                Failure::new("missing_column", detail.chars().take(900).collect::<String>())
            }),
        )
    }

    async fn take_patiently(
        &self,
        import: &Import,
        plan: &Plan,
        rows: &[Row],
        tried: &mut HashSet<Key>,
    ) -> Result<Progress, Refused> {
        for _ in 0..ATTEMPTS {
            match self.take(import, plan, rows, tried).await {
                Err(Refused::Store(
                    StoreError::Unavailable(_)
                    | StoreError::Contended
                    | StoreError::Locked
                    | StoreError::TooSlow(_)
                    | StoreError::Conflict,
                )) => tokio::time::sleep(PAUSE).await,
                done => return done,
            }
        }
        self.take(import, plan, rows, tried).await
    }

    /// One batch, its remarks and how far the import is by it, in one transaction: no row is taken twice.
    async fn take(
        &self,
        import: &Import,
        plan: &Plan,
        rows: &[Row],
        tried: &mut HashSet<Key>,
    ) -> Result<Progress, Refused> {
        let tx = self.begin(import).await?;
        let ground = Ground {
            import,
            plan,
            shapes: self.shapes,
            now: tx.act().now,
        };
        let mut taken = kinds::take(&tx, &ground, rows).await?;
        let mut known = same(&tx, import).await?;
        if import.is_dry_run {
            drop(tx);
            forget_twins(&mut taken, tried);
            let tx = self.begin(import).await?;
            known = same(&tx, import).await?;
            return self.keep(tx, &mut known, &taken).await;
        }
        let items = std::mem::take(&mut taken.items);
        if tx.act().is_history() {
            store::write_history(&tx, items.into_iter().flatten().collect()).await?;
        } else {
            let world = taken.world.take();
            let mut world = world.unwrap_or_else(|| store::leads::empty_world(&tx));
            let items = items.into_iter().map(|done| (tx.act(), done));
            store::settle_all(&tx, &mut world, items.collect()).await?;
        }
        self.keep(tx, &mut known, &taken).await
    }

    async fn keep(&self, tx: Tx, import: &mut Import, taken: &Taken) -> Result<Progress, Refused> {
        import.progress = sum(import.progress, taken.progress);
        transfer::add_remarks(&tx, import.id, &taken.remarks).await?;
        transfer::keep(&tx, import).await?;
        tx.commit().await?;
        Ok(import.progress)
    }

    async fn begin(&self, import: &Import) -> Result<Tx, StoreError> {
        let act = Act::new(
            asker(import),
            import.id.to_string(),
            self.ambient.now(),
            self.ambient.seed(),
        );
        let origin = match import.mode {
            ImportMode::History => Origin::Import,
            ImportMode::Live => Origin::Live,
        };
        self.db.begin(act.from_origin(origin)).await
    }

    /// Keep what is known about the file; answers whether the import has not been ended meanwhile.
    async fn begin_reading(&self, surveyed: &Import) -> Result<bool, StoreError> {
        let tx = self.db.begin(self.ambient.act(ACTOR)).await?;
        let mut import = transfer::get_for_update(&tx, surveyed.id).await?;
        if import.has_ended() {
            return Ok(false);
        }
        import.file = surveyed.file.clone();
        (import.state, import.started_at) = (surveyed.state, surveyed.started_at);
        transfer::keep(&tx, &import).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// End an import that met what no other try would mend, since those that came later wait for it. A database that is
    /// away or busy ends nothing: the import goes on another time.
    async fn give_up(&self, id: ImportId, cause: StoreError) -> Result<(), StoreError> {
        match cause {
            StoreError::NotFound | StoreError::Corrupt(_) | StoreError::Internal(_) => {
                tracing::error!(import = %id, %cause, "an import failed unexpectedly");
                self.end(id, Some(internal())).await
            }
            cause => Err(cause),
        }
    }

    async fn end(&self, id: ImportId, failure: Option<Failure>) -> Result<(), StoreError> {
        let now = self.ambient.now();
        let tx = self.db.begin(self.ambient.act(ACTOR)).await?;
        let mut import = transfer::get_for_update(&tx, id).await?;
        if import.has_ended() {
            return Ok(());
        }
        let ended = import.end(failure, now);
        store::write_records(&tx, [ended]).await?;
        tx.commit().await?;
        forget_file(self.db, self.ambient, id).await
    }
}

fn internal() -> Failure {
    Failure::new("internal", "an internal error; see the log for the cause")
}

/// The mapping that counts: the given one, else by the names of the columns; on a dry run also by similar names.
pub fn effective(import: &Import, custom: &[tandem_domain::leads::custom::CustomField]) -> Mapping {
    let (kind, mode, columns) = (import.kind, import.mode, &import.file.columns);
    match &import.mapping {
        Some(mapping) => mapping.clone(),
        None if import.is_dry_run => suggest::by_likeness(kind, mode, columns, custom),
        None => suggest::by_name(kind, mode, columns, custom),
    }
}

/// Forget the pieces of a file, a few at a time.
pub async fn forget_file(db: &Db, ambient: &Ambient, id: ImportId) -> Result<(), StoreError> {
    loop {
        let tx = db.begin(ambient.act(ACTOR)).await?;
        let gone = transfer::forget_chunks(&tx, id, FORGET).await?;
        tx.commit().await?;
        if gone == 0 {
            return Ok(());
        }
    }
}

/// The import under its lock, as long as it is where the batch was decided on.
async fn same(tx: &Tx, import: &Import) -> Result<Import, Refused> {
    let known = transfer::get_for_update(tx, import.id).await?;
    let goes_on =
        known.state == ImportState::Running && known.progress.rows_read == import.progress.rows_read;
    if goes_on {
        Ok(known)
    } else {
        Err(Refused::Overtaken)
    }
}

/// On a dry run a later batch does not find what an earlier one would have made: it is counted once all the same.
fn forget_twins(taken: &mut Taken, tried: &mut HashSet<Key>) {
    for change in taken.items.iter().flat_map(|done| done.iter()) {
        if let Change::Lead(LeadChange::Created { lead, .. }) = change {
            let keys: Vec<Key> = lead
                .identifiers
                .iter()
                .map(|one| one.key())
                .filter(|key| key.kind.is_unique())
                .collect();
            if keys.iter().any(|key| tried.contains(key)) {
                taken.progress.created -= 1;
                taken.progress.updated += 1;
            }
            tried.extend(keys);
        }
    }
}

fn sum(one: Progress, other: Progress) -> Progress {
    Progress {
        rows_read: one.rows_read + other.rows_read,
        created: one.created + other.created,
        updated: one.updated + other.updated,
        unchanged: one.unchanged + other.unchanged,
        rejected: one.rejected + other.rejected,
        warnings: one.warnings + other.warnings,
    }
}

/// Who asked for an import, as the journal names it. The right was looked at when it was asked for.
fn asker(import: &Import) -> Actor {
    let person = |id| Person {
        id,
        role: Role::Viewer,
        admin: false,
        teams: vec![],
    };
    let by = match import.actor_kind {
        ActorKind::User => import.actor_id.parse().ok().map(|id| Actor::User(person(id))),
        ActorKind::Key => import.actor_id.parse().ok().map(|id| Actor::Key {
            id,
            on_behalf_of: import.on_behalf_of.map(person),
        }),
        ActorKind::Form | ActorKind::System => None,
    };
    by.unwrap_or(Actor::System(ACTOR))
}

/// How old the pieces of a file may be that nobody asked to import, in milliseconds.
const ABANDONED: i64 = 60 * 60 * 1000;
/// How long rejected rows are stored, in milliseconds.
const REMARKED: i64 = 30 * 24 * 60 * 60 * 1000;

/// The most rejected rows that one transaction forgets.
const FORGET_REMARKS: u64 = 500;

/// Forget uploads that were never finished, and rejected rows after thirty days: of these in so many transactions at
/// most. Answers whether some may be left.
pub async fn tidy(db: &Db, ambient: &Ambient, rounds: usize) -> Result<bool, StoreError> {
    let now: Timestamp = ambient.now();
    for id in transfer::with_stale_chunks(db, now.plus_millis(-ABANDONED)).await? {
        forget_file(db, ambient, id).await?;
    }
    for _ in 0..rounds {
        let tx = db.begin(ambient.act(ACTOR)).await?;
        let gone = transfer::forget_remarks(&tx, now.plus_millis(-REMARKED), FORGET_REMARKS).await?;
        tx.commit().await?;
        if gone == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_takes_as_many_rows_at_a_time_as_nobody_has_to_wait_for() {
        let mut pace = Pace {
            rows: FIRST,
            is_crowded: false,
        };
        let after = |pace: &mut Pace, millis_a_row: f64| {
            for _ in 0..10 {
                let time = Duration::from_secs_f64(pace.rows as f64 * millis_a_row / 1000.0);
                pace.took(pace.rows, time);
            }
            pace.rows
        };
        assert_eq!(after(&mut pace, 0.5), 100, "50 ms");
        assert_eq!(after(&mut pace, 0.001), BATCH);
        pace.is_crowded = true;
        assert_eq!(after(&mut pace, 0.5), 30, "15 ms");
        assert_eq!(after(&mut pace, 100.0), LEAST);
        pace.took(LEAST, Duration::ZERO);
        assert_eq!(pace.rows, 2 * LEAST, "it recovers step by step");
    }
}
