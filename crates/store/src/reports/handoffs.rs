//! What became of hand-offs and how soon their leads were contacted: counted, timed, and listed.

use sea_orm::{ConnectionTrait, EntityTrait};
use tandem_domain::handoff::{Handoff, HandoffState};
use tandem_domain::id::{HandoffId, Id, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::Basis;
use tandem_domain::reports::handoffs::{HandoffFigure, HandoffTally, Timing};
use tandem_domain::reports::row::{Cut, Key};
use uuid::Uuid;

use super::selection::{self, Ground, Scope, Sql};
use crate::db::Read;
use crate::error::StoreError;
use crate::page::Page;
use crate::rows::handoffs;

/// Each hand-off with the cycle that it belongs to.
const HANDOFFS: &str = "handoffs f JOIN cycles c ON c.lead_id = f.lead_id AND c.number = f.cycle";
/// The clock of the first contact: the last one, because what was restarted or merged, and what a ruling overturned, goes on in
/// another.
const CONTACT: &str = "LEFT JOIN clocks k ON k.handoff_id = f.id AND k.kind = 'first_contact' \
                       AND COALESCE(k.ended_how, '') NOT IN ('restarted', 'merged') \
                       AND NOT EXISTS (SELECT 1 FROM clocks l WHERE l.handoff_id = f.id \
                       AND l.kind = 'first_contact' AND COALESCE(l.ended_how, '') NOT IN ('restarted', 'merged') \
                       AND (l.started_at, l.id) > (k.started_at, k.id))";
/// Those that figures are about.
const COUNTED: &str = "NOT f.self_sourced AND f.state <> 'void'";
/// No contact is owed any more, and none was made.
const EXCUSED: &str = "f.first_contact_at IS NULL AND (COALESCE(k.state, '') = 'void' OR (k.id IS NULL AND \
                       (f.state IN ('rejected', 'disputed', 'upheld') OR c.ended_at IS NOT NULL)))";
/// A call reached somebody else, or an address turned out to take no mail, within 14 days.
const BAD_CONTACT: &str = "(EXISTS (SELECT 1 FROM activities a WHERE a.lead_id = f.lead_id AND a.outcome = 'wrong_number' \
                           AND a.occurred_at >= f.made_at AND a.occurred_at <= f.made_at + 1209600000) \
                           OR EXISTS (SELECT 1 FROM consents b WHERE b.lead_id = f.lead_id AND b.reason = 'bounced' \
                           AND b.stated_at >= f.made_at AND b.stated_at <= f.made_at + 1209600000))";
/// A rule found the owner, or the lead had one.
const BY_RULE: &str = "((f.routing_decision_id IS NULL AND f.assigned_at = f.made_at) OR EXISTS (SELECT 1 \
                       FROM routing_decisions r WHERE r.id = f.routing_decision_id AND r.owner_id IS NOT NULL))";
const ACCEPTED: &str = "f.state IN ('accepted', 'overturned')";
const REJECTED: &str = "f.state IN ('rejected', 'disputed', 'upheld')";

/// Hand-offs of one row that stand alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalliedHandoffs {
    /// The row.
    pub keys: Vec<Key>,
    /// Where they stand, and how many they are.
    pub tally: HandoffTally,
    /// The version of the agreement that they were made under.
    pub agreement_version: i64,
}

/// One hand-off with its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedHandoff {
    /// The row.
    pub keys: Vec<Key>,
    /// Its times.
    pub timing: Timing,
    /// Who owns it.
    pub owner_id: Option<UserId>,
    /// The version of the agreement that it was made under.
    pub agreement_version: i64,
}

/// When a response time begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Since {
    /// With the hand-off.
    #[default]
    Handoff,
    /// With the newest submission of the lead before it; without one with the hand-off.
    Capture,
}

fn instant(basis: Basis) -> &'static str {
    match basis {
        Basis::Cohort => "c.started_at",
        Basis::Activity => "f.made_at",
    }
}

/// Count the hand-offs of a report by where they stand.
pub async fn handoff_tally(
    on: &impl Read,
    scope: &Scope,
    cuts: &[Cut],
) -> Result<Vec<TalliedHandoffs>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let at = instant(scope.basis);
    let keys = selection::keys(cuts, Ground::Handoffs, at);
    let only = sql.only(&scope.only, Ground::Handoffs);
    let ways = selection::group_by(cuts, &["f.state", "f.reason", "f.agreement_version"]);
    let text = format!(
        "SELECT {keys}f.state, f.reason, f.agreement_version, count(*) AS n FROM {HANDOFFS} WHERE {} AND {COUNTED}{only}{ways}",
        sql.during(at)
    );
    let mut found = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        let state: String = row.try_get("", "state")?;
        found.push(TalliedHandoffs {
            keys: selection::read_keys(cuts, &row)?,
            tally: HandoffTally {
                state: HandoffState::named(&state).ok_or(StoreError::Corrupt("handoffs"))?,
                reason: row.try_get("", "reason")?,
                handoffs: row.try_get("", "n")?,
            },
            agreement_version: row.try_get("", "agreement_version")?,
        });
    }
    Ok(found)
}

