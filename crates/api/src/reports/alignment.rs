//! The alignment scorecard: facts from the store, graded by domain, each figure with its evidence.

use actix_web::get;
use jiff::ToSpan;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use tandem_domain::agreement::{AgreementVersion, VersionState};
use tandem_domain::id::ReviewId;
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::reports::alignment::{
    AgreementFacts, AlignmentFacts, CommitmentFacts, Grade, Question, ReviewFacts,
};
use tandem_domain::reports::handoffs::HandoffFigure;
use tandem_domain::reports::kpis::DealFigure;
use tandem_domain::reports::period::Days;
use tandem_domain::reports::{Basis, Rate};
use tandem_store::reports::{Books, Figure};
use tandem_store::{self as store, Snapshot, StoreError};
use utoipa::{IntoParams, ToSchema};

use super::answer::{Period, RateView, Report, Table, number};
use super::handoffs::address;
use super::request::{Chosen, Selection};
use crate::access::scopes::ReportsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::problem::Problem;
use crate::edge::http::query::Query;
use crate::edge::http::reply::Reply;

/// Which period.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AlignmentQuery {
    /// The first day, in the company's time zone; without `from` and `to` the present month.
    #[param(inline)]
    from: Option<Day>,
    /// The day after the last one, in the company's time zone.
    #[param(inline)]
    to: Option<Day>,
    /// The fewest cases for a meaningful rate; default that of the setting.
    #[param(minimum = 1, maximum = 1_000_000)]
    min_sample: Option<i64>,
}

/// The alignment scorecard: eight questions about how marketing and sales work together.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlignmentView {
    /// The instant of the figures.
    pub as_of: Timestamp,
    /// The period of the hand-offs, leads and deals.
    pub period: Period,
    /// The version of the agreement in force.
    #[schema(minimum = 1, example = 1)]
    pub agreement_version: i64,
    /// Whether that version is provisional: nobody has signed it.
    pub provisional: bool,
    /// The fewest cases for a meaningful rate; with fewer it is marked `insufficient`.
    #[schema(minimum = 1, example = 30)]
    pub min_sample: i64,
    /// The eight questions.
    #[schema(max_items = 8)]
    pub answers: Vec<AlignmentAnswer>,
}

/// The answer to a question of the scorecard.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlignmentAnswer {
    /// The question.
    pub question: Question,
    /// The grade.
    pub grade: Grade,
    /// The figures on which the grade is based.
    #[schema(max_items = 4)]
    pub figures: Vec<AlignmentFigure>,
    /// What to do next; `null` if the grade is green.
    #[schema(
        max_length = 400,
        example = "Hold a review with both managers, or have a present manager sign."
    )]
    pub next: Option<&'static str>,
}

/// A figure of the scorecard.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlignmentFigure {
    /// Its name.
    #[schema(max_length = 60, example = "assigned_by_rule_and_reviewed_in_time")]
    pub figure: &'static str,
    /// The value: a count or a fraction; `null` if there is nothing to measure.
    #[schema(example = 0.93)]
    pub value: Option<f64>,
    /// The rate, if it is a share.
    pub rate: Option<RateView>,
    /// A link to the records on which it is based.
    #[schema(
        format = "uri-reference",
        max_length = 8192,
        example = "/v1/reports/handoffs/evidence?basis=activity&figure=review_due"
    )]
    pub evidence: String,
}

/// Report the alignment scorecard.
///
/// Eight questions, each with a grade, its figures and what to do next: is one signed agreement in force; are hand-offs
/// assigned by rule and reviewed in time; is the packet opened before the first contact; are rejections and losses
/// answered; do new leads have touches and won deals a path; was a review held by both managers and are its action
/// items closed; are losses explained; are both sides measured. It measures the process and shows no person.
/// `Accept: text/csv` returns a table.
#[utoipa::path(tag = "reports", params(AlignmentQuery), security(("bearer" = [ReportsRead])),
    responses((status = 200, description = "The scorecard",
        content((AlignmentView = "application/json"), (String = "text/csv")))))]
#[get("/v1/reports/alignment")]
pub(super) async fn get_alignment(
    ctx: Ctx<ReportsRead>,
    query: Query<AlignmentQuery>,
) -> Reply<Report<AlignmentView>> {
    let query = query.0;
    let snapshot = ctx.report().await?;
    let now = snapshot.as_of(ctx.now());
    let chosen = Chosen::of_days(query.from, query.to, Basis::Activity);
    let view = report(&snapshot, now, chosen, query.min_sample).await?;
    Report::preferred(ctx.request(), "alignment", view, table)
}

