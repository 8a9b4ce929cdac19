//! Capture points on websites.

use actix_web::{get, patch, post};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tandem_domain::capture::{EditForm, Form, FormField, FormKey, MakeForm, Refused, edit_form, make_form};
use tandem_domain::change::Change;
use tandem_domain::id::FormId;
use tandem_domain::instant::Timestamp;
use tandem_store as store;
use tandem_store::{Read, Tx};
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::access::scopes::{FormsRead, FormsWrite};
use crate::crypto::secret;
use crate::ctx::Ctx;
use crate::http::json::{Json, MergePatch};
use crate::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Path, Query};
use crate::http::reply::{Created, Reply, Tagged, etag};
use crate::settings::invalid;

/// The operations on forms.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config.service(create_form).service(list_forms);
    config.service(get_form).service(update_form);
}

/// A form to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormWrite {
    /// What people call it.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", example = "Contact")]
    name: String,
    /// Its fields, in order; one of them maps to `email` or `phone`.
    #[schema(min_items = 1, max_items = 100)]
    fields: Vec<FormField>,
    /// The origins whose pages may send it: scheme and host, perhaps a port. Without any, only servers may.
    #[serde(default)]
    #[schema(max_items = 50, example = json!(["https://www.example.com"]))]
    allowed_origins: Vec<String>,
}

/// A merge patch of a form.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormPatch {
    /// What people call it.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200, pattern = r"\S", example = "Contact")]
    name: Option<String>,
    /// Its fields, in order; the list replaces the one before.
    #[serde(default)]
    #[schema(value_type = Vec<FormField>, required = false, min_items = 1, max_items = 100)]
    fields: Option<Vec<FormField>>,
    /// The origins whose pages may send it; the list replaces the one before.
    #[serde(default)]
    #[schema(value_type = Vec<String>, required = false, max_items = 50, example = json!(["https://www.example.com"]))]
    allowed_origins: Option<Vec<String>>,
    /// Whether it is out of use: its keys are then unknown.
    #[serde(default)]
    #[schema(value_type = bool, required = false)]
    archived: Option<bool>,
}

/// A capture point on a website.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormView {
    /// Which.
    id: FormId,
    /// The publishable key: it stands in the website's page and may only send this form.
    #[schema(
        pattern = "^fk_[0-9A-Za-z]{22}$",
        max_length = 25,
        example = "fk_5hGz0mUq2bXe7RkW1tYc9N"
    )]
    key: String,
    /// What people call it.
    #[schema(max_length = 200, example = "Contact")]
    name: String,
    /// Its fields, in order.
    #[schema(max_items = 100)]
    fields: Vec<FormField>,
    /// The origins whose pages may send it, as browsers write them.
    #[schema(max_items = 50, example = json!(["https://www.example.com"]))]
    allowed_origins: Vec<String>,
    /// Whether it is out of use.
    archived: bool,
    /// Counts the commands that changed it, from 1.
    #[schema(minimum = 1, example = 1)]
    version: i64,
    /// When it was made.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl FormView {
    fn of(form: Form, key: String) -> Self {
        Self {
            id: form.id,
            key,
            name: form.name,
            fields: form.fields,
            allowed_origins: form.allowed_origins,
            archived: form.archived_at.is_some(),
            version: form.version,
            created_at: form.created_at,
            updated_at: form.updated_at,
        }
    }

    fn etag(&self) -> String {
        etag(self.version, 0)
    }
}

/// The form in the path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct FormPath {
    /// Which form.
    form_id: FormId,
}

/// Which page of forms.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct FormsQuery {
    /// The most forms of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page before ended: its `next_cursor`.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Make a form.
///
/// For marketing. The answer carries the publishable key with which the website sends `POST /v1/capture/{form_key}`.
#[utoipa::path(tag = "forms", security(("bearer" = [FormsWrite])), request_body = FormWrite,
    responses((status = 201, description = "The form with its publishable key", body = FormView,
        headers(("Location" = String, description = "The form's address"),
            ("ETag" = String, description = "The form's version")))))]
#[post("/v1/forms")]
async fn create_form(ctx: Ctx<FormsWrite>, body: Json<FormWrite>) -> Reply<Created<FormView>> {
    let FormWrite {
        name,
        fields,
        allowed_origins,
    } = body.0;
    let asked = MakeForm {
        name,
        fields,
        allowed_origins,
    };
    let key = secret::FormKey::generate().reveal().to_owned();
    let tx = ctx.begin().await?;
    let (form, key) = make_form(
        asked,
        key,
        &custom_names(&tx),
        ctx.actor(),
        ctx.now(),
        &mut ctx.ids(),
    )
    .map_err(refused)?;
    store::write(
        &tx,
        &[Change::FormCreated {
            form: form.clone(),
            key: key.clone(),
        }],
    )
    .await?;
    let view = FormView::of(form, key.key);
    let location = format!("/v1/forms/{}", view.id);
    let tag = view.etag();
    ctx.commit(tx, Created::at(location, view).tagged(tag)).await
}

