//! The master key, and what is sealed or authenticated by keys derived from it.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{hkdf, hmac};

use super::random;

const SALT: &[u8] = b"tandem master key v1";
const VERSION: u8 = 1;
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The one secret of an installation: 32 random bytes. Its purposes each get a key of their own
/// (HKDF-SHA256), so that nothing made for one of them is good for another.
#[derive(Clone)]
pub struct MasterKey([u8; 32]);

/// Why a text is not taken as a master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// Not 32 bytes in hex or base64.
    #[error("is not 32 bytes in hex (64 characters) or base64 (44 characters)")]
    Format,
    /// 32 bytes that nobody drew at random.
    #[error("is not random: too few different bytes, a repeated or counted pattern, or plain text")]
    Weak,
}

/// The sealed bytes were made by another key, for another purpose, by a newer version, or changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealed bytes cannot be decrypted with this master key")]
pub struct CannotOpen;

impl MasterKey {
    /// A new key from the operating system's generator.
    pub fn generate() -> Self {
        loop {
            let bytes = random::<32>();
            if !is_weak(&bytes) {
                return Self(bytes);
            }
        }
    }

    /// The key in a text of hex or base64 (either alphabet, padded or not); weak ones are refused.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim();
        let bytes = from_hex(text)
            .or_else(|| from_base64(text))
            .ok_or(MasterKeyError::Format)?;
        if is_weak(&bytes) {
            Err(MasterKeyError::Weak)
        } else {
            Ok(Self(bytes))
        }
    }

    /// The key as 64 hex digits: for the key file alone.
    pub fn reveal(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Encrypt for one purpose: a version byte, a random nonce, AES-256-GCM. One master key is good for 2^32
    /// sealings per purpose (NIST SP 800-38D, 8.3), far above what signing keys and webhook secrets need.
    pub fn seal(&self, purpose: &str, plaintext: &[u8]) -> Vec<u8> {
        let nonce = random::<NONCE_LEN>();
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + plaintext.len() + AES_256_GCM.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let (head, body) = sealed.split_at_mut(1 + NONCE_LEN);
        let tag = self
            .cipher(purpose)
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&head[..1]), body)
            .expect("AES-256-GCM takes up to 64 GiB");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Decrypt what `seal` made for the same purpose.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        let (head, rest) = sealed.split_first_chunk::<1>().ok_or(CannotOpen)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(CannotOpen)?;
        if *head != [VERSION] {
            return Err(CannotOpen);
        }
        let mut body = body.to_vec();
        let plaintext = self
            .cipher(purpose)
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(head), &mut body)
            .map_err(|_| CannotOpen)?;
        Ok(plaintext.to_vec())
    }

    /// The HMAC-SHA256 of some bytes for one purpose.
    pub fn mac(&self, purpose: &str, bytes: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &self.derive("mac", purpose)),
            bytes,
        );
        let mut out = [0; 32];
        out.copy_from_slice(tag.as_ref());
        out
    }

    fn cipher(&self, purpose: &str) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM, &self.derive("seal", purpose));
        LessSafeKey::new(key.expect("a derived key has the cipher's 32 bytes"))
    }

    /// The key of one use and purpose (RFC 5869).
    fn derive(&self, usage: &str, purpose: &str) -> [u8; 32] {
        let mut key = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, SALT)
            .extract(&self.0)
            .expand(&[usage.as_bytes(), b"/", purpose.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|material| material.fill(&mut key))
            .expect("HKDF-SHA256 gives 32 bytes");
        key
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey([redacted])")
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    let bytes: Vec<u8> = digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect();
    bytes.try_into().ok()
}

fn from_base64(text: &str) -> Option<[u8; 32]> {
    let decode = |alphabet| GeneralPurpose::new(alphabet, LENIENT).decode(text).ok();
    decode(&STANDARD).or_else(|| decode(&URL_SAFE))?.try_into().ok()
}

