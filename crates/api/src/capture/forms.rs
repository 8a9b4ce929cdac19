//! Capture points on websites.

use actix_web::{get, patch, post};
use serde::{Deserialize, Serialize};
use tandem_domain::capture::{
    Beside, Form, FormConsent, FormError, FormField, FormSettings, MakeForm, edit_form, make_form, rotate_key,
};
use tandem_domain::change::Unruled;
use tandem_domain::id::{CampaignId, ContentId, FormId};
use tandem_domain::record::Plain;
use tandem_store as store;
use tandem_store::{StoreError, Tx};
use utoipa::{IntoParams, ToSchema};

use super::form_views::{FormDetail, FormView};
use crate::access::scopes::{FormsRead, FormsWrite};
use crate::edge::crypto::secret;
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::invalid;
use crate::edge::http::json::{Json, MergePatch};
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::record::PatchOf;
use crate::edge::http::reply::{Created, Reply, Tagged};
use crate::edge::http::services::Services;

/// The operations on forms.
pub fn configure(config: &mut Services<'_>) {
    config.service(create_form).service(list_forms);
    config.service(get_form).service(update_form);
    config.service(rotate_form_key);
}

/// How long an older key works after a rotation by default, in seconds: 30 days.
const GRACE: i64 = 30 * 86_400;

/// A form to create.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateForm {
    /// The name that people see.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", example = "Contact")]
    name: String,
    /// The fields, in order. At least one maps to `email` or `phone`.
    #[schema(min_items = 1, max_items = 100)]
    fields: Vec<FormField>,
    /// The origins whose pages may submit the form: scheme, host and optional port. Without any, only servers may.
    #[serde(default)]
    #[schema(max_items = 50, example = json!(["https://www.example.com"]))]
    allowed_origins: Vec<String>,
    /// The absolute address to which a browser without JavaScript is redirected after submitting.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 2048, example = "https://www.example.com/thanks")]
    redirect_url: Option<String>,
    /// The name of a field that people do not see (a honeypot). A submission that fills it is stored as spam.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[A-Za-z0-9_.\\-\\[\\]]+$",
        example = "website"
    )]
    honeypot_field: Option<String>,
    /// A submission sooner than this many seconds after the form was shown is stored as spam. The page must send when
    /// it showed the form, as the snippets do.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3600, example = 3)]
    min_fill_seconds: Option<i64>,
    /// The service that a submission requests, such as `demo`.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", example = "Consulting")]
    service_requested: Option<String>,
    /// The campaign to which the form belongs. Its submissions, and the hand-offs that follow from them, name it.
    #[serde(default)]
    campaign_id: Option<CampaignId>,
    /// The content that a submission gives access to: a submission counts as a download of it.
    #[serde(default)]
    content_id: Option<ContentId>,
    /// The consent that the form requests.
    #[serde(default)]
    #[schema(max_items = 20)]
    consent: Vec<FormConsent>,
}

type FormPatch = PatchOf<CreateForm, true>;

impl CreateForm {
    /// What may be edited of a form, as a request would say it.
    fn of(form: &Form) -> Self {
        let (form, settings) = (form.clone(), form.settings.clone());
        Self {
            name: form.name,
            fields: form.fields,
            allowed_origins: form.allowed_origins,
            redirect_url: settings.redirect_url,
            honeypot_field: settings.honeypot_field,
            min_fill_seconds: settings.min_fill_seconds,
            service_requested: settings.service_requested,
            campaign_id: settings.campaign_id,
            content_id: settings.content_id,
            consent: settings.consent,
        }
    }

    fn read(self) -> MakeForm {
        MakeForm {
            name: self.name,
            fields: self.fields,
            allowed_origins: self.allowed_origins,
            settings: FormSettings {
                redirect_url: self.redirect_url,
                honeypot_field: self.honeypot_field,
                min_fill_seconds: self.min_fill_seconds,
                service_requested: self.service_requested,
                campaign_id: self.campaign_id,
                content_id: self.content_id,
                consent: self.consent,
            },
        }
    }
}

