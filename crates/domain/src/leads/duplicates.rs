//! Leads that may be one person: suggested with reasons and a confidence, joined by nobody but people.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::Lead;
use super::fields::LeadField;
use super::free_mail;
use super::identity::Kind;
use super::search::fold;
use crate::access::{Actor, Denied};
use crate::id::{CompanyId, DuplicateId, Ids, LeadId};
use crate::instant::Timestamp;
use crate::journal::{Entry, Subject};

/// The most leads that may share a phone and still be taken for one person each: beyond it is a switchboard.
pub const MOST_BEHIND_A_PHONE: u64 = 5;
/// The most leads of one name in one company that may be one person: beyond it somebody filled in a form many times.
pub const MOST_NAMESAKES: u64 = 20;
/// The most e-mails that may begin alike and still be compared: beyond it the name before the @ (`john@`) proves nothing.
pub const MOST_ALIKE: u64 = 200;
/// The fewest letters of a company's domain that a slip of the finger is looked for in: short names lie close.
const FEWEST_LETTERS: usize = 5;

/// Why two leads may be one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DuplicateReason)]
pub enum Reason {
    /// They have the same phone, and few others have it.
    SamePhone,
    /// They have the same first and last name and the same company.
    SameNameAndCompany,
    /// Their e-mails differ by one slip in the domain.
    EmailTypo,
    /// They have the same first and last name: never a reason by itself.
    SameName,
    /// Somebody named them as one: a statement with identifiers of both was refused.
    IdentifiersConflict,
}

impl Reason {
    /// How likely it makes the two one person, in hundredths: a judgement, not a measurement. Reasons add up as if
    /// they were independent.
    const fn hundredths(self) -> i64 {
        match self {
            Reason::SamePhone => 50,
            Reason::SameNameAndCompany => 80,
            Reason::EmailTypo => 70,
            Reason::SameName => 60,
            Reason::IdentifiersConflict => 90,
        }
    }
}

/// How likely all of these together make two leads one person, in hundredths, below certainty.
pub fn confidence(reasons: &BTreeSet<Reason>) -> i64 {
    let doubt = reasons
        .iter()
        .fold(10_000, |doubt, reason| doubt * (100 - reason.hundredths()) / 100);
    (100 - doubt / 100).clamp(1, 99)
}

/// Whether the suggestion that two leads are one person is open, was dismissed, or was withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateState {
    /// Somebody should look at it.
    Open,
    /// Somebody has looked: they are two.
    Dismissed,
    /// The leads have changed: nothing speaks for it any more.
    Withdrawn,
}

impl DuplicateState {
    /// The state's name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            DuplicateState::Open => "open",
            DuplicateState::Dismissed => "dismissed",
            DuplicateState::Withdrawn => "withdrawn",
        }
    }

    /// The state with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Open, Self::Dismissed, Self::Withdrawn]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// A suggestion that two leads are one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// Its id.
    pub id: DuplicateId,
    /// The version: incremented by each change, from 1.
    pub version: i64,
    /// The two leads, the one with the lower id first.
    pub leads: (LeadId, LeadId),
    /// The reasons.
    pub reasons: BTreeSet<Reason>,
    /// The state of the suggestion.
    pub state: DuplicateState,
    /// When it was first suggested.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Two leads with what speaks for their being one person.
pub type Found = BTreeMap<(LeadId, LeadId), BTreeSet<Reason>>;

/// What of a lead is compared.
struct Traits<'a> {
    id: LeadId,
    name: Option<String>,
    company: Option<CompanyId>,
    phones: Vec<&'a str>,
    emails: Vec<(&'a str, &'a str)>,
}

impl<'a> Traits<'a> {
    fn of(lead: &'a Lead) -> Self {
        let part = |field| lead.profile.get(field).map(fold).filter(|text| !text.is_empty());
        let names = part(LeadField::FirstName).zip(part(LeadField::LastName));
        let values = |kind| lead.of_kind(kind).map(|identifier| identifier.value.as_str());
        Self {
            id: lead.id,
            name: names.map(|(first, last)| format!("{first}\u{0}{last}")),
            company: lead.company_id,
            phones: values(Kind::Phone).collect(),
            emails: values(Kind::Email)
                .filter_map(|email| email.rsplit_once('@'))
                .collect(),
        }
    }
}

/// What a lead's e-mails are called before the @, where that is a person's own: others with the same are looked at.
pub fn own_locals(lead: &Lead) -> impl Iterator<Item = &str> {
    let emails = lead.of_kind(Kind::Email);
    let locals = emails.filter_map(|email| Some(email.value.rsplit_once('@')?.0));
    locals.filter(|local| is_persons(local))
}

