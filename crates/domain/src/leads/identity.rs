//! Identity: e-mails, phones, external ids and web domains in the form in which they are compared.

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;
use url::Url;

use super::fields::Source;
pub use super::phone::{Dialled, Phone};
use crate::id::IdentifierId;
use crate::instant::Timestamp;

/// What kind of identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The caller's own id, within a system.
    ExternalId,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
}

impl Kind {
    /// The kind's name on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::ExternalId => "external_id",
            Kind::Email => "email",
            Kind::Phone => "phone",
        }
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::ExternalId, Self::Email, Self::Phone]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    /// Whether one value names one lead. Phones do not: switchboards.
    pub const fn is_unique(self) -> bool {
        !matches!(self, Kind::Phone)
    }
}

/// What identifies a lead: the kind, the system (external ids only, else empty) and the canonical value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The kind.
    pub kind: Kind,
    /// The system of an external id, else empty.
    pub system: String,
    /// The canonical value.
    pub value: String,
}

/// An identifier that a lead has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier {
    /// Which row.
    pub id: IdentifierId,
    /// The kind.
    pub kind: Kind,
    /// The system of an external id, else empty.
    pub system: String,
    /// The canonical value.
    pub value: String,
    /// Where it is from: forms may add only so many.
    pub source: Source,
    /// Its place among the lead's identifiers of the kind; the lowest e-mail is the primary one.
    pub position: i64,
    /// When it was added.
    pub created_at: Timestamp,
}

impl Identifier {
    /// What is compared.
    pub fn key(&self) -> Key {
        Key {
            kind: self.kind,
            system: self.system.clone(),
            value: self.value.clone(),
        }
    }
}

/// The text is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not an e-mail address.
    #[error("not an e-mail address")]
    Email,
    /// Not a phone number.
    #[error("not a phone number: + and 7 to 15 digits, or a national number of the given country")]
    Phone,
    /// Not a web domain.
    #[error("not a web domain")]
    Domain,
    /// A domain of many.
    #[error("not a company's own domain: others register theirs below it, or have their pages there")]
    Shared,
}

/// An e-mail address in canonical form: trimmed, lower case, its domain in ASCII (IDNA). No dot or plus tricks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

impl Email {
    /// Read an address. The local part is a dot-atom (RFC 5321, with UTF-8 by RFC 6531, composed as RFC 6532 has it), the
    /// domain has a dot.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (local, domain) = text.trim().rsplit_once('@').ok_or(Invalid::Email)?;
        let local = canonical_local(local);
        let is_atom = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
        let local_is_sound = !local.is_empty()
            && local.len() <= 64
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local.chars().all(is_atom);
        let domain = Domain::parse(domain).map_err(|_| Invalid::Email)?;
        let address = format!("{local}@{}", domain.0);
        if local_is_sound && address.len() <= 254 {
            Ok(Self(address))
        } else {
            Err(Invalid::Email)
        }
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part behind the @.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// A local part as it is compared. The capital dotted I of Turkish is an i: in lower case it would keep its dot as a mark that
/// no address has.
fn canonical_local(local: &str) -> String {
    let lower = local.nfc().collect::<String>().to_lowercase();
    lower.replace("i\u{307}", "i").nfc().collect()
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A web domain in ASCII (IDNA), lower case, with at least one dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

impl Domain {
    /// Read a domain; a scheme, a path or `www.` in front are no part of one and are refused.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let ascii = idna::domain_to_ascii_strict(text.trim()).map_err(|_| Invalid::Domain)?;
        let labels: Vec<&str> = ascii.split('.').collect();
        let is_label = |label: &&str| !label.is_empty() && label.len() <= 63;
        let top_is_a_name = labels
            .last()
            .is_some_and(|top| top.len() >= 2 && !top.bytes().all(|b| b.is_ascii_digit()));
        if labels.len() >= 2 && labels.iter().all(is_label) && top_is_a_name && ascii.len() <= 253 {
            Ok(Self(ascii))
        } else {
            Err(Invalid::Domain)
        }
    }

    /// Read the domain by which a company is known: of its website, or of any host of it, the part that was registered.
    /// What is written for it in CRMs is a page on a social site at times, which is no company's domain.
    pub fn of_company(text: &str) -> Result<Self, Invalid> {
        let url = website(text)?;
        let host = host_of(&url)?;
        let has_page = url.path().len() > 1;
        if has_page && SHARED_SITES.contains(host.0.trim_start_matches("www.")) {
            return Err(Invalid::Shared);
        }
        site(host.as_str()).map_or(Err(Invalid::Shared), Self::parse)
    }

    /// Read the domain of what people write for their website: a domain, or an address that is on it.
    pub fn of_website(text: &str) -> Result<Self, Invalid> {
        host_of(&website(text)?)
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The hosts on which anybody may have a page.
static SHARED_SITES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let lists = [
        include_str!("../../data/social_sites.txt"),
        include_str!("../../data/shared_sites.txt"),
    ];
    let lines = lists.into_iter().flat_map(str::lines);
    let lines = lines.filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split('\t').next()).collect()
});

fn website(text: &str) -> Result<Url, Invalid> {
    let text = text.trim();
    let address = match text.contains("://") {
        true => Url::parse(text),
        false => Url::parse(&format!("https://{text}")),
    };
    let is_web = |url: &Url| matches!(url.scheme(), "http" | "https");
    address.ok().filter(is_web).ok_or(Invalid::Domain)
}

/// The host of an address; the dot of the root at its end is no part of its name.
fn host_of(url: &Url) -> Result<Domain, Invalid> {
    let host = url.host_str().unwrap_or_default();
    Domain::parse(host.strip_suffix('.').unwrap_or(host))
}

/// The domain that can be registered, of which the host is a part, by the public suffix list.
pub fn site(host: &str) -> Option<&str> {
    let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
    if is_address {
        return None;
    }
    psl::domain_str(host)
}

/// The key of an e-mail.
pub fn email_key(email: &Email) -> Key {
    Key {
        kind: Kind::Email,
        system: String::new(),
        value: email.0.clone(),
    }
}

/// The key of a phone.
pub fn phone_key(phone: &Phone) -> Key {
    Key {
        kind: Kind::Phone,
        system: String::new(),
        value: phone.as_str().to_owned(),
    }
}

/// The key of an external id.
pub fn external_key(system: &str, id: &str) -> Key {
    Key {
        kind: Kind::ExternalId,
        system: system.to_owned(),
        value: id.to_owned(),
    }
}

#[cfg(test)]
mod tests;
