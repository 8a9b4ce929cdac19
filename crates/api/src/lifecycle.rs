//! To be written.

use utoipa_actix_web::service_config::ServiceConfig;

/// The operations of this room.
pub fn configure(_: &mut ServiceConfig<'_>) {}
