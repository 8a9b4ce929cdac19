//! The figures of sales evaluated slowly and plainly: all rows for each figure. And the list behind each figure is opened.

use std::collections::BTreeMap;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tandem_domain::id::{ClockId, FormId, HandoffId, TeamId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_store::rows::{activities, clocks, cycles, deals, handoffs};
use tandem_tests::TestApp;
use uuid::Uuid;

use super::customers::Customers;

/// Whether a hand-off counts.
type Counted<'a> = Box<dyn Fn(&handoffs::Model) -> bool + 'a>;

const REJECTED: [&str; 3] = ["rejected", "disputed", "upheld"];

/// Days, half-open.
pub type Days = Option<(&'static str, &'static str)>;

/// What stands in the database, and who asks at which instant.
pub struct Rows {
    /// A key that reads reports and what stands behind them.
    pub reader: String,
    pub now: i64,
    pub cycles: Vec<cycles::Model>,
    pub handoffs: Vec<handoffs::Model>,
    pub clocks: Vec<clocks::Model>,
    pub deals: Vec<deals::Model>,
    pub tasks: Vec<activities::Model>,
    pub costs: Costs,
    /// The zone of the agreement's calendar, which is open from nine to six, Monday to Friday.
    pub office: TimeZone,
    /// By user.
    pub teams: BTreeMap<Uuid, Vec<Uuid>>,
}

/// What winning customers costs, in euros.
pub struct Costs {
    /// By day: the campaigns.
    pub spent: Vec<(&'static str, i64)>,
    /// By month: marketing beside them, and sales.
    pub months: Vec<(&'static str, i64, i64)>,
    pub margin: f64,
}

/// Which report: its basis, its days, and by what.
struct Question {
    report: &'static str,
    cohort: bool,
    days: Option<(&'static str, &'static str)>,
    by: Vec<&'static str>,
}

type Keys = Vec<Option<String>>;

pub fn rome() -> TimeZone {
    TimeZone::get("Europe/Rome").unwrap()
}

impl Rows {
    pub fn cycle_of(&self, handoff: &handoffs::Model) -> &cycles::Model {
        let own = |cycle: &&cycles::Model| cycle.lead_id == handoff.lead_id && cycle.number == handoff.cycle;
        self.cycles.iter().find(own).unwrap()
    }

    /// The clock of the first contact that counts.
    pub fn contact(&self, handoff: &handoffs::Model) -> Option<&clocks::Model> {
        let own = |clock: &&clocks::Model| {
            clock.handoff_id == Some(handoff.id)
                && clock.kind == "first_contact"
                && clock.ended_how.as_deref() != Some("restarted")
        };
        self.clocks.iter().find(own)
    }

    pub fn is_excused(&self, handoff: &handoffs::Model) -> bool {
        let without =
            || REJECTED.contains(&handoff.state.as_str()) || self.cycle_of(handoff).ended_at.is_some();
        handoff.first_contact_at.is_none()
            && self.contact(handoff).map_or_else(without, |clock| clock.state == "void")
    }
}

impl Question {
    fn path(&self) -> String {
        let basis = if self.cohort { "cohort" } else { "activity" };
        let days = self.days.map(|(from, to)| format!("&from={from}&to={to}"));
        format!(
            "/v1/reports/{}?by={}&basis={basis}{}",
            self.report,
            self.by.join(","),
            days.unwrap_or_default()
        )
    }

    fn at(&self, rows: &Rows, handoff: &handoffs::Model) -> i64 {
        if self.cohort { rows.cycle_of(handoff).started_at } else { handoff.made_at }
    }

    fn keys(&self, rows: &Rows, handoff: &handoffs::Model) -> Keys {
        let cycle = rows.cycle_of(handoff);
        let day = Timestamp::from_millis(self.at(rows, handoff)).date_in(&rome());
        let team = |owner| rows.teams.get(&owner).and_then(|teams| teams.iter().min().copied());
        let key = |by: &&str| match *by {
            "channel" => cycle.channel.clone(),
            "source" => cycle.source.clone(),
            "campaign" => cycle.campaign.clone(),
            "utm_content" => cycle.content.clone(),
            "quarter" => Some(format!("{}-Q{}", day.year(), (day.month() + 2) / 3)),
            "week" => {
                let week = day.iso_week_date();
                Some(format!("{}-W{:02}", week.year(), week.week()))
            }
            "country" => cycle.country.clone(),
            "reason" => handoff.reason.clone(),
            "agreement_version" => Some(handoff.agreement_version.to_string()),
            "form" => cycle.form_id.map(|id| FormId::from_uuid(id).to_string()),
            "owner" => handoff.owner_id.map(|id| UserId::from_uuid(id).to_string()),
            "team" => handoff.owner_id.and_then(team).map(|id| TeamId::from_uuid(id).to_string()),
            _ => Some(day.to_string()[..7].to_owned()),
        };
        self.by.iter().map(key).collect()
    }

    /// The hand-offs of a row, or of all, in the period or in other days.
    fn handoffs<'r>(
        &self,
        rows: &'r Rows,
        days: Option<(&str, &str)>,
        row: Option<&Keys>,
    ) -> Vec<&'r handoffs::Model> {
        let counts = |handoff: &&handoffs::Model| {
            let day = Timestamp::from_millis(self.at(rows, handoff)).date_in(&rome()).to_string();
            !handoff.self_sourced
                && handoff.state != "void"
                && days.is_none_or(|(from, to)| *from <= *day && *day < *to)
                && row.is_none_or(|row| self.keys(rows, handoff) == *row)
        };
        rows.handoffs.iter().filter(counts).collect()
    }
}

fn ids<'h>(handoffs: impl IntoIterator<Item = &'h handoffs::Model>) -> Vec<String> {
    let mut ids: Vec<Uuid> = handoffs.into_iter().map(|handoff| handoff.id).collect();
    ids.sort_unstable();
    ids.into_iter().map(|id| HandoffId::from_uuid(id).to_string()).collect()
}

