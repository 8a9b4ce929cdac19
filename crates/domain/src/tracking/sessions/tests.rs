//! What a session is, and that the order of arrival is of no importance.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const START: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;

fn view(minute: i64, url: &str, referrer: Option<&str>) -> Point {
    Point {
        at: Timestamp::from_millis(START + minute * MINUTE),
        is_submission: false,
        pages: Pages {
            url: Some(format!("https://www.example.com{url}")),
            referrer: referrer.map(str::to_owned),
            ..Pages::default()
        },
    }
}

fn sent(minute: i64, landing: Option<&str>) -> Point {
    let mut point = view(minute, "/contact", Some("https://www.example.com/"));
    point.is_submission = true;
    point.pages.landing_url = landing.map(str::to_owned);
    point
}

fn channels(points: Vec<Point>) -> Vec<(i64, i64, Option<String>)> {
    let made = sessions(None, points, &TouchRules::default());
    let told = |session: Session| {
        let minute = (session.started_at.millis() - START) / MINUTE;
        (
            minute,
            session.events,
            session.touch.and_then(|touch| touch.channel),
        )
    };
    made.into_iter().map(told).collect()
}

fn named(told: &[(i64, i64, &str)]) -> Vec<(i64, i64, Option<String>)> {
    told.iter()
        .map(|(at, n, name)| (*at, *n, Some((*name).to_owned())))
        .collect()
}

#[test]
fn a_landing_a_week_a_direct_visit_and_a_form_are_two_sessions() {
    let week = 7 * 24 * 60;
    let landing = "/?utm_source=google&utm_medium=cpc&utm_campaign=spring&gclid=Cj0";
    let told = channels(vec![
        view(0, landing, Some("https://www.google.com/")),
        view(1, "/pricing", Some("https://www.example.com/")),
        view(week, "/", None),
        sent(week + 2, Some(&format!("https://www.example.com{landing}"))),
    ]);
    assert_eq!(told, named(&[(0, 2, "paid_search"), (week, 2, "direct")]));
}

#[test]
fn a_gap_of_half_an_hour_begins_another_session() {
    let told = channels(vec![
        view(0, "/", None),
        view(29, "/a", None),
        view(59, "/b", None),
    ]);
    assert_eq!(told, named(&[(0, 2, "direct"), (59, 1, "direct")]));
}

#[test]
fn another_campaign_click_or_site_begins_another_session_and_a_reload_does_not() {
    let newsletter = "/?utm_source=news&utm_medium=email&utm_campaign=may";
    let told = channels(vec![
        view(0, "/", Some("https://www.bing.com/")),
        view(1, "/", Some("https://www.bing.com/")),
        view(2, newsletter, None),
        view(3, newsletter, None),
        view(4, "/x", Some("https://www.example.com/")),
        view(5, "/?gclid=Cj0", None),
        view(6, "/", Some("https://partner.example/")),
    ]);
    let expected = named(&[
        (0, 2, "organic_search"),
        (2, 3, "email"),
        (5, 1, "paid_search"),
        (6, 1, "referral"),
    ]);
    assert_eq!(told, expected);
}

#[test]
fn a_form_alone_makes_a_touch_of_what_it_tells_and_one_in_a_visit_makes_none() {
    let landing = Some("https://www.example.com/?utm_source=li&utm_medium=paid-social");
    assert_eq!(
        channels(vec![sent(0, landing)])[0].2.as_deref(),
        Some("paid_social")
    );
    assert_eq!(
        channels(vec![view(0, "/", None), sent(1, landing)]),
        named(&[(0, 2, "direct")])
    );
    let mut silent = sent(0, None);
    silent.pages = Pages::default();
    assert_eq!(channels(vec![silent]), [(0, 1, None)]);
}

#[test]
fn a_visit_that_is_made_anew_keeps_its_channel_as_long_as_it_is_the_same() {
    let known = sessions(None, vec![view(0, "/", None)], &TouchRules::default()).remove(0);
    let by_another_rule = |touch: Option<Touch>| {
        let channel = Some("own".to_owned());
        touch.map(|touch| Touch { channel, ..touch })
    };
    let mut anew = known.clone();
    anew.events = 2;
    anew.touch = by_another_rule(anew.touch);
    anew.keep_channel_of(&known);
    assert_eq!((&anew.touch, anew.events), (&known.touch, 2));

    let mut other = sessions(None, vec![view(0, "/?gclid=Cj0", None)], &TouchRules::default()).remove(0);
    other.touch = by_another_rule(other.touch);
    let before = other.clone();
    other.keep_channel_of(&known);
    assert_eq!(other, before);
}

