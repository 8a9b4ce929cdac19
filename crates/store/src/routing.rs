//! Routing: who is free for a batch of hand-offs, the decisions, and the marks that say when to look at queues again.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::act::Act;
use tandem_domain::handoff;
use tandem_domain::id::{CompanyId, HandoffId, HandoffTag, Id, LeadId, RoutingDecisionId, TeamId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::judge::routes;
use tandem_domain::lifecycle::Stage;
use tandem_domain::routing::decision::{RoutingChange, RoutingDecision};
use tandem_domain::routing::{
    AvailabilityDetails, Goal, Joins, Routing, Seller, Strategy, Turn, UserAvailability,
};
use tandem_domain::settle::Unsettled;
use tandem_domain::world::World;
use uuid::Uuid;

use crate::db::{Conn, Read, Tx};
use crate::dialect::{self, OnConflict};
use crate::error::StoreError;
use crate::page::{Key, Keyset, Page};
use crate::rows::{
    availability, deals, from_json, handoffs, leads, queue_marks, routing_decisions, team_members,
    team_turns, to_json, users,
};
use crate::write::{self, Rows};
use crate::{access, leads as people, scoring};

/// The stages in which a lead counts as open for its owner.
const OPEN: [Stage; 3] = [Stage::Mql, Stage::Sal, Stage::Sql];
/// The stages in which a lead shows who works on its company.
const WORKED: [Stage; 4] = [Stage::Sal, Stage::Sql, Stage::Opportunity, Stage::Customer];

/// Load what routing asks about these leads. The turns and candidates are locked first: nobody else decides on them until
/// this transaction ends.
pub(crate) async fn add_desk(
    tx: &Tx,
    world: &mut World,
    wanted: &BTreeSet<LeadId>,
) -> Result<(), StoreError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let routing = world.rules.routing.clone();
    let company_of = |id: &LeadId| world.leads.get(id)?.company_id;
    let companies: BTreeSet<CompanyId> = wanted.iter().filter_map(company_of).collect();
    if routing
        .document
        .rules
        .iter()
        .any(|rule| rule.to.goal() == Some(Goal::CompanyOwner))
    {
        let owners = company_owners(tx, world, &companies).await?;
        world.sales.desk.company_owners.extend(owners);
    }
    if routing.document.join_company {
        add_worked(tx, world, &companies).await?;
    }
    // Rules that ask later name other candidates. What was decided is written by then: loads and turns are read with it.
    add_sellers(tx, world, &routing, wanted, None).await?;
    world.sales.routable.extend(wanted);
    Ok(())
}

