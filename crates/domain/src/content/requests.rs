//! Content requests: sales asks for content, marketing answers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::may_manage;
use crate::access::{Actor, Denied, Scope};
use crate::act::Act;
use crate::fault::Fault;
use crate::id::{ContentId, ContentRequestId, DealId, LeadId, UserId};
use crate::instant::Timestamp;
use crate::journal::{Facts, facts};
use crate::record::{Counted, Edited, Happened, Plain, RecordChange, counted};
use crate::words::words;

words! {
    /// The answer to a content request so far.
    RequestState {
        /// Nobody has answered.
        Open = "open",
        /// Marketing will write it.
        Planned = "planned",
        /// It is written: `content_id` names it.
        Published = "published",
        /// Marketing will not write it: `answer` says why.
        Declined = "declined",
    }
}

impl RequestState {
    /// Whether it is answered for good.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Published | Self::Declined)
    }
}

/// What sales asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateContentRequest)]
pub struct RequestedContent {
    /// What is wanted.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"\S",
        example = "A comparison with doing it by hand"
    )]
    pub title: String,
    /// Why it is needed.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"\S",
        example = "Three shops asked what they would save"
    )]
    pub why: String,
    /// The code of the objection that it would answer, from the agreement.
    #[schema(min_length = 1, max_length = 64, example = "price")]
    pub objection: Option<String>,
    /// The leads that need it.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub lead_ids: Vec<LeadId>,
    /// The deals that need it.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub deal_ids: Vec<DealId>,
}

/// What is asked for and what marketing answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AnswerContentRequest)]
pub struct AnsweredRequest {
    /// What is wanted.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"\S",
        example = "A comparison with doing it by hand"
    )]
    pub title: String,
    /// Why it is needed.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"\S",
        example = "Three shops asked what they would save"
    )]
    pub why: String,
    /// The code of the objection that it would answer, from the agreement.
    #[schema(min_length = 1, max_length = 64, example = "price")]
    pub objection: Option<String>,
    /// The leads that need it.
    #[schema(max_items = 100)]
    pub lead_ids: Vec<LeadId>,
    /// The deals that need it.
    #[schema(max_items = 100)]
    pub deal_ids: Vec<DealId>,
    /// The answer so far.
    pub state: RequestState,
    /// The content that answers it; `published` requires it, and it is published itself.
    pub content_id: Option<ContentId>,
    /// Marketing's answer in words; `declined` requires it.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"\S",
        example = "Planned for the spring campaign"
    )]
    pub answer: Option<String>,
}

/// A content request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentRequest {
    /// Its id.
    pub id: ContentRequestId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// What is asked for and answered.
    pub details: AnsweredRequest,
    /// The user who asked; none of a key by itself.
    pub requested_by: Option<UserId>,
    /// When it was answered for good.
    pub answered_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

counted!(ContentRequest);

impl Plain for ContentRequest {
    const NOUN: &'static str = "content_request";
    const READ: Scope = Scope::ContentRead;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("content_request.created", "Sales asked for content."),
        (
            "content_request.updated",
            "A content request was answered or changed.",
        ),
    ];

    fn facts(&self) -> Facts {
        let mut known = facts(json!(self.details));
        // Free text may name people: it stands in the record alone.
        known.remove("why");
        known.remove("answer");
        known.insert("requested_by".into(), json!(self.requested_by));
        known.insert("answered_at".into(), json!(self.answered_at));
        known
    }
}

/// What stands beside a request that is created or changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// The wanted leads that exist.
    pub leads: BTreeSet<LeadId>,
    /// The wanted deals that exist.
    pub deals: BTreeSet<DealId>,
    /// The wanted content, and whether it is published; none if it does not exist.
    pub content: Option<bool>,
    /// The codes of objections in the agreement in force that are not retired.
    pub objections: BTreeSet<String>,
}

/// Why a request was not created or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Something does not fit.
    #[error("the content request is not sound")]
    Invalid(Vec<Fault>),
}