/// The times of the hand-offs of a report.
pub async fn handoff_times(
    on: &impl Read,
    scope: &Scope,
    cuts: &[Cut],
    since: Since,
) -> Result<Vec<TimedHandoff>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let at = instant(scope.basis);
    let keys = selection::keys(cuts, Ground::Handoffs, at);
    let only = sql.only(&scope.only, Ground::Handoffs);
    let since = match since {
        Since::Handoff => "f.made_at",
        Since::Capture => {
            "COALESCE((SELECT max(s.received_at) FROM submissions s \
             WHERE s.lead_id = f.lead_id AND s.received_at <= f.made_at), f.made_at)"
        }
    };
    let text = format!(
        "SELECT {keys}{since} AS since, f.made_at, f.assigned_at, f.first_contact_at, f.owner_id, f.agreement_version, \
         CASE WHEN k.state <> 'void' THEN k.due_at END AS promised_at, \
         CAST(CASE WHEN {EXCUSED} THEN 1 ELSE 0 END AS bigint) AS is_excused \
         FROM {HANDOFFS} {CONTACT} WHERE {} AND {COUNTED} AND NOT f.imported{only}",
        sql.during(at)
    );
    let mut found = vec![];
    for row in on.conn().query_all_raw(sql.statement(&text)).await? {
        let at = |name: &str| -> Result<Option<Timestamp>, StoreError> {
            Ok(row.try_get::<Option<i64>>("", name)?.map(Timestamp::from_millis))
        };
        let corrupt = StoreError::Corrupt("handoffs");
        found.push(TimedHandoff {
            keys: selection::read_keys(cuts, &row)?,
            timing: Timing {
                since: at("since")?.ok_or(corrupt)?,
                made_at: Timestamp::from_millis(row.try_get("", "made_at")?),
                assigned_at: at("assigned_at")?,
                contacted_at: at("first_contact_at")?,
                due_at: at("promised_at")?,
                is_excused: row.try_get::<i64>("", "is_excused")? == 1,
            },
            owner_id: row.try_get::<Option<Uuid>>("", "owner_id")?.map(Id::from_uuid),
            agreement_version: row.try_get("", "agreement_version")?,
        });
    }
    Ok(found)
}

/// The first and the last instant that hand-offs of a report are counted by; none where there are none.
pub(super) async fn span(
    on: &impl Read,
    scope: &Scope,
) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let at = instant(scope.basis);
    let only = sql.only(&scope.only, Ground::Handoffs);
    let text = format!(
        "SELECT min({at}) AS first, max({at}) AS last FROM {HANDOFFS} WHERE {} AND {COUNTED}{only}",
        sql.during(at)
    );
    let Some(row) = on.conn().query_one_raw(sql.statement(&text)).await? else {
        return Ok(None);
    };
    let ends: (Option<i64>, Option<i64>) = (row.try_get("", "first")?, row.try_get("", "last")?);
    Ok(ends
        .0
        .zip(ends.1)
        .map(|(first, last)| (Timestamp::from_millis(first), Timestamp::from_millis(last))))
}

/// A page of the hand-offs behind a figure, by id, as they stand at an instant.
pub async fn handoff_evidence(
    on: &impl Read,
    scope: &Scope,
    figure: HandoffFigure,
    now: Timestamp,
    after: Option<HandoffId>,
    limit: u64,
) -> Result<Page<Handoff>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let mut condition = condition(&mut sql, scope, figure, now);
    if let Some(after) = after {
        condition.push_str(&format!(" AND f.id > {}", sql.bind(after.uuid())));
    }
    let text = format!(
        "SELECT f.* FROM {HANDOFFS} {CONTACT} WHERE {condition} ORDER BY f.id LIMIT {}",
        limit + 1
    );
    let rows = handoffs::Entity::find()
        .from_raw_sql(sql.statement(&text))
        .all(on.conn())
        .await?;
    Page::of(rows, limit).read(handoffs::Model::into_domain)
}

/// How many hand-offs stand behind a figure.
pub async fn handoff_evidence_count(
    on: &impl Read,
    scope: &Scope,
    figure: HandoffFigure,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let condition = condition(&mut sql, scope, figure, now);
    let text = format!("SELECT count(*) AS n FROM {HANDOFFS} {CONTACT} WHERE {condition}");
    let row = on.conn().query_one_raw(sql.statement(&text)).await?;
    let count = row.map_or(Ok(0), |row| row.try_get::<i64>("", "n"))?;
    Ok(count.max(0) as u64)
}

