//! The jobs that no room owns: this replica among the others, what has expired, the months of the growing tables.

use std::time::Duration;

use tandem_domain::settings::{RetentionSettings, name};
use tandem_store::{StoreError, idempotency, journal, leases, settings, tracking};

use crate::edge::core::Core;
use crate::edge::job::{Job, JobRun, Remaining, beat};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// How long a replica that is gone is remembered, in milliseconds.
const GONE: i64 = 3_600_000;

/// The jobs, one a line.
pub const JOBS: &[Job] = &[
    Job::every("heartbeat", SECOND.saturating_mul(5), |core, turn| {
        Box::pin(heartbeat(core, turn))
    }),
    Job::every("tidy", MINUTE, |core, turn| Box::pin(tidy(core, turn))),
    Job::every("expired", MINUTE.saturating_mul(10), |core, turn| {
        Box::pin(forget_expired(core, turn))
    })
    .by_one(),
    Job::every("anonymous", MINUTE.saturating_mul(10), |core, turn| {
        Box::pin(forget_anonymous(core, turn))
    })
    .by_one(),
    Job::every("partitions", MINUTE.saturating_mul(60), |core, turn| {
        Box::pin(partitions(core, turn))
    })
    .by_one(),
];

async fn heartbeat(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    if core.serves {
        beat(core, turn.now).await?;
    }
    core.limits
        .set_replicas(leases::replicas(&core.db, turn.now).await?);
    Ok(Remaining::Nothing)
}

async fn tidy(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    core.limits.tidy();
    leases::forget_gone(&core.db, turn.now.plus_millis(-GONE)).await?;
    Ok(Remaining::Nothing)
}

async fn forget_expired(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    let mut left = Remaining::More;
    for _ in 0..turn.rounds {
        let tx = turn.begin(core).await?;
        let answers = idempotency::forget_expired(&tx, turn.now, turn.limit).await?;
        let access = tandem_store::access::forget_expired(&tx, turn.now, turn.limit).await?;
        let links = tandem_store::leads::consent::forget_expired(&tx, turn.now, turn.limit).await?;
        tx.commit().await?;
        if answers < turn.limit && access < turn.limit && links < turn.limit {
            left = Remaining::Nothing;
            break;
        }
    }
    let has_remarks = crate::transfer::run::tidy(&core.db, &core.ambient, turn.rounds).await?;
    Ok(if has_remarks { Remaining::More } else { left })
}

async fn forget_anonymous(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    let kept = settings::get(&core.db, name::RETENTION).await?;
    let retention: RetentionSettings = serde_json::from_value(kept.value).unwrap_or_default();
    let before = turn.now.plus_millis(-retention.anonymous_events.millis());
    for _ in 0..turn.rounds {
        let tx = turn.begin(core).await?;
        let gone = tracking::forget_anonymous(&tx, before, turn.limit).await?;
        tx.commit().await?;
        if gone < turn.limit {
            return Ok(Remaining::Nothing);
        }
    }
    Ok(Remaining::More)
}

async fn partitions(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    journal::add_partitions(&core.db, turn.now).await?;
    Ok(Remaining::Nothing)
}
