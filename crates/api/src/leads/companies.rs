//! Companies over HTTP.

use actix_web::{get, patch, post};
use serde::Deserialize;
use tandem_domain::access::Actor;
use tandem_domain::act::Act;
use tandem_domain::fault::Fault;
use tandem_domain::id::{CompanyId, UserId};
use tandem_domain::leads::Company;
use tandem_domain::leads::identity::Domain;
use tandem_domain::leads::save::{self, CompanyStatement};
use tandem_domain::world::World;
use tandem_store::leads::{CompanyFilter, CompanySort};
use tandem_store::{self as store, Tx};
use utoipa::IntoParams;

use super::actions::sells;
use super::body::CompanyWrite;
use super::view::CompanyView;
use crate::access::scopes::{LeadsRead, LeadsWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::bound::{self, Bound};
use crate::edge::http::faults::{invalid, refuse};
use crate::edge::http::filter::{owners, upper_case};
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing, Order, Sorts};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::{Created, IfMatch, Reply, Tagged, Upserted, etag};
use crate::edge::http::services::Services;

/// The operations about companies.
pub fn configure(config: &mut Services<'_>) {
    config
        .service(create_company)
        .service(list_companies)
        .service(get_company)
        .service(update_company)
        .service(archive_company)
        .service(restore_company);
}

/// A company by its id.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct CompanyPath {
    /// The company's id.
    company_id: CompanyId,
}

type CompanyOrder = Order<CompanySort>;

impl Sorts for CompanySort {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("id", CompanySort::Id),
        ("created_at", CompanySort::CreatedAt),
        ("updated_at", CompanySort::UpdatedAt),
        ("name", CompanySort::Name),
    ];
}

/// Which companies, in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CompaniesQuery {
    /// Companies with this web domain.
    #[param(max_length = 253, example = "example.com")]
    domain: Option<String>,
    /// In one of these countries (ISO 3166-1 alpha-2).
    #[param(min_items = 1, max_items = 50, style = Form, explode = false)]
    country: Option<Vec<String>>,
    /// Companies with one of these owners: ids, `me`, or `none` for companies without an owner.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false, example = json!(["me"]))]
    owner_id: Option<Vec<String>>,
    /// Words: each must begin a word of the name, ignoring case and accents. Words after the eighth are ignored.
    #[param(min_length = 1, max_length = 200, example = "example")]
    q: Option<String>,
    /// `true`: only archived companies; default: only the others.
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
    /// The sort order. By `id`, a crawl through all pages sees each company that existed and matched throughout exactly
    /// once.
    #[param(inline)]
    sort: Option<CompanyOrder>,
    /// The most companies of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Create or update a company.
///
/// The company is found by its web domain; without one, by its name among the companies without a domain.
#[utoipa::path(tag = "companies", security(("bearer" = [LeadsWrite])), request_body = CompanyWrite, responses(
    (status = 201, description = "The company was created", body = CompanyView, headers(
        ("ETag" = String, description = "The company's version"), ("Location" = String, description = "The URL of the new record"))),
    (status = 200, description = "The company existed and was updated", body = CompanyView,
        headers(("ETag" = String, description = "The company's version")))))]
#[post("/v1/companies")]
async fn create_company(ctx: Ctx<LeadsWrite>, body: Json<CompanyWrite>) -> Reply<Upserted<CompanyView>> {
    let said = read(&body.0)?;
    ctx.actor().may_create_lead().map_err(Problem::from)?;
    let tx = ctx.begin().await?;
    let (company, is_new) = save(&tx, ctx.act(), &said).await?;
    let id = company.id;
    let tag = etag(company.version, 0);
    let view = CompanyView::of(company);
    let answer = match is_new {
        false => Upserted::Changed(Tagged::new(tag, view)),
        true => Upserted::Made(Created::at(format!("/v1/companies/{id}"), view).tagged(tag)),
    };
    ctx.commit(tx, answer).await
}

