//! What conditions may refer to.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

use crate::id::FormId;
use crate::leads::custom::CustomField;
use crate::money::Currency;

/// What conditions may refer to.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The declared custom fields.
    pub custom: &'a [CustomField],
    /// The forms that exist.
    pub forms: &'a BTreeSet<FormId>,
    /// The company's time zone: calendar days begin at its midnight.
    pub zone: &'a TimeZone,
    /// The base currency, in which money is compared.
    pub currency: Currency,
}
