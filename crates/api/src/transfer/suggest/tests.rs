//! Columns by their names: those of fields, those that are alike, and those of the exports of CRMs.

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
        (
            "HubSpot deals with contacts",
            Deals,
            "Deal ID,Deal Name,Pipeline,Deal Stage,Create Date,Close Date,Amount,Currency,Closed Lost Reason,Associated Company (Primary)",
            &[
                ("amount", "Amount"),
                ("closed_at", "Close Date"),
                ("company.name", "Associated Company (Primary)"),
                ("currency", "Currency"),
                ("external_id", "Deal ID"),
                ("name", "Deal Name"),
                ("opened_at", "Create Date"),
                ("pipeline", "Pipeline"),
                ("reason", "Closed Lost Reason"),
                ("stage", "Deal Stage"),
            ],
        ),
        (
            "Pipedrive deals",
            Deals,
            "Deal - ID,Deal - Title,Deal - Organization,Deal - Contact person,Deal - Value,Deal - Currency,Deal - Stage,Deal - Status,Deal - Deal created,Deal - Won time,Deal - Lost time,Deal - Deal closed on,Deal - Expected close date,Deal - Lost reason,Deal - Owner,Deal - Pipeline",
            &[
                ("amount", "Deal - Value"),
                ("closed_at", "Deal - Deal closed on"),
                ("company.name", "Deal - Organization"),
                ("currency", "Deal - Currency"),
                ("expected_close_on", "Deal - Expected close date"),
                ("external_id", "Deal - ID"),
                ("name", "Deal - Title"),
                ("opened_at", "Deal - Deal created"),
                ("outcome", "Deal - Status"),
                ("pipeline", "Deal - Pipeline"),
                ("reason", "Deal - Lost reason"),
                ("stage", "Deal - Stage"),
            ],
        ),
        (
            "Salesforce opportunities",
            Deals,
            "Opportunity Owner,Account Name,Opportunity Name,Stage,Fiscal Period,Amount,Expected Revenue,Probability (%),Age,Close Date,Created Date,Next Step,Lead Source,Type,Opportunity ID",
            &[
                ("amount", "Amount"),
                ("closed_at", "Close Date"),
                ("company.name", "Account Name"),
                ("external_id", "Opportunity ID"),
                ("name", "Opportunity Name"),
                ("opened_at", "Created Date"),
                ("stage", "Stage"),
            ],
        ),
        (
            "Zoho deals",
            Deals,
            "Record Id,Deal Owner,Deal Name,Account Name,Stage,Amount,Closing Date,Created Time,Contact Name",
            &[
                ("amount", "Amount"),
                ("closed_at", "Closing Date"),
                ("company.name", "Account Name"),
                ("external_id", "Record Id"),
                ("name", "Deal Name"),
                ("opened_at", "Created Time"),
                ("stage", "Stage"),
            ],
        ),
        (
            "Dynamics 365 opportunities",
            Deals,
            "(Do Not Modify) Opportunity,Topic,Account,Est. Revenue,Est. Close Date,Actual Close Date,Status,Created On,Opportunity ID",
            &[
                ("amount", "Est. Revenue"),
                ("closed_at", "Actual Close Date"),
                ("company.name", "Account"),
                ("expected_close_on", "Est. Close Date"),
                ("external_id", "Opportunity ID"),
                ("name", "Topic"),
                ("opened_at", "Created On"),
                ("outcome", "Status"),
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
