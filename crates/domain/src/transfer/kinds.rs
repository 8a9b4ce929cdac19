//! What a file is, what its rows are, and how far it has come.

use crate::access::Scope;
use crate::words::words;

words! {
    /// Which kind of record each row of a file describes.
    ImportKind {
        /// Leads.
        Leads = "leads",
        /// Companies.
        Companies = "companies",
        /// Users of Tandem.
        Users = "users",
        /// Moves of leads from stage to stage.
        StageChanges = "stage_changes",
        /// Deals, open or closed.
        Deals = "deals",
        /// Invoices, renewals and refunds of customers.
        Revenue = "revenue",
    }

    /// Whether the rows of an import count as happening now, or as the past.
    ImportMode {
        /// Each row counts as happening now, as if sent to the API: rules apply.
        Live = "live",
        /// Each row reports the past, with its own dates: no rule applies.
        History = "history",
    }

    /// The format of an imported file.
    FileFormat {
        /// Comma-separated values with a header, by whatever delimiter.
        Csv = "csv",
        /// One JSON object a line.
        Ndjson = "ndjson",
    }

    /// How far an import is: `queued`, `running`, then `done` or `failed`.
    ImportState {
        /// Waits for its turn.
        Queued = "queued",
        /// Is being read.
        Running = "running",
        /// Was read to its end.
        Done = "done",
        /// Was ended before: by what is wrong with the file, or by hand.
        Failed = "failed",
    }
}

impl ImportKind {
    /// Whether rows of this kind can count as happening now: moves and deals of the past can only be history.
    pub const fn can_be_live(self) -> bool {
        !matches!(self, ImportKind::StageChanges | ImportKind::Deals)
    }

    /// The mode of an import that names none.
    pub const fn usual_mode(self) -> ImportMode {
        match self.can_be_live() {
            true => ImportMode::Live,
            false => ImportMode::History,
        }
    }

    /// The scopes by which such records are written one by one. Deals bring their companies, and move their leads.
    pub const fn written_by(self) -> &'static [Scope] {
        match self {
            ImportKind::Leads | ImportKind::Companies | ImportKind::StageChanges => &[Scope::LeadsWrite],
            ImportKind::Users => &[Scope::UsersManage],
            ImportKind::Deals => &[Scope::DealsWrite, Scope::LeadsWrite],
            ImportKind::Revenue => &[Scope::DealsWrite],
        }
    }

    /// The scope by which such records are read, and so the rows of files that hold them.
    pub const fn read_by(self) -> Scope {
        match self {
            ImportKind::Leads | ImportKind::Companies | ImportKind::StageChanges => Scope::LeadsRead,
            ImportKind::Users => Scope::UsersRead,
            ImportKind::Deals | ImportKind::Revenue => Scope::DealsRead,
        }
    }
}
