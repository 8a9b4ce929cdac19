//! The funnel on the wire: every figure with the address of the records behind it.

use serde::{Deserialize, Serialize};
use tandem_domain::instant::Timestamp;
use tandem_domain::lifecycle::Stage;
use tandem_domain::reports::Rate;
use tandem_domain::reports::campaigns::Waste;
use tandem_domain::reports::dimension::{Dimension, Value};
use tandem_domain::reports::funnel::{FUNNEL, Figures, StageFigures};
use tandem_store::reports::Figure;
use utoipa::ToSchema;

use crate::reports::answer::{RateView, report_view};
use crate::reports::request::Selection;

/// Links to the cycles of a stage's counts.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct StageEvidence {
    /// The cycles that reached the stage.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=cohort&stage=mql&figure=cycles"
    )]
    pub cycles: String,
    /// For each person the first cycle that reached the stage.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=cohort&stage=mql&figure=people"
    )]
    pub people: String,
}

/// The time that cycles spent in a stage: their finished first stays.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct TimeInStage {
    /// The number of stays.
    #[schema(minimum = 0, example = 240)]
    pub stays: i64,
    /// The median of the stays that have ended, in seconds, by linear interpolation; `null` if none has ended.
    #[schema(example = 86400.5)]
    pub median_seconds: Option<f64>,
    /// The 90th percentile of the stays that have ended, in seconds, by linear interpolation; `null` if none has
    /// ended.
    #[schema(example = 604800.0)]
    pub p90_seconds: Option<f64>,
    /// Whether there are fewer stays than `min_sample`, too few for a meaningful figure.
    pub insufficient: bool,
    /// A link to the cycles with these stays.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=cohort&stage=mql&figure=time_in_stage"
    )]
    pub evidence: String,
}

/// Cycles that ended with this as their furthest stage.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct Dropped {
    /// The number of cycles.
    #[schema(minimum = 0, example = 31)]
    pub cycles: i64,
    /// The reasons, the most frequent first.
    #[schema(max_items = 1000)]
    pub reasons: Vec<DroppedFor>,
    /// The cycles.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=cohort&stage=mql&figure=dropped"
    )]
    pub evidence: String,
}

/// Cycles that ended for one reason.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct DroppedFor {
    /// The code of the reason; `null` if none was given.
    #[schema(max_length = 64, example = "no_budget")]
    pub reason: Option<String>,
    /// The number of cycles.
    #[schema(minimum = 0, example = 12)]
    pub cycles: i64,
    /// The cycles.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=cohort&stage=mql&figure=dropped&reason=no_budget"
    )]
    pub evidence: String,
}

/// One stage of a funnel.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct FunnelStage {
    /// The stage.
    pub stage: Stage,
    /// How many cycles reached the stage.
    #[schema(minimum = 0, example = 271)]
    pub cycles: i64,
    /// People whose cycles reached the stage, each counted once.
    #[schema(minimum = 0, example = 271)]
    pub people: i64,
    /// The share of the cycles that reached the previous stage which reached this one; `null` for the first stage.
    pub from_previous: Option<RateView>,
    /// The share of all started cycles that reached this stage; `null` for the first stage.
    pub from_start: Option<RateView>,
    /// The time that cycles spent in it.
    pub time_in_stage: TimeInStage,
    /// The cycles that ended in this stage, with their reasons.
    pub dropped: Dropped,
    /// Links to the cycles of `cycles` and `people`.
    pub evidence: StageEvidence,
}

/// One row of a funnel.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct FunnelRowView {
    /// The value of the first dimension: a name, the id of a form or owner, a week, month or quarter (`2026-05`);
    /// `null` if unknown.
    #[schema(max_length = 2000, example = "organic_search")]
    pub key: Option<String>,
    /// The value of the second dimension, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000, example = "2026-05")]
    pub second_key: Option<Option<String>>,
    /// Lead, MQL, SAL, SQL, opportunity, customer.
    #[schema(max_items = 6)]
    pub stages: Vec<FunnelStage>,
}

report_view!(
    /// The funnel: how many cycles started, and how far they came.
    FunnelView: FunnelRowView,
    /// The totals of all rows; people are counted once.
    #[schema(max_items = 6)]
    Vec<FunnelStage>
);

/// A figure of one stage of the funnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FigureName {
    /// Cycles that reached the stage.
    Cycles,
    /// People whose cycles did: the first of each person's cycles that did.
    People,
    /// Cycles that reached the stage before, and this one too.
    FromPrevious,
    /// Cycles that started, and reached this one.
    FromStart,
    /// Cycles with a finished stay in the stage.
    TimeInStage,
    /// Cycles that ended with this as their furthest stage.
    Dropped,
    /// Of customers: cycles with a known first contact or acceptance.
    SalesCycle,
    /// Of the stage lead: the first cycles of people.
    New,
    /// Of the stage lead: the first cycles of people with a touch.
    Touched,
    /// Of the stage lead: the wasted cycles, whatever the reason.
    Wasted,
    /// Of these, those that sales rejected and that were disqualified.
    WastedRejected,
    /// Of the wasted ones, those whose lead sales did not contact.
    WastedUncontacted,
    /// Of the wasted ones, those that have been neither qualified nor archived for 30 days.
    WastedIdle,
}

