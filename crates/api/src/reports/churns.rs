//! Churns: which customers were lost, why, and what they had brought.

use std::collections::{BTreeSet, HashMap};

use actix_web::get;
use jiff::ToSpan;
use serde::{Deserialize, Serialize};
use tandem_domain::instant::Timestamp;
use tandem_domain::money::{Currency, MoneySum};
use tandem_domain::reports::customers::{Customer, CustomerFigure};
use tandem_domain::reports::dimension::{By, Dimension, Value};
use tandem_domain::reports::row::{Cut, Key, arrange};
use tandem_domain::reports::{Basis, Rate};
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::reports::{Books, Records, Scope};
use utoipa::{IntoParams, ToSchema};

use super::answer::{RateView, Report, Table, rate_cells, report_view, whole};
use super::request::{Chosen, Defaults, Divided, MinSample, Question, Selection, encoded};
use crate::access::scopes::{CustomerEvidenceRead, DealsRead, LeadsRead, ReportsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

report_view!(
    /// Customers that churned, by reason.
    ChurnsView: ChurnRow,
    /// All of them.
    ChurnFigures
);

/// By what churns are divided.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ChurnsQuery {
    /// The dimension of the rows; default `reason`.
    #[param(inline, example = "campaign_id")]
    by: Option<Dimension>,
}

/// One row of churns.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChurnRow {
    /// The value of the dimension; `null` if unknown.
    #[schema(max_length = 2000, example = "price")]
    key: Option<String>,
    /// Its customers.
    figures: ChurnFigures,
}

/// Customers that churned.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChurnFigures {
    /// The number of customers: those who were customers when the period began, and churned in it.
    #[schema(minimum = 0, example = 4)]
    customers: i64,
    /// What they had brought in the twelve months before they churned: collected revenue, else the amounts of their won deals,
    /// in the base currency.
    value: MoneySum,
    /// This row's share of all churned customers.
    share: RateView,
    /// The reasons, the most frequent first.
    #[schema(max_items = 1000)]
    reasons: Vec<ChurnedFor>,
    /// The number of customers in the previous period; `null` if the period is open.
    #[schema(minimum = 0, example = 3)]
    customers_before: Option<i64>,
    /// `customers` minus `customers_before`.
    #[schema(example = 1)]
    change: Option<i64>,
    /// Links to the customers.
    evidence: ChurnEvidence,
}

/// Customers that churned for one reason.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChurnedFor {
    /// The code of the reason; `null` if none was given.
    #[schema(max_length = 64, example = "price")]
    reason: Option<String>,
    /// The number of customers.
    #[schema(minimum = 0, example = 2)]
    count: i64,
    /// The customers.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/customers/evidence?basis=activity&figure=churned&churned_for=price"
    )]
    evidence: String,
}

/// Links to the counted customers.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChurnEvidence {
    /// The customers.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/customers/evidence?basis=activity&figure=churned"
    )]
    customers: String,
    /// Those of the previous period.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/customers/evidence?basis=activity&figure=churned"
    )]
    customers_before: Option<String>,
}

/// Report churns.
///
/// The customers that were lost in the period, by reason (default) or another dimension, with what they had brought and the
/// previous period's number. They are those of the figure `churn` of the key figures: companies, or leads without one, that were
/// customers when the period began and of which the last lead churned in it. The reason is that of the churn, also as a filter; every
/// other dimension is that of the customer's first won deal. Customers are counted by days, whatever the basis; an open period has
/// no beginning, and so no churn. `Accept: text/csv` returns a table.
#[utoipa::path(tag = "reports", params(Chosen, ChurnsQuery, MinSample),
    security(("bearer" = [ReportsRead, LeadsRead, DealsRead])),
    responses((status = 200, description = "The churns",
        content((ChurnsView = "application/json"), (String = "text/csv")))))]
