//! The nearest known name, for callers who mistyped one.

/// Longer names than this are nobody's slip of the finger, and would cost time to compare.
const LONGEST: usize = 64;

/// The known name that is nearest to `given`, if any is near enough to be what was meant.
///
/// Near enough is one edit (insertion, deletion, change, swap of neighbours; case apart) for every three
/// characters, or one name being the beginning of the other.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if given.len() > LONGEST {
        return None;
    }
    let given = plain(given);
    known
        .into_iter()
        .filter_map(|name| {
            let other = plain(name);
            let edits = strsim::osa_distance(&given, &other);
            let near = edits <= (given.len().max(other.len()) / 3).max(1) && edits < other.len();
            let begins = given.len() >= 3
                && other.len() >= 3
                && (other.starts_with(&given) || given.starts_with(&other));
            (near || begins).then_some((!near, edits, name))
        })
        .min()
        .map(|(_, _, name)| name)
}

/// Without case and separators: `firstName`, `first-name` and `first_name` are one name.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["email", "first_name", "last_name", "phone", "external_id"];

    #[test]
    fn a_slip_finds_what_was_meant() {
        for (given, meant) in [
            ("emial", "email"),
            ("Email", "email"),
            ("e-mail", "email"),
            ("firstName", "first_name"),
            ("fist_name", "first_name"),
            ("phone_number", "phone"),
            ("external", "external_id"),
        ] {
            assert_eq!(nearest(given, KNOWN), Some(meant), "{given}");
        }
    }

    #[test]
    fn a_stranger_finds_nothing() {
        for given in ["", "x", "colour", "zzzzzzzz", &"email".repeat(100)] {
            assert_eq!(nearest(given, KNOWN), None, "{given}");
        }
    }
}
