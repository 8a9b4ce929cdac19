//! Previews of versions of the agreement: what is read for them, batch by batch, and their results.

use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};
use std::sync::Arc;

use tandem_domain::agreement::change::AgreementChange;
use tandem_domain::agreement::preview::{Preview, PreviewList, PreviewState, PreviewedLead};
use tandem_domain::agreement::{AgreementVersion, Version};
use tandem_domain::id::{LeadId, PreviewId, PreviewedId};
use tandem_domain::instant::Timestamp;
use tandem_domain::judge::past::{Background, Past};
use tandem_domain::judge::preview::{Previewed, preview};

use crate::db::{Conn, Read, Tx};
use crate::dialect::OnConflict;
use crate::error::StoreError;
use crate::page::{Keyset, Page};
use crate::rows::{leads, previewed_leads, previews};
use crate::write;

/// The most previews of a version that are shown with it, the newest ones.
const SHOWN: usize = 20;

/// When the first lead became known, and how many leads there are.
pub async fn leads_to_judge(on: &impl Read) -> Result<(Option<Timestamp>, i64), StoreError> {
    let listed = oldest(on, true).await?;
    let others = oldest(on, false).await?;
    let total = judged().count(on.conn()).await?;
    let oldest = [listed, others].into_iter().flatten().min();
    Ok((oldest, total as i64))
}

async fn oldest(on: &impl Read, is_listed: bool) -> Result<Option<Timestamp>, StoreError> {
    let first: Option<i64> = leads::Entity::find()
        .select_only()
        .column(leads::Column::CreatedAt)
        .filter(leads::Column::IsListed.eq(is_listed))
        .order_by_asc(leads::Column::CreatedAt)
        .limit(1)
        .into_tuple()
        .one(on.conn())
        .await?;
    Ok(first.map(Timestamp::from_millis))
}

/// The leads that are judged: all but those that were merged into others or erased.
fn judged() -> sea_orm::Select<leads::Entity> {
    leads::Entity::find()
        .filter(leads::Column::MergedInto.is_null())
        .filter(leads::Column::ErasedAt.is_null())
}

/// A preview of a version.
pub async fn get(on: &impl Read, version: i64, id: PreviewId) -> Result<Preview, StoreError> {
    let row = previews::Entity::find_by_id(id.uuid()).one(on.conn()).await?;
    let row = row.filter(|row| row.version == version);
    row.ok_or(StoreError::NotFound)?.into_domain()
}

/// The newest previews of a version, the newest first.
pub async fn of_version(on: &impl Read, version: i64) -> Result<Vec<Preview>, StoreError> {
    let rows = previews::Entity::find()
        .filter(previews::Column::Version.eq(version))
        .order_by_desc(previews::Column::Id)
        .limit(SHOWN as u64)
        .all(on.conn())
        .await?;
    rows.into_iter().map(|row| row.into_domain()).collect()
}

/// Whether a finished preview of the document as it stands covers enough of the past for a signature.
pub async fn is_previewed(on: &impl Read, version: &AgreementVersion) -> Result<bool, StoreError> {
    let rows = previews::Entity::find()
        .filter(previews::Column::Version.eq(version.number))
        .filter(previews::Column::DocumentVersion.eq(version.document_version))
        .filter(previews::Column::State.eq(PreviewState::Finished.name()))
        .filter(previews::Column::Suffices.eq(true))
        .limit(1)
        .all(on.conn())
        .await?;
    let mut found = rows.into_iter().map(|row| row.into_domain());
    found
        .next()
        .transpose()
        .map(|found| found.is_some_and(|found| found.allows_signing(version)))
}

/// A page of a list of a preview, in the order in which leads were judged.
pub async fn list(
    on: &impl Read,
    id: PreviewId,
    list: PreviewList,
    after: Option<PreviewedId>,
    limit: u64,
) -> Result<Page<PreviewedLead>, StoreError> {
    use previewed_leads::{Column, Entity};
    let query = Entity::find()
        .filter(Column::PreviewId.eq(id.uuid()))
        .filter(Column::List.eq(list.name()));
    Keyset::by_id(Column::Id)
        .read(on, query, after, limit, |row| row.into_domain())
        .await
}

/// When a preview is to be run: at once where one is not complete.
pub async fn next_run(on: &impl Read) -> Result<Option<Timestamp>, StoreError> {
    Ok(first_running(on).await?.map(|preview| preview.requested_at))
}

async fn first_running(on: &impl Read) -> Result<Option<Preview>, StoreError> {
    let row = previews::Entity::find()
        .filter(previews::Column::State.eq(PreviewState::Running.name()))
        .order_by_asc(previews::Column::Id)
        .limit(1)
        .one(on.conn())
        .await?;
    row.map(|row| row.into_domain()).transpose()
}

