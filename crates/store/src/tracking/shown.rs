//! What follows from the touches of leads: those that a lead shows, and where its cycles say that it came from.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::{Value, json};
use tandem_domain::campaigns::alias_key;
use tandem_domain::id::LeadId;
use tandem_domain::leads::Touch;
use uuid::Uuid;

use crate::db::{Conn, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::rows::{cycles, from_json, to_json};

/// Derive again what leads show of their touches and what their cycles began with, of those in `leads`, whose touches or bounds
/// of cycles changed; and let leads show when they were active. Only what comes out otherwise is written.
pub(crate) async fn show(
    tx: &Tx,
    leads: &BTreeSet<LeadId>,
    mut active: BTreeMap<Uuid, i64>,
) -> Result<(), StoreError> {
    let backend = tx.conn().get_database_backend();
    let ids: Vec<Uuid> = leads.iter().map(|id| id.uuid()).collect();
    let (mut shown, mut begun) = (BTreeMap::new(), vec![]);
    let rows = match ids.is_empty() {
        true => vec![],
        false => {
            let statement = dialect::touches_of_cycles(backend, to_json(&ids));
            tx.conn().query_all_raw(statement).await?
        }
    };
    for row in rows {
        let text = |name: &str| row.try_get::<Option<String>>("", name);
        let touch = |text: Option<String>| -> Result<Option<Touch>, StoreError> {
            text.map(|text| from_json("touches", &text)).transpose()
        };
        let mut cycle = cycles::Model::from_query_result(&row, "")?.into_domain();
        let first = touch(text("new_first")?)?;
        let known = cycle.dimensions.clone();
        cycle.begin_with(first.as_ref(), touch(text("returned")?)?.as_ref());
        if cycle.dimensions != known {
            let origin = &cycle.dimensions;
            begun.push(json!({
                "id": cycle.id.uuid(), "channel": origin.channel, "source": origin.source, "campaign": origin.campaign,
                "campaign_key": origin.campaign.as_deref().map(alias_key), "content": origin.content,
            }));
        }
        let (mut is_news, mut columns) = (false, json!({"id": cycle.lead_id.uuid()}));
        for (name, old, new) in [
            ("first_touch", "old_first", "new_first"),
            ("last_touch", "old_last", "new_last"),
            ("last_non_direct_touch", "old_not_direct", "new_not_direct"),
            ("lead_touch", "old_lead", "new_lead"),
        ] {
            let new = text(new)?;
            is_news |= text(old)? != new;
            columns[name] = json!(new);
        }
        if is_news {
            let first = first.unwrap_or_default();
            columns["channel"] = json!(first.channel);
            columns["source"] = json!(first.source);
            columns["shows"] = json!(true);
            // A row for each cycle says the same of the lead.
            shown.insert(cycle.lead_id.uuid(), columns);
        }
    }
    for (id, columns) in &mut shown {
        columns["active_at"] = json!(active.remove(id));
    }
    let only_active = active.into_iter();
    let only_active = only_active.map(|(id, at)| json!({"id": id, "shows": false, "active_at": at}));
    let shown: Vec<Value> = shown.into_values().chain(only_active).collect();
    execute(tx, dialect::show_touches, &shown).await?;
    execute(tx, dialect::begin_cycles, &begun).await
}

async fn execute(
    tx: &Tx,
    statement: fn(sea_orm::DbBackend, String) -> sea_orm::Statement,
    rows: &[Value],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let statement = statement(tx.conn().get_database_backend(), to_json(&rows));
    tx.conn().execute_raw(statement).await?;
    Ok(())
}
