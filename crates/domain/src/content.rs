//! The content library: articles, guides and other pieces, the pages by which they are known, and what they answer.

pub mod evidence;
pub mod library;
pub mod patterns;
pub mod requests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::access::{Actor, Denied, Role, Scope, Staff};
use crate::act::Act;
use crate::fault::Fault;
use crate::id::{CampaignId, ContentId};
use crate::instant::Timestamp;
use crate::journal::{Facts, facts};
use crate::notices::{self, About, NextAct, NoticeChange, NoticeKind};
use crate::record::{Edited, Plain, RecordChange, archived_at, counted};
use crate::words::words;
use patterns::Pattern;

/// The most characters of an objection's code, as the agreement has them.
pub const MAX_CODE_CHARS: usize = 64;

words! {
    /// The kind of content.
    ContentKind {
        /// An article.
        Article = "article",
        /// A guide.
        Guide = "guide",
        /// A case study.
        CaseStudy = "case_study",
        /// A comparison with alternatives.
        Comparison = "comparison",
        /// A calculator.
        Calculator = "calculator",
        /// A webinar.
        Webinar = "webinar",
        /// A video.
        Video = "video",
        /// Any other page.
        Page = "page",
        /// Something else.
        Other = "other",
    }

    /// The part of a purchase that content helps with.
    ContentStage {
        /// The reader recognises a need.
        Awareness = "awareness",
        /// The reader compares ways to meet it.
        Consideration = "consideration",
        /// The reader is about to decide.
        Decision = "decision",
    }

    /// Whether content is ready for readers.
    ContentState {
        /// It is not ready.
        Draft = "draft",
        /// It is ready: sales has been notified, and it is recommended.
        Published = "published",
    }
}

/// A piece of the content library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateContent)]
pub struct ContentDetails {
    /// The title.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"\S",
        example = "What a stock count costs"
    )]
    pub title: String,
    /// The kind.
    pub kind: ContentKind,
    /// The pages and files by which it is known: a host and a path with `*` for any characters.
    #[serde(default)]
    #[schema(schema_with = url_patterns)]
    pub url_patterns: Vec<String>,
    /// The part of a purchase that it helps with.
    pub stage: ContentStage,
    /// The campaign to which it belongs.
    pub campaign_id: Option<CampaignId>,
    /// The codes of the objections that it answers, from the agreement.
    #[serde(default)]
    #[schema(schema_with = codes)]
    pub answers_objections: Vec<String>,
    /// Whether it is published; default `draft`. Published content stays published: archive it instead.
    #[serde(default = "draft")]
    #[schema(default = "draft")]
    pub state: ContentState,
}

fn draft() -> ContentState {
    ContentState::Draft
}

fn url_patterns() -> utoipa::openapi::Array {
    use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
    let pattern = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(patterns::MAX_CHARS))
        .pattern(Some(r"\S"));
    ArrayBuilder::new()
        .items(pattern)
        .max_items(Some(50))
        .examples([json!(["www.example.com/guides/stock-count", "www.example.com/files/stock-count*"])])
        .description(Some(
            "The pages and files by which it is known, such as `www.example.com/guides/*`: a host (`*.example.com` for \
             all of its subdomains, none for every host) and a path, in which `*` stands for any characters. Case, \
             `www.`, a slash at the end, query and fragment make no difference.",
        ))
        .build()
}

fn codes() -> utoipa::openapi::Array {
    use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
    let code = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(MAX_CODE_CHARS));
    ArrayBuilder::new()
        .items(code)
        .max_items(Some(50))
        .examples([json!(["price"])])
        .description(Some(
            "The codes of the objections that it answers, from the agreement.",
        ))
        .build()
}

/// A piece of content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its id.
    pub id: ContentId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// What may be edited of it.
    pub details: ContentDetails,
    /// When it was archived; `null` if it is not. Archived content is still known by its pages, and never recommended.
    pub archived_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

counted!(Content);

impl Plain for Content {
    const NOUN: &'static str = "content";
    const READ: Scope = Scope::ContentRead;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("content.created", "A piece of content was created."),
        ("content.updated", "A piece of content changed."),
        ("content.published", "A piece of content was published."),
    ];

    fn facts(&self) -> Facts {
        let mut known = facts(json!(self.details));
        known.insert("archived_at".into(), json!(self.archived_at));
        known
    }
}

