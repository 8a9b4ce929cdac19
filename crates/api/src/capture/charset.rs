//! Which text bytes are: in the charset that a body declares, else in UTF-8 (WHATWG Encoding). Bytes that fit neither are
//! no text, and are never replaced.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// The bytes that are escaped: the escape itself, controls, and what is not ASCII.
const NOT_ASCII: &AsciiSet = &CONTROLS.add(b'%');

/// The charset that a body declares. A missing or unknown label means UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Charset(&'static Encoding);

impl Charset {
    /// UTF-8, in which every stored body is read again.
    pub(super) const UTF_8: Self = Self(UTF_8);

    /// The charset with this label (`latin1`, `Shift_JIS`), if there is one.
    pub(super) fn labelled(label: &str) -> Option<Self> {
        Encoding::for_label_no_replacement(label.trim().trim_matches('"').as_bytes()).map(Self)
    }

    /// A text as a value of `application/x-www-form-urlencoded` in this charset.
    pub(super) fn form(self, text: &str) -> String {
        percent_encode(&self.0.encode(text).0, NON_ALPHANUMERIC).to_string()
    }

    /// The text that bytes are in this charset, else in UTF-8.
    pub(super) fn decode(self, bytes: &[u8]) -> Option<String> {
        let read = |encoding: &'static Encoding| {
            encoding
                .decode_without_bom_handling_and_without_replacement(bytes)
                .map(|text| text.into_owned())
        };
        read(self.0).or_else(|| read(UTF_8))
    }
}

/// Bytes that are no text, as they are stored: each as its character of windows-1252, which loses none.
pub(super) fn as_windows_1252(bytes: &[u8]) -> String {
    WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned()
}

/// Bytes that are no text, as an answer shows them: those beyond ASCII percent-encoded.
pub(super) fn escaped(bytes: &[u8]) -> String {
    percent_encode(bytes, NOT_ASCII).to_string()
}

/// The bytes of a name or value of `application/x-www-form-urlencoded`.
pub(super) fn unescaped(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    percent_decode(&spaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_in_their_charset_and_never_replaced() {
        for (label, bytes, text) in [
            ("latin1", &b"M\xfcller"[..], Some("Müller")),
            ("\"ISO-8859-1\"", b"M\xfcller", Some("Müller")),
            ("windows-1252", b"\x80 5", Some("€ 5")),
            ("Shift_JIS", b"\x93\xfa\x96{", Some("日本")),
            ("windows-1251", b"\xcf\xf0\xe8\xe2\xe5\xf2", Some("Привет")),
            ("utf-8", "Müller".as_bytes(), Some("Müller")),
            // A declaration that does not fit, but UTF-8 does.
            ("Shift_JIS", "Zoë \u{1f600}".as_bytes(), Some("Zoë \u{1f600}")),
            ("utf-8", b"M\xfcller", None),
            ("gbk", b"\xff\xff", None),
        ] {
            let charset = Charset::labelled(label).unwrap();
            assert_eq!(charset.decode(bytes).as_deref(), text, "{label} {bytes:?}");
        }
        for unknown in ["", "nonsense", "iso-2022-kr", "utf-7"] {
            assert_eq!(Charset::labelled(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_whole() {
        let all: Vec<u8> = (0..=255).collect();
        let kept = as_windows_1252(&all);
        assert_eq!(kept.chars().count(), 256);
        assert_eq!(WINDOWS_1252.encode(&kept).0, all);
        assert!(!kept.contains('\u{fffd}'));
        assert_eq!(escaped(b"100% M\xfcller <a>"), "100%25 M%FCller <a>");
        assert_eq!(unescaped(b"M%FCller+%2B+1%"), b"M\xfcller + 1%");
    }
}
