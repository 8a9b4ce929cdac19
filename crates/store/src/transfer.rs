//! Files that are imported: the import, the pieces of its file, the rows that somebody should look at, and the past of
//! leads.

use std::collections::{BTreeSet, HashMap};

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::access::account::User;
use tandem_domain::id::{Id, ImportId, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::transfer::change::HistoryChange;
use tandem_domain::transfer::history::Pasts;
use tandem_domain::transfer::{Import, ImportKind, ImportState};

use crate::db::{Conn, Read, Tx};
use crate::dialect::{self, OnConflict};
use crate::error::StoreError;
use crate::page::{Keyset, Page};
use crate::rows::{
    cycles, deals, from_json, import_chunks, import_rejects, imports, leads, past_statements, to_json,
    transitions, users,
};
use crate::write::{self, Rows};

/// A row that was rejected, or taken with a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The row, from 1, the header not counted.
    pub row: i64,
    /// The line of the file on which it begins, from 1.
    pub line: i64,
    /// Whether it was taken all the same.
    pub is_kept: bool,
    /// What is wrong, as a word.
    pub code: String,
    /// What is wrong, for people.
    pub detail: String,
    /// The row as it came.
    pub cells: Vec<String>,
}

/// Which imports are listed.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportFilter {
    /// Of this kind.
    pub kind: Option<ImportKind>,
    /// That are here.
    pub state: Option<ImportState>,
}

/// An import.
pub async fn get(on: &impl Read, id: ImportId) -> Result<Import, StoreError> {
    let row = imports::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// An import that is about to go on or to be ended: locked until the end of the transaction.
pub async fn get_for_update(tx: &Tx, id: ImportId) -> Result<Import, StoreError> {
    let query = imports::Entity::find_by_id(id.uuid()).lock_exclusive();
    query
        .one(tx.conn())
        .await?
        .ok_or(StoreError::NotFound)?
        .into_domain()
}

/// A page of imports, the newest first.
pub async fn list(
    on: &impl Read,
    filter: ImportFilter,
    after: Option<ImportId>,
    limit: u64,
) -> Result<Page<Import>, StoreError> {
    let mut query = imports::Entity::find();
    if let Some(kind) = filter.kind {
        query = query.filter(imports::Column::Kind.eq(kind.name()));
    }
    if let Some(state) = filter.state {
        query = query.filter(imports::Column::State.eq(state.name()));
    }
    Keyset::newest_first(imports::Column::Id)
        .read(on, query, after, limit, |row| row.into_domain())
        .await
}

fn unfinished() -> Condition {
    let states = [ImportState::Queued.name(), ImportState::Running.name()];
    Condition::all().add(imports::Column::State.is_in(states))
}

/// The oldest import that has not ended.
pub async fn next(on: &impl Read) -> Result<Option<Import>, StoreError> {
    let query = imports::Entity::find()
        .filter(unfinished())
        .order_by_asc(imports::Column::Id);
    query
        .one(on.conn())
        .await?
        .map(|row| row.into_domain())
        .transpose()
}

/// When an import is due: at once where one has not ended.
pub async fn next_due(on: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    Ok(next(on).await?.map(|_| Timestamp::from_millis(0)))
}

/// The import of the same file with the same mapping that has not ended.
pub async fn unfinished_like(on: &impl Read, digest: &str) -> Result<Option<Import>, StoreError> {
    let query = imports::Entity::find()
        .filter(unfinished().add(imports::Column::Digest.eq(digest)))
        .order_by_asc(imports::Column::Id);
    query
        .one(on.conn())
        .await?
        .map(|row| row.into_domain())
        .transpose()
}

/// Keep how far an import is; no journal entry is made of it.
pub async fn keep(tx: &Tx, import: &Import) -> Result<(), StoreError> {
    let row = imports::Model::of(import);
    write::insert::<imports::Entity>(tx, [row].iter(), OnConflict::Replace).await
}

/// Keep a piece of a file: base64.
pub async fn add_chunk(tx: &Tx, import: ImportId, number: i64, content: String) -> Result<(), StoreError> {
    let row = import_chunks::Model {
        import_id: import.uuid(),
        number,
        content,
        created_at: tx.act().now.millis(),
    };
    write::insert::<import_chunks::Entity>(tx, [row].iter(), OnConflict::Fail).await
}

/// A piece of a file.
pub async fn chunk(on: &impl Read, import: ImportId, number: i64) -> Result<String, StoreError> {
    let row = import_chunks::Entity::find_by_id((import.uuid(), number))
        .one(on.conn())
        .await?;
    Ok(row.ok_or(StoreError::NotFound)?.content)
}

/// Forget up to `limit` pieces of an import's file; answers how many went.
pub async fn forget_chunks(tx: &Tx, import: ImportId, limit: i64) -> Result<u64, StoreError> {
    let numbers: Vec<i64> = import_chunks::Entity::find()
        .select_only()
        .column(import_chunks::Column::Number)
        .filter(import_chunks::Column::ImportId.eq(import.uuid()))
        .order_by_asc(import_chunks::Column::Number)
        .limit(limit as u64)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
        return Ok(0);
    };
    let gone = import_chunks::Entity::delete_many()
        .filter(import_chunks::Column::ImportId.eq(import.uuid()))
        .filter(import_chunks::Column::Number.between(*first, *last))
        .exec(tx.conn())
        .await?;
    Ok(gone.rows_affected)
}

