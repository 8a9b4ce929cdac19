//! GA4's definitions as a table: each case from the published rule that it tests.

use super::Channel::*;
use super::*;

/// Source, medium, campaign, and what the rule named in the heading above says of them.
const CASES: &[(&str, &str, &str, Channel)] = &[
    // Direct: Source exactly matches "(direct)" AND Medium is one of ("(not set)", "(none)").
    ("(direct)", "(none)", "", Direct),
    ("(direct)", "(not set)", "", Direct),
    ("(DIRECT)", "(None)", "", Direct),
    ("", "", "", Direct),
    ("(direct)", "banner", "", Display),
    ("direct", "none", "", Unassigned),
    // Cross-network: Campaign Name contains "cross-network".
    ("google", "cpc", "spring cross-network 26", CrossNetwork),
    ("google", "cpc", "Cross-Network", CrossNetwork),
    ("newsletter", "email", "cross-network", CrossNetwork),
    ("google", "cpc", "crossnetwork", PaidSearch),
    // Paid Shopping: (Source matches a list of shopping sites OR Campaign Name matches
    // ^(.*(([^a-df-z]|^)shop|shopping).*)$) AND Medium matches ^(.*cp.*|ppc|retargeting|paid.*)$.
    ("amazon", "cpc", "", PaidShopping),
    ("etsy.com", "paid", "", PaidShopping),
    ("google", "cpc", "shopping-it", PaidShopping),
    ("google", "ppc", "autumn shop", PaidShopping),
    ("facebook", "paid-social", "eshop", PaidShopping),
    ("google", "cpc", "workshop", PaidSearch),
    ("google", "cpc", "photoshop-course", PaidSearch),
    // Paid Search: Source matches a list of search sites AND Medium matches the same.
    ("google", "cpc", "", PaidSearch),
    ("Google", "CPC", "Brand", PaidSearch),
    ("bing", "ppc", "", PaidSearch),
    ("duckduckgo.com", "paidsearch", "", PaidSearch),
    ("yahoo", "retargeting", "", PaidSearch),
    ("ecosia.org", "cpm", "", PaidSearch),
    // Paid Social: Source matches a regex list of social sites AND Medium matches the same.
    ("facebook", "cpc", "", PaidSocial),
    ("linkedin.com", "paid-social", "", PaidSocial),
    ("ig", "paid", "", PaidSocial),
    ("t.co", "cpm", "", PaidSocial),
    ("reddit", "retargeting", "", PaidSocial),
    // Paid Video: Source matches a list of video sites AND Medium matches the same.
    ("youtube", "cpc", "", PaidVideo),
    ("youtube.com", "CPV", "", PaidVideo),
    ("vimeo", "paid_video", "", PaidVideo),
    ("twitch.tv", "cpm", "", PaidVideo),
    // Display: Medium is one of ("display", "banner", "expandable", "interstitial", "cpm").
    ("adnetwork", "display", "", Display),
    ("adnetwork", "banner", "", Display),
    ("adnetwork", "expandable", "", Display),
    ("adnetwork", "interstitial", "", Display),
    ("adnetwork", "cpm", "", Display),
    ("google", "display", "", Display),
    // Paid Other: Medium matches the same.
    ("adnetwork", "cpc", "", PaidOther),
    ("newsletter", "paid-placement", "", PaidOther),
    ("capterra", "ppc", "", PaidOther),
    ("chatgpt.com", "cpc", "", PaidOther),
    ("adnetwork", "retargeting", "", PaidOther),
    ("adnetwork", "retargeting-2", "", Unassigned),
    ("adnetwork", "prepaid", "", Unassigned),
    // Organic Shopping: Source matches a list of shopping sites OR Campaign Name matches the same as above.
    ("amazon.de", "referral", "", OrganicShopping),
    ("igshopping", "social", "", OrganicShopping),
    ("newsletter", "email", "winter-shopping", OrganicShopping),
    ("newsletter", "email", "workshop", Email),
    // Organic Social: Source matches a regex list of social sites OR Medium is one of ("social", "social-network",
    // "social-media", "sm", "social network", "social media").
    ("linkedin", "post", "", OrganicSocial),
    ("m.facebook.com", "referral", "", OrganicSocial),
    ("buffer", "social", "", OrganicSocial),
    ("buffer", "social-network", "", OrganicSocial),
    ("buffer", "social-media", "", OrganicSocial),
    ("buffer", "sm", "", OrganicSocial),
    ("buffer", "social network", "", OrganicSocial),
    ("buffer", "Social Media", "", OrganicSocial),
    ("buffer", "socialmedia", "", Unassigned),
    // Organic Video: Source matches a list of video sites OR Medium matches ^(.*video.*)$.
    ("youtube.com", "referral", "", OrganicVideo),
    ("vimeo", "", "", OrganicVideo),
    ("blog", "product-video-1", "", OrganicVideo),
    // Organic Search: Source matches a list of search sites OR Medium exactly matches organic.
    ("google", "organic", "", OrganicSearch),
    ("bing", "referral", "", OrganicSearch),
    ("unknown-engine", "organic", "", OrganicSearch),
    ("unknown-engine", "organics", "", Unassigned),
    // Email: Source = email|e-mail|e_mail|e mail OR Medium = email|e-mail|e_mail|e mail.
    ("newsletter", "email", "", Email),
    ("newsletter", "E-Mail", "", Email),
    ("newsletter", "e_mail", "", Email),
    ("newsletter", "e mail", "", Email),
    ("email", "newsletter", "", Email),
    ("e-mail", "", "", Email),
    ("newsletter", "emails", "", Unassigned),
    // Affiliates: Medium = affiliate.
    ("partner-site", "affiliate", "", Affiliates),
    ("partner-site", "Affiliate", "", Affiliates),
    // Referral: Medium is one of ("referral", "app", or "link").
    ("news.example.com", "referral", "", Referral),
    ("our-app", "app", "", Referral),
    ("pdf", "link", "", Referral),
    // AI assistants, by GA4's medium for them or by our list of sources.
    ("chatgpt.com", "ai-assistant", "", AiAssistant),
    ("assistant.example", "ai-assistant", "", AiAssistant),
    ("chatgpt.com", "", "", AiAssistant),
    ("perplexity.ai", "referral", "", AiAssistant),
    ("chatgpt.com", "cpc", "", PaidOther),
    // A source that says that somebody paid for it.
    ("google_ads", "", "", PaidSearch),
    ("adwords", "", "", PaidSearch),
    ("Facebook Ads", "", "", PaidSocial),
    ("youtube_ads", "", "", PaidVideo),
    ("google_ads", "email", "", Email),
    ("google-loads", "", "", Unassigned),
    // Audio: Medium exactly matches audio.
    ("spotify", "audio", "", Audio),
    ("spotify", "audio-ad", "", Unassigned),
    // SMS: Source exactly matches sms OR Medium exactly matches sms.
    ("sms", "message", "", Sms),
    ("twilio", "SMS", "", Sms),
    // Mobile Push Notifications: Medium ends with "push" OR Medium contains "mobile" or "notification" OR Source
    // exactly matches "firebase".
    ("our-app", "push", "", MobilePush),
    ("our-app", "web-push", "", MobilePush),
    ("our-app", "mobile-banner", "", MobilePush),
    ("our-app", "in-app-notification", "", MobilePush),
    ("firebase", "campaign", "", MobilePush),
    ("our-app", "pushed", "", Unassigned),
    // Unassigned: no other rule fits.
    ("newsletter", "", "", Unassigned),
    ("", "qr", "", Unassigned),
    ("", "", "spring", Unassigned),
    ("<script>", "<b>", "", Unassigned),
];

