//! Credits by hand from the specification's example, and by chance against slow evaluations.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::markov::{Chain, Channel};
use super::*;
use crate::id::Id;

const HALF_LIFE: i64 = 7 * DAY;

fn touch(n: usize, day: i64, channel: Option<&str>) -> PathTouch {
    PathTouch {
        id: Id::from_uuid(Uuid::from_u128(n as u128 + 1)),
        at: Timestamp::from_millis(day * DAY),
        channel: channel.map(str::to_owned),
        source: None,
        campaign: None,
        campaign_id: None,
        content: None,
    }
}

/// Touches on these days, the poles and the outcome on days too.
fn path(days: &[i64], lead: Option<i64>, deal: Option<i64>, outcome: i64) -> Path {
    let at = |day: i64| Timestamp::from_millis(day * DAY);
    let touches = days
        .iter()
        .enumerate()
        .map(|(n, day)| touch(n, *day, Some("email")));
    Path::new(touches.collect(), at(outcome), lead.map(at), deal.map(at))
}

fn credits(name: ModelName, path: &Path, amount: i64) -> Vec<i64> {
    let model = Model::named(name, HALF_LIFE, None).unwrap();
    model
        .weights(path)
        .map_or(vec![], |weights| apportion(amount, &weights))
}

#[test]
fn position_models_as_worked_in_the_specification() {
    for (touches, expected) in [
        (1, vec![10_000]),
        (2, vec![5000, 5000]),
        (3, vec![4000, 2000, 4000]),
        (5, vec![4000, 667, 667, 666, 4000]),
    ] {
        let path = path(&(0..touches).collect::<Vec<_>>(), None, None, 10);
        assert_eq!(credits(ModelName::UFirstLast, &path, 10_000), expected);
    }
    let five = path(&[0, 1, 2, 3, 4], Some(2), Some(4), 10);
    assert_eq!(credits(ModelName::W, &five, 100), [30, 5, 30, 5, 30]);
    let six = path(&[0, 1, 2, 3, 4, 5], Some(2), Some(4), 10);
    assert_eq!(
        credits(ModelName::FullPath, &six, 1000),
        [225, 50, 225, 50, 225, 225]
    );
    let decaying = path(&[0, 7, 14], None, None, 14);
    assert_eq!(
        credits(ModelName::TimeDecay, &decaying, 10_000),
        [1429, 2857, 5714]
    );
}

#[test]
fn a_missing_pole_leaves_its_share_to_the_others() {
    // No touch before the lead became known: first and deal share 60 of 90 as 45 each.
    let without_lead = path(&[1, 2, 3], Some(0), Some(3), 3);
    assert_eq!(credits(ModelName::W, &without_lead, 1000), [450, 100, 450]);
    // One touch is first and lead.
    let both = path(&[0, 5, 6], Some(1), None, 6);
    assert_eq!(credits(ModelName::UFirstLead, &both, 1000), [800, 100, 100]);
    assert_eq!(credits(ModelName::LeadTouch, &both, 1000), [1000, 0, 0]);
    assert!(
        credits(ModelName::LeadTouch, &without_lead, 1000).is_empty(),
        "unattributed"
    );
    let one = path(&[1], Some(0), None, 1);
    assert_eq!(credits(ModelName::UFirstLead, &one, 1000), [1000]);
    assert!(credits(ModelName::LeadTouch, &one, 1000).is_empty());
    assert!(credits(ModelName::Linear, &path(&[], None, None, 1), 1000).is_empty());
}

#[test]
fn direct_touches_are_passed_over_unless_all_are() {
    let at = Timestamp::from_millis(9 * DAY);
    let channels = [Some("email"), Some("direct"), None];
    let touches = |channels: &[Option<&str>]| {
        let all = channels.iter().enumerate();
        all.map(|(n, channel)| touch(n, n as i64, *channel)).collect()
    };
    let led = Path::new(touches(&channels), at, None, None);
    assert_eq!(credits(ModelName::LastNonDirect, &led, 7), [7, 0, 0]);
    let direct = Path::new(touches(&channels[1..]), at, None, None);
    assert_eq!(credits(ModelName::LastNonDirect, &direct, 7), [0, 7]);
    assert!(led.is_influenced() && !direct.is_influenced() && !led.is_sourced());
    assert!(Path::new(touches(&channels), at, Some(at.plus_millis(-9 * DAY)), None).is_sourced());
}

#[test]
fn shares_of_poles_are_read_and_sum_to_100() {
    assert_eq!(Poles::read("first:40,last:40", "20"), Ok(Poles::U_FIRST_LAST));
    assert_eq!(
        Poles::read("first:22.5, lead:22.5,deal:22.5,last:22.5", "10.0"),
        Ok(Poles::FULL_PATH)
    );
    for (poles, rest) in [
        ("first:40,last:40", "21"),
        ("first:100", "100"),
        ("first:999", "0"),
    ] {
        assert_eq!(Poles::read(poles, rest), Err(NotPoles::Sum), "{poles}");
    }
    for poles in [
        "",
        "first",
        "first:",
        "middle:100",
        "first:50,first:50",
        "first:-1",
        "first:1.25",
        "first:+9",
    ] {
        assert_eq!(Poles::read(poles, "0"), Err(NotPoles::Unreadable), "{poles}");
    }
}

