//! To be written.

use utoipa_actix_web::service_config::ServiceConfig;

/// The end of the feed.
#[derive(Debug, Default)]
pub struct Tail;

impl Tail {
    /// Nobody waits yet.
    pub fn new() -> Self {
        Self
    }
}

/// The operations of this room.
pub fn configure(_: &mut ServiceConfig<'_>) {}
