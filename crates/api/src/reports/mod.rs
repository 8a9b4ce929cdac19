//! What came of it, as figures: the funnel over cycles, and the records behind each figure.

mod csv;
mod evidence;
mod funnel;
mod select;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

/// The operations of this room.
pub fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(funnel::get_funnel)
        .service(evidence::list_funnel_evidence);
}
