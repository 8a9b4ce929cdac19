//! Imports: the description of a file, how its columns become values, and what history does to a lead.

pub mod change;
mod course;
pub mod deals;
pub mod history;
mod kinds;
pub mod mapping;
pub mod past;
pub mod values;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::access::{ActorKind, Scope};
use crate::id::{ImportId, UserId};
use crate::instant::Timestamp;
use crate::journal::{Facts, facts};
use crate::record::{Counted, Plain, RecordChange};
pub use kinds::{FileFormat, ImportKind, ImportMode, ImportState};
use mapping::Mapping;

/// The name under which an import acts: what it says about fields is a statement of source `import`.
pub const ACTOR: &str = "import";

/// What is known about the file as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Its format; detected if absent.
    pub format: Option<FileFormat>,
    /// The name of its encoding, as in the WHATWG encoding standard; detected if absent.
    pub encoding: Option<String>,
    /// What separates the values of a CSV; detected if absent.
    pub delimiter: Option<char>,
    /// The names of its columns.
    pub columns: Vec<String>,
    /// How many rows it has, once it was read through.
    pub rows: Option<i64>,
}

/// The numbers of rows, by result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Processed rows.
    pub rows_read: i64,
    /// Rows that created a record.
    pub created: i64,
    /// Rows that updated a record.
    pub updated: i64,
    /// Rows that changed nothing.
    pub unchanged: i64,
    /// Rows that were refused.
    pub rejected: i64,
    /// Rows that were taken, and that somebody should look at.
    pub warnings: i64,
}

/// Why an import failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The error, as a code for programs.
    #[schema(max_length = 64, pattern = "^[a-z0-9_]+$", example = "quoted_lines")]
    pub code: String,
    /// The error, as a sentence for people.
    #[schema(max_length = 1000)]
    pub detail: String,
}

impl Failure {
    /// A failure.
    pub fn new(code: &'static str, detail: impl ToString) -> Self {
        Self {
            code: code.to_owned(),
            detail: detail.to_string(),
        }
    }
}

/// One file that is imported.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// Its id.
    pub id: ImportId,
    /// The kind of its rows.
    pub kind: ImportKind,
    /// What its rows mean.
    pub mode: ImportMode,
    /// Whether it is a dry run, which writes nothing.
    pub is_dry_run: bool,
    /// The state of the import.
    pub state: ImportState,
    /// The caller's mapping of columns to fields; absent: by their names.
    pub mapping: Option<Mapping>,
    /// What is known about the file.
    pub file: FileFacts,
    /// How far the rows are.
    pub progress: Progress,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Who asked for it, by kind.
    pub actor_kind: ActorKind,
    /// Who, by id.
    pub actor_id: String,
    /// The user in whose name a key asked for it.
    pub on_behalf_of: Option<UserId>,
    /// What identifies the same file with the same mapping.
    pub digest: String,
    /// In how many pieces the file is stored until the end.
    pub chunks: i64,
    /// The size of the uploaded file in bytes.
    pub bytes: i64,
    /// When the import was requested.
    pub created_at: Timestamp,
    /// When the first row was imported.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Import {
    /// Whether there is nothing more to come.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, ImportState::Done | ImportState::Failed)
    }

    /// Rows per second since the first one; `None` before the clock has moved.
    pub fn rate(&self, now: Timestamp) -> Option<f64> {
        let millis = self.ended_at.unwrap_or(now).millis() - self.started_at?.millis();
        (millis > 0).then(|| self.progress.rows_read as f64 * 1000.0 / millis as f64)
    }

    /// The estimated end, at the present rate.
    pub fn eta(&self, now: Timestamp) -> Option<Timestamp> {
        let rate = self.rate(now).filter(|rate| *rate > 0.0)?;
        let left = self.file.rows? - self.progress.rows_read;
        (self.state == ImportState::Running)
            .then(|| now.plus_millis((left.max(0) as f64 / rate * 1000.0) as i64))
    }

    /// End it, well or badly.
    pub fn end(&mut self, failure: Option<Failure>, now: Timestamp) -> RecordChange<Self> {
        self.state = if failure.is_some() {
            ImportState::Failed
        } else {
            ImportState::Done
        };
        self.failure = failure;
        self.ended_at = Some(now);
        let done = self.progress;
        let data = [
            ("state", json!(self.state)),
            ("rows_read", json!(done.rows_read)),
            ("created", json!(done.created)),
            ("updated", json!(done.updated)),
            ("rejected", json!(done.rejected)),
            ("warnings", json!(done.warnings)),
            ("code", json!(self.failure.as_ref().map(|one| &one.code))),
        ];
        self.other(
            "ended",
            data.map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect(),
        )
    }
}

impl Counted for Import {
    fn id(&self) -> String {
        self.id.to_string()
    }

    /// It is created and it ends; what happens between is no command.
    fn version(&self) -> i64 {
        if self.has_ended() { 2 } else { 1 }
    }

    fn count(&mut self, _now: Timestamp) {}
}

impl Plain for Import {
    const NOUN: &'static str = "import";
    const READ: Scope = Scope::ImportsWrite;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("import.created", "A file was uploaded to be imported."),
        ("import.ended", "An import ended or failed."),
    ];

    fn facts(&self) -> Facts {
        facts(json!({
            "kind": self.kind,
            "mode": self.mode,
            "dry_run": self.is_dry_run,
        }))
    }
}

#[cfg(test)]
mod orders;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for kind in ImportKind::ALL {
            assert_eq!(ImportKind::named(kind.name()), Some(*kind));
        }
        for state in ImportState::ALL {
            assert_eq!(ImportState::named(state.name()), Some(*state));
        }
        assert_eq!(ImportMode::named("histroy"), None);
        assert_eq!(FileFormat::named("ndjson"), Some(FileFormat::Ndjson));
    }
}
