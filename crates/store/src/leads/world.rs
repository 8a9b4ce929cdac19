//! The facts of a decision about leads: locked in one order, loaded for a whole batch in a handful of queries.

use std::collections::{BTreeSet, HashMap};

use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde_json::json;
use tandem_domain::id::{CompanyId, Id, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::fields::{About, CompanyField, FieldValue};
use tandem_domain::leads::identity::{Key, Kind};
use tandem_domain::leads::save::{CompanyStatement, Statement};
use tandem_domain::leads::search::company_key;
use tandem_domain::world::World;
use uuid::Uuid;

use super::consent;
use crate::db::{Conn, Read, Tx};
use crate::dialect::{self, CompanyName};
use crate::error::StoreError;
use crate::rows::{companies, cycles, field_values, identifiers, leads, scores, to_json};
use crate::rules::Rules;
use crate::scoring;
use crate::union::found_by_any;

/// The facts that a batch of statements about leads is decided on.
pub async fn world<'s>(
    tx: &Tx,
    statements: impl IntoIterator<Item = &'s Statement> + Clone,
) -> Result<World, StoreError> {
    let keys: BTreeSet<Key> = statements.clone().into_iter().flat_map(addressing).collect();
    let companies = || {
        statements
            .clone()
            .into_iter()
            .filter_map(|said| said.company.as_ref())
    };
    let mut named = names_of(companies());
    let of_emails = statements
        .clone()
        .into_iter()
        .filter_map(Statement::company_of_email);
    named
        .domains
        .extend(of_emails.map(|domain| domain.as_str().to_owned()));
    lock(tx, &keys, &named).await?;
    let holders = holders(tx, &keys).await?;
    let alone = |row: &&identifiers::Model| {
        let is_same = |other: &&identifiers::Model| (&other.kind, &other.value) == (&row.kind, &row.value);
        row.kind != Kind::Phone.name() || holders.iter().filter(is_same).take(2).count() == 1
    };
    let alone_with_it = holders.iter().filter(alone).map(|row| row.lead_id);
    let speaks_of_consent = statements
        .clone()
        .into_iter()
        .any(|said| !said.consents.is_empty());
    let addressed = statements
        .clone()
        .into_iter()
        .filter_map(|said| said.id)
        .map(Id::uuid);
    let wanted: BTreeSet<Uuid> = addressed.chain(alone_with_it).collect();
    let stated = Stated::by(statements, tx.act().now);
    let (mut world, survivors) = known(tx, wanted, holders, &named, &stated).await?;
    if speaks_of_consent {
        consent::add_facts(tx, &mut world, &survivors).await?;
    }
    Ok(world)
}

/// The facts that a decision about known leads is made on, which states no field of them.
pub async fn world_of(tx: &Tx, ids: impl IntoIterator<Item = LeadId>) -> Result<World, StoreError> {
    let mut world = empty_world(tx);
    let wanted = ids.into_iter().map(Id::uuid).collect();
    add_leads(tx, &mut world, wanted, &Named::default(), &Stated::Nothing).await?;
    Ok(world)
}

/// The facts that an edit of a known lead is decided on; `said` holds the identifiers and the company that it states.
pub async fn world_for_edit(tx: &Tx, id: LeadId, said: &Statement) -> Result<World, StoreError> {
    let keys: BTreeSet<Key> = addressing(said).into_iter().collect();
    let named = names_of(said.company.as_ref());
    lock(tx, &keys, &named).await?;
    let holders = holders(tx, &keys).await?;
    let (world, _) = known(tx, [id.uuid()].into(), holders, &named, &Stated::Anything).await?;
    Ok(world)
}

/// The facts that a decision about the consent of known leads is made on.
pub async fn world_for_consent(tx: &Tx, ids: impl IntoIterator<Item = LeadId>) -> Result<World, StoreError> {
    let mut world = empty_world(tx);
    add_for_consent(tx, &mut world, ids.into_iter().collect()).await?;
    Ok(world)
}

