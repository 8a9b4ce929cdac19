//! Which cycles a report is about: from the query to the store's terms, and back to addresses of evidence.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use tandem_domain::id::{FormId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::lifecycle::Stage;
use tandem_domain::reports::funnel;
use tandem_domain::reports::period::{Bucket, Calendar, Days};
use tandem_store::reports::{Cut, Dimension, Figure, Key, Scope, Value};
use utoipa::ToSchema;

use crate::edge::http::problem::{Place, Problem, Violation};

/// The most weeks, months or quarters of a report.
const MOST_BUCKETS: usize = 600;

/// How cycles are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The cycles that started in the period, whatever happened later.
    #[default]
    Cohort,
    /// What happened in the period, whenever the cycle started.
    Activity,
}

/// What the rows of a report stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The channel of the lead's first touch.
    Channel,
    /// The source of the lead's first touch.
    Source,
    /// The campaign of the lead's first touch.
    Campaign,
    /// The form that made the lead known.
    Form,
    /// The lead's country.
    Country,
    /// The lead's owner, or its last one.
    Owner,
    /// The week, from Monday (`2026-W05`).
    Week,
    /// The calendar month (`2026-05`).
    Month,
    /// The quarter (`2026-Q2`).
    Quarter,
}

/// A dimension in which the cycles of a report have no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Without {
    /// The first touch's channel is unknown.
    Channel,
    /// The first touch's source is unknown.
    Source,
    /// The first touch's campaign is unknown.
    Campaign,
    /// No form made the lead known.
    Form,
    /// The country is unknown.
    Country,
    /// Nobody ever owned the lead.
    Owner,
    /// No reason was ever given.
    Reason,
}

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
    /// Cycles that ended with this as the furthest stage.
    Dropped,
}

/// What both operations of the funnel ask for.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub basis: Option<Basis>,
    pub from: Option<String>,
    pub to: Option<String>,
    pub channel: Option<String>,
    pub source: Option<String>,
    pub campaign: Option<String>,
    pub form_id: Option<FormId>,
    pub country: Option<String>,
    pub owner_id: Option<UserId>,
    pub reason: Option<String>,
    pub without: Option<Vec<Without>>,
}

/// The cycles that are asked for.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    pub basis: Basis,
    pub days: Days,
    pub only: Vec<(Dimension, Option<Value>)>,
}

impl Asked {
    /// The cycles that are asked for, their days in a zone.
    pub fn select(self, zone: &TimeZone) -> Result<Selection, Problem> {
        let basis = self.basis.unwrap_or_default();
        let days = days(self.from.as_deref(), self.to.as_deref(), zone)?;
        let text = |text: Option<String>| text.map(Value::Text);
        let country = self.country.map(|code| code.to_ascii_uppercase());
        let values = [
            (Dimension::Channel, text(self.channel)),
            (Dimension::Source, text(self.source)),
            (Dimension::Campaign, text(self.campaign)),
            (Dimension::Form, self.form_id.map(Value::Form)),
            (Dimension::Country, text(country)),
            (Dimension::Owner, self.owner_id.map(Value::Owner)),
            (Dimension::Reason, text(self.reason)),
        ];
        let mut only: Vec<_> = values.into_iter().filter(|(_, value)| value.is_some()).collect();
        only.extend(
            self.without
                .into_iter()
                .flatten()
                .map(|without| (without.dimension(), None)),
        );
        Ok(Selection { basis, days, only })
    }
}

/// The period; a day that is none, or before the first, is refused.
fn days(from: Option<&str>, to: Option<&str>, zone: &TimeZone) -> Result<Days, Problem> {
    let mut violations = vec![];
    let mut day = |name: &str, text: Option<&str>| {
        let date = text?.parse::<Date>().ok();
        let sound = date.filter(|date| Timestamp::start_of_day(*date, zone).is_some());
        if sound.is_none() {
            let detail = "must be a calendar day of the years 0001 to 9999, such as 2026-01-01";
            violations.push(Violation::new(Place::parameter(name), "invalid_format", detail));
        }
        sound
    };
    let (first, next) = (day("from", from), day("to", to));
    let days = Days::between(first, next, zone);
    if violations.is_empty() && days.is_none() {
        violations.push(out_of_range("to", "must not lie before `from`"));
    }
    days.filter(|_| violations.is_empty())
        .ok_or_else(|| Problem::invalid_parameters(violations))
}

