//! What is known of the effect of content: which content a lead should see next, and how deals ended with and without it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Content, ContentStage};
use crate::id::ContentId;
use crate::stage::Stage;

/// The most content that is recommended to a lead.
pub const MAX_RECOMMENDED: usize = 20;

/// Content to show to a lead, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recommended {
    /// The content.
    pub content: Content,
    /// The objections of the lead that it answers.
    pub answers: Vec<String>,
    /// Whether it fits the lead's stage.
    pub fits_stage: bool,
    /// How many won deals had a lead that had read it.
    pub won_deals: i64,
}

/// The part of a purchase in which a lead of this stage stands; none of a customer and one that is out.
pub fn part_of(stage: Stage) -> Option<ContentStage> {
    match stage {
        Stage::Lead | Stage::Mql | Stage::Nurture => Some(ContentStage::Awareness),
        Stage::Sal | Stage::Sql => Some(ContentStage::Consideration),
        Stage::Opportunity => Some(ContentStage::Decision),
        Stage::Customer | Stage::Churned | Stage::Disqualified => None,
    }
}

/// The content that a lead of a stage with these objections has not seen and that answers one or fits its stage. What
/// answers most objections comes first, then what fits, then what most won deals had read, then the newest.
pub fn recommended(
    library: impl IntoIterator<Item = Content>,
    (stage, objections): (Stage, &BTreeSet<String>),
    seen: &BTreeSet<ContentId>,
    won_deals: &BTreeMap<ContentId, i64>,
) -> Vec<Recommended> {
    let part = part_of(stage);
    let of = |content: Content| {
        let codes = content.details.answers_objections.iter();
        let answers: Vec<String> = codes.filter(|code| objections.contains(*code)).cloned().collect();
        let fits_stage = part == Some(content.details.stage);
        let is_ready = content.is_published() && content.archived_at.is_none();
        let is_meant = is_ready && !seen.contains(&content.id) && (fits_stage || !answers.is_empty());
        is_meant.then(|| Recommended {
            won_deals: won_deals.get(&content.id).copied().unwrap_or_default(),
            content,
            answers,
            fits_stage,
        })
    };
    let mut found: Vec<Recommended> = library.into_iter().filter_map(of).collect();
    found.sort_by_key(|one| {
        let rank = (one.answers.len(), one.fits_stage, one.won_deals, one.content.id);
        std::cmp::Reverse(rank)
    });
    found.truncate(MAX_RECOMMENDED);
    found
}

/// Closed deals by their end, and whether one of their leads had read a piece of content before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    /// Won deals with a reader.
    pub won_read: i64,
    /// Lost deals with a reader.
    pub lost_read: i64,
    /// All won deals.
    pub won: i64,
    /// All lost deals.
    pub lost: i64,
}

/// How many times as often deals with a reader are won as deals without, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lift {
    /// The ratio of both rates.
    pub value: f64,
    /// The interval's bounds; none where a group has no won deal.
    pub interval: Option<(f64, f64)>,
}

impl Ends {
    /// The deals with a reader.
    pub fn read(self) -> i64 {
        self.won_read + self.lost_read
    }

    /// The deals without a reader.
    pub fn unread(self) -> i64 {
        self.won + self.lost - self.read()
    }

    /// The ratio of the win rates with and without a reader (a relative risk), with its 95 % interval by the logarithm (Katz
    /// and others, 1978). None where one of the groups is empty, or no deal without a reader was won.
    pub fn lift(self) -> Option<Lift> {
        const Z: f64 = 1.959_963_984_540_054;
        let won_unread = self.won - self.won_read;
        if self.read() <= 0 || self.unread() <= 0 || won_unread <= 0 {
            return None;
        }
        let [a, b, c, d] = [self.won_read, self.read(), won_unread, self.unread()].map(|n| n as f64);
        let value = (a / b) / (c / d);
        let spread = Z * (1.0 / a - 1.0 / b + 1.0 / c - 1.0 / d).sqrt();
        let interval =
            (self.won_read > 0).then(|| ((value.ln() - spread).exp(), (value.ln() + spread).exp()));
        Some(Lift { value, interval })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::by;
    use super::super::{Beside, ContentDetails, ContentKind, ContentState, create};
    use super::*;
    use crate::access::Role;

    fn content(stage: ContentStage, codes: &[&str], state: ContentState, n: i64) -> Content {
        let codes: Vec<String> = codes.iter().map(|code| (*code).to_owned()).collect();
        let beside = Beside {
            knows_campaign: false,
            objections: codes.iter().cloned().collect(),
        };
        let details = ContentDetails {
            title: format!("Number {n}"),
            kind: ContentKind::Article,
            url_patterns: vec![],
            stage,
            campaign_id: None,
            answers_objections: codes,
            state,
        };
        let mut act = by(Role::Marketing);
        act.ids = crate::id::Ids::new(act.now.plus_millis(n), 0);
        create(details, &beside, &act).unwrap()
    }

    #[test]
    fn what_answers_comes_before_what_fits_and_what_was_seen_not_at_all() {
        use ContentStage::{Awareness, Decision};
        use ContentState::{Draft, Published};
        let answers = content(Awareness, &["price"], Published, 1);
        let fits = content(Decision, &["timing"], Published, 2);
        let proven = content(Decision, &[], Published, 3);
        let seen = content(Decision, &["price"], Published, 4);
        let unfit = content(Awareness, &[], Published, 5);
        let draft = content(Decision, &["price"], Draft, 6);
        let library = [&answers, &fits, &proven, &seen, &unfit, &draft].map(Clone::clone);
        let found = recommended(
            library,
            (Stage::Opportunity, &BTreeSet::from(["price".to_owned()])),
            &BTreeSet::from([seen.id]),
            &BTreeMap::from([(proven.id, 3)]),
        );
        let ids: Vec<ContentId> = found.iter().map(|one| one.content.id).collect();
        assert_eq!(ids, [answers.id, proven.id, fits.id]);
        assert_eq!(
            (found[0].answers.len(), found[0].fits_stage, found[1].won_deals),
            (1, false, 3)
        );
    }

    #[test]
    fn a_lift_is_the_ratio_of_both_win_rates() {
        // 30 of 100 against 10 of 100: exp(ln 3 -+ 1.96 sqrt(1/30 - 1/100 + 1/10 - 1/100)), by hand.
        let ends = Ends {
            won_read: 30,
            lost_read: 70,
            won: 40,
            lost: 160,
        };
        let lift = ends.lift().unwrap();
        let (low, high) = lift.interval.unwrap();
        assert!((lift.value - 3.0).abs() < 1e-9);
        assert!(
            (low - 1.551).abs() < 1e-3 && (high - 5.803).abs() < 1e-3,
            "{low} {high}"
        );
        assert_eq!(Ends::default().lift(), None);
        let none_won = Ends {
            won_read: 0,
            lost_read: 5,
            won: 5,
            lost: 10,
        };
        let lift = none_won.lift().unwrap();
        assert_eq!((lift.value, lift.interval), (0.0, None));
    }

    proptest! {
        #[test]
        fn an_interval_contains_its_lift(a in 1i64..500, b in 0i64..500, c in 1i64..500, d in 0i64..500) {
            let ends = Ends { won_read: a, lost_read: b, won: a + c, lost: b + d };
            let lift = ends.lift().unwrap();
            let (low, high) = lift.interval.unwrap();
            prop_assert!(low <= lift.value + 1e-9 && lift.value <= high + 1e-9);
        }
    }
}
