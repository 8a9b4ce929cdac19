//! Deals that were closed or are open, and how long it took to win them.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, QueryResult};
use tandem_domain::deals::{Outcome, State};
use tandem_domain::id::{ContentId, DealId, Id, LeadId, PipelineId, UserId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::money::{Currency, Money};
use tandem_domain::reports::endings::EndingTally;
use tandem_domain::reports::kpis::{DealFacts, DealFigure};
use tandem_domain::reports::row::{Cut, Key};
use tandem_domain::reports::{Basis, Rate};
use uuid::Uuid;

use super::objections::{self, Objected};
use super::selection::{self, Ground, Scope, Sql};
use crate::content::READ_BEFORE;
use crate::db::Read;
use crate::dialect;
use crate::error::StoreError;
use crate::page::Page;
use crate::rows::{day, money};

/// Each deal with the cycle in which it was opened, if it has a lead.
pub(super) const DEALS: &str =
    "deals d LEFT JOIN cycles c ON c.lead_id = d.primary_lead_id AND c.number = d.cycle";
/// An objection of the lead, in the deal or stated with its closing is known, or a note of the move that lost it.
const EXPLAINED: &str = "(EXISTS (SELECT 1 FROM objections o WHERE o.lead_id = d.primary_lead_id) \
                         OR EXISTS (SELECT 1 FROM activities a JOIN objections o ON o.activity_id = a.id \
                         WHERE a.deal_id = d.id) \
                         OR EXISTS (SELECT 1 FROM deal_objections o WHERE o.deal_id = d.id) \
                         OR EXISTS (SELECT 1 FROM deal_moves m WHERE m.deal_id = d.id AND m.to_stage = d.stage \
                         AND m.note IS NOT NULL))";
const CORRUPT: StoreError = StoreError::Corrupt("deals");

/// When deals are looked at, and in which currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    /// Now.
    pub now: Timestamp,
    /// The base currency.
    pub base: Currency,
}

/// Won deals in a currency that no rate converts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unconverted {
    /// The currency.
    pub currency: Currency,
    /// What they amount to, in minor units.
    pub amount: i64,
    /// The number of deals.
    pub deals: i64,
}

/// Closed deals of one row and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalliedEndings {
    /// The row.
    pub keys: Vec<Key>,
    /// How many they are, and what they are worth.
    pub tally: EndingTally,
    /// The version of the agreement of their cycles, if they have a lead.
    pub agreement_version: Option<i64>,
}

/// Which deals of a period are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DealChoice {
    /// Those of this figure.
    pub figure: DealFigure,
    /// With an amount in this currency.
    pub currency: Option<Currency>,
    /// With a lead who had seen this content before the deal was closed.
    pub read_content_id: Option<ContentId>,
    /// Expected to be closed then.
    pub expected: Option<Expected>,
    /// In which this objection was raised.
    pub objection: Option<Objected>,
}

/// When a deal is expected to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// From the first day until before the second.
    Between(Day, Day),
    /// Nobody said.
    Unknown,
}

/// Open deals that stand alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalliedOpen {
    /// The day on which they are expected to be closed.
    pub expected_on: Option<Day>,
    /// The pipeline.
    pub pipeline_id: PipelineId,
    /// The key of their stage.
    pub stage: String,
    /// What each of them amounts to.
    pub amount: Option<Money>,
    /// The number of deals.
    pub deals: i64,
}

/// A deal behind a figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DealItem {
    /// Its id.
    pub id: DealId,
    /// Where it stands.
    pub state: State,
    /// The lead whose stage it moves.
    pub lead_id: Option<LeadId>,
    /// The lead's cycle in which it was opened.
    pub cycle: Option<i64>,
    /// The user who is responsible.
    pub owner_id: Option<UserId>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// The amount in its own currency, in minor units.
    pub amount: Option<(i64, Currency)>,
    /// The amount in the base currency, in minor units.
    pub value: Option<i64>,
}

