//! The frozen story that a hand-off carries, and the facts that it is made of. Members whose source is not built yet are
//! empty.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::agreement::conditions::History;
use crate::agreement::points::Points;
use crate::campaigns::Brief;
use crate::id::{CampaignId, CompanyId, EventId, FormId, HandoffId, LeadId};
use crate::instant::Timestamp;
use crate::leads::Touch;
use crate::scoring::{Contribution, Score, SideName};
use crate::stage::Stage;
use crate::tracking::events::EventKind;

/// The version of the packet's shape.
pub const PACKET_VERSION: i64 = 1;
/// How far back a score is compared: seven days, in milliseconds.
pub const TREND: i64 = 7 * 24 * 3_600_000;
/// The most bytes of a packet, as JSON.
pub const MAX_PACKET_BYTES: usize = 65_536;

/// A packet: what sales knew of a lead at the hand-off. It never changes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Packet {
    /// The version of this schema.
    #[schema(minimum = 1, example = 1)]
    pub packet_version: i64,
    /// The hand-off.
    pub handoff_id: HandoffId,
    /// The lead.
    pub lead_id: LeadId,
    /// The lead's cycle.
    #[schema(minimum = 1)]
    pub cycle: i64,
    /// When it was created.
    pub made_at: Timestamp,
    /// The version of the agreement by which the lead was judged.
    #[schema(minimum = 1)]
    pub agreement_version: i64,
    /// The person: name, job title, and how to reach it.
    pub who: Who,
    /// The touches.
    pub origin: Origin,
    /// The request of the newest form.
    pub request: Request,
    /// The lead's events.
    pub behaviour: Behaviour,
    /// The score, band and contributions; `null` if there was no score.
    pub score: Option<PacketScore>,
    /// The last message that the lead got or read; `null` if unknown.
    pub last_message: Option<Message>,
    /// Other leads of the company, the most recent first; at most 20.
    #[schema(max_items = 20)]
    pub company_contacts: Vec<CompanyContact>,
    /// How many further leads of the company there are.
    #[schema(minimum = 0)]
    pub company_contacts_left_out: i64,
    /// The earlier cycles, newest first; at most 20.
    #[schema(max_items = 20)]
    pub earlier_cycles: Vec<EarlierCycle>,
    /// How many further ones there are.
    #[schema(minimum = 0)]
    pub earlier_cycles_left_out: i64,
}

/// The person that a lead is: name, job title, and how to reach it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Who {
    /// The given name.
    #[schema(max_length = 200)]
    pub first_name: Option<String>,
    /// The family name.
    #[schema(max_length = 200)]
    pub last_name: Option<String>,
    /// The job title of the person.
    #[schema(max_length = 200)]
    pub job_title: Option<String>,
    /// E-mails, the primary one first.
    #[schema(max_items = 50)]
    pub emails: Vec<String>,
    /// Phones.
    #[schema(max_items = 50)]
    pub phones: Vec<String>,
    /// ISO 3166-1 alpha-2.
    #[schema(max_length = 2)]
    pub country: Option<String>,
    /// BCP 47.
    #[schema(max_length = 35)]
    pub language: Option<String>,
    /// The company.
    pub company: Option<PacketCompany>,
    /// The person's consent, by purpose.
    #[schema(max_items = 100)]
    pub consents: Vec<PacketConsent>,
}

/// A lead's company.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PacketCompany {
    /// Its id.
    pub id: CompanyId,
    /// The name.
    #[schema(max_length = 200)]
    pub name: Option<String>,
    /// The web domain.
    #[schema(max_length = 253)]
    pub domain: Option<String>,
    /// The industry.
    #[schema(max_length = 200)]
    pub industry: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[schema(max_length = 2)]
    pub country: Option<String>,
    /// The number of employees.
    #[schema(minimum = 0)]
    pub employees: Option<i64>,
}

/// A person's consent to one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PacketConsent {
    /// The purpose, such as `marketing_email`.
    #[schema(max_length = 64, example = "marketing_email")]
    pub purpose: String,
    /// Whether the person may be contacted for it.
    pub may_contact: bool,
    /// The time of the statement that counts; `null` if there is none.
    pub since: Option<Timestamp>,
}

