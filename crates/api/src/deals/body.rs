//! Deals as they come in, and how they are parsed: once, every fault at its place.

use serde::{Deserialize, Serialize};
use tandem_domain::activities::Objection;
use tandem_domain::deals::{BuyingRole, Deal, EditDeal, OpenDeal, Outcome, Recurring, State};
use tandem_domain::fault::Fault;
use tandem_domain::id::{CompanyId, DealId, LeadId, PipelineId, UserId};
use tandem_domain::instant::{Day, Timestamp};
use tandem_domain::money::{Currency, Money};
use utoipa::ToSchema;

use crate::edge::http::patch::Patch;
use crate::leads::body::ExternalId;
use crate::leads::qualification::QualifyLead;

/// The role of a lead in the group that decides on a deal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DealRole {
    /// The lead: one of the deal's.
    pub lead_id: LeadId,
    /// The lead's role in the group.
    pub role: BuyingRole,
}

/// A deal to open.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDeal {
    /// The name that people see.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"\S",
        example = "Analytics for 40 shops"
    )]
    name: String,
    /// The deal's id in another system, unique among deals.
    external_id: Option<ExternalId>,
    /// The pipeline; default the default pipeline.
    pipeline_id: Option<PipelineId>,
    /// The key of a stage of the pipeline; default the first.
    #[schema(min_length = 1, max_length = 64, example = "proposal")]
    stage: Option<String>,
    /// The leads that decide together.
    #[serde(default)]
    #[schema(max_items = 50)]
    lead_ids: Vec<LeadId>,
    /// The lead whose stage the deal moves; default the first lead. It never changes afterwards.
    primary_lead_id: Option<LeadId>,
    /// The roles of the leads in the group.
    #[serde(default)]
    #[schema(max_items = 50)]
    roles: Vec<DealRole>,
    /// The company; default that of the primary lead.
    company_id: Option<CompanyId>,
    /// The owner, an active user of sales; default the primary lead's owner, else the sales user who opens the deal.
    owner_id: Option<UserId>,
    /// The deal's value.
    amount: Option<Money>,
    /// How often the amount is due; default once.
    recurring: Option<Recurring>,
    /// The expected day of closing.
    expected_close_on: Option<Day>,
    /// The qualification of the primary lead. An SAL whose items are all confirmed becomes an SQL first.
    #[serde(default)]
    #[schema(value_type = QualifyLead, required = false)]
    pub qualification: Option<QualifyLead>,
}

/// A merge patch of an amount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoneyPatch {
    /// The amount in minor units.
    #[serde(default)]
    #[schema(value_type = i64, required = false, minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 5_000_000)]
    amount: Option<i64>,
    /// The currency.
    #[serde(default)]
    #[schema(value_type = Currency, required = false)]
    currency: Option<Currency>,
}

/// A merge patch of a deal: lists are replaced, `null` empties.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the document needs the read-only members, by which a request that sends one is refused"
)]
pub struct DealPatch {
    /// The name that people see.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200, pattern = r"\S", example = "Analytics for 40 shops")]
    pub name: Option<String>,
    /// The deal's value; it cannot change once the deal is closed.
    #[serde(default)]
    #[schema(value_type = Option<MoneyPatch>)]
    pub amount: Patch<MoneyPatch>,
    /// How often the amount is due; `null` means once.
    #[serde(default)]
    #[schema(value_type = Option<Recurring>)]
    pub recurring: Patch<Recurring>,
    /// The expected day of closing.
    #[serde(default)]
    #[schema(value_type = Option<Day>)]
    pub expected_close_on: Patch<Day>,
    /// The owner: an active user of sales; `null` for none.
    #[serde(default)]
    #[schema(value_type = Option<UserId>)]
    pub owner_id: Patch<UserId>,
    /// The company.
    #[serde(default)]
    #[schema(value_type = Option<CompanyId>)]
    pub company_id: Patch<CompanyId>,
    /// All leads that decide together; the primary lead must remain among them.
    #[serde(default)]
    #[schema(value_type = Vec<LeadId>, required = false, max_items = 50)]
    pub lead_ids: Option<Vec<LeadId>>,
    /// The roles of the leads in the group; omitted roles are emptied.
    #[serde(default)]
    #[schema(value_type = Vec<DealRole>, required = false, max_items = 50)]
    pub roles: Option<Vec<DealRole>>,
    /// Set by the service; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub id: Option<DealId>,
    /// Only `POST /v1/deals` sets it; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub external_id: Option<ExternalId>,
    /// Only `POST /v1/deals` sets it; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub pipeline_id: Option<PipelineId>,
    /// Only `POST /v1/deals` sets it; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub primary_lead_id: Option<LeadId>,
    /// `POST /v1/deals/{deal_id}/move` sets it; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub stage: Option<String>,
    /// Set by the service; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub stage_since: Option<Timestamp>,
    /// `POST /v1/deals/{deal_id}/close` and `/reopen` set it; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub state: Option<State>,
    /// `POST /v1/deals/{deal_id}/close` sets it; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub reason: Option<String>,
    /// `POST /v1/deals/{deal_id}/close` sets it; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub competitor: Option<String>,
    /// `POST /v1/deals/{deal_id}/close` sets it; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only, max_items = 20)]
    pub objections: Option<Vec<Objection>>,
    /// `POST /v1/deals/{deal_id}/close` sets it; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub closed_at: Option<Timestamp>,
    /// Set by the service; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub base_amount: Option<Money>,
    /// Set by the service; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub exchange_rate: Option<String>,
    /// Set by the service; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub cycle: Option<i64>,
    /// Set by the service; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub opened_at: Option<Timestamp>,
    /// Set by the service; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub created_at: Option<Timestamp>,
    /// Set by the service; a patch that contains it is refused.
    #[serde(default)]
    #[schema(read_only)]
    pub updated_at: Option<Timestamp>,
}