async fn add_sellers(
    tx: &Tx,
    world: &mut World,
    routing: &Routing,
    wanted: &BTreeSet<LeadId>,
    also: Option<TeamId>,
) -> Result<(), StoreError> {
    let mut teams: BTreeMap<TeamId, Vec<UserId>> = BTreeMap::new();
    let members = team_members::Entity::find()
        .order_by_asc(team_members::Column::TeamId)
        .order_by_asc(team_members::Column::UserId);
    for row in members.all(tx.conn()).await? {
        let team = teams.entry(Id::from_uuid(row.team_id)).or_default();
        team.push(Id::from_uuid(row.user_id));
    }
    let (named_teams, named_users) = Routing::named(&routing.document);
    let named_teams: BTreeSet<TeamId> = named_teams
        .into_iter()
        .map(|(_, team)| team)
        .chain(also)
        .collect();
    let previous = wanted
        .iter()
        .filter_map(|id| world.leads.get(id)?.previous_owner_id);
    let owned = wanted.iter().filter_map(|id| world.leads.get(id)?.owner_id);
    let owners = world.sales.desk.company_owners.values().copied();
    let worked = world
        .sales
        .desk
        .worked
        .values()
        .flatten()
        .map(|(_, owner)| *owner);
    let candidates: BTreeSet<UserId> = named_teams
        .iter()
        .filter_map(|team| teams.get(team))
        .flatten()
        .copied()
        .chain(named_users.into_iter().map(|(_, user)| user))
        .chain(previous)
        .chain(owned)
        .chain(owners)
        .chain(worked)
        .collect();
    if named_teams.is_empty() && candidates.is_empty() {
        world.sales.desk.teams = teams;
        return Ok(());
    }
    let turns = named_teams.iter().map(|team| team.uuid());
    let locked: Vec<Uuid> = turns.chain(candidates.iter().map(|user| user.uuid())).collect();
    dialect::lock_turns(tx.conn(), locked).await?;
    let backend = tx.conn().get_database_backend();
    let candidates: Vec<Uuid> = candidates.into_iter().map(Id::uuid).collect();
    let ids = || candidates.iter().copied();
    let mut sellers: BTreeMap<UserId, Seller> = BTreeMap::new();
    for row in users::Entity::find()
        .filter(dialect::id_in(backend, "id", ids()))
        .all(tx.conn())
        .await?
    {
        let user = row.into_domain()?;
        sellers.entry(user.id).or_default().is_enabled = user.works_leads();
    }
    for (user, seller) in &mut sellers {
        seller.availability = world
            .sales
            .desk
            .sellers
            .get(user)
            .map(|known| known.availability.clone())
            .unwrap_or_default();
    }
    for row in availability::Entity::find()
        .filter(dialect::id_in(backend, "id", ids()))
        .all(tx.conn())
        .await?
    {
        let one = row.into_domain()?;
        if let Some(seller) = sellers.get_mut(&one.id) {
            seller.availability = one.details.compiled();
        }
    }
    add_loads(tx, routing, &mut sellers).await?;
    add_turns(tx, world, named_teams.iter().map(|team| team.uuid()).collect()).await?;
    world.sales.desk.sellers.extend(sellers);
    world.sales.desk.teams = teams;
    Ok(())
}

/// Load the turns of teams.
async fn add_turns(tx: &Tx, world: &mut World, teams: Vec<Uuid>) -> Result<(), StoreError> {
    let backend = tx.conn().get_database_backend();
    for row in team_turns::Entity::find()
        .filter(dialect::id_in(backend, "team_id", teams))
        .all(tx.conn())
        .await?
    {
        let turns = from_json("team_turns", &row.turns)?;
        world.sales.desk.turns.insert(Id::from_uuid(row.team_id), turns);
    }
    Ok(())
}

/// Count the open leads of users with a capacity, or of all where a rule routes to the least loaded; there, read also when
/// each last got a hand-off.
async fn add_loads(
    tx: &Tx,
    routing: &Routing,
    sellers: &mut BTreeMap<UserId, Seller>,
) -> Result<(), StoreError> {
    let mut rules = routing.document.rules.iter();
    let compares = rules.any(|rule| rule.strategy == Strategy::LeastLoaded);
    let counted: Vec<Uuid> = sellers
        .iter()
        .filter(|(_, seller)| compares || seller.availability.capacity.is_some())
        .map(|(user, _)| user.uuid())
        .collect();
    if counted.is_empty() {
        return Ok(());
    }
    let owned = || {
        dialect::id_in(
            tx.conn().get_database_backend(),
            "owner_id",
            counted.iter().copied(),
        )
    };
    let open: Vec<(Uuid, i64)> = leads::Entity::find()
        .select_only()
        .column(leads::Column::OwnerId)
        .column_as(Expr::col(leads::Column::Id).count(), "count")
        .filter(leads::Column::IsListed.eq(true))
        .filter(owned())
        .filter(leads::Column::Stage.is_in(OPEN.map(Stage::name)))
        .group_by(leads::Column::OwnerId)
        .into_tuple()
        .all(tx.conn())
        .await?;
    for (user, count) in open {
        if let Some(seller) = sellers.get_mut(&Id::from_uuid(user)) {
            seller.open_leads = u32::try_from(count).unwrap_or(u32::MAX);
        }
    }
    if !compares {
        return Ok(());
    }
    let last: Vec<(Uuid, i64)> = handoffs::Entity::find()
        .select_only()
        .column(handoffs::Column::OwnerId)
        .column_as(Expr::col(handoffs::Column::AssignedAt).max(), "last")
        .filter(owned())
        .filter(handoffs::Column::AssignedAt.is_not_null())
        .group_by(handoffs::Column::OwnerId)
        .into_tuple()
        .all(tx.conn())
        .await?;
    for (user, at) in last {
        if let Some(seller) = sellers.get_mut(&Id::from_uuid(user)) {
            seller.last_assigned_at = Some(Timestamp::from_millis(at));
        }
    }
    Ok(())
}