/// List companies.
///
/// Pages cost the same at any depth. `Prefer: return=total-count` adds the total.
#[utoipa::path(tag = "companies", params(CompaniesQuery), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "A page of companies", body = Listing<CompanyView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/companies")]
async fn list_companies(ctx: Ctx<LeadsRead>, query: Query<CompaniesQuery>) -> Reply<Listing<CompanyView>> {
    let query = query.0;
    let Order { sort, descending } = query.sort.unwrap_or(Order::by(CompanySort::Id));
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let bounds = [
        ("created_at_gte", query.created_at_gte),
        ("created_at_lt", query.created_at_lt),
        ("updated_at_gte", query.updated_at_gte),
        ("updated_at_lt", query.updated_at_lt),
    ];
    let is_by_stamps = matches!(sort, CompanySort::CreatedAt | CompanySort::UpdatedAt)
        || bounds.iter().any(|(_, bound)| bound.is_some());
    let horizon = ctx.horizon(is_by_stamps).await?;
    let [created_at_gte, created_at_lt, updated_at_gte, updated_at_lt] =
        bound::instants(ctx.db(), bounds).await?;
    let (owner_id, unowned) = owners(query.owner_id.as_deref(), ctx.person())?;
    let filter = CompanyFilter {
        owner_id,
        unowned,
        domain: query.domain.map(|domain| match Domain::of_company(&domain) {
            Ok(domain) => domain.as_str().to_owned(),
            // What is no domain is nobody's.
            Err(_) => domain,
        }),
        country: upper_case(query.country),
        q: query.q,
        archived: query.archived.unwrap_or(false),
        created_at_gte,
        created_at_lt: horizon.below(sort == CompanySort::CreatedAt, created_at_gte, created_at_lt),
        updated_at_gte,
        updated_at_lt: horizon.below(sort == CompanySort::UpdatedAt, updated_at_gte, updated_at_lt),
    };
    let limit = query.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let page = store::leads::company_list(ctx.db(), &filter, sort, descending, after, limit).await?;
    let total = match listing::wants_total(ctx.request()) {
        true => Some(store::leads::company_count(ctx.db(), &filter).await?),
        false => None,
    };
    let listing = Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |last| sort.position(last),
        CompanyView::of,
    );
    Ok(listing.counted(total))
}

/// Read a company.
#[utoipa::path(tag = "companies", params(CompanyPath), security(("bearer" = [LeadsRead])),
    responses((status = 200, description = "The company", body = CompanyView,
        headers(("ETag" = String, description = "The company's version")))))]
#[get("/v1/companies/{company_id}")]
async fn get_company(ctx: Ctx<LeadsRead>, path: Path<CompanyPath>) -> Reply<Tagged<CompanyView>> {
    let company = store::leads::company(ctx.db(), path.0.company_id).await?;
    Ok(Tagged::new(etag(company.version, 0), CompanyView::of(company)))
}

/// Update a company.
///
/// A JSON merge patch. The web domain identifies a company and cannot change. The search finds its leads by a new name
/// at once. The owner, a sales manager or revops may set the owner; a sales user may take a company without an owner.
#[utoipa::path(tag = "companies", params(CompanyPath), security(("bearer" = [LeadsWrite])),
    request_body = CompanyWrite,
    responses((status = 200, description = "The updated company", body = CompanyView,
        headers(("ETag" = String, description = "The company's version")))))]
#[patch("/v1/companies/{company_id}")]
async fn update_company(
    ctx: Ctx<LeadsWrite>,
    path: Path<CompanyPath>,
    patch: MergePatch<CompanyWrite>,
) -> Reply<Tagged<CompanyView>> {
    let id = path.0.company_id;
    let said = read(&patch.0)?;
    let only_owner = CompanyStatement {
        owner_id: said.owner_id,
        ..CompanyStatement::default()
    };
    if said != only_owner || said.owner_id.is_none() {
        may_edit(ctx.actor())?;
    }
    let tx = ctx.begin().await?;
    let company = edit(&tx, ctx.act(), id, &ctx.if_match(), &said).await?;
    let answer = Tagged::new(etag(company.version, 0), CompanyView::of(company));
    ctx.commit(tx, answer).await
}

/// Archive a company.
///
/// Lists omit archived companies by default. The company's leads and deals do not change. It stays archived until it is
/// restored, even if a lead, a form or an import names it again.
#[utoipa::path(tag = "companies", params(CompanyPath), security(("bearer" = [LeadsWrite])),
    responses((status = 200, description = "The updated company", body = CompanyView,
        headers(("ETag" = String, description = "The company's version")))))]
#[post("/v1/companies/{company_id}/archive")]
async fn archive_company(ctx: Ctx<LeadsWrite>, path: Path<CompanyPath>) -> Reply<Tagged<CompanyView>> {
    put_away(&ctx, path.0.company_id, true).await
}

/// Restore a company.
#[utoipa::path(tag = "companies", params(CompanyPath), security(("bearer" = [LeadsWrite])),
    responses((status = 200, description = "The updated company", body = CompanyView,
        headers(("ETag" = String, description = "The company's version")))))]
