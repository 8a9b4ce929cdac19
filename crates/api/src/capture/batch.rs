//! Recording submissions, any number in one transaction: facts for all of them, decision after decision, one write.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use actix_web::web;
use futures::FutureExt;
use futures::future::BoxFuture;
use tandem_domain::act::Act;
use tandem_domain::capture::{
    Captured, Form, Incoming, Posted, Submission, SubmissionStatus, Twins, capture, failed, statement,
};
use tandem_domain::fault::Fault;
use tandem_domain::id::SubmissionId;
use tandem_domain::leads::save::Statement;
use tandem_domain::settle::Unsettled;
use tandem_domain::tracking::visitor::visitor_key;
use tandem_domain::tracking::visitors::Visitors;
use tandem_domain::world::World;
use tandem_store as store;
use tandem_store::idempotency::{self, Record};
use tandem_store::{StoreError, Tx};
use uuid::Uuid;

use super::item::{Item, Reading, form_of};
use super::page;
use crate::edge::core::Core;
use crate::edge::http::problem::StoredAnswer;
use crate::edge::http::reply::{Answer, Created};
use crate::edge::writer::BatchWork;

use super::submit::Receipt;

/// The work of the writer: submissions.
pub struct Captures(pub web::Data<Core>);

/// The result of a submission, for its sender.
#[derive(Debug)]
pub enum Outcome {
    /// It was accepted, as far as a stranger may know.
    Taken(StoredAnswer),
    /// It was taken before; the same answer again.
    Repeated(StoredAnswer),
    /// Its key was used with another body.
    KeyReused,
    /// It does not fit its form.
    Refused(Arc<Form>, Vec<Fault>),
    /// The form is out of use.
    NoForm,
    /// It could not be worked on, and is stored to be replayed.
    Kept(StoredAnswer),
}

impl BatchWork for Captures {
    type Item = Item;
    type Done = Outcome;

    async fn attempt(&self, items: &[&Item], again: bool) -> Result<Vec<Outcome>, StoreError> {
        let core = &self.0;
        let tx = core.db.begin(core.ambient.act("capture")).await?;
        let keys = keys(items);
        let mut kept = idempotency::find_all(&tx, &keys).await?;
        let known = match again {
            true => store::capture::known(&tx, ids(items)).await?,
            false => HashMap::new(),
        };
        let visitors = visitors(&tx, items.iter().map(|item| &item.posted)).await?;
        let acts: Vec<Act> = items.iter().map(|item| tx.act_of(&item.act)).collect();
        let batch = turns(&tx, items, &acts, &known);
        let said = statements(&batch);
        let mut world = facts(&tx, &said).await?;
        world.tracking.visitors = visitors;
        let mut twins = store::capture::twins(&tx, twin_keys(&batch)).await?;

        let (mut outcomes, mut done, mut records) = (vec![], vec![], vec![]);
        for turn in batch {
            let (item, act) = (turn.item, turn.act);
            let decided = turn.decide(&mut world, &mut twins, &kept);
            if let (Outcome::Taken(answer), Some(once)) = (&decided.outcome, &item.once)
                && !decided.is_done
            {
                let record = once.record(answer);
                kept.insert(once.key_hash.clone(), record.clone());
                records.push((once.key_hash.as_str(), record));
            }
            done.push((act, decided.done));
            outcomes.push(decided.outcome);
        }

        if done.iter().all(|(_, done)| done.is_empty()) && records.is_empty() {
            tx.rollback().await?;
            return Ok(outcomes);
        }
        store::settle_all(&tx, &mut world, done).await?;
        idempotency::keep_all(&tx, &records).await?;
        tx.commit().await?;
        Ok(outcomes)
    }

    async fn keep(&self, item: &Item) -> Result<Outcome, StoreError> {
        let core = &self.0;
        let tx = core.db.begin(core.ambient.act("capture")).await?;
        let Some(form) = form_of(tx.rules(), item) else {
            return Ok(Outcome::NoForm);
        };
        let incoming = Incoming {
            id: item.id,
            form: &form,
            posted: &item.posted,
            sameness: None,
            again: None,
        };
        let act = tx.act_of(&item.act);
        let kept = failed(incoming, act.now);
        let answer = kept_answer(item, &form);
        let mut world = store::leads::empty_world(&tx);
        store::settle(&tx, &mut world, &act, kept).await?;
        if let Some(once) = &item.once {
            idempotency::keep(&tx, &once.key_hash, &once.record(&answer)).await?;
        }
        tx.commit().await?;
        Ok(Outcome::Kept(answer))
    }
}

/// Run a stored submission again, within the caller's transaction, by its form as it is now.
///
/// Its row is locked after the leads, as every row is; `Conflict` where somebody else ran it in the meantime.
pub async fn replay(
    tx: &Tx,
    act: &Act,
    kept: &Submission,
    posted: &Posted,
    form: &Form,
) -> Result<Submission, StoreError> {
    let rules = tx.rules();
    let mut said = statement(
        form,
        posted,
        &rules.custom_fields,
        rules.money.base,
        kept.received_at,
    );
    if let Ok(answers) = &mut said {
        answers.said.observed_at.get_or_insert(kept.received_at);
    }
    let visitors = visitors(tx, [posted].into_iter()).await?;
    let about: Vec<&Statement> = said.as_ref().map(|answers| &answers.said).into_iter().collect();
    let mut world = store::leads::world(tx, about.iter().copied()).await?;
    world.tracking.visitors = visitors;
    let current = store::capture::submission_for_update(tx, kept.id).await?;
    if current.version != kept.version {
        return Err(StoreError::Conflict);
    }
    let incoming = Incoming {
        id: kept.id,
        form,
        posted,
        sameness: None,
        again: Some(kept),
    };
    let captured = capture(&mut world, &mut Twins::default(), incoming, said, act);
    store::settle(tx, &mut world, act, captured.done).await?;
    captured
        .submission
        .ok_or_else(|| StoreError::Internal("a replay left no submission".into()))
}

