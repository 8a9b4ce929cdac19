//! The batching writer: whatever arrived while the last commit was on its way is the next batch, and has one commit.
//!
//! It knows nothing of what is written: [`BatchWork`] does it. A lone caller is a batch of one and waits for nobody.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tandem_store::StoreError;
use tokio::sync::{mpsc, oneshot, watch};

use crate::ambient::Stopwatch;
use crate::edge::http::problem::{Code, Problem};

/// The most items of one batch.
const MOST: usize = 128;
/// How often a batch begins again where another transaction was in its way.
const ROUNDS: usize = 3;
/// The longest wait for a turn, as estimated on arrival.
const LONGEST: Duration = Duration::from_secs(1);
/// The most batches that wait, by their weight: they are held in memory.
const MOST_BATCHES: usize = 64;
/// How long an attempt may take; a database that is silent for longer is taken for gone.
const ATTEMPT: Duration = Duration::from_secs(8);

/// What is written in batches.
pub trait BatchWork: Send + Sync + 'static {
    /// One thing to do. Its ids are drawn before it is handed in, so that it is the same in every attempt.
    type Item: Send + Sync + 'static;
    /// The result for the caller of the item.
    type Done: Send + 'static;

    /// The most weight of one batch; an item that is heavier goes alone.
    const MOST_WEIGHT: usize = MOST;

    /// How much of a batch an item is.
    fn weight(_: &Self::Item) -> usize {
        1
    }

    /// Do all of it in one transaction, each item standing on those before it, and tell what became of each, in their
    /// order. On an error nothing was done, but for `StoreError::Unknown`. `again` says that an item may be done
    /// already, and has to be recognised by its id.
    fn attempt(
        &self,
        items: &[&Self::Item],
        again: bool,
    ) -> impl Future<Output = Result<Vec<Self::Done>, StoreError>> + Send;

    /// Keep an item that cannot be done even alone.
    fn keep(&self, item: &Self::Item) -> impl Future<Output = Result<Self::Done, StoreError>> + Send;
}

/// Why an item was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// There is more to do than can be done in time; nothing was done.
    Overloaded,
    /// The database was away or too busy; nothing was done.
    Unavailable(String),
    /// A lock was not to be had in time; nothing was done.
    Locked,
    /// It took the database too long, even alone; nothing was done.
    TooSlow(String),
    /// Nobody knows: only a repetition that is known again is safe.
    Unknown(String),
}

impl From<Undone> for Problem {
    fn from(undone: Undone) -> Self {
        match undone {
            Undone::Overloaded => Problem::new(Code::Overloaded).retry_after(1),
            Undone::Unavailable(cause) | Undone::TooSlow(cause) => {
                Problem::new(Code::Unavailable).retry_after(1).because(cause)
            }
            Undone::Locked => Problem::new(Code::Unavailable).retry_after(1),
            Undone::Unknown(cause) => Problem::new(Code::InternalError).because(cause),
        }
    }
}

struct Job<W: BatchWork> {
    item: W::Item,
    /// Set by the first of two: the writer that starts on it, or the caller that gives up.
    claimed: Arc<AtomicBool>,
    answer: oneshot::Sender<Result<W::Done, Undone>>,
}

/// The bounded queue in front of the writer.
pub struct Queue<W: BatchWork> {
    sender: mpsc::Sender<Job<W>>,
    receiver: Mutex<Option<mpsc::Receiver<Job<W>>>>,
    pace: Arc<Pace>,
    /// The weight of what waits and of what is being done.
    weight: Arc<AtomicUsize>,
}

/// How long a batch has taken lately, in microseconds; 0 until there was one.
#[derive(Debug, Default)]
struct Pace(AtomicU64);

impl Pace {
    /// A batch took so long: it counts as a quarter of what is known.
    fn note(&self, took: Duration) {
        let now = took.as_micros() as u64;
        let before = self.0.load(Ordering::Relaxed);
        let next = if before == 0 { now } else { (before * 3 + now) / 4 };
        self.0.store(next, Ordering::Relaxed);
    }

    /// How long the last of so many batches will probably wait.
    fn wait_of(&self, batches: usize) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed).saturating_mul(batches as u64))
    }
}

/// A place in the queue, before there is an item for it.
pub struct Reserved<'a, W: BatchWork> {
    permit: mpsc::Permit<'a, Job<W>>,
    weight: &'a AtomicUsize,
}

/// An item that is on its way.
pub struct Ticket<W: BatchWork> {
    claimed: Arc<AtomicBool>,
    answer: oneshot::Receiver<Result<W::Done, Undone>>,
}

