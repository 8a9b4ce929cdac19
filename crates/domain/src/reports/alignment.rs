//! The alignment scorecard: eight questions about how marketing and sales work together, each with a grade and the next
//! step. It measures the process, never a person.

use super::Rate;
use crate::agreement::Commitments;
use crate::words::words;

/// The versions of the agreement that may come into force within twelve months without blurring what they measure.
pub const MOST_VERSIONS: i64 = 4;
/// The share from which a process is green.
const GREEN: f64 = 0.9;
/// The share from which a process is amber.
const AMBER: f64 = 0.7;
/// The share of the due action items that must be closed.
const CLOSED: f64 = 0.8;

words! {
    /// How well the teams do in one respect.
    Grade {
        /// As agreed.
        Green = "green",
        /// Partly.
        Amber = "amber",
        /// Not.
        Red = "red",
        /// There is nothing to measure yet.
        Unknown = "unknown",
    }

    /// A question of the scorecard.
    Question {
        /// Is one signed agreement in force that is neither due for review, nor stale, nor changed too often?
        Agreement = "agreement",
        /// Are hand-offs assigned by rule and reviewed in the promised time?
        Assignment = "assignment",
        /// Does sales open the packet before the first contact?
        Packets = "packets",
        /// Do rejections and losses carry reasons that marketing has answered?
        Feedback = "feedback",
        /// Are forms, tracking and campaigns connected: do leads have touches, and won deals a path?
        Tracking = "tracking",
        /// Do both teams work from the same figures: was a review held in time, and were its action items closed?
        Review = "review",
        /// Are the reasons and objections of lost deals recorded?
        Losses = "losses",
        /// Are both sides measured by quality and revenue?
        Commitments = "commitments",
    }
}

/// The agreement in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgreementFacts {
    /// Whether both teams signed it.
    pub is_signed: bool,
    /// Whether a review is due.
    pub is_review_due: bool,
    /// Whether `review.stale_after` has passed.
    pub is_stale: bool,
    /// The versions that came into force in the last twelve months.
    pub versions: i64,
}

/// The newest review that both managers attended, and what became of the action items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReviewFacts {
    /// Whether one was held within one and a half of the agreed intervals.
    pub is_held_in_time: bool,
    /// Of the action items that are due by now, those that are done or dropped.
    pub closed: Rate,
}

/// What the agreement commits both sides to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitmentFacts {
    /// Whether marketing and sales each have a commitment with a number.
    pub both_sides: bool,
    /// Whether they share a revenue target.
    pub revenue: bool,
}

/// What the scorecard is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlignmentFacts {
    /// The agreement in force.
    pub agreement: AgreementFacts,
    /// Of the hand-offs whose review was made or is due, those that a rule assigned and that were reviewed in time.
    pub assigned: Rate,
    /// Of the hand-offs whose lead was contacted, those whose packet was opened before.
    pub opened: Rate,
    /// Of the rejections whose feedback was given or is due, those with a reason and feedback in time.
    pub rejections: Rate,
    /// Of the losses whose feedback was given or is due, those with a reason and feedback in time.
    pub losses: Rate,
    /// Of the new leads, those with a touch.
    pub touched: Rate,
    /// Of the won deals, those with a touch before the win.
    pub with_path: Rate,
    /// The reviews.
    pub review: ReviewFacts,
    /// Of the lost deals, those with a reason other than `other`, and with an objection or a note.
    pub explained: Rate,
    /// The commitments.
    pub commitments: CommitmentFacts,
}

impl CommitmentFacts {
    /// What these commitments say.
    pub fn of(commitments: &Commitments) -> Self {
        let (marketing, sales) = (&commitments.marketing, &commitments.sales);
        let of_marketing = marketing.mqls_per_month.is_some()
            || marketing.min_acceptance_rate.is_some()
            || marketing.min_field_completeness.is_some()
            || marketing.max_bad_contact_rate.is_some()
            || marketing.feedback_within.is_some();
        let of_sales = sales.review_within.is_some()
            || sales.first_contact_within.is_some()
            || sales.attempts.is_some()
            || sales.outcome_within.is_some();
        Self {
            both_sides: of_marketing && of_sales,
            revenue: commitments.shared.revenue.is_some(),
        }
    }
}

impl AlignmentFacts {
    /// The grade of a question.
    pub fn grade(&self, question: Question) -> Grade {
        match question {
            Question::Agreement => of_agreement(self.agreement),
            Question::Assignment => of_share(self.assigned),
            Question::Packets => of_share(self.opened),
            Question::Feedback => of_share(Rate {
                part: self.rejections.part + self.losses.part,
                whole: self.rejections.whole + self.losses.whole,
            }),
            Question::Tracking => worst(of_share(self.touched), of_share(self.with_path)),
            Question::Review => of_review(self.review),
            Question::Losses => of_share(self.explained),
            Question::Commitments => of_commitments(self.commitments),
        }
    }

