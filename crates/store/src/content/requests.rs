//! Content requests, with the open pipeline behind them.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Statement};
use tandem_domain::content::requests::{ContentRequest, RequestState};
use tandem_domain::id::{ContentRequestId, DealId, Id};
use tandem_domain::instant::Day;
use tandem_domain::money::{Currency, Money};
use tandem_domain::world::MoneyRules;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::page::Page;
use crate::rows::{content_requests, deals};

/// The open deals behind a request: those that it names, and those of the leads that it names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pipeline {
    /// The number of deals.
    pub deals: i64,
    /// Their amounts in the base currency at the rate in force today, in minor units.
    pub value: i64,
    /// How many have no amount, or one that no rate converts.
    pub unvalued: i64,
}

/// Where a page of requests ends: the value and the id.
pub type Place = (i64, ContentRequestId);

/// A request.
pub async fn get(on: &impl Read, id: ContentRequestId) -> Result<ContentRequest, StoreError> {
    let row = content_requests::Entity::find_by_id(id.uuid())
        .one(on.conn())
        .await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A request that is about to be changed: locked until the end of the transaction.
pub async fn get_for_update(tx: &Tx, id: ContentRequestId) -> Result<ContentRequest, StoreError> {
    let query = content_requests::Entity::find_by_id(id.uuid()).lock_exclusive();
    let row = query.one(tx.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// Which of these deals there are.
pub async fn deals_there(on: &impl Read, ids: &[DealId]) -> Result<BTreeSet<DealId>, StoreError> {
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let backend = on.conn().get_database_backend();
    let found: Vec<Uuid> = deals::Entity::find()
        .select_only()
        .column(deals::Column::Id)
        .filter(dialect::id_in(backend, "id", ids.iter().map(|id| id.uuid())))
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok(found.into_iter().map(Id::from_uuid).collect())
}

/// A page of requests in one of these states: those with most open pipeline first, the newest first among equals; all by age
/// where the pipeline is not `shown`, since the order would tell it.
///
/// The pipeline of all requests in these states is counted for each page, in one statement: it changes with every deal and
/// every rate. The rows of the page are read in another.
pub async fn list(
    on: &impl Read,
    states: &[RequestState],
    shown: Option<(&MoneyRules, Day)>,
    after: Option<Place>,
    limit: u64,
) -> Result<Page<(ContentRequest, Pipeline)>, StoreError> {
    let backend = on.conn().get_database_backend();
    let names = states.iter().map(|state| state.name());
    let wanted = content_requests::Entity::find()
        .select_only()
        .column(content_requests::Column::Id)
        .filter(content_requests::Column::State.is_in(names));
    let ids: Vec<Uuid> = wanted.into_tuple().all(on.conn()).await?;
    let pipelines = match shown {
        Some((money, today)) => pipelines(on, &ids, money, today).await?,
        None => BTreeMap::new(),
    };
    let place = |id: &Uuid| {
        (
            pipelines.get(id).map_or(0, |pipeline| pipeline.value),
            Id::from_uuid(*id),
        )
    };
    let mut places: Vec<Place> = ids.iter().map(place).collect();
    places.sort_unstable_by(|one, other| other.cmp(one));
    places.retain(|place| after.is_none_or(|after| *place < after));
    let Page {
        data: places,
        has_more,
    } = Page::of(places, limit);
    let of_page = dialect::id_in(backend, "id", places.iter().map(|(_, id)| id.uuid()));
    let rows = content_requests::Entity::find()
        .filter(of_page)
        .all(on.conn())
        .await?;
    let rows = rows.into_iter().map(|row| Ok((row.id, row.into_domain()?)));
    let mut rows: BTreeMap<Uuid, ContentRequest> = rows.collect::<Result<_, StoreError>>()?;
    let item = |(_, id): Place| {
        let pipeline = pipelines.get(&id.uuid()).copied().unwrap_or_default();
        Some((rows.remove(&id.uuid())?, pipeline))
    };
    let data = places.into_iter().filter_map(item).collect();
    Ok(Page { data, has_more })
}

/// The open pipeline behind each of these requests; none without an open deal.
pub async fn pipelines(
    on: &impl Read,
    ids: &[Uuid],
    money: &MoneyRules,
    today: Day,
) -> Result<BTreeMap<Uuid, Pipeline>, StoreError> {
    let backend = on.conn().get_database_backend();
    let sql = format!(
        "WITH behind AS (\
         SELECT r.request_id, r.deal_id FROM content_request_deals r WHERE {0} \
         UNION SELECT r.request_id, m.deal_id FROM content_request_leads r \
         JOIN deal_leads m ON m.lead_id = r.lead_id WHERE {0}) \
         SELECT b.request_id, d.currency, count(*) AS n, CAST(COALESCE(sum(d.amount), 0) AS bigint) AS amount \
         FROM behind b JOIN deals d ON d.id = b.deal_id WHERE d.state = 'open' GROUP BY b.request_id, d.currency",
        dialect::id_among(backend, "r.request_id", 1)
    );
    let ids = dialect::ids(backend, ids.iter().copied());
    let statement = Statement::from_sql_and_values(backend, sql, [ids]);
    let mut pipelines: BTreeMap<Uuid, Pipeline> = BTreeMap::new();
    for row in on.conn().query_all_raw(statement).await? {
        let pipeline = pipelines.entry(row.try_get("", "request_id")?).or_default();
        let (count, amount): (i64, i64) = (row.try_get("", "n")?, row.try_get("", "amount")?);
        let currency: Option<String> = row.try_get("", "currency")?;
        let currency = currency.map(|code| code.parse::<Currency>());
        let currency = currency.transpose().map_err(|_| StoreError::Corrupt("deals"))?;
        let amount = currency.map(|currency| Money { amount, currency });
        let value = amount.and_then(|amount| money.rates.convert(amount, money.base, today).ok());
        pipeline.deals += count;
        match value {
            Some(value) => pipeline.value = pipeline.value.saturating_add(value.money.amount),
            None => pipeline.unvalued += count,
        }
    }
    Ok(pipelines)
}
