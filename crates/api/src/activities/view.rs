//! Activities as they go out.

use serde::Serialize;
use tandem_domain::access::Queue;
use tandem_domain::activities::{
    Activity, ActivityOutcome, ActivityType, Direction, Intent, Objection, Promised,
};
use tandem_domain::id::{ActivityId, CompanyId, ContentId, ConversationId, DealId, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::ExternalId;
use utoipa::ToSchema;

/// An activity with a lead, deal or company (call, e-mail, meeting, message or note), or a task to do.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActivityView {
    /// Its id.
    id: ActivityId,
    /// The lead for which it counts: its own, or the primary lead of its deal.
    lead_id: Option<LeadId>,
    /// The deal.
    deal_id: Option<DealId>,
    /// The company.
    company_id: Option<CompanyId>,
    /// The user who did it; `null` for a task created by a rule.
    user_id: Option<UserId>,
    /// For a task: the user who must do it.
    owner_id: Option<UserId>,
    /// The queue of a task that a rule created without an owner. Users who may take from this queue may update the
    /// task; the one who does becomes its owner, unless the update names another.
    queue: Option<Queue>,
    /// The type of activity.
    r#type: ActivityType,
    /// `inbound` if the lead contacted the company, `outbound` if a user contacted the lead; `null` for notes and tasks.
    direction: Option<Direction>,
    /// When it happened.
    occurred_at: Timestamp,
    /// How long it took, in seconds.
    #[schema(minimum = 0, maximum = 604_800)]
    duration_s: Option<i64>,
    /// The outcome.
    outcome: Option<ActivityOutcome>,
    /// The subject, in one line.
    #[schema(max_length = 300, example = "First call")]
    subject: Option<String>,
    /// The text.
    #[schema(max_length = 20_000)]
    body: Option<String>,
    /// For a task: when it is due.
    due_at: Option<Timestamp>,
    /// For a task: when it was done.
    done_at: Option<Timestamp>,
    /// Whether a machine sent it.
    automatic: bool,
    /// The objections of the other side.
    #[schema(max_items = 20)]
    objections: Vec<Objection>,
    /// The promises to the other side.
    #[schema(max_items = 20)]
    promises: Vec<Promised>,
    /// The content that was sent or shown to the other side.
    #[schema(max_items = 20)]
    content_ids: Vec<ContentId>,
    /// Its id in another system.
    external_id: Option<ExternalId>,
    /// The conversation that it follows from.
    conversation_id: Option<ConversationId>,
    /// How much the lead intends to buy, where it is the activity of a conversation.
    intent: Option<Intent>,
    /// When it was logged.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl From<Activity> for ActivityView {
    fn from(activity: Activity) -> Self {
        Self {
            conversation_id: activity.conversation.map(|of| of.id),
            intent: activity.intent(),
            id: activity.id,
            lead_id: activity.lead_id,
            deal_id: activity.deal_id,
            company_id: activity.company_id,
            user_id: activity.user_id,
            owner_id: activity.owner_id,
            queue: activity.queue,
            r#type: activity.kind,
            direction: activity.direction,
            occurred_at: activity.occurred_at,
            duration_s: activity.duration_s,
            outcome: activity.outcome,
            subject: activity.subject,
            body: activity.body,
            due_at: activity.due_at,
            done_at: activity.done_at,
            automatic: activity.automatic,
            objections: activity.objections,
            promises: activity.promises,
            content_ids: activity.content_ids,
            external_id: activity.external_id.map(|(system, id)| ExternalId { system, id }),
            created_at: activity.created_at,
            updated_at: activity.updated_at,
        }
    }
}