/// Ask for content: sales, marketing and admins. A key by itself acts by its scope.
pub fn create(asked: RequestedContent, beside: &Beside, act: &Act) -> Result<ContentRequest, RequestError> {
    may_ask(&act.by)?;
    let details = AnsweredRequest {
        title: asked.title.trim().to_owned(),
        why: asked.why.trim().to_owned(),
        objection: asked.objection,
        lead_ids: asked.lead_ids,
        deal_ids: asked.deal_ids,
        state: RequestState::Open,
        content_id: None,
        answer: None,
    };
    let request = ContentRequest {
        id: act.ids.next(),
        version: 1,
        details,
        requested_by: act.by.person().map(|person| person.id),
        answered_at: None,
        created_at: act.now,
        updated_at: act.now,
    };
    request.sound(None, beside)
}

/// Answer or change a request: marketing and admins. What is answered for good does not change.
pub fn edit(
    request: &ContentRequest,
    details: AnsweredRequest,
    beside: &Beside,
    act: &Act,
) -> Result<Edited<ContentRequest>, RequestError> {
    may_manage(&act.by)?;
    let answered_at = details
        .state
        .is_final()
        .then(|| request.answered_at.unwrap_or(act.now));
    let edited = ContentRequest {
        details,
        answered_at,
        ..request.clone()
    };
    let mut edited = edited.sound(Some(request), beside)?;
    if edited.facts() == request.facts() && edited.details != request.details {
        // What differs are texts, which the journal does not show.
        edited.count(act.now);
        let happened = Happened::Edited {
            before: Facts::new(),
            after: Facts::new(),
        };
        let record = edited.clone();
        return Ok((edited, Some(RecordChange { happened, record })));
    }
    Ok(request.becomes(edited, act.now))
}

impl ContentRequest {
    fn sound(self, before: Option<&Self>, beside: &Beside) -> Result<Self, RequestError> {
        match self.faults(before, beside) {
            faults if faults.is_empty() => Ok(self),
            faults => Err(RequestError::Invalid(faults)),
        }
    }

    fn faults(&self, before: Option<&Self>, beside: &Beside) -> Vec<Fault> {
        let (mut faults, details) = (vec![], &self.details);
        faults.extend(unknown(
            "/lead_ids",
            &details.lead_ids,
            &beside.leads,
            "is not a lead",
        ));
        faults.extend(unknown(
            "/deal_ids",
            &details.deal_ids,
            &beside.deals,
            "is not a deal",
        ));
        let was = before.and_then(|before| before.details.objection.as_ref());
        let objection = details.objection.as_ref();
        let is_unknown = |code: &&String| was != Some(*code) && !beside.objections.contains(*code);
        if objection.filter(is_unknown).is_some() {
            let detail = "is not an objection in the agreement in force";
            faults.push(Fault::new("/objection", "not_allowed", detail));
        }
        if details.content_id.is_some() && beside.content.is_none() {
            faults.push(Fault::new("/content_id", "not_found", "is not content"));
        }
        match details.state {
            RequestState::Published if details.content_id.is_none() => {
                faults.push(Fault::new(
                    "/content_id",
                    "required",
                    "a published request names its content",
                ));
            }
            RequestState::Published if beside.content == Some(false) => {
                faults.push(Fault::new("/content_id", "not_allowed", "is not published"));
            }
            RequestState::Declined if details.answer.is_none() => {
                faults.push(Fault::new("/answer", "required", "a declined request says why"));
            }
            _ => {}
        }
        let was = before.map(|before| before.details.state);
        if was.is_some_and(|was| was.is_final() && was != details.state) {
            faults.push(Fault::new(
                "/state",
                "not_allowed",
                "the request is answered for good",
            ));
        }
        faults
    }
}

fn unknown<T: Ord>(at: &str, asked: &[T], known: &BTreeSet<T>, detail: &str) -> Vec<Fault> {
    let mut seen = BTreeSet::new();
    let fault = |(index, one)| {
        let (code, detail) = match (known.contains(one), seen.insert(one)) {
            (false, _) => ("not_found", detail),
            (true, false) => ("not_allowed", "is listed twice"),
            (true, true) => return None,
        };
        Some(Fault::new(format!("{at}/{index}"), code, detail))
    };
    asked.iter().enumerate().filter_map(fault).collect()
}

