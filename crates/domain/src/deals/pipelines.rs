//! Pipelines: the ordered stages that deals go through, with the probability that a deal in them will be won.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::access::{Actor, Denied, Role, Scope};
use crate::act::Act;
use crate::deals::State;
use crate::fault::Fault;
use crate::id::{Id, PipelineId};
use crate::instant::Timestamp;
use crate::journal::{Facts, facts};
use crate::record::{Plain, RecordChange, archived_at, counted};

/// The most stages of a pipeline, won and lost among them.
pub const MAX_STAGES: usize = 32;

/// The pipeline that a new installation begins with.
pub const FIRST: PipelineId = Id::from_uuid(Uuid::from_u128(0x7000_8000_0000_0000_0001));

/// One stage of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineStage {
    /// The key of the stage in requests and reports. Keep it when you rename the stage, and never reuse it for another
    /// stage: the history of deals refers to it.
    pub key: String,
    /// The label that people see.
    pub name: String,
    /// The probability that a deal in it will be won, in ten-thousandths.
    pub probability: i64,
}

/// The ordered stages that deals go through; `won` and `lost` are always the last two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// Its id.
    pub id: PipelineId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// The name that people see.
    pub name: String,
    /// Whether it is the default pipeline: used by deals that name none.
    pub is_default: bool,
    /// The stages, in their order.
    pub stages: Vec<PipelineStage>,
    /// When it was archived: no deal can be opened in it since.
    pub archived_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What a pipeline is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditPipeline {
    /// The name that people see.
    pub name: String,
    /// All its stages.
    pub stages: Vec<PipelineStage>,
    /// Makes it the default one; the default one stays so until another takes its place.
    pub is_default: bool,
    /// Whether it is archived or restored; `None` stays.
    pub archived: Option<bool>,
}

/// Why a pipeline was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PipelineError {
    /// The actor may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Stages that are to go have deals: the open ones that stand there, and closed ones that a reopening leads back.
    #[error("stages to be removed are in use by deals")]
    InUse(BTreeMap<String, u64>),
    /// Open deals are in a pipeline that is to be archived.
    #[error("the pipeline has open deals")]
    HasOpenDeals(u64),
    /// Something does not fit.
    #[error("the request is incomplete")]
    Invalid(Vec<Fault>),
}

fn stage(key: &str, name: &str, probability: i64) -> PipelineStage {
    PipelineStage {
        key: key.into(),
        name: name.into(),
        probability,
    }
}

