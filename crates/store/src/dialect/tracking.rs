//! What differs between the databases where events, sessions and touches are found and changed set-wise.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tandem_domain::tracking::events::EventKind;
use uuid::Uuid;

use super::is_postgres;
use super::locks::lock_all;

// `OFFSET 0` keeps PostgreSQL from joining whole tables: prepared while they were small, such a plan stays when they are
// large, until the next ANALYZE.

/// Whose events or sessions are looked for: those of a visitor, or those of a lead whom no visitor is known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// By the visitor.
    Visitor,
    /// By the lead.
    Lead,
}

impl Stream {
    fn joined(self, table: &str, id: &str) -> String {
        match self {
            Stream::Visitor => format!("{table}.visitor_id = {id}"),
            Stream::Lead => format!("{table}.lead_id = {id} AND {table}.visitor_id IS NULL"),
        }
    }
}

/// The sessions that touch any of the windows in a JSON array of `{id, low, high}`.
pub fn sessions_around(backend: DbBackend, of: Stream, windows: String) -> Statement {
    let sql = if is_postgres(backend) {
        format!(
            "SELECT t.* FROM json_to_recordset($1::text::json) AS x(id uuid, low bigint, high bigint) \
             CROSS JOIN LATERAL (SELECT t.* FROM touches t WHERE {} AND t.ended_at >= x.low \
             AND t.occurred_at <= x.high AND t.kind = 'session' OFFSET 0) AS t",
            of.joined("t", "x.id")
        )
    } else {
        format!(
            "SELECT t.* FROM jsonb_each(?1) AS x CROSS JOIN touches t ON {} \
             AND t.ended_at >= x.value->>'low' AND t.occurred_at <= x.value->>'high' WHERE t.kind = 'session'",
            of.joined("t", "unhex(x.value->>'id', '-')")
        )
    };
    Statement::from_sql_and_values(backend, sql, [windows.into()])
}

/// The sessions of the runs in a JSON array of `{id, run_at}`.
pub fn sessions_of_runs(backend: DbBackend, of: Stream, runs: String) -> Statement {
    let sql = if is_postgres(backend) {
        format!(
            "SELECT t.* FROM json_to_recordset($1::text::json) AS x(id uuid, run_at bigint) \
             CROSS JOIN LATERAL (SELECT t.* FROM touches t WHERE {} AND t.ended_at >= x.run_at \
             AND t.run_at = x.run_at AND t.kind = 'session' OFFSET 0) AS t",
            of.joined("t", "x.id")
        )
    } else {
        format!(
            "SELECT t.* FROM jsonb_each(?1) AS x CROSS JOIN touches t ON {} \
             AND t.ended_at >= x.value->>'run_at' AND t.run_at = x.value->>'run_at' WHERE t.kind = 'session'",
            of.joined("t", "unhex(x.value->>'id', '-')")
        )
    };
    Statement::from_sql_and_values(backend, sql, [runs.into()])
}

/// Of the events within the spans in a JSON array of `{id, low, high}` what sessions look at. Bots and machines make none, and
/// those whom no visitor is known of make them of forms alone.
pub fn events_within(backend: DbBackend, of: Stream, spans: String) -> Statement {
    let columns = "e.id, e.type AS kind, e.visitor_id, e.lead_id, e.occurred_at, e.url, e.referrer, e.landing_url, \
         e.landing_referrer";
    let only = match of {
        Stream::Visitor => "NOT e.is_bot AND NOT e.is_machine".to_owned(),
        Stream::Lead => format!(
            "NOT e.is_bot AND NOT e.is_machine AND e.type = '{}'",
            EventKind::FORM_SUBMIT
        ),
    };
    let sql = if is_postgres(backend) {
        format!(
            "SELECT e.* FROM json_to_recordset($1::text::json) AS x(id uuid, low bigint, high bigint) \
             CROSS JOIN LATERAL (SELECT {columns} FROM events e WHERE {} AND e.occurred_at >= x.low \
             AND e.occurred_at <= x.high AND {only} OFFSET 0) AS e",
            of.joined("e", "x.id")
        )
    } else {
        format!(
            "SELECT {columns} FROM jsonb_each(?1) AS x CROSS JOIN events e ON {} \
             AND e.occurred_at >= x.value->>'low' AND e.occurred_at <= x.value->>'high' WHERE {only}",
            of.joined("e", "unhex(x.value->>'id', '-')")
        )
    };
    Statement::from_sql_and_values(backend, sql, [spans.into()])
}

