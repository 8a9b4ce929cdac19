//! What every report answers: its head, rates with their interval and evidence, percentiles; as a document or a table.

use actix_web::body::BoxBody;
use actix_web::http::header::{Accept, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, Header as _, VARY};
use actix_web::{HttpRequest, HttpResponse, Responder};
use csv::Writer;
use serde::Serialize;
use serde_json::{Value, json};
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::dimension::By;
use tandem_domain::reports::period::Days;
use tandem_domain::reports::{Basis, Rate};
use utoipa::ToSchema;

use super::chart::Chart;
use crate::edge::http::problem::{Code, Problem};

/// The days that a report covers, half-open, in the company's time zone.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Period {
    /// The first day; `null`: from the beginning.
    #[schema(format = Date, example = "2026-01-01")]
    pub from: Option<String>,
    /// The day after the last one; `null`: to the end.
    #[schema(format = Date, example = "2026-04-01")]
    pub to: Option<String>,
    /// The company's IANA time zone.
    #[schema(max_length = 64, example = "Europe/Rome")]
    pub timezone: String,
}

/// A share of cases with its 95 % Wilson score interval.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct RateView {
    /// The share, as a fraction; `null` without cases.
    #[schema(minimum = 0, maximum = 1, example = 0.118)]
    pub value: Option<f64>,
    /// The numerator: the number of counted cases.
    #[schema(minimum = 0, example = 271)]
    pub numerator: i64,
    /// The denominator: all cases.
    #[schema(minimum = 0, example = 2296)]
    pub denominator: i64,
    /// The interval's lower bound.
    #[schema(minimum = 0, maximum = 1, example = 0.105)]
    pub low: Option<f64>,
    /// The interval's upper bound.
    #[schema(minimum = 0, maximum = 1, example = 0.132)]
    pub high: Option<f64>,
    /// Whether there are fewer cases than `min_sample`, too few for a meaningful rate.
    pub insufficient: bool,
    /// The number of all cases, and links to them.
    pub evidence: RateEvidence,
}

/// Links to the cases of a rate.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct RateEvidence {
    /// The numerator: the counted cases.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=cohort&stage=mql&figure=from_previous"
    )]
    pub numerator: String,
    /// The denominator: all cases.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/funnel/evidence?basis=cohort&stage=lead&figure=cycles"
    )]
    pub denominator: String,
}

impl Period {
    /// These days in a zone of this name.
    pub fn of(days: &Days, timezone: &str) -> Self {
        Self {
            from: days.first.map(|day| day.to_string()),
            to: days.next.map(|day| day.to_string()),
            timezone: timezone.to_owned(),
        }
    }
}

impl RateView {
    /// A rate as reports show it; `evidence` is the list of those that did, and that of all.
    pub fn of(rate: Rate, min_sample: i64, [numerator, denominator]: [String; 2]) -> Self {
        let (low, high) = rate.interval().unzip();
        Self {
            value: rate.value(),
            numerator: rate.part,
            denominator: rate.whole,
            low,
            high,
            insufficient: rate.is_insufficient(min_sample),
            evidence: RateEvidence {
                numerator,
                denominator,
            },
        }
    }
}

/// What every report with rows says of itself.
#[derive(Debug)]
pub(super) struct Head {
    pub as_of: Timestamp,
    pub period: Period,
    pub basis: Basis,
    pub by: Vec<By>,
    pub min_sample: i64,
    pub agreement_versions: Vec<i64>,
    pub provisional: bool,
}

/// A report as a document or, where the caller prefers that, as a table.
pub(super) enum Report<V> {
    /// JSON.
    Document(V),
    /// CSV, with the name of its file.
    Table(&'static str, String),
    /// SVG.
    Chart(String),
}

impl<V> Report<V> {
    /// A report in the form that the header Accept prefers.
    pub fn preferred(
        request: &HttpRequest,
        name: &'static str,
        view: V,
        table: impl FnOnce(&V) -> Table,
    ) -> Result<Self, Problem> {
        match prefers_csv(request) {
            true => Ok(Report::Table(name, table(&view).text()?)),
            false => Ok(Report::Document(view)),
        }
    }

