//! Who may do what: roles, scopes, and the person or key that acts.

pub mod account;
pub mod change;
pub mod origins;
mod queue;
pub mod session;
mod staff;
pub mod throttle;

pub use queue::{NotAQueue, Queue};
pub use staff::{Colleague, Staff};

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::id::{FormId, KeyId, TeamId, UserId};

/// What a user is in the company. Writing follows the role and ownership; reading is for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Users, keys, settings and everything else.
    Admin,
    /// Agreement drafts, routing, rulings, merges, erasure.
    Revops,
    /// What marketing may; signs for marketing.
    MarketingManager,
    /// Forms, campaigns, content, leads up to MQL.
    Marketing,
    /// What sales may, for the whole team; signs for sales; reassigns, reopens.
    SalesManager,
    /// Works the leads and deals that it owns.
    Sales,
    /// Reads.
    Viewer,
}

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// A permission that an operation demands and that a key or role grants.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Scope { $($(#[$doc])* #[serde(rename = $text)] $name,)* }

        impl Scope {
            /// Every scope.
            pub const ALL: &'static [Scope] = &[$(Scope::$name,)*];

            /// The scope's name on the wire, such as `leads:read`.
            pub const fn name(self) -> &'static str {
                match self { $(Scope::$name => $text,)* }
            }
        }
    };
}

scopes! {
    /// Read leads, companies, their fields, stages and timelines.
    LeadsRead = "leads:read";
    /// Create and change leads and companies, and move leads.
    LeadsWrite = "leads:write";
    /// Merge leads and undo merges.
    LeadsMerge = "leads:merge";
    /// Export what is known about a person, and erase it.
    PrivacyManage = "privacy:manage";
    /// Read hand-offs, packets, queues, clocks and routing decisions.
    HandoffsRead = "handoffs:read";
    /// Accept, reject and dispute hand-offs, and rule on disputes.
    HandoffsWrite = "handoffs:write";
    /// Read activities, tasks and conversations.
    ActivitiesRead = "activities:read";
    /// Log activities, tasks and conversations.
    ActivitiesWrite = "activities:write";
    /// Read routing rules and simulate them.
    RoutingRead = "routing:read";
    /// Change routing rules.
    RoutingManage = "routing:manage";
    /// Change capacity, weight, calendar and absences of others.
    AvailabilityWrite = "availability:write";
    /// Create and change segments.
    SegmentsWrite = "segments:write";
    /// Read deals and pipelines.
    DealsRead = "deals:read";
    /// Open, change, move and close deals; set pipelines up.
    DealsWrite = "deals:write";
    /// Read campaigns.
    CampaignsRead = "campaigns:read";
    /// Create and change campaigns.
    CampaignsWrite = "campaigns:write";
    /// Read content and what is asked for.
    ContentRead = "content:read";
    /// Create and change content.
    ContentWrite = "content:write";
    /// Record events and touches, and which lead a visitor is.
    EventsWrite = "events:write";
    /// Read forms and submissions.
    FormsRead = "forms:read";
    /// Create and change forms, rotate their keys, replay submissions.
    FormsWrite = "forms:write";
    /// Import files, read their results and the rows that were rejected.
    ImportsWrite = "imports:write";
    /// Read exports and feeds.
    ExportsRead = "exports:read";
    /// Read conversions for ad platforms.
    ConversionsRead = "conversions:read";
    /// Read reports.
    ReportsRead = "reports:read";
    /// Create and hold reviews, and their action items.
    ReviewsWrite = "reviews:write";
    /// Read the journal (who did what).
    JournalRead = "journal:read";
    /// Follow the change feed.
    ChangesRead = "changes:read";
    /// Create and change webhooks, read their deliveries.
    WebhooksManage = "webhooks:manage";
    /// Read the agreement, its stages and reasons.
    AgreementsRead = "agreements:read";
    /// Draft, change and preview the agreement.
    AgreementsWrite = "agreements:write";
    /// Sign the agreement, and withdraw a signature: a manager in person.
    AgreementsSign = "agreements:sign";
    /// Read the settings.
    SettingsRead = "settings:read";
    /// Change the settings.
    SettingsManage = "settings:manage";
    /// Read users and teams.
    UsersRead = "users:read";
    /// Invite, change and disable users; change teams; rotate signing keys.
    UsersManage = "users:manage";
    /// Create, rotate and revoke secret keys.
    KeysManage = "keys:manage";
    /// One's own account: read it, change its password, log out.
    Account = "account";
}

// By hand: the derive does not see a name that a macro hands on.
impl PartialSchema for Scope {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .enum_values(Some(Scope::ALL.iter().map(|scope| scope.name())))
            .description(Some(
                "A permission that an operation demands and that a key or role grants.",
            ))
            .examples(["leads:read"])
            .into()
    }
}