/// The touches that show where a lead came from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Origin {
    /// Its first touch.
    pub first: Option<Touch>,
    /// The touch at or before the lead's creation.
    pub lead: Option<Touch>,
    /// Its latest touch.
    pub last: Option<Touch>,
    /// The campaign of the latest touch.
    pub campaign: Option<PacketCampaign>,
}

/// The campaign of the lead's latest touch.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PacketCampaign {
    /// Its id.
    pub id: CampaignId,
    /// What people call it.
    #[schema(max_length = 200)]
    pub name: String,
    /// The channel.
    #[schema(max_length = 100)]
    pub channel: String,
    /// The campaign's brief: audience, message, offer and promise.
    pub brief: Option<Brief>,
}

/// The request of a lead's newest form.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Request {
    /// The form; `null` if the lead submitted none.
    pub form_id: Option<FormId>,
    /// The form's name.
    #[schema(max_length = 200)]
    pub form_name: Option<String>,
    /// The campaign that the form belongs to.
    pub campaign_id: Option<CampaignId>,
    /// The service that the form requests.
    #[schema(max_length = 200)]
    pub service_requested: Option<String>,
    /// When it was submitted.
    pub sent_at: Option<Timestamp>,
    /// The need, in the person's own words.
    #[schema(max_length = 4000)]
    pub need: Option<String>,
    /// The answers, in the order of the form; at most 100.
    #[schema(max_items = 100)]
    pub answers: Vec<PacketAnswer>,
    /// How many further answers there are.
    #[schema(minimum = 0)]
    pub answers_left_out: i64,
}

/// One answer of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PacketAnswer {
    /// The field.
    #[schema(max_length = 200)]
    pub field: String,
    /// The answer; long text is cut.
    #[schema(max_length = 8192)]
    pub value: String,
}

/// The events of a lead, counted and the last ten.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Behaviour {
    /// The number of events by type, excluding those of crawlers, mail scanners and other machines.
    #[schema(max_items = 200)]
    pub counts: Vec<EventCount>,
    /// The last ten events, newest first.
    #[schema(max_items = 10)]
    pub last_events: Vec<PacketEvent>,
    /// How many further events there are.
    #[schema(minimum = 0)]
    pub events_left_out: i64,
    /// The titles of the content that the lead read, the latest first; at most 50.
    #[schema(max_items = 50)]
    pub content: Vec<String>,
}

/// The number of events of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EventCount {
    /// The type of event.
    #[serde(rename = "type")]
    #[schema(max_length = 80, example = "page_view")]
    pub kind: String,
    /// The number of times.
    #[schema(minimum = 1)]
    pub count: i64,
}

/// An event of a lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PacketEvent {
    /// Its id.
    pub id: EventId,
    /// The type of event.
    #[serde(rename = "type")]
    #[schema(max_length = 80, example = "page_view")]
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
    /// The page on which it happened.
    #[schema(max_length = 2048)]
    pub url: Option<String>,
    /// The title, subject, file or name in its properties.
    #[schema(max_length = 300)]
    pub about: Option<String>,
}

/// A lead's score at the hand-off, in whole points.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PacketScore {
    /// The points of fit: for who the lead is.
    pub fit: i64,
    /// The points of engagement: for what the lead did.
    pub engagement: i64,
    /// Fit and engagement together.
    pub total: i64,
    /// The bands of fit and engagement.
    #[schema(max_length = 16, example = "A1")]
    pub band: Option<String>,
    /// The contributions; at most 50.
    #[schema(max_items = 50)]
    pub contributions: Vec<PacketContribution>,
    /// How many further contributions there are.
    #[schema(minimum = 0)]
    pub contributions_left_out: i64,
    /// The change of `total` within the last seven days by the lead's activity, with its present fit. `null` if the
    /// lead did not exist then.
    pub trend_7d: Option<i64>,
}

/// One part of a score.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PacketContribution {
    /// The side: fit or engagement.
    pub side: SideName,
    /// The label of the rule or maximum.
    #[schema(max_length = 200)]
    pub label: String,
    /// The points.
    pub points: Points,
    /// How many times it was added.
    #[schema(minimum = 0)]
    pub count: i64,
}

impl PacketScore {
    /// A score with its contributions, as far as they fit, and the total seven days before.
    pub fn of(score: Score, before: Option<i64>) -> Self {
        let left_out = score.contributions.len().saturating_sub(50) as i64;
        let shown = score.contributions.into_iter().take(50);
        let contribution = |one: Contribution| PacketContribution {
            side: one.side,
            label: one.label,
            points: one.points,
            count: one.count as i64,
        };
        Self {
            fit: score.fit,
            engagement: score.engagement,
            total: score.total,
            band: score.band,
            contributions: shown.map(contribution).collect(),
            contributions_left_out: left_out,
            trend_7d: before.map(|before| score.total - before),
        }
    }
}

