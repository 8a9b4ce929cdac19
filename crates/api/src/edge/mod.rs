//! How HTTP is spoken: requests, answers, problems, the published document, credentials. Imports no room and no program.

pub mod crypto;
pub mod ctx;
pub mod http;
pub mod openapi;
