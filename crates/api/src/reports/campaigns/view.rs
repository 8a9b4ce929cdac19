//! Campaigns on the wire: every figure with the address of the records behind it.

use serde::Serialize;
use tandem_domain::id::CampaignId;
use tandem_domain::instant::Timestamp;
use tandem_domain::money::{Currency, MoneySum};
use tandem_domain::reports::attribution::ModelName;
use tandem_domain::reports::attribution::report::{AttributionFigure, OF_TOUCHES};
use tandem_domain::reports::campaigns::{CampaignFacts, Credited, Waste};
use tandem_domain::reports::customers::CustomerFigure;
use tandem_domain::reports::dimension::{Dimension, Value};
use tandem_domain::reports::kpis::DealFigure;
use tandem_domain::reports::{Basis, Rate};
use utoipa::ToSchema;

use super::Shown;
use super::evidence::{ConversationFigure, CostFigure};
use crate::reports::answer::{Period, RateView, Table, cell, number, rate_cells};
use crate::reports::attribution::question::Asked;
use crate::reports::request::Selection;

/// Campaigns: cost, volume, revenue.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignsView {
    /// The instant of the figures.
    pub as_of: Timestamp,
    /// The period covered.
    pub period: Period,
    /// Which records count.
    #[schema(inline)]
    pub basis: Basis,
    /// How revenue and pipeline are credited.
    pub model: ModelName,
    /// Whether each campaign counts with all below it.
    pub roll_up: bool,
    /// The fewest cases for a meaningful figure; with fewer it is marked `insufficient`.
    #[schema(minimum = 1, example = 30)]
    pub min_sample: i64,
    /// The versions of the agreement of the counted cycles.
    #[schema(max_items = 1000, example = json!([1]))]
    pub agreement_versions: Vec<i64>,
    /// Whether the agreement in force is provisional: nobody has signed it.
    pub provisional: bool,
    /// The campaigns with at least one figure that is not zero, the most expensive first; last, what belongs to no campaign.
    #[schema(max_items = 1000)]
    pub rows: Vec<CampaignRow>,
    /// How many cheaper campaigns are omitted after the first 1,000; the totals include them.
    #[schema(minimum = 0, example = 0)]
    pub omitted_rows: i64,
    /// The totals; each record counts once.
    pub totals: CampaignFiguresView,
    /// Outcomes of which no touch earns anything. They count in no row and in no total.
    pub unattributed: UnattributedView,
}

impl CampaignsView {
    /// Leave out all but the first campaigns.
    pub fn shorten(&mut self, most: usize) {
        self.omitted_rows += self.rows.len().saturating_sub(most) as i64;
        self.rows.truncate(most);
    }
}

/// One campaign.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignRow {
    /// The campaign; `null` for what belongs to none.
    pub campaign_id: Option<CampaignId>,
    /// Its name.
    #[schema(max_length = 200, example = "Spring 2026")]
    pub name: Option<String>,
    /// The campaign that contains it.
    pub parent_id: Option<CampaignId>,
    /// What it cost and brought.
    pub figures: CampaignFiguresView,
}

/// What a campaign cost and brought.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignFiguresView {
    /// What it cost in the period, each day at its rate; `null` with a filter other than `campaign_id`.
    pub cost: Option<CampaignAmount>,
    /// Costs in currencies without an exchange rate. With any, every figure that follows from the cost is `null`.
    #[schema(max_items = 300)]
    pub unconverted_costs: Vec<UnconvertedCosts>,
    /// Cycles that started.
    pub leads: CampaignCount,
    /// Cycles that entered mql.
    pub mqls: CampaignCount,
    /// Cycles that entered sql.
    pub sqls: CampaignCount,
    /// Cycles that entered opportunity.
    pub opportunities: CampaignCount,
    /// Deals that were won.
    pub deals_won: CampaignCount,
    /// Deals that were lost.
    pub deals_lost: CampaignCount,
    /// Customers whose first deal was won in the period.
    pub new_customers: CampaignCount,
    /// Conversations with its leads.
    pub conversations: CampaignCount,
    /// Those with high intent.
    pub high_intent: CampaignCount,
    /// Credited revenue; `null` without `deals:read`.
    pub revenue: Option<CampaignAmount>,
    /// Credited pipeline: deals that were opened, at today's rate; `null` without `deals:read`.
    pub pipeline: Option<CampaignAmount>,
    /// Cost divided by leads.
    pub cost_per_lead: CostPer,
    /// Cost divided by MQLs.
    pub cost_per_mql: CostPer,
    /// Cost divided by SQLs.
    pub cost_per_sql: CostPer,
    /// Cost divided by new customers.
    pub cac: CostPer,
    /// (Credited revenue - cost) / cost, as a fraction; `null` without a cost, and without `deals:read`.
    #[schema(example = 2.5)]
    pub roi: Option<f64>,
    /// How long it took from the start of a cycle to its won deal.
    pub time_to_revenue: TimeToRevenue,
    /// The cost of leads that nobody used.
    pub wasted: WastedView,
}