/// The scorecard of some days, by default of the present month.
pub(super) async fn report(
    snapshot: &Snapshot,
    now: Timestamp,
    chosen: Chosen,
    min_sample: Option<i64>,
) -> Result<AlignmentView, Problem> {
    let rules = store::rules::read(snapshot).await?;
    let zone = rules.company.zone();
    let mut selection = chosen.select(Basis::Activity, &zone)?;
    if (selection.days.first, selection.days.next) == (None, None)
        && let Some(month) = Days::month_of(now.date_in(&zone), &zone)
    {
        selection.days = month;
    }
    let books = Books {
        now,
        base: rules.money.base,
    };
    let loaded = Loaded::load(snapshot, &selection, books, &zone).await?;
    let min_sample = min_sample.unwrap_or(rules.reports.min_sample);
    let answer = |question: &Question| AlignmentAnswer {
        question: *question,
        grade: loaded.facts.grade(*question),
        figures: loaded.figures(*question, &selection, min_sample),
        next: loaded.facts.next(*question),
    };
    Ok(AlignmentView {
        as_of: now,
        period: Period::of(&selection.days, &rules.company.timezone),
        agreement_version: loaded.version.number,
        provisional: loaded.version.state == VersionState::Provisional,
        min_sample,
        answers: Question::ALL.iter().map(answer).collect(),
    })
}

/// The facts, and what their evidence names.
struct Loaded {
    facts: AlignmentFacts,
    version: AgreementVersion,
    /// Since when versions count that came into force.
    since: Timestamp,
    last_review: Option<ReviewId>,
    today: Day,
}

impl Loaded {
    async fn load(
        on: &Snapshot,
        selection: &Selection,
        books: Books,
        zone: &TimeZone,
    ) -> Result<Self, Problem> {
        let (scope, now) = (selection.scope(), books.now);
        let version = store::agreement::in_force_at(on, now).await?;
        let agreement = version
            .agreement()
            .map_err(|_| StoreError::Corrupt("agreements"))?;
        let staff = store::access::staff(on).await?;
        let held = store::reviews::last_held(on, now).await?;
        let held_at = held.map(|(_, at)| at);
        let date = now.date_in(zone);
        let a_year_ago = date.checked_sub(12.months()).unwrap_or(date);
        let since = Timestamp::start_of_day(a_year_ago, zone).unwrap_or(now);
        let is_signed = version.state != VersionState::Provisional;
        let today = now.day_in(zone);
        use HandoffFigure::{Answered, Contacted, FeedbackDue, OpenedBefore, ReviewDue, ReviewedByRule};
        let of_handoffs = [
            ReviewedByRule,
            ReviewDue,
            OpenedBefore,
            Contacted,
            Answered,
            FeedbackDue,
        ];
        let handoffs = store::reports::handoff_counts(on, &scope, &of_handoffs, now).await?;
        let of_deals = [
            DealFigure::Answered,
            DealFigure::FeedbackDue,
            DealFigure::WithPath,
            DealFigure::Won,
            DealFigure::Explained,
            DealFigure::Lost,
        ];
        let deals = store::reports::deal_counts(on, &scope, &of_deals, books).await?;
        let cycles = store::reports::evidence_counts(on, &scope, 0, &[Figure::Touched, Figure::New]).await?;
        let [assigned, opened, rejections] = rates(&handoffs);
        let [losses, with_path, explained] = rates(&deals);
        let [touched] = rates(&cycles);
        let facts = AlignmentFacts {
            agreement: AgreementFacts {
                is_signed,
                is_review_due: version.is_review_due(held_at, now, zone)
                    || is_signed && version.has_lost_a_signer(&staff),
                is_stale: version.is_stale(now, zone),
                versions: store::agreement::in_force_since(on, since).await? as i64,
            },
            assigned,
            opened,
            rejections,
            losses,
            touched,
            with_path,
            review: ReviewFacts {
                is_held_in_time: held_at.is_some_and(|at| version.is_recent(at, now, zone)),
                closed: store::reviews::closed_actions(on, today).await?,
            },
            explained,
            commitments: CommitmentFacts::of(&agreement.commitments),
        };
        Ok(Self {
            facts,
            version,
            since,
            last_review: held.map(|(id, _)| id),
            today,
        })
    }

