//! Phone numbers in the form in which they are compared: E.164.

mod patterns;

use phonenumber::Metadata;
use phonenumber::metadata::{DATABASE, Descriptor};

use super::identity::Invalid;
use patterns::{beginning, whole};

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
    /// Spaces, dots, dashes, slashes and brackets are ignored, and so are an extension, a label in front (`Tel.`) and marks
    /// of direction; digits may be those of any script. Letters stand for the digits of their keys in numbers that are
    /// advertised so (`1-800-FLOWERS`): toll-free, shared-cost, premium, personal and company numbers.
    ///
    /// In international form a number must have a calling code that is in use; it keeps a zero that belongs to it (Italy) but
    /// not one that is dialled within the country alone (`+41 (0)44`). In national form it must be one that the country's
    /// plan knows, so that emergency and other short numbers are none.
    pub fn parse_in(text: &str, country: Option<&str>) -> Result<Self, Invalid> {
        let read = |dialled: &str| match dialled.strip_prefix('+') {
            Some(digits) => international(digits),
            None => within(dialled, country?),
        };
        let kept = match dialled(text) {
            Some(dialled) => read(&dialled),
            None => vanity(text).and_then(|dialled| read(&dialled).filter(|kept| is_advertised(kept))),
        };
        kept.map(Self).ok_or(Invalid::Phone)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A number as it is dialled within an unknown country: digits alone.
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

/// A number as it is dialled within a country: one that the country's plan knows, by the steps of libphonenumber's
/// `PhoneNumberUtil.parse` (the crate's own takes the first digits for the calling code too often: `393 123 4567` in Italy).
fn within(dialled: &str, country: &str) -> Option<String> {
    let plan = DATABASE.by_id(country.to_ascii_uppercase().as_str())?;
    let abroad = plan.international_prefix().and_then(|prefix| {
        let rest = &dialled[beginning(prefix.as_str())?.find(dialled)?.end()..];
        let kept = international(rest).filter(|_| !rest.starts_with('0'))?;
        is_known(&kept).then_some(kept)
    });
    if abroad.is_some() {
        return abroad;
    }
    let code = plan.country_code().to_string();
    let without_code = dialled.strip_prefix(&code).filter(|rest| {
        !is_one(plan, dialled) && is_one(plan, &without_trunk(plan, rest))
            || length(plan, dialled) == Length::TooLong
    });
    let national = without_code.unwrap_or(dialled);
    let bare = without_trunk(plan, national);
    let national = match length(plan, &bare) {
        Length::Possible | Length::TooLong => bare,
        Length::TooShort | Length::Local | Length::Impossible => national.to_owned(),
    };
    let kept = format!("+{code}{national}");
    // Seven digits of North America are dialled within an area alone.
    let has_room = (7..=15).contains(&(kept.len() - 1)) && (code != "1" || national.len() == 10);
    (has_room && is_known(&kept)).then_some(kept)
}

/// A number without what is dialled in front of it within the country alone (a trunk prefix, a carrier), unless it would be
/// none any more.
fn without_trunk(plan: &Metadata, national: &str) -> String {
    let Some(prefix) = plan.national_prefix_for_parsing() else {
        let bare = plan
            .national_prefix()
            .and_then(|prefix| national.strip_prefix(prefix));
        return bare.unwrap_or(national).to_owned();
    };
    let pattern = beginning(prefix.as_str());
    let Some(found) = pattern.as_ref().and_then(|pattern| pattern.captures(national)) else {
        return national.to_owned();
    };
    let (Some(whole), last) = (found.get(0), found.len() - 1) else {
        return national.to_owned();
    };
    let rest = &national[whole.end()..];
    let rule = plan
        .national_prefix_transform_rule()
        .filter(|rule| !rule.is_empty());
    let bare = match rule.filter(|_| last > 0 && found.get(last).is_some()) {
        Some(rule) => {
            let filled = (1..=last).fold(rule.to_owned(), |filled, group| {
                let text = found.get(group).map_or("", |text| text.as_str());
                filled.replace(&format!("${group}"), text)
            });
            filled + rest
        }
        None => rest.to_owned(),
    };
    match is_one(plan, national) && !is_one(plan, &bare) {
        true => national.to_owned(),
        false => bare,
    }
}

/// Whether a number may have so many digits in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Possible,
    /// Within an area alone.
    Local,
    TooShort,
    TooLong,
    Impossible,
}

