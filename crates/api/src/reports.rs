//! What came of it, as figures: the funnel over cycles.

use std::cmp::Reverse;

use actix_web::get;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tandem_domain::instant::Timestamp;
use tandem_domain::lifecycle::Stage;
use tandem_domain::reports::{self, FUNNEL, Month, Rate};
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::reports::{FunnelRow, Span};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::scopes::ReportsRead;
use crate::ctx::Ctx;
use crate::http::json::Json;
use crate::http::problem::{Place, Problem, Violation};
use crate::http::query::Query;
use crate::http::reply::Reply;

/// The most months of a report: a hundred years.
const MOST_MONTHS: usize = 1200;

/// The operations of this room.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(get_funnel);
}

/// What the rows of a funnel stand for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FunnelBy {
    /// The source of the lead's first touch.
    #[default]
    Source,
    /// The calendar month in which the cycle started.
    Month,
}

/// How cycles are chosen.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The cycles that started in the period, whatever happened later.
    Cohort,
}

/// Which funnel.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct FunnelQuery {
    /// What the rows stand for; `source` unless given.
    #[param(inline)]
    by: Option<FunnelBy>,
    /// The first day, in the company's time zone; from the beginning unless given.
    #[param(format = Date, max_length = 10, example = "2026-01-01")]
    from: Option<String>,
    /// The day after the last one, in the company's time zone; to the end unless given.
    #[param(format = Date, max_length = 10, example = "2026-04-01")]
    to: Option<String>,
}

/// A share of cases with its 95 % Wilson score interval.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct RateView {
    /// The share, as a fraction; `null` where there are no cases.
    #[schema(minimum = 0, maximum = 1, example = 0.118)]
    value: Option<f64>,
    /// Cases that did.
    #[schema(minimum = 0, example = 271)]
    numerator: i64,
    /// All cases.
    #[schema(minimum = 0, example = 2296)]
    denominator: i64,
    /// The interval's lower bound.
    #[schema(minimum = 0, maximum = 1, example = 0.105)]
    low: Option<f64>,
    /// The interval's upper bound.
    #[schema(minimum = 0, maximum = 1, example = 0.132)]
    high: Option<f64>,
    /// Whether there are fewer than 30 cases: too few to say much.
    insufficient: bool,
}

/// One stage of a funnel.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct FunnelStage {
    /// The stage.
    stage: Stage,
    /// Volume: cycles that reached it.
    #[schema(minimum = 0, example = 271)]
    cycles: i64,
    /// People whose cycles did, each once.
    #[schema(minimum = 0, example = 271)]
    people: i64,
    /// Of the cycles that reached the stage before, the share that reached this one; none for the first stage.
    from_previous: Option<RateView>,
    /// Of all cycles, the share that reached this stage; none for the first stage.
    from_start: Option<RateView>,
}

/// One row of a funnel.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct FunnelRowView {
    /// The source, or the month (`2026-05`); `null` where the source is unknown.
    #[schema(max_length = 200, example = "organic_search")]
    key: Option<String>,
    /// Lead, MQL, SAL, SQL, opportunity, customer.
    #[schema(max_items = 6)]
    stages: Vec<FunnelStage>,
}

/// The days that a report covers, half-open, in the company's time zone.
#[derive(Debug, Serialize, ToSchema)]
pub struct Period {
    /// The first day; `null` is the beginning.
    #[schema(format = Date, example = "2026-01-01")]
    from: Option<String>,
    /// The day after the last one; `null` is the end.
    #[schema(format = Date, example = "2026-04-01")]
    to: Option<String>,
    /// The company's IANA time zone.
    #[schema(max_length = 64, example = "Europe/Rome")]
    timezone: String,
}

/// The funnel: how many cycles started, and how far they came.
#[derive(Debug, Serialize, ToSchema)]
pub struct FunnelView {
    /// The instant that the figures are of.
    as_of: Timestamp,
    /// The days that are covered.
    period: Period,
    /// How cycles are chosen.
    #[schema(inline)]
    basis: Basis,
    /// What the rows stand for.
    #[schema(inline)]
    by: FunnelBy,
    /// The versions of the agreement that the cycles are reported under.
    #[schema(max_items = 1000, example = json!([1]))]
    agreement_versions: Vec<i64>,
    /// Whether the agreement in force is the provisional one, signed by nobody.
    provisional: bool,
    /// By source: the largest volume first. By month: in order, months without a cycle between others included.
    #[schema(max_items = 100000)]
    rows: Vec<FunnelRowView>,
    /// All rows together; people are counted once.
    #[schema(max_items = 6)]
    totals: Vec<FunnelStage>,
}

