//! Conversations: loading the facts of a decision, those that wait for a lead, reading and listing.

use std::collections::{BTreeSet, HashMap, HashSet};

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
};
use serde_json::json;

use tandem_domain::activities::conversation::{Conversation, ConversationDetails, Talk};
use tandem_domain::activities::{ActivityType, Intent};
use tandem_domain::id::{ActivityId, ConversationId, Id, LeadId, UserId};
use tandem_domain::leads::save::{CompanyStatement, Statement};
use tandem_domain::world::World;
use uuid::Uuid;

use super::add_for_update;
use crate::access;
use crate::db::{Conn, Read, Tx};
use crate::deals::promises;
use crate::dialect;
use crate::error::StoreError;
use crate::leads::{self, members_of};
use crate::own::with_own;
use crate::page::{Keyset, Page};
use crate::rows::{activities, conversation_keys, conversations, to_json};

/// Which conversations are listed.
#[derive(Debug, Clone, Default)]
pub struct ConversationFilter {
    /// With this lead.
    pub lead_id: Option<LeadId>,
    /// Held by one of these users.
    pub user_id: Vec<UserId>,
    /// With one of these intents.
    pub intent: Vec<Intent>,
    /// Those that have a lead, or those that wait for one.
    pub matched: Option<bool>,
}

/// The activities that follow from a conversation: its own, unless somebody deleted it, and its tasks.
pub type Followed = (Option<ActivityId>, Vec<ActivityId>);

/// The facts that a report is decided on, and the conversation that the partner knows by the same id. Locks that id, then the
/// identifiers of the lead, the lead, and the rows. `lead` is what the report says of the lead.
pub async fn world_for(
    tx: &Tx,
    details: &ConversationDetails,
    lead: Statement,
) -> Result<(World, Option<Conversation>), StoreError> {
    use conversations::Column;
    let (provider, external_id) = details.key();
    let name = format!("conversation\u{0}{provider}\u{0}{external_id}");
    dialect::lock_external_ids(tx.conn(), [name]).await?;
    let known = conversations::Entity::find()
        .filter(Column::Provider.eq(provider))
        .filter(Column::ExternalId.eq(external_id))
        .one(tx.conn())
        .await?;
    let linked = known.as_ref().and_then(|row| row.lead_id);
    let statement = match linked {
        Some(lead) => Statement {
            id: Some(Id::from_uuid(lead)),
            company: Some(CompanyStatement::default()),
            ..Statement::default()
        },
        None => lead,
    };
    let mut world = leads::world(tx, [&statement]).await?;
    add_users(tx, &mut world, details.emails().collect()).await?;
    let Some(known) = known else {
        return Ok((world, None));
    };
    let known = locked(tx, &mut world, known.id).await?;
    let is_loaded = |lead: &LeadId| world.leads.contains_key(lead);
    // Somebody linked it since it was read.
    if known.lead_id.map(Id::uuid) != linked && !known.lead_id.as_ref().is_some_and(is_loaded) {
        return Err(StoreError::Contended);
    }
    Ok((world, Some(known)))
}

/// The facts that linking a conversation to a lead is decided on; [`StoreError::NotFound`] where there is no such conversation.
pub async fn world_to_link(
    tx: &Tx,
    id: ConversationId,
    lead_id: LeadId,
) -> Result<(World, Conversation), StoreError> {
    let mut world = leads::world_of(tx, [lead_id]).await?;
    let known = locked(tx, &mut world, id.uuid()).await?;
    add_users(tx, &mut world, known.details.emails().collect()).await?;
    Ok((world, known))
}

/// Lock a conversation, and load what follows from it.
async fn locked(tx: &Tx, world: &mut World, id: Uuid) -> Result<Conversation, StoreError> {
    let query = conversations::Entity::find_by_id(id).lock_exclusive();
    let row = query.one(tx.conn()).await?.ok_or(StoreError::NotFound)?;
    let own: Vec<Uuid> = activities::Entity::find()
        .select_only()
        .column(activities::Column::Id)
        .filter(activities::Column::ConversationId.eq(id))
        .into_tuple()
        .all(tx.conn())
        .await?;
    add_for_update(tx, world, &own.iter().copied().collect()).await?;
    let own: Vec<ActivityId> = own.into_iter().map(Id::from_uuid).collect();
    let stated = promises::of_activities(tx, &own).await?;
    world.sales.promises.extend(stated);
    row.into_domain()
}

/// Add the enabled users with these e-mails.
async fn add_users(tx: &Tx, world: &mut World, emails: BTreeSet<String>) -> Result<(), StoreError> {
    if emails.is_empty() {
        return Ok(());
    }
    let found = access::users_with_emails(tx, &emails).await?;
    world.sales.talks.users.extend(found);
    Ok(())
}

