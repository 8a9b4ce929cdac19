//! Identity: e-mails and domains, each case by the published rule that it tests.

use super::*;

fn email(text: &str) -> Option<String> {
    Email::parse(text).ok().map(|email| email.0)
}

#[test]
fn an_email_is_compared_trimmed_lower_and_in_ascii() {
    for (rule, text, canonical) in [
        ("compared trimmed", " \tada@example.com\r\n", "ada@example.com"),
        ("compared lower-cased", "Ada@Example.COM", "ada@example.com"),
        ("no plus tricks", "ada+news@gmail.com", "ada+news@gmail.com"),
        ("no dot tricks", "a.d.a@gmail.com", "a.d.a@gmail.com"),
        (
            "RFC 5322 3.2.3 atext",
            "!#$%&'*+-/=?^_`{|}~@example.com",
            "!#$%&'*+-/=?^_`{|}~@example.com",
        ),
        ("RFC 5322 3.2.3 atext", "o'brien@example.ie", "o'brien@example.ie"),
        (
            "RFC 5322 3.2.3 dot-atom",
            "a.b.c.d@example.com",
            "a.b.c.d@example.com",
        ),
        (
            "RFC 5322 3.2.3 digits alone",
            "12345@example.com",
            "12345@example.com",
        ),
        ("RFC 5322 3.2.3 one letter", "a@example.com", "a@example.com"),
        ("RFC 5322 3.2.3 hyphens", "-a-@example.com", "-a-@example.com"),
        (
            "RFC 1035 2.3.1 hyphen within",
            "ada@ex-ample.com",
            "ada@ex-ample.com",
        ),
        (
            "RFC 1123 2.1 digit in front",
            "ada@3com.example",
            "ada@3com.example",
        ),
        (
            "RFC 1034 3.1 many labels",
            "ada@a.b.c.d.example.com",
            "ada@a.b.c.d.example.com",
        ),
        ("RFC 6531 3.3 UTF-8", "jürgen@example.de", "jürgen@example.de"),
        ("RFC 6531 3.3 UTF-8", "用户@example.cn", "用户@example.cn"),
        ("RFC 6531 3.3, lower-cased", "ÄDA@example.de", "äda@example.de"),
        (
            "RFC 6532 3.1 NFC",
            "ju\u{308}rgen@example.de",
            "jürgen@example.de",
        ),
        (
            "RFC 5890 A-label",
            "ada@bücher.example",
            "ada@xn--bcher-kva.example",
        ),
        (
            "RFC 5890 A-label as given",
            "ada@xn--bcher-kva.example",
            "ada@xn--bcher-kva.example",
        ),
        ("UTS 46 case", "ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
        (
            "UTS 46 NFC",
            "ada@bu\u{308}cher.example",
            "ada@xn--bcher-kva.example",
        ),
        (
            "UTS 46 non-transitional",
            "ada@straße.example",
            "ada@xn--strae-oqa.example",
        ),
        ("UTS 46 full width", "ada@ｅｘａｍｐｌｅ.com", "ada@example.com"),
        ("UTS 46 ideographic stop", "ada@example。com", "ada@example.com"),
        (
            "UTS 46 top-level domain",
            "ada@пример.рф",
            "ada@xn--e1afmkfd.xn--p1ai",
        ),
    ] {
        assert_eq!(email(text).as_deref(), Some(canonical), "{rule}: {text}");
        assert_eq!(email(canonical).as_deref(), Some(canonical), "{rule}: read again");
    }
}

#[test]
fn what_is_no_email_is_refused() {
    for (rule, text) in [
        ("RFC 5322 3.4.1 addr-spec", ""),
        ("RFC 5322 3.4.1 addr-spec", "@"),
        ("RFC 5322 3.4.1 addr-spec", "ada"),
        ("RFC 5322 3.4.1 addr-spec", "ada@"),
        ("RFC 5322 3.4.1 addr-spec", "@example.com"),
        ("RFC 5322 3.4.1 addr-spec", "ada@@example.com"),
        ("RFC 5322 3.4.1 addr-spec", "ada@one@example.com"),
        ("RFC 5322 3.2.3 dot-atom", ".ada@example.com"),
        ("RFC 5322 3.2.3 dot-atom", "ada.@example.com"),
        ("RFC 5322 3.2.3 dot-atom", "a..b@example.com"),
        ("RFC 5322 3.2.3 specials", "a b@example.com"),
        ("RFC 5322 3.2.3 specials", "a,b@example.com"),
        ("RFC 5322 3.2.3 specials", "a;b@example.com"),
        ("RFC 5322 3.2.3 specials", "a(b)@example.com"),
        ("RFC 5322 3.2.3 specials", "<ada>@example.com"),
        (
            "RFC 5322 3.2.4 quoted, which nobody's mail uses",
            "\"ada b\"@example.com",
        ),
        ("RFC 5322 3.4 a name beside it", "Ada <ada@example.com>"),
        ("RFC 6068 mailto", "mailto:ada@example.com"),
        ("RFC 5321 4.1.3 address literal", "ada@[192.168.0.1]"),
        ("RFC 5321 4.1.3 address literal", "ada@[IPv6:2001:db8::1]"),
        ("RFC 3696 2 top level not all digits", "ada@192.168.0.1"),
        ("RFC 3696 2 top level of two letters", "ada@example.c"),
        ("RFC 2821 no dot", "ada@localhost"),
        ("RFC 1035 2.3.1 labels", "ada@example..com"),
        ("RFC 1035 2.3.1 labels", "ada@.example.com"),
        ("RFC 5321 2.3.5 no dot at the end", "ada@example.com."),
        ("RFC 1035 2.3.1 hyphen in front", "ada@-example.com"),
        ("RFC 1035 2.3.1 hyphen behind", "ada@example-.com"),
        ("RFC 1123 2.1 letters, digits, hyphen", "ada@exa_mple.com"),
        ("RFC 1123 2.1 letters, digits, hyphen", "ada@exa mple.com"),
        ("RFC 5890 not Punycode", "ada@xn--a.example"),
        ("UTS 46 disallowed", "ada@exa\u{2028}mple.com"),
        ("controls", "ada\u{0}@example.com"),
        ("controls", "ada\r\nbcc@example.com"),
        ("turning the writing round", "ada\u{202e}@example.com"),
        ("no width", "a\u{200b}da@example.com"),
    ] {
        assert_eq!(email(text), None, "{rule}: {text:?}");
    }
}

#[test]
fn an_email_is_as_long_as_mail_servers_take_it() {
    let of = |local: usize, domain: String| email(&format!("{}@{domain}", "a".repeat(local)));
    let labels = |lengths: &[usize]| {
        let labels: Vec<String> = lengths.iter().map(|length| "b".repeat(*length)).collect();
        labels.join(".")
    };
    // RFC 5321 4.5.3.1.1: 64 bytes in front of the @.
    assert!(of(64, "example.com".into()).is_some());
    assert_eq!(of(65, "example.com".into()), None);
    assert_eq!(email(&format!("{}@example.com", "ü".repeat(33))), None);
    // RFC 1035 2.3.4: 63 bytes a label.
    assert!(of(1, labels(&[63, 3])).is_some());
    assert_eq!(of(1, labels(&[64, 3])), None);
    // RFC 3696, erratum 1690: 254 bytes in all.
    assert!(of(62, labels(&[63, 63, 63])).is_some());
    assert_eq!(of(63, labels(&[63, 63, 63])), None);
}

#[test]
fn a_domain_is_ascii_and_has_a_dot() {
    for (text, canonical) in [
        ("Bücher.Example", Some("xn--bcher-kva.example")),
        (" example.com ", Some("example.com")),
        ("", None),
        ("localhost", None),
        ("https://example.com", None),
        ("example.com/path", None),
        ("exa_mple.com", None),
        ("example.com.", None),
        ("1.2.3.4", None),
    ] {
        assert_eq!(
            Domain::parse(text).ok().as_ref().map(Domain::as_str),
            canonical,
            "{text}"
        );
    }
}

#[test]
fn a_website_is_read_as_people_write_it() {
    for (text, host) in [
        ("example.com", Some("example.com")),
        (" WWW.Example.com ", Some("www.example.com")),
        ("https://www.example.com/about?a=b#c", Some("www.example.com")),
        ("http://example.com:8080", Some("example.com")),
        ("example.com/about", Some("example.com")),
        ("example.com.", Some("example.com")),
        ("https://www.example.com./about", Some("www.example.com")),
        ("bücher.example", Some("xn--bcher-kva.example")),
        ("", None),
        ("none", None),
        ("we have no website", None),
        ("ftp://example.com", None),
        ("https://192.168.0.1/", None),
        ("https://[2001:db8::1]/", None),
        ("javascript://example.com/%0aalert(1)", None),
    ] {
        assert_eq!(
            Domain::of_website(text).ok().as_ref().map(Domain::as_str),
            host,
            "{text}"
        );
    }
}

/// The cases that are published with the public suffix list
/// (<https://github.com/publicsuffix/list/blob/main/tests/test_psl.txt>), as far as they have a dot, and further ones of its
/// private part.
#[test]
fn the_registered_part_of_a_domain_is_found_by_the_public_suffix_list() {
    for (rule, text, registered) in [
        ("mixed case", "example.COM", Some("example.com")),
        ("mixed case", "WwW.example.COM", Some("example.com")),
        ("leading dot", ".example.com", None),
        ("leading dot", ".example.example", None),
        ("unlisted top level", "example.example", Some("example.example")),
        ("unlisted top level", "b.example.example", Some("example.example")),
        (
            "unlisted top level",
            "a.b.example.example",
            Some("example.example"),
        ),
        ("one rule", "domain.biz", Some("domain.biz")),
        ("one rule", "b.domain.biz", Some("domain.biz")),
        ("one rule", "a.b.domain.biz", Some("domain.biz")),
        ("two levels", "example.com", Some("example.com")),
        ("two levels", "b.example.com", Some("example.com")),
        ("two levels", "a.b.example.com", Some("example.com")),
        ("two levels", "uk.com", None),
        ("two levels", "example.uk.com", Some("example.uk.com")),
        ("two levels", "b.example.uk.com", Some("example.uk.com")),
        ("two levels", "a.b.example.uk.com", Some("example.uk.com")),
        ("two levels", "test.ac", Some("test.ac")),
        ("wildcard", "c.mm", None),
        ("wildcard", "b.c.mm", Some("b.c.mm")),
        ("wildcard", "a.b.c.mm", Some("b.c.mm")),
        ("several levels", "test.jp", Some("test.jp")),
        ("several levels", "www.test.jp", Some("test.jp")),
        ("several levels", "ac.jp", None),
        ("several levels", "test.ac.jp", Some("test.ac.jp")),
        ("several levels", "www.test.ac.jp", Some("test.ac.jp")),
        ("several levels", "kyoto.jp", None),
        ("several levels", "test.kyoto.jp", Some("test.kyoto.jp")),
        ("several levels", "ide.kyoto.jp", None),
        ("several levels", "b.ide.kyoto.jp", Some("b.ide.kyoto.jp")),
        ("several levels", "a.b.ide.kyoto.jp", Some("b.ide.kyoto.jp")),
        ("wildcard and exception", "c.kobe.jp", None),
        ("wildcard and exception", "b.c.kobe.jp", Some("b.c.kobe.jp")),
        ("wildcard and exception", "a.b.c.kobe.jp", Some("b.c.kobe.jp")),
        ("wildcard and exception", "city.kobe.jp", Some("city.kobe.jp")),
        ("wildcard and exception", "www.city.kobe.jp", Some("city.kobe.jp")),
        ("wildcard and exception", "test.ck", None),
        ("wildcard and exception", "b.test.ck", Some("b.test.ck")),
        ("wildcard and exception", "a.b.test.ck", Some("b.test.ck")),
        ("wildcard and exception", "www.ck", Some("www.ck")),
        ("wildcard and exception", "www.www.ck", Some("www.ck")),
        ("schools of the US", "test.us", Some("test.us")),
        ("schools of the US", "www.test.us", Some("test.us")),
        ("schools of the US", "ak.us", None),
        ("schools of the US", "test.ak.us", Some("test.ak.us")),
        ("schools of the US", "www.test.ak.us", Some("test.ak.us")),
        ("schools of the US", "k12.ak.us", None),
        ("schools of the US", "test.k12.ak.us", Some("test.k12.ak.us")),
        ("schools of the US", "www.test.k12.ak.us", Some("test.k12.ak.us")),
        ("IDN", "食狮.com.cn", Some("xn--85x722f.com.cn")),
        ("IDN", "食狮.公司.cn", Some("xn--85x722f.xn--55qx5d.cn")),
        ("IDN", "www.食狮.公司.cn", Some("xn--85x722f.xn--55qx5d.cn")),
        ("IDN", "shishi.公司.cn", Some("shishi.xn--55qx5d.cn")),
        ("IDN", "公司.cn", None),
        ("IDN", "食狮.中国", Some("xn--85x722f.xn--fiqs8s")),
        ("IDN", "www.食狮.中国", Some("xn--85x722f.xn--fiqs8s")),
        ("IDN", "shishi.中国", Some("shishi.xn--fiqs8s")),
        ("Punycode", "xn--85x722f.com.cn", Some("xn--85x722f.com.cn")),
        (
            "Punycode",
            "www.xn--85x722f.xn--55qx5d.cn",
            Some("xn--85x722f.xn--55qx5d.cn"),
        ),
        ("Punycode", "xn--55qx5d.cn", None),
        ("private part", "github.io", None),
        ("private part", "ada.github.io", Some("ada.github.io")),
        ("private part", "www.ada.github.io", Some("ada.github.io")),
        ("private part", "shop.myshopify.com", Some("shop.myshopify.com")),
    ] {
        let domain = Domain::parse(text).ok();
        let found = domain.as_ref().and_then(|domain| site(domain.as_str()));
        assert_eq!(found, registered, "{rule}: {text}");
    }
}

#[test]
fn the_domain_of_a_company_is_its_own() {
    for (text, domain) in [
        ("www.acme.example", Some("acme.example")),
        ("https://shop.acme.co.uk./", Some("acme.co.uk")),
        ("acme.github.io", Some("acme.github.io")),
        ("co.uk", None),
        ("https://github.io/", None),
        ("https://www.facebook.com/acme", None),
        ("linkedin.com/company/acme", None),
        ("https://sites.google.com/view/acme", None),
        ("facebook.com", Some("facebook.com")),
        ("https://www.linkedin.com/", Some("linkedin.com")),
    ] {
        let read = Domain::of_company(text);
        assert_eq!(read.ok().as_ref().map(Domain::as_str), domain, "{text}");
    }
}