/// Add the facts that a decision about the consent of known leads is made on.
pub async fn add_for_consent(tx: &Tx, world: &mut World, ids: BTreeSet<LeadId>) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let (loaded, missing): (Vec<LeadId>, Vec<LeadId>) =
        ids.into_iter().partition(|id| world.leads.contains_key(id));
    let missing = missing.into_iter().map(Id::uuid).collect();
    let mut survivors = add_leads(tx, world, missing, &Named::default(), &Stated::Nothing).await?;
    survivors.extend(loaded.into_iter().map(|id| (id.uuid(), id)));
    consent::add_facts(tx, world, &survivors).await
}

/// Load leads whole that are not loaded yet.
pub(crate) async fn add_missing(
    tx: &Tx,
    world: &mut World,
    ids: &BTreeSet<LeadId>,
) -> Result<(), StoreError> {
    let missing = ids.iter().filter(|id| !world.leads.contains_key(id));
    let missing: BTreeSet<Uuid> = missing.map(|id| id.uuid()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    add_leads(tx, world, missing, &Named::default(), &Stated::Nothing).await?;
    Ok(())
}

/// Load again what was derived of leads since they were loaded, for a decision that stands on it: what they show of touches,
/// and when they were active.
pub(crate) async fn renew(
    tx: &Tx,
    world: &mut World,
    ids: impl Iterator<Item = LeadId>,
) -> Result<(), StoreError> {
    let known: BTreeSet<Uuid> = ids
        .filter(|id| world.leads.contains_key(id))
        .map(Id::uuid)
        .collect();
    if known.is_empty() {
        return Ok(());
    }
    let backend = tx.conn().get_database_backend();
    let rows = leads::Entity::find()
        .filter(dialect::id_in(backend, "id", known))
        .all(tx.conn())
        .await?;
    for row in rows {
        let Some(lead) = world.leads.get_mut(&Id::from_uuid(row.id)) else {
            continue;
        };
        let now = row.into_domain(vec![])?;
        lead.derived = now.derived;
        lead.first_touch = now.first_touch;
        lead.last_touch = now.last_touch;
        lead.last_non_direct_touch = now.last_non_direct_touch;
        lead.lead_touch = now.lead_touch;
        lead.last_activity_at = now.last_activity_at;
    }
    Ok(())
}

/// Load the newest statements about one field of some leads.
pub(crate) async fn add_statements_about(
    on: &impl Read,
    world: &mut World,
    ids: BTreeSet<Uuid>,
    field: &str,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let backend = on.conn().get_database_backend();
    let statement = dialect::newest_statements(backend, "lead_id", ids, Some([field]), []);
    for row in on.conn().query_all_raw(statement).await? {
        world.add_statement(field_values::Model::from_query_result(&row, "")?.into_domain()?);
    }
    Ok(())
}

/// The keys by which a statement finds its lead: phones only where it carries nothing else, since a switchboard's
/// number would lead to everybody behind it.
fn addressing(said: &Statement) -> Vec<Key> {
    let only_phones = said.id.is_none() && said.external_ids.is_empty() && said.emails.is_empty();
    let mut keys = said.keys();
    keys.retain(|key| key.kind.is_unique() || only_phones);
    keys
}

/// The world of these leads and of the companies that are named. Who else holds an identifier is known by id alone; of
/// the loaded leads what was read under their locks counts.
async fn known(
    tx: &Tx,
    wanted: BTreeSet<Uuid>,
    holders: Vec<identifiers::Model>,
    named: &Named,
    stated: &Stated,
) -> Result<(World, HashMap<Uuid, LeadId>), StoreError> {
    let mut world = empty_world(tx);
    let survivors = add_leads(tx, &mut world, wanted, named, stated).await?;
    for row in holders {
        if !survivors.contains_key(&row.lead_id) {
            world.hold(Id::from_uuid(row.lead_id), &row.into_domain()?);
        }
    }
    Ok((world, survivors))
}

/// The facts that statements about companies are decided on.
pub async fn world_for_companies<'s>(
    tx: &Tx,
    ids: impl IntoIterator<Item = CompanyId>,
    said: impl IntoIterator<Item = &'s CompanyStatement>,
) -> Result<World, StoreError> {
    let named = names_of(said);
    lock(tx, &BTreeSet::new(), &named).await?;
    let mut world = empty_world(tx);
    let ids = ids.into_iter().map(Id::uuid).collect();
    load_companies(tx, &mut world, ids, &named, &Stated::Anything).await?;
    add_statements(tx, &mut world, BTreeSet::new(), &Stated::Anything).await?;
    Ok(world)
}

