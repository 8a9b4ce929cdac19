//! Consent: what stands of it, its history, and the links that confirm it.

use std::collections::{BTreeSet, HashMap};

use sea_orm::sea_query::{Expr, ExprTrait, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
};
use tandem_domain::id::{ConsentId, Id, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::consent::{
    Confirmation, ConsentFact, ConsentFacts, ConsentStatement, WithdrawalReason,
};
use tandem_domain::world::World;
use uuid::Uuid;

use super::members_of;
use crate::db::{Conn, Read, Tx};
use crate::dialect::{self, OnConflict};
use crate::error::StoreError;
use crate::rows::{consent_links, consents, leads};
use crate::write;

/// The most statements of a history that are shown.
const MOST: u64 = 1000;

/// What stands of a lead's consent: the newest statement of each kind.
pub async fn facts(on: &impl Read, id: LeadId) -> Result<ConsentFacts, StoreError> {
    let of_members = Expr::col(consents::Column::LeadId).in_subquery(members_of(id.uuid()));
    let mut facts = ConsentFacts::default();
    for (_, purpose, fact) in newest(on, of_members).await? {
        facts.add(purpose, fact);
    }
    Ok(facts)
}

/// What stands of the consent of leads, given their other members by survivor.
pub(crate) async fn facts_of(
    on: &impl Read,
    ids: BTreeSet<Uuid>,
    merged: &HashMap<Uuid, Uuid>,
) -> Result<HashMap<Uuid, ConsentFacts>, StoreError> {
    let backend = on.conn().get_database_backend();
    let members = ids.into_iter().chain(merged.keys().copied());
    let mut found: HashMap<Uuid, ConsentFacts> = HashMap::new();
    for (lead_id, purpose, fact) in newest(on, dialect::id_in(backend, "lead_id", members)).await? {
        let survivor = merged.get(&lead_id).copied().unwrap_or(lead_id);
        found.entry(survivor).or_default().add(purpose, fact);
    }
    Ok(found)
}

/// The newest statement of each kind, source and address for each purpose of some leads.
async fn newest(
    on: &impl Read,
    of_leads: SimpleExpr,
) -> Result<Vec<(Uuid, String, ConsentFact)>, StoreError> {
    let statement = dialect::newest_consents(on.conn().get_database_backend(), of_leads);
    let mut found = vec![];
    for row in on.conn().query_all_raw(statement).await? {
        let row = consents::Model::from_query_result(&row, "")?;
        found.push((row.lead_id, row.purpose.clone(), row.fact()?));
    }
    Ok(found)
}

/// Those of these leads whose e-mail must not be used ([`ConsentFacts::bars_mail`]).
pub(crate) async fn barred(
    on: &impl Read,
    world: &World,
    ids: &BTreeSet<LeadId>,
) -> Result<BTreeSet<LeadId>, StoreError> {
    let backend = on.conn().get_database_backend();
    let suspects: Vec<Uuid> = consents::Entity::find()
        .select_only()
        .column(consents::Column::LeadId)
        .distinct()
        .filter(dialect::id_in(backend, "lead_id", ids.iter().map(|id| id.uuid())))
        .filter(consents::Column::Reason.is_in(WithdrawalReason::BARRING.map(WithdrawalReason::name)))
        .into_tuple()
        .all(on.conn())
        .await?;
    if suspects.is_empty() {
        return Ok(BTreeSet::new());
    }
    let facts = facts_of(on, suspects.into_iter().collect(), &HashMap::new()).await?;
    let purposes = &world.rules.consent_purposes;
    let barred = facts.iter().filter_map(|(id, facts)| {
        let lead = world.leads.get(&Id::from_uuid(*id))?;
        facts.bars_mail(purposes, lead.email()).then_some(lead.id)
    });
    Ok(barred.collect())
}

/// Load the statements about consent of the leads of a world, for decisions that need them.
pub async fn add_facts(
    tx: &Tx,
    world: &mut World,
    survivors: &HashMap<Uuid, LeadId>,
) -> Result<(), StoreError> {
    if survivors.is_empty() {
        return Ok(());
    }
    let backend = tx.conn().get_database_backend();
    let of_members = dialect::id_in(backend, "lead_id", survivors.keys().copied());
    let rows = consents::Entity::find().filter(of_members).all(tx.conn()).await?;
    for row in rows {
        let lead_id = survivors
            .get(&row.lead_id)
            .copied()
            .unwrap_or(Id::from_uuid(row.lead_id));
        let facts = world.consents.entry(lead_id).or_default();
        facts.add(row.purpose.clone(), row.fact()?);
    }
    Ok(())
}

/// A lead's statements about consent, newest first. Beyond 1,000 the oldest are left out.
pub async fn history(on: &impl Read, id: LeadId) -> Result<Vec<ConsentStatement>, StoreError> {
    let rows = consents::Entity::find()
        .filter(consents::Column::LeadId.in_subquery(members_of(id.uuid())))
        .order_by_desc(consents::Column::StatedAt)
        .order_by_desc(consents::Column::Id)
        .limit(MOST)
        .all(on.conn())
        .await?;
    rows.into_iter().map(|row| row.into_domain()).collect()
}

/// One statement.
pub async fn statement(on: &impl Read, id: ConsentId) -> Result<ConsentStatement, StoreError> {
    consents::Entity::find_by_id(id.uuid())
        .one(on.conn())
        .await?
        .ok_or(StoreError::NotFound)?
        .into_domain()
}

/// Keep a confirmation under the hash of its token.
pub async fn add_link(tx: &Tx, confirmation: &Confirmation, token_hash: String) -> Result<(), StoreError> {
    let row = consent_links::Model::of(confirmation, token_hash, tx.act().now);
    write::insert::<consent_links::Entity>(tx, [row].iter(), OnConflict::Fail).await
}

/// The confirmation behind a token; for a lead that was merged, of its survivor.
pub async fn find_link(on: &impl Read, token_hash: &str) -> Result<Option<Confirmation>, StoreError> {
    let found = consent_links::Entity::find_by_id(token_hash)
        .one(on.conn())
        .await?;
    let Some(found) = found else { return Ok(None) };
    let lead = leads::Entity::find_by_id(found.lead_id)
        .one(on.conn())
        .await?
        .ok_or(StoreError::Corrupt("consent_links"))?;
    Ok(Some(Confirmation {
        lead_id: Id::from_uuid(lead.merged_into.unwrap_or(lead.id)),
        ..found.into_domain()
    }))
}

/// A link was used.
pub async fn use_link(tx: &Tx, token_hash: &str) -> Result<(), StoreError> {
    consent_links::Entity::update_many()
        .col_expr(consent_links::Column::UsedAt, Expr::value(tx.act().now.millis()))
        .filter(consent_links::Column::TokenHash.eq(token_hash))
        .exec(tx.conn())
        .await?;
    Ok(())
}

/// Forget links whose time is over, at most `limit`; answers how many.
pub async fn forget_expired(tx: &Tx, now: Timestamp, limit: u64) -> Result<u64, StoreError> {
    let some = Query::select()
        .column(consent_links::Column::TokenHash)
        .from(consent_links::Entity)
        .and_where(consent_links::Column::ExpiresAt.lte(now.millis()))
        .limit(limit)
        .take();
    let gone =
        consent_links::Entity::delete_many().filter(consent_links::Column::TokenHash.in_subquery(some));
    Ok(gone.exec(tx.conn()).await?.rows_affected)
}
