//! What ends consent: unsubscriptions, bounces and complaints, as events report them.

use serde_json::{Map, Value};

use super::{
    ConsentChannel, ConsentFacts, ConsentPurpose, ConsentSource, MARKETING_EMAIL, StateConsent,
    WithdrawalReason,
};
use crate::instant::Timestamp;
use crate::leads::identity::Email;

/// Bounce types that mean that the address takes no mail for good, in letters and digits alone. What senders of mail call
/// them: SES, Mailgun, SendGrid, Postmark, Brevo, Mailjet, SparkPost, HubSpot and others.
const HARD: [&str; 15] = [
    "hard",
    "hardbounce",
    "hardbounced",
    "hardfail",
    "permanent",
    "permanentbounce",
    "permanentfail",
    "permanentfailure",
    "permanentgeneral",
    "permanentnoemail",
    "permfail",
    "bademailaddress",
    "invalidemail",
    "invalidrecipient",
    "unknownuser",
];

/// The properties by which senders of mail name the kind of a bounce; the first one counts.
const KINDS: [&str; 5] = ["bounce_type", "bounceType", "kind", "type", "severity"];

/// The properties by which an unsubscription says that it was a complaint.
const COMPLAINTS_IN: [&str; 4] = ["reason", "type", "kind", "cause"];

/// That consent ended by what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    reason: WithdrawalReason,
    /// The purpose that it names.
    purpose: Option<String>,
    address: Option<Email>,
    at: Timestamp,
}

impl Ended {
    /// What an event means for consent, if anything: an `email_unsubscribe`, or an `email_bounce` whose property
    /// `bounce_type` (or another of `KINDS`) calls it hard or a complaint; other bounces end nothing. An `email_unsubscribe`
    /// whose property `reason` (or another of `COMPLAINTS_IN`) is a complaint in any spelling was one. It is about the purpose that the property `purpose` names, else
    /// about every purpose of e-mail; and about the address by which the event names its lead, else about the property
    /// `email`, else about the lead's first one.
    pub fn of_event(
        kind: &str,
        properties: &Map<String, Value>,
        address: Option<Email>,
        at: Timestamp,
    ) -> Option<Self> {
        let text = |name: &str| properties.get(name).and_then(Value::as_str);
        let reason = match kind {
            "email_unsubscribe"
                if COMPLAINTS_IN
                    .iter()
                    .any(|name| text(name).is_some_and(is_complaint)) =>
            {
                WithdrawalReason::Complained
            }
            "email_bounce" if KINDS.iter().find_map(|name| text(name)).is_some_and(is_complaint) => {
                WithdrawalReason::Complained
            }
            "email_unsubscribe" => WithdrawalReason::Unsubscribed,
            "email_bounce" if KINDS.iter().find_map(|name| text(name)).is_some_and(is_hard) => {
                WithdrawalReason::Bounced
            }
            _ => return None,
        };
        let named = || text("email").and_then(|text| Email::parse(text).ok());
        Some(Self {
            reason,
            purpose: text("purpose").map(str::to_owned),
            address: address.or_else(named),
            at,
        })
    }

    /// The statements that follow, by the declared purposes and the earlier statements.
    pub fn statements(&self, purposes: &[ConsentPurpose], said: &ConsentFacts) -> Vec<StateConsent> {
        let is_declared = |name: &str| purposes.iter().any(|purpose| purpose.name == name);
        let is_known = |name: &str| is_declared(name) || said.purposes().any(|known| known == name);
        let named = self.purpose.as_deref().filter(|name| is_known(name));
        let mut ended: Vec<&str> = match named {
            Some(name) => vec![name],
            None => {
                let of_mail = purposes.iter().filter(|one| one.channel == ConsentChannel::Email);
                let undeclared = said.purposes().filter(|name| !is_declared(name));
                of_mail
                    .map(|purpose| purpose.name.as_str())
                    .chain(undeclared)
                    .collect()
            }
        };
        if ended.is_empty() {
            ended.push(MARKETING_EMAIL);
        }
        let statement = |purpose: &str| StateConsent {
            purpose: purpose.to_owned(),
            address: self.address.clone(),
            granted: false,
            reason: Some(self.reason),
            wording: None,
            legal_basis: None,
            source: Some(ConsentSource::Event),
            stated_at: Some(self.at),
        };
        ended.into_iter().map(statement).collect()
    }
}

/// Whether a bounce is for good, in whatever spelling: a known name, or an enhanced status code of a bad address (5.1.x, RFC
/// 3463). Unknown kinds are not.
fn is_hard(text: &str) -> bool {
    HARD.contains(&compared(text).as_str()) || text.trim().starts_with("5.1.")
}

/// Whether a reason is that the person reported the message as spam, in whatever spelling: `complained`, `spam_complaint`,
/// `Abuse`, `marked as spam`, `fbl`.
fn is_complaint(text: &str) -> bool {
    let text = compared(text);
    let begins = [
        "complain",
        "spam",
        "abuse",
        "markedasspam",
        "reportedasspam",
        "feedbackloop",
    ];
    text == "fbl"
        || begins.iter().any(|word| text.starts_with(word)) && text != "spamblock" && text != "spamcontent"
}

fn compared(text: &str) -> String {
    let letters = text.chars().filter(|c| c.is_ascii_alphanumeric());
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_hard_bounces_are_for_good() {
        for hard in [
            "hard",
            "HARD",
            "Hard Bounce",
            "hard_bounce",
            "HardBounce",
            "Permanent",
            "permanent-failure",
            "5.1.1",
        ] {
            assert!(is_hard(hard), "{hard}");
        }
        for soft in [
            "soft",
            "Soft",
            "SOFT_BOUNCE",
            "soft bounce",
            "SoftBounce",
            "Transient",
            "temporary",
            "deferred",
            "Undetermined",
            "blocked",
            "mailbox full",
            "5.2.2",
            "4.1.1",
            "",
            "unknown",
            "hardly",
        ] {
            assert!(!is_hard(soft), "{soft}");
        }
    }
}
