//! What events say of consent.

use tandem_domain::access::Actor;
use tandem_domain::act::Act;
use tandem_domain::change::Change;
use tandem_domain::id::LeadId;
use tandem_domain::leads::consent::{self, StateConsent};
use tandem_domain::settle::Unsettled;
use tandem_domain::tracking::change::TrackingChange;
use tandem_domain::world::World;
use tandem_store::{self as store, StoreError, Tx};

/// Who unsubscribed, or whose address takes no mail, agrees no more. Only servers are believed: what a page reports,
/// anybody can. Who may not write the lead reports an event alone.
pub(super) async fn withdraw(
    tx: &Tx,
    world: &mut World,
    items: &mut [(&Act, Unsettled)],
) -> Result<(), StoreError> {
    let said: Vec<Vec<(LeadId, StateConsent)>> = items.iter().map(|(act, done)| said(act, done)).collect();
    let leads = said.iter().flatten().map(|(lead_id, _)| *lead_id).collect();
    store::leads::add_for_consent(tx, world, leads).await?;
    for ((act, done), said) in items.iter_mut().zip(said) {
        for (lead_id, said) in said {
            done.extend(consent::state(world, lead_id, said, act).into_iter().flatten());
        }
    }
    Ok(())
}

fn said(act: &Act, done: &Unsettled) -> Vec<(LeadId, StateConsent)> {
    if matches!(act.by, Actor::System(_)) {
        return vec![];
    }
    let said = done.iter().filter_map(|change| match change {
        Change::Tracking(TrackingChange::EventRecorded(event)) => {
            let said = StateConsent::of_event(event.kind.name(), &event.properties, event.occurred_at)?;
            Some((event.lead_id?, said))
        }
        _ => None,
    });
    said.collect()
}