/// Count the deals of a report.
pub async fn deal_facts(on: &impl Read, scope: &Scope, books: Books) -> Result<DealFacts, StoreError> {
    let figures = [
        DealFigure::Won,
        DealFigure::Closed,
        DealFigure::Open,
        DealFigure::Valued,
    ];
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let parts: Vec<String> = figures
        .iter()
        .enumerate()
        .map(|(n, figure)| {
            let condition = condition(&mut sql, scope, *figure, books);
            format!(
                "SELECT CAST({n} AS bigint) AS figure, count(*) AS n, \
                 CAST(COALESCE(sum(d.base_amount), 0) AS bigint) AS value FROM {DEALS} WHERE {condition}"
            )
        })
        .collect();
    let mut facts = DealFacts::default();
    let mut closed = 0;
    for row in on
        .conn()
        .query_all_raw(sql.statement(&parts.join(" UNION ALL ")))
        .await?
    {
        let (place, n): (i64, i64) = (row.try_get("", "figure")?, row.try_get("", "n")?);
        match figures.get(place.max(0) as usize) {
            Some(DealFigure::Won) => facts.won = n,
            Some(DealFigure::Closed) => closed = n,
            Some(DealFigure::Open) => facts.open = n,
            _ => (facts.valued, facts.value) = (n, row.try_get("", "value")?),
        }
    }
    facts.lost = closed - facts.won;
    Ok(facts)
}

/// Won deals that no rate converts, by currency.
pub async fn unconverted(
    on: &impl Read,
    scope: &Scope,
    books: Books,
) -> Result<Vec<Unconverted>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let condition = condition(&mut sql, scope, DealFigure::Unconverted, books);
    let text = format!(
        "SELECT d.currency, CAST(sum(d.amount) AS bigint) AS amount, count(*) AS n FROM {DEALS} WHERE {condition} \
         GROUP BY d.currency ORDER BY d.currency"
    );
    let mut found = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        let currency: String = row.try_get("", "currency")?;
        found.push(Unconverted {
            currency: currency.parse().map_err(|_| CORRUPT)?,
            amount: row.try_get("", "amount")?,
            deals: row.try_get("", "n")?,
        });
    }
    Ok(found)
}

/// Count the deals of a report that ended in a way, by reason.
pub async fn deal_endings(
    on: &impl Read,
    scope: &Scope,
    cuts: &[Cut],
    outcome: Outcome,
    books: Books,
) -> Result<Vec<TalliedEndings>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let keys = selection::keys(cuts, Ground::Deals, instant(scope.basis));
    let valued = is_valued(&mut sql, books);
    let condition = condition(&mut sql, scope, ended(outcome), books);
    let text = format!(
        "SELECT {keys}d.reason AS reason, c.agreement_version AS version, \
         CASE WHEN d.amount IS NOT NULL AND NOT {valued} THEN d.currency END AS foreign_currency, \
         count(*) AS n, CAST(COALESCE(sum(d.amount), 0) AS bigint) AS amount, \
         CAST(sum(CASE WHEN {valued} THEN 1 ELSE 0 END) AS bigint) AS valued, \
         CAST(sum(CASE WHEN {valued} THEN d.base_amount ELSE 0 END) AS bigint) AS value \
         FROM {DEALS} WHERE {condition}{}",
        selection::group_by(cuts, &["d.reason", "c.agreement_version", "foreign_currency"])
    );
    let mut found = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        let currency: Option<String> = row.try_get("", "foreign_currency")?;
        let currency: Option<Currency> = currency
            .map(|code| code.parse().map_err(|_| CORRUPT))
            .transpose()?;
        let amount: i64 = row.try_get("", "amount")?;
        found.push(TalliedEndings {
            keys: selection::read_keys(cuts, &row)?,
            tally: EndingTally {
                reason: row.try_get("", "reason")?,
                deals: row.try_get("", "n")?,
                valued: row.try_get("", "valued")?,
                value: row.try_get("", "value")?,
                unconverted: currency.map(|currency| (currency, amount)),
            },
            agreement_version: row.try_get("", "version")?,
        });
    }
    Ok(found)
}

/// The open deals of a report, by where they stand and what they amount to, in that order: what is summed of them is the
/// same each time.
pub async fn open_deals(on: &impl Read, scope: &Scope, books: Books) -> Result<Vec<TalliedOpen>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let condition = condition(&mut sql, scope, DealFigure::Open, books);
    let alike = "d.expected_close_on, d.pipeline_id, d.stage, d.amount, d.currency";
    let text = format!(
        "SELECT {alike}, count(*) AS n FROM {DEALS} WHERE {condition} GROUP BY {alike} ORDER BY {alike}"
    );
    let mut found = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        let on: Option<String> = row.try_get("", "expected_close_on")?;
        let amount: Option<i64> = row.try_get("", "amount")?;
        let currency: Option<String> = row.try_get("", "currency")?;
        let money = amount
            .zip(currency)
            .map(|(amount, currency)| money("deals", amount, &currency));
        found.push(TalliedOpen {
            expected_on: on.map(|text| day("deals", &text)).transpose()?,
            pipeline_id: Id::from_uuid(row.try_get("", "pipeline_id")?),
            stage: row.try_get("", "stage")?,
            amount: money.transpose()?,
            deals: row.try_get("", "n")?,
        });
    }
    Ok(found)
}

