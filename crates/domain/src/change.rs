//! What happened, as values: rules return them, the store writes them, the journal is made from them.

use serde_json::{Map, Value};

use crate::access::account::{ApiKey, Team, User};
use crate::campaigns::Campaign;
use crate::capture::{Form, FormKey, Submission};
use crate::deals::pipelines::Pipeline;
use crate::deals::{Deal, DealMove};
use crate::id::{IdentifierId, LeadId, SigningKeyId, TouchId, UserId};
use crate::instant::Timestamp;
use crate::leads::consent::{Confirmation, ConsentStatement};
use crate::leads::duplicates::Duplicate;
use crate::leads::fields::FieldValue;
use crate::leads::identity::Identifier;
use crate::leads::{Company, Lead, Touch};
use crate::lifecycle::{Cycle, Transition};
use crate::money::DatedRate;
use crate::tracking::keys::TrackingKey;
use crate::tracking::record::TouchRecord;
use crate::tracking::visitors::Link;
use crate::transfer::Import;

/// Fields with their values, by name, as a journal entry shows them.
pub type Facts = Map<String, Value>;

/// One typed thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A lead became known.
    LeadCreated {
        /// The lead.
        lead: Box<Lead>,
        /// Its first cycle.
        cycle: Cycle,
        /// The first entry of its stage history.
        transition: Transition,
        /// What was said about it.
        after: Facts,
    },
    /// Fields or identifiers of a lead changed.
    LeadEdited {
        /// The lead as it is now.
        lead: Box<Lead>,
        /// Its current cycle, where the change shows in it.
        cycle: Option<Cycle>,
        /// The changed fields before.
        before: Facts,
        /// The changed fields after.
        after: Facts,
    },
    /// A lead moved to another stage.
    LeadMoved {
        /// The lead as it is now.
        lead: Box<Lead>,
        /// The move.
        transition: Transition,
        /// The cycle that it was made in, or that it started.
        cycle: Cycle,
        /// The owner before.
        from_owner: Option<UserId>,
    },
    /// A lead has another owner, or none.
    LeadAssigned {
        /// The lead as it is now.
        lead: Box<Lead>,
        /// The owner before.
        from: Option<UserId>,
    },
    /// A lead was put away.
    LeadArchived(Box<Lead>),
    /// A lead was taken up again.
    LeadRestored(Box<Lead>),
    /// A lead got an identifier.
    IdentifierAdded(LeadId, Identifier),
    /// An identifier of a lead has another place among its kind.
    IdentifierMoved(LeadId, Identifier),
    /// A lead lost an identifier.
    IdentifierRemoved(LeadId, IdentifierId),
    /// Something was said about a field.
    FieldStated(FieldValue),
    /// Two leads may be one person.
    DuplicateSuggested(Duplicate),
    /// Nothing speaks any more for two leads being one person.
    DuplicateWithdrawn(Duplicate),
    /// Somebody said that two leads are two.
    DuplicateDismissed(Duplicate),
    /// Something was said about consent.
    ConsentStated {
        /// The lead as it is now.
        lead: Box<Lead>,
        /// What was said.
        statement: ConsentStatement,
    },
    /// A link was made by which a person may confirm consent.
    ConfirmationIssued(Confirmation),
    /// A company became known.
    CompanyCreated {
        /// The company.
        company: Company,
        /// What was said about it.
        after: Facts,
    },
    /// Fields of a company changed.
    CompanyEdited {
        /// The company as it is now.
        company: Company,
        /// The changed fields before.
        before: Facts,
        /// The changed fields after.
        after: Facts,
    },
    /// A company was put away.
    CompanyArchived(Company),
    /// A company was taken up again.
    CompanyRestored(Company),
    /// A form was made.
    FormCreated {
        /// The form.
        form: Form,
        /// Its publishable key.
        key: FormKey,
    },
    /// A form changed.
    FormEdited {
        /// The form as it is now.
        form: Form,
        /// The changed fields before.
        before: Facts,
        /// The changed fields after.
        after: Facts,
    },
    /// A form has another publishable key.
    FormKeyRotated {
        /// The form as it is now.
        form: Form,
        /// The new key.
        key: FormKey,
        /// The older ones, which work until their end.
        ended: Vec<FormKey>,
    },
    /// A submission came in and was kept, whatever became of it.
    SubmissionReceived(Submission),
    /// A kept submission was run again.
    SubmissionReplayed(Submission),
    /// A file came in that is to be taken in.
    ImportCreated(Box<Import>),
    /// A file was read to its end, or given up.
    ImportEnded(Box<Import>),
    /// A setting was changed.
    SettingChanged {
        /// Its name.
        name: &'static str,
        /// Its new version.
        version: i64,
        /// What it was.
        before: Value,
        /// What it is.
        after: Value,
    },
    /// The dated exchange rates were replaced.
    RatesReplaced {
        /// The setting's new version.
        version: i64,
        /// Those that went.
        gone: Vec<DatedRate>,
        /// Those that came.
        come: Vec<DatedRate>,
        /// How many there are now.
        count: usize,
    },
    /// A campaign was made.
    CampaignCreated(Campaign),
    /// A campaign changed.
    CampaignEdited {
        /// The campaign as it is now.
        campaign: Campaign,
        /// The changed fields before.
        before: Facts,
        /// The changed fields after.
        after: Facts,
    },
    /// A pipeline was made.
    PipelineCreated(Pipeline),
    /// A pipeline changed.
    PipelineEdited {
        /// The pipeline as it is now.
        pipeline: Pipeline,
        /// The changed fields before.
        before: Facts,
        /// The changed fields after.
        after: Facts,
    },
    /// A deal was opened.
    DealOpened {
        /// The deal.
        deal: Box<Deal>,
        /// The first entry of its history.
        made: DealMove,
        /// What was said about it.
        after: Facts,
    },
    /// A deal went to another stage of its pipeline.
    DealMoved {
        /// The deal as it is now.
        deal: Box<Deal>,
        /// The move.
        made: DealMove,
    },
    /// A deal was won or lost.
    DealClosed {
        /// The deal as it is now.
        deal: Box<Deal>,
        /// The move.
        made: DealMove,
    },
    /// A closed deal was opened again.
    DealReopened {
        /// The deal as it is now.
        deal: Box<Deal>,
        /// The move.
        made: DealMove,
    },
    /// Fields or members of a deal changed.
    DealEdited {
        /// The deal as it is now.
        deal: Box<Deal>,
        /// The changed fields before.
        before: Facts,
        /// The changed fields after.
        after: Facts,
    },
    /// A statement about a lead told a touch of it.
    TouchStated {
        /// The touch's id.
        id: TouchId,
        /// Whose.
        lead_id: LeadId,
        /// The touch, with its instant.
        touch: Box<Touch>,
    },
    /// A touch was told.
    TouchAdded(Box<TouchRecord>),
    /// It was told who a visitor is. What follows of it is derived.
    VisitorIdentified(Link),
    /// A site got a tracking key.
    TrackingKeyCreated(TrackingKey),
    /// A tracking key's name or origins changed.
    TrackingKeyEdited {
        /// The key as it is now.
        key: TrackingKey,
        /// The changed fields before.
        before: Facts,
        /// The changed fields after.
        after: Facts,
    },
    /// A site has another tracking key.
    TrackingKeyRotated(TrackingKey),
    /// A tracking key works no more.
    TrackingKeyRevoked(TrackingKey),
    /// A user was invited or made.
    UserCreated(User),
    /// A user's name, role or state changed.
    UserEdited {
        /// The user as it is now.
        user: User,
        /// The changed fields before.
        before: Facts,
        /// The changed fields after.
        after: Facts,
    },
    /// A user has another password.
    PasswordChanged(UserId),
    /// Somebody made a token by which a user may set another password.
    ResetTokenCreated {
        /// Whose password.
        user_id: UserId,
        /// Until when it is good.
        expires_at: Timestamp,
    },
    /// Access tokens are signed with another key.
    SigningKeyRotated {
        /// The new key.
        id: SigningKeyId,
        /// Its name in tokens and in the JWKS.
        kid: String,
    },
    /// A team was made.
    TeamCreated(Team),
    /// A team's name or members changed.
    TeamEdited {
        /// The team as it is now.
        team: Team,
        /// The changed fields before.
        before: Facts,
        /// The changed fields after.
        after: Facts,
    },
    /// A secret key was made.
    KeyCreated(ApiKey),
    /// A secret key got a successor; the old secret works until its overlap ends.
    KeyRotated(ApiKey),
    /// A secret key was revoked.
    KeyRevoked(ApiKey),
}
