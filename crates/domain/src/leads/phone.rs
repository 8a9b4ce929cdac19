//! Phone numbers in the form in which they are compared: E.164.

use phonenumber::country;
use phonenumber::metadata::DATABASE;

use super::identity::Invalid;

/// The most characters that a number is read from.
const MOST_CHARS: usize = 64;

/// A phone number in international form (E.164): `+` and 7 to 15 digits. An extension is no part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(String);

impl Phone {
    /// Unpack the numbering plans, which the first number would wait for.
    pub fn prepare() {
        drop(DATABASE.region(&1u16));
    }

    /// Read a number in international form; `00` in front is `+`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::parse_in(text, None)
    }

    /// Read a number in international form, or as it is dialled within a country (ISO 3166-1 alpha-2).
    ///
    /// Spaces, dots, dashes, slashes and brackets are ignored, and so is an extension. In international form a number
    /// must have a calling code that is in use; it keeps a zero that belongs to it (Italy) but not one that is dialled
    /// within the country alone (`+41 (0)44`). In national form it must be one that the country's plan knows, so that
    /// emergency and other short numbers are none.
    pub fn parse_in(text: &str, country: Option<&str>) -> Result<Self, Invalid> {
        let dialled = dialled(text).ok_or(Invalid::Phone)?;
        let kept = match dialled.strip_prefix('+') {
            Some(digits) => international(digits),
            None => within(&dialled, country.ok_or(Invalid::Phone)?),
        };
        kept.map(Self).ok_or(Invalid::Phone)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A number as it is dialled within a country, nobody said which: digits alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialled(String);

impl Dialled {
    /// The number in a text that has no calling code; fewer than 5 digits are a short number or none.
    pub fn parse(text: &str) -> Option<Self> {
        dialled(text)
            .filter(|digits| !digits.starts_with('+') && (5..=15).contains(&digits.len()))
            .map(Self)
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number, read as it is dialled within a country (ISO 3166-1 alpha-2).
    pub fn within(&self, country: &str) -> Result<Phone, Invalid> {
        within(&self.0, country).map(Phone).ok_or(Invalid::Phone)
    }
}

/// A number that is given with its calling code. The plans' patterns are not asked: they change more often than this
/// program, and compiling them costs more than all the rest of a capture.
fn international(digits: &str) -> Option<String> {
    let is_in_use = |length: &usize| {
        let code = digits.get(..*length).and_then(|code| code.parse::<u16>().ok());
        code.is_some_and(|code| DATABASE.region(&code).is_some())
    };
    let (code, national) = digits.split_at((1..=3).find(is_in_use)?);
    let drops_zero = || {
        let plans = DATABASE.by_code(&code.parse::<u16>().ok()?)?;
        plans.first()?.national_prefix().filter(|prefix| *prefix == "0")
    };
    let national = match national.strip_prefix('0') {
        Some(rest) if drops_zero().is_some() => Some(rest).filter(|rest| !rest.starts_with('0'))?,
        _ => national,
    };
    let is_sound =
        (7..=15).contains(&(code.len() + national.len())) && !(code == "1" && national.len() != 10);
    is_sound.then(|| format!("+{code}{national}"))
}

/// A number as it is dialled within a country: one that the country's plan knows.
fn within(dialled: &str, country: &str) -> Option<String> {
    let country = country.to_ascii_uppercase().parse::<country::Id>().ok()?;
    let number = phonenumber::parse(Some(country), dialled).ok()?;
    if !phonenumber::is_valid(&number) {
        return None;
    }
    let national = number.national();
    let zeros = "0".repeat(national.zeros().into());
    international(&format!("{}{zeros}{}", number.code().value(), national.value()))
}

/// The digits that are dialled, with a `+` in front where the number is international.
fn dialled(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("tel:").unwrap_or(text);
    if text.chars().count() > MOST_CHARS {
        return None;
    }
    let end = text.find(|c: char| c.is_alphabetic() || ";,#".contains(c));
    let (number, rest) = text.split_at(end.unwrap_or(text.len()));
    if !is_extension(rest) {
        return None;
    }
    let kept = number
        .chars()
        .filter(|c| !" \t.-/()\u{a0}\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}".contains(*c));
    let kept: String = kept.collect();
    let digits = kept.strip_prefix('+').or_else(|| kept.strip_prefix("00"));
    let is_international = digits.is_some();
    let digits = digits.unwrap_or(&kept);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let sign = if is_international { "+" } else { "" };
    (!(is_international && digits.starts_with('0'))).then(|| format!("{sign}{digits}"))
}

/// What may stand behind a number: nothing, or an extension in one of the ways in which they are written.
fn is_extension(rest: &str) -> bool {
    let rest = rest.to_lowercase();
    let rest = rest.trim_start_matches([';', ',', '#', ' ']);
    let named = ["extension", "ext", "durchwahl", "dw", "int", "poste", "x"];
    let digits = named
        .iter()
        .find_map(|name| rest.strip_prefix(name))
        .unwrap_or(rest);
    let digits = digits.trim_matches([' ', '.', '=', ':', '#']);
    digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests;
