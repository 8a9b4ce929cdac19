//! A small interface for the tests of this crate's edge, with every kind of operation and schema in it.

use crate::edge::http::json::{Json, MergePatch, Patch};
use crate::edge::http::problem::Problem;
use crate::edge::http::query::{Path, Query, checked_query};
use crate::edge::http::services::{Services, described};
use crate::edge::http::shape::Shapes;
use crate::edge::openapi::pass::finish;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpRequest, HttpResponse, delete, get, patch, post, test, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::{IntoParams, OpenApi, ToSchema, path as operation};

/// A lead to be made.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateLead {
    /// Its address
    #[schema(format = "email", max_length = 320, example = "ada@example.com")]
    pub(crate) email: String,
    /// Its first name
    #[schema(min_length = 1, max_length = 20)]
    pub(crate) first_name: Option<String>,
    /// Set by the service
    #[serde(default)]
    #[schema(read_only)]
    pub(crate) score: Option<i64>,
    /// How many people
    #[schema(minimum = 1)]
    pub(crate) seats: Option<i32>,
    /// A byte, which the document knows as an `int32` only
    pub(crate) level: Option<u8>,
    /// Where it stands
    pub(crate) stage: Option<Stage>,
    /// Its company
    pub(crate) company: Option<Company>,
    /// Its words
    #[serde(default)]
    #[schema(max_items = 3)]
    pub(crate) notes: Vec<Note>,
    /// How to be reached
    pub(crate) contact: Option<Contact>,
    /// What else is known
    #[serde(default)]
    pub(crate) custom: BTreeMap<String, String>,
}

/// Where a lead stands.
#[derive(Deserialize, Serialize, ToSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// New
    Lead,
    /// Agreed
    Mql,
}

/// An organisation.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Company {
    /// Its domain
    #[schema(pattern = "^[a-z.]+$")]
    pub(crate) domain: String,
}

/// Words.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    /// The words
    pub(crate) text: String,
}

/// A way to reach somebody.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Contact {
    /// By telephone
    Phone {
        /// The number
        number: String,
        /// An extension
        extension: Option<i32>,
    },
    /// By letter
    PostalLetter {
        /// The lines of the address
        lines: Vec<String>,
    },
    /// Not at all
    Never,
}

/// A change of a lead.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchLead {
    /// Its first name
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 20)]
    pub(crate) first_name: Patch<String>,
}

/// A lead.
#[derive(Serialize, ToSchema)]
pub(crate) struct LeadView {
    /// Its id
    pub(crate) id: String,
    /// What it did
    pub(crate) events: Vec<EventView>,
}

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Listing<T> {
    /// What stands on it
    pub(crate) data: Vec<T>,
}

/// Something that happened.
#[derive(Serialize, ToSchema)]
#[allow(dead_code)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum EventView {
    /// A page was seen
    PageView(Page),
    /// A letter was opened
    EmailOpen {
        /// When
        #[schema(format = "date-time")]
        at: String,
    },
}

/// A page.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page {
    /// Its address
    pub(crate) path: String,
}

/// One lead.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct LeadPath {
    /// Its id
    pub(crate) lead_id: u32,
}

/// Which leads.
#[derive(Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct LeadFilter {
    /// How many
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<i32>,
    /// Only these stages
    #[param(style = Form, explode = false)]
    pub(crate) stage: Option<Vec<Stage>>,
    /// Words
    #[param(max_length = 20)]
    pub(crate) q: Option<String>,
    /// Only those archived
    pub(crate) archived: Option<bool>,
    /// At least this share
    pub(crate) share: Option<f64>,
}

/// Make a lead.
///
/// It stands at the beginning.
#[operation(tag = "leads", security(("user" = ["leads:write"])), responses((status = 201, description = "Made", body = LeadView)))]
#[post("/v1/leads")]
async fn create_lead(body: Json<CreateLead>) -> Json<CreateLead> {
    body
}

