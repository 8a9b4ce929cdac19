//! Passwords that are guessed first, however they are written.

use std::collections::HashSet;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use super::SHORTEST;

/// The common passwords and words, in lower case.
static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let lines = include_str!("../../../../data/common_passwords.txt").lines();
    lines.filter(|line| !line.starts_with('#')).collect()
});

/// What one finger after the other types, forwards or backwards: digits, the alphabet, the rows of keyboards.
const ROWS: [&str; 10] = [
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "qsdfghjklm",
    "zxcvbnm",
    "yxcvbnm",
    "wxcvbn",
];

/// The product's name.
const PRODUCT: &str = "tandem";
/// The shortest part of a name that is compared, in letters: shorter ones occur by chance.
const SHORTEST_NAME: usize = 3;
/// How many signs beside a person's own words make a password of its own.
const ENOUGH_BESIDE: usize = 5;

/// Whether a password is one that is guessed first: in other widths or capitals, with letters as digits, digits and signs
/// around it, repeated, typed along a row, or made of what is known of its person.
pub(super) fn is_guessed_first(password: &str, about: &[&str]) -> bool {
    let password = folded(password.trim());
    is_common(&password)
        || is_common(&spelled(&password))
        || is_repetition(&password)
        || is_repetition(without_tail(&password))
        || is_typed_along(&password)
        || is_own(&password, about)
}

/// A text in lower case and usual widths (`ＰＡＳＳ` is `pass`).
fn folded(text: &str) -> String {
    text.nfkc().collect::<String>().to_lowercase()
}

/// A word whose letters were written as digits and signs.
fn spelled(password: &str) -> String {
    let letter = |c| match c {
        '@' | '4' => 'a',
        '3' => 'e',
        '1' | '!' => 'i',
        '0' => 'o',
        '$' | '5' => 's',
        '7' => 't',
        other => other,
    };
    let word = password.trim_matches(|c: char| c.is_ascii_digit() || "!?.#*-_".contains(c));
    word.chars().map(letter).collect()
}

/// Whether a password, or what is left of it without the digits and signs around it, is a common one.
fn is_common(password: &str) -> bool {
    let words = [password, without_tail(password), password.trim_matches(is_around)];
    words.iter().any(|word| COMMON.contains(word))
}

fn is_around(c: char) -> bool {
    c.is_ascii_digit() || c.is_ascii_punctuation()
}

fn without_tail(password: &str) -> &str {
    password.trim_end_matches(is_around)
}

/// Whether a password is a short or common text, once and again, the last time perhaps only begun.
fn is_repetition(password: &str) -> bool {
    let signs: Vec<char> = password.chars().collect();
    (1..=signs.len() / 2).any(|unit| {
        let repeats = signs.iter().zip(&signs[unit..]).all(|(one, next)| one == next);
        repeats && (unit < SHORTEST || is_common(&signs[..unit].iter().collect::<String>()))
    })
}

/// Whether a password consists of pieces of three signs and more that one sign repeated or a row of keys gives.
fn is_typed_along(password: &str) -> bool {
    let signs: Vec<char> = password.chars().filter(|c| !c.is_whitespace()).collect();
    let mut pieces = 0;
    let mut rest = &signs[..];
    while !rest.is_empty() {
        rest = &rest[piece(rest)..];
        pieces += 1;
    }
    pieces * 3 <= signs.len()
}

/// How many signs at the beginning are one piece of a row, or one sign.
fn piece(signs: &[char]) -> usize {
    let same = signs.iter().take_while(|sign| **sign == signs[0]).count();
    let begins = |row: &str| {
        (1..=signs.len())
            .take_while(|length| row.contains(&signs[..*length].iter().collect::<String>()))
            .last()
            .unwrap_or(0)
    };
    let backwards = |row: &str| begins(&row.chars().rev().collect::<String>());
    let along = ROWS.iter().map(|row| begins(row).max(backwards(row))).max();
    along.unwrap_or(0).max(same)
}

/// Whether a password has little beside the product's name and what is known of its person.
fn is_own(password: &str, about: &[&str]) -> bool {
    let known = about.iter().map(|text| folded(text)).collect::<Vec<_>>();
    let mut words: Vec<&str> = known
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()))
        .chain([PRODUCT])
        .filter(|word| word.chars().count() >= SHORTEST_NAME)
        .collect();
    words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
    let beside = words
        .iter()
        .fold(password.to_owned(), |left, word| left.replace(word, " "));
    let is_beside = |c: &char| c.is_alphanumeric() && !c.is_ascii_digit();
    let has_little = beside.chars().filter(is_beside).count() < ENOUGH_BESIDE;
    beside != password && (has_little || is_common(beside.trim()))
}

#[cfg(test)]
mod tests {
    use super::super::{PolicyError, check_policy};

    #[test]
    fn passwords_that_are_guessed_first_are_refused_in_any_dress() {
        let about = ["ada.lovelace@engines.example", "Ada Lovelace"];
        for common in [
            "1234567890",
            "password123",
            "Password2026!",
            "QWERTYUIOP",
            "iloveyou12345",
            "1q2w3e4r5t",
            "123456789012",
            "0987654321098",
            "passwordpassword",
            "PasswordPassword1",
            "2026password!",
            "ｐａｓｓｗｏｒｄ１２３",
            "１２３４５６７８９０１２",
            "P4$$w0rd2026",
            "aaaaaaaaaaaa",
            "aaabbbcccddd",
            "abcabcabcabca",
            "abcdefghijkl",
            "qwerty123456",
            "asdfghjklasdf",
            "mnbvcxzlkjhgf",
            "tandemtandem",
            "Tandem2026!!",
            "tandem-password",
            "ada.lovelace@engines.example",
            "Lovelace1815!",
            "AdaLovelace",
            "lovelace-engines-7",
        ] {
            assert_eq!(check_policy(common, &about), Err(PolicyError::Common), "{common}");
        }
        for good in [
            "correct horse battery",
            "correct horse battery staple 7",
            "a long pass phrase",
            "kTz3-vqPw7Lx",
            "8305729164",
            "horses2026 in the rain",
            "tandems ride in the rain",
            "lovelace wrote the first program",
            "åäöüßéèêàç",
        ] {
            assert_eq!(check_policy(good, &about), Ok(()), "{good}");
        }
        assert_eq!(check_policy("Lovelace1815!", &[]), Ok(()), "of nobody known");
    }
}
