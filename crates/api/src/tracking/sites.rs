//! The sites that may send events: the site of each tracking key, and the origins that may use it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use actix_web::{HttpRequest, HttpResponse, web};
use tandem_domain::id::TrackingKeyId;
use tandem_domain::instant::Timestamp;
use tandem_domain::tracking::keys::TrackingKey;
use tandem_store as store;
use url::form_urlencoded;

use crate::capture::known_forms;
use crate::edge::core::Core;
use crate::edge::crypto::secret;
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::reply::Reply;

/// How old a known site may be, in milliseconds.
const FRESH: i64 = 1000;
/// The most sites that are known at a time.
const MOST: usize = 1024;

/// The sites of one worker, each known for a second at most.
#[derive(Debug, Default)]
pub struct Sites(Mutex<HashMap<String, (Timestamp, TrackingKey)>>);

/// A site whose key works.
#[derive(Debug, Clone)]
pub struct Site {
    /// By which key.
    pub id: TrackingKeyId,
    allowed_origins: Vec<String>,
}

impl Sites {
    /// The site of a key that works.
    async fn find(&self, core: &Core, text: &str) -> Result<Option<Site>, Problem> {
        if secret::TrackingKey::parse(text).is_none() {
            return Ok(None);
        }
        let now = core.ambient.now();
        let key = match self.known(text, now) {
            Some(key) => key,
            None => match store::tracking::keys::find(&core.db, text).await? {
                None => return Ok(None),
                Some(key) => {
                    self.keep(text, key.clone(), now);
                    key
                }
            },
        };
        Ok(key.is_opened_by(text, now).then_some(Site {
            id: key.id,
            allowed_origins: key.allowed_origins,
        }))
    }

    fn known(&self, text: &str, now: Timestamp) -> Option<TrackingKey> {
        let sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, key) = sites.get(text)?;
        let is_fresh = (0..FRESH).contains(&(now.millis() - read_at.millis()));
        is_fresh.then(|| key.clone())
    }

    fn keep(&self, text: &str, key: TrackingKey, now: Timestamp) {
        let mut sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sites.len() >= MOST {
            sites.clear();
        }
        sites.insert(text.to_owned(), (now, key));
    }
}

impl Site {
    /// The page's origin, where it names one. Pages of other origins are rejected; a server names none, and a hidden origin
    /// counts as none.
    pub fn check_origin(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, Problem> {
        let Some(origin) = headers.get(ORIGIN) else {
            return Ok(None);
        };
        match known_forms::is_admitted(&self.allowed_origins, origin) {
            true => Ok(Some(origin.clone())),
            false => Err(Problem::new(Code::OriginNotAllowed)),
        }
    }
}

/// The site that a text is the key of.
pub async fn of(request: &HttpRequest, key: &str) -> Result<Site, Problem> {
    let bug = |what: &str| Problem::new(Code::InternalError).because(what);
    let core = request.app_data::<web::Data<Core>>();
    let core = core.ok_or_else(|| bug("the core is not in the application's data"))?;
    let sites = request.app_data::<web::Data<Sites>>();
    let sites = sites.ok_or_else(|| bug("the sites are not in the application's data"))?;
    let found = sites.find(core, key).await?;
    found.ok_or_else(|| Problem::new(Code::NotFound))
}

/// Name the page's origin on an answer; no credentials are ever allowed.
pub fn name_origin(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
}

/// Answer a browser's preflight: it asks where a page sends JSON, not where it sends text as beacons do.
pub async fn preflight(request: HttpRequest) -> Reply<HttpResponse> {
    let pairs = form_urlencoded::parse(request.query_string().as_bytes());
    let key = pairs.into_iter().find(|(name, _)| name == "key");
    let key = key.map(|(_, value)| value.into_owned()).unwrap_or_default();
    let site = of(&request, &key).await?;
    let mut response = HttpResponse::NoContent()
        .insert_header((ALLOW, "OPTIONS, POST"))
        .finish();
    if let Some(origin) = site.check_origin(request.headers())? {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("content-type"),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        name_origin(headers, Some(origin));
    }
    Ok(response)
}
