//! What came of it, as figures: the funnel over cycles, and the records behind each figure.

mod csv;
mod evidence;
mod funnel;
mod select;
mod view;

use crate::edge::http::services::Services;
use crate::edge::room::{PathRule, Room, Time};

/// This room.
pub const ROOM: Room = Room {
    paths: &[PathRule {
        time: Time::Configured,
        ..PathRule::of("/v1/reports/")
    }],
    ..Room::of(configure)
};

fn configure(config: &mut Services<'_>) {
    config
        .service(funnel::get_funnel)
        .service(evidence::list_funnel_evidence);
}