/// Of the deals that were in each stage of each pipeline and were closed in the period, those that were won.
pub async fn stage_outcomes(
    on: &impl Read,
    scope: &Scope,
) -> Result<HashMap<(PipelineId, String), Rate>, StoreError> {
    let sql = Sql::new(on.conn().get_database_backend(), scope);
    let text = format!(
        "SELECT d.pipeline_id, m.to_stage AS stage, count(DISTINCT d.id) AS n, \
         count(DISTINCT CASE WHEN d.state = 'won' THEN d.id END) AS won FROM deals d JOIN deal_moves m ON m.deal_id = d.id \
         WHERE d.state IN ('won', 'lost') AND {} AND m.to_stage NOT IN ('won', 'lost') GROUP BY d.pipeline_id, m.to_stage",
        sql.during("d.closed_at")
    );
    let mut found = HashMap::new();
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        let stage = (
            Id::from_uuid(row.try_get("", "pipeline_id")?),
            row.try_get("", "stage")?,
        );
        let (part, whole) = (row.try_get("", "won")?, row.try_get("", "n")?);
        found.insert(stage, Rate { part, whole });
    }
    Ok(found)
}

/// A closed deal whose lead had a score when it entered mql.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScoredDeal {
    /// The whole score.
    pub total: i64,
    /// The band; `None` where the agreement had none.
    pub band: Option<String>,
    /// Whether it was won.
    pub is_won: bool,
}

/// The closed deals of a report whose leads had a score when they entered mql.
pub async fn scored_deals(
    on: &impl Read,
    scope: &Scope,
    books: Books,
) -> Result<Vec<ScoredDeal>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let condition = condition(&mut sql, scope, DealFigure::Scored, books);
    let text = format!(
        "SELECT d.state, {} AS total, {} AS band FROM {DEALS} WHERE {condition}",
        selection::at_mql("c", "total"),
        selection::at_mql("c", "band"),
    );
    let mut found = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        found.push(ScoredDeal {
            total: row.try_get("", "total")?,
            band: row.try_get("", "band")?,
            is_won: row.try_get::<String>("", "state")? == State::Won.name(),
        });
    }
    Ok(found)
}

/// The first and the last instant by which the deals of a report that ended in a way are counted.
pub(super) async fn span(
    on: &impl Read,
    scope: &Scope,
    outcome: Outcome,
) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let only = sql.only(&scope.only, Ground::Deals);
    let at = instant(scope.basis);
    let text = format!(
        "SELECT min({at}) AS first, max({at}) AS last FROM {DEALS} WHERE {} AND d.state = '{}'{only}",
        sql.during(at),
        ended(outcome).name()
    );
    let Some(row) = on.conn().query_one_raw(sql.statement(&text)).await? else {
        return Ok(None);
    };
    let at = |name: &str| row.try_get::<Option<i64>>("", name);
    let (first, last) = (at("first")?, at("last")?);
    Ok(first
        .zip(last)
        .map(|(first, last)| (Timestamp::from_millis(first), Timestamp::from_millis(last))))
}

fn ended(outcome: Outcome) -> DealFigure {
    match outcome {
        Outcome::Won => DealFigure::Won,
        Outcome::Lost => DealFigure::Lost,
    }
}

pub(super) fn instant(basis: Basis) -> &'static str {
    match basis {
        Basis::Cohort => "c.started_at",
        Basis::Activity => "d.closed_at",
    }
}

/// A page of the deals behind a figure, by id.
pub async fn deal_evidence(
    on: &impl Read,
    scope: &Scope,
    choice: &DealChoice,
    books: Books,
    after: Option<DealId>,
    limit: u64,
) -> Result<Page<DealItem>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let mut condition = narrowed(&mut sql, scope, choice, books);
    if let Some(after) = after {
        condition.push_str(&format!(" AND d.id > {}", sql.bind(after.uuid())));
    }
    let base = sql.bind(books.base.to_string());
    let text = format!(
        "SELECT d.id, d.state, d.primary_lead_id, d.cycle, d.owner_id, d.opened_at, d.closed_at, d.amount, d.currency, \
         CASE WHEN d.base_currency = {base} THEN d.base_amount END AS base_amount FROM {DEALS} WHERE {condition} ORDER BY d.id LIMIT {}",
        limit + 1
    );
    let rows = on.conn().query_all_raw(sql.statement(&text)).await?;
    let data: Result<Vec<DealItem>, StoreError> = rows.iter().map(item).collect();
    Ok(Page::of(data?, limit))
}