/// The visitors with the keys in a JSON array, each with how many events are `kept` of it; counted up to `most`.
pub fn visitors_with_keys(backend: DbBackend, keys: String, most: u64) -> Statement {
    let source = if is_postgres(backend) {
        "json_array_elements_text($1::text::json) AS x JOIN visitors v ON v.key = x.value COLLATE \"C\""
    } else {
        "json_each(?1) AS x CROSS JOIN visitors v ON v.key = x.value"
    };
    let sql = format!(
        "SELECT v.id, v.key, v.created_at, (SELECT count(*) FROM (SELECT 1 FROM events e WHERE e.visitor_id = v.id \
         LIMIT {most}) AS told) AS kept FROM {source}"
    );
    Statement::from_sql_and_values(backend, sql, [keys.into()])
}

/// The newest event of each lead in a JSON array of ids, as `id` and `newest`; bots and machines are left out.
pub fn newest_events(backend: DbBackend, leads: String) -> Statement {
    let (id, source) = if is_postgres(backend) {
        ("x.value::uuid", "json_array_elements_text($1::text::json) AS x")
    } else {
        ("unhex(x.value, '-')", "json_each(?1) AS x")
    };
    let sql = format!(
        "SELECT {id} AS id, (SELECT e.occurred_at FROM events e WHERE e.lead_id = {id} AND NOT e.is_bot \
         AND NOT e.is_machine ORDER BY e.occurred_at DESC, e.id DESC LIMIT 1) AS newest FROM {source}"
    );
    Statement::from_sql_and_values(backend, sql, [leads.into()])
}

/// What leads did, by a JSON array of `{lead_id, type, since, whole}`: of each type the newest `most` events between `since`
/// and the instant `at`, and those after it, bots and machines left out. Pages and properties only where `whole` says so.
pub fn histories(backend: DbBackend, wanted: String, at: i64, most: usize) -> Statement {
    let of_person = "NOT n.is_bot AND NOT n.is_machine";
    let sql = if is_postgres(backend) {
        let one = format!(
            "SELECT n.id, n.occurred_at, n.url, n.referrer, n.properties FROM events n \
             WHERE n.lead_id = x.lead_id AND n.type = x.type AND {of_person}"
        );
        format!(
            "SELECT x.lead_id, x.type, e.id, e.occurred_at, CASE WHEN x.whole THEN e.url END AS url, \
             CASE WHEN x.whole THEN e.referrer END AS referrer, CASE WHEN x.whole THEN e.properties END AS properties \
             FROM json_to_recordset($1::text::json) AS x(lead_id uuid, type text COLLATE \"C\", since bigint, whole boolean) \
             CROSS JOIN LATERAL (({one} AND n.occurred_at >= x.since AND n.occurred_at <= $2 \
             ORDER BY n.occurred_at DESC, n.id DESC LIMIT {most}) UNION ALL ({one} AND n.occurred_at > $2)) AS e"
        )
    } else {
        let value = |name: &str| format!("x.value->>'{name}'");
        let one = format!(
            "SELECT n.id FROM events n WHERE n.lead_id = unhex({}, '-') AND n.type = {} AND {of_person}",
            value("lead_id"),
            value("type")
        );
        let whole = |column: &str| format!("CASE WHEN {} THEN e.{column} END AS {column}", value("whole"));
        format!(
            "SELECT unhex({}, '-') AS lead_id, {} AS type, e.id, e.occurred_at, {}, {}, {} \
             FROM json_each(?1) AS x CROSS JOIN events e ON e.id IN (SELECT id FROM ({one} AND n.occurred_at >= {} \
             AND n.occurred_at <= ?2 ORDER BY n.occurred_at DESC, n.id DESC LIMIT {most}) \
             UNION ALL {one} AND n.occurred_at > ?2)",
            value("lead_id"),
            value("type"),
            whole("url"),
            whole("referrer"),
            whole("properties"),
            value("since"),
        )
    };
    Statement::from_sql_and_values(backend, sql, [wanted.into(), at.into()])
}

