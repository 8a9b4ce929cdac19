//! Forms, their keys, and submissions.

use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::capture::{Form, FormKey, Submission, SubmissionStatus};
use tandem_domain::id::{FormId, SubmissionId};

use crate::db::{Conn, Read, Tx};
use crate::error::StoreError;
use crate::leads::Page;
use crate::rows::{form_keys, forms, submissions};

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
    let mut query = forms::Entity::find_by_id(id.uuid());
    if tx.conn().get_database_backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
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
    let mut query = forms::Entity::find();
    if let Some(after) = after {
        query = query.filter(forms::Column::Id.gt(after.uuid()));
    }
    let rows = query
        .order_by_asc(forms::Column::Id)
        .limit(limit + 1)
        .all(on.conn())
        .await?;
    let forms: Result<Vec<Form>, StoreError> = rows.into_iter().map(|row| row.into_domain()).collect();
    Ok(Page::of(forms?, limit))
}

/// A submission.
pub async fn submission(on: &impl Read, id: SubmissionId) -> Result<Submission, StoreError> {
    submissions::Entity::find_by_id(id.uuid())
        .one(on.conn())
        .await?
        .ok_or(StoreError::NotFound)?
        .into_domain()
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
    if let Some(after) = after {
        query = query.filter(submissions::Column::Id.lt(after.uuid()));
    }
    let rows = query
        .order_by_desc(submissions::Column::Id)
        .limit(limit + 1)
        .all(on.conn())
        .await?;
    let found: Result<Vec<Submission>, StoreError> = rows.into_iter().map(|row| row.into_domain()).collect();
    Ok(Page::of(found?, limit))
}