/// Load the work on companies that hand-offs join: open deals, then leads in mql, sal and sql, the newest first, each with an owner.
async fn add_worked(tx: &Tx, world: &mut World, companies: &BTreeSet<CompanyId>) -> Result<(), StoreError> {
    let unknown = |id: &&CompanyId| !world.sales.desk.worked.contains_key(id);
    let ids: Vec<Uuid> = companies.iter().filter(unknown).map(|id| id.uuid()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let backend = tx.conn().get_database_backend();
    let of_company = || dialect::id_in(backend, "company_id", ids.iter().copied());
    let deals: Vec<(Uuid, Uuid, Uuid)> = deals::Entity::find()
        .select_only()
        .columns([
            deals::Column::CompanyId,
            deals::Column::Id,
            deals::Column::OwnerId,
        ])
        .filter(of_company())
        .filter(deals::Column::State.eq("open"))
        .filter(deals::Column::OwnerId.is_not_null())
        .order_by_desc(deals::Column::OpenedAt)
        .order_by_desc(deals::Column::Id)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let worked: Vec<(Uuid, Uuid, Uuid)> = leads::Entity::find()
        .select_only()
        .columns([
            leads::Column::CompanyId,
            leads::Column::Id,
            leads::Column::OwnerId,
        ])
        .filter(of_company())
        .filter(leads::Column::IsListed.eq(true))
        .filter(leads::Column::Stage.is_in(OPEN.map(Stage::name)))
        .filter(leads::Column::OwnerId.is_not_null())
        .order_by_desc(leads::Column::StageSince)
        .order_by_desc(leads::Column::Id)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let known = &mut world.sales.desk.worked;
    known.extend(ids.iter().map(|id| (Id::from_uuid(*id), vec![])));
    for (company, deal, owner) in deals {
        let joins = Joins::Deal(Id::from_uuid(deal));
        known
            .entry(Id::from_uuid(company))
            .or_default()
            .push((joins, Id::from_uuid(owner)));
    }
    for (company, lead, owner) in worked {
        let joins = Joins::Lead(Id::from_uuid(lead));
        known
            .entry(Id::from_uuid(company))
            .or_default()
            .push((joins, Id::from_uuid(owner)));
    }
    Ok(())
}

/// The facts that moving the leads of a user to a team is decided on: the first 500 that sales works on, with their hand-offs and
/// clocks, and who of the team is free. Whether there are more.
pub async fn world_of_owner(
    tx: &Tx,
    owner: UserId,
    team: TeamId,
) -> Result<(World, Vec<LeadId>, bool), StoreError> {
    const MOST: usize = 500;
    let in_work = [Stage::Mql, Stage::Sal, Stage::Sql, Stage::Opportunity];
    let mut found: Vec<Uuid> = leads::Entity::find()
        .select_only()
        .column(leads::Column::Id)
        .filter(leads::Column::OwnerId.eq(owner.uuid()))
        .filter(leads::Column::IsListed.eq(true))
        .filter(leads::Column::Stage.is_in(in_work.map(Stage::name)))
        .order_by_asc(leads::Column::Id)
        .limit(MOST as u64 + 1)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let has_more = found.len() > MOST;
    found.truncate(MOST);
    let ids: Vec<LeadId> = found.into_iter().map(Id::from_uuid).collect();
    let mut world = people::world_of(tx, ids.iter().copied()).await?;
    let wanted: BTreeSet<LeadId> = ids.iter().copied().collect();
    crate::handoff::add_sales(tx, &mut world, &wanted).await?;
    world.sales.staff = Some(access::staff(tx).await?);
    let routing = world.rules.routing.clone();
    add_sellers(tx, &mut world, &routing, &wanted, Some(team)).await?;
    Ok((world, ids, has_more))
}

/// Load what routing asks about one lead, whose hand-offs are loaded: for a decision that routes it again.
pub async fn add_to(tx: &Tx, world: &mut World, lead_id: LeadId) -> Result<(), StoreError> {
    let wanted = [lead_id].into();
    scoring::load(tx, world, &wanted, tx.act().now).await?;
    add_desk(tx, world, &wanted).await
}

/// Who owns companies: by their own owner, else the owner of the newest open deal, else of the newest lead that is worked.
async fn company_owners(
    tx: &Tx,
    world: &World,
    companies: &BTreeSet<CompanyId>,
) -> Result<HashMap<CompanyId, UserId>, StoreError> {
    let own = |id: &CompanyId| world.companies.get(id).and_then(|company| company.owner_id);
    let mut owners: HashMap<CompanyId, UserId> =
        companies.iter().filter_map(|id| Some((*id, own(id)?))).collect();
    let others: Vec<Uuid> = companies
        .iter()
        .filter(|id| !owners.contains_key(id))
        .map(|id| id.uuid())
        .collect();
    if others.is_empty() {
        return Ok(owners);
    }
    let backend = tx.conn().get_database_backend();
    let of_company = || dialect::id_in(backend, "company_id", others.iter().copied());
    let open: Vec<(Uuid, Uuid)> = deals::Entity::find()
        .select_only()
        .columns([deals::Column::CompanyId, deals::Column::OwnerId])
        .filter(of_company())
        .filter(deals::Column::State.eq("open"))
        .filter(deals::Column::OwnerId.is_not_null())
        .order_by_asc(deals::Column::OpenedAt)
        .order_by_asc(deals::Column::Id)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let worked: Vec<(Uuid, Uuid)> = leads::Entity::find()
        .select_only()
        .columns([leads::Column::CompanyId, leads::Column::OwnerId])
        .filter(of_company())
        .filter(leads::Column::IsListed.eq(true))
        .filter(leads::Column::Stage.is_in(WORKED.map(Stage::name)))
        .filter(leads::Column::OwnerId.is_not_null())
        .order_by_asc(leads::Column::StageSince)
        .order_by_asc(leads::Column::Id)
        .into_tuple()
        .all(tx.conn())
        .await?;
    // The newest comes last, and deals stand above leads.
    for (company, owner) in worked.into_iter().chain(open) {
        owners.insert(Id::from_uuid(company), Id::from_uuid(owner));
    }
    Ok(owners)
}

/// Add the working hours of users.
pub async fn add_hours(
    tx: &Tx,
    world: &mut World,
    users: impl IntoIterator<Item = UserId>,
) -> Result<(), StoreError> {
    let backend = tx.conn().get_database_backend();
    let ids: BTreeSet<Uuid> = users.into_iter().map(Id::uuid).collect();
    if ids.is_empty() {
        return Ok(());
    }
    for row in availability::Entity::find()
        .filter(dialect::id_in(backend, "id", ids))
        .all(tx.conn())
        .await?
    {
        let one = row.into_domain()?;
        let seller = world.sales.desk.sellers.entry(one.id).or_default();
        seller.availability = one.details.compiled();
    }
    Ok(())
}

/// Add the working hours of users, and the turns that pending and disputed hand-offs took, for a decision about these.
pub(crate) async fn add_for_decision(
    tx: &Tx,
    world: &mut World,
    users: impl IntoIterator<Item = UserId>,
) -> Result<(), StoreError> {
    let backend = tx.conn().get_database_backend();
    add_hours(tx, world, users).await?;
    let pending = world
        .sales
        .handoffs
        .values()
        .filter(|handoff| handoff.is_pending() || handoff.is_disputed());
    let decided: HashMap<Uuid, HandoffId> = pending
        .filter_map(|handoff| Some((handoff.routing_decision_id?.uuid(), handoff.id)))
        .collect();
    if decided.is_empty() {
        return Ok(());
    }
    let rows = routing_decisions::Entity::find()
        .filter(dialect::id_in(backend, "id", decided.keys().copied()))
        .filter(routing_decisions::Column::TeamId.is_not_null());
    let mut taken: Vec<(HandoffId, (TeamId, Turn))> = vec![];
    for row in rows.all(tx.conn()).await? {
        let handoff = decided.get(&row.id).copied();
        taken.extend(handoff.zip(row.into_domain()?.turn));
    }
    let teams: BTreeSet<Uuid> = taken.iter().map(|(_, (team, _))| team.uuid()).collect();
    if teams.is_empty() {
        return Ok(());
    }
    dialect::lock_turns(tx.conn(), teams.iter().copied()).await?;
    add_turns(tx, world, teams.into_iter().collect()).await?;
    world.sales.desk.taken.extend(taken);
    Ok(())
}

/// The availability of a user; what nobody ever said has version 0.
pub async fn availability_of(on: &impl Read, user: UserId) -> Result<UserAvailability, StoreError> {
    let row = availability::Entity::find_by_id(user.uuid())
        .one(on.conn())
        .await?;
    match row {
        Some(row) => row.into_domain(),
        None => Ok(UserAvailability {
            id: user,
            version: 0,
            details: AvailabilityDetails::default(),
            updated_at: Timestamp::from_millis(0),
        }),
    }
}

/// A routing decision.
pub async fn decision(on: &impl Read, id: RoutingDecisionId) -> Result<RoutingDecision, StoreError> {
    let row = routing_decisions::Entity::find_by_id(id.uuid())
        .one(on.conn())
        .await?;
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// Look at the queues at these instants, and whether owners of pending hand-offs are there.
pub async fn look_at(tx: &Tx, instants: impl IntoIterator<Item = Timestamp>) -> Result<(), StoreError> {
    let marks: Vec<queue_marks::Model> = instants.into_iter().map(|at| mark(at, None, tx.act())).collect();
    write::insert::<queue_marks::Entity>(tx, marks.iter(), OnConflict::Fail).await
}

/// A mark for an instant: for the hand-offs after one (when it was made, its id), or for all.
fn mark(at: Timestamp, after: Option<(i64, Uuid)>, act: &Act) -> queue_marks::Model {
    let (after_made_at, after_id) = after.unzip();
    queue_marks::Model {
        id: act.ids.next::<tandem_domain::id::RequestTag>().uuid(),
        at: at.millis(),
        after_made_at,
        after_id,
    }
}

/// When the queues are to be looked at next.
pub async fn next_look(on: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    let first: Option<i64> = queue_marks::Entity::find()
        .select_only()
        .column(queue_marks::Column::At)
        .order_by_asc(queue_marks::Column::At)
        .limit(1)
        .into_tuple()
        .one(on.conn())
        .await?;
    Ok(first.map(Timestamp::from_millis))
}

/// Route again what waits, the oldest first, and what owners have who are away or disabled: `limit` hand-offs at most.
/// Returns whether some are left; a mark then stores the hand-off after which the next look continues.
pub async fn release(tx: &Tx, limit: u64) -> Result<bool, StoreError> {
    let now = tx.act().now;
    let due = queue_marks::Entity::find()
        .filter(queue_marks::Column::At.lte(now.millis()))
        .all(tx.conn())
        .await?;
    // None is less than any position: a mark for all hand-offs starts from the first.
    let Some(after) = due.iter().map(|mark| mark.after_made_at.zip(mark.after_id)).min() else {
        return Ok(false);
    };
    let away = away(tx, now).await?;
    let backend = tx.conn().get_database_backend();
    let waiting = handoffs::Column::Queue.is_not_null();
    let owned_by_the_away = dialect::id_in(backend, "owner_id", away.keys().map(|user| user.uuid()));
    let is_pending = handoffs::Column::State.eq("pending");
    let pending = handoffs::Entity::find().filter(waiting.or(is_pending.and(owned_by_the_away)));
    let oldest_first = Keyset {
        column: Some(handoffs::Column::MadeAt),
        id: handoffs::Column::Id,
        descending: false,
    };
    let after = after.map(|(made_at, id)| (Some(Key::Number(made_at)), Id::from_uuid(id)));
    let rows = oldest_first.page::<_, HandoffTag>(pending, after, limit);
    let Page {
        data: found,
        has_more,
    } = Page::of(rows.all(tx.conn()).await?, limit);
    let lead_ids: BTreeSet<LeadId> = found.iter().map(|row| Id::from_uuid(row.lead_id)).collect();
    let asks = tx.rules().routing.asks_who_is_free();
    if !lead_ids.is_empty() && asks {
        let mut world = people::world_of(tx, lead_ids.iter().copied()).await?;
        crate::handoff::add_sales(tx, &mut world, &lead_ids).await?;
        world.sales.staff = Some(access::staff(tx).await?);
        scoring::load(tx, &mut world, &lead_ids, now).await?;
        add_desk(tx, &mut world, &lead_ids).await?;
        let mut items = vec![];
        for row in &found {
            let holds = routes(&mut world, Id::from_uuid(row.lead_id), None, now);
            let changes = handoff::reroute(&mut world, Id::from_uuid(row.id), &holds, tx.act());
            items.push((tx.act(), Unsettled::from(changes)));
        }
        write::settle_all(tx, &mut world, items).await?;
    }
    queue_marks::Entity::delete_many()
        .filter(dialect::id_in(backend, "id", due.iter().map(|mark| mark.id)))
        .exec(tx.conn())
        .await?;
    let is_left = has_more && asks;
    let last = found.last().filter(|_| is_left);
    let next = last.map(|row| mark(now, Some((row.made_at, row.id)), tx.act()));
    write::insert::<queue_marks::Entity>(tx, next.iter(), OnConflict::Fail).await?;
    Ok(is_left)
}

/// The users who are absent at an instant, or disabled, and since when.
pub async fn away(on: &impl Read, now: Timestamp) -> Result<BTreeMap<UserId, Timestamp>, StoreError> {
    let mut away = BTreeMap::new();
    for row in availability::Entity::find().all(on.conn()).await? {
        let one = row.into_domain()?;
        let since = one.details.compiled().away_since(now);
        away.extend(since.map(|since| (one.id, since)));
    }
    let disabled: Vec<(Uuid, i64)> = users::Entity::find()
        .select_only()
        .columns([users::Column::Id, users::Column::DisabledAt])
        .filter(users::Column::DisabledAt.is_not_null())
        .into_tuple()
        .all(on.conn())
        .await?;
    let disabled = disabled
        .into_iter()
        .map(|(id, at)| (Id::from_uuid(id), Timestamp::from_millis(at)));
    away.extend(disabled);
    Ok(away)
}

impl Rows {
    pub(crate) fn add_routing(&mut self, change: &RoutingChange) {
        match change {
            RoutingChange::Decided(decision) => {
                self.decisions.push(routing_decisions::Model::of(decision));
            }
            RoutingChange::Turned { team_id, turns, at } => {
                let row = team_turns::Model {
                    team_id: team_id.uuid(),
                    turns: to_json(turns),
                    updated_at: at.millis(),
                };
                self.turns.insert(row.team_id, row);
            }
        }
    }

    /// An owner has room for another lead from now on.
    pub(crate) fn has_room(&mut self, id: Uuid, at: Timestamp) {
        let row = queue_marks::Model {
            id,
            at: at.millis(),
            after_made_at: None,
            after_id: None,
        };
        self.marks.insert(row.at, row);
    }
}
