//! Forms as they are shown: in a list, and whole with what a website pastes.

use actix_web::http::header::HOST;
use serde::Serialize;
use tandem_domain::capture::{Form, FormConsent, FormField, FormKey};
use tandem_domain::id::{CampaignId, ContentId, FormId};
use tandem_domain::instant::Timestamp;
use utoipa::ToSchema;

use super::snippet;
use crate::edge::ctx::{Ctx, Permission};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::reply::etag;

/// A form on a website, with its fields and its publishable key.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormView {
    /// Its id.
    id: FormId,
    /// The publishable key. It is public, and may only submit this form.
    #[schema(
        pattern = "^fk_[0-9A-Za-z]{22}$",
        max_length = 25,
        example = "fk_5hGz0mUq2bXe7RkW1tYc9N"
    )]
    key: String,
    /// The name that people see.
    #[schema(max_length = 200, example = "Contact")]
    name: String,
    /// Its fields, in order.
    #[schema(max_items = 100)]
    fields: Vec<FormField>,
    /// The origins whose pages may submit the form, as browsers write them.
    #[schema(max_items = 50, example = json!(["https://www.example.com"]))]
    allowed_origins: Vec<String>,
    /// The address to which a browser without JavaScript is redirected after submitting.
    #[schema(max_length = 2048, example = "https://www.example.com/thanks")]
    redirect_url: Option<String>,
    /// The name of a field that people do not see (a honeypot).
    #[schema(max_length = 100, example = "website")]
    honeypot_field: Option<String>,
    /// A submission sooner than this many seconds after the form was shown counts as spam.
    #[schema(minimum = 1, maximum = 3600, example = 3)]
    min_fill_seconds: Option<i64>,
    /// The service that a submission requests, such as `demo`.
    #[schema(max_length = 200, example = "Consulting")]
    service_requested: Option<String>,
    /// The campaign to which the form belongs.
    campaign_id: Option<CampaignId>,
    /// The content that a submission gives access to.
    content_id: Option<ContentId>,
    /// The consent that the form requests.
    #[schema(max_items = 20)]
    consent: Vec<FormConsent>,
    /// Whether the form is archived and accepts no submissions.
    archived: bool,
    /// The version: incremented by each command that changes the record, from 1.
    #[schema(minimum = 1, example = 1)]
    version: i64,
    /// When it was created.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl FormView {
    /// A form with its newest key.
    pub(super) fn of(form: Form, key: String) -> Self {
        Self {
            id: form.id,
            key,
            name: form.name,
            fields: form.fields,
            allowed_origins: form.allowed_origins,
            redirect_url: form.settings.redirect_url,
            honeypot_field: form.settings.honeypot_field,
            min_fill_seconds: form.settings.min_fill_seconds,
            service_requested: form.settings.service_requested,
            campaign_id: form.settings.campaign_id,
            content_id: form.settings.content_id,
            consent: form.settings.consent,
            archived: form.archived_at.is_some(),
            version: form.version,
            created_at: form.created_at,
            updated_at: form.updated_at,
        }
    }
}

