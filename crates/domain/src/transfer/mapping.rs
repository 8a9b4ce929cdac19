//! The mapping: which column, constant or pattern each field is taken from.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::kinds::ImportKind;
use crate::fault::Fault;
use crate::leads::consent::is_purpose;
use crate::leads::custom::CustomField;

/// A mapping of a file's columns to fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ImportMapping)]
pub struct Mapping {
    /// The IANA time zone of dates without one; default the company's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, example = "America/Sao_Paulo")]
    pub timezone: Option<String>,
    /// The field that every row must have to find its record: `external_id`, `email`, `domain`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100, example = "external_id")]
    pub key: Option<String>,
    /// For each field the source of its value.
    #[schema(value_type = BTreeMap<String, FieldSource>)]
    pub fields: BTreeMap<String, FieldSource>,
}

/// The source of a field's value: a column, one value for all rows, or a pattern of columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(from = "Written")]
pub struct FieldSource {
    /// The column.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000, example = "Origin")]
    pub column: Option<String>,
    /// One value for all rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub value: Option<String>,
    /// Text with columns in braces: `{first} {last}`. Empty if one of them is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000, example = "{login}@example.com")]
    pub template: Option<String>,
    /// Replacements of values: `{"ppc": "paid_search"}`. Other values stay unchanged.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub map: BTreeMap<String, String>,
    /// The value of a blank cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4000)]
    pub default: Option<String>,
    /// The name of the system that issued the external id, such as `crm`. Required for the fields `external_id` and
    /// `lead.external_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, example = "crm")]
    pub system: Option<String>,
    /// The format of dates, by strptime: `%d/%m/%Y %H:%M`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100, example = "%d/%m/%Y")]
    pub format: Option<String>,
    /// The decimal separator of amounts; default `.`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1, example = ",")]
    pub decimal: Option<String>,
}

/// A source as it may be written: the name of a column alone, or all of it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Column(String),
    Whole(Whole),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    column: Option<String>,
    value: Option<Scalar>,
    template: Option<String>,
    #[serde(default)]
    map: BTreeMap<String, Scalar>,
    default: Option<Scalar>,
    system: Option<String>,
    format: Option<String>,
    decimal: Option<String>,
}

/// A value that may be written without quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Flag(bool),
    Integer(i64),
    Number(f64),
}

impl Scalar {
    fn text(self) -> String {
        match self {
            Scalar::Text(text) => text,
            Scalar::Flag(flag) => flag.to_string(),
            Scalar::Integer(number) => number.to_string(),
            Scalar::Number(number) => number.to_string(),
        }
    }
}

impl From<Written> for FieldSource {
    fn from(written: Written) -> Self {
        match written {
            Written::Column(column) => Self::column(column),
            Written::Whole(whole) => Self {
                column: whole.column,
                value: whole.value.map(Scalar::text),
                template: whole.template,
                map: whole
                    .map
                    .into_iter()
                    .map(|(from, to)| (from, to.text()))
                    .collect(),
                default: whole.default.map(Scalar::text),
                system: whole.system,
                format: whole.format,
                decimal: whole.decimal,
            },
        }
    }
}

impl FieldSource {
    /// A column as it is.
    pub fn column(name: impl Into<String>) -> Self {
        Self {
            column: Some(name.into()),
            ..Self::default()
        }
    }
}

/// The fields of each kind, but for `custom.<name>` and `consent.<purpose>` of leads.
pub const fn fields(kind: ImportKind) -> &'static [&'static str] {
    match kind {
        ImportKind::Leads => &[
            "id",
            "external_id",
            "email",
            "phone",
            "name",
            "first_name",
            "last_name",
            "job_title",
            "country",
            "language",
            "budget",
            "need",
            "timeline_days",
            "company.domain",
            "company.name",
            "company.industry",
            "company.country",
            "company.employees",
            "first_touch.channel",
            "first_touch.source",
            "first_touch.medium",
            "first_touch.campaign",
            "first_touch.term",
            "first_touch.content",
            "first_touch.landing_url",
            "first_touch.referrer",
            "first_touch.occurred_at",
            "lead_touch.channel",
            "lead_touch.source",
            "lead_touch.medium",
            "lead_touch.campaign",
            "lead_touch.term",
            "lead_touch.content",
            "lead_touch.landing_url",
            "lead_touch.referrer",
            "lead_touch.occurred_at",
            "observed_at",
            "created_at",
            "owner",
        ],
        ImportKind::Companies => &[
            "domain",
            "name",
            "industry",
            "country",
            "employees",
            "owner",
            "created_at",
        ],
        ImportKind::Users => &["email", "name", "role", "disabled", "created_at"],
        ImportKind::StageChanges => &[
            "lead.id",
            "lead.external_id",
            "lead.email",
            "to",
            "at",
            "from",
            "reason",
            "note",
            "owner",
        ],
        ImportKind::Revenue => &[
            "external_id",
            "lead.id",
            "lead.external_id",
            "lead.email",
            "company.domain",
            "company.name",
            "on",
            "amount",
            "currency",
            "kind",
        ],
        ImportKind::Deals => &[
            "external_id",
            "name",
            "lead.id",
            "lead.external_id",
            "lead.email",
            "company.domain",
            "company.name",
            "pipeline",
            "stage",
            "outcome",
            "opened_at",
            "closed_at",
            "amount",
            "currency",
            "expected_close_on",
            "owner",
            "reason",
            "competitor",
            "note",
        ],
    }
}

