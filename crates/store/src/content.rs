//! The content library: reading and listing it, who saw what, and matching stored events again when a pattern changes.

mod matching;
pub mod requests;

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Statement};
use tandem_domain::content::{Content, ContentKind, ContentStage, ContentState};
use tandem_domain::id::{CampaignId, ContentId, Id, LeadId};
use uuid::Uuid;

pub use matching::{next_match, request_match, resume_match};

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::leads::{members, of_members};
use crate::page::{Keyset, Page};
use crate::rows::{activities, content, events, from_json, objections};

/// Which content is listed.
#[derive(Debug, Clone, Default)]
pub struct ContentFilter {
    /// Of this kind.
    pub kind: Option<ContentKind>,
    /// For this part of a purchase.
    pub stage: Option<ContentStage>,
    /// Published, or not.
    pub state: Option<ContentState>,
    /// Of this campaign.
    pub campaign_id: Option<CampaignId>,
}

/// A piece of content.
pub async fn get(on: &impl Read, id: ContentId) -> Result<Content, StoreError> {
    find(on, id).await?.ok_or(StoreError::NotFound)
}

/// A piece of content, if there is one with this id.
pub async fn find(on: &impl Read, id: ContentId) -> Result<Option<Content>, StoreError> {
    let row = content::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    row.map(content::Model::into_domain).transpose()
}

/// A piece of content that is about to be changed: locked until the end of the transaction.
pub async fn get_for_update(tx: &Tx, id: ContentId) -> Result<Content, StoreError> {
    let query = content::Entity::find_by_id(id.uuid()).lock_exclusive();
    let row = query.one(tx.conn()).await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// A page of content, in the order of the ids.
pub async fn list(
    on: &impl Read,
    filter: &ContentFilter,
    after: Option<ContentId>,
    limit: u64,
) -> Result<Page<Content>, StoreError> {
    use content::Column;
    let mut query = content::Entity::find();
    if let Some(kind) = filter.kind {
        query = query.filter(Column::Kind.eq(kind.name()));
    }
    if let Some(stage) = filter.stage {
        query = query.filter(Column::Stage.eq(stage.name()));
    }
    if let Some(state) = filter.state {
        query = query.filter(Column::State.eq(state.name()));
    }
    if let Some(campaign) = filter.campaign_id {
        query = query.filter(Column::CampaignId.eq(campaign.uuid()));
    }
    let line = Keyset::by_id(Column::Id);
    line.read(on, query, after, limit, |row| row.into_domain()).await
}

/// The whole library, archived content included.
pub async fn all(on: &impl Read) -> Result<Vec<Content>, StoreError> {
    let rows = content::Entity::find().all(on.conn()).await?;
    rows.into_iter().map(content::Model::into_domain).collect()
}

/// The titles of content.
pub(crate) async fn titles(
    on: &impl Read,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<BTreeMap<Uuid, String>, StoreError> {
    let backend = on.conn().get_database_backend();
    let rows: Vec<(Uuid, String)> = content::Entity::find()
        .select_only()
        .columns([content::Column::Id, content::Column::Title])
        .filter(dialect::id_in(backend, "id", ids))
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok(rows.into_iter().collect())
}

/// The content that a lead saw, people alone counted.
pub async fn seen_by(on: &impl Read, lead: LeadId) -> Result<BTreeSet<ContentId>, StoreError> {
    let members = members(on, lead).await?;
    if members.is_empty() {
        return Err(StoreError::NotFound);
    }
    let seen: Vec<Option<Uuid>> = events::Entity::find()
        .select_only()
        .column(events::Column::ContentId)
        .distinct()
        .filter(of_members(events::Column::LeadId, &members))
        .filter(events::Column::ContentId.is_not_null())
        .filter(events::Column::IsBot.eq(false))
        .filter(events::Column::IsMachine.eq(false))
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok(seen.into_iter().flatten().map(Id::from_uuid).collect())
}

/// The content that activities say was sent or shown to a lead.
pub async fn sent_to(on: &impl Read, lead: LeadId) -> Result<BTreeSet<ContentId>, StoreError> {
    let members = members(on, lead).await?;
    let lists: Vec<String> = activities::Entity::find()
        .select_only()
        .column(activities::Column::ContentIds)
        .filter(of_members(activities::Column::LeadId, &members))
        .filter(activities::Column::ContentIds.ne("[]"))
        .into_tuple()
        .all(on.conn())
        .await?;
    let mut sent = BTreeSet::new();
    for list in lists {
        sent.extend(from_json::<Vec<ContentId>>("activities", &list)?);
    }
    Ok(sent)
}

/// The codes of the objections that a lead raised.
pub async fn objections_of(on: &impl Read, lead: LeadId) -> Result<BTreeSet<String>, StoreError> {
    let members = members(on, lead).await?;
    let codes: Vec<Option<String>> = objections::Entity::find()
        .select_only()
        .column(objections::Column::Code)
        .distinct()
        .filter(of_members(objections::Column::LeadId, &members))
        .filter(objections::Column::Code.is_not_null())
        .into_tuple()
        .all(on.conn())
        .await?;
    Ok(codes.into_iter().flatten().collect())
}

/// The condition that an event `e` shows that a lead of a deal, `m`, saw content before the deal was closed.
pub(crate) const READ_BEFORE: &str = "e.lead_id = m.lead_id AND e.content_id IS NOT NULL AND e.occurred_at <= d.closed_at \
     AND NOT e.is_bot AND NOT e.is_machine";

/// How many deals are won in all, and how many with a lead that saw each of these pieces of content before.
pub async fn won_deals(
    on: &impl Read,
    ids: impl IntoIterator<Item = ContentId>,
) -> Result<(i64, BTreeMap<ContentId, i64>), StoreError> {
    let backend = on.conn().get_database_backend();
    let sql = format!(
        "SELECT e.content_id, count(DISTINCT d.id) AS n FROM deals d JOIN deal_leads m ON m.deal_id = d.id \
         JOIN events e ON {READ_BEFORE} WHERE d.state = 'won' AND {} GROUP BY e.content_id \
         UNION ALL SELECT NULL, count(*) FROM deals d WHERE d.state = 'won'",
        dialect::id_among(backend, "e.content_id", 1)
    );
    let ids = dialect::ids(backend, ids.into_iter().map(Id::uuid));
    let statement = Statement::from_sql_and_values(backend, sql, [ids]);
    let (mut all, mut by_content) = (0, BTreeMap::new());
    for row in on.conn().query_all_raw(statement).await? {
        let (id, count): (Option<Uuid>, i64) = (row.try_get("", "content_id")?, row.try_get("", "n")?);
        match id {
            Some(id) => drop(by_content.insert(Id::from_uuid(id), count)),
            None => all = count,
        }
    }
    Ok((all, by_content))
}
