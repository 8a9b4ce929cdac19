//! Quotes: reading, listing, and expiring those whose last day has passed.

use std::collections::HashMap;

use sea_orm::sea_query::Query;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::deals::quotes::{Quote, QuoteChange, QuoteState, expire};
use tandem_domain::id::{DealId, Id, QuoteId, UserId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::leads::ExternalId;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::page::{Keyset, Page};
use crate::rows::{deals, quotes};
use crate::write::{Rows, write_records};

/// Which quotes are listed.
#[derive(Debug, Clone, Default)]
pub struct QuoteFilter {
    /// Of this deal.
    pub deal_id: Option<DealId>,
    /// In one of these states.
    pub state: Vec<QuoteState>,
    /// Of a deal with one of these owners.
    pub owner_id: Vec<UserId>,
    /// Of a deal without an owner.
    pub unowned: bool,
    /// Known to another system by this id.
    pub external_id: Option<ExternalId>,
    /// Valid until a day before this one.
    pub valid_until_lt: Option<Day>,
}

/// A quote.
pub async fn get(on: &impl Read, id: QuoteId) -> Result<Quote, StoreError> {
    let row = quotes::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A quote that is about to be changed: locked until the end of the transaction, after its deal.
pub async fn get_for_update(tx: &Tx, id: QuoteId) -> Result<Quote, StoreError> {
    let query = quotes::Entity::find_by_id(id.uuid()).lock_exclusive();
    let row = query.one(tx.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// Lock the id that another system knows a quote by; the quote that has it, if any.
pub async fn lock_key(tx: &Tx, key: &ExternalId) -> Result<Option<QuoteId>, StoreError> {
    let name = format!("quote\u{0}{}\u{0}{}", key.system, key.id);
    dialect::lock_external_ids(tx.conn(), [name]).await?;
    let found = quotes::Entity::find()
        .select_only()
        .column(quotes::Column::Id)
        .filter(quotes::Column::ExternalSystem.eq(&key.system))
        .filter(quotes::Column::ExternalId.eq(&key.id))
        .into_tuple::<Uuid>()
        .one(tx.conn())
        .await?;
    Ok(found.map(Id::from_uuid))
}

/// A page of quotes, in the order of their ids.
pub async fn list(
    on: &impl Read,
    filter: &QuoteFilter,
    after: Option<QuoteId>,
    limit: u64,
) -> Result<Page<Quote>, StoreError> {
    use quotes::Column;
    let mut query = quotes::Entity::find();
    if let Some(deal) = filter.deal_id {
        query = query.filter(Column::DealId.eq(deal.uuid()));
    }
    if !filter.state.is_empty() {
        query = query.filter(Column::State.is_in(filter.state.iter().map(|state| state.name())));
    }
    if !filter.owner_id.is_empty() || filter.unowned {
        let mut owned = Query::select();
        owned.column(deals::Column::Id).from(deals::Entity);
        owned.and_where(match filter.unowned {
            true => deals::Column::OwnerId.is_null(),
            false => deals::Column::OwnerId.is_in(filter.owner_id.iter().map(|id| Id::uuid(*id))),
        });
        query = query.filter(Column::DealId.in_subquery(owned));
    }
    if let Some(key) = &filter.external_id {
        query = query
            .filter(Column::ExternalSystem.eq(&key.system))
            .filter(Column::ExternalId.eq(&key.id));
    }
    if let Some(day) = filter.valid_until_lt {
        query = query.filter(Column::ValidUntil.lt(day.to_string()));
    }
    let line = Keyset::by_id(Column::Id);
    line.read(on, query, after, limit, |row| row.into_domain()).await
}

/// The instant at which the next quote expires: the end of its last day in the company's zone.
pub async fn next_expiry(on: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    let first = quotes::Entity::find()
        .filter(quotes::Column::State.eq(QuoteState::Sent.name()))
        .filter(quotes::Column::ValidUntil.is_not_null())
        .order_by_asc(quotes::Column::ValidUntil)
        .limit(1)
        .one(on.conn())
        .await?;
    let Some(first) = first else {
        return Ok(None);
    };
    let last = first.into_domain()?.details.valid_until;
    let rules = crate::rules::read(on).await?;
    Ok(last.and_then(|last| Quote::expires_at(last, &rules.money.zone)))
}

/// Expire quotes whose last day has passed, the oldest first; how many there were, `limit` at most.
pub async fn expire_due(tx: &Tx, limit: u64) -> Result<u64, StoreError> {
    let (act, rules) = (tx.act(), tx.rules());
    let today = act.now.day_in(&rules.money.zone);
    let query = quotes::Entity::find()
        .filter(quotes::Column::State.eq(QuoteState::Sent.name()))
        .filter(quotes::Column::ValidUntil.lt(today.to_string()))
        .order_by_asc(quotes::Column::ValidUntil)
        .order_by_asc(quotes::Column::Id)
        .limit(limit)
        .lock_exclusive();
    let due = query.all(tx.conn()).await?;
    let count = due.len() as u64;
    let chosen = dialect::id_in(
        tx.conn().get_database_backend(),
        "id",
        due.iter().map(|row| row.deal_id),
    );
    let leads: Vec<(Uuid, Option<Uuid>)> = deals::Entity::find()
        .select_only()
        .columns([deals::Column::Id, deals::Column::PrimaryLeadId])
        .filter(chosen)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let leads: HashMap<Uuid, Option<Uuid>> = leads.into_iter().collect();
    let mut changes: Vec<QuoteChange> = vec![];
    for row in due {
        let lead_id = leads.get(&row.deal_id).copied().flatten().map(Id::from_uuid);
        changes.extend(expire(&row.into_domain()?, lead_id, &rules.money.zone, act));
    }
    write_records(tx, changes).await?;
    Ok(count)
}

impl Rows {
    pub(crate) fn add_quote(&mut self, change: &QuoteChange) {
        self.records.put(quotes::Model::of(&change.quote));
    }
}
