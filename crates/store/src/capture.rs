//! Forms, their keys, and submissions.

use std::collections::HashMap;

use crate::rows;
use crate::write::Rows;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::capture::CaptureChange;
use tandem_domain::capture::{Earlier, Form, FormKey, Submission, SubmissionStatus, Twins};
use tandem_domain::id::{FormId, Id, SubmissionId};
use tandem_domain::instant::Timestamp;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::page::{Keyset, Page};
use crate::rows::{form_keys, forms, submission_repeats, submissions};

/// A form.
pub async fn form(on: &impl Read, id: FormId) -> Result<Form, StoreError> {
    forms::Entity::find_by_id(id.uuid())
        .one(on.conn())
        .await?
        .ok_or(StoreError::NotFound)?
        .into_domain()
}

/// A form that is about to be changed: locked until the end of the transaction.
pub async fn form_for_update(tx: &Tx, id: FormId) -> Result<Form, StoreError> {
    let query = forms::Entity::find_by_id(id.uuid()).lock_exclusive();
    query
        .one(tx.conn())
        .await?
        .ok_or(StoreError::NotFound)?
        .into_domain()
}

/// The keys of a form, the newest first.
pub async fn keys(on: &impl Read, form_id: FormId) -> Result<Vec<FormKey>, StoreError> {
    let rows = form_keys::Entity::find()
        .filter(form_keys::Column::FormId.eq(form_id.uuid()))
        .order_by_desc(form_keys::Column::Id)
        .all(on.conn())
        .await?;
    Ok(rows.into_iter().map(|row| row.into_domain()).collect())
}

/// The newest key of each of these forms.
pub async fn keys_of(on: &impl Read, forms: &[FormId]) -> Result<Vec<FormKey>, StoreError> {
    let rows = form_keys::Entity::find()
        .filter(form_keys::Column::FormId.is_in(forms.iter().map(|id| id.uuid())))
        .order_by_desc(form_keys::Column::Id)
        .all(on.conn())
        .await?;
    Ok(rows.into_iter().map(|row| row.into_domain()).collect())
}

/// The form that a publishable key belongs to.
pub async fn find_by_key(on: &impl Read, key: &str) -> Result<Option<(FormKey, Form)>, StoreError> {
    let Some(key) = form_keys::Entity::find()
        .filter(form_keys::Column::Key.eq(key))
        .one(on.conn())
        .await?
    else {
        return Ok(None);
    };
    let key = key.into_domain();
    let form = form(on, key.form_id).await?;
    Ok(Some((key, form)))
}

/// A page of forms, in the order of their ids.
pub async fn list(on: &impl Read, after: Option<FormId>, limit: u64) -> Result<Page<Form>, StoreError> {
    let query = forms::Entity::find();
    Keyset::by_id(forms::Column::Id)
        .read(on, query, after, limit, |row| row.into_domain())
        .await
}

/// A submission, also by the id of one that repeated it.
pub async fn submission(on: &impl Read, id: SubmissionId) -> Result<Submission, StoreError> {
    if let Some(found) = submissions::Entity::find_by_id(id.uuid()).one(on.conn()).await? {
        return found.into_domain();
    }
    let repeated = submission_repeats::Entity::find_by_id(id.uuid())
        .one(on.conn())
        .await?
        .ok_or(StoreError::NotFound)?;
    submissions::Entity::find_by_id(repeated.submission_id)
        .one(on.conn())
        .await?
        .ok_or(StoreError::NotFound)?
        .into_domain()
}

/// A submission that is about to be run again: locked until the end of the transaction.
pub async fn submission_for_update(tx: &Tx, id: SubmissionId) -> Result<Submission, StoreError> {
    let query = submissions::Entity::find_by_id(id.uuid()).lock_exclusive();
    query
        .one(tx.conn())
        .await?
        .ok_or(StoreError::NotFound)?
        .into_domain()
}

/// What became of those of these submissions that are there.
pub async fn known(
    on: &impl Read,
    ids: impl IntoIterator<Item = SubmissionId>,
) -> Result<HashMap<SubmissionId, SubmissionStatus>, StoreError> {
    let ids = dialect::id_in(
        on.conn().get_database_backend(),
        "id",
        ids.into_iter().map(|id| id.uuid()),
    );
    let found: Vec<(Uuid, String)> = submissions::Entity::find()
        .select_only()
        .columns([submissions::Column::Id, submissions::Column::Status])
        .filter(ids)
        .into_tuple()
        .all(on.conn())
        .await?;
    let known = |(id, status): (Uuid, String)| Ok((Id::from_uuid(id), status_of(&status)?));
    found.into_iter().map(known).collect()
}

/// What identical submissions share, then id, status, lead and arrival of one.
type TwinRow = (Option<Uuid>, Uuid, String, Option<Uuid>, i64);

/// The submissions of the last minutes that are stored under any of these values; see
/// [`tandem_domain::capture::Sameness`].
pub async fn twins(on: &impl Read, keys: impl IntoIterator<Item = Uuid>) -> Result<Twins, StoreError> {
    let mut keys = keys.into_iter().peekable();
    let mut twins = Twins::default();
    if keys.peek().is_none() {
        return Ok(twins);
    }
    let backend = on.conn().get_database_backend();
    let found: Vec<TwinRow> = submissions::Entity::find()
        .select_only()
        .columns([
            submissions::Column::Twin,
            submissions::Column::Id,
            submissions::Column::Status,
            submissions::Column::LeadId,
            submissions::Column::ReceivedAt,
        ])
        .filter(dialect::id_in(backend, "twin", keys))
        .into_tuple()
        .all(on.conn())
        .await?;
    for (twin, id, status, lead_id, received_at) in found {
        let earlier = Earlier {
            id: Id::from_uuid(id),
            status: status_of(&status)?,
            lead_id: lead_id.map(Id::from_uuid),
            received_at: Timestamp::from_millis(received_at),
        };
        twins.note(twin.ok_or(StoreError::Corrupt("submissions"))?, earlier);
    }
    Ok(twins)
}

fn status_of(name: &str) -> Result<SubmissionStatus, StoreError> {
    SubmissionStatus::named(name).ok_or(StoreError::Corrupt("submissions"))
}

/// A page of submissions, the newest first.
pub async fn submissions(
    on: &impl Read,
    form_id: Option<FormId>,
    status: Option<SubmissionStatus>,
    after: Option<SubmissionId>,
    limit: u64,
) -> Result<Page<Submission>, StoreError> {
    let mut query = submissions::Entity::find();
    if let Some(form_id) = form_id {
        query = query.filter(submissions::Column::FormId.eq(form_id.uuid()));
    }
    if let Some(status) = status {
        query = query.filter(submissions::Column::Status.eq(status.name()));
    }
    Keyset::newest_first(submissions::Column::Id)
        .read(on, query, after, limit, |row| row.into_domain())
        .await
}

impl Rows {
    pub(crate) fn add_capture(&mut self, change: &CaptureChange) {
        match change {
            CaptureChange::Received(submission) => {
                self.submissions
                    .insert(submission.id.uuid(), rows::submissions::Model::of(submission));
            }
            CaptureChange::Replayed(submission) => {
                self.replayed
                    .insert(submission.id.uuid(), rows::submissions::Model::of(submission));
            }
            CaptureChange::Repeated { id, submission_id } => {
                self.repeats.push(rows::submission_repeats::Model {
                    id: id.uuid(),
                    submission_id: submission_id.uuid(),
                });
            }
            CaptureChange::KeyWritten(key) => self.records.put(rows::form_keys::Model::of(key)),
        }
    }
}