/// What stands beside content that is created or changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// Whether the wanted campaign exists.
    pub knows_campaign: bool,
    /// The codes of objections in the agreement in force that are not retired.
    pub objections: BTreeSet<String>,
}

/// Why content was not created or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Something does not fit.
    #[error("the content is not sound")]
    Invalid(Vec<Fault>),
}

/// Create content.
pub fn create(details: ContentDetails, beside: &Beside, act: &Act) -> Result<Content, ContentError> {
    may_manage(&act.by)?;
    let content = Content {
        id: act.ids.next(),
        version: 1,
        details: details.trimmed(),
        archived_at: None,
        created_at: act.now,
        updated_at: act.now,
    };
    content.sound(None, beside)
}

/// Update content, and archive or restore it; no change if nothing differs.
pub fn edit(
    content: &Content,
    details: ContentDetails,
    archived: Option<bool>,
    beside: &Beside,
    act: &Act,
) -> Result<Edited<Content>, ContentError> {
    may_manage(&act.by)?;
    let edited = Content {
        details: details.trimmed(),
        archived_at: archived_at(content.archived_at, archived, act.now),
        ..content.clone()
    };
    Ok(content.becomes(edited.sound(Some(content), beside)?, act.now))
}

/// The entry of content that is published by becoming this, and a notice of it for each user of sales.
pub fn published(
    before: Option<&Content>,
    now: &Content,
    staff: &Staff,
    act: &Act,
) -> Option<(RecordChange<Content>, Vec<NoticeChange>)> {
    if !now.is_published() || before.is_some_and(Content::is_published) {
        return None;
    }
    let sales = [Role::Sales, Role::SalesManager];
    let users = sales.into_iter().flat_map(|role| staff.with_role(role));
    let what = (
        NoticeKind::ContentPublished,
        About::new(Content::NOUN, now.id),
        None,
    );
    let next = NextAct::new("get_content", "GET", format!("/v1/content/{}", now.id));
    let title = Facts::from_iter([("title".to_owned(), json!(now.details.title))]);
    let notices = notices::for_each(users, what, Some(next), act);
    Some((now.other("published", title), notices))
}

impl Content {
    /// Whether it is published.
    pub fn is_published(&self) -> bool {
        self.details.state == ContentState::Published
    }

    /// Whether events match it by other pages than they did before.
    pub fn is_known_otherwise(&self, before: Option<&Content>) -> bool {
        match before {
            None => !self.details.url_patterns.is_empty(),
            Some(before) => {
                let is_archived = |content: &Content| content.archived_at.is_some();
                self.details.url_patterns != before.details.url_patterns
                    || is_archived(self) != is_archived(before)
            }
        }
    }

    fn sound(self, before: Option<&Content>, beside: &Beside) -> Result<Self, ContentError> {
        match self.faults(before, beside) {
            faults if faults.is_empty() => Ok(self),
            faults => Err(ContentError::Invalid(faults)),
        }
    }

    fn faults(&self, before: Option<&Content>, beside: &Beside) -> Vec<Fault> {
        let (mut faults, details) = (vec![], &self.details);
        if details.campaign_id.is_some() && !beside.knows_campaign {
            faults.push(Fault::new("/campaign_id", "not_found", "is not a campaign"));
        }
        if before.is_some_and(Content::is_published) && !self.is_published() {
            let detail = "published content cannot become a draft again: archive it instead";
            faults.push(Fault::new("/state", "not_allowed", detail));
        }
        let mut seen = BTreeSet::new();
        for (index, text) in details.url_patterns.iter().enumerate() {
            let wrong = match Pattern::read(text) {
                Err(unfit) => Some((unfit.code(), unfit.to_string())),
                Ok(pattern) => (!seen.insert(pattern)).then(|| ("not_allowed", "is listed twice".into())),
            };
            faults.extend(
                wrong.map(|(code, detail)| Fault::new(format!("/url_patterns/{index}"), code, detail)),
            );
        }
        let known = before.map(|before| &before.details.answers_objections);
        let is_known = |code: &String| {
            beside.objections.contains(code) || known.is_some_and(|known| known.contains(code))
        };
        let mut seen = BTreeSet::new();
        for (index, code) in details.answers_objections.iter().enumerate() {
            let detail = match (is_known(code), seen.insert(code)) {
                (false, _) => "is not an objection in the agreement in force",
                (true, false) => "is listed twice",
                (true, true) => continue,
            };
            faults.push(Fault::new(
                format!("/answers_objections/{index}"),
                "not_allowed",
                detail,
            ));
        }
        faults
    }
}

