//! The journal entries of what happened, each with the act that it follows of.

use std::collections::BTreeSet;

use sea_orm::DbBackend;
use tandem_domain::act::Act;
use tandem_domain::change::Change;
use tandem_domain::id::{EntryId, Id};

use super::statements::Write;
use crate::dialect::{self, OnConflict};
use crate::rows::{self, to_json};

/// One statement for the entries, which draws their places in line, and one for what they hold of values.
pub(super) fn writes(backend: DbBackend, parts: &[(&Act, Vec<Change>)]) -> Vec<Write> {
    let (mut entries, mut values) = (vec![], vec![]);
    for (act, changes) in parts {
        for entry in changes.iter().filter_map(Change::entry) {
            let id: EntryId = act.ids.next();
            let names: BTreeSet<&String> = entry
                .before
                .iter()
                .chain(&entry.after)
                .flat_map(|facts| facts.keys())
                .collect();
            let lead_id = entry.lead_id.map(Id::uuid);
            entries.push(rows::journal::Model {
                id: id.uuid(),
                epoch: 0,
                xid: 0,
                seq: 0,
                kind: entry.kind.into_owned(),
                subject_kind: entry.subject.kind.to_owned(),
                subject_id: entry.subject.id,
                subject_version: entry.subject.version,
                lead_id,
                actor_kind: act.by.kind().name().to_owned(),
                actor_id: act.by.id(),
                on_behalf_of: act.by.on_behalf_of().map(Id::uuid),
                occurred_at: act.now.millis(),
                request_id: act.request_id.clone(),
                fields: to_json(&names),
                agreement_version: entry
                    .data
                    .get("agreement_version")
                    .and_then(serde_json::Value::as_i64),
                is_imported: act.is_history(),
            });
            values.push(rows::journal_values::Model {
                id: id.uuid(),
                lead_id,
                before_values: entry.before.as_ref().map(to_json),
                after_values: entry.after.as_ref().map(to_json),
                data: to_json(&entry.data),
            });
        }
    }
    if entries.is_empty() {
        return vec![];
    }
    let place = dialect::journal_place(backend);
    let entries = to_json(&entries);
    let values = to_json(&values);
    let entries = dialect::insert::<rows::journal::Entity>(backend, entries, OnConflict::Fail, &place);
    let values = dialect::insert::<rows::journal_values::Entity>(backend, values, OnConflict::Fail, &[]);
    vec![
        Write::Rows("journal", entries),
        Write::Rows("journal_values", values),
    ]
}
