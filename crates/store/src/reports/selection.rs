//! Which cycles a report is about, and by what it divides them, as SQL.

use sea_orm::{DbBackend, QueryResult, Statement, Value as Bound};
use tandem_domain::id::{FormId, Id, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::funnel::Basis;
use tandem_domain::reports::period::Bucket;
use uuid::Uuid;

use crate::dialect;
use crate::error::StoreError;

/// What cycles have that a report divides them by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// The first touch's channel.
    Channel,
    /// The first touch's source.
    Source,
    /// The first touch's campaign.
    Campaign,
    /// The form that made the lead known.
    Form,
    /// The lead's country.
    Country,
    /// The owner, or the last one.
    Owner,
    /// The last reason.
    Reason,
}

/// A value of a dimension.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A name.
    Text(String),
    /// A form.
    Form(FormId),
    /// An owner.
    Owner(UserId),
}

/// What a row of a report has in one dimension: a value or none, or the place of a division of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A value; `None` where it is unknown.
    Value(Option<Value>),
    /// The n-th of the buckets.
    Bucket(usize),
}

/// Which cycles a report is about.
#[derive(Debug, Clone)]
pub struct Scope {
    /// How cycles are chosen.
    pub basis: Basis,
    /// The first instant of the period.
    pub from: Timestamp,
    /// The first instant after the period.
    pub to: Timestamp,
    /// Only those that have these values, or none.
    pub only: Vec<(Dimension, Option<Value>)>,
}

/// What the rows of a report stand for, in one dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// A value.
    By(Dimension),
    /// A division of time, into which the instant that a cycle is counted by falls.
    Over(Vec<Bucket>),
}

/// The instants by which the stages of the funnel are reached; the first one by starting.
pub(super) const REACHED: [&str; 6] = [
    "started_at",
    "mql_at",
    "sal_at",
    "sql_at",
    "opportunity_at",
    "customer_at",
];
/// The instants at which the first stays in them began.
pub(super) const BEGUN: [&str; 6] = [
    "lead_at",
    "mql_at",
    "sal_at",
    "sql_at",
    "opportunity_at",
    "customer_at",
];
/// The instants at which they ended.
pub(super) const LEFT: [&str; 6] = [
    "lead_left_at",
    "mql_left_at",
    "sal_left_at",
    "sql_left_at",
    "opportunity_left_at",
    "customer_left_at",
];

impl Dimension {
    pub(super) fn column(self) -> &'static str {
        match self {
            Dimension::Channel => "channel",
            Dimension::Source => "source",
            Dimension::Campaign => "campaign",
            Dimension::Form => "form_id",
            Dimension::Country => "country",
            Dimension::Owner => "owner_id",
            Dimension::Reason => "last_reason",
        }
    }
}

/// A statement that is being put together, with its parameters.
pub(super) struct Sql {
    pub(super) backend: DbBackend,
    values: Vec<Bound>,
}

impl Sql {
    /// The period is the first two parameters of every statement here.
    pub(super) fn new(backend: DbBackend, scope: &Scope) -> Self {
        let values = vec![scope.from.millis().into(), scope.to.millis().into()];
        Self { backend, values }
    }

    pub(super) fn bind(&mut self, value: impl Into<Bound>) -> String {
        self.values.push(value.into());
        dialect::parameter(self.backend, self.values.len())
    }

    /// The condition that an instant lies in the period.
    pub(super) fn during(&self, instant: &str) -> String {
        let [from, to] = [1, 2].map(|n| dialect::parameter(self.backend, n));
        format!("{instant} >= {from} AND {instant} < {to}")
    }

    /// The conditions of the values that are asked for, each with `AND` before it.
    pub(super) fn only(&mut self, scope: &Scope, table: &str) -> String {
        let mut conditions = String::new();
        for (dimension, value) in &scope.only {
            let column = dimension.column();
            let condition = match value {
                None => format!(" AND {table}.{column} IS NULL"),
                Some(value) => format!(" AND {table}.{column} = {}", self.bind(value.bound())),
            };
            conditions.push_str(&condition);
        }
        conditions
    }

    pub(super) fn statement(self, sql: &str) -> Statement {
        Statement::from_sql_and_values(self.backend, sql, self.values)
    }
}

impl Value {
    fn bound(&self) -> Bound {
        match self {
            Value::Text(text) => text.clone().into(),
            Value::Form(id) => id.uuid().into(),
            Value::Owner(id) => id.uuid().into(),
        }
    }
}

impl Cut {
    /// The expression that says where a cycle belongs; `instant` is the one that it is counted by.
    fn expression(&self, instant: &str) -> String {
        match self {
            Cut::By(dimension) => format!("c.{}", dimension.column()),
            Cut::Over(buckets) => place(instant, buckets, 0),
        }
    }

    fn read(&self, row: &QueryResult, name: &str) -> Result<Key, StoreError> {
        let id = || row.try_get::<Option<Uuid>>("", name);
        Ok(match self {
            Cut::Over(_) => Key::Bucket(row.try_get::<i64>("", name)?.max(0) as usize),
            Cut::By(Dimension::Form) => Key::Value(id()?.map(|id| Value::Form(Id::from_uuid(id)))),
            Cut::By(Dimension::Owner) => Key::Value(id()?.map(|id| Value::Owner(Id::from_uuid(id)))),
            Cut::By(_) => Key::Value(row.try_get::<Option<String>>("", name)?.map(Value::Text)),
        })
    }
}

/// The expressions of several cuts, each with a comma behind it: `c.source AS k0, `.
pub(super) fn keys(cuts: &[Cut], instant: &str) -> String {
    let one = |(n, cut): (usize, &Cut)| format!("{} AS k{n}, ", cut.expression(instant));
    cuts.iter().enumerate().map(one).collect()
}

/// The clause that makes one row of each combination of keys and further columns.
pub(super) fn group_by(cuts: &[Cut], further: &[&str]) -> String {
    let keys = (0..cuts.len()).map(|n| format!("k{n}"));
    let all: Vec<String> = keys.chain(further.iter().map(|&name| name.to_owned())).collect();
    if all.is_empty() {
        String::new()
    } else {
        format!(" GROUP BY {}", all.join(", "))
    }
}

pub(super) fn read_keys(cuts: &[Cut], row: &QueryResult) -> Result<Vec<Key>, StoreError> {
    let one = |(n, cut): (usize, &Cut)| cut.read(row, &format!("k{n}"));
    cuts.iter().enumerate().map(one).collect()
}

/// The place of the bucket that an instant lies in, found by halving: neither a join nor a function of one database.
fn place(instant: &str, buckets: &[Bucket], first: usize) -> String {
    if buckets.len() <= 1 {
        return format!("CAST({first} AS bigint)");
    }
    let (earlier, later) = buckets.split_at(buckets.len() / 2);
    format!(
        "CASE WHEN {instant} < {} THEN {} ELSE {} END",
        later[0].days.from.millis(),
        place(instant, earlier, first),
        place(instant, later, first + earlier.len()),
    )
}
