//! What the rows of each kind are and do: read, load for a whole batch, decide one after the other.

mod companies;
mod deals;
mod leads;
mod revenue;
mod stage_changes;
mod unfit;
mod users;

use tandem_domain::access::Actor;
use tandem_domain::act::Act;
use tandem_domain::change::Change;
use tandem_domain::fault::Fault;
use tandem_domain::id::LeadId;
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::identity::{Email, external_key};
use tandem_domain::leads::save::{SaveError, Statement};
use tandem_domain::settle::Unsettled;
use tandem_domain::tracking::address::redacted_text;
use tandem_domain::transfer::history::{self, Pasts, Warning};
use tandem_domain::transfer::values::{Plan, Values};
use tandem_domain::transfer::{ACTOR, Import, ImportKind, ImportMode, Progress};
use tandem_domain::world::World;
use tandem_store::deals::Wanted;
use tandem_store::transfer::Remark;
use tandem_store::{self as store, StoreError, Tx};

use super::rows::Row;
use super::suggest::SYSTEM;
use crate::duplicates;
use crate::edge::http::shape::Shapes;

/// The name of the actor of rows that count as happening now.
const LIVE: &str = "live_import";
/// The most bytes of a remark's detail.
const LONGEST_DETAIL: usize = 2000;

/// What the rows of an import stand on.
pub struct Ground<'a> {
    /// The import.
    pub import: &'a Import,
    /// Its mapping over its columns.
    pub plan: &'a Plan,
    /// The shapes of the published document.
    pub shapes: &'a Shapes,
    /// When this batch is taken.
    pub now: Timestamp,
}

/// The result of a batch of rows.
#[derive(Debug, Default)]
pub struct Taken {
    /// What happened, row by row.
    pub items: Vec<Unsettled>,
    /// The facts that it was decided on, with what was decided.
    pub world: Option<World>,
    /// What became of its rows, counted.
    pub progress: Progress,
    /// The rows that somebody should look at.
    pub remarks: Vec<Remark>,
    /// The leads that refused rows name as one.
    conflicts: Vec<Vec<LeadId>>,
}

/// Take a batch of rows: load, decide; nothing is written yet.
pub async fn take(tx: &Tx, ground: &Ground<'_>, rows: &[Row]) -> Result<Taken, StoreError> {
    let mut taken = match ground.import.kind {
        ImportKind::Leads => leads::take(tx, ground, rows).await?,
        ImportKind::Companies => companies::take(tx, ground, rows).await?,
        ImportKind::Users => users::take(tx, ground, rows).await?,
        ImportKind::StageChanges => stage_changes::take(tx, ground, rows).await?,
        ImportKind::Deals => deals::take(tx, ground, rows).await?,
        ImportKind::Revenue => revenue::take(tx, ground, rows).await?,
    };
    taken.progress.rows_read = rows.len() as i64;
    taken.remarks.sort_by_key(|remark| (remark.is_kept, remark.row));
    Ok(taken)
}

impl Ground<'_> {
    /// Whether rows report the past.
    fn is_history(&self) -> bool {
        self.import.mode == ImportMode::History
    }

    /// By whom a row is decided: what an import says is a statement of source `import`.
    fn act(&self, tx: &Tx) -> Act {
        tx.act()
            .with_actor(Actor::System(if self.is_history() { ACTOR } else { LIVE }))
    }

    /// The rows that can be read, each with what it says; the others are remarked upon.
    fn read<'r, T>(
        &self,
        rows: &'r [Row],
        taken: &mut Taken,
        read: impl Fn(&Values<'_>) -> Result<T, Vec<Fault>>,
    ) -> Vec<(&'r Row, T)> {
        let mut good = vec![];
        for row in rows {
            let said = match &row.fault {
                Some(fault) => Err(vec![fault.clone()]),
                None => self.plan.read(&row.cells).and_then(|values| read(&values)),
            };
            match said {
                Ok(said) => good.push((row, said)),
                Err(faults) => taken.reject(row, &faults),
            }
        }
        good
    }
}

