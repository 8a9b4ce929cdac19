//! The rooms of the service, and how their routes are put together.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Protocol};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::dev::{AppConfig, Server, fn_service};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::{App as Actix, web};
use serde_json::Value;

use crate::edge::core::Core;
use crate::edge::guides;
use crate::edge::http::asset::Asset;
use crate::edge::http::connection::TimedStream;
use crate::edge::http::request;
use crate::edge::http::services::Services;
use crate::edge::http::shape::{ShapeError, Shapes};
use crate::edge::openapi;
use crate::edge::room::{MAX_BODY, Room};
use crate::program::config::Config;
use crate::{
    access, activities, agreement, campaigns, capture, clocks, content, deals, duplicates, handoff, journal,
    leads, lifecycle, notices, operation, reports, routing, segments, settings, tracking, transfer, work,
};

/// How long a connection may be quiet between two requests.
const KEEP_ALIVE: KeepAlive = KeepAlive::Timeout(Duration::from_secs(75));
/// How long the first head of a connection may take.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// How long what is left of a body is read after an answer that does not need it.
const LINGER: Duration = Duration::from_secs(2);

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
    content::ROOM,
    journal::ROOM,
    reports::ROOM,
    segments::ROOM,
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

/// The published document as it is served: made when somebody first asks for it.
pub static PUBLISHED: LazyLock<Asset> = LazyLock::new(|| Asset::of(openapi::text(&document()).into_bytes()));

/// The published document, made once per process.
pub fn document() -> Arc<Value> {
    static DOCUMENT: LazyLock<Arc<Value>> = LazyLock::new(|| Arc::new(openapi::document(operations)));
    DOCUMENT.clone()
}

/// The schemas of the published document's parameters and bodies, compiled once per process.
pub fn shapes() -> Result<web::Data<Shapes>, ShapeError> {
    static SHAPES: OnceLock<web::Data<Shapes>> = OnceLock::new();
    if let Some(shapes) = SHAPES.get() {
        return Ok(shapes.clone());
    }
    let compiled = web::Data::new(Shapes::compile(&document())?);
    Ok(SHAPES.get_or_init(|| compiled).clone())
}

/// Serve on a socket until the handle is stopped. At most `connections` are open at a time.
pub fn server(
    core: web::Data<Core>,
    shapes: web::Data<Shapes>,
    config: &Config,
    listener: TcpListener,
    connections: usize,
) -> io::Result<Server> {
    let address = listener.local_addr()?;
    let accepting = core.clone();
    let factory = move || {
        let app = Actix::new()
            .configure(|config| operations(&mut Services::to_serve(config)))
            .app_data(core.clone())
            .app_data(shapes.clone())
            .app_data(web::PayloadConfig::new(MAX_BODY))
            .configure(guides::pages)
            .configure(openapi::pages)
            .default_service(web::to(request::nothing_here))
            .wrap(from_fn(request::guard));
        let app = app.into_factory().map_err(|error| error.error_response());
        let http = HttpService::build()
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIME)
            .client_disconnect_timeout(LINGER)
            .local_addr(address)
            .on_connect_ext(|line: &TimedStream, data| drop(data.insert(line.requests())))
            .finish(map_config(app, |()| AppConfig::default()));
        let core = accepting.clone();
        fn_service(move |io: TcpStream| {
            let line = open(&core, io);
            async move { line }
        })
        .and_then(http)
    };
    let server = Server::build()
        .workers(config.workers)
        .max_concurrent_connections((connections / config.workers).max(1))
        .shutdown_timeout(config.timeouts.shutdown_ms / 1000)
        .disable_signals()
        .listen("tandem", listener, factory)?;
    Ok(server.run())
}

/// A connection that was accepted, unless its address has as many as it may.
fn open(core: &Core, io: TcpStream) -> Result<(TimedStream, Protocol, Option<SocketAddr>), DispatchError> {
    let peer = io.peer_addr()?;
    io.set_nodelay(true)?;
    let address = peer.ip().to_canonical();
    let place = match core.settings.trusts(address) {
        true => core.connections.uncounted(),
        false => core.connections.place(address).ok_or_else(|| {
            core.metrics.refused_connection();
            io::Error::from(io::ErrorKind::QuotaExceeded)
        })?,
    };
    Ok((TimedStream::new(io, place), Protocol::Http1, Some(peer)))
}