    fn figures(&self, question: Question, selection: &Selection, min_sample: i64) -> Vec<AlignmentFigure> {
        let facts = &self.facts;
        let share = |figure, rate: Rate, evidence: [String; 2]| AlignmentFigure {
            figure,
            value: rate.value(),
            evidence: evidence[1].clone(),
            rate: Some(RateView::of(rate, min_sample, evidence)),
        };
        let handoffs = |figures: [HandoffFigure; 2]| figures.map(|figure| address(figure, selection));
        let deals = |figures: [DealFigure; 2]| {
            figures.map(|figure| selection.evidence("deals", &[("figure", figure.name())]))
        };
        let version = format!("/v1/agreements/{}", self.version.number);
        match question {
            Question::Agreement => vec![
                count("signed", facts.agreement.is_signed, version.clone()),
                count("review_due", facts.agreement.is_review_due, version.clone()),
                count("stale", facts.agreement.is_stale, version),
                AlignmentFigure {
                    figure: "versions_in_twelve_months",
                    value: Some(facts.agreement.versions as f64),
                    rate: None,
                    evidence: format!("/v1/agreements?in_force_since={}", self.since),
                },
            ],
            Question::Assignment => {
                let lists = handoffs([HandoffFigure::ReviewedByRule, HandoffFigure::ReviewDue]);
                vec![share(
                    "assigned_by_rule_and_reviewed_in_time",
                    facts.assigned,
                    lists,
                )]
            }
            Question::Packets => {
                let lists = handoffs([HandoffFigure::OpenedBefore, HandoffFigure::Contacted]);
                vec![share("packet_opened_before_contact", facts.opened, lists)]
            }
            Question::Feedback => {
                let rejections = handoffs([HandoffFigure::Answered, HandoffFigure::FeedbackDue]);
                let losses = deals([DealFigure::Answered, DealFigure::FeedbackDue]);
                vec![
                    share("rejections_answered", facts.rejections, rejections),
                    share("losses_answered", facts.losses, losses),
                ]
            }
            Question::Tracking => {
                let leads = ["touched", "new"]
                    .map(|figure| selection.evidence("funnel", &[("stage", "lead"), ("figure", figure)]));
                let won = deals([DealFigure::WithPath, DealFigure::Won]);
                vec![
                    share("new_leads_with_a_touch", facts.touched, leads),
                    share("won_deals_with_a_path", facts.with_path, won),
                ]
            }
            Question::Review => {
                let last = self.last_review.map(|id| format!("/v1/reviews/{id}"));
                let due = format!("/v1/actions?due_until={}", self.today);
                let closed = [format!("{due}&state=done,dropped"), due];
                vec![
                    count(
                        "held_in_time_by_both_managers",
                        facts.review.is_held_in_time,
                        last.unwrap_or_else(|| "/v1/reviews".to_owned()),
                    ),
                    share("due_action_items_closed", facts.review.closed, closed),
                ]
            }
            Question::Losses => {
                let lists = deals([DealFigure::Explained, DealFigure::Lost]);
                vec![share("losses_explained", facts.explained, lists)]
            }
            Question::Commitments => vec![
                count(
                    "both_sides_have_a_number",
                    facts.commitments.both_sides,
                    version.clone(),
                ),
                count("shared_revenue", facts.commitments.revenue, version),
            ],
        }
    }
}

/// Pairs of a numerator and a denominator as rates.
fn rates<const N: usize>(counts: &[i64]) -> [Rate; N] {
    std::array::from_fn(|n| match counts.get(2 * n..2 * n + 2) {
        Some(&[part, whole]) => Rate { part, whole },
        _ => Rate::default(),
    })
}

/// Whether something holds: 1 or 0.
fn count(figure: &'static str, holds: bool, evidence: String) -> AlignmentFigure {
    AlignmentFigure {
        figure,
        value: Some(f64::from(u8::from(holds))),
        rate: None,
        evidence,
    }
}

fn table(view: &AlignmentView) -> Table {
    let mut table = Table::new(
        &[],
        &[
            "question", "grade", "figure", "value", "of", "low", "high", "next",
        ],
    );
    for answer in &view.answers {
        for figure in &answer.figures {
            let rate = figure.rate.as_ref();
            let cells = vec![
                answer.question.name().to_owned(),
                answer.grade.name().to_owned(),
                figure.figure.to_owned(),
                number(figure.value),
                rate.map(|rate| rate.denominator.to_string()).unwrap_or_default(),
                number(rate.and_then(|rate| rate.low)),
                number(rate.and_then(|rate| rate.high)),
                answer.next.unwrap_or_default().to_owned(),
            ];
            table.row(None, None, cells);
        }
    }
    table
}