/// Whether the part before the @ is a person's: not an office that every company has.
fn is_persons(local: &str) -> bool {
    const OFFICES: &[&str] = &[
        "abuse",
        "accounting",
        "accounts",
        "admin",
        "amministrazione",
        "anfrage",
        "bewerbung",
        "billing",
        "buchhaltung",
        "careers",
        "commerciale",
        "compras",
        "contact",
        "contacto",
        "contato",
        "einkauf",
        "email",
        "enquiries",
        "financeiro",
        "hello",
        "help",
        "hola",
        "hr",
        "info",
        "invoice",
        "jobs",
        "kontakt",
        "mail",
        "marketing",
        "no-reply",
        "noreply",
        "office",
        "orders",
        "post",
        "postmaster",
        "press",
        "privacy",
        "purchasing",
        "reception",
        "sales",
        "secretariat",
        "segreteria",
        "service",
        "support",
        "team",
        "test",
        "ufficio",
        "vendas",
        "ventas",
        "verkauf",
        "vertrieb",
        "web",
        "webmaster",
        "zentrale",
    ];
    local.chars().count() >= 3 && !OFFICES.contains(&local)
}

/// Every pair of these leads that may be one person, at least one of the two being among the `changed` ones. Phones of
/// `switchboards` are known to have too many holders, of whom only some may be among these leads.
pub fn find<'a>(
    changed: &BTreeSet<LeadId>,
    leads: impl IntoIterator<Item = &'a Lead>,
    switchboards: &BTreeSet<String>,
) -> Found {
    let traits: Vec<Traits> = leads.into_iter().map(Traits::of).collect();
    let mut by_phone: HashMap<&str, Vec<&Traits>> = HashMap::new();
    let mut by_work: HashMap<(&str, CompanyId), Vec<&Traits>> = HashMap::new();
    let mut by_local: HashMap<&str, Vec<(&Traits, &str)>> = HashMap::new();
    for one in &traits {
        for phone in &one.phones {
            by_phone.entry(*phone).or_default().push(one);
        }
        if let (Some(name), Some(company)) = (&one.name, one.company) {
            by_work.entry((name.as_str(), company)).or_default().push(one);
        }
        for (local, domain) in &one.emails {
            if is_persons(local) {
                by_local.entry(*local).or_default().push((one, *domain));
            }
        }
    }
    let mut found = Found::new();
    let mut note = |one: &Traits, other: &Traits, reason| {
        let concerns = changed.contains(&one.id) || changed.contains(&other.id);
        if one.id != other.id && concerns {
            let pair = (one.id.min(other.id), one.id.max(other.id));
            let reasons: &mut BTreeSet<Reason> = found.entry(pair).or_default();
            reasons.insert(reason);
            let same_name = one.name.is_some() && one.name == other.name;
            let same_company = one.company.is_some() && one.company == other.company;
            if same_name && !same_company {
                reasons.insert(Reason::SameName);
            }
        }
    };
    for (phone, group) in &by_phone {
        if group.len() as u64 > MOST_BEHIND_A_PHONE || switchboards.contains(*phone) {
            continue;
        }
        each_pair(group, |one, other| note(one, other, Reason::SamePhone));
    }
    for group in by_work.values() {
        if group.len() as u64 > MOST_NAMESAKES {
            continue;
        }
        each_pair(group, |one, other| note(one, other, Reason::SameNameAndCompany));
    }
    for group in by_local.values() {
        if group.len() as u64 > MOST_ALIKE {
            continue;
        }
        for (one, domain) in group.iter().filter(|(one, _)| changed.contains(&one.id)) {
            for (other, others) in group {
                if is_typo(domain, others) {
                    note(one, other, Reason::EmailTypo);
                }
            }
        }
    }
    found
}

fn each_pair<T>(group: &[T], mut look: impl FnMut(&T, &T)) {
    for (index, one) in group.iter().enumerate() {
        for other in &group[index + 1..] {
            look(one, other);
        }
    }
}

/// Whether one of two domains is the other with one slip. Two providers that both exist are none (`yahoo.de` and
/// `yahoo.es`), and neither are short names of companies, which lie close by chance.
fn is_typo(one: &str, other: &str) -> bool {
    if one == other || !is_one_slip(one, other) {
        return false;
    }
    match (free_mail::is_provider(one), free_mail::is_provider(other)) {
        (true, true) => false,
        (true, false) | (false, true) => true,
        (false, false) => {
            let letters = |domain: &str| domain.split('.').next().unwrap_or_default().chars().count();
            letters(one).min(letters(other)) >= FEWEST_LETTERS
        }
    }
}

/// Whether one letter was added, lost, changed, or two neighbours changed places (optimal string alignment of 1).
fn is_one_slip(one: &str, other: &str) -> bool {
    let (short, long) = match one.len() <= other.len() {
        true => (one.as_bytes(), other.as_bytes()),
        false => (other.as_bytes(), one.as_bytes()),
    };
    if long.len() - short.len() > 1 {
        return false;
    }
    let same = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let (short, long) = (&short[same..], &long[same..]);
    match (short, long) {
        ([], [_]) => true,
        (short, [_, rest @ ..]) if short.len() == rest.len() => short == rest,
        ([a, b, rest @ ..], [c, d, others @ ..]) if (a, b) == (d, c) => rest == others,
        ([_, rest @ ..], [_, others @ ..]) => rest == others,
        _ => false,
    }
}

