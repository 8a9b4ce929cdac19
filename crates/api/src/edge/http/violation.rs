//! One violation of a request: where, which rule, in which words.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::ser::{Serialize, SerializeMap, Serializer};
use utoipa::ToSchema;

/// Longest place that is named in an answer, in characters; a longer one is cut to its parent.
const LONGEST_PLACE: usize = 512;

/// What a pointer in a URI fragment may hold without an escape (RFC 3986, `fragment`).
const FRAGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'?');

/// One rule that the request breaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Where in the request.
    pub place: Location,
    /// Which rule, as a word for programs: `too_long`.
    pub code: &'static str,
    /// Which rule, as a sentence for people; it never repeats what was sent.
    pub detail: String,
}

/// Where in a request something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// A header, by its name.
    Header(&'static str),
    /// A query parameter, by its name.
    Parameter(String),
    /// A place in the body: a JSON pointer in its form as a URI fragment (RFC 6901), `#/email`.
    Pointer(String),
}

impl Violation {
    /// A violation at `place`.
    pub fn new(place: Location, code: &'static str, detail: impl Into<String>) -> Violation {
        Violation {
            place,
            code,
            detail: detail.into(),
        }
    }
}

impl Location {
    /// The body as a whole.
    pub fn body() -> Location {
        Location::Pointer("#".into())
    }

    /// The place in the body that these names and indexes lead to, one after the other.
    pub fn at<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Location {
        let mut pointer = String::from("#");
        for segment in segments {
            let escaped = segment.as_ref().replace('~', "~0").replace('/', "~1");
            let before = pointer.len();
            pointer.push('/');
            pointer.extend(utf8_percent_encode(&escaped, FRAGMENT));
            if pointer.len() > LONGEST_PLACE {
                pointer.truncate(before);
                break;
            }
        }
        Location::Pointer(pointer)
    }

    /// The query parameter of this name, which is cut when it is absurdly long.
    pub fn parameter(name: &str) -> Location {
        Location::Parameter(name.chars().take(128).collect())
    }
}

impl Serialize for Violation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        match &self.place {
            Location::Header(name) => map.serialize_entry("header", name)?,
            Location::Parameter(name) => map.serialize_entry("parameter", name)?,
            Location::Pointer(pointer) => map.serialize_entry("pointer", pointer)?,
        }
        map.serialize_entry("code", self.code)?;
        map.serialize_entry("detail", &self.detail)?;
        map.end()
    }
}

/// One violation. It has exactly one of `pointer`, `parameter` and `header`.
#[derive(ToSchema)]
#[schema(as = Violation)]
pub struct ViolationView {
    /// The place in the body: a JSON pointer as a URI fragment
    #[schema(max_length = 512, example = "#/email")]
    pub pointer: Option<String>,
    /// The name of the query parameter
    #[schema(max_length = 128, example = "limit")]
    pub parameter: Option<String>,
    /// The name of the request header
    #[schema(max_length = 64, example = "If-Match")]
    pub header: Option<String>,
    /// The violated rule, as a code for programs
    #[schema(pattern = "^[a-z0-9_]{1,64}$", max_length = 64, example = "invalid_format")]
    pub code: String,
    /// The violated rule, as a sentence for people; it never repeats the input
    #[schema(max_length = 2048, example = "must be an e-mail address")]
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_escaped_for_json_and_for_the_fragment() {
        assert_eq!(
            Location::at(["a/b", "c~d", "0"]),
            Location::Pointer("#/a~1b/c~0d/0".into())
        );
        assert_eq!(
            Location::at(["e mail", "é\n"]),
            Location::Pointer("#/e%20mail/%C3%A9%0A".into())
        );
        assert_eq!(Location::at([""; 0]), Location::body());
    }

    #[test]
    fn a_place_that_is_too_long_is_cut_to_its_parent() {
        assert_eq!(
            Location::at(["items".to_owned(), "x".repeat(600)]),
            Location::Pointer("#/items".into())
        );
    }
}
