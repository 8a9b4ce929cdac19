//! Freezing the paths of outcomes: their touches are gathered and written by one statement.

use sea_orm::{DbBackend, Statement};
use tandem_domain::reports::attribution::MOST_TOUCHES;

use super::is_postgres;

const COLUMNS: &str = "outcome, id, lead_id, deal_id, reverses, at, outcome_at, lead_at, deal_at, amount, currency, \
     base_amount, base_currency, path, is_imported";

/// A set of ids in the n-th parameter, a JSON array: what stands in `FROM`, and an id of it.
fn ids(backend: DbBackend, n: usize) -> (String, &'static str) {
    if is_postgres(backend) {
        (
            format!("json_array_elements_text(${n}::text::json) AS x JOIN"),
            "x.value::uuid",
        )
    } else {
        (format!("json_each(?{n}) AS x CROSS JOIN"), "unhex(x.value, '-')")
    }
}

/// Freeze the outcomes of leads and of deals, each a JSON array of ids, that have no path yet: cycles that entered mql or
/// sql or ended, deals that were opened, won or lost. Reopenings are [`reverse_paths`].
pub fn freeze_paths(backend: DbBackend, leads: String, deals: String, is_imported: bool) -> Statement {
    let (of_leads, lead) = ids(backend, 1);
    let (of_deals, deal) = ids(backend, 2);
    let none = |kind: &str| format!("CAST(NULL AS {kind})");
    let (no_id, no_number, no_text) = (none("uuid"), none("bigint"), none("text"));
    let cycles = |outcome: &str, at: &str| {
        format!(
            "SELECT '{outcome}' AS outcome, c.id, c.lead_id, {no_id} AS deal_id, c.{at} AS at, l.created_at AS lead_at, \
             {no_number} AS deal_at, {no_number} AS amount, {no_text} AS currency, {no_number} AS base_amount, \
             {no_text} AS base_currency FROM {of_leads} leads l ON l.id = {lead} JOIN cycles c ON c.lead_id = l.id \
             WHERE c.{at} IS NOT NULL"
        )
    };
    let moves = format!(
        "SELECT CASE WHEN m.from_stage IS NULL THEN 'opportunity' WHEN m.to_stage = 'won' THEN 'customer' ELSE 'lost' END, \
         m.id, {no_id}, m.deal_id, m.at, l.created_at, d.opened_at, \
         CASE WHEN m.from_stage IS NULL THEN d.amount ELSE m.revenue END, \
         CASE WHEN m.from_stage IS NULL THEN d.currency ELSE m.currency END, m.base_revenue, m.base_currency \
         FROM {of_deals} deals d ON d.id = {deal} JOIN deal_moves m ON m.deal_id = d.id \
         LEFT JOIN leads l ON l.id = d.primary_lead_id WHERE m.from_stage IS NULL OR m.to_stage IN ('won', 'lost')"
    );
    let sql = format!(
        "INSERT INTO attribution_paths ({COLUMNS}) \
         SELECT e.outcome, e.id, e.lead_id, e.deal_id, {no_id}, e.at, e.at, e.lead_at, e.deal_at, e.amount, e.currency, \
         e.base_amount, e.base_currency, {}, {is_imported} FROM ({} UNION ALL {} UNION ALL {} UNION ALL {moves}) AS e \
         WHERE NOT EXISTS (SELECT 1 FROM attribution_paths p WHERE p.outcome = e.outcome AND p.id = e.id)",
        path(backend),
        cycles("mql", "mql_at"),
        cycles("sql", "sql_at"),
        cycles("ended", "ended_at"),
    );
    Statement::from_sql_and_values(backend, sql, [leads.into(), deals.into()])
}

/// The touches at or before an outcome `e` of its lead, or of all leads of its deal, as a subselect: of one session and
/// channel the earliest; the first and the newest of many.
fn path(backend: DbBackend) -> String {
    let group = "(SELECT e.lead_id AS lead_id UNION ALL SELECT g.lead_id FROM deal_leads g WHERE g.deal_id = e.deal_id) AS g";
    let theirs = "t.lead_id = g.lead_id AND t.touch IS NOT NULL AND t.occurred_at <= e.at";
    let columns = "t.id, t.occurred_at, t.channel, t.touch";
    // `OFFSET 0` as in `tracking.rs`.
    let touches = if is_postgres(backend) {
        format!("{group} CROSS JOIN LATERAL (SELECT t.* FROM touches t WHERE {theirs} OFFSET 0) AS t")
    } else {
        format!("{group} CROSS JOIN touches t ON {theirs}")
    };
    let of_session = format!(
        "SELECT {columns}, count(*) OVER () AS known, row_number() OVER (PARTITION BY t.lead_id, t.run_at, \
         CASE WHEN t.run_at IS NULL THEN t.id ELSE t.visitor_id END, t.channel ORDER BY t.occurred_at, t.id) AS nth \
         FROM {touches}"
    );
    let numbered = format!(
        "SELECT {columns}, t.known, row_number() OVER (ORDER BY t.occurred_at, t.id) AS place, count(*) OVER () AS n \
         FROM ({of_session}) AS t WHERE t.nth = 1"
    );
    let chosen = format!("t.place = 1 OR t.place > t.n - {}", MOST_TOUCHES - 1);
    if is_postgres(backend) {
        let member = |name: &str| format!("t.touch::json->>'{name}'");
        format!(
            "(SELECT json_build_object('known', coalesce(max(t.known), 0), 'touches', coalesce(json_agg(json_build_array(\
             t.id, t.occurred_at, t.channel, {}, {}, {})) FILTER (WHERE {chosen}), '[]'::json))::text FROM ({numbered}) AS t)",
            member("source"),
            member("campaign"),
            member("content"),
        )
    } else {
        let member = |name: &str| format!("t.touch->>'{name}'");
        format!(
            "(SELECT json_object('known', coalesce(max(t.known), 0), 'touches', json_group_array(json_array(hex(t.id), \
             t.occurred_at, t.channel, {}, {}, {})) FILTER (WHERE {chosen})) FROM ({numbered}) AS t)",
            member("source"),
            member("campaign"),
            member("content"),
        )
    }
}