/// The next leads of a preview with everything that its version looks at; owned, so that they can be judged elsewhere than on the threads
/// that answer requests.
#[derive(Debug)]
pub struct Batch {
    preview: Preview,
    /// Nothing where the version cannot be evaluated any more.
    version: Option<Arc<Version>>,
    background: Option<Background>,
    pasts: Vec<Past>,
    /// Whether these leads are the last.
    is_last: bool,
}

/// The next leads of the preview that was requested first and is not complete. Nothing is locked.
pub async fn next_batch(on: &impl Read, limit: u64) -> Result<Option<Batch>, StoreError> {
    let Some(preview) = first_running(on).await? else {
        return Ok(None);
    };
    let version = super::get(on, preview.version).await?;
    let rules = crate::rules::read(on).await?;
    let form_ids = rules.form_ids();
    let known = rules.known(&rules.custom_fields, &form_ids);
    let is_of_it = version.document_version == preview.document_version;
    let compiled = Version::compile(version, rules.segments.clone(), &known, rules.agreement.revision);
    let Some(version) = compiled.ok().filter(|_| is_of_it) else {
        return Ok(Some(Batch {
            preview,
            version: None,
            background: None,
            pasts: vec![],
            is_last: true,
        }));
    };
    let mut query = judged().order_by_asc(leads::Column::Id).limit(limit);
    if let Some(last) = preview.last {
        query = query.filter(leads::Column::Id.gt(last.uuid()));
    }
    let rows = query.all(on.conn()).await?;
    let is_last = (rows.len() as u64) < limit;
    let (background, pasts) = crate::scoring::past::load(on, &rules, &version.rules.needs, rows).await?;
    Ok(Some(Batch {
        preview,
        version: Some(Arc::new(version)),
        background: Some(background),
        pasts,
        is_last,
    }))
}

/// What the leads of a batch would have become.
#[derive(Debug)]
pub struct JudgedBatch {
    preview: Preview,
    found: Vec<(LeadId, Previewed)>,
    is_failed: bool,
    is_last: bool,
}

impl Batch {
    /// Judge its leads: pure computation.
    pub fn judge(self) -> JudgedBatch {
        let Self {
            preview: of,
            version,
            background,
            pasts,
            is_last,
        } = self;
        let rules = version.as_deref().zip(background.as_ref());
        let found = pasts.iter().filter_map(|past| {
            let (version, background) = rules?;
            let period = (of.from, of.to);
            let previewed = preview(past, background, version, period, of.requested_at);
            Some((past.lead.id, previewed))
        });
        JudgedBatch {
            found: found.collect(),
            is_failed: version.is_none(),
            preview: of,
            is_last,
        }
    }
}

/// Write the results of a batch; answers whether the preview goes on. Nothing is written where another process has judged the
/// same leads meanwhile.
pub async fn write_batch(tx: &Tx, judged: JudgedBatch) -> Result<bool, StoreError> {
    let known = previews::Entity::find_by_id(judged.preview.id.uuid())
        .one(tx.conn())
        .await?;
    let Some(known) = known else { return Ok(false) };
    let mut preview = known.into_domain()?;
    if (preview.last, preview.state) != (judged.preview.last, PreviewState::Running) {
        return Ok(true);
    }
    let mut rows: Vec<previewed_leads::Model> = vec![];
    for (lead_id, previewed) in judged.found {
        preview.done += 1;
        preview.last = Some(lead_id);
        preview.figures.by_hand += previewed.by_hand;
        preview.figures.ready += i64::from(previewed.is_ready);
        for one in previewed.compared {
            preview.figures.list(one.list).add(one.outcome);
            rows.push(previewed_leads::Model::of(&PreviewedLead {
                id: tx.act().ids.next(),
                preview_id: preview.id,
                list: one.list,
                lead_id,
                cycle: one.cycle,
                would_be_at: one.would_be_at,
                made_at: one.made_at,
                evidence: one.evidence,
                blocked_by: one.blocked_by,
                outcome: one.outcome,
            }));
        }
    }
    write::insert::<previewed_leads::Entity>(tx, rows.iter(), OnConflict::Fail).await?;
    if !judged.is_last {
        let row = previews::Model::of(&preview);
        write::insert::<previews::Entity>(tx, [row].iter(), OnConflict::Replace).await?;
        return Ok(true);
    }
    preview.total = preview.total.max(preview.done);
    preview.finished_at = Some(tx.act().now);
    preview.state = match judged.is_failed {
        true => PreviewState::Failed,
        false => PreviewState::Finished,
    };
    crate::write_records(tx, [AgreementChange::Preview(Box::new(preview))]).await?;
    Ok(true)
}