/// The lengths of a plan are those of its kinds of numbers together: the plan itself names none.
fn length(plan: &Metadata, national: &str) -> Length {
    let digits = national.len() as u16;
    let (mut least, mut most, mut is_possible, mut is_local) = (u16::MAX, 0, false, false);
    for kind in kinds(plan) {
        let possible = kind.possible_length();
        least = possible.iter().copied().fold(least, u16::min);
        most = possible.iter().copied().fold(most, u16::max);
        is_possible |= possible.contains(&digits);
        is_local |= kind.possible_local_length().contains(&digits);
    }
    if is_possible {
        Length::Possible
    } else if is_local {
        Length::Local
    } else if digits < least {
        Length::TooShort
    } else if digits > most {
        Length::TooLong
    } else {
        Length::Impossible
    }
}

/// The kinds of numbers of a plan.
fn kinds(plan: &Metadata) -> impl Iterator<Item = &Descriptor> {
    let all = plan.descriptors();
    let personal = [
        all.fixed_line(),
        all.mobile(),
        all.voip(),
        all.pager(),
        all.voicemail(),
    ];
    personal.into_iter().flatten().chain(advertised(plan))
}

/// The kinds of numbers that companies advertise, often in letters.
fn advertised(plan: &Metadata) -> impl Iterator<Item = &Descriptor> {
    let all = plan.descriptors();
    let kinds = [
        all.toll_free(),
        all.premium_rate(),
        all.shared_cost(),
        all.personal_number(),
        all.uan(),
    ];
    kinds.into_iter().flatten()
}

/// Whether a number has the form of one of a plan's, from its first digit to its last.
fn is_one(plan: &Metadata, national: &str) -> bool {
    let general = whole(plan.descriptors().general().national_number().as_str());
    general.is_some_and(|pattern| pattern.is_match(national)) || kinds(plan).any(|kind| is_of(kind, national))
}

/// Whether a number is of a kind.
fn is_of(kind: &Descriptor, national: &str) -> bool {
    let lengths = kind.possible_length();
    (lengths.is_empty() || lengths.contains(&(national.len() as u16)))
        && whole(kind.national_number().as_str()).is_some_and(|pattern| pattern.is_match(national))
}

/// The plans of the calling code of a number, and its digits behind the code.
fn plans(kept: &str) -> Option<(Vec<&'static Metadata>, &str)> {
    let digits = kept.trim_start_matches('+');
    (1..=3).find_map(|length| {
        let code = digits.get(..length)?.parse::<u16>().ok()?;
        Some((DATABASE.by_code(&code)?, digits.get(length..)?))
    })
}

/// Whether one of the plans of its calling code knows a number.
fn is_known(kept: &str) -> bool {
    let is_in = |plan: &Metadata, national| kinds(plan).any(|kind| is_of(kind, national));
    plans(kept).is_some_and(|(plans, national)| plans.into_iter().any(|plan| is_in(plan, national)))
}

/// Whether a number is of a kind that companies advertise.
fn is_advertised(kept: &str) -> bool {
    let is_in = |plan: &Metadata, national| advertised(plan).any(|kind| is_of(kind, national));
    plans(kept).is_some_and(|(plans, national)| plans.into_iter().any(|plan| is_in(plan, national)))
}

/// The zeros of the decimal digits of other scripts (Unicode category Nd): each is followed by its nine others.
const ZEROS: [u32; 35] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50,
    0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xaa50, 0xabf0, 0xff10,
];