#[test]
fn the_lookback_and_the_outcome_bound_a_path() {
    let all = path(&[0, 10, 400, 401], None, None, 400);
    assert_eq!(all.touches().len(), 3, "none after the outcome");
    let year = all.clone().within(Lookback::default());
    assert_eq!(year.touches().len(), 1);
    assert_eq!(all.clone().within(Lookback::Millis(390 * DAY)).touches().len(), 2);
    assert_eq!(all.clone().within(Lookback::All), all);
}

#[test]
fn the_chain_as_worked_in_the_specification() {
    let mut chain = Chain::default();
    for (channels, converted) in [("AB", true), ("A", false), ("B", true), ("B", false)] {
        chain.add(
            channels.split("").filter(|one| !one.is_empty()).map(Some),
            converted,
        );
    }
    chain.add([], true);
    assert!((chain.conversion() - 0.5).abs() < 1e-12);
    let effects = chain.removal_effects();
    let of = |name: &str| effects[&Some(name.to_owned())];
    assert!((of("A") - 1.0 / 3.0).abs() < 1e-12 && (of("B") - 1.0).abs() < 1e-12);
    let weights: Vec<u64> = chain.weights().into_values().collect();
    assert_eq!(apportion(2000, &weights), [500, 1500]);
    let mut lost = Chain::default();
    lost.add([Some("A")], false);
    assert!(lost.removal_effects().is_empty() && Chain::default().removal_effects().is_empty());
}

/// The probability of converting without a channel, by walking step after step until next to nothing is under way.
fn walked(journeys: &[(Vec<u8>, bool)], without: Option<u8>) -> f64 {
    let mut counts: BTreeMap<(Option<u8>, Option<u8>), f64> = BTreeMap::new();
    let mut converted: BTreeMap<u8, f64> = BTreeMap::new();
    let mut totals: BTreeMap<Option<u8>, f64> = BTreeMap::new();
    for (channels, is_converted) in journeys.iter().filter(|(channels, _)| !channels.is_empty()) {
        let mut here = None;
        for next in channels.iter().map(|one| Some(*one)).chain([None]) {
            *totals.entry(here).or_default() += 1.0;
            match next {
                Some(_) => *counts.entry((here, next)).or_default() += 1.0,
                None if *is_converted => *converted.entry(here.unwrap()).or_default() += 1.0,
                None => {}
            }
            here = next;
        }
    }
    let (mut mass, mut done) = (BTreeMap::from([(None, 1.0)]), 0.0);
    while mass.values().sum::<f64>() > 1e-13 {
        let mut following: BTreeMap<Option<u8>, f64> = BTreeMap::new();
        for (here, share) in mass {
            let Some(total) = totals.get(&here) else { continue };
            if let Some(count) = here.and_then(|here| converted.get(&here)) {
                done += share * count / total;
            }
            for ((_, to), count) in counts
                .iter()
                .filter(|((from, to), _)| *from == here && *to != without)
            {
                *following.entry(*to).or_default() += share * count / total;
            }
        }
        mass = following;
    }
    done
}

fn some_path() -> impl Strategy<Value = (Vec<PathTouch>, i64, Option<i64>, Option<i64>)> {
    let channel = prop::option::of(prop::sample::select(vec![
        "email",
        "direct",
        "sales",
        "paid_search",
    ]));
    let touches = prop::collection::vec((-400..60_i64, channel), 0..12);
    let pole = || prop::option::of(-400..60_i64);
    (touches, 0..50_i64, pole(), pole()).prop_map(|(touches, outcome, lead, deal)| {
        let touches = touches.into_iter().enumerate();
        let touches = touches
            .map(|(n, (day, channel))| touch(n, day, channel))
            .collect();
        (touches, outcome, lead, deal)
    })
}

fn made(touches: &[PathTouch], outcome: i64, lead: Option<i64>, deal: Option<i64>) -> Path {
    let at = |day: i64| Timestamp::from_millis(day * DAY);
    Path::new(touches.to_vec(), at(outcome), lead.map(at), deal.map(at)).within(Lookback::default())
}

