//! Objections in words over HTTP: those that no code is known for, and mapping them.

use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use tandem_domain::activities::objections::{self, MappingError, objection_key};
use tandem_domain::instant::Timestamp;
use tandem_store as store;
use tandem_store::activities::mapping::{self as stored, Unmapped};
use utoipa::{IntoParams, ToSchema};

use crate::access::scopes::{ActivitiesRead, ActivitiesWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::Json;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::Query;
use crate::edge::http::reply::Reply;
use crate::edge::http::services::Services;

/// The operations about objections.
pub fn configure(config: &mut Services<'_>) {
    config.service(list_unmapped_objections).service(map_objection);
}

/// Objections in the same words that no code is known for.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnmappedObjectionView {
    /// The words, as one of the objections has them.
    #[schema(max_length = 500, example = "Wants to host it itself")]
    text: String,
    /// How many objections are in these words.
    #[schema(minimum = 1)]
    count: i64,
    /// When the first was raised.
    first_at: Timestamp,
    /// When the last was raised.
    last_at: Timestamp,
}

impl From<Unmapped> for UnmappedObjectionView {
    fn from(unmapped: Unmapped) -> Self {
        Self {
            text: unmapped.text,
            count: unmapped.count,
            first_at: unmapped.first_at,
            last_at: unmapped.last_at,
        }
    }
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct UnmappedQuery {
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 4096)]
    cursor: Option<String>,
}

/// Words and their code.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MapObjection {
    /// The words of the objection. Case, accents, repeated spaces and marks at the end do not matter.
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = r"\S",
        example = "Wants to host it itself"
    )]
    text: String,
    /// A code in the agreement's list `objection`.
    #[schema(min_length = 1, max_length = 64, example = "missing_feature")]
    code: String,
}

/// Words that are mapped to a code.
#[derive(Debug, Serialize, ToSchema)]
pub struct MappedObjectionView {
    /// The words, as they were mapped first.
    #[schema(max_length = 500, example = "Wants to host it itself")]
    text: String,
    /// The code.
    #[schema(max_length = 64, example = "missing_feature")]
    code: String,
    /// How many recorded objections got the code by this request.
    #[schema(minimum = 0)]
    count: i64,
}

/// List objections that have no code.
///
/// Objections in words that no code is known for, of activities, conversations and closed deals; those in the same words are one
/// item, in alphabetical order.
#[utoipa::path(tag = "activities", params(UnmappedQuery), security(("bearer" = [ActivitiesRead])),
    responses((status = 200, description = "A page of objections", body = Listing<UnmappedObjectionView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/objections/unmapped")]
async fn list_unmapped_objections(
    ctx: Ctx<ActivitiesRead>,
    query: Query<UnmappedQuery>,
) -> Reply<Listing<UnmappedObjectionView>> {
    let after: Option<String> = listing::after(&ctx.master, ctx.request(), query.0.cursor.as_deref())?;
    let limit = query.0.limit.unwrap_or(DEFAULT_LIMIT);
    let page = stored::unmapped(ctx.db(), after, limit).await?;
    let position = |last: &Unmapped| last.key.clone();
    let view = UnmappedObjectionView::from;
    Ok(Listing::of(&ctx.master, ctx.request(), page, position, view))
}

/// Map an objection to a code.
///
/// Every recorded objection in these words gets the code, and every later one. The same words again map them to another
/// code. By users of marketing and admins.
#[utoipa::path(tag = "activities", security(("bearer" = [ActivitiesWrite])), request_body = MapObjection,
    responses((status = 200, description = "The words with their code", body = MappedObjectionView)))]
#[post("/v1/objections/map")]
async fn map_objection(
    ctx: Ctx<ActivitiesWrite>,
    body: Json<MapObjection>,
) -> Reply<Json<MappedObjectionView>> {
    let MapObjection { text, code } = body.0;
    let key = objection_key(&text);
    let tx = ctx.begin().await?;
    let known = stored::mapping_for_update(&tx, &key).await?;
    let agreement = tx.rules().agreement.clone();
    let mapped = objections::map_objection(known.as_ref(), &text, code, &agreement.agreement, ctx.act());
    let (mapping, change) = mapped.map_err(refused)?;
    store::write_records(&tx, change).await?;
    let count = stored::apply_mapping(&tx, &key, &mapping.code).await?;
    let answer = MappedObjectionView {
        text: mapping.text,
        code: mapping.code,
        count: count as i64,
    };
    ctx.commit(tx, Json(answer)).await
}

fn refused(refused: MappingError) -> Problem {
    match refused {
        MappingError::Denied(reason) => reason.into(),
        MappingError::Invalid(faults) => invalid(faults),
    }
}