async fn opens_to(app: &TestApp, rows: &Rows, address: &Value, expected: &[String]) {
    let address = format!("{}&limit=200", address.as_str().unwrap());
    let answer = app.get(&address).by(&rows.reader).await.expect(200);
    assert_eq!(answer["total_count"], expected.len(), "{address}");
    assert_eq!(answer.each("id"), expected.iter().take(200).cloned().collect::<Vec<_>>(), "{address}");
}

/// Type 7, by sorting, where what is open counts as endless.
fn percentile(lengths: &[i64], open: usize, share: f64) -> Option<f64> {
    let mut all: Vec<f64> = lengths.iter().map(|length| *length as f64).collect();
    all.extend(std::iter::repeat_n(f64::INFINITY, open));
    all.sort_by(f64::total_cmp);
    let place = share * all.len().checked_sub(1)? as f64;
    let (low, high) = (all[place.floor() as usize], all[place.ceil() as usize]);
    high.is_finite().then(|| (low + (high - low) * place.fract()) / 1000.0)
}

/// Nine to six from Monday to Friday, an hour and its rest at a time.
fn worked(from: i64, to: i64, zone: &TimeZone) -> i64 {
    let (mut at, mut sum) = (from, 0);
    while at < to {
        let local = Timestamp::from_millis(at);
        let is_weekend = matches!(local.date_in(zone).weekday(), Weekday::Saturday | Weekday::Sunday);
        let next = ((at.div_euclid(3_600_000) + 1) * 3_600_000).min(to);
        let midnight = Timestamp::start_of_day(local.date_in(zone), zone).unwrap().millis();
        let hour = (at - midnight) / 3_600_000;
        if !is_weekend && (9..18).contains(&hour) {
            sum += next - at;
        }
        at = next;
    }
    sum
}

