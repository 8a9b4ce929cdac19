//! Leads and companies as they go out.

use serde::Serialize;
use serde_json::{Map, Value};
use tandem_domain::handoff::qualification::Qualification;
use tandem_domain::id::{CompanyId, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::fields::{CompanyField, FieldValue, LeadField, Source};
use tandem_domain::leads::identity::Kind;
use tandem_domain::leads::job::JobWords;
use tandem_domain::leads::{Company, Lead, Touch};
use tandem_domain::lifecycle::Stage;
use tandem_domain::money::Money;
use tandem_domain::scoring::StoredScore;
use tandem_domain::stage::Voice;
use tandem_store::leads::LeadWithCompany;
use tandem_store::rules::ShownBy;
use utoipa::ToSchema;

use super::body::ExternalId;
use super::consent::view::{Contacts, contacts};
use super::qualification::QualificationView;
use super::score::ScoreView;

/// A lead: a person who may buy, with its identifiers, stage, owner and score.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LeadView {
    /// Its id, which never changes.
    pub id: LeadId,
    /// The primary e-mail.
    #[schema(max_length = 254, example = "ada@example.com")]
    pub email: Option<String>,
    /// All e-mails, the primary one first.
    #[schema(max_items = 50)]
    pub emails: Vec<String>,
    /// The first phone.
    #[schema(max_length = 16, example = "+390212345678")]
    pub phone: Option<String>,
    /// All phones.
    #[schema(max_items = 50)]
    pub phones: Vec<String>,
    /// Its ids in other systems.
    #[schema(max_items = 50)]
    pub external_ids: Vec<ExternalId>,
    /// The given name.
    #[schema(max_length = 200, example = "Ada")]
    pub first_name: Option<String>,
    /// The family name.
    #[schema(max_length = 200, example = "Lovelace")]
    pub last_name: Option<String>,
    /// The job title.
    #[schema(max_length = 200, example = "Head of Analytics")]
    pub job_title: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[schema(max_length = 2, example = "GB")]
    pub country: Option<String>,
    /// BCP 47.
    #[schema(max_length = 35, example = "en")]
    pub language: Option<String>,
    /// The function derived from the job title, by the job words of the settings.
    #[schema(max_length = 64, example = "data")]
    pub job_function: Option<String>,
    /// The seniority derived from the job title, by the job words of the settings.
    #[schema(max_length = 64, example = "head")]
    pub seniority: Option<String>,
    /// The budget.
    pub budget: Option<Money>,
    /// The need, in the person's own words.
    #[schema(max_length = 4000)]
    pub need: Option<String>,
    /// The number of days within which the person wants to decide.
    #[schema(minimum = 0, maximum = 3650, example = 90)]
    pub timeline_days: Option<i64>,
    /// The lead's company.
    pub company: Option<CompanyView>,
    /// The declared custom fields that have a value, by name.
    #[schema(value_type = Object, example = json!({"segment": "home_appliances"}))]
    pub custom: Map<String, Value>,
    /// The lead's stage.
    pub stage: Stage,
    /// When it entered that stage.
    pub stage_since: Timestamp,
    /// Who speaks with the lead: sales from SAL to the closing of its deals, otherwise marketing.
    pub voice: Voice,
    /// The number of the current cycle: a pass through the stages.
    #[schema(minimum = 1, example = 1)]
    pub cycle: i64,
    /// The user who owns the lead.
    pub owner_id: Option<UserId>,
    /// The user who owned it before.
    pub previous_owner_id: Option<UserId>,
    /// No rule makes it an MQL before this instant.
    pub nurture_until: Option<Timestamp>,
    /// The score by the agreement in force; `GET /v1/leads/{lead_id}/score` itemises it.
    pub score: Option<ScoreView>,
    /// What blocks a lead in lead or nurture from becoming an MQL, whatever it does: missing required fields
    /// (`country`), fields that fail the ICP (`icp:company.employees`; `icp` if something else fails it), and
    /// `contactable` if no e-mail or phone may be used.
    #[schema(max_items = 300, example = json!(["country", "icp:company.employees"]))]
    pub mql_blocked_by: Vec<String>,
    /// The first touch: where the lead first came from.
    pub first_touch: Option<Touch>,
    /// The latest touch.
    pub last_touch: Option<Touch>,
    /// The latest touch whose channel is known and not `direct`.
    pub last_non_direct_touch: Option<Touch>,
    /// The touch at or before the lead's creation.
    pub lead_touch: Option<Touch>,
    /// When the lead was last active: its newest own event or submission, excluding those of crawlers and other machines, and acts of users.
    pub last_activity_at: Option<Timestamp>,
    /// When it last submitted a form as a customer, churned or disqualified lead.
    pub returned_at: Option<Timestamp>,
    /// The qualification: budget, authority, need and timeline.
    pub qualification: QualificationView,
    /// Whether the person may be contacted, by purpose.
    pub may_contact: Contacts,
    /// When it was archived.
    pub archived_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl LeadView {
    /// A lead with its company and what follows from its consent.
    pub fn of(lead: Lead, company: Option<Company>, may_contact: Contacts, words: &JobWords) -> Self {
        let job = lead
            .profile
            .get(LeadField::JobTitle)
            .map(|title| words.read(title));
        let job = job.unwrap_or_default();
        let values = |kind| {
            lead.of_kind(kind)
                .map(|identifier| identifier.value.clone())
                .collect::<Vec<_>>()
        };
        let text = |field| lead.profile.get(field).map(str::to_owned);
        let (emails, phones) = (values(Kind::Email), values(Kind::Phone));
        let external = lead.of_kind(Kind::ExternalId);
        Self {
            id: lead.id,
            email: emails.first().cloned(),
            phone: phones.first().cloned(),
            external_ids: external
                .map(|one| ExternalId {
                    system: one.system.clone(),
                    id: one.value.clone(),
                })
                .collect(),
            emails,
            phones,
            first_name: text(LeadField::FirstName),
            last_name: text(LeadField::LastName),
            job_title: text(LeadField::JobTitle),
            country: text(LeadField::Country),
            language: text(LeadField::Language),
            job_function: job.function.map(str::to_owned),
            seniority: job.seniority.map(str::to_owned),
            budget: lead.profile.budget,
            need: text(LeadField::Need),
            timeline_days: lead.profile.timeline_days,
            company: company.map(CompanyView::of),
            custom: lead.profile.custom.clone().into_iter().collect(),
            stage: lead.stage,
            stage_since: lead.stage_since,
            voice: lead.stage.voice(),
            cycle: lead.cycle,
            owner_id: lead.owner_id,
            previous_owner_id: lead.previous_owner_id,
            nurture_until: lead.nurture_until,
            score: None,
            mql_blocked_by: vec![],
            first_touch: lead.first_touch,
            last_touch: lead.last_touch,
            last_non_direct_touch: lead.last_non_direct_touch,
            lead_touch: lead.lead_touch,
            last_activity_at: lead.last_activity_at,
            returned_at: lead.returned_at,
            qualification: QualificationView::of(Qualification::new(), lead.cycle),
            may_contact,
            archived_at: lead.archived_at,
            created_at: lead.created_at,
            updated_at: lead.updated_at,
        }
    }
}

impl LeadView {
    /// A lead as it was found.
    pub fn found(found: LeadWithCompany, rules: &ShownBy) -> Self {
        let may_contact = contacts(&found.consent, &rules.consent, found.lead.email());
        Self::of(found.lead, found.company, may_contact, &rules.job_words)
            .scored(found.score)
            .qualified(found.qualification)
    }

    /// The same with what is known of its budget, authority, need and timeline.
    pub fn qualified(self, known: Qualification) -> Self {
        Self {
            qualification: QualificationView::of(known, self.cycle),
            ..self
        }
    }

    /// The same with its score.
    pub fn scored(self, score: Option<StoredScore>) -> Self {
        Self {
            score: score.as_ref().map(ScoreView::from),
            mql_blocked_by: score.map(|score| score.blocked_by).unwrap_or_default(),
            ..self
        }
    }
}

/// A company that leads or deals belong to.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CompanyView {
    /// Its id, which never changes.
    pub id: CompanyId,
    /// The web domain that identifies it.
    #[schema(max_length = 253, example = "example.com")]
    pub domain: Option<String>,
    /// The name.
    #[schema(max_length = 200, example = "Example Ltd")]
    pub name: Option<String>,
    /// The industry.
    #[schema(max_length = 200, example = "retail")]
    pub industry: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[schema(max_length = 2, example = "GB")]
    pub country: Option<String>,
    /// The number of employees.
    #[schema(minimum = 0, maximum = 10000000, example = 120)]
    pub employees: Option<i64>,
    /// The user who owns the company.
    pub owner_id: Option<UserId>,
    /// When it was archived.
    pub archived_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl CompanyView {
    /// A company.
    pub fn of(company: Company) -> Self {
        let text = |field| company.get(field).map(str::to_owned);
        Self {
            id: company.id,
            name: text(CompanyField::Name),
            industry: text(CompanyField::Industry),
            country: text(CompanyField::Country),
            domain: company.domain,
            employees: company.employees,
            owner_id: company.owner_id,
            archived_at: company.archived_at,
            created_at: company.created_at,
            updated_at: company.updated_at,
        }
    }
}

/// One statement about a field: a value with its source and time. The winning statement is the shown value.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldValueView {
    /// The field: `first_name`, `company_id`, `custom.<name>`, ...
    #[schema(max_length = 80, example = "first_name")]
    pub field: String,
    /// The value; `null` means empty.
    #[schema(value_type = Value, example = "Ada")]
    pub value: Value,
    /// The source of the statement.
    pub source: Source,
    /// When the value was true, as far as the source knows.
    pub observed_at: Timestamp,
    /// When it was created in Tandem.
    pub recorded_at: Timestamp,
    /// Who stated it: the id of a user, key or form.
    #[schema(max_length = 64, example = "user_01h455vb4pex5vsknk084sn02q")]
    pub by: String,
    /// Whether this statement is the shown value.
    pub is_winner: bool,
}

/// All statements about a lead's fields.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldValuesView {
    /// The statements, by field, newest first; at most 1,000.
    #[schema(max_items = 1000)]
    pub data: Vec<FieldValueView>,
}

impl FieldValuesView {
    /// The statements, with the winner of each field marked.
    pub fn of(statements: Vec<FieldValue>) -> Self {
        let winner = |one: &FieldValue| {
            let rivals = statements.iter().filter(|other| other.field == one.field);
            tandem_domain::leads::fields::winner(rivals).is_some_and(|winner| winner.id == one.id)
        };
        let view = |one: &FieldValue| FieldValueView {
            field: one.field.clone(),
            value: one.value.clone(),
            source: one.source,
            observed_at: one.observed_at,
            recorded_at: one.recorded_at,
            by: one.by.clone(),
            is_winner: winner(one),
        };
        Self {
            data: statements.iter().map(view).collect(),
        }
    }
}
