//! What both teams agreed: stages and reasons, as a versioned document.

use actix_web::get;
use serde::Serialize;
use tandem_domain::agreement::Agreement;
use tandem_domain::instant::Timestamp;
use tandem_store as store;
use utoipa::ToSchema;

use crate::access::scopes::AgreementsRead;
use crate::edge::ctx::Ctx;
use crate::edge::http::json::Json;
use crate::edge::http::reply::Reply;
use crate::edge::http::services::Services;
use crate::edge::room::Room;

/// This room.
pub const ROOM: Room = Room::of(configure);

fn configure(config: &mut Services<'_>) {
    config.service(get_current_agreement);
}

/// A version of the agreement.
#[derive(Debug, Serialize, ToSchema)]
pub struct AgreementView {
    /// Counts from 1; every stage change names the version that it was judged by.
    #[schema(minimum = 1, example = 1)]
    version: i64,
    /// Whether it is the one that a new installation starts with, signed by nobody.
    provisional: bool,
    /// Since when it is in force.
    effective_at: Option<Timestamp>,
    /// What it says.
    document: Agreement,
}

/// Read the agreement in force.
///
/// What the stages demand, what the teams promise each other, and the reasons with what each leads to.
#[utoipa::path(tag = "agreement", security(("bearer" = [AgreementsRead])),
    responses((status = 200, description = "The version in force", body = AgreementView)))]
#[get("/v1/agreements/current")]
async fn get_current_agreement(ctx: Ctx<AgreementsRead>) -> Reply<Json<AgreementView>> {
    let snapshot = ctx.snapshot().await?;
    let current = store::rules::read(&snapshot).await?.agreement.clone();
    let effective_at = store::agreement::effective_at(&snapshot, current.number).await?;
    Ok(Json(AgreementView {
        version: current.number,
        provisional: current.provisional,
        effective_at,
        document: current.agreement,
    }))
}
