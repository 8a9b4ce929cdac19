//! What differs between the databases where leads are found by their search terms.

use sea_orm::sea_query::{Expr, SimpleExpr, Value};
use sea_orm::{DbBackend, Statement};
use uuid::Uuid;

use super::{is_postgres, parameter};

/// What is asked of one term of a lead.
#[derive(Debug, Clone, Copy)]
pub enum TermMatch<'a> {
    /// It begins with any of these.
    Beginning(&'a [String]),
    /// It is one of these.
    Among(&'a [String]),
}

impl TermMatch<'_> {
    /// The condition on a term, with parameters behind those that are there already.
    fn condition(self, backend: DbBackend, term: &str, values: &mut Vec<Value>) -> String {
        // SQLite's are counted by their place, as a condition within a larger query needs it.
        let mut next = |text: String| {
            values.push(Value::from(text));
            match is_postgres(backend) {
                true => format!("${}", values.len()),
                false => "?".to_owned(),
            }
        };
        match self {
            TermMatch::Beginning(beginnings) => {
                let range = |beginning: &String| {
                    let (first, end) = term_range(beginning);
                    let (first, end) = (next(first), next(end));
                    format!("({term} >= {first} AND {term} < {end})")
                };
                let ranges: Vec<String> = beginnings.iter().map(range).collect();
                format!("({})", ranges.join(" OR "))
            }
            TermMatch::Among(terms) => {
                let terms: Vec<String> = terms.iter().map(|one| next(one.clone())).collect();
                format!("{term} IN ({})", terms.join(", "))
            }
        }
    }
}

/// The condition that a company's name has a word that begins so.
pub fn company_has_term(backend: DbBackend, beginning: &str) -> SimpleExpr {
    let (first, end) = term_range(beginning);
    let [a, b] = if is_postgres(backend) {
        ["$1", "$2"]
    } else {
        ["?", "?"]
    };
    let sql = format!(
        "EXISTS (SELECT 1 FROM company_terms t WHERE t.company_id = companies.id AND t.term >= {a} AND t.term < {b})"
    );
    Expr::cust_with_values(sql, [Value::from(first), Value::from(end)])
}

/// The condition that a lead, given by an expression for its id, has such a term; looked up lead by lead.
pub fn lead_has_term(backend: DbBackend, lead: &str, asked: TermMatch<'_>) -> SimpleExpr {
    let mut values = vec![];
    // The offset keeps PostgreSQL's planner from reading all that have the term, where a page needs few of them.
    let condition = match asked {
        // Among the few terms of one lead an index by term finds nothing sooner.
        TermMatch::Beginning(_) if is_postgres(backend) => {
            let range = asked.condition(backend, "(t.term || '')", &mut values);
            format!("t.lead_id = {lead} AND {range} OFFSET 0")
        }
        TermMatch::Beginning(_) => {
            let range = asked.condition(backend, "t.term", &mut values);
            format!("t.lead_id = {lead} AND {range}")
        }
        TermMatch::Among(_) if is_postgres(backend) => {
            let among = asked.condition(backend, "t.term", &mut values);
            format!("{among} AND t.lead_id = {lead} OFFSET 0")
        }
        TermMatch::Among(terms) => among_side_by_side(terms, lead, &mut values),
    };
    let sql = format!("EXISTS (SELECT 1 FROM lead_terms t WHERE {condition})");
    Expr::cust_with_values(sql, values)
}

/// With equal ids SQLite would take the index by lead, whose entries for one term lie far apart. Those of the key lie side
/// by side, and a range leaves no other way.
fn among_side_by_side(terms: &[String], lead: &str, values: &mut Vec<Value>) -> String {
    let among = TermMatch::Among(terms).condition(DbBackend::Sqlite, "t.term", values);
    format!("{among} AND t.lead_id >= {lead} AND t.lead_id <= {lead}")
}