impl<W: BatchWork> Queue<W> {
    /// A queue that holds so many items.
    pub fn new(most: usize) -> Self {
        let (sender, receiver) = mpsc::channel(most);
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
            pace: Arc::default(),
            weight: Arc::default(),
        }
    }

    /// The weight of what waits and of what is being done: items, unless they say otherwise.
    pub fn weight(&self) -> usize {
        self.weight.load(Ordering::Relaxed)
    }

    /// A place in the queue; refused at once where there is none, or where its turn would come too late.
    pub fn place(&self) -> Result<Reserved<'_, W>, Undone> {
        let batches = self.weight() / W::MOST_WEIGHT;
        if batches >= MOST_BATCHES || self.pace.wait_of(batches) > LONGEST {
            return Err(Undone::Overloaded);
        }
        let permit = self.sender.try_reserve().map_err(|_| Undone::Overloaded)?;
        Ok(Reserved {
            permit,
            weight: &self.weight,
        })
    }
}

impl<W: BatchWork> Reserved<'_, W> {
    /// Hand an item in.
    pub fn take(self, item: W::Item) -> Ticket<W> {
        let (sender, answer) = oneshot::channel();
        let claimed = Arc::new(AtomicBool::new(false));
        self.weight.fetch_add(W::weight(&item), Ordering::Relaxed);
        self.permit.send(Job {
            item,
            claimed: claimed.clone(),
            answer: sender,
        });
        Ticket { claimed, answer }
    }
}

impl<W: BatchWork> Ticket<W> {
    /// Wait for what becomes of it, and with patience for its turn. `begun` is called where its turn has come, but the
    /// patience is over: from then on nobody can say that it was not tried.
    pub async fn wait(mut self, patience: Duration, begun: impl FnOnce()) -> Result<W::Done, Undone> {
        let lost = || Undone::Unknown("the writer is gone".into());
        match tokio::time::timeout(patience, &mut self.answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(lost())),
            Err(_) if !self.claimed.swap(true, Ordering::SeqCst) => Err(Undone::Overloaded),
            Err(_) => {
                begun();
                self.answer.await.unwrap_or_else(|_| Err(lost()))
            }
        }
    }
}

/// The task that writes the items of a queue in batches.
pub struct Writer {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Writer {
    /// Start it on a queue; `None` where the queue has one already.
    pub fn start<W: BatchWork>(queue: &Queue<W>, work: W) -> Option<Self> {
        let mut receiver = queue.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = receiver.take()?;
        let (stop, stopped) = watch::channel(false);
        let shown = Shown {
            pace: queue.pace.clone(),
            weight: queue.weight.clone(),
        };
        let task = tokio::spawn(write(work, receiver, stopped, shown));
        Some(Self { stop, task })
    }

