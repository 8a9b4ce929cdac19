//! How HTTP is spoken: requests, answers, problems, the published document, the guides, credentials; and what a room brings to it
//! (`room`). Imports no room and no program.

pub mod caller;
pub mod core;
pub mod crypto;
pub mod ctx;
pub mod guides;
pub mod http;
pub mod job;
pub mod metrics;
pub mod openapi;
pub mod room;
pub mod settings;
pub mod writer;
