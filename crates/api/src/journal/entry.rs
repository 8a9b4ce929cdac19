//! A journal entry on the wire, and the words that entries are filtered by.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::timeline::{EVENT, TOUCH};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value, json};
use tandem_domain::access::{Actor, ActorKind};
use tandem_domain::change;
use tandem_domain::id::{EntryId, Id, LeadId, Named, UserId, VisitorId};
use tandem_domain::instant::Timestamp;
use tandem_domain::tracking::events::Event;
use tandem_domain::tracking::record::TouchRecord;
use tandem_store::StoreError;
use tandem_store::journal::Entry;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The type of entry that only its addressee sees.
pub const NOTICE: &str = "notice.created";

/// A journal entry: one change.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = JournalEntry)]
pub struct EntryView {
    /// A number that increases with every entry, with gaps. It orders the entries of one lead.
    #[schema(minimum = 0, example = 42)]
    pub seq: i64,
    /// The entry's id, by which a follower recognises an entry that it has seen.
    pub id: EntryId,
    /// What happened: `<noun>.<past participle>`. New versions add types: ignore those that you do not know.
    #[schema(
        max_length = 64,
        pattern = "^[a-z_]+\\.[a-z_]+$",
        example = "lead.stage_changed"
    )]
    pub r#type: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Who acted.
    pub actor: ActorView,
    /// The record that the entry is about.
    pub subject: SubjectView,
    /// The lead to which it belongs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lead_id: Option<LeadId>,
    /// The names of the changed fields.
    #[schema(max_items = 500)]
    pub fields: Vec<String>,
    /// Further values, depending on the type; `null` once they have been erased.
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    pub data: Option<Map<String, Value>>,
    /// The changed fields with their previous values.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = BTreeMap<String, Value>)]
    pub before: Option<Map<String, Value>>,
    /// The changed fields with their new values.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = BTreeMap<String, Value>)]
    pub after: Option<Map<String, Value>>,
    /// The id of the request that caused it, as in `X-Request-Id`.
    #[schema(max_length = 64, example = "req_01h455vb4pex5vsknk084sn02q")]
    pub request_id: String,
    /// The version of the agreement by which it was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, nullable = false)]
    pub agreement_version: Option<i64>,
    /// Whether it records imported history, to which no rule applies. Omitted if false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub imported: bool,
}

/// Who made a change: a user, a key or form, or a part of Tandem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = JournalActor)]
pub struct ActorView {
    /// The kind of actor.
    pub r#type: ActorKind,
    /// The actor's id; for Tandem itself the name of the part that acted.
    #[schema(max_length = 64, example = "user_01h455vb4pex5vsknk084sn02q")]
    pub id: String,
    /// The user on whose behalf a key acted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub on_behalf_of: Option<UserId>,
}

/// The record that an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = JournalSubject)]
pub struct SubjectView {
    /// The kind of record.
    #[schema(max_length = 64, pattern = "^[a-z_]+$", example = "lead")]
    pub r#type: String,
    /// The record's id, or a setting's name.
    #[schema(max_length = 64, example = "lead_01h455vb4pex5vsknk084sn02q")]
    pub id: String,
    /// The record's version after the change; 0 if it has none.
    #[schema(minimum = 0)]
    pub version: i64,
}

impl EntryView {
    /// The view of an entry; an actor of a kind that this program does not know is corrupt.
    pub fn of(entry: Entry) -> Result<Self, StoreError> {
        let kind = ActorKind::named(&entry.actor_kind).ok_or(StoreError::Corrupt("journal"))?;
        Ok(Self {
            seq: entry.place.seq,
            id: entry.id,
            r#type: entry.kind,
            occurred_at: entry.occurred_at,
            actor: ActorView {
                r#type: kind,
                id: entry.actor_id,
                on_behalf_of: entry.on_behalf_of,
            },
            subject: SubjectView {
                r#type: entry.subject_kind,
                id: entry.subject_id,
                version: entry.subject_version,
            },
            lead_id: entry.lead_id,
            fields: entry.fields,
            data: entry.data,
            before: entry.before,
            after: entry.after,
            request_id: entry.request_id,
            agreement_version: entry.agreement_version,
            imported: entry.is_imported,
        })
    }

    /// The view of something that the lead did.
    pub fn of_event(event: Event, visitors: &HashMap<VisitorId, String>) -> Self {
        let kind = match event.told_by.split('_').next() {
            Some("key") => ActorKind::Key,
            Some("user") => ActorKind::User,
            Some("form") => ActorKind::Form,
            _ => ActorKind::System,
        };
        let data = json!({
            "type": event.kind.name(), "url": event.pages.url, "referrer": event.pages.referrer,
            "visitor_id": event.visitor_id.and_then(|id| visitors.get(&id)), "properties": event.properties,
            "bot": event.is_bot, "machine": event.is_machine,
        });
        Self {
            actor: ActorView {
                r#type: kind,
                id: event.told_by,
                on_behalf_of: None,
            },
            ..Self::unnumbered(EVENT, "event", event.id, event.occurred_at, event.lead_id, data)
        }
    }

