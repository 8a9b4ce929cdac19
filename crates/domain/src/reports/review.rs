//! The review: the regular meeting of both teams, with a frozen pack of figures; its action items.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::access::{Actor, Denied, Role, Scope};
use crate::act::Act;
use crate::fault::Fault;
use crate::id::{ActionItemId, ReviewId, UserId};
use crate::instant::{Day, Timestamp};
use crate::journal::{Facts, facts};
use crate::record::{Counted, Edited, Plain, RecordChange, counted};
use crate::words::words;

/// The most days that a review covers: two years.
const MOST_DAYS: i32 = 732;

/// The period that a review covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateReview)]
pub struct ReviewPeriod {
    /// The first day, in the company's time zone.
    #[schema(example = "2026-05-01")]
    pub from: Day,
    /// The day after the last one: at most two years later.
    #[schema(example = "2026-06-01")]
    pub to: Day,
}

/// A review. Its pack of figures is written with it and never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// The period that it covers.
    pub period: ReviewPeriod,
    /// The user who created it.
    pub created_by: Option<UserId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The meeting, once it was held.
    pub held: Option<Held>,
}

/// The meeting of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// When it began.
    pub at: Timestamp,
    /// The users who attended.
    pub attended_by: Vec<UserId>,
    /// Whether users of both manager roles attended.
    pub by_both_managers: bool,
}

words! {
    /// The state of an action item.
    #[derive(Default)]
    ActionState {
        /// It is to be done.
        #[default]
        Open = "open",
        /// It was done.
        Done = "done",
        /// It was given up.
        Dropped = "dropped",
    }
}

/// What both teams decided to do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateActionItem {
    /// What is to be done. Name no person of a lead here: reviews outlive an erasure.
    #[schema(
        min_length = 1,
        max_length = 2000,
        pattern = r"\S",
        example = "Ask for the budget in the form"
    )]
    pub text: String,
    /// The user who does it.
    pub owner_id: UserId,
    /// The day by which it is to be done, in the company's time zone.
    pub due_on: Day,
}

/// How an action item stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ActionItem)]
pub struct ActionProgress {
    /// The state.
    pub state: ActionState,
    /// What came of it.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"\S",
        example = "The form asks for it from May on"
    )]
    pub note: Option<String>,
}

/// An action item of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionItem {
    /// Its id.
    pub id: ActionItemId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// The review in which it was decided.
    pub review_id: ReviewId,
    /// What is to be done.
    pub text: String,
    /// The user who does it.
    pub owner_id: UserId,
    /// The day by which it is to be done.
    pub due_on: Day,
    /// How it stands.
    pub progress: ActionProgress,
    /// When it was done or dropped.
    pub closed_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Why a review or an action item was not created or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReviewError {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Something does not fit.
    #[error("the review is not sound")]
    Invalid(Vec<Fault>),
}

counted!(Review, ActionItem);

impl Plain for Review {
    const NOUN: &'static str = "review";
    const READ: Scope = Scope::ReportsRead;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("review.created", "A review was created, with its frozen pack."),
        (
            "review.held",
            "A review was held, or its attendance was corrected.",
        ),
    ];

    fn facts(&self) -> Facts {
        facts(json!({"from": self.period.from, "to": self.period.to}))
    }
}

impl Plain for ActionItem {
    const NOUN: &'static str = "action_item";
    const READ: Scope = Scope::ReportsRead;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("action_item.created", "A review decided on an action item."),
        (
            "action_item.updated",
            "The state or note of an action item changed.",
        ),
    ];

    fn facts(&self) -> Facts {
        facts(json!({
            "review_id": self.review_id,
            "text": self.text,
            "owner_id": self.owner_id,
            "due_on": self.due_on,
            "state": self.progress.state,
            "note": self.progress.note,
        }))
    }
}

impl ReviewPeriod {
    /// The period, where it has a day and at most two years.
    pub fn sound(self) -> Result<Self, ReviewError> {
        let detail = match (self.to <= self.from, self.days() > MOST_DAYS) {
            (true, _) => "must be after `from`",
            (_, true) => "must be at most two years after `from`",
            _ => return Ok(self),
        };
        Err(ReviewError::Invalid(vec![Fault::new(
            "/to",
            "not_allowed",
            detail,
        )]))
    }

