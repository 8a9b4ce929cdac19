//! Who is a customer, and what campaigns cost: the facts that figures about customers are made of.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter};
use tandem_domain::id::{CompanyId, Id, LeadId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::money::{Currency, Money};
use tandem_domain::reports::collected::Collected;
use tandem_domain::reports::customers::{Buyer, Churn, Customer, Win, customers as customers_of};
use tandem_domain::reports::dimension::{Dimension, Value};
use tandem_domain::reports::period::Days;
use uuid::Uuid;

use super::selection::{Ground, Sql};
use crate::db::Read;
use crate::error::StoreError;
use crate::rows::{campaign_costs, day, money};

/// Each won deal with the cycle in which it was opened, and its lead.
const WINS: &str = "deals d LEFT JOIN cycles c ON c.lead_id = d.primary_lead_id AND c.number = d.cycle \
                    LEFT JOIN leads l ON l.id = d.primary_lead_id";

/// The customers whose first deal has these values, by id, with what was collected from them; amounts count in the base
/// currency alone.
pub async fn customers(
    on: &impl Read,
    only: &[(Dimension, Option<Value>)],
    base: Currency,
    collected: &Collected,
) -> Result<Vec<Customer>, StoreError> {
    let mut sql = Sql::bare(on.conn().get_database_backend());
    let base = sql.bind(base.to_string());
    let only = sql.only(only, Ground::Deals);
    let text = format!(
        "SELECT d.id, COALESCE(d.company_id, l.company_id) AS company_id, d.primary_lead_id, d.closed_at, \
         CASE WHEN d.base_currency = {base} THEN d.base_amount END AS value, \
         CAST(CASE WHEN d.state = 'won'{only} THEN 1 ELSE 0 END AS bigint) AS is_asked_for \
         FROM {WINS} WHERE d.state = 'won' AND d.closed_at IS NOT NULL"
    );
    let mut wins = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        let lead_id: Option<LeadId> = row
            .try_get::<Option<Uuid>>("", "primary_lead_id")?
            .map(Id::from_uuid);
        let company_id: Option<CompanyId> = row.try_get::<Option<Uuid>>("", "company_id")?.map(Id::from_uuid);
        let Some(buyer) = company_id.map(Buyer::Company).or(lead_id.map(Buyer::Lead)) else {
            continue;
        };
        wins.push(Win {
            deal_id: Id::from_uuid(row.try_get("", "id")?),
            buyer,
            lead_id,
            at: Timestamp::from_millis(row.try_get("", "closed_at")?),
            value: row.try_get("", "value")?,
            is_asked_for: row.try_get::<i64>("", "is_asked_for")? == 1,
        });
    }
    let statement = Sql::bare(on.conn().get_database_backend()).statement(
        "SELECT lead_id, churned_at, last_reason FROM cycles WHERE ended_at IS NOT NULL AND churned_at IS NOT NULL \
         ORDER BY churned_at",
    );
    let mut churns: BTreeMap<LeadId, Vec<Churn>> = BTreeMap::new();
    for row in on.conn().query_all_raw(statement).await? {
        let of_lead = churns
            .entry(Id::from_uuid(row.try_get("", "lead_id")?))
            .or_default();
        of_lead.push(Churn {
            at: Timestamp::from_millis(row.try_get("", "churned_at")?),
            reason: row.try_get("", "last_reason")?,
        });
    }
    Ok(customers_of(wins, &churns, collected))
}

/// What all campaigns cost on some days, by day and currency.
pub async fn campaign_costs(on: &impl Read, days: &Days) -> Result<Vec<(Day, Money)>, StoreError> {
    use campaign_costs::Column::SpentOn;
    use sea_orm::ColumnTrait;
    let mut query = campaign_costs::Entity::find();
    if let Some(first) = days.first {
        query = query.filter(SpentOn.gte(first.to_string()));
    }
    if let Some(next) = days.next {
        query = query.filter(SpentOn.lt(next.to_string()));
    }
    let mut spent: BTreeMap<(Day, Currency), i64> = BTreeMap::new();
    for row in query.all(on.conn()).await? {
        let on = day("campaign_costs", &row.spent_on)?;
        let cost = money("campaign_costs", row.amount, &row.currency)?;
        *spent.entry((on, cost.currency)).or_default() += cost.amount;
    }
    let spent = spent.into_iter();
    Ok(spent
        .map(|((on, currency), amount)| (on, Money { amount, currency }))
        .collect())
}