/// A model of the store for one visitor: its stored points and sessions, and how a batch of events is added.
#[derive(Default)]
struct Kept {
    points: Vec<Point>,
    sessions: Vec<Session>,
}

impl Kept {
    fn arrive(&mut self, new: &[Point]) {
        let rules = TouchRules::default();
        self.points.extend_from_slice(new);
        let Some((low, high)) = window(new) else { return };
        let near = |session: &Session| session.ended_at >= low && session.started_at <= high;
        let around: Vec<Session> = self.sessions.iter().filter(|one| near(one)).cloned().collect();
        match way(&around, new) {
            SessionUpdate::Append(open) => {
                let open = open.map(|open| *open);
                self.sessions.retain(|session| Some(session) != open.as_ref());
                self.sessions.extend(sessions(open, new.to_vec(), &rules));
            }
            SessionUpdate::Redo => {
                let runs: BTreeSet<Timestamp> = around.iter().map(|session| session.run_at).collect();
                let (gone, rest): (Vec<_>, Vec<_>) = self
                    .sessions
                    .drain(..)
                    .partition(|session| runs.contains(&session.run_at));
                let (low, high) = span(&gone, new);
                let within = self
                    .points
                    .iter()
                    .filter(|point| (low..=high).contains(&point.at));
                self.sessions = rest;
                self.sessions
                    .extend(sessions(None, within.cloned().collect(), &rules));
            }
        }
        self.sessions.sort_by_key(|session| session.started_at);
    }
}

fn any_point() -> impl Strategy<Value = Point> {
    let url = prop_oneof![
        4 => Just("/a"),
        1 => Just("/?utm_source=news&utm_medium=email&utm_campaign=may"),
        1 => Just("/?utm_source=ads&utm_medium=cpc"),
        1 => Just("/?gclid=Cj0"),
    ];
    let referrer = prop_oneof![
        4 => Just(Some("https://www.example.com/")),
        2 => Just(None),
        1 => Just(Some("https://www.google.com/")),
        1 => Just(Some("https://partner.example/")),
    ];
    (0..3000i64, url, referrer, prop::bool::weighted(0.1)).prop_map(
        |(minute, url, referrer, is_submission)| Point {
            is_submission,
            ..view(minute, url, referrer)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1))]

    #[test]
    fn five_hundred_events_in_a_hundred_orders_end_the_same(
        points in prop::collection::vec(any_point(), 500),
        seed in any::<u64>(),
    ) {
        let expected = sessions(None, points.clone(), &TouchRules::default());
        for round in 0..100u64 {
            let mut shuffled = points.clone();
            let chance = |n: usize| crate::id::splitmix64(seed ^ round << 32 ^ n as u64);
            for n in (1..shuffled.len()).rev() {
                shuffled.swap(n, (chance(n) % (n as u64 + 1)) as usize);
            }
            let mut kept = Kept::default();
            let mut rest = shuffled.as_slice();
            while !rest.is_empty() {
                let (batch, later) = rest.split_at(rest.len().min(1 + (chance(rest.len() + 1000) % 60) as usize));
                kept.arrive(batch);
                rest = later;
            }
            prop_assert_eq!(&kept.sessions, &expected, "round {}", round);
        }
    }
}

#[test]
fn a_visit_goes_on_through_payment_sign_in_and_the_companys_other_sites() {
    let rules = TouchRules::new(
        crate::tracking::channels::ChannelRules::default(),
        crate::tracking::IgnoredReferrers::default(),
        ["https://shop.example.org"],
    );
    let made = sessions(
        None,
        vec![
            view(0, "/", Some("https://www.google.com/")),
            view(5, "/thanks", Some("https://www.paypal.com/")),
            view(10, "/account", Some("https://accounts.google.com/")),
            view(15, "/", Some("https://www.example.org/")),
            view(20, "/", Some("https://news.example.net/")),
        ],
        &rules,
    );
    let events: Vec<i64> = made.iter().map(|session| session.events).collect();
    assert_eq!(events, [4, 1]);
    let later = sessions(None, vec![view(0, "/", Some("https://www.paypal.com/"))], &rules).remove(0);
    let touch = later.touch.unwrap();
    assert_eq!((touch.channel.as_deref(), touch.source), (Some("direct"), None));
}