/// How to rotate a publishable key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateFormKey {
    /// For how many seconds the previous keys remain valid; default 30 days, 0 ends them at once.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 31536000, example = 2592000)]
    grace_seconds: Option<i64>,
}

/// The form in the path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct FormPath {
    /// The form's id.
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
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Create a form.
///
/// For marketing. The answer contains the publishable key with which the website calls `POST /v1/capture/{form_key}`.
#[utoipa::path(tag = "forms", security(("bearer" = [FormsWrite])), request_body = CreateForm,
    responses((status = 201, description = "The form with its publishable key", body = FormDetail,
        headers(("Location" = String, description = "The URL of the form"),
            ("ETag" = String, description = "The form's version")))))]
#[post("/v1/forms")]
async fn create_form(ctx: Ctx<FormsWrite>, body: Json<CreateForm>) -> Reply<Created<FormDetail>> {
    let key = secret::FormKey::generate().reveal().to_owned();
    let tx = ctx.begin().await?;
    let asked = body.0.read();
    let names = custom_names(&tx);
    let beside = Beside {
        custom_names: &names,
        purposes: &tx.rules().shown_by.consent.purposes,
        campaign: campaign_of(&tx, &asked).await?,
        content: content_of(&tx, &asked).await?,
    };
    let made = make_form(asked, key, &beside, ctx.act());
    let (form, key) = made.map_err(refused)?;
    store::write_records(&tx, [Unruled::from(form.created()), key.clone().into()]).await?;
    let location = format!("/v1/forms/{}", form.id);
    let view = FormDetail::of(&ctx, form, &[key])?;
    let tag = view.etag();
    ctx.commit(tx, Created::at(location, view).tagged(tag)).await
}

/// List forms.
///
/// In creation order, including archived forms.
#[utoipa::path(tag = "forms", params(FormsQuery), security(("bearer" = [FormsRead])),
    responses((status = 200, description = "A page of forms", body = Listing<FormView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/forms")]
async fn list_forms(ctx: Ctx<FormsRead>, query: Query<FormsQuery>) -> Reply<Listing<FormView>> {
    let after = listing::after(&ctx.master, ctx.request(), query.0.cursor.as_deref())?;
    let limit = query.0.limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let snapshot = ctx.snapshot().await?;
    let page = store::capture::list(&snapshot, after, limit).await?;
    let ids: Vec<FormId> = page.data.iter().map(|form| form.id).collect();
    let keys = store::capture::keys_of(&snapshot, &ids).await?;
    let view = |form: Form| {
        let key = keys.iter().find(|key| key.form_id == form.id);
        FormView::of(form, key.map(|key| key.key.clone()).unwrap_or_default())
    };
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |form| form.id,
        view,
    ))
}

/// Read a form.
#[utoipa::path(tag = "forms", params(FormPath), security(("bearer" = [FormsRead])),
    responses((status = 200, description = "The form", body = FormDetail,
        headers(("ETag" = String, description = "The form's version")))))]
#[get("/v1/forms/{form_id}")]
async fn get_form(ctx: Ctx<FormsRead>, path: Path<FormPath>) -> Reply<Tagged<FormDetail>> {
    let snapshot = ctx.snapshot().await?;
    let form = store::capture::form(&snapshot, path.0.form_id).await?;
    let keys = store::capture::keys(&snapshot, path.0.form_id).await?;
    let view = FormDetail::of(&ctx, form, &keys)?;
    Ok(Tagged::new(view.etag(), view))
}

/// Update a form.
///
/// A JSON merge patch. It applies to submissions from then on; stored submissions do not change.
#[utoipa::path(tag = "forms", params(FormPath), security(("bearer" = [FormsWrite])), request_body = FormPatch,
    responses((status = 200, description = "The updated form", body = FormDetail,
        headers(("ETag" = String, description = "The form's version")))))]
