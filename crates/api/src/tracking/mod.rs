//! Where people come from: the rules for channels.

mod channel_rules;

use utoipa_actix_web::service_config::ServiceConfig;

/// The operations of this room.
pub fn configure(config: &mut ServiceConfig<'_>) {
    channel_rules::configure(config);
}
