//! Reading a stored file: its pieces come from the database, its rows are made by a thread of their own.

use std::io::{Error, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tandem_domain::id::ImportId;
use tandem_domain::transfer::{Failure, FileFacts, Import};
use tandem_store::{Db, StoreError, transfer};
use tokio::sync::mpsc;

use super::rows::{Row, Rows};

/// The most rows that one transaction takes.
pub const BATCH: usize = 500;
/// The most bytes of the rows of one transaction.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// How many pieces are read ahead.
const AHEAD: usize = 2;

/// Why a file is not read on.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// Something is wrong with it.
    #[error("{0:?}")]
    File(Failure),
    /// Its pieces could not be had.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The bytes of a file, piece by piece.
struct Pieces {
    pieces: mpsc::Receiver<Result<Vec<u8>, StoreError>>,
    piece: Vec<u8>,
    taken: usize,
    failed: mpsc::Sender<StoreError>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.taken == self.piece.len() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(Ok(piece)) => (self.piece, self.taken) = (piece, 0),
                Some(Err(error)) => {
                    let told = error.to_string();
                    let _ = self.failed.try_send(error);
                    return Err(Error::other(told));
                }
            }
        }
        let length = buffer.len().min(self.piece.len() - self.taken);
        buffer[..length].copy_from_slice(&self.piece[self.taken..self.taken + length]);
        self.taken += length;
        Ok(length)
    }
}

/// The file's bytes, fetched ahead; and where a failure of the database is reported.
fn pieces(db: &Db, import: ImportId, chunks: i64) -> (Pieces, mpsc::Receiver<StoreError>) {
    let (send, pieces) = mpsc::channel(AHEAD);
    let (failed, failure) = mpsc::channel(1);
    let db = db.clone();
    tokio::spawn(async move {
        for number in 0..chunks {
            let piece = match transfer::chunk(&db, import, number).await {
                Ok(content) => STANDARD
                    .decode(content)
                    .map_err(|_| StoreError::Corrupt("import_chunks")),
                Err(error) => Err(error),
            };
            if send.send(piece).await.is_err() {
                break;
            }
        }
    });
    let pieces = Pieces {
        pieces,
        piece: vec![],
        taken: 0,
        failed,
    };
    (pieces, failure)
}

/// Read a file through: what is wrong with it as a whole is known before its first row is taken.
pub async fn survey(db: &Db, import: &Import) -> Result<FileFacts, Broken> {
    let (pieces, mut failure) = pieces(db, import.id, import.chunks);
    let said = import.file.clone();
    let work = tokio::task::spawn_blocking(move || Rows::open(pieces, &said).and_then(Rows::survey));
    let surveyed = work.await.unwrap_or_else(|error| {
        tracing::error!(import = %import.id, %error, "a file could not be read through");
        Err(Failure::new(
            "internal",
            "an internal error; see the log for the cause",
        ))
    });
    match failure.try_recv() {
        Ok(error) => Err(Broken::Store(error)),
        Err(_) => surveyed.map_err(Broken::File),
    }
}

/// The rows of a file in batches, behind those that were dealt with.
pub struct Batches {
    batches: mpsc::Receiver<Result<Vec<Row>, Failure>>,
    failure: mpsc::Receiver<StoreError>,
}

impl Batches {
    /// Read a file that was surveyed.
    pub fn of(db: &Db, import: &Import) -> Self {
        let (pieces, failure) = pieces(db, import.id, import.chunks);
        let (send, batches) = mpsc::channel(AHEAD);
        let (said, done) = (import.file.clone(), import.progress.rows_read);
        tokio::task::spawn_blocking(move || {
            let told = read(pieces, &said, done, |batch| send.blocking_send(Ok(batch)).is_ok());
            if let Err(failure) = told {
                let _ = send.blocking_send(Err(failure));
            }
        });
        Self { batches, failure }
    }

    /// The next batch; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<Row>>, Broken> {
        let next = self.batches.recv().await;
        if let Ok(error) = self.failure.try_recv() {
            return Err(Broken::Store(error));
        }
        next.transpose().map_err(Broken::File)
    }
}

fn read(
    pieces: Pieces,
    said: &FileFacts,
    done: i64,
    mut send: impl FnMut(Vec<Row>) -> bool,
) -> Result<(), Failure> {
    let mut rows = Rows::open(pieces, said)?;
    let (mut batch, mut bytes) = (vec![], 0);
    while let Some(row) = rows.next()? {
        if row.number <= done {
            continue;
        }
        bytes += row.cells.iter().map(String::len).sum::<usize>();
        batch.push(row);
        if batch.len() == BATCH || bytes > BATCH_BYTES {
            bytes = 0;
            if !send(std::mem::take(&mut batch)) {
                return Ok(());
            }
        }
    }
    if !batch.is_empty() {
        send(batch);
    }
    Ok(())
}
