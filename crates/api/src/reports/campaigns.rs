//! Campaigns: what each cost and brought, what that makes of the cost, and the records behind every figure.

pub(super) mod evidence;
mod view;

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use actix_web::get;
use serde::Deserialize;
use tandem_domain::access::Scope;
use tandem_domain::campaigns::{Campaign, Cost, alias_key};
use tandem_domain::deals::Outcome;
use tandem_domain::id::CampaignId;
use tandem_domain::instant::Timestamp;
use tandem_domain::money::Money;
use tandem_domain::reports::Basis;
use tandem_domain::reports::attribution::PathOutcome;
use tandem_domain::reports::campaigns::{CampaignFacts, Credited, roll_up};
use tandem_domain::reports::customers::CustomerFigure;
use tandem_domain::reports::dimension::{By, Dimension, Value};
use tandem_domain::reports::funnel::Event;
use tandem_domain::reports::row::{Cut, Key, MOST_ROWS};
use tandem_domain::world::MoneyRules;
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::reports::{Books, Records};

pub(super) use self::view::CampaignsView;
use self::view::{CampaignRow, UnattributedView, View, table};
use super::answer::Report;
use super::attribution::question::{Asked, ModelQuery, Touches, split};
use super::request::{Chosen, Defaults, Divided, MinSample, Question, Selection};
use crate::access::scopes::{CampaignReportRead, CampaignsRead, ReportsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Both, Query};
use crate::edge::http::reply::Reply;

/// Whether campaigns count with those below them.
#[derive(Debug, Clone, Default, Deserialize)]
struct RollUp {
    roll_up: Option<bool>,
}

/// Report campaigns.
///
/// What each campaign cost and brought in the period: leads, MQLs, SQLs, opportunities and deals (by the campaign of the
/// first touch of the cycle), new customers (by that of their first deal), conversations, credited revenue and pipeline,
/// and from these the cost per lead, MQL and SQL, `cac`, `roi`, the time to revenue, and `wasted`: cost x wasted cycles / all
/// cycles that started. A cycle is wasted if sales rejected it and it was disqualified, if sales let its contact pass, or if it
/// was neither qualified nor archived for 30 days. A touch belongs to the campaign that has its `utm_campaign` among its
/// aliases; the row without a campaign shows the rest. With `roll_up=true` each campaign counts with all below it; the totals
/// count everything once. Costs belong to campaigns alone: with any other filter than `campaign_id`, `cost` and what follows
/// from it are `null`. Amounts of deals need `deals:read` too. `Accept: text/csv` returns a table.
#[utoipa::path(tag = "reports", params(Chosen, ModelQuery, MinSample), security(("bearer" = [ReportsRead, CampaignsRead])),
    responses((status = 200, description = "The campaigns",
        content((CampaignsView = "application/json"), (String = "text/csv")))))]
#[get("/v1/reports/campaigns")]
pub(super) async fn get_campaigns_report(
    ctx: Ctx<CampaignReportRead>,
    query: Query<Both<Both<Chosen, ModelQuery>, Both<MinSample, RollUp>>>,
) -> Reply<Report<CampaignsView>> {
    let Both(Both(chosen, model), Both(MinSample { min_sample }, RollUp { roll_up })) = query.0;
    let snapshot = ctx.report().await?;
    let shown = Shown {
        now: snapshot.as_of(ctx.now()),
        rolls_up: roll_up == Some(true),
        money: ctx.grants(Scope::DealsRead),
    };
    let view = report(&snapshot, chosen, model, min_sample, shown).await?;
    Report::preferred(ctx.request(), "campaigns", view, table)
}

/// How the report is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub now: Timestamp,
    pub rolls_up: bool,
    /// Whether amounts of deals are.
    pub money: bool,
}