impl ToSchema for Scope {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Scope")
    }
}

impl Scope {
    /// The scope with this name.
    pub fn named(name: &str) -> Option<Scope> {
        Self::ALL.iter().copied().find(|scope| scope.name() == name)
    }

    /// Whether a secret key may carry the scope: an account and a signature belong to a person.
    pub const fn is_for_keys(self) -> bool {
        !matches!(self, Scope::Account | Scope::AgreementsSign)
    }

    /// Whether both teams write by it: marketing and sales.
    const fn is_of_work(self) -> bool {
        use Scope::*;
        matches!(self, LeadsWrite | HandoffsWrite | ActivitiesWrite | EventsWrite)
    }

    /// Whether both managers have it.
    const fn is_of_managers(self) -> bool {
        use Scope::*;
        matches!(
            self,
            AgreementsWrite | AgreementsSign | ReviewsWrite | ExportsRead
        )
    }

    /// Whether every role has it.
    const fn is_everybodys(self) -> bool {
        use Scope::*;
        matches!(
            self,
            LeadsRead
                | HandoffsRead
                | ActivitiesRead
                | RoutingRead
                | DealsRead
                | CampaignsRead
                | ContentRead
                | FormsRead
                | ReportsRead
                | JournalRead
                | ChangesRead
                | AgreementsRead
                | SettingsRead
                | UsersRead
                | Account
        )
    }
}

impl Role {
    /// Every role.
    pub const ALL: &'static [Role] = &[
        Role::Admin,
        Role::Revops,
        Role::MarketingManager,
        Role::Marketing,
        Role::SalesManager,
        Role::Sales,
        Role::Viewer,
    ];

    /// The role's name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Revops => "revops",
            Role::MarketingManager => "marketing_manager",
            Role::Marketing => "marketing",
            Role::SalesManager => "sales_manager",
            Role::Sales => "sales",
            Role::Viewer => "viewer",
        }
    }

    /// The role with this name.
    pub fn named(name: &str) -> Option<Role> {
        Self::ALL.iter().copied().find(|role| role.name() == name)
    }

    /// The scopes that the role grants.
    pub fn scopes(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .iter()
            .copied()
            .filter(move |scope| self.grants(*scope))
    }

    const fn grants(self, scope: Scope) -> bool {
        use Scope::*;
        if scope.is_everybodys() {
            return true;
        }
        match self {
            // Not even an admin signs for a team.
            Role::Admin => !matches!(scope, AgreementsSign),
            Role::Viewer => false,
            Role::Marketing => {
                scope.is_of_work()
                    || matches!(
                        scope,
                        FormsWrite | CampaignsWrite | ContentWrite | SegmentsWrite | ImportsWrite
                    )
            }
            Role::MarketingManager => {
                Role::Marketing.grants(scope) || scope.is_of_managers() || matches!(scope, ConversionsRead)
            }
            Role::Revops => {
                matches!(
                    scope,
                    LeadsWrite
                        | LeadsMerge
                        | PrivacyManage
                        | HandoffsWrite
                        | RoutingManage
                        | AvailabilityWrite
                        | SegmentsWrite
                        | DealsWrite
                        | EventsWrite
                        | ImportsWrite
                        | ExportsRead
                        | ConversionsRead
                        | ReviewsWrite
                        | WebhooksManage
                        | AgreementsWrite
                )
            }
            Role::Sales => scope.is_of_work() || matches!(scope, DealsWrite),
            Role::SalesManager => {
                Role::Sales.grants(scope)
                    || scope.is_of_managers()
                    || matches!(scope, RoutingManage | AvailabilityWrite)
            }
        }
    }
}

/// A user who acts, with the rights that were in force when the request began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// The one role.
    pub role: Role,
    /// Whether the rights of an admin come on top (small firms).
    pub admin: bool,
    /// The teams that the user belongs to.
    pub teams: Vec<TeamId>,
}

impl Person {
    /// Whether the role, or the admin mark, grants the scope.
    pub fn grants(&self, scope: Scope) -> bool {
        self.role.grants(scope) || self.is_admin() && Role::Admin.grants(scope)
    }

    /// Whether the rights of an admin apply.
    pub fn is_admin(&self) -> bool {
        self.admin || self.role == Role::Admin
    }

    /// Whether the person belongs to marketing, as a manager or not.
    pub fn is_marketing(&self) -> bool {
        matches!(self.role, Role::Marketing | Role::MarketingManager)
    }

    /// Whether the person belongs to sales, as a manager or not.
    pub fn is_sales(&self) -> bool {
        matches!(self.role, Role::Sales | Role::SalesManager)
    }
}

