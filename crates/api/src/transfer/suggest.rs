//! A mapping that the names of the columns suggest.

use std::collections::{BTreeMap, BTreeSet};

use tandem_domain::leads::custom::CustomField;
use tandem_domain::transfer::mapping::{FieldSource, Mapping, OF_HISTORY, fields, purpose};
use tandem_domain::transfer::{ImportKind, ImportMode};

/// How alike two names must be (Jaro-Winkler) to suggest each other.
const ALIKE: f64 = 0.92;
/// The system of external ids whose column does not say which.
const SYSTEM: &str = "import";

/// What columns are often called, by field.
const CALLED: &[(&str, &[&str])] = &[
    (
        "email",
        &[
            "e_mail",
            "mail",
            "email_address",
            "e_mail_address",
            "contact_email",
        ],
    ),
    (
        "lead.email",
        &["e_mail", "mail", "email", "email_address", "lead_email"],
    ),
    (
        "phone",
        &["telephone", "phone_number", "mobile", "mobile_phone", "tel"],
    ),
    ("first_name", &["firstname", "given_name", "forename"]),
    ("last_name", &["lastname", "surname", "family_name"]),
    ("name", &["full_name", "contact_name", "contact"]),
    ("job_title", &["title", "position", "role"]),
    ("country", &["country_code"]),
    (
        "company.name",
        &[
            "company",
            "company_name",
            "organisation",
            "organization",
            "account",
        ],
    ),
    ("company.domain", &["domain", "website_domain", "company_domain"]),
    ("company.industry", &["industry", "sector"]),
    (
        "company.employees",
        &["employees", "company_size", "number_of_employees"],
    ),
    ("domain", &["website_domain", "web_domain", "company_domain"]),
    (
        "external_id",
        &["id", "record_id", "crm_id", "lead_id", "contact_id"],
    ),
    (
        "lead.external_id",
        &["lead_id", "external_id", "contact_id", "crm_id"],
    ),
    (
        "first_touch.source",
        &["source", "lead_source", "origin", "utm_source"],
    ),
    ("first_touch.channel", &["channel"]),
    ("first_touch.medium", &["medium", "utm_medium"]),
    ("first_touch.campaign", &["campaign", "utm_campaign"]),
    ("first_touch.landing_url", &["landing_page", "landing_page_url"]),
    (
        "created_at",
        &[
            "created",
            "create_date",
            "date_created",
            "first_contact",
            "first_contact_date",
        ],
    ),
    ("to", &["stage", "new_stage", "to_stage"]),
    ("from", &["old_stage", "from_stage", "previous_stage"]),
    ("at", &["date", "changed_at", "moved_at", "stage_changed_at"]),
    (
        "opened_at",
        &["engage_date", "open_date", "created_at", "create_date"],
    ),
    ("closed_at", &["won_date", "close_date", "closed_date"]),
    ("outcome", &["status", "result"]),
    ("stage", &["deal_stage"]),
    ("amount", &["value", "deal_value", "close_value", "revenue"]),
    ("owner", &["owner_email", "sales_rep", "sales_agent", "rep"]),
    ("name", &["deal_name", "opportunity_name"]),
];

/// The columns whose names are those of fields: what counts where no mapping is given.
pub fn by_name(kind: ImportKind, mode: ImportMode, columns: &[String], custom: &[CustomField]) -> Mapping {
    chosen(kind, mode, columns, custom, |field, column| {
        field == column || plain(field) == column
    })
}

/// The columns whose names are like those of fields, or that are often called so.
pub fn by_likeness(
    kind: ImportKind,
    mode: ImportMode,
    columns: &[String],
    custom: &[CustomField],
) -> Mapping {
    let mut mapping = by_name(kind, mode, columns, custom);
    let looser: [fn(&str, &str) -> bool; 2] = [
        |field, column| {
            CALLED
                .iter()
                .any(|(known, names)| *known == field && names.contains(&column))
        },
        |field, column| strsim::jaro_winkler(&plain(field), column) >= ALIKE,
    ];
    for fits in looser {
        let taken: BTreeSet<String> = mapping.columns().into_iter().map(str::to_owned).collect();
        let left: Vec<String> = columns
            .iter()
            .filter(|name| !taken.contains(*name))
            .cloned()
            .collect();
        for (field, source) in chosen(kind, mode, &left, custom, fits).fields {
            mapping.fields.entry(field).or_insert(source);
        }
    }
    mapping
}

fn chosen(
    kind: ImportKind,
    mode: ImportMode,
    columns: &[String],
    custom: &[CustomField],
    fits: impl Fn(&str, &str) -> bool,
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
        let column = columns
            .iter()
            .find(|name| !name.is_empty() && !taken.contains(*name) && fits(&field, &normal(name)));
        if let Some(column) = column {
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

/// A name in small letters, with lines for all that is neither letter, digit nor dot.
fn normal(name: &str) -> String {
    let letters = name
        .trim()
        .chars()
        .map(|c| if c.is_alphanumeric() || c == '.' { c } else { '_' });
    letters.flat_map(char::to_lowercase).collect()
}

fn plain(field: &str) -> String {
    field.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(mapping: &Mapping) -> Vec<(&str, &str)> {
        mapping
            .fields
            .iter()
            .map(|(field, source)| (field.as_str(), source.column.as_deref().unwrap_or_default()))
            .collect()
    }

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn without_a_mapping_names_count_as_they_are() {
        let found = by_name(
            ImportKind::Leads,
            ImportMode::Live,
            &columns(&["Email", "first name", "company_name", "Source", "created_at"]),
            &[],
        );
        assert_eq!(
            names(&found),
            [
                ("company.name", "company_name"),
                ("email", "Email"),
                ("first_name", "first name")
            ]
        );
    }

    #[test]
    fn what_is_alike_is_suggested() {
        let found = by_likeness(
            ImportKind::Leads,
            ImportMode::History,
            &columns(&[
                "mql_id",
                "E-Mail",
                "Frist Name",
                "origin",
                "First_Contact_Date",
                "landing_page_id",
            ]),
            &[],
        );
        assert_eq!(
            names(&found),
            [
                ("created_at", "First_Contact_Date"),
                ("email", "E-Mail"),
                ("first_name", "Frist Name"),
                ("first_touch.source", "origin"),
            ]
        );
    }
}