/// The visits without events, and then the visitors of whom nothing is left, of those with these ids.
pub fn forget_visitors(backend: DbBackend, ids: impl IntoIterator<Item = Uuid>) -> [Statement; 2] {
    let ids = super::ids(backend, ids);
    let is_visit = super::id_among(backend, "visitor_id", 1);
    let is_visitor = super::id_among(backend, "id", 1);
    let visits = format!(
        "DELETE FROM touches WHERE {is_visit} AND lead_id IS NULL AND kind = 'session' AND NOT EXISTS \
         (SELECT 1 FROM events e WHERE e.visitor_id = touches.visitor_id AND e.occurred_at >= touches.occurred_at \
         AND e.occurred_at <= touches.ended_at)"
    );
    let visitors = format!(
        "DELETE FROM visitors WHERE {is_visitor} \
         AND NOT EXISTS (SELECT 1 FROM visitor_links k WHERE k.visitor_id = visitors.id) \
         AND NOT EXISTS (SELECT 1 FROM events e WHERE e.visitor_id = visitors.id) \
         AND NOT EXISTS (SELECT 1 FROM touches t WHERE t.visitor_id = visitors.id)"
    );
    [visits, visitors].map(|sql| Statement::from_sql_and_values(backend, sql, [ids.clone()]))
}

/// What visitors did before anybody knew them becomes their lead's, by a JSON array of `{visitor_id, lead_id}`.
pub fn adopt(backend: DbBackend, table: &str, links: String) -> Statement {
    let sql = if is_postgres(backend) {
        format!(
            "UPDATE {table} SET lead_id = x.lead_id FROM json_to_recordset($1::text::json) AS x(visitor_id uuid, lead_id uuid) \
             WHERE {table}.visitor_id = x.visitor_id AND {table}.lead_id IS NULL"
        )
    } else {
        format!(
            "UPDATE {table} SET lead_id = unhex(x.value->>'lead_id', '-') FROM json_each(?1) AS x \
             WHERE {table}.visitor_id = unhex(x.value->>'visitor_id', '-') AND +{table}.lead_id IS NULL"
        )
    };
    Statement::from_sql_and_values(backend, sql, [links.into()])
}

/// Leaves out of a lead's first touch what a stranger put before it: a visit that a form linked or reported does not count as
/// older than a touch that was recorded by then from a source that is known (a key, a user, an import). What is recorded
/// later changes nothing, so that the landing before a form stays the first touch.
const NOT_BACKDATED: &str = "AND NOT (t.kind = 'session' AND EXISTS (SELECT 1 FROM touches g WHERE g.lead_id = l.id \
     AND g.kind <> 'session' AND g.visitor_id IS NULL AND g.touch IS NOT NULL AND g.occurred_at > t.occurred_at \
     AND g.id < COALESCE((SELECT k.id FROM visitor_links k WHERE k.visitor_id = t.visitor_id AND k.lead_id = l.id \
     ORDER BY k.linked_at, k.id LIMIT 1), t.id)) AND (t.visitor_id IS NULL OR EXISTS (SELECT 1 FROM visitor_links f \
     WHERE f.visitor_id = t.visitor_id AND f.lead_id = l.id AND f.told_by LIKE 'form_%')))";

/// What follows from the touches of leads, in a JSON array of ids, a row for each of their cycles: what the lead shows beside
/// what it shows now, and the first touch after the cycle before ended.
pub fn touches_of_cycles(backend: DbBackend, leads: String) -> Statement {
    let one = |condition: &str, direction: &str| {
        format!(
            "(SELECT t.touch FROM touches t WHERE t.lead_id = l.id AND t.touch IS NOT NULL {condition} \
             ORDER BY t.occurred_at {direction}, t.id {direction} LIMIT 1)"
        )
    };
    let source = if is_postgres(backend) {
        "json_array_elements_text($1::text::json) AS x JOIN leads l ON l.id = x.value::uuid \
         CROSS JOIN LATERAL (SELECT c.* FROM cycles c WHERE c.lead_id = l.id OFFSET 0) AS c \
         LEFT JOIN LATERAL (SELECT p.ended_at FROM cycles p WHERE p.lead_id = l.id AND p.number = c.number - 1 OFFSET 0) \
         AS p ON true"
    } else {
        "json_each(?1) AS x CROSS JOIN leads l ON l.id = unhex(x.value, '-') CROSS JOIN cycles c ON c.lead_id = l.id \
         LEFT JOIN cycles p ON p.lead_id = l.id AND p.number = c.number - 1"
    };
    let sql = format!(
        "SELECT c.*, l.first_touch AS old_first, l.last_touch AS old_last, l.last_non_direct_touch AS old_not_direct, \
         l.lead_touch AS old_lead, {} AS new_first, {} AS new_last, {} AS new_not_direct, {} AS new_lead, {} AS returned \
         FROM {source}",
        one(NOT_BACKDATED, "ASC"),
        one("", "DESC"),
        one("AND t.channel <> 'direct'", "DESC"),
        one("AND t.occurred_at <= l.created_at", "DESC"),
        one(
            "AND t.occurred_at > p.ended_at AND t.occurred_at <= c.started_at",
            "ASC"
        ),
    );
    Statement::from_sql_and_values(backend, sql, [leads.into()])
}

