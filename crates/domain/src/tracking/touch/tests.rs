//! Touches of visits.

use super::*;
use crate::tracking::channels::ChannelRules;

const NOW: Timestamp = Timestamp::from_millis(1_767_312_000_000);

fn landed(landing: &str, referrer: Option<&str>) -> Touch {
    let visit = Visit {
        landing: Some(landing),
        began_there: true,
        referrer,
    };
    touch(visit, &Touch::default(), &TouchRules::default(), NOW).unwrap()
}

fn way_of(touch: &Touch) -> (Option<&str>, Option<&str>, Option<&str>) {
    (
        touch.source.as_deref(),
        touch.medium.as_deref(),
        touch.channel.as_deref(),
    )
}

#[test]
fn a_landing_shows_where_the_person_came_from() {
    let site = "https://www.example.com/offer";
    for (landing, referrer, source, medium, channel) in [
        (
            "?utm_source=google&utm_medium=cpc",
            None,
            Some("google"),
            Some("cpc"),
            "paid_search",
        ),
        (
            "?utm_source=newsletter&utm_medium=email",
            Some("https://mail.google.com/"),
            Some("newsletter"),
            Some("email"),
            "email",
        ),
        ("", None, None, None, "direct"),
        (
            "",
            Some("https://www.google.it/"),
            Some("google"),
            Some("organic"),
            "organic_search",
        ),
        (
            "",
            Some("https://l.facebook.com/"),
            Some("l.facebook.com"),
            Some("referral"),
            "organic_social",
        ),
        (
            "",
            Some("https://www.youtube.com/"),
            Some("youtube.com"),
            Some("referral"),
            "organic_video",
        ),
        (
            "",
            Some("https://chatgpt.com/"),
            Some("chatgpt.com"),
            Some("ai-assistant"),
            "ai_assistant",
        ),
        (
            "",
            Some("https://blog.example.org/post?id=1"),
            Some("blog.example.org"),
            Some("referral"),
            "referral",
        ),
        // A page of the own site led there: nothing from outside is known.
        ("", Some("https://shop.example.com/"), None, None, "direct"),
        // Click ids that somebody paid for name the network, and leave UTM parameters their word.
        (
            "?gclid=abc",
            Some("https://www.google.com/"),
            Some("google"),
            Some("cpc"),
            "paid_search",
        ),
        ("?wbraid=abc", None, Some("google"), Some("cpc"), "paid_search"),
        ("?msclkid=abc", None, Some("bing"), Some("cpc"), "paid_search"),
        (
            "?li_fat_id=abc",
            None,
            Some("linkedin"),
            Some("cpc"),
            "paid_social",
        ),
        ("?ttclid=abc", None, Some("tiktok"), Some("cpc"), "paid_social"),
        (
            "?gclid=abc&utm_source=google&utm_campaign=brand",
            None,
            Some("google"),
            Some("cpc"),
            "paid_search",
        ),
        (
            "?gclid=abc&utm_source=google&utm_medium=display",
            None,
            Some("google"),
            Some("display"),
            "display",
        ),
        // Meta's stands on unpaid links as well.
        (
            "?fbclid=abc",
            None,
            Some("facebook.com"),
            Some("referral"),
            "organic_social",
        ),
        (
            "?fbclid=abc",
            Some("https://l.instagram.com/"),
            Some("l.instagram.com"),
            Some("referral"),
            "organic_social",
        ),
        (
            "?fbclid=abc&utm_source=fb&utm_medium=paid",
            None,
            Some("fb"),
            Some("paid"),
            "paid_social",
        ),
        // With `utm_medium` but no `utm_source`, the source is the referrer's.
        (
            "?utm_medium=cpc",
            Some("https://www.bing.com/"),
            Some("bing"),
            Some("cpc"),
            "paid_search",
        ),
        // With `utm_source` but no `utm_medium`, the medium stays empty: the referrer's is not used.
        (
            "?utm_source=flyer",
            Some("https://www.bing.com/"),
            Some("flyer"),
            None,
            "unassigned",
        ),
        ("?utm_campaign=spring", None, None, None, "unassigned"),
    ] {
        let touch = landed(&format!("{site}{landing}"), referrer);
        assert_eq!(
            way_of(&touch),
            (source, medium, Some(channel)),
            "{landing} {referrer:?}"
        );
        assert_eq!(touch.landing_url.as_deref(), Some(site));
    }
}

