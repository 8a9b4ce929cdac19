//! What events say of consent.

use tandem_domain::access::Actor;
use tandem_domain::act::Act;
use tandem_domain::id::LeadId;
use tandem_domain::leads::consent::{self, StateConsent};
use tandem_domain::tracking::events::Event;
use tandem_store as store;
use tandem_store::tracking::Visitors;
use tandem_store::{StoreError, Tx};

/// Whoever unsubscribed, or whose address takes no mail, agrees no more. Only servers are believed: what a page tells,
/// anybody can. Who may not write the lead tells of an event alone.
pub(super) async fn withdraw(
    tx: &Tx,
    arrived: &[(&Act, Event)],
    visitors: &Visitors,
) -> Result<(), StoreError> {
    let said: Vec<(&Act, LeadId, StateConsent)> = arrived
        .iter()
        .filter(|(act, _)| !matches!(act.by, Actor::System(_)))
        .filter_map(|(act, event)| {
            let said = StateConsent::of_event(event.kind.name(), &event.properties, event.occurred_at)?;
            Some((*act, visitors.owner(event)?, said))
        })
        .collect();
    if said.is_empty() {
        return Ok(());
    }
    let mut world = store::leads::world_for_consent(tx, said.iter().map(|(_, lead_id, _)| *lead_id)).await?;
    let mut changes = vec![];
    for (act, lead_id, said) in said {
        let made = consent::state(&mut world, lead_id, said, act);
        let Ok(made) = made else { continue };
        changes.push((act, made));
    }
    store::write_all(tx, &changes).await
}