/// The fields whose statements a decision stands on.
enum Stated {
    /// None.
    Nothing,
    /// Whatever there is.
    Anything,
    /// These of leads, these of companies. Where an earlier date is stated, also what was stated of these very dates: the
    /// same statement again is known.
    Fields {
        of_leads: BTreeSet<String>,
        of_companies: BTreeSet<String>,
        dates: BTreeSet<i64>,
    },
}

impl Stated {
    /// Whether the decision may edit the companies that it stands on.
    fn edits_companies(&self) -> bool {
        match self {
            Stated::Nothing | Stated::Anything => true,
            Stated::Fields { of_companies, .. } => !of_companies.is_empty(),
        }
    }

    fn by<'s>(statements: impl IntoIterator<Item = &'s Statement>, now: Timestamp) -> Self {
        let (mut of_leads, mut of_companies, mut dates) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for said in statements {
            of_leads.extend(said.text.keys().map(|field| field.name().to_owned()));
            of_leads.extend(said.custom.keys().map(|name| format!("custom.{name}")));
            let plan = [
                ("budget", said.plan.budget.is_some()),
                ("timeline_days", said.plan.timeline_days.is_some()),
            ];
            of_leads.extend(
                plan.into_iter()
                    .filter(|(_, is_stated)| *is_stated)
                    .map(|(name, _)| name.to_owned()),
            );
            if said.company.is_some() || said.company_of_email().is_some() {
                of_leads.insert("company_id".to_owned());
            }
            let company = said.company.iter();
            of_companies.extend(
                company
                    .clone()
                    .flat_map(|company| company.text.keys())
                    .map(|field| field.name().to_owned()),
            );
            if company.clone().any(|company| company.employees.is_some()) {
                of_companies.insert("employees".to_owned());
            }
            if company.clone().any(|company| company.owner_id.is_some()) {
                of_companies.insert("owner_id".to_owned());
            }
            dates.extend(said.observed_at.filter(|at| *at < now).map(Timestamp::millis));
        }
        Self::Fields {
            of_leads,
            of_companies,
            dates,
        }
    }
}

/// What companies are named by: domains, and the keys of names, which several names may share.
#[derive(Default)]
struct Named {
    domains: BTreeSet<String>,
    names: BTreeSet<String>,
}

fn names_of<'s>(statements: impl IntoIterator<Item = &'s CompanyStatement>) -> Named {
    let mut named = Named::default();
    for said in statements {
        match (&said.domain, said.text.get(&CompanyField::Name)) {
            (Some(domain), _) => drop(named.domains.insert(domain.as_str().to_owned())),
            (None, Some(Some(name))) => drop(named.names.insert(company_key(name))),
            _ => {}
        }
    }
    named
}

/// The facts of a decision about nobody who is known: the rules alone.
pub fn empty_world(tx: &Tx) -> World {
    world_by(tx.rules())
}

/// A world that knows these rules and nobody.
pub(crate) fn world_by(rules: &Rules) -> World {
    World::of(tandem_domain::world::Rules {
        agreement: rules.agreement.clone(),
        custom_fields: rules.custom_fields.clone(),
        consent_purposes: rules.shown_by.consent.purposes.clone(),
        touch_rules: rules.touch_rules.clone(),
        money: rules.money.clone(),
        job_words: rules.shown_by.job_words.clone(),
        routing: rules.routing.clone(),
        content: rules.content.clone(),
        objections: rules.objections.clone(),
    })
}

