//! Rejected rows and rows with warnings, as a CSV to correct and import again.

use actix_web::body::BoxBody;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpRequest, HttpResponse, Responder};
use futures::stream;
use tandem_domain::transfer::Import;
use tandem_store::transfer::{Remark, remarks};
use tandem_store::{Db, StoreError};

/// How many rows are read at a time.
const PAGE: u64 = 500;
/// The columns before those of the file.
const OURS: [&str; 4] = ["row", "line", "code", "detail"];

/// Rows of an import, sent as they are read.
pub struct CsvRows {
    db: Db,
    import: Import,
    kept: bool,
}

impl CsvRows {
    /// The rejected rows of an import, or those that were stored with a warning.
    pub fn of(db: &Db, import: Import, kept: bool) -> Self {
        Self {
            db: db.clone(),
            import,
            kept,
        }
    }
}

impl Responder for CsvRows {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let name = format!(
            "{}-{}.csv",
            self.import.id,
            if self.kept { "warnings" } else { "rejects" }
        );
        let pages = stream::try_unfold((self, Some(-1)), |(rows, after)| async move {
            let Some(after) = after else {
                return Ok::<_, StoreError>(None);
            };
            let page = remarks(&rows.db, rows.import.id, rows.kept, after, PAGE).await?;
            let next = (page.len() as u64 == PAGE).then(|| page.last().map_or(0, |last| last.row));
            let header = (after < 0).then_some(&rows.import);
            let text = lines(header, &page);
            Ok(Some((actix_web::web::Bytes::from(text), (rows, next))))
        });
        HttpResponse::Ok()
            .content_type("text/csv; charset=utf-8")
            .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
            .streaming(Box::pin(pages))
    }
}

/// Write all rows of an import somewhere.
pub async fn write_remarks(
    db: &Db,
    import: &Import,
    kept: bool,
    out: &mut impl std::io::Write,
) -> Result<(), String> {
    let mut after = -1;
    loop {
        let page = remarks(db, import.id, kept, after, PAGE)
            .await
            .map_err(|error| error.to_string())?;
        let header = (after < 0).then_some(import);
        out.write_all(&lines(header, &page))
            .map_err(|error| error.to_string())?;
        match page.last() {
            Some(last) if page.len() as u64 == PAGE => after = last.row,
            _ => return out.flush().map_err(|error| error.to_string()),
        }
    }
}

fn lines(header: Option<&Import>, rows: &[Remark]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(vec![]);
    // Writing to memory does not fail.
    if let Some(import) = header {
        let columns = import.file.columns.iter().map(String::as_str);
        let _ = writer.write_record(OURS.into_iter().chain(columns).map(harmless));
    }
    for row in rows {
        let own = [
            row.row.to_string(),
            row.line.to_string(),
            row.code.clone(),
            row.detail.clone(),
        ];
        let cells = own.iter().chain(&row.cells).map(|cell| harmless(cell));
        let _ = writer.write_record(cells);
    }
    writer.into_inner().unwrap_or_default()
}

/// A cell that no spreadsheet takes for a formula.
fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}
