//! The rooms of the service, and how their routes are put together.

use std::net::TcpListener;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App as Actix, web};
use serde_json::Value;

use crate::edge::core::Core;
use crate::edge::http::request;
use crate::edge::http::services::Services;
use crate::edge::http::shape::{ShapeError, Shapes};
use crate::edge::openapi;
use crate::edge::room::{MAX_BODY, Room};
use crate::program::config::Config;
use crate::{
    access, activities, agreement, campaigns, capture, clocks, deals, duplicates, handoff, journal, leads,
    lifecycle, notices, operation, reports, routing, settings, tracking, transfer, work,
};

/// Every room. A request is compared with the paths in this order, by regular expressions: what is called most comes first.
pub const ROOMS: &[Room] = &[
    capture::ROOM,
    tracking::ROOM,
    leads::ROOM,
    operation::ROOM,
    access::ROOM,
    lifecycle::ROOM,
    agreement::ROOM,
    handoff::ROOM,
    routing::ROOM,
    deals::ROOM,
    activities::ROOM,
    clocks::ROOM,
    notices::ROOM,
    duplicates::ROOM,
    campaigns::ROOM,
    journal::ROOM,
    reports::ROOM,
    settings::ROOM,
    transfer::ROOM,
    work::ROOM,
];

/// Every operation of the interface, room by room.
pub fn operations(config: &mut Services<'_>) {
    for room in ROOMS {
        (room.operations)(config);
    }
}

/// The published document, made once per process.
pub fn document() -> Arc<Value> {
    static DOCUMENT: LazyLock<Arc<Value>> = LazyLock::new(|| Arc::new(openapi::document(operations)));
    DOCUMENT.clone()
}

/// Its shapes, compiled once per process.
pub fn shapes() -> Result<web::Data<Shapes>, ShapeError> {
    static SHAPES: OnceLock<web::Data<Shapes>> = OnceLock::new();
    if let Some(shapes) = SHAPES.get() {
        return Ok(shapes.clone());
    }
    let compiled = web::Data::new(Shapes::compile(&document())?);
    Ok(SHAPES.get_or_init(|| compiled).clone())
}

/// Serve on a socket until the handle is stopped.
pub fn server(
    core: web::Data<Core>,
    shapes: web::Data<Shapes>,
    config: &Config,
    listener: TcpListener,
) -> std::io::Result<actix_web::dev::Server> {
    let workers = config.workers;
    let grace = config.timeouts.shutdown_ms / 1000;
    let server = actix_web::HttpServer::new(move || {
        Actix::new()
            .configure(|config| operations(&mut Services::to_serve(config)))
            .app_data(core.clone())
            .app_data(shapes.clone())
            .app_data(web::PayloadConfig::new(MAX_BODY))
            .configure(openapi::pages)
            .default_service(web::to(request::nothing_here))
            .wrap(from_fn(request::guard))
    });
    let server = server
        .workers(workers)
        .max_connections(10_000)
        .client_request_timeout(Duration::from_secs(5))
        .keep_alive(Duration::from_secs(75))
        .shutdown_timeout(grace)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}
