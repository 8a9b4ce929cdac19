//! The handover of a customer: its people, deals, promises, objections and quotes, and the pages that its people read.

use std::fmt;
use std::str::FromStr;

use actix_web::get;
use serde::{Deserialize, Deserializer, Serialize, de};
use tandem_domain::activities::Objection;
use tandem_domain::deals::{BuyingRole, Deal};
use tandem_domain::id::{ActivityId, CompanyId, DealId, LeadId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::fields::LeadField;
use tandem_store::deals::handover::{self as stored, RaisedObjection, ReadPage};
use tandem_store::deals::{DealFilter, DealSort};
use tandem_store::leads::LeadWithCompany;
use tandem_store::{self as store, Snapshot};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::promises::PromiseView;
use super::quotes::QuoteView;
use super::view::DealView;
use crate::access::scopes::{ActivitiesRead, DealsRead, HandoverRead, LeadsRead};
use crate::edge::ctx::Ctx;
use crate::edge::http::json::Json;
use crate::edge::http::problem::Problem;
use crate::edge::http::query::Path;
use crate::edge::http::reply::Reply;

/// The most deals of a handover, the newest.
const MOST_DEALS: u64 = 50;

/// A customer: a company, or a lead without one.
#[derive(Debug, Clone, Copy)]
enum CustomerId {
    Company(CompanyId),
    Lead(LeadId),
}

impl<'de> Deserialize<'de> for CustomerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let company = CompanyId::from_str(&text).map(Self::Company);
        let lead = || LeadId::from_str(&text).map(Self::Lead);
        company.or_else(|_| lead()).map_err(de::Error::custom)
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Company(id) => id.fmt(f),
            Self::Lead(id) => id.fmt(f),
        }
    }
}

impl PartialSchema for CustomerId {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^(company|lead)_[0-7][0-9a-hjkmnp-tv-z]{25}$"))
            .max_length(Some(34))
            .examples(["company_01h455vb4pex5vsknk084sn02q"])
            .into()
    }
}

impl ToSchema for CustomerId {}

/// One customer.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct CustomerPath {
    /// The id of a company or lead.
    #[param(inline)]
    customer_id: CustomerId,
}

/// A role of a person in the group of a deal.
#[derive(Debug, Serialize, ToSchema)]
pub struct HandoverRole {
    /// The deal.
    deal_id: DealId,
    /// The role; `null` if it is unknown.
    role: Option<BuyingRole>,
}

/// A person of a customer.
#[derive(Debug, Serialize, ToSchema)]
pub struct HandoverPerson {
    /// The lead.
    lead_id: LeadId,
    /// The given name.
    #[schema(max_length = 200, example = "Ada")]
    first_name: Option<String>,
    /// The family name.
    #[schema(max_length = 200, example = "Lovelace")]
    last_name: Option<String>,
    /// The job title.
    #[schema(max_length = 200, example = "Head of Analytics")]
    job_title: Option<String>,
    /// The primary e-mail.
    #[schema(max_length = 254, example = "ada@example.com")]
    email: Option<String>,
    /// The groups of deals to which the person belongs.
    #[schema(max_items = 50)]
    roles: Vec<HandoverRole>,
}

/// An objection that was raised in an activity or stated with the closing of a deal.
#[derive(Debug, Serialize, ToSchema)]
pub struct HandoverObjection {
    /// The objection.
    objection: Objection,
    /// When it was raised.
    occurred_at: Timestamp,
    /// The activity in which it was raised.
    activity_id: Option<ActivityId>,
    /// The deal with whose closing it was stated.
    deal_id: Option<DealId>,
}

/// A page or file that people of the customer read.
#[derive(Debug, Serialize, ToSchema)]
pub struct HandoverPage {
    /// Its address.
    #[schema(max_length = 2048, example = "https://www.example.com/guides/stock")]
    url: String,
    /// How often they read it.
    #[schema(minimum = 1, example = 3)]
    views: i64,
    /// How many of them read it.
    #[schema(minimum = 1, example = 2)]
    people: i64,
    /// When one of them read it last.
    last_at: Timestamp,
}

