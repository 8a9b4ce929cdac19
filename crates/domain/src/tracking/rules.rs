//! What touches are made by: the company's own rules for channels, and the referrers that led nobody to its sites.

use std::collections::HashSet;
use std::sync::LazyLock;

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

/// Ignored referrers: hosts through which people pay or sign in. They end no visit and are never the source of a touch. A
/// maintained list ignores the usual ones; a company adds to it, and takes away from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IgnoredReferrers {
    /// The hosts that are ignored beside those of the maintained list, including their subdomains.
    #[schema(max_items = 1000, example = json!(["pay.example.com"]))]
    pub hosts: Vec<String>,
    /// The hosts of the maintained list that are not ignored, including their subdomains.
    #[serde(default)]
    #[schema(max_items = 1000, example = json!(["paypal.com"]))]
    pub except: Vec<String>,
}

/// The maintained list of payment and sign-in services.
static MAINTAINED: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("../../data/passing_referrers.txt").lines();
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
});

impl IgnoredReferrers {
    /// The hosts of the maintained list, in their order.
    pub fn maintained() -> Vec<&'static str> {
        let mut hosts: Vec<&str> = MAINTAINED.iter().copied().collect();
        hosts.sort_unstable();
        hosts
    }

    /// The hosts in lower case and ASCII, each once; or what is wrong with them.
    pub fn sound(self) -> Result<Self, Vec<Fault>> {
        let mut faults = vec![];
        let mut sound = |name: &str, texts: Vec<String>| {
            let mut hosts = vec![];
            for (index, text) in texts.iter().enumerate() {
                match host_name(text.trim()) {
                    Some(host) if hosts.contains(&host) => {}
                    Some(host) => hosts.push(host),
                    None => faults.push(Fault::new(
                        format!("/{name}/{index}"),
                        "invalid_format",
                        "is not a host such as paypal.com",
                    )),
                }
            }
            hosts
        };
        let (hosts, except) = (sound("hosts", self.hosts), sound("except", self.except));
        if faults.is_empty() {
            Ok(Self { hosts, except })
        } else {
            Err(faults)
        }
    }

    fn has(&self, host: &str) -> bool {
        let is_in = |hosts: &[String]| within(host).any(|part| hosts.iter().any(|known| known == part));
        let is_usual = || within(host).any(|part| MAINTAINED.contains(part));
        is_in(&self.hosts) || is_usual() && !is_in(&self.except)
    }
}

/// A host and those above it.
fn within(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |part| part.split_once('.').map(|(_, above)| above))
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
    fn a_company_adds_to_the_maintained_hosts_and_takes_away_from_them() {
        let ignored = IgnoredReferrers {
            hosts: vec!["pay.example".into()],
            except: vec!["paypal.com".into()],
        };
        for (host, is_ignored) in [
            ("pay.example", true),
            ("secure.pay.example", true),
            ("www.paypal.com", false),
            ("buy.stripe.com", true),
            ("checkout.stripe.com", true),
            ("stripe.com", false),
            ("payments.amazon.com", true),
            ("amazon.com", false),
            ("pay.google.com", true),
            ("login.microsoftonline.com", true),
            ("accounts.google.com", true),
            ("appleid.apple.com", true),
            ("acme.okta.com", true),
            ("acme.eu.auth0.com", true),
            ("pay.klarna.com", true),
            ("checkoutshopper-live.adyen.com", true),
            ("notokta.com", false),
        ] {
            assert_eq!(ignored.has(host), is_ignored, "{host}");
        }
    }

    #[test]
    fn the_maintained_hosts_are_sound() {
        let hosts: Vec<String> = IgnoredReferrers::maintained()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let known = IgnoredReferrers {
            hosts,
            except: vec![],
        };
        assert_eq!(known.clone().sound(), Ok(known));
        let unfit = IgnoredReferrers {
            hosts: vec!["PayPal.com".into(), "https://paypal.com".into()],
            except: vec!["".into()],
        };
        let faults = unfit.sound().unwrap_err();
        let places: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(places, ["/hosts/1", "/except/0"]);
    }
}
