//! Settings: rows with a version.

use crate::rows;
use crate::rows::to_json;
use crate::rules::revision;
use crate::write::Rows;
use sea_orm::{EntityTrait, QuerySelect};
use serde_json::Value;
use tandem_domain::money::{DatedRate, Rates};
use tandem_domain::settings::{SettingChange, name};

use crate::db::{Conn, Read, Tx};
use crate::dialect;
use crate::error::StoreError;
use crate::rows::{exchange_rates, from_json, leads, settings, users};
use crate::write;

/// The settings that conditions rely on: every lead is judged again when one of them changes.
const RELIED_ON: [&str; 3] = [name::COMPANY, name::CURRENCY, name::JOB_WORDS];

/// A setting with its version; version 0 where it was never set.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// What it says; `null` where it was never set.
    pub value: Value,
    /// Counts its changes.
    pub version: i64,
}

/// A setting as it is.
pub async fn get(on: &impl Read, name: &str) -> Result<Setting, StoreError> {
    read(settings::Entity::find_by_id(name).one(on.conn()).await?)
}

/// A setting that is about to be changed: locked until the end of the transaction.
pub async fn get_for_update(tx: &Tx, name: &str) -> Result<Setting, StoreError> {
    dialect::lock_exactly(tx.conn(), &[&format!("setting\u{0}{name}")]).await?;
    let query = settings::Entity::find_by_id(name).lock_exclusive();
    read(query.one(tx.conn()).await?)
}

/// Whether nobody has used this database yet: it has neither users nor leads.
pub async fn is_new(on: &impl Read) -> Result<bool, StoreError> {
    let has_users = users::Entity::find().one(on.conn()).await?.is_some();
    let has_leads = leads::Entity::find().one(on.conn()).await?.is_some();
    Ok(!has_users && !has_leads)
}

fn read(row: Option<settings::Model>) -> Result<Setting, StoreError> {
    match row {
        Some(row) => Ok(Setting {
            value: from_json("settings", &row.value)?,
            version: row.version,
        }),
        None => Ok(Setting {
            value: Value::Null,
            version: 0,
        }),
    }
}

/// The dated exchange rates.
pub async fn rates(on: &impl Read) -> Result<Rates, StoreError> {
    let rows = exchange_rates::Entity::find().all(on.conn()).await?;
    let rates: Result<Vec<DatedRate>, StoreError> = rows.into_iter().map(|row| row.into_domain()).collect();
    Ok(Rates::from_iter(rates?))
}

/// Keep a technical setting, which leaves no journal entry.
pub async fn put(tx: &Tx, name: &str, value: &Value, version: i64) -> Result<(), StoreError> {
    let row = settings::Model {
        name: name.to_owned(),
        value: value.to_string(),
        version,
    };
    write::insert::<settings::Entity>(tx, [row].iter(), dialect::OnConflict::Replace).await
}

impl Rows {
    pub(crate) fn add_setting(&mut self, change: &SettingChange) {
        match change {
            SettingChange::Changed {
                name, version, after, ..
            } => {
                let row = rows::settings::Model {
                    name: (*name).to_owned(),
                    value: to_json(after),
                    version: *version,
                };
                self.settings.insert((*name).to_owned(), row);
                self.revisions.insert(revision::SETTINGS);
                if RELIED_ON.contains(name) {
                    self.revisions.insert(revision::AGREEMENT);
                }
            }
            SettingChange::RatesReplaced {
                version,
                gone,
                come,
                count,
            } => {
                self.gone_rates
                    .extend(gone.iter().map(rows::exchange_rates::Model::of));
                self.rates
                    .extend(come.iter().map(rows::exchange_rates::Model::of));
                let row = rows::settings::Model {
                    name: name::EXCHANGE_RATES.to_owned(),
                    value: to_json(count),
                    version: *version,
                };
                self.settings.insert(row.name.clone(), row);
                self.revisions.insert(revision::SETTINGS);
            }
        }
    }
}
