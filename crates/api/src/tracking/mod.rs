//! Where people come from: the rules for channels, and the script that websites load.

mod channel_rules;
mod script;

use utoipa_actix_web::service_config::ServiceConfig;

/// The operations of this room.
pub fn configure(config: &mut ServiceConfig<'_>) {
    channel_rules::configure(config);
    script::configure(config);
}
