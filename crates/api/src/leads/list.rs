//! Lists of leads.

use actix_web::get;
use serde::Deserialize;
use serde_json::{Value, json};
use tandem_domain::id::{CompanyId, LeadId, SegmentId};
use tandem_domain::instant::Timestamp;
use tandem_domain::lifecycle::Stage;
use tandem_store::leads::{LeadFilter, LeadPage, LeadSort, LeadWithCompany, Part, Position, ScoreFilter};
use tandem_store::rules::ShownBy;
use tandem_store::{self as store, Horizon};
use utoipa::{IntoParams, ToSchema};

use super::view::LeadView;
use crate::access::scopes::LeadsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::bound::{self, Bound};
use crate::edge::http::fields::{Fields, Item, Shown};
use crate::edge::http::filter::{emails, owners, upper_case};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing, Order, Sorts};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::Query;
use crate::edge::http::reply::Reply;

type LeadOrder = Order<LeadSort>;
type LeadFields = Fields<LeadView>;
type LeadItem = Item<LeadView>;

impl Sorts for LeadSort {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("id", LeadSort::Id),
        ("created_at", LeadSort::CreatedAt),
        ("updated_at", LeadSort::UpdatedAt),
        ("name", LeadSort::Name),
        ("score", LeadSort::Score),
    ];
}

/// The touches of a lead, which lists omit by default.
const TOUCHES: &[&str] = &["first_touch", "last_touch", "last_non_direct_touch", "lead_touch"];

/// What lists include on request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Included {
    /// The touches that each lead shows.
    Touches,
}

/// Which leads, in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct LeadsQuery {
    /// In one of these stages.
    #[param(min_items = 1, max_items = 9, style = Form, explode = false)]
    stage: Option<Vec<Stage>>,
    /// Leads with one of these owners: ids, `me`, or `none` for leads without an owner.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false, example = json!(["me"]))]
    owner_id: Option<Vec<String>>,
    /// Leads with one of these ids.
    #[param(min_items = 1, max_items = 200, style = Form, explode = false)]
    id: Option<Vec<LeadId>>,
    /// Leads with exactly one of these e-mails, ignoring case and the spelling of the domain.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false, example = json!(["ada@example.com"]))]
    email: Option<Vec<String>>,
    /// Of this company.
    company_id: Option<CompanyId>,
    /// In one of these countries (ISO 3166-1 alpha-2).
    #[param(min_items = 1, max_items = 50, style = Form, explode = false)]
    country: Option<Vec<String>>,
    /// Leads with a first touch from one of these sources.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false)]
    source: Option<Vec<String>>,
    /// Leads with a first touch by one of these channels.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false)]
    channel: Option<Vec<String>>,
    /// Leads with a score (`total`) of at least this many points.
    #[param(minimum = 0, maximum = 1000000, example = 60)]
    score_gte: Option<i64>,
    /// Leads with a score (`total`) below this many points.
    #[param(minimum = 0, maximum = 1000000)]
    score_lt: Option<i64>,
    /// Leads with at least this many points of fit.
    #[param(minimum = 0, maximum = 1000000)]
    fit_gte: Option<i64>,
    /// Leads with at least this many points of engagement.
    #[param(minimum = 0, maximum = 1000000)]
    engagement_gte: Option<i64>,
    /// In one of these segments.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false)]
    segment: Option<Vec<SegmentId>>,
    /// In one of these bands.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false, example = json!(["A1", "A2"]))]
    band: Option<Vec<String>>,
    /// Blocked from becoming an MQL by one of these.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false, example = json!(["country"]))]
    mql_blocked_by: Option<Vec<String>>,
    /// Words: each must begin a word of the first name, last name, e-mail, its domain or the company's name, or end a
    /// phone (at least 4 digits), ignoring case and accents. Words after the eighth are ignored.
    #[param(min_length = 1, max_length = 200, example = "ada")]
    q: Option<String>,
    /// `true`: only archived leads; default: only the others.
    archived: Option<bool>,
    /// Created at this instant or later.
    #[param(inline)]
    created_at_gte: Option<Bound>,
    /// Created before this instant.
    #[param(inline)]
    created_at_lt: Option<Bound>,
    /// Changed at this instant or later.
    #[param(inline)]
    updated_at_gte: Option<Bound>,
    /// Changed before this instant.
    #[param(inline)]
    updated_at_lt: Option<Bound>,
    /// Members of each lead to return beside its `id`; default all except the touches.
    #[param(inline, style = Form, explode = false, example = json!(["email", "stage", "score"]))]
    fields: Option<LeadFields>,
    /// `touches`: include the touches of each lead, which lists omit by default.
    #[param(min_items = 1, max_items = 1, inline, style = Form, explode = false)]
    include: Option<Vec<Included>>,
    /// The sort order. By `id`, a crawl through all pages sees each lead that existed and matched throughout exactly
    /// once.
    #[param(inline)]
    sort: Option<LeadOrder>,
    /// The most leads of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// List leads.