    /// What to do next; nothing where the grade is green.
    pub fn next(&self, question: Question) -> Option<&'static str> {
        let grade = self.grade(question);
        match (question, grade) {
            (_, Grade::Green) => None,
            (Question::Agreement, _) => Some(after_agreement(self.agreement)),
            (Question::Review, _) => Some(after_review(self.review)),
            (Question::Commitments, _) => Some(after_commitments(self.commitments)),
            (Question::Assignment, Grade::Unknown) => {
                Some("Promise a review of hand-offs in the agreement (`review_within`).")
            }
            (Question::Assignment, _) => Some(
                "Read the hand-offs that are not among the counted ones: add routing rules for those in queues, and clear overdue reviews.",
            ),
            (Question::Packets, Grade::Unknown) => Some("Log the first contact with each handed-over lead."),
            (Question::Packets, _) => Some("Open the packet of a hand-off before the first contact."),
            (Question::Feedback, Grade::Unknown) => {
                Some("Promise feedback on rejections and losses in the agreement (`feedback_within`).")
            }
            (Question::Feedback, _) => {
                Some("Acknowledge or dispute each rejection and each loss in the promised time.")
            }
            (Question::Tracking, Grade::Unknown) => {
                Some("Connect a form, or import leads with their source.")
            }
            (Question::Tracking, _) => Some(
                "Put the tracking script on every page with a form, and record the touches of all other leads.",
            ),
            (Question::Losses, Grade::Unknown) => Some("Close deals that are lost, with a reason."),
            (Question::Losses, _) => {
                Some("Give each lost deal a reason other than `other`, and an objection or a note.")
            }
        }
    }
}

fn of_share(rate: Rate) -> Grade {
    match rate.value() {
        None => Grade::Unknown,
        Some(share) if share >= GREEN => Grade::Green,
        Some(share) if share >= AMBER => Grade::Amber,
        Some(_) => Grade::Red,
    }
}

/// The worse of two grades; what is unknown says nothing.
fn worst(one: Grade, other: Grade) -> Grade {
    match (one, other) {
        (Grade::Unknown, known) | (known, Grade::Unknown) => known,
        _ => one.max(other),
    }
}

fn of_agreement(facts: AgreementFacts) -> Grade {
    if !facts.is_signed || facts.is_stale {
        Grade::Red
    } else if facts.is_review_due || facts.versions > MOST_VERSIONS {
        Grade::Amber
    } else {
        Grade::Green
    }
}

fn after_agreement(facts: AgreementFacts) -> &'static str {
    if !facts.is_signed {
        "Have a marketing manager and a sales manager sign the agreement."
    } else if facts.is_stale {
        "Draft and sign the next version of the agreement."
    } else if facts.is_review_due {
        "Hold a review with both managers, or have a present manager sign."
    } else {
        "Collect changes of the agreement and sign at most four versions a year."
    }
}

fn of_review(facts: ReviewFacts) -> Grade {
    let are_closed = facts.closed.value().map(|share| share >= CLOSED);
    match (facts.is_held_in_time, are_closed) {
        (true, None | Some(true)) => Grade::Green,
        (true, Some(false)) | (false, Some(true)) => Grade::Amber,
        (false, None | Some(false)) => Grade::Red,
    }
}

fn after_review(facts: ReviewFacts) -> &'static str {
    if facts.is_held_in_time {
        "Close the action items that are due."
    } else {
        "Create a review and hold it with a marketing manager and a sales manager."
    }
}

fn of_commitments(facts: CommitmentFacts) -> Grade {
    match (facts.both_sides, facts.revenue) {
        (true, true) => Grade::Green,
        (false, false) => Grade::Red,
        _ => Grade::Amber,
    }
}

