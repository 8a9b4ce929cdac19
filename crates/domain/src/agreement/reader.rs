//! Reading the agreement's JSON: every fault is collected, each with its JSON pointer.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::duration::Duration;
use crate::fault::Fault;

/// Collects the faults of one document while it is read.
///
/// Each method reads one value at a pointer and returns `None` where it is unfit, so that reading goes on behind it.
#[derive(Debug, Default)]
pub struct Reader {
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
    is_draft: bool,
    /// The bands that conditions may name; any where it is not known.
    bands: Option<BTreeSet<String>>,
}

impl Reader {
    /// A reader of a complete document: what is required must be there.
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader of a draft, which may lack what is required.
    pub fn of_draft() -> Self {
        Self {
            is_draft: true,
            ..Self::default()
        }
    }

    /// From now on conditions may only name these bands.
    pub fn know_bands(&mut self, bands: BTreeSet<String>) {
        self.bands = Some(bands);
    }

    /// Whether conditions must not name this band.
    pub fn is_unknown_band(&self, band: &str) -> bool {
        self.bands.as_ref().is_some_and(|bands| !bands.contains(band))
    }

    /// The faults found so far.
    pub fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    /// The faults found so far, and what is allowed but probably not meant.
    pub fn into_faults_and_warnings(self) -> (Vec<Fault>, Vec<Fault>) {
        (self.faults, self.warnings)
    }

    /// Record what is allowed but probably not meant.
    pub fn warning(&mut self, at: impl Into<String>, code: &'static str, detail: impl Display) {
        self.warnings.push(Fault::new(at, code, detail));
    }

    /// Record a fault.
    pub fn fault(&mut self, at: impl Into<String>, code: &'static str, detail: impl Display) {
        self.faults.push(Fault::new(at, code, detail));
    }

    /// An object that has no other members than these.
    pub fn object<'v>(
        &mut self,
        json: &'v Value,
        at: &str,
        known: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        let map = self.map(json, at)?;
        self.only(map, at, known);
        Some(map)
    }

    /// An object whose members have names of their own.
    pub fn map<'v>(&mut self, json: &'v Value, at: &str) -> Option<&'v Map<String, Value>> {
        self.typed(json.as_object(), at, "an object")
    }

    /// Refuse the members that are not among these.
    pub fn only(&mut self, map: &Map<String, Value>, at: &str, known: &[&str]) {
        for name in map.keys().filter(|name| !known.contains(&name.as_str())) {
            let detail = format!("is not known; known are {}", known.join(", "));
            self.fault(below(at, name), "unknown_field", detail);
        }
    }

    /// A member that a complete document has.
    pub fn required<'v>(&mut self, map: &'v Map<String, Value>, at: &str, name: &str) -> Option<&'v Value> {
        let found = map.get(name);
        if found.is_none() && !self.is_draft {
            self.fault(below(at, name), "required", "is missing");
        }
        found
    }

    /// A list of at most so many items.
    pub fn list<'v>(&mut self, json: &'v Value, at: &str, most: usize) -> Option<&'v [Value]> {
        let items = self.typed(json.as_array(), at, "an array")?;
        if items.len() > most {
            self.fault(at, "too_many_items", format!("must have at most {most} items"));
            return None;
        }
        Some(items)
    }

    /// A text of 1 to so many characters.
    pub fn text<'v>(&mut self, json: &'v Value, at: &str, most: usize) -> Option<&'v str> {
        let text = self.typed(json.as_str(), at, "a string")?;
        if text.is_empty() {
            self.fault(at, "too_short", "must not be empty");
            return None;
        }
        if text.chars().count() > most {
            self.fault(at, "too_long", format!("must have at most {most} characters"));
            return None;
        }
        Some(text)
    }

    /// A name of 1 to 63 lower-case letters, digits and `_`, a letter first.
    pub fn name<'v>(&mut self, json: &'v Value, at: &str) -> Option<&'v str> {
        let text = self.text(json, at, 63)?;
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(is_plain) {
            let detail = "must consist of lower-case letters, digits and _, and begin with a letter";
            self.fault(at, "invalid_format", detail);
            return None;
        }
        Some(text)
    }

    /// One of these words.
    pub fn word<'v>(&mut self, json: &'v Value, at: &str, words: &[&str]) -> Option<&'v str> {
        let text = self.typed(json.as_str(), at, "a string")?;
        if !words.contains(&text) {
            self.fault(at, "not_allowed", format!("must be one of {}", words.join(", ")));
            return None;
        }
        Some(text)
    }

    /// A boolean.
    pub fn boolean(&mut self, json: &Value, at: &str) -> Option<bool> {
        self.typed(json.as_bool(), at, "a boolean")
    }

    /// A whole number within a range.
    pub fn whole(&mut self, json: &Value, at: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let number = self.typed(json.as_i64(), at, "a whole number")?;
        if !range.contains(&number) {
            let detail = format!("must lie within {} and {}", range.start(), range.end());
            self.fault(at, "out_of_range", detail);
            return None;
        }
        Some(number)
    }

    /// A number within a range.
    pub fn number(&mut self, json: &Value, at: &str, range: RangeInclusive<f64>) -> Option<f64> {
        let number = self.typed(json.as_f64(), at, "a number")?;
        if !range.contains(&number) {
            let detail = format!("must lie within {} and {}", range.start(), range.end());
            self.fault(at, "out_of_range", detail);
            return None;
        }
        Some(number)
    }

    /// A duration longer than nothing, of at most 400 days.
    pub fn duration(&mut self, json: &Value, at: &str) -> Option<Duration> {
        let text = self.typed(json.as_str(), at, "a string")?;
        match text.parse::<Duration>() {
            Ok(duration) if duration.millis() > 0 => return Some(duration),
            Ok(_) => self.fault(at, "out_of_range", "must be longer than nothing"),
            Err(error) => self.fault(at, "invalid_format", error),
        }
        None
    }

    fn typed<T>(&mut self, value: Option<T>, at: &str, what: &str) -> Option<T> {
        if value.is_none() {
            self.fault(at, "invalid_type", format!("must be {what}"));
        }
        value
    }
}

/// The pointer of a member or item (RFC 6901).
pub fn below(at: &str, name: impl Display) -> String {
    let name = name.to_string().replace('~', "~0").replace('/', "~1");
    format!("{at}/{name}")
}
