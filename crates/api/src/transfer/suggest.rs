//! A mapping that the names of the columns suggest.

use std::collections::{BTreeMap, BTreeSet};

use tandem_domain::leads::custom::CustomField;
use tandem_domain::transfer::mapping::{FieldSource, Mapping, OF_HISTORY, fields, purpose};
use tandem_domain::transfer::{ImportKind, ImportMode};

/// How alike two names must be (Jaro-Winkler) to suggest each other.
const ALIKE: f64 = 0.92;
/// The system of external ids whose column does not say which.
pub const SYSTEM: &str = "import";

/// What columns are called in the exports of CRMs and mail services, by field, the likeliest first.
const CALLED: &[(&str, &[&str])] = &[
    (
        "email",
        &[
            "email_address",
            "primary_email",
            "e_mail",
            "e_mail_address",
            "mail",
            "email_work",
            "work_email",
            "person_email_work",
            "person_email",
            "contact_email",
            "lead_email",
            "email_1",
            "emailaddress1",
            "primary_contact_email",
            "subscriber",
        ],
    ),
    (
        "lead.email",
        &[
            "email",
            "e_mail",
            "mail",
            "email_address",
            "lead_email",
            "contact_email",
            "person_email",
            "primary_contact_email",
            "deal_contact_email",
        ],
    ),
    (
        "phone",
        &[
            "phone_number",
            "business_phone",
            "work_phone",
            "work_number",
            "phone_work",
            "person_phone_work",
            "person_phone",
            "primary_phone",
            "telephone",
            "mobile_phone",
            "mobile_phone_number",
            "mobile_number",
            "mobile",
            "phone_mobile",
            "office_phone",
            "tel",
            "phone_1",
        ],
    ),
    (
        "first_name",
        &[
            "firstname",
            "given_name",
            "forename",
            "person_first_name",
            "contact_first_name",
            "fname",
        ],
    ),
    (
        "last_name",
        &[
            "lastname",
            "surname",
            "family_name",
            "person_last_name",
            "contact_last_name",
            "lname",
        ],
    ),
    (
        "name",
        &[
            "full_name",
            "contact_name",
            "lead_name",
            "person_name",
            "contact",
            "display_name",
            "primary_contact",
        ],
    ),
    (
        "job_title",
        &[
            "title",
            "designation",
            "position",
            "person_job_title",
            "job_position",
            "role",
        ],
    ),
    (
        "country",
        &[
            "country_region",
            "country_code",
            "mailing_country",
            "address_1_country_region",
            "primary_address_country",
            "country_territory",
        ],
    ),
    ("language", &["preferred_language", "locale"]),
    (
        "company.name",
        &[
            "company",
            "company_account",
            "account_name",
            "company_name",
            "associated_company",
            "organization_name",
            "organization",
            "organisation",
            "organisation_name",
            "person_organization",
            "customer_account_name",
            "account",
        ],
    ),
    (
        "company.domain",
        &[
            "company_domain_name",
            "company_domain",
            "website",
            "website_url",
            "company_website",
            "web_site",
            "domain",
            "website_domain",
            "url",
        ],
    ),
    ("company.industry", &["industry", "sector"]),
    (
        "company.employees",
        &[
            "employees",
            "no_of_employees",
            "number_of_employees",
            "num_employees",
            "company_size",
            "employee_count",
        ],
    ),
    (
        "domain",
        &[
            "company_domain_name",
            "website",
            "website_url",
            "web_domain",
            "website_domain",
            "company_domain",
            "organization_website",
        ],
    ),
    (
        "external_id",
        &[
            "record_id",
            "record_id_contact",
            "record_id_lead",
            "record_id_company",
            "record_id_deal",
            "lead_id",
            "contact_id",
            "deal_id",
            "opportunity_id",
            "person_id",
            "crm_id",
            "id",
        ],
    ),
    (
        "lead.external_id",
        &["lead_id", "external_id", "contact_id", "person_id", "crm_id"],
    ),
    (
        "first_touch.source",
        &[
            "lead_source",
            "original_source",
            "original_traffic_source",
            "source",
            "origin",
            "utm_source",
        ],
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
            "created_date",
            "created_time",
            "created_on",
            "date_created",
            "person_created",
            "lead_created",
            "first_contact",
            "first_contact_date",
        ],
    ),
    ("to", &["stage", "new_stage", "to_stage", "lead_status"]),
    ("from", &["old_stage", "from_stage", "previous_stage"]),
    (
        "at",
        &[
            "date",
            "changed_at",
            "moved_at",
            "stage_changed_at",
            "last_modified",
        ],
    ),
    (
        "opened_at",
        &[
            "engage_date",
            "open_date",
            "created_at",
            "create_date",
            "created_date",
            "deal_created",
            "created_time",
        ],
    ),
    (
        "closed_at",
        &[
            "won_date",
            "close_date",
            "closed_date",
            "won_time",
            "actual_close_date",
            "closing_date",
        ],
    ),
    ("outcome", &["status", "result", "deal_status"]),
    ("stage", &["deal_stage"]),
    (
        "amount",
        &["value", "deal_value", "close_value", "deal_amount", "revenue"],
    ),
    (
        "owner",
        &[
            "owner_email",
            "lead_owner_email",
            "deal_owner_email",
            "sales_rep",
            "sales_agent",
            "rep",
        ],
    ),
    (
        "deals.name",
        &["deal_name", "opportunity_name", "deal_title", "deal"],
    ),
    (
        "companies.name",
        &[
            "company_name",
            "organization_name",
            "account_name",
            "company",
            "account",
        ],
    ),
    (
        "companies.employees",
        &[
            "number_of_employees",
            "no_of_employees",
            "num_employees",
            "company_size",
            "employee_count",
        ],
    ),
    ("companies.industry", &["sector"]),
];

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
                ("first_name", "first name"),
                ("first_touch.source", "Source"),
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

    /// The headers of exports as the products write them, and what is understood of them at once.
    #[test]
    fn the_exports_of_crms_are_understood() {
        use ImportKind::{Companies, Deals, Leads};
        type Understood<'a> = &'a [(&'a str, &'a str)];
        let exports: &[(&str, ImportKind, &str, Understood)] = &[
            (
                "HubSpot contacts",
                Leads,
                "Record ID,First Name,Last Name,Email,Phone Number,Contact owner,Primary Associated Company ID,Last Activity Date,Lead Status,Marketing contact status,Create Date,Associated Company,Job Title,Country/Region,Website URL",
                &[
                    ("company.domain", "Website URL"),
                    ("company.name", "Associated Company"),
                    ("country", "Country/Region"),
                    ("email", "Email"),
                    ("external_id", "Record ID"),
                    ("first_name", "First Name"),
                    ("job_title", "Job Title"),
                    ("last_name", "Last Name"),
                    ("phone", "Phone Number"),
                ],
            ),
            (
                "Salesforce leads",
                Leads,
                "First Name,Last Name,Title,Company / Account,Email,Lead Source,Street,City,State/Province,Country,Phone,Mobile,Lead Owner,Lead ID,No. of Employees,Industry",
                &[
                    ("company.employees", "No. of Employees"),
                    ("company.industry", "Industry"),
                    ("company.name", "Company / Account"),
                    ("country", "Country"),
                    ("email", "Email"),
                    ("external_id", "Lead ID"),
                    ("first_name", "First Name"),
                    ("first_touch.source", "Lead Source"),
                    ("job_title", "Title"),
                    ("last_name", "Last Name"),
                    ("phone", "Phone"),
                ],
            ),
            (
                "Zoho leads",
                Leads,
                "Record Id,Lead Owner.id,Lead Owner,Company,First Name,Last Name,Designation,Email,Phone,Mobile,Website,Lead Source,Lead Status,No. of Employees,Annual Revenue,Created Time,Country",
                &[
                    ("company.domain", "Website"),
                    ("company.employees", "No. of Employees"),
                    ("company.name", "Company"),
                    ("country", "Country"),
                    ("email", "Email"),
                    ("external_id", "Record Id"),
                    ("first_name", "First Name"),
                    ("first_touch.source", "Lead Source"),
                    ("job_title", "Designation"),
                    ("last_name", "Last Name"),
                    ("phone", "Phone"),
                ],
            ),
            (
                "Pipedrive people",
                Leads,
                "Person - ID,Person - Name,Person - Organization,Person - Email - Work,Person - Phone - Work,Person - Owner,Person - Person created",
                &[
                    ("company.name", "Person - Organization"),
                    ("email", "Person - Email - Work"),
                    ("external_id", "Person - ID"),
                    ("name", "Person - Name"),
                    ("phone", "Person - Phone - Work"),
                ],
            ),
            (
                "Dynamics 365 leads",
                Leads,
                "(Do Not Modify) Lead,Full Name,Email Address,Business Phone,Mobile Phone,Job Title,Company Name,Website,Lead Source,Country/Region,Created On",
                &[
                    ("company.domain", "Website"),
                    ("company.name", "Company Name"),
                    ("country", "Country/Region"),
                    ("email", "Email Address"),
                    ("first_touch.source", "Lead Source"),
                    ("job_title", "Job Title"),
                    ("name", "Full Name"),
                    ("phone", "Business Phone"),
                ],
            ),
            (
                "Freshsales contacts",
                Leads,
                "Id,First name,Last name,Job title,Email,Work,Mobile,Account name,Country,Source,Created at",
                &[
                    ("company.name", "Account name"),
                    ("country", "Country"),
                    ("email", "Email"),
                    ("external_id", "Id"),
                    ("first_name", "First name"),
                    ("first_touch.source", "Source"),
                    ("job_title", "Job title"),
                    ("last_name", "Last name"),
                    ("phone", "Mobile"),
                ],
            ),
            (
                "Mailchimp audience",
                Leads,
                "Email Address,First Name,Last Name,Address,Phone Number,Birthday,MEMBER_RATING,OPTIN_TIME,LEID,EUID,TAGS",
                &[
                    ("email", "Email Address"),
                    ("first_name", "First Name"),
                    ("last_name", "Last Name"),
                    ("phone", "Phone Number"),
                ],
            ),
            (
                "Zendesk Sell leads",
                Leads,
                "id,first_name,last_name,organization_name,title,email,phone,mobile,website,source,country",
                &[
                    ("company.domain", "website"),
                    ("company.name", "organization_name"),
                    ("country", "country"),
                    ("email", "email"),
                    ("external_id", "id"),
                    ("first_name", "first_name"),
                    ("first_touch.source", "source"),
                    ("job_title", "title"),
                    ("last_name", "last_name"),
                    ("phone", "phone"),
                ],
            ),
            (
                "SugarCRM leads",
                Leads,
                "ID,First Name,Last Name,Account Name,Title,Primary Email,Office Phone,Primary Address Country,Lead Source,Website,Date Created",
                &[
                    ("company.domain", "Website"),
                    ("company.name", "Account Name"),
                    ("country", "Primary Address Country"),
                    ("email", "Primary Email"),
                    ("external_id", "ID"),
                    ("first_name", "First Name"),
                    ("first_touch.source", "Lead Source"),
                    ("job_title", "Title"),
                    ("last_name", "Last Name"),
                    ("phone", "Office Phone"),
                ],
            ),
            (
                "Copper people",
                Leads,
                "Copper ID,Name,First Name,Last Name,Title,Company,Email,Email Type,Phone Number,Country,Website,Owned By,Source",
                &[
                    ("company.domain", "Website"),
                    ("company.name", "Company"),
                    ("country", "Country"),
                    ("email", "Email"),
                    ("first_name", "First Name"),
                    ("first_touch.source", "Source"),
                    ("job_title", "Title"),
                    ("last_name", "Last Name"),
                    ("name", "Name"),
                    ("phone", "Phone Number"),
                ],
            ),
            (
                "HubSpot companies",
                Companies,
                "Record ID,Company name,Company Domain Name,Industry,Number of Employees,Country/Region,Company owner",
                &[
                    ("country", "Country/Region"),
                    ("domain", "Company Domain Name"),
                    ("employees", "Number of Employees"),
                    ("industry", "Industry"),
                    ("name", "Company name"),
                ],
            ),
            (
                "HubSpot deals",
                Deals,
                "Record ID,Deal Name,Deal Stage,Close Date,Deal owner,Amount,Associated Company,Associated Contact IDs",
                &[
                    ("amount", "Amount"),
                    ("closed_at", "Close Date"),
                    ("company.name", "Associated Company"),
                    ("external_id", "Record ID"),
                    ("name", "Deal Name"),
                    ("stage", "Deal Stage"),
                ],
            ),
        ];
        for (export, kind, header, expected) in exports {
            let header: Vec<&str> = header.split(',').collect();
            let mode = match kind {
                Deals => ImportMode::History,
                _ => ImportMode::Live,
            };
            let found = by_name(*kind, mode, &columns(&header), &[]);
            assert_eq!(names(&found), *expected, "{export}");
        }
    }
}