#[test]
fn a_page_inside_the_site_says_nothing_of_the_way_there() {
    let visit = Visit {
        landing: Some("https://www.example.com/contact"),
        began_there: false,
        referrer: Some("https://www.example.com/"),
    };

    let inside = touch(visit, &Touch::default(), &TouchRules::default(), NOW).unwrap();
    let tagged = touch(
        Visit {
            landing: Some("https://www.example.com/contact?utm_source=newsletter&utm_medium=email"),
            ..visit
        },
        &Touch::default(),
        &TouchRules::default(),
        NOW,
    );

    assert_eq!(way_of(&inside), (None, None, None));
    assert_eq!(
        way_of(&tagged.unwrap()),
        (Some("newsletter"), Some("email"), Some("email"))
    );
}

#[test]
fn a_form_on_the_landing_itself_was_led_to_by_what_led_to_the_page() {
    let (contact, google) = ("https://www.example.com/contact", "https://www.google.com/");
    let channel = |referrer, landing, led| {
        let visit = Visit::of_form(Some(contact), referrer, landing, led);
        touch(visit, &Touch::default(), &TouchRules::default(), NOW)
            .unwrap()
            .channel
    };
    let organic = Some("organic_search".to_owned());
    let (home, inner) = (
        Some("https://www.example.com/"),
        Some("https://www.example.com/prices"),
    );
    assert_eq!(channel(Some(google), None, None), organic);
    assert_eq!(channel(Some(google), Some(contact), None), organic);
    assert_eq!(channel(inner, home, Some(google)), organic);
    assert_eq!(channel(inner, None, None), None, "it began elsewhere");
    assert_eq!(channel(inner, Some(contact), None), Some("direct".to_owned()));
    assert_eq!(
        channel(Some(google), home, None),
        Some("direct".to_owned()),
        "another page was led to"
    );
}

#[test]
fn everything_that_is_said_is_kept_but_what_may_be_personal() {
    let touch = landed(
        "https://u:p@www.example.com/offer?utm_source=S&utm_medium=M&utm_campaign=%3Cb%3E&utm_term=crm&utm_content=top&gclid=G&email=ada%40example.com",
        Some("https://ada:secret@intra.example.org/wiki?token=t#x"),
    );

    assert_eq!(
        serde_json::to_value(&touch).unwrap(),
        serde_json::json!({
            "channel": "unassigned", "source": "S", "medium": "M", "campaign": "<b>", "term": "crm", "content": "top",
            "click_ids": {"gclid": "G"}, "landing_url": "https://www.example.com/offer",
            "referrer": "https://intra.example.org/wiki", "occurred_at": "2026-01-02T00:00:00.000Z",
        })
    );
}

#[test]
fn without_a_page_there_is_no_touch() {
    for (landing, referrer) in [
        (None, None),
        (Some(""), Some(" ")),
        (Some("javascript:alert(1)"), None),
    ] {
        let visit = Visit {
            landing,
            began_there: true,
            referrer,
        };
        assert_eq!(touch(visit, &Touch::default(), &TouchRules::default(), NOW), None);
    }
}

#[test]
fn own_rules_see_the_way_as_it_was_found() {
    let rules: ChannelRules = serde_json::from_value(serde_json::json!({"rules": [
        {"when": {"referrer_host": {"exact": "chatgpt.com"}}, "channel": "assistants"},
    ]}))
    .unwrap();
    let visit = Visit {
        landing: Some("https://www.example.com/"),
        began_there: true,
        referrer: Some("https://chatgpt.com/c/1"),
    };

    let touch = touch(visit, &Touch::default(), &rules.into(), NOW).unwrap();

    assert_eq!(
        way_of(&touch),
        (Some("chatgpt.com"), Some("ai-assistant"), Some("assistants"))
    );
}

