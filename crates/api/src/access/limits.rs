//! How often who may call.

use actix_web::dev::ServiceRequest;

use super::Identity;
use crate::config::Rates;
use crate::http::problem::Problem;

/// How often who may call.
#[derive(Debug)]
pub struct Limits;

impl Limits {
    /// By configuration.
    pub fn new(_: &Rates) -> Self {
        Self
    }

    /// One more request of an address.
    pub fn admit_address(&self, _: &ServiceRequest) -> Result<(), Problem> {
        Ok(())
    }

    /// One more request of a caller.
    pub fn admit_caller(&self, _: &Identity) -> Result<(), Problem> {
        Ok(())
    }
}

impl Limits {
    /// How many replicas share the limits.
    pub fn set_replicas(&self, _: u64) {}

    /// Forget who has not called for long.
    pub fn tidy(&self) {}
}
