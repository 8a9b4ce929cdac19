//! What a report is asked: period, basis, dimensions and filters, the same for every report; and the addresses of the
//! lists behind its figures.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value as Json};
use tandem_domain::clocks::{Calendar, CalendarDocument};
use tandem_domain::id::{CampaignId, FormId, TeamId, UserId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::reports::Basis;
use tandem_domain::reports::dimension::{By, Dimension, Kind, Value};
use tandem_domain::reports::period::{Bucket, Days};
use tandem_domain::reports::row::{Cut, Key};
use tandem_store::page::Page;
use tandem_store::reports::{Records, Scope};
use tandem_store::rules::Rules;
use tandem_store::{self as store, Snapshot};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Required, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::answer::{Head, Period};
use crate::edge::http::problem::{Code, Location, Problem, Violation};

/// The most weeks, months or quarters of a report.
const MOST_BUCKETS: usize = 600;

/// Which records: what every report over time and every list behind its figures is asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Chosen {
    basis: Option<Basis>,
    from: Option<String>,
    to: Option<String>,
    pub filters: Filters,
}

/// The values, or none, that records must have in some dimensions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filters(pub Vec<(Dimension, Option<Value>)>);

/// What the rows of a report stand for, and from how many cases on its rates say something.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Divided {
    /// One or two dimensions of the rows; each report has its own default.
    #[param(inline, min_items = 1, max_items = 2, style = Form, explode = false, example = json!(["source"]))]
    by: Option<Vec<By>>,
    /// The fewest cases for a meaningful rate; default that of the setting.
    #[param(minimum = 1, maximum = 1_000_000)]
    min_sample: Option<i64>,
}

/// From how many cases on figures say something.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct MinSample {
    /// The fewest cases for a meaningful figure; default that of the setting.
    #[param(minimum = 1, maximum = 1_000_000)]
    pub min_sample: Option<i64>,
}

/// The records that are asked for.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    pub basis: Basis,
    pub days: Days,
    pub only: Vec<(Dimension, Option<Value>)>,
}

impl<'de> Deserialize<'de> for Filters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let query = Map::<String, Json>::deserialize(deserializer)?;
        let mut only = vec![];
        for dimension in Dimension::ALL {
            let details = dimension.details();
            let Some(asked) = query.get(details.parameter) else {
                continue;
            };
            let text = asked.as_str().map_or_else(|| asked.to_string(), str::to_owned);
            let value = Value::read(details.kind, &text)
                .ok_or_else(|| de::Error::custom("a value of another form than its dimension's"))?;
            let value = match value {
                Value::Campaign(id) if query.get("roll_up") == Some(&Json::Bool(true)) => {
                    Value::CampaignTree(id)
                }
                value => value,
            };
            only.push((*dimension, Some(value)));
        }
        let without = query
            .get("without")
            .map(Vec::<Dimension>::deserialize)
            .transpose();
        let without = without.map_err(de::Error::custom)?.unwrap_or_default();
        only.extend(without.into_iter().map(|dimension| (dimension, None)));
        Ok(Self(only))
    }
}

impl<'de> Deserialize<'de> for Chosen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let query = Json::deserialize(deserializer)?;
        let text = |name: &str| query.get(name).and_then(Json::as_str).map(str::to_owned);
        let basis = query.get("basis").map(Basis::deserialize).transpose();
        Ok(Self {
            basis: basis.map_err(de::Error::custom)?,
            from: text("from"),
            to: text("to"),
            filters: Filters::deserialize(&query).map_err(de::Error::custom)?,
        })
    }
}

impl IntoParams for Filters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let of_values = Dimension::ALL.iter().map(|dimension| {
            let details = dimension.details();
            parameter(details.parameter, details.about, schema_of(details.kind)).build()
        });
        let names = ArrayBuilder::new()
            .items(Dimension::schema())
            .min_items(Some(1))
            .max_items(Some(Dimension::ALL.len()));
        let without = parameter(
            "without",
            "Only records in which these dimensions are unknown.",
            names.into(),
        )
        .style(Some(ParameterStyle::Form))
        .explode(Some(false));
        let roll_up = ObjectBuilder::new().schema_type(Type::Boolean).into();
        let roll_up = parameter(
            "roll_up",
            "With `campaign_id`: the campaigns below it count too.",
            roll_up,
        );
        of_values.chain([without.build(), roll_up.build()]).collect()
    }
}