#[get("/v1/reports/churns")]
pub(super) async fn get_churns(
    ctx: Ctx<CustomerEvidenceRead>,
    query: Query<Both<Both<Chosen, ChurnsQuery>, MinSample>>,
) -> Reply<Report<ChurnsView>> {
    let Both(Both(chosen, own), MinSample { min_sample }) = query.0;
    let by = own.by.unwrap_or(Dimension::Reason);
    let snapshot = ctx.report().await?;
    let now = snapshot.as_of(ctx.now());
    let defaults = Defaults {
        basis: Basis::Activity,
        by: By::Dimension(by),
        records: Records::Cycles,
    };
    let question = Question::ask(&snapshot, chosen, Divided::sampled(min_sample), defaults).await?;
    let base = question.rules.money.base;
    let customers = Customers::load(&snapshot, &question, Books { now, base }).await?;
    let before = question.selection.before(&question.zone);
    let (counted, counted_before) = (
        customers.churned(&question.selection),
        before.as_ref().map(|before| customers.churned(before)),
    );
    let cuts = &question.cuts;
    let mut rows: HashMap<Vec<Key>, Vec<&Customer>> = HashMap::new();
    for customer in &counted {
        let keys = customers.keys(customer, &question.selection, by);
        rows.entry(keys).or_default().push(customer);
    }
    let mut rows_before: HashMap<Vec<Key>, i64> = HashMap::new();
    for (customer, before) in counted_before.iter().flatten().zip(before.iter().cycle()) {
        let keys = customers.keys(customer, before, by);
        rows.entry(keys.clone()).or_default();
        *rows_before.entry(keys).or_default() += 1;
    }
    let (rows, omitted) = arrange(rows, cuts, Vec::new, Vec::len);
    let view = View {
        base,
        min_sample: question.min_sample,
        all: counted.len() as i64,
        selection: &question.selection,
    };
    let row = |(keys, customers): (Vec<Key>, Vec<&Customer>)| ChurnRow {
        key: question.names(&keys).0,
        figures: view.figures(
            &question.selection.row(cuts, &keys),
            &customers,
            before.as_ref().map(|before| {
                let count = rows_before.get(&keys).copied().unwrap_or_default();
                (count, before.row(cuts, &keys))
            }),
        ),
    };
    let earlier = counted_before.map(|all| all.len() as i64).zip(before.clone());
    let totals = view.figures(&question.selection, &counted, earlier);
    let versions = BTreeSet::from([question.rules.agreement.number]);
    let report = ChurnsView::of(
        question.head(now, versions),
        rows.into_iter().map(row).collect(),
        omitted,
        totals,
    );
    Report::preferred(ctx.request(), "churns", report, table)
}

/// All customers, and where their first deals belong.
struct Customers {
    all: Vec<Customer>,
    /// The keys of each won deal by the dimension of the rows.
    keys: HashMap<tandem_domain::id::DealId, Vec<Key>>,
}

impl Customers {
    async fn load(snapshot: &Snapshot, question: &Question, books: Books) -> Result<Self, Problem> {
        let collected = store::reports::collected(snapshot, &question.rules.money).await?;
        let only = of_deals(&question.selection);
        let all = store::reports::customers(snapshot, &only, books.base, &collected).await?;
        let ever = Scope {
            basis: Basis::Activity,
            from: Timestamp::from_millis(i64::MIN),
            to: Timestamp::from_millis(i64::MAX),
            only,
        };
        let won = match question.cuts[..] {
            [Cut::By(Dimension::Reason)] => vec![],
            _ => store::reports::won_deals(snapshot, &ever, &question.cuts, books).await?,
        };
        let keys = won.into_iter().map(|deal| (deal.id, deal.keys)).collect();
        Ok(Self { all, keys })
    }

    /// Those that churned in some days, for the reason that is asked for.
    fn churned(&self, selection: &Selection) -> Vec<&Customer> {
        let (from, to) = (selection.days.from, selection.days.to);
        let asked = selection
            .only
            .iter()
            .filter(|(dimension, _)| *dimension == Dimension::Reason);
        let asked: Vec<Option<String>> = asked
            .map(|(_, value)| value.as_ref().map(Value::to_string))
            .collect();
        let counts = |customer: &&Customer| {
            let churn = customer.churn(from, to);
            churn.is_some_and(|churn| asked.iter().all(|asked| *asked == churn.reason))
        };
        self.all.iter().filter(counts).collect()
    }

