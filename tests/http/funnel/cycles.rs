//! Cycles by chance, for the funnel to be asked about.

use std::collections::BTreeMap;

use tandem_store::rows::cycles::Model;
use tandem_tests::START;
use uuid::Uuid;

use crate::trace::chance::Chance;

const CYCLES: usize = 260;
const DAY: i64 = 86_400_000;

/// Cycles of about 200 people over seven months, with every way that a cycle can go, imported oddities included.
pub(crate) fn some_cycles(chance: &mut Chance) -> Vec<Model> {
    let mut numbers = BTreeMap::<u128, i64>::new();
    let mut cycle = |n: usize| {
        let lead = 1 + chance.below(200) as u128;
        let number = numbers.entry(lead).or_default();
        *number += 1;
        let started =
            START.millis() - 150 * DAY + chance.below(210) as i64 * DAY + chance.below(DAY as usize) as i64;
        let mut at = [None; 6];
        let mut left = [None; 6];
        at[0] = Some(started);
        let mut now = started;
        let furthest = [0, 0, 0, 1, 1, 2, 3, 4, 5, 5][chance.below(10)];
        for (stage, at) in at.iter_mut().enumerate().take(furthest + 1).skip(1) {
            now += chance.below(9 * DAY as usize) as i64 - i64::from(chance.below(25) == 0) * 12 * DAY;
            // An import may leave out stages on the way.
            if stage == furthest || chance.below(12) > 0 {
                *at = Some(now);
            }
        }
        for (stage, left) in left.iter_mut().enumerate().take(furthest) {
            *left = at[stage].and(at[stage + 1..].iter().flatten().next().copied());
        }
        if *number > 1 && chance.below(2) == 0 {
            left[0] = None;
        }
        let is_over = chance.below(3) == 0;
        let ended = is_over.then(|| now + chance.below(20 * DAY as usize) as i64);
        if is_over {
            left[furthest] = ended;
        }
        let reached = (0..6).filter(|stage| at[*stage].is_some()).map(|stage| 1 << stage);
        let name = |chance: &mut Chance, names: &[&str]| {
            let picked = *chance.pick(names);
            (!picked.is_empty()).then(|| picked.to_owned())
        };
        let campaign = name(chance, &["spring", "+summer", ""]);
        let id = |n: usize| (n > 0).then(|| Uuid::from_u128(n as u128));
        Model {
            id: Uuid::from_u128(0x1_0000 + (n as u128 * 7919) % 65_536),
            lead_id: Uuid::from_u128(lead),
            number: *number,
            started_at: started,
            ended_at: ended,
            lead_at: at[0],
            mql_at: at[1],
            sal_at: at[2],
            sql_at: at[3],
            opportunity_at: at[4],
            customer_at: at[5],
            nurture_at: None,
            disqualified_at: ended,
            churned_at: None,
            lead_left_at: left[0],
            mql_left_at: left[1],
            sal_left_at: left[2],
            sql_left_at: left[3],
            opportunity_left_at: left[4],
            customer_left_at: left[5],
            path: reached.sum::<i64>() + if is_over { 1 << 7 | 1 << 9 } else { 0 },
            last_reason: if is_over { name(chance, &["spam", "no_budget", "a&b", ""]) } else { None },
            agreement_version: 1 + chance.below(2) as i64,
            channel: name(chance, &["email", "paid_search", ""]),
            source: name(chance, &["google", "bing", "Ünï & co", ""]),
            campaign_key: campaign.clone(),
            campaign,
            content: name(chance, &["banner", "+video", ""]),
            form_id: id(chance.below(3)),
            country: name(chance, &["IT", "DE", ""]),
            owner_id: id(chance.below(4)),
        }
    };
    (0..CYCLES).map(&mut cycle).collect()
}