    fn days(self) -> i32 {
        self.from
            .date()
            .until(self.to.date())
            .map_or(i32::MAX, |span| span.get_days())
    }
}

/// Create a review.
pub fn create(period: ReviewPeriod, act: &Act) -> Result<Review, ReviewError> {
    may_review(&act.by)?;
    Ok(Review {
        id: act.ids.next(),
        version: 1,
        period: period.sound()?,
        created_by: act.by.person().map(|person| person.id),
        created_at: act.now,
        updated_at: act.now,
        held: None,
    })
}

/// Record that a review was held; once more corrects its attendance. `role_of` finds the role of an enabled user.
pub fn hold(
    review: &Review,
    held_at: Timestamp,
    attended_by: &[UserId],
    role_of: impl Fn(UserId) -> Option<Role>,
    act: &Act,
) -> Result<Edited<Review>, ReviewError> {
    may_review(&act.by)?;
    let mut faults = vec![];
    if held_at > act.now {
        faults.push(Fault::new("/held_at", "not_allowed", "lies in the future"));
    }
    let (mut seen, mut roles) = (BTreeSet::new(), BTreeSet::new());
    for (index, user) in attended_by.iter().enumerate() {
        let at = format!("/attended_by/{index}");
        match role_of(*user) {
            None => faults.push(Fault::new(at, "not_found", "is not an enabled user")),
            Some(_) if !seen.insert(*user) => faults.push(Fault::new(at, "not_allowed", "is listed twice")),
            Some(role) => {
                roles.insert(role.name());
            }
        }
    }
    if !faults.is_empty() {
        return Err(ReviewError::Invalid(faults));
    }
    let both = [Role::MarketingManager, Role::SalesManager];
    let held = Held {
        at: held_at,
        attended_by: attended_by.to_vec(),
        by_both_managers: both.iter().all(|role| roles.contains(role.name())),
    };
    if review.held.as_ref() == Some(&held) {
        return Ok((review.clone(), None));
    }
    let mut after = review.clone();
    after.count(act.now);
    let data = json!({"held_at": held.at, "attended_by": held.attended_by, "by_both_managers": held.by_both_managers});
    after.held = Some(held);
    let change = after.other("held", facts(data));
    Ok((after, Some(change)))
}

/// Create an action item of a review.
pub fn add_action(
    review: &Review,
    asked: CreateActionItem,
    knows_owner: bool,
    act: &Act,
) -> Result<(ActionItem, RecordChange<ActionItem>), ReviewError> {
    may_review(&act.by)?;
    if !knows_owner {
        let fault = Fault::new("/owner_id", "not_found", "is not an enabled user");
        return Err(ReviewError::Invalid(vec![fault]));
    }
    let item = ActionItem {
        id: act.ids.next(),
        version: 1,
        review_id: review.id,
        text: asked.text.trim().to_owned(),
        owner_id: asked.owner_id,
        due_on: asked.due_on,
        progress: ActionProgress::default(),
        closed_at: None,
        created_at: act.now,
        updated_at: act.now,
    };
    let change = item.created();
    Ok((item, change))
}

/// Change the state and the note of an action item; no change if nothing differs.
pub fn update_action(
    item: &ActionItem,
    progress: ActionProgress,
    act: &Act,
) -> Result<Edited<ActionItem>, ReviewError> {
    may_review(&act.by)?;
    let closed_at = match progress.state {
        ActionState::Open => None,
        state if state == item.progress.state => item.closed_at,
        _ => Some(act.now),
    };
    let edited = ActionItem {
        progress: ActionProgress {
            note: progress.note.map(|note| note.trim().to_owned()),
            ..progress
        },
        closed_at,
        ..item.clone()
    };
    Ok(item.becomes(edited, act.now))
}