/// Add the conversations that wait for an identifier of these leads, locked.
pub(crate) async fn add_waiting(
    tx: &Tx,
    world: &mut World,
    leads: &BTreeSet<LeadId>,
) -> Result<(), StoreError> {
    let leads = leads.iter().filter_map(|id| world.leads.get(id));
    let keys = leads.flat_map(|lead| lead.identifiers.iter().map(|one| (one.key(), lead.id)));
    let keys: Vec<_> = keys.collect();
    if keys.is_empty() {
        return Ok(());
    }
    let wanted: Vec<_> = keys
        .iter()
        .map(|(key, _)| json!({"kind": key.kind.name(), "system": key.system, "value": key.value}))
        .collect();
    let backend = tx.conn().get_database_backend();
    let statement = dialect::awaited_like(backend, to_json(&wanted));
    let mut by_lead: HashMap<LeadId, HashSet<ConversationId>> = HashMap::new();
    let mut ids: BTreeSet<Uuid> = BTreeSet::new();
    for row in tx.conn().query_all_raw(statement).await? {
        let row = conversation_keys::Model::from_query_result(&row, "")?;
        let is_it = |key: &tandem_domain::leads::identity::Key| {
            (key.kind.name(), &key.system, &key.value) == (row.kind.as_str(), &row.system, &row.value)
        };
        for (_, lead) in keys.iter().filter(|(key, _)| is_it(key)) {
            let waiting = by_lead.entry(*lead).or_default();
            waiting.insert(Id::from_uuid(row.conversation_id));
        }
        ids.insert(row.conversation_id);
    }
    if ids.is_empty() {
        return Ok(());
    }
    let rows = conversations::Entity::find()
        .filter(dialect::id_in(backend, "id", ids))
        .order_by_asc(conversations::Column::Id)
        .lock_exclusive()
        .all(tx.conn())
        .await?;
    let mut emails = BTreeSet::new();
    for row in rows.into_iter().filter(|row| row.lead_id.is_none()) {
        let conversation = row.into_domain()?;
        emails.extend(conversation.details.emails());
        let talk = Talk {
            conversation,
            applied: None,
        };
        let known = &mut world.sales.talks.known;
        known.entry(talk.conversation.id).or_insert(talk);
    }
    add_users(tx, world, emails).await?;
    world.sales.talks.waiting.extend(by_lead);
    Ok(())
}

/// What follows from a conversation, for [`with_own`].
const OWN: &str = "activities x WHERE x.conversation_id = conversations.id";

/// A conversation with what follows from it.
pub async fn get(on: &impl Read, id: ConversationId) -> Result<(Conversation, Followed), StoreError> {
    let query = conversations::Entity::find_by_id(id.uuid());
    let found = with_own::<_, activities::Entity>(on, query, OWN).await?;
    found.into_iter().next().map_or(Err(StoreError::NotFound), whole)
}

fn whole(
    (row, mut own): (conversations::Model, Vec<activities::Model>),
) -> Result<(Conversation, Followed), StoreError> {
    own.sort_unstable_by_key(|activity| activity.id);
    let (mut activity, mut tasks) = (None, vec![]);
    for one in own {
        match one.kind == ActivityType::Task.name() {
            true => tasks.push(Id::from_uuid(one.id)),
            false => activity = Some(Id::from_uuid(one.id)),
        }
    }
    Ok((row.into_domain()?, (activity, tasks)))
}

/// A page of conversations with what follows from them, in the order of their ids.
pub async fn list(
    on: &impl Read,
    filter: &ConversationFilter,
    after: Option<ConversationId>,
    limit: u64,
) -> Result<Page<(Conversation, Followed)>, StoreError> {
    use conversations::Column;
    let mut query = conversations::Entity::find();
    if let Some(lead) = filter.lead_id {
        query = query.filter(Column::LeadId.in_subquery(members_of(lead.uuid())));
    }
    if !filter.user_id.is_empty() {
        query = query.filter(Column::UserId.is_in(filter.user_id.iter().map(|user| user.uuid())));
    }
    if !filter.intent.is_empty() {
        query = query.filter(Column::Intent.is_in(filter.intent.iter().map(|intent| intent.name())));
    }
    query = match filter.matched {
        Some(true) => query.filter(Column::LeadId.is_not_null()),
        Some(false) => query.filter(Column::LeadId.is_null()),
        None => query,
    };
    let after = after.map(|id| (None, id));
    Keyset::by_id(Column::Id)
        .read_with::<_, activities::Entity, _, _>(on, query, OWN, after, limit, whole)
        .await
}
