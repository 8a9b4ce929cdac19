//! Forms, what strangers send to them, and what became of it.

pub mod body;
pub(crate) mod bots;
pub mod cors;
pub mod door;
pub mod form_views;
pub mod forms;
pub mod item;
pub mod page;
mod redact;
mod snippet;
pub mod submissions;
pub mod submit;
pub mod take;
pub mod writer;

use actix_web::http::Method;
use actix_web::web;

use crate::edge::http::services::Services;

pub use form_views::reached_at;

/// The operations of this room, and the browsers' preflight, which is no operation of the document.
pub fn configure(config: &mut Services<'_>) {
    forms::configure(config);
    submissions::configure(config);
    submit::configure(config);
    config.app_data(web::Data::new(door::Doors::default()));
    config.route(
        "/v1/capture/{form_key}",
        web::method(Method::OPTIONS).to(cors::preflight),
    );
}
