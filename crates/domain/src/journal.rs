//! The journal: what entries are made of a change. Entries name fields; values stand apart, where erasure finds them.

use serde_json::{Map, Value, json};

use crate::capture::{Submission, SubmissionStatus};
use crate::change::{Change, Facts};
use crate::deals::{Deal, DealMove, State};
use crate::id::LeadId;
use crate::leads::consent::ConsentState;
use crate::leads::duplicates::{Duplicate, confidence};
use crate::money::DatedRate;

/// What an entry is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The kind of record: `lead`, `company`, `form`, ...
    pub kind: &'static str,
    /// Its id, or a setting's name.
    pub id: String,
    /// Its version after the change.
    pub version: i64,
}

/// One journal entry before it gets its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// `<noun>.<past participle>`.
    pub kind: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// The lead that it belongs to, if any.
    pub lead_id: Option<LeadId>,
    /// The values before.
    pub before: Option<Facts>,
    /// The values after.
    pub after: Option<Facts>,
    /// What else is to be said.
    pub data: Facts,
}

/// Every type of entry there is, with what it means.
pub const TYPES: &[(&str, &str)] = &[
    (
        "lead.created",
        "A lead became known by hand or through a partner.",
    ),
    ("lead.captured", "A lead became known through a form."),
    ("lead.updated", "Fields or identifiers of a lead changed."),
    ("lead.stage_changed", "A lead moved to another stage."),
    ("lead.assigned", "A lead has another owner, or none."),
    ("lead.archived", "A lead was put away."),
    ("lead.restored", "A lead was taken up again."),
    ("duplicate.suggested", "Two leads may be one person."),
    (
        "duplicate.withdrawn",
        "Nothing speaks any more for two leads being one person.",
    ),
    ("duplicate.dismissed", "Somebody said that two leads are two."),
    ("consent.granted", "A person agreed to a purpose."),
    (
        "consent.confirmed",
        "A person confirmed by a link what was granted.",
    ),
    (
        "consent.withdrawn",
        "Consent to a purpose was refused or withdrawn.",
    ),
    (
        "consent.disregarded",
        "A system repeated, without saying of when it is, a consent that was withdrawn since.",
    ),
    (
        "consent.link_issued",
        "A link was made by which a person may confirm consent.",
    ),
    ("company.created", "A company became known."),
    ("company.updated", "Fields of a company changed."),
    ("company.archived", "A company was put away."),
    ("company.restored", "A company was taken up again."),
    ("form.created", "A form was made."),
    ("form.updated", "A form changed."),
    (
        "form.key_rotated",
        "A form has another publishable key; the older ones work until their end.",
    ),
    (
        "submission.accepted",
        "A submission came in and found or made its lead.",
    ),
    (
        "submission.rejected",
        "A submission came in that did not fit its form; it is kept.",
    ),
    (
        "submission.flagged",
        "A submission came in that looks like spam; it is kept.",
    ),
    (
        "submission.failed",
        "A submission came in that could not be worked on; it is kept to be replayed.",
    ),
    (
        "submission.tested",
        "A submission came in that only tried its form out; nothing came of it but its record.",
    ),
    ("campaign.created", "A campaign was made."),
    ("campaign.updated", "A campaign changed."),
    ("pipeline.created", "A pipeline was made."),
    ("pipeline.updated", "A pipeline changed."),
    ("deal.opened", "A deal was opened."),
    ("deal.moved", "A deal went to another stage of its pipeline."),
    ("deal.won", "A deal was won."),
    ("deal.lost", "A deal was lost."),
    ("deal.reopened", "A closed deal was opened again."),
    ("deal.updated", "Fields or leads of a deal changed."),
    ("import.created", "A file came in that is to be taken in."),
    ("import.ended", "A file was read to its end, or given up."),
    ("touch.added", "A touch of a lead was told."),
    ("visitor.identified", "It was told which lead a visitor is."),
    ("tracking_key.created", "A site got a tracking key."),
    (
        "tracking_key.updated",
        "Name or origins of a tracking key changed.",
    ),
    (
        "tracking_key.rotated",
        "A site has another tracking key; the one before works until its end.",
    ),
    ("tracking_key.revoked", "A tracking key works no more."),
    ("setting.changed", "A setting was changed."),
    ("user.created", "A user was invited or made."),
    ("user.updated", "A user's name, role or state changed."),
    ("user.password_changed", "A user has another password."),
    (
        "user.reset_token_created",
        "A token was made by which a user may set another password.",
    ),
    (
        "signing_key.rotated",
        "Access tokens are signed with another key; the one before verifies until its end.",
    ),
    ("team.created", "A team was made."),
    ("team.updated", "A team's name or members changed."),
    ("api_key.created", "A secret key was made."),
    ("api_key.rotated", "A secret key has a new secret."),
    ("api_key.revoked", "A secret key was revoked."),
];