/// Write into leads what follows from events, by a JSON array of rows with an `id`: what their views show of touches, where
/// `shows` says that the row has it, and when they were active, `active_at`, where that is later than what is known.
pub fn show_touches(backend: DbBackend, rows: String) -> Statement {
    let columns = [
        "first_touch",
        "last_touch",
        "last_non_direct_touch",
        "lead_touch",
        "channel",
        "source",
    ];
    let (value, condition, source): (fn(&str) -> String, _, _) = if is_postgres(backend) {
        (
            |name| format!("x.{name}"),
            "leads.id = x.id",
            format!(
                "json_to_recordset($1::text::json) AS x(id uuid, shows boolean, active_at bigint, {} text)",
                columns.join(" text, ")
            ),
        )
    } else {
        (
            |name| format!("x.value->>'{name}'"),
            "leads.id = unhex(x.value->>'id', '-')",
            "json_each(?1) AS x".to_owned(),
        )
    };
    let (shows, active_at) = (value("shows"), value("active_at"));
    let touches: Vec<String> = columns
        .iter()
        .map(|name| {
            format!(
                "{name} = CASE WHEN {shows} THEN {} ELSE leads.{name} END",
                value(name)
            )
        })
        .collect();
    let is_news = format!(
        "{active_at} IS NOT NULL AND (leads.last_activity_at IS NULL OR leads.last_activity_at < {active_at})"
    );
    let sql = format!(
        "UPDATE leads SET derived = leads.derived + 1, {}, \
         last_activity_at = CASE WHEN {is_news} THEN {active_at} ELSE leads.last_activity_at END \
         FROM {source} WHERE {condition} AND ({shows} OR ({is_news}))",
        touches.join(", ")
    );
    Statement::from_sql_and_values(backend, sql, [rows.into()])
}

/// Write into cycles where their leads came from, by a JSON array of rows.
pub fn begin_cycles(backend: DbBackend, rows: String) -> Statement {
    let columns = ["channel", "source", "campaign", "campaign_key", "content"];
    update_from(backend, "cycles", &columns, "", "id = x.id", rows)
}

/// Write into events which content they are about, by a JSON array of rows.
pub fn match_content(backend: DbBackend, rows: String) -> Statement {
    let sql = if is_postgres(backend) {
        "UPDATE events SET content_id = x.content_id \
         FROM json_to_recordset($1::text::json) AS x(id uuid, content_id uuid) WHERE events.id = x.id"
    } else {
        "UPDATE events SET content_id = unhex(x.value->>'content_id', '-') \
         FROM json_each(?1) AS x WHERE events.id = unhex(x.value->>'id', '-')"
    };
    Statement::from_sql_and_values(backend, sql, [rows.into()])
}

/// An update of text columns by a JSON array of rows with an `id`.
fn update_from(
    backend: DbBackend,
    table: &str,
    columns: &[&str],
    more: &str,
    condition: &str,
    rows: String,
) -> Statement {
    let set = |value: &dyn Fn(&str) -> String| {
        let each: Vec<String> = columns
            .iter()
            .map(|name| format!("{name} = {}", value(name)))
            .collect();
        each.join(", ")
    };
    let sql = if is_postgres(backend) {
        let typed: Vec<String> = columns.iter().map(|name| format!("{name} text")).collect();
        format!(
            "UPDATE {table} SET {more}{} FROM json_to_recordset($1::text::json) AS x(id uuid, {}) WHERE {table}.{condition}",
            set(&|name| format!("x.{name}")),
            typed.join(", ")
        )
    } else {
        let condition = condition.replace("x.id", "unhex(x.value->>'id', '-')");
        format!(
            "UPDATE {table} SET {more}{} FROM json_each(?1) AS x WHERE {table}.{condition}",
            set(&|name| format!("x.value->>'{name}'"))
        )
    };
    Statement::from_sql_and_values(backend, sql, [rows.into()])
}

/// Lock visitors until the end of the transaction, before everything else that is locked by name.
pub async fn lock_visitors(
    connection: &impl ConnectionTrait,
    keys: impl IntoIterator<Item = String>,
) -> Result<(), DbErr> {
    lock_all(
        connection,
        keys.into_iter().map(|key| format!("visitor\u{0}{key}")),
    )
    .await
}