/// Report the funnel.
///
/// Counts the cycles that started in the period, by source or month, and the stages that each reached whenever that
/// was. Where there is nothing to say, figures are zero and rates `null`.
#[utoipa::path(tag = "reports", params(FunnelQuery), security(("bearer" = [ReportsRead])),
    responses((status = 200, description = "The funnel", body = FunnelView)))]
#[get("/v1/reports/funnel")]
async fn get_funnel(ctx: Ctx<ReportsRead>, query: Query<FunnelQuery>) -> Reply<Json<FunnelView>> {
    let FunnelQuery { by, from, to } = query.0;
    let by = by.unwrap_or_default();
    let snapshot = ctx.report().await?;
    let rules = store::rules::read(&snapshot).await?;
    let zone = rules.company.zone();
    let days = days(from.as_deref(), to.as_deref(), &zone)?;
    let span = store::reports::span(&snapshot, days.from, days.to).await?;
    let counted = match by {
        FunnelBy::Source => by_source(&snapshot, &days).await?,
        FunnelBy::Month => by_month(&snapshot, &days, &span, &zone).await?,
    };
    let totals = store::reports::funnel_by_month(&snapshot, std::slice::from_ref(&days)).await?;
    Ok(Json(FunnelView {
        as_of: ctx.now(),
        period: Period {
            from,
            to,
            timezone: rules.company.timezone.clone(),
        },
        basis: Basis::Cohort,
        by,
        agreement_versions: span.agreement_versions,
        provisional: rules.agreement.provisional,
        rows: counted
            .into_iter()
            .map(|row| FunnelRowView {
                stages: stages(&row),
                key: row.key,
            })
            .collect(),
        totals: stages(&totals.into_iter().next().unwrap_or_else(|| nothing(None))),
    }))
}

/// The period as one bucket of time.
fn days(from: Option<&str>, to: Option<&str>, zone: &TimeZone) -> Result<Month, Problem> {
    let mut violations = vec![];
    let mut edge = |name: &str, text: Option<&str>, open: i64| {
        let Some(text) = text else {
            return Timestamp::from_millis(open);
        };
        let at = text
            .parse::<Date>()
            .ok()
            .and_then(|date| Timestamp::start_of_day(date, zone));
        at.unwrap_or_else(|| {
            let detail = "must be a calendar day of the years 0001 to 9999, such as 2026-01-01";
            violations.push(Violation::new(Place::parameter(name), "invalid_format", detail));
            Timestamp::from_millis(open)
        })
    };
    let (from, to) = (edge("from", from, i64::MIN), edge("to", to, i64::MAX));
    if violations.is_empty() && to < from {
        violations.push(Violation::new(
            Place::parameter("to"),
            "out_of_range",
            "must not lie before `from`",
        ));
    }
    if violations.is_empty() {
        Ok(Month {
            name: String::new(),
            from,
            to,
        })
    } else {
        Err(Problem::invalid_parameters(violations))
    }
}

/// The largest volume first, then by name; cycles without a source come last.
async fn by_source(snapshot: &Snapshot, days: &Month) -> Result<Vec<FunnelRow>, Problem> {
    let mut rows = store::reports::funnel_by_source(snapshot, days.from, days.to).await?;
    rows.sort_by(|a, b| {
        let rank = |row: &FunnelRow| (row.key.is_none(), Reverse(row.cycles[0]));
        rank(a).cmp(&rank(b)).then_with(|| a.key.cmp(&b.key))
    });
    Ok(rows)
}