#[test]
fn what_is_given_goes_before_what_the_addresses_say() {
    let rules: ChannelRules = serde_json::from_str(
        r#"{"rules": [{"when": {"source": {"exact": "partner-portal"}}, "channel": "alliance"}]}"#,
    )
    .unwrap();
    let rules = TouchRules::from(rules);
    let text = |text: &str| Some(text.to_owned());
    let given = |touch: Touch| Report::from(touch).touch(&rules, NOW, NOW);
    let way = |touch: Touch| {
        let made = given(touch).unwrap();
        let of = |text: Option<String>| text.unwrap_or_default();
        [
            of(made.channel),
            of(made.source),
            of(made.medium),
            of(made.campaign),
        ]
    };
    let google = Touch {
        source: text("google"),
        medium: text("cpc"),
        campaign: text("spring"),
        ..Touch::default()
    };
    assert_eq!(way(google.clone()), ["paid_search", "google", "cpc", "spring"]);
    let named = Touch {
        channel: text("event"),
        ..google.clone()
    };
    assert_eq!(way(named), ["event", "google", "cpc", "spring"]);
    let own = Touch {
        source: text("Partner-Portal"),
        ..Touch::default()
    };
    assert_eq!(way(own), ["alliance", "Partner-Portal", "", ""]);
    let landed = Touch {
        campaign: text("given"),
        landing_url: text(
            "https://u:p@e.com/a?utm_source=bing&utm_medium=cpc&utm_campaign=x&token=t&gclid=g1#access_token=t",
        ),
        referrer: text("https://u:p@www.bing.com/?password=p"),
        ..Touch::default()
    };
    assert_eq!(way(landed.clone()), ["paid_search", "bing", "cpc", "given"]);
    let landed = given(landed).unwrap();
    assert_eq!(landed.landing_url.as_deref(), Some("https://e.com/a"));
    assert_eq!(landed.referrer.as_deref(), Some("https://www.bing.com/"));
    assert_eq!(landed.click_ids.unwrap().gclid.as_deref(), Some("g1"));
    let clicked = Touch {
        click_ids: Some(ClickIds {
            gclid: text("Cj0"),
            fbclid: text("<b>"),
            ..ClickIds::default()
        }),
        ..Touch::default()
    };
    assert_eq!(way(clicked.clone()), ["paid_search", "google", "cpc", ""]);
    assert_eq!(given(clicked).unwrap().click_ids.unwrap().fbclid, None);
    // Its way is not stated, and so unknown.
    let worded = Touch {
        term: text("crm"),
        ..Touch::default()
    };
    assert_eq!(way(worded), ["", "", "", ""]);

    let ahead = Touch {
        occurred_at: Some(NOW.plus_millis(1_000)),
        ..google
    };
    assert_eq!(given(ahead.clone()).unwrap().occurred_at, Some(NOW));
    let silent = Touch {
        occurred_at: ahead.occurred_at,
        source: text(" "),
        ..Touch::default()
    };
    assert_eq!(given(silent), None);
}

#[test]
fn a_given_touch_names_a_known_channel_readable_addresses_and_no_future() {
    let rules: ChannelRules = serde_json::from_str(
        r#"{"rules": [{"when": {"source": {"exact": "partner-portal"}}, "channel": "alliance"}]}"#,
    )
    .unwrap();
    let rules = TouchRules::from(rules);
    let faults = |touch: Touch| -> Vec<String> {
        let faults = Report::from(touch).faults("/first_touch", &rules, NOW);
        faults
            .into_iter()
            .map(|fault| format!("{} {}", fault.pointer, fault.code))
            .collect()
    };
    let text = |text: &str| Some(text.to_owned());
    for channel in ["paid_search", "sales", "unassigned", "alliance"] {
        let touch = Touch {
            channel: text(channel),
            ..Touch::default()
        };
        assert_eq!(faults(touch), [""; 0], "{channel}");
    }
    let touch = Touch {
        channel: text("Paid Search"),
        landing_url: text("javascript:alert(1)"),
        referrer: text("/pricing"),
        occurred_at: Some(NOW.plus_millis(MAX_AHEAD + 1)),
        ..Touch::default()
    };
    assert_eq!(
        faults(touch),
        [
            "/first_touch/channel not_allowed",
            "/first_touch/landing_url invalid_format",
            "/first_touch/occurred_at out_of_range"
        ]
    );
    for (text, channel) in [
        ("Paid Search", Some("paid_search")),
        ("E-Mail", Some("email")),
        ("CROSS_NETWORK", Some("cross_network")),
        ("Alliance", Some("alliance")),
        ("Web", None),
    ] {
        assert_eq!(
            channels::read(text, &rules.channels).as_deref(),
            channel,
            "{text}"
        );
    }
}
