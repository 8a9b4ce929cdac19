//! Lists: one envelope, signed cursors that are bound to filter and sort.

use actix_web::body::BoxBody;
use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse, Responder};
use std::borrow::Cow;

use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use tandem_store::page::Page;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::json::Json;
use super::problem::{Code, Problem};
use crate::edge::crypto::cursor::{self, CursorError};
use crate::edge::crypto::seal::MasterKey;

/// The most items of a page.
pub const MAX_LIMIT: u64 = 200;
/// The items of a page where the caller does not say.
pub const DEFAULT_LIMIT: u64 = 50;

/// One page of a list. If more follows, `next_cursor` is the `cursor` of the next request.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listing<T: ToSchema> {
    /// The items of the page.
    #[schema(max_items = 200)]
    pub data: Vec<T>,
    /// Whether another page follows.
    pub has_more: bool,
    /// The cursor of the next page, if one follows.
    #[schema(max_length = 2048)]
    pub next_cursor: Option<String>,
    /// The total number of items, if the request had `Prefer: return=total-count`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub total_count: Option<i64>,
    /// Whether `total_count` is an estimate, as it is above 10,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_count_is_estimate: Option<bool>,
}

/// What a list's cursor is bound to: route, filters and sort, without the cursor and the limit.
pub fn binding(request: &HttpRequest) -> String {
    let query = request.query_string();
    let mut parts: Vec<&str> = query
        .split('&')
        .filter(|part| !part.is_empty() && !part.starts_with("cursor=") && !part.starts_with("limit="))
        .collect();
    parts.sort_unstable();
    format!("{}?{}", request.path(), parts.join("&"))
}

/// The position that a cursor stands for.
pub fn position(
    master: &MasterKey,
    request: &HttpRequest,
    cursor: Option<&str>,
) -> Result<Option<Value>, Problem> {
    let Some(text) = cursor else { return Ok(None) };
    cursor::decode(master, &binding(request), text)
        .map(Some)
        .map_err(|error| match error {
            CursorError::Malformed => Problem::new(Code::InvalidCursor),
            CursorError::Mismatch => Problem::new(Code::CursorMismatch),
        })
}

/// The position that a cursor stands for, as the list's own type.
pub fn after<P: DeserializeOwned>(
    master: &MasterKey,
    request: &HttpRequest,
    cursor: Option<&str>,
) -> Result<Option<P>, Problem> {
    let typed = |value| serde_json::from_value(value).map_err(|_| Problem::new(Code::InvalidCursor));
    position(master, request, cursor)?.map(typed).transpose()
}

/// What a list is sorted by, with the names on the wire.
pub trait Sorts: Copy + 'static {
    /// Each, by name.
    const NAMES: &'static [(&'static str, Self)];
}

/// The order of a list: what it is sorted by, `-` before the name where the greatest comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order<S> {
    /// What the list is sorted by.
    pub sort: S,
    /// Whether the greatest comes first.
    pub descending: bool,
}

impl<S> Order<S> {
    /// The least first.
    pub fn by(sort: S) -> Self {
        Self {
            sort,
            descending: false,
        }
    }
}

impl<'de, S: Sorts> Deserialize<'de> for Order<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let (name, descending) = text
            .strip_prefix('-')
            .map_or((&*text, false), |name| (name, true));
        let known = S::NAMES.iter().find(|(known, _)| *known == name);
        known
            .map(|(_, sort)| Self {
                sort: *sort,
                descending,
            })
            .ok_or_else(|| de::Error::custom("not an order of this list"))
    }
}

impl<S: Sorts> PartialSchema for Order<S> {
    fn schema() -> RefOr<Schema> {
        let names = S::NAMES
            .iter()
            .flat_map(|(name, _)| [(*name).to_owned(), format!("-{name}")]);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "The sort order: the name of a key, ascending; with `-` before the name, descending.",
            ))
            .enum_values(Some(names))
            .into()
    }
}

impl<S: Sorts> ToSchema for Order<S> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Order")
    }
}

impl<T: ToSchema> Listing<T> {
    /// A page of records as an answer shows them; `place` is where a record stands in the list.
    pub fn of<R, P: Serialize>(
        master: &MasterKey,
        request: &HttpRequest,
        page: Page<R>,
        place: impl Fn(&R) -> P,
        view: impl FnMut(R) -> T,
    ) -> Self {
        let last = page.data.last().filter(|_| page.has_more);
        let next = last.map(|last| json!(place(last)));
        Self::new(master, request, page.data.into_iter().map(view).collect(), next)
    }

    /// A page; `next` is the position behind its last item, where another page follows.
    pub fn new(master: &MasterKey, request: &HttpRequest, data: Vec<T>, next: Option<Value>) -> Self {
        let next_cursor = next.map(|position| cursor::encode(master, &binding(request), &position));
        Self {
            has_more: next_cursor.is_some(),
            data,
            next_cursor,
            total_count: None,
            total_count_is_estimate: None,
        }
    }

    /// With the number of all items, and whether it is an estimate.
    pub fn counted(self, total: Option<(u64, bool)>) -> Self {
        Self {
            total_count: total.map(|(n, _)| n as i64),
            total_count_is_estimate: total.map(|(_, estimated)| estimated),
            ..self
        }
    }
}

/// Whether the caller asked for the number of all items.
pub fn wants_total(request: &HttpRequest) -> bool {
    let preferences = request
        .headers()
        .get_all("prefer")
        .filter_map(|value| value.to_str().ok());
    preferences
        .flat_map(|value| value.split(','))
        .any(|one| one.trim() == "return=total-count")
}

impl<T: Serialize + ToSchema> Responder for Listing<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let next = self.next_cursor.clone();
        let mut response = Json(self).respond_to(request);
        if let Some(cursor) = next {
            let query = request.query_string();
            let kept = query
                .split('&')
                .filter(|part| !part.is_empty() && !part.starts_with("cursor="));
            let query: Vec<String> = kept
                .map(str::to_owned)
                .chain([format!("cursor={cursor}")])
                .collect();
            let link = format!("<{}?{}>; rel=\"next\"", request.path(), query.join("&"));
            if let Ok(value) = link.try_into() {
                response.headers_mut().insert(LINK, value);
            }
        }
        response
    }
}
