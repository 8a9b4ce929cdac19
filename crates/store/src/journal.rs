//! The journal as it is read: the audit view, a lead's timeline, and the feed of changes.

use jiff::tz::TimeZone;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect, Select,
};
use serde_json::{Map, Value};
use std::collections::HashMap;
use tandem_domain::act::Act;
use tandem_domain::id::{EntryId, Id, LeadId, UserId};
use tandem_domain::instant::Timestamp;
use tandem_domain::reports::period::{Bucket, months};
use tandem_domain::settings::name::JOURNAL_EPOCH;
use uuid::Uuid;

use crate::db::{Db, Read};
use crate::dialect;
use crate::error::StoreError;
use crate::leads::{members, of_members};
use crate::page::Page;
use crate::rows::{from_json, journal, journal_values};
use crate::settings;

/// The ids of one request are drawn within this many milliseconds behind its instant, amply.
const BEHIND: i64 = 60_000;
/// Partitions are there for this many milliseconds ahead: 93 days, three months after this one at least.
const AHEAD: i64 = 93 * 86_400_000;

/// A journal entry with its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// Its place in line.
    pub place: FeedPosition,
    /// `<noun>.<past participle>`.
    pub kind: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Who did it, by kind.
    pub actor_kind: String,
    /// Who did it, by id.
    pub actor_id: String,
    /// The user in whose name a key acted.
    pub on_behalf_of: Option<UserId>,
    /// What it is about, by kind.
    pub subject_kind: String,
    /// What it is about, by id.
    pub subject_id: String,
    /// The subject's version after it.
    pub subject_version: i64,
    /// The lead that it belongs to.
    pub lead_id: Option<LeadId>,
    /// In which request.
    pub request_id: String,
    /// The names of the changed fields.
    pub fields: Vec<String>,
    /// The agreement that it was judged by.
    pub agreement_version: Option<i64>,
    /// Whether it records imported history, to which no rule applies.
    pub is_imported: bool,
    /// The values before.
    pub before: Option<Map<String, Value>>,
    /// The values after.
    pub after: Option<Map<String, Value>>,
    /// Further values, by type; `None` once erased.
    pub data: Option<Map<String, Value>>,
}

/// The position of an entry in the feed; entries are ordered by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FeedPosition {
    /// Counts restored dumps.
    pub epoch: i64,
    /// The transaction; 0 on SQLite.
    pub xid: i64,
    /// The order within the transaction.
    pub seq: i64,
}

/// Where a follower of the feed stands: behind an entry, or before the first one.
///
/// A place alone proves nothing: after a restore, or a failover that lost the newest transactions, another entry may get
/// the same one, and what comes before it would never be shown. The id of an entry is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// The place of the entry; before all others without one.
    pub place: FeedPosition,
    /// The entry.
    pub entry: Option<EntryId>,
}

impl Entry {
    /// Behind this entry.
    pub fn mark(&self) -> Mark {
        Mark {
            place: self.place,
            entry: Some(self.id),
        }
    }
}

/// Which entries are listed.
#[derive(Debug, Clone, Default)]
pub struct EntryFilter {
    /// Of these types.
    pub types: Vec<String>,
    /// About this kind of record.
    pub subject_kind: Option<String>,
    /// About this record.
    pub subject_id: Option<String>,
    /// Done by this actor.
    pub actor_id: Option<String>,
    /// At this instant or later.
    pub occurred_at_gte: Option<Timestamp>,
    /// Before this instant.
    pub occurred_at_lt: Option<Timestamp>,
}

/// A page of the audit view, the newest entry first.
pub async fn list(
    on: &impl Read,
    filter: &EntryFilter,
    after: Option<EntryId>,
    limit: u64,
) -> Result<Page<Entry>, StoreError> {
    let mut query = filtered(filter);
    if let Some(after) = after {
        query = query.filter(journal::Column::Id.lt(after.uuid()));
    }
    let rows = query
        .order_by_desc(journal::Column::Id)
        .limit(limit + 1)
        .all(on.conn())
        .await?;
    page(on, rows, limit).await
}