/// The condition that a lead is among those that have, for each word, such a term; looked up by term.
pub fn lead_among_terms(backend: DbBackend, words: &[TermMatch<'_>]) -> SimpleExpr {
    let (mut conditions, mut values) = (vec![], vec![]);
    for asked in words {
        conditions.push(match asked {
            _ if conditions.is_empty() => asked.condition(backend, "found.term", &mut values),
            TermMatch::Among(terms) if !is_postgres(backend) => {
                let among = among_side_by_side(terms, "found.lead_id", &mut values);
                format!("EXISTS (SELECT 1 FROM lead_terms t WHERE {among})")
            }
            asked => {
                let condition = asked.condition(backend, "t.term", &mut values);
                format!("found.lead_id IN (SELECT t.lead_id FROM lead_terms t WHERE {condition})")
            }
        });
    }
    let found = format!(
        "SELECT found.lead_id FROM lead_terms found WHERE {}",
        conditions.join(" AND ")
    );
    // As an array PostgreSQL fetches by it, whatever it believes about the number of terms.
    let sql = if is_postgres(backend) {
        format!("leads.id = ANY (ARRAY({found}))")
    } else {
        format!("leads.id IN ({found})")
    };
    Expr::cust_with_values(sql, values)
}

/// The place so many terms further on among the leads of some terms, in the order of their ids.
pub fn lead_further_on(
    backend: DbBackend,
    terms: &[String],
    after: Option<Uuid>,
    descending: bool,
    leads: u64,
) -> Statement {
    let (sign, order) = if descending { ("<", "DESC") } else { (">", "ASC") };
    let (mut arms, mut values) = (vec![], vec![]);
    for term in terms {
        values.push(Value::from(term.clone()));
        let mut condition = format!("t.term = {}", parameter(backend, values.len()));
        if let Some(after) = after {
            values.push(Value::from(after));
            condition += &format!(" AND t.lead_id {sign} {}", parameter(backend, values.len()));
        }
        arms.push(format!(
            "SELECT arm.lead_id AS lead_id FROM (SELECT t.lead_id AS lead_id FROM lead_terms t WHERE {condition} \
             ORDER BY t.lead_id {order} LIMIT {}) AS arm",
            leads + 1
        ));
    }
    let sql = format!(
        "SELECT found.lead_id AS lead_id FROM ({}) AS found ORDER BY found.lead_id {order} LIMIT 1 OFFSET {leads}",
        arms.join(" UNION ALL ")
    );
    Statement::from_sql_and_values(backend, sql, values)
}

/// How many terms begin with any of a word's beginnings, word by word, each counted up to a limit.
pub fn count_terms(backend: DbBackend, words: &[&[String]], limit: u64) -> Statement {
    let (mut counts, mut values) = (vec![], vec![]);
    for beginnings in words {
        let range = TermMatch::Beginning(beginnings).condition(backend, "t.term", &mut values);
        counts.push(format!(
            "SELECT CAST({} AS bigint) AS word, count(*) AS n FROM (SELECT 1 FROM lead_terms t WHERE {range} LIMIT {limit}) AS found",
            counts.len()
        ));
    }
    Statement::from_sql_and_values(backend, counts.join(" UNION ALL "), values)
}

/// The different terms that begin so, beginning by beginning, each up to a limit: from one to the next by the index.
pub fn terms_beginning(backend: DbBackend, beginnings: &[&str], limit: usize) -> Statement {
    let (mut all, mut values) = (vec![], vec![]);
    for beginning in beginnings {
        let (first, end) = term_range(beginning);
        values.extend([Value::from(first), Value::from(end)]);
        let [first, end] = [values.len() - 1, values.len()].map(|n| parameter(backend, n));
        all.push(format!(
            "SELECT CAST({} AS bigint) AS word, f.term AS term FROM (WITH RECURSIVE found(term) AS ( \
             SELECT min(term) FROM lead_terms WHERE term >= {first} AND term < {end} UNION ALL \
             SELECT (SELECT min(t.term) FROM lead_terms t WHERE t.term > found.term AND t.term < {end}) \
             FROM found WHERE found.term IS NOT NULL) \
             SELECT term FROM found WHERE term IS NOT NULL LIMIT {limit}) AS f",
            all.len()
        ));
    }
    Statement::from_sql_and_values(backend, all.join(" UNION ALL "), values)
}

/// The texts that begin so are those from the beginning up to, not including, the end.
fn term_range(beginning: &str) -> (String, String) {
    (beginning.to_owned(), format!("{beginning}\u{10ffff}"))
}