fn may_ask(actor: &Actor) -> Result<(), Denied> {
    match actor.person() {
        Some(person) if !person.is_sales() => may_manage(actor),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::by;
    use super::*;
    use crate::access::Role;
    use crate::id::Ids;

    fn asked() -> RequestedContent {
        RequestedContent {
            title: " A comparison ".into(),
            why: "They asked".into(),
            objection: Some("price".into()),
            lead_ids: vec![],
            deal_ids: vec![],
        }
    }

    fn beside() -> Beside {
        Beside {
            objections: BTreeSet::from(["price".into()]),
            ..Beside::default()
        }
    }

    fn places<T: std::fmt::Debug>(refused: Result<T, RequestError>) -> Vec<String> {
        match refused {
            Err(RequestError::Invalid(faults)) => faults.into_iter().map(|fault| fault.pointer).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sales_asks_and_marketing_answers() {
        let request = create(asked(), &beside(), &by(Role::Sales)).unwrap();
        assert_eq!(
            (request.details.title.as_str(), request.details.state),
            ("A comparison", RequestState::Open)
        );
        assert_eq!(
            create(asked(), &beside(), &by(Role::Viewer)),
            Err(RequestError::Denied(Denied::WrongRole))
        );
        let planned = AnsweredRequest {
            state: RequestState::Planned,
            ..request.details.clone()
        };
        let edited = |role| edit(&request, planned.clone(), &Beside::default(), &by(role));
        assert_eq!(edited(Role::Sales), Err(RequestError::Denied(Denied::WrongRole)));
        assert_eq!(
            edited(Role::Marketing).unwrap().0.details.state,
            RequestState::Planned
        );
        let reworded = AnsweredRequest {
            why: "Four asked".into(),
            ..request.details.clone()
        };
        let (reworded, change) = edit(&request, reworded, &Beside::default(), &by(Role::Marketing)).unwrap();
        let Happened::Edited { before, after } = change.unwrap().happened else {
            panic!("an edit")
        };
        assert_eq!(
            (reworded.version, before.is_empty(), after.is_empty()),
            (2, true, true)
        );
    }

    #[test]
    fn an_answer_is_whole_and_final() {
        let request = create(asked(), &beside(), &by(Role::Sales)).unwrap();
        let act = by(Role::Marketing);
        let ids = Ids::new(act.now, 3);
        let as_state = |state, content_id| AnsweredRequest {
            state,
            content_id,
            ..request.details.clone()
        };
        let answered = |details, content| {
            edit(
                &request,
                details,
                &Beside {
                    content,
                    ..Beside::default()
                },
                &act,
            )
        };
        assert_eq!(
            places(answered(as_state(RequestState::Published, None), None)),
            ["/content_id"]
        );
        let content = Some(ids.next());
        assert_eq!(
            places(answered(as_state(RequestState::Published, content), Some(false))),
            ["/content_id"]
        );
        assert_eq!(
            places(answered(as_state(RequestState::Planned, content), None)),
            ["/content_id"]
        );
        assert_eq!(
            places(answered(as_state(RequestState::Declined, None), None)),
            ["/answer"]
        );
        let (done, _) = answered(as_state(RequestState::Published, content), Some(true)).unwrap();
        assert_eq!(done.answered_at, Some(act.now));
        let again = AnsweredRequest {
            state: RequestState::Open,
            ..done.details.clone()
        };
        let beside = Beside {
            content: Some(true),
            ..Beside::default()
        };
        assert_eq!(places(edit(&done, again, &beside, &act)), ["/state"]);
    }

    #[test]
    fn leads_and_deals_exist_and_stand_once() {
        let ids = Ids::new(Timestamp::from_millis(0), 5);
        let [one, other]: [LeadId; 2] = [ids.next(), ids.next()];
        let wrong = RequestedContent {
            objection: Some("looks".into()),
            lead_ids: vec![one, other, one],
            deal_ids: vec![ids.next()],
            ..asked()
        };
        let beside = Beside {
            leads: BTreeSet::from([one]),
            ..beside()
        };
        let refused = create(wrong, &beside, &by(Role::SalesManager));
        assert_eq!(
            places(refused),
            ["/lead_ids/1", "/lead_ids/2", "/deal_ids/0", "/objection"]
        );
    }
}