impl Pipeline {
    /// The pipeline that a new installation begins with.
    pub fn first(now: Timestamp) -> Self {
        let stages = vec![
            stage("discovery", "Discovery", 1000),
            stage("evaluation", "Evaluation", 2500),
            stage("proposal", "Proposal", 5000),
            stage("negotiation", "Negotiation", 7500),
            stage("won", "Won", 10_000),
            stage("lost", "Lost", 0),
        ];
        Self {
            id: FIRST,
            version: 1,
            name: "Sales".into(),
            is_default: true,
            stages,
            archived_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// The stages that an open deal can be in, in their order.
    pub fn open_stages(&self) -> impl Iterator<Item = &PipelineStage> {
        self.stages.iter().filter(|stage| !is_end(&stage.key))
    }

    /// The keys of the stages that an open deal can be in.
    pub fn open_keys(&self) -> Vec<String> {
        self.open_stages().map(|stage| stage.key.clone()).collect()
    }

    /// Whether an open deal can be in this stage.
    pub fn has_open(&self, key: &str) -> bool {
        self.open_stages().any(|stage| stage.key == key)
    }
}

fn is_end(key: &str) -> bool {
    key == State::Won.name() || key == State::Lost.name()
}

/// Whether the actor may set pipelines up: a sales manager, revops, an admin.
pub fn may_manage(actor: &Actor) -> Result<(), Denied> {
    let person = actor.demand_person()?;
    if person.is_admin() || matches!(person.role, Role::SalesManager | Role::Revops) {
        Ok(())
    } else {
        Err(Denied::WrongRole)
    }
}

/// The stages with won and lost at their end, or what is wrong with them. `at` is where they stand in the request.
fn complete(stages: Vec<PipelineStage>, at: &str) -> Result<Vec<PipelineStage>, Vec<Fault>> {
    let (mut faults, mut keys, mut ends) = (vec![], BTreeSet::new(), BTreeMap::new());
    let mut open = vec![];
    for (index, one) in stages.into_iter().enumerate() {
        let certain = match one.key.as_str() {
            "won" => Some(10_000),
            "lost" => Some(0),
            _ => None,
        };
        if !keys.insert(one.key.clone()) {
            faults.push(Fault::new(
                format!("{at}/{index}/key"),
                "not_allowed",
                "is listed twice",
            ));
        }
        if certain.is_some_and(|certain| certain != one.probability) {
            let detail = "must be 1 for won and 0 for lost";
            faults.push(Fault::new(
                format!("{at}/{index}/probability"),
                "not_allowed",
                detail,
            ));
        }
        match certain {
            Some(_) => drop(ends.insert(one.key.clone(), one)),
            None => open.push(one),
        }
    }
    if open.is_empty() {
        faults.push(Fault::new(
            at,
            "too_few_items",
            "a pipeline needs a stage besides won and lost",
        ));
    }
    if open.len() + 2 > MAX_STAGES {
        faults.push(Fault::new(
            at,
            "too_many_items",
            "a pipeline has at most 30 stages besides won and lost",
        ));
    }
    open.push(ends.remove("won").unwrap_or_else(|| stage("won", "Won", 10_000)));
    open.push(ends.remove("lost").unwrap_or_else(|| stage("lost", "Lost", 0)));
    if faults.is_empty() { Ok(open) } else { Err(faults) }
}

/// Make a pipeline; where it is to be the default one, `default` stands back.
pub fn create(
    name: String,
    stages: Vec<PipelineStage>,
    default: Option<&Pipeline>,
    act: &Act,
) -> Result<(Pipeline, Vec<RecordChange<Pipeline>>), PipelineError> {
    may_manage(&act.by)?;
    let stages = complete(stages, "/stages").map_err(PipelineError::Invalid)?;
    let pipeline = Pipeline {
        id: act.ids.next(),
        version: 1,
        name,
        is_default: default.is_some(),
        stages,
        archived_at: None,
        created_at: act.now,
        updated_at: act.now,
    };
    let mut changes: Vec<_> = default
        .and_then(|other| stand_back(other, act.now))
        .into_iter()
        .collect();
    changes.push(pipeline.created());
    Ok((pipeline, changes))
}

/// Change a pipeline; `used` says how many deals hold on to each of its stages, `open` how many are open in it,
/// `default` is the one that is the default so far.
pub fn edit(
    pipeline: &Pipeline,
    edit: EditPipeline,
    used: &BTreeMap<String, u64>,
    open: u64,
    default: Option<&Pipeline>,
    act: &Act,
) -> Result<(Pipeline, Vec<RecordChange<Pipeline>>), PipelineError> {
    may_manage(&act.by)?;
    let stages = complete(edit.stages, "/stages").map_err(PipelineError::Invalid)?;
    let kept: BTreeSet<&str> = stages.iter().map(|stage| stage.key.as_str()).collect();
    let gone = used
        .iter()
        .filter(|(key, n)| **n > 0 && !kept.contains(key.as_str()));
    let gone: BTreeMap<String, u64> = gone.map(|(key, n)| (key.clone(), *n)).collect();
    if !gone.is_empty() {
        return Err(PipelineError::InUse(gone));
    }
    let edited = Pipeline {
        name: edit.name,
        stages,
        is_default: edit.is_default,
        archived_at: archived_at(pipeline.archived_at, edit.archived, act.now),
        ..pipeline.clone()
    };
    let mut faults = vec![];
    if pipeline.is_default && !edited.is_default {
        let detail = "make another pipeline the default instead";
        faults.push(Fault::new("/is_default", "not_allowed", detail));
    }
    if edited.is_default && edited.archived_at.is_some() {
        faults.push(Fault::new(
            "/archived",
            "not_allowed",
            "the default pipeline cannot be archived",
        ));
    }
    if !faults.is_empty() {
        return Err(PipelineError::Invalid(faults));
    }
    if edited.archived_at.is_some() && pipeline.archived_at.is_none() && open > 0 {
        return Err(PipelineError::HasOpenDeals(open));
    }
    let (edited, change) = pipeline.becomes(edited, act.now);
    let takes_place = edited.is_default && !pipeline.is_default;
    let mut changes: Vec<_> = default
        .filter(|other| takes_place && other.id != edited.id)
        .and_then(|other| stand_back(other, act.now))
        .into_iter()
        .collect();
    changes.extend(change);
    Ok((edited, changes))
}

/// The former default pipeline, which another one follows.
fn stand_back(other: &Pipeline, now: Timestamp) -> Option<RecordChange<Pipeline>> {
    let edited = Pipeline {
        is_default: false,
        ..other.clone()
    };
    other.becomes(edited, now).1
}

counted!(Pipeline);

impl Plain for Pipeline {
    const NOUN: &'static str = "pipeline";
    const READ: Scope = Scope::DealsRead;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        ("pipeline.created", "A pipeline was created."),
        ("pipeline.updated", "A pipeline changed."),
    ];

    fn facts(&self) -> Facts {
        facts(json!({
            "name": self.name,
            "is_default": self.is_default,
            "stages": self.stages,
            "archived_at": self.archived_at,
        }))
    }
}
