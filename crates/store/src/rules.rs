//! The rules in force (agreement, settings, forms), compiled once, and read again when a revision has moved.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::Value;
use tandem_domain::activities::objections::ObjectionMap;
use tandem_domain::agreement::Version;
use tandem_domain::agreement::conditions::Known;
use tandem_domain::capture::Form;
use tandem_domain::content::Content;
use tandem_domain::content::library::Library;
use tandem_domain::id::{FormId, SegmentId};
use tandem_domain::leads::consent::ConsentPurpose;
use tandem_domain::leads::custom::CustomField;
use tandem_domain::leads::job::JobWords;
use tandem_domain::money::{DatedRate, Rates};
use tandem_domain::routing::Routing;
use tandem_domain::settings::{CompanySettings, CurrencySettings, ReportSettings, name};
use tandem_domain::tracking::TouchRules;
use tandem_domain::world::MoneyRules;

use crate::db::Read;
use crate::error::StoreError;
use crate::rows;

/// The revisions that rules are kept under.
pub mod revision {
    /// What leads are judged by: the agreement in force and the settings that its conditions rely on. It is the revision
    /// that stored scores name.
    pub const AGREEMENT: &str = "agreement";
    /// The settings.
    pub const SETTINGS: &str = "settings";
    /// The forms.
    pub const FORMS: &str = "forms";
    /// The codes that objections in words are mapped to.
    pub const OBJECTIONS: &str = "objections";
    /// The content library.
    pub const CONTENT: &str = "content";
    /// The tracking keys: whose sites are the company's own.
    pub const SITES: &str = "sites";
}

/// What consent is asked for.
#[derive(Debug, Clone, Default)]
pub struct ConsentRules {
    /// The declared purposes.
    pub purposes: Arc<Vec<ConsentPurpose>>,
    /// The version of their declaration.
    pub version: i64,
}

/// What a lead is shown by, beside its own record.
#[derive(Debug, Clone, Default)]
pub struct ShownBy {
    /// What consent is asked for.
    pub consent: ConsentRules,
    /// What job titles say.
    pub job_words: Arc<JobWords>,
    /// The version of the job words.
    pub job_words_version: i64,
}

impl ShownBy {
    /// Grows with each change of what leads are shown by.
    pub fn version(&self) -> i64 {
        self.consent.version + self.job_words_version
    }
}

/// The company, as a reader sees it.
pub async fn company(on: &impl Read) -> Result<CompanySettings, StoreError> {
    let kept = crate::settings::get(on, name::COMPANY).await?;
    let company: Option<CompanySettings> =
        serde_json::from_value(kept.value).map_err(|_| StoreError::Corrupt("settings"))?;
    Ok(company.unwrap_or_default())
}

/// What consent is asked for, as a reader sees it.
pub async fn consent(on: &impl Read) -> Result<ConsentRules, StoreError> {
    let kept = crate::settings::get(on, name::CONSENT_PURPOSES).await?;
    let purposes: Option<Vec<ConsentPurpose>> =
        serde_json::from_value(kept.value).map_err(|_| StoreError::Corrupt("settings"))?;
    Ok(ConsentRules {
        purposes: Arc::new(purposes.unwrap_or_else(ConsentPurpose::usual)),
        version: kept.version,
    })
}

/// What a lead is shown by, as a reader sees it.
pub async fn shown_by(on: &impl Read) -> Result<ShownBy, StoreError> {
    let kept = crate::settings::get(on, name::JOB_WORDS).await?;
    let words: Option<JobWords> =
        serde_json::from_value(kept.value).map_err(|_| StoreError::Corrupt("settings"))?;
    Ok(ShownBy {
        consent: consent(on).await?,
        job_words: words.map_or_else(JobWords::usual, Arc::new),
        job_words_version: kept.version,
    })
}