impl ContentDetails {
    fn trimmed(self) -> Self {
        let patterns = self.url_patterns.into_iter();
        Self {
            title: self.title.trim().to_owned(),
            url_patterns: patterns.map(|pattern| pattern.trim().to_owned()).collect(),
            ..self
        }
    }
}

/// Content is marketing's. A key by itself acts by its scope.
fn may_manage(actor: &Actor) -> Result<(), Denied> {
    match actor.person() {
        Some(person) if !person.is_marketing() && !person.is_admin() => Err(Denied::WrongRole),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Colleague, Person};
    use crate::id::{Ids, UserId};
    use crate::record::Happened;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    pub(super) fn by(role: Role) -> Act {
        let person = Person {
            id: Ids::new(NOW, 1).next(),
            role,
            admin: false,
            teams: vec![],
        };
        Act::new(Actor::User(person), "req", NOW, 0)
    }

    fn asked() -> ContentDetails {
        ContentDetails {
            title: " Costs ".into(),
            kind: ContentKind::Guide,
            url_patterns: vec![" example.com/costs ".into()],
            stage: ContentStage::Decision,
            campaign_id: None,
            answers_objections: vec!["price".into()],
            state: ContentState::Draft,
        }
    }

    fn beside() -> Beside {
        Beside {
            knows_campaign: false,
            objections: BTreeSet::from(["price".into(), "timing".into()]),
        }
    }

    fn created(details: ContentDetails) -> Result<Content, ContentError> {
        create(details, &beside(), &by(Role::Marketing))
    }

    fn places<T: std::fmt::Debug>(refused: Result<T, ContentError>) -> Vec<String> {
        match refused {
            Err(ContentError::Invalid(faults)) => faults.into_iter().map(|fault| fault.pointer).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_fault_is_found() {
        let wrong = ContentDetails {
            url_patterns: [
                "example.com/a",
                "https://EXAMPLE.com/a/",
                "?",
                "example.com/a?b=1",
            ]
            .map(String::from)
            .to_vec(),
            campaign_id: Some(Ids::new(NOW, 2).next()),
            answers_objections: ["price", "price", "looks"].map(String::from).to_vec(),
            ..asked()
        };

        assert_eq!(
            places(created(wrong)),
            [
                "/campaign_id",
                "/url_patterns/1",
                "/url_patterns/2",
                "/url_patterns/3",
                "/answers_objections/1",
                "/answers_objections/2"
            ]
        );
        assert_eq!(
            create(asked(), &beside(), &by(Role::Sales)),
            Err(ContentError::Denied(Denied::WrongRole))
        );
    }

    #[test]
    fn a_retired_objection_stays_and_published_content_is_no_draft_again() {
        let content = created(asked()).unwrap();
        let act = by(Role::MarketingManager);
        let published = ContentDetails {
            state: ContentState::Published,
            ..content.details.clone()
        };
        let (content, change) = edit(&content, published, None, &Beside::default(), &act).unwrap();
        assert!(change.is_some());
        let again = ContentDetails {
            state: ContentState::Draft,
            ..content.details.clone()
        };
        assert_eq!(places(edit(&content, again, None, &beside(), &act)), ["/state"]);
    }

    #[test]
    fn publishing_notifies_each_user_of_sales_once() {
        let ids = Ids::new(NOW, 7);
        let [rep, chief, writer]: [UserId; 3] = [ids.next(), ids.next(), ids.next()];
        let user = |role| Colleague {
            role,
            teams: BTreeSet::new(),
            admin: false,
        };
        let staff = Staff::from_iter([
            (rep, user(Role::Sales)),
            (chief, user(Role::SalesManager)),
            (writer, user(Role::Marketing)),
        ]);
        let draft = created(asked()).unwrap();
        let ready = Content {
            details: ContentDetails {
                state: ContentState::Published,
                ..draft.details.clone()
            },
            ..draft.clone()
        };
        let act = by(Role::Marketing);

        assert_eq!(published(None, &draft, &staff, &act), None);
        assert_eq!(published(Some(&ready), &ready, &staff, &act), None);
        let (change, notices) = published(Some(&draft), &ready, &staff, &act).unwrap();
        assert!(matches!(change.happened, Happened::Other("published", _)));
        let mut users: Vec<UserId> = notices.iter().map(|notice| notice.0.user_id).collect();
        users.sort_unstable();
        assert_eq!(users, [rep, chief]);
    }
}
