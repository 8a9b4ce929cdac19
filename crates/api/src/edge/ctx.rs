//! `Ctx<Scope>`: the only key to the database in a handler. Its type names the permission.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use std::future::{Ready, ready};
use tandem_domain::access::{Actor, Denied, Person, Scope};
use tandem_domain::act::Act;
use tandem_domain::id::Ids;
use tandem_domain::instant::Timestamp;
use tandem_store::{Db, Horizon, Snapshot, StoreError, Tx, idempotency};

use crate::edge::caller::{Caller, Identity};
use crate::edge::core::Core;
use crate::edge::crypto::password::PasswordError;
use crate::edge::crypto::{hex, sha256};
use crate::edge::http::problem::{Code, Location, Problem, REQUEST_ID, StoredAnswer, Violation};
use crate::edge::http::query::checked_query;
use crate::edge::http::reply::{Answer, IfMatch, Reply};
use crate::edge::http::request::{BodyHash, Commits};
use crate::edge::room::PathRule;

/// What a handler demands of its caller.
pub trait Permission: 'static {
    /// The scopes; none for an open door.
    const SCOPES: &'static [Scope];
    /// Scopes that suffice instead; the handler decides what they allow.
    const ALTERNATIVE: &'static [Scope] = &[];
}

/// An open door: strangers may pass.
#[derive(Debug, Clone, Copy)]
pub struct Public;

impl Permission for Public {
    const SCOPES: &'static [Scope] = &[];
}

/// Who calls, when, in which request; and, by its type, that the caller may.
pub struct Ctx<P> {
    core: web::Data<Core>,
    request: HttpRequest,
    act: Act,
    /// The same at the instant of the transaction, once that has begun.
    begun: OnceLock<Act>,
    identity: Identity,
    idempotency_key: Option<String>,
    has_transaction: AtomicBool,
    permission: PhantomData<P>,
}

/// An `Idempotency-Key`, hashed with its principal, method and path, and the body that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The hash under which the answer is kept.
    pub key_hash: String,
    /// The hash of the body.
    pub body_hash: String,
}

/// A part of a request whose transaction has begun.
pub enum Part {
    /// It is to be done.
    New(Tx),
    /// It was done when the request came before, with this answer.
    Done(StoredAnswer),
}

/// The name of the n-th part of a request among the keys of answers.
fn part_of(key_hash: &str, n: usize) -> String {
    hex(&sha256(format!("{key_hash}\u{0}{n}").as_bytes()))
}

impl Once {
    /// What is kept of an answer that was given under it, where the answer names no lead.
    pub fn record(&self, answer: &StoredAnswer) -> idempotency::Record {
        idempotency::Record {
            body_hash: self.body_hash.clone(),
            status: answer.status,
            headers: answer.headers.clone(),
            body: String::from_utf8_lossy(&answer.body).into_owned(),
            lead_ids: vec![],
        }
    }
}

impl<P: Permission> FromRequest for Ctx<P> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(admit(request))
    }
}

fn admit<P: Permission>(request: &HttpRequest) -> Result<Ctx<P>, Problem> {
    let bug = |what: &str| Problem::new(Code::InternalError).because(what);
    let core = request
        .app_data::<web::Data<Core>>()
        .ok_or_else(|| bug("the core is not in the application's data"))?;
    let caller = request
        .extensions()
        .get::<Caller>()
        .cloned()
        .ok_or_else(|| bug("the caller was not identified"))?;
    let identity = match P::SCOPES {
        [] => Identity {
            actor: Actor::System("public"),
            scopes: vec![],
            session: None,
        },
        scopes => {
            let identity = caller.identity?;
            let has = |scopes: &[Scope]| scopes.iter().try_for_each(|scope| demand(&identity, *scope));
            let is_admitted = !P::ALTERNATIVE.is_empty() && has(P::ALTERNATIVE).is_ok();
            if !is_admitted {
                has(scopes)?;
            }
            identity
        }
    };
    checked_query(request)?;
    let idempotency_key = idempotency_key(request)?;
    let request_id = REQUEST_ID.try_with(Clone::clone).unwrap_or_default();
    Ok(Ctx {
        core: core.clone(),
        request: request.clone(),
        act: Act::new(
            identity.actor.clone(),
            request_id,
            caller.now,
            core.ambient.seed(),
        ),
        begun: OnceLock::new(),
        identity,
        idempotency_key,
        has_transaction: AtomicBool::new(false),
        permission: PhantomData,
    })
}