/// The last message that the lead got or read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Message {
    /// The kind: `email`, `activity` or `campaign`.
    #[schema(max_length = 20, example = "email")]
    pub kind: String,
    /// The instant.
    pub at: Option<Timestamp>,
    /// The subject of an e-mail or activity, else its text, or the message of a campaign.
    #[schema(max_length = 2000)]
    pub text: String,
}

/// Another lead of the same company.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CompanyContact {
    /// The lead.
    pub lead_id: LeadId,
    /// The name, else the primary e-mail.
    #[schema(max_length = 401)]
    pub name: Option<String>,
    /// The job title of the person.
    #[schema(max_length = 200)]
    pub job_title: Option<String>,
    /// The stage.
    pub stage: Stage,
}

/// An earlier cycle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EarlierCycle {
    /// Its number.
    #[schema(minimum = 1)]
    pub cycle: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The furthest stage that it reached.
    pub reached: Stage,
    /// The last reason given.
    #[schema(max_length = 64)]
    pub reason: Option<String>,
    /// The note of the rejection.
    #[schema(max_length = 4000)]
    pub note: Option<String>,
    /// The codes of the lead's objections.
    #[schema(max_items = 50)]
    pub objections: Vec<String>,
}

impl PacketAnswer {
    /// The answers that a form's body holds, in the order of its fields, then the others by name. Of a body that is neither
    /// JSON nor a flat form nothing is known.
    pub fn of_body(media_type: &str, raw: &str, fields: &[&str]) -> Vec<Self> {
        let mut answers: Vec<Self> = match serde_json::from_str::<Value>(raw) {
            Ok(body) => {
                let sent = body.get("fields").and_then(Value::as_object);
                let all = sent.into_iter().flatten();
                all.filter_map(|(field, value)| Some((field.clone(), text_of(value)?)))
                    .map(|(field, value)| Self { field, value })
                    .collect()
            }
            Err(_) if media_type.starts_with("application/x-www-form-urlencoded") => {
                let pairs = url::form_urlencoded::parse(raw.as_bytes());
                pairs
                    .filter(|(field, value)| !field.starts_with('_') && !value.is_empty())
                    .map(|(field, value)| Self {
                        field: field.into_owned(),
                        value: value.into_owned(),
                    })
                    .collect()
            }
            Err(_) => vec![],
        };
        let place = |field: &str| fields.iter().position(|known| *known == field);
        answers.sort_by(|one, other| {
            let order = |answer: &Self| (place(&answer.field).unwrap_or(usize::MAX), answer.field.clone());
            order(one).cmp(&order(other))
        });
        answers
    }
}

/// What an answer says, as text; `None` if it is empty.
fn text_of(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    (!text.is_empty()).then_some(text)
}

/// What a packet is made of beside the records of its lead: loaded for a whole batch of hand-offs.
#[derive(Debug, Clone, Default)]
pub struct PacketFacts {
    /// Where the lead came from, with the campaign of the latest touch.
    pub origin: Origin,
    /// What stands of its consent.
    pub consents: Vec<PacketConsent>,
    /// What it asked for; without its need, which is the lead's own field.
    pub request: Request,
    /// How often it did what.
    pub counts: Vec<EventCount>,
    /// Its last events, the newest first.
    pub last_events: Vec<PacketEvent>,
    /// The titles of the content that it read, the latest first.
    pub content: Vec<String>,
    /// The last e-mail that reached it: its subject.
    pub last_email: Option<Message>,
    /// The last activity by which a user, or a machine for one, contacted it.
    pub last_activity: Option<Message>,
    /// Others of its company, the most recent first.
    pub company_contacts: Vec<CompanyContact>,
    /// How many others of its company there are in all.
    pub company_size: i64,
    /// The cycles before this one, the newest first.
    pub earlier_cycles: Vec<EarlierCycle>,
    /// The score with its contributions.
    pub score: Option<PacketScore>,
    /// What it had done seven days before, as far as rules look at it.
    pub done_before: BTreeMap<EventKind, History>,
}
