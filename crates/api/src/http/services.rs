//! Where the rooms put their operations: to be served, and, for the document alone, to be described.

use actix_web::dev::HttpServiceFactory;
use actix_web::{Route, web};
use utoipa::openapi::path::Paths;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{OpenApi, RefOr};
use utoipa_actix_web::OpenApiFactory;

/// What a room is given to put its operations into. Every worker has its own; only one description is ever made, since
/// it is large.
pub struct Services<'a> {
    served: &'a mut web::ServiceConfig,
    described: Option<Described>,
}

#[derive(Default)]
struct Described {
    paths: Paths,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl<'a> Services<'a> {
    /// For a worker, which serves them.
    pub fn to_serve(config: &'a mut web::ServiceConfig) -> Self {
        Self {
            served: config,
            described: None,
        }
    }

    /// For the document.
    pub fn to_describe(config: &'a mut web::ServiceConfig) -> Self {
        Self {
            served: config,
            described: Some(Described::default()),
        }
    }

    /// Put an operation in.
    pub fn service<O>(&mut self, operation: O) -> &mut Self
    where
        O: HttpServiceFactory + OpenApiFactory + 'static,
    {
        if let Some(described) = &mut self.described {
            described.paths.merge(operation.paths());
            operation.schemas(&mut described.schemas);
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

    /// Add what was put in to a document.
    pub fn describe(self, document: &mut OpenApi) {
        let Some(described) = self.described else { return };
        document.paths.merge(described.paths);
        let components = document.components.get_or_insert_default();
        components.schemas.extend(described.schemas);
    }
}