fn demand(identity: &Identity, scope: Scope) -> Result<(), Problem> {
    match identity.grants(scope) {
        true => Ok(()),
        false => Err(Problem::new(Code::InsufficientScope).with("scope", scope.name())),
    }
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, Problem> {
    if request.method() != Method::POST {
        return Ok(None);
    }
    let Some(value) = request.headers().get("idempotency-key") else {
        return Ok(None);
    };
    let malformed = || {
        let detail = "must be 1 to 255 visible ASCII characters";
        Problem::new(Code::InvalidHeader).errors(vec![Violation::new(
            Location::Header("Idempotency-Key"),
            "invalid_format",
            detail,
        )])
    };
    let key = value.to_str().map_err(|_| malformed())?;
    let is_sound = (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if is_sound {
        Ok(Some(key.to_owned()))
    } else {
        Err(malformed())
    }
}

impl<P: Permission> Ctx<P> {
    /// Begin the one write transaction of this request, at whose instant it acts from now on. A known `Idempotency-Key` ends
    /// here, with its kept answer.
    pub async fn begin(&self) -> Result<Tx, Problem> {
        debug_assert!(
            !self.has_transaction.swap(true, Ordering::Relaxed),
            "one transaction per request"
        );
        let tx = self.core.db.begin(self.act.clone()).await?;
        let _ = self.begun.set(tx.act().clone());
        if let Some(key) = self.key_hash(&self.principal())
            && let Some(kept) = self.kept(&tx, &[&key]).await?.remove(&key)
        {
            return Err(Problem::kept(kept));
        }
        Ok(tx)
    }

    /// Begin the transaction of the n-th part of a request that is too long for one, so that nobody waits for all of it. A known
    /// `Idempotency-Key` ends here, with the answer to the whole request; or with the answer to this part, where only so much of
    /// it was done.
    pub async fn begin_part(&self, n: usize) -> Result<Part, Problem> {
        let tx = self.core.db.begin(self.act.clone()).await?;
        let _ = self.begun.set(tx.act().clone());
        let Some(key) = self.key_hash(&self.principal()) else {
            return Ok(Part::New(tx));
        };
        let part = part_of(&key, n);
        let mut kept = self.kept(&tx, &[&key, &part]).await?;
        if let Some(whole) = kept.remove(&key) {
            return Err(Problem::kept(whole));
        }
        Ok(kept.remove(&part).map_or(Part::New(tx), Part::Done))
    }

    /// The answers that were given under keys of this request.
    async fn kept(&self, tx: &Tx, keys: &[&str]) -> Result<HashMap<String, StoredAnswer>, Problem> {
        let found = idempotency::find_all(tx, keys)
            .await
            .map_err(|error| match error {
                StoreError::Locked => Problem::new(Code::RequestInProgress).retry_after(1),
                error => error.into(),
            })?;
        let body_hash = self.body_hash();
        let kept = found
            .into_iter()
            .map(|(key, record)| match record.body_hash == body_hash {
                true => Ok((key, StoredAnswer::of(&record))),
                false => Err(Problem::new(Code::IdempotencyKeyReused)),
            });
        kept.collect()
    }

    /// What this request does: the argument of every action. Once its transaction has begun, it acts at that instant.
    pub fn act(&self) -> &Act {
        self.begun.get().unwrap_or(&self.act)
    }

    /// What this request does, by an actor whom only the handler knows.
    pub fn act_as(&self, actor: Actor) -> Act {
        self.act.with_actor(actor)
    }

    /// The `Idempotency-Key` of this request among those of a principal, for work that is done elsewhere.
    pub fn once(&self, principal: &str) -> Option<Once> {
        let key_hash = self.key_hash(principal)?;
        Some(Once {
            key_hash,
            body_hash: self.body_hash(),
        })
    }

    /// The `Idempotency-Key` of this request among those of its caller, for work that is done elsewhere.
    pub fn once_by_caller(&self) -> Option<Once> {
        self.once(&self.principal())
    }

    /// How the request tells that it is being made durable.
    pub fn commits(&self) -> Commits {
        let extensions = self.request.extensions();
        extensions.get::<Commits>().cloned().unwrap_or_default()
    }

    /// Commit, with the record of the idempotent request in the same transaction, and answer.
    pub async fn commit<A: Answer>(&self, tx: Tx, answer: A) -> Reply<A> {
        if let Some(key) = self.key_hash(&self.principal()) {
            idempotency::keep(&tx, &key, &self.record(&answer)).await?;
        }
        self.commit_alone(tx).await?;
        Ok(answer)
    }

    /// Commit the n-th part of a request, with the record of its answer in the same transaction.
    pub async fn commit_part<A: Answer>(&self, tx: Tx, n: usize, answer: &A) -> Result<(), Problem> {
        if let Some(key) = self.key_hash(&self.principal()) {
            idempotency::keep(&tx, &part_of(&key, n), &self.record(answer)).await?;
        }
        self.commit_alone(tx).await
    }

    /// What is stored of an answer under the key of this request.
    fn record<A: Answer>(&self, answer: &A) -> idempotency::Record {
        let StoredAnswer {
            status,
            headers,
            body,
        } = answer.keep();
        idempotency::Record {
            body_hash: self.body_hash(),
            status,
            headers,
            body: String::from_utf8(body).unwrap_or_default(),
            lead_ids: answer.lead_ids(),
        }
    }

    async fn commit_alone(&self, tx: Tx) -> Result<(), Problem> {
        let commits = self.commits();
        commits.begin();
        tx.commit().await?;
        commits.end();
        Ok(())
    }

    /// Refuse, and commit what is to be known of it all the same. No answer is kept: a repetition is checked again.
    pub async fn refuse<A>(&self, tx: Tx, problem: Problem) -> Reply<A> {
        self.commit_alone(tx).await?;
        Err(problem)
    }

    /// Reads of one instant.
    pub async fn snapshot(&self) -> Result<Snapshot, Problem> {
        Ok(self.core.db.snapshot().await?)
    }

    /// The horizon of a list that goes by stamps of writing; none for one that does not. Comes before the snapshot.
    pub async fn horizon(&self, is_by_stamps: bool) -> Result<Horizon, Problem> {
        match is_by_stamps {
            true => Ok(self.core.db.horizon().await?),
            false => Ok(Horizon::default()),
        }
    }

    /// Reads of one instant for a report: on the replica, with more time.
    pub async fn report(&self) -> Result<Snapshot, Problem> {
        Ok(self.core.db.report().await?)
    }

    /// One query on any reader.
    pub fn db(&self) -> &Db {
        &self.core.db
    }

    /// What handlers share.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The request itself: headers, path and query.
    pub fn request(&self) -> &HttpRequest {
        &self.request
    }

    /// Who acts.
    pub fn actor(&self) -> &Actor {
        &self.act.by
    }

    /// Refuse a caller who lacks a scope that only the record's kind decides.
    pub fn demand(&self, scope: Scope) -> Result<(), Problem> {
        demand(&self.identity, scope)
    }

    /// The person whose rights count, if any.
    pub fn person(&self) -> Option<&Person> {
        self.act.by.person()
    }

    /// Whether the caller may use operations with this scope too.
    pub fn grants(&self, scope: Scope) -> bool {
        self.identity.grants(scope)
    }

    /// When the request acts: the instant at which its transaction began, or before that the request itself.
    pub fn now(&self) -> Timestamp {
        self.act().now
    }

    /// Where ids come from.
    pub fn ids(&self) -> &Ids {
        &self.act().ids
    }

    /// Whether the caller's `If-Match` names this version.
    pub fn check_if_match(&self, version: i64) -> Result<(), Problem> {
        self.if_match().check(version, 0)
    }

    /// The caller's `If-Match`, for an action that compares it once the record is locked.
    pub fn if_match(&self) -> IfMatch {
        IfMatch::of(&self.request)
    }

    fn principal(&self) -> String {
        let actor = &self.act.by;
        let behalf = actor.on_behalf_of().map(|user| format!("/{user}"));
        format!(
            "{}/{}{}",
            actor.kind().name(),
            actor.id(),
            behalf.unwrap_or_default()
        )
    }

    fn key_hash(&self, principal: &str) -> Option<String> {
        let key = self.idempotency_key.as_ref()?;
        let parts = [
            principal,
            self.request.method().as_str(),
            self.request.path(),
            key,
        ];
        Some(hex(&sha256(parts.join("\u{0}").as_bytes())))
    }

    fn body_hash(&self) -> String {
        let hash = self
            .request
            .extensions()
            .get::<BodyHash>()
            .map(|hash| hash.0)
            .unwrap_or_default();
        // Two requests that differ in ignored parameters alone are the same.
        let query = match PathRule::of_request(&self.request).ignores_unknown {
            true => "",
            false => self.request.query_string(),
        };
        hex(&sha256(&[&hash[..], query.as_bytes()].concat()))
    }
}

impl<P> Deref for Ctx<P> {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Problem::new(Code::NotFound),
            StoreError::Conflict => Problem::new(Code::Conflict),
            StoreError::Contended | StoreError::Locked => Problem::new(Code::Unavailable).retry_after(1),
            StoreError::Unavailable(_) | StoreError::TooSlow(_) => {
                Problem::new(Code::Unavailable).retry_after(1).because(error)
            }
            // 503 would say "not processed"; who hears 500 repeats the request with its Idempotency-Key.
            StoreError::Unknown(_)
            | StoreError::Corrupt(_)
            | StoreError::Foreign
            | StoreError::Internal(_) => Problem::new(Code::InternalError).because(error),
        }
    }
}

impl From<Denied> for Problem {
    fn from(reason: Denied) -> Self {
        let code = match reason {
            Denied::NotOwner => Code::NotOwner,
            Denied::WrongRole | Denied::NeedsPerson => Code::WrongRole,
        };
        Problem::new(code).detail(reason.to_string())
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Problem::new(Code::Overloaded).retry_after(1),
            PasswordError::Corrupt | PasswordError::Failed => {
                Problem::new(Code::InternalError).because(error)
            }
        }
    }
}