impl IntoParams for Chosen {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let day = |name, about, example: &str| {
            let schema = ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
                .max_length(Some(10))
                .into();
            parameter(name, about, schema)
                .example(Some(example.into()))
                .build()
        };
        let basis = "Which records count: `cohort` selects the cycles that started in the period, `activity` what happened in it. Default `cohort` for the funnel and `activity` for every other report.";
        let mut all = vec![
            parameter("basis", basis, Basis::schema()).build(),
            day(
                "from",
                "The first day, in the company's time zone; default from the beginning, over time from the newest 600 weeks, months or quarters.",
                "2026-01-01",
            ),
            day(
                "to",
                "The day after the last one, in the company's time zone; default to the end.",
                "2026-04-01",
            ),
        ];
        all.extend(Filters::into_params(place));
        all
    }
}

fn parameter(name: &str, about: &str, schema: RefOr<Schema>) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(schema))
}

fn schema_of(kind: Kind) -> RefOr<Schema> {
    fn named<T: ToSchema>() -> RefOr<Schema> {
        utoipa::openapi::Ref::from_schema_name(T::name()).into()
    }
    let text = |most| {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(most))
            .into()
    };
    match kind {
        Kind::Text(most) => text(most),
        Kind::Country => text(2),
        Kind::Form => named::<FormId>(),
        Kind::User => named::<UserId>(),
        Kind::Team => named::<TeamId>(),
        Kind::Campaign => named::<CampaignId>(),
        Kind::Number => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(1))
            .maximum(Some(1_000_000))
            .into(),
    }
}

impl Divided {
    /// Rows by one dimension.
    pub fn by(dimension: Dimension) -> Self {
        Self {
            by: Some(vec![By::Dimension(dimension)]),
            min_sample: None,
        }
    }

    /// Rows by these dimensions.
    pub fn of(by: Vec<By>, min_sample: Option<i64>) -> Self {
        Self {
            by: Some(by),
            min_sample,
        }
    }

    /// Rows by the report's own dimension.
    pub fn sampled(min_sample: Option<i64>) -> Self {
        Self { by: None, min_sample }
    }

    /// What the rows stand for, one dimension once, and the fewest cases.
    pub fn read(self, unless_given: By, min_sample: i64) -> Result<(Vec<By>, i64), Problem> {
        let by = self.by.unwrap_or_else(|| vec![unless_given]);
        if let [one, other] = by[..]
            && one == other
        {
            let twice = Violation::new(
                Location::parameter("by"),
                "not_allowed",
                "names a dimension twice",
            );
            return Err(Problem::invalid_parameters(vec![twice]));
        }
        Ok((by, self.min_sample.unwrap_or(min_sample)))
    }
}

impl Chosen {
    /// All records with these values.
    pub fn only(filters: Filters) -> Self {
        Self {
            filters,
            ..Self::default()
        }
    }

    /// The records of some days.
    pub fn of_days(from: Option<Day>, to: Option<Day>, basis: Basis) -> Self {
        Self {
            basis: Some(basis),
            from: from.map(|day| day.to_string()),
            to: to.map(|day| day.to_string()),
            filters: Filters::default(),
        }
    }

    /// The records that are asked for, their days in a zone.
    pub fn select(self, unless_given: Basis, zone: &TimeZone) -> Result<Selection, Problem> {
        Ok(Selection {
            basis: self.basis.unwrap_or(unless_given),
            days: days(self.from.as_deref(), self.to.as_deref(), zone)?,
            only: self.filters.0,
        })
    }
}

/// The period; a day that is none, or before the first, is refused.
pub(super) fn days(from: Option<&str>, to: Option<&str>, zone: &TimeZone) -> Result<Days, Problem> {
    let mut violations = vec![];
    let mut day = |name: &str, text: Option<&str>| {
        let date = text?.parse::<Date>().ok();
        let sound = date.filter(|date| Timestamp::start_of_day(*date, zone).is_some());
        if sound.is_none() {
            let detail = "must be a calendar day of the years 0001 to 9999, such as 2026-01-01";
            violations.push(Violation::new(
                Location::parameter(name),
                "invalid_format",
                detail,
            ));
        }
        sound
    };
    let (first, next) = (day("from", from), day("to", to));
    let days = Days::between(first, next, zone);
    if violations.is_empty() && days.is_none() {
        violations.push(out_of_range("to", "must not be before `from`"));
    }
    days.filter(|_| violations.is_empty())
        .ok_or_else(|| Problem::invalid_parameters(violations))
}