/// Both managers, revops and admins. A key by itself acts by its scope.
pub fn may_review(actor: &Actor) -> Result<(), Denied> {
    match actor.person() {
        Some(person) if !person.grants(Scope::ReviewsWrite) => Err(Denied::WrongRole),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Person;
    use crate::id::Ids;
    use crate::record::Happened;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn by(role: Role) -> Act {
        let person = Person {
            id: Ids::new(NOW, 1).next(),
            role,
            admin: false,
            teams: vec![],
        };
        Act::new(Actor::User(person), "req", NOW, 0)
    }

    fn period(from: &str, to: &str) -> ReviewPeriod {
        ReviewPeriod {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        }
    }

    fn review() -> Review {
        create(period("2026-05-01", "2026-06-01"), &by(Role::Revops)).unwrap()
    }

    fn places(refused: Result<impl std::fmt::Debug, ReviewError>) -> Vec<String> {
        match refused {
            Err(ReviewError::Invalid(faults)) => faults.into_iter().map(|fault| fault.pointer).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_period_has_a_day_and_at_most_two_years() {
        assert!(period("2026-05-01", "2026-05-02").sound().is_ok());
        assert!(period("2024-01-01", "2026-01-01").sound().is_ok());
        for (from, to) in [
            ("2026-05-01", "2026-05-01"),
            ("2026-05-01", "2026-04-01"),
            ("2023-01-01", "2026-01-01"),
        ] {
            assert_eq!(places(period(from, to).sound()), ["/to"], "{from} {to}");
        }
    }

    #[test]
    fn managers_and_revops_review_and_nobody_else() {
        for role in Role::ALL {
            let may = may_review(&by(*role).by).is_ok();
            let expected = matches!(
                role,
                Role::MarketingManager | Role::SalesManager | Role::Revops | Role::Admin
            );
            assert_eq!(may, expected, "{role:?}");
        }
    }

    #[test]
    fn a_review_is_held_by_both_managers_when_users_of_both_roles_attended() {
        let ids = Ids::new(NOW, 3);
        let [mia, sam, rex]: [UserId; 3] = std::array::from_fn(|_| ids.next());
        let role_of = |user: UserId| match user {
            user if user == mia => Some(Role::MarketingManager),
            user if user == sam => Some(Role::SalesManager),
            user if user == rex => Some(Role::Sales),
            _ => None,
        };
        let held = |attended: &[UserId]| hold(&review(), NOW, attended, role_of, &by(Role::Revops));
        let by_both = |attended: &[UserId]| held(attended).unwrap().0.held.unwrap().by_both_managers;
        assert!(by_both(&[mia, sam, rex]));
        assert!(!by_both(&[mia, rex]) && !by_both(&[sam]) && !by_both(&[]));

        let stranger: UserId = ids.next();
        assert_eq!(
            places(held(&[stranger, mia, mia])),
            ["/attended_by/0", "/attended_by/2"]
        );
        let ahead = hold(&review(), NOW.plus_millis(1), &[], role_of, &by(Role::Revops));
        assert_eq!(places(ahead), ["/held_at"]);

        let (once, change) = held(&[mia, sam]).unwrap();
        assert!(matches!(change.unwrap().happened, Happened::Other("held", _)));
        let (again, nothing) = hold(&once, NOW, &[mia, sam], role_of, &by(Role::Revops)).unwrap();
        assert_eq!((again.version, nothing), (2, None));
    }

    #[test]
    fn an_action_item_is_closed_once_and_opened_again() {
        let owner_id = Ids::new(NOW, 9).next();
        let asked = CreateActionItem {
            text: " Ask for the budget ".into(),
            owner_id,
            due_on: "2026-06-15".parse().unwrap(),
        };
        let act = by(Role::SalesManager);
        assert_eq!(
            places(add_action(&review(), asked.clone(), false, &act)),
            ["/owner_id"]
        );
        let (item, _) = add_action(&review(), asked, true, &act).unwrap();
        assert_eq!(
            (item.text.as_str(), item.progress.state),
            ("Ask for the budget", ActionState::Open)
        );

        let moved = |item: &ActionItem, state| {
            let progress = ActionProgress { state, note: None };
            update_action(item, progress, &act).unwrap()
        };
        let (done, change) = moved(&item, ActionState::Done);
        assert_eq!((done.closed_at, change.is_some()), (Some(NOW), true));
        assert_eq!(moved(&done, ActionState::Done), (done.clone(), None));
        assert_eq!(moved(&done, ActionState::Open).0.closed_at, None);
    }
}
