//! What is shown of a lead beside its own row, as subselects of one statement.

use sea_orm::sea_query::SimpleExpr;
use sea_orm::{DbBackend, Statement};

use super::{row_as_json, rows_as_json};
use crate::rows::{companies, consents, identifiers, qualifications, scores};

/// The identifiers of a lead and of what was merged into it.
pub fn identifiers_of_lead(backend: DbBackend) -> String {
    let members = rows_of_members("identifiers");
    rows_as_json::<identifiers::Entity>(backend, &format!("{members} AS x"))
}

/// The statements about the consent of a lead, and of what was merged into it, that [`newest_consents`] chooses.
pub fn consents_of_lead(backend: DbBackend) -> String {
    let newest = newest_of_each_kind(&format!("{} AS c", rows_of_members("consents")));
    rows_as_json::<consents::Entity>(backend, &format!("({newest}) AS x"))
}

/// What is known of a lead's budget, authority, need and timeline.
pub fn qualifications_of_lead(backend: DbBackend) -> String {
    rows_as_json::<qualifications::Entity>(backend, "qualifications x WHERE x.lead_id = leads.id")
}

/// The score of a lead.
pub fn score_of_lead(backend: DbBackend) -> String {
    row_as_json::<scores::Entity>(backend, "scores x WHERE x.lead_id = leads.id")
}

/// The company of a lead.
pub fn company_of_lead(backend: DbBackend) -> String {
    row_as_json::<companies::Entity>(backend, "companies x WHERE x.id = leads.company_id")
}

/// The newest of the statements about consent that say the same of one purpose, address and lead and come from the same kind
/// of source, of the leads that a condition chooses.
pub fn newest_consents(backend: DbBackend, of_leads: SimpleExpr) -> Statement {
    let sql = newest_of_each_kind("consents c WHERE {}");
    crate::write::with_condition(backend, &sql, of_leads)
}

fn newest_of_each_kind(consents: &str) -> String {
    format!(
        "SELECT n.* FROM (SELECT c.*, row_number() OVER (PARTITION BY lead_id, purpose, state, reason, address, source \
         ORDER BY stated_at DESC, id DESC) AS place FROM {consents}) AS n WHERE n.place = 1"
    )
}

/// The rows of a table about a lead and about what was merged into it.
fn rows_of_members(table: &str) -> String {
    format!(
        "(SELECT o.* FROM {table} o WHERE o.lead_id = leads.id UNION ALL \
         SELECT o.* FROM leads m CROSS JOIN {table} o WHERE o.lead_id = m.id AND m.merged_into = leads.id)"
    )
}

/// Of the activities that a condition chooses the newest `most` of each lead and type that have happened by an instant, and those
/// ahead of it.
pub fn newest_activities(backend: DbBackend, chosen: SimpleExpr, at: i64, most: usize) -> Statement {
    let sql = format!(
        "SELECT n.* FROM (SELECT activities.*, row_number() OVER (PARTITION BY lead_id, type, occurred_at > {at} \
         ORDER BY occurred_at DESC, id DESC) AS place FROM activities WHERE {{}}) AS n \
         WHERE n.place <= {most} OR n.occurred_at > {at}"
    );
    crate::write::with_condition(backend, &sql, chosen)
}
