//! The ordered rules by which hand-offs find their owner: the document, and its conditions compiled.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::choose::{Selection, Strategy};
use crate::access::Queue;
use crate::agreement::conditions::{Condition, Known, Needs, Usage};
use crate::agreement::reader::Reader;
use crate::clocks::{ClockEvent, ClockKind, Side};
use crate::fault::Fault;
use crate::id::{TeamId, UserId};

/// The rules of routing, which assign hand-offs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoutingRules {
    /// The rules, in order; the first whose condition holds applies. Without a match a hand-off waits in the general
    /// queue.
    #[schema(max_items = 100)]
    pub rules: Vec<RoutingRule>,
    /// Automatic escalations of broken promises. Notices need none.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub escalations: Vec<Escalation>,
    /// Whether an MQL of a company that has an open deal, or a lead in mql, sal or sql, gets the same owner; default
    /// `true`.
    #[serde(default = "joins")]
    #[schema(default = true)]
    pub join_company: bool,
}

const fn joins() -> bool {
    true
}

/// An automatic escalation of a broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// The promise, one of sales.
    pub clock: ClockKind,
    /// When the escalation happens.
    pub on: EscalationAt,
    /// Whether the lead is routed again, to another user or to the queue; always `true`.
    pub reassign: bool,
}

/// When an escalation happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EscalationAt {
    /// At 80 % of the time.
    Warned,
    /// At the breach.
    Breached,
}

impl Escalation {
    /// Whether it follows of what happened to a clock.
    pub fn follows_of(&self, kind: ClockKind, event: ClockEvent) -> bool {
        let on = match self.on {
            EscalationAt::Warned => ClockEvent::Warned,
            EscalationAt::Breached => ClockEvent::Breached,
        };
        (self.clock, on) == (kind, event)
    }
}

/// A routing rule: if its condition holds for a lead, the rule says which user, team or queue gets the hand-off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoutingRule {
    /// What people call it.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"\S",
        example = "Italy to the south"
    )]
    pub name: String,
    /// The condition, in the language of conditions. A rule without one always matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, example = json!({"field": "country", "op": "eq", "value": "IT"}))]
    pub when: Option<Value>,
    /// Where to.
    pub to: Target,
    /// How a team shares.
    #[serde(default)]
    #[schema(default = "round_robin")]
    pub strategy: Strategy,
    /// Whether users outside their working hours are skipped.
    #[serde(default)]
    #[schema(default = false)]
    pub in_hours: bool,
    /// What happens if nobody can take it.
    #[serde(default, rename = "else")]
    #[schema(default = "queue")]
    pub otherwise: Otherwise,
}

/// The target of a rule: exactly one of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// To a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub user_id: Option<UserId>,
    /// To a member of a team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub team_id: Option<TeamId>,
    /// To the owner of the company: its own owner, else that of its newest open deal, else that of its newest lead that
    /// is being worked on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false, default = false)]
    pub company_owner: bool,
    /// To the lead's previous owner.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false, default = false)]
    pub previous_owner: bool,
    /// To a queue: `general`, or a team's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub queue: Option<Queue>,
}

/// Where a rule sends a hand-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// To a user.
    User(UserId),
    /// To a member of a team.
    Team(TeamId),
    /// To the owner of the company.
    CompanyOwner,
    /// To the lead's previous owner.
    PreviousOwner,
    /// To a queue.
    Queue(Queue),
}

impl Target {
    /// The one goal that it names; nothing where it names none or several.
    pub fn goal(self) -> Option<Goal> {
        let goals = [
            self.user_id.map(Goal::User),
            self.team_id.map(Goal::Team),
            self.company_owner.then_some(Goal::CompanyOwner),
            self.previous_owner.then_some(Goal::PreviousOwner),
            self.queue.map(Goal::Queue),
        ];
        let mut named = goals.into_iter().flatten();
        named.next().filter(|_| named.next().is_none())
    }
}

