//! What events say of consent.

use tandem_domain::access::Actor;
use tandem_domain::id::LeadId;
use tandem_domain::leads::consent::{self, StateConsent};
use tandem_domain::tracking::events::Event;
use tandem_store as store;
use tandem_store::tracking::Visitors;
use tandem_store::{Stamp, StoreError, Tx};

/// Whoever unsubscribed, or whose address takes no mail, agrees no more. Only servers are believed: what a page tells,
/// anybody can. Who may not write the lead tells of an event alone.
pub(super) async fn withdraw(
    tx: &Tx,
    arrived: &[(&Stamp, Event)],
    visitors: &Visitors,
) -> Result<(), StoreError> {
    let said: Vec<(&Stamp, LeadId, StateConsent)> = arrived
        .iter()
        .filter(|(stamp, _)| !matches!(stamp.actor, Actor::System(_)))
        .filter_map(|(stamp, event)| {
            let said = StateConsent::of_event(event.kind.name(), &event.properties, event.occurred_at)?;
            Some((*stamp, visitors.owner(event)?, said))
        })
        .collect();
    if said.is_empty() {
        return Ok(());
    }
    let mut world = store::leads::world_for_consent(tx, said.iter().map(|(_, lead_id, _)| *lead_id)).await?;
    let mut changes = vec![];
    for (stamp, lead_id, said) in said {
        let mut ids = stamp.ids();
        let made = consent::state(&mut world, lead_id, said, &stamp.actor, stamp.now, &mut ids);
        let Ok(made) = made else { continue };
        changes.push((stamp, made));
    }
    store::write_all(tx, &changes).await
}
