//! Activities and tasks over HTTP.

mod actions;
mod batch;
mod conversations;
mod list;
mod objections;
mod view;

use std::time::Duration;

use actix_web::{delete, get, patch, post};
use serde::Deserialize;
use tandem_domain::activities::{Activity, ActivityDraft};
use tandem_domain::id::ActivityId;
use tandem_store::{self as store, StoreError};
use utoipa::IntoParams;

use crate::access::scopes::{ActivitiesRead, ActivitiesWrite};
use crate::edge::core::Core;
use crate::edge::ctx::Ctx;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::Path;
use crate::edge::http::record::PatchOf;
use crate::edge::http::reply::{Created, NoContent, Reply, Tagged, Upserted, etag};
use crate::edge::http::services::Services;
use crate::edge::job::{Job, JobRun, Remaining};
use crate::edge::room::{PathRule, Room, Time};
use view::ActivityView;

/// This room.
pub const ROOM: Room = Room {
    paths: &[PathRule {
        time: Time::Configured,
        ..PathRule::of("/v1/activities/batch")
    }],
    jobs: &[Job::when(
        "task_reminders",
        Duration::from_secs(1),
        |snapshot| Box::pin(store::activities::next_reminder(snapshot)),
        |core, turn| Box::pin(remind(core, turn)),
    )
    .by_one_promptly()],
    ..Room::of(configure)
};

fn configure(config: &mut Services<'_>) {
    config
        .service(log_activity)
        .service(batch::log_activities)
        .service(list::list_activities);
    config
        .service(get_activity)
        .service(update_activity)
        .service(delete_activity);
    conversations::configure(config);
    objections::configure(config);
}

/// Notify the owners of tasks that are due.
async fn remind(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    for _ in 0..turn.rounds {
        let tx = turn.begin(core).await?;
        let done = store::activities::remind_due(&tx, turn.limit).await?;
        tx.commit().await?;
        if done < turn.limit {
            return Ok(Remaining::Nothing);
        }
    }
    Ok(Remaining::More)
}

type ActivityPatch = PatchOf<ActivityDraft>;

/// One activity.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ActivityPath {
    /// The activity's id.
    activity_id: ActivityId,
}

fn reply(activity: Activity) -> Tagged<ActivityView> {
    let leads = activity.lead_id.into_iter().collect();
    Tagged::new(etag(activity.version, 0), ActivityView::from(activity)).about(leads)
}

/// Log an activity, or create a task.
///
/// Calls, e-mails, meetings and messages have a direction. An outbound one by a user, and any two-way exchange, meets
/// the promise of a first contact, at its `occurred_at`, whenever it is logged. The same `external_id` again updates
/// the activity (`200`). A key needs `X-On-Behalf-Of`.
#[utoipa::path(tag = "activities", security(("bearer" = [ActivitiesWrite])), request_body = ActivityDraft,
    responses((status = 201, description = "The activity was logged", body = ActivityView, headers(
        ("ETag" = String, description = "The activity's version"), ("Location" = String, description = "The URL of the activity"))),
        (status = 200, description = "The existing activity with this `external_id`, updated", body = ActivityView,
        headers(("ETag" = String, description = "The activity's version")))))]
#[post("/v1/activities")]
async fn log_activity(ctx: Ctx<ActivitiesWrite>, body: Json<ActivityDraft>) -> Reply<Upserted<ActivityView>> {
    let tx = ctx.begin().await?;
    let mut logged = actions::log(&tx, ctx.act(), vec![body.0]).await?;
    let missing = || Problem::new(Code::InternalError).because("an activity has no outcome");
    let (activity, is_new) = logged.pop().ok_or_else(missing)??;
    if !is_new {
        return ctx.commit(tx, Upserted::Changed(reply(activity))).await;
    }
    let (tag, location) = (
        etag(activity.version, 0),
        format!("/v1/activities/{}", activity.id),
    );
    let leads = activity.lead_id.into_iter().collect();
    let made = Created::at(location, ActivityView::from(activity))
        .tagged(tag)
        .about(leads);
    ctx.commit(tx, Upserted::Made(made)).await
}

/// Read an activity.
#[utoipa::path(tag = "activities", params(ActivityPath), security(("bearer" = [ActivitiesRead])),
    responses((status = 200, description = "The activity", body = ActivityView,
        headers(("ETag" = String, description = "The activity's version")))))]
#[get("/v1/activities/{activity_id}")]
async fn get_activity(ctx: Ctx<ActivitiesRead>, path: Path<ActivityPath>) -> Reply<Tagged<ActivityView>> {
    Ok(reply(store::activities::get(ctx.db(), path.0.activity_id).await?))
}

/// Update an activity.
///
/// A JSON merge patch, by its author, the owner of a task, or a sales manager. The subject, type, author, `automatic`
/// and external id cannot change. The clocks of its lead are recomputed.
#[utoipa::path(tag = "activities", params(ActivityPath), security(("bearer" = [ActivitiesWrite])), request_body = ActivityPatch,
    responses((status = 200, description = "The updated activity", body = ActivityView,
        headers(("ETag" = String, description = "The activity's version")))))]
#[patch("/v1/activities/{activity_id}")]
async fn update_activity(
    ctx: Ctx<ActivitiesWrite>,
    path: Path<ActivityPath>,
    patch: MergePatch<ActivityPatch>,
) -> Reply<Tagged<ActivityView>> {
    let tx = ctx.begin().await?;
    let activity = actions::edit(&tx, ctx.act(), path.0.activity_id, &ctx.if_match(), patch.0).await?;
    ctx.commit(tx, reply(activity)).await
}

/// Delete an activity.
///
/// By its author, the owner of a task, or a sales manager. The activity remains in the journal, but in no list and no
/// clock.
#[utoipa::path(tag = "activities", params(ActivityPath), security(("bearer" = [ActivitiesWrite])),
    responses((status = 204, description = "The activity is deleted")))]
#[delete("/v1/activities/{activity_id}")]
async fn delete_activity(ctx: Ctx<ActivitiesWrite>, path: Path<ActivityPath>) -> Reply<NoContent> {
    let tx = ctx.begin().await?;
    actions::delete(&tx, ctx.act(), path.0.activity_id, &ctx.if_match()).await?;
    ctx.commit(tx, NoContent).await
}
