//! Suggested duplicates: read, listed; and the leads that are to be looked at for them, by following the journal.

use std::collections::BTreeSet;

use crate::rows;
use crate::write::Rows;
use sea_orm::sea_query::{Expr, ExprTrait, JoinType, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, IdenStatic,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Statement,
};
use serde_json::{Value, json};
use tandem_domain::id::{DuplicateId, Id, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::Lead;
use tandem_domain::leads::duplicates::DuplicateChange;
use tandem_domain::leads::duplicates::{
    Duplicate, DuplicateState, MOST_ALIKE, MOST_BEHIND_A_PHONE, own_locals,
};
use tandem_domain::leads::identity::Kind;
use tandem_domain::settings::name::DUPLICATES_MARK;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::error::StoreError;
use crate::journal::{self, FeedPosition};
use crate::leads;
use crate::page::{Keyset, Page};
use crate::rows::{duplicates, identifiers, leads as lead_rows, to_json};
use crate::union::found_by_any;
use crate::{dialect, settings};

/// The most leads that are compared with those that changed, for one reason.
const MOST_COMPARED: u64 = 5000;

/// Which suggestions are listed.
#[derive(Debug, Clone)]
pub struct DuplicateFilter {
    /// In this state.
    pub state: DuplicateState,
    /// About this lead.
    pub lead_id: Option<LeadId>,
}

/// A suggestion.
pub async fn get(on: &impl Read, id: DuplicateId) -> Result<Duplicate, StoreError> {
    let row = duplicates::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A suggestion that is about to be changed: locked until the end of the transaction.
pub async fn get_for_update(tx: &Tx, id: DuplicateId) -> Result<Duplicate, StoreError> {
    let query = duplicates::Entity::find_by_id(id.uuid()).lock_exclusive();
    let row = query.one(tx.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A page of suggestions, in the order of their ids.
pub async fn list(
    on: &impl Read,
    filter: &DuplicateFilter,
    after: Option<DuplicateId>,
    limit: u64,
) -> Result<Page<Duplicate>, StoreError> {
    use duplicates::Column;
    let mut query = duplicates::Entity::find().filter(Column::State.eq(filter.state.name()));
    if let Some(lead) = filter.lead_id {
        query = query.filter(about(on.conn().get_database_backend(), [lead.uuid()]));
    }
    Keyset::by_id(Column::Id)
        .read(on, query, after, limit, |row| row.into_domain())
        .await
}

/// The suggestions about any of these leads, locked until the end of the transaction.
pub async fn known_for_update(
    tx: &Tx,
    ids: impl IntoIterator<Item = LeadId>,
) -> Result<Vec<Duplicate>, StoreError> {
    let backend = tx.conn().get_database_backend();
    let query = duplicates::Entity::find()
        .filter(about(backend, ids.into_iter().map(Id::uuid)))
        .order_by_asc(duplicates::Column::Id)
        .lock_exclusive();
    let rows = query.all(tx.conn()).await?;
    rows.into_iter().map(|row| row.into_domain()).collect()
}

/// Hold these leads until the end of the transaction, so that nobody else suggests two of them meanwhile.
pub async fn hold(tx: &Tx, ids: impl IntoIterator<Item = LeadId>) -> Result<(), StoreError> {
    Ok(dialect::lock_leads(tx.conn(), ids.into_iter().map(Id::uuid)).await?)
}

/// The leads among these that are archived.
pub async fn put_away(
    on: &impl Read,
    ids: impl IntoIterator<Item = LeadId>,
) -> Result<BTreeSet<LeadId>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(Id::uuid).collect();
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let found: Vec<Uuid> = lead_rows::Entity::find()
        .select_only()
        .column(lead_rows::Column::Id)
        .filter(dialect::id_in(on.conn().get_database_backend(), "id", ids))
        .filter(lead_rows::Column::IsListed.eq(false))
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok(found.into_iter().map(Id::from_uuid).collect())
}

/// The leads that are suggested as one person with any of these.
async fn partners(on: &impl Read, ids: &BTreeSet<LeadId>) -> Result<Vec<LeadId>, StoreError> {
    use duplicates::Column::{LeadId as Elder, OtherLeadId as Younger, State};
    let backend = on.conn().get_database_backend();
    let pairs: Vec<(Uuid, Uuid)> = duplicates::Entity::find()
        .select_only()
        .columns([Elder, Younger])
        .filter(about(backend, ids.iter().map(|id| id.uuid())))
        .filter(State.eq(DuplicateState::Open.name()))
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok(pairs
        .into_iter()
        .flat_map(|(elder, younger)| [Id::from_uuid(elder), Id::from_uuid(younger)])
        .collect())
}

fn about(backend: DbBackend, ids: impl IntoIterator<Item = Uuid>) -> SimpleExpr {
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let ways =
        ["lead_id", "other_lead_id"].map(|column| dialect::id_in(backend, column, ids.iter().copied()));
    found_by_any::<duplicates::Entity>(duplicates::Column::Id, ways)
}

/// The journal entries behind the mark.
#[derive(Debug, Clone)]
pub struct News {
    /// The leads that changed.
    pub changed: BTreeSet<LeadId>,
    mark: i64,
    place: FeedPosition,
}

/// The leads that changed behind the mark, of at most so many journal entries; none where nothing is behind it.
pub async fn news(on: &impl Read, limit: u64) -> Result<Option<News>, StoreError> {
    let known = settings::get(on, DUPLICATES_MARK).await?;
    let entries = journal::behind(on, read(known.value), limit).await?;
    let Some(place) = entries.last().map(|entry| entry.place) else {
        return Ok(None);
    };
    let said = entries
        .into_iter()
        .filter(|entry| entry.kind.starts_with("lead."));
    Ok(Some(News {
        changed: said.filter_map(|entry| entry.lead_id).collect(),
        mark: known.version,
        place,
    }))
}

/// When the job is due: at once if there are new entries.
pub async fn next_news(on: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    Ok(news(on, 1).await?.map(|_| Timestamp::from_millis(0)))
}

/// Move the mark behind the read entries, unless another process has moved it meanwhile. Returns whether it moved.
pub async fn pass(tx: &Tx, news: &News) -> Result<bool, StoreError> {
    let known = settings::get_for_update(tx, DUPLICATES_MARK).await?;
    if known.version != news.mark {
        return Ok(false);
    }
    let place = json!([news.place.epoch, news.place.xid, news.place.seq]);
    settings::put(tx, DUPLICATES_MARK, &place, known.version + 1).await?;
    Ok(true)
}

fn read(mark: Value) -> FeedPosition {
    let part = |index: usize| mark[index].as_i64().unwrap_or_default();
    FeedPosition {
        epoch: part(0),
        xid: part(1),
        seq: part(2),
    }
}

/// What is compared.
#[derive(Debug, Clone)]
pub struct Neighbourhood {
    /// The leads to compare again: those that changed, and the first holders of each of their phone numbers that too
    /// many leads share (a switchboard), because earlier suggestions may be wrong now.
    pub changed: BTreeSet<LeadId>,
    /// These and all that may be one person with one of them, as far as they are listed.
    pub leads: Vec<Lead>,
    /// The phones that have too many holders.
    pub switchboards: BTreeSet<String>,
}

/// The leads that changed and those beside them: who shares a phone that few have, who works under the same name in the
/// same company, whose e-mail begins as few others do.
pub async fn neighbourhood(
    on: &impl Read,
    mut changed: BTreeSet<LeadId>,
) -> Result<Neighbourhood, StoreError> {
    let mut own = load(on, &changed).await?;
    let first: BTreeSet<LeadId> = behind_switchboards(on, &own)
        .await?
        .into_iter()
        .map(|(_, id)| id)
        .collect();
    own.extend(load(on, &first.difference(&changed).copied().collect()).await?);
    changed.extend(first);
    let switchboards = behind_switchboards(on, &own)
        .await?
        .into_iter()
        .map(|(phone, _)| phone)
        .collect();

    let mut others: BTreeSet<LeadId> = BTreeSet::new();
    others.extend(behind_phones(on, &own).await?);
    others.extend(colleagues(on, &changed).await?);
    others.extend(alike(on, &own).await?);
    // Leads that were suggested before are compared again, so that no suggestion is withdrawn because a list was cut off.
    others.extend(partners(on, &changed).await?);
    others.retain(|id| !changed.contains(id));
    let mut leads = own;
    leads.extend(load(on, &others).await?);
    leads.retain(|lead| lead.archived_at.is_none());
    Ok(Neighbourhood {
        changed,
        leads,
        switchboards,
    })
}

async fn load(on: &impl Read, ids: &BTreeSet<LeadId>) -> Result<Vec<Lead>, StoreError> {
    let found = leads::by_ids(on, ids.iter().copied()).await?;
    Ok(found.into_iter().map(|found| found.lead).collect())
}

fn phones(of: &[Lead]) -> BTreeSet<&str> {
    let phones = of.iter().flat_map(|lead| lead.of_kind(Kind::Phone));
    phones.map(|phone| phone.value.as_str()).collect()
}

#[derive(FromQueryResult)]
struct Holder {
    value: String,
    lead_id: Uuid,
}

/// The switchboards among the phones of these leads, each with the first of its holders: when they were few they may
/// have been suggested as one person.
async fn behind_switchboards(on: &impl Read, own: &[Lead]) -> Result<Vec<(String, LeadId)>, StoreError> {
    let phones = phones(own);
    if phones.is_empty() {
        return Ok(vec![]);
    }
    let backend = on.conn().get_database_backend();
    let query = dialect::first_behind_switchboards(backend, phones, MOST_BEHIND_A_PHONE);
    let rows = Holder::find_by_statement(query).all(on.conn()).await?;
    let holder = |row: Holder| (row.value, Id::from_uuid(row.lead_id));
    Ok(rows.into_iter().map(holder).collect())
}

async fn behind_phones(on: &impl Read, own: &[Lead]) -> Result<Vec<LeadId>, StoreError> {
    use identifiers::Column::{Kind as KindOf, LeadId as LeadOf, System, Value as ValueOf};
    let phones = phones(own);
    if phones.is_empty() {
        return Ok(vec![]);
    }
    let chosen = dialect::text_in(on.conn().get_database_backend(), "value", phones);
    let shared = identifiers::Entity::find()
        .select_only()
        .column(ValueOf)
        .filter(KindOf.eq(Kind::Phone.name()))
        .filter(System.eq(""))
        .filter(chosen)
        .group_by(ValueOf)
        .having(Expr::cust("count(*)").gt(1i64))
        .having(Expr::cust("count(*)").lte(MOST_BEHIND_A_PHONE as i64))
        .into_query();
    let ids: Vec<Uuid> = identifiers::Entity::find()
        .select_only()
        .column(LeadOf)
        .filter(KindOf.eq(Kind::Phone.name()))
        .filter(System.eq(""))
        .filter(ValueOf.in_subquery(shared))
        .limit(MOST_COMPARED)
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok(ids.into_iter().map(Id::from_uuid).collect())
}

#[derive(FromQueryResult)]
struct Other {
    lead_id: Uuid,
}

async fn colleagues(on: &impl Read, ids: &BTreeSet<LeadId>) -> Result<Vec<LeadId>, StoreError> {
    use lead_rows::Column::{CompanyId, Id as OwnId, IsListed, NameKey};
    let backend = on.conn().get_database_backend();
    let (one, other) = (
        |column| Expr::col(("one", column)),
        |column| Expr::col(("other", column)),
    );
    // By the index of company and name: SQLite would begin with all leads that are listed.
    let is_listed = dialect::unindexed(backend, "other", IsListed.as_str());
    let are_colleagues = Condition::all()
        .add(other(CompanyId).eq(one(CompanyId)))
        .add(other(NameKey).eq(one(NameKey)))
        .add(other(OwnId).ne(one(OwnId)))
        .add(is_listed.eq(true));
    let query = Query::select()
        .expr_as(other(OwnId), "lead_id")
        .from_as(lead_rows::Entity, "one")
        .join_as(JoinType::InnerJoin, lead_rows::Entity, "other", are_colleagues)
        .and_where(dialect::id_in(backend, "one.id", ids.iter().map(|id| id.uuid())))
        .and_where(one(NameKey).ne(""))
        .limit(MOST_COMPARED)
        .to_owned();
    others(on, backend.build(&query)).await
}

async fn alike(on: &impl Read, own: &[Lead]) -> Result<Vec<LeadId>, StoreError> {
    let locals: BTreeSet<&str> = own.iter().flat_map(own_locals).collect();
    if locals.is_empty() {
        return Ok(vec![]);
    }
    // A is the letter behind @ among the bytes.
    let range = |local: &&str| json!({"first": format!("{local}@"), "end": format!("{local}A")});
    let ranges: Vec<Value> = locals.iter().map(range).collect();
    let backend = on.conn().get_database_backend();
    others(
        on,
        dialect::leads_with_emails_between(backend, to_json(&ranges), MOST_ALIKE, MOST_COMPARED),
    )
    .await
}

async fn others(on: &impl Read, statement: Statement) -> Result<Vec<LeadId>, StoreError> {
    let rows = Other::find_by_statement(statement).all(on.conn()).await?;
    Ok(rows.into_iter().map(|row| Id::from_uuid(row.lead_id)).collect())
}

impl Rows {
    pub(crate) fn add_duplicate(&mut self, change: &DuplicateChange) {
        let row = rows::duplicates::Model::of(change.duplicate());
        self.duplicates.insert(row.id, row);
    }
}
