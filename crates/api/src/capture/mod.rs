//! Forms, what strangers send to them, and what became of it.

pub mod batch;
pub mod body;
pub(crate) mod bots;
mod charset;
pub mod cors;
pub mod form_views;
pub mod forms;
pub mod item;
pub mod known_forms;
pub mod page;
mod redact;
mod snippet;
pub mod submissions;
pub mod submit;

use actix_web::http::Method;
use actix_web::web;

use crate::edge::http::services::Services;
use crate::edge::room::{Body, PathRule, QueueGauge, Room};
use crate::edge::writer::{Queue, Writer};

use batch::Captures;
pub use form_views::reached_at;

/// This room.
pub const ROOM: Room = Room {
    paths: &[PathRule {
        body: Body::AtMost(MAX_BODY),
        has_own_cors: true,
        ignores_unknown: true,
        ..PathRule::of("/v1/capture/")
    }],
    dress: Some(cors::dress),
    start_writer: |core| Writer::start(core.part::<Queue<Captures>>(), Captures(core.clone())),
    queues: &[QueueGauge {
        name: "captures",
        weight: |core| core.part::<Queue<Captures>>().weight(),
    }],
    ..Room::of(configure)
};

/// The most bytes of what a stranger sends to a form.
const MAX_BODY: usize = 64 * 1024;

/// The operations of this room.
pub fn configure(config: &mut Services<'_>) {
    forms::configure(config);
    submissions::configure(config);
    submit::configure(config);
    config.app_data(web::Data::new(known_forms::KnownForms::default()));
    config.route(
        "/v1/capture/{form_key}",
        web::method(Method::OPTIONS).to(cors::preflight),
    );
}
