//! The pack of a review: the reports of its period, as they stand when it is created.

use jiff::ToSpan;
use jiff::tz::TimeZone;
use serde::Serialize;
use tandem_domain::campaigns::Campaign;
use tandem_domain::deals::Outcome;
use tandem_domain::id::CampaignId;
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::reports::Basis;
use tandem_domain::reports::dimension::Dimension;
use tandem_domain::reports::handoffs::HandoffFigure;
use tandem_domain::reports::kpis::Kpi;
use tandem_domain::reports::leakage::IDLE_DAYS;
use tandem_domain::reports::review::{ActionState, ReviewPeriod};
use tandem_store::reviews::ActionFilter;
use tandem_store::{self as store, Snapshot};
use utoipa::ToSchema;

use super::MOST_ITEMS;
use super::actions::ActionItemView;
use crate::edge::http::problem::Problem;
use crate::reports::alignment::{self, AlignmentView};
use crate::reports::attribution::question::ModelQuery;
use crate::reports::campaigns::{self, CampaignsView};
use crate::reports::endings::{self, EndingsView};
use crate::reports::funnel::{self, FunnelView};
use crate::reports::handoffs::address;
use crate::reports::kpis::change::{self, ChangeView};
use crate::reports::kpis::{self, KpisView};
use crate::reports::leakage::{self, LeakageView};
use crate::reports::objections::{self, ObjectionsView};
use crate::reports::rejections::{self, RejectionsView};
use crate::reports::request::{Chosen, Divided, Selection};
use crate::reports::sla::{self, SlaView};

/// The figures whose change is explained.
const MOVED: [Kpi; 5] = [
    Kpi::Mqls,
    Kpi::MqlToSql,
    Kpi::SqlToOpportunity,
    Kpi::WinRate,
    Kpi::Booked,
];
/// The most parts of a change.
const MOST_PARTS: usize = 5;
/// The most campaigns.
const MOST_CAMPAIGNS: usize = 10;
/// The months of commitments that a pack has at most: the newest ones.
const MOST_MONTHS: usize = 3;

/// The figures of a review. Their evidence opens the records of that time: `/v1/reviews/{review_id}/evidence`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewPack {
    /// The alignment scorecard.
    scorecard: AlignmentView,
    /// The commitments of the newest three months of the period, without owners.
    #[schema(max_items = 3)]
    commitments: Vec<SlaView>,
    /// The funnel of what happened in the period, without rows.
    funnel: FunnelView,
    /// The key figures, those of the previous period, and the change.
    kpis: KpisView,
    /// Why figures moved, by campaign: for each, the five campaigns that moved it most.
    #[schema(max_items = 10)]
    changes: Vec<ChangeView>,
    /// The ten most expensive campaigns, and the totals of all; `null` without `campaigns:read`.
    campaigns: Option<CampaignsView>,
    /// The rejections, by reason.
    rejections: RejectionsView,
    /// The losses, by reason; `null` without `deals:read`.
    losses: Option<EndingsView>,
    /// The objections; `null` without `activities:read` and `deals:read`.
    objections: Option<ObjectionsView>,
    /// The leaks of that day, without rows.
    leakage: LeakageView,
    /// The disputes about hand-offs of the period.
    disputes: DisputesView,
    /// The campaigns that start before the next review.
    #[schema(max_items = 200)]
    campaigns_ahead: Vec<CampaignAhead>,
    /// The action items of earlier reviews that are still open.
    #[schema(max_items = 200)]
    action_items: Vec<ActionItemView>,
}

/// How many hand-offs were disputed, and how the disputes were ruled on.
#[derive(Debug, Serialize, ToSchema)]
pub struct DisputesView {
    /// All disputed hand-offs.
    disputed: DisputeCount,
    /// Those whose rejection was upheld.
    upheld: DisputeCount,
    /// Those whose rejection was overturned.
    overturned: DisputeCount,
}

/// A number of hand-offs.
#[derive(Debug, Serialize, ToSchema)]
pub struct DisputeCount {
    /// The number of hand-offs.
    #[schema(minimum = 0, example = 2)]
    handoffs: i64,
    /// A link to the hand-offs.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/handoffs/evidence?basis=activity&figure=disputed"
    )]
    evidence: String,
}

/// A campaign that starts before the next review.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignAhead {
    /// Its id.
    id: CampaignId,
    /// Its name.
    #[schema(max_length = 200, example = "Spring 2026")]
    name: String,
    /// Its first day.
    starts_on: Day,
}