    fn keys(&self, customer: &Customer, selection: &Selection, by: Dimension) -> Vec<Key> {
        match by {
            Dimension::Reason => vec![Key::Value(reason(customer, selection).map(Value::Text))],
            _ => self
                .keys
                .get(&customer.first_deal_id)
                .cloned()
                .unwrap_or_else(|| vec![Key::Value(None)]),
        }
    }
}

fn reason(customer: &Customer, selection: &Selection) -> Option<String> {
    customer
        .churn(selection.days.from, selection.days.to)?
        .reason
        .clone()
}

/// The filters that are about first deals.
fn of_deals(selection: &Selection) -> Vec<(Dimension, Option<Value>)> {
    let others = selection
        .only
        .iter()
        .filter(|(dimension, _)| *dimension != Dimension::Reason);
    others.cloned().collect()
}

/// The customers that churned: the reason is that of the churn.
fn link(selection: &Selection) -> String {
    let customers = Selection {
        only: of_deals(selection),
        ..selection.clone()
    };
    let mut link = customers.evidence("customers", &[("figure", CustomerFigure::Churned.name())]);
    for (_, reason) in selection
        .only
        .iter()
        .filter(|(dimension, _)| *dimension == Dimension::Reason)
    {
        link += &match reason {
            Some(reason) => format!("&churned_for={}", encoded(&reason.to_string())),
            None => "&churned_without_reason=true".to_owned(),
        };
    }
    link
}

/// What all rows have in common.
struct View<'q> {
    base: Currency,
    min_sample: i64,
    all: i64,
    selection: &'q Selection,
}

impl View<'_> {
    fn figures(
        &self,
        selection: &Selection,
        customers: &[&Customer],
        before: Option<(i64, Selection)>,
    ) -> ChurnFigures {
        let count = customers.len() as i64;
        let share = Rate {
            part: count,
            whole: self.all,
        };
        let (customers_before, before) = before.unzip();
        ChurnFigures {
            customers: count,
            value: MoneySum {
                amount: customers.iter().map(|customer| self.brought(customer)).sum(),
                currency: self.base,
            },
            share: RateView::of(share, self.min_sample, [link(selection), link(self.selection)]),
            reasons: self.reasons(selection, customers),
            customers_before,
            change: customers_before.map(|before| count - before),
            evidence: ChurnEvidence {
                customers: link(selection),
                customers_before: before.as_ref().map(link),
            },
        }
    }

    /// What a customer brought in the twelve months before it churned.
    fn brought(&self, customer: &Customer) -> i64 {
        let days = &self.selection.days;
        let Some(churn) = customer.churn(days.from, days.to) else {
            return 0;
        };
        let utc = jiff::tz::TimeZone::UTC;
        let year_before = churn.at.date_in(&utc).checked_sub(1.year()).ok();
        let from = year_before.and_then(|date| Timestamp::start_of_day(date, &utc));
        customer.revenue(from.unwrap_or(churn.at), churn.at)
    }

    fn reasons(&self, selection: &Selection, customers: &[&Customer]) -> Vec<ChurnedFor> {
        let mut counts: HashMap<Option<String>, i64> = HashMap::new();
        for customer in customers {
            *counts.entry(reason(customer, self.selection)).or_default() += 1;
        }
        let one = |(reason, count): (Option<String>, i64)| ChurnedFor {
            evidence: link(&selection.with(Dimension::Reason, reason.clone().map(Value::Text))),
            reason,
            count,
        };
        let mut reasons: Vec<ChurnedFor> = counts.into_iter().map(one).collect();
        reasons.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
        reasons
    }
}

fn table(view: &ChurnsView) -> Table {
    let names = [
        "customers",
        "value",
        "currency",
        "share",
        "share_of",
        "share_low",
        "share_high",
        "share_insufficient",
        "customers_before",
        "change",
    ];
    let mut table = Table::new(&view.by, &names);
    let line = |figures: &ChurnFigures| {
        let mut cells = vec![
            figures.customers.to_string(),
            figures.value.amount.to_string(),
            figures.value.currency.to_string(),
        ];
        cells.extend(rate_cells(Some(&figures.share)));
        cells.extend([whole(figures.customers_before), whole(figures.change)]);
        cells
    };
    for row in &view.rows {
        table.row(row.key.as_deref(), None, line(&row.figures));
    }
    table.total(line(&view.totals));
    table
}
