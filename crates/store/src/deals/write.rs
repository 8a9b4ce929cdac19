//! The rows that changes of deals leave.

use tandem_domain::deals::change::DealChange;
use tandem_domain::deals::{Deal, DealMove};

use crate::rows;
use crate::write::Rows;

impl Rows {
    pub(crate) fn add_deal(&mut self, change: &DealChange) {
        match change {
            DealChange::Opened { deal, made, .. } => {
                self.put_deal(deal);
                self.put_deal_leads(deal);
                self.put_deal_move(made);
            }
            DealChange::Moved { deal, made } => {
                self.put_deal(deal);
                self.put_deal_move(made);
            }
            DealChange::Closed {
                deal,
                made,
                objections,
            } => {
                self.put_deal(deal);
                self.put_deal_move(made);
                self.deal_objections.insert(
                    deal.id.uuid(),
                    rows::deal_objections::Model::all_of(deal, made.at, objections),
                );
            }
            DealChange::Reopened { deal, made } => {
                self.put_deal(deal);
                self.put_deal_move(made);
                self.deal_objections.insert(deal.id.uuid(), vec![]);
            }
            DealChange::Edited { deal, .. } | DealChange::Acknowledged(deal, _) => {
                self.put_deal(deal);
                self.put_deal_leads(deal);
            }
        }
    }

    /// A deal of the past that is corrected has other moves.
    pub(crate) fn correct_deal(&mut self, deal: &Deal, moves: &[DealMove]) {
        self.put_deal(deal);
        self.put_deal_leads(deal);
        let gone = |row: &rows::deal_moves::Model| row.deal_id == deal.id.uuid();
        self.deal_moves.retain(|_, row| !gone(row));
        self.deals_of_gone_moves.insert(deal.id.uuid());
        moves.iter().for_each(|made| self.put_deal_move(made));
    }

    fn put_deal(&mut self, deal: &Deal) {
        self.deals.insert(deal.id.uuid(), rows::deals::Model::of(deal));
    }

    fn put_deal_leads(&mut self, deal: &Deal) {
        self.deal_leads
            .insert(deal.id.uuid(), rows::deal_leads::Model::all_of(deal));
    }

    fn put_deal_move(&mut self, made: &DealMove) {
        self.deal_moves
            .insert(made.id.uuid(), rows::deal_moves::Model::of(made));
    }
}