    /// Take nothing more, finish what is in the queue, and end.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}

/// What the writer shows to those who queue.
struct Shown {
    pace: Arc<Pace>,
    weight: Arc<AtomicUsize>,
}

async fn write<W: BatchWork>(
    work: W,
    mut queue: mpsc::Receiver<Job<W>>,
    mut stopped: watch::Receiver<bool>,
    shown: Shown,
) {
    let mut arrived = Vec::with_capacity(MOST);
    let mut is_open = true;
    loop {
        let taken = tokio::select! {
            biased;
            _ = stopped.changed(), if is_open => {
                is_open = false;
                queue.close();
                continue;
            }
            taken = queue.recv_many(&mut arrived, MOST) => taken,
        };
        if taken == 0 {
            return;
        }
        let mut waiting: VecDeque<Job<W>> = arrived.drain(..).collect();
        while !waiting.is_empty() {
            let (batch, weight) = next_batch(&mut waiting);
            if !batch.is_empty() {
                let stopwatch = Stopwatch::start();
                do_batch(&work, batch).await;
                shown.pace.note(stopwatch.elapsed());
            }
            shown.weight.fetch_sub(weight, Ordering::Relaxed);
        }
    }
}

/// The next batch that is not too heavy, without those whose callers have given up; and the weight that left the queue.
fn next_batch<W: BatchWork>(waiting: &mut VecDeque<Job<W>>) -> (Vec<Job<W>>, usize) {
    let (mut batch, mut gone, mut taken) = (vec![], 0, 0);
    while let Some(job) = waiting.pop_front() {
        let weight = W::weight(&job.item);
        if taken > 0 && taken + weight > W::MOST_WEIGHT {
            waiting.push_front(job);
            break;
        }
        gone += weight;
        if !job.claimed.swap(true, Ordering::SeqCst) {
            taken += weight;
            batch.push(job);
        }
    }
    (batch, gone)
}

/// Why an attempt to write a batch failed.
enum Failure {
    /// Another transaction was in the way.
    Contended,
    /// A lock was not to be had in time.
    Locked,
    /// A statement took too long: the others of the batch may fare better.
    TooSlow(String),
    /// The database is not there.
    Away(String),
    /// It may have been done.
    Unknown(String),
    /// It cannot be done so: a bug, a corrupt row, a panic.
    Broken(String),
}

async fn do_batch<W: BatchWork>(work: &W, batch: Vec<Job<W>>) {
    let mut failure = Failure::Contended;
    for round in 0..ROUNDS {
        let items: Vec<&W::Item> = batch.iter().map(|job| &job.item).collect();
        match attempt(work, &items, round > 0).await {
            Ok(done) => {
                for (job, done) in batch.into_iter().zip(done) {
                    let _ = job.answer.send(Ok(done));
                }
                return;
            }
            Err(failed) => failure = failed,
        }
        if !matches!(failure, Failure::Contended) {
            break;
        }
    }
    if let Failure::Away(cause) = failure {
        for job in batch {
            let _ = job.answer.send(Err(Undone::Unavailable(cause.clone())));
        }
        return;
    }
    // Later items stood on the decisions about the one that spoilt it: each has another go, alone and with fresh facts.
    let was_unknown = matches!(failure, Failure::Unknown(_));
    let mut gone: Option<String> = None;
    for job in batch {
        let outcome = match &gone {
            None => alone(work, &job.item).await,
            Some(cause) => Err(Undone::Unavailable(cause.clone())),
        };
        if let Err(Undone::Unavailable(cause)) = &outcome {
            gone = Some(cause.clone());
        }
        let outcome = match outcome {
            Err(Undone::Unavailable(cause) | Undone::TooSlow(cause)) if was_unknown => {
                Err(Undone::Unknown(cause))
            }
            outcome => outcome,
        };
        let _ = job.answer.send(outcome);
    }
}

/// One item as a batch of one.
async fn alone<W: BatchWork>(work: &W, item: &W::Item) -> Result<W::Done, Undone> {
    let mut last = Undone::Locked;
    for _ in 0..ROUNDS {
        match attempt(work, &[item], true).await {
            Ok(done) => {
                let result = done.into_iter().next();
                return result
                    .ok_or_else(|| Undone::Unknown("the work returned no result for an item".into()));
            }
            Err(Failure::Contended) => last = Undone::Locked,
            Err(Failure::Locked) => return Err(Undone::Locked),
            Err(Failure::TooSlow(cause)) => {
                return Err(match last {
                    Undone::Unknown(_) => Undone::Unknown(cause),
                    _ => Undone::TooSlow(cause),
                });
            }
            Err(Failure::Away(cause)) => {
                return Err(match last {
                    Undone::Unknown(_) => Undone::Unknown(cause),
                    _ => Undone::Unavailable(cause),
                });
            }
            Err(Failure::Unknown(cause)) => last = Undone::Unknown(cause),
            Err(Failure::Broken(cause)) => return kept(work, item, cause).await,
        }
    }
    Err(last)
}

async fn kept<W: BatchWork>(work: &W, item: &W::Item, cause: String) -> Result<W::Done, Undone> {
    tracing::error!(cause, "an item failed even alone; it is stored as failed");
    match guarded(work.keep(item)).await {
        Ok(done) => Ok(done),
        Err(Failure::Away(cause)) => Err(Undone::Unavailable(cause)),
        Err(Failure::Contended | Failure::Locked) => Err(Undone::Locked),
        Err(Failure::TooSlow(cause)) => Err(Undone::TooSlow(cause)),
        Err(Failure::Unknown(cause) | Failure::Broken(cause)) => Err(Undone::Unknown(cause)),
    }
}

async fn attempt<W: BatchWork>(work: &W, items: &[&W::Item], again: bool) -> Result<Vec<W::Done>, Failure> {
    let done = guarded(work.attempt(items, again)).await?;
    if done.len() == items.len() {
        Ok(done)
    } else {
        Err(Failure::Unknown(
            "the work did not return a result for every item".into(),
        ))
    }
}

/// Whatever happens, a panic and silence included, the writer lives on.
async fn guarded<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, Failure> {
    match tokio::time::timeout(ATTEMPT, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(Ok(done))) => Ok(done),
        Ok(Ok(Err(error))) => Err(match error {
            StoreError::Contended => Failure::Contended,
            StoreError::Locked => Failure::Locked,
            StoreError::TooSlow(cause) => Failure::TooSlow(cause),
            StoreError::Unavailable(cause) => Failure::Away(cause),
            StoreError::Unknown(cause) => Failure::Unknown(cause),
            StoreError::NotFound
            | StoreError::Conflict
            | StoreError::Corrupt(_)
            | StoreError::Foreign
            | StoreError::Internal(_) => Failure::Broken(error.to_string()),
        }),
        // The panic itself was logged where it happened.
        Ok(Err(_)) => Err(Failure::Broken("it panicked".into())),
        Err(_) => Err(Failure::Unknown("the database did not answer in time".into())),
    }
}

#[cfg(test)]
mod tests;