fn out_of_range(parameter: &str, detail: &str) -> Violation {
    Violation::new(Location::parameter(parameter), "out_of_range", detail)
}

impl Selection {
    /// In the store's terms.
    pub fn scope(&self) -> Scope {
        Scope {
            basis: self.basis,
            from: self.days.from,
            to: self.days.to,
            only: self.only.clone(),
        }
    }

    /// The same of the period before, where this one has a beginning and an end.
    pub fn before(&self, zone: &TimeZone) -> Option<Self> {
        let days = self.days.before(zone)?;
        Some(Self { days, ..self.clone() })
    }

    /// Begin with the newest divisions of time that a report may have, where no beginning is asked for: one record with a
    /// date of long ago must not take the report down. The answer's period shows where it begins. The first instant that
    /// is then counted by.
    fn begin_with_newest(
        &mut self,
        by: &[By],
        first: Timestamp,
        last: Timestamp,
        zone: &TimeZone,
    ) -> Timestamp {
        let newest = by.iter().filter_map(|by| match by {
            By::Time(calendar) => calendar.beginning_of_newest(last, zone, MOST_BUCKETS),
            By::Dimension(_) => None,
        });
        let newest = newest
            .max()
            .and_then(|day| Days::between(Some(day), self.days.next, zone));
        match newest.filter(|newest| self.days.first.is_none() && newest.from > first) {
            Some(newest) => {
                self.days = newest;
                self.days.from
            }
            None => first,
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
            let calendar = match by {
                By::Dimension(dimension) => return Ok(Cut::By(*dimension)),
                By::Time(calendar) => calendar,
            };
            let Some((first, last)) = span else {
                return Ok(Cut::Over(vec![]));
            };
            let buckets = calendar.buckets(first, last, &self.days, zone, MOST_BUCKETS);
            buckets.map(Cut::Over).ok_or_else(|| {
                let detail = "divides the period into more than 600 rows: request a shorter one";
                Problem::invalid_parameters(vec![out_of_range("by", detail)])
            })
        };
        by.iter().map(cut).collect()
    }

    /// The records of one row alone.
    pub fn row(&self, cuts: &[Cut], keys: &[Key]) -> Self {
        let mut row = self.clone();
        for (cut, key) in cuts.iter().zip(keys) {
            match (cut, key) {
                (Cut::By(dimension), Key::Value(value)) => row = row.with(*dimension, value.clone()),
                (Cut::Over(buckets), Key::Bucket(place)) => row.narrow(buckets.get(*place)),
                _ => {}
            }
        }
        row
    }

