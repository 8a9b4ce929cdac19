//! Events, touches and sessions as they go out.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value};
use tandem_domain::campaigns::alias_key;
use tandem_domain::id::{CampaignId, ContentId, EventId, TouchId, VisitorId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::{ClickIds, Touch};
use tandem_domain::tracking::events::Event;
use tandem_domain::tracking::record::{TouchKind, TouchRecord};
use tandem_store::{Read, StoreError, campaigns, tracking};
use utoipa::ToSchema;

/// An event of a lead: one thing that it did, such as viewing a page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EventView {
    /// Its id.
    pub id: EventId,
    /// What happened.
    #[schema(max_length = 80, example = "page_view")]
    pub r#type: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was recorded.
    pub received_at: Timestamp,
    /// The visitor's id, as the website chose it.
    #[schema(max_length = 100)]
    pub visitor_id: Option<String>,
    /// The page.
    #[schema(max_length = 4096, example = "https://www.example.com/pricing")]
    pub url: Option<String>,
    /// The URL of the page that linked to it.
    #[schema(max_length = 4096)]
    pub referrer: Option<String>,
    /// Further properties.
    #[schema(value_type = Object, example = json!({"plan": "team"}))]
    pub properties: Map<String, Value>,
    /// The piece of the content library that it is about.
    pub content_id: Option<ContentId>,
    /// Whether a known bot did it; such events are never counted.
    pub bot: bool,
    /// Whether a mail scanner or a prefetcher did it; such events are never counted.
    pub machine: bool,
    /// Who sent it: the id of a key, tracking key, form or user.
    #[schema(max_length = 64, example = "key_01h455vb4pex5vsknk084sn02q")]
    pub told_by: String,
}

/// A touch of a lead: one visit or contact to which reports can attribute the lead.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TouchView {
    /// Its id. The id of a visit's touch may change when a late event arrives.
    pub id: TouchId,
    /// The kind of touch: a visit, a click in an e-mail, attendance of an event, or one that a user, partner or import
    /// reported.
    pub kind: TouchKind,
    /// When it happened; for a visit, when it began.
    pub occurred_at: Timestamp,
    /// The visitor's id, as the website chose it.
    #[schema(max_length = 100)]
    pub visitor_id: Option<String>,
    /// The channel.
    #[schema(max_length = 100, example = "paid_search")]
    pub channel: Option<String>,
    /// The source.
    #[schema(max_length = 200, example = "google")]
    pub source: Option<String>,
    /// The medium.
    #[schema(max_length = 200, example = "cpc")]
    pub medium: Option<String>,
    /// The campaign's name in the touch.
    #[schema(max_length = 200, example = "spring-sale")]
    pub campaign: Option<String>,
    /// The campaign that has the name in `campaign` among its aliases; `null` if there is none.
    pub campaign_id: Option<CampaignId>,
    /// The search term.
    #[schema(max_length = 200)]
    pub term: Option<String>,
    /// The content.
    #[schema(max_length = 200)]
    pub content: Option<String>,
    /// The click ids of ad networks.
    pub click_ids: Option<ClickIds>,
    /// The page on which the visit began.
    #[schema(max_length = 2048, example = "https://www.example.com/offer")]
    pub landing_url: Option<String>,
    /// The page that linked to it.
    #[schema(max_length = 2048)]
    pub referrer: Option<String>,
}

/// A visit (session): a run of a visitor's events without a gap of half an hour.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SessionView {
    /// When it began.
    pub started_at: Timestamp,
    /// When its last event happened.
    pub ended_at: Timestamp,
    /// The number of its events.
    #[schema(minimum = 1, example = 4)]
    pub events: i64,
    /// The visitor's id, as the website chose it; `null` for a form submitted without one.
    #[schema(max_length = 100)]
    pub visitor_id: Option<String>,
    /// The touch that it makes, if any.
    pub touch: Option<TouchView>,
}

impl EventView {
    /// The views of a page's events.
    pub async fn all(on: &impl Read, events: Vec<Event>) -> Result<Vec<Self>, StoreError> {
        let visitors = tracking::visitor_keys(on, events.iter().filter_map(|event| event.visitor_id)).await?;
        Ok(events
            .into_iter()
            .map(|event| Self::of(event, &visitors))
            .collect())
    }

    fn of(event: Event, visitors: &HashMap<VisitorId, String>) -> Self {
        Self {
            id: event.id,
            r#type: event.kind.name().to_owned(),
            occurred_at: event.occurred_at,
            received_at: event.received_at,
            visitor_id: event.visitor_id.and_then(|id| visitors.get(&id).cloned()),
            url: event.pages.url,
            referrer: event.pages.referrer,
            properties: event.properties,
            content_id: event.content_id,
            bot: event.is_bot,
            machine: event.is_machine,
            told_by: event.told_by,
        }
    }
}

impl TouchView {
    /// The views of touches, with the campaigns that they name.
    pub async fn all(on: &impl Read, touches: Vec<TouchRecord>) -> Result<Vec<Self>, StoreError> {
        let named = Named::of(on, &touches).await?;
        Ok(touches.iter().filter_map(|record| named.touch(record)).collect())
    }
}

impl SessionView {
    /// The views of a page's sessions.
    pub async fn all(on: &impl Read, sessions: Vec<TouchRecord>) -> Result<Vec<Self>, StoreError> {
        let named = Named::of(on, &sessions).await?;
        let view = |record: &TouchRecord| {
            let session = record.session.as_ref()?;
            Some(Self {
                started_at: session.started_at,
                ended_at: session.ended_at,
                events: session.events,
                visitor_id: named.visitor(record),
                touch: named.touch(record),
            })
        };
        Ok(sessions.iter().filter_map(view).collect())
    }
}

/// What touches refer to.
struct Named {
    visitors: HashMap<VisitorId, String>,
    campaigns: HashMap<String, CampaignId>,
}

impl Named {
    async fn of(on: &impl Read, touches: &[TouchRecord]) -> Result<Self, StoreError> {
        let names = touches
            .iter()
            .filter_map(|record| record.touch.as_ref()?.campaign.as_deref());
        let visitors = touches.iter().filter_map(|record| record.visitor_id);
        Ok(Self {
            visitors: tracking::visitor_keys(on, visitors).await?,
            campaigns: campaigns::by_alias(on, names).await?,
        })
    }

    fn visitor(&self, record: &TouchRecord) -> Option<String> {
        self.visitors.get(&record.visitor_id?).cloned()
    }

    fn touch(&self, record: &TouchRecord) -> Option<TouchView> {
        let touch: Touch = record.touch.clone()?;
        let campaign_id = touch.campaign.as_deref().map(alias_key);
        Some(TouchView {
            id: record.id,
            kind: record.kind,
            occurred_at: record.occurred_at,
            visitor_id: self.visitor(record),
            channel: touch.channel,
            source: touch.source,
            medium: touch.medium,
            campaign_id: campaign_id.and_then(|key| self.campaigns.get(&key).copied()),
            campaign: touch.campaign,
            term: touch.term,
            content: touch.content,
            click_ids: touch.click_ids,
            landing_url: touch.landing_url,
            referrer: touch.referrer,
        })
    }
}
