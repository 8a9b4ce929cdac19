//! What the report is asked about models, and the outcomes with their credits.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use tandem_domain::duration::Duration;
use tandem_domain::id::CampaignId;
use tandem_domain::instant::Timestamp;
use tandem_domain::money::Money;
use tandem_domain::reports::attribution::report::{AttributionFigure, Credit, Division, Earner, OF_TOUCHES};
use tandem_domain::reports::attribution::{Lookback, Model, ModelName, NotPoles, PathOutcome, Poles};
use tandem_domain::reports::dimension::{By, Dimension, Value};
use tandem_domain::reports::row::{Cut, Key};
use tandem_store as store;
use tandem_store::Snapshot;
use tandem_store::reports::OutcomePath;
use tandem_store::rules::Rules;
use utoipa::IntoParams;

use crate::edge::http::problem::{Location, Problem, Violation};
use crate::reports::request::{Chosen, Question, Selection, encoded};

/// The half-life of `time_decay` unless one is given: 7 days, in milliseconds.
const HALF_LIFE: i64 = 7 * 86_400_000;

/// Values of dimensions.
pub type Only = Vec<(Dimension, Option<Value>)>;

/// What touches are credited for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OutcomeQuery {
    /// What touches are credited for; default `customer`.
    #[param(inline, example = "customer")]
    pub outcome: Option<PathOutcome>,
}

/// How credit is divided.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ModelQuery {
    /// How credit is divided; default `linear`.
    #[param(inline, example = "linear")]
    model: Option<ModelName>,
    /// How long before the outcome touches count: a duration such as `90d`, or `all`; default `365d`.
    #[param(max_length = 20, example = "90d")]
    lookback: Option<String>,
    /// For `time_decay`: after how long a touch counts half; default `7d`.
    #[param(max_length = 20, example = "7d")]
    half_life: Option<String>,
    /// For `custom`: the shares in percent of the first touch, the lead touch, the touch before the deal was opened and the
    /// last touch.
    #[param(max_length = 100, example = "first:40,lead:20")]
    poles: Option<String>,
    /// For `custom`: the share in percent of all other touches; default 0. All shares sum to 100.
    #[param(max_length = 10, example = "40")]
    rest: Option<String>,
}

/// What is credited, and how.
pub struct Asked {
    pub outcome: PathOutcome,
    pub model: ModelName,
    lookback: Lookback,
    /// `None` is Markov.
    by_path: Option<Model>,
    own: Vec<(&'static str, String)>,
}

/// An outcome of the report.
pub struct Found {
    pub row: OutcomePath,
    /// In minor units of the base currency; `None` without an amount, or without a rate.
    pub value: Option<i64>,
}

/// Which touches are asked for.
pub struct Touches {
    only: Only,
    /// The campaigns of the trees that are asked for.
    trees: HashMap<CampaignId, HashSet<CampaignId>>,
}

/// The outcomes of a report, and how they are divided.
pub struct Credited {
    pub entries: Vec<Found>,
    division: Division,
}

/// The filters of records alone, and those of touches.
pub fn split(chosen: Chosen) -> (Chosen, Only) {
    let mut records = chosen;
    let (of_touches, others) = records
        .filters
        .0
        .into_iter()
        .partition(|(dimension, _)| OF_TOUCHES.contains(dimension));
    records.filters.0 = others;
    (records, of_touches)
}

fn refuse(parameter: &str, code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::invalid_parameters(vec![Violation::new(
        Location::parameter(parameter),
        code,
        detail.into(),
    )])
}

impl Asked {
    /// Read what is asked, or refuse it.
    pub fn read(outcome: PathOutcome, query: ModelQuery) -> Result<Self, Problem> {
        let model = query.model.unwrap_or_default();
        let duration = |name: &str, text: &str| {
            let read = text.parse::<Duration>();
            read.map_err(|error| refuse(name, "invalid_format", error.to_string()))
        };
        let lookback = match query.lookback.as_deref() {
            None => Lookback::default(),
            Some("all") => Lookback::All,
            Some(text) => duration("lookback", text)?.into(),
        };
        let half_life = match query.half_life.as_deref() {
            None => HALF_LIFE,
            Some(text) => duration("half_life", text)?.millis(),
        };
        if half_life == 0 {
            return Err(refuse("half_life", "out_of_range", "must not be zero"));
        }
        let poles = match (model, query.poles.as_deref()) {
            (ModelName::Custom, None) => {
                return Err(refuse("poles", "required", "the model custom needs poles"));
            }
            (ModelName::Custom, Some(poles)) => Some(read_poles(poles, query.rest.as_deref())?),
            _ => None,
        };
        let mut own = vec![
            ("outcome", outcome.name().to_owned()),
            ("model", model.name().to_owned()),
        ];
        for (name, given) in [
            ("lookback", query.lookback),
            (
                "half_life",
                query.half_life.filter(|_| model == ModelName::TimeDecay),
            ),
            ("poles", query.poles.filter(|_| model == ModelName::Custom)),
            ("rest", query.rest.filter(|_| model == ModelName::Custom)),
        ] {
            own.extend(given.map(|text| (name, encoded(&text))));
        }
        Ok(Self {
            outcome,
            model,
            lookback,
            by_path: Model::named(model, half_life, poles),
            own,
        })
    }

