//! Who calls: users, teams, keys, tokens; and how often.

pub mod admin;
mod gate;
mod identify;
mod keys;
mod login;
mod me;
pub mod scopes;
mod setup;
mod signing;
mod teams;
mod throttle;
mod users;

use std::time::Duration;

use tandem_domain::access::Actor;
use tandem_domain::act::Act;
use tandem_domain::fault::Fault;
use tandem_domain::id::{Id, Named, SessionId};
use tandem_store::{StoreError, Tx};

use crate::edge::caller::Caller;
use crate::edge::core::Core;
use crate::edge::crypto::password::{self, PolicyError};
use crate::edge::ctx::{Ctx, Permission};
use crate::edge::http::listing;
use crate::edge::http::problem::{Code, Problem, REQUEST_ID};
use crate::edge::http::services::Services;
use crate::edge::job::{Job, JobRun, Remaining};
use crate::edge::room::Room;

pub use gate::{Account, Gate, MOST_AGE};
pub use setup::ensure_setup_token;
pub use signing::{ensure_signing_key, key_fits};

/// This room.
pub const ROOM: Room = Room {
    identify: Some(identify::identify),
    jobs: &[Job::every("key_use", Duration::from_secs(15), |core, turn| {
        Box::pin(flush_key_use(core, turn))
    })],
    ..Room::of(configure)
};

fn configure(config: &mut Services<'_>) {
    config.service(setup::complete_setup);
    config
        .service(login::login)
        .service(login::refresh)
        .service(login::logout);
    config
        .service(me::get_me)
        .service(me::change_password)
        .service(me::accept_invitation);
    config
        .service(signing::get_jwks)
        .service(signing::rotate_signing_key);
    config.service(users::create_user).service(users::list_users);
    config
        .service(users::get_user)
        .service(users::update_user)
        .service(users::create_reset_token);
    config.service(teams::create_team).service(teams::list_teams);
    config.service(teams::get_team).service(teams::update_team);
    config
        .service(keys::create_api_key)
        .service(keys::list_api_keys)
        .service(keys::get_api_key);
    config.service(keys::rotate_api_key).service(keys::revoke_api_key);
}

/// Write down when keys were last used: to the minute, collected in memory since the last time.
async fn flush_key_use(core: &Core, turn: &JobRun) -> Result<Remaining, StoreError> {
    core.part::<Gate>().flush_uses(core, turn).await?;
    Ok(Remaining::Nothing)
}

/// Begin a transaction whose answer is not stored under an Idempotency-Key: it would hold tokens.
async fn begin_unkept<P: Permission>(ctx: &Ctx<P>, actor: Actor) -> Result<Tx, Problem> {
    let request_id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
    Ok(ctx
        .db()
        .begin(Act::new(actor, request_id, ctx.now(), ctx.ambient.seed()))
        .await?)
}

/// The session of the user who calls.
fn session<P: Permission>(ctx: &Ctx<P>) -> Option<SessionId> {
    use actix_web::HttpMessage;
    let extensions = ctx.request().extensions();
    extensions.get::<Caller>()?.identity.as_ref().ok()?.session
}

/// The id that a list goes on behind.
fn after<T: Named, P: Permission>(ctx: &Ctx<P>, cursor: Option<&str>) -> Result<Option<Id<T>>, Problem> {
    listing::after(&ctx.master, ctx.request(), cursor)
}

/// A name without the blanks around it, or a fault where nothing is left.
fn name(text: &str, faults: &mut Vec<Fault>) -> String {
    let name = text.trim();
    if name.is_empty() {
        faults.push(Fault::new("/name", "too_short", "must not be blank"));
    }
    name.to_owned()
}

/// What is wrong with a new password of the person with this e-mail and name.
fn password_faults(pointer: &str, password: &str, [email, name]: [&str; 2]) -> Vec<Fault> {
    let fault = |error: PolicyError| {
        let code = match error {
            PolicyError::TooShort => "too_short",
            PolicyError::TooLong => "too_long",
            PolicyError::Common => "too_common",
        };
        Fault::new(pointer, code, error)
    };
    password::check_policy(password, &[email, name])
        .err()
        .map(fault)
        .into_iter()
        .collect()
}

/// A unique value that somebody else was faster to take.
fn taken(error: StoreError) -> Problem {
    match error {
        StoreError::Conflict => Problem::new(Code::AlreadyExists),
        error => error.into(),
    }
}