/// What a pole model gives to a touch, as a fraction, by the words of the specification.
fn by_words(path: &Path, shares: [f64; 4], rest: f64, place: usize) -> Option<f64> {
    let n = path.touches().len();
    if n == 1 {
        return Some(1.0);
    }
    let places = Pole::ALL.iter().map(|pole| path.place(*pole));
    let poles: Vec<(usize, f64)> = places
        .zip(shares)
        .filter_map(|(place, share)| place.filter(|_| share > 0.0).map(|place| (place, share)))
        .collect();
    let others = (0..n)
        .filter(|place| poles.iter().all(|(pole, _)| pole != place))
        .count();
    let known: f64 = poles.iter().map(|(_, share)| share).sum();
    let for_others = if others > 0 { rest } else { 0.0 };
    if poles.is_empty() {
        return (rest > 0.0).then(|| 1.0 / n as f64);
    }
    let mine = poles.iter().filter(|(pole, _)| *pole == place);
    let mine: Vec<f64> = mine
        .map(|(_, share)| share / known * (100.0 - for_others))
        .collect();
    Some(match mine.is_empty() {
        true => for_others / others as f64 / 100.0,
        false => mine.iter().sum::<f64>() / 100.0,
    })
}

proptest! {
    #[test]
    fn credits_sum_to_the_amount_in_any_order_of_input(
        (touches, outcome, lead, deal) in some_path(), amount in -(1_i64 << 53)..(1_i64 << 53), turn in 0..12_usize,
    ) {
        let path = made(&touches, outcome, lead, deal);
        let mut turned = touches.clone();
        turned.rotate_left(turn % touches.len().max(1));
        turned.reverse();
        for name in ModelName::ALL {
            let Some(model) = Model::named(*name, HALF_LIFE, Some(Poles::W)) else { continue };
            let weights = model.weights(&path);
            prop_assert_eq!(&weights, &model.weights(&made(&turned, outcome, lead, deal)));
            let Some(weights) = weights else { continue };
            let parts = apportion(amount, &weights);
            prop_assert_eq!(parts.iter().sum::<i64>(), amount, "{}", name.name());
            prop_assert!(parts.iter().all(|part| part.signum() * amount.signum() >= 0));
            prop_assert_eq!(apportion(-amount, &weights), parts.iter().map(|part| -part).collect::<Vec<_>>());
            let total: u64 = weights.iter().sum();
            for (part, weight) in parts.iter().zip(&weights) {
                let exact = amount as f64 * (*weight as f64 / total as f64);
                prop_assert!((*part as f64 - exact).abs() <= 1.0 + exact.abs() * 1e-9);
            }
        }
        prop_assert!(path.touches().iter().all(|touch| touch.at.millis() <= outcome * DAY));
    }

    #[test]
    fn position_models_do_what_their_words_say(
        (touches, outcome, lead, deal) in some_path(), custom in (0..=400_u32, 0..=300_u32, 0..=200_u32, 0..=100_u32),
    ) {
        let path = made(&touches, outcome, lead, deal);
        let (first, lead, deal, last) = custom;
        let rest = 1000 - first - lead - deal - last;
        let text = |share: u32| format!("{}.{}", share / 10, share % 10);
        let poles = format!("first:{},lead:{},deal:{},last:{}", text(first), text(lead), text(deal), text(last));
        let custom = Poles::read(&poles, &text(rest)).unwrap();
        let shares = [first, lead, deal, last].map(|share| f64::from(share) / 10.0);
        let presets = [
            (ModelName::UFirstLast, "first:40,last:40", "20"),
            (ModelName::UFirstLead, "first:40,lead:40", "20"),
            (ModelName::W, "first:30,lead:30,deal:30", "10"),
            (ModelName::FullPath, "first:22.5,lead:22.5,deal:22.5,last:22.5", "10"),
        ];
        for (preset, poles, rest) in presets {
            let custom = Model::named(ModelName::Custom, 0, Some(Poles::read(poles, rest).unwrap())).unwrap();
            prop_assert_eq!(Model::named(preset, 0, None).unwrap().weights(&path), custom.weights(&path));
        }
        let weights = Model::Poles(custom).weights(&path);
        let total = weights.as_ref().map_or(0, |weights| weights.iter().sum::<u64>());
        for place in 0..path.touches().len() {
            let expected = by_words(&path, shares, f64::from(rest) / 10.0, place);
            let found = weights.as_ref().map(|weights| weights[place] as f64 / total as f64);
            prop_assert_eq!(found.is_some(), expected.is_some());
            prop_assert!((found.unwrap_or_default() - expected.unwrap_or_default()).abs() < 1e-9);
        }
    }

    #[test]
    fn removal_effects_are_what_walking_finds(
        journeys in prop::collection::vec((prop::collection::vec(0..5_u8, 0..6), any::<bool>()), 1..25),
    ) {
        let mut chain = Chain::default();
        for (channels, converted) in &journeys {
            let names: Vec<String> = channels.iter().map(u8::to_string).collect();
            chain.add(names.iter().map(|name| Some(name.as_str())), *converted);
        }
        let whole = walked(&journeys, None);
        prop_assert!((chain.conversion() - whole).abs() < 1e-9);
        let effects = chain.removal_effects();
        prop_assert_eq!(effects.is_empty(), whole == 0.0);
        for (channel, effect) in effects {
            let Channel::Some(name) = channel else { continue };
            let without = walked(&journeys, name.parse().ok());
            prop_assert!((effect - (1.0 - without / whole)).abs() < 1e-8, "{}: {} {}", name, effect, without);
        }
    }
}
