//! Conversations over HTTP: partners that transcribe calls report them as facts.

use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use tandem_domain::activities::conversation::{
    Conversation, ConversationDetails, ConversationLead, NextStep, Participant,
};
use tandem_domain::activities::{Direction, Intent, Objection, Promised, converse};
use tandem_domain::change::Change;
use tandem_domain::fault::Fault;
use tandem_domain::id::{ActivityId, ConversationId, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::settle::Unsettled;
use tandem_store as store;
use tandem_store::activities::conversations::{self as stored, ConversationFilter, Followed};
use utoipa::{IntoParams, ToSchema};

use super::actions::refused;
use crate::access::scopes::{ActivitiesRead, ActivitiesWrite};
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::{invalid, refuse};
use crate::edge::http::filter::users;
use crate::edge::http::json::Json;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Problem};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::{Accepted, Created, Reply, Tagged, Upserted, etag};
use crate::edge::http::services::Services;

/// The operations about conversations.
pub fn configure(config: &mut Services<'_>) {
    config.service(report_conversation).service(list_conversations);
    config.service(get_conversation).service(link_conversation);
}

/// Why a conversation has no lead yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnmatchedView {
    /// The identifiers for which it waits: the first lead that has one of them is its lead.
    waits_for: ConversationLead,
    /// Since when it waits.
    since: Timestamp,
}

/// A conversation, as a partner reports it, with what follows from it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationView {
    /// Its id.
    id: ConversationId,
    /// The partner.
    #[schema(max_length = 64, example = "callsense")]
    provider: String,
    /// The partner's id of the call.
    #[schema(max_length = 255, example = "call-4711")]
    external_id: String,
    /// Who the call was with, as the partner knows the lead.
    lead: ConversationLead,
    /// When it began.
    occurred_at: Timestamp,
    /// How long it took, in seconds.
    #[schema(minimum = 0, maximum = 604_800, example = 1260)]
    duration_s: Option<i64>,
    /// `outbound` if a user called, `inbound` if the lead did.
    direction: Direction,
    /// Who took part.
    #[schema(max_items = 50)]
    participants: Vec<Participant>,
    /// What was spoken about.
    #[schema(
        max_length = 20_000,
        example = "Wants to replace the old system before summer."
    )]
    summary: String,
    /// How much the lead intends to buy.
    intent: Intent,
    /// The objections, as the partner reports them; those of the activity have their codes.
    #[schema(max_items = 20)]
    objections: Vec<Objection>,
    /// What the lead needs.
    #[schema(max_items = 20)]
    needs: Vec<String>,
    /// The competitors that were named.
    #[schema(max_items = 20)]
    competitors: Vec<String>,
    /// The budget in words.
    #[schema(max_length = 500, example = "50,000 euros a year")]
    budget: Option<String>,
    /// By when the lead wants to decide, in words.
    #[schema(max_length = 500, example = "Before summer")]
    timeline: Option<String>,
    /// What is to be done next.
    #[schema(max_items = 20)]
    next_steps: Vec<NextStep>,
    /// The promises to the lead.
    #[schema(max_items = 20)]
    promises: Vec<Promised>,
    /// Where the recording is.
    #[schema(max_length = 2048, example = "https://calls.example.com/4711")]
    recording_url: Option<String>,
    /// Its lead; `null` while none is found.
    lead_id: Option<LeadId>,
    /// The user who held it: a participant, else the owner of the lead when it was found.
    owner_id: Option<UserId>,
    /// What it waits for while it has no lead.
    unmatched: Option<UnmatchedView>,
    /// Its activity; `null` without a lead, and once somebody deleted the activity.
    activity_id: Option<ActivityId>,
    /// The tasks of its next steps.
    #[schema(max_items = 100)]
    task_ids: Vec<ActivityId>,
    /// When its lead was found.
    linked_at: Option<Timestamp>,
    /// When it was reported first.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

