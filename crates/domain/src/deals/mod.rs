//! Deals: business that is open, won or lost, with the leads that decide on it, and the stages that it goes through.

mod act;
mod answer_quote;
pub mod change;
mod close;
mod edit;
mod moves;
mod open;
pub mod pipelines;
pub mod promises;
pub mod quotes;
pub mod revenue;
#[cfg(test)]
mod tests;

pub use crate::agreement::BuyingRole;
pub use act::DealError;
pub use answer_quote::{Answer, answer_quote};
pub(crate) use close::after_loss;
pub use close::{CloseDeal, close, reopen};
pub use edit::{EditDeal, edit};
pub use moves::moves;
pub use open::{MoveDeal, OpenDeal, move_to, open, open_without_move};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::access::ActorKind;
use crate::act::Act;
use crate::agreement::ReasonList;
use crate::id::{CompanyId, DealId, DealMoveId, LeadId, PipelineId, UserId};
use crate::instant::{Day, Timestamp};
use crate::journal::{Facts, facts};
use crate::lifecycle::Stage;
use crate::money::{Converted, Currency, Money, Rate};
use crate::world::World;

/// The most leads of a deal.
pub const MAX_MEMBERS: usize = 50;

/// The state of a deal: open, won or lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is worked on.
    Open,
    /// It was won.
    Won,
    /// It was lost.
    Lost,
}

impl State {
    /// Every state.
    pub const ALL: &'static [State] = &[State::Open, State::Won, State::Lost];

    /// The state's name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Won => "won",
            State::Lost => "lost",
        }
    }

    /// The state with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.name() == name)
    }
}

/// How a deal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was won.
    Won,
    /// It was lost.
    Lost,
}

impl Outcome {
    /// The state, and the stage of every pipeline, that it leads to.
    pub const fn state(self) -> State {
        match self {
            Outcome::Won => State::Won,
            Outcome::Lost => State::Lost,
        }
    }

    /// The reasons that explain it.
    pub const fn reasons(self) -> ReasonList {
        match self {
            Outcome::Won => ReasonList::Win,
            Outcome::Lost => ReasonList::Loss,
        }
    }
}

/// How often the amount of a deal is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recurring {
    /// Every month.
    Monthly,
    /// Every quarter.
    Quarterly,
    /// Every year.
    Yearly,
}

impl Recurring {
    /// The name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Recurring::Monthly => "monthly",
            Recurring::Quarterly => "quarterly",
            Recurring::Yearly => "yearly",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Monthly, Self::Quarterly, Self::Yearly]
            .into_iter()
            .find(|recurring| recurring.name() == name)
    }
}

/// A lead of the group that decides on a deal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The lead.
    pub lead_id: LeadId,
    /// What it is in the group, if known.
    pub role: Option<BuyingRole>,
}

/// A deal.
#[derive(Debug, Clone, PartialEq)]
pub struct Deal {
    /// Its id.
    pub id: DealId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// The id that another system knows it by, as (system, id).
    pub external_id: Option<(String, String)>,
    /// The name that people see.
    pub name: String,
    /// The pipeline.
    pub pipeline_id: PipelineId,
    /// The key of its stage; `won` or `lost` once it is closed.
    pub stage: String,
    /// When it entered that stage.
    pub stage_since: Timestamp,
    /// The deal's value.
    pub amount: Option<Money>,
    /// How often the amount is due; `None` is once.
    pub recurring: Option<Recurring>,
    /// The expected day of closing.
    pub expected_close_on: Option<Day>,
    /// The owner.
    pub owner_id: Option<UserId>,
    /// The company.
    pub company_id: Option<CompanyId>,
    /// The lead whose stage it moves; fixed for good.
    pub primary_lead_id: Option<LeadId>,
    /// The primary lead's cycle in which it was opened.
    pub cycle: Option<i64>,
    /// The leads that decide together, including the primary lead.
    pub members: Vec<Member>,
    /// How it ended, where it has.
    pub closing: Option<Closing>,
    /// Whether its closing moved the primary lead's stage; stays when it is reopened.
    pub moved_lead: bool,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it was created in Tandem.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// How a deal ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Closing {
    /// Won or lost.
    pub outcome: Outcome,
    /// When it happened.
    pub at: Timestamp,
    /// The code of the agreed reason; imports may know none.
    pub reason: Option<String>,
    /// The competitor to whom it was lost, or from whom it was won.
    pub competitor: Option<String>,
    /// The stage that it stood in before.
    pub from_stage: String,
    /// The amount in the base currency, at the rate in force on the day. Absent without an amount, and where an import
    /// found no rate.
    pub value: Option<Converted>,
}

