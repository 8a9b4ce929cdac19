//! Money: integers of minor units with their currency (ISO 4217), dated exchange rates, exact conversion.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::instant::Day;

/// The greatest amount, in minor units: the greatest integer that every JSON parser keeps exactly (RFC 7493).
pub const MAX_AMOUNT: i64 = 9_007_199_254_740_991;

/// A currency that things are paid in, by its ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// The text is no ISO 4217 code of a currency that things are paid in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 4217 code of a currency that things are paid in")]
pub struct NotACurrency;

impl Currency {
    /// What a new installation reports in.
    pub const EUR: Currency = Currency(*b"EUR");

    /// The code, such as `EUR`.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many decimals its minor unit has: 2 for the euro, 0 for the yen, 3 for the dinar of Kuwait.
    pub fn digits(self) -> u32 {
        let known = iso_currency::Currency::from_code(self.code());
        known.and_then(|known| known.exponent()).map_or(2, u32::from)
    }

    /// Every currency, in the order of its code.
    pub fn all() -> &'static [Currency] {
        static ALL: LazyLock<Vec<Currency>> = LazyLock::new(|| {
            let letters = || b'A'..=b'Z';
            let pairs = letters().flat_map(|a| letters().map(move |b| (a, b)));
            let codes = pairs.flat_map(|(a, b)| letters().map(move |c| [a, b, c]));
            codes
                .map(Currency)
                .filter(|code| code.code().parse() == Ok(*code))
                .collect()
        });
        &ALL
    }
}

impl FromStr for Currency {
    type Err = NotACurrency;

    /// Metals, funds and test codes have no minor unit and are refused.
    fn from_str(text: &str) -> Result<Self, NotACurrency> {
        let known = iso_currency::Currency::from_code(text).ok_or(NotACurrency)?;
        if known.exponent().is_none() || known.is_special() || known.is_fund() {
            return Err(NotACurrency);
        }
        text.as_bytes().try_into().map(Currency).map_err(|_| NotACurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl PartialSchema for Currency {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .description(Some("A currency, by its ISO 4217 code."))
            .enum_values(Some(Currency::all().iter().map(Currency::code)))
            .examples(["GBP"])
            .into()
    }
}

impl ToSchema for Currency {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Currency")
    }
}

/// An amount of money in minor units of its currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// The amount in minor units: cents, pence, yen; never negative.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 5_000_000)]
    pub amount: i64,
    /// The currency.
    pub currency: Currency,
}

/// A sum of money in minor units of its currency, which is negative where more was taken back than came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct MoneySum {
    /// The sum in minor units: cents, pence, yen.
    #[schema(minimum = -9_007_199_254_740_991_i64, maximum = 9_007_199_254_740_991_i64, example = 5_000_000)]
    pub amount: i64,
    /// The currency.
    pub currency: Currency,
}

impl From<Money> for MoneySum {
    fn from(Money { amount, currency }: Money) -> Self {
        Self { amount, currency }
    }
}

impl Money {
    /// The amount that a text such as `20000`, `1,200.50 EUR` or `€ 1.200,50` stands for, in the base currency where it
    /// names none. It may be negative. `decimal` is the sign before the fraction, where it is known: see [`minor_units`].
    pub fn read(text: &str, base: Currency, decimal: Option<char>) -> Result<Self, NoAmount> {
        let text = text.trim();
        let (amount, currency) = named_currency(text, base).unwrap_or((text, base));
        let amount = minor_units(amount, currency.digits(), decimal)?;
        Ok(Self { amount, currency })
    }

    /// The amount that a person writes into a form, who cannot be asked which sign is which: a sign that may stand before
    /// decimals or between thousands stands between thousands, since nobody budgets a thousandth part. `None` where it is
    /// not clear, or not sound.
    pub fn answered(text: &str, base: Currency) -> Option<Self> {
        let read = |decimal| Self::read(text, base, Some(decimal)).ok();
        let money = read('.')
            .into_iter()
            .chain(read(','))
            .max_by_key(|one| one.amount)?;
        money.is_sound().then_some(money)
    }

    /// Whether the amount lies within 0 and [`MAX_AMOUNT`].
    pub fn is_sound(&self) -> bool {
        (0..=MAX_AMOUNT).contains(&self.amount)
    }
}

/// Signs that stand for one currency everywhere.
const PLAIN_SIGNS: &[(&str, &str)] = &[
    ("US$", "USD"),
    ("R$", "BRL"),
    ("€", "EUR"),
    ("£", "GBP"),
    ("₹", "INR"),
];

