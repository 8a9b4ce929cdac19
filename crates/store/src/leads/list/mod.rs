//! Pages of leads: filters, sorts, and the search by words, all by keyset.

mod access_path;
mod filter;
mod order;

use tandem_domain::id::{CompanyId, LeadId, SegmentId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::leads::identity::Email;
use tandem_domain::lifecycle::Stage;

use self::access_path::Listing;
use self::filter::{Steer, counted_words, filtered};
use self::order::ListOrder;
use super::{LeadWithCompany, Part};
use crate::db::Read;
use crate::error::StoreError;
use crate::page::{self, Page};

/// From which numbers on a list takes another way. The answer is the same by every way, which a test holds: it takes
/// them all with few leads.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// With so many terms a word is common: leads are walked in order and asked, instead of looked up by the word.
    pub common: u64,
    /// So many terms are counted to see which of several common words is the rarest.
    pub ranked: u64,
    /// A beginning that stands for more different terms than this is not followed term by term.
    pub followed: usize,
    /// So many leads of a followed term are asked before the way by all words is taken; four times as many where all that is
    /// asked for is looked up by its key.
    pub asked: u64,
    /// So many leads are asked in order before the way by the filter or by all words is taken.
    pub walked: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            common: 5_000,
            ranked: 30_000,
            followed: 16,
            asked: 1_500,
            walked: 5_000,
        }
    }
}

/// Which leads are listed.
#[derive(Debug, Clone, Default)]
pub struct LeadFilter {
    /// These.
    pub ids: Vec<LeadId>,
    /// With one of these e-mails.
    pub emails: Vec<Email>,
    /// In one of these segments.
    pub segment: Vec<SegmentId>,
    /// In one of these stages.
    pub stage: Vec<Stage>,
    /// With one of these owners.
    pub owner_id: Vec<UserId>,
    /// Without an owner.
    pub unowned: bool,
    /// Of this company.
    pub company_id: Option<CompanyId>,
    /// In one of these countries.
    pub country: Vec<String>,
    /// From one of these sources.
    pub source: Vec<String>,
    /// By one of these channels.
    pub channel: Vec<String>,
    /// Found by these words.
    pub q: Option<String>,
    /// Archived leads only; default: the others.
    pub archived: bool,
    /// Created at this instant or later.
    pub created_at_gte: Option<Timestamp>,
    /// Created before this instant.
    pub created_at_lt: Option<Timestamp>,
    /// Changed at this instant or later.
    pub updated_at_gte: Option<Timestamp>,
    /// Changed before this instant.
    pub updated_at_lt: Option<Timestamp>,
    /// What is asked of their scores.
    pub score: ScoreFilter,
}

/// Which scores leads have, in whole points, and what holds them back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScoreFilter {
    /// The least total.
    pub total_gte: Option<i64>,
    /// Below this total.
    pub total_lt: Option<i64>,
    /// The least fit.
    pub fit_gte: Option<i64>,
    /// The least engagement.
    pub engagement_gte: Option<i64>,
    /// In one of these bands.
    pub band: Vec<String>,
    /// Held back by one of these.
    pub blocked_by: Vec<String>,
}

impl LeadFilter {
    /// Whether it names single leads, which are looked up whatever the order.
    pub(crate) fn names_leads(&self) -> bool {
        !(self.ids.is_empty() && self.emails.is_empty())
    }

    /// Whether it asks for a span of time.
    pub(crate) fn has_range(&self) -> bool {
        let bounds = [
            self.created_at_gte,
            self.created_at_lt,
            self.updated_at_gte,
            self.updated_at_lt,
        ];
        bounds.iter().any(Option::is_some)
    }
}

/// What leads are sorted by; the id follows always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadSort {
    /// By id alone: in the order in which they became known.
    Id,
    /// By the instant at which they became known.
    CreatedAt,
    /// By their last change.
    UpdatedAt,
    /// By last name, then first name.
    Name,
    /// By the score, both sides of it.
    Score,
}

/// Where a page ends and the next begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// After this id.
    Id(LeadId),
    /// After this instant and id.
    At(Timestamp, LeadId),
    /// After this name and id.
    Name(String, LeadId),
    /// After this score and id.
    Score(i64, LeadId),
}

/// Which page of a list, and what of each lead.
#[derive(Debug, Clone, Copy)]
pub struct LeadPage<'a> {
    /// What leads are sorted by.
    pub sort: LeadSort,
    /// Whether the greatest comes first.
    pub descending: bool,
    /// Where the page before ended.
    pub after: Option<&'a Position>,
    /// The most leads of the page.
    pub limit: u64,
    /// What is read of each lead.
    pub parts: &'a [Part],
}

/// A page of leads with their companies.
///
/// The page itself is one statement; those that steer it may have seen the database a moment earlier.
///
/// A rare word leads to its leads; of several common words the rarest one's terms are followed in the order of ids. A
/// filter that no index knows in this order is asked of the next leads in order; only where these do not fill the page,
/// the way goes by the filter or the words, which are rare then.
pub async fn list(
    on: &impl Read,
    filter: &LeadFilter,
    wanted: LeadPage<'_>,
) -> Result<Page<LeadWithCompany>, StoreError> {
    list_within(on, Bounds::default(), filter, wanted).await
}

/// [`list`], with other bounds.
pub async fn list_within(
    on: &impl Read,
    bounds: Bounds,
    filter: &LeadFilter,
    wanted: LeadPage<'_>,
) -> Result<Page<LeadWithCompany>, StoreError> {
    let words = counted_words(on, filter, bounds).await?;
    let line = ListOrder {
        sort: wanted.sort,
        descending: wanted.descending,
    };
    let listing = Listing {
        on,
        bounds,
        filter,
        words: &words,
        line,
        after: wanted.after,
        limit: wanted.limit,
        parts: wanted.parts,
    };
    Ok(Page::of(listing.rows().await?, wanted.limit))
}

/// How many leads a list has in all, and whether the number is an estimate: exact up to 10,000.
pub async fn count(on: &impl Read, filter: &LeadFilter) -> Result<(u64, bool), StoreError> {
    let words = counted_words(on, filter, Bounds::default()).await?;
    let steer = if words.len() > 1 {
        Steer::ByFilter
    } else {
        Steer::ByRarestWord
    };
    page::count(on, filtered(on, filter, &words, steer)).await
}
