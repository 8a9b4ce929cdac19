//! Phones, each case by the published rule that it tests.

use super::*;
use proptest::prelude::*;

fn read(text: &str, country: &str) -> Option<String> {
    let country = Some(country).filter(|code| !code.is_empty());
    Phone::parse_in(text, country).ok().map(|phone| phone.0)
}

/// The rule, a number as it is written, the country in which it is read, and the number in international form.
const NUMBERS: &str = "\
# ITU-T E.123: how numbers are written.
E.123 spaces | +41 44 668 18 00 | | +41446681800
E.123 hyphens | +39 02 1234-567 | | +39021234567
E.123 brackets | +1 (415) 555-2671 | | +14155552671
E.123 dots and slashes | +49 30/12.34.56 | | +4930123456
E.123 space that does not break | +39\u{a0}02\u{a0}1234567 | | +39021234567
E.123 dashes of print | +39 02–1234‑567 | | +39021234567
E.123 national zero in brackets | +41 (0)44 668 18 00 | | +41446681800
E.123 national zero in brackets | +44 (0) 20 7946 0958 | | +442079460958
E.123 extension | +1 (415) 555-2671 ext. 12 | | +14155552671
# RFC 3966: telephone URIs.
RFC 3966 tel: | tel:+1-201-555-0123 | | +12015550123
RFC 3966 ;ext= | tel:+49-30-123456;ext=7 | | +4930123456
RFC 3966 3 visual separators | tel:+44-(20).7946.0958 | | +442079460958
RFC 3966 ;phone-context= | tel:030123456;phone-context=+49 | | +4930123456
RFC 3966 ;phone-context= of a domain | tel:030-123456;phone-context=example.com | DE | +4930123456
RFC 3966 ;phone-context= of a global number | tel:+49-30-123456;phone-context=+1;ext=7 | | +4930123456
# Labels and signs as people write them.
a label | Tel. 030 123456 | DE | +4930123456
a label | Telefon: +49 30 123456 | | +4930123456
a label | Mobile (private): 0151 23456789 | DE | +4915123456789
a label in upper case | TEL:+49 30 123456 | | +4930123456
a doubled sign | ++39 02 1234567 | | +39021234567
a sign and the prefix | +0049 30 123456 | | +4930123456
a sign, and the zero in brackets | +49 (0)30 123456 | | +4930123456
# ITU-T E.161: letters on the dial.
E.161 toll-free | 1-800-FLOWERS | US | +18003569377
E.161 toll-free | +1 (800) flowers | | +18003569377
E.161 shared cost | 1300 FLOWER | AU | +611300356937
E.161 personal | 0700 MUELLER1 | DE | +4970068355371
# ITU-T E.164: a calling code and at most 15 digits.
E.164 the prefix 00 | 0041 (44) 123.45.67 | | +41441234567
E.164 own code beats the country | +390612345678 | DE | +390612345678
E.164 own code beats the country | +7 495 123-45-67 | US | +74951234567
E.164 code of three digits | +423 230 12 34 | | +4232301234
E.164 code of three digits | +353 1 234 5678 | | +35312345678
E.164 global freephone | +800 1234 5678 | | +80012345678
E.164 15 digits | +49 30 1234 5678 901 | | +493012345678901
# National plans, with the numbers that their regulators print or keep free for examples.
IT AGCOM: the zero belongs to it | 02 1234567 | IT | +39021234567
IT AGCOM: mobile | 347 123 4567 | it | +393471234567
IT AGCOM: mobile like the code | 393 123 4567 | IT | +393931234567
IT: the code without a sign | 39 347 123 4567 | IT | +393471234567
NO: like the code | 47 19 49 30 | NO | +4747194930
NANP: abroad | 011 39 02 1234567 | US | +39021234567
other digits than ASCII's | +٣٩ ٠٢ ١٢٣٤٥٦٧ | | +39021234567
full-width digits and signs | ＋３９（０２）１２３４－５６７ | | +39021234567
marks of direction | \u{202a}+39 02 1234567\u{202c} | | +39021234567
IT AGCOM: the zero stays after +39 | +39 06 6982 | | +39066982
DE BNetzA: trunk 0 | 030 123456 | DE | +4930123456
DE BNetzA: mobile | 0151 23456789 | DE | +4915123456789
CH OFCOM: trunk 0 | 044 668 18 00 | CH | +41446681800
AT RTR: Vienna | 01 5134000 | AT | +4315134000
FR ARCEP: trunk 0 | 01 23 45 67 89 | FR | +33123456789
FR ARCEP: mobile | 06 12 34 56 78 | FR | +33612345678
ES CNMC: no trunk | 612 34 56 78 | ES | +34612345678
GB Ofcom: London | 020 7946 0958 | GB | +442079460958
GB Ofcom: mobile | 07911 123456 | GB | +447911123456
NL ACM | 020 123 4567 | NL | +31201234567
BE BIPT: mobile | 0470 12 34 56 | BE | +32470123456
PL UKE: no trunk | 12 345 67 89 | PL | +48123456789
DK: no trunk | 32 12 34 56 | DK | +4532123456
NANP | (415) 555-2671 | US | +14155552671
NANP: trunk 1 | 1-415-555-2671 x3 | US | +14155552671
NANP: the same plan in Canada | (506) 234-5678 | CA | +15062345678
BR ANATEL: mobile | (11) 98765-4321 | BR | +5511987654321
AU ACMA: trunk 0 | (02) 1234 5678 | AU | +61212345678
NZ: trunk 0 | 03-331 6005 | NZ | +6433316005
JP MIC: trunk 0 | 03-1234-5678 | JP | +81312345678
IN TRAI: mobile | 081234 56789 | IN | +918123456789
RU: trunk 8 | 8 (301) 123-45-67 | RU | +73011234567
HU: trunk 06 | 06 1 234 5678 | HU | +3612345678
prefix 00 beats the country | 0043 1 5134000 | DE | +4315134000
";