fn out_of_range(parameter: &str, detail: &str) -> Violation {
    Violation::new(Place::parameter(parameter), "out_of_range", detail)
}

impl Selection {
    /// In the store's terms.
    pub fn scope(&self) -> Scope {
        Scope {
            basis: self.basis.into(),
            from: self.days.from,
            to: self.days.to,
            only: self.only.clone(),
        }
    }

    /// What is asked for, divided: the divisions of time are those between the first and the last instant that something
    /// is counted by.
    pub fn cuts(
        &self,
        by: &[By],
        span: Option<(Timestamp, Timestamp)>,
        zone: &TimeZone,
    ) -> Result<Vec<Cut>, Problem> {
        let cut = |by: &By| {
            let calendar = match by.division() {
                Division::Value(dimension) => return Ok(Cut::By(dimension)),
                Division::Time(calendar) => calendar,
            };
            let Some((first, last)) = span else {
                return Ok(Cut::Over(vec![]));
            };
            let buckets = calendar.buckets(first, last, &self.days, zone, MOST_BUCKETS);
            buckets.map(Cut::Over).ok_or_else(|| {
                let detail = "divides the period into more than 600 rows: ask for a shorter one";
                Problem::invalid_parameters(vec![out_of_range("by", detail)])
            })
        };
        by.iter().map(cut).collect()
    }

    /// The cycles of one row alone.
    pub fn row(&self, cuts: &[Cut], keys: &[Key]) -> Self {
        let mut row = self.clone();
        for (cut, key) in cuts.iter().zip(keys) {
            match (cut, key) {
                (Cut::By(dimension), Key::Value(value)) => {
                    row.only.retain(|(known, _)| known != dimension);
                    row.only.push((*dimension, value.clone()));
                }
                (Cut::Over(buckets), Key::Bucket(place)) => row.narrow(buckets.get(*place)),
                _ => {}
            }
        }
        row
    }

    fn narrow(&mut self, bucket: Option<&Bucket>) {
        let Some(Bucket { days, .. }) = bucket else { return };
        if days.from > self.days.from {
            (self.days.from, self.days.first) = (days.from, days.first);
        }
        if days.to < self.days.to {
            (self.days.to, self.days.next) = (days.to, days.next);
        }
    }

    /// The address of the list of the cycles behind a figure.
    pub fn evidence(&self, stage: Stage, figure: FigureName, reason: Option<&Option<String>>) -> String {
        let mut only = self.only.clone();
        if let Some(reason) = reason {
            only.retain(|(known, _)| *known != Dimension::Reason);
            only.push((Dimension::Reason, reason.clone().map(Value::Text)));
        }
        let mut parts = vec![
            format!("basis={}", self.basis.name()),
            format!("stage={}", stage.name()),
            format!("figure={}", figure.name()),
        ];
        let edges = [("from", self.days.first), ("to", self.days.next)];
        parts.extend(
            edges
                .iter()
                .filter_map(|(name, day)| Some(format!("{name}={}", (*day)?))),
        );
        let mut without = vec![];
        for (dimension, value) in &only {
            match value {
                Some(value) => parts.push(format!("{}={}", parameter(*dimension), encoded(&text(value)))),
                None => without.push(parameter(*dimension).trim_end_matches("_id")),
            }
        }
        if !without.is_empty() {
            parts.push(format!("without={}", without.join(",")));
        }
        format!("/v1/reports/funnel/evidence?{}", parts.join("&"))
    }
}