impl Taken {
    fn reject(&mut self, row: &Row, faults: &[Fault]) {
        self.progress.rejected += 1;
        let told = faults
            .iter()
            .map(|fault| match fault.pointer.trim_start_matches('/') {
                "" => format!("the row {}", fault.detail),
                place => format!("{}: {}", place.replace('/', "."), fault.detail),
            });
        let detail = told.collect::<Vec<_>>().join("; ");
        let code = faults.first().map_or("invalid_value", |fault| fault.code);
        self.remark(row, false, code, detail);
    }

    /// Suggest as duplicates what refused rows name as one.
    async fn suggest(&mut self, tx: &Tx, world: World) -> Result<(), StoreError> {
        let suggested = duplicates::of_refused(tx, &world, &self.conflicts).await?;
        self.items.push(suggested.into());
        self.world = Some(world);
        Ok(())
    }

    /// Derive the past of leads of which rows stated something.
    fn derive(
        &mut self,
        world: &mut World,
        pasts: &mut Pasts,
        leads: impl IntoIterator<Item = LeadId>,
        act: &Act,
    ) {
        let derived = leads.into_iter().filter_map(|lead_id| {
            let past = pasts.get_mut(&lead_id)?;
            Some(history::derive(world, past, lead_id, act))
        });
        let derived: Vec<Change> = derived.flatten().collect();
        self.items.push(derived.into());
    }

    fn refuse(&mut self, row: &Row, refused: &SaveError) {
        if let SaveError::IdentifiersConflict(leads) = refused {
            self.conflicts.push(leads.clone());
        }
        let one = |code, detail: String| vec![Fault::new("", code, detail)];
        let faults = match refused {
            SaveError::NoIdentifier => one(
                "required",
                "has no lead: id, external id, e-mail and phone are empty".into(),
            ),
            SaveError::NoSuchLead => one("no_such_lead", "names a lead that does not exist".into()),
            SaveError::IdentifiersConflict(leads) => {
                let leads: Vec<String> = leads.iter().map(LeadId::to_string).collect();
                one(
                    "identifiers_conflict",
                    format!("names several leads: {}", leads.join(", ")),
                )
            }
            SaveError::Denied(denied) => one("denied", denied.to_string()),
            SaveError::StillInWork => one("not_allowed", refused.to_string()),
            SaveError::Invalid(faults) => faults.clone(),
        };
        self.reject(row, &faults);
    }