/// A page of the journal of a lead and its members, by `(occurred_at, id)`, the newest first, without entries of the type
/// `but`.
pub async fn timeline(
    on: &impl Read,
    lead_id: LeadId,
    types: &[String],
    but: &str,
    after: Option<(Timestamp, EntryId)>,
    limit: u64,
) -> Result<Page<Entry>, StoreError> {
    let members = members(on, lead_id).await?;
    let mut query = filtered(&EntryFilter {
        types: types.to_vec(),
        ..EntryFilter::default()
    })
    .filter(of_members(journal::Column::LeadId, &members))
    .filter(journal::Column::Kind.ne(but));
    if let Some((at, id)) = after {
        let place = Expr::tuple([
            Expr::col(journal::Column::OccurredAt),
            Expr::col(journal::Column::Id),
        ]);
        query = query.filter(place.lt(Expr::tuple([Expr::val(at.millis()), Expr::val(id.uuid())])));
    }
    let rows = query
        .order_by_desc(journal::Column::OccurredAt)
        .order_by_desc(journal::Column::Id)
        .limit(limit + 1)
        .all(on.conn())
        .await?;
    page(on, rows, limit).await
}

/// The next entries of the feed behind a place, oldest first: of these types and leads, where any are named. An entry shows
/// once no older one can appear any more.
pub async fn changes(
    on: &impl Read,
    after: FeedPosition,
    types: &[String],
    leads: &[LeadId],
    limit: u64,
) -> Result<Page<Entry>, StoreError> {
    let rows = match leads {
        [] => next_rows(on, after, types, limit + 1).await?,
        leads => next_rows_of(on, after, types, leads, limit + 1).await?,
    };
    page(on, rows, limit).await
}

async fn next_rows(
    on: &impl Read,
    after: FeedPosition,
    types: &[String],
    limit: u64,
) -> Result<Vec<journal::Model>, StoreError> {
    use journal::Column::{Epoch, Kind, Seq, Xid};
    let settled = dialect::journal_settled(on.conn().get_database_backend());
    let mut all = journal::Entity::find().filter(Expr::cust(settled));
    if !types.is_empty() {
        all = all.filter(Kind.is_in(types));
    }
    // First the rest of the epoch, then what follows: PostgreSQL estimates a comparison of all three columns by the
    // first alone, which hardly ever changes, and would sort the whole journal.
    let rest = Expr::tuple([Expr::col(Xid), Expr::col(Seq)])
        .gt(Expr::tuple([Expr::val(after.xid), Expr::val(after.seq)]));
    let of_epoch = all.clone().filter(Epoch.eq(after.epoch)).filter(rest);
    let mut rows = in_line(of_epoch, Order::Asc).limit(limit).all(on.conn()).await?;
    let missing = limit.saturating_sub(rows.len() as u64);
    if missing > 0 {
        let later = in_line(all.filter(Epoch.gt(after.epoch)), Order::Asc).limit(missing);
        rows.extend(later.all(on.conn()).await?);
    }
    Ok(rows)
}

/// [`next_rows`] of some leads: found by the leads, then sorted, since they may be few in a long journal.
async fn next_rows_of(
    on: &impl Read,
    after: FeedPosition,
    types: &[String],
    leads: &[LeadId],
    limit: u64,
) -> Result<Vec<journal::Model>, StoreError> {
    let backend = on.conn().get_database_backend();
    // As expressions no index holds the order: the planner goes by the leads.
    let line = ["journal.epoch + 0", "journal.xid + 0", "journal.seq + 0"].map(Expr::cust);
    let place = Expr::tuple([Expr::val(after.epoch), Expr::val(after.xid), Expr::val(after.seq)]);
    let mut query = journal::Entity::find()
        .filter(Expr::cust(dialect::journal_settled(backend)))
        .filter(dialect::id_in(
            backend,
            "lead_id",
            leads.iter().map(|id| id.uuid()),
        ))
        .filter(Expr::tuple(line.clone()).gt(place))
        .limit(limit);
    if !types.is_empty() {
        query = query.filter(journal::Column::Kind.is_in(types));
    }
    for column in line {
        query = query.order_by(column, Order::Asc);
    }
    Ok(query.all(on.conn()).await?)
}