/// The report of what is asked for.
pub(super) async fn report(
    snapshot: &Snapshot,
    chosen: Chosen,
    model: ModelQuery,
    min_sample: Option<i64>,
    shown: Shown,
) -> Result<CampaignsView, Problem> {
    let defaults = Defaults {
        basis: Basis::Activity,
        by: By::Dimension(Dimension::Campaign),
        records: Records::Cycles,
    };
    let divided = Divided::sampled(min_sample);
    let question = Question::ask(snapshot, chosen.clone(), divided, defaults).await?;
    let mut facts = Facts::default();
    facts.count(snapshot, &question, shown.now).await?;
    let asked = Asked::read(PathOutcome::Customer, model.clone())?;
    let pipeline = Asked::read(PathOutcome::Opportunity, model)?;
    let unattributed = [
        facts
            .credit(snapshot, &question, chosen.clone(), &asked, shown.now)
            .await?,
        facts
            .credit(snapshot, &question, chosen, &pipeline, shown.now)
            .await?,
    ];
    let is_cost_known = knows_costs(&question.selection);
    if is_cost_known {
        for cost in costs(snapshot, &question.selection).await? {
            facts.cost(&cost, &question.rules.money);
        }
    }
    let mut totals = CampaignFacts::default();
    facts.of.values().for_each(|facts| totals += facts);
    let parents = store::campaigns::parents(snapshot).await?;
    let rows = match shown.rolls_up {
        true => roll_up(&facts.of, &parents),
        false => facts.of,
    };
    let nothing = CampaignFacts::default();
    // Above the campaign that is asked for, figures would be incomplete.
    let asked_for = match question
        .selection
        .only
        .iter()
        .find(|(dimension, _)| *dimension == Dimension::CampaignRecord)
    {
        Some((_, Some(Value::CampaignTree(id)))) => Some(store::campaigns::below(snapshot, *id).await?),
        _ => None,
    };
    let is_asked_for = |id: &Option<CampaignId>| {
        let tree = asked_for.as_ref();
        tree.is_none_or(|tree| id.is_some_and(|id| tree.contains(&id)))
    };
    let mut rows: Vec<(Option<CampaignId>, CampaignFacts)> = rows
        .into_iter()
        .filter(|(id, facts)| *facts != nothing && is_asked_for(id))
        .collect();
    rows.sort_by_key(|(id, facts)| {
        (
            id.is_none(),
            Reverse((facts.cost, facts.revenue.value, facts.leads)),
            *id,
        )
    });
    let omitted = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    let ids: BTreeSet<CampaignId> = rows.iter().filter_map(|(id, _)| *id).collect();
    let known = store::campaigns::with_ids(snapshot, &ids).await?;
    let view = View {
        selection: &question.selection,
        revenue: &asked,
        pipeline: &pipeline,
        min_sample: question.min_sample,
        base: question.rules.money.base,
        shown,
        is_cost_known,
    };
    let row = |(id, facts): (Option<CampaignId>, CampaignFacts)| {
        let campaign: Option<&Campaign> = id.and_then(|id| known.get(&id));
        CampaignRow {
            campaign_id: id,
            name: campaign.map(|campaign| campaign.details.name.clone()),
            parent_id: campaign.and_then(|campaign| campaign.details.parent_id),
            figures: view.figures(&view.of_campaign(id), &facts),
        }
    };
    let head = question.head(shown.now, facts.versions);
    let [revenue, pipeline_value] = unattributed;
    Ok(CampaignsView {
        as_of: head.as_of,
        period: head.period,
        basis: head.basis,
        model: asked.model,
        roll_up: shown.rolls_up,
        min_sample: head.min_sample,
        agreement_versions: head.agreement_versions,
        provisional: head.provisional,
        rows: rows.into_iter().map(row).collect(),
        omitted_rows: omitted as i64,
        totals: view.figures(&question.selection, &totals),
        unattributed: UnattributedView {
            revenue: view.unattributed(&asked, revenue),
            pipeline: view.unattributed(&pipeline, pipeline_value),
        },
    })
}

