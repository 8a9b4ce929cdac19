//! Leads and companies as they come in, and how they are parsed: once, every fault at its place.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use tandem_domain::fault::Fault;
use tandem_domain::id::{LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::fields::{CompanyField, LeadField};
use tandem_domain::leads::identity::{Dialled, Domain, Email, Invalid, Kind, Phone};
use tandem_domain::leads::save::{CompanyStatement, Edit, LocalPhone, Plan, Statement};
use tandem_domain::leads::{Lead, Touch};
use tandem_domain::lifecycle::Stage;
use tandem_domain::money::Money;
use tandem_domain::stage::Voice;
use utoipa::ToSchema;

use super::consent::body::ConsentWrite;
use super::consent::view::Contacts;
use crate::edge::http::patch::Patch;

pub use tandem_domain::leads::ExternalId;

macro_rules! lead_fields {
    ($(#[$outer:meta])* $name:ident { $($(#[$doc:meta])* $member:ident: $kind:ty,)* }) => {
        $(#[$outer])*
        #[derive(Debug, Default, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "the document needs the read-only members, by which a request that sends one is refused")]
        pub struct $name {
            $($(#[$doc])* pub $member: $kind,)*
            /// The given name.
            #[serde(default)]
            #[schema(value_type = Option<String>, max_length = 200, example = "Ada")]
            pub first_name: Patch<String>,
            /// The family name.
            #[serde(default)]
            #[schema(value_type = Option<String>, max_length = 200, example = "Lovelace")]
            pub last_name: Patch<String>,
            /// The job title.
            #[serde(default)]
            #[schema(value_type = Option<String>, max_length = 200, example = "Head of Analytics")]
            pub job_title: Patch<String>,
            /// ISO 3166-1 alpha-2.
            #[serde(default)]
            #[schema(value_type = Option<String>, pattern = "^[A-Za-z]{2}$", max_length = 2, example = "GB")]
            pub country: Patch<String>,
            /// BCP 47.
            #[serde(default)]
            #[schema(value_type = Option<String>, pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length = 35, example = "en")]
            pub language: Patch<String>,
            /// The budget.
            #[serde(default)]
            #[schema(value_type = Option<Money>)]
            pub budget: Patch<Money>,
            /// The need, in the person's own words.
            #[serde(default)]
            #[schema(value_type = Option<String>, max_length = 4000, example = "One record for both teams")]
            pub need: Patch<String>,
            /// The number of days within which the person wants to decide.
            #[serde(default)]
            #[schema(value_type = Option<i64>, minimum = 0, maximum = 3650, example = 90)]
            pub timeline_days: Patch<i64>,
            /// Custom fields by name, as declared in the settings; `null` empties one.
            #[serde(default)]
            #[schema(value_type = Option<Object>, example = json!({}))]
            pub custom: Patch<Map<String, Value>>,
            /// The company, identified by its web domain, else by its name. If omitted for a lead without a company:
            /// the company of the e-mail's domain, except for free and disposable mail.
            #[serde(default)]
            #[schema(value_type = Option<CompanyOfLead>)]
            pub company: Patch<CompanyOfLead>,
            /// `POST /v1/leads/{lead_id}/transitions` sets it; a request that contains it is refused.
            #[serde(default)]
            #[schema(read_only)]
            pub stage: Option<Stage>,
            /// `POST /v1/leads/{lead_id}/assign` sets it; a request that contains it is refused.
            #[serde(default)]
            #[schema(read_only)]
            pub owner_id: Option<UserId>,
            /// Set by the service; a request that contains it is refused.
            #[serde(default)]
            #[schema(read_only)]
            pub stage_since: Option<Timestamp>,
            /// Follows from the stage; a request that contains it is refused.
            #[serde(default)]
            #[schema(read_only)]
            pub voice: Option<Voice>,
            /// Set by the service; a request that contains it is refused.
            #[serde(default)]
            #[schema(read_only)]
            pub cycle: Option<i64>,
            /// Set by the service; a request that contains it is refused.
            #[serde(default)]
            #[schema(read_only)]
            pub previous_owner_id: Option<UserId>,
            /// Read-only: no rule makes the lead an MQL before this instant. Set when a transition, a rejected hand-off
            /// or a lost deal moves the lead to nurture: to `until`, else by the reason or the agreement.
            #[serde(default)]
            #[schema(read_only)]
            pub nurture_until: Option<Timestamp>,
            /// `POST /v1/leads/{lead_id}/consents` sets it; a request that contains it is refused.
            #[serde(default)]
            #[schema(read_only, value_type = Option<Contacts>)]
            pub may_contact: Option<Value>,
            /// Set by the service; a request that contains it is refused.
            #[serde(default)]
            #[schema(read_only)]
            pub last_touch: Option<Touch>,
            /// `POST /v1/leads/{lead_id}/archive` sets it; a request that contains it is refused.
            #[serde(default)]
            #[schema(read_only)]
            pub archived_at: Option<Timestamp>,
            /// Set by the service; a request that contains it is refused.
            #[serde(default)]
            #[schema(read_only)]
            pub created_at: Option<Timestamp>,
            /// Set by the service; a request that contains it is refused.
            #[serde(default)]
            #[schema(read_only)]
            pub updated_at: Option<Timestamp>,
        }

        impl $name {
            fn plan(&self) -> Plan {
                Plan {
                    budget: self.budget.change(),
                    timeline_days: self.timeline_days.change(),
                }
            }

            fn text(&self) -> BTreeMap<LeadField, Option<String>> {
                let all = [
                    (LeadField::FirstName, &self.first_name),
                    (LeadField::LastName, &self.last_name),
                    (LeadField::JobTitle, &self.job_title),
                    (LeadField::Country, &self.country),
                    (LeadField::Language, &self.language),
                    (LeadField::Need, &self.need),
                ];
                all.into_iter()
                    .filter_map(|(field, patch)| {
                        let text = said(patch)?;
                        let upper = field == LeadField::Country;
                        Some((field, if upper { text.map(|code| code.to_ascii_uppercase()) } else { text }))
                    })
                    .collect()
            }
        }
    };
}

lead_fields! {
    /// A lead, as a request states it. It needs an identifier: `id`, an external id, an e-mail or a phone.
    ///
    /// An omitted member states nothing; `null` means "known to be empty", and counts only if a user states it.
    LeadWrite {
        /// The lead's Tandem id, if known.
        id: Option<LeadId>,
        /// The lead's id in another system, which identifies it.
        external_id: Option<ExternalId>,
        /// More such ids.
        #[schema(max_items = 50)]
        external_ids: Option<Vec<ExternalId>>,
        /// An e-mail. It identifies the lead if there is neither id nor external id.
        #[schema(max_length = 320, example = "ada@example.com")]
        email: Option<String>,
        /// More e-mails.
        #[schema(max_items = 50)]
        emails: Option<Vec<String>>,
        /// A phone, in international form or as a national number of the accompanying `country`, else of the known
        /// lead's country.
        #[schema(max_length = 40, example = "+39 02 1234 5678")]
        phone: Option<String>,
        /// More phones.
        #[schema(max_items = 50)]
        phones: Option<Vec<String>>,
        /// The first touch; used only if none is known yet.
        first_touch: Option<Touch>,
        /// Statements about consent. One without `stated_at` is dated at `observed_at`, else now. It is stored only if
        /// it differs from the newest statement, and it cannot grant what was withdrawn.
        #[schema(max_items = 20)]
        consents: Option<Vec<ConsentWrite>>,
        /// When this was true; default now. A future instant counts as now.
        observed_at: Option<Timestamp>,
    }
}

lead_fields! {
    /// A merge patch of a lead: lists of identifiers are replaced, `null` empties.
    LeadPatch {
        /// Set by the service; a request that contains it is refused.
        #[serde(default)]
        #[schema(read_only)]
        id: Option<LeadId>,
        /// Only `POST /v1/leads` sets it; a patch that contains it is refused.
        #[serde(default)]
        #[schema(read_only)]
        first_touch: Option<Touch>,
        /// The primary e-mail; the others stay after it. `null` removes the primary one.
        #[serde(default)]
        #[schema(value_type = Option<String>, max_length = 320, example = "ada@example.com")]
        email: Patch<String>,
        /// All e-mails, the primary one first.
        #[serde(default)]
        #[schema(value_type = Option<Vec<String>>, max_items = 50)]
        emails: Patch<Vec<String>>,
        /// The first phone, in international form or as a national number of the lead's country; the others stay after
        /// it. `null` removes the first one.
        #[serde(default)]
        #[schema(value_type = Option<String>, max_length = 40, example = "+39 02 1234 5678")]
        phone: Patch<String>,
        /// All phones.
        #[serde(default)]
        #[schema(value_type = Option<Vec<String>>, max_items = 50)]
        phones: Patch<Vec<String>>,
        /// All external ids.
        #[serde(default)]
        #[schema(value_type = Option<Vec<ExternalId>>, max_items = 50)]
        external_ids: Patch<Vec<ExternalId>>,
    }
}

macro_rules! company_fields {
    ($(#[$outer:meta])* $name:ident { $($(#[$doc:meta])* $member:ident: $kind:ty,)* }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Default, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The web domain or website. The registered domain identifies the company, whatever the host.
            #[schema(max_length = 2048, example = "example.com")]
            pub domain: Option<String>,
            /// The name; it identifies the company if there is no domain.
            #[serde(default)]
            #[schema(value_type = Option<String>, max_length = 200, example = "Example Ltd")]
            pub name: Patch<String>,
            /// The industry.
            #[serde(default)]
            #[schema(value_type = Option<String>, max_length = 200, example = "retail")]
            pub industry: Patch<String>,
            /// ISO 3166-1 alpha-2.
            #[serde(default)]
            #[schema(value_type = Option<String>, pattern = "^[A-Za-z]{2}$", max_length = 2, example = "GB")]
            pub country: Patch<String>,
            /// The number of employees.
            #[serde(default)]
            #[schema(value_type = Option<i64>, minimum = 0, maximum = 10000000, example = 120)]
            pub employees: Patch<i64>,
            $($(#[$doc])* pub $member: $kind,)*
        }

        impl $name {
            /// The statement, or its faults at their places under `pointer`.
            pub fn read(&self, pointer: &str, faults: &mut Vec<Fault>) -> CompanyStatement {
                let domain = self.domain.as_ref();
                let text = [
                    (CompanyField::Name, &self.name),
                    (CompanyField::Industry, &self.industry),
                    (CompanyField::Country, &self.country),
                ];
                let upper = |field, text: String| {
                    if field == CompanyField::Country {
                        text.to_ascii_uppercase()
                    } else {
                        text
                    }
                };
                CompanyStatement {
                    domain: domain
                        .and_then(|text| parsed(text, format!("{pointer}/domain"), Domain::of_company, faults)),
                    text: text
                        .into_iter()
                        .filter_map(|(field, patch)| Some((field, said(patch)?.map(|text| upper(field, text)))))
                        .collect(),
                    employees: self.employees.change(),
                    owner_id: None,
                }
            }
        }
    };
}

company_fields! {
    /// The company of a lead, as a request states it.
    CompanyOfLead {}
}

company_fields! {
    /// A company, as a request states it.
    CompanyWrite {
        /// The owner: an active user of sales; `null` for none.
        #[serde(default)]
        #[schema(value_type = Option<UserId>)]
        owner_id: Patch<UserId>,
    }
}

/// Trimmed text; what is blank says "empty".
fn said(patch: &Patch<String>) -> Option<Option<String>> {
    let change = patch.clone().change()?;
    Some(
        change
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty()),
    )
}

/// Parse what can be parsed, and note the fault of what cannot.
fn parsed<T>(
    text: &str,
    pointer: String,
    parse: impl Fn(&str) -> Result<T, Invalid>,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    parse(text)
        .map_err(|error| faults.push(Fault::new(pointer, "invalid_format", error)))
        .ok()
}

fn all<T>(
    texts: &[String],
    name: &str,
    parse: impl Fn(&str) -> Result<T, Invalid>,
    faults: &mut Vec<Fault>,
) -> Vec<T> {
    let each = texts.iter().enumerate();
    each.filter_map(|(index, text)| parsed(text, format!("/{name}/{index}"), &parse, faults))
        .collect()
}

impl LeadWrite {
    /// The statement, or all its faults.
    pub fn read(self) -> Result<Statement, Vec<Fault>> {
        let mut faults = vec![];
        let mut emails: Vec<Email> = vec![];
        emails.extend(
            self.email
                .as_ref()
                .and_then(|text| parsed(text, "/email".into(), Email::parse, &mut faults)),
        );
        emails.extend(all(
            self.emails.as_deref().unwrap_or_default(),
            "emails",
            Email::parse,
            &mut faults,
        ));
        let country = self.country.as_set().map(|code| code.trim().to_owned());
        let (mut phones, mut local_phones): (Vec<Phone>, Vec<LocalPhone>) = (vec![], vec![]);
        let further = self.phones.iter().flatten().enumerate();
        let further = further.map(|(index, text)| (format!("/phones/{index}"), text));
        for (pointer, text) in self
            .phone
            .iter()
            .map(|text| ("/phone".to_owned(), text))
            .chain(further)
        {
            match (Phone::parse_in(text, country.as_deref()), Dialled::parse(text)) {
                (Ok(phone), _) => phones.push(phone),
                (Err(_), Some(dialled)) if country.is_none() => local_phones.push(LocalPhone {
                    dialled,
                    pointer: Some(pointer),
                }),
                (Err(error), _) => faults.push(Fault::new(pointer, "invalid_format", error)),
            }
        }
        let company = match &self.company {
            Patch::Absent => None,
            Patch::Null => Some(CompanyStatement::default()),
            Patch::Set(company) => Some(company.read("/company", &mut faults)),
        };
        let consents = self.consents.clone().unwrap_or_default();
        for (index, one) in consents.iter().enumerate() {
            faults.extend(one.faults(&format!("/consents/{index}")));
        }
        let (text, plan) = (self.text(), self.plan());
        let external = self
            .external_id
            .into_iter()
            .chain(self.external_ids.unwrap_or_default());
        let said = Statement {
            id: self.id,
            external_ids: external.map(|one| (one.system, one.id)).collect(),
            emails,
            phones,
            local_phones,
            text,
            plan,
            custom: self
                .custom
                .change()
                .flatten()
                .unwrap_or_default()
                .into_iter()
                .collect(),
            company,
            first_touch: self.first_touch.map(Into::into),
            consents: consents.into_iter().map(Into::into).collect(),
            observed_at: self.observed_at,
            created_at: None,
        };
        let has_identifier = said.id.is_some() || !said.keys().is_empty();
        if !has_identifier && faults.is_empty() {
            faults.push(match said.local_phones.first() {
                Some(LocalPhone {
                    pointer: Some(pointer),
                    ..
                }) => Fault::new(pointer, "invalid_format", Invalid::Phone),
                _ => Fault::new(
                    "/email",
                    "required",
                    "a lead needs an id, external id, e-mail or phone",
                ),
            });
        }
        if faults.is_empty() { Ok(said) } else { Err(faults) }
    }
}

impl LeadPatch {
    /// The edit of a lead that this patch is, or all its faults.
    pub fn read(self, lead: &Lead) -> Result<Edit, Vec<Fault>> {
        let mut faults = vec![];
        let emails = self
            .emails
            .clone()
            .change()
            .map(|list| all(&list.unwrap_or_default(), "emails", Email::parse, &mut faults));
        let country = match &self.country {
            Patch::Absent => lead.profile.get(LeadField::Country),
            Patch::Null => None,
            Patch::Set(code) => Some(code.trim()),
        };
        let read = |text: &str| Phone::parse_in(text, country);
        let phones = self
            .phones
            .clone()
            .change()
            .map(|list| all(&list.unwrap_or_default(), "phones", read, &mut faults));
        let known = |kind, parse: fn(&str) -> Option<Email>| {
            lead.of_kind(kind)
                .filter_map(|i| parse(&i.value))
                .collect::<Vec<_>>()
        };
        let emails = match &self.email {
            Patch::Null => {
                let list = emails.unwrap_or_else(|| known(Kind::Email, |text| Email::parse(text).ok()));
                Some(list.into_iter().skip(1).collect())
            }
            _ => emails,
        };
        let email = self
            .email
            .as_set()
            .and_then(|text| parsed(text, "/email".into(), Email::parse, &mut faults));
        let known: Vec<Phone> = lead
            .of_kind(Kind::Phone)
            .filter_map(|i| Phone::parse(&i.value).ok())
            .collect();
        let phones = match &self.phone {
            Patch::Absent => phones,
            Patch::Null => Some(phones.unwrap_or(known).into_iter().skip(1).collect()),
            Patch::Set(text) => {
                let first = parsed(text, "/phone".into(), read, &mut faults);
                Some(first.into_iter().chain(phones.unwrap_or(known)).collect())
            }
        };
        let company = match &self.company {
            Patch::Absent => None,
            Patch::Null => Some(None),
            Patch::Set(company) => Some(Some(company.read("/company", &mut faults))),
        };
        let (text, plan) = (self.text(), self.plan());
        let custom = match self.custom {
            Patch::Absent => BTreeMap::new(),
            Patch::Null => lead
                .profile
                .custom
                .keys()
                .map(|name| (name.clone(), Value::Null))
                .collect(),
            Patch::Set(custom) => custom.into_iter().collect(),
        };
        let external = self.external_ids.change().map(Option::unwrap_or_default);
        let edit = Edit {
            email,
            emails,
            phones,
            external_ids: external.map(|list| list.into_iter().map(|one| (one.system, one.id)).collect()),
            text,
            plan,
            custom,
            company,
        };
        if faults.is_empty() { Ok(edit) } else { Err(faults) }
    }

    /// What the patch newly says, as far as it must be looked up before the decision.
    pub fn addresses(&self) -> Statement {
        let lists = [
            &self.emails.as_set().cloned().unwrap_or_default(),
            &Vec::from_iter(self.email.as_set().cloned()),
        ]
        .into_iter()
        .flatten()
        .filter_map(|text| Email::parse(text).ok())
        .collect();
        let external = self.external_ids.as_set().cloned().unwrap_or_default();
        Statement {
            emails: lists,
            external_ids: external.into_iter().map(|one| (one.system, one.id)).collect(),
            company: self.company.as_set().map(|company| company.read("", &mut vec![])),
            ..Statement::default()
        }
    }
}
