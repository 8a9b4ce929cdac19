//! What is known of a lead's budget, authority, need and timeline: proposed by anybody, confirmed by sales.

use actix_web::patch;
use serde::{Deserialize, Serialize};
use tandem_domain::agreement::BantItem;
use tandem_domain::handoff;
use tandem_domain::handoff::qualification::{Qualification, Qualified, Qualify, SayItem};
use tandem_domain::id::UserId;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::fields::Source;
use tandem_store as store;
use utoipa::ToSchema;

use super::actions::{check_if_match, decided, known};
use super::view::LeadView;
use super::{LeadPath, reply};
use crate::access::scopes::LeadsWrite;
use crate::edge::ctx::Ctx;
use crate::edge::http::json::MergePatch;
use crate::edge::http::patch::Patch;
use crate::edge::http::query::Path;
use crate::edge::http::reply::{Reply, Tagged};
use crate::handoff::refused::not_decided;

/// The qualification of a lead, to update; omitted items stay.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QualifyLead {
    /// Budget: whether there is money.
    #[serde(default)]
    #[schema(value_type = QualifyItem, required = false)]
    budget: Option<QualifyItem>,
    /// Authority: whether the person decides, or leads to the person who does.
    #[serde(default)]
    #[schema(value_type = QualifyItem, required = false)]
    authority: Option<QualifyItem>,
    /// Need: whether there is one.
    #[serde(default)]
    #[schema(value_type = QualifyItem, required = false)]
    need: Option<QualifyItem>,
    /// Timeline: whether there is a known date.
    #[serde(default)]
    #[schema(value_type = QualifyItem, required = false)]
    timeline: Option<QualifyItem>,
}

/// One item of the qualification, to update; omitted members stay.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QualifyItem {
    /// The value, in words: an amount, a name, a date; `null` empties it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 4000, example = "50,000 EUR in this year")]
    value: Patch<String>,
    /// A note; `null` empties it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 4000)]
    note: Patch<String>,
    /// Whether it is confirmed: by the lead's owner or a sales manager.
    #[serde(default)]
    #[schema(value_type = bool, required = false, example = true)]
    confirmed: Option<bool>,
}

impl QualifyLead {
    /// What is stated, item by item.
    pub fn read(self) -> Qualify {
        let text = |patch: Patch<String>| match patch {
            Patch::Absent => None,
            Patch::Null => Some(None),
            Patch::Set(text) => Some(Some(text)),
        };
        let items = [
            (BantItem::Budget, self.budget),
            (BantItem::Authority, self.authority),
            (BantItem::Need, self.need),
            (BantItem::Timeline, self.timeline),
        ];
        let said = items.into_iter().filter_map(|(item, said)| Some((item, said?)));
        said.map(|(item, said)| {
            let said = SayItem {
                value: text(said.value),
                note: text(said.note),
                confirmed: said.confirmed,
            };
            (item, said)
        })
        .collect()
    }
}

/// Whether an item is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QualifiedState {
    /// Somebody said so.
    Proposed,
    /// The owner or a sales manager confirmed it in this cycle.
    Confirmed,
}

/// The qualification of a lead; an item is `null` if nothing is known.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QualificationView {
    /// Budget: whether there is money.
    budget: Option<QualifiedView>,
    /// Authority: whether the person decides, or leads to the person who does.
    authority: Option<QualifiedView>,
    /// Need: whether there is one.
    need: Option<QualifiedView>,
    /// Timeline: whether there is a known date.
    timeline: Option<QualifiedView>,
}

/// One item of the qualification.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QualifiedView {
    /// Whether it is confirmed; a new cycle resets this.
    state: QualifiedState,
    /// The value, in words.
    #[schema(max_length = 4000)]
    value: Option<String>,
    /// A note.
    #[schema(max_length = 4000)]
    note: Option<String>,
    /// The source of the last statement.
    source: Source,
    /// Who stated it: the id of a user or key.
    #[schema(max_length = 64, example = "user_01h455vb4pex5vsknk084sn02q")]
    stated_by: String,
    /// When it was created.
    stated_at: Timestamp,
    /// The user who confirmed it.
    confirmed_by: Option<UserId>,
    /// When it was confirmed.
    confirmed_at: Option<Timestamp>,
}

impl QualificationView {
    /// What is known of a lead in this cycle.
    pub fn of(mut known: Qualification, cycle: i64) -> Self {
        let mut item = |item| known.remove(&item).map(|one| QualifiedView::of(one, cycle));
        Self {
            budget: item(BantItem::Budget),
            authority: item(BantItem::Authority),
            need: item(BantItem::Need),
            timeline: item(BantItem::Timeline),
        }
    }
}

impl QualifiedView {
    fn of(one: Qualified, cycle: i64) -> Self {
        let confirmed = one.confirmed.filter(|confirmed| confirmed.cycle == cycle);
        Self {
            state: match confirmed {
                Some(_) => QualifiedState::Confirmed,
                None => QualifiedState::Proposed,
            },
            value: one.value,
            note: one.note,
            source: one.source,
            stated_by: one.stated_by,
            stated_at: one.stated_at,
            confirmed_by: confirmed.map(|confirmed| confirmed.by),
            confirmed_at: confirmed.map(|confirmed| confirmed.at),
        }
    }
}

/// Qualify a lead.
///
/// A JSON merge patch of budget, authority, need and timeline. Users who may edit the lead propose values. The owner
/// and sales managers confirm them while the lead is in mql, sal, sql or opportunity (else `409`), and only they change
/// a confirmed value, which stays confirmed. Confirming the last item that the agreement requires moves an SAL to SQL
/// in the same request. Revoking a confirmation moves no lead.
#[utoipa::path(tag = "leads", params(LeadPath), security(("bearer" = [LeadsWrite])), request_body = QualifyLead,
    responses((status = 200, description = "The updated lead", body = LeadView,
        headers(("ETag" = String, description = "The lead's version")))))]
#[patch("/v1/leads/{lead_id}/qualification")]
pub(super) async fn update_qualification(
    ctx: Ctx<LeadsWrite>,
    path: Path<LeadPath>,
    patch: MergePatch<QualifyLead>,
) -> Reply<Tagged<LeadView>> {
    let (lead_id, said) = (path.0.lead_id, patch.0.read());
    let tx = ctx.begin().await?;
    let mut world = store::leads::world_of(&tx, [lead_id]).await?;
    check_if_match(&tx, &ctx.if_match(), &world, known(&world, lead_id)?)?;
    store::handoff::add_to(&tx, &mut world, lead_id).await?;
    let changes = handoff::qualify(&mut world, lead_id, &said, ctx.act()).map_err(not_decided)?;
    store::settle(&tx, &mut world, ctx.act(), changes).await?;
    let answer = reply(&tx, decided(&world, lead_id, false)?).await?;
    ctx.commit(tx, answer).await
}