/// The visitors who sent these, locked before anything else is locked by name.
async fn visitors(tx: &Tx, posted: impl Iterator<Item = &Posted>) -> Result<Visitors, StoreError> {
    let keys = posted.filter_map(|posted| visitor_key(posted.visitor.as_deref()?));
    let keys: BTreeSet<String> = keys.map(str::to_owned).collect();
    store::tracking::visitors(tx, &keys).await
}

fn keys<'a>(items: &[&'a Item]) -> Vec<&'a str> {
    items.iter().filter_map(|item| item.key()).collect()
}

fn ids(items: &[&Item]) -> Vec<SubmissionId> {
    items.iter().map(|item| item.id).collect()
}

fn turns<'a>(
    tx: &Tx,
    items: &[&'a Item],
    acts: &'a [Act],
    known: &HashMap<SubmissionId, SubmissionStatus>,
) -> Vec<Turn<'a>> {
    let turns = items.iter().zip(acts);
    turns.map(|(item, act)| Turn::of(tx, item, act, known)).collect()
}

fn statements<'a>(batch: &'a [Turn<'_>]) -> Vec<&'a Statement> {
    batch
        .iter()
        .filter_map(|turn| Some(&turn.reading.answers.as_ref().ok()?.said))
        .collect()
}

/// The facts of a whole batch. Boxed, since the compiler cannot otherwise see that the writer's task may hold it.
fn facts<'a>(tx: &'a Tx, said: &'a [&'a Statement]) -> BoxFuture<'a, Result<World, StoreError>> {
    store::leads::world(tx, said.iter().copied()).boxed()
}

fn twin_keys(batch: &[Turn<'_>]) -> Vec<Uuid> {
    let keys = batch
        .iter()
        .filter_map(|turn| Some(turn.reading.sameness?.keys(turn.act.now)));
    keys.flatten().collect()
}

/// An item whose turn has come, with all that was read of it before the facts are loaded.
struct Turn<'a> {
    item: &'a Item,
    /// The item's own, at the instant of the transaction.
    act: &'a Act,
    reading: Arc<Reading>,
    /// What became of it in an attempt whose answer was lost.
    done: Option<SubmissionStatus>,
}

struct Decided {
    outcome: Outcome,
    done: Unsettled,
    /// Whether its record was written with it before.
    is_done: bool,
}

impl Outcome {
    fn alone(self) -> Decided {
        Decided {
            outcome: self,
            done: Unsettled::default(),
            is_done: true,
        }
    }
}

impl<'a> Turn<'a> {
    fn of(tx: &Tx, item: &'a Item, act: &'a Act, known: &HashMap<SubmissionId, SubmissionStatus>) -> Self {
        Self {
            item,
            act,
            reading: item.reading(tx.rules()),
            done: known.get(&item.id).copied(),
        }
    }

    fn decide(self, world: &mut World, twins: &mut Twins, kept: &HashMap<String, Record>) -> Decided {
        let Self {
            item,
            act,
            reading,
            done,
        } = self;
        let Some(form) = reading.form.clone() else {
            return Outcome::NoForm.alone();
        };
        match done {
            None => {}
            Some(SubmissionStatus::Rejected) => {
                let faults = reading.answers.as_ref().err().cloned().unwrap_or_default();
                return Outcome::Refused(form, faults).alone();
            }
            Some(SubmissionStatus::Failed) => return Outcome::Kept(kept_answer(item, &form)).alone(),
            Some(_) => return Outcome::Taken(taken_answer(item, &form)).alone(),
        }
        if let Some(once) = &item.once
            && let Some(record) = kept.get(&once.key_hash)
        {
            return match record.body_hash == once.body_hash {
                true => Outcome::Repeated(StoredAnswer::of(record)).alone(),
                false => Outcome::KeyReused.alone(),
            };
        }
        let incoming = Incoming {
            id: item.id,
            form: &form,
            posted: &item.posted,
            sameness: reading.sameness,
            again: None,
        };
        let Captured {
            status, faults, done, ..
        } = capture(world, twins, incoming, reading.answers.clone(), act);
        let outcome = match status {
            SubmissionStatus::Rejected => Outcome::Refused(form, faults),
            _ => Outcome::Taken(taken_answer(item, &form)),
        };
        Decided {
            outcome,
            done,
            is_done: false,
        }
    }
}

/// The answer to a submission that was accepted, looks like spam or repeats another one: the same for all.
fn taken_answer(item: &Item, form: &Form) -> StoredAnswer {
    if item.wants_page {
        return page_of(form);
    }
    Created::at(format!("/v1/submissions/{}", item.id), Receipt::accepted(item.id)).render()
}

fn kept_answer(item: &Item, form: &Form) -> StoredAnswer {
    if item.wants_page {
        return page_of(form);
    }
    StoredAnswer {
        status: 202,
        headers: vec![("content-type".into(), "application/json".into())],
        body: br#"{"status":"kept"}"#.to_vec(),
    }
}

/// Where a browser goes: to the form's own address, never to one that was sent.
fn page_of(form: &Form) -> StoredAnswer {
    match &form.settings.redirect_url {
        Some(address) => StoredAnswer {
            status: 303,
            headers: vec![("location".into(), address.clone())],
            body: vec![],
        },
        None => page::thanks(),
    }
}
