//! What leads show of their touches: the first, the last, the last that was not direct, the one they became known at.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tandem_domain::id::LeadId;
use tandem_domain::leads::Touch;
use uuid::Uuid;

use crate::db::{Conn, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::rows::{from_json, to_json};

/// Let leads show what follows from events, in one statement: their touches as they are now, of those in `leads`, and when
/// they were active. Those that were created in this transaction begin their cycle with their touches.
pub(crate) async fn show(
    tx: &Tx,
    leads: &BTreeSet<LeadId>,
    fresh: &BTreeSet<LeadId>,
    mut active: BTreeMap<Uuid, i64>,
) -> Result<(), StoreError> {
    let backend = tx.conn().get_database_backend();
    let ids: Vec<Uuid> = leads.iter().map(|id| id.uuid()).collect();
    let (mut shown, mut begun) = (vec![], vec![]);
    let rows = match ids.is_empty() {
        true => vec![],
        false => {
            let statement = dialect::touches_to_show(backend, to_json(&ids));
            tx.conn().query_all_raw(statement).await?
        }
    };
    for row in rows {
        let text = |name: &str| row.try_get::<Option<String>>("", name);
        let id: Uuid = row.try_get("", "id")?;
        let first = text("new_first")?;
        let lead = text("new_lead")?.or_else(|| first.clone());
        let (last, not_direct) = (text("new_last")?, text("new_not_direct")?);
        let before = [
            text("old_first")?,
            text("old_last")?,
            text("old_not_direct")?,
            text("old_lead")?,
        ];
        if before == [first.clone(), last.clone(), not_direct.clone(), lead.clone()] {
            continue;
        }
        let origin: Touch = match &first {
            Some(text) => from_json("touches", text)?,
            None => Touch::default(),
        };
        let described = json!({
            "id": id, "channel": origin.channel, "source": origin.source, "campaign": origin.campaign,
        });
        if fresh.iter().any(|lead| lead.uuid() == id) {
            begun.push(described.clone());
        }
        let mut row = described;
        for (name, text) in [
            ("first_touch", first),
            ("last_touch", last),
            ("last_non_direct_touch", not_direct),
            ("lead_touch", lead),
        ] {
            row[name] = json!(text);
        }
        row["shows"] = json!(true);
        row["active_at"] = json!(active.remove(&id));
        shown.push(row);
    }
    let only_active = active.into_iter();
    shown.extend(only_active.map(|(id, at)| json!({"id": id, "shows": false, "active_at": at})));
    execute(tx, dialect::show_touches, &shown).await?;
    execute(tx, dialect::describe_first_cycles, &begun).await
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