/// What becomes of the suggestions about the `changed` leads, now that these pairs were found. What somebody has
/// dismissed stays so. A suggestion from a refused statement stays while neither lead is among those `put_away`.
pub fn settle(
    known: Vec<Duplicate>,
    mut found: Found,
    put_away: &BTreeSet<LeadId>,
    now: Timestamp,
    ids: &Ids,
) -> Vec<DuplicateChange> {
    let mut changes = vec![];
    for duplicate in known {
        let mut reasons = found.remove(&duplicate.leads);
        if duplicate.was_told() && !duplicate.is_about(put_away) {
            let told = Reason::IdentifiersConflict;
            reasons.get_or_insert_default().insert(told);
        }
        let state = match (duplicate.state, &reasons) {
            (DuplicateState::Dismissed, _) => continue,
            (_, Some(_)) => DuplicateState::Open,
            (_, None) => DuplicateState::Withdrawn,
        };
        let reasons = reasons.unwrap_or_else(|| duplicate.reasons.clone());
        changes.extend(duplicate.becomes(state, reasons, now));
    }
    changes.extend(
        found
            .into_iter()
            .map(|(leads, reasons)| first(leads, reasons, now, ids)),
    );
    changes
}

/// The first suggestion of two leads.
fn first(leads: (LeadId, LeadId), reasons: BTreeSet<Reason>, now: Timestamp, ids: &Ids) -> DuplicateChange {
    DuplicateChange::Suggested(Duplicate {
        id: ids.next(),
        version: 1,
        leads,
        reasons,
        state: DuplicateState::Open,
        created_at: now,
        updated_at: now,
    })
}

/// The types of entry about suggestions, with what they mean.
pub(crate) const TYPES: &[(&str, &str)] = &[
    ("duplicate.suggested", "Two leads may be one person."),
    ("duplicate.withdrawn", "A suggestion has no remaining reason."),
    (
        "duplicate.dismissed",
        "A suggestion was dismissed: the leads are two people.",
    ),
];

/// What happened to a suggestion that two leads are one person.
#[derive(Debug, Clone, PartialEq)]
pub enum DuplicateChange {
    /// Two leads may be one person.
    Suggested(Duplicate),
    /// Nothing suggests it any more.
    Withdrawn(Duplicate),
    /// A user dismissed it.
    Dismissed(Duplicate),
}

impl DuplicateChange {
    /// The suggestion after the change.
    pub fn duplicate(&self) -> &Duplicate {
        match self {
            Self::Suggested(duplicate) | Self::Withdrawn(duplicate) | Self::Dismissed(duplicate) => duplicate,
        }
    }

    /// The entry stands with the younger lead.
    pub(crate) fn entry(&self) -> Entry {
        let duplicate = self.duplicate();
        let kind = match self {
            Self::Suggested(_) => "duplicate.suggested",
            Self::Withdrawn(_) => "duplicate.withdrawn",
            Self::Dismissed(_) => "duplicate.dismissed",
        };
        let (elder, younger) = duplicate.leads;
        let data = json!({
            "lead_ids": [elder, younger], "reasons": duplicate.reasons,
            "confidence": confidence(&duplicate.reasons) as f64 / 100.0,
        });
        let subject = Subject::new("duplicate", duplicate.id, duplicate.version);
        Entry::plain(kind, subject, Some(younger), data)
    }
}

impl Duplicate {
    /// Whether somebody named the two as one: no comparison would find it again.
    pub fn was_told(&self) -> bool {
        self.reasons.contains(&Reason::IdentifiersConflict)
    }

    fn is_about(&self, leads: &BTreeSet<LeadId>) -> bool {
        leads.contains(&self.leads.0) || leads.contains(&self.leads.1)
    }

    fn becomes(
        mut self,
        state: DuplicateState,
        reasons: BTreeSet<Reason>,
        now: Timestamp,
    ) -> Option<DuplicateChange> {
        if (state, &reasons) == (self.state, &self.reasons) {
            return None;
        }
        (self.state, self.reasons) = (state, reasons);
        self.version += 1;
        self.updated_at = now.max(self.updated_at);
        Some(match state {
            DuplicateState::Withdrawn => DuplicateChange::Withdrawn(self),
            _ => DuplicateChange::Suggested(self),
        })
    }
}

/// Dismiss a suggestion; `None` where it was dismissed already. A key acts by its scope, a person needs a role that
/// writes leads.
pub fn dismiss(
    duplicate: &Duplicate,
    actor: &Actor,
    now: Timestamp,
) -> Result<Option<DuplicateChange>, Denied> {
    if let Some(person) = actor.person() {
        let may = person.is_admin() || person.grants(crate::access::Scope::LeadsWrite);
        may.then_some(()).ok_or(Denied::WrongRole)?;
    }
    if duplicate.state == DuplicateState::Dismissed {
        return Ok(None);
    }
    Ok(Some(DuplicateChange::Dismissed(Duplicate {
        version: duplicate.version + 1,
        state: DuplicateState::Dismissed,
        updated_at: now.max(duplicate.updated_at),
        ..duplicate.clone()
    })))
}

mod conflicts;

pub use conflicts::{named_as_one, suggest};

#[cfg(test)]
mod tests;
