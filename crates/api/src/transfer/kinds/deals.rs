//! Rows that are deals of the past.

use std::collections::{BTreeSet, HashMap};

use tandem_domain::change::Change;
use tandem_domain::deals::{CloseDeal, DealError, OpenDeal, Outcome};
use tandem_domain::fault::Fault;
use tandem_domain::id::{CompanyId, PipelineId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::fields::CompanyField;
use tandem_domain::leads::identity::Domain;
use tandem_domain::leads::save::{CompanyStatement, Statement, find_company, save_company};
use tandem_domain::money::{Currency, Money};
use tandem_domain::transfer::deals::{PastDeal, state_deal};
use tandem_domain::transfer::history::remember_owners;
use tandem_domain::transfer::values::Values;
use tandem_domain::world::World;
use tandem_store::deals::Wanted;
use tandem_store::{self as store, StoreError, Tx};

use super::unfit::{Warnings, sort_out};
use super::{Ground, Taken, address, addressed, owner, short};
use crate::transfer::rows::Row;

struct DealRow {
    lead: Statement,
    stated: PastDeal,
    owner: Option<String>,
    pipeline: Option<String>,
    /// What of it cannot be taken; the rest is.
    warnings: Warnings,
}

/// Take a batch of deals.
pub async fn take(tx: &Tx, ground: &Ground<'_>, rows: &[Row]) -> Result<Taken, StoreError> {
    let mut taken = Taken::default();
    let base = tx.rules().money.base;
    let good = ground.read(rows, &mut taken, |values| read(ground, values, base));
    let keys: BTreeSet<(String, String)> = good
        .iter()
        .filter_map(|(_, row)| row.stated.opening.external_id.clone())
        .collect();
    store::deals::lock_keys(tx, keys.clone()).await?;
    let owners: Vec<&str> = good.iter().filter_map(|(_, row)| row.owner.as_deref()).collect();
    let owners = store::transfer::users_by_email(tx, owners).await?;
    let statements: Vec<&Statement> = good.iter().map(|(_, row)| &row.lead).collect();
    let mut world = store::leads::world(tx, statements).await?;
    let wanted = Wanted {
        keys,
        lead_ids: world.leads.keys().copied().collect(),
        ..Wanted::default()
    };
    store::deals::add_to(tx, &mut world, &wanted).await?;
    let mut pasts = store::transfer::pasts(tx, wanted.lead_ids).await?;
    remember_owners(&world, &mut pasts);
    let mut touched = BTreeSet::new();
    // A company is written with the first deal that is accepted: the row that names it first may be rejected.
    let mut new_companies: HashMap<CompanyId, Vec<Change>> = HashMap::new();
    for (row, said) in good {
        let (mut stated, mut warnings) = (said.stated, said.warnings);
        let mut faults = vec![];
        stated.opening.owner_id = said
            .owner
            .as_ref()
            .and_then(|email| owners.get(email))
            .map(|user| user.id);
        if said.owner.is_some() && stated.opening.owner_id.is_none() {
            faults.push(Fault::new("owner", "no_such_user", "is not the e-mail of a user"));
        }
        let pipeline = said.pipeline.as_deref().map(|name| pipeline(&world, name));
        match pipeline.transpose() {
            Ok(found) => stated.opening.pipeline_id = found,
            Err(fault) => faults.push(fault),
        }
        if !faults.is_empty() {
            taken.reject(row, &faults);
            continue;
        }
        let lead_id = match names_lead(&said.lead) {
            false => None,
            true => match addressed(&world, &said.lead) {
                Ok(lead_id) => Some(lead_id),
                Err(refused) => {
                    taken.refuse(row, &refused);
                    continue;
                }
            },
        };
        if let (None, Some(company)) = (lead_id, &said.lead.company) {
            stated.opening.company_id = find_company(&world, company, None).or_else(|| {
                let observed_at = stated.opened_at.unwrap_or(ground.now);
                let (id, changes) = save_company(&mut world, None, company, observed_at, &ground.act(tx))?;
                new_companies.insert(id, changes);
                Some(id)
            });
        }
        let known = stated
            .opening
            .external_id
            .as_ref()
            .and_then(|key| world.sales.deals_by_key.get(key));
        let elsewhere = known
            .and_then(|id| world.sales.deals.get(id))
            .is_some_and(|deal| {
                let is_same = deal.primary_lead_id == lead_id;
                !is_same || lead_id.is_none() && deal.company_id != stated.opening.company_id
            });
        if elsewhere {
            let detail = "is the external id of a deal of another lead or company";
            taken.reject(row, &[Fault::new("external_id", "deal_of_another_lead", detail)]);
            continue;
        }
        stated.opening.lead_ids = lead_id.into_iter().collect();
        let act = ground.act(tx);
        let mut done = state_deal(&mut world, &mut pasts, &stated, ground.import.id, &act);
        // How a closed deal ended counts, and not the stage that another system left it in.
        if let (Err(DealError::NoSuchStage { .. }), Some(_)) = (&done, &stated.closing) {
            let detail = "stage: is not a stage of the pipeline; it is omitted";
            warnings.push(("unknown_stage", detail.to_owned()));
            stated.opening.stage = None;
            done = state_deal(&mut world, &mut pasts, &stated, ground.import.id, &act);
        }
        match done {
            Ok(done) => {
                warnings.extend(done.warnings.iter().map(|one| (one.code(), one.to_string())));
                taken.warn_of(row, &warnings);
                let company_id = stated.opening.company_id;
                let company = company_id.and_then(|id| new_companies.remove(&id));
                let changes = company.into_iter().flatten().chain(done.changes).collect();
                taken.count_as(done.created, done.is_news, changes);
                if done.is_news {
                    touched.extend(lead_id);
                }
            }
            Err(refused) => taken.reject(row, &faults_of(refused)),
        }
    }
    taken.derive(&mut world, &mut pasts, touched, &ground.act(tx));
    taken.suggest(tx, world).await?;
    Ok(taken)
}

/// Whether a row names a lead, and not its company alone.
pub(super) fn names_lead(said: &Statement) -> bool {
    said.id.is_some() || !said.keys().is_empty()
}

/// The company that a row names; the deal is made with it where it names no lead.
pub(super) fn company(
    values: &Values<'_>,
    faults: &mut Vec<Fault>,
    unfit: &mut Vec<Fault>,
) -> Option<CompanyStatement> {
    let name = short(values, "company.name", 200, faults);
    let domain = values.text("company.domain").map(Domain::of_company);
    let domain = domain.transpose().unwrap_or_else(|error| {
        // A company whose domain cannot be read is known by its name.
        let place = if name.is_some() { unfit } else { faults };
        place.push(Fault::new("company.domain", "invalid_format", error));
        None
    });
    (domain.is_some() || name.is_some()).then(|| CompanyStatement {
        domain,
        text: name
            .map(|name| (CompanyField::Name, Some(name)))
            .into_iter()
            .collect(),
        ..CompanyStatement::default()
    })
}

/// The pipeline of a name. Where there is one alone, the name that another system has for its own means that one.
fn pipeline(world: &World, name: &str) -> Result<PipelineId, Fault> {
    let mut all = world.sales.pipelines.values();
    let found = all.clone().find(|one| one.name == name);
    let only = || all.next().filter(|_| world.sales.pipelines.len() == 1);
    let missing = || Fault::new("pipeline", "not_found", "is not the name of a pipeline");
    found.or_else(only).map(|one| one.id).ok_or_else(missing)
}

pub(super) fn faults_of(refused: DealError) -> Vec<Fault> {
    match refused {
        DealError::Invalid(faults) => faults,
        DealError::NoSuchStage { allowed } => {
            vec![Fault::new(
                "stage",
                "not_allowed",
                format!(
                    "must be one of {}: say in the mapping which is which, by `map`",
                    allowed.join(", ")
                ),
            )]
        }
        other => vec![Fault::new("", "not_allowed", other)],
    }
}

fn read(ground: &Ground<'_>, values: &Values<'_>, base: Currency) -> Result<DealRow, Vec<Fault>> {
    let (mut faults, mut unfit, mut warnings) = (vec![], vec![], vec![]);
    let company = company(values, &mut faults, &mut unfit);
    let has_lead = values.all().any(|(field, _)| field.starts_with("lead."));
    let lead = match (has_lead, company) {
        (true, _) => address(values, &mut faults),
        (false, None) => {
            let detail = "names no lead and no company";
            faults.push(Fault::new("", "required", detail));
            Statement::default()
        }
        (false, company) => Statement {
            company,
            ..Statement::default()
        },
    };
    let external_id = short(values, "external_id", 255, &mut faults);
    if values.text("external_id").is_none() {
        let detail = "is missing: without it every import would create the deal again";
        faults.push(Fault::new("external_id", "required", detail));
    }
    let name = short(values, "name", 200, &mut faults);
    let amount = amount(values, base, &mut faults);
    let opened_at = past(
        ground,
        "opened_at",
        values.instant("opened_at", &mut faults),
        &mut faults,
    );
    let (outcome, stage) = outcome(values, &mut faults);
    let expected = values.date("expected_close_on", &mut faults);
    let closed_at = values.instant("closed_at", &mut faults);
    let closing = outcome.map(|outcome| closing(ground, values, outcome, closed_at, &mut faults));
    let owner = owner(values, &mut unfit).map(|email| email.as_str().to_owned());
    // Of a deal that is open, what other systems call its closing is when that is expected.
    let closes_on = || closed_at.map(|at| values.day_of(at));
    let opening = OpenDeal {
        name: name.or(external_id.clone()).unwrap_or_default(),
        external_id: external_id.map(|id| (values.system("external_id").to_owned(), id)),
        stage: stage.map(str::to_owned),
        amount,
        expected_close_on: expected.or_else(|| closes_on().filter(|_| closing.is_none())),
        ..OpenDeal::default()
    };
    sort_out(unfit, &mut faults, &mut warnings);
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(DealRow {
        lead,
        stated: PastDeal {
            opening,
            opened_at,
            closing,
        },
        owner,
        pipeline: values.text("pipeline").map(str::to_owned),
        warnings,
    })
}

/// The amount, in the currency that it names itself, else in that of the row.
pub(super) fn amount(values: &Values<'_>, base: Currency, faults: &mut Vec<Fault>) -> Option<Money> {
    let currency = values.text("currency");
    let row = currency.map_or(Ok(base), |code| code.to_ascii_uppercase().parse());
    let row = row.unwrap_or_else(|error| {
        faults.push(Fault::new("currency", "invalid_format", error));
        base
    });
    let money = values.money("amount", row, faults)?;
    if currency.is_some() && money.currency != row {
        let detail = "names another currency than the column of currencies";
        faults.push(Fault::new("amount", "invalid_value", detail));
    }
    Some(money)
}

/// How the deal ended, if it has, and the stage that it is in. Where no column says how it ended, many systems have a stage
/// for that.
fn outcome<'v>(values: &'v Values<'_>, faults: &mut Vec<Fault>) -> (Option<Outcome>, Option<&'v str>) {
    let stage = values.text("stage");
    let Some(text) = values.text("outcome") else {
        return match stage.and_then(ending) {
            Some(outcome) => (Some(outcome), None),
            None => (None, stage),
        };
    };
    let is_open = matches!(
        text.to_ascii_lowercase().as_str(),
        "open" | "in progress" | "false"
    );
    let outcome = ending(text);
    if outcome.is_none() && !is_open {
        faults.push(Fault::new("outcome", "not_allowed", "must be open, won or lost"));
    }
    (outcome, stage.filter(|stage| ending(stage).is_none()))
}

