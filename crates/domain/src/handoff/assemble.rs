//! A packet is made of the loaded facts: the same facts give the same bytes.

use serde_json::{Value, json};

use super::Handoff;
use super::packet::{
    Behaviour, MAX_PACKET_BYTES, Message, PACKET_VERSION, Packet, PacketCompany, PacketFacts, Request, Who,
};
use crate::leads::fields::{CompanyField, LeadField};
use crate::leads::identity::Kind;
use crate::leads::{Company, Lead};
use crate::world::World;

/// How much of each list and text a packet takes.
#[derive(Debug, Clone, Copy)]
struct Measure {
    /// The most items of a list.
    items: usize,
    /// The most characters of a text.
    chars: usize,
}

/// The packet of a hand-off, as JSON of at most [`MAX_PACKET_BYTES`]. Lists that are too long, and then texts, are cut until
/// it fits; what lists leave out is counted.
pub(super) fn packet(world: &mut World, handoff: &Handoff) -> Value {
    let facts = world.sales.packets.remove(&handoff.lead_id).unwrap_or_default();
    let lead = world.leads.get(&handoff.lead_id);
    let company = handoff.company_id.and_then(|id| world.companies.get(&id));
    let mut measure = Measure {
        items: 100,
        chars: 8192,
    };
    loop {
        let packet = json!(fitted(&facts, lead, company, handoff, measure));
        let is_least = measure.items <= 1 && measure.chars <= 64;
        if is_least || packet.to_string().len() <= MAX_PACKET_BYTES {
            return packet;
        }
        measure = Measure {
            items: (measure.items * 3 / 4).max(1),
            chars: (measure.chars / 2).max(64),
        };
    }
}

fn fitted(
    facts: &PacketFacts,
    lead: Option<&Lead>,
    company: Option<&Company>,
    handoff: &Handoff,
    measure: Measure,
) -> Packet {
    let contacts = &facts.company_contacts[..facts.company_contacts.len().min(measure.items.min(20))];
    let cycles = &facts.earlier_cycles[..facts.earlier_cycles.len().min(measure.items.min(20))];
    let mut earlier_cycles = cycles.to_vec();
    for cycle in &mut earlier_cycles {
        cycle.note = cycle
            .note
            .as_deref()
            .map(|note| cut(note, measure.chars.min(4000)));
    }
    Packet {
        packet_version: PACKET_VERSION,
        handoff_id: handoff.id,
        lead_id: handoff.lead_id,
        cycle: handoff.cycle,
        made_at: handoff.made_at,
        agreement_version: handoff.agreement_version,
        who: who(facts, lead, company),
        origin: facts.origin.clone(),
        request: request(facts, lead, measure),
        behaviour: behaviour(facts, measure),
        score: facts.score.clone(),
        last_message: last_message(facts),
        company_contacts: contacts.to_vec(),
        company_contacts_left_out: facts.company_size - contacts.len() as i64,
        earlier_cycles_left_out: (facts.earlier_cycles.len() - earlier_cycles.len()) as i64,
        earlier_cycles,
    }
}

fn who(facts: &PacketFacts, lead: Option<&Lead>, company: Option<&Company>) -> Who {
    let Some(lead) = lead else {
        return Who::default();
    };
    let text = |field| lead.profile.get(field).map(str::to_owned);
    let values = |kind| {
        let all = lead.of_kind(kind);
        all.map(|identifier| identifier.value.clone()).collect()
    };
    Who {
        first_name: text(LeadField::FirstName),
        last_name: text(LeadField::LastName),
        job_title: text(LeadField::JobTitle),
        emails: values(Kind::Email),
        phones: values(Kind::Phone),
        country: text(LeadField::Country),
        language: text(LeadField::Language),
        company: company.map(|company| {
            let text = |field| company.get(field).map(str::to_owned);
            PacketCompany {
                id: company.id,
                name: text(CompanyField::Name),
                domain: company.domain.clone(),
                industry: text(CompanyField::Industry),
                country: text(CompanyField::Country),
                employees: company.employees,
            }
        }),
        consents: facts.consents.clone(),
    }
}

fn request(facts: &PacketFacts, lead: Option<&Lead>, measure: Measure) -> Request {
    let mut request = facts.request.clone();
    let all = request.answers.len() as i64 + request.answers_left_out;
    request.answers.truncate(measure.items.min(100));
    for answer in &mut request.answers {
        answer.value = cut(&answer.value, measure.chars);
    }
    request.answers_left_out = all - request.answers.len() as i64;
    let need = lead.and_then(|lead| lead.profile.get(LeadField::Need));
    request.need = need.map(|need| cut(need, measure.chars.min(4000)));
    request
}

fn behaviour(facts: &PacketFacts, measure: Measure) -> Behaviour {
    let mut last_events = facts.last_events.clone();
    last_events.truncate(measure.items.min(10));
    let all: i64 = facts.counts.iter().map(|one| one.count).sum();
    Behaviour {
        counts: facts.counts.iter().take(200).cloned().collect(),
        events_left_out: (all - last_events.len() as i64).max(0),
        last_events,
        content: facts
            .content
            .iter()
            .take(measure.items.min(50))
            .cloned()
            .collect(),
    }
}

/// The newest of the last e-mail, the last activity and the campaign of the latest touch.
fn last_message(facts: &PacketFacts) -> Option<Message> {
    let campaign = facts.origin.campaign.as_ref().and_then(|campaign| {
        let message = campaign.brief.as_ref()?.message.clone()?;
        Some(Message {
            kind: "campaign".to_owned(),
            at: facts.origin.last.as_ref().and_then(|touch| touch.occurred_at),
            text: message,
        })
    });
    let all = facts
        .last_email
        .iter()
        .chain(&facts.last_activity)
        .chain(&campaign);
    all.max_by_key(|message| message.at).cloned()
}

/// Text of at most so many characters; what is cut ends with an ellipsis.
fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars.saturating_sub(1)).collect();
    kept + "…"
}
