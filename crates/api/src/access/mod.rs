//! Who calls: users, teams, keys, tokens.

pub mod limits;
pub mod scopes;

use actix_web::dev::ServiceRequest;
use actix_web::web;
use tandem_domain::access::{Actor, Scope};
use tandem_domain::instant::Timestamp;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::app::App;
use crate::http::problem::{Code, Problem};

/// Caches of who may come in.
#[derive(Debug, Default)]
pub struct Gate;

impl Gate {
    /// Empty caches.
    pub fn new() -> Self {
        Self
    }
}

/// The caller of a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// When the request began.
    pub now: Timestamp,
    /// Who it is, or why nobody.
    pub identity: Result<Identity, Code>,
}

/// Somebody with rights.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Who acts.
    pub actor: Actor,
    /// What a key may do.
    pub scopes: Vec<Scope>,
}

/// Who calls.
pub async fn identify(app: &web::Data<App>, _: &ServiceRequest) -> Caller {
    Caller {
        now: app.ambient.now(),
        identity: Err(Code::Unauthenticated),
    }
}

/// A credential in an address would end in logs.
pub fn refuse_credentials_in_url(_: &ServiceRequest) -> Result<(), Problem> {
    Ok(())
}

/// The operations of this room.
pub fn configure(_: &mut ServiceConfig<'_>) {}

/// Make the first signing key, if there is none.
pub async fn ensure_signing_key(_: &App) -> Result<(), tandem_store::StoreError> {
    Ok(())
}

/// Write down when keys were last used.
pub async fn flush_key_use(_: &App) -> Result<(), tandem_store::StoreError> {
    Ok(())
}

/// While no user exists, make a new set-up token and return it.
pub async fn ensure_setup_token(_: &App) -> Result<Option<String>, tandem_store::StoreError> {
    Ok(None)
}

pub mod admin;