/// A key as it is shown: the value, its id, or the name of the division of time.
pub(super) fn shown(cut: &Cut, key: &Key) -> Option<String> {
    match (cut, key) {
        (_, Key::Value(value)) => value.as_ref().map(text),
        (Cut::Over(buckets), Key::Bucket(place)) => buckets.get(*place).map(|bucket| bucket.name.clone()),
        (Cut::By(_), Key::Bucket(_)) => None,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Form(id) => id.to_string(),
        Value::Owner(id) => id.to_string(),
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn parameter(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Channel => "channel",
        Dimension::Source => "source",
        Dimension::Campaign => "campaign",
        Dimension::Form => "form_id",
        Dimension::Country => "country",
        Dimension::Owner => "owner_id",
        Dimension::Reason => "reason",
    }
}

enum Division {
    Value(Dimension),
    Time(Calendar),
}

impl By {
    /// Whether it divides time.
    pub(super) fn is_time(self) -> bool {
        matches!(self.division(), Division::Time(_))
    }

    fn division(self) -> Division {
        match self {
            By::Channel => Division::Value(Dimension::Channel),
            By::Source => Division::Value(Dimension::Source),
            By::Campaign => Division::Value(Dimension::Campaign),
            By::Form => Division::Value(Dimension::Form),
            By::Country => Division::Value(Dimension::Country),
            By::Owner => Division::Value(Dimension::Owner),
            By::Week => Division::Time(Calendar::Week),
            By::Month => Division::Time(Calendar::Month),
            By::Quarter => Division::Time(Calendar::Quarter),
        }
    }
}

impl Without {
    fn dimension(self) -> Dimension {
        match self {
            Without::Channel => Dimension::Channel,
            Without::Source => Dimension::Source,
            Without::Campaign => Dimension::Campaign,
            Without::Form => Dimension::Form,
            Without::Country => Dimension::Country,
            Without::Owner => Dimension::Owner,
            Without::Reason => Dimension::Reason,
        }
    }
}

impl Basis {
    fn name(self) -> &'static str {
        match self {
            Basis::Cohort => "cohort",
            Basis::Activity => "activity",
        }
    }
}

impl From<Basis> for funnel::Basis {
    fn from(basis: Basis) -> Self {
        match basis {
            Basis::Cohort => Self::Cohort,
            Basis::Activity => Self::Activity,
        }
    }
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
        }
    }

    /// In the store's terms.
    pub(super) fn figure(self) -> Figure {
        match self {
            FigureName::Cycles => Figure::Cycles,
            FigureName::People => Figure::People,
            FigureName::FromPrevious => Figure::FromPrevious,
            FigureName::FromStart => Figure::FromStart,
            FigureName::TimeInStage => Figure::Stays,
            FigureName::Dropped => Figure::Dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(from: Option<&str>, to: Option<&str>) -> Asked {
        Asked {
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            ..Asked::default()
        }
    }

    #[test]
    fn a_period_that_is_none_is_refused() {
        for (from, to, place) in [
            (Some("2026-02-30"), None, "from"),
            (None, Some("0000-01-01"), "to"),
            (Some("2026-02-02"), Some("2026-02-01"), "to"),
        ] {
            let problem = asked(from, to).select(&TimeZone::UTC).unwrap_err();
            assert_eq!(problem.violations()[0].place, Place::parameter(place));
        }
        let day = Some("2026-02-01");
        assert!(asked(day, day).select(&TimeZone::UTC).is_ok());
    }

    #[test]
    fn an_address_says_what_the_row_is() {
        let rome = TimeZone::get("Europe/Rome").unwrap();
        let selection = asked(Some("2026-03-10"), Some("2026-05-01"))
            .select(&rome)
            .unwrap();
        let (first, last) = (selection.days.from, selection.days.to.plus_millis(-1));
        let cuts = selection
            .cuts(&[By::Source, By::Month], Some((first, last)), &rome)
            .unwrap();
        let source = Key::Value(Some(Value::Text("a&b=ü".into())));

        let row = selection.row(&cuts, &[source, Key::Bucket(1)]);
        let none = selection.row(&cuts, &[Key::Value(None), Key::Bucket(0)]);

        assert_eq!(
            row.evidence(Stage::Mql, FigureName::Cycles, None),
            "/v1/reports/funnel/evidence?basis=cohort&stage=mql&figure=cycles&from=2026-04-01&to=2026-05-01&source=a%26b%3D%C3%BC"
        );
        assert_eq!(
            none.evidence(Stage::Lead, FigureName::Dropped, Some(&Some("spam".into()))),
            "/v1/reports/funnel/evidence?basis=cohort&stage=lead&figure=dropped&from=2026-03-10&to=2026-04-01&reason=spam&without=source"
        );
    }
}