/// A sign of a number as ASCII has it: digits of other scripts, signs of other widths and dashes of print; nothing for the
/// marks that set the direction of a text.
fn plain(sign: char) -> Option<char> {
    let digit = || {
        let zero = ZEROS
            .iter()
            .find(|zero| (**zero..**zero + 10).contains(&u32::from(sign)))?;
        char::from_digit(u32::from(sign) - zero, 10)
    };
    match sign {
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' => None,
        '\u{61c}' | '\u{ad}' | '\u{feff}' => None,
        '\u{ff0b}' => Some('+'),
        '\u{2010}'..='\u{2015}' | '\u{2053}' | '\u{2212}' | '\u{30fc}' | '\u{ff0d}' | '\u{ff5e}' => Some('-'),
        '\u{ff08}' | '[' | '\u{ff3b}' => Some('('),
        '\u{ff09}' | ']' | '\u{ff3d}' => Some(')'),
        '\u{ff0e}' => Some('.'),
        '\u{ff0f}' => Some('/'),
        '~' => Some('-'),
        sign if sign.is_whitespace() => Some(' '),
        sign => Some(digit().unwrap_or(sign)),
    }
}

/// A text in the signs of ASCII, from its first sign that may be dialled.
fn written(text: &str) -> Option<String> {
    if text.chars().count() > MOST_CHARS {
        return None;
    }
    let text: String = text.chars().filter_map(plain).collect();
    let start = text.find(|c: char| c.is_ascii_digit() || c == '+')?;
    let (label, number) = text.split_at(start);
    // `Tel. `, `Phone (office): `
    let is_label = label.len() <= MOST_OF_LABEL
        && label
            .chars()
            .all(|c| c.is_alphabetic() || " .:-/(),;".contains(c));
    is_label.then(|| number.to_owned())
}

/// The most bytes of a label in front of a number.
const MOST_OF_LABEL: usize = 24;

/// The digits that are dialled, with a `+` in front where the number is international.
fn dialled(text: &str) -> Option<String> {
    let text = written(text)?;
    let end = text.find(|c: char| c.is_alphabetic() || ";,#".contains(c));
    let (number, rest) = text.split_at(end.unwrap_or(text.len()));
    let (context, rest) = context(rest);
    if !is_extension(rest) {
        return None;
    }
    match context {
        Some(context) if !number.starts_with('+') => digits(&format!("{context}{number}")),
        _ => digits(number),
    }
}

/// The calling code of `;phone-context=+49` (RFC 3966), and what else stands behind a number. A context that is a domain
/// says nothing.
fn context(rest: &str) -> (Option<&str>, &str) {
    let Some((before, context)) = rest.split_once(";phone-context=") else {
        return (None, rest);
    };
    let (context, after) = context.split_once(';').unwrap_or((context, ""));
    let rest = if before.is_empty() { after } else { before };
    (Some(context).filter(|context| context.starts_with('+')), rest)
}

/// A number whose last part is written in the letters of a dial, as it is dialled (ITU-T E.161).
fn vanity(text: &str) -> Option<String> {
    let text = written(text)?;
    let (number, word) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let letters = word.chars().filter(char::is_ascii_alphabetic).count();
    let key = |c: char| match c.to_ascii_uppercase() {
        'A'..='C' => '2',
        'D'..='F' => '3',
        'G'..='I' => '4',
        'J'..='L' => '5',
        'M'..='O' => '6',
        'P'..='S' => '7',
        'T'..='V' => '8',
        'W'..='Z' => '9',
        other => other,
    };
    let word: String = word.chars().map(key).collect();
    (letters >= 3).then(|| digits(&format!("{number}{word}")))?
}

/// The digits of a number, with a `+` in front where it is international. The sign may be doubled (`++49`, `+0049`).
fn digits(number: &str) -> Option<String> {
    let bare: String = number.chars().filter(|c| !" .-/()".contains(*c)).collect();
    let unsigned = bare.trim_start_matches('+');
    let is_signed = unsigned.len() < bare.len();
    let abroad = unsigned.strip_prefix("00").or(is_signed.then_some(unsigned));
    let digits = abroad.unwrap_or(unsigned);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match abroad {
        Some(digits) => (!digits.starts_with('0')).then(|| format!("+{digits}")),
        None => Some(digits.to_owned()),
    }
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
