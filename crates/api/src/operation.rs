//! Whether the service lives and is ready; and what its problems mean.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::header::{Accept, CACHE_CONTROL, Header as _, VARY};
use actix_web::{HttpRequest, HttpResponse, Responder, get};
use serde::{Deserialize, Serialize};
use tandem_store::StoreError;
use utoipa::{IntoParams, ToSchema};

use crate::ambient::Stopwatch;
use crate::edge::core::Core;
use crate::edge::ctx::{Ctx, Public};
use crate::edge::http::json::Json;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::Path;
use crate::edge::http::reply::Reply;
use crate::edge::http::services::Services;
use crate::edge::room::Room;

/// How long the database may take to answer a service that is ready.
const PATIENCE: Duration = Duration::from_secs(2);
/// For how long a write by a probe counts.
const PROBED: Duration = Duration::from_secs(1);
/// The catalogue is part of the program: it changes with a new version only.
const FOR_AN_HOUR: &str = "public, max-age=3600";

/// This room.
pub const ROOM: Room = Room::of(configure);

fn configure(config: &mut Services<'_>) {
    config.service(get_liveness).service(get_readiness);
    config.service(list_problems).service(get_problem);
}

/// The health of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
struct Health {
    /// The service's state.
    status: HealthStatus,
}

/// A state in which a service answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum HealthStatus {
    /// All is well.
    Ok,
}

/// A problem type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct ProblemKind {
    /// The problem's `code`.
    code: Code,
    /// The problem's `type`: the URL of this page.
    #[schema(
        format = "uri-reference",
        max_length = 64,
        example = "/problems/validation-failed"
    )]
    r#type: String,
    /// A short title of the problem.
    #[schema(max_length = 128, example = "Validation failed")]
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, example = 422)]
    status: u16,
    /// What the problem means, and how to handle it.
    #[schema(max_length = 2048)]
    explanation: &'static str,
}

/// All problem types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct ProblemKinds {
    /// The problem types, by status.
    #[schema(max_items = 200)]
    data: Vec<ProblemKind>,
}

/// Which problem.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ProblemPath {
    /// The last segment of a problem's `type`.
    #[param(
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z-]+$",
        example = "validation-failed"
    )]
    slug: String,
}

/// Report whether the process is running.
///
/// Does not use the database. Restart a process that does not answer.
#[utoipa::path(tag = "operation", security(()),
    responses((status = 200, description = "The process is running", body = Health)))]
#[get("/livez")]
async fn get_liveness(_ctx: Ctx<Public>) -> Json<Health> {
    Json(Health {
        status: HealthStatus::Ok,
    })
}

/// Report whether the service is ready.
///
/// The service is ready while the database answers and is writable, its disk has room, and the service is not stopping. Else the answer is
/// `503`: route requests elsewhere, but do not restart the process.
#[utoipa::path(tag = "operation", security(()),
    responses((status = 200, description = "The service is ready", body = Health)))]
#[get("/readyz")]
async fn get_readiness(ctx: Ctx<Public>) -> Reply<Json<Health>> {
    let not_ready = |why: &str| Problem::new(Code::Unavailable).retry_after(1).because(why);
    if ctx.is_draining.load(Ordering::SeqCst) || ctx.is_stopping.load(Ordering::SeqCst) {
        return Err(not_ready("the service is stopping"));
    }
    match tokio::time::timeout(PATIENCE, probe(&ctx)).await {
        Ok(answered) => answered?,
        Err(_) => return Err(not_ready("the database does not answer")),
    }
    Ok(Json(Health {
        status: HealthStatus::Ok,
    }))
}

/// When the database was last written to by a probe of this process.
#[derive(Debug, Default)]
pub struct Probe(Mutex<Option<Stopwatch>>);

/// Whether the database answers, is still the file that was opened, has room, and can be written to: by the heartbeat of this replica,
/// once a second at most.
async fn probe(core: &Core) -> Result<(), StoreError> {
    core.db.ping().await?;
    core.db.check_room()?;
    let known = core.part::<Probe>();
    let last = *known.0.lock().unwrap_or_else(PoisonError::into_inner);
    if last.is_some_and(|last| last.elapsed() < PROBED) {
        return Ok(());
    }
    let before = core.db.committed();
    let written = crate::edge::job::beat(core, core.ambient.now()).await;
    // A writer that is busy is no writer that cannot write.
    if core.db.committed() == before {
        written?;
    }
    *known.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Stopwatch::start());
    Ok(())
}

