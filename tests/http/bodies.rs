//! Whole answers as snapshots, so that no member changes unseen. `INSTA_UPDATE=always cargo test` writes them again after a
//! change that is meant; the diff is then read like code.

use std::collections::BTreeMap;

use serde_json::Value;
use tandem_tests::Answer;

/// Compare a whole body with tests/http/snapshots. Ids are numbered by kind in order of appearance, since they are drawn.
pub fn is_as_it_was(name: &str, answer: &Answer) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let body = numbered(&answer.body, &mut BTreeMap::new());
    settings.bind(|| insta::assert_json_snapshot!(name, body));
}

fn numbered(value: &Value, known: &mut BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => Value::String(
            text.split_inclusive(['/', '=', '?', '&', ',']).map(|part| id(part, known)).collect(),
        ),
        Value::Array(items) => items.iter().map(|item| numbered(item, known)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), numbered(member, known))).collect()
        }
        other => other.clone(),
    }
}

/// A part of a text: `lead_01h455vb4pex5vsknk084sn02q` becomes `lead_#1`.
fn id(part: &str, known: &mut BTreeMap<String, String>) -> String {
    let end = part.trim_end_matches(['/', '=', '?', '&', ',']);
    let Some((kind, drawn)) = end.rsplit_once('_') else { return part.to_owned() };
    if drawn.len() != 26 || !drawn.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        return part.to_owned();
    }
    let of_kind = known.values().filter(|number| number.starts_with(&format!("{kind}_#"))).count();
    let number = known.entry(end.to_owned()).or_insert_with(|| format!("{kind}_#{}", of_kind + 1));
    format!("{number}{}", &part[end.len()..])
}
