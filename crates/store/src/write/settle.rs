//! The one door for rules: what commands did is judged, and written with what follows. No other way leads to the rows of
//! leads.

use tandem_domain::act::Act;
use tandem_domain::instant::Timestamp;
use tandem_domain::judge::{Needs, Rulebook};
use tandem_domain::settle::{Answer, Settled, Settling, Unsettled};
use tandem_domain::world::World;

use super::put;
use crate::activities::conversations;
use crate::db::Tx;
use crate::error::StoreError;
use crate::{access, activities, handoff, leads, routing, scoring, tracking};

/// Judge every lead that a command touched, and write what it did with what follows.
///
/// `world` holds the facts that the command was decided on; whatever the rules lack beyond them is loaded.
pub async fn settle(
    tx: &Tx,
    world: &mut World,
    act: &Act,
    done: impl Into<Unsettled>,
) -> Result<(), StoreError> {
    settle_all(tx, world, vec![(act, done.into())]).await
}

/// [`settle`] for the items of a batch, in their order: all of it is recorded, and each is judged with that.
pub async fn settle_all(tx: &Tx, world: &mut World, items: Vec<(&Act, Unsettled)>) -> Result<(), StoreError> {
    let rules = tx.rules().clone();
    let rulebook = Rulebook {
        agreement: &rules.agreement,
        rules: tx.rules_about_leads(),
    };
    // Load facts as of the earliest item, so that the history covers every item of the batch.
    let first = items.iter().map(|(act, _)| act.now).min().unwrap_or(tx.act().now);
    let mut settling = Settling::of(items);
    conversations::add_waiting(tx, world, &settling.identified()).await?;
    while let Answer::Needs(needs) = settling.ask(world, &rulebook)? {
        let settled = settling.take();
        if !settled.is_empty() {
            put(tx, &settled, &world.tracking.visitors).await?;
            leads::renew(tx, world, needs.leads()).await?;
        }
        load(tx, world, &needs, first).await?;
    }
    let settled = settling.take();
    if !settled.is_empty() {
        put(tx, &settled, &world.tracking.visitors).await?;
    }
    // What is recorded after this is not among them.
    world.judging.histories.clear();
    world.judging.touches.clear();
    world.judging.consents.clear();
    world.judging.created.clear();
    Ok(())
}

/// Write the changes of an import of history. No rule is applied to them.
pub async fn write_history(tx: &Tx, changes: Unsettled) -> Result<(), StoreError> {
    let settled = Settled::history(tx.act(), changes)
        .ok_or_else(|| StoreError::Internal("an act of the present is not an import of history".into()))?;
    put(tx, &settled, &Default::default()).await
}

/// Load what rules lack, for all leads at once, for the instant of the first item.
async fn load(tx: &Tx, world: &mut World, needs: &Needs, first: Timestamp) -> Result<(), StoreError> {
    let newest = tracking::newest_events(tx, &needs.newest_event).await?;
    world.tracking.newest_event.extend(newest);
    handoff::add_sales(tx, world, &needs.sales).await?;
    scoring::load(tx, world, &needs.judging, first).await?;
    handoff::add_packets(tx, world, &needs.packets).await?;
    routing::add_desk(tx, world, &needs.routing).await?;
    activities::add_contacts(tx, world, &needs.contacts).await?;
    activities::add_rule_tasks(tx, world, &needs.rule_tasks).await?;
    if needs.staff {
        world.sales.staff = Some(access::staff(tx).await?);
    }
    Ok(())
}
