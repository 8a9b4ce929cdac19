//! Money: currencies, rates in force, and conversion against fractions.

use super::*;
use proptest::prelude::*;

fn date(text: &str) -> Day {
    text.parse().unwrap()
}

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn money(amount: i64, code: &str) -> Money {
    Money {
        amount,
        currency: currency(code),
    }
}

fn dated(from: &str, to: &str, on: &str, rate: &str) -> DatedRate {
    DatedRate {
        from: currency(from),
        to: currency(to),
        on: date(on),
        rate: rate.parse().unwrap(),
    }
}

#[test]
fn currencies_are_those_that_things_are_paid_in() {
    for (code, digits) in [
        ("EUR", 2),
        ("JPY", 0),
        ("KWD", 3),
        ("BRL", 2),
        ("CLP", 0),
        ("CLF", 4),
    ] {
        let Ok(known) = code.parse::<Currency>() else {
            assert_eq!(
                code, "CLF",
                "a unit of account is no currency that things are paid in"
            );
            continue;
        };
        assert_eq!(known.digits(), digits, "{code}");
    }
    for code in ["", "eur", "EU", "EURO", "XAU", "XXX", "XTS", "ABC", "ÄÖÜ"] {
        assert_eq!(code.parse::<Currency>(), Err(NotACurrency), "{code}");
    }
    assert!(Currency::all().len() > 150 && Currency::all().is_sorted());
}

#[test]
fn a_rate_is_read_as_it_is_written() {
    for (text, written) in [
        ("1", "1"),
        ("0.9215", "0.9215"),
        ("1.50", "1.5"),
        ("007.0", "7"),
        ("0.0000000001", "0.0000000001"),
    ] {
        assert_eq!(text.parse::<Rate>().unwrap().to_string(), written);
    }
    for text in [
        "",
        "0",
        "0.00",
        "-1",
        "+1",
        "1e3",
        ".5",
        "1.",
        "1,5",
        "1234567890",
        "0.00000000001",
        "123456789.1234567",
    ] {
        assert_eq!(text.parse::<Rate>(), Err(NotARate), "{text}");
    }
}

#[test]
fn the_rate_in_force_is_the_last_one_of_the_pair() {
    let rates: Rates = [
        dated("USD", "EUR", "2026-01-01", "0.9"),
        dated("USD", "EUR", "2026-02-01", "0.8"),
        dated("USD", "GBP", "2025-01-01", "0.7"),
        dated("EUR", "USD", "2025-01-01", "1.1"),
    ]
    .into_iter()
    .collect();
    let on = |day: &str| {
        rates
            .in_force(currency("USD"), currency("EUR"), date(day))
            .map(|rate| rate.to_string())
    };
    assert_eq!(
        on("2025-12-31"),
        None,
        "neither an older pair nor the inverse counts"
    );
    assert_eq!(on("2026-01-01").as_deref(), Some("0.9"));
    assert_eq!(on("2026-01-31").as_deref(), Some("0.9"));
    assert_eq!(on("2030-01-01").as_deref(), Some("0.8"));
}

#[test]
fn a_missing_rate_names_pair_and_day() {
    let missing = Rates::default()
        .convert(money(100, "USD"), Currency::EUR, date("2026-03-02"))
        .unwrap_err();
    assert_eq!(
        missing.to_string(),
        "there is no exchange rate from USD to EUR in force on 2026-03-02"
    );
    let same = Rates::default()
        .convert(money(100, "EUR"), Currency::EUR, date("2026-03-02"))
        .unwrap();
    assert_eq!((same.money, same.rate), (money(100, "EUR"), Rate::ONE));
}

#[test]
fn minor_units_of_both_currencies_count_and_halves_go_to_the_even_one() {
    for (from, to, rate, expected) in [
        (money(1000, "JPY"), "EUR", "0.0061", Some(610)),
        (money(10_000, "EUR"), "JPY", "163.5", Some(16_350)),
        (money(1, "KWD"), "EUR", "3", Some(0)),
        (money(5, "KWD"), "EUR", "3", Some(2)),
        (money(1, "EUR"), "GBP", "0.5", Some(0)),
        (money(3, "EUR"), "GBP", "0.5", Some(2)),
        (money(5, "EUR"), "GBP", "0.5", Some(2)),
        (money(0, "EUR"), "GBP", "0.5", Some(0)),
        (money(MAX_AMOUNT, "EUR"), "GBP", "1", Some(MAX_AMOUNT)),
        (money(MAX_AMOUNT, "EUR"), "GBP", "1.0000000001", None),
        (money(MAX_AMOUNT, "JPY"), "KWD", "999999999", None),
    ] {
        let converted = convert(from, currency(to), rate.parse().unwrap());
        assert_eq!(
            converted.map(|money| money.amount),
            expected,
            "{from:?} to {to} at {rate}"
        );
    }
}