/// Whether what campaigns cost can be told for these filters.
fn knows_costs(selection: &Selection) -> bool {
    let mut only = selection.only.iter();
    only.all(|(dimension, _)| *dimension == Dimension::CampaignRecord)
}

/// What the campaigns that are asked for cost on the days of the period.
pub(super) async fn costs(snapshot: &Snapshot, selection: &Selection) -> Result<Vec<Cost>, Problem> {
    let mut costs = store::reports::costs_by_campaign(snapshot, &selection.days).await?;
    for (dimension, asked) in &selection.only {
        match (dimension, asked) {
            (Dimension::CampaignRecord, Some(Value::Campaign(id))) => {
                costs.retain(|cost| cost.campaign_id == *id)
            }
            (Dimension::CampaignRecord, Some(Value::CampaignTree(id))) => {
                let tree = store::campaigns::below(snapshot, *id).await?;
                costs.retain(|cost| tree.contains(&cost.campaign_id));
            }
            _ => costs.clear(),
        }
    }
    Ok(costs)
}

/// The facts of each campaign, and the versions of the agreement of the counted cycles.
#[derive(Default)]
struct Facts {
    of: HashMap<Option<CampaignId>, CampaignFacts>,
    versions: BTreeSet<i64>,
}

impl Facts {
    fn at(&mut self, campaign: Option<CampaignId>) -> &mut CampaignFacts {
        self.of.entry(campaign).or_default()
    }

    /// Count everything but credit and cost. Records are counted by `utm_campaign`, which is quicker than looking up the
    /// campaign of each.
    async fn count(
        &mut self,
        snapshot: &Snapshot,
        question: &Question,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let (scope, cuts) = (question.selection.scope(), [Cut::By(Dimension::Campaign)]);
        let base = question.rules.money.base;
        let books = Books { now, base };
        let cycles = store::reports::tally(snapshot, &scope, &cuts).await?;
        let wasted = store::reports::wasted_cycles(snapshot, &scope, &cuts, now).await?;
        let conversations = store::reports::conversation_tally(snapshot, &scope, &cuts).await?;
        let won = store::reports::won_deals(snapshot, &scope, &cuts, books).await?;
        let lost = store::reports::deal_endings(snapshot, &scope, &cuts, Outcome::Lost, books).await?;
        // Customers are counted by days, whatever the basis.
        let by_days = Selection {
            basis: Basis::Activity,
            ..question.selection.clone()
        };
        let first_deals = match question.selection.basis {
            Basis::Activity => won.clone(),
            Basis::Cohort => store::reports::won_deals(snapshot, &by_days.scope(), &cuts, books).await?,
        };
        let keys = cycles.iter().map(|row| &row.keys);
        let keys = keys.chain(wasted.iter().map(|(keys, _, _)| keys));
        let keys = keys.chain(conversations.iter().map(|(keys, _)| keys));
        let keys = keys.chain(won.iter().map(|deal| &deal.keys));
        let keys = keys.chain(lost.iter().map(|row| &row.keys));
        let keys = keys.chain(first_deals.iter().map(|deal| &deal.keys));
        let names = Names::find(snapshot, keys).await?;

        let basis = question.selection.basis;
        for row in &cycles {
            self.versions.insert(row.agreement_version);
            let facts = self.at(names.campaign(&row.keys));
            let reached = |stage: usize| match basis {
                Basis::Cohort => stage == 0 || row.tally.path & (1 << stage) != 0,
                Basis::Activity => row.tally.event == Event::Entered(stage),
            };
            for (stage, count) in [
                (0, &mut facts.leads),
                (1, &mut facts.mqls),
                (3, &mut facts.sqls),
                (4, &mut facts.opportunities),
            ] {
                *count += if reached(stage) { row.tally.cycles } else { 0 };
            }
        }
        for (keys, waste, cycles) in &wasted {
            self.at(names.campaign(keys)).wasted[*waste as usize] += cycles;
        }
        for (keys, [all, high_intent]) in &conversations {
            let facts = self.at(names.campaign(keys));
            facts.conversations += all;
            facts.high_intent += high_intent;
        }
        for deal in &won {
            let facts = self.at(names.campaign(&deal.keys));
            facts.won += 1;
            facts.times_to_revenue.extend(deal.length);
        }
        for row in &lost {
            self.at(names.campaign(&row.keys)).lost += row.tally.deals;
        }
        let of_deal: HashMap<_, _> = first_deals.iter().map(|deal| (deal.id, &deal.keys)).collect();
        let collected = store::reports::collected(snapshot, &question.rules.money).await?;
        let (from, to) = (question.selection.days.from, question.selection.days.to);
        let only = &question.selection.only;
        for customer in store::reports::customers(snapshot, only, base, &collected).await? {
            if customer.counts(CustomerFigure::New, from, to)
                && let Some(keys) = of_deal.get(&customer.first_deal_id)
            {
                self.at(names.campaign(keys)).customers += 1;
            }
        }
        Ok(())
    }