/// The purpose of a field of leads that says whether the person agreed to it: `consent.<purpose>`.
pub fn purpose(field: &str) -> Option<&str> {
    field
        .strip_prefix("consent.")
        .filter(|purpose| is_purpose(purpose))
}

/// The fields that say something only where the rows are history.
pub const OF_HISTORY: &[&str] = &["created_at", "owner"];

impl Mapping {
    /// The faults of the mapping itself, without a file, at `/timezone`, `/key` and `/fields/<name>`.
    pub fn faults(&self, kind: ImportKind, custom: &[CustomField]) -> Vec<Fault> {
        let mut faults = vec![];
        if self
            .timezone
            .as_ref()
            .is_some_and(|zone| TimeZone::get(zone).is_err())
        {
            faults.push(Fault::new(
                "/timezone",
                "invalid_format",
                "is not an IANA time zone such as Europe/Rome",
            ));
        }
        if self
            .key
            .as_ref()
            .is_some_and(|key| !self.fields.contains_key(key))
        {
            faults.push(Fault::new(
                "/key",
                "not_allowed",
                "is not among the mapped fields",
            ));
        }
        for (field, source) in &self.fields {
            let pointer = || format!("/fields/{}", field.replace('~', "~0").replace('/', "~1"));
            let is_custom = || {
                field
                    .strip_prefix("custom.")
                    .is_some_and(|name| custom.iter().any(|known| known.name == name))
            };
            let is_named = kind == ImportKind::Leads && (is_custom() || purpose(field).is_some());
            if !is_named && !fields(kind).contains(&field.as_str()) {
                faults.push(Fault::new(
                    pointer(),
                    "unknown_field",
                    format!("{} have no such field", kind.name().replace('_', " ")),
                ));
            }
            let said = [&source.column, &source.value, &source.template];
            if said.iter().filter(|one| one.is_some()).count() != 1 {
                let detail = "needs one of `column`, `value` and `template`";
                faults.push(Fault::new(pointer(), "invalid_value", detail));
            }
            let needs_system = field == "external_id" || field == "lead.external_id";
            if needs_system && !source.system.as_deref().is_some_and(is_system) {
                let detail =
                    "an external id needs its `system`: letters, digits, dots and dashes, 64 at most";
                faults.push(Fault::new(pointer(), "required", detail));
            }
            if source
                .decimal
                .as_ref()
                .is_some_and(|sign| sign != "." && sign != ",")
            {
                faults.push(Fault::new(pointer(), "invalid_value", "`decimal` is . or ,"));
            }
        }
        faults
    }

    /// The columns that it names.
    pub fn columns(&self) -> BTreeSet<&str> {
        self.fields
            .values()
            .flat_map(|source| {
                let in_template = source
                    .template
                    .iter()
                    .flat_map(|text| parts(text))
                    .filter_map(|part| match part {
                        Part::Column(name) => Some(name),
                        Part::Text(_) => None,
                    });
                source.column.as_deref().into_iter().chain(in_template)
            })
            .collect()
    }
}

fn is_system(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && text.as_bytes()[0].is_ascii_alphanumeric()
}

/// A part of a template.
pub(super) enum Part<'t> {
    /// As it stands.
    Text(&'t str),
    /// The value of a column.
    Column(&'t str),
}

/// The parts of a template; a brace that is not closed is text.
pub(super) fn parts(template: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (vec![], template);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else {
            break;
        };
        parts.push(Part::Text(before));
        parts.push(Part::Column(name));
        rest = behind;
    }
    parts.push(Part::Text(rest));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mapping(value: serde_json::Value) -> Mapping {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_source_is_written_short_or_whole() {
        let short = mapping(json!({"fields": {"email": "Mail"}}));
        let whole = mapping(json!({"fields": {"email": {"column": "Mail"}}}));
        assert_eq!(short, whole);
        assert_eq!(
            serde_json::to_value(&short).unwrap()["fields"]["email"],
            json!({"column": "Mail"})
        );
        assert!(serde_json::from_value::<Mapping>(json!({"fields": {"email": {"colum": "Mail"}}})).is_err());
    }

    #[test]
    fn all_faults_come_at_once() {
        let said = mapping(json!({"timezone": "Mars/Phobos", "key": "email", "fields": {
            "emial": "Mail", "external_id": "Id", "phone": {"map": {}}, "custom.size": "Size",
            "consent.marketing_email": "Newsletter", "consent.Not A Purpose": "Newsletter"}}));
        let places: Vec<_> = said
            .faults(ImportKind::Leads, &[])
            .into_iter()
            .map(|fault| (fault.pointer, fault.code))
            .collect();
        assert_eq!(
            places,
            [
                ("/timezone".to_owned(), "invalid_format"),
                ("/key".to_owned(), "not_allowed"),
                ("/fields/consent.Not A Purpose".to_owned(), "unknown_field"),
                ("/fields/custom.size".to_owned(), "unknown_field"),
                ("/fields/emial".to_owned(), "unknown_field"),
                ("/fields/external_id".to_owned(), "required"),
                ("/fields/phone".to_owned(), "invalid_value"),
            ]
        );
    }

    #[test]
    fn the_columns_of_templates_count() {
        let said = mapping(
            json!({"fields": {"name": {"template": "{a} and {b}{"}, "email": "c", "country": {"value": "IT"}}}),
        );
        assert_eq!(said.columns().into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
