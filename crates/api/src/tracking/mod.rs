//! Where people come from and what they do: sites and their keys, the script that websites load, events, touches, the
//! rules for channels.

pub mod batch;
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
mod views;

use actix_web::http::Method;
use actix_web::web;

use crate::edge::http::services::Services;
use crate::edge::room::{Body, PathRule, QueueGauge, Room};
use crate::edge::writer::{Queue, Writer};
use batch::Tracks;

/// This room.
pub const ROOM: Room = Room {
    paths: &[
        PathRule {
            has_own_cors: true,
            ignores_unknown: true,
            body: Body::AtMost(MAX_BODY),
            ..PathRule::of("/v1/collect")
        },
        PathRule {
            ignores_unknown: true,
            ..PathRule::of("/tandem.js")
        },
    ],
    start_writer: |core| Writer::start(core.part::<Queue<Tracks>>(), Tracks(core.clone())),
    queues: &[QueueGauge {
        name: "events",
        weight: |core| core.part::<Queue<Tracks>>().weight(),
    }],
    ..Room::of(configure)
};

/// The most bytes of what a page reports at once: twice what a browser lets a leaving page send.
const MAX_BODY: usize = 128 * 1024;

fn configure(config: &mut Services<'_>) {
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
