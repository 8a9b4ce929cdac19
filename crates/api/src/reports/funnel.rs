//! Reporting the funnel: facts from the store, counted by domain, put into rows.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use actix_web::body::BoxBody;
use actix_web::http::header::{Accept, CONTENT_DISPOSITION, Header as _, VARY};
use actix_web::{HttpRequest, HttpResponse, Responder, get};
use serde::Deserialize;
use tandem_domain::id::{FormId, UserId};
use tandem_domain::reports::MIN_SAMPLE;
use tandem_domain::reports::funnel::{self, Figures, Tally};
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::reports::{Cut, Key};
use utoipa::IntoParams;

use super::csv;
use super::select::{Asked, Basis, By, Selection, Without, shown};
use super::view::{FunnelRowView, FunnelView, Period, stages};
use crate::access::scopes::ReportsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::problem::{Place, Problem, Violation};
use crate::edge::http::query::Query;
use crate::edge::http::reply::Reply;

/// The most rows of a report.
const MOST_ROWS: usize = 1000;

/// Which funnel.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct FunnelQuery {
    /// What the rows stand for: one or two; `source` unless given.
    #[param(inline, min_items = 1, max_items = 2, style = Form, explode = false, example = json!(["source"]))]
    by: Option<Vec<By>>,
    /// How cycles are chosen; `cohort` unless given.
    #[param(inline)]
    basis: Option<Basis>,
    /// The first day, in the company's time zone; from the beginning unless given.
    #[param(format = Date, max_length = 10, example = "2026-01-01")]
    from: Option<String>,
    /// The day after the last one, in the company's time zone; to the end unless given.
    #[param(format = Date, max_length = 10, example = "2026-04-01")]
    to: Option<String>,
    /// Only of this channel.
    #[param(max_length = 2000)]
    channel: Option<String>,
    /// Only from this source.
    #[param(max_length = 2000)]
    source: Option<String>,
    /// Only of this campaign.
    #[param(max_length = 2000)]
    campaign: Option<String>,
    /// Only by this form.
    form_id: Option<FormId>,
    /// Only of this country.
    #[param(max_length = 2)]
    country: Option<String>,
    /// Only of this owner.
    owner_id: Option<UserId>,
    /// Only where these are unknown.
    #[param(inline, min_items = 1, max_items = 7, style = Form, explode = false)]
    without: Option<Vec<Without>>,
    /// The fewest cases on which a rate says something.
    #[param(minimum = 1, maximum = 1_000_000, default = 30)]
    min_sample: Option<i64>,
}

/// Report the funnel.
///
/// How many cycles reached each stage, how many people these are, what share of the stage before and of all that
/// started came so far, how long they stayed, and where they ended and why; by one or two dimensions. On the cohort
/// basis these are the cycles that started in the period, on the activity basis what happened in it. Every figure has
/// the address of the records behind it. A stage counts at its first entry in a cycle, and its stay is the first one.
/// Where there is nothing to say, figures are zero and rates `null`. `Accept: text/csv` gives a table.
#[utoipa::path(tag = "reports", params(FunnelQuery), security(("bearer" = [ReportsRead])),
    responses((status = 200, description = "The funnel",
        content((FunnelView = "application/json"), (String = "text/csv")))))]
#[get("/v1/reports/funnel")]
pub(super) async fn get_funnel(ctx: Ctx<ReportsRead>, query: Query<FunnelQuery>) -> Reply<Report> {
    let (by, min_sample, asked) = query.0.asked()?;
    let snapshot = ctx.report().await?;
    let rules = store::rules::read(&snapshot).await?;
    let zone = rules.company.zone();
    let (from, to) = (asked.from.clone(), asked.to.clone());
    let selection = asked.select(&zone)?;
    let span = match by.iter().any(|by| by.is_time()) {
        true => store::reports::span(&snapshot, &selection.scope()).await?,
        false => None,
    };
    let cuts = selection.cuts(&by, span, &zone)?;
    let counted = count(&snapshot, &selection, &cuts).await?;
    let (rows, omitted) = rows(counted.rows, &cuts);
    let row = |(keys, figures): (Vec<Key>, Figures)| {
        let mut names = cuts.iter().zip(&keys).map(|(cut, key)| shown(cut, key));
        FunnelRowView {
            key: names.next().flatten(),
            second_key: names.next(),
            stages: stages(&selection.row(&cuts, &keys), &figures, min_sample),
        }
    };
    let view = FunnelView {
        as_of: ctx.now(),
        period: Period {
            from,
            to,
            timezone: rules.company.timezone.clone(),
        },
        basis: selection.basis,
        by,
        min_sample,
        agreement_versions: counted.agreement_versions,
        provisional: rules.agreement.provisional,
        rows: rows.into_iter().map(row).collect(),
        omitted_rows: omitted,
        totals: stages(&selection, &counted.totals, min_sample),
    };
    if prefers_csv(ctx.request()) {
        return Ok(Report::Table(csv::funnel(&view)?));
    }
    Ok(Report::Document(view))
}