    /// What names a figure of this report in the address of its evidence.
    pub fn address(&self, figure: AttributionFigure) -> Vec<(&str, &str)> {
        let own = self.own.iter().map(|(name, value)| (*name, value.as_str()));
        own.chain([("figure", figure.name())]).collect()
    }

    /// Markov credits channels alone: by anything else the weights of a row would be other ones than those of the report.
    pub fn demand_channels(&self, by: &[By], of_touches: &Only) -> Result<(), Problem> {
        if self.by_path.is_some() {
            return Ok(());
        }
        if by != [By::Dimension(Dimension::Channel)] {
            return Err(refuse(
                "by",
                "not_allowed",
                "markov credits channels: only `by=channel`",
            ));
        }
        let other = of_touches
            .iter()
            .find(|(dimension, _)| *dimension != Dimension::Channel);
        match other {
            Some((dimension, _)) => {
                let name = dimension.details().parameter;
                Err(refuse(name, "not_allowed", "markov credits channels alone"))
            }
            None => Ok(()),
        }
    }

    /// The outcomes of the report.
    pub async fn find(
        &self,
        snapshot: &Snapshot,
        question: &Question,
        touches: &Touches,
        now: Timestamp,
    ) -> Result<Credited, Problem> {
        let cuts: Vec<Cut> = question
            .cuts
            .iter()
            .filter(|cut| !is_of_touches(cut))
            .cloned()
            .collect();
        let (selection, rules) = (&question.selection, &question.rules);
        let mut credited = self.load(snapshot, selection, &cuts, rules, now).await?;
        if names_campaigns(question, touches) {
            credited.find_campaigns(snapshot).await?;
        }
        Ok(credited)
    }