/// What happens if nobody can take a hand-off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// It waits in the queue of the rule's team, or of the user's first team.
    #[default]
    Queue,
    /// The next rule is asked.
    NextRule,
}

impl Default for RoutingRules {
    /// Those of a new installation: what joins no work on its company waits in the general queue.
    fn default() -> Self {
        Self {
            rules: vec![RoutingRule {
                name: "Everything to the general queue".to_owned(),
                when: None,
                to: Target {
                    queue: Some(Queue::General),
                    ..Target::default()
                },
                strategy: Strategy::RoundRobin,
                in_hours: false,
                otherwise: Otherwise::Queue,
            }],
            escalations: vec![],
            join_company: true,
        }
    }
}

impl RoutingRule {
    /// How it selects among candidates.
    pub fn selection(&self) -> Selection {
        Selection {
            strategy: self.strategy,
            in_hours: self.in_hours,
        }
    }
}

/// The rules with their conditions compiled.
#[derive(Debug, Clone, Default)]
pub struct Routing {
    /// The document.
    pub document: RoutingRules,
    /// The condition of each rule, in their order.
    pub conditions: Vec<Option<Condition>>,
    /// What the conditions look at.
    pub needs: Needs,
}

impl Routing {
    /// The rules of a new installation.
    pub fn first() -> Self {
        Self {
            document: RoutingRules::default(),
            conditions: vec![None],
            needs: Needs::default(),
        }
    }

    /// Read the rules, or everything that is wrong with them, each with its pointer.
    pub fn read(document: RoutingRules, known: &Known<'_>) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader::new();
        let mut conditions = vec![];
        let mut faults = vec![];
        let mut needs = Needs::default();
        for (index, rule) in document.rules.iter().enumerate() {
            let at = format!("/rules/{index}/when");
            let condition = rule
                .when
                .as_ref()
                .and_then(|when| Condition::read(when, &at, Usage::Decision, known, &mut reader));
            if let Some(condition) = &condition {
                condition.needs(&mut needs);
            }
            if rule.to.goal().is_none() {
                faults.push(Fault::new(
                    format!("/rules/{index}/to"),
                    "not_allowed",
                    "names one goal exactly",
                ));
            }
            conditions.push(condition);
        }
        for (index, escalation) in document.escalations.iter().enumerate() {
            if escalation.clock.side() != Side::Sales {
                let detail = "is a promise of marketing, which no user owns";
                faults.push(Fault::new(
                    format!("/escalations/{index}/clock"),
                    "not_allowed",
                    detail,
                ));
            }
            if !escalation.reassign {
                let detail = "must be true: an escalation reassigns, notices need none";
                faults.push(Fault::new(
                    format!("/escalations/{index}/reassign"),
                    "not_allowed",
                    detail,
                ));
            }
        }
        let (read, _) = reader.into_faults_and_warnings();
        faults.extend(read);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            document,
            conditions,
            needs,
        })
    }

    /// The teams and users that rules name, each with the place of its rule.
    pub fn named(document: &RoutingRules) -> (Named<TeamId>, Named<UserId>) {
        let rules = || document.rules.iter().enumerate();
        let teams = rules().filter_map(|(index, rule)| match rule.to.goal() {
            Some(Goal::Team(team) | Goal::Queue(Queue::Team(team))) => Some((index, team)),
            _ => None,
        });
        let users = rules().filter_map(|(index, rule)| match rule.to.goal() {
            Some(Goal::User(user)) => Some((index, user)),
            _ => None,
        });
        (teams.collect(), users.collect())
    }

    /// Whether it must be known who is available, and whose turn it is.
    pub fn asks_who_is_free(&self) -> bool {
        let mut rules = self.document.rules.iter();
        rules.any(|rule| !matches!(rule.to.goal(), Some(Goal::Queue(_))))
    }
}

/// What rules name, each with the place of its rule.
type Named<T> = Vec<(usize, T)>;
