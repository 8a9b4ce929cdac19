//! Who calls: what one room finds out, and every handler relies on.

use tandem_domain::access::{Actor, Scope};
use tandem_domain::id::SessionId;
use tandem_domain::instant::Timestamp;
use tandem_store::StoreError;

use super::http::problem::{Code, Location, Problem, Violation};

/// The caller of a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// When the request began.
    pub now: Timestamp,
    /// Who it is, or why nobody.
    pub identity: Result<Identity, NotAuthenticated>,
}

/// The authenticated caller, with its scopes.
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
pub struct NotAuthenticated {
    code: Code,
    detail: Option<&'static str>,
    header: Option<&'static str>,
    cause: Option<String>,
}

impl NotAuthenticated {
    /// With a code alone.
    pub const fn new(code: Code) -> Self {
        Self {
            code,
            detail: None,
            header: None,
            cause: None,
        }
    }

    /// With a detail for the caller.
    pub const fn saying(code: Code, detail: &'static str) -> Self {
        Self {
            code,
            detail: Some(detail),
            header: None,
            cause: None,
        }
    }

    /// Because of a header, which the detail is about.
    pub fn in_header(self, header: &'static str) -> Self {
        Self {
            header: Some(header),
            ..self
        }
    }

    /// The problem that it becomes.
    pub const fn code(&self) -> Code {
        self.code
    }
}

impl From<StoreError> for NotAuthenticated {
    fn from(error: StoreError) -> Self {
        let cause = Some(error.to_string());
        Self {
            cause,
            ..Self::new(Problem::from(error).code())
        }
    }
}

impl From<NotAuthenticated> for Problem {
    fn from(refused: NotAuthenticated) -> Self {
        let mut problem = Problem::new(refused.code);
        if let Some(header) = refused.header {
            let detail = refused.detail.unwrap_or_default();
            problem = problem.errors(vec![Violation::new(
                Location::Header(header),
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

impl Identity {
    /// Whether the caller may use an operation with this scope.
    pub fn grants(&self, scope: Scope) -> bool {
        match &self.actor {
            Actor::User(person) => person.grants(scope),
            Actor::Key { .. } => self.scopes.contains(&scope),
            Actor::Form(_) | Actor::System(_) => false,
        }
    }
}