fn after_commitments(facts: CommitmentFacts) -> &'static str {
    if facts.both_sides {
        "Agree on a revenue that both teams answer for (`commitments.shared.revenue`)."
    } else {
        "Give each side a commitment with a number."
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rate(part: i64, whole: i64) -> Rate {
        Rate { part, whole }
    }

    fn aligned() -> AlignmentFacts {
        AlignmentFacts {
            agreement: AgreementFacts {
                is_signed: true,
                is_review_due: false,
                is_stale: false,
                versions: MOST_VERSIONS,
            },
            assigned: rate(9, 10),
            opened: rate(9, 10),
            rejections: rate(4, 5),
            losses: rate(5, 5),
            touched: rate(9, 10),
            with_path: rate(1, 1),
            review: ReviewFacts {
                is_held_in_time: true,
                closed: rate(4, 5),
            },
            explained: rate(9, 10),
            commitments: CommitmentFacts {
                both_sides: true,
                revenue: true,
            },
        }
    }

    #[test]
    fn at_the_bounds_all_is_green_and_nothing_is_to_do() {
        for question in Question::ALL {
            assert_eq!(aligned().grade(*question), Grade::Green, "{question:?}");
            assert_eq!(aligned().next(*question), None, "{question:?}");
        }
    }

    #[test]
    fn an_agreement_is_red_unsigned_or_stale_and_amber_due_or_changed_too_often() {
        let good = aligned().agreement;
        for (facts, expected) in [
            (
                AgreementFacts {
                    is_signed: false,
                    ..good
                },
                Grade::Red,
            ),
            (
                AgreementFacts {
                    is_stale: true,
                    ..good
                },
                Grade::Red,
            ),
            (
                AgreementFacts {
                    is_review_due: true,
                    ..good
                },
                Grade::Amber,
            ),
            (AgreementFacts { versions: 5, ..good }, Grade::Amber),
            (AgreementFacts { versions: 4, ..good }, Grade::Green),
        ] {
            let all = AlignmentFacts {
                agreement: facts,
                ..aligned()
            };
            assert_eq!(all.grade(Question::Agreement), expected, "{facts:?}");
            assert_eq!(all.next(Question::Agreement).is_none(), expected == Grade::Green);
        }
    }

    #[test]
    fn shares_are_green_from_nine_tenths_and_amber_from_seven() {
        for (share, expected) in [
            (rate(900, 1000), Grade::Green),
            (rate(899, 1000), Grade::Amber),
            (rate(700, 1000), Grade::Amber),
            (rate(699, 1000), Grade::Red),
            (rate(0, 0), Grade::Unknown),
        ] {
            let all = AlignmentFacts {
                assigned: share,
                opened: share,
                explained: share,
                touched: share,
                with_path: share,
                rejections: share,
                losses: rate(0, 0),
                ..aligned()
            };
            for question in [
                Question::Assignment,
                Question::Packets,
                Question::Losses,
                Question::Tracking,
                Question::Feedback,
            ] {
                assert_eq!(all.grade(question), expected, "{question:?} {share:?}");
                assert_eq!(all.next(question).is_none(), expected == Grade::Green);
            }
        }
    }

    #[test]
    fn feedback_counts_rejections_and_losses_together_and_tracking_the_worse_share() {
        let all = AlignmentFacts {
            rejections: rate(1, 2),
            losses: rate(8, 8),
            touched: rate(10, 10),
            with_path: rate(6, 10),
            ..aligned()
        };
        assert_eq!(all.grade(Question::Feedback), Grade::Green);
        assert_eq!(all.grade(Question::Tracking), Grade::Red);
        let without_wins = AlignmentFacts {
            with_path: rate(0, 0),
            ..all
        };
        assert_eq!(without_wins.grade(Question::Tracking), Grade::Green);
    }

    #[test]
    fn a_review_needs_both_managers_in_time_and_its_action_items_closed() {
        for (is_held_in_time, closed, expected) in [
            (true, rate(0, 0), Grade::Green),
            (true, rate(4, 5), Grade::Green),
            (true, rate(3, 4), Grade::Amber),
            (false, rate(4, 5), Grade::Amber),
            (false, rate(3, 4), Grade::Red),
            (false, rate(0, 0), Grade::Red),
        ] {
            let review = ReviewFacts {
                is_held_in_time,
                closed,
            };
            let all = AlignmentFacts { review, ..aligned() };
            assert_eq!(all.grade(Question::Review), expected, "{review:?}");
        }
    }

    #[test]
    fn commitments_need_a_number_of_each_side_and_a_revenue() {
        for (both_sides, revenue, expected) in [
            (true, false, Grade::Amber),
            (false, true, Grade::Amber),
            (false, false, Grade::Red),
        ] {
            let commitments = CommitmentFacts { both_sides, revenue };
            let all = AlignmentFacts {
                commitments,
                ..aligned()
            };
            assert_eq!(all.grade(Question::Commitments), expected);
            assert!(all.next(Question::Commitments).is_some());
        }
        let mut agreed = Commitments::default();
        agreed.marketing.mqls_per_month = Some(1);
        let of_one = CommitmentFacts::of(&agreed);
        assert!(!of_one.both_sides && !of_one.revenue);
        agreed.sales.review_within = Some(crate::duration::Duration::days(1));
        assert!(CommitmentFacts::of(&agreed).both_sides);
    }

    proptest! {
        #[test]
        fn a_greater_share_never_has_a_worse_grade(whole in 1i64..200, part in 0i64..200) {
            let part = part.min(whole - 1);
            let grade = |part| of_share(Rate { part, whole });
            prop_assert!(grade(part + 1) <= grade(part));
        }
    }
}