impl FigureName {
    fn name(self) -> &'static str {
        match self {
            FigureName::Cycles => "cycles",
            FigureName::People => "people",
            FigureName::FromPrevious => "from_previous",
            FigureName::FromStart => "from_start",
            FigureName::TimeInStage => "time_in_stage",
            FigureName::Dropped => "dropped",
            FigureName::SalesCycle => "sales_cycle",
            FigureName::New => "new",
            FigureName::Touched => "touched",
            FigureName::Wasted => "wasted",
            FigureName::WastedRejected => Waste::Rejected.name(),
            FigureName::WastedUncontacted => Waste::Uncontacted.name(),
            FigureName::WastedIdle => Waste::Idle.name(),
        }
    }

    /// Whether only the stage lead has it.
    pub(super) fn is_of_first_stage(self) -> bool {
        matches!(
            self,
            FigureName::New
                | FigureName::Touched
                | FigureName::Wasted
                | FigureName::WastedRejected
                | FigureName::WastedUncontacted
                | FigureName::WastedIdle
        )
    }

    /// In the store's terms; `now` is when a cycle is wasted.
    pub(super) fn figure(self, now: Timestamp) -> Figure {
        match self {
            FigureName::Cycles => Figure::Cycles,
            FigureName::People => Figure::People,
            FigureName::FromPrevious => Figure::FromPrevious,
            FigureName::FromStart => Figure::FromStart,
            FigureName::TimeInStage => Figure::Stays,
            FigureName::Dropped => Figure::Dropped,
            FigureName::SalesCycle => Figure::SalesCycle,
            FigureName::New => Figure::New,
            FigureName::Touched => Figure::Touched,
            FigureName::Wasted => Figure::Wasted(None, now),
            FigureName::WastedRejected => Figure::Wasted(Some(Waste::Rejected), now),
            FigureName::WastedUncontacted => Figure::Wasted(Some(Waste::Uncontacted), now),
            FigureName::WastedIdle => Figure::Wasted(Some(Waste::Idle), now),
        }
    }
}

/// The stages of a row, each figure with the address of what it counts.
pub(super) fn stages(selection: &Selection, figures: &Figures, min_sample: i64) -> Vec<FunnelStage> {
    let all = FUNNEL.iter().zip(figures).enumerate();
    all.map(|(place, (stage, figures))| {
        let own = |figure| address(selection, *stage, figure);
        let rate = |rate: Option<Rate>, figure, whole: usize| {
            let evidence = [own(figure), address(selection, FUNNEL[whole], FigureName::Cycles)];
            rate.map(|rate| RateView::of(rate, min_sample, evidence))
        };
        FunnelStage {
            stage: *stage,
            cycles: figures.cycles,
            people: figures.people,
            from_previous: rate(
                figures.from_previous,
                FigureName::FromPrevious,
                place.saturating_sub(1),
            ),
            from_start: rate(figures.from_start, FigureName::FromStart, 0),
            time_in_stage: TimeInStage {
                stays: figures.stays,
                median_seconds: figures.median.map(|millis| millis / 1000.0),
                p90_seconds: figures.p90.map(|millis| millis / 1000.0),
                insufficient: figures.stays < min_sample,
                evidence: own(FigureName::TimeInStage),
            },
            dropped: dropped(selection, *stage, figures),
            evidence: StageEvidence {
                cycles: own(FigureName::Cycles),
                people: own(FigureName::People),
            },
        }
    })
    .collect()
}

fn address(selection: &Selection, stage: Stage, figure: FigureName) -> String {
    selection.evidence("funnel", &[("stage", stage.name()), ("figure", figure.name())])
}

fn dropped(selection: &Selection, stage: Stage, figures: &StageFigures) -> Dropped {
    let one = |(reason, cycles): (&Option<String>, &i64)| DroppedFor {
        reason: reason.clone(),
        cycles: *cycles,
        evidence: address(
            &selection.with(Dimension::Reason, reason.clone().map(Value::Text)),
            stage,
            FigureName::Dropped,
        ),
    };
    let mut reasons: Vec<DroppedFor> = figures.dropped.iter().map(one).collect();
    reasons.sort_by(|a, b| b.cycles.cmp(&a.cycles).then_with(|| a.reason.cmp(&b.reason)));
    Dropped {
        cycles: figures.dropped.values().sum(),
        reasons,
        evidence: address(selection, stage, FigureName::Dropped),
    }
}