impl ConversationView {
    fn of(conversation: Conversation, (activity_id, task_ids): Followed) -> Self {
        let unmatched = conversation.lead_id.is_none().then(|| UnmatchedView {
            waits_for: conversation.details.lead.clone(),
            since: conversation.created_at,
        });
        let details = conversation.details;
        Self {
            id: conversation.id,
            provider: details.provider,
            external_id: details.external_id,
            lead: details.lead,
            occurred_at: details.occurred_at,
            duration_s: details.duration_s,
            direction: details.direction,
            participants: details.participants,
            summary: details.summary,
            intent: details.intent,
            objections: details.objections,
            needs: details.needs,
            competitors: details.competitors,
            budget: details.budget,
            timeline: details.timeline,
            next_steps: details.next_steps,
            promises: details.promises,
            recording_url: details.recording_url,
            lead_id: conversation.lead_id,
            owner_id: conversation.user_id,
            unmatched,
            activity_id,
            task_ids,
            linked_at: conversation.linked_at,
            created_at: conversation.created_at,
            updated_at: conversation.updated_at,
        }
    }
}

/// One conversation.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ConversationPath {
    /// The conversation's id.
    conversation_id: ConversationId,
}

/// Which conversations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ConversationsQuery {
    /// With this lead.
    lead_id: Option<LeadId>,
    /// Held by one of these users: ids, or `me`.
    #[param(min_items = 1, max_items = 50, style = Form, explode = false, example = json!(["me"]))]
    owner_id: Option<Vec<String>>,
    /// With one of these intents.
    #[param(min_items = 1, max_items = 4, style = Form, explode = false)]
    intent: Option<Vec<Intent>>,
    /// `true`: only those with a lead; `false`: only those that wait for one.
    matched: Option<bool>,
    /// The most items of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// The lead of a conversation.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkConversation {
    /// The lead.
    lead_id: LeadId,
}

fn reply((conversation, followed): (Conversation, Followed)) -> Tagged<ConversationView> {
    let leads = conversation.lead_id.into_iter().collect();
    let tag = etag(conversation.version, 0);
    Tagged::new(tag, ConversationView::of(conversation, followed)).about(leads)
}

/// Report a conversation.
///
/// For partners that transcribe calls: one call as facts. It is recorded as an activity of the lead, a call in which both sides took
/// part. Next steps become tasks, promises are recorded, objections are mapped to the codes of the agreement, and budget,
/// needs and timeline are proposed for the lead's qualification.
/// The same `external_id` of a `provider` again corrects the conversation (`200`): what follows from it is replaced, except
/// what a user changed since. If no lead is found, the conversation waits (`202`) and is linked when a lead with that
/// e-mail, phone or external id appears.
#[utoipa::path(tag = "activities", security(("bearer" = [ActivitiesWrite])), request_body = ConversationDetails,
    responses((status = 201, description = "The conversation was recorded", body = ConversationView, headers(
        ("ETag" = String, description = "The conversation's version"), ("Location" = String, description = "The URL of the conversation"))),
        (status = 200, description = "The existing conversation with this `external_id`, corrected", body = ConversationView,
        headers(("ETag" = String, description = "The conversation's version"))),
        (status = 202, description = "The conversation waits for its lead", body = ConversationView,
        headers(("Location" = String, description = "The URL of the conversation")))))]
#[post("/v1/conversations")]
async fn report_conversation(
    ctx: Ctx<ActivitiesWrite>,
    body: Json<ConversationDetails>,
) -> Reply<Upserted<ConversationView>> {
    let said = body.0.lead.statement().map_err(invalid)?;
    let tx = ctx.begin().await?;
    let (mut world, known) = stored::world_for(&tx, &body.0, said).await?;
    let is_new = known.is_none();
    let reported = converse::report(&mut world, body.0, known, ctx.act());
    let (conversation, change) = reported.map_err(refused)?;
    store::settle(&tx, &mut world, ctx.act(), change).await?;
    let (conversation, followed) = stored::get(&tx, conversation.id).await?;
    let location = format!("/v1/conversations/{}", conversation.id);
    let answer = match (conversation.lead_id, is_new) {
        (None, _) => {
            let view = ConversationView::of(conversation, followed);
            Upserted::Waiting(Accepted::at(location, view))
        }
        (Some(_), false) => Upserted::Changed(reply((conversation, followed))),
        (Some(lead_id), true) => {
            let view = ConversationView::of(conversation, followed);
            Upserted::Made(
                Created::at(location, view)
                    .tagged(etag(1, 0))
                    .about(vec![lead_id]),
            )
        }
    };
    ctx.commit(tx, answer).await
}

