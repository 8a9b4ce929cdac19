//! Who calls: the credentials of a request, judged by the rights of this second.

use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::web;
use tandem_domain::access::{Actor, Person, Scope};
use tandem_domain::id::{SessionId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_store::StoreError;

use super::gate::Account;
use super::signing;
use crate::edge::crypto::secret::SecretKey;
use crate::edge::http::problem::{Code, Place, Problem, Violation};
use crate::program::app::App;

const ON_BEHALF_OF: &str = "X-On-Behalf-Of";

/// The caller of a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// When the request began.
    pub now: Timestamp,
    /// Who it is, or why nobody.
    pub identity: Result<Identity, Refused>,
}

/// Somebody with rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who acts.
    pub actor: Actor,
    /// What a key may do.
    pub scopes: Vec<Scope>,
    /// The session of a user.
    pub session: Option<SessionId>,
}

/// Why nobody is known to call. It becomes a problem where an operation demands somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    code: Code,
    detail: Option<&'static str>,
    header: Option<&'static str>,
    cause: Option<String>,
}

impl Refused {
    const fn new(code: Code) -> Self {
        Self {
            code,
            detail: None,
            header: None,
            cause: None,
        }
    }

    const fn saying(code: Code, detail: &'static str) -> Self {
        Self {
            code,
            detail: Some(detail),
            header: None,
            cause: None,
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        let cause = Some(error.to_string());
        Self {
            cause,
            ..Self::new(Problem::from(error).code())
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let mut problem = Problem::new(refused.code);
        if let Some(header) = refused.header {
            let detail = refused.detail.unwrap_or_default();
            problem = problem.errors(vec![Violation::new(
                Place::Header(header),
                "invalid_format",
                detail,
            )]);
        } else if let Some(detail) = refused.detail {
            problem = problem.detail(detail);
        }
        match refused.cause {
            Some(cause) => problem.because(cause),
            None => problem,
        }
    }
}

/// Who calls. The clock is read here, once for the request.
pub async fn identify(app: &web::Data<App>, request: &ServiceRequest) -> Caller {
    let now = app.ambient.now();
    Caller {
        now,
        identity: who(app, request.headers(), now).await,
    }
}

async fn who(app: &App, headers: &HeaderMap, now: Timestamp) -> Result<Identity, Refused> {
    let token = bearer(headers)?;
    let principal = on_behalf_of(headers)?;
    match SecretKey::parse(token) {
        Some(secret) => key(app, &secret, principal, now).await,
        None => user(app, token, principal, now).await,
    }
}

/// The bearer token of the one Authorization header.
fn bearer(headers: &HeaderMap) -> Result<&str, Refused> {
    let invalid = Refused::new(Code::InvalidToken);
    let mut given = headers.get_all(AUTHORIZATION);
    let Some(value) = given.next() else {
        return Err(Refused::new(Code::Unauthenticated));
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
fn on_behalf_of(headers: &HeaderMap) -> Result<Option<UserId>, Refused> {
    let mut given = headers.get_all("x-on-behalf-of");
    let Some(value) = given.next() else {
        return Ok(None);
    };
    let id = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    match (id, given.next()) {
        (Some(id), None) => Ok(Some(id)),
        _ => {
            let refused = Refused::saying(Code::InvalidHeader, "must be the id of one user");
            Err(Refused {
                header: Some(ON_BEHALF_OF),
                ..refused
            })
        }
    }
}

async fn user(
    app: &App,
    token: &str,
    principal: Option<UserId>,
    now: Timestamp,
) -> Result<Identity, Refused> {
    let invalid = || Refused::new(Code::InvalidToken);
    let (user_id, session_id) = signing::read(app, token, now).await?.ok_or_else(invalid)?;
    let session = app
        .gate
        .session(&app.db, session_id, now)
        .await?
        .ok_or_else(invalid)?;
    if session.user_id != user_id || !session.is_open_at(now) {
        return Err(invalid());
    }
    let person = active(app.gate.account(&app.db, user_id, now).await?).ok_or_else(invalid)?;
    if principal.is_some_and(|principal| principal != user_id) {
        return Err(Refused::saying(
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
    app: &App,
    secret: &SecretKey,
    principal: Option<UserId>,
    now: Timestamp,
) -> Result<Identity, Refused> {
    let found = app.gate.key(&app.db, secret.hash(), now).await?;
    let is_good = |found: &Arc<tandem_store::access::keys::Found>| {
        found.key.works_at(now) && found.secret_expires_at.is_none_or(|end| now < end)
    };
    let found = found.filter(is_good).ok_or(Refused::new(Code::InvalidToken))?;
    let on_behalf_of = match principal {
        None => None,
        Some(id) => {
            let nobody = Refused::saying(Code::WrongRole, "X-On-Behalf-Of names nobody who may act");
            Some(active(app.gate.account(&app.db, id, now).await?).ok_or(nobody)?)
        }
    };
    app.gate.note_use(found.key.id, now);
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
            .map_err(|refused| refused.code)
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
            on_behalf_of(request.headers()).map_err(|refused| refused.code)
        };
        assert!(read("user_01h455vb4pex5vsknk084sn02q").is_ok_and(|id| id.is_some()));
        for value in ["", "ada", "team_01h455vb4pex5vsknk084sn02q"] {
            assert_eq!(read(value), Err(Code::InvalidHeader), "{value}");
        }
    }
}