///
/// Pages cost the same at any depth. `Prefer: return=total-count` adds the total. `fields` names the members to return;
/// other members are not read. Touches are included with `include=touches`, or if `fields` names them.
#[utoipa::path(tag = "leads", params(LeadsQuery), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "A page of leads", body = Listing<LeadItem>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/leads")]
pub(super) async fn list_leads(ctx: Ctx<LeadsRead>, query: Query<LeadsQuery>) -> Reply<Listing<LeadItem>> {
    let mut query = query.0;
    let shown = query.shown();
    let Order { sort, descending } = query.sort.unwrap_or(Order::by(LeadSort::Id));
    let limit = query.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let after: Option<Value> = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let after = after.map(|value| read_position(sort, &value)).transpose()?;
    let horizon = ctx.horizon(query.goes_by_stamps(sort)).await?;
    let filter = query.filter(&ctx, sort, horizon).await?;
    let wanted = LeadPage {
        sort,
        descending,
        after: after.as_ref(),
        limit,
        parts: &parts(&shown, sort),
    };
    let page = store::leads::list(ctx.db(), &filter, wanted).await?;
    let total = match listing::wants_total(ctx.request()) {
        true => Some(store::leads::count(ctx.db(), &filter).await?),
        false => None,
    };
    let revision = page.data.first().map(|found| found.settings_revision);
    let rules = match revision {
        Some(revision) => ctx.db().rules_at(revision).await?.shown_by.clone(),
        None => ShownBy::default(),
    };
    let view = |found| Item::new(LeadView::found(found, &rules), &shown);
    let place = |last: &LeadWithCompany| write_position(sort, last);
    Ok(Listing::of(&ctx.master, ctx.request(), page, place, view).counted(total))
}

/// What of leads is read for the members that are shown, and for the place of the last one.
fn parts(shown: &Shown, sort: LeadSort) -> Vec<Part> {
    let parts: [(Part, &[&str]); 6] = [
        (
            Part::Identifiers,
            &[
                "email",
                "emails",
                "phone",
                "phones",
                "external_ids",
                "may_contact",
            ],
        ),
        (Part::Consent, &["may_contact"]),
        (Part::Score, &["score", "mql_blocked_by"]),
        (Part::Qualification, &["qualification"]),
        (Part::Company, &["company"]),
        (Part::Touches, TOUCHES),
    ];
    let is_read = |part, members| shown.has_any(members) || part == Part::Score && sort == LeadSort::Score;
    let read = parts
        .into_iter()
        .filter(|(part, members)| is_read(*part, members));
    read.map(|(part, _)| part).collect()
}

fn write_position(sort: LeadSort, found: &LeadWithCompany) -> Value {
    let lead = &found.lead;
    match sort {
        LeadSort::Id => json!([lead.id]),
        LeadSort::CreatedAt => json!([lead.created_at.millis(), lead.id]),
        LeadSort::UpdatedAt => json!([lead.updated_at.millis(), lead.id]),
        LeadSort::Name => json!([tandem_domain::leads::search::name_key(lead), lead.id]),
        LeadSort::Score => json!([found.score.as_ref().map_or(0, |score| score.total), lead.id]),
    }
}

fn read_position(sort: LeadSort, value: &Value) -> Result<Position, Problem> {
    let malformed = |_| Problem::new(Code::InvalidCursor);
    match sort {
        LeadSort::Id => {
            let (id,): (LeadId,) = serde_json::from_value(value.clone()).map_err(malformed)?;
            Ok(Position::Id(id))
        }
        LeadSort::CreatedAt | LeadSort::UpdatedAt => {
            let (at, id): (i64, LeadId) = serde_json::from_value(value.clone()).map_err(malformed)?;
            Ok(Position::At(Timestamp::from_millis(at), id))
        }
        LeadSort::Name => {
            let (name, id): (String, LeadId) = serde_json::from_value(value.clone()).map_err(malformed)?;
            Ok(Position::Name(name, id))
        }
        LeadSort::Score => {
            let (score, id): (i64, LeadId) = serde_json::from_value(value.clone()).map_err(malformed)?;
            Ok(Position::Score(score, id))
        }
    }
}

impl LeadsQuery {
    fn shown(&mut self) -> Shown {
        let left_out = match self.include {
            Some(_) => &[],
            None => TOUCHES,
        };
        Shown::of(self.fields.take(), left_out)
    }

    fn goes_by_stamps(&self, sort: LeadSort) -> bool {
        let bounds = [
            &self.created_at_gte,
            &self.created_at_lt,
            &self.updated_at_gte,
            &self.updated_at_lt,
        ];
        matches!(sort, LeadSort::CreatedAt | LeadSort::UpdatedAt)
            || bounds.iter().any(|bound| bound.is_some())
    }

    async fn filter(
        self,
        ctx: &Ctx<LeadsRead>,
        sort: LeadSort,
        horizon: Horizon,
    ) -> Result<LeadFilter, Problem> {
        let (owners, unowned) = owners(self.owner_id.as_deref(), ctx.person())?;
        let bounds = [
            ("created_at_gte", self.created_at_gte),
            ("created_at_lt", self.created_at_lt),
            ("updated_at_gte", self.updated_at_gte),
            ("updated_at_lt", self.updated_at_lt),
        ];
        let [created_at_gte, created_at_lt, updated_at_gte, updated_at_lt] =
            bound::instants(ctx.db(), bounds).await?;
        Ok(LeadFilter {
            ids: self.id.unwrap_or_default(),
            emails: emails(self.email.unwrap_or_default())?,
            segment: self.segment.unwrap_or_default(),
            stage: self.stage.unwrap_or_default(),
            owner_id: owners,
            unowned,
            company_id: self.company_id,
            country: upper_case(self.country),
            source: self.source.unwrap_or_default(),
            channel: self.channel.unwrap_or_default(),
            score: ScoreFilter {
                total_gte: self.score_gte,
                total_lt: self.score_lt,
                fit_gte: self.fit_gte,
                engagement_gte: self.engagement_gte,
                band: self.band.unwrap_or_default(),
                blocked_by: self.mql_blocked_by.unwrap_or_default(),
            },
            q: self.q,
            archived: self.archived.unwrap_or(false),
            created_at_gte,
            created_at_lt: horizon.below(sort == LeadSort::CreatedAt, created_at_gte, created_at_lt),
            updated_at_gte,
            updated_at_lt: horizon.below(sort == LeadSort::UpdatedAt, updated_at_gte, updated_at_lt),
        })
    }
}