/// List conversations.
///
/// In the order in which they were reported. `matched=false` lists those that wait for their lead.
#[utoipa::path(tag = "activities", params(ConversationsQuery), security(("bearer" = [ActivitiesRead])),
    responses((status = 200, description = "A page of conversations", body = Listing<ConversationView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/conversations")]
async fn list_conversations(
    ctx: Ctx<ActivitiesRead>,
    query: Query<ConversationsQuery>,
) -> Reply<Listing<ConversationView>> {
    let query = query.0;
    let after = listing::after(&ctx.master, ctx.request(), query.cursor.as_deref())?;
    let filter = ConversationFilter {
        lead_id: query.lead_id,
        user_id: users("owner_id", query.owner_id.as_deref(), ctx.person())?,
        intent: query.intent.unwrap_or_default(),
        matched: query.matched,
    };
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    let page = stored::list(ctx.db(), &filter, after, limit).await?;
    let position = |(last, _): &(Conversation, Followed)| last.id;
    let view = |(conversation, follows)| ConversationView::of(conversation, follows);
    Ok(Listing::of(&ctx.master, ctx.request(), page, position, view))
}

/// Read a conversation.
#[utoipa::path(tag = "activities", params(ConversationPath), security(("bearer" = [ActivitiesRead])),
    responses((status = 200, description = "The conversation", body = ConversationView,
        headers(("ETag" = String, description = "The conversation's version")))))]
#[get("/v1/conversations/{conversation_id}")]
async fn get_conversation(
    ctx: Ctx<ActivitiesRead>,
    path: Path<ConversationPath>,
) -> Reply<Tagged<ConversationView>> {
    Ok(reply(stored::get(ctx.db(), path.0.conversation_id).await?))
}

/// Link a conversation to its lead.
///
/// For a conversation that waits. It then counts for the lead as if the lead had been found at once. A conversation that has
/// another lead is refused (`409`).
#[utoipa::path(tag = "activities", params(ConversationPath), security(("bearer" = [ActivitiesWrite])), request_body = LinkConversation,
    responses((status = 200, description = "The conversation with its lead", body = ConversationView,
        headers(("ETag" = String, description = "The conversation's version")))))]
#[post("/v1/conversations/{conversation_id}/link")]
async fn link_conversation(
    ctx: Ctx<ActivitiesWrite>,
    path: Path<ConversationPath>,
    body: Json<LinkConversation>,
) -> Reply<Tagged<ConversationView>> {
    let (id, lead_id) = (path.0.conversation_id, body.0.lead_id);
    let tx = ctx.begin().await?;
    let (mut world, known) = stored::world_to_link(&tx, id, lead_id).await?;
    ctx.check_if_match(known.version)?;
    if !world.leads.contains_key(&lead_id) {
        refuse(vec![Fault::new("/lead_id", "not_found", "is not a lead")])?;
    }
    let linked = converse::link(&mut world, &known, lead_id, ctx.act());
    let because = |linked: converse::Linked| Problem::new(Code::Conflict).because(linked.to_string());
    let (_, change) = linked.map_err(because)?;
    let changes: Unsettled = change.map(Change::from).into();
    store::settle(&tx, &mut world, ctx.act(), changes).await?;
    let answer = reply(stored::get(&tx, id).await?);
    ctx.commit(tx, answer).await
}
