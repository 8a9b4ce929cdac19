//! Where Prometheus asks for the metrics: a port of its own, without authorization.

use std::net::TcpListener;

use actix_web::{App as Actix, HttpResponse, HttpServer, web};

use crate::edge::core::Core;

/// Answer `GET /metrics` on a socket until the handle is stopped. It asks the database nothing.
pub fn server(core: web::Data<Core>, listener: TcpListener) -> std::io::Result<actix_web::dev::Server> {
    let server = HttpServer::new(move || {
        Actix::new()
            .app_data(core.clone())
            .service(web::resource("/metrics").get(get_metrics))
    });
    let server = server
        .workers(1)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

async fn get_metrics(core: web::Data<Core>) -> HttpResponse {
    match core.metrics.text(&core) {
        Ok(text) => HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}
