//! Rows as statements, one a table, in the order in which they are written.

use std::collections::BTreeSet;

use sea_orm::sea_query::SimpleExpr;
use sea_orm::{DbBackend, EntityTrait, Statement};
use serde::Serialize;
use uuid::Uuid;

use super::rows::Rows;
use crate::dialect::{self, OnConflict};
use crate::leads::terms;
use crate::rows::{self, to_json};

/// A statement that writes, and whether it may go to the database together with others.
pub(super) enum Write {
    /// Rows of a table, which depend on nothing that is written before them.
    Rows(&'static str, Statement),
    /// Whatever stands on what is written before it, or deletes.
    Alone(Statement),
}

impl From<Statement> for Write {
    fn from(statement: Statement) -> Self {
        Self::Alone(statement)
    }
}

/// One statement, if there is anything to write by it.
type Step = fn(&Rows, DbBackend) -> Option<Write>;

/// What makes way goes before what comes, the words of companies before the leads that take them over.
const STEPS: &[Step] = {
    use OnConflict::{Fail, Replace, ReplaceBut};
    &[
        |rows, to| gone(to, "identifiers", "id", rows.gone_identifiers.iter().copied()),
        |rows, to| insert::<rows::companies::Entity>(to, rows.companies.values(), Replace),
        |rows, to| {
            // What a lead shows of touches is derived of them, perhaps after its row was loaded.
            const SHOWN: &[&str] = &[
                "derived",
                "first_touch",
                "last_touch",
                "last_non_direct_touch",
                "lead_touch",
            ];
            insert::<rows::leads::Entity>(to, rows.leads.values(), ReplaceBut(SHOWN))
        },
        |rows, to| insert::<rows::identifiers::Entity>(to, rows.identifiers.values(), Replace),
        |rows, to| insert::<rows::field_values::Entity>(to, rows.values.values(), Fail),
        |rows, to| insert::<rows::consents::Entity>(to, rows.consents.values(), Fail),
        |rows, to| insert::<rows::past_statements::Entity>(to, rows.past.values(), Replace),
        |rows, to| gone(to, "cycles", "id", rows.gone_cycles.iter().copied()),
        |rows, to| {
            // Where a cycle came from is derived of touches, perhaps after its row was loaded.
            const ORIGIN: &[&str] = &["channel", "source", "campaign", "campaign_key", "content"];
            insert::<rows::cycles::Entity>(to, rows.cycles.values(), ReplaceBut(ORIGIN))
        },
        |rows, to| gone(to, "transitions", "id", rows.gone_transitions.iter().copied()),
        |rows, to| insert::<rows::transitions::Entity>(to, rows.transitions.values(), Fail),
        |rows, to| insert::<rows::transitions::Entity>(to, rows.corrected_transitions.values(), Replace),
        |rows, to| insert::<rows::duplicates::Entity>(to, rows.duplicates.values(), Replace),
        |rows, to| insert::<rows::submissions::Entity>(to, rows.submissions.values(), Fail),
        |rows, to| insert::<rows::deals::Entity>(to, rows.deals.values(), Replace),
        |rows, to| gone(to, "deal_leads", "deal_id", rows.deal_leads.keys().copied()),
        |rows, to| insert::<rows::deal_leads::Entity>(to, rows.deal_leads.values().flatten(), Fail),
        |rows, to| {
            gone(
                to,
                "deal_moves",
                "deal_id",
                rows.deals_of_gone_moves.iter().copied(),
            )
        },
        |rows, to| insert::<rows::deal_moves::Entity>(to, rows.deal_moves.values(), Fail),
        |rows, to| {
            gone(
                to,
                "deal_objections",
                "deal_id",
                rows.deal_objections.keys().copied(),
            )
        },
        |rows, to| insert::<rows::deal_objections::Entity>(to, rows.deal_objections.values().flatten(), Fail),
        |rows, to| insert::<rows::routing_decisions::Entity>(to, rows.decisions.iter(), Fail),
        |rows, to| insert::<rows::team_turns::Entity>(to, rows.turns.values(), Replace),
        |rows, to| insert::<rows::queue_marks::Entity>(to, rows.marks.values(), Fail),
        |rows, to| insert::<rows::handoffs::Entity>(to, rows.handoffs.values(), Replace),
        |rows, to| insert::<rows::handoff_packets::Entity>(to, rows.packets.iter(), Fail),
        |rows, to| insert::<rows::clocks::Entity>(to, rows.clocks.values(), Replace),
        |rows, to| insert::<rows::notices::Entity>(to, rows.notices.iter(), Fail),
        |rows, to| insert::<rows::qualifications::Entity>(to, rows.qualifications.values(), Replace),
        |rows, to| gone(to, "activities", "id", rows.gone_activities.iter().copied()),
        |rows, to| insert::<rows::activities::Entity>(to, rows.activities.values(), Replace),
        |rows, to| gone(to, "objections", "activity_id", rows.objections.keys().copied()),
        |rows, to| insert::<rows::objections::Entity>(to, rows.objections.values().flatten(), Fail),
        |rows, to| forget_rates(to, &rows.gone_rates),
        |rows, to| insert::<rows::exchange_rates::Entity>(to, rows.rates.iter(), Replace),
        |rows, to| insert::<rows::submissions::Entity>(to, rows.replayed.values(), Replace),
        |rows, to| insert::<rows::submission_repeats::Entity>(to, rows.repeats.iter(), Replace),
        |rows, to| insert::<rows::settings::Entity>(to, rows.settings.values(), Replace),
        |rows, to| insert::<rows::agreements::Entity>(to, rows.agreements.values(), Replace),
        |rows, to| insert::<rows::previews::Entity>(to, rows.previews.values(), Replace),
        |rows, to| insert::<rows::visitors::Entity>(to, rows.visitors.iter(), Fail),
        |rows, to| insert::<rows::visitor_links::Entity>(to, rows.links.iter(), Fail),
        |rows, to| adopt(to, "events", rows),
        |rows, to| adopt(to, "touches", rows),
        |rows, to| insert::<rows::events::Entity>(to, rows.events.iter(), Fail),
        |rows, to| gone(to, "touches", "id", rows.gone_touches.iter().copied()),
        |rows, to| insert::<rows::touches::Entity>(to, rows.touches.values(), Replace),
        |rows, to| insert::<rows::scores::Entity>(to, rows.scores.values(), Replace),
        |rows, to| insert::<rows::score_history::Entity>(to, rows.score_history.iter(), Fail),
        |rows, to| {
            gone(
                to,
                "segment_members",
                "lead_id",
                rows.segment_members.keys().copied(),
            )
        },
        |rows, to| insert::<rows::segment_members::Entity>(to, rows.segment_members.values().flatten(), Fail),
        |rows, to| {
            gone(
                to,
                "company_terms",
                "company_id",
                rows.known_companies.iter().copied(),
            )
        },
        |rows, to| insert::<rows::company_terms::Entity>(to, company_terms(rows).iter(), Fail),
        |rows, to| terms::forget_own(to, &rows.known_leads).map(Write::from),
        |rows, to| insert::<rows::lead_terms::Entity>(to, own_terms(rows).iter(), Fail),
        |rows, to| terms::forget_inherited(to, terms::Of::Leads, &joined(rows, false)).map(Write::from),
        |rows, to| terms::inherit(to, terms::Of::Leads, &rows.joined).map(Write::from),
    ]
};

impl Rows {
    /// What writes them, statement by statement.
    pub(super) fn statements(&self, backend: DbBackend) -> impl Iterator<Item = Write> {
        let records = self.records.statements(backend).map(Write::from);
        let steps = STEPS.iter().filter_map(move |step| step(self, backend));
        let revisions = self.revisions.iter();
        records
            .chain(steps)
            .chain(revisions.map(move |name| raise_revision(backend, name).into()))
    }
}

/// The same in fewer statements: rows of different tables that follow each other go together.
pub(super) fn together(backend: DbBackend, writes: impl Iterator<Item = Write>) -> Vec<Statement> {
    let (mut all, mut group, mut tables) = (vec![], vec![], BTreeSet::new());
    let close = |group: &mut Vec<Statement>, tables: &mut BTreeSet<&str>, all: &mut Vec<Statement>| {
        tables.clear();
        if !group.is_empty() {
            all.push(dialect::insert_together(backend, std::mem::take(group)));
        }
    };
    for write in writes {
        match write {
            Write::Rows(table, statement) => {
                if tables.contains(table) {
                    close(&mut group, &mut tables, &mut all);
                }
                tables.insert(table);
                group.push(statement);
            }
            Write::Alone(statement) => {
                close(&mut group, &mut tables, &mut all);
                all.push(statement);
            }
        }
    }
    close(&mut group, &mut tables, &mut all);
    all
}

/// What visitors did before their first link becomes their lead's.
fn adopt(backend: DbBackend, table: &str, rows: &Rows) -> Option<Write> {
    let adoptions = &rows.adoptions;
    (!adoptions.is_empty()).then(|| dialect::adopt(backend, table, to_json(adoptions)).into())
}

fn company_terms(rows: &Rows) -> Vec<rows::company_terms::Model> {
    let row = |company_id, term: &String| rows::company_terms::Model {
        term: term.clone(),
        company_id,
    };
    let all = rows.company_terms.iter();
    all.flat_map(|(id, terms)| terms.iter().map(|term| row(*id, term)))
        .collect()
}

fn own_terms(rows: &Rows) -> Vec<rows::lead_terms::Model> {
    let row = |lead_id, term: &String| rows::lead_terms::Model {
        term: term.clone(),
        lead_id,
        origin: "own".to_owned(),
    };
    let all = rows.lead_terms.iter();
    all.flat_map(|(id, terms)| terms.iter().map(|term| row(*id, term)))
        .collect()
}

/// Leads that joined a company, those that are new or those that are not.
fn joined(rows: &Rows, is_new: bool) -> BTreeSet<Uuid> {
    let all = rows.joined.iter().copied();
    all.filter(|id| rows.created.contains(id) == is_new).collect()
}

/// Exchange rates go by their keys.
fn forget_rates(backend: DbBackend, gone: &[rows::exchange_rates::Model]) -> Option<Write> {
    if gone.is_empty() {
        return None;
    }
    let key = |rate: &rows::exchange_rates::Model| {
        format!("{}{}{}", rate.from_currency, rate.to_currency, rate.in_force_on)
    };
    let keys: Vec<String> = gone.iter().map(key).collect();
    let chosen = dialect::text_in(
        backend,
        "from_currency || to_currency || in_force_on",
        keys.iter().map(String::as_str),
    );
    Some(with_condition(backend, "DELETE FROM exchange_rates WHERE {}", chosen).into())
}

/// Every process that decides by what the revision covers reads and compiles it again.
fn raise_revision(backend: DbBackend, name: &str) -> Statement {
    let sql = format!(
        "INSERT INTO revisions (name, revision) VALUES ({}, 1) \
         ON CONFLICT (name) DO UPDATE SET revision = revisions.revision + 1",
        dialect::parameter(backend, 1)
    );
    Statement::from_sql_and_values(backend, sql, [name.into()])
}

/// Insert rows from one JSON parameter.
fn insert<'a, E>(
    backend: DbBackend,
    rows: impl Iterator<Item = &'a E::Model>,
    on_conflict: OnConflict,
) -> Option<Write>
where
    E: EntityTrait,
    E::Model: Serialize + 'a,
{
    let table = E::default().table_name();
    insert_rows::<E>(backend, rows, on_conflict).map(|statement| Write::Rows(table, statement))
}