async fn lock(tx: &Tx, keys: &BTreeSet<Key>, named: &Named) -> Result<(), StoreError> {
    let identifiers = keys
        .iter()
        .map(|key| format!("{}\u{0}{}\u{0}{}", key.kind.name(), key.system, key.value));
    let domains = named.domains.iter().map(|domain| CompanyName::Domain(domain));
    let names = named.names.iter().map(|name| CompanyName::Key(name));
    Ok(dialect::lock_names(tx.conn(), identifiers, domains.chain(names)).await?)
}

async fn holders(tx: &Tx, keys: &BTreeSet<Key>) -> Result<Vec<identifiers::Model>, StoreError> {
    if keys.is_empty() {
        return Ok(vec![]);
    }
    let wanted: Vec<_> = keys
        .iter()
        .map(|key| json!({"kind": key.kind.name(), "system": key.system, "value": key.value}))
        .collect();
    let statement = dialect::identifiers_like(tx.conn().get_database_backend(), to_json(&wanted));
    let rows = tx.conn().query_all_raw(statement).await?;
    Ok(rows
        .iter()
        .map(|row| identifiers::Model::from_query_result(row, ""))
        .collect::<Result<_, _>>()?)
}

/// Lock and load leads with their members and companies, in that order; answer which lead each member now is.
async fn add_leads(
    tx: &Tx,
    world: &mut World,
    wanted: BTreeSet<Uuid>,
    named: &Named,
    stated: &Stated,
) -> Result<HashMap<Uuid, LeadId>, StoreError> {
    let mut survivors = HashMap::new();
    if wanted.is_empty() {
        load_companies(tx, world, BTreeSet::new(), named, stated).await?;
        add_statements(tx, world, BTreeSet::new(), stated).await?;
        return Ok(survivors);
    }
    let backend = tx.conn().get_database_backend();
    // An identifier may belong to a record that was merged into another: its survivor and all members are loaded.
    let direct = dialect::id_in(backend, "id", wanted.iter().copied());
    // Not also by `merged_into IS NOT NULL`: PostgreSQL would read the whole index of what was merged.
    let merged: Vec<Option<Uuid>> = leads::Entity::find()
        .select_only()
        .column(leads::Column::MergedInto)
        .filter(direct)
        .into_tuple()
        .all(tx.conn())
        .await?;
    let all: BTreeSet<Uuid> = wanted.into_iter().chain(merged.into_iter().flatten()).collect();
    dialect::lock_leads(tx.conn(), all.iter().copied()).await?;
    let own = dialect::id_in(backend, "id", all.iter().copied());
    let theirs = dialect::id_in(backend, "merged_into", all);
    let members = found_by_any::<leads::Entity>(leads::Column::Id, [own, theirs]);
    let query = leads::Entity::find()
        .filter(members)
        .order_by_asc(leads::Column::Id)
        .lock_exclusive();
    let rows = query.all(tx.conn()).await?;
    for row in &rows {
        survivors.insert(row.id, Id::from_uuid(row.merged_into.unwrap_or(row.id)));
    }
    let members: BTreeSet<Uuid> = survivors.keys().copied().collect();
    let of_members = || dialect::id_in(backend, "lead_id", members.iter().copied());
    let mut identifiers: HashMap<LeadId, Vec<_>> = HashMap::new();
    for row in identifiers::Entity::find()
        .filter(of_members())
        .all(tx.conn())
        .await?
    {
        let survivor = survivors
            .get(&row.lead_id)
            .copied()
            .unwrap_or(Id::from_uuid(row.lead_id));
        identifiers.entry(survivor).or_default().push(row.into_domain()?);
    }
    for row in scores::Entity::find().filter(of_members()).all(tx.conn()).await? {
        if survivors.get(&row.lead_id) == Some(&Id::from_uuid(row.lead_id)) {
            world
                .judging
                .scores
                .insert(Id::from_uuid(row.lead_id), row.into_domain());
        }
    }
    let mut current: HashMap<Uuid, cycles::Model> = HashMap::new();
    let newest = sea_orm::QueryOrder::order_by_asc(
        cycles::Entity::find().filter(of_members()),
        cycles::Column::Number,
    );
    for row in newest.all(tx.conn()).await? {
        current.insert(row.lead_id, row);
    }
    let mut company_ids = BTreeSet::new();
    for row in rows.into_iter().filter(|row| row.merged_into.is_none()) {
        company_ids.extend(row.company_id);
        let cycle = current.remove(&row.id).map(|row| row.into_domain());
        let id = Id::from_uuid(row.id);
        world.add_lead(
            row.into_domain(identifiers.remove(&id).unwrap_or_default())?,
            cycle,
        );
    }
    load_companies(tx, world, company_ids, named, stated).await?;
    add_statements(tx, world, members, stated).await?;
    // What was said about a member is said about the survivor.
    let moved: Vec<FieldValue> = world
        .statements
        .iter()
        .filter_map(|((about, _), statements)| match about {
            About::Lead(id) => survivors
                .get(&id.uuid())
                .filter(|survivor| *survivor != id)
                .map(|s| (*s, statements)),
            About::Company(_) => None,
        })
        .flat_map(|(survivor, statements)| {
            let all = statements.all().cloned();
            all.map(move |statement| FieldValue {
                about: About::Lead(survivor),
                ..statement
            })
            .collect::<Vec<_>>()
        })
        .collect();
    moved
        .into_iter()
        .for_each(|statement| world.add_statement(statement));
    Ok(survivors)
}