fn facts(value: Value) -> Facts {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn received(submission: &Submission, data: Value) -> Entry {
    let kind = match submission.status {
        SubmissionStatus::Accepted => "submission.accepted",
        SubmissionStatus::Rejected => "submission.rejected",
        SubmissionStatus::Spam => "submission.flagged",
        SubmissionStatus::Test => "submission.tested",
        SubmissionStatus::Failed => "submission.failed",
    };
    let subject = Subject {
        kind: "submission",
        id: submission.id.to_string(),
        version: submission.version,
    };
    Entry {
        kind,
        subject,
        lead_id: submission.lead_id,
        before: None,
        after: None,
        data: facts(data),
    }
}

/// The entry that a change leaves, if it leaves one of its own: statements and identifiers show in their lead's.
pub fn entry(change: &Change) -> Option<Entry> {
    let on = |kind, id: String, version| Subject { kind, id, version };
    let plain = |kind, subject, lead_id, data| Entry {
        kind,
        subject,
        lead_id,
        before: None,
        after: None,
        data: facts(data),
    };
    let edited = |kind, subject, lead_id, before: &Facts, after: &Facts| Entry {
        kind,
        subject,
        lead_id,
        before: Some(before.clone()),
        after: Some(after.clone()),
        data: Facts::new(),
    };
    let lead_subject = |lead: &crate::leads::Lead| on("lead", lead.id.to_string(), lead.version);
    Some(match change {
        Change::LeadCreated {
            lead, cycle, after, ..
        } => {
            let kind = if cycle.dimensions.form_id.is_some() {
                "lead.captured"
            } else {
                "lead.created"
            };
            let data = match cycle.dimensions.form_id {
                Some(form_id) => json!({"stage": lead.stage, "cycle": lead.cycle, "form_id": form_id}),
                None => json!({"stage": lead.stage, "cycle": lead.cycle}),
            };
            Entry {
                after: Some(after.clone()),
                ..plain(kind, lead_subject(lead), Some(lead.id), data)
            }
        }
        Change::LeadEdited {
            lead, before, after, ..
        } => edited("lead.updated", lead_subject(lead), Some(lead.id), before, after),
        Change::LeadMoved {
            lead,
            transition,
            from_owner,
            ..
        } => {
            let data = json!({
                "from": transition.from, "to": transition.to, "cycle": transition.cycle,
                "reason": transition.reason, "note": transition.note, "until": transition.until,
                "transition_id": transition.id, "agreement_version": transition.agreement_version,
                "owner_id": lead.owner_id, "previous_owner_id": from_owner,
            });
            plain("lead.stage_changed", lead_subject(lead), Some(lead.id), data)
        }
        Change::LeadAssigned { lead, from } => {
            let data = json!({"from": from, "to": lead.owner_id});
            plain("lead.assigned", lead_subject(lead), Some(lead.id), data)
        }
        Change::LeadArchived(lead) => plain("lead.archived", lead_subject(lead), Some(lead.id), json!({})),
        Change::LeadRestored(lead) => plain("lead.restored", lead_subject(lead), Some(lead.id), json!({})),
        Change::IdentifierAdded(..)
        | Change::IdentifierMoved(..)
        | Change::IdentifierRemoved(..)
        | Change::FieldStated(_) => return None,
        Change::DuplicateSuggested(duplicate) => of_duplicate("duplicate.suggested", duplicate),
        Change::DuplicateWithdrawn(duplicate) => of_duplicate("duplicate.withdrawn", duplicate),
        Change::DuplicateDismissed(duplicate) => of_duplicate("duplicate.dismissed", duplicate),
        Change::ConsentStated { statement, .. } => {
            let kind = match statement.state {
                ConsentState::Granted => "consent.granted",
                ConsentState::Confirmed => "consent.confirmed",
                ConsentState::Withdrawn => "consent.withdrawn",
                ConsentState::Disregarded => "consent.disregarded",
            };
            let data = json!({
                "purpose": statement.purpose, "source": statement.source,
                "reason": statement.reason, "confirms": statement.confirms, "submission_id": statement.submission_id,
                "stated_at": statement.stated_at,
            });
            let subject = on("consent", statement.id.to_string(), 0);
            plain(kind, subject, Some(statement.lead_id), data)
        }
        Change::ConfirmationIssued(confirmation) => {
            let subject = on("consent", confirmation.consent_id.to_string(), 0);
            let data = json!({"purpose": confirmation.purpose, "expires_at": confirmation.expires_at});
            plain("consent.link_issued", subject, Some(confirmation.lead_id), data)
        }
        Change::CompanyCreated { company, after } => {
            let subject = on("company", company.id.to_string(), company.version);
            Entry {
                after: Some(after.clone()),
                ..plain("company.created", subject, None, json!({}))
            }
        }
        Change::CompanyEdited {
            company,
            before,
            after,
        } => {
            let subject = on("company", company.id.to_string(), company.version);
            edited("company.updated", subject, None, before, after)
        }
        Change::CompanyArchived(company) => {
            let subject = on("company", company.id.to_string(), company.version);
            plain("company.archived", subject, None, json!({}))
        }
        Change::CompanyRestored(company) => {
            let subject = on("company", company.id.to_string(), company.version);
            plain("company.restored", subject, None, json!({}))
        }
        Change::FormCreated { form, .. } => {
            let subject = on("form", form.id.to_string(), form.version);
            plain("form.created", subject, None, json!({"name": form.name}))
        }
        Change::FormEdited { form, before, after } => edited(
            "form.updated",
            on("form", form.id.to_string(), form.version),
            None,
            before,
            after,
        ),
        Change::FormKeyRotated { form, ended, .. } => {
            let subject = on("form", form.id.to_string(), form.version);
            let ends: Vec<_> = ended.iter().filter_map(|key| key.expires_at).collect();
            plain("form.key_rotated", subject, None, json!({"older_keys_end": ends}))
        }
        Change::SubmissionReceived(submission) => {
            received(submission, json!({"form_id": submission.form_id}))
        }
        Change::SubmissionReplayed(submission) => received(
            submission,
            json!({"form_id": submission.form_id, "replayed": true}),
        ),
        Change::ImportCreated(import) => plain(
            "import.created",
            on("import", import.id.to_string(), 1),
            None,
            json!({"kind": import.kind, "mode": import.mode, "dry_run": import.is_dry_run}),
        ),
        Change::ImportEnded(import) => {
            let told = import.progress;
            let data = json!({
                "state": import.state, "rows_read": told.rows_read, "created": told.created, "updated": told.updated,
                "rejected": told.rejected, "warnings": told.warnings, "code": import.failure.as_ref().map(|one| &one.code),
            });
            plain("import.ended", on("import", import.id.to_string(), 2), None, data)
        }
        Change::SettingChanged {
            name,
            version,
            before,
            after,
        } => {
            let value = |value: &Value| Facts::from_iter([("value".to_owned(), value.clone())]);
            let subject = on("setting", (*name).to_owned(), *version);
            edited("setting.changed", subject, None, &value(before), &value(after))
        }
        Change::RatesReplaced {
            version,
            gone,
            come,
            count,
        } => {
            let list = |rates: &[DatedRate]| {
                let one = |rate: &DatedRate| json!({"from": rate.from, "to": rate.to, "on": rate.on.to_string(), "rate": rate.rate.to_string()});
                Facts::from_iter([("rates".to_owned(), rates.iter().map(one).collect())])
            };
            let subject = on("setting", "exchange_rates".to_owned(), *version);
            Entry {
                data: facts(json!({"count": count})),
                ..edited("setting.changed", subject, None, &list(gone), &list(come))
            }
        }
        Change::CampaignCreated(campaign) => {
            let subject = on("campaign", campaign.id.to_string(), campaign.version);
            Entry {
                after: Some(campaign.described()),
                ..plain("campaign.created", subject, None, json!({}))
            }
        }
        Change::CampaignEdited {
            campaign,
            before,
            after,
        } => {
            let subject = on("campaign", campaign.id.to_string(), campaign.version);
            edited("campaign.updated", subject, None, before, after)
        }
        Change::PipelineCreated(pipeline) => {
            let subject = on("pipeline", pipeline.id.to_string(), pipeline.version);
            let data = json!({"name": pipeline.name, "stages": pipeline.stages});
            plain("pipeline.created", subject, None, data)
        }
        Change::PipelineEdited {
            pipeline,
            before,
            after,
        } => {
            let subject = on("pipeline", pipeline.id.to_string(), pipeline.version);
            edited("pipeline.updated", subject, None, before, after)
        }
        Change::DealOpened { deal, made, after } => Entry {
            after: Some(after.clone()),
            ..of_deal("deal.opened", deal, made)
        },
        Change::DealMoved { deal, made } => of_deal("deal.moved", deal, made),
        Change::DealClosed { deal, made } => {
            let kind = match deal.state() {
                State::Lost => "deal.lost",
                State::Open | State::Won => "deal.won",
            };
            of_deal(kind, deal, made)
        }
        Change::DealReopened { deal, made } => of_deal("deal.reopened", deal, made),
        Change::DealEdited { deal, before, after } => {
            let subject = on("deal", deal.id.to_string(), deal.version);
            edited("deal.updated", subject, deal.primary_lead_id, before, after)
        }
        Change::TouchStated { .. } => return None,
        Change::TouchAdded(told) => {
            let subject = on("touch", told.id.to_string(), 1);
            plain("touch.added", subject, told.lead_id, json!(told.touch))
        }
        Change::VisitorIdentified(link) => {
            let subject = on("visitor", link.visitor_id.to_string(), 1);
            let data = json!({"linked_at": link.at});
            plain("visitor.identified", subject, Some(link.lead_id), data)
        }
        Change::TrackingKeyCreated(key) => {
            let subject = on("tracking_key", key.id.to_string(), key.version);
            let data = json!({"name": key.name, "allowed_origins": key.allowed_origins});
            plain("tracking_key.created", subject, None, data)
        }
        Change::TrackingKeyEdited { key, before, after } => {
            let subject = on("tracking_key", key.id.to_string(), key.version);
            edited("tracking_key.updated", subject, None, before, after)
        }
        Change::TrackingKeyRotated(key) => {
            let subject = on("tracking_key", key.id.to_string(), key.version);
            let ends = key.previous.as_ref().map(|(_, until)| until);
            plain(
                "tracking_key.rotated",
                subject,
                None,
                json!({"older_key_ends": ends}),
            )
        }
        Change::TrackingKeyRevoked(key) => {
            let subject = on("tracking_key", key.id.to_string(), key.version);
            plain("tracking_key.revoked", subject, None, json!({}))
        }
        Change::UserCreated(user) => {
            let subject = on("user", user.id.to_string(), user.version);
            let after = facts(
                json!({"email": user.email, "name": user.name, "role": user.role, "admin": user.admin}),
            );
            Entry {
                after: Some(after),
                ..plain("user.created", subject, None, json!({}))
            }
        }
        Change::UserEdited { user, before, after } => edited(
            "user.updated",
            on("user", user.id.to_string(), user.version),
            None,
            before,
            after,
        ),
        Change::PasswordChanged(user) => plain(
            "user.password_changed",
            on("user", user.to_string(), 0),
            None,
            json!({}),
        ),
        Change::ResetTokenCreated { user_id, expires_at } => plain(
            "user.reset_token_created",
            on("user", user_id.to_string(), 0),
            None,
            json!({"expires_at": expires_at}),
        ),
        Change::SigningKeyRotated { id, kid } => plain(
            "signing_key.rotated",
            on("signing_key", id.to_string(), 0),
            None,
            json!({"kid": kid}),
        ),
        Change::TeamCreated(team) => {
            let subject = on("team", team.id.to_string(), team.version);
            plain(
                "team.created",
                subject,
                None,
                json!({"name": team.name, "members": team.members}),
            )
        }
        Change::TeamEdited { team, before, after } => edited(
            "team.updated",
            on("team", team.id.to_string(), team.version),
            None,
            before,
            after,
        ),
        Change::KeyCreated(key) => {
            let subject = on("api_key", key.id.to_string(), key.version);
            plain(
                "api_key.created",
                subject,
                None,
                json!({"name": key.name, "scopes": key.scopes}),
            )
        }
        Change::KeyRotated(key) => plain(
            "api_key.rotated",
            on("api_key", key.id.to_string(), key.version),
            None,
            json!({}),
        ),
        Change::KeyRevoked(key) => plain(
            "api_key.revoked",
            on("api_key", key.id.to_string(), key.version),
            None,
            json!({}),
        ),
    })
}

/// The entry of a suggestion that two leads are one person: told of the younger one.
fn of_duplicate(kind: &'static str, duplicate: &Duplicate) -> Entry {
    let (elder, younger) = duplicate.leads;
    Entry {
        kind,
        subject: Subject {
            kind: "duplicate",
            id: duplicate.id.to_string(),
            version: duplicate.version,
        },
        lead_id: Some(younger),
        before: None,
        after: None,
        data: facts(json!({
            "lead_ids": [elder, younger], "reasons": duplicate.reasons,
            "confidence": confidence(&duplicate.reasons) as f64 / 100.0,
        })),
    }
}

/// The entry of a deal's move.
fn of_deal(kind: &'static str, deal: &Deal, made: &DealMove) -> Entry {
    let mut data = facts(json!({
        "name": deal.name, "from": made.from, "to": made.to, "at": made.at, "move_id": made.id,
        "reason": made.reason, "note": made.note, "amount": deal.amount, "owner_id": deal.owner_id,
    }));
    if let Some(closing) = &deal.closing {
        data.insert("competitor".into(), json!(closing.competitor));
        data.insert("value".into(), json!(closing.value.map(|value| value.money)));
    }
    Entry {
        kind,
        subject: Subject {
            kind: "deal",
            id: deal.id.to_string(),
            version: deal.version,
        },
        lead_id: deal.primary_lead_id,
        before: None,
        after: None,
        data,
    }
}