/// Make many leads.
#[operation(tag = "leads", security(("user" = ["leads:write"])), responses((status = 200, description = "Made", body = Vec<CreateLead>)))]
#[post("/v1/leads/batch")]
async fn create_leads(body: Json<Vec<CreateLead>>) -> Json<Vec<CreateLead>> {
    body
}

/// List leads.
#[operation(tag = "leads", params(LeadFilter), security(("user" = ["leads:read"])), responses(
    (status = 200, description = "Leads", body = Listing<LeadView>), (status = 429, description = "Enough")))]
#[get("/v1/leads")]
async fn list_leads(query: Query<LeadFilter>) -> Json<LeadFilter> {
    Json(query.0)
}

/// Read a lead.
#[operation(tag = "leads", params(LeadPath), security(("user" = [])), responses(
    (status = 200, description = "The lead", body = LeadView, headers(("ETag" = String, description = "Its version"))),
    (status = 404, description = "No such lead")))]
#[get("/v1/leads/{lead_id}")]
async fn read_lead(req: HttpRequest, path: Path<LeadPath>) -> Result<String, Problem> {
    checked_query(&req)?;
    Ok(path.0.lead_id.to_string())
}

/// Change a lead.
#[operation(tag = "leads", params(LeadPath), request_body = PatchLead, security(("user" = ["leads:write"])),
    responses((status = 200, description = "The lead", body = LeadView)))]
#[patch("/v1/leads/{lead_id}")]
async fn update_lead(_path: Path<LeadPath>, body: MergePatch<PatchLead>) -> String {
    format!("{:?}", body.0.first_name)
}

/// Remove a lead.
#[operation(tag = "leads", params(LeadPath), security(("user" = ["leads:write"])), responses((status = 204, description = "Gone")))]
#[delete("/v1/leads/{lead_id}")]
async fn delete_lead(_path: Path<LeadPath>) -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// Log in.
#[operation(tag = "auth", security(()), request_body = Company, responses((status = 204, description = "In")))]
#[post("/v1/auth/login")]
async fn log_in() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

struct Scheme;

impl utoipa::Modify for Scheme {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
        let scheme = || SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("user", scheme());
        components.add_security_scheme("unused", scheme());
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Sample", version = "1", description = "A sample"),
    tags((name = "leads", description = "People"), (name = "auth", description = "Access")),
    components(schemas(Unused)),
    modifiers(&Scheme)
)]
struct Sample;

/// Nobody refers to this.
#[derive(ToSchema)]
#[allow(dead_code)]
struct Unused {
    /// Nothing
    nothing: String,
}

fn operations(services: &mut Services<'_>) {
    services.service(create_lead).service(create_leads);
    services.service(list_leads).service(read_lead);
    services.service(update_lead).service(delete_lead);
    services.service(log_in);
}

/// The finished document of the sample.
pub(crate) fn document() -> Value {
    finish(described(Sample::openapi(), operations))
}

/// Send one request to the sample.
pub(crate) async fn call(request: test::TestRequest) -> ServiceResponse {
    let shapes = Shapes::compile(&document()).unwrap();
    let app = App::new().configure(|config| operations(&mut Services::to_serve(config)));
    let app = test::init_service(app.app_data(web::Data::new(shapes))).await;
    test::call_service(&app, request.to_request()).await
}

/// Send JSON to the sample; its status and what it answers.
pub(crate) async fn send(request: test::TestRequest, body: &str) -> (u16, Value) {
    let request = request
        .insert_header(ContentType::json())
        .set_payload(body.to_owned());
    let response = call(request).await;
    let status = response.status().as_u16();
    let bytes = test::read_body(response).await;
    let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
    (status, serde_json::from_slice(&bytes).unwrap_or_else(|_| text()))
}

/// The violations in an answer, as `place: code`.
pub(crate) fn codes(answer: &Value) -> Vec<String> {
    let errors = answer["errors"].as_array().into_iter().flatten();
    let place = |e: &Value| {
        e["pointer"]
            .as_str()
            .or(e["parameter"].as_str())
            .unwrap_or("?")
            .to_owned()
    };
    errors
        .map(|e| format!("{}: {}", place(e), e["code"].as_str().unwrap_or("?")))
        .collect()
}
