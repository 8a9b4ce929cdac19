//! A submission on its way to the writer, and what is read of it before the facts are loaded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tandem_domain::act::Act;
use tandem_domain::capture::{Answers, Form, Posted, Sameness, statement};
use tandem_domain::fault::Fault;
use tandem_domain::id::{FormId, SubmissionId};
use tandem_store::rules::Rules;

use crate::edge::crypto;
use crate::edge::ctx::Once;

/// One submission on its way.
pub struct Item {
    /// Who sent it, in which request, when. Its ids are drawn from here.
    pub act: Act,
    /// Its id, drawn before the first attempt.
    pub id: SubmissionId,
    /// The form.
    pub form_id: FormId,
    /// What was sent.
    pub posted: Posted,
    /// The `Idempotency-Key`, if the caller gave one.
    pub once: Option<Once>,
    /// Whether a person reads the answer.
    pub wants_page: bool,
    /// What was read of it before its turn, and by which rules.
    ahead: Option<(Arc<Rules>, Arc<Reading>)>,
}

/// What is read of a submission before the facts are loaded.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) form: Option<Arc<Form>>,
    pub(super) answers: Result<Answers, Vec<Fault>>,
    pub(super) sameness: Option<Sameness>,
}

impl Item {
    /// One that nobody has read yet.
    pub fn new(
        act: Act,
        id: SubmissionId,
        form_id: FormId,
        posted: Posted,
        once: Option<Once>,
        wants_page: bool,
    ) -> Self {
        Self {
            act,
            id,
            form_id,
            posted,
            once,
            wants_page,
            ahead: None,
        }
    }

    /// Read by these rules already: its turn is shorter, if they are still in force then. What panics is left for its turn,
    /// where it is stored.
    pub fn read_ahead(mut self, rules: Arc<Rules>) -> Self {
        let reading = catch_unwind(AssertUnwindSafe(|| Reading::of(&rules, &self)));
        self.ahead = reading.ok().map(|reading| (rules, Arc::new(reading)));
        self
    }

    /// What it says, by these rules.
    pub(super) fn reading(&self, rules: &Arc<Rules>) -> Arc<Reading> {
        match &self.ahead {
            Some((by, reading)) if Arc::ptr_eq(by, rules) => reading.clone(),
            _ => Arc::new(Reading::of(rules, self)),
        }
    }

    /// Its key among those that callers give, if it has one.
    pub(super) fn key(&self) -> Option<&str> {
        self.once.as_ref().map(|once| once.key_hash.as_str())
    }
}

/// Its form, unless that is out of use.
pub(super) fn form_of(rules: &Rules, item: &Item) -> Option<Arc<Form>> {
    let form = rules.forms.get(&item.form_id)?;
    Some(form.clone()).filter(|form| form.archived_at.is_none())
}

impl Reading {
    fn of(rules: &Rules, item: &Item) -> Self {
        let form = form_of(rules, item);
        let answers = match &form {
            Some(form) => statement(
                form,
                &item.posted,
                &rules.custom_fields,
                rules.money.base,
                item.act.now,
            ),
            None => Err(vec![]),
        };
        // What cannot be read, what has a key, and what a page of another origin sends, is not deduplicated.
        let is_sound = item.posted.faults.is_empty() && !item.posted.is_foreign;
        let is_told_apart = item.once.is_none() && is_sound;
        let sameness = form.as_ref().filter(|_| is_told_apart).map(|form| {
            let email = answers
                .as_ref()
                .ok()
                .and_then(|answers| answers.said.emails.first());
            let text = Sameness::text(form, &item.posted, email);
            Sameness::of_hash(&crypto::sha256(text.as_bytes()))
        });
        Self {
            form,
            answers,
            sameness,
        }
    }
}