/// A number of records.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignCount {
    /// The number.
    #[schema(minimum = 0, example = 12)]
    pub count: i64,
    /// A link to the records.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=activity&stage=mql&figure=cycles&campaign_id=campaign_01h455vb4pex5vsknk084sn02q"
    )]
    pub evidence: String,
}

/// A sum of records.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignAmount {
    /// The sum, in the base currency.
    pub value: MoneySum,
    /// The number of its terms.
    #[schema(minimum = 0, example = 12)]
    pub entries: i64,
    /// A link to the terms.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/costs/evidence?basis=activity&figure=converted&campaign_id=campaign_01h455vb4pex5vsknk084sn02q"
    )]
    pub evidence: String,
}

/// Costs in a currency without an exchange rate.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnconvertedCosts {
    /// Their sum.
    pub amount: MoneySum,
    /// The number of days.
    #[schema(minimum = 1, example = 2)]
    pub days: i64,
    /// A link to the costs.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/costs/evidence?basis=activity&figure=unconverted&currency=NOK"
    )]
    pub evidence: String,
}

/// The cost of one record.
#[derive(Debug, Serialize, ToSchema)]
pub struct CostPer {
    /// The mean, in minor units of the base currency; `null` without records, or if a cost is unknown.
    #[schema(minimum = 0, example = 1250.5)]
    pub value: Option<f64>,
    /// Whether there are fewer records than `min_sample`, too few for a meaningful figure.
    pub insufficient: bool,
}

/// From the start of a cycle to its won deal.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimeToRevenue {
    /// The median, in seconds; `null` without a won deal.
    #[schema(minimum = 0, example = 4_320_000.0)]
    pub median_seconds: Option<f64>,
    /// The number of deals.
    #[schema(minimum = 0, example = 12)]
    pub deals: i64,
    /// Whether there are fewer deals than `min_sample`, too few for a meaningful figure.
    pub insufficient: bool,
    /// A link to the deals.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/deals/evidence?basis=activity&figure=won_from_cycle"
    )]
    pub evidence: String,
}

/// The cost of wasted leads.
#[derive(Debug, Serialize, ToSchema)]
pub struct WastedView {
    /// Cost x wasted cycles / all cycles that started; `null` without cycles, or if a cost is unknown.
    pub value: Option<MoneySum>,
    /// The wasted cycles, as a share of those that started.
    pub cycles: RateView,
    /// Those that sales rejected and that were disqualified.
    pub rejected: CampaignCount,
    /// Those that sales accepted, or whose promised contact it let pass, and did not contact. A promise that still runs may
    /// be kept, and whoever reached sql was spoken to.
    pub uncontacted: CampaignCount,
    /// Those that were neither qualified nor archived for 30 days.
    pub idle: CampaignCount,
}

/// Outcomes without credit.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnattributedView {
    /// Won deals; `null` without `deals:read`.
    pub revenue: Option<CampaignAmount>,
    /// Opened deals; `null` without `deals:read`.
    pub pipeline: Option<CampaignAmount>,
}

