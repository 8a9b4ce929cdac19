//! The harness: a real service in this process on a database of its own, with a clock that is turned by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod app;
mod client;
mod contract;
pub mod counting;
mod database;
mod people;
mod promises;

use futures::FutureExt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

/// The longest that a story may take.
const STORY: Duration = Duration::from_secs(600);

pub use app::{LiveApp, START, TestApp, hours, minutes, seconds};
pub use client::{Answer, Request, Server};
pub use contract::contract;
pub use database::{Backend, Database};
pub use people::{PASSWORD, User};
pub use promises::Promised;
pub use tandem_test_macros::test;

/// What a test is given: made on one database before it runs, removed after it.
pub trait Given: Sized {
    /// A fresh one, or `None` where no server of this kind is configured.
    fn start(on: Backend) -> impl Future<Output = Option<Self>>;
    /// Remove it with its database.
    fn stop(self) -> impl Future<Output = ()>;
}

/// Run one test on one database, in a runtime of its own. It panics where the test does, after the clean-up.
pub fn run<G: Given>(on: Backend, story: impl AsyncFn(&G)) {
    actix_web::rt::System::new().block_on(async {
        let Some(given) = G::start(on).await else {
            println!("skipped: {} is not set", database::POSTGRES);
            return;
        };
        let outcome = AssertUnwindSafe(within(STORY, story(&given))).catch_unwind().await;
        within(Duration::from_secs(20), given.stop()).await;
        outcome.unwrap_or_else(|panic| resume_unwind(panic));
    });
}

/// A story that hangs fails, so that the others are told.
async fn within<T>(time: Duration, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(time, work).await.unwrap_or_else(|_| panic!("still not done after {time:?}"))
}
