//! The writer on work that fails in every way there is.

use super::*;
use futures::future::join_all;
use std::collections::BTreeSet;

const LONG: Duration = Duration::from_secs(20);

/// What an item does to the batch that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Works(u32),
    Panics,
    IsCorrupt,
    /// Its first commit is made, but nobody hears of it.
    LosesTheAnswer(u32),
    FindsNoDatabase,
    GetsNoLock,
    TakesTooLong,
    WaitsFor(u64),
    /// As heavy as so many others.
    IsHeavy(usize),
}

#[derive(Debug, Default)]
struct Story {
    batches: Vec<usize>,
    done: Vec<Deed>,
    lost: BTreeSet<Deed>,
    kept: usize,
    contended: usize,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Story>>);

impl Fake {
    fn story(&self) -> std::sync::MutexGuard<'_, Story> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fake {
    fn decide(&self, items: &[&Deed], again: bool) -> Result<Vec<Deed>, StoreError> {
        let mut story = self.story();
        if story.contended > 0 {
            story.contended -= 1;
            return Err(StoreError::Contended);
        }
        let mut new = vec![];
        let mut told = Ok(items.iter().map(|deed| **deed).collect());
        for deed in items.iter().map(|deed| **deed) {
            if again && story.done.contains(&deed) {
                continue;
            }
            match deed {
                Deed::Panics => panic!("as asked"),
                Deed::IsCorrupt => return Err(StoreError::Corrupt("leads")),
                Deed::FindsNoDatabase => return Err(StoreError::Unavailable("gone".into())),
                Deed::GetsNoLock => return Err(StoreError::Locked),
                Deed::TakesTooLong => return Err(StoreError::TooSlow("cancelled".into())),
                Deed::LosesTheAnswer(_) if story.lost.insert(deed) => {
                    told = Err(StoreError::Unknown("cut".into()));
                }
                _ => {}
            }
            new.push(deed);
        }
        story.done.extend(new);
        told
    }
}

impl BatchWork for Fake {
    type Item = Deed;
    type Done = Deed;

    fn weight(deed: &Deed) -> usize {
        match deed {
            Deed::IsHeavy(weight) => *weight,
            _ => 1,
        }
    }

    async fn attempt(&self, items: &[&Deed], again: bool) -> Result<Vec<Deed>, StoreError> {
        self.story().batches.push(items.len());
        tokio::time::sleep(Duration::from_millis(5)).await;
        let told = self.decide(items, again);
        for deed in items {
            if let Deed::WaitsFor(millis) = deed {
                tokio::time::sleep(Duration::from_millis(*millis)).await;
            }
        }
        told
    }

    async fn keep(&self, deed: &Deed) -> Result<Deed, StoreError> {
        self.story().kept += 1;
        Ok(*deed)
    }
}

/// Submit all items at once, and return the result of each.
async fn told(queue: &Queue<Fake>, deeds: &[Deed]) -> Vec<Result<Deed, Undone>> {
    let tickets: Vec<_> = deeds
        .iter()
        .map(|deed| queue.place().unwrap().take(*deed))
        .collect();
    join_all(tickets.into_iter().map(|ticket| ticket.wait(LONG, || {}))).await
}

#[actix_web::test]
async fn a_lone_item_is_a_batch_of_one_and_what_gathers_is_the_next() {
    let (queue, work) = (Queue::new(1000), Fake::default());
    let writer = Writer::start(&queue, work.clone()).unwrap();
    assert_eq!(told(&queue, &[Deed::Works(0)]).await, [Ok(Deed::Works(0))]);

    let many: Vec<Deed> = (1..=300).map(Deed::Works).collect();
    let answers = told(&queue, &many).await;

    assert!(
        answers
            .iter()
            .zip(&many)
            .all(|(answer, deed)| answer.as_ref() == Ok(deed))
    );
    assert_eq!(work.story().batches, [1, 128, 128, 44]);
    assert_eq!(work.story().done.len(), 301);
    assert!(
        Writer::start(&queue, work.clone()).is_none(),
        "one queue, one writer"
    );
    writer.stop().await;
}

#[actix_web::test]
async fn what_spoils_a_batch_is_kept_alone_and_the_writer_lives_on() {
    let (queue, work) = (Queue::new(100), Fake::default());
    let writer = Writer::start(&queue, work.clone()).unwrap();
    for spoiler in [Deed::Panics, Deed::IsCorrupt] {
        work.story().done.clear();
        let answers = told(&queue, &[Deed::Works(1), spoiler, Deed::Works(2)]).await;
        assert_eq!(answers, [Ok(Deed::Works(1)), Ok(spoiler), Ok(Deed::Works(2))]);
        assert_eq!(work.story().done, [Deed::Works(1), Deed::Works(2)]);
    }
    assert_eq!(work.story().kept, 2);
    assert_eq!(told(&queue, &[Deed::Works(3)]).await, [Ok(Deed::Works(3))]);
    writer.stop().await;
}

#[actix_web::test]
async fn a_commit_whose_answer_is_lost_is_made_once() {
    let (queue, work) = (Queue::new(100), Fake::default());
    let writer = Writer::start(&queue, work.clone()).unwrap();
    let deeds = [Deed::Works(1), Deed::LosesTheAnswer(2), Deed::Works(3)];

    let answers = told(&queue, &deeds).await;

    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(work.story().done, deeds);
    writer.stop().await;
}