/// What decisions are made by, as of one set of revisions.
#[derive(Debug, Clone)]
pub struct Rules {
    revisions: Revisions,
    /// The agreement in force.
    pub agreement: Arc<Version>,
    /// The company.
    pub company: CompanySettings,
    /// The declared custom fields.
    pub custom_fields: Vec<CustomField>,
    /// What touches are made by.
    pub touch_rules: Arc<TouchRules>,
    /// What leads are shown by.
    pub shown_by: ShownBy,
    /// What money is converted by.
    pub money: MoneyRules,
    /// What reports go by unless they are asked otherwise.
    pub reports: ReportSettings,
    /// How hand-offs find their owner.
    pub routing: Arc<Routing>,
    /// The forms, by id.
    pub forms: HashMap<FormId, Arc<Form>>,
    /// The content by the patterns of its pages.
    pub content: Arc<Library>,
    /// The codes that objections in words are mapped to.
    pub objections: Arc<ObjectionMap>,
    /// The conditions of the segments in use.
    pub segments: Arc<Vec<(SegmentId, Value)>>,
    segment_ids: BTreeSet<SegmentId>,
    purposes: BTreeSet<String>,
}

impl Rules {
    /// What conditions may refer to, with these custom fields and this base currency, given the ids of the forms.
    pub fn known<'a>(&'a self, custom: &'a [CustomField], forms: &'a BTreeSet<FormId>) -> Known<'a> {
        Known {
            custom,
            forms,
            segments: &self.segment_ids,
            purposes: &self.purposes,
            zone: &self.money.zone,
            currency: self.money.base,
        }
    }

    /// The revision of the settings.
    pub(crate) fn settings_revision(&self) -> i64 {
        self.revisions
            .get(revision::SETTINGS)
            .copied()
            .unwrap_or_default()
    }

    /// Whether they are the rules of these revisions.
    pub(crate) fn are_of(&self, revisions: &Revisions) -> bool {
        self.revisions == *revisions
    }

    /// The ids of the forms, archived ones included.
    pub fn form_ids(&self) -> BTreeSet<FormId> {
        self.forms.keys().copied().collect()
    }
}

/// How often each kind of rule was changed, by its name.
pub(crate) type Revisions = HashMap<String, i64>;

/// The revisions as they are now.
pub(crate) async fn revisions(connection: &impl ConnectionTrait) -> Result<Revisions, StoreError> {
    let rows = rows::revisions::Entity::find().all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.name, row.revision)).collect())
}

/// The revision of what leads are judged by.
pub(crate) async fn judging_revision(on: &impl Read) -> Result<i64, StoreError> {
    let row = rows::revisions::Entity::find_by_id(revision::AGREEMENT)
        .one(on.conn())
        .await?;
    Ok(row.map_or(0, |row| row.revision))
}

/// The rules of these revisions: the known ones if none has moved since.
pub(crate) async fn current(
    connection: &impl ConnectionTrait,
    revisions: Revisions,
    known: Option<Arc<Rules>>,
) -> Result<Arc<Rules>, StoreError> {
    match known {
        Some(known) if known.revisions == revisions => Ok(known),
        _ => Ok(Arc::new(load(connection, revisions).await?)),
    }
}

/// The rules of the database's present state, loaded without a lock and without the cache of this process.
pub async fn read(on: &impl Read) -> Result<Arc<Rules>, StoreError> {
    current(on.conn(), revisions(on.conn()).await?, None).await
}

