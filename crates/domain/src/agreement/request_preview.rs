//! Requests of previews.

use super::conditions::Known;
use super::draft::{DraftRefused, complete, may_draft};
use super::preview::{Preview, PreviewFigures, PreviewState};
use super::version::{AgreementVersion, VersionState};
use crate::act::Act;
use crate::fault::Fault;
use crate::instant::Timestamp;

/// How much of the past a preview must cover so that the version may be signed, in milliseconds: 90 days.
pub const COVERS: i64 = 90 * 86_400_000;

/// How long before the request the period may end so that the version may be signed, in milliseconds: a day.
const LATEST: i64 = 86_400_000;

/// What a request states of a preview.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PreviewPeriod {
    /// The beginning of the period; else 90 days before its end.
    pub from: Option<Timestamp>,
    /// The end of the period; else now.
    pub to: Option<Timestamp>,
}

/// Request a preview of a version, typically of a draft. `oldest` is when the first lead became known, `total` how many
/// leads there are. Revops, both managers and admins may.
pub fn request_preview(
    version: &AgreementVersion,
    period: PreviewPeriod,
    (oldest, total): (Option<Timestamp>, i64),
    in_force: &AgreementVersion,
    known: &Known<'_>,
    act: &Act,
) -> Result<Preview, DraftRefused> {
    may_draft(&act.by)?;
    if version.state == VersionState::Discarded {
        return Err(DraftRefused::State(version.state));
    }
    complete(&version.document, in_force, known)?;
    let to = period.to.unwrap_or(act.now);
    let from = period.from.unwrap_or(to.plus_millis(-COVERS));
    let mut faults = vec![];
    if to > act.now {
        faults.push(Fault::new("/to", "out_of_range", "must not be in the future"));
    }
    if from >= to {
        faults.push(Fault::new(
            "/from",
            "out_of_range",
            "must be before the end of the period",
        ));
    }
    if !faults.is_empty() {
        return Err(DraftRefused::InvalidPeriod(faults));
    }
    let reaches_back = from <= act.now.plus_millis(-COVERS) || oldest.is_none_or(|oldest| from <= oldest);
    Ok(Preview {
        id: act.ids.next(),
        version: version.number,
        document_version: version.document_version,
        state: PreviewState::Running,
        from,
        to,
        suffices: reaches_back && to >= act.now.plus_millis(-LATEST),
        requested_by: act.by.id(),
        requested_at: act.now,
        finished_at: None,
        total,
        done: 0,
        last: None,
        figures: PreviewFigures::default(),
    })
}