    /// Add what touches are credited with; the answer is what no touch earns.
    async fn credit(
        &mut self,
        snapshot: &Snapshot,
        question: &Question,
        chosen: Chosen,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<Credited, Problem> {
        let (records, touches) = split(chosen);
        asked.demand_channels(&[By::Dimension(Dimension::CampaignRecord)], &touches)?;
        let touches = Touches::read(snapshot, touches).await?;
        let selection = Selection {
            only: records.filters.0,
            ..question.selection.clone()
        };
        let mut report = asked
            .load(snapshot, &selection, &[], &question.rules, now)
            .await?;
        report.find_campaigns(snapshot).await?;
        let mut unattributed = Credited::default();
        for entry in &report.entries {
            let credits = report.credits(entry);
            if credits.is_empty() {
                unattributed.outcomes.insert(entry.row.id);
                unattributed.value += entry.value.unwrap_or_default();
            }
            for credit in credits.iter().filter(|credit| touches.has(&credit.earner)) {
                let campaign = match credit.earner.value(Dimension::CampaignRecord).flatten() {
                    Some(Value::Campaign(id)) => Some(id),
                    _ => None,
                };
                let facts = self.at(campaign);
                let sum = match asked.outcome {
                    PathOutcome::Customer => &mut facts.revenue,
                    _ => &mut facts.pipeline,
                };
                sum.value += credit.value;
                sum.outcomes.insert(entry.row.id);
            }
        }
        Ok(unattributed)
    }

    fn cost(&mut self, cost: &Cost, money: &MoneyRules) {
        let facts = self.at(Some(cost.campaign_id));
        match money.rates.convert(cost.amount, money.base, cost.on) {
            Ok(converted) => {
                facts.cost += converted.money.amount;
                facts.cost_days += 1;
            }
            Err(_) => {
                let Money { amount, currency } = cost.amount;
                let sum = facts.unconverted.entry(currency).or_default();
                *sum = (sum.0 + amount, sum.1 + 1);
            }
        }
    }
}

/// The campaigns by the keys of their aliases.
struct Names(HashMap<String, CampaignId>);

impl Names {
    async fn find<'k>(
        snapshot: &Snapshot,
        keys: impl Iterator<Item = &'k Vec<Key>>,
    ) -> Result<Self, Problem> {
        let names: BTreeSet<&str> = keys.filter_map(|keys| name(keys)).collect();
        Ok(Self(store::campaigns::by_alias(snapshot, names).await?))
    }

    fn campaign(&self, keys: &[Key]) -> Option<CampaignId> {
        let key = alias_key(name(keys)?);
        self.0.get(&key).copied()
    }
}

fn name(keys: &[Key]) -> Option<&str> {
    match keys.first() {
        Some(Key::Value(Some(Value::Text(text)))) => Some(text),
        _ => None,
    }
}
