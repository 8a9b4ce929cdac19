//! The OpenAPI document: a pure function of the handlers; and the pages that show it.

mod answers;
mod examples;
pub mod kinds;
mod limits;
pub mod pass;
mod read_only;
#[cfg(test)]
pub(crate) mod sample;
mod shared;
pub mod suggest;
mod variants;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::SwaggerUi;

use crate::edge::core::Core;
use crate::edge::http::services::{Services, described};

/// The head of the document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tandem",
        description = "The one record that a company's marketing and sales share of every lead. See /docs.",
        contact(name = "The Tandem authors"),
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "access", description = "Logging in, the first admin, one's own account, the keys that verify tokens"),
        (name = "activities", description = "Calls, e-mails, meetings, messages, notes and tasks of users with leads"),
        (name = "agreement", description = "What both teams signed: stages and reasons"),
        (name = "api-keys", description = "Secret keys of partners"),
        (name = "campaigns", description = "What marketing runs, and by which utm_campaign it is known"),
        (name = "capture", description = "What strangers send to forms, and what became of it"),
        (name = "clocks", description = "Promises with their due times, and what became of them"),
        (name = "companies", description = "The organisations that leads belong to"),
        (name = "consent", description = "What people agreed to, purpose by purpose, and whether they may be contacted"),
        (name = "deals", description = "Business that is open, won or lost, and what it does to its leads"),
        (name = "duplicates", description = "Leads that may be one person"),
        (name = "forms", description = "Capture points on websites"),
        (name = "handoffs", description = "The passing of leads from marketing to sales: queues, packets, decisions"),
        (name = "imports", description = "Files that are taken in, and what became of their rows"),
        (name = "journal", description = "Everything that changed: timeline, audit and change feed"),
        (name = "leads", description = "People known by at least one identifier"),
        (name = "notices", description = "Messages to a user: hand-offs, clocks, tasks, returned leads"),
        (name = "operation", description = "Whether the service lives and is ready; the problems it answers"),
        (name = "pipelines", description = "The stages that deals go through"),
        (name = "reports", description = "What came of it, as figures"),
        (name = "routing", description = "Who gets a hand-off: rules, availability, decisions"),
        (name = "settings", description = "What the company decides for all"),
        (name = "stages", description = "Where leads stand, and how they got there"),
        (name = "teams", description = "Teams of users"),
        (name = "tracking", description = "What visitors and leads did, and the touches that come of it"),
        (name = "users", description = "The people who use Tandem")
    ),
    components(schemas(crate::edge::http::problem::ProblemView)),
    modifiers(&Schemes)
)]
struct Head;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut bearer = HttpBuilder::new();
        bearer = bearer.scheme(HttpAuthScheme::Bearer).description(Some(
            "An access token from `POST /v1/auth/login`, or a secret key `tdm_sk_...`. Each operation names the \
             scope that it demands; a user's role grants scopes, a key carries its own.",
        ));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
    }
}

/// The document of some operations: the same on every run.
pub fn document(operations: impl FnOnce(&mut Services<'_>)) -> Value {
    pass::finish(described(Head::openapi(), operations))
}

/// The document as it is served and committed, byte for byte.
pub fn text(document: &Value) -> String {
    let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
    text.push('\n');
    text
}

/// `/openapi.json` and the page at `/docs/`, which needs no internet.
pub fn pages(config: &mut web::ServiceConfig) {
    config
        .route("/openapi.json", web::get().to(serve_document))
        .route("/docs", web::get().to(redirect_to_docs))
        .service(
            SwaggerUi::new("/docs/{_:.*}").config(
                utoipa_swagger_ui::Config::new(["/openapi.json"])
                    .validator_url("none")
                    .persist_authorization(false),
            ),
        );
}

async fn serve_document(core: web::Data<Core>, request: HttpRequest) -> HttpResponse {
    core.document.answer(&request, "application/json", |response| {
        response.insert_header((CACHE_CONTROL, "public, max-age=60"));
    })
}

async fn redirect_to_docs() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header(("location", "/docs/"))
        .finish()
}
