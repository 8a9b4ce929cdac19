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

/// A file that is imported.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Import)]
pub struct ImportView {
    /// Its id.
    id: ImportId,
    /// What its rows are.
    kind: ImportKind,
    /// What they mean.
    mode: ImportMode,
    /// Whether nothing is written.
    dry_run: bool,
    /// How far it is.
    state: ImportState,
    /// How the file is written.
    format: Option<FileFormat>,
    /// Its encoding.
    #[schema(max_length = 64, example = "UTF-8")]
    encoding: Option<String>,
    /// What separates its values.
    #[schema(max_length = 1, example = ";")]
    delimiter: Option<String>,
    /// The bytes of the file as it came.
    #[schema(minimum = 0)]
    bytes: i64,
    /// Its columns, once it was read through.
    #[schema(max_items = 1000)]
    columns: Vec<String>,
    /// The columns that nothing is taken from.
    #[schema(max_items = 1000)]
    unused_columns: Vec<String>,
    /// The mapping that counts: as it was given, else by the names of the columns, on a dry run also by their likeness.
    mapping: Option<Mapping>,
    /// How far the rows are, and what became of them.
    progress: ProgressView,
    /// Why it ended before its end.
    failure: Option<Failure>,
    /// Who asked for it.
    created_by: AskerView,
    /// When it was asked for.
    created_at: Timestamp,
    /// When its first row was read.
    started_at: Option<Timestamp>,
    /// When it ended.
    ended_at: Option<Timestamp>,
}

/// How far the rows are, and what became of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportProgress)]
struct ProgressView {
    /// All rows of the file, once it was read through.
    #[schema(minimum = 0)]
    rows: Option<i64>,
    /// Rows that were dealt with.
    #[schema(minimum = 0)]
    rows_read: i64,
    /// Rows that made a record.
    #[schema(minimum = 0)]
    created: i64,
    /// Rows that changed one.
    #[schema(minimum = 0)]
    updated: i64,
    /// Rows that said nothing new.
    #[schema(minimum = 0)]
    unchanged: i64,
    /// Rows that were refused: `GET /v1/imports/{import_id}/rejects`.
    #[schema(minimum = 0)]
    rejected: i64,
    /// Rows that were taken, and that somebody should look at: `GET /v1/imports/{import_id}/warnings`.
    #[schema(minimum = 0)]
    warnings: i64,
    /// Rows per second.
    #[schema(minimum = 0)]
    rate: Option<f64>,
    /// When the last row will be read, at this rate.
    eta: Option<Timestamp>,
}

/// Who asked for an import.
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
