//! The permissions that operations name in the type of their `Ctx`.

use std::fmt;

use tandem_domain::access::Scope;

use crate::edge::ctx::Permission;

macro_rules! permissions {
    ($($name:ident),* $(,)?) => {$(
        #[doc = concat!("Demands the scope [`Scope::", stringify!($name), "`].")]
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl Permission for $name {
            const SCOPES: &'static [Scope] = &[Scope::$name];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Scope::$name.name())
            }
        }
    )*};
}

permissions!(
    LeadsRead,
    LeadsWrite,
    HandoffsRead,
    HandoffsWrite,
    ActivitiesRead,
    ActivitiesWrite,
    DealsRead,
    DealsWrite,
    CampaignsRead,
    CampaignsWrite,
    ContentRead,
    ContentWrite,
    CostsWrite,
    EventsWrite,
    FormsRead,
    FormsWrite,
    ImportsWrite,
    ReportsRead,
    ReviewsWrite,
    JournalRead,
    ChangesRead,
    AgreementsRead,
    AgreementsWrite,
    AgreementsSign,
    AvailabilityWrite,
    RoutingRead,
    RoutingManage,
    SegmentsWrite,
    SettingsRead,
    SettingsManage,
    UsersRead,
    UsersManage,
    KeysManage,
    Account,
);

/// Demands the scope of reports, and that of the content that they are about.
#[derive(Debug, Clone, Copy)]
pub struct ContentReportRead;

impl Permission for ContentReportRead {
    const SCOPES: &'static [Scope] = &[Scope::ReportsRead, Scope::ContentRead];
}

/// Demands the scope of reports, and that of the campaigns that they are about.
#[derive(Debug, Clone, Copy)]
pub struct CampaignReportRead;

impl Permission for CampaignReportRead {
    const SCOPES: &'static [Scope] = &[Scope::ReportsRead, Scope::CampaignsRead];
}

/// Demands the scope of reports, and those of the activities and deals in which objections were raised.
#[derive(Debug, Clone, Copy)]
pub struct ObjectionsRead;

impl Permission for ObjectionsRead {
    const SCOPES: &'static [Scope] = &[Scope::ReportsRead, Scope::ActivitiesRead, Scope::DealsRead];
}

/// Demands the scope of reports, and that of the leads behind their figures.
#[derive(Debug, Clone, Copy)]
pub struct EvidenceRead;

impl Permission for EvidenceRead {
    const SCOPES: &'static [Scope] = &[Scope::ReportsRead, Scope::LeadsRead];
}

/// Demands the scope of agreements, and that of the leads whom a preview lists.
#[derive(Debug, Clone, Copy)]
pub struct PreviewedRead;

impl Permission for PreviewedRead {
    const SCOPES: &'static [Scope] = &[Scope::AgreementsRead, Scope::LeadsRead];
}

/// Demands the scope of reports, and that of the hand-offs behind their figures.
#[derive(Debug, Clone, Copy)]
pub struct HandoffEvidenceRead;

impl Permission for HandoffEvidenceRead {
    const SCOPES: &'static [Scope] = &[Scope::ReportsRead, Scope::HandoffsRead];
}

/// Demands the scope of reports, and that of the deals behind their figures.
#[derive(Debug, Clone, Copy)]
pub struct DealEvidenceRead;

impl Permission for DealEvidenceRead {
    const SCOPES: &'static [Scope] = &[Scope::ReportsRead, Scope::DealsRead];
}

/// Demands the scope of reports, and those of the customers behind their figures: leads with deals.
#[derive(Debug, Clone, Copy)]
pub struct CustomerEvidenceRead;

impl Permission for CustomerEvidenceRead {
    const SCOPES: &'static [Scope] = &[Scope::ReportsRead, Scope::LeadsRead, Scope::DealsRead];
}

/// Demands the scope of reports, and that of the tasks behind their figures.
#[derive(Debug, Clone, Copy)]
pub struct FollowUpsRead;

impl Permission for FollowUpsRead {
    const SCOPES: &'static [Scope] = &[Scope::ReportsRead, Scope::ActivitiesRead];
}

/// Demands the scope of reports, and those of all that nobody may be working.
#[derive(Debug, Clone, Copy)]
pub struct LeakEvidenceRead;

impl Permission for LeakEvidenceRead {
    const SCOPES: &'static [Scope] = &[
        Scope::ReportsRead,
        Scope::LeadsRead,
        Scope::HandoffsRead,
        Scope::DealsRead,
    ];
}

/// Demands the scope of activities, by which sales asks for content, or that of content.
#[derive(Debug, Clone, Copy)]
pub struct ContentRequested;

impl Permission for ContentRequested {
    const SCOPES: &'static [Scope] = &[Scope::ActivitiesWrite];
    const ALTERNATIVE: &'static [Scope] = &[Scope::ContentWrite];
}

/// Demands the scope of content, and those of a lead and of its objections, by which content is recommended.
#[derive(Debug, Clone, Copy)]
pub struct RecommendedRead;

impl Permission for RecommendedRead {
    const SCOPES: &'static [Scope] = &[Scope::LeadsRead, Scope::ActivitiesRead, Scope::ContentRead];
}

/// Demands the scopes of all that a handover of a customer shows.
#[derive(Debug, Clone, Copy)]
pub struct HandoverRead;

impl Permission for HandoverRead {
    const SCOPES: &'static [Scope] = &[Scope::LeadsRead, Scope::DealsRead, Scope::ActivitiesRead];
}

/// Demands one's own account, or the scope of the availability of others.
#[derive(Debug, Clone, Copy)]
pub struct AvailabilityOf;

impl Permission for AvailabilityOf {
    const SCOPES: &'static [Scope] = &[Scope::Account];
    const ALTERNATIVE: &'static [Scope] = &[Scope::AvailabilityWrite];
}

/// Demands the scope of hand-offs, and that of the leads whom packets describe.
#[derive(Debug, Clone, Copy)]
pub struct PacketsRead;

impl Permission for PacketsRead {
    const SCOPES: &'static [Scope] = &[Scope::HandoffsRead, Scope::LeadsRead];
}