/// Of each closed deal of a JSON array of ids, how many touches before its closing became known after it.
pub fn late_touches(backend: DbBackend, deals: String) -> Statement {
    let (of_deals, deal) = ids(backend, 1);
    let known = match is_postgres(backend) {
        true => "CAST(p.path::json->>'known' AS bigint)",
        false => "p.path->>'known'",
    };
    let sql = format!(
        "SELECT p.deal_id, CAST((SELECT count(*) FROM deal_leads g JOIN touches t ON t.lead_id = g.lead_id \
         WHERE g.deal_id = p.deal_id AND t.touch IS NOT NULL AND t.occurred_at <= p.at) - {known} AS bigint) AS late \
         FROM {of_deals} attribution_paths p ON p.deal_id = {deal} AND p.outcome IN ('customer', 'lost') \
         AND p.reverses IS NULL AND NOT EXISTS (SELECT 1 FROM attribution_paths r WHERE r.deal_id = p.deal_id \
         AND r.reverses = p.id)"
    );
    Statement::from_sql_and_values(backend, sql, [deals.into()])
}

/// The condition that a frozen path has a touch.
pub fn has_touches(backend: DbBackend, path: &str) -> String {
    match is_postgres(backend) {
        true => format!("json_array_length({path}::json->'touches') > 0"),
        false => format!("json_array_length({path}, '$.touches') > 0"),
    }
}

/// Take back the newest closing before each of these reopenings, a JSON array of ids of moves, along its path.
pub fn reverse_paths(backend: DbBackend, moves: String) -> Statement {
    let (of_moves, id) = ids(backend, 1);
    let sql = format!(
        "INSERT INTO attribution_paths ({COLUMNS}) \
         SELECT p.outcome, m.id, p.lead_id, p.deal_id, p.id, m.at, p.outcome_at, p.lead_at, p.deal_at, m.revenue, m.currency, \
         m.base_revenue, m.base_currency, p.path, p.is_imported FROM {of_moves} deal_moves m ON m.id = {id} \
         JOIN attribution_paths p ON p.deal_id = m.deal_id AND p.outcome IN ('customer', 'lost') AND p.id = \
         (SELECT q.id FROM attribution_paths q WHERE q.deal_id = m.deal_id AND q.outcome IN ('customer', 'lost') \
         AND q.reverses IS NULL ORDER BY q.at DESC, q.id DESC LIMIT 1)"
    );
    Statement::from_sql_and_values(backend, sql, [moves.into()])
}

/// Delete the paths that imports of history derived of leads and of deals, each a JSON array of ids. A deal that was opened
/// again here is live: its paths stay.
pub fn forget_imported_paths(backend: DbBackend, leads: String, deals: String) -> Statement {
    let among = |n: usize| match is_postgres(backend) {
        true => format!("(SELECT x.value::uuid FROM json_array_elements_text(${n}::text::json) AS x)"),
        false => format!("(SELECT unhex(x.value, '-') FROM json_each(?{n}) AS x)"),
    };
    let sql = format!(
        "DELETE FROM attribution_paths WHERE is_imported AND (lead_id IN {} OR deal_id IN {}) \
         AND NOT EXISTS (SELECT 1 FROM attribution_paths r WHERE r.deal_id = attribution_paths.deal_id AND r.reverses IS NOT NULL)",
        among(1),
        among(2)
    );
    Statement::from_sql_and_values(backend, sql, [leads.into(), deals.into()])
}

/// The deals of which a lead of a JSON array is a member.
pub fn deals_with_leads(backend: DbBackend, leads: String) -> Statement {
    let (of_leads, lead) = ids(backend, 1);
    let sql = format!("SELECT DISTINCT g.deal_id FROM {of_leads} deal_leads g ON g.lead_id = {lead}");
    Statement::from_sql_and_values(backend, sql, [leads.into()])
}