/// What all figures of a report have in common.
pub struct View<'q> {
    pub selection: &'q Selection,
    pub revenue: &'q Asked,
    pub pipeline: &'q Asked,
    pub min_sample: i64,
    pub base: Currency,
    pub shown: Shown,
    pub is_cost_known: bool,
}

impl View<'_> {
    /// The records of one row.
    pub fn of_campaign(&self, id: Option<CampaignId>) -> Selection {
        let value = |id| match self.shown.rolls_up {
            true => Value::CampaignTree(id),
            false => Value::Campaign(id),
        };
        self.selection.with(Dimension::CampaignRecord, id.map(value))
    }

    fn money(&self, amount: i64) -> MoneySum {
        MoneySum {
            amount,
            currency: self.base,
        }
    }

    fn credited(
        &self,
        selection: &Selection,
        asked: &Asked,
        credited: &Credited,
        of: AttributionFigure,
    ) -> Option<CampaignAmount> {
        self.shown.money.then(|| CampaignAmount {
            value: self.money(credited.value),
            entries: credited.outcomes.len() as i64,
            evidence: selection.evidence("attribution", &asked.address(of)),
        })
    }

    /// What no touch is credited with.
    pub fn unattributed(&self, asked: &Asked, credited: Credited) -> Option<CampaignAmount> {
        // Filters of touches choose among credits, and these have none.
        let selection = Selection {
            only: self
                .selection
                .only
                .iter()
                .filter(|(dimension, _)| !OF_TOUCHES.contains(dimension))
                .cloned()
                .collect(),
            ..self.selection.clone()
        };
        self.credited(&selection, asked, &credited, AttributionFigure::Unattributed)
    }

    /// The figures of some records.
    pub fn figures(&self, selection: &Selection, facts: &CampaignFacts) -> CampaignFiguresView {
        let follows = facts.figures();
        let known = |value: Option<f64>| value.filter(|_| self.is_cost_known);
        let count = |count: i64, evidence: String| CampaignCount { count, evidence };
        let cycles =
            |stage: &str, figure: &str| selection.evidence("funnel", &[("stage", stage), ("figure", figure)]);
        let deals = |figure: DealFigure| selection.evidence("deals", &[("figure", figure.name())]);
        let held =
            |figure: ConversationFigure| selection.evidence("conversations", &[("figure", figure.name())]);
        let costs = |figure: CostFigure| selection.evidence("costs", &[("figure", figure.name())]);
        let per = |value: Option<f64>, cases: i64| CostPer {
            value: known(value),
            insufficient: cases < self.min_sample,
        };
        let wasted = |waste: Waste| count(facts.wasted[waste as usize], cycles("lead", waste.name()));
        let new = CustomerFigure::New.name();
        let wasted_rate = Rate {
            part: facts.wasted_cycles(),
            whole: facts.leads,
        };
        let wins = facts.times_to_revenue.len() as i64;
        CampaignFiguresView {
            cost: self.is_cost_known.then(|| CampaignAmount {
                value: self.money(facts.cost),
                entries: facts.cost_days,
                evidence: costs(CostFigure::Converted),
            }),
            unconverted_costs: facts
                .unconverted
                .iter()
                .map(|(&currency, &(amount, days))| UnconvertedCosts {
                    amount: MoneySum { amount, currency },
                    days,
                    evidence: costs(CostFigure::Unconverted) + &format!("&currency={currency}"),
                })
                .collect(),
            leads: count(facts.leads, cycles("lead", "cycles")),
            mqls: count(facts.mqls, cycles("mql", "cycles")),
            sqls: count(facts.sqls, cycles("sql", "cycles")),
            opportunities: count(facts.opportunities, cycles("opportunity", "cycles")),
            deals_won: count(facts.won, deals(DealFigure::Won)),
            deals_lost: count(facts.lost, deals(DealFigure::Lost)),
            new_customers: count(
                facts.customers,
                selection.evidence("customers", &[("figure", new)]),
            ),
            conversations: count(facts.conversations, held(ConversationFigure::All)),
            high_intent: count(facts.high_intent, held(ConversationFigure::HighIntent)),
            revenue: self.credited(
                selection,
                self.revenue,
                &facts.revenue,
                AttributionFigure::Credited,
            ),
            pipeline: self.credited(
                selection,
                self.pipeline,
                &facts.pipeline,
                AttributionFigure::Credited,
            ),
            cost_per_lead: per(follows.cost_per_lead, facts.leads),
            cost_per_mql: per(follows.cost_per_mql, facts.mqls),
            cost_per_sql: per(follows.cost_per_sql, facts.sqls),
            cac: per(follows.cac, facts.customers),
            roi: known(follows.roi).filter(|_| self.shown.money),
            time_to_revenue: TimeToRevenue {
                median_seconds: follows.time_to_revenue,
                deals: wins,
                insufficient: wins < self.min_sample,
                evidence: deals(DealFigure::WonFromCycle),
            },
            wasted: WastedView {
                value: follows
                    .wasted
                    .filter(|_| self.is_cost_known)
                    .map(|amount| self.money(amount)),
                cycles: RateView::of(
                    wasted_rate,
                    self.min_sample,
                    [cycles("lead", "wasted"), cycles("lead", "cycles")],
                ),
                rejected: wasted(Waste::Rejected),
                uncontacted: wasted(Waste::Uncontacted),
                idle: wasted(Waste::Idle),
            },
        }
    }
}

