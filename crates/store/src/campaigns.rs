//! Campaigns: reading, listing, and finding them by `utm_campaign`.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::campaigns::{Campaign, alias_key};
use tandem_domain::id::{CampaignId, Id};

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::leads::Page;
use crate::rows::{campaign_aliases, campaigns};

/// Which campaigns are listed.
#[derive(Debug, Clone, Default)]
pub struct CampaignFilter {
    /// In this channel.
    pub channel: Option<String>,
    /// Known by this `utm_campaign`.
    pub utm_campaign: Option<String>,
}

/// A campaign.
pub async fn get(on: &impl Read, id: CampaignId) -> Result<Campaign, StoreError> {
    let row = campaigns::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A campaign that is about to be changed: locked until the end of the transaction, after its aliases.
pub async fn get_for_update(tx: &Tx, id: CampaignId) -> Result<Campaign, StoreError> {
    let mut query = campaigns::Entity::find_by_id(id.uuid());
    if tx.conn().get_database_backend() == DbBackend::Postgres {
        query = query.lock_exclusive();
    }
    let row = query.one(tx.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// Take the one lock over what campaigns are known by.
pub async fn lock_aliases(tx: &Tx) -> Result<(), StoreError> {
    Ok(dialect::lock(tx.conn(), ["campaign_aliases".to_owned()]).await?)
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
    let mut query = campaigns::Entity::find();
    if let Some(channel) = &filter.channel {
        query = query.filter(campaigns::Column::Channel.eq(channel));
    }
    if let Some(name) = &filter.utm_campaign {
        let known = by_alias(on, [name.as_str()]).await?;
        query = query.filter(campaigns::Column::Id.is_in(known.into_values().map(Id::uuid)));
    }
    if let Some(after) = after {
        query = query.filter(campaigns::Column::Id.gt(after.uuid()));
    }
    let rows = query
        .order_by_asc(campaigns::Column::Id)
        .limit(limit + 1)
        .all(on.conn())
        .await?;
    let found: Result<Vec<Campaign>, StoreError> = rows.into_iter().map(|row| row.into_domain()).collect();
    Ok(Page::of(found?, limit))
}