    /// Those that have this value, or none, in a dimension.
    pub fn with(&self, dimension: Dimension, value: Option<Value>) -> Self {
        let mut narrowed = self.clone();
        narrowed.only.retain(|(known, _)| *known != dimension);
        narrowed.only.push((dimension, value));
        narrowed
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

    /// The address of the list behind a figure of a report; `own` is what names the figure.
    pub fn evidence(&self, report: &str, own: &[(&str, &str)]) -> String {
        let mut parts = vec![format!("basis={}", self.basis.name())];
        parts.extend(own.iter().map(|(name, value)| format!("{name}={value}")));
        let edges = [("from", self.days.first), ("to", self.days.next)];
        parts.extend(
            edges
                .iter()
                .filter_map(|(name, day)| Some(format!("{name}={}", (*day)?))),
        );
        parts.extend(filters(&self.only));
        format!("/v1/reports/{report}/evidence?{}", parts.join("&"))
    }
}

/// The parameters that ask for these values.
pub(super) fn filters(only: &[(Dimension, Option<Value>)]) -> Vec<String> {
    let (mut parts, mut without) = (vec![], vec![]);
    for (dimension, value) in only {
        let details = dimension.details();
        match value {
            Some(value) => {
                parts.push(format!("{}={}", details.parameter, encoded(&value.to_string())));
                if matches!(value, Value::CampaignTree(_)) {
                    parts.push("roll_up=true".to_owned());
                }
            }
            None => without.push(details.name),
        }
    }
    if !without.is_empty() {
        parts.push(format!("without={}", without.join(",")));
    }
    parts
}

/// The working hours of the agreement in force; all of the time where it has none.
pub(super) fn working_hours(rules: &Rules) -> Result<Calendar, Problem> {
    let failed = || Problem::new(Code::InternalError).because("the agreement's calendar does not read");
    let document = match &rules.agreement.agreement.calendar {
        Some(calendar) => CalendarDocument::deserialize(calendar).map_err(|_| failed())?,
        None => CalendarDocument::always(&rules.company.timezone),
    };
    Calendar::new(&document).map_err(|_| failed())
}

/// What a report takes for granted unless it is asked otherwise, and what it counts.
pub(super) struct Defaults {
    pub basis: Basis,
    pub by: By,
    pub records: Records,
}

/// A report as it is asked, with the rules that it is made by.
pub(super) struct Question {
    pub rules: Arc<Rules>,
    pub zone: TimeZone,
    pub by: Vec<By>,
    pub min_sample: i64,
    pub selection: Selection,
    pub cuts: Vec<Cut>,
}

impl Question {
    /// Read what is asked: the period in the company's zone, the rows as far as there is something to count.
    pub async fn ask(
        snapshot: &Snapshot,
        chosen: Chosen,
        divided: Divided,
        defaults: Defaults,
    ) -> Result<Self, Problem> {
        let rules = store::rules::read(snapshot).await?;
        let (by, min_sample) = divided.read(defaults.by, rules.reports.min_sample)?;
        let zone = rules.company.zone();
        let mut selection = chosen.select(defaults.basis, &zone)?;
        let mut span = match by.iter().any(|by| matches!(by, By::Time(_))) {
            true => store::reports::span(snapshot, &selection.scope(), defaults.records).await?,
            false => None,
        };
        if let Some((first, last)) = &mut span {
            *first = selection.begin_with_newest(&by, *first, *last, &zone);
        }
        let cuts = selection.cuts(&by, span, &zone)?;
        Ok(Self {
            rules,
            zone,
            by,
            min_sample,
            selection,
            cuts,
        })
    }

    /// Whether the rows are divisions of time.
    pub fn is_over_time(&self) -> bool {
        self.by.iter().any(|by| matches!(by, By::Time(_)))
    }

    /// A row's keys as the report shows them: in the first dimension, and in the second if there is one.
    pub fn names(&self, keys: &[Key]) -> (Option<String>, Option<Option<String>>) {
        let mut names = self.cuts.iter().zip(keys).map(|(cut, key)| cut.shown(key));
        (names.next().flatten(), names.next())
    }

    /// The head of the answer.
    pub fn head(&self, as_of: Timestamp, versions: BTreeSet<i64>) -> Head {
        Head {
            as_of,
            period: Period::of(&self.selection.days, &self.rules.company.timezone),
            basis: self.selection.basis,
            by: self.by.clone(),
            min_sample: self.min_sample,
            agreement_versions: versions.into_iter().collect(),
            provisional: self.rules.agreement.provisional,
        }
    }
}

/// The ids of the first records of a list, and the number of all.
pub(super) struct Ids {
    pub ids: Vec<String>,
    pub total: i64,
}

impl Ids {
    pub fn of<T>(page: Page<T>, total: u64, id: impl FnMut(T) -> String) -> Self {
        Self {
            ids: page.data.into_iter().map(id).collect(),
            total: i64::try_from(total).unwrap_or(i64::MAX),
        }
    }
}

/// What one of our own links to a list asks for.
pub(super) fn asked<T: DeserializeOwned>(query: Json) -> Result<T, Problem> {
    let wrong = |error| Problem::new(Code::InternalError).because(error);
    T::deserialize(query).map_err(|error: serde_json::Error| wrong(error))
}

pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_domain::reports::period::Calendar;

    fn asked(from: Option<&str>, to: Option<&str>, zone: &TimeZone) -> Result<Selection, Problem> {
        let chosen = Chosen {
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            ..Chosen::default()
        };
        chosen.select(Basis::Cohort, zone)
    }

