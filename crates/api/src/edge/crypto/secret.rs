//! Opaque secrets that callers carry: keys, refresh tokens and one-time tokens.
//!
//! Only their SHA-256 is stored. A plain hash is enough, since each holds at least 131 random bits and cannot
//! be guessed the way a password can.

use std::fmt;
use std::marker::PhantomData;

use super::{equal, random, sha256};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SUM_LENGTH: usize = 6;

/// What one kind of secret looks like.
pub trait Kind {
    /// What it begins with, so that people and secret scanners recognise it.
    const PREFIX: &'static str;
    /// How many random base62 characters follow (5.95 bits each).
    const RANDOM: usize;
    /// Whether six base62 characters of their CRC32 come last, so that a typing mistake costs no database
    /// read.
    const SUMMED: bool;
}

macro_rules! kinds {
    ($(
        $(#[$doc:meta])*
        $alias:ident = $kind:ident { $prefix:literal, $random:literal, $summed:literal }
    )*) => {$(
        #[doc = concat!("The shape of `", $prefix, "` secrets.")]
        pub enum $kind {}

        impl Kind for $kind {
            const PREFIX: &'static str = $prefix;
            const RANDOM: usize = $random;
            const SUMMED: bool = $summed;
        }

        $(#[$doc])*
        pub type $alias = Opaque<$kind>;
    )*};
}

kinds! {
    /// A partner's secret key.
    SecretKey = SecretKind { "tdm_sk_", 43, true }
    /// A publishable tracking key: write-only, safe to publish.
    TrackingKey = TrackingKind { "tdm_pk_", 43, true }
    /// The publishable key of one form.
    FormKey = FormKind { "fk_", 22, false }
    /// A refresh token of a user's session.
    RefreshToken = RefreshKind { "tdm_rt_", 43, false }
    /// A token that a person was sent, to confirm consent: it stands in a link.
    ConsentToken = ConsentKind { "tdm_ct_", 43, false }
    /// A token that is used up at once: set-up, invitation, password reset.
    OneTimeToken = OneTimeKind { "tdm_it_", 43, false }
}

/// A secret of one kind, well-formed but not yet known to belong to anybody.
pub struct Opaque<K> {
    text: String,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> Opaque<K> {
    /// A new secret from the operating system's generator.
    pub fn generate() -> Self {
        let body = base62(K::RANDOM);
        let sum = if K::SUMMED { checksum(&body) } else { String::new() };
        Self::from_text(format!("{}{body}{sum}", K::PREFIX))
    }

    /// The secret in a caller's text, or `None` if the prefix, length, alphabet or sum is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(K::PREFIX)?;
        let expected = K::RANDOM + if K::SUMMED { SUM_LENGTH } else { 0 };
        if rest.len() != expected || !rest.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        let (body, sum) = rest.split_at(K::RANDOM);
        if K::SUMMED && checksum(body) != sum {
            return None;
        }
        Some(Self::from_text(text.to_owned()))
    }

    /// The whole text: for the one answer that shows it.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// What is stored in its place.
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.text)
    }

    fn from_text(text: String) -> Self {
        Self {
            text,
            kind: PhantomData,
        }
    }
}

impl<K> Clone for Opaque<K> {
    fn clone(&self) -> Self {
        Self {
            text: self.text.clone(),
            kind: PhantomData,
        }
    }
}

impl<K: Kind> fmt::Debug for Opaque<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[redacted]", K::PREFIX)
    }
}

/// The SHA-256 by which a secret is stored and found.
pub fn hash(text: &str) -> [u8; 32] {
    sha256(text.as_bytes())
}

/// Whether a caller's text is the secret behind a stored hash, in constant time.
pub fn matches(text: &str, stored: &[u8]) -> bool {
    equal(&hash(text), stored)
}

/// Evenly distributed base62 characters: bytes from 248 up are thrown away, since 248 is the last multiple of
/// 62.
fn base62(length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let chunk = random::<64>();
        let kept = chunk.iter().filter(|byte| **byte < 248);
        text.extend(
            kept.take(length - text.len())
                .map(|byte| char::from(ALPHABET[usize::from(byte % 62)])),
        );
    }
    text
}

/// The CRC32 (IEEE) of the random part as six base62 characters, zero padded.
fn checksum(body: &str) -> String {
    let mut rest = u64::from(crc32fast::hash(body.as_bytes()));
    let mut digits = [b'0'; SUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_read_back() {
        for _ in 0..200 {
            let key = SecretKey::generate();
            let read = SecretKey::parse(key.reveal()).unwrap();
            assert_eq!(read.reveal(), key.reveal());
            assert_eq!(key.reveal().len(), "tdm_sk_".len() + 49);
            assert!(matches(read.reveal(), &key.hash()));
        }
    }

    #[test]
    fn every_kind_has_its_length() {
        assert_eq!(TrackingKey::generate().reveal().len(), 7 + 49);
        assert_eq!(FormKey::generate().reveal().len(), 3 + 22);
        assert_eq!(RefreshToken::generate().reveal().len(), 7 + 43);
        assert_eq!(OneTimeToken::generate().reveal().len(), 7 + 43);
        assert!(FormKey::parse(FormKey::generate().reveal()).is_some());
    }

    #[test]
    fn one_wrong_character_is_noticed_without_a_database() {
        let key = SecretKey::generate();
        for at in "tdm_sk_".len()..key.reveal().len() {
            let mut bytes = key.reveal().as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
            assert!(SecretKey::parse(&String::from_utf8(bytes).unwrap()).is_none());
        }
    }

    #[test]
    fn foreign_text_is_no_key() {
        let key = SecretKey::generate();
        let longer = format!("{}0", key.reveal());
        let wide = format!("tdm_sk_{}", "é".repeat(24) + "a");
        for text in [
            "",
            "tdm_sk_",
            "tdm_sk",
            &key.reveal()[1..],
            &longer,
            &wide,
            "tdm_pk_x",
        ] {
            assert!(SecretKey::parse(text).is_none(), "{text}");
        }
        assert!(TrackingKey::parse(key.reveal()).is_none());
    }

    #[test]
    fn the_sum_is_the_published_one() {
        // CRC32 of "123456789" is 0xCBF43926 = 3421780262 by the CRC catalogue.
        assert_eq!(checksum("123456789"), "3jZRME");
        assert_eq!(checksum(""), "000000");
    }

    #[test]
    fn characters_are_evenly_distributed() {
        let mut counts = [0u32; 128];
        base62(62_000).bytes().for_each(|b| counts[usize::from(b)] += 1);
        for letter in ALPHABET {
            let count = counts[usize::from(*letter)];
            assert!(
                (800..1200).contains(&count),
                "{} came {count} times",
                char::from(*letter)
            );
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", SecretKey::generate()), "tdm_sk_[redacted]");
    }
}