#[test]
fn a_number_is_kept_in_international_form() {
    for line in NUMBERS.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [rule, text, country, kept] = columns[..] else {
            panic!("{line}")
        };
        assert_eq!(
            read(text, country).as_deref(),
            Some(kept),
            "{rule}: {text} in {country}"
        );
        assert_eq!(read(kept, "").as_deref(), Some(kept), "{rule}: read again");
    }
}

#[test]
fn what_is_no_number_is_refused() {
    let long = format!("+39{}", " 1".repeat(100));
    for (rule, text, country) in [
        ("nothing", "", "IT"),
        ("nothing", "+", ""),
        ("nothing", " - ", "IT"),
        ("no country to read it in", "12345678", ""),
        ("no country to read it in", "02 1234567", ""),
        ("no such country", "02 1234567", "XX"),
        ("no such country", "02 1234567", "Italy"),
        ("E.164: no code", "+0123456789", ""),
        ("E.164: code not in use", "+999 1234567", ""),
        ("E.164: code not in use", "+210 1234567", ""),
        ("E.164: 7 digits at least", "+123", ""),
        ("E.164: 7 digits at least", "+39 112", ""),
        ("E.164: 15 digits at most", "+1234567890123456", ""),
        ("E.164: 15 digits at most", "+49 30 1234 5678 9012", ""),
        ("NANP: 10 digits", "+1 415 555 267", ""),
        ("NANP: 10 digits", "+1 415 555 26711", ""),
        ("NANP: no area begins with 1", "115 555 2671", "US"),
        ("NANP: seven digits alone", "555-2671", "US"),
        ("emergency", "112", "IT"),
        ("emergency", "911", "US"),
        ("emergency", "118", "IT"),
        ("emergency", "000", "AU"),
        ("short", "12345", "DE"),
        ("GB Ofcom: too short", "020 7946", "GB"),
        ("FR ARCEP: too long", "01 23 45 67 89 01", "FR"),
        ("letters", "+39 abc 1234567", ""),
        ("letters", "call me", "IT"),
        ("letters: no number is advertised so", "030 12345 abc", "DE"),
        ("letters: too many", "1-800-FLOWERSHOP", "US"),
        ("letters: too few", "1-800-356-93yz", "US"),
        ("a sentence", "please call Ada in the office on 02 1234567", "IT"),
        ("two numbers", "+39 02 1234567 or +39 02 7654321", ""),
        ("two numbers", "+39 02 1234567, +39 02 7654321", ""),
        ("sign within", "1+39021234567", "IT"),
        ("sign within", "+39+021234567", ""),
        ("longer than any", long.as_str(), ""),
    ] {
        assert_eq!(read(text, country), None, "{rule}: {text} in {country}");
    }
}

/// A number as it is written in another script, width or direction.
fn spellings(text: &str) -> Vec<String> {
    let in_script = |zero: u32| -> String {
        let digit = |c: char| c.to_digit(10).and_then(|n| char::from_u32(zero + n)).unwrap_or(c);
        text.chars().map(digit).collect()
    };
    vec![
        text.to_owned(),
        in_script(0xff10),
        in_script(0x660),
        in_script(0x966),
        format!("\u{200e}{text}\u{200f}"),
        format!("\u{202a}{text}\u{202c}"),
        text.replace('-', "\u{2011}").replace(' ', "\u{a0}"),
        format!(" {} ", text.replace(' ', ".")),
    ]
}

#[test]
fn numbers_are_read_as_libphonenumber_reads_them() {
    let lines = include_str!("examples.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'));
    let (mut compared, mut countries, mut wrong) = (0, std::collections::BTreeSet::new(), vec![]);
    for line in lines {
        let columns: Vec<&str> = line.split('\t').collect();
        let [country, text, kept] = columns[..] else {
            panic!("{line}")
        };
        // Shorter ones are dialled within the country alone.
        if kept.len() < 8 || kept.starts_with("+1") && kept.len() != 12 {
            continue;
        }
        let spelled = match compared % 8 {
            0 => spellings(text),
            _ => vec![text.to_owned()],
        };
        let written = spelled.iter().map(|text| (text.as_str(), country));
        for (text, country) in written.chain([(kept, "")]) {
            let read = read(text, country);
            if read.as_deref() != Some(kept) {
                wrong.push(format!("{country} {text}: {read:?} instead of {kept}"));
            }
        }
        compared += 1;
        countries.insert(country);
    }
    assert!(
        wrong.is_empty(),
        "{} of {compared}: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(40)]
    );
    assert!(
        compared > 2_800 && countries.len() > 230,
        "{compared} {}",
        countries.len()
    );
}

#[test]
fn letters_are_read_only_where_the_country_is_known() {
    assert_eq!(Dialled::parse("1-800-FLOWERS"), None);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_what_was_read_is_read_again(
        text in "[+0-9 ()x;.ext/#-]{0,40}",
        country in prop::sample::select(vec!["", "IT", "US", "DE", "GB", "BR", "NZ", "AR"]),
    ) {
        if let Some(kept) = read(&text, country) {
            prop_assert!(kept.starts_with('+') && (8..=16).contains(&kept.len()));
            prop_assert_eq!(read(&kept, ""), Some(kept));
        }
    }

    #[test]
    fn no_text_at_all_breaks_the_reading(text in "\\PC{0,80}") {
        let _ = read(&text, "IT");
    }
}
