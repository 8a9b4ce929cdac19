//! The funnel on the wire: every figure with the address of the records behind it.

use serde::Serialize;
use tandem_domain::instant::Timestamp;
use tandem_domain::lifecycle::Stage;
use tandem_domain::reports::Rate;
use tandem_domain::reports::funnel::{FUNNEL, Figures, StageFigures};
use utoipa::ToSchema;

use super::select::{Basis, By, FigureName, Selection};

/// A share of cases with its 95 % Wilson score interval.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct RateView {
    /// The share, as a fraction; `null` where there are no cases.
    #[schema(minimum = 0, maximum = 1, example = 0.118)]
    pub value: Option<f64>,
    /// Cases that did.
    #[schema(minimum = 0, example = 271)]
    pub numerator: i64,
    /// All cases.
    #[schema(minimum = 0, example = 2296)]
    pub denominator: i64,
    /// The interval's lower bound.
    #[schema(minimum = 0, maximum = 1, example = 0.105)]
    pub low: Option<f64>,
    /// The interval's upper bound.
    #[schema(minimum = 0, maximum = 1, example = 0.132)]
    pub high: Option<f64>,
    /// Whether there are fewer cases than `min_sample`: too few to say much.
    pub insufficient: bool,
    /// The cases themselves.
    pub evidence: RateEvidence,
}

/// Where the cases of a rate are listed.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct RateEvidence {
    /// The cases that did.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=cohort&stage=mql&figure=from_previous"
    )]
    pub numerator: String,
    /// All cases.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=cohort&stage=lead&figure=cycles"
    )]
    pub denominator: String,
}

/// Where the cycles behind a stage's counts are listed.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct StageEvidence {
    /// The cycles that reached the stage.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=cohort&stage=mql&figure=cycles"
    )]
    pub cycles: String,
    /// The first of each person's cycles that did.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=cohort&stage=mql&figure=people"
    )]
    pub people: String,
}

/// How long cycles stayed in a stage: their first stays in it, as far as they are finished.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct TimeInStage {
    /// How many stays.
    #[schema(minimum = 0, example = 240)]
    pub stays: i64,
    /// The median of their lengths in seconds (type 7); `null` where there are none.
    #[schema(example = 86400.5)]
    pub median_seconds: Option<f64>,
    /// What nine tenths of them do not exceed, in seconds (type 7); `null` where there are none.
    #[schema(example = 604800.0)]
    pub p90_seconds: Option<f64>,
    /// Whether there are fewer stays than `min_sample`: too few to say much.
    pub insufficient: bool,
    /// The cycles with these stays.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=cohort&stage=mql&figure=time_in_stage"
    )]
    pub evidence: String,
}

/// Cycles that ended with this as the furthest stage.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct Dropped {
    /// How many.
    #[schema(minimum = 0, example = 31)]
    pub cycles: i64,
    /// Why: the most frequent reason first.
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
    /// The code of the reason; `null` where none was given.
    #[schema(max_length = 64, example = "no_budget")]
    pub reason: Option<String>,
    /// How many.
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
    /// Volume: cycles that reached it.
    #[schema(minimum = 0, example = 271)]
    pub cycles: i64,
    /// People whose cycles did, each once.
    #[schema(minimum = 0, example = 271)]
    pub people: i64,
    /// Of the cycles that reached the stage before, the share that reached this one; none for the first stage.
    pub from_previous: Option<RateView>,
    /// Of the cycles that started, the share that reached this stage; none for the first stage.
    pub from_start: Option<RateView>,
    /// How long cycles stayed in it.
    pub time_in_stage: TimeInStage,
    /// Those that came no further and ended, and why.
    pub dropped: Dropped,
    /// The cycles behind `cycles` and `people`.
    pub evidence: StageEvidence,
}

/// One row of a funnel.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct FunnelRowView {
    /// What the row stands for in the first dimension: a name, the id of a form or owner, a week, month or quarter
    /// (`2026-05`); `null` where it is unknown.
    #[schema(max_length = 2000, example = "organic_search")]
    pub key: Option<String>,
    /// The same in the second dimension, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 2000, example = "2026-05")]
    pub second_key: Option<Option<String>>,
    /// Lead, MQL, SAL, SQL, opportunity, customer.
    #[schema(max_items = 6)]
    pub stages: Vec<FunnelStage>,
}

