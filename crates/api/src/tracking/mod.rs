//! Where people come from and what they do: sites and their keys, the script that websites load, events, touches, the
//! rules for channels.

mod body;
mod channel_rules;
mod collect;
mod events;
mod identify;
mod ignored_referrers;
mod keys;
mod lists;
mod script;
mod sites;
pub mod take;
mod views;

use actix_web::http::Method;
use actix_web::web;

use crate::edge::http::services::Services;

/// The operations of this room, and the browsers' preflight, which is no operation of the document.
pub fn configure(config: &mut Services<'_>) {
    channel_rules::configure(config);
    ignored_referrers::configure(config);
    script::configure(config);
    keys::configure(config);
    collect::configure(config);
    events::configure(config);
    identify::configure(config);
    lists::configure(config);
    config.app_data(web::Data::new(sites::Sites::default()));
    config.route("/v1/collect", web::method(Method::OPTIONS).to(sites::preflight));
}