/// Who or what acts. The journal names it, the rules judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A user in person.
    User(Person),
    /// A partner's secret key, perhaps on behalf of a user.
    Key {
        /// The key.
        id: KeyId,
        /// The user named by `X-On-Behalf-Of`.
        on_behalf_of: Option<Person>,
    },
    /// A stranger who sent a form.
    Form(FormId),
    /// Tandem itself: a job, a rule or the command line, by name.
    System(&'static str),
}

/// How an actor is named in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A user.
    User,
    /// A secret key.
    Key,
    /// A form on a website.
    Form,
    /// Tandem itself.
    System,
}

impl ActorKind {
    /// The kind's name on the wire and on disk.
    pub const fn name(self) -> &'static str {
        match self {
            ActorKind::User => "user",
            ActorKind::Key => "key",
            ActorKind::Form => "form",
            ActorKind::System => "system",
        }
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::User, Self::Key, Self::Form, Self::System]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// A right was missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The lead or deal belongs to somebody else.
    #[error("only the owner or a sales manager may do this")]
    NotOwner,
    /// The role does not carry the right.
    #[error("the caller's role may not do this")]
    WrongRole,
    /// A key asked for what the rules give to a person.
    #[error("a key needs X-On-Behalf-Of with a user who may do this")]
    NeedsPerson,
}

impl Actor {
    /// The person whose rights count, if any.
    pub fn person(&self) -> Option<&Person> {
        match self {
            Actor::User(person) => Some(person),
            Actor::Key { on_behalf_of, .. } => on_behalf_of.as_ref(),
            Actor::Form(_) | Actor::System(_) => None,
        }
    }

    /// The kind of actor.
    pub fn kind(&self) -> ActorKind {
        match self {
            Actor::User(_) => ActorKind::User,
            Actor::Key { .. } => ActorKind::Key,
            Actor::Form(_) => ActorKind::Form,
            Actor::System(_) => ActorKind::System,
        }
    }

    /// The actor's own id, or the name of the part of Tandem.
    pub fn id(&self) -> String {
        match self {
            Actor::User(person) => person.id.to_string(),
            Actor::Key { id, .. } => id.to_string(),
            Actor::Form(id) => id.to_string(),
            Actor::System(name) => (*name).to_owned(),
        }
    }

    /// The user in whose name a key acts.
    pub fn on_behalf_of(&self) -> Option<UserId> {
        match self {
            Actor::Key { on_behalf_of, .. } => on_behalf_of.as_ref().map(|person| person.id),
            _ => None,
        }
    }

    /// The person, or the refusal that tells a key what it lacks.
    pub fn demand_person(&self) -> Result<&Person, Denied> {
        self.person().ok_or(match self {
            Actor::Key { .. } => Denied::NeedsPerson,
            _ => Denied::WrongRole,
        })
    }

    /// Whether the actor may write the fields of a lead with this owner: marketing at any stage, the owner, a
    /// sales manager, a key by its own scope. An unowned lead is open to sales.
    pub fn may_edit(&self, owner: Option<UserId>) -> Result<(), Denied> {
        let person = match self {
            Actor::Key {
                on_behalf_of: None, ..
            }
            | Actor::System(_)
            | Actor::Form(_) => return Ok(()),
            Actor::Key {
                on_behalf_of: Some(person),
                ..
            }
            | Actor::User(person) => person,
        };
        if person.is_admin() || person.is_marketing() || person.role == Role::SalesManager {
            return Ok(());
        }
        match (person.role, owner) {
            (Role::Sales, None) => Ok(()),
            (_, Some(owner)) if owner == person.id => Ok(()),
            (Role::Sales, Some(_)) => Err(Denied::NotOwner),
            _ => Err(Denied::WrongRole),
        }
    }

    /// Whether the actor may create leads: marketing, sales, admins, and keys by their scope.
    pub fn may_create_lead(&self) -> Result<(), Denied> {
        match self.person() {
            Some(person) if person.is_admin() || person.is_marketing() || person.is_sales() => Ok(()),
            Some(_) => Err(Denied::WrongRole),
            None => Ok(()),
        }
    }