    /// The outcomes of a selection, with their keys in cuts that touches do not have.
    pub async fn load(
        &self,
        snapshot: &Snapshot,
        selection: &Selection,
        cuts: &[Cut],
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Credited, Problem> {
        let (scope, base) = (selection.scope(), rules.money.base);
        let rows = store::reports::outcome_paths(snapshot, &scope, self.outcome, cuts, base).await?;
        let today = now.day_in(&rules.company.zone());
        let entries: Vec<Found> = rows
            .into_iter()
            .map(|mut row| {
                row.path = row.path.within(self.lookback);
                let convert = |amount: Money| rules.money.rates.convert(amount, base, today).ok();
                let value = match self.outcome {
                    PathOutcome::Opportunity => row.amount.and_then(convert).map(|one| one.money.amount),
                    _ => row.value,
                };
                Found { row, value }
            })
            .collect();
        let division = match self.by_path {
            Some(model) => Division::Path(model),
            None => {
                let lost = store::reports::lost_paths(snapshot, &scope, self.outcome).await?;
                let lost: Vec<_> = lost.into_iter().map(|path| path.within(self.lookback)).collect();
                let taken_back: HashSet<_> = entries.iter().filter_map(|entry| entry.row.reverses).collect();
                let converted = entries.iter().map(|entry| &entry.row);
                let converted =
                    converted.filter(|row| row.reverses.is_none() && !taken_back.contains(&row.id));
                Division::chain(converted.map(|row| &row.path), &lost)
            }
        };
        Ok(Credited { entries, division })
    }
}

fn read_poles(poles: &str, rest: Option<&str>) -> Result<Poles, Problem> {
    let rest = rest.unwrap_or("0");
    Poles::read(poles, rest).map_err(|error| match error {
        NotPoles::Unreadable => refuse("poles", "invalid_format", error.to_string()),
        NotPoles::Sum => refuse("poles", "out_of_range", error.to_string()),
    })
}

/// Whether rows or filters are campaigns.
fn names_campaigns(question: &Question, touches: &Touches) -> bool {
    let by = By::Dimension(Dimension::CampaignRecord);
    question.by.contains(&by) || touches.name_campaigns()
}

fn is_of_touches(cut: &Cut) -> bool {
    matches!(cut, Cut::By(dimension) if OF_TOUCHES.contains(dimension))
}

impl Touches {
    /// Read which campaigns are meant by those that are asked for with all below them.
    pub async fn read(snapshot: &Snapshot, only: Only) -> Result<Self, Problem> {
        let mut trees = HashMap::new();
        for (_, value) in &only {
            if let Some(Value::CampaignTree(id)) = value {
                trees.insert(*id, store::campaigns::below(snapshot, *id).await?);
            }
        }
        Ok(Self { only, trees })
    }

    /// Whether a part of the credit belongs to one of them.
    pub fn has(&self, earner: &Earner<'_>) -> bool {
        self.only
            .iter()
            .all(|(dimension, asked)| match (asked, earner.value(*dimension)) {
                (Some(Value::CampaignTree(id)), Some(Some(Value::Campaign(found)))) => {
                    self.trees.get(id).is_some_and(|tree| tree.contains(&found))
                }
                (asked, found) => found.as_ref() == Some(asked),
            })
    }

    /// Whether campaigns are among what is asked for.
    pub fn name_campaigns(&self) -> bool {
        self.only
            .iter()
            .any(|(dimension, _)| *dimension == Dimension::CampaignRecord)
    }

    /// The filters, as they were asked.
    pub fn only(&self) -> &Only {
        &self.only
    }
}

impl Credited {
    /// Look up the campaigns of all touches.
    pub async fn find_campaigns(&mut self, snapshot: &Snapshot) -> Result<(), Problem> {
        let touches = self.entries.iter().flat_map(|entry| entry.row.path.touches());
        let names: HashSet<&str> = touches.filter_map(|touch| touch.campaign.as_deref()).collect();
        let known = store::campaigns::by_alias(snapshot, names).await?;
        for entry in &mut self.entries {
            entry.row.path.find_campaigns(&known);
        }
        Ok(())
    }

    /// The parts of an outcome.
    pub fn credits<'a>(&'a self, entry: &'a Found) -> Vec<Credit<'a>> {
        let value = entry.value.unwrap_or_default();
        self.division
            .divide(&entry.row.path, value, entry.row.reverses.is_some())
    }
}

impl Found {
    /// The whole of it in thousandths: one outcome, or minus one.
    pub const fn whole(&self) -> i64 {
        match self.row.reverses {
            None => 1000,
            Some(_) => -1000,
        }
    }

    /// Where a part of it belongs: by its touch, or by the outcome.
    pub fn keys(&self, cuts: &[Cut], earner: &Earner<'_>) -> Vec<Key> {
        let mut own = self.row.keys.iter();
        let key = |cut: &Cut| match cut {
            Cut::By(dimension) if OF_TOUCHES.contains(dimension) => {
                Some(Key::Value(earner.value(*dimension).flatten()))
            }
            _ => own.next().cloned(),
        };
        cuts.iter().filter_map(key).collect()
    }
}
