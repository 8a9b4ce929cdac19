//! Addresses are read, compared, and stored without their secrets.

use super::*;

#[test]
fn an_address_is_kept_without_what_may_be_personal() {
    for (text, bare) in [
        (
            "https://www.example.com/offer?utm_source=x&email=ada%40example.com#top",
            "https://www.example.com/offer",
        ),
        ("https://ada:secret@www.example.com/", "https://www.example.com/"),
        (
            "https://ada:se%40cret@www.example.com:8443/a/b",
            "https://www.example.com:8443/a/b",
        ),
        ("HTTPS://WWW.Example.COM./Path", "https://www.example.com/Path"),
        ("//cdn.example.com/a?b", "https://cdn.example.com/a"),
        ("www.example.com/contact?x=1", "https://www.example.com/contact"),
        ("example.com:8080/contact", "https://example.com:8080/contact"),
        ("/contact?email=ada", "/contact"),
        (
            "https://bücher.example/käse",
            "https://xn--bcher-kva.example/k%C3%A4se",
        ),
        ("android-app://com.Slack/", "android-app://com.slack/"),
        ("http://ada@[::1]:3000/x", "http://[::1]:3000/x"),
    ] {
        let kept = Address::read(text).and_then(|address| address.bare());
        assert_eq!(kept.as_deref(), Some(bare), "{text}");
    }
}

#[test]
fn events_keep_the_query_without_what_lets_somebody_in() {
    for (text, kept) in [
        (
            "https://ada:pw@e.com/a?b=1&Token=x&code=y#z",
            "https://e.com/a?b=1",
        ),
        ("https://e.com/?token=x", "https://e.com/"),
        (
            "https://e.com/reset?reset_password_token=a&X-Amz-Credential=b&sessionId=c&accessToken=d&jwt=e&PHP_SID=f&x=1",
            "https://e.com/reset?x=1",
        ),
        (
            "https://e.com/?promo_code=a&author=b&signup=c&pinned=d",
            "https://e.com/?promo_code=a&author=b&signup=c&pinned=d",
        ),
        (
            "https://e.com/?resetKey=a&invite=b&inviteCode=c&passCode=p&authcode=d&login_code=e&userPass=f&verifyLink=g&x=1",
            "https://e.com/?x=1",
        ),
        (
            "https://e.com/?a=1;key=S&b=2;accessCode=S;c=3",
            "https://e.com/?a=1&b=2%3Bc%3D3",
        ),
        (
            "https://e.com/?countryCode=a&postcode=b&zipCode=c&monkey=d&userId=e&keyword=f&sessions=g&design=h&linkId=i",
            "https://e.com/?countryCode=a&postcode=b&zipCode=c&monkey=d&userId=e&keyword=f&sessions=g&design=h&linkId=i",
        ),
        ("/contact?utm_source=x", "/contact?utm_source=x"),
        ("/?utm_source=x", "?utm_source=x"),
    ] {
        let found = Address::read(text).and_then(|address| address.kept());
        assert_eq!(found.as_deref(), Some(kept));
    }
    let clipped = format!("https://e.com/a?utm_source=n&gclid=Cj0&x={}", "y".repeat(100_000));
    let found = Address::read(&clipped)
        .and_then(|address| address.kept())
        .unwrap();
    assert!(found.len() <= MOST_KEPT && found.starts_with("https://e.com/a?utm_source=n&gclid=Cj0"));
}

