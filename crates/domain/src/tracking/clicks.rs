//! Click ids: what ad networks put into the address of the page that an ad leads to.

use super::address::Address;
use crate::leads::ClickIds;

/// The most characters of a click id.
const MOST: usize = 500;

impl ClickIds {
    /// The click ids in an address, where it has any.
    pub fn of(address: &Address) -> Option<Self> {
        Self::each(|name, _| address.parameter_within(name, MOST))
    }

    /// The ids that are given, and where they leave one out, that of the address.
    pub(super) fn first(given: Option<&Self>, landed: Option<Self>) -> Option<Self> {
        let Some(given) = given else { return landed };
        let landed = landed.unwrap_or_default();
        Self::each(|_, of| of(given).or_else(|| of(&landed)))
    }

    /// The ids that are found by their names and places, as far as they are any.
    fn each(find: impl Fn(&str, fn(&Self) -> Option<String>) -> Option<String>) -> Option<Self> {
        let id = |name, of| find(name, of).filter(|id| is_id(id));
        let found = Self {
            gclid: id("gclid", |ids| ids.gclid.clone()),
            gbraid: id("gbraid", |ids| ids.gbraid.clone()),
            wbraid: id("wbraid", |ids| ids.wbraid.clone()),
            fbclid: id("fbclid", |ids| ids.fbclid.clone()),
            msclkid: id("msclkid", |ids| ids.msclkid.clone()),
            li_fat_id: id("li_fat_id", |ids| ids.li_fat_id.clone()),
            ttclid: id("ttclid", |ids| ids.ttclid.clone()),
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
