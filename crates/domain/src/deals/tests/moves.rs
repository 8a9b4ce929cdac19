//! The moves that are listed against the acts themselves: what is listed can be done, what is not is refused.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::agreement::Requires;
use crate::handoff::qualification::all_confirmed;
use crate::handoff::qualify;
use crate::lifecycle::moves::{MoveAct, Need, PossibleMove, by_hand};
use crate::lifecycle::{MoveLead, move_lead};

/// Everybody who could ask: each role without and with the lead, an admin beside the role, a key alone and for somebody.
fn callers(owner: Option<UserId>, ids: &mut Ids) -> Vec<Actor> {
    let mut callers = vec![Actor::Key {
        id: ids.next(),
        on_behalf_of: None,
    }];
    for role in Role::ALL {
        let person = |id, admin| Person {
            id,
            role: *role,
            admin,
            teams: vec![],
        };
        let mut people = vec![person(ids.next(), false), person(ids.next(), true)];
        people.extend(owner.map(|owner| person(owner, false)));
        callers.push(Actor::Key {
            id: ids.next(),
            on_behalf_of: Some(person(ids.next(), false)),
        });
        callers.extend(people.into_iter().map(Actor::User));
    }
    callers
}

/// A moment of a story, in which everything can be tried without being done.
struct Moment<'a> {
    story: &'a Story,
    lead: LeadId,
    actor: &'a Actor,
}

impl Moment<'_> {
    fn lead(&self) -> &Lead {
        &self.story.world.leads[&self.lead]
    }

    fn act(&self) -> Act {
        let now = self.story.now.plus_millis(1000);
        Act::test(self.actor, now, &Ids::new(now, 7))
    }

    fn listed(&self) -> Vec<PossibleMove> {
        let mut listed = by_hand(&self.story.world, self.lead(), self.actor);
        listed.extend(moves(&self.story.world, self.lead(), &self.act()));
        listed
    }

    /// The world after an act, unless it is refused.
    fn after(&self, act: MoveAct, to: Stage, reason: Option<&str>, note: Option<&str>) -> Option<World> {
        let mut world = self.story.world.clone();
        let done_now = self.act();
        let (note, reason) = (note.map(str::to_owned), reason.map(str::to_owned));
        let is_done = match act {
            MoveAct::Transition | MoveAct::AcceptHandoff(_) | MoveAct::RejectHandoff(_) => {
                let asked = MoveLead {
                    to: Some(to),
                    reason,
                    note,
                    until: None,
                };
                move_lead(&mut world, self.lead, &asked, &done_now).is_ok()
            }
            MoveAct::RuleOnHandoff(_) => false,
            MoveAct::Qualify => qualify(&mut world, self.lead, &all_confirmed(), &done_now).is_ok(),
            MoveAct::OpenDeal => {
                let asked = OpenDeal {
                    name: "Another".into(),
                    lead_ids: vec![self.lead],
                    ..OpenDeal::default()
                };
                open(&mut world, &asked, &done_now).is_ok()
            }
            MoveAct::CloseDeal(id) => {
                let outcome = match to {
                    Stage::Customer => Outcome::Won,
                    _ => Outcome::Lost,
                };
                let asked = CloseDeal {
                    outcome,
                    reason,
                    competitor: Some("Other Ltd".into()),
                    note,
                    closed_at: None,
                    objections: vec![],
                    until: None,
                };
                close(&mut world, id, &asked, &done_now).is_ok()
            }
            MoveAct::ReopenDeal(id) => {
                let note = note.unwrap_or_default();
                reopen(&mut world, id, &note, &done_now).is_ok()
            }
        };
        is_done.then_some(world)
    }

    /// The stage that an act moves the lead to, if it is not refused and moves it.
    fn goes(&self, act: MoveAct, to: Stage, reason: Option<&str>, note: Option<&str>) -> Option<Stage> {
        let stage = self.after(act, to, reason, note)?.leads[&self.lead].stage;
        (stage != self.lead().stage).then_some(stage)
    }

    /// What is listed can be done as it says.
    fn listed_moves_are_made(&self) {
        for one in self.listed() {
            let note = one.requires.contains(&Need::Note).then_some("because");
            if !one.requires.contains(&Need::Reason) {
                assert_eq!(self.goes(one.act, one.to, None, note), Some(one.to), "{one:?}");
            }
            for reason in &one.reasons {
                let note = note.or(reason.requires.contains(&Requires::Note).then_some("because"));
                let went = self.goes(one.act, one.to, Some(&reason.code), note);
                assert_eq!(went, Some(one.to), "{one:?} {}", reason.code);
            }
        }
    }

    /// What is not listed is refused, or moves nobody.
    fn other_moves_are_refused(&self) {
        let listed: Vec<_> = self.listed().into_iter().map(|one| (one.to, one.act)).collect();
        let reasons = &self.story.world.rules.agreement.agreement.reasons;
        let lists = [
            &reasons.rejection,
            &reasons.disqualification,
            &reasons.loss,
            &reasons.win,
            &reasons.churn,
        ];
        let codes: BTreeSet<_> = lists
            .into_iter()
            .flatten()
            .map(|reason| &reason.code[..])
            .collect();
        let deals = self.story.world.sales.deals.keys();
        let acts = deals
            .flat_map(|id| [MoveAct::CloseDeal(*id), MoveAct::ReopenDeal(*id)])
            .chain([MoveAct::Transition, MoveAct::Qualify, MoveAct::OpenDeal]);
        for act in acts {
            for to in Stage::ALL {
                for code in codes.iter().copied().map(Some).chain([None]) {
                    if let Some(went) = self.goes(act, *to, code, Some("because")) {
                        assert!(listed.contains(&(went, act)), "{act:?} {went:?} {listed:?}");
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever has happened to a lead and its deals, and for every caller: exactly the listed moves can be made.
    #[test]
    fn exactly_the_listed_moves_can_be_made(
        steps in prop::collection::vec((any::<usize>(), any::<usize>(), prop::bool::weighted(0.2)), 0..14),
        who in any::<usize>(),
        owner in 0usize..3,
    ) {
        let mut story = Story::begin();
        let lead = story.lead(Stage::Lead);
        let admin = someone(Role::Admin, &story.ids);
        for (choice, reason, opens_another) in steps {
            story.now = story.now.plus_millis(2000);
            let moment = Moment { story: &story, lead, actor: &admin };
            let listed = moment.listed();
            let one = &listed[choice % listed.len()];
            let code = one.reasons.get(reason % one.reasons.len().max(1)).map(|reason| &reason.code[..]);
            let act = if opens_another { MoveAct::OpenDeal } else { one.act };
            if let Some(world) = moment.after(act, one.to, code, Some("because")) {
                story.world = world;
            }
        }
        story.now = story.now.plus_millis(2000);
        let rep = story.ids.next();
        if let (Some(known), true) = (story.world.leads.get_mut(&lead), owner > 0) {
            known.owner_id = Some(rep);
        }
        let callers = callers((owner == 1).then_some(rep), &mut story.ids);
        let moment = Moment { story: &story, lead, actor: &callers[who % callers.len()] };
        moment.listed_moves_are_made();
        moment.other_moves_are_refused();
    }
}