/// The imports that have pieces from before an instant, and will never be read: they ended, or never began.
pub async fn with_stale_chunks(on: &impl Read, before: Timestamp) -> Result<Vec<ImportId>, StoreError> {
    let alive = Query::select()
        .column(imports::Column::Id)
        .from(imports::Entity)
        .cond_where(unfinished())
        .take();
    let ids: Vec<uuid::Uuid> = import_chunks::Entity::find()
        .select_only()
        .column(import_chunks::Column::ImportId)
        .distinct()
        .filter(import_chunks::Column::CreatedAt.lt(before.millis()))
        .filter(Expr::col(import_chunks::Column::ImportId).not_in_subquery(alive))
        .limit(20)
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok(ids.into_iter().map(Id::from_uuid).collect())
}

/// Note rows that somebody should look at.
pub async fn add_remarks(tx: &Tx, import: ImportId, remarks: &[Remark]) -> Result<(), StoreError> {
    let row = |remark: &Remark| import_rejects::Model {
        import_id: import.uuid(),
        is_kept: remark.is_kept,
        row: remark.row,
        line: remark.line,
        code: remark.code.clone(),
        detail: remark.detail.clone(),
        cells: to_json(&remark.cells),
    };
    let rows: Vec<_> = remarks.iter().map(row).collect();
    write::insert::<import_rejects::Entity>(tx, rows.iter(), OnConflict::Fail).await
}

/// Rows that were rejected, or taken with a warning, in their order.
pub async fn remarks(
    on: &impl Read,
    import: ImportId,
    kept: bool,
    after: i64,
    limit: u64,
) -> Result<Vec<Remark>, StoreError> {
    let rows = import_rejects::Entity::find()
        .filter(import_rejects::Column::ImportId.eq(import.uuid()))
        .filter(import_rejects::Column::IsKept.eq(kept))
        .filter(import_rejects::Column::Row.gt(after))
        .order_by_asc(import_rejects::Column::Row)
        .limit(limit)
        .all(on.conn())
        .await?;
    let remark = |row: import_rejects::Model| {
        Ok(Remark {
            row: row.row,
            line: row.line,
            is_kept: row.is_kept,
            code: row.code,
            detail: row.detail,
            cells: from_json("import_rejects", &row.cells)?,
        })
    };
    rows.into_iter().map(remark).collect()
}

/// What rows were remarked upon for, imported or rejected: how often, and the first row of each. The rarest first.
pub async fn remark_codes(
    on: &impl Read,
    import: ImportId,
    kept: bool,
) -> Result<Vec<(String, i64, i64)>, StoreError> {
    let mut codes: Vec<(String, i64, i64)> = import_rejects::Entity::find()
        .select_only()
        .column(import_rejects::Column::Code)
        .column_as(import_rejects::Column::Row.count(), "n")
        .column_as(import_rejects::Column::Row.min(), "first")
        .filter(import_rejects::Column::ImportId.eq(import.uuid()))
        .filter(import_rejects::Column::IsKept.eq(kept))
        .group_by(import_rejects::Column::Code)
        .into_tuple()
        .all(on.conn())
        .await?;
    codes.sort_by_key(|(_, count, first)| (*count, *first));
    Ok(codes)
}

