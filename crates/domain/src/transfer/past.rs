//! What imports say about the stages of leads, statement by statement: all that the past of a lead is derived from.

use crate::id::{DealId, ImportId, LeadId, UserId};
use crate::instant::Timestamp;
use crate::lifecycle::{Cycle, Stage, Transition};

/// What an imported row states about a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The lead became known.
    Known,
    /// Somebody owned the lead from the beginning.
    Owned,
    /// The lead moved to a stage.
    Moved(Stage),
    /// A deal of the lead was opened.
    Opened(DealId),
    /// A deal of the lead was opened, and nobody says when.
    OpenedSometime(DealId),
    /// A deal of the lead was won.
    Won(DealId),
    /// A deal of the lead was lost; where the lead goes if nothing else holds it.
    Lost(DealId, Stage),
}

impl What {
    /// The deal.
    pub const fn deal(&self) -> Option<DealId> {
        match self {
            What::Opened(deal) | What::OpenedSometime(deal) | What::Won(deal) | What::Lost(deal, _) => {
                Some(*deal)
            }
            What::Known | What::Owned | What::Moved(_) => None,
        }
    }

    /// The stage that it leads to, as far as it leads to one.
    pub const fn to(&self) -> Stage {
        match self {
            What::Known | What::Owned => Stage::Lead,
            What::Moved(to) | What::Lost(_, to) => *to,
            What::Opened(_) | What::OpenedSometime(_) => Stage::Opportunity,
            What::Won(_) => Stage::Customer,
        }
    }

    /// The kind of statement, as a word.
    pub const fn name(&self) -> &'static str {
        match self {
            What::Known => "known",
            What::Owned => "owned",
            What::Moved(_) => "moved",
            What::Opened(_) => "opened",
            What::OpenedSometime(_) => "opened_sometime",
            What::Won(_) => "won",
            What::Lost(..) => "lost",
        }
    }

    /// The kind of statement with this name.
    pub fn named(name: &str, to: Stage, deal: Option<DealId>) -> Option<Self> {
        Some(match name {
            "known" => What::Known,
            "owned" => What::Owned,
            "moved" => What::Moved(to),
            "opened" => What::Opened(deal?),
            "opened_sometime" => What::OpenedSometime(deal?),
            "won" => What::Won(deal?),
            "lost" => What::Lost(deal?, to),
            _ => return None,
        })
    }
}

/// A statement of an import about the stages of a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastStatement {
    /// The lead.
    pub lead_id: LeadId,
    /// What it states.
    pub what: What,
    /// When it happened.
    pub at: Timestamp,
    /// The stage before, if the row names one.
    pub from: Option<Stage>,
    /// The code of a reason.
    pub reason: Option<String>,
    /// A note about the reason.
    pub note: Option<String>,
    /// Who owned the lead, if the row names somebody.
    pub owner_id: Option<UserId>,
    /// The import that stated it last.
    pub import_id: ImportId,
    /// The version of the deal after the import, by which changes of other origin are recognised.
    pub deal_version: Option<i64>,
}

impl PastStatement {
    /// A statement with nothing beside the instant.
    pub const fn plain(lead_id: LeadId, what: What, at: Timestamp, import_id: ImportId) -> Self {
        Self {
            lead_id,
            what,
            at,
            from: None,
            reason: None,
            note: None,
            owner_id: None,
            import_id,
            deal_version: None,
        }
    }

    /// What identifies it among the statements about its lead: a move has no id in its file, but a stage and an instant.
    pub fn key(&self) -> String {
        match self.what {
            What::Known | What::Owned => self.what.name().to_owned(),
            What::Moved(to) => format!("{} {}", to.name(), self.at.millis()),
            What::Opened(deal) | What::OpenedSometime(deal) => Self::opening_key(deal),
            What::Won(deal) | What::Lost(deal, _) => Self::closing_key(deal),
        }
    }

    /// The key of a statement about the opening of a deal.
    pub(super) fn opening_key(deal: DealId) -> String {
        format!("opened {deal}")
    }

    /// The key of a statement about the closing of a deal.
    pub(super) fn closing_key(deal: DealId) -> String {
        format!("closed {deal}")
    }

    /// This statement after another one with the same key.
    ///
    /// Rows about one move complete each other, and of different words the greater count, so that their order does not
    /// matter. Of several dates on which a lead became known the earliest of one import counts, and that of a later import
    /// replaces it: a wrong date is corrected by importing again.
    fn after(self, known: &Self) -> Self {
        let at = match self.what {
            What::Known if self.import_id == known.import_id => self.at.min(known.at),
            _ => self.at,
        };
        match self.what {
            What::Opened(_) | What::OpenedSometime(_) | What::Won(_) | What::Lost(..) => self,
            What::Known | What::Owned | What::Moved(_) => Self {
                at,
                from: self.from.max(known.from),
                reason: self.reason.max(known.reason.clone()),
                note: self.note.max(known.note.clone()),
                owner_id: self.owner_id.max(known.owner_id),
                ..self
            },
        }
    }

    /// Whether it says the same, whichever import stated it.
    fn says(&self, other: &Self) -> bool {
        let import_id = other.import_id;
        *other
            == Self {
                import_id,
                ..self.clone()
            }
    }
}

/// The past of a lead: the statements of imports about it, and what is derived of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    /// The stage changes, in the order of their dates.
    pub transitions: Vec<Transition>,
    /// The cycles.
    pub cycles: Vec<Cycle>,
    /// The statements of imports, in no order.
    pub statements: Vec<PastStatement>,
    /// Who owns the lead by what was derived last, and who owned it before.
    pub(super) owners: (Option<UserId>, Option<UserId>),
}

/// What became of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// It was not there; or it says something else than before.
    News(PastStatement),
    /// It says what was known, and another import says it.
    Again(PastStatement),
    /// It says what was known.
    Known,
}

impl Past {
    /// Whether imports stated deals of it.
    pub fn has_deals(&self) -> bool {
        self.statements.iter().any(|one| one.what.deal().is_some())
    }

    /// Add a statement.
    pub fn add(&mut self, stated: PastStatement) -> Added {
        let key = stated.key();
        let Some(known) = self.statements.iter_mut().find(|one| one.key() == key) else {
            self.statements.push(stated.clone());
            return Added::News(stated);
        };
        let stated = stated.after(known);
        let added = match (stated.says(known), stated.import_id == known.import_id) {
            (true, true) => Added::Known,
            (true, false) => Added::Again(stated.clone()),
            (false, _) => Added::News(stated.clone()),
        };
        *known = stated;
        added
    }

    /// The statement with this key.
    pub fn find(&self, key: &str) -> Option<&PastStatement> {
        self.statements.iter().find(|one| one.key() == key)
    }
}
