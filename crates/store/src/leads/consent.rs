//! Consent: what stands of it, its history, and the links that confirm it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::sea_query::{Expr, ExprTrait, JoinType, Query, SimpleExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tandem_domain::id::{ConsentId, Id, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::consent::{
    Confirmation, ConsentFact, ConsentStatement, Standing, WithdrawalReason,
};
use tandem_domain::world::World;
use uuid::Uuid;

use super::members_of;
use crate::db::{Conn, Read, Tx};
use crate::dialect::{self, OnConflict};
use crate::error::StoreError;
use crate::rows::{consent_links, consents, leads};
use crate::write;

/// What stands of consent, by purpose.
pub type Standings = BTreeMap<String, Standing>;

/// The most statements of a history that are shown.
const MOST: u64 = 1000;

/// What stands of a lead's consent.
pub async fn standing(on: &impl Read, id: LeadId) -> Result<Standings, StoreError> {
    let of_members = Expr::col(consents::Column::LeadId).in_subquery(members_of(id.uuid()));
    let mut standings = Standings::new();
    for (_, purpose, fact) in newest(on, of_members).await? {
        standings.entry(purpose).or_default().add(fact);
    }
    Ok(standings)
}

/// What stands of the consent of leads, given their other members by survivor.
pub(crate) async fn standings(
    on: &impl Read,
    ids: BTreeSet<Uuid>,
    merged: &HashMap<Uuid, Uuid>,
) -> Result<HashMap<Uuid, Standings>, StoreError> {
    let backend = on.conn().get_database_backend();
    let members = ids.into_iter().chain(merged.keys().copied());
    let mut found: HashMap<Uuid, Standings> = HashMap::new();
    for (lead_id, purpose, fact) in newest(on, dialect::id_in(backend, "lead_id", members)).await? {
        let survivor = merged.get(&lead_id).copied().unwrap_or(lead_id);
        let standings = found.entry(survivor).or_default();
        standings.entry(purpose).or_default().add(fact);
    }
    Ok(found)
}

/// The newest statement of each kind for each purpose of some leads, found by the index alone.
async fn newest(
    on: &impl Read,
    of_leads: SimpleExpr,
) -> Result<Vec<(Uuid, String, ConsentFact)>, StoreError> {
    let newest = Query::select()
        .columns([
            consents::Column::LeadId,
            consents::Column::Purpose,
            consents::Column::State,
        ])
        .expr_as(Expr::col(consents::Column::StatedAt).max(), "newest_at")
        .from(consents::Entity)
        .and_where(of_leads)
        .group_by_columns([
            consents::Column::LeadId,
            consents::Column::Purpose,
            consents::Column::State,
        ])
        .take();
    let same = |column: consents::Column| Expr::col((consents::Entity, column)).equals(("newest", column));
    let query = Query::select()
        .columns([
            (consents::Entity, consents::Column::LeadId),
            (consents::Entity, consents::Column::Purpose),
            (consents::Entity, consents::Column::Id),
            (consents::Entity, consents::Column::State),
            (consents::Entity, consents::Column::Reason),
            (consents::Entity, consents::Column::StatedAt),
        ])
        .from(consents::Entity)
        .join_subquery(
            JoinType::InnerJoin,
            newest,
            "newest",
            same(consents::Column::LeadId)
                .and(same(consents::Column::Purpose))
                .and(same(consents::Column::State))
                .and(
                    Expr::col((consents::Entity, consents::Column::StatedAt)).equals(("newest", "newest_at")),
                ),
        )
        .take();
    let mut found = vec![];
    for row in on.conn().query_all(&query).await? {
        let fact = ConsentFact {
            id: Id::from_uuid(row.try_get("", "id")?),
            state: consents::state(&row.try_get::<String>("", "state")?)?,
            reason: consents::reason(row.try_get::<Option<String>>("", "reason")?.as_deref())?,
            stated_at: Timestamp::from_millis(row.try_get("", "stated_at")?),
        };
        found.push((row.try_get("", "lead_id")?, row.try_get("", "purpose")?, fact));
    }
    Ok(found)
}

/// Those of these leads whose e-mail must not be used ([`Standing::bars_mail`]).
pub(crate) async fn barred(on: &impl Read, ids: &BTreeSet<LeadId>) -> Result<BTreeSet<LeadId>, StoreError> {
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
    let standings = standings(on, suspects.into_iter().collect(), &HashMap::new()).await?;
    let barred = standings
        .iter()
        .filter(|(_, of_lead)| of_lead.values().any(Standing::bars_mail));
    Ok(barred.map(|(id, _)| Id::from_uuid(*id)).collect())
}

/// Load what was said about consent to the leads of a world, for decisions that need to know.
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
    let rows: Vec<(Uuid, String, Uuid, String, Option<String>, i64)> = consents::Entity::find()
        .select_only()
        .columns([
            consents::Column::LeadId,
            consents::Column::Purpose,
            consents::Column::Id,
            consents::Column::State,
            consents::Column::Reason,
            consents::Column::StatedAt,
        ])
        .filter(of_members)
        .into_tuple()
        .all(tx.conn())
        .await?;
    for (lead_id, purpose, id, state, reason, stated_at) in rows {
        let lead_id = survivors.get(&lead_id).copied().unwrap_or(Id::from_uuid(lead_id));
        let fact = ConsentFact {
            id: Id::from_uuid(id),
            state: consents::state(&state)?,
            reason: consents::reason(reason.as_deref())?,
            stated_at: Timestamp::from_millis(stated_at),
        };
        world.consents.entry((lead_id, purpose)).or_default().push(fact);
    }
    Ok(())
}

/// Everything that was said about a lead's consent, the newest first; at most 1,000 statements.
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