/// Forget the rows that somebody should have looked at, of one import that ended before an instant and has some, at most
/// `limit`; answers how many went.
pub async fn forget_remarks(tx: &Tx, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
    let its_own = Expr::col((import_rejects::Entity, import_rejects::Column::ImportId))
        .equals((imports::Entity, imports::Column::Id));
    let remarks = Query::select()
        .column(import_rejects::Column::Row)
        .from(import_rejects::Entity)
        .and_where(its_own)
        .take();
    let import: Option<uuid::Uuid> = imports::Entity::find()
        .select_only()
        .column(imports::Column::Id)
        .filter(imports::Column::EndedAt.lt(before.millis()))
        .filter(Expr::exists(remarks))
        .order_by_asc(imports::Column::Id)
        .into_tuple()
        .one(tx.conn())
        .await?;
    let Some(import) = import else {
        return Ok(0);
    };
    // In the order of the key, so that of a million rows only these are read.
    let found: Vec<(bool, i64)> = import_rejects::Entity::find()
        .select_only()
        .columns([import_rejects::Column::IsKept, import_rejects::Column::Row])
        .filter(import_rejects::Column::ImportId.eq(import))
        .order_by_asc(import_rejects::Column::IsKept)
        .order_by_asc(import_rejects::Column::Row)
        .limit(limit)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let Some((is_kept, _)) = found.first().copied() else {
        return Ok(0);
    };
    let alike = found.iter().filter(|(kept, _)| *kept == is_kept);
    let last = alike.map(|(_, row)| *row).max();
    let gone = import_rejects::Entity::delete_many()
        .filter(import_rejects::Column::ImportId.eq(import))
        .filter(import_rejects::Column::IsKept.eq(is_kept))
        .filter(import_rejects::Column::Row.lte(last.unwrap_or_default()))
        .exec(tx.conn())
        .await?;
    Ok(gone.rows_affected)
}

/// The statements of imports about these leads, which the transaction holds, with all their stage changes and cycles.
pub async fn pasts(tx: &Tx, leads: impl IntoIterator<Item = LeadId>) -> Result<Pasts, StoreError> {
    let ids: BTreeSet<uuid::Uuid> = leads.into_iter().map(Id::uuid).collect();
    let mut pasts: Pasts = HashMap::new();
    if ids.is_empty() {
        return Ok(pasts);
    }
    let backend = tx.conn().get_database_backend();
    let of_them = || dialect::id_in(backend, "lead_id", ids.iter().copied());
    let made = transitions::Entity::find()
        .filter(of_them())
        .order_by_asc(transitions::Column::At)
        .order_by_asc(transitions::Column::Id);
    for row in made.all(tx.conn()).await? {
        let past = pasts.entry(Id::from_uuid(row.lead_id)).or_default();
        past.transitions.push(row.into_domain()?);
    }
    let passes = cycles::Entity::find()
        .filter(of_them())
        .order_by_asc(cycles::Column::Number);
    for row in passes.all(tx.conn()).await? {
        let past = pasts.entry(Id::from_uuid(row.lead_id)).or_default();
        past.cycles.push(row.into_domain());
    }
    let statements = past_statements::Entity::find()
        .filter(of_them())
        .order_by_asc(past_statements::Column::Key);
    for row in statements.all(tx.conn()).await? {
        let past = pasts.entry(Id::from_uuid(row.lead_id)).or_default();
        past.statements.push(row.into_domain()?);
    }
    Ok(pasts)
}

/// The users with these e-mails in canonical form, by e-mail.
pub async fn users_by_email<'e>(
    on: &impl Read,
    emails: impl IntoIterator<Item = &'e str>,
) -> Result<HashMap<String, User>, StoreError> {
    let emails: BTreeSet<&str> = emails.into_iter().collect();
    if emails.is_empty() {
        return Ok(HashMap::new());
    }
    let named = dialect::text_in(on.conn().get_database_backend(), "email", emails);
    let rows = users::Entity::find().filter(named).all(on.conn()).await?;
    rows.into_iter()
        .map(|row| Ok((row.email.clone(), row.into_domain()?)))
        .collect()
}

impl Rows {
    /// Add what imports of history leave.
    pub(crate) fn add_history(&mut self, change: &HistoryChange) {
        match change {
            HistoryChange::Stated(stated) => {
                let row = past_statements::Model::of(stated);
                self.past.insert((row.lead_id, row.key.clone()), row);
            }
            HistoryChange::Derived(derived) => {
                let lead = &derived.lead;
                self.leads.insert(lead.id.uuid(), leads::Model::of(lead));
                for made in &derived.transitions {
                    self.corrected_transitions
                        .insert(made.id.uuid(), transitions::Model::of(made));
                }
                let gone = derived.gone_transitions.iter();
                self.gone_transitions.extend(gone.map(|id| id.uuid()));
                for cycle in &derived.cycles {
                    self.cycles.insert(cycle.id.uuid(), cycles::Model::of(cycle));
                }
                for id in &derived.gone_cycles {
                    self.cycles.remove(&id.uuid());
                    self.gone_cycles.insert(id.uuid());
                }
                for deal in &derived.deals {
                    self.deals.insert(deal.id.uuid(), deals::Model::of(deal));
                }
                self.touched.insert(lead.id);
            }
            HistoryChange::DealCorrected { deal, moves, .. } => self.correct_deal(deal, moves),
        }
    }
}