/// The currency that a text names before or behind its number, by a code or a sign, and the rest of the text. A sign that
/// several currencies share (`$`, `kr`) stands for the base currency where that has it.
fn named_currency(text: &str, base: Currency) -> Option<(&str, Currency)> {
    let own = iso_currency::Currency::from_code(base.code()).map(|known| known.symbol().symbol);
    let own = own.as_deref().filter(|sign| !sign.is_empty());
    let signs = PLAIN_SIGNS.iter().copied();
    let mut signs = signs
        .chain(own.map(|sign| (sign, base.code())))
        .chain([("$", "USD")]);
    let by_sign = signs.find_map(|(sign, code)| {
        let rest = text.strip_prefix(sign).or_else(|| text.strip_suffix(sign))?;
        Some((rest, code.parse().ok()?))
    });
    by_sign.or_else(|| {
        let code = |code: &str| code.to_ascii_uppercase().parse::<Currency>().ok();
        let before = text
            .split_at_checked(3)
            .and_then(|(first, rest)| Some((rest, code(first)?)));
        before.or_else(|| {
            let (rest, last) = text.split_at_checked(text.len().checked_sub(3)?)?;
            Some((rest, code(last)?))
        })
    })
}

/// Why a text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAmount {
    /// It can be read in two ways.
    #[error("may be two numbers, a thousandfold apart: say in the mapping which sign is `decimal`")]
    Ambiguous,
    /// It cannot be read.
    #[error("is not an amount such as 1200.50, with no more digits than the currency has")]
    Unread,
}

impl NoAmount {
    /// The code of the fault.
    pub const fn code(self) -> &'static str {
        match self {
            NoAmount::Ambiguous => "ambiguous",
            NoAmount::Unread => "invalid_format",
        }
    }
}

/// A decimal number in minor units: never rounded, refused where it has more digits than the currency. Its whole part may
/// stand in groups of three digits: a sign that stands elsewhere is more likely the point of another country.
///
/// `decimal` is the sign before the fraction, where it is known. Where it is not, the only way to read the number counts
/// (`1200,50`, `1.200,50`), and a number that can be read in two ways is refused: see `is_ambiguous`.
pub fn minor_units(text: &str, digits: u32, decimal: Option<char>) -> Result<i64, NoAmount> {
    let (negative, plain) = sign_apart(text);
    let units = match decimal {
        Some(point) => units(plain, digits, point),
        None if is_ambiguous(plain, digits) => return Err(NoAmount::Ambiguous),
        None => units(plain, digits, '.').or_else(|| units(plain, digits, ',')),
    };
    let units = units.ok_or(NoAmount::Unread)?;
    Ok(if negative { -units } else { units })
}

fn sign_apart(text: &str) -> (bool, &str) {
    let text = text.trim();
    match text.strip_prefix('-') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text),
    }
}

/// Whether a number has one sign with three digits behind it, before decimals or between thousands (`1.500`, `1,500`). In
/// a currency with three digits the point stands before decimals; in one without any a comma stands between thousands.
fn is_ambiguous(plain: &str, digits: u32) -> bool {
    let mut signs = plain.char_indices().filter(|(_, c)| !c.is_ascii_digit());
    let (Some((place, sign)), None) = (signs.next(), signs.next()) else {
        return false;
    };
    // No group begins with a zero.
    let may_be_a_group = (1..=3).contains(&place) && !plain.starts_with('0') && plain.len() - place == 4;
    may_be_a_group
        && match (digits, sign) {
            (3, '.') | (0, ',') => false,
            (_, sign) => matches!(sign, '.' | ','),
        }
}

fn units(plain: &str, digits: u32, point: char) -> Option<i64> {
    let (whole, fraction) = plain.split_once(point).unwrap_or((plain, ""));
    let whole = ungrouped(whole, group_beside(point))?;
    if !are_digits(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let missing = (digits as usize).checked_sub(fraction.len())?;
    format!("{whole}{fraction}{}", "0".repeat(missing)).parse().ok()
}

/// A number with a point, without the signs between its groups. `digits` and `decimal` as for [`minor_units`]; the digits
/// bound nothing but say what is ambiguous.
pub(crate) fn plain_number(text: &str, digits: u32, decimal: Option<char>) -> Result<String, NoAmount> {
    let (negative, plain) = sign_apart(text);
    let read = |point: char| {
        let (whole, fraction) = match plain.split_once(point) {
            Some((whole, fraction)) if !fraction.is_empty() && are_digits(fraction) => {
                (whole, format!(".{fraction}"))
            }
            Some(_) => return None,
            None => (plain, String::new()),
        };
        let whole = ungrouped(whole, group_beside(point))?;
        Some(format!("{}{whole}{fraction}", if negative { "-" } else { "" }))
    };
    let number = match decimal {
        Some(point) => read(point),
        None if is_ambiguous(plain, digits) => return Err(NoAmount::Ambiguous),
        None => read('.').or_else(|| read(',')),
    };
    number.ok_or(NoAmount::Unread)
}

const fn group_beside(point: char) -> char {
    if point == ',' { '.' } else { ',' }
}

/// The digits of a whole number, which one sign, or one kind of space or apostrophe, may part into groups of three.
fn ungrouped(whole: &str, group: char) -> Option<String> {
    let Some(sign) = whole.chars().find(|c| !c.is_ascii_digit()) else {
        return (!whole.is_empty()).then(|| whole.to_owned());
    };
    let (first, others) = whole.split_once(sign)?;
    let are_groups = (1..=3).contains(&first.len())
        && !first.starts_with('0')
        && others
            .split(sign)
            .all(|three| three.len() == 3 && are_digits(three));
    let is_group = sign == group || sign.is_whitespace() || matches!(sign, '\'' | '’');
    (are_groups && is_group).then(|| whole.replace(sign, ""))
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// How many units of one currency another one is worth: a decimal of at most 15 significant digits, above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    mantissa: i128,
    scale: u32,
}

/// The text is no exchange rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a decimal above 0 with at most 9 digits before the point, 10 behind it and 15 in all")]
pub struct NotARate;

impl Rate {
    /// One for one: an amount that is in the right currency already.
    pub const ONE: Rate = Rate {
        mantissa: 1,
        scale: 0,
    };
}

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !are_digits(fraction) || whole.len() > 9 || fraction.len() > 10 {
            return Err(NotARate);
        }
        let fraction = fraction.trim_end_matches('0');
        let mantissa: i128 = format!("{whole}{fraction}").parse().map_err(|_| NotARate)?;
        if (1..1_000_000_000_000_000).contains(&mantissa) {
            Ok(Self {
                mantissa,
                scale: fraction.len() as u32,
            })
        } else {
            Err(NotARate)
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_i128.pow(self.scale);
        let (whole, fraction) = (self.mantissa / unit, self.mantissa % unit);
        if self.scale == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{fraction:0width$}", width = self.scale as usize)
    }
}

