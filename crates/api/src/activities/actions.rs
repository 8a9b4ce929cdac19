//! What can be done with activities: load, decide, save, within the caller's transaction.

use tandem_domain::access::Role;
use tandem_domain::act::Act;
use tandem_domain::activities::{self, Activity, ActivityDraft, ActivityError};
use tandem_domain::change::Change;
use tandem_domain::deals::promises::{self, Promise};
use tandem_domain::id::ActivityId;
use tandem_domain::settle::Unsettled;
use tandem_store::{self as store, Tx};

use super::ActivityPatch;
use crate::edge::http::faults::invalid;
use crate::edge::http::problem::Problem;
use crate::edge::http::reply::IfMatch;

/// Log activities in order and return for each whether it is new. A refused activity does not stop the others.
pub async fn log(
    tx: &Tx,
    act: &Act,
    drafts: Vec<ActivityDraft>,
) -> Result<Vec<Result<(Activity, bool), Problem>>, Problem> {
    let mut world = store::activities::world_for(tx, &drafts).await?;
    let person = act.by.person();
    if manages(act) || drafts.iter().any(|draft| draft.names_others(person)) {
        world.sales.staff = Some(store::access::staff(tx).await?);
    }
    let mut promised = store::deals::promises::of_activities(tx, world.sales.activities.keys()).await?;
    let mut items = vec![];
    let mut logged = vec![];
    for draft in drafts {
        let one = activities::log(&mut world, draft, act);
        logged.push(one.map_err(refused).map(|(activity, is_new, change)| {
            let known = promised.entry(activity.id).or_default();
            items.push((act, with_promises(change, &activity, known, act)));
            (activity, is_new)
        }));
    }
    store::settle_all(tx, &mut world, items).await?;
    Ok(logged)
}

/// Update an activity by a merge patch.
pub async fn edit(
    tx: &Tx,
    act: &Act,
    id: ActivityId,
    if_match: &IfMatch,
    patch: ActivityPatch,
) -> Result<Activity, Problem> {
    let (mut world, known) = store::activities::world_of(tx, id).await?;
    if_match.check(known.version, 0)?;
    let (draft, _) = patch.apply(&ActivityDraft::of(&known))?;
    if manages(act) || draft.names_others(act.by.person()) {
        world.sales.staff = Some(store::access::staff(tx).await?);
    }
    let mut promised = store::deals::promises::of_activities(tx, [&id]).await?;
    let edited = activities::edit(&mut world, &known, draft, act);
    let (activity, change) = edited.map_err(refused)?;
    let known = promised.entry(id).or_default();
    let changes = with_promises(change, &activity, known, act);
    store::settle(tx, &mut world, act, changes).await?;
    Ok(activity)
}

/// Delete an activity.
pub async fn delete(tx: &Tx, act: &Act, id: ActivityId, if_match: &IfMatch) -> Result<(), Problem> {
    let (mut world, known) = store::activities::world_of(tx, id).await?;
    if_match.check(known.version, 0)?;
    if manages(act) {
        world.sales.staff = Some(store::access::staff(tx).await?);
    }
    let mut promised = store::deals::promises::of_activities(tx, [&id]).await?;
    let change: Change = activities::delete(&mut world, &known, act)?;
    let gone = Activity {
        promises: vec![],
        ..known
    };
    let changes = with_promises(Some(change), &gone, promised.entry(id).or_default(), act);
    Ok(store::settle(tx, &mut world, act, changes).await?)
}

/// What happened to an activity, and to the promises that it states; `known` are those that are recorded of it.
fn with_promises(
    change: Option<Change>,
    activity: &Activity,
    known: &mut Vec<Promise>,
    act: &Act,
) -> Unsettled {
    let followed = promises::follow(activity, known, act);
    for one in &followed {
        known.retain(|promise| promise.id != one.record.id);
        known.push(one.record.clone());
    }
    let followed = followed.into_iter().map(Change::from);
    change.into_iter().chain(followed).collect()
}

/// Whether the rights of the actor depend on who belongs to its teams.
fn manages(act: &Act) -> bool {
    act.by
        .person()
        .is_some_and(|person| person.role == Role::SalesManager)
}

pub(super) fn refused(refused: ActivityError) -> Problem {
    match refused {
        ActivityError::Denied(reason) => reason.into(),
        ActivityError::Invalid(faults) => invalid(faults),
    }
}