    fn warn(&mut self, row: &Row, warnings: &[Warning]) {
        let told: Vec<(&'static str, String)> =
            warnings.iter().map(|one| (one.code(), one.to_string())).collect();
        self.warn_of(row, &told);
    }

    fn warn_of(&mut self, row: &Row, warnings: &[(&'static str, String)]) {
        let Some((code, _)) = warnings.first() else {
            return;
        };
        self.progress.warnings += 1;
        let details: Vec<&str> = warnings.iter().map(|(_, detail)| detail.as_str()).collect();
        self.remark(row, true, code, details.join("; "));
    }

    fn remark(&mut self, row: &Row, is_kept: bool, code: &str, mut detail: String) {
        detail.truncate(detail.floor_char_boundary(LONGEST_DETAIL));
        self.remarks.push(Remark {
            row: row.number,
            line: row.line,
            is_kept,
            code: code.to_owned(),
            detail,
            cells: row
                .cells
                .iter()
                .map(|cell| redacted_text(cell).unwrap_or_else(|| cell.clone()))
                .collect(),
        });
    }

    /// Count a row that was taken, with what it changed.
    fn count(&mut self, is_new: bool, changes: Vec<Change>) {
        self.count_as(is_new, !changes.is_empty(), changes);
    }

    /// Count a row of which something may be stored though it says nothing new.
    fn count_as(&mut self, is_new: bool, is_news: bool, changes: Vec<Change>) {
        let place = match (is_new, is_news) {
            (true, _) => &mut self.progress.created,
            (false, true) => &mut self.progress.updated,
            (false, false) => &mut self.progress.unchanged,
        };
        *place += 1;
        self.items.push(changes.into());
    }
}

/// Load all deals of leads whose past may be derived: a deal holds or moves its lead.
async fn add_deals(
    tx: &Tx,
    world: &mut World,
    leads: impl IntoIterator<Item = LeadId>,
) -> Result<(), StoreError> {
    let wanted = Wanted {
        lead_ids: leads.into_iter().collect(),
        ..Wanted::default()
    };
    store::deals::add_to(tx, world, &wanted).await
}

/// The lead that a column of ids names which nobody mapped: it may hold our own.
fn own_id(values: &Values<'_>, field: &str) -> Option<LeadId> {
    let text = values.text(field).filter(|_| values.system(field) == SYSTEM)?;
    text.parse().ok()
}

/// The statement that names a lead by `lead.id`, `lead.external_id` and `lead.email`, and says nothing else.
fn address(values: &Values<'_>, faults: &mut Vec<Fault>) -> Statement {
    let mut said = Statement::default();
    if let Some(text) = values.text("lead.id") {
        match text.parse() {
            Ok(id) => said.id = Some(id),
            Err(error) => faults.push(Fault::new("lead.id", "invalid_format", error)),
        }
    }
    if let Some(id) = values.text("lead.external_id") {
        match own_id(values, "lead.external_id") {
            Some(own) => said.id = said.id.or(Some(own)),
            None => said
                .external_ids
                .push((values.system("lead.external_id").to_owned(), id.to_owned())),
        }
    }
    said.emails.extend(email(values, "lead.email", faults));
    if said.id.is_none() && said.keys().is_empty() && faults.is_empty() {
        let detail = "has no lead: lead.id, lead.external_id and lead.email are empty";
        faults.push(Fault::new("", "required", detail));
    }
    said
}

/// The lead that a statement names, if there is one; several are a conflict.
fn addressed(world: &World, said: &Statement) -> Result<LeadId, SaveError> {
    let by_id = said.id.filter(|id| world.leads.contains_key(id));
    let external = said
        .external_ids
        .iter()
        .map(|(system, id)| external_key(system, id));
    let keys = external.chain(said.emails.iter().map(tandem_domain::leads::identity::email_key));
    let mut named: Vec<LeadId> = by_id
        .into_iter()
        .chain(keys.filter_map(|key| world.holder(&key)))
        .collect();
    named.sort_unstable();
    named.dedup();
    match named[..] {
        [] => Err(SaveError::NoSuchLead),
        [one] => Ok(one),
        _ => Err(SaveError::IdentifiersConflict(named)),
    }
}

fn email(values: &Values<'_>, field: &str, faults: &mut Vec<Fault>) -> Option<Email> {
    let parsed = Email::parse(values.text(field)?);
    parsed
        .map_err(|error| faults.push(Fault::new(field, "invalid_format", error)))
        .ok()
}

/// The e-mail of an owner. A name is nobody's address: it is unfit, and the row is anybody's.
fn owner(values: &Values<'_>, unfit: &mut Vec<Fault>) -> Option<Email> {
    let parsed = Email::parse(values.text("owner")?);
    let fault = |_| Fault::new("owner", "invalid_value", "is not the e-mail of a user");
    parsed.map_err(|error| unfit.push(fault(error))).ok()
}

/// Text of at most this many characters.
fn short(values: &Values<'_>, field: &str, most: usize, faults: &mut Vec<Fault>) -> Option<String> {
    let text = values.text(field)?;
    if text.chars().count() > most {
        faults.push(Fault::new(
            field,
            "too_long",
            format!("must have at most {most} characters"),
        ));
        return None;
    }
    Some(text.to_owned())
}