async fn load_companies(
    tx: &Tx,
    world: &mut World,
    ids: BTreeSet<Uuid>,
    named: &Named,
    stated: &Stated,
) -> Result<(), StoreError> {
    let backend = tx.conn().get_database_backend();
    let mut ways = vec![];
    if !ids.is_empty() {
        ways.push(dialect::id_in(backend, "id", ids));
    }
    if !named.domains.is_empty() {
        let domains = named.domains.iter().map(String::as_str);
        ways.push(dialect::text_in(backend, "domain", domains));
    }
    if !named.names.is_empty() {
        let by_name = dialect::text_in(backend, "name_key", named.names.iter().map(String::as_str));
        ways.push(by_name.and(companies::Column::Domain.is_null()));
    }
    if ways.is_empty() {
        return Ok(());
    }
    let chosen = found_by_any::<companies::Entity>(companies::Column::Id, ways);
    let mut query =
        sea_orm::QueryOrder::order_by_asc(companies::Entity::find().filter(chosen), companies::Column::Id);
    if backend == DbBackend::Postgres {
        // Writers that only add leads to a company share its lock; a writer that edits the company takes it alone.
        query = match stated.edits_companies() || scoring::asks_for_company_stage(tx) {
            true => query.lock_exclusive(),
            false => query.lock_shared(),
        };
    }
    for row in query.all(tx.conn()).await? {
        world.add_company(row.into_domain());
    }
    Ok(())
}

/// The newest statements about these members and about every company that is loaded: by hand and from anywhere else, of
/// each field that is stated.
async fn add_statements(
    tx: &Tx,
    world: &mut World,
    members: BTreeSet<Uuid>,
    stated: &Stated,
) -> Result<(), StoreError> {
    let backend = tx.conn().get_database_backend();
    let companies: BTreeSet<Uuid> = world.companies.keys().map(|id| id.uuid()).collect();
    let no_dates = BTreeSet::new();
    let (of_leads, of_companies, dates) = match stated {
        Stated::Nothing => return Ok(()),
        Stated::Anything => (None, None, &no_dates),
        Stated::Fields {
            of_leads,
            of_companies,
            dates,
        } => (Some(of_leads), Some(of_companies), dates),
    };
    for (column, ids, fields) in [
        ("lead_id", members, of_leads),
        ("company_id", companies, of_companies),
    ] {
        if ids.is_empty() || fields.is_some_and(BTreeSet::is_empty) {
            continue;
        }
        let statement = dialect::newest_statements(
            backend,
            column,
            ids,
            fields.map(|fields| fields.iter().map(String::as_str)),
            dates.iter().copied(),
        );
        for row in tx.conn().query_all_raw(statement).await? {
            world.add_statement(field_values::Model::from_query_result(&row, "")?.into_domain()?);
        }
    }
    Ok(())
}