proptest! {
    /// The oracle: of all integers the nearest to the fraction, by distance; of two the even one.
    #[test]
    fn conversion_is_the_nearest_integer(
        amount in 0_i64..=1_000_000_000_000,
        whole in 0_i64..100_000,
        fraction in 0_i64..1_000_000,
        pair in prop::sample::select(vec![("EUR", "USD"), ("EUR", "JPY"), ("JPY", "KWD"), ("KWD", "JPY"), ("KWD", "BRL")]),
    ) {
        prop_assume!(whole + fraction > 0);
        let (from, to) = (currency(pair.0), currency(pair.1));
        let rate: Rate = format!("{whole}.{fraction:06}").parse().unwrap();
        let converted = convert(Money { amount, currency: from }, to, rate).map(|money| i128::from(money.amount));

        let above = i128::from(amount) * (i128::from(whole) * 1_000_000 + i128::from(fraction)) * 10_i128.pow(to.digits());
        let below = 1_000_000 * 10_i128.pow(from.digits());
        let nearest = [above / below, above / below + 1]
            .into_iter()
            .min_by_key(|whole| ((whole * below - above).abs(), whole % 2))
            .filter(|whole| *whole <= i128::from(MAX_AMOUNT));
        prop_assert_eq!(converted, nearest);
    }

    #[test]
    fn a_rate_survives_its_text(whole in 0_u32..100_000, fraction in 1_u32..1_000_000) {
        let rate: Rate = format!("{whole}.{fraction:06}").parse().unwrap();
        prop_assert_eq!(rate.to_string().parse(), Ok(rate));
    }
}

#[test]
fn a_budget_is_read_as_people_write_it() {
    let eur = Currency::EUR;
    for (text, read) in [
        ("20000", Some((2_000_000, "EUR"))),
        (" 1,200.50 EUR ", Some((120_050, "EUR"))),
        ("€ 1.200,50", Some((120_050, "EUR"))),
        ("1.200", Some((120_000, "EUR"))),
        ("£5,000", Some((500_000, "GBP"))),
        ("US$ 20", Some((2000, "USD"))),
        ("$1,500", Some((150_000, "USD"))),
        ("chf 300", Some((30_000, "CHF"))),
        ("5000 JPY", Some((5000, "JPY"))),
        ("0", Some((0, "EUR"))),
        ("20 to 30 thousand", None),
        ("-5", None),
        ("20k", None),
        ("5000 XYZ", None),
        ("€", None),
        ("éé", None),
        ("", None),
    ] {
        let read = read.map(|(amount, code): (i64, &str)| Money {
            amount,
            currency: code.parse().unwrap(),
        });
        assert_eq!(Money::answered(text, eur), read, "{text}");
    }
}

#[test]
fn a_sign_of_several_currencies_is_the_base_currency_where_that_has_it() {
    for (text, base, read) in [
        ("$1,200.00", "CAD", money(120_000, "CAD")),
        ("$1,200.00", "EUR", money(120_000, "USD")),
        ("US$1,200.00", "CAD", money(120_000, "USD")),
        ("1 200,50 kr", "SEK", money(120_050, "SEK")),
        ("R$ 1.200,50", "EUR", money(120_050, "BRL")),
        ("1.200,50 EUR", "CAD", money(120_050, "EUR")),
        ("CHF 1'200.50", "EUR", money(120_050, "CHF")),
    ] {
        assert_eq!(Money::read(text, currency(base), None), Ok(read), "{text} {base}");
    }
    for (text, refused) in [
        ("1.500", NoAmount::Ambiguous),
        ("€ 1,500", NoAmount::Ambiguous),
        ("KWD 1,500", NoAmount::Ambiguous),
        ("5000 XYZ", NoAmount::Unread),
        ("éé", NoAmount::Unread),
        ("€", NoAmount::Unread),
    ] {
        assert_eq!(Money::read(text, Currency::EUR, None), Err(refused), "{text}");
    }
}