    /// [`Self::preferred`] for a report that can be drawn.
    pub fn preferred_or_drawn(
        request: &HttpRequest,
        name: &'static str,
        view: V,
        table: impl FnOnce(&V) -> Table,
        chart: impl FnOnce(&Value) -> Chart,
    ) -> Result<Self, Problem>
    where
        V: Serialize,
    {
        match preferred(request, &[JSON, CSV, SVG]) {
            SVG => Ok(Report::Chart(chart(&json!(view)).svg()?)),
            _ => Self::preferred(request, name, view, table),
        }
    }
}

impl<V: Serialize> Responder for Report<V> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response.insert_header((VARY, "Accept"));
        match self {
            Report::Document(view) => response.json(view),
            Report::Table(name, text) => response
                .content_type("text/csv; charset=utf-8; header=present")
                .insert_header((
                    CONTENT_DISPOSITION,
                    format!("attachment; filename=\"{name}.csv\""),
                ))
                .body(text),
            Report::Chart(svg) => response
                .content_type(SVG)
                .insert_header((
                    CONTENT_SECURITY_POLICY,
                    "default-src 'none'; style-src 'unsafe-inline'",
                ))
                .body(svg),
        }
    }
}

const JSON: &str = "application/json";
const CSV: &str = "text/csv";
const SVG: &str = "image/svg+xml";
/// A page.
pub(super) const HTML: &str = "text/html";

/// Whether the header Accept names CSV before JSON and before anything at all.
fn prefers_csv(request: &HttpRequest) -> bool {
    preferred(request, &[JSON, CSV]) == CSV
}

/// Whether the header Accept names a page before JSON and before anything at all.
pub(super) fn prefers_page(request: &HttpRequest) -> bool {
    preferred(request, &[JSON, HTML]) == HTML
}

