//! The order of stage changes: by their instants, and in one instant as the lead went.

use super::{Stage, Transition};

/// Stage changes that are sorted by instant and id, in the order in which the lead went through them.
///
/// Within one instant, each goes on from the stage that the one before led to, whatever order the files of imports had.
/// Of several that do, the one of the earlier cycle goes first, then the one that was made first.
pub fn in_order(transitions: Vec<Transition>) -> Vec<Transition> {
    let mut ordered: Vec<Transition> = Vec::with_capacity(transitions.len());
    let mut open: Vec<Transition> = vec![];
    for one in transitions {
        if open.first().is_some_and(|first| first.at != one.at) {
            chain(&mut open, &mut ordered);
        }
        open.push(one);
    }
    chain(&mut open, &mut ordered);
    ordered
}

/// Move the stage changes of one instant to those before, each behind the one that it goes on from.
fn chain(open: &mut Vec<Transition>, ordered: &mut Vec<Transition>) {
    while !open.is_empty() {
        let place = |one: &Transition| {
            let mut before = ordered.iter().rev();
            let stage: Option<Stage> = before
                .find(|before| before.lead_id == one.lead_id)
                .map(|one| one.to);
            (one.lead_id, one.cycle, one.from != stage, one.from, one.id)
        };
        let next = (0..open.len())
            .min_by_key(|at| place(&open[*at]))
            .unwrap_or_default();
        let next = open.remove(next);
        ordered.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::ActorKind;
    use crate::id::{Ids, LeadId};
    use crate::instant::Timestamp;
    use proptest::prelude::*;

    fn made(ids: &Ids, lead_id: LeadId, cycle: i64, from: Option<Stage>, to: Stage, at: i64) -> Transition {
        Transition {
            id: ids.next(),
            lead_id,
            cycle,
            from,
            to,
            at: Timestamp::from_millis(at),
            actor_kind: ActorKind::System,
            actor_id: "import".into(),
            on_behalf_of: None,
            reason: None,
            note: None,
            until: None,
            agreement_version: 1,
            score: None,
            by_rule: None,
        }
    }

    proptest! {
        #[test]
        fn an_instant_is_gone_through_in_whatever_order_it_was_imported(
            order in Just(vec![0, 1, 2, 3, 4]).prop_shuffle(),
        ) {
            use Stage::{Customer, Lead, Mql, Opportunity, Sal};
            let way = [(None, Lead), (Some(Lead), Mql), (Some(Mql), Sal), (Some(Sal), Opportunity), (Some(Opportunity), Customer)];
            let ids = Ids::new(Timestamp::from_millis(0), 0);
            let lead_id = ids.next();
            let shuffled = order.iter().map(|at| made(&ids, lead_id, 1, way[*at].0, way[*at].1, 5)).collect();
            let stages: Vec<Stage> = in_order(shuffled).iter().map(|one| one.to).collect();
            prop_assert_eq!(stages, way.map(|(_, to)| to));
        }
    }

    #[test]
    fn what_differs_in_its_instant_or_cycle_stays_in_order() {
        use Stage::{Lead, Mql, Nurture};
        let ids = Ids::new(Timestamp::from_millis(0), 0);
        let lead_id = ids.next();
        let all = vec![
            made(&ids, lead_id, 1, None, Lead, 1),
            made(&ids, lead_id, 2, Some(Nurture), Lead, 2),
            made(&ids, lead_id, 1, Some(Lead), Nurture, 2),
            made(&ids, lead_id, 2, Some(Lead), Mql, 3),
        ];
        let stages: Vec<Stage> = in_order(all).iter().map(|one| one.to).collect();
        assert_eq!(stages, [Lead, Nurture, Lead, Mql]);
    }
}