#[actix_web::test]
async fn a_batch_that_was_in_the_way_begins_again_as_a_whole() {
    let (queue, work) = (Queue::new(100), Fake::default());
    let writer = Writer::start(&queue, work.clone()).unwrap();
    work.story().contended = 2;
    assert!(
        told(&queue, &[Deed::Works(1), Deed::Works(2)])
            .await
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(work.story().batches, [2, 2, 2]);
    writer.stop().await;
}

#[actix_web::test]
async fn without_a_database_nobody_is_told_that_it_was_done() {
    let (queue, work) = (Queue::new(100), Fake::default());
    let writer = Writer::start(&queue, work.clone()).unwrap();
    let away = |answer: &Result<Deed, Undone>| matches!(answer, Err(Undone::Unavailable(_)));
    let answers = told(&queue, &[Deed::Works(1), Deed::FindsNoDatabase]).await;
    assert!(answers.iter().all(away), "{answers:?}");
    assert_eq!(work.story().batches, [2], "all are told at once");
    assert_eq!(
        told(&queue, &[Deed::GetsNoLock, Deed::Works(1)]).await,
        [Err(Undone::Locked), Ok(Deed::Works(1))]
    );
    assert_eq!(work.story().done, [Deed::Works(1)]);
    writer.stop().await;
}

#[actix_web::test]
async fn what_takes_too_long_keeps_nobody_else_from_being_done() {
    let (queue, work) = (Queue::new(100), Fake::default());
    let writer = Writer::start(&queue, work.clone()).unwrap();
    assert_eq!(
        told(&queue, &[Deed::Works(1), Deed::TakesTooLong, Deed::Works(2)]).await,
        [
            Ok(Deed::Works(1)),
            Err(Undone::TooSlow("cancelled".into())),
            Ok(Deed::Works(2))
        ]
    );
    assert_eq!(work.story().done, [Deed::Works(1), Deed::Works(2)]);
    writer.stop().await;
}

#[actix_web::test]
async fn a_full_queue_refuses_at_once_and_a_stop_drains_it() {
    let (queue, work) = (Queue::new(2), Fake::default());
    let tickets = [1, 2].map(|n| queue.place().unwrap().take(Deed::Works(n)));
    assert_eq!(queue.place().err(), Some(Undone::Overloaded));

    let writer = Writer::start(&queue, work.clone()).unwrap();
    writer.stop().await;

    for ticket in tickets {
        assert!(ticket.wait(LONG, || {}).await.is_ok());
    }
    assert_eq!(work.story().done.len(), 2);
    assert_eq!(
        queue.place().err(),
        Some(Undone::Overloaded),
        "nothing is taken any more"
    );
}

#[actix_web::test]
async fn who_waits_too_long_for_a_turn_is_refused_and_never_served() {
    let (queue, work) = (Queue::new(300), Fake::default());
    let writer = Writer::start(&queue, work.clone()).unwrap();
    let slow = queue.place().unwrap().take(Deed::WaitsFor(200));
    tokio::time::sleep(Duration::from_millis(10)).await;
    let late = queue.place().unwrap().take(Deed::Works(1));
    let (begun, patience) = (AtomicBool::new(false), Duration::from_millis(50));

    let (slow, late) = futures::join!(
        slow.wait(patience, || begun.store(true, Ordering::SeqCst)),
        late.wait(patience, || panic!("its turn never came"))
    );

    assert_eq!((slow, late), (Ok(Deed::WaitsFor(200)), Err(Undone::Overloaded)));
    assert!(
        begun.load(Ordering::SeqCst),
        "it was under way when the patience ended"
    );
    writer.stop().await;
    assert_eq!(work.story().done, [Deed::WaitsFor(200)]);
}

#[actix_web::test]
async fn a_slow_writer_refuses_whoever_would_wait_too_long() {
    let queue: Queue<Fake> = Queue::new(1000);
    queue.pace.note(2 * LONGEST);
    let tickets: Vec<_> = (0..MOST)
        .map(|n| queue.place().map(|place| place.take(Deed::Works(n as u32))))
        .collect();
    assert!(
        tickets.iter().all(Result::is_ok),
        "the next batch is not too late"
    );
    assert_eq!(queue.place().err(), Some(Undone::Overloaded));
    queue.pace.note(Duration::ZERO);
    queue.pace.note(Duration::ZERO);
    queue.pace.note(Duration::ZERO);
    assert!(queue.place().is_ok());
}

#[actix_web::test]
async fn batches_are_bounded_by_weight_and_what_is_too_heavy_goes_alone() {
    let (queue, work) = (Queue::new(100), Fake::default());
    let deeds = [
        Deed::Works(1),
        Deed::IsHeavy(MOST - 1),
        Deed::IsHeavy(2),
        Deed::IsHeavy(3 * MOST),
        Deed::Works(2),
        Deed::Works(3),
    ];
    let tickets: Vec<_> = deeds
        .iter()
        .map(|deed| queue.place().unwrap().take(*deed))
        .collect();
    assert_eq!(queue.weight(), 4 * MOST + 4);
    let writer = Writer::start(&queue, work.clone()).unwrap();
    let answers = join_all(tickets.into_iter().map(|ticket| ticket.wait(LONG, || {}))).await;
    assert!(answers.iter().all(Result::is_ok));
    writer.stop().await;
    assert_eq!(work.story().batches, [2, 1, 1, 2]);
    assert_eq!(queue.weight(), 0);
}

#[actix_web::test]
async fn what_waits_is_bounded_by_weight() {
    let queue: Queue<Fake> = Queue::new(1000);
    let heavy = Deed::IsHeavy(MOST_BATCHES * MOST);
    let _ticket = queue.place().unwrap().take(heavy);
    assert_eq!(queue.place().err(), Some(Undone::Overloaded));
}