/// The days that a report covers, half-open, in the company's time zone.
#[derive(Debug, Serialize, ToSchema)]
pub struct Period {
    /// The first day; `null` is the beginning.
    #[schema(format = Date, example = "2026-01-01")]
    pub from: Option<String>,
    /// The day after the last one; `null` is the end.
    #[schema(format = Date, example = "2026-04-01")]
    pub to: Option<String>,
    /// The company's IANA time zone.
    #[schema(max_length = 64, example = "Europe/Rome")]
    pub timezone: String,
}

/// The funnel: how many cycles started, and how far they came.
#[derive(Debug, Serialize, ToSchema)]
pub struct FunnelView {
    /// The instant that the figures are of.
    pub as_of: Timestamp,
    /// The days that are covered.
    pub period: Period,
    /// How cycles are chosen.
    #[schema(inline)]
    pub basis: Basis,
    /// What the rows stand for.
    #[schema(inline, max_items = 2, example = json!(["source"]))]
    pub by: Vec<By>,
    /// The fewest cases on which a rate says something.
    #[schema(minimum = 1, example = 30)]
    pub min_sample: i64,
    /// The versions of the agreement that the cycles are reported under.
    #[schema(max_items = 1000, example = json!([1]))]
    pub agreement_versions: Vec<i64>,
    /// Whether the agreement in force is the provisional one, signed by nobody.
    pub provisional: bool,
    /// By one value: the largest volume first. Else in order; over time alone, divisions without a cycle between
    /// others included.
    #[schema(max_items = 1000)]
    pub rows: Vec<FunnelRowView>,
    /// How many smaller rows are left out behind the 1,000 largest; the totals have them.
    #[schema(minimum = 0, example = 0)]
    pub omitted_rows: i64,
    /// All rows together; people are counted once.
    #[schema(max_items = 6)]
    pub totals: Vec<FunnelStage>,
}

/// The stages of a row, each figure with the address of what it counts.
pub(super) fn stages(selection: &Selection, figures: &Figures, min_sample: i64) -> Vec<FunnelStage> {
    let all = FUNNEL.iter().zip(figures).enumerate();
    all.map(|(place, (stage, figures))| {
        let address = |figure| selection.evidence(*stage, figure, None);
        let rate = |rate: Option<Rate>, figure, whole: usize| {
            let evidence = RateEvidence {
                numerator: address(figure),
                denominator: selection.evidence(FUNNEL[whole], FigureName::Cycles, None),
            };
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
                evidence: address(FigureName::TimeInStage),
            },
            dropped: dropped(selection, *stage, figures),
            evidence: StageEvidence {
                cycles: address(FigureName::Cycles),
                people: address(FigureName::People),
            },
        }
    })
    .collect()
}

fn dropped(selection: &Selection, stage: Stage, figures: &StageFigures) -> Dropped {
    let one = |(reason, cycles): (&Option<String>, &i64)| DroppedFor {
        reason: reason.clone(),
        cycles: *cycles,
        evidence: selection.evidence(stage, FigureName::Dropped, Some(reason)),
    };
    let mut reasons: Vec<DroppedFor> = figures.dropped.iter().map(one).collect();
    reasons.sort_by(|a, b| b.cycles.cmp(&a.cycles).then_with(|| a.reason.cmp(&b.reason)));
    Dropped {
        cycles: figures.dropped.values().sum(),
        reasons,
        evidence: selection.evidence(stage, FigureName::Dropped, None),
    }
}

impl RateView {
    fn of(rate: Rate, min_sample: i64, evidence: RateEvidence) -> Self {
        let (low, high) = rate.interval().unzip();
        Self {
            value: rate.value(),
            numerator: rate.part,
            denominator: rate.whole,
            low,
            high,
            insufficient: rate.is_insufficient(min_sample),
            evidence,
        }
    }
}