#[post("/v1/companies/{company_id}/restore")]
async fn restore_company(ctx: Ctx<LeadsWrite>, path: Path<CompanyPath>) -> Reply<Tagged<CompanyView>> {
    put_away(&ctx, path.0.company_id, false).await
}

async fn put_away(ctx: &Ctx<LeadsWrite>, id: CompanyId, away: bool) -> Reply<Tagged<CompanyView>> {
    let tx = ctx.begin().await?;
    let company = archive(&tx, ctx.act(), id, &ctx.if_match(), away).await?;
    let answer = Tagged::new(etag(company.version, 0), CompanyView::of(company));
    ctx.commit(tx, answer).await
}

/// Find a company by what is stated of it, or create it; answers whether it is new.
async fn save(tx: &Tx, act: &Act, said: &CompanyStatement) -> Result<(Company, bool), Problem> {
    let mut world = store::leads::world_for_companies(tx, [], Some(said)).await?;
    let known = save::find_company(&world, said, None);
    let owner = known.and_then(|id| world.companies.get(&id)?.owner_id);
    check_owner(tx, act, owner, said).await?;
    let saved = save::save_company(&mut world, known, said, act.now, act);
    let nameless = || {
        invalid(vec![Fault::new(
            "/domain",
            "required",
            "a company needs a web domain or a name",
        )])
    };
    let (id, changes) = saved.ok_or_else(nameless)?;
    store::settle(tx, &mut world, act, changes).await?;
    Ok((taken(&mut world, id)?, known.is_none()))
}

/// Change what is known of a company.
async fn edit(
    tx: &Tx,
    act: &Act,
    id: CompanyId,
    if_match: &IfMatch,
    said: &CompanyStatement,
) -> Result<Company, Problem> {
    let mut world = store::leads::world_for_companies(tx, [id], None).await?;
    let known = world
        .companies
        .get(&id)
        .ok_or_else(|| Problem::new(Code::NotFound))?;
    if_match.check(known.version, 0)?;
    let renamed = said
        .domain
        .as_ref()
        .is_some_and(|domain| Some(domain.as_str()) != known.domain.as_deref());
    if renamed {
        refuse(vec![Fault::new(
            "/domain",
            "read_only_field",
            "the web domain identifies a company and cannot change",
        )])?;
    }
    check_owner(tx, act, known.owner_id, said).await?;
    let saved = save::save_company(&mut world, Some(id), said, act.now, act);
    let changes = saved.map(|(_, changes)| changes).unwrap_or_default();
    store::settle(tx, &mut world, act, changes).await?;
    taken(&mut world, id)
}

/// Archive a company, or restore it.
async fn archive(
    tx: &Tx,
    act: &Act,
    id: CompanyId,
    if_match: &IfMatch,
    away: bool,
) -> Result<Company, Problem> {
    let mut world = store::leads::world_for_companies(tx, [id], None).await?;
    let company = world
        .companies
        .get_mut(&id)
        .ok_or_else(|| Problem::new(Code::NotFound))?;
    if_match.check(company.version, 0)?;
    let change = save::archive_company(company, away, act).map_err(Problem::from)?;
    store::settle(tx, &mut world, act, change).await?;
    taken(&mut world, id)
}

fn taken(world: &mut World, id: CompanyId) -> Result<Company, Problem> {
    let company = world.companies.remove(&id);
    company.ok_or_else(|| Problem::new(Code::InternalError))
}

fn read(body: &CompanyWrite) -> Result<CompanyStatement, Problem> {
    let mut faults = vec![];
    let said = CompanyStatement {
        owner_id: body.owner_id.change(),
        ..body.read("", &mut faults)
    };
    refuse(faults)?;
    Ok(said)
}

/// Refuse an owner whom the caller may not name, or who is no active user of sales.
async fn check_owner(
    tx: &Tx,
    act: &Act,
    owner: Option<UserId>,
    said: &CompanyStatement,
) -> Result<(), Problem> {
    let Some(to) = said.owner_id.filter(|to| *to != owner) else {
        return Ok(());
    };
    save::may_own_company(&act.by, owner, to)?;
    sells(tx, to).await
}

/// Its owner has no right over what a company is: who may edit any lead may edit it.
fn may_edit(actor: &Actor) -> Result<(), Problem> {
    actor.may_edit(None).map_err(Problem::from)
}