/// What a job that follows the journal sees of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Its place in line.
    pub place: FeedPosition,
    /// `<noun>.<past participle>`.
    pub kind: String,
    /// The lead that it belongs to.
    pub lead_id: Option<LeadId>,
}

/// The next entries behind a place, oldest first, without their values.
pub async fn behind(on: &impl Read, after: FeedPosition, limit: u64) -> Result<Vec<Passed>, StoreError> {
    let rows = next_rows(on, after, &[], limit).await?;
    let passed = |row: journal::Model| Passed {
        place: place(&row),
        kind: row.kind,
        lead_id: row.lead_id.map(Id::from_uuid),
    };
    Ok(rows.into_iter().map(passed).collect())
}

fn place(row: &journal::Model) -> FeedPosition {
    FeedPosition {
        epoch: row.epoch,
        xid: row.xid,
        seq: row.seq,
    }
}

/// Behind the last visible entry: where a follower that wants only new entries begins.
pub async fn last(on: &impl Read) -> Result<Mark, StoreError> {
    let settled = Expr::cust(dialect::journal_settled(on.conn().get_database_backend()));
    let row = in_line(journal::Entity::find().filter(settled), Order::Desc)
        .one(on.conn())
        .await?;
    Ok(row.map(|row| mark(&row)).unwrap_or_default())
}

/// Whether the journal has the entry of a mark. It does not where the database was restored, or a server took over that
/// lacks the newest transactions: entries that are written since then may stand before the mark.
pub async fn has(on: &impl Read, mark: Mark) -> Result<bool, StoreError> {
    use journal::Column::{Epoch, Id, Seq, Xid};
    let Some(entry) = mark.entry else {
        return Ok(true);
    };
    let found = journal::Entity::find()
        .filter(Epoch.eq(mark.place.epoch))
        .filter(Xid.eq(mark.place.xid))
        .filter(Seq.eq(mark.place.seq))
        .filter(Id.eq(entry.uuid()));
    Ok(found.one(on.conn()).await?.is_some())
}

/// From where to read again, where the journal lacks the entry of a mark: a minute before that was written. Everything up
/// to there was in the journal when the mark was given; what the journal has got since is younger.
pub async fn before(on: &impl Read, mark: Mark) -> Result<Mark, StoreError> {
    let Some(entry) = mark.entry else {
        return Ok(Mark::default());
    };
    let written = (entry.uuid().as_u128() >> 80) as i64;
    let row = journal::Entity::find()
        .filter(journal::Column::Id.lt(first_id(Timestamp::from_millis(written - BEHIND))))
        .order_by_desc(journal::Column::Id)
        .one(on.conn())
        .await?;
    Ok(row.map(|row| self::mark(&row)).unwrap_or_default())
}

fn mark(row: &journal::Model) -> Mark {
    Mark {
        place: place(row),
        entry: Some(Id::from_uuid(row.id)),
    }
}

fn in_line(query: Select<journal::Entity>, order: Order) -> Select<journal::Entity> {
    use journal::Column::{Epoch, Seq, Xid};
    query
        .order_by(Epoch, order.clone())
        .order_by(Xid, order.clone())
        .order_by(Seq, order)
}

fn filtered(filter: &EntryFilter) -> Select<journal::Entity> {
    use journal::Column;
    let mut query = journal::Entity::find();
    if !filter.types.is_empty() {
        query = query.filter(Column::Kind.is_in(&filter.types));
    }
    for (column, wanted) in [
        (Column::SubjectKind, &filter.subject_kind),
        (Column::SubjectId, &filter.subject_id),
        (Column::ActorId, &filter.actor_id),
    ] {
        if let Some(wanted) = wanted {
            query = query.filter(column.eq(wanted));
        }
    }
    // An entry's id is drawn from the instant at which it happened, or just behind it: so the ids lead to the period.
    if let Some(from) = filter.occurred_at_gte {
        query = query
            .filter(Column::OccurredAt.gte(from.millis()))
            .filter(Column::Id.gte(first_id(from)));
    }
    if let Some(to) = filter.occurred_at_lt {
        query = query
            .filter(Column::OccurredAt.lt(to.millis()))
            .filter(Column::Id.lt(first_id(to.plus_millis(BEHIND))));
    }
    query
}

