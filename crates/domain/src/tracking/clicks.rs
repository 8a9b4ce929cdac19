//! Click ids: what ad networks put into the address of the page that an ad leads to.

use super::address::Address;
use crate::leads::ClickIds;

/// The most characters of a click id.
const MOST: usize = 500;

impl ClickIds {
    /// The click ids in an address, where it has any.
    pub fn of(address: &Address) -> Option<Self> {
        let id = |name| {
            let id = address.parameter_within(name, MOST);
            id.filter(|id| is_id(id))
        };
        let found = Self {
            gclid: id("gclid"),
            gbraid: id("gbraid"),
            wbraid: id("wbraid"),
            fbclid: id("fbclid"),
            msclkid: id("msclkid"),
            li_fat_id: id("li_fat_id"),
            ttclid: id("ttclid"),
        };
        Some(found).filter(|found| *found != Self::default())
    }

    /// Where a click that somebody paid for comes from. Meta's says nothing of that: it stands on every link that
    /// leads out of its sites.
    pub(super) fn paid_source(&self) -> Option<&'static str> {
        if self.gclid.is_some() || self.gbraid.is_some() || self.wbraid.is_some() {
            Some("google")
        } else if self.msclkid.is_some() {
            Some("bing")
        } else if self.li_fat_id.is_some() {
            Some("linkedin")
        } else if self.ttclid.is_some() {
            Some("tiktok")
        } else {
            None
        }
    }
}

/// Click ids are opaque, and of letters, digits and a few signs: what looks otherwise was put there by somebody else.
fn is_id(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.~:=+/".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn click_ids_are_read_from_the_landing_page() {
        let landing =
            Address::read("https://e.com/?gclid=Cj0K-_1&fbclid=IwAR0&msclkid=&ttclid=%3Cb%3E").unwrap();

        let ids = ClickIds::of(&landing).unwrap();

        assert_eq!(ids.gclid.as_deref(), Some("Cj0K-_1"));
        assert_eq!(ids.fbclid.as_deref(), Some("IwAR0"));
        assert_eq!((ids.msclkid, ids.ttclid), (None, None));
        assert_eq!(
            ClickIds::of(&Address::read("https://e.com/?q=gclid").unwrap()),
            None
        );
    }
}