/// The statement that inserts rows from one JSON parameter.
pub(super) fn insert_rows<'a, E>(
    backend: DbBackend,
    rows: impl Iterator<Item = &'a E::Model>,
    on_conflict: OnConflict,
) -> Option<Statement>
where
    E: EntityTrait,
    E::Model: Serialize + 'a,
{
    let rows: Vec<&E::Model> = rows.collect();
    (!rows.is_empty()).then(|| dialect::insert::<E>(backend, to_json(&rows), on_conflict, &[]))
}

fn gone(backend: DbBackend, table: &str, column: &str, ids: impl Iterator<Item = Uuid>) -> Option<Write> {
    delete(backend, table, column, ids).map(Write::from)
}

/// Delete the rows of which a column has one of these ids.
pub(super) fn delete(
    backend: DbBackend,
    table: &str,
    column: &str,
    ids: impl Iterator<Item = Uuid>,
) -> Option<Statement> {
    let mut ids = ids.peekable();
    ids.peek()?;
    let chosen = dialect::id_in(backend, column, ids);
    Some(with_condition(
        backend,
        &format!("DELETE FROM {table} WHERE {{}}"),
        chosen,
    ))
}

/// A statement whose `{}` is a condition.
pub(crate) fn with_condition(backend: DbBackend, template: &str, condition: SimpleExpr) -> Statement {
    let probe = sea_orm::sea_query::Query::select().expr(condition).to_owned();
    let built = backend.build(&probe);
    let condition = built.sql.trim_start_matches("SELECT ").to_owned();
    let sql = template.replace("{}", &condition);
    let values = built.values.unwrap_or(sea_orm::Values(vec![]));
    Statement::from_sql_and_values(backend, sql, values.0)
}