#[test]
fn each_way_has_the_channel_of_its_definition() {
    assert!(CASES.len() >= 60);
    for (source, medium, campaign, expected) in CASES {
        fn said(text: &str) -> Option<&str> {
            Some(text).filter(|text| !text.is_empty())
        }
        let facts = Facts {
            source: said(source),
            medium: said(medium),
            campaign: said(campaign),
            referrer_host: None,
        };
        assert_eq!(
            by_definition(facts),
            *expected,
            "{source} / {medium} / {campaign}"
        );
    }
}

#[test]
fn every_channel_that_is_found_out_has_a_case() {
    let by_hand = [Event, Partner, Sales];
    for channel in Channel::ALL.iter().filter(|channel| !by_hand.contains(channel)) {
        assert!(
            CASES.iter().any(|(_, _, _, expected)| expected == channel),
            "{channel:?}"
        );
    }
}

fn rules(said: serde_json::Value) -> ChannelRules {
    serde_json::from_value(serde_json::json!({"rules": said})).unwrap()
}

#[test]
fn the_first_own_rule_that_fits_comes_before_the_definitions() {
    let rules = rules(serde_json::json!([
        {"when": {"source": {"exact": "Google"}, "campaign": {"prefix": "partner-"}}, "channel": "partner"},
        {"when": {"source": {"exact": "google"}, "campaign": {"contains": "fair"}}, "channel": "event"},
        {"when": {"medium": {"exact": "ai-assistant"}}, "channel": "assistants"},
        {"when": {"referrer_host": {"contains": ".partner.example"}}, "channel": "partner"},
    ]));
    let facts = |source, medium, campaign, referrer_host| Facts {
        source,
        medium,
        campaign,
        referrer_host,
    };
    for (facts, expected) in [
        (
            facts(Some("google"), Some("cpc"), Some("Partner-1 fair"), None),
            "partner",
        ),
        (
            facts(Some("google"), Some("cpc"), Some("the fair"), None),
            "event",
        ),
        (facts(Some("google"), Some("cpc"), None, None), "paid_search"),
        (
            facts(Some("claude.ai"), Some("ai-assistant"), None, None),
            "assistants",
        ),
        (
            facts(
                Some("blog.partner.example"),
                Some("referral"),
                None,
                Some("blog.partner.example"),
            ),
            "partner",
        ),
        (facts(None, None, None, None), "direct"),
    ] {
        assert_eq!(channel(facts, &rules), expected, "{facts:?}");
    }
}

#[test]
fn a_rule_needs_a_condition_and_each_condition_one_text() {
    let rules = rules(serde_json::json!([
        {"when": {}, "channel": "partner"},
        {"when": {"source": {"exact": "a", "prefix": "a"}}, "channel": "partner"},
        {"when": {"medium": {}}, "channel": "partner"},
        {"when": {"medium": {"prefix": "a"}}, "channel": "partner"},
    ]));

    let faults: Vec<_> = rules
        .faults()
        .into_iter()
        .map(|fault| (fault.pointer, fault.code))
        .collect();

    assert_eq!(
        faults,
        [
            ("/rules/0/when".to_owned(), "required"),
            ("/rules/1/when/source".to_owned(), "invalid_value"),
            ("/rules/2/when/medium".to_owned(), "invalid_value"),
        ]
    );
    assert_eq!(
        channel(
            Facts {
                medium: Some("x"),
                source: Some("y"),
                ..Facts::default()
            },
            &rules
        ),
        "unassigned"
    );
}
