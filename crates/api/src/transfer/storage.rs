//! Storing an uploaded file piece by piece in the database, so that any process can import it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256};
use tandem_domain::access::Actor;
use tandem_domain::id::ImportId;
use tandem_domain::instant::Timestamp;
use tandem_domain::transfer::mapping::Mapping;
use tandem_domain::transfer::{ACTOR, FileFacts, Import, ImportKind, ImportMode, ImportState, Progress};
use tandem_store::{Db, StoreError, transfer};

use crate::ambient::Ambient;
use crate::edge::crypto::hex;

/// The bytes of a piece.
const PIECE: usize = 1024 * 1024;

/// What is asked for with a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportRequest {
    /// The kind of its rows.
    pub kind: ImportKind,
    /// Whether rows count as happening now, with all rules (`live`), or as the past, with their own dates and without
    /// rules (`history`).
    pub mode: ImportMode,
    /// Whether nothing is to be written.
    pub is_dry_run: bool,
    /// Which columns are which fields.
    pub mapping: Option<Mapping>,
    /// The description of the file.
    pub file: FileFacts,
}

/// An uploaded file, stored in pieces as it arrives.
pub struct FileWriter<'a> {
    db: &'a Db,
    ambient: &'a Ambient,
    id: ImportId,
    waiting: Vec<u8>,
    number: i64,
    bytes: i64,
    hash: Context,
}

/// A file that has come in whole.
pub struct StoredFile {
    /// The import that it is for.
    pub id: ImportId,
    /// Its SHA-256.
    pub hash: [u8; 32],
    chunks: i64,
    bytes: i64,
}

impl<'a> FileWriter<'a> {
    /// A file for an import that is still to be made.
    pub fn new(db: &'a Db, ambient: &'a Ambient, id: ImportId) -> Self {
        Self {
            db,
            ambient,
            id,
            waiting: vec![],
            number: 0,
            bytes: 0,
            hash: Context::new(&SHA256),
        }
    }

    /// How many bytes have come.
    pub fn bytes(&self) -> i64 {
        self.bytes
    }

    /// Append bytes of the file as they arrive.
    pub async fn push(&mut self, mut bytes: &[u8]) -> Result<(), StoreError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as i64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            bytes = later;
            if self.waiting.len() == PIECE {
                self.keep().await?;
            }
        }
        Ok(())
    }

    async fn keep(&mut self) -> Result<(), StoreError> {
        let tx = self.db.begin(self.ambient.act(ACTOR)).await?;
        transfer::add_chunk(&tx, self.id, self.number, STANDARD.encode(&self.waiting)).await?;
        tx.commit().await?;
        self.number += 1;
        self.waiting.clear();
        Ok(())
    }

    /// That was all of it.
    pub async fn finish(mut self) -> Result<StoredFile, StoreError> {
        if !self.waiting.is_empty() {
            self.keep().await?;
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(self.hash.finish().as_ref());
        Ok(StoredFile {
            id: self.id,
            hash,
            chunks: self.number,
            bytes: self.bytes,
        })
    }
}

/// What identifies the same file with the same mapping.
pub fn digest(hash: &[u8; 32], asked: &ImportRequest) -> String {
    let told = serde_json::json!([
        asked.kind,
        asked.mode,
        asked.is_dry_run,
        asked.mapping,
        asked.file
    ]);
    let told = [&hash[..], told.to_string().as_bytes()].concat();
    hex(&crate::edge::crypto::sha256(&told))
}

impl StoredFile {
    /// The import of this file.
    pub fn import(&self, asked: ImportRequest, actor: &Actor, now: Timestamp) -> Import {
        Import {
            id: self.id,
            kind: asked.kind,
            mode: asked.mode,
            is_dry_run: asked.is_dry_run,
            state: ImportState::Queued,
            digest: digest(&self.hash, &asked),
            mapping: asked.mapping,
            file: asked.file,
            progress: Progress::default(),
            failure: None,
            actor_kind: actor.kind(),
            actor_id: actor.id(),
            on_behalf_of: actor.on_behalf_of(),
            chunks: self.chunks,
            bytes: self.bytes,
            created_at: now,
            started_at: None,
            ended_at: None,
        }
    }
}
