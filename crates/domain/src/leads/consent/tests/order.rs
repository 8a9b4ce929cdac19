//! The order in which statements arrive does not matter.

use proptest::prelude::*;

use super::*;

/// The slow and obvious way: all statements, from the first to the last.
fn listened(mut facts: Vec<ConsentFact>, double_opt_in: bool) -> MayContact {
    facts.sort_by_key(|fact| (fact.stated_at, fact.state == ConsentState::Withdrawn, fact.id));
    let mut heard = MayContact {
        allowed: false,
        why: ContactReason::NeverAsked,
        since: None,
    };
    let (mut confirmed, mut complained) = (None, false);
    for fact in facts {
        if complained && fact.state == ConsentState::Granted && fact.is_by_form {
            continue;
        }
        complained = match fact.state {
            ConsentState::Withdrawn => complained || fact.reason == Some(WithdrawalReason::Complained),
            ConsentState::Disregarded => complained,
            ConsentState::Granted | ConsentState::Confirmed => false,
        };
        match fact.state {
            ConsentState::Withdrawn => {
                confirmed = None;
                let reason = match fact.reason {
                    Some(WithdrawalReason::Unsubscribed) => ContactReason::Unsubscribed,
                    Some(WithdrawalReason::Bounced) => ContactReason::Bounced,
                    Some(WithdrawalReason::Complained) => ContactReason::Complained,
                    None => ContactReason::Withdrawn,
                };
                heard = why(false, reason, fact.stated_at);
                continue;
            }
            ConsentState::Disregarded => continue,
            ConsentState::Confirmed => confirmed = Some(fact.stated_at),
            ConsentState::Granted => {}
        }
        heard = match (double_opt_in, confirmed) {
            (false, _) => why(true, ContactReason::Granted, fact.stated_at),
            (true, Some(at)) => why(true, ContactReason::Granted, at),
            (true, None) => why(false, ContactReason::NotConfirmed, fact.stated_at),
        };
    }
    heard
}

fn facts() -> impl Strategy<Value = Vec<ConsentFact>> {
    let state = prop_oneof![
        Just((ConsentState::Granted, None)),
        Just((ConsentState::Confirmed, None)),
        Just((ConsentState::Disregarded, None)),
        Just((ConsentState::Withdrawn, None)),
        Just((ConsentState::Withdrawn, Some(WithdrawalReason::Unsubscribed))),
        Just((ConsentState::Withdrawn, Some(WithdrawalReason::Complained))),
    ];
    // Few instants, so that several statements share one.
    proptest::collection::vec((state, 0..12_i64, proptest::bool::ANY), 0..24).prop_map(|drawn| {
        let ids = Ids::new(NOW, 0);
        let fact = |((state, reason), at, is_by_form)| ConsentFact {
            id: ids.next(),
            state,
            reason,
            address: None,
            is_by_form,
            stated_at: later(at),
        };
        drawn.into_iter().map(fact).collect()
    })
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter((sent, arrived) in facts().prop_flat_map(|f| (Just(f.clone()), Just(f).prop_shuffle()))) {
        for double_opt_in in [false, true] {
            let heard = listened(sent.clone(), double_opt_in);
            prop_assert_eq!(Standing::of(sent.iter().cloned()).may_contact(double_opt_in), heard);
            prop_assert_eq!(Standing::of(arrived.iter().cloned()).may_contact(double_opt_in), heard);
        }
    }

    #[test]
    fn what_is_kept_in_another_order_stands_the_same(order in Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle(), times in proptest::collection::vec(0..4_i64, 6)) {
        let stood = |order: &[usize]| {
            let ids = Ids::new(NOW, 0);
            let (mut world, lead, actor) = given(&ids);
            for n in order {
                let said = StateConsent { stated_at: Some(later(times[*n])), ..says("calls", n % 2 == 0) };
                state(&mut world, lead, said, &Act::test(&actor, later(100), &ids)).unwrap();
            }
            stands(&world, lead, "calls")
        };
        prop_assert_eq!(stood(&order), stood(&[0, 1, 2, 3, 4, 5]), "ids are drawn on arrival, and decide nothing");
    }
}