/// List all problem types.
///
/// The closed catalogue of problem types, by status. Programs rely on `code`; `title` and `detail` are for people.
#[utoipa::path(tag = "operation", security(()),
    responses((status = 200, description = "All problem types", body = ProblemKinds)))]
#[get("/problems")]
async fn list_problems(_ctx: Ctx<Public>) -> Json<ProblemKinds> {
    Json(ProblemKinds {
        data: Code::ALL.iter().copied().map(ProblemKind::of).collect(),
    })
}

/// Explain a problem type.
///
/// The `type` of every problem links here. Browsers get a page, programs get JSON.
#[utoipa::path(tag = "operation", params(ProblemPath), security(()),
    responses((status = 200, description = "What the problem means",
        content((ProblemKind = "application/json"), (String = "text/html")))))]
#[get("/problems/{slug}")]
async fn get_problem(ctx: Ctx<Public>, path: Path<ProblemPath>) -> Reply<Explanation> {
    let code = Code::by_slug(&path.0.slug).ok_or(Code::NotFound)?;
    let kind = ProblemKind::of(code);
    Ok(if prefers_html(ctx.request()) {
        Explanation::Page(kind)
    } else {
        Explanation::Document(kind)
    })
}

/// An explanation for people or for programs.
enum Explanation {
    Page(ProblemKind),
    Document(ProblemKind),
}

impl ProblemKind {
    fn of(code: Code) -> Self {
        Self {
            code,
            r#type: format!("/problems/{}", code.slug()),
            title: code.title(),
            status: code.status().as_u16(),
            explanation: code.explain(),
        }
    }

    fn page(&self) -> String {
        let [title, code, explanation] = [self.title, self.code.name(), self.explanation].map(escaped);
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body>\n<h1>{title}</h1>\n<p>Status {} &middot; <code>{code}</code></p>\n<p>{explanation}</p>\n\
             </body>\n</html>\n",
            self.status
        )
    }
}

impl Responder for Explanation {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response
            .insert_header((CACHE_CONTROL, FOR_AN_HOUR))
            .insert_header((VARY, "Accept"));
        match self {
            Explanation::Page(kind) => response
                .content_type("text/html; charset=utf-8")
                .body(kind.page()),
            Explanation::Document(kind) => response.json(kind),
        }
    }
}

/// Whether the header Accept names HTML before JSON and before anything at all.
fn prefers_html(request: &HttpRequest) -> bool {
    let Ok(accept) = Accept::parse(request) else {
        return false;
    };
    let ranked = accept.ranked();
    let mut known = ranked.iter().map(|mime| mime.essence_str()).filter(|mime| {
        [
            "text/html",
            "application/xhtml+xml",
            "application/json",
            "application/*",
            "*/*",
        ]
        .contains(mime)
    });
    known
        .next()
        .is_some_and(|first| matches!(first, "text/html" | "application/xhtml+xml"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn only_who_prefers_html_gets_it() {
        let prefers = |accept: &str| {
            prefers_html(
                &TestRequest::default()
                    .insert_header(("accept", accept))
                    .to_http_request(),
            )
        };
        assert!(prefers(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        ));
        assert!(prefers("application/json;q=0.5, text/html"));
        for programs in [
            "*/*",
            "application/json",
            "application/json, text/html;q=0.9",
            "image/png",
            "%%%",
        ] {
            assert!(!prefers(programs), "{programs}");
        }
        assert!(!prefers_html(&TestRequest::default().to_http_request()));
    }

    #[test]
    fn every_problem_has_a_page() {
        for code in Code::ALL {
            let page = ProblemKind::of(*code).page();
            assert!(
                page.contains(&escaped(code.title())) && page.contains(code.name()),
                "{}",
                code.name()
            );
        }
    }
}