impl FunnelQuery {
    fn asked(self) -> Result<(Vec<By>, i64, Asked), Problem> {
        let by = self.by.unwrap_or_else(|| vec![By::Source]);
        if let [one, other] = by[..]
            && one == other
        {
            let twice = Violation::new(Place::parameter("by"), "not_allowed", "names one dimension twice");
            return Err(Problem::invalid_parameters(vec![twice]));
        }
        let asked = Asked {
            basis: self.basis,
            from: self.from,
            to: self.to,
            channel: self.channel,
            source: self.source,
            campaign: self.campaign,
            form_id: self.form_id,
            country: self.country,
            owner_id: self.owner_id,
            reason: None,
            without: self.without,
        };
        Ok((by, self.min_sample.unwrap_or(MIN_SAMPLE), asked))
    }
}

/// The figures of every row, and of all together.
struct Counted {
    rows: HashMap<Vec<Key>, Figures>,
    totals: Figures,
    agreement_versions: Vec<i64>,
}

async fn count(snapshot: &Snapshot, selection: &Selection, cuts: &[Cut]) -> Result<Counted, Problem> {
    let scope = selection.scope();
    let tallied = store::reports::tally(snapshot, &scope, cuts).await?;
    let again = store::reports::again(snapshot, &scope, cuts).await?;
    let mut lengths = store::reports::lengths(snapshot, &scope, cuts).await?;

    let mut by_row: HashMap<Vec<Key>, Vec<Tally>> = HashMap::new();
    for row in &tallied {
        by_row
            .entry(row.keys.clone())
            .or_default()
            .push(row.tally.clone());
    }
    for keys in lengths.keys() {
        by_row.entry(keys.clone()).or_default();
    }
    let mut rows: HashMap<Vec<Key>, Figures> = by_row
        .into_iter()
        .map(|(keys, tallies)| (keys, people(funnel::count(scope.basis, &tallies))))
        .collect();
    let versions: BTreeSet<i64> = tallied.iter().map(|row| row.agreement_version).collect();
    let all: Vec<Tally> = tallied.into_iter().map(|row| row.tally).collect();
    let mut totals = people(funnel::count(scope.basis, &all));
    for further in again {
        let figures = match &further.keys {
            Some(keys) => rows.get_mut(keys),
            None => Some(&mut totals),
        };
        if let Some(figures) = figures {
            figures[further.stage].people -= further.cycles;
        }
    }
    let mut together: [Vec<i64>; 6] = Default::default();
    for (keys, stays) in &mut lengths {
        if let Some(figures) = rows.get_mut(keys) {
            for ((figures, stays), together) in figures.iter_mut().zip(stays).zip(&mut together) {
                figures.time(stays);
                together.append(stays);
            }
        }
    }
    for (figures, stays) in totals.iter_mut().zip(&mut together) {
        figures.time(stays);
    }
    Ok(Counted {
        rows,
        totals,
        agreement_versions: versions.into_iter().collect(),
    })
}

/// Everybody once, until those with several cycles are taken off.
fn people(mut figures: Figures) -> Figures {
    for stage in &mut figures {
        stage.people = stage.cycles;
    }
    figures
}

/// The rows in order, at most as many as a report has, and how many are left out.
fn rows(mut counted: HashMap<Vec<Key>, Figures>, cuts: &[Cut]) -> (Vec<(Vec<Key>, Figures)>, i64) {
    if let [Cut::Over(buckets)] = cuts {
        for place in 0..buckets.len() {
            let keys = vec![Key::Bucket(place)];
            counted
                .entry(keys)
                .or_insert_with(|| funnel::count(funnel::Basis::Cohort, &[]));
        }
    }
    let volume = |figures: &Figures| figures.iter().map(|stage| stage.cycles).sum::<i64>();
    let mut rows: Vec<_> = counted.into_iter().collect();
    let last = |keys: &[Key]| {
        keys.iter()
            .map(|key| (*key == Key::Value(None), key.clone()))
            .collect::<Vec<_>>()
    };
    rows.sort_by_cached_key(|(keys, figures)| (Reverse((figures[0].cycles, volume(figures))), last(keys)));
    let omitted = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    if let [Cut::By(_)] = cuts {
        // The largest first; what is unknown comes last.
        rows.sort_by_key(|(keys, _)| keys[0] == Key::Value(None));
    } else {
        rows.sort_by_cached_key(|(keys, _)| last(keys));
    }
    (rows, omitted as i64)
}

/// The funnel as a document or as a table.
pub(super) enum Report {
    Document(FunnelView),
    Table(String),
}

impl Responder for Report {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response.insert_header((VARY, "Accept"));
        match self {
            Report::Document(view) => response.json(view),
            Report::Table(text) => response
                .content_type("text/csv; charset=utf-8; header=present")
                .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"funnel.csv\""))
                .body(text),
        }
    }
}

/// Whether the header Accept names CSV before JSON and before anything at all.
fn prefers_csv(request: &HttpRequest) -> bool {
    let Ok(accept) = Accept::parse(request) else {
        return false;
    };
    let known = ["text/csv", "text/*", "application/json", "application/*", "*/*"];
    let ranked = accept.ranked();
    let mut named = ranked.iter().map(|mime| mime.essence_str());
    named
        .find(|mime| known.contains(mime))
        .is_some_and(|first| matches!(first, "text/csv" | "text/*"))
}

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
    }
}