/// How many hand-offs stand behind each of some figures, in their order.
pub async fn handoff_counts(
    on: &impl Read,
    scope: &Scope,
    figures: &[HandoffFigure],
    now: Timestamp,
) -> Result<Vec<i64>, StoreError> {
    let mut sql = Sql::new(on.conn().get_database_backend(), scope);
    let wanted: Vec<String> = figures
        .iter()
        .map(|figure| {
            let condition = condition(&mut sql, scope, *figure, now);
            format!("SELECT count(*) AS n FROM {HANDOFFS} {CONTACT} WHERE {condition}")
        })
        .collect();
    sql.counts(on, &wanted).await
}

/// The condition that a hand-off's clock of a kind was met, in time or late, or is due; or that it was met in time.
fn promised(sql: &mut Sql, kind: &str, now: Timestamp, is_kept: bool) -> String {
    let how = match is_kept {
        true => "v.state = 'met'".to_owned(),
        false => {
            let now = sql.bind(now.millis());
            format!("v.state <> 'void' AND (v.act_at IS NOT NULL OR v.due_at < {now})")
        }
    };
    format!("EXISTS (SELECT 1 FROM clocks v WHERE v.handoff_id = f.id AND v.kind = '{kind}' AND {how})")
}

fn condition(sql: &mut Sql, scope: &Scope, figure: HandoffFigure, now: Timestamp) -> String {
    const CONTACTED: &str = "f.first_contact_at IS NOT NULL";
    const UNCONTACTED: &str = "f.first_contact_at IS NULL";
    const ASSIGNED: &str = "f.assigned_at IS NOT NULL";
    let only = sql.only(&scope.only, Ground::Handoffs);
    let during = sql.during(instant(scope.basis));
    let is_open = format!("NOT ({EXCUSED})");
    let is_promised = "k.id IS NOT NULL AND k.state <> 'void'";
    let what = match figure {
        HandoffFigure::Handoffs => String::new(),
        HandoffFigure::Joined => {
            " AND (f.joins_deal_id IS NOT NULL OR f.joins_lead_id IS NOT NULL)".to_owned()
        }
        HandoffFigure::Pending => " AND f.state = 'pending'".to_owned(),
        HandoffFigure::Decided => " AND f.state <> 'pending'".to_owned(),
        HandoffFigure::BadContact => format!(" AND {BAD_CONTACT}"),
        HandoffFigure::Accepted => format!(" AND {ACCEPTED}"),
        HandoffFigure::Rejected => format!(" AND {REJECTED}"),
        HandoffFigure::Disputed => " AND f.disputed_at IS NOT NULL".to_owned(),
        HandoffFigure::Upheld => " AND f.state = 'upheld'".to_owned(),
        HandoffFigure::Overturned => " AND f.state = 'overturned'".to_owned(),
        HandoffFigure::FeedbackDue => format!(" AND {}", promised(sql, "feedback", now, false)),
        HandoffFigure::Answered => {
            let kept = promised(sql, "feedback", now, true);
            format!(" AND f.reason IS NOT NULL AND {kept}")
        }
        timed => {
            let more = match timed {
                HandoffFigure::Contacted => format!(" AND {CONTACTED}"),
                HandoffFigure::Uncontacted => format!(" AND {UNCONTACTED} AND {is_open}"),
                HandoffFigure::Excused => format!(" AND {EXCUSED}"),
                HandoffFigure::Assigned => format!(" AND {ASSIGNED}"),
                HandoffFigure::Unassigned => format!(" AND f.assigned_at IS NULL AND {is_open}"),
                HandoffFigure::Handled => format!(" AND {ASSIGNED} AND {CONTACTED}"),
                HandoffFigure::Unhandled => format!(" AND {ASSIGNED} AND {UNCONTACTED} AND {is_open}"),
                HandoffFigure::Promised => {
                    let now = sql.bind(now.millis());
                    format!(" AND {is_promised} AND ({CONTACTED} OR k.due_at < {now})")
                }
                HandoffFigure::InsidePromise => {
                    format!(" AND {is_promised} AND f.first_contact_at <= k.due_at")
                }
                HandoffFigure::ReviewDue => format!(" AND {}", promised(sql, "review", now, false)),
                HandoffFigure::ReviewedByRule => {
                    format!(" AND {BY_RULE} AND {}", promised(sql, "review", now, true))
                }
                HandoffFigure::OpenedBefore => " AND f.opened_at <= f.first_contact_at".to_owned(),
                _ => String::new(),
            };
            format!(" AND NOT f.imported{more}")
        }
    };
    format!("{during} AND {COUNTED}{what}{only}")
}
