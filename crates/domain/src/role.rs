//! Roles of users, and the scopes that roles and keys grant.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A user's role. It determines, together with ownership, what the user may write; every role may read.
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
        /// A permission that an operation requires and a role or key grants.
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
    /// State what months cost beside campaigns, and what reports go by.
    CostsWrite = "costs:write";
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
                "A permission that an operation requires and a role or key grants.",
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
            AgreementsWrite | AgreementsSign | CostsWrite | ReviewsWrite | ExportsRead
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

    pub(crate) const fn grants(self, scope: Scope) -> bool {
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
                        | CostsWrite
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