/// How many deals stand behind a figure.
pub async fn deal_evidence_count(
    on: &impl Read,
    scope: &Scope,
    choice: &DealChoice,
    books: Books,
) -> Result<u64, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let condition = narrowed(&mut sql, scope, choice, books);
    let text = format!("SELECT count(*) AS n FROM {DEALS} WHERE {condition}");
    let row = on.conn().query_one_raw(sql.statement(&text)).await?;
    let count = row.map_or(Ok(0), |row| row.try_get::<i64>("", "n"))?;
    Ok(count.max(0) as u64)
}

/// How many deals stand behind each of some figures, in their order.
pub async fn deal_counts(
    on: &impl Read,
    scope: &Scope,
    figures: &[DealFigure],
    books: Books,
) -> Result<Vec<i64>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let wanted: Vec<String> = figures
        .iter()
        .map(|figure| {
            let condition = condition(&mut sql, scope, *figure, books);
            format!("SELECT count(*) AS n FROM {DEALS} WHERE {condition}")
        })
        .collect();
    sql.counts(on, &wanted).await
}

/// From the first contact of a cycle, else from its acceptance, to the deal that was won: each in milliseconds, and how
/// many begin with the acceptance.
pub async fn sales_cycles(on: &impl Read, scope: &Scope) -> Result<(Vec<i64>, i64), StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let only = sql.only(&scope.only, Ground::Cycles("c"));
    let at = match scope.basis {
        Basis::Cohort => "c.started_at",
        Basis::Activity => "c.customer_at",
    };
    let text = format!(
        "SELECT c.customer_at, c.sal_at, f.first_contact_at FROM cycles c \
         LEFT JOIN handoffs f ON f.lead_id = c.lead_id AND f.cycle = c.number \
         WHERE {} AND c.customer_at IS NOT NULL AND (c.sal_at IS NOT NULL OR f.first_contact_at IS NOT NULL){only}",
        sql.during(at)
    );
    let (mut lengths, mut estimated) = (vec![], 0);
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        let contact: Option<i64> = row.try_get("", "first_contact_at")?;
        let accepted: Option<i64> = row.try_get("", "sal_at")?;
        estimated += i64::from(contact.is_none());
        if let Some(from) = contact.or(accepted) {
            let won: i64 = row.try_get("", "customer_at")?;
            lengths.push((won - from).max(0));
        }
    }
    Ok((lengths, estimated))
}

fn narrowed(sql: &mut Sql, scope: &Scope, choice: &DealChoice, books: Books) -> String {
    let mut condition = condition(sql, scope, choice.figure, books);
    if let Some(currency) = choice.currency {
        let currency = sql.bind(currency.to_string());
        condition.push_str(&format!(" AND d.currency = {currency}"));
    }
    if let Some(objection) = &choice.objection {
        let is_met = objections::is_met(sql, Some(objection));
        condition.push_str(&format!(" AND {is_met}"));
    }
    match choice.expected {
        Some(Expected::Between(first, next)) => {
            let (first, next) = (sql.bind(first.to_string()), sql.bind(next.to_string()));
            condition.push_str(&format!(
                " AND d.expected_close_on >= {first} AND d.expected_close_on < {next}"
            ));
        }
        Some(Expected::Unknown) => condition.push_str(" AND d.expected_close_on IS NULL"),
        None => {}
    }
    if let Some(content) = choice.read_content_id {
        let content = sql.bind(content.uuid());
        condition.push_str(&format!(
            " AND EXISTS (SELECT 1 FROM deal_leads m JOIN events e ON {READ_BEFORE} \
             WHERE m.deal_id = d.id AND e.content_id = {content})"
        ));
    }
    condition
}