/// A form on a website, with its snippets.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormDetail {
    /// Its id.
    id: FormId,
    /// The publishable key. It is public, and may only submit this form.
    #[schema(
        pattern = "^fk_[0-9A-Za-z]{22}$",
        max_length = 25,
        example = "fk_5hGz0mUq2bXe7RkW1tYc9N"
    )]
    key: String,
    /// The name that people see.
    #[schema(max_length = 200, example = "Contact")]
    name: String,
    /// Its fields, in order.
    #[schema(max_items = 100)]
    fields: Vec<FormField>,
    /// The origins whose pages may submit the form, as browsers write them.
    #[schema(max_items = 50, example = json!(["https://www.example.com"]))]
    allowed_origins: Vec<String>,
    /// The address to which a browser without JavaScript is redirected after submitting.
    #[schema(max_length = 2048, example = "https://www.example.com/thanks")]
    redirect_url: Option<String>,
    /// The name of a field that people do not see (a honeypot).
    #[schema(max_length = 100, example = "website")]
    honeypot_field: Option<String>,
    /// A submission sooner than this many seconds after the form was shown counts as spam.
    #[schema(minimum = 1, maximum = 3600, example = 3)]
    min_fill_seconds: Option<i64>,
    /// The service that a submission requests, such as `demo`.
    #[schema(max_length = 200, example = "Consulting")]
    service_requested: Option<String>,
    /// The campaign to which the form belongs.
    campaign_id: Option<CampaignId>,
    /// The content that a submission gives access to.
    content_id: Option<ContentId>,
    /// The consent that the form requests.
    #[schema(max_items = 20)]
    consent: Vec<FormConsent>,
    /// Whether the form is archived and accepts no submissions.
    archived: bool,
    /// The version: incremented by each command that changes the record, from 1.
    #[schema(minimum = 1, example = 1)]
    version: i64,
    /// When it was created.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
    /// The previous keys, which work until they expire.
    #[schema(max_items = 1000)]
    older_keys: Vec<OlderKey>,
    /// An HTML form that works without JavaScript, to paste and style.
    #[schema(
        max_length = 1048576,
        example = "<form method=\"post\" action=\"https://leads.example.com/v1/capture/fk_5hGz0mUq2bXe7RkW1tYc9N\">...</form>"
    )]
    snippet_html: String,
    /// A script that submits a page's `<form data-tandem-form="fk_...">` as JSON and shows the result.
    #[schema(max_length = 65536, example = "(function () { ... })();")]
    snippet_js: String,
}

/// A publishable key that was rotated and still works for a while.
#[derive(Debug, Serialize, ToSchema)]
pub struct OlderKey {
    /// The key.
    #[schema(max_length = 25, example = "fk_5hGz0mUq2bXe7RkW1tYc9N")]
    key: String,
    /// When it stops working.
    works_until: Timestamp,
}

impl FormDetail {
    /// A form with its keys, the newest first, as the world reaches it.
    pub(super) fn of(ctx: &Ctx<impl Permission>, form: Form, keys: &[FormKey]) -> Result<Self, Problem> {
        let (newest, older) = keys.split_first().ok_or_else(|| Problem::new(Code::NotFound))?;
        let address = format!("{}/v1/capture/{}", reached_at(ctx), newest.key);
        let works = |key: &FormKey| {
            let works_until = key.expires_at.filter(|end| *end > ctx.now())?;
            Some(OlderKey {
                key: key.key.clone(),
                works_until,
            })
        };
        let older_keys = older.iter().filter_map(works).collect();
        let snippet_html = snippet::html(&form, &newest.key, &address);
        let snippet_js = snippet::js(&form, &newest.key, &address);
        let FormView {
            id,
            key,
            name,
            fields,
            allowed_origins,
            redirect_url,
            honeypot_field,
            min_fill_seconds,
            service_requested,
            campaign_id,
            content_id,
            consent,
            archived,
            version,
            created_at,
            updated_at,
        } = FormView::of(form, newest.key.clone());
        Ok(Self {
            id,
            key,
            name,
            fields,
            allowed_origins,
            redirect_url,
            honeypot_field,
            min_fill_seconds,
            service_requested,
            campaign_id,
            content_id,
            consent,
            archived,
            version,
            created_at,
            updated_at,
            older_keys,
            snippet_html,
            snippet_js,
        })
    }

    /// The form's version as an entity tag.
    pub(super) fn etag(&self) -> String {
        etag(self.version, 0)
    }
}

/// Where the world reaches this service: as configured, else as this caller does.
pub fn reached_at(ctx: &Ctx<impl Permission>) -> String {
    if let Some(url) = &ctx.settings.public_url {
        return url.clone();
    }
    let host = ctx
        .request()
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    let is_plain = |host: &&str| {
        host.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b))
    };
    let listen = || ctx.settings.listen.to_string();
    format!(
        "http://{}",
        host.filter(is_plain).map_or_else(listen, str::to_owned)
    )
}