/// The end that a word of a CRM stands for: `won`, `Closed Won`, `closedlost`, `Closed - Lost to competitor`.
fn ending(text: &str) -> Option<Outcome> {
    let letters: String = text
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
    let end = letters.strip_prefix("closed").unwrap_or(&letters);
    match end {
        "won" => Some(Outcome::Won),
        "lost" => Some(Outcome::Lost),
        _ if end.len() < letters.len() && end.starts_with("lost") => Some(Outcome::Lost),
        _ => None,
    }
}

fn closing(
    ground: &Ground<'_>,
    values: &Values<'_>,
    outcome: Outcome,
    closed_at: Option<Timestamp>,
    faults: &mut Vec<Fault>,
) -> CloseDeal {
    if values.text("closed_at").is_none() {
        let detail = "a won or lost deal needs a date";
        faults.push(Fault::new("closed_at", "required", detail));
    }
    CloseDeal {
        outcome,
        reason: short(values, "reason", 64, faults),
        competitor: short(values, "competitor", 200, faults),
        note: short(values, "note", 4000, faults),
        closed_at: past(ground, "closed_at", closed_at, faults),
        objections: vec![],
        until: None,
    }
}

/// An instant that cannot lie ahead.
fn past(
    ground: &Ground<'_>,
    field: &str,
    at: Option<Timestamp>,
    faults: &mut Vec<Fault>,
) -> Option<Timestamp> {
    if at.is_some_and(|at| at > ground.now) {
        faults.push(Fault::new(field, "out_of_range", "is in the future"));
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_crms_for_the_end_of_a_deal_are_read() {
        use Outcome::{Lost, Won};
        for (text, end) in [
            ("won", Some(Won)),
            ("Closed Won", Some(Won)),
            ("closedwon", Some(Won)),
            ("Closed-Lost", Some(Lost)),
            ("Closed Lost to Competition", Some(Lost)),
            ("Lost", Some(Lost)),
            ("Lost contact", None),
            ("Closing", None),
            ("Wonderful", None),
            ("", None),
        ] {
            assert_eq!(ending(text), end, "{text}");
        }
    }
}
