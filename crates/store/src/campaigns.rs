//! Campaigns: reading, listing, and finding them by `utm_campaign`; what they cost.

use std::collections::{BTreeSet, HashMap, HashSet};

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect, Statement,
};
use tandem_domain::campaigns::{Campaign, Cost, CostsChange, alias_key};
use tandem_domain::id::{CampaignId, Id, UserId};
use tandem_domain::instant::Day;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::page::{Keyset, Page};
use crate::rows::{campaign_aliases, campaign_costs, campaigns};
use crate::write::Rows;

/// Which campaigns are listed.
#[derive(Debug, Clone, Default)]
pub struct CampaignFilter {
    /// In this channel.
    pub channel: Option<String>,
    /// Known by this `utm_campaign`.
    pub utm_campaign: Option<String>,
    /// Of this user.
    pub owner_id: Option<UserId>,
    /// A part of this campaign.
    pub parent_id: Option<CampaignId>,
}

/// A campaign.
pub async fn get(on: &impl Read, id: CampaignId) -> Result<Campaign, StoreError> {
    let row = campaigns::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A campaign that is about to be changed: locked until the end of the transaction, after its aliases.
pub async fn get_for_update(tx: &Tx, id: CampaignId) -> Result<Campaign, StoreError> {
    let query = campaigns::Entity::find_by_id(id.uuid()).lock_exclusive();
    let row = query.one(tx.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// Take the one lock over what campaigns are known by.
pub async fn lock_aliases(tx: &Tx) -> Result<(), StoreError> {
    Ok(dialect::lock_exactly(tx.conn(), &["campaign_aliases"]).await?)
}

/// The campaigns that these values of `utm_campaign` name, by their compared form, in one query.
pub async fn by_alias<'a>(
    on: &impl Read,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<HashMap<String, CampaignId>, StoreError> {
    let keys: Vec<String> = names.into_iter().map(alias_key).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = on.conn().get_database_backend();
    let wanted = dialect::text_in(backend, "alias_key", keys.iter().map(String::as_str));
    let rows = campaign_aliases::Entity::find()
        .filter(wanted)
        .all(on.conn())
        .await?;
    let named = |row: campaign_aliases::Model| (row.alias_key, Id::from_uuid(row.campaign_id));
    Ok(rows.into_iter().map(named).collect())
}

/// A page of campaigns, in the order of their ids.
pub async fn list(
    on: &impl Read,
    filter: &CampaignFilter,
    after: Option<CampaignId>,
    limit: u64,
) -> Result<Page<Campaign>, StoreError> {
    use campaigns::Column;
    let mut query = campaigns::Entity::find();
    if let Some(channel) = &filter.channel {
        query = query.filter(Column::Channel.eq(channel));
    }
    if let Some(owner) = filter.owner_id {
        query = query.filter(Column::OwnerId.eq(owner.uuid()));
    }
    if let Some(parent) = filter.parent_id {
        query = query.filter(Column::ParentId.eq(parent.uuid()));
    }
    if let Some(name) = &filter.utm_campaign {
        let known = by_alias(on, [name.as_str()]).await?;
        query = query.filter(Column::Id.is_in(known.into_values().map(Id::uuid)));
    }
    let line = Keyset::by_id(Column::Id);
    line.read(on, query, after, limit, |row| row.into_domain()).await
}

/// The campaigns that begin after a day, up to and including another one, in that order: at most `limit`.
pub async fn beginning(
    on: &impl Read,
    (after, until): (Day, Day),
    limit: u64,
) -> Result<Vec<Campaign>, StoreError> {
    use campaigns::Column;
    let rows = campaigns::Entity::find()
        .filter(Column::StartsOn.gt(after.to_string()))
        .filter(Column::StartsOn.lte(until.to_string()))
        .filter(Column::ArchivedAt.is_null())
        .order_by_asc(Column::StartsOn)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(on.conn())
        .await?;
    rows.into_iter().map(campaigns::Model::into_domain).collect()
}

/// A campaign with all above it; none where there is no such campaign.
pub async fn lineage(on: &impl Read, id: CampaignId) -> Result<Vec<CampaignId>, StoreError> {
    let backend = on.conn().get_database_backend();
    let sql = format!(
        "WITH RECURSIVE above (id, parent_id) AS (\
         SELECT id, parent_id FROM campaigns WHERE id = {} \
         UNION SELECT c.id, c.parent_id FROM campaigns c JOIN above ON c.id = above.parent_id) \
         SELECT id FROM above",
        dialect::parameter(backend, 1)
    );
    let query = Statement::from_sql_and_values(backend, sql, [id.uuid().into()]);
    let rows = on.conn().query_all_raw(query).await?;
    let id = |row: &QueryResult| Ok(Id::from_uuid(row.try_get("", "id")?));
    rows.iter().map(id).collect()
}

/// The campaigns with these ids.
pub async fn with_ids(
    on: &impl Read,
    ids: &BTreeSet<CampaignId>,
) -> Result<HashMap<CampaignId, Campaign>, StoreError> {
    let backend = on.conn().get_database_backend();
    let wanted = dialect::id_in(backend, "id", ids.iter().map(|id| id.uuid()));
    let rows = campaigns::Entity::find().filter(wanted).all(on.conn()).await?;
    let campaign = |row: campaigns::Model| row.into_domain().map(|campaign| (campaign.id, campaign));
    rows.into_iter().map(campaign).collect()
}

/// A campaign with all below it.
pub async fn below(on: &impl Read, id: CampaignId) -> Result<HashSet<CampaignId>, StoreError> {
    let parents = parents(on).await?;
    let is_below = |one: &CampaignId| {
        let mut seen = HashSet::new();
        let mut at = Some(*one);
        while let Some(here) = at.filter(|here| seen.insert(*here)) {
            if here == id {
                return true;
            }
            at = parents.get(&here).copied();
        }
        false
    };
    Ok(parents.keys().copied().filter(is_below).chain([id]).collect())
}

/// The parent of each campaign that has one.
pub async fn parents(on: &impl Read) -> Result<HashMap<CampaignId, CampaignId>, StoreError> {
    use campaigns::Column;
    let query = campaigns::Entity::find().select_only();
    let query = query.column(Column::Id).column(Column::ParentId);
    let rows: Vec<(Uuid, Uuid)> = query
        .filter(Column::ParentId.is_not_null())
        .into_tuple()
        .all(on.conn())
        .await?;
    let ids = |(id, parent)| (Id::from_uuid(id), Id::from_uuid(parent));
    Ok(rows.into_iter().map(ids).collect())
}

/// What a campaign cost, by day, from one day on until another one, both included; `after` a day, where a page ended.
pub async fn costs(
    on: &impl Read,
    id: CampaignId,
    (from, to): (Option<Day>, Option<Day>),
    after: Option<Day>,
    limit: u64,
) -> Result<Page<Cost>, StoreError> {
    use campaign_costs::Column;
    let mut query = campaign_costs::Entity::find().filter(Column::CampaignId.eq(id.uuid()));
    if let Some(from) = from {
        query = query.filter(Column::SpentOn.gte(from.to_string()));
    }
    if let Some(to) = to {
        query = query.filter(Column::SpentOn.lte(to.to_string()));
    }
    if let Some(after) = after {
        query = query.filter(Column::SpentOn.gt(after.to_string()));
    }
    let rows = query.order_by_asc(Column::SpentOn).limit(limit + 1);
    let rows = rows.all(on.conn()).await?.into_iter();
    let found: Result<Vec<Cost>, StoreError> = rows.map(|row| row.into_domain()).collect();
    Ok(Page::of(found?, limit))
}

/// What a campaign cost on these days.
pub async fn costs_on(
    on: &impl Read,
    id: CampaignId,
    days: impl IntoIterator<Item = Day>,
) -> Result<Vec<Cost>, StoreError> {
    use campaign_costs::Column;
    let rows = campaign_costs::Entity::find()
        .filter(Column::CampaignId.eq(id.uuid()))
        .filter(Column::SpentOn.is_in(days.into_iter().map(|day| day.to_string())))
        .order_by_asc(Column::SpentOn)
        .all(on.conn())
        .await?;
    rows.into_iter().map(|row| row.into_domain()).collect()
}

impl Rows {
    pub(crate) fn add_costs(&mut self, change: &CostsChange) {
        for id in change.deleted() {
            self.records.remove::<campaign_costs::Model>(id.uuid());
        }
        for cost in &change.after {
            self.records.put(campaign_costs::Model::of(cost));
        }
    }
}