fn is_near(shown: &Value, expected: Option<f64>) -> bool {
    match (shown.as_f64(), expected) {
        (Some(shown), Some(expected)) => (shown - expected).abs() < 1e-3,
        (None, None) => shown.is_null(),
        _ => false,
    }
}

fn row_keys(row: &Value) -> Keys {
    let first = row["key"].as_str().map(str::to_owned);
    let second = row.get("second_key").map(|key| key.as_str().map(str::to_owned));
    [first].into_iter().chain(second).collect()
}

/// Hold the rejections against the rows, for these days, each with those before them.
pub async fn rejections(app: &TestApp, rows: &Rows, periods: &[(Days, Days)]) {
    let all: [&[&str]; 12] = [
        &["utm_content", "quarter"],
        &["week"],
        &["reason"],
        &["channel"],
        &["source", "country"],
        &["campaign"],
        &["form"],
        &["owner"],
        &["team"],
        &["month"],
        &["agreement_version"],
        &["team", "month"],
    ];
    for (n, by) in all.iter().enumerate() {
        for cohort in [false, true] {
            let (days, earlier_days) = periods[(n + usize::from(cohort)) % periods.len()];
            let question = Question { report: "rejections", cohort, days, by: by.to_vec() };
            let report = app.get(&question.path()).by(&rows.reader).await.expect(200);
            let shown = report["rows"].as_array().unwrap();
            let is_over_time = by.iter().any(|by| ["week", "month", "quarter"].contains(by));
            let mut sum = 0;
            for (place, row) in
                [&report["totals"]].into_iter().chain(shown.iter().map(|row| &row["figures"])).enumerate()
            {
                let keys = place.checked_sub(1).map(|place| row_keys(&shown[place]));
                let of = |days| question.handoffs(rows, days, keys.as_ref());
                let own = of(days);
                let is = |states: &[&str]| {
                    own.iter().copied().filter(|one| states.contains(&&*one.state)).collect::<Vec<_>>()
                };
                let (rejected, accepted) = (is(&REJECTED), is(&["accepted", "overturned"]));
                let decided = is(&["rejected", "disputed", "upheld", "accepted", "overturned"]);
                let told = format!("{} {keys:?} {row:#}", question.path());
                for (name, found) in [("handoffs", &own), ("rejected", &rejected), ("decided", &decided)] {
                    assert_eq!(row[name], found.len(), "{name} {told}");
                    opens_to(app, rows, &row["evidence"][name], &ids(found.iter().copied())).await;
                }
                assert_eq!(row["pending"], own.len() - decided.len(), "{told}");
                assert_eq!(row["acceptance"]["numerator"], accepted.len(), "{told}");
                assert_eq!(row["acceptance"]["denominator"], decided.len(), "{told}");
                opens_to(app, rows, &row["acceptance"]["evidence"]["numerator"], &ids(accepted)).await;
                for reason in row["reasons"].as_array().unwrap() {
                    let of_reason =
                        |one: &&handoffs::Model| one.reason.as_deref() == reason["reason"].as_str();
                    let found = ids(rejected.iter().copied().filter(of_reason));
                    assert_eq!(reason["handoffs"], found.len(), "{told}");
                    opens_to(app, rows, &reason["evidence"], &found).await;
                }
                let earlier =
                    earlier_days.filter(|_| keys.is_none() || !is_over_time).map(|days| of(Some(days)));
                let earlier =
                    earlier.map(|all| ids(all.into_iter().filter(|one| REJECTED.contains(&&*one.state))));
                assert_eq!(
                    row["rejected_before"].as_u64(),
                    earlier.as_ref().map(|all| all.len() as u64),
                    "{told}"
                );
                if let Some(earlier) = earlier {
                    opens_to(app, rows, &row["evidence"]["rejected_before"], &earlier).await;
                    assert_eq!(row["change"], rejected.len() as i64 - earlier.len() as i64, "{told}");
                }
                sum += if keys.is_some() { rejected.len() } else { 0 };
            }
            assert_eq!(
                report["totals"]["rejected"],
                sum,
                "each rejection is in one row: {}",
                question.path()
            );
        }
    }
}

