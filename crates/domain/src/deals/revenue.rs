//! Revenue after the win: what another system invoices, renews and refunds. Tandem records it and sums it up.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::DealError;
use crate::access::Scope;
use crate::act::Act;
use crate::fault::Fault;
use crate::id::{CompanyId, LeadId, RevenueEntryId};
use crate::instant::{Day, Timestamp};
use crate::journal::{Facts, facts};
use crate::leads::ExternalId;
use crate::money::Money;
use crate::record::{Edited, Plain, counted};
use crate::words::words;

words! {
    /// What an entry of revenue is.
    RevenueKind {
        /// An invoice.
        Invoice = "invoice",
        /// An invoice for a renewal.
        Renewal = "renewal",
        /// Money that was paid back: it is subtracted.
        Refund = "refund",
    }
}

/// An entry of revenue, as a request describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateRevenueEntry)]
pub struct RevenueDetails {
    /// The company that is the customer. Exactly one of `company_id` and `lead_id` is required.
    pub company_id: Option<CompanyId>,
    /// The lead that is the customer.
    pub lead_id: Option<LeadId>,
    /// The day, in the company's zone.
    pub on: Day,
    /// The amount, positive for a refund too.
    pub amount: Money,
    /// What it is.
    pub kind: RevenueKind,
    /// Its id in the system that invoices. The same id again updates the entry.
    pub external_id: ExternalId,
}

/// An entry of revenue: an invoice, a renewal or a refund of a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevenueEntry {
    /// Its id.
    pub id: RevenueEntryId,
    /// The version: incremented by each command that changes the record, from 1.
    pub version: i64,
    /// What a request describes of it.
    pub details: RevenueDetails,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

counted!(RevenueEntry);

impl Plain for RevenueEntry {
    const NOUN: &'static str = "revenue_entry";
    const READ: Scope = Scope::DealsRead;
    const TYPES: &'static [(&'static str, &'static str)] = &[
        (
            "revenue_entry.created",
            "An invoice, renewal or refund of a customer was recorded.",
        ),
        (
            "revenue_entry.updated",
            "An invoice, renewal or refund of a customer was corrected.",
        ),
    ];

    fn facts(&self) -> Facts {
        facts(json!(self.details))
    }

    fn lead_id(&self) -> Option<LeadId> {
        self.details.lead_id
    }
}

/// Which customers exist, of those that an entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Customers {
    /// Whether the company is known.
    pub has_company: bool,
    /// Whether the lead is known.
    pub has_lead: bool,
}

/// Record an entry, or correct the one that has its external id.
pub fn record(
    known: Option<&RevenueEntry>,
    details: RevenueDetails,
    customers: Customers,
    act: &Act,
) -> Result<Edited<RevenueEntry>, DealError> {
    details.demand_sound(customers)?;
    if let Some(known) = known {
        let edited = RevenueEntry {
            details,
            ..known.clone()
        };
        return Ok(known.becomes(edited, act.now));
    }
    let entry = RevenueEntry {
        id: act.ids.next(),
        version: 1,
        details,
        created_at: act.now,
        updated_at: act.now,
    };
    let created = entry.created();
    Ok((entry, Some(created)))
}

impl RevenueDetails {
    fn demand_sound(&self, customers: Customers) -> Result<(), DealError> {
        let mut faults = vec![];
        match (self.company_id, self.lead_id) {
            (None, None) => faults.push(Fault::new(
                "/company_id",
                "required",
                "revenue has a company or a lead",
            )),
            (Some(_), Some(_)) => faults.push(Fault::new(
                "/lead_id",
                "not_allowed",
                "revenue has a company or a lead, not both",
            )),
            (Some(_), None) if !customers.has_company => {
                faults.push(Fault::new("/company_id", "not_found", "is not a company"));
            }
            (None, Some(_)) if !customers.has_lead => {
                faults.push(Fault::new("/lead_id", "not_found", "is not a lead"));
            }
            _ => {}
        }
        if !self.amount.is_sound() {
            faults.push(Fault::new(
                "/amount/amount",
                "out_of_range",
                "must be from 0 to 2^53 - 1",
            ));
        }
        DealError::unless_sound(faults)
    }
}