/// Every month from the first cycle of the period to its last one.
async fn by_month(
    snapshot: &Snapshot,
    days: &Month,
    span: &Span,
    zone: &TimeZone,
) -> Result<Vec<FunnelRow>, Problem> {
    let Some((first, last)) = span.started else {
        return Ok(vec![]);
    };
    let months = within(reports::months(first, last, zone, MOST_MONTHS), days);
    let counted = store::reports::funnel_by_month(snapshot, &months).await?;
    let row = |month: Month| {
        let found = counted
            .iter()
            .find(|row| row.key.as_deref() == Some(month.name.as_str()));
        found.cloned().unwrap_or_else(|| nothing(Some(month.name)))
    };
    Ok(months.into_iter().map(row).collect())
}

/// The months, each cut to the days that are asked for.
fn within(months: Vec<Month>, days: &Month) -> Vec<Month> {
    let cut = |month: Month| Month {
        from: month.from.max(days.from),
        to: month.to.min(days.to),
        ..month
    };
    months.into_iter().map(cut).collect()
}

fn nothing(key: Option<String>) -> FunnelRow {
    FunnelRow {
        key,
        cycles: [0; 6],
        people: [0; 6],
    }
}

fn stages(row: &FunnelRow) -> Vec<FunnelStage> {
    let stage = |(index, stage): (usize, &Stage)| {
        let reached = |before: usize| Rate {
            part: row.cycles[index],
            whole: row.cycles[before],
        };
        FunnelStage {
            stage: *stage,
            cycles: row.cycles[index],
            people: row.people[index],
            from_previous: index.checked_sub(1).map(|before| reached(before).into()),
            from_start: (index > 0).then(|| reached(0).into()),
        }
    };
    FUNNEL.iter().enumerate().map(stage).collect()
}

impl From<Rate> for RateView {
    fn from(rate: Rate) -> Self {
        let (low, high) = rate.interval().unzip();
        Self {
            value: rate.value(),
            numerator: rate.part,
            denominator: rate.whole,
            low,
            high,
            insufficient: rate.is_insufficient(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_say_is_zero_and_null() {
        let stages = stages(&nothing(None));
        assert_eq!(stages.len(), 6);
        assert_eq!(stages[0].from_previous, None);
        let rate = stages[1].from_previous.as_ref().unwrap();
        assert_eq!(
            (rate.value, rate.low, rate.high, rate.insufficient),
            (None, None, None, true)
        );
        assert_eq!(
            serde_json::to_value(rate).unwrap()["value"],
            serde_json::Value::Null
        );
    }

    #[test]
    fn rates_count_from_the_stage_before_and_from_the_start() {
        let row = FunnelRow {
            key: None,
            cycles: [200, 100, 50, 40, 20, 10],
            people: [190, 99, 50, 40, 20, 10],
        };
        let stages = stages(&row);
        let rates = |at: usize| {
            let value = |rate: &Option<RateView>| rate.as_ref().and_then(|rate| rate.value);
            (value(&stages[at].from_previous), value(&stages[at].from_start))
        };
        assert_eq!(rates(0), (None, None));
        assert_eq!(rates(1), (Some(0.5), Some(0.5)));
        assert_eq!(rates(5), (Some(0.5), Some(0.05)));
        assert!(stages[5].from_previous.as_ref().unwrap().insufficient);
    }

    #[test]
    fn days_follow_the_zone_and_months_are_cut_to_them() {
        let zone = TimeZone::get("Europe/Rome").unwrap();
        let days = days(Some("2026-03-10"), Some("2026-05-01"), &zone).unwrap();
        assert_eq!(days.from.to_string(), "2026-03-09T23:00:00.000Z");

        let last = days.to.plus_millis(-1);
        let months = within(reports::months(days.from, last, &zone, MOST_MONTHS), &days);

        let names: Vec<_> = months.iter().map(|month| month.name.as_str()).collect();
        assert_eq!(names, ["2026-03", "2026-04"]);
        assert_eq!((months[0].from, months[1].to), (days.from, days.to));
    }

    #[test]
    fn a_period_that_is_none_is_refused() {
        for (from, to, place) in [
            (Some("2026-02-30"), None, "from"),
            (None, Some("0000-01-01"), "to"),
            (Some("2026-02-02"), Some("2026-02-01"), "to"),
        ] {
            let problem = days(from, to, &TimeZone::UTC).unwrap_err();
            assert_eq!(problem.violations()[0].place, Place::parameter(place));
        }
        assert!(days(Some("2026-02-01"), Some("2026-02-01"), &TimeZone::UTC).is_ok());
    }
}