#[patch("/v1/forms/{form_id}")]
async fn update_form(
    ctx: Ctx<FormsWrite>,
    path: Path<FormPath>,
    body: MergePatch<FormPatch>,
) -> Reply<Tagged<FormDetail>> {
    let tx = ctx.begin().await?;
    let form = store::capture::form_for_update(&tx, path.0.form_id).await?;
    ctx.check_if_match(form.version)?;
    let (asked, archived) = body.0.apply(&CreateForm::of(&form))?;
    let (asked, names) = (asked.read(), custom_names(&tx));
    let beside = Beside {
        custom_names: &names,
        purposes: &tx.rules().shown_by.consent.purposes,
        campaign: campaign_of(&tx, &asked).await?,
        content: content_of(&tx, &asked).await?,
    };
    let edited = edit_form(&form, asked, archived, &beside, ctx.act());
    let (form, change) = edited.map_err(refused)?;
    store::write_records(&tx, change).await?;
    let keys = store::capture::keys(&tx, path.0.form_id).await?;
    let view = FormDetail::of(&ctx, form, &keys)?;
    ctx.commit(tx, Tagged::new(view.etag(), view)).await
}

/// Rotate the publishable key of a form.
///
/// Previous keys remain valid for the grace time, so that the website can switch.
#[utoipa::path(tag = "forms", params(FormPath), security(("bearer" = [FormsWrite])), request_body = RotateFormKey,
    responses((status = 200, description = "The form with its new key", body = FormDetail,
        headers(("ETag" = String, description = "The form's version")))))]
#[post("/v1/forms/{form_id}/rotate-key")]
async fn rotate_form_key(
    ctx: Ctx<FormsWrite>,
    path: Path<FormPath>,
    body: Json<RotateFormKey>,
) -> Reply<Tagged<FormDetail>> {
    let fresh = secret::FormKey::generate().reveal().to_owned();
    let until = ctx
        .now()
        .plus_millis(body.0.grace_seconds.unwrap_or(GRACE) * 1000);
    let tx = ctx.begin().await?;
    let form = store::capture::form_for_update(&tx, path.0.form_id).await?;
    ctx.check_if_match(form.version)?;
    let keys = store::capture::keys(&tx, form.id).await?;
    let rotated = rotate_key(&form, &keys, fresh, until, ctx.act());
    let (rotated, keys) = rotated.map_err(refused)?;
    let form = rotated.record.clone();
    let written = keys.iter().cloned().map(Unruled::from);
    store::write_records(&tx, std::iter::once(rotated.into()).chain(written)).await?;
    let view = FormDetail::of(&ctx, form, &keys)?;
    ctx.commit(tx, Tagged::new(view.etag(), view)).await
}

/// The content that a form names, if there is any.
async fn content_of(tx: &Tx, asked: &MakeForm) -> Result<Option<ContentId>, Problem> {
    match asked.settings.content_id {
        Some(id) => Ok(store::content::find(tx, id).await?.map(|content| content.id)),
        None => Ok(None),
    }
}

/// The campaign that a form names, if there is one.
async fn campaign_of(tx: &Tx, asked: &MakeForm) -> Result<Option<CampaignId>, Problem> {
    let Some(id) = asked.settings.campaign_id else {
        return Ok(None);
    };
    match store::campaigns::get(tx, id).await {
        Ok(campaign) => Ok(Some(campaign.id)),
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn custom_names(tx: &Tx) -> Vec<&str> {
    tx.rules()
        .custom_fields
        .iter()
        .map(|field| field.name.as_str())
        .collect()
}

fn refused(refused: FormError) -> Problem {
    match refused {
        FormError::Denied(reason) => Problem::new(Code::WrongRole).detail(reason.to_string()),
        FormError::Invalid(faults) => invalid(faults),
    }
}
