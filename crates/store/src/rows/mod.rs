//! Rows, one table a file; private to the store. The mapping to the domain stands beside the row.
#![allow(missing_docs, reason = "columns are named in the migrations")]

pub mod action_items;
pub mod activities;
pub mod agreements;
pub mod api_key_secrets;
pub mod api_keys;
pub mod attribution_paths;
pub mod availability;
pub mod campaign_aliases;
pub mod campaign_costs;
pub mod campaigns;
pub mod clocks;
pub mod companies;
pub mod company_terms;
pub mod consent_links;
pub mod consents;
pub mod content;
pub mod content_request_deals;
pub mod content_request_leads;
pub mod content_requests;
pub mod conversation_keys;
pub mod conversations;
pub mod cycles;
pub mod deal_leads;
pub mod deal_moves;
pub mod deal_objections;
pub mod deals;
pub mod duplicates;
pub mod event_keys;
pub mod events;
pub mod exchange_rates;
pub mod field_values;
pub mod form_keys;
pub mod forms;
pub mod handoff_packets;
pub mod handoffs;
pub mod idempotency;
pub mod identifiers;
pub mod import_chunks;
pub mod import_rejects;
pub mod imports;
pub mod invitations;
pub mod journal;
pub mod journal_values;
pub mod known_addresses;
pub mod lead_terms;
pub mod leads;
pub mod leases;
pub mod notices;
pub mod objection_mappings;
pub mod objections;
pub mod passwords;
pub mod past_statements;
pub mod pipelines;
pub mod previewed_leads;
pub mod previews;
pub mod promises;
pub mod qualifications;
pub mod queue_marks;
pub mod quotes;
pub mod renamed_companies;
pub mod revenue_entries;
pub mod review_lists;
pub mod review_packs;
pub mod reviews;
pub mod revisions;
pub mod routing_decisions;
pub mod score_history;
pub mod scores;
pub mod segment_members;
pub mod segments;
pub mod sessions;
pub mod settings;
pub mod signing_keys;
pub mod spent_tokens;
pub mod submission_repeats;
pub mod submissions;
pub mod team_members;
pub mod team_turns;
pub mod teams;
pub mod throttles;
pub mod touches;
pub mod tracking_keys;
pub mod transitions;
pub mod users;
pub mod visitor_links;
pub mod visitors;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tandem_domain::instant::Day;
use tandem_domain::money::Money;

use crate::error::StoreError;

/// Gives a macro the name of every table.
#[macro_export]
macro_rules! for_each_table {
    ($then:ident) => {
        $then! {
            action_items,
            activities,
            agreements,
            api_key_secrets,
            api_keys,
            attribution_paths,
            availability,
            campaign_aliases,
            campaign_costs,
            campaigns,
            clocks,
            companies,
            company_terms,
            consent_links,
            consents,
            content,
            content_request_deals,
            content_request_leads,
            content_requests,
            conversation_keys,
            conversations,
            cycles,
            deal_leads,
            deal_moves,
            deal_objections,
            deals,
            duplicates,
            event_keys,
            events,
            exchange_rates,
            field_values,
            form_keys,
            forms,
            handoff_packets,
            handoffs,
            idempotency,
            identifiers,
            import_chunks,
            import_rejects,
            imports,
            invitations,
            journal,
            journal_values,
            known_addresses,
            lead_terms,
            leads,
            leases,
            notices,
            objection_mappings,
            objections,
            passwords,
            past_statements,
            pipelines,
            previewed_leads,
            previews,
            promises,
            qualifications,
            queue_marks,
            quotes,
            renamed_companies,
            revenue_entries,
            review_lists,
            review_packs,
            reviews,
            revisions,
            routing_decisions,
            score_history,
            scores,
            segment_members,
            segments,
            sessions,
            settings,
            signing_keys,
            spent_tokens,
            submission_repeats,
            submissions,
            team_members,
            team_turns,
            teams,
            throttles,
            touches,
            tracking_keys,
            transitions,
            users,
            visitor_links,
            visitors,
        }
    };
}

/// A day read back; what is none is corrupt.
pub(crate) fn day(table: &'static str, text: &str) -> Result<Day, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt(table))
}

/// An amount and its currency read back; a currency that is none is corrupt.
pub(crate) fn money(table: &'static str, amount: i64, currency: &str) -> Result<Money, StoreError> {
    let currency = currency.parse().map_err(|_| StoreError::Corrupt(table))?;
    Ok(Money { amount, currency })
}

/// A JSON column read back; what cannot be read is corrupt.
pub(crate) fn from_json<T: DeserializeOwned>(table: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt(table))
}

/// A value as a JSON column. Our own types always are JSON.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
