//! What conditions may refer to.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

use crate::id::{FormId, SegmentId};
use crate::leads::custom::CustomField;
use crate::money::Currency;

/// What conditions may refer to.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The declared custom fields.
    pub custom: &'a [CustomField],
    /// The forms that exist.
    pub forms: &'a BTreeSet<FormId>,
    /// The segments in use.
    pub segments: &'a BTreeSet<SegmentId>,
    /// The names of the declared purposes of consent.
    pub purposes: &'a BTreeSet<String>,
    /// The company's time zone: calendar days begin at its midnight.
    pub zone: &'a TimeZone,
    /// The base currency, in which money is compared.
    pub currency: Currency,
}
