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
        description = "The one record that a company's marketing and sales share of every lead. The guides are at [/docs/guides](/docs/guides).",
        contact(name = "The Tandem authors"),
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "access", description = "Login, set-up of the first admin, the caller's account, the keys that verify tokens"),
        (name = "activities", description = "Calls, e-mails, meetings, messages, notes and tasks of users with leads"),
        (name = "agreement", description = "The document that both teams sign: stages, scoring, commitments, reasons"),
        (name = "api-keys", description = "Secret keys of partners"),
        (name = "segments", description = "Segments of leads, defined by conditions"),
        (name = "campaigns", description = "Marketing campaigns, their costs, and their values of utm_campaign"),
        (name = "capture", description = "Public submission of forms, and the stored submissions"),
        (name = "clocks", description = "Promised times: due, met or breached"),
        (name = "companies", description = "The organisations that leads belong to"),
        (name = "consent", description = "Consent per purpose, and whether a person may be contacted"),
        (name = "content", description = "The content library, what sales asks for, and what a lead should read next"),
        (name = "deals", description = "Deals that are open, won or lost, and that move the stage of their leads"),
        (name = "duplicates", description = "Leads that may be one person"),
        (name = "forms", description = "Capture points on websites"),
        (name = "handoffs", description = "The passing of leads from marketing to sales: queues, packets, decisions"),
        (name = "imports", description = "Imports of files, with rejected rows"),
        (name = "journal", description = "Everything that changed: timeline, audit and change feed"),
        (name = "leads", description = "People known by at least one identifier"),
        (name = "notices", description = "Messages to a user: hand-offs, clocks, tasks, returned leads"),
        (name = "operation", description = "Health of the service; the catalogue of problems"),
        (name = "pipelines", description = "The stages that deals go through"),
        (name = "quotes", description = "Offers within deals: recorded, sent, answered, expired"),
        (name = "reports", description = "Figures, with the records behind them"),
        (name = "reviews", description = "The regular meeting of both teams: frozen figures, attendance, action items"),
        (name = "routing", description = "Who gets a hand-off: rules, availability, decisions"),
        (name = "settings", description = "Settings of the company"),
        (name = "stages", description = "Stages of leads, and stage changes"),
        (name = "teams", description = "Teams of users"),
        (name = "tracking", description = "Events of visitors and leads, visits and touches"),
        (name = "users", description = "The users of Tandem")
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
            "An access token from `POST /v1/auth/login`, or a secret key `tdm_sk_...`. Each operation names the scope that it requires. A user's role grants scopes; a key has its own.",
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