/// List forms.
///
/// In the order in which they were made, archived ones included.
#[utoipa::path(tag = "forms", params(FormsQuery), security(("bearer" = [FormsRead])),
    responses((status = 200, description = "A page of forms", body = Listing<FormView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/forms")]
async fn list_forms(ctx: Ctx<FormsRead>, query: Query<FormsQuery>) -> Reply<Listing<FormView>> {
    let after = listing::position(&ctx.master, ctx.request(), query.0.cursor.as_deref())?;
    let after = after
        .map(serde_json::from_value)
        .transpose()
        .map_err(|_| Problem::new(Code::InvalidCursor))?;
    let limit = query.0.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let snapshot = ctx.snapshot().await?;
    let page = store::capture::list(&snapshot, after, limit).await?;
    let ids: Vec<FormId> = page.data.iter().map(|form| form.id).collect();
    let keys = store::capture::keys_of(&snapshot, &ids).await?;
    let next = page
        .data
        .last()
        .filter(|_| page.has_more)
        .map(|form| json!(form.id));
    let view = |form: Form| {
        let key = keys.iter().find(|key| key.form_id == form.id);
        FormView::of(form, key.map(|key| key.key.clone()).unwrap_or_default())
    };
    let views = page.data.into_iter().map(view).collect();
    Ok(Listing::new(&ctx.master, ctx.request(), views, next))
}

/// Read a form.
#[utoipa::path(tag = "forms", params(FormPath), security(("bearer" = [FormsRead])),
    responses((status = 200, description = "The form", body = FormView,
        headers(("ETag" = String, description = "The form's version")))))]
#[get("/v1/forms/{form_id}")]
async fn get_form(ctx: Ctx<FormsRead>, path: Path<FormPath>) -> Reply<Tagged<FormView>> {
    let snapshot = ctx.snapshot().await?;
    let form = store::capture::form(&snapshot, path.0.form_id).await?;
    let view = FormView::of(form, newest_key(&snapshot, path.0.form_id).await?.key);
    Ok(Tagged::new(view.etag(), view))
}

/// Change a form.
///
/// A JSON merge patch. What comes in from then on is read by the form as it is now; submissions that are kept stay
/// as they are.
#[utoipa::path(tag = "forms", params(FormPath), security(("bearer" = [FormsWrite])), request_body = FormPatch,
    responses((status = 200, description = "The form as it is now", body = FormView,
        headers(("ETag" = String, description = "The form's version")))))]
#[patch("/v1/forms/{form_id}")]
async fn update_form(
    ctx: Ctx<FormsWrite>,
    path: Path<FormPath>,
    body: MergePatch<FormPatch>,
) -> Reply<Tagged<FormView>> {
    let FormPatch {
        name,
        fields,
        allowed_origins,
        archived,
    } = body.0;
    let asked = EditForm {
        name,
        fields,
        allowed_origins,
        archived,
    };
    let tx = ctx.begin().await?;
    let mut form = store::capture::form_for_update(&tx, path.0.form_id).await?;
    ctx.check_if_match(form.version)?;
    let edited = edit_form(&form, asked, &custom_names(&tx), ctx.actor(), ctx.now()).map_err(refused)?;
    if let Some(change) = edited {
        store::write(&tx, std::slice::from_ref(&change)).await?;
        if let Change::FormEdited { form: edited, .. } = change {
            form = edited;
        }
    }
    let view = FormView::of(form, newest_key(&tx, path.0.form_id).await?.key);
    ctx.commit(tx, Tagged::new(view.etag(), view)).await
}

fn custom_names(tx: &Tx) -> Vec<&str> {
    tx.rules()
        .custom_fields
        .iter()
        .map(|field| field.name.as_str())
        .collect()
}

async fn newest_key(on: &impl Read, form_id: FormId) -> Result<FormKey, Problem> {
    let keys = store::capture::keys(on, form_id).await?;
    keys.into_iter()
        .next()
        .ok_or_else(|| Problem::new(Code::NotFound))
}

fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::Denied(reason) => Problem::new(Code::WrongRole).detail(reason.to_string()),
        Refused::Invalid(faults) => invalid(faults),
    }
}