/// Hold the response times against the rows, for these days.
pub async fn response_times(app: &TestApp, rows: &Rows, periods: &[Days]) {
    let all: [&[&str]; 4] = [&["owner"], &["team", "channel"], &["month"], &["form"]];
    for (n, by) in all.iter().enumerate() {
        let days = periods[n % periods.len()];
        let question = Question { report: "response-times", cohort: n % 3 == 2, days, by: by.to_vec() };
        let report = app.get(&question.path()).by(&rows.reader).await.expect(200);
        let shown = report["rows"].as_array().unwrap();
        for (place, row) in
            [&report["totals"]].into_iter().chain(shown.iter().map(|row| &row["figures"])).enumerate()
        {
            let keys = place.checked_sub(1).map(|place| row_keys(&shown[place]));
            let own = question.handoffs(rows, days, keys.as_ref());
            let own: Vec<_> = own.into_iter().filter(|one| !one.imported).collect();
            let told = format!("{} {keys:?} {row:#}", question.path());
            assert_eq!(row["handoffs"], own.len(), "{told}");
            let excused: Vec<_> = own.iter().copied().filter(|one| rows.is_excused(one)).collect();
            assert_eq!(row["excused"], excused.len(), "{told}");
            opens_to(app, rows, &row["evidence"]["excused"], &ids(excused)).await;
            let waits = |one: &handoffs::Model| !rows.is_excused(one);
            type Span = fn(&handoffs::Model) -> Option<(i64, i64)>;
            let spans: [(&str, Span, Counted<'_>); 3] = [
                (
                    "response_time",
                    |one| Some((one.made_at, one.first_contact_at?)),
                    Box::new(|one| one.first_contact_at.is_none() && waits(one)),
                ),
                (
                    "system_delay",
                    |one| Some((one.made_at, one.assigned_at?)),
                    Box::new(|one| one.assigned_at.is_none() && waits(one)),
                ),
                (
                    "human_delay",
                    |one| Some((one.assigned_at?, one.first_contact_at?)),
                    Box::new(|one| one.assigned_at.is_some() && one.first_contact_at.is_none() && waits(one)),
                ),
            ];
            for (name, span, is_open) in spans {
                let (finished, open): (Vec<_>, Vec<_>) = (
                    own.iter().copied().filter(|one| span(one).is_some()).collect(),
                    own.iter().copied().filter(|one| is_open(one)).collect(),
                );
                let figure = &row[name];
                assert_eq!(figure["finished"], finished.len(), "{name} {told}");
                assert_eq!(figure["open"], open.len(), "{name} {told}");
                let spans: Vec<_> = finished.iter().filter_map(|one| span(one)).collect();
                let elapsed: Vec<i64> = spans.iter().map(|(from, to)| (to - from).max(0)).collect();
                let business: Vec<i64> =
                    spans.iter().map(|(from, to)| worked(*from, *to, &rows.office)).collect();
                for (time, lengths) in [("elapsed", &elapsed), ("business", &business)] {
                    for (percent, share) in
                        [("p50_seconds", 0.5), ("p90_seconds", 0.9), ("p95_seconds", 0.95)]
                    {
                        let expected = percentile(lengths, open.len(), share);
                        assert!(
                            is_near(&figure[time][percent], expected),
                            "{name} {time} {expected:?} {told}"
                        );
                    }
                }
                opens_to(app, rows, &figure["evidence"], &ids(finished)).await;
                opens_to(app, rows, &figure["open_evidence"], &ids(open)).await;
            }
            let promised: Vec<_> = own
                .iter()
                .copied()
                .filter(|one| {
                    let clock = rows.contact(one).filter(|clock| clock.state != "void");
                    clock.is_some_and(|clock| one.first_contact_at.is_some() || clock.due_at < rows.now)
                })
                .collect();
            let inside: Vec<_> = promised
                .iter()
                .copied()
                .filter(|one| one.first_contact_at.is_some_and(|at| at <= rows.contact(one).unwrap().due_at))
                .collect();
            let rate = &row["inside_promise"];
            assert_eq!(rate["numerator"], inside.len(), "{told}");
            assert_eq!(rate["denominator"], promised.len(), "{told}");
            opens_to(app, rows, &rate["evidence"]["numerator"], &ids(inside)).await;
            opens_to(app, rows, &rate["evidence"]["denominator"], &ids(promised)).await;
        }
    }
}

/// Hold the commitments of months against the rows.
pub async fn commitments(app: &TestApp, rows: &Rows, months: &[&str]) {
    for month in months {
        let month = *month;
        let report = app.get(&format!("/v1/reports/sla?month={month}")).by(&rows.reader).await.expect(200);
        let in_month = |at: i64| Timestamp::from_millis(at).date_in(&rome()).to_string()[..7] == *month;
        for promise in report["promises"].as_array().unwrap() {
            let due: Vec<&clocks::Model> = rows
                .clocks
                .iter()
                .filter(|clock| {
                    promise["commitment"] == *clock.kind
                        && clock.state != "void"
                        && in_month(clock.due_at)
                        && clock.due_at < rows.now
                })
                .collect();
            let mut shown = vec![(promise, due.clone())];
            for owner in promise["owners"].as_array().unwrap() {
                let id = |clock: &clocks::Model| clock.owner_id.map(|id| UserId::from_uuid(id).to_string());
                let own =
                    due.iter().copied().filter(|clock| id(clock).as_deref() == owner["owner_id"].as_str());
                shown.push((owner, own.collect()));
            }
            for (figures, due) in shown {
                let (kept, broken): (Vec<_>, Vec<_>) =
                    due.iter().copied().partition(|clock| clock.state == "met");
                for (name, found) in [("promised", due), ("kept", kept), ("broken", broken)] {
                    assert_eq!(figures[name], found.len(), "{month} {name} {figures:#}");
                    let mut ids: Vec<Uuid> = found.iter().map(|clock| clock.id).collect();
                    ids.sort_unstable();
                    let ids: Vec<String> =
                        ids.into_iter().map(|id| ClockId::from_uuid(id).to_string()).collect();
                    opens_to(app, rows, &figures["evidence"][name], &ids).await;
                }
            }
        }
        let acceptance = &report["numbers"][0];
        let made: Vec<_> = rows
            .handoffs
            .iter()
            .filter(|one| {
                !one.self_sourced && one.state != "void" && one.state != "pending" && in_month(one.made_at)
            })
            .collect();
        assert_eq!(acceptance["commitment"], "min_acceptance_rate");
        assert_eq!(acceptance["rate"]["denominator"], made.len());
        opens_to(app, rows, &acceptance["evidence"], &ids(made)).await;
        let state = &acceptance["state"];
        assert!(
            if in_month(rows.now) { state == "open" } else { state == "kept" || state == "broken" },
            "{state}"
        );
    }
}

/// Days, a source, and the two last complete months before their end.
pub type Asked = (Days, Option<&'static str>, (&'static str, &'static str));

/// Hold the key figures against the rows; `present` is the month that is meant without days.
pub async fn key_figures(
    app: &TestApp,
    rows: &Rows,
    present: &(&'static str, &'static str),
    periods: &[Asked],
) {
    let day = |at: i64| Timestamp::from_millis(at).date_in(&rome()).to_string();
    for (days, source, months) in periods {
        // The present month unless other days are asked for.
        let (from, to) = days.unwrap_or(*present);
        let source = *source;
        let mut query = days.map(|(from, to)| format!("from={from}&to={to}")).unwrap_or_default();
        query.extend(source.map(|source| format!("&source={source}")));
        let report = app.get(&format!("/v1/reports/kpis?{query}")).by(&rows.reader).await.expect(200);
        assert!(!report.text.contains("NaN"));
        let holds = |at: Option<i64>| at.is_some_and(|at| *from <= *day(at) && *day(at) < *to);
        let cycles: Vec<&cycles::Model> =
            rows.cycles.iter().filter(|one| source.is_none() || one.source.as_deref() == source).collect();
        let of_cycle =
            |lead: Uuid, number: i64| cycles.iter().any(|one| one.lead_id == lead && one.number == number);
        let handoffs: Vec<&handoffs::Model> = rows
            .handoffs
            .iter()
            .filter(|one| !one.self_sourced && one.state != "void" && holds(Some(one.made_at)))
            .filter(|one| of_cycle(one.lead_id, one.cycle))
            .collect();
        let deals: Vec<&deals::Model> = rows
            .deals
            .iter()
            .filter(|one| of_cycle(one.primary_lead_id.unwrap(), one.cycle.unwrap()))
            .collect();
        let reached = |cycle: &cycles::Model| {
            let cycles::Model { started_at, mql_at, sal_at, sql_at, opportunity_at, customer_at, .. } =
                *cycle;
            [Some(started_at), mql_at, sal_at, sql_at, opportunity_at, customer_at]
        };
        let entered = |stage: usize| cycles.iter().filter(|one| holds(reached(one)[stage])).count() as f64;
        let share = |from: usize, to: usize| {
            let whole: Vec<_> = cycles.iter().filter(|one| holds(reached(one)[from])).collect();
            let part = whole.iter().filter(|one| reached(one)[to].is_some()).count() as f64;
            (!whole.is_empty()).then(|| part / whole.len() as f64)
        };
        let mean =
            |all: Vec<i64>| (!all.is_empty()).then(|| all.iter().sum::<i64>() as f64 / all.len() as f64);
        let won: Vec<_> = deals.iter().filter(|one| one.state == "won" && holds(one.closed_at)).collect();
        let closed = deals.iter().filter(|one| one.state != "open" && holds(one.closed_at)).count() as f64;
        let end = Timestamp::start_of_day(to.parse().unwrap(), &rome()).unwrap().millis().min(rows.now);
        let is_open = |one: &&&deals::Model| one.opened_at < end && one.closed_at.is_none_or(|at| at >= end);
        let decided = handoffs.iter().filter(|one| one.state != "pending").count() as f64;
        let accepted = handoffs.iter().filter(|one| matches!(&*one.state, "accepted" | "overturned")).count();
        let joins = |one: &handoffs::Model| one.joins_deal_id.is_some() || one.joins_lead_id.is_some();
        let timed: Vec<_> = handoffs.iter().filter(|one| !one.imported).collect();
        let contacts: Vec<i64> =
            timed.iter().filter_map(|one| Some((one.first_contact_at? - one.made_at).max(0))).collect();
        let waiting =
            timed.iter().filter(|one| one.first_contact_at.is_none() && !rows.is_excused(one)).count();
        let contact_of = |cycle: &cycles::Model| {
            let own = |one: &&handoffs::Model| one.lead_id == cycle.lead_id && one.cycle == cycle.number;
            rows.handoffs.iter().find(own).and_then(|one| one.first_contact_at)
        };
        let sales: Vec<i64> = cycles
            .iter()
            .filter(|one| holds(one.customer_at))
            .filter_map(|one| Some((one.customer_at? - contact_of(one).or(one.sal_at)?).max(0)))
            .collect();
        let in_month = |month: &str| {
            cycles.iter().filter(|one| one.mql_at.is_some_and(|at| day(at).starts_with(month))).count() as f64
        };
        let (last, before) = (in_month(months.1), in_month(months.0));
        let cycle_when_done = |task: &activities::Model| {
            let own = |one: &&cycles::Model| Some(one.lead_id) == task.lead_id;
            let stood = rows.cycles.iter().filter(own).filter(|one| Some(one.started_at) <= task.done_at);
            stood.max_by_key(|one| one.number)
        };
        let is_asked = |task: &&activities::Model| {
            source.is_none() || cycle_when_done(task).is_some_and(|one| one.source.as_deref() == source)
        };
        let follow_ups = rows.tasks.iter().filter(|one| holds(one.done_at)).filter(is_asked).count();
        let customers = Customers { rows, asked_for: source };
        let booked: i64 = won.iter().filter_map(|one| one.base_amount).sum();
        let expected: [(&str, Option<f64>); 30] = [
            ("leads", Some(entered(0))),
            ("mqls", Some(entered(1))),
            ("mqls_handed_over", Some(handoffs.len() as f64)),
            ("mqls_joined", Some(handoffs.iter().filter(|one| joins(one)).count() as f64)),
            ("acceptance", (decided > 0.0).then(|| accepted as f64 / decided)),
            ("mql_to_sal", share(1, 2)),
            ("mql_to_sql", share(1, 3)),
            ("sql_to_opportunity", share(3, 4)),
            ("lead_to_opportunity", share(0, 4)),
            ("opportunity_to_customer", share(4, 5)),
            ("lead_to_customer", share(0, 5)),
            ("mql_to_customer", share(1, 5)),
            ("response_time", percentile(&contacts, waiting, 0.5)),
            ("follow_ups", Some(follow_ups as f64)),
            ("deals_open", Some(deals.iter().filter(is_open).count() as f64)),
            ("quotes_sent", Some(0.0)),
            ("deals_won", Some(won.len() as f64)),
            ("average_deal", mean(won.iter().filter_map(|one| one.base_amount).collect())),
            ("booked", Some(booked as f64)),
            ("collected", source.is_none().then_some(0.0)),
            ("win_rate", (closed > 0.0).then(|| won.len() as f64 / closed)),
            ("sales_cycle", percentile(&sales, 0, 0.5)),
            ("lvr", (before > 0.0).then(|| last / before - 1.0)),
            // Rows by chance have no paths: tests/http/attribution.rs measures them.
            ("revenue_attributed", Some(0.0)),
            ("revenue_influenced", Some(0.0)),
            ("revenue_sourced", Some(0.0)),
            ("influenced_share", None),
            ("cac", customers.cac(from, to)),
            ("ltv", customers.ltv(to)),
            ("churn", customers.churn(from, to)),
        ];
        let figures = report["figures"].as_array().unwrap();
        assert_eq!(figures.len(), expected.len());
        for (figure, (name, value)) in figures.iter().zip(expected) {
            assert_eq!(figure["figure"], name);
            assert!(is_near(&figure["value"], value), "{query}: {value:?} {figure:#}");
            let count = async |address: &Value| {
                app.get(address.as_str().unwrap()).by(&rows.reader).await.expect(200)["total_count"].clone()
            };
            assert_eq!(count(&figure["evidence"]).await, figure["cases"], "{query}: {figure:#}");
            let rate = &figure["rate"];
            if !rate.is_null() {
                assert_eq!(
                    count(&rate["evidence"]["numerator"]).await,
                    rate["numerator"],
                    "{query}: {figure:#}"
                );
            }
        }
        let foreign: Vec<_> = won.iter().filter(|one| one.currency.as_deref() == Some("NOK")).collect();
        let shown = report["unconverted"].as_array().unwrap();
        assert_eq!(shown.len(), usize::from(!foreign.is_empty()));
        for one in shown {
            let sum: i64 = foreign.iter().filter_map(|one| one.amount).sum();
            assert_eq!(one["amount"], json!({"amount": sum, "currency": "NOK"}));
            let list = app.get(one["evidence"].as_str().unwrap()).by(&rows.reader).await.expect(200);
            assert_eq!((&list["total_count"], &one["deals"]), (&json!(foreign.len()), &json!(foreign.len())));
        }
    }
}
