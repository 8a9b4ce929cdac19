//! The faults that domain finds in a body, as a problem document.

use tandem_domain::fault::Fault;

use super::problem::{Location, Problem, Violation};

/// Refuses a body that has faults (422).
pub fn refuse(faults: Vec<Fault>) -> Result<(), Problem> {
    if faults.is_empty() {
        Ok(())
    } else {
        Err(invalid(faults))
    }
}

/// The problem (422) that lists the faults of a body.
pub fn invalid(faults: Vec<Fault>) -> Problem {
    let violation = |fault: Fault| {
        let segments = fault
            .pointer
            .split('/')
            .skip(1)
            .map(|part| part.replace("~1", "/").replace("~0", "~"));
        Violation::new(Location::at(segments), fault.code, fault.detail)
    };
    Problem::invalid(faults.into_iter().map(violation).collect())
}