impl Deal {
    /// The state: open, won or lost.
    pub fn state(&self) -> State {
        self.closing
            .as_ref()
            .map_or(State::Open, |closing| closing.outcome.state())
    }

    fn facts(&self) -> Facts {
        let members = self.members.iter();
        let members = members.map(|one| json!({"lead_id": one.lead_id, "role": one.role}));
        facts(json!({
            "name": self.name,
            "amount": self.amount,
            "recurring": self.recurring,
            "expected_close_on": self.expected_close_on,
            "owner_id": self.owner_id,
            "company_id": self.company_id,
            "members": members.collect::<Value>(),
        }))
    }
}

/// A move of a deal to another stage; never changed nor deleted.
#[derive(Debug, Clone, PartialEq)]
pub struct DealMove {
    /// Its id.
    pub id: DealMoveId,
    /// The deal.
    pub deal_id: DealId,
    /// The stage before; `None` where it was opened.
    pub from: Option<String>,
    /// The new stage.
    pub to: String,
    /// When it happened.
    pub at: Timestamp,
    /// Who, by kind.
    pub actor_kind: ActorKind,
    /// Who, by id.
    pub actor_id: String,
    /// The user on whose behalf a key acted.
    pub on_behalf_of: Option<UserId>,
    /// The code of the reason.
    pub reason: Option<String>,
    /// A note about the reason.
    pub note: Option<String>,
    /// What it did to the revenue: won adds, the reopening of a won deal takes away.
    pub revenue: Option<Revenue>,
}

/// A change of the revenue, dated by its move, so that closed months stay as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revenue {
    /// Minor units, negative where it is taken away.
    pub amount: i64,
    /// The currency of the amount.
    pub currency: Currency,
    /// The same in the base currency, with that currency and the rate, where they are known.
    pub base: Option<(i64, Currency, Rate)>,
}

impl Revenue {
    fn of(amount: Money, value: Option<Converted>) -> Self {
        Self {
            amount: amount.amount,
            currency: amount.currency,
            base: value.map(|value| (value.money.amount, value.money.currency, value.rate)),
        }
    }

    fn reversed(self) -> Self {
        Self {
            amount: -self.amount,
            base: self
                .base
                .map(|(amount, currency, rate)| (-amount, currency, rate)),
            ..self
        }
    }
}

/// The stages in which a primary lead may get a deal.
pub const READY: &[Stage] = &[Stage::Sql, Stage::Opportunity, Stage::Customer, Stage::Churned];

/// The deals that move this lead.
pub(crate) fn deals_of(world: &World, lead_id: LeadId) -> impl Iterator<Item = &Deal> {
    world
        .sales
        .deals
        .values()
        .filter(move |deal| deal.primary_lead_id == Some(lead_id))
}

/// A move by this act.
fn moved(deal: &Deal, from: Option<String>, act: &Act) -> DealMove {
    DealMove {
        id: act.ids.next(),
        deal_id: deal.id,
        from,
        to: deal.stage.clone(),
        at: act.at,
        actor_kind: act.by.kind(),
        actor_id: act.by.id(),
        on_behalf_of: act.by.on_behalf_of(),
        reason: None,
        note: None,
        revenue: None,
    }
}