/// The report as a table.
pub fn table(view: &CampaignsView) -> Table {
    let names = [
        "campaign_id",
        "name",
        "parent_id",
        "currency",
        "cost",
        "leads",
        "mqls",
        "sqls",
        "opportunities",
        "deals_won",
        "deals_lost",
        "new_customers",
        "conversations",
        "high_intent",
        "revenue",
        "pipeline",
        "cost_per_lead",
        "cost_per_mql",
        "cost_per_sql",
        "cac",
        "roi",
        "time_to_revenue",
        "wasted",
        "wasted_share",
        "wasted_share_of",
        "wasted_share_low",
        "wasted_share_high",
        "wasted_share_insufficient",
        "rejected",
        "uncontacted",
        "idle",
    ];
    let mut table = Table::new(&[], &names);
    for row in &view.rows {
        let id = |id: Option<CampaignId>| id.map(|id| id.to_string()).unwrap_or_default();
        let mut cells = vec![id(row.campaign_id), cell(row.name.as_deref()), id(row.parent_id)];
        cells.extend(line(&row.figures));
        table.row(None, None, cells);
    }
    let mut cells = vec![String::new(); 3];
    cells.extend(line(&view.totals));
    table.total(cells);
    table
}

fn line(figures: &CampaignFiguresView) -> Vec<String> {
    let amount = |amount: &Option<CampaignAmount>| {
        amount
            .as_ref()
            .map(|one| one.value.amount.to_string())
            .unwrap_or_default()
    };
    let currency = [&figures.cost, &figures.revenue].into_iter().flatten().next();
    let mut cells = vec![
        currency
            .map(|one| one.value.currency.to_string())
            .unwrap_or_default(),
        amount(&figures.cost),
    ];
    let counts = [
        &figures.leads,
        &figures.mqls,
        &figures.sqls,
        &figures.opportunities,
        &figures.deals_won,
        &figures.deals_lost,
        &figures.new_customers,
        &figures.conversations,
        &figures.high_intent,
    ];
    cells.extend(counts.map(|one| one.count.to_string()));
    cells.extend([amount(&figures.revenue), amount(&figures.pipeline)]);
    let means = [
        &figures.cost_per_lead,
        &figures.cost_per_mql,
        &figures.cost_per_sql,
        &figures.cac,
    ];
    cells.extend(means.map(|one| number(one.value)));
    cells.extend([
        number(figures.roi),
        number(figures.time_to_revenue.median_seconds),
    ]);
    let wasted = &figures.wasted;
    cells.push(
        wasted
            .value
            .map(|value| value.amount.to_string())
            .unwrap_or_default(),
    );
    cells.extend(rate_cells(Some(&wasted.cycles)));
    cells.extend([&wasted.rejected, &wasted.uncontacted, &wasted.idle].map(|one| one.count.to_string()));
    cells
}