pub(super) fn condition(sql: &mut Sql, scope: &Scope, figure: DealFigure, books: Books) -> String {
    let only = sql.only(&scope.only, Ground::Deals);
    let during = sql.during(instant(scope.basis));
    let what = match figure {
        DealFigure::Won => format!("{during} AND d.state = 'won'"),
        DealFigure::Lost => format!("{during} AND d.state = 'lost'"),
        DealFigure::Closed => format!("{during} AND d.state IN ('won', 'lost')"),
        DealFigure::Valued => format!("{during} AND d.state = 'won' AND {}", is_valued(sql, books)),
        DealFigure::LostValued => format!("{during} AND d.state = 'lost' AND {}", is_valued(sql, books)),
        DealFigure::Unconverted | DealFigure::LostUnconverted => {
            let state = match figure {
                DealFigure::Unconverted => "won",
                _ => "lost",
            };
            let is_valued = is_valued(sql, books);
            format!("{during} AND d.state = '{state}' AND d.amount IS NOT NULL AND NOT {is_valued}")
        }
        DealFigure::WonFromCycle => format!("{during} AND d.state = 'won' AND c.id IS NOT NULL"),
        DealFigure::WithPath => format!(
            "{during} AND d.state = 'won' AND EXISTS (SELECT 1 FROM attribution_paths p WHERE p.deal_id = d.id \
             AND p.outcome = 'customer' AND p.reverses IS NULL AND {} AND NOT EXISTS (SELECT 1 FROM attribution_paths r \
             WHERE r.deal_id = d.id AND r.reverses = p.id))",
            dialect::has_touches(sql.backend, "p.path")
        ),
        DealFigure::Objected | DealFigure::WonObjected => {
            let states = match figure {
                DealFigure::Objected => "('won', 'lost')",
                _ => "('won')",
            };
            format!(
                "{during} AND d.state IN {states} AND {}",
                objections::is_met(sql, None)
            )
        }
        DealFigure::LostObjected => format!(
            "{during} AND d.state = 'lost' AND {} AND {}",
            is_valued(sql, books),
            objections::is_met(sql, None)
        ),
        DealFigure::Scored => format!(
            "{during} AND d.state IN ('won', 'lost') AND {} IS NOT NULL",
            selection::at_mql("c", "total")
        ),
        DealFigure::Explained => {
            format!("{during} AND d.state = 'lost' AND d.reason <> 'other' AND {EXPLAINED}")
        }
        DealFigure::FeedbackDue => {
            let now = sql.bind(books.now.millis());
            format!(
                "{during} AND d.state = 'lost' AND EXISTS (SELECT 1 FROM clocks v WHERE v.deal_id = d.id \
                 AND v.kind = 'feedback' AND v.state <> 'void' AND (v.act_at IS NOT NULL OR v.due_at < {now}))"
            )
        }
        DealFigure::Answered => format!(
            "{during} AND d.state = 'lost' AND d.reason IS NOT NULL AND EXISTS (SELECT 1 FROM clocks v \
             WHERE v.deal_id = d.id AND v.kind = 'feedback' AND v.state = 'met')"
        ),
        DealFigure::Open => {
            let until = sql.bind(scope.to.plus_millis(-1).min(books.now).millis());
            let open = format!("d.opened_at <= {until} AND (d.closed_at IS NULL OR d.closed_at > {until})");
            match scope.basis {
                Basis::Cohort => format!("{during} AND {open}"),
                Basis::Activity => open,
            }
        }
    };
    format!("{what}{only}")
}

/// The condition that a deal has an amount in the base currency.
pub(super) fn is_valued(sql: &mut Sql, books: Books) -> String {
    let base = sql.bind(books.base.to_string());
    format!("(d.base_amount IS NOT NULL AND d.base_currency = {base})")
}

fn item(row: &QueryResult) -> Result<DealItem, StoreError> {
    let state: String = row.try_get("", "state")?;
    let amount: Option<i64> = row.try_get("", "amount")?;
    let currency: Option<String> = row.try_get("", "currency")?;
    let currency = currency.map(|currency| currency.parse().map_err(|_| CORRUPT));
    let id = |name: &str| row.try_get::<Option<Uuid>>("", name);
    Ok(DealItem {
        id: Id::from_uuid(row.try_get("", "id")?),
        state: State::named(&state).ok_or(CORRUPT)?,
        lead_id: id("primary_lead_id")?.map(Id::from_uuid),
        cycle: row.try_get("", "cycle")?,
        owner_id: id("owner_id")?.map(Id::from_uuid),
        opened_at: Timestamp::from_millis(row.try_get("", "opened_at")?),
        closed_at: row
            .try_get::<Option<i64>>("", "closed_at")?
            .map(Timestamp::from_millis),
        amount: amount.zip(currency.transpose()?),
        value: row.try_get("", "base_amount")?,
    })
}
