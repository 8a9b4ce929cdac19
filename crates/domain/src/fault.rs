//! What is wrong with a statement, and where: collected, never only the first.

/// One fault of a request body. `detail` never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer into the body, such as `/emails/0`.
    pub pointer: String,
    /// Machine-readable code, such as `invalid_format`.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
}

impl Fault {
    /// A fault at a place.
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl ToString) -> Self {
        Self {
            pointer: pointer.into(),
            code,
            detail: detail.to_string(),
        }
    }
}
