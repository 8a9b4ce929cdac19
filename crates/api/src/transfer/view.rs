//! An import on the wire.

use std::collections::BTreeSet;

use serde::Serialize;
use tandem_domain::access::ActorKind;
use tandem_domain::id::ImportId;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::custom::CustomField;
use tandem_domain::transfer::mapping::Mapping;
use tandem_domain::transfer::{Failure, FileFormat, Import, ImportKind, ImportMode, ImportState};
use utoipa::ToSchema;

use super::run::effective;

/// An import of a file, with its mode, state and progress.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Import)]
pub struct ImportView {
    /// Its id.
    id: ImportId,
    /// The kind of its rows.
    kind: ImportKind,
    /// Whether rows count as happening now, with all rules (`live`), or as the past, with their own dates and without
    /// rules (`history`).
    mode: ImportMode,
    /// Whether it is a dry run, which writes nothing.
    dry_run: bool,
    /// The state of the import.
    state: ImportState,
    /// The format of the file.
    format: Option<FileFormat>,
    /// Its encoding.
    #[schema(max_length = 64, example = "UTF-8")]
    encoding: Option<String>,
    /// The delimiter.
    #[schema(max_length = 1, example = ";")]
    delimiter: Option<String>,
    /// The size of the uploaded file in bytes.
    #[schema(minimum = 0)]
    bytes: i64,
    /// Its columns, once the file has been read completely.
    #[schema(max_items = 1000)]
    columns: Vec<String>,
    /// The columns that the mapping does not use.
    #[schema(max_items = 1000)]
    unused_columns: Vec<String>,
    /// The mapping in use: the given one, else by the names of the columns; on a dry run also by similar names.
    mapping: Option<Mapping>,
    /// The numbers of rows, by result.
    progress: ProgressView,
    /// Why the import failed.
    failure: Option<Failure>,
    /// The user or key that requested it; `import` on the command line.
    created_by: AskerView,
    /// When the import was requested.
    created_at: Timestamp,
    /// When the first row was imported.
    started_at: Option<Timestamp>,
    /// When it ended.
    ended_at: Option<Timestamp>,
}

/// The numbers of rows, by result.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportProgress)]
struct ProgressView {
    /// The number of rows of the file, once it has been read completely.
    #[schema(minimum = 0)]
    rows: Option<i64>,
    /// Processed rows.
    #[schema(minimum = 0)]
    rows_read: i64,
    /// Rows that created a record.
    #[schema(minimum = 0)]
    created: i64,
    /// Rows that updated a record.
    #[schema(minimum = 0)]
    updated: i64,
    /// Rows that changed nothing.
    #[schema(minimum = 0)]
    unchanged: i64,
    /// Rejected rows: see `GET /v1/imports/{import_id}/rejects`.
    #[schema(minimum = 0)]
    rejected: i64,
    /// Imported rows with a warning: see `GET /v1/imports/{import_id}/warnings`.
    #[schema(minimum = 0)]
    warnings: i64,
    /// Rows per second.
    #[schema(minimum = 0)]
    rate: Option<f64>,
    /// The estimated end, at the present rate.
    eta: Option<Timestamp>,
}

/// Who requested an import.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportAsker)]
struct AskerView {
    /// The kind of actor.
    r#type: ActorKind,
    /// Its id; `import` on the command line.
    #[schema(max_length = 64, example = "user_01h455vb4pex5vsknk084sn02q")]
    id: String,
}

impl ImportView {
    /// The view of an import at an instant.
    pub fn of(import: Import, custom: &[CustomField], now: Timestamp) -> Self {
        let is_known = import.file.rows.is_some();
        let mapping = match &import.mapping {
            Some(mapping) => Some(mapping.clone()),
            None => is_known.then(|| effective(&import, custom)),
        };
        let used: BTreeSet<&str> = mapping.iter().flat_map(Mapping::columns).collect();
        let unused = import
            .file
            .columns
            .iter()
            .filter(|name| is_known && !used.contains(name.as_str()));
        let told = import.progress;
        Self {
            id: import.id,
            kind: import.kind,
            mode: import.mode,
            dry_run: import.is_dry_run,
            state: import.state,
            format: import.file.format,
            encoding: import.file.encoding.clone(),
            delimiter: import.file.delimiter.map(String::from),
            bytes: import.bytes,
            unused_columns: unused.cloned().collect(),
            columns: import.file.columns.clone(),
            progress: ProgressView {
                rows: import.file.rows,
                rows_read: told.rows_read,
                created: told.created,
                updated: told.updated,
                unchanged: told.unchanged,
                rejected: told.rejected,
                warnings: told.warnings,
                rate: import.rate(now),
                eta: import.eta(now),
            },
            mapping,
            failure: import.failure,
            created_by: AskerView {
                r#type: import.actor_kind,
                id: import.actor_id,
            },
            created_at: import.created_at,
            started_at: import.started_at,
            ended_at: import.ended_at,
        }
    }
}
