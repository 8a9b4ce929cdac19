//! What touches are made by: the company's own rules for channels, and the referrers that led nobody to its sites.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::address::Address;
use super::channels::ChannelRules;
use crate::access::origins::host_name;
use crate::fault::Fault;

/// What touches are made by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TouchRules {
    /// The company's own rules for channels.
    pub channels: ChannelRules,
    /// Referrers that end no visit and begin none.
    pub ignored: IgnoredReferrers,
    /// The sites of the company's own keys.
    own: Vec<Address>,
}

/// Ignored referrers: hosts through which people pay or sign in. They end no visit and are never the source of a touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IgnoredReferrers {
    /// The hosts, including their subdomains.
    #[schema(max_items = 1000, example = json!(["paypal.com", "login.live.com"]))]
    pub hosts: Vec<String>,
}

/// The maintained list of payment and sign-in services.
impl Default for IgnoredReferrers {
    fn default() -> Self {
        let lines = include_str!("../../data/passing_referrers.txt").lines();
        let hosts = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self {
            hosts: hosts.map(str::to_owned).collect(),
        }
    }
}

impl IgnoredReferrers {
    /// The hosts in lower case and ASCII, each once; or what is wrong with them.
    pub fn sound(self) -> Result<Self, Vec<Fault>> {
        let (mut hosts, mut faults) = (vec![], vec![]);
        for (index, text) in self.hosts.iter().enumerate() {
            match host_name(text.trim()) {
                Some(host) if hosts.contains(&host) => {}
                Some(host) => hosts.push(host),
                None => faults.push(Fault::new(
                    format!("/hosts/{index}"),
                    "invalid_format",
                    "is not a host such as paypal.com",
                )),
            }
        }
        if faults.is_empty() {
            Ok(Self { hosts })
        } else {
            Err(faults)
        }
    }

    fn has(&self, host: &str) -> bool {
        self.hosts.iter().any(|ignored| {
            let rest = host.strip_suffix(ignored.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}

impl TouchRules {
    /// The rules of a company with sites of these origins.
    pub fn new<'a>(
        channels: ChannelRules,
        ignored: IgnoredReferrers,
        origins: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self {
            channels,
            ignored,
            own: origins.into_iter().filter_map(Address::read).collect(),
        }
    }

    /// Whether a referrer may have led to a landing page: it is another site's, none of the company's own, and none that
    /// people pass through.
    pub fn leads(&self, referrer: &Address, landing: Option<&Address>) -> bool {
        let is_own = landing
            .into_iter()
            .chain(&self.own)
            .any(|own| own.is_same_site(referrer));
        !is_own && !referrer.host().is_some_and(|host| self.ignored.has(host))
    }
}

impl From<ChannelRules> for TouchRules {
    fn from(channels: ChannelRules) -> Self {
        Self {
            channels,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_sites_and_hosts_that_people_pass_through_lead_nobody() {
        let rules = TouchRules::new(
            ChannelRules::default(),
            IgnoredReferrers::default(),
            ["https://shop.example.org", "http://localhost:3000"],
        );
        let landing = Address::read("https://www.example.com/");
        for (referrer, leads) in [
            ("https://www.google.com/", true),
            ("https://notpaypal.com/", true),
            ("https://www.paypal.com/checkout", false),
            ("https://checkout.stripe.com/", false),
            ("https://stripe.com/blog", true),
            ("https://login.live.com/", false),
            ("https://blog.example.com/", false),
            ("https://www.example.org/", false),
            ("http://localhost:8080/", false),
        ] {
            let referrer = Address::read(referrer).unwrap();
            assert_eq!(rules.leads(&referrer, landing.as_ref()), leads, "{referrer:?}");
        }
    }

    #[test]
    fn the_maintained_hosts_are_sound() {
        let hosts = IgnoredReferrers::default();
        assert_eq!(hosts.clone().sound(), Ok(hosts.clone()));
        assert!(hosts.hosts.len() < 1000, "the most that the document allows");
        let unfit = IgnoredReferrers {
            hosts: vec!["PayPal.com".into(), "https://paypal.com".into(), "".into()],
        };
        let faults = unfit.sound().unwrap_err();
        let places: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(places, ["/hosts/1", "/hosts/2"]);
    }
}