async fn page(on: &impl Read, rows: Vec<journal::Model>, limit: u64) -> Result<Page<Entry>, StoreError> {
    let page = Page::of(rows, limit);
    let ids = page.data.iter().map(|row| row.id);
    let chosen = dialect::id_in(on.conn().get_database_backend(), "id", ids);
    let mut values: HashMap<Uuid, journal_values::Model> = match page.data.is_empty() {
        true => HashMap::new(),
        false => {
            let rows = journal_values::Entity::find()
                .filter(chosen)
                .all(on.conn())
                .await?;
            rows.into_iter().map(|row| (row.id, row)).collect()
        }
    };
    let data: Result<Vec<Entry>, StoreError> = page
        .data
        .into_iter()
        .map(|row| {
            let values = values.remove(&row.id);
            entry(row, values)
        })
        .collect();
    Ok(Page {
        data: data?,
        has_more: page.has_more,
    })
}

fn entry(row: journal::Model, values: Option<journal_values::Model>) -> Result<Entry, StoreError> {
    let read = |text: &Option<String>| {
        text.as_deref()
            .map(|text| from_json("journal_values", text))
            .transpose()
    };
    let (before, after, data) = match values {
        Some(values) => (
            read(&values.before_values)?,
            read(&values.after_values)?,
            Some(from_json("journal_values", &values.data)?),
        ),
        None => (None, None, None),
    };
    Ok(Entry {
        id: Id::from_uuid(row.id),
        place: place(&row),
        kind: row.kind,
        occurred_at: Timestamp::from_millis(row.occurred_at),
        actor_kind: row.actor_kind,
        actor_id: row.actor_id,
        on_behalf_of: row.on_behalf_of.map(Id::from_uuid),
        subject_kind: row.subject_kind,
        subject_id: row.subject_id,
        subject_version: row.subject_version,
        lead_id: row.lead_id.map(Id::from_uuid),
        request_id: row.request_id,
        fields: from_json("journal", &row.fields)?,
        agreement_version: row.agreement_version,
        is_imported: row.is_imported,
        before,
        after,
        data,
    })
}

/// Open the first epoch of a new database. Where a restored dump is ahead of this server's transactions, every new connection
/// opens the next one (`dialect::open_epoch_of_server`).
pub async fn open_epoch(db: &Db, act: Act) -> Result<(), StoreError> {
    let tx = db.begin(act).await?;
    let known = settings::get_for_update(&tx, JOURNAL_EPOCH).await?;
    if known.version == 0 {
        settings::put(&tx, JOURNAL_EPOCH, &Value::Null, 1).await?;
        return tx.commit().await;
    }
    tx.rollback().await
}

/// Create the partitions of this month and the three after it, where they are missing. Replicas take turns.
pub async fn add_partitions(db: &Db, now: Timestamp) -> Result<(), StoreError> {
    dialect::one_at_a_time(db.writer(), add_partitions_since(db, now, now)).await
}

/// [`add_partitions`] from an earlier month on, 20 years at most; for a caller that is alone.
pub async fn add_partitions_since(db: &Db, first: Timestamp, now: Timestamp) -> Result<(), StoreError> {
    for Bucket { name, days } in months(first, now.plus_millis(AHEAD), &TimeZone::UTC, 240) {
        let name = format!("y{}", name.replace('-', "m"));
        for table in ["journal", "journal_values", "events"] {
            dialect::add_partition(db.writer(), table, &name, first_id(days.from), first_id(days.to)).await?;
        }
    }
    Ok(())
}

/// The lowest UUIDv7 of an instant.
fn first_id(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.millis()).unwrap_or(0);
    Uuid::from_u64_pair(millis << 16, 0)
}
