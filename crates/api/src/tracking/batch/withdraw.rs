//! Consent that events end.

use std::collections::HashMap;

use tandem_domain::access::Actor;
use tandem_domain::act::Act;
use tandem_domain::change::Change;
use tandem_domain::id::{EventId, LeadId};
use tandem_domain::leads::consent::{self, Ended};
use tandem_domain::leads::identity::Email;
use tandem_domain::settle::Unsettled;
use tandem_domain::tracking::change::TrackingChange;
use tandem_domain::world::World;
use tandem_store::{self as store, StoreError, Tx};

use super::{Item, all_of};
use crate::tracking::body::Who;

/// Who unsubscribed agrees no more, and an address that bounced or whose owner complained takes no mail. Only servers are
/// believed: what a page reports, anybody can. Who may not write the lead reports an event alone.
pub(super) async fn withdraw(
    tx: &Tx,
    world: &mut World,
    items: &[&Item],
    done: &mut [(&Act, Unsettled)],
) -> Result<(), StoreError> {
    let addresses: HashMap<EventId, &Email> = all_of(items)
        .filter_map(|arrival| match &arrival.who {
            Who::Email(email) => Some((arrival.id, email)),
            _ => None,
        })
        .collect();
    let ended: Vec<Vec<(LeadId, Ended)>> = done
        .iter()
        .map(|(act, done)| ended(act, done, &addresses))
        .collect();
    let leads = ended.iter().flatten().map(|(lead_id, _)| *lead_id).collect();
    store::leads::add_for_consent(tx, world, leads).await?;
    let purposes = world.rules.consent_purposes.clone();
    for ((act, done), ended) in done.iter_mut().zip(ended) {
        for (lead_id, ended) in ended {
            for statement in ended.statements(&purposes, world.consent_of(lead_id)) {
                done.extend(
                    consent::state(world, lead_id, statement, act)
                        .into_iter()
                        .flatten(),
                );
            }
        }
    }
    Ok(())
}

fn ended(act: &Act, done: &Unsettled, addresses: &HashMap<EventId, &Email>) -> Vec<(LeadId, Ended)> {
    if matches!(act.by, Actor::System(_)) {
        return vec![];
    }
    let ended = done.iter().filter_map(|change| match change {
        Change::Tracking(TrackingChange::EventRecorded(event)) => {
            let address = addresses.get(&event.id).map(|email| (*email).clone());
            let ended = Ended::of_event(event.kind.name(), &event.properties, address, event.occurred_at)?;
            Some((event.lead_id?, ended))
        }
        _ => None,
    });
    ended.collect()
}