#[test]
fn what_lets_somebody_in_goes_wherever_it_stands_and_all_else_stays() {
    for (text, redacted_to) in [
        ("https://u:s@e.com/a?utm_source=x", "https://e.com/a?utm_source=x"),
        ("https://u@e.com/", "https://e.com/"),
        ("e.com/a?password=s&b=1", "https://e.com/a?b=1"),
        ("/a?token=s", "/a"),
        ("https://e.com/#access_token=s&b=1", "https://e.com/"),
        ("https://e.com/#/reset?token=s", "https://e.com/"),
        (
            "https://e.com/cart;jsessionid=s;v=1/pay",
            "https://e.com/cart;v=1/pay",
        ),
        (
            "https://e.com/?next=https%3A%2F%2Fu%3As%40e.com%2F%3Fb%3D1&c=2",
            "https://e.com/?next=https%3A%2F%2Fe.com%2F%3Fb%3D1&c=2",
        ),
        (
            "https://e.com/?next=%2Freset%3Ftoken%3Ds",
            "https://e.com/?next=%2Freset",
        ),
        (
            "https://e.com/?key=s&reset=s&ticket=s&SAMLResponse=s&activation_key=s&reset-link=s&magic.link=s",
            "https://e.com/",
        ),
        ("postgres://u:s@db.e.com/crm", "postgres://db.e.com/crm"),
        (
            "https://e.com/?email=ada%40e.com&token=s",
            "https://e.com/?email=ada%40e.com",
        ),
        // Nothing lets anybody in: not a sign changes.
        ("HTTPS://E.com/a b?x=1#top", "HTTPS://E.com/a b?x=1#top"),
        ("mailto:ada@e.com", "mailto:ada@e.com"),
    ] {
        assert_eq!(redacted(text), redacted_to);
        assert_eq!(redacted(redacted_to), redacted_to);
    }
    let mut said = serde_json::json!({
        "page": "https://u:s@e.com/", "list": [" https://e.com/?token=s"],
        "email": "ada@e.com", "text": "look at https://e.com/?token=t", "relative": "/a?token=t", "n": 1,
    });
    redact_values(&mut said);
    let expected = serde_json::json!({
        "page": "https://e.com/", "list": ["https://e.com/"],
        "email": "ada@e.com", "text": "look at https://e.com/?token=t", "relative": "/a?token=t", "n": 1,
    });
    assert_eq!(said, expected);
}

#[test]
fn what_is_no_page_is_not_kept() {
    for text in [
        "",
        "  ",
        "javascript:alert(1)",
        "data:text/html,<b>x</b>",
        "file:///home/ada/cv.html",
        "mailto:ada@example.com",
        "blob:https://example.com/uuid",
        "https://",
        "https://exa mple.com/",
        "http://[::1",
    ] {
        assert_eq!(
            Address::read(text).and_then(|address| address.bare()),
            None,
            "{text}"
        );
    }
}

#[test]
fn parameters_are_decoded_text() {
    let address = Address::read(
        "https://e.com/?utm_source=&UTM_Source=News%20letter+1&utm_source=late&utm_campaign=%3Cscript%3Ealert(1)%3C%2Fscript%3E&utm_term=a%00b%0Ac&utm_content=%FF",
    )
    .unwrap();

    assert_eq!(address.parameter("utm_source").as_deref(), Some("News letter 1"));
    assert_eq!(
        address.parameter("utm_campaign").as_deref(),
        Some("<script>alert(1)</script>")
    );
    assert_eq!(address.parameter("utm_term").as_deref(), Some("abc"));
    assert_eq!(address.parameter("utm_content").as_deref(), Some("\u{fffd}"));
    assert_eq!(address.parameter("utm_medium"), None);
}

#[test]
fn an_address_of_100_kilobytes_does_no_harm() {
    let long = format!("https://example.com/{}?utm_source=x", "ä".repeat(50_000));
    let kept = Address::read(&long).and_then(|address| address.bare()).unwrap();
    assert_eq!(kept.chars().count(), MOST_KEPT);

    let many = format!("https://example.com/?utm_source=x&{}", "a=b&".repeat(25_000));
    assert_eq!(
        Address::read(&many).unwrap().parameter("utm_source").as_deref(),
        Some("x")
    );

    let value = format!("https://example.com/?utm_source={}", "%41".repeat(33_000));
    assert_eq!(
        Address::read(&value)
            .unwrap()
            .parameter("utm_source")
            .unwrap()
            .len(),
        MOST_OF_A_PARAMETER
    );
}

#[test]
fn pages_of_one_site_share_the_domain_that_can_be_registered() {
    for (one, two, is_one) in [
        ("https://www.example.co.uk", "https://shop.example.co.uk", true),
        ("https://example.co.uk", "https://other.co.uk", false),
        ("https://ada.github.io", "https://bob.github.io", false),
        ("http://10.0.0.1", "http://10.0.0.1:8080", true),
        ("http://10.0.0.1", "http://11.0.0.1", false),
        ("http://localhost", "http://localhost:3000", true),
        ("/a", "/b", false),
    ] {
        let (one, two) = (Address::read(one).unwrap(), Address::read(two).unwrap());
        assert_eq!(one.is_same_site(&two), is_one, "{one:?} {two:?}");
    }
}