/// The media type among the offered ones that the header Accept names first; the first one where it names none.
fn preferred(request: &HttpRequest, offered: &[&'static str]) -> &'static str {
    let Ok(accept) = Accept::parse(request) else {
        return offered[0];
    };
    let ranked = accept.ranked();
    let fits = |named: &str, one: &str| match named.strip_suffix("/*") {
        Some("*") => true,
        Some(group) => one.strip_prefix(group).is_some_and(|rest| rest.starts_with('/')),
        None => named == one,
    };
    let mut chosen = ranked.iter().filter_map(|mime| {
        let mut offered = offered.iter().copied();
        offered.find(|one| fits(mime.essence_str(), one))
    });
    chosen.next().unwrap_or(offered[0])
}

/// A report as CSV (RFC 4180): lines of rows, then those of the totals.
pub(super) struct Table {
    lines: Vec<Vec<String>>,
    dimensions: usize,
}

impl Table {
    /// An empty table: a column that distinguishes rows from totals, one a dimension, then the figures.
    pub fn new(by: &[By], figures: &[&str]) -> Self {
        let names = ["line"].into_iter().chain(by.iter().map(|by| by.name()));
        let names = names.chain(figures.iter().copied()).map(str::to_owned);
        Self {
            lines: vec![names.collect()],
            dimensions: by.len(),
        }
    }

    /// A line of a row.
    pub fn row(&mut self, key: Option<&str>, second: Option<&Option<String>>, figures: Vec<String>) {
        let mut line = vec!["row".to_owned()];
        if self.dimensions > 0 {
            line.push(cell(key));
        }
        line.extend(second.map(|key| cell(key.as_deref())));
        line.extend(figures);
        self.lines.push(line);
    }

    /// A line of the totals.
    pub fn total(&mut self, figures: Vec<String>) {
        let mut line = vec!["total".to_owned()];
        line.extend(vec![String::new(); self.dimensions]);
        line.extend(figures);
        self.lines.push(line);
    }

    fn text(self) -> Result<String, Problem> {
        let failed = |error: &dyn std::fmt::Display| Problem::new(Code::InternalError).because(error);
        let mut writer = Writer::from_writer(vec![]);
        for line in self.lines {
            writer.write_record(line).map_err(|error| failed(&error))?;
        }
        let bytes = writer.into_inner().map_err(|error| failed(&error))?;
        String::from_utf8(bytes).map_err(|error| failed(&error))
    }
}

/// The columns of a rate: `name`, `name_of`, `name_low`, `name_high`, `name_insufficient`.
pub(super) fn rate_cells(rate: Option<&RateView>) -> [String; 5] {
    let Some(rate) = rate else {
        return Default::default();
    };
    [
        number(rate.value),
        rate.denominator.to_string(),
        number(rate.low),
        number(rate.high),
        rate.insufficient.to_string(),
    ]
}

/// A number as a cell, empty where there is none.
pub(super) fn number(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A whole number as a cell, empty where there is none.
pub(super) fn whole(value: Option<i64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Text as a cell: one that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection).
pub(super) fn cell(text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// The answer of a report that has rows: a type of its own for each, so that the document names it.
macro_rules! report_view {
    ($(#[$about:meta])* $name:ident: $row:ty, $(#[$of_totals:meta])* $totals:ty) => {
        $(#[$about])*
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        pub struct $name {
            /// The instant of the figures.
            pub as_of: tandem_domain::instant::Timestamp,
            /// The period covered.
            pub period: crate::reports::answer::Period,
            /// Which records count.
            #[schema(inline)]
            pub basis: tandem_domain::reports::Basis,
            /// The dimensions of the rows.
            #[schema(inline, max_items = 2, example = json!(["source"]))]
            pub by: Vec<tandem_domain::reports::dimension::By>,
            /// The fewest cases for a meaningful rate; with fewer it is marked `insufficient`.
            #[schema(minimum = 1, example = 30)]
            pub min_sample: i64,
            /// The versions of the agreement of the counted records.
            #[schema(max_items = 1000, example = json!([1]))]
            pub agreement_versions: Vec<i64>,
            /// Whether the agreement in force is provisional: nobody has signed it.
            pub provisional: bool,
            /// The rows. By one dimension, the largest volume comes first; else they are in order. By time alone,
            /// periods without a record are included between others.
            #[schema(max_items = 1000)]
            pub rows: Vec<$row>,
            /// How many smaller rows are omitted after the 1,000 largest; the totals include them.
            #[schema(minimum = 0, example = 0)]
            pub omitted_rows: i64,
            $(#[$of_totals])*
            pub totals: $totals,
        }

        impl $name {
            pub(in crate::reports) fn of(
                head: crate::reports::answer::Head,
                rows: Vec<$row>,
                omitted_rows: i64,
                totals: $totals,
            ) -> Self {
                Self {
                    as_of: head.as_of,
                    period: head.period,
                    basis: head.basis,
                    by: head.by,
                    min_sample: head.min_sample,
                    agreement_versions: head.agreement_versions,
                    provisional: head.provisional,
                    rows,
                    omitted_rows,
                    totals,
                }
            }
        }
    };
}

pub(super) use report_view;

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn only_who_prefers_a_table_gets_it() {
        let prefers = |accept: &str| {
            prefers_csv(
                &TestRequest::default()
                    .insert_header(("accept", accept))
                    .to_http_request(),
            )
        };
        for tables in [
            "text/csv",
            "application/json;q=0.5, text/csv",
            "text/csv, */*;q=0.1",
        ] {
            assert!(prefers(tables), "{tables}");
        }
        for documents in [
            "*/*",
            "application/json",
            "application/json, text/csv;q=0.9",
            "image/png",
            "%%%",
        ] {
            assert!(!prefers(documents), "{documents}");
        }
        assert!(!prefers_csv(&TestRequest::default().to_http_request()));
        for (accept, media) in [
            ("image/svg+xml", SVG),
            ("image/*, */*;q=0.1", SVG),
            ("text/csv, image/svg+xml;q=0.9", CSV),
            ("*/*", JSON),
            ("text/html", JSON),
        ] {
            let request = TestRequest::default().insert_header(("accept", accept));
            assert_eq!(
                preferred(&request.to_http_request(), &[JSON, CSV, SVG]),
                media,
                "{accept}"
            );
        }
    }

    #[test]
    fn what_looks_like_a_formula_is_made_text() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(cell(Some(text)), format!("'{text}"));
        }
        for text in ["", "google", "a=b", "1-2"] {
            assert_eq!(cell(Some(text)), text);
        }
        assert_eq!(cell(None), "");
    }
}
