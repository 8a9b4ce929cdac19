//! Where the rooms put their operations: to be served, and, for the document alone, to be described.

use actix_web::dev::HttpServiceFactory;
use actix_web::{App, Route, web};
use utoipa::openapi::OpenApi;
use utoipa_actix_web::OpenApiFactory;

/// What a room is given to put its operations into. Every worker has its own; only one description is ever made, since
/// it is large.
pub struct Services<'a> {
    served: &'a mut web::ServiceConfig,
    described: Option<&'a mut OpenApi>,
}

impl<'a> Services<'a> {
    /// For a worker, which serves them.
    pub fn to_serve(config: &'a mut web::ServiceConfig) -> Self {
        Self {
            served: config,
            described: None,
        }
    }

    /// Put an operation in.
    pub fn service<O>(&mut self, operation: O) -> &mut Self
    where
        O: HttpServiceFactory + OpenApiFactory + 'static,
    {
        if let Some(document) = &mut self.described {
            let mut schemas = vec![];
            operation.schemas(&mut schemas);
            document.paths.merge(operation.paths());
            let components = document.components.get_or_insert_default();
            components.schemas.extend(schemas);
        }
        self.served.service(operation);
        self
    }

    /// Put a route in that is no operation of the document.
    pub fn route(&mut self, path: &str, route: Route) -> &mut Self {
        self.served.route(path, route);
        self
    }

    /// Put in what a room's handlers share.
    pub fn app_data<T: 'static>(&mut self, data: T) -> &mut Self {
        self.served.app_data(data);
        self
    }
}

/// A document with the head that is given and these operations.
pub fn described(head: OpenApi, operations: impl FnOnce(&mut Services<'_>)) -> OpenApi {
    let mut document = head;
    App::new().configure(|config| {
        operations(&mut Services {
            served: config,
            described: Some(&mut document),
        });
    });
    document
}
