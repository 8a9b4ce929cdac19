//! A mapping that the names of the columns suggest.

mod called;

use std::collections::{BTreeMap, BTreeSet};

use tandem_domain::leads::custom::CustomField;
use tandem_domain::transfer::mapping::{FieldSource, Mapping, OF_HISTORY, fields, purpose};
use tandem_domain::transfer::{ImportKind, ImportMode};

use called::CALLED;

/// How alike two names must be (Jaro-Winkler) to suggest each other.
const ALIKE: f64 = 0.92;
/// The system of external ids whose column does not say which.
pub const SYSTEM: &str = "import";

/// The columns whose names are those of fields, or what exports call these: what counts where no mapping is given.
pub fn by_name(kind: ImportKind, mode: ImportMode, columns: &[String], custom: &[CustomField]) -> Mapping {
    // A column of ids alone has those of another system.
    let has_other_id = columns.iter().any(|name| normal(name) == "external_id");
    let exact = chosen(kind, mode, columns, custom, |field, column| {
        let is_ours = !matches!(field, "id" | "lead.id") || has_other_id || column == "lead.id";
        (is_ours && (field == column || plain(field) == column)).then_some(0)
    });
    further(exact, kind, mode, columns, custom, |field, column| {
        let of_kind = format!("{}.{field}", kind.name());
        let called = |(known, names): &(&str, &[&str])| {
            let place = names.iter().position(|name| *name == column);
            place.filter(|_| *known == field || *known == of_kind)
        };
        CALLED.iter().find_map(called)
    })
}

/// The columns whose names are like those of fields, too.
pub fn by_likeness(
    kind: ImportKind,
    mode: ImportMode,
    columns: &[String],
    custom: &[CustomField],
) -> Mapping {
    let mapping = by_name(kind, mode, columns, custom);
    further(mapping, kind, mode, columns, custom, |field, column| {
        (strsim::jaro_winkler(&plain(field), column) >= ALIKE).then_some(0)
    })
}

/// A mapping, and of the columns that it leaves those that fit fields that it leaves.
fn further(
    mut mapping: Mapping,
    kind: ImportKind,
    mode: ImportMode,
    columns: &[String],
    custom: &[CustomField],
    fits: impl Fn(&str, &str) -> Option<usize>,
) -> Mapping {
    let taken: BTreeSet<String> = mapping.columns().into_iter().map(str::to_owned).collect();
    let left = columns.iter().filter(|name| !taken.contains(*name));
    let left: Vec<String> = left.cloned().collect();
    let known = |field: &str| mapping.fields.contains_key(field);
    let found = chosen(kind, mode, &left, custom, |field, column| {
        fits(field, column).filter(|_| !known(field))
    });
    for (field, source) in found.fields {
        mapping.fields.entry(field).or_insert(source);
    }
    mapping
}

fn chosen(
    kind: ImportKind,
    mode: ImportMode,
    columns: &[String],
    custom: &[CustomField],
    fits: impl Fn(&str, &str) -> Option<usize>,
) -> Mapping {
    let own = custom
        .iter()
        .map(|field| format!("custom.{}", field.name))
        .filter(|_| kind == ImportKind::Leads);
    let consents = columns
        .iter()
        .map(|column| normal(column))
        .filter(|name| kind == ImportKind::Leads && purpose(name).is_some());
    let all = fields(kind)
        .iter()
        .map(|field| (*field).to_owned())
        .chain(own)
        .chain(consents);
    let all = all.filter(|field| {
        mode == ImportMode::History || kind != ImportKind::Leads || !OF_HISTORY.contains(&field.as_str())
    });
    let mut taken = BTreeSet::new();
    let mut chosen = BTreeMap::new();
    for field in all {
        let free = columns
            .iter()
            .filter(|name| !name.is_empty() && !taken.contains(*name));
        let column = free
            .filter_map(|name| Some((fits(&field, &normal(name))?, name)))
            .min_by_key(|(place, _)| *place);
        if let Some((_, column)) = column {
            taken.insert(column);
            let system = field.ends_with("external_id").then(|| SYSTEM.to_owned());
            chosen.insert(
                field,
                FieldSource {
                    system,
                    ..FieldSource::column(column)
                },
            );
        }
    }
    Mapping {
        fields: chosen,
        ..Mapping::default()
    }
}

/// A name in small letters, with one line for all that is neither letter, digit nor dot: `Company / Account` is
/// `company_account`.
fn normal(name: &str) -> String {
    let lower = name.trim().to_lowercase();
    let words = lower.split(|c: char| !(c.is_alphanumeric() || c == '.'));
    let words = words.map(|word| word.trim_matches('.'));
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("_")
}

fn plain(field: &str) -> String {
    field.replace('.', "_")
}

#[cfg(test)]
mod tests;
