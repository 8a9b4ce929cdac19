//! Page cursors: opaque to the caller, signed, bound to the list that they were made for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::seal::MasterKey;
use super::{equal, sha256};

/// The longest cursor that is read, in characters: room for 200 escaped characters of a sort key and an id.
pub const MAX_LENGTH: usize = 2048;

const PURPOSE: &str = "cursor";
const VERSION: u8 = 1;
const BINDING_LENGTH: usize = 12;
const MAC_LENGTH: usize = 16;

/// Why a cursor is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// Not a cursor of this installation, or changed by the caller.
    #[error("the cursor was not issued by this service")]
    Malformed,
    /// A cursor of this installation for another list, filter or sort.
    #[error("the cursor belongs to another list, filter or sort")]
    Mismatch,
}

/// A cursor at a position of the list that `binding` names: route, filters and sort in any fixed writing.
pub fn encode(master: &MasterKey, binding: &str, position: &Value) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&digest(binding));
    bytes.extend_from_slice(position.to_string().as_bytes());
    let mac = master.mac(PURPOSE, &bytes);
    bytes.extend_from_slice(&mac[..MAC_LENGTH]);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position in a cursor that was made for the same binding.
pub fn decode(master: &MasterKey, binding: &str, text: &str) -> Result<Value, CursorError> {
    if text.len() > MAX_LENGTH {
        return Err(CursorError::Malformed);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::Malformed)?;
    let (signed, mac) = bytes
        .split_last_chunk::<MAC_LENGTH>()
        .ok_or(CursorError::Malformed)?;
    if !equal(&master.mac(PURPOSE, signed)[..MAC_LENGTH], mac) {
        return Err(CursorError::Malformed);
    }
    let (version, payload) = signed.split_first().ok_or(CursorError::Malformed)?;
    let (bound, position) = payload
        .split_first_chunk::<BINDING_LENGTH>()
        .ok_or(CursorError::Malformed)?;
    match (*version == VERSION, *bound == digest(binding)) {
        (false, _) => Err(CursorError::Malformed),
        (true, false) => Err(CursorError::Mismatch),
        (true, true) => serde_json::from_slice(position).map_err(|_| CursorError::Malformed),
    }
}

fn digest(binding: &str) -> [u8; BINDING_LENGTH] {
    let mut short = [0; BINDING_LENGTH];
    short.copy_from_slice(&sha256(binding.as_bytes())[..BINDING_LENGTH]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const LIST: &str = "/v1/leads?stage=mql&sort=-score";

    #[test]
    fn a_cursor_gives_its_position_back() {
        let master = MasterKey::generate();
        for position in [
            json!(null),
            json!([60, "lead_x"]),
            json!({"name": "Zoë \u{1F600}", "at": -1}),
        ] {
            let text = encode(&master, LIST, &position);
            assert!(
                text.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            );
            assert_eq!(decode(&master, LIST, &text), Ok(position));
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_a_mismatch() {
        let master = MasterKey::generate();
        let text = encode(&master, LIST, &json!([60]));
        assert_eq!(
            decode(&master, "/v1/leads?stage=sal", &text),
            Err(CursorError::Mismatch)
        );
    }

    #[test]
    fn a_changed_cut_or_foreign_cursor_is_malformed() {
        let master = MasterKey::generate();
        let text = encode(&master, LIST, &json!([60, "lead_x"]));
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(decode(&master, LIST, &changed), Err(CursorError::Malformed));
            assert_eq!(decode(&master, LIST, &text[..at]), Err(CursorError::Malformed));
        }
        for foreign in ["", "%%%", "é", &"A".repeat(MAX_LENGTH + 1), &format!("{text}=")] {
            assert_eq!(decode(&master, LIST, foreign), Err(CursorError::Malformed));
        }
        assert_eq!(
            decode(&MasterKey::generate(), LIST, &text),
            Err(CursorError::Malformed)
        );
    }

    #[test]
    fn the_longest_sort_key_still_fits() {
        let master = MasterKey::generate();
        let position = json!(["\u{1}".repeat(200), "lead_01h455vb4pex5vsknk084sn02q"]);
        let text = encode(&master, LIST, &position);
        assert!(text.len() <= MAX_LENGTH);
        assert_eq!(decode(&master, LIST, &text), Ok(position));
    }
}