/// A customer, for those who take over after the win.
#[derive(Debug, Serialize, ToSchema)]
pub struct HandoverView {
    /// The id of the company or lead.
    #[schema(max_length = 34, example = "company_01h455vb4pex5vsknk084sn02q")]
    customer_id: String,
    /// The members of the groups of its deals, with their roles.
    #[schema(max_items = 2500)]
    people: Vec<HandoverPerson>,
    /// Its deals, the newest first.
    #[schema(max_items = 50)]
    deals: Vec<DealView>,
    /// What was promised, in the order of recording; the first 200.
    #[schema(max_items = 200)]
    promises: Vec<PromiseView>,
    /// The objections that were raised, the newest first; at most 200 of activities.
    #[schema(max_items = 1200)]
    objections: Vec<HandoverObjection>,
    /// The quotes, in the order of recording; the first 200.
    #[schema(max_items = 200)]
    quotes: Vec<QuoteView>,
    /// What its people read, the most read first.
    #[schema(max_items = 50)]
    pages: Vec<HandoverPage>,
}

/// Read a customer's handover.
///
/// For those who take over a customer, a company or a lead without one: its newest 50 deals, the people of their groups
/// with their roles, promises, objections, quotes, and the pages and downloads that these people read.
#[utoipa::path(tag = "deals", params(CustomerPath),
    security(("bearer" = [LeadsRead, DealsRead, ActivitiesRead])),
    responses((status = 200, description = "The handover", body = HandoverView)))]
#[get("/v1/customers/{customer_id}/handover")]
pub(super) async fn get_handover(
    ctx: Ctx<HandoverRead>,
    path: Path<CustomerPath>,
) -> Reply<Json<HandoverView>> {
    let snapshot = ctx.snapshot().await?;
    Ok(Json(read(&snapshot, path.0.customer_id).await?))
}

async fn read(on: &Snapshot, customer: CustomerId) -> Result<HandoverView, Problem> {
    let mut filter = DealFilter::default();
    let mut lead_ids = vec![];
    let mut company_id = None;
    match customer {
        CustomerId::Company(id) => {
            store::leads::company(on, id).await?;
            filter.company_id = Some(id);
            company_id = Some(id);
        }
        CustomerId::Lead(id) => {
            store::leads::check(on, id).await?;
            filter.lead_id = Some(id);
            lead_ids.push(id);
        }
    }
    let deals = store::deals::list(on, &filter, DealSort::Id, true, None, MOST_DEALS).await?;
    let deals = deals.data;
    let ids: Vec<DealId> = deals.iter().map(|deal| deal.id).collect();
    let members = deals.iter().flat_map(|deal| &deal.members);
    lead_ids.extend(members.map(|member| member.lead_id));
    lead_ids.sort_unstable();
    lead_ids.dedup();
    let people = store::leads::by_ids(on, lead_ids.iter().copied()).await?;
    let raised = stored::objections(on, &ids, &lead_ids).await?;
    let promises = stored::promises(on, &ids, &lead_ids, company_id).await?;
    let quotes = stored::quotes(on, &ids).await?;
    let pages = stored::pages(on, &lead_ids).await?;
    let people = people.into_iter().map(|found| person(found, &deals)).collect();
    let mut facts = store::deals::closing_facts(on, ids.iter().copied()).await?;
    let deal = |deal: Deal| {
        let own = facts.remove(&deal.id).unwrap_or_default();
        DealView::of(deal, own)
    };
    Ok(HandoverView {
        customer_id: customer.to_string(),
        people,
        deals: deals.into_iter().map(deal).collect(),
        promises: promises.into_iter().map(PromiseView::from).collect(),
        objections: raised.into_iter().map(HandoverObjection::from).collect(),
        quotes: quotes.into_iter().map(QuoteView::from).collect(),
        pages: pages.into_iter().map(HandoverPage::from).collect(),
    })
}

/// A lead with its roles in these deals.
fn person(found: LeadWithCompany, deals: &[Deal]) -> HandoverPerson {
    let lead = found.lead;
    let text = |field| lead.profile.get(field).map(str::to_owned);
    let roles = deals.iter().flat_map(|deal| {
        let own = deal.members.iter().filter(|member| member.lead_id == lead.id);
        own.map(|member| HandoverRole {
            deal_id: deal.id,
            role: member.role,
        })
    });
    HandoverPerson {
        lead_id: lead.id,
        first_name: text(LeadField::FirstName),
        last_name: text(LeadField::LastName),
        job_title: text(LeadField::JobTitle),
        email: lead.email().map(str::to_owned),
        roles: roles.collect(),
    }
}

impl From<RaisedObjection> for HandoverObjection {
    fn from(raised: RaisedObjection) -> Self {
        Self {
            objection: raised.objection,
            occurred_at: raised.occurred_at,
            activity_id: raised.activity_id,
            deal_id: raised.deal_id,
        }
    }
}

impl From<ReadPage> for HandoverPage {
    fn from(page: ReadPage) -> Self {
        Self {
            url: page.url,
            views: page.views,
            people: page.people,
            last_at: page.last_at,
        }
    }
}