async fn load(connection: &impl ConnectionTrait, revisions: Revisions) -> Result<Rules, StoreError> {
    let agreement = crate::agreement::in_force(connection).await?;
    let kept = rows::settings::Entity::find().all(connection).await?;
    let purposes = kept.iter().find(|row| row.name == name::CONSENT_PURPOSES);
    let purposes_version = purposes.map_or(0, |row| row.version);
    let job_words = kept.iter().find(|row| row.name == name::JOB_WORDS);
    let job_words_version = job_words.map_or(0, |row| row.version);
    let settings: HashMap<String, String> = kept.into_iter().map(|row| (row.name, row.value)).collect();
    let forms = rows::forms::Entity::find().all(connection).await?;
    let forms: Result<Vec<Form>, StoreError> = forms.into_iter().map(|row| row.into_domain()).collect();
    let rates = rows::exchange_rates::Entity::find().all(connection).await?;
    let rates: Result<Vec<DatedRate>, StoreError> = rates.into_iter().map(|row| row.into_domain()).collect();
    let forms = forms?;
    let sites = sites(connection).await?;
    let origins = sites
        .iter()
        .chain(forms.iter().flat_map(|form| &form.allowed_origins));
    let touch_rules = TouchRules::new(
        setting(&settings, name::CHANNEL_RULES)?.unwrap_or_default(),
        setting(&settings, name::IGNORED_REFERRERS)?.unwrap_or_default(),
        origins.map(String::as_str),
    );
    let company: CompanySettings = setting(&settings, name::COMPANY)?.unwrap_or_default();
    let currency: CurrencySettings = setting(&settings, name::CURRENCY)?.unwrap_or_default();
    let custom_fields: Vec<CustomField> = setting(&settings, name::CUSTOM_FIELDS)?.unwrap_or_default();
    let zone = company.zone();
    let form_ids: BTreeSet<FormId> = forms.iter().map(|form| form.id).collect();
    let segments = rows::segments::Entity::find()
        .filter(rows::segments::Column::ArchivedAt.is_null())
        .order_by_asc(rows::segments::Column::Id)
        .all(connection)
        .await?;
    let segments: Result<Vec<(SegmentId, Value)>, StoreError> = segments
        .into_iter()
        .map(|row| {
            row.into_domain()
                .map(|segment| (segment.id, segment.details.when))
        })
        .collect();
    let segments = Arc::new(segments?);
    let segment_ids: BTreeSet<SegmentId> = segments.iter().map(|(id, _)| *id).collect();
    let consent_purposes: Arc<Vec<ConsentPurpose>> =
        Arc::new(setting(&settings, name::CONSENT_PURPOSES)?.unwrap_or_else(ConsentPurpose::usual));
    let purposes = consent_purposes.iter();
    let purposes: BTreeSet<String> = purposes.map(|purpose| purpose.name.clone()).collect();
    let known = Known {
        custom: &custom_fields,
        forms: &form_ids,
        segments: &segment_ids,
        purposes: &purposes,
        zone: &zone,
        currency: currency.currency,
    };
    let content = rows::content::Entity::find().all(connection).await?;
    let content: Result<Vec<Content>, StoreError> =
        content.into_iter().map(|row| row.into_domain()).collect();
    let mappings = rows::objection_mappings::Entity::find().all(connection).await?;
    let mappings = mappings.into_iter().map(|row| (row.text_key, row.code));
    let judged_by = revisions.get(revision::AGREEMENT).copied().unwrap_or_default();
    let agreement = Version::compile(
        agreement.in_zone(&company.timezone),
        segments.clone(),
        &known,
        judged_by,
    );
    let agreement = agreement.map_err(|_| StoreError::Corrupt("agreements"))?;
    let routing = Routing::read(setting(&settings, name::ROUTING)?.unwrap_or_default(), &known);
    let routing = routing.map_err(|_| StoreError::Corrupt("settings"))?;
    Ok(Rules {
        routing: Arc::new(routing),
        revisions,
        agreement: Arc::new(agreement),
        money: MoneyRules {
            base: currency.currency,
            rates: Arc::new(Rates::from_iter(rates?)),
            zone,
        },
        reports: setting(&settings, name::REPORTS)?.unwrap_or_default(),
        company,
        shown_by: ShownBy {
            consent: ConsentRules {
                purposes: consent_purposes,
                version: purposes_version,
            },
            job_words: setting(&settings, name::JOB_WORDS)?.map_or_else(JobWords::usual, Arc::new),
            job_words_version,
        },
        touch_rules: Arc::new(touch_rules),
        custom_fields,
        content: Arc::new(Library::from_iter(&content?)),
        objections: Arc::new(mappings.collect()),
        segments,
        segment_ids,
        purposes,
        forms: forms.into_iter().map(|form| (form.id, Arc::new(form))).collect(),
    })
}

/// The origins of the tracking keys in use.
async fn sites(connection: &impl ConnectionTrait) -> Result<Vec<String>, StoreError> {
    let keys = rows::tracking_keys::Entity::find()
        .filter(rows::tracking_keys::Column::RevokedAt.is_null())
        .all(connection)
        .await?;
    let mut origins = vec![];
    for key in keys {
        origins.extend(key.into_domain()?.allowed_origins);
    }
    Ok(origins)
}

fn setting<T: serde::de::DeserializeOwned>(
    all: &HashMap<String, String>,
    name: &str,
) -> Result<Option<T>, StoreError> {
    let Some(text) = all.get(name) else {
        return Ok(None);
    };
    let value: Value = serde_json::from_str(text).map_err(|_| StoreError::Corrupt("settings"))?;
    serde_json::from_value(value)
        .map(Some)
        .map_err(|_| StoreError::Corrupt("settings"))
}