/// What a random key is with a chance below 2^-40 at most: few different bytes, halves alike, equal steps,
/// text.
fn is_weak(bytes: &[u8; 32]) -> bool {
    let mut seen = [false; 256];
    bytes.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let different = seen.iter().filter(|seen| **seen).count();
    let step = bytes[1].wrapping_sub(bytes[0]);
    let is_counted = bytes.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step);
    let is_text = bytes
        .iter()
        .all(|byte| byte.is_ascii() && !byte.is_ascii_control());
    different < 16 || bytes[..16] == bytes[16..] || is_counted || is_text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "9f1c03b7e2d84a65507bc9f1a8362e4d10f5937c6ab8de2145fe0c8971b3d6aa";

    #[test]
    fn one_key_in_hex_and_in_each_base64_is_the_same_key() {
        let key = MasterKey::parse(HEX).unwrap();
        let standard = base64::engine::general_purpose::STANDARD.encode(key.0);
        let url_safe = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key.0);
        for text in [HEX.to_uppercase(), standard, url_safe, format!(" {HEX}\n")] {
            assert_eq!(MasterKey::parse(&text).unwrap().0, key.0, "{text}");
        }
        assert_eq!(key.reveal(), HEX);
    }

    #[test]
    fn what_is_not_32_bytes_is_refused() {
        for text in [
            "",
            "abc",
            &HEX[1..],
            &format!("{HEX}00"),
            "é".repeat(32).as_str(),
            "dG9vIHNob3J0",
        ] {
            assert_eq!(
                MasterKey::parse(text).unwrap_err(),
                MasterKeyError::Format,
                "{text}"
            );
        }
    }

    #[test]
    fn weak_keys_are_refused() {
        let counted: String = (0..32).map(|n| format!("{n:02x}")).collect();
        let downwards: String = (0..32).map(|n| format!("{:02x}", 255 - n * 3)).collect();
        let text = base64::engine::general_purpose::STANDARD.encode("change me! 0123456789 ABCDEFGHIJ");
        let halves = format!("{}{}", &HEX[..32], &HEX[..32]);
        let cases = [
            "00".repeat(32),
            "ab".repeat(32),
            "0123456789abcdef".repeat(4),
            counted,
            downwards,
            text,
            halves,
        ];
        for case in cases {
            assert_eq!(
                MasterKey::parse(&case).unwrap_err(),
                MasterKeyError::Weak,
                "{case}"
            );
        }
    }

    #[test]
    fn generated_keys_are_never_weak_and_never_alike() {
        let keys: std::collections::HashSet<String> =
            (0..500).map(|_| MasterKey::generate().reveal()).collect();
        assert_eq!(keys.len(), 500);
        assert!(keys.iter().all(|key| MasterKey::parse(key).is_ok()));
    }

    #[test]
    fn what_was_sealed_opens_for_the_same_purpose_alone() {
        let key = MasterKey::parse(HEX).unwrap();
        for plaintext in [&b""[..], b"x", &[7; 5000]] {
            let sealed = key.seal("signing keys", plaintext);
            assert_eq!(sealed.len(), 1 + 12 + plaintext.len() + 16);
            assert_eq!(key.open("signing keys", &sealed).unwrap(), plaintext);
            assert_eq!(key.open("webhook secrets", &sealed), Err(CannotOpen));
            assert_eq!(
                MasterKey::generate().open("signing keys", &sealed),
                Err(CannotOpen)
            );
        }
        assert_ne!(key.seal("a", b"x"), key.seal("a", b"x"));
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let key = MasterKey::parse(HEX).unwrap();
        let sealed = key.seal("p", b"secret");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key.open("p", &changed), Err(CannotOpen));
            assert_eq!(key.open("p", &sealed[..at]), Err(CannotOpen));
        }
    }

    #[test]
    fn macs_differ_by_purpose_key_and_bytes() {
        let key = MasterKey::parse(HEX).unwrap();
        assert_eq!(key.mac("a", b"x"), key.mac("a", b"x"));
        assert_ne!(key.mac("a", b"x"), key.mac("b", b"x"));
        assert_ne!(key.mac("a", b"x"), key.mac("a", b"y"));
        assert_ne!(key.mac("a", b"x"), MasterKey::generate().mac("a", b"x"));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", MasterKey::generate()), "MasterKey([redacted])");
    }
}