/// The stage to which a deal moves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveDeal {
    /// The key of a stage of its pipeline.
    #[schema(min_length = 1, max_length = 64, example = "proposal")]
    pub stage: String,
    /// A note about the reason.
    #[schema(max_length = 4000)]
    pub note: Option<String>,
}

/// How to close a deal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseDeal {
    /// Whether the deal was won or lost.
    pub outcome: Outcome,
    /// The code of a reason in the agreement's list `win` or `loss`.
    #[schema(min_length = 1, max_length = 64, example = "product_fit")]
    pub reason: String,
    /// The competitor to whom it was lost, or from whom it was won.
    #[schema(min_length = 1, max_length = 200, pattern = r"\S", example = "Example & Sons")]
    pub competitor: Option<String>,
    /// A note about the reason.
    #[schema(max_length = 4000)]
    pub note: Option<String>,
    /// The objections of the other side.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub objections: Vec<Objection>,
    /// When it was closed; default now, and not before its last move.
    pub closed_at: Option<Timestamp>,
    /// For a lost deal: no rule makes the lead an MQL before this instant.
    pub until: Option<Timestamp>,
}

/// How to reopen a closed deal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReopenDeal {
    /// A note about the reason.
    #[schema(
        min_length = 1,
        max_length = 4000,
        pattern = r"\S",
        example = "The signature was withdrawn"
    )]
    pub note: String,
}

fn roles(given: Vec<DealRole>) -> Vec<(LeadId, BuyingRole)> {
    given.into_iter().map(|one| (one.lead_id, one.role)).collect()
}

impl CreateDeal {
    /// The deal that is asked for.
    pub fn read(self) -> OpenDeal {
        OpenDeal {
            name: self.name.trim().to_owned(),
            external_id: self.external_id.map(|one| (one.system, one.id)),
            pipeline_id: self.pipeline_id,
            stage: self.stage,
            lead_ids: self.lead_ids,
            roles: roles(self.roles),
            primary_lead_id: self.primary_lead_id,
            company_id: self.company_id,
            owner_id: self.owner_id,
            amount: self.amount,
            recurring: self.recurring,
            expected_close_on: self.expected_close_on,
        }
    }
}

impl DealPatch {
    /// What is to become different about a deal, or everything that is wrong with it.
    pub fn read(self, deal: &Deal) -> Result<EditDeal, Vec<Fault>> {
        let mut faults = vec![];
        let amount = self.amount.change().map(|patch| {
            let patch = patch?;
            let amount = patch.amount.or(deal.amount.map(|money| money.amount));
            let currency = patch.currency.or(deal.amount.map(|money| money.currency));
            for (place, is_missing) in [("amount", amount.is_none()), ("currency", currency.is_none())] {
                if is_missing {
                    faults.push(Fault::new(format!("/amount/{place}"), "required", "is missing"));
                }
            }
            let (amount, currency) = amount.zip(currency)?;
            Some(Money { amount, currency })
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(EditDeal {
            name: self.name.map(|name| name.trim().to_owned()),
            amount,
            recurring: self.recurring.change(),
            expected_close_on: self.expected_close_on.change(),
            owner_id: self.owner_id.change(),
            company_id: self.company_id.change(),
            lead_ids: self.lead_ids,
            roles: self.roles.map(roles),
        })
    }
}