    /// The view of a touch that was made of what the lead did.
    pub fn of_touch(touch: &TouchRecord) -> Self {
        let mut data = json!(touch.touch);
        data["kind"] = json!(touch.kind);
        Self::unnumbered(TOUCH, "touch", touch.id, touch.occurred_at, touch.lead_id, data)
    }

    /// What is no entry of the journal: it has no number, and no request of its own.
    fn unnumbered<T: Named>(
        kind: &str,
        subject: &str,
        id: Id<T>,
        occurred_at: Timestamp,
        lead_id: Option<LeadId>,
        data: Value,
    ) -> Self {
        Self {
            seq: 0,
            id: Id::from_uuid(id.uuid()),
            r#type: kind.to_owned(),
            occurred_at,
            actor: ActorView {
                r#type: ActorKind::System,
                id: "tracking".into(),
                on_behalf_of: None,
            },
            subject: SubjectView {
                r#type: subject.to_owned(),
                id: id.to_string(),
                version: 0,
            },
            lead_id,
            fields: vec![],
            data: data.as_object().cloned(),
            before: None,
            after: None,
            request_id: "-".into(),
            agreement_version: None,
            imported: false,
        }
    }

    /// The views of a page's entries.
    pub fn all(entries: Vec<Entry>) -> Result<Vec<Self>, StoreError> {
        entries.into_iter().map(Self::of).collect()
    }
}

/// The entries that a caller may see: a notice is its addressee's alone.
pub fn shown_to(actor: &Actor, mut entries: Vec<Entry>) -> Vec<Entry> {
    let own = match actor {
        Actor::User(person) => Some(person.id.to_string()),
        Actor::Key { .. } | Actor::Form(_) | Actor::System(_) => None,
    };
    let addressee = |entry: &Entry| {
        let data = entry.data.as_ref()?;
        data.get("user_id")?.as_str().map(str::to_owned)
    };
    entries.retain(|entry| entry.kind != NOTICE || own.is_some() && addressee(entry) == own);
    entries
}

/// A type of entry to filter by: one that this version writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryType(&'static str);

/// A kind of record to filter by: the noun of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectType(&'static str);

fn types() -> impl Iterator<Item = &'static str> {
    change::types().map(|(name, _)| name)
}

fn subjects() -> BTreeSet<&'static str> {
    types()
        .map(|name| name.split('.').next().unwrap_or(name))
        .collect()
}

/// The types of what happens to one kind of record.
pub fn names_of(subject: &str) -> Vec<String> {
    let own = |name: &&str| name.split('.').next() == Some(subject);
    types().filter(own).map(str::to_owned).collect()
}

/// The names as the store takes them.
pub fn names(types: Option<Vec<EntryType>>) -> Vec<String> {
    types.into_iter().flatten().map(|one| one.0.to_owned()).collect()
}

impl SubjectType {
    /// The kind as the store takes it.
    pub fn name(self) -> &'static str {
        self.0
    }
}

impl<'de> Deserialize<'de> for EntryType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        types()
            .find(|name| *name == text)
            .map(Self)
            .ok_or_else(|| de::Error::custom("not a type of entry"))
    }
}

impl<'de> Deserialize<'de> for SubjectType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let known = subjects().into_iter().find(|name| *name == text);
        known
            .map(Self)
            .ok_or_else(|| de::Error::custom("not a kind of record"))
    }
}

impl PartialSchema for EntryType {
    fn schema() -> RefOr<Schema> {
        let meanings: Vec<String> = change::types()
            .map(|(name, meaning)| format!("* `{name}`: {meaning}"))
            .collect();
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(format!(
                "A type of journal entry:\n\n{}",
                meanings.join("\n")
            )))
            .enum_values(Some(types()))
            .into()
    }
}

impl ToSchema for EntryType {
    fn name() -> Cow<'static, str> {
        "JournalEntryType".into()
    }
}

impl PartialSchema for SubjectType {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("A kind of record that entries are about"))
            .enum_values(Some(subjects()))
            .into()
    }
}

impl ToSchema for SubjectType {
    fn name() -> Cow<'static, str> {
        "JournalSubjectType".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_types_that_exist_are_read() {
        assert_eq!(
            serde_json::from_value::<EntryType>(json!("lead.created")).unwrap(),
            EntryType("lead.created")
        );
        assert!(serde_json::from_value::<EntryType>(json!("lead.exploded")).is_err());
        assert!(serde_json::from_value::<SubjectType>(json!("api_key")).is_ok());
        assert!(serde_json::from_value::<SubjectType>(json!("lead.created")).is_err());
    }

    #[test]
    fn every_plain_record_is_a_subject() {
        let (subjects, mut records) = (subjects(), change::RECORDS.iter().map(|(noun, _)| *noun));
        assert!(records.all(|noun| subjects.contains(noun)));
        assert!(subjects.contains("lead") && subjects.contains("signing_key"));
    }
}
