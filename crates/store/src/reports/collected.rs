//! Collected revenue, by customer and day.

use sea_orm::ConnectionTrait;
use tandem_domain::deals::revenue::RevenueKind;
use tandem_domain::id::Id;
use tandem_domain::reports::collected::{Collected, CollectedSum};
use tandem_domain::reports::customers::Buyer;
use tandem_domain::world::MoneyRules;
use uuid::Uuid;

use super::selection::Sql;
use crate::db::Read;
use crate::error::StoreError;
use crate::rows::{day, money};

const TABLE: &str = "revenue_entries";

/// All collected revenue. A lead's is its company's, as far as it has one.
pub async fn collected(on: &impl Read, rules: &MoneyRules) -> Result<Collected, StoreError> {
    let statement = Sql::bare(on.conn().get_database_backend()).statement(
        "SELECT company_id, lead_id, happened_on, kind, currency, CAST(sum(amount) AS bigint) AS amount, count(*) AS n \
         FROM (SELECT COALESCE(r.company_id, l.company_id) AS company_id, \
         CASE WHEN COALESCE(r.company_id, l.company_id) IS NULL THEN COALESCE(l.merged_into, r.lead_id) END AS lead_id, \
         r.happened_on, r.kind, r.currency, r.amount \
         FROM revenue_entries r LEFT JOIN leads l ON l.id = r.lead_id) AS e \
         GROUP BY company_id, lead_id, happened_on, kind, currency",
    );
    let mut sums = vec![];
    for row in on.conn().query_all_raw(statement).await? {
        let company: Option<Uuid> = row.try_get("", "company_id")?;
        let lead: Option<Uuid> = row.try_get("", "lead_id")?;
        let company = company.map(|id| Buyer::Company(Id::from_uuid(id)));
        let Some(buyer) = company.or(lead.map(|id| Buyer::Lead(Id::from_uuid(id)))) else {
            continue;
        };
        let text = |name: &str| row.try_get::<String>("", name);
        sums.push(CollectedSum {
            buyer,
            on: day(TABLE, &text("happened_on")?)?,
            kind: RevenueKind::named(&text("kind")?).ok_or(StoreError::Corrupt(TABLE))?,
            amount: money(TABLE, row.try_get("", "amount")?, &text("currency")?)?,
            entries: row.try_get("", "n")?,
        });
    }
    Ok(Collected::of(&sums, rules))
}