    /// Whether the actor may set a lead's owner: a sales manager or revops; a sales user takes an unowned lead.
    pub fn may_assign(&self, owner: Option<UserId>, to: Option<UserId>) -> Result<(), Denied> {
        let person = self.demand_person()?;
        let takes_unowned = person.role == Role::Sales && owner.is_none() && to == Some(person.id);
        if person.is_admin() || takes_unowned || matches!(person.role, Role::SalesManager | Role::Revops) {
            return Ok(());
        }
        Err(if person.role == Role::Sales {
            Denied::NotOwner
        } else {
            Denied::WrongRole
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Ids;
    use crate::instant::Timestamp;

    fn person(role: Role, ids: &Ids) -> Person {
        Person {
            id: ids.next(),
            role,
            admin: false,
            teams: vec![],
        }
    }

    #[test]
    fn names_are_read_back() {
        for role in Role::ALL {
            assert_eq!(Role::named(role.name()), Some(*role));
        }
        for scope in Scope::ALL {
            assert_eq!(Scope::named(scope.name()), Some(*scope));
        }
    }

    #[test]
    fn everybody_reads_and_only_an_admin_manages() {
        let ids = Ids::new(Timestamp::from_millis(0), 0);
        for role in Role::ALL {
            let someone = person(*role, &ids);
            assert!(someone.grants(Scope::LeadsRead), "{role:?}");
            assert_eq!(
                someone.grants(Scope::UsersManage),
                *role == Role::Admin,
                "{role:?}"
            );
            assert_eq!(
                someone.grants(Scope::LeadsWrite),
                *role != Role::Viewer,
                "{role:?}"
            );
        }
        let mut small_firm = person(Role::Viewer, &ids);
        small_firm.admin = true;
        assert!(small_firm.grants(Scope::KeysManage));
    }

    #[test]
    fn roles_have_the_scopes_of_the_published_table() {
        use Role::*;
        let granted = |scope: Scope| -> Vec<Role> {
            let has = |role: &&Role| role.grants(scope);
            Role::ALL.iter().filter(has).copied().collect()
        };
        let of_work = [Admin, Revops, MarketingManager, Marketing, SalesManager, Sales];
        for (scope, roles) in [
            (Scope::HandoffsRead, Role::ALL),
            (Scope::HandoffsWrite, &of_work[..]),
            (
                Scope::ActivitiesWrite,
                &[Admin, MarketingManager, Marketing, SalesManager, Sales],
            ),
            (
                Scope::AgreementsWrite,
                &[Admin, Revops, MarketingManager, SalesManager],
            ),
            (Scope::AgreementsSign, &[MarketingManager, SalesManager]),
            (Scope::RoutingManage, &[Admin, Revops, SalesManager]),
            (Scope::AvailabilityWrite, &[Admin, Revops, SalesManager]),
            (
                Scope::SegmentsWrite,
                &[Admin, Revops, MarketingManager, Marketing],
            ),
            (Scope::ContentWrite, &[Admin, MarketingManager, Marketing]),
            (
                Scope::ReviewsWrite,
                &[Admin, Revops, MarketingManager, SalesManager],
            ),
            (
                Scope::ExportsRead,
                &[Admin, Revops, MarketingManager, SalesManager],
            ),
            (Scope::ConversionsRead, &[Admin, Revops, MarketingManager]),
            (Scope::WebhooksManage, &[Admin, Revops]),
            (Scope::LeadsMerge, &[Admin, Revops]),
            (Scope::PrivacyManage, &[Admin, Revops]),
            (Scope::DealsWrite, &[Admin, Revops, SalesManager, Sales]),
            (Scope::ImportsWrite, &[Admin, Revops, MarketingManager, Marketing]),
            (Scope::KeysManage, &[Admin]),
            (Scope::Account, Role::ALL),
        ] {
            assert_eq!(granted(scope), roles, "{}", scope.name());
        }
        let ids = Ids::new(Timestamp::from_millis(0), 0);
        let mut manager = person(SalesManager, &ids);
        manager.admin = true;
        assert!(manager.grants(Scope::AgreementsSign) && manager.grants(Scope::KeysManage));
    }

    #[test]
    fn a_sales_user_edits_its_own_leads_and_unowned_ones() {
        let ids = Ids::new(Timestamp::from_millis(0), 0);
        let (rep, other) = (person(Role::Sales, &ids), person(Role::Sales, &ids));
        let actor = Actor::User(rep.clone());
        assert_eq!(actor.may_edit(Some(rep.id)), Ok(()));
        assert_eq!(actor.may_edit(None), Ok(()));
        assert_eq!(actor.may_edit(Some(other.id)), Err(Denied::NotOwner));
        assert_eq!(
            Actor::User(person(Role::Revops, &ids)).may_edit(None),
            Err(Denied::WrongRole)
        );
        assert_eq!(
            Actor::User(person(Role::Marketing, &ids)).may_edit(Some(other.id)),
            Ok(())
        );
    }

    #[test]
    fn a_key_assigns_only_on_behalf_of_a_person_who_may() {
        let ids = Ids::new(Timestamp::from_millis(0), 0);
        let to = Some(ids.next());
        let key = Actor::Key {
            id: ids.next(),
            on_behalf_of: None,
        };
        assert_eq!(key.may_assign(None, to), Err(Denied::NeedsPerson));
        let manager = Actor::Key {
            id: ids.next(),
            on_behalf_of: Some(person(Role::SalesManager, &ids)),
        };
        assert_eq!(manager.may_assign(None, to), Ok(()));
    }
}
