//! The statements that a process sends to its database: recorded for tests that count them and look at their plans.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};

/// What is recorded where a transaction or snapshot begins.
pub const BEGIN: &str = "BEGIN";

/// The statements of one [`super::Db`], on all of its connections. Nothing is recorded until somebody asks for it.
#[derive(Debug, Clone, Default)]
pub struct Statements(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_recording: AtomicBool,
    texts: Mutex<Vec<String>>,
}

impl Statements {
    /// Record from now on.
    pub fn record(&self) {
        self.0.is_recording.store(true, Ordering::Relaxed);
    }

    /// Stop, and return the texts since [`Statements::record`], in the order in which they were answered; [`BEGIN`] stands for
    /// the beginning of a transaction, which a rollback or commit ends.
    pub fn recorded(&self) -> Vec<String> {
        self.0.is_recording.store(false, Ordering::Relaxed);
        std::mem::take(&mut self.0.texts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Note a statement.
    pub(super) fn note(&self, text: &str) {
        if self.0.is_recording.load(Ordering::Relaxed) {
            let mut texts = self.0.texts.lock().unwrap_or_else(PoisonError::into_inner);
            texts.push(text.to_owned());
        }
    }

    /// Connections whose statements are noted.
    pub(super) async fn connect(&self, options: ConnectOptions) -> Result<DatabaseConnection, DbErr> {
        let mut connection = Database::connect(options).await?;
        let statements = self.clone();
        connection.set_metric_callback(move |info| statements.note(&info.statement.sql));
        Ok(connection)
    }
}
