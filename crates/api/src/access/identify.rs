//! Who calls: the credentials of a request, judged by the rights of this second.

use std::sync::Arc;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use futures::future::LocalBoxFuture;
use tandem_domain::access::{Actor, Person};
use tandem_domain::id::UserId;
use tandem_domain::instant::Timestamp;

use super::gate::{Account, Gate};
use super::signing;
use crate::edge::caller::{Identity, NotAuthenticated};
use crate::edge::core::Core;
use crate::edge::crypto::secret::SecretKey;
use crate::edge::http::problem::Code;

const ON_BEHALF_OF: &str = "X-On-Behalf-Of";

/// Who calls, by the rights of this second.
pub fn identify<'a>(
    core: &'a Core,
    headers: &'a HeaderMap,
    now: Timestamp,
) -> LocalBoxFuture<'a, Result<Identity, NotAuthenticated>> {
    Box::pin(async move {
        let token = bearer(headers)?;
        let principal = on_behalf_of(headers)?;
        match SecretKey::parse(token) {
            Some(secret) => key(core, &secret, principal, now).await,
            None => user(core, token, principal, now).await,
        }
    })
}

/// The bearer token of the one Authorization header.
fn bearer(headers: &HeaderMap) -> Result<&str, NotAuthenticated> {
    let invalid = NotAuthenticated::new(Code::InvalidToken);
    let mut given = headers.get_all(AUTHORIZATION);
    let Some(value) = given.next() else {
        return Err(NotAuthenticated::new(Code::Unauthenticated));
    };
    let (None, Ok(text)) = (given.next(), value.to_str()) else {
        return Err(invalid);
    };
    match text.trim().split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim_start()),
        _ => Err(invalid),
    }
}

/// The user in whose name a key wants to act.
fn on_behalf_of(headers: &HeaderMap) -> Result<Option<UserId>, NotAuthenticated> {
    let mut given = headers.get_all("x-on-behalf-of");
    let Some(value) = given.next() else {
        return Ok(None);
    };
    let id = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    match (id, given.next()) {
        (Some(id), None) => Ok(Some(id)),
        _ => Err(
            NotAuthenticated::saying(Code::InvalidHeader, "must be the id of one user")
                .in_header(ON_BEHALF_OF),
        ),
    }
}

async fn user(
    core: &Core,
    token: &str,
    principal: Option<UserId>,
    now: Timestamp,
) -> Result<Identity, NotAuthenticated> {
    let invalid = || NotAuthenticated::new(Code::InvalidToken);
    let (user_id, session_id) = signing::read(core, token, now).await?.ok_or_else(invalid)?;
    let gate: &Gate = core.part();
    let session = gate
        .session(&core.db, session_id, now)
        .await?
        .ok_or_else(invalid)?;
    if session.user_id != user_id || !session.is_open_at(now) {
        return Err(invalid());
    }
    let person = active(gate.account(&core.db, user_id, now).await?).ok_or_else(invalid)?;
    if principal.is_some_and(|principal| principal != user_id) {
        return Err(NotAuthenticated::saying(
            Code::WrongRole,
            "Only a secret key acts on behalf of a user",
        ));
    }
    Ok(Identity {
        actor: Actor::User(person),
        scopes: vec![],
        session: Some(session_id),
    })
}

async fn key(
    core: &Core,
    secret: &SecretKey,
    principal: Option<UserId>,
    now: Timestamp,
) -> Result<Identity, NotAuthenticated> {
    let gate: &Gate = core.part();
    let found = gate.key(&core.db, secret.hash(), now).await?;
    let is_good = |found: &Arc<tandem_store::access::keys::KeyMatch>| {
        found.key.works_at(now) && found.secret_expires_at.is_none_or(|end| now < end)
    };
    let found = found
        .filter(is_good)
        .ok_or(NotAuthenticated::new(Code::InvalidToken))?;
    let on_behalf_of = match principal {
        None => None,
        Some(id) => {
            let nobody =
                NotAuthenticated::saying(Code::WrongRole, "X-On-Behalf-Of names no user who may act");
            Some(active(gate.account(&core.db, id, now).await?).ok_or(nobody)?)
        }
    };
    gate.note_use(found.key.id, now);
    let actor = Actor::Key {
        id: found.key.id,
        on_behalf_of,
    };
    Ok(Identity {
        actor,
        scopes: found.key.scopes.clone(),
        session: None,
    })
}

fn active(account: Option<Arc<Account>>) -> Option<Person> {
    account
        .filter(|account| !account.is_disabled)
        .map(|account| account.person.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn read(values: &[&str]) -> Result<String, Code> {
        let mut request = TestRequest::default();
        for value in values {
            request = request.append_header((AUTHORIZATION, *value));
        }
        let request = request.to_srv_request();
        bearer(request.headers())
            .map(str::to_owned)
            .map_err(|refused| refused.code())
    }

    #[test]
    fn a_bearer_token_is_taken_in_any_case_of_the_scheme() {
        assert_eq!(read(&["Bearer abc"]), Ok("abc".into()));
        assert_eq!(read(&["bEARER  abc "]), Ok("abc".into()));
    }

    #[test]
    fn anything_else_is_no_token() {
        assert_eq!(read(&[]), Err(Code::Unauthenticated));
        for values in [
            &["Basic YTpi"][..],
            &["Bearer"],
            &["abc"],
            &["Bearer a", "Bearer b"],
            &[""],
        ] {
            assert_eq!(read(values), Err(Code::InvalidToken), "{values:?}");
        }
    }

    #[test]
    fn a_key_acts_for_one_user_by_its_id() {
        let read = |value: &str| {
            let request = TestRequest::default()
                .insert_header(("x-on-behalf-of", value))
                .to_srv_request();
            on_behalf_of(request.headers()).map_err(|refused| refused.code())
        };
        assert!(read("user_01h455vb4pex5vsknk084sn02q").is_ok_and(|id| id.is_some()));
        for value in ["", "ada", "team_01h455vb4pex5vsknk084sn02q"] {
            assert_eq!(read(value), Err(Code::InvalidHeader), "{value}");
        }
    }
}