    #[test]
    fn a_period_that_is_none_is_refused() {
        for (from, to, place) in [
            (Some("2026-02-30"), None, "from"),
            (None, Some("0000-01-01"), "to"),
            (Some("2026-02-02"), Some("2026-02-01"), "to"),
        ] {
            let problem = asked(from, to, &TimeZone::UTC).unwrap_err();
            assert_eq!(problem.violations()[0].place, Location::parameter(place));
        }
        let day = Some("2026-02-01");
        assert!(asked(day, day, &TimeZone::UTC).is_ok());
    }

    #[test]
    fn a_report_over_time_without_a_beginning_begins_with_the_newest_divisions() {
        let zone = TimeZone::UTC;
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (first, last) = (at("1971-01-01T00:00:00Z"), at("2026-12-15T00:00:00Z"));
        let by = [By::Time(Calendar::Month), By::Dimension(Dimension::Source)];
        let mut open = asked(None, None, &zone).unwrap();
        let begin = open.begin_with_newest(&by, first, last, &zone);
        assert_eq!(begin, at("1977-01-01T00:00:00Z"));
        assert_eq!(
            open.days.first.map(|day| day.to_string()).as_deref(),
            Some("1977-01-01")
        );
        assert!(
            matches!(&open.cuts(&by, Some((begin, last)), &zone).unwrap()[0], Cut::Over(all) if all.len() == 600)
        );

        let mut short = asked(None, None, &zone).unwrap();
        let recent = at("2026-01-01T00:00:00Z");
        assert_eq!(short.begin_with_newest(&by, recent, last, &zone), recent);
        assert_eq!(short.days.first, None);

        let mut from = asked(Some("1970-01-01"), None, &zone).unwrap();
        assert_eq!(from.begin_with_newest(&by, first, last, &zone), first);
        assert!(
            from.cuts(&by, Some((first, last)), &zone).is_err(),
            "as it was asked for"
        );
    }

    #[test]
    fn an_address_says_what_the_row_is() {
        let rome = TimeZone::get("Europe/Rome").unwrap();
        let selection = asked(Some("2026-03-10"), Some("2026-05-01"), &rome).unwrap();
        let (first, last) = (selection.days.from, selection.days.to.plus_millis(-1));
        let by = [By::Dimension(Dimension::Source), By::Time(Calendar::Month)];
        let cuts = selection.cuts(&by, Some((first, last)), &rome).unwrap();
        let source = Key::Value(Some(Value::Text("a&b=ü".into())));

        let row = selection.row(&cuts, &[source, Key::Bucket(1)]);
        let none = selection.row(&cuts, &[Key::Value(None), Key::Bucket(0)]);

        assert_eq!(
            row.evidence("funnel", &[("stage", "mql"), ("figure", "cycles")]),
            "/v1/reports/funnel/evidence?basis=cohort&stage=mql&figure=cycles&from=2026-04-01&to=2026-05-01&source=a%26b%3D%C3%BC"
        );
        let spam = none.with(Dimension::Reason, Some(Value::Text("spam".into())));
        assert_eq!(
            spam.evidence("funnel", &[("stage", "lead"), ("figure", "dropped")]),
            "/v1/reports/funnel/evidence?basis=cohort&stage=lead&figure=dropped&from=2026-03-10&to=2026-04-01&reason=spam&without=source"
        );
    }

    #[test]
    fn every_dimension_is_a_parameter_that_is_read() {
        let names: Vec<String> = Chosen::into_params(|| None)
            .into_iter()
            .map(|parameter| parameter.name)
            .collect();
        for dimension in Dimension::ALL {
            assert!(names.iter().any(|name| name == dimension.details().parameter));
        }
        let query =
            serde_json::json!({"country": "it", "agreement_version": 2, "without": ["owner", "reason"]});
        let chosen = Chosen::deserialize(query).unwrap();
        assert_eq!(
            chosen.filters.0,
            [
                (Dimension::Country, Some(Value::Text("IT".into()))),
                (Dimension::AgreementVersion, Some(Value::Number(2))),
                (Dimension::Owner, None),
                (Dimension::Reason, None),
            ]
        );
    }
}