/// The pack of a period, as it stands now.
pub(super) async fn of(on: &Snapshot, now: Timestamp, period: ReviewPeriod) -> Result<ReviewPack, Problem> {
    let chosen = || Chosen::of_days(Some(period.from), Some(period.to), Basis::Activity);
    let zone = store::rules::read(on).await?.company.zone();
    let selection = chosen().select(Basis::Activity, &zone)?;
    let mut funnel = funnel::report(on, now, chosen(), Divided::by(Dimension::Channel)).await?;
    funnel.rows.clear();
    funnel.by.clear();
    let mut leakage = leakage::report(on, now, vec![], Dimension::Owner, IDLE_DAYS).await?;
    leakage.rows.clear();
    Ok(ReviewPack {
        scorecard: alignment::report(on, now, chosen(), None).await?,
        commitments: commitments(on, now, period).await?,
        funnel,
        kpis: kpis::report(on, now, chosen(), None, true).await?,
        changes: changes(on, now, chosen()).await?,
        campaigns: Some(campaigns(on, now, chosen()).await?),
        rejections: rejections::report(on, now, chosen(), Divided::by(Dimension::Reason)).await?,
        losses: Some(
            endings::report(on, now, chosen(), Divided::by(Dimension::Reason), Outcome::Lost).await?,
        ),
        objections: Some(objections::report(on, now, chosen(), None, None).await?),
        leakage,
        disputes: disputes(on, now, &selection).await?,
        campaigns_ahead: campaigns_ahead(on, now, &zone).await?,
        action_items: open_items(on).await?,
    })
}

/// Why the figures of a period moved.
async fn changes(on: &Snapshot, now: Timestamp, chosen: Chosen) -> Result<Vec<ChangeView>, Problem> {
    let mut views = change::report(on, now, chosen, Divided::by(Dimension::CampaignRecord), &MOVED).await?;
    views.iter_mut().for_each(|view| view.shorten(MOST_PARTS));
    Ok(views)
}

/// What campaigns cost and brought.
async fn campaigns(on: &Snapshot, now: Timestamp, chosen: Chosen) -> Result<CampaignsView, Problem> {
    let shown = campaigns::Shown {
        now,
        rolls_up: false,
        money: true,
    };
    let mut view = campaigns::report(on, chosen, ModelQuery::default(), None, shown).await?;
    view.shorten(MOST_CAMPAIGNS);
    Ok(view)
}

/// The commitments of the newest months of a period, each by its own report.
async fn commitments(on: &Snapshot, now: Timestamp, period: ReviewPeriod) -> Result<Vec<SlaView>, Problem> {
    let last = period.to.date().yesterday().unwrap_or(period.to.date());
    let mut months = vec![];
    for back in (0..MOST_MONTHS as i64).rev() {
        let day = last.first_of_month().checked_sub(back.months()).unwrap_or(last);
        if day < period.from.date().first_of_month() {
            continue;
        }
        let month = format!("{:04}-{:02}", day.year(), day.month());
        let mut view = sla::report(on, now, Some(&month), None).await?;
        for promise in &mut view.promises {
            promise.owners.clear();
        }
        months.push(view);
    }
    Ok(months)
}

async fn disputes(on: &Snapshot, now: Timestamp, selection: &Selection) -> Result<DisputesView, Problem> {
    let figures = [
        HandoffFigure::Disputed,
        HandoffFigure::Upheld,
        HandoffFigure::Overturned,
    ];
    let counts = store::reports::handoff_counts(on, &selection.scope(), &figures, now).await?;
    let count = |place: usize| DisputeCount {
        handoffs: counts.get(place).copied().unwrap_or_default(),
        evidence: address(figures[place], selection),
    };
    Ok(DisputesView {
        disputed: count(0),
        upheld: count(1),
        overturned: count(2),
    })
}

/// The campaigns that start after today and before the next review; within a month where the agreement has no interval.
async fn campaigns_ahead(
    on: &Snapshot,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<Vec<CampaignAhead>, Problem> {
    let version = store::agreement::in_force_at(on, now).await?;
    let today = now.day_in(zone);
    let in_a_month = today.date().checked_add(1.month()).ok();
    let in_a_month = in_a_month.and_then(|date| Day::try_from(date).ok());
    let until = match version.next_review(now, zone) {
        Some(next) => next.day_in(zone),
        None => in_a_month.unwrap_or(today),
    };
    let ahead = |campaign: Campaign| CampaignAhead {
        id: campaign.id,
        name: campaign.details.name,
        starts_on: campaign.details.starts_on,
    };
    let campaigns = store::campaigns::beginning(on, (today, until), MOST_ITEMS).await?;
    Ok(campaigns.into_iter().map(ahead).collect())
}

async fn open_items(on: &Snapshot) -> Result<Vec<ActionItemView>, Problem> {
    let open = ActionFilter {
        states: vec![ActionState::Open],
        ..ActionFilter::default()
    };
    let items = store::reviews::actions(on, &open, None, MOST_ITEMS).await?;
    Ok(items.data.into_iter().map(ActionItemView::of).collect())
}