/// One dated exchange rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatedRate {
    /// The currency that is converted: one unit of it is worth `rate` units of `to`.
    pub from: Currency,
    /// The currency into which it is converted.
    pub to: Currency,
    /// ... from this day on, until the next rate of the pair.
    pub on: Day,
    /// The amount.
    pub rate: Rate,
}

/// The dated exchange rates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates(BTreeMap<(Currency, Currency, Day), Rate>);

/// Why money could not be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotConverted {
    /// No rate of the pair was in force on the day.
    #[error("there is no exchange rate from {from} to {to} in force on {on}")]
    MissingRate {
        /// The currency of the amount.
        from: Currency,
        /// The currency that it was to be converted to.
        to: Currency,
        /// The day.
        on: Day,
    },
    /// The result is above [`MAX_AMOUNT`].
    #[error("the converted amount is too large")]
    TooLarge,
}

/// An amount in another currency, with the rate that it was converted at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Converted {
    /// The amount in the other currency.
    pub money: Money,
    /// The rate; [`Rate::ONE`] where the currency was the right one already.
    pub rate: Rate,
}

impl FromIterator<DatedRate> for Rates {
    fn from_iter<I: IntoIterator<Item = DatedRate>>(rates: I) -> Self {
        let entry = |one: DatedRate| ((one.from, one.to, one.on), one.rate);
        Self(rates.into_iter().map(entry).collect())
    }
}

impl Rates {
    /// Every rate, by pair and day.
    pub fn iter(&self) -> impl Iterator<Item = DatedRate> {
        let rate =
            |(&(from, to, on), &rate): (&(Currency, Currency, Day), &Rate)| DatedRate { from, to, on, rate };
        self.0.iter().map(rate)
    }

    /// The rates that the other ones lack or have otherwise.
    pub fn without(&self, others: &Rates) -> Vec<DatedRate> {
        let is_there = |one: &DatedRate| others.0.get(&(one.from, one.to, one.on)) == Some(&one.rate);
        self.iter().filter(|one| !is_there(one)).collect()
    }

    /// How many rates there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rate of a pair that is in force on a day: the last one dated that day or before. Only the pair as it was
    /// entered counts; nothing is inverted nor chained.
    pub fn in_force(&self, from: Currency, to: Currency, on: Day) -> Option<Rate> {
        let until = (from, to, Day::FIRST)..=(from, to, on);
        self.0.range(until).next_back().map(|(_, rate)| *rate)
    }

    /// Convert an amount at the rate in force on a day; without a rate where the currency is the right one already.
    pub fn convert(&self, money: Money, to: Currency, on: Day) -> Result<Converted, NotConverted> {
        let from = money.currency;
        if from == to {
            return Ok(Converted {
                money,
                rate: Rate::ONE,
            });
        }
        let missing = NotConverted::MissingRate { from, to, on };
        let rate = self.in_force(from, to, on).ok_or(missing)?;
        let money = convert(money, to, rate).ok_or(NotConverted::TooLarge)?;
        Ok(Converted { money, rate })
    }
}

/// Convert at a rate: exact in integers, then rounded once, half to even, to the minor unit of the other currency.
///
/// `None` where the result is above [`MAX_AMOUNT`].
pub fn convert(money: Money, to: Currency, rate: Rate) -> Option<Money> {
    let above = i128::from(money.amount)
        .checked_mul(rate.mantissa)?
        .checked_mul(10_i128.pow(to.digits()))?;
    let below = 10_i128.pow(rate.scale + money.currency.digits());
    let (whole, rest) = (above.div_euclid(below), above.rem_euclid(below));
    let is_above_half = rest * 2 > below || rest * 2 == below && whole % 2 != 0;
    let amount = i64::try_from(whole + i128::from(is_above_half)).ok()?;
    let money = Money { amount, currency: to };
    money.is_sound().then_some(money)
}
