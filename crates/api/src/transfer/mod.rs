//! Imports over HTTP: a job imports the uploaded files; progress, cancelling, and the rejected rows.

mod decoding;
mod kinds;
mod reading;
mod rejects;
mod rows;
pub mod run;
mod storage;
mod suggest;
mod upload;
mod view;

use std::sync::OnceLock;
use std::time::Duration;

use actix_web::{get, post, web};
use serde::Deserialize;
use tandem_domain::access::{Actor, Scope};
use tandem_domain::id::ImportId;
use tandem_domain::record::Plain;
use tandem_domain::transfer::mapping::{Mapping, OF_HISTORY};
use tandem_domain::transfer::{Failure, FileFacts, FileFormat, ImportKind, ImportMode, ImportState};
use tandem_store::transfer::ImportFilter;
use tandem_store::{self as store, StoreError};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

pub use rejects::{CsvRows, write_remarks};
pub use storage::{FileWriter, ImportRequest, digest};
pub use view::ImportView;

use crate::access::scopes::ImportsWrite;
use crate::edge::core::Core;
use crate::edge::ctx::Ctx;
use crate::edge::http::faults::refuse;
use crate::edge::http::json::Json;
use crate::edge::http::listing::{self, DEFAULT_LIMIT, Listing};
use crate::edge::http::problem::{Code, Location, Problem, Violation};
use crate::edge::http::query::{Path, Query};
use crate::edge::http::reply::{Accepted, Reply};
use crate::edge::http::services::Services;
use crate::edge::http::shape::Shapes;
use crate::edge::job::{Job, Remaining};
use crate::edge::openapi;
use crate::edge::room::{Body, PathRule, Room, Time};
use crate::leads;

/// This room.
pub const ROOM: Room = Room {
    paths: &[PathRule {
        body: Body::Streamed,
        time: Time::Own(Duration::from_secs(3600)),
        ..PathRule::of("/v1/imports")
    }],
    // The lease is the runner's own: the command line holds it as well.
    jobs: &[Job::when(
        "imports",
        Duration::from_millis(500),
        |snapshot| Box::pin(store::transfer::next_due(snapshot)),
        |core, _| Box::pin(run_imports(core)),
    )
    .long()],
    ..Room::of(configure)
};

fn configure(config: &mut Services<'_>) {
    config
        .service(create_import)
        .service(list_imports)
        .service(get_import);
    config
        .service(cancel_import)
        .service(list_import_rejects)
        .service(list_import_warnings);
}

async fn run_imports(core: &Core) -> Result<Remaining, StoreError> {
    run_some(core, None).await?;
    Ok(Remaining::Nothing)
}

/// Import so many batches of the queued files: for tests, which end a service in the middle.
pub async fn run_some(core: &Core, batches: Option<usize>) -> Result<(), StoreError> {
    if store::transfer::next(&core.db).await?.is_none() {
        return Ok(());
    }
    let runner = run::Runner {
        db: &core.db,
        ambient: &core.ambient,
        shapes: shapes()?,
        holder: &core.replica,
        is_stopping: &core.is_stopping,
        waiting: &|| core.backlog(),
        batches,
    };
    runner.run().await.map(drop)
}

/// The shapes that rows are held against, compiled with the first import.
pub fn shapes() -> Result<&'static Shapes, StoreError> {
    static SHAPES: OnceLock<Shapes> = OnceLock::new();
    if let Some(shapes) = SHAPES.get() {
        return Ok(shapes);
    }
    let compiled = Shapes::compile(&openapi::document(leads::configure));
    let compiled = compiled.map_err(|error| StoreError::Internal(error.to_string()))?;
    Ok(SHAPES.get_or_init(|| compiled))
}

/// A file as it is: bytes.
pub struct FileBytes;

impl PartialSchema for FileBytes {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .max_length(Some(decoding::MAX_UNPACKED as usize))
            .description(Some("A file as it is."))
            .into()
    }
}

impl ToSchema for FileBytes {}

/// Rows as CSV text: not `binary`, so that generated clients read it as a string.
struct CsvText;

impl PartialSchema for CsvText {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .max_length(Some(decoding::MAX_UNPACKED as usize))
            .description(Some("Rows as CSV text, in UTF-8."))
            .into()
    }
}

impl ToSchema for CsvText {}

/// A file in a form.
#[derive(ToSchema)]
#[allow(
    dead_code,
    reason = "it is the published form; the parts are read as they come"
)]
struct ImportForm {
    /// The file.
    #[schema(inline)]
    file: FileBytes,
    /// The mapping of columns to fields, as JSON.
    #[schema(max_length = 262144)]
    mapping: Option<String>,
}

/// How a file is to be imported.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ImportQuery {
    /// The kind of its rows.
    #[param(inline)]
    kind: ImportKind,
    /// The mode; default `live`, of stage changes and deals `history`, which they always are.
    #[param(inline)]
    mode: Option<ImportMode>,
    /// Whether to write nothing: the import then shows what would happen, and a suggested mapping.
    dry_run: Option<bool>,
    /// The format of the file; detected if omitted.
    #[param(inline)]
    format: Option<FileFormat>,
    /// The name of the encoding; default that of the byte order mark, else UTF-8.
    #[param(min_length = 1, max_length = 64, example = "windows-1252")]
    encoding: Option<String>,
    /// The delimiter of a CSV; detected if omitted.
    #[param(min_length = 1, max_length = 1, example = ";")]
    delimiter: Option<String>,
    /// The mapping of columns to fields, as JSON. Send a long one as a part of a form.
    #[param(max_length = 8192, example = "{\"fields\":{\"email\":\"Mail\"}}")]
    mapping: Option<String>,
}

/// The import in the path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct ImportPath {
    /// The import's id.
    import_id: ImportId,
}

/// Import a file.
///
/// CSV or NDJSON, optionally gzipped, as the body or as the part `file` of a form. The file is imported in the
/// background. It is first read completely, so that a broken file changes nothing, then row by row; a rejected row does
/// not affect the others. If the service stops, the import continues afterwards, and no row is imported twice. At most
/// 1 GiB unpacked. Also requires the scope of the rows: `leads:write` for leads, companies and stage changes,
/// `deals:write` and `leads:write` for deals, which bring their companies; only an admin in person imports users.
#[utoipa::path(tag = "imports", params(ImportQuery), security(("bearer" = [ImportsWrite])),
    request_body(description = "The file", content(
        (FileBytes = "text/csv"), (FileBytes = "application/x-ndjson"), (FileBytes = "application/gzip"),
        (FileBytes = "application/octet-stream"), (ImportForm = "multipart/form-data"))),
    responses((status = 202, description = "The file is stored and will be imported", body = ImportView,
        headers(("Location" = String, description = "The URL of the import")))))]
#[post("/v1/imports")]
async fn create_import(
    ctx: Ctx<ImportsWrite>,
    query: Query<ImportQuery>,
    payload: web::Payload,
) -> Reply<Accepted<ImportView>> {
    let mut asked = asked(query.0)?;
    check_rights(&ctx, asked.kind)?;
    let id = ctx.ids().next();
    let taken = upload::take(ctx.core(), ctx.request(), payload, id).await;
    let made = match taken {
        Err(problem) => Err(problem),
        Ok((kept, mapping)) => {
            if mapping.is_some() {
                asked.mapping = mapping;
            }
            create(&ctx, kept, asked).await
        }
    };
    if made.is_err() && !ctx.commits().are_under_way() {
        // A client that sends it again sends it whole; a job deletes what is left here. An import that may have been made
        // after all needs its file.
        let _ = run::forget_file(&ctx.db, &ctx.ambient, id).await;
    }
    made
}

async fn create(
    ctx: &Ctx<ImportsWrite>,
    kept: storage::StoredFile,
    asked: ImportRequest,
) -> Reply<Accepted<ImportView>> {
    let rules = store::rules::read(&ctx.db().snapshot().await?).await?;
    if let Some(mapping) = &asked.mapping {
        refuse(mapping_faults(
            mapping,
            asked.kind,
            asked.mode,
            &rules.custom_fields,
        ))?;
    }
    let import = kept.import(asked, ctx.actor(), ctx.now());
    let tx = ctx.begin().await?;
    store::write_records(&tx, [import.created()]).await?;
    let location = format!("/v1/imports/{}", import.id);
    let view = ImportView::of(import, &rules.custom_fields, ctx.now());
    ctx.commit(tx, Accepted::at(location, view)).await
}

/// What is wrong with a mapping, at `/mapping`.
pub fn mapping_faults(
    mapping: &Mapping,
    kind: ImportKind,
    mode: ImportMode,
    custom: &[tandem_domain::leads::custom::CustomField],
) -> Vec<tandem_domain::fault::Fault> {
    let mut faults = mapping.faults(kind, custom);
    if kind == ImportKind::Leads && mode == ImportMode::Live {
        for field in OF_HISTORY
            .iter()
            .filter(|field| mapping.fields.contains_key(**field))
        {
            let detail = "is only valid with mode=history";
            faults.push(tandem_domain::fault::Fault::new(
                format!("/fields/{field}"),
                "not_allowed",
                detail,
            ));
        }
    }
    for fault in &mut faults {
        fault.pointer.insert_str(0, "/mapping");
    }
    faults
}

fn asked(query: ImportQuery) -> Result<ImportRequest, Problem> {
    let parameter = |name: &str, code, detail: &str| {
        Problem::invalid_parameters(vec![Violation::new(Location::parameter(name), code, detail)])
    };
    let kind = query.kind;
    let mode = query.mode.unwrap_or(kind.usual_mode());
    if mode == ImportMode::Live && !kind.can_be_live() {
        return Err(parameter(
            "mode",
            "not_allowed",
            "must be history: these rows report the past",
        ));
    }
    let mapping = query.mapping.as_ref().map(|text| {
        let parsed = serde_json::from_str(text);
        parsed.map_err(|_| parameter("mapping", "invalid_format", "is not a mapping as documented"))
    });
    Ok(ImportRequest {
        kind,
        mode,
        is_dry_run: query.dry_run.unwrap_or(false),
        mapping: mapping.transpose()?,
        file: FileFacts {
            format: query.format,
            encoding: query.encoding,
            delimiter: query.delimiter.and_then(|text| text.chars().next()),
            ..FileFacts::default()
        },
    })
}

/// Refuse a caller that may not write what the rows write. Users are for an admin in person: else a key that imports
/// files could create users.
fn check_rights(ctx: &Ctx<ImportsWrite>, kind: ImportKind) -> Result<(), Problem> {
    if kind != ImportKind::Users {
        return kind.written_by().iter().try_for_each(|scope| ctx.demand(*scope));
    }
    let may = matches!(ctx.actor(), Actor::User(person) if person.grants(Scope::UsersManage));
    if !may {
        return Err(Problem::new(Code::WrongRole).detail("Only an admin in person may import users"));
    }
    Ok(())
}

/// Which imports.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ImportsQuery {
    /// Of this kind.
    #[param(inline)]
    kind: Option<ImportKind>,
    /// In this state.
    #[param(inline)]
    state: Option<ImportState>,
    /// The most imports of the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<i64>,
    /// Where the page begins: `next_cursor` of the previous page.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// List imports.
///
/// Newest first.
#[utoipa::path(tag = "imports", params(ImportsQuery), security(("bearer" = [ImportsWrite])),
    responses((status = 200, description = "A page of imports", body = Listing<ImportView>,
        headers(("Link" = String, description = "The next page")))))]
#[get("/v1/imports")]
async fn list_imports(ctx: Ctx<ImportsWrite>, query: Query<ImportsQuery>) -> Reply<Listing<ImportView>> {
    let ImportsQuery {
        kind,
        state,
        limit,
        cursor,
    } = query.0;
    let after = listing::after(&ctx.master, ctx.request(), cursor.as_deref())?;
    let limit = limit.map_or(DEFAULT_LIMIT, |limit| limit as u64);
    let snapshot = ctx.snapshot().await?;
    let rules = store::rules::read(&snapshot).await?;
    let page = store::transfer::list(&snapshot, ImportFilter { kind, state }, after, limit).await?;
    let view = |import| ImportView::of(import, &rules.custom_fields, ctx.now());
    Ok(Listing::of(
        &ctx.master,
        ctx.request(),
        page,
        |import| import.id,
        view,
    ))
}

/// Read an import.
#[utoipa::path(tag = "imports", params(ImportPath), security(("bearer" = [ImportsWrite])),
    responses((status = 200, description = "The import", body = ImportView)))]
#[get("/v1/imports/{import_id}")]
async fn get_import(ctx: Ctx<ImportsWrite>, path: Path<ImportPath>) -> Reply<Json<ImportView>> {
    let snapshot = ctx.snapshot().await?;
    let rules = store::rules::read(&snapshot).await?;
    let import = store::transfer::get(&snapshot, path.0.import_id).await?;
    Ok(Json(ImportView::of(import, &rules.custom_fields, ctx.now())))
}

/// Cancel an import.
///
/// Rows imported so far stay; the rest is not read. The import is then `failed` with the code `cancelled`.
#[utoipa::path(tag = "imports", params(ImportPath), security(("bearer" = [ImportsWrite])),
    responses((status = 200, description = "The updated import", body = ImportView)))]
#[post("/v1/imports/{import_id}/cancel")]
async fn cancel_import(ctx: Ctx<ImportsWrite>, path: Path<ImportPath>) -> Reply<Json<ImportView>> {
    let tx = ctx.begin().await?;
    let mut import = store::transfer::get_for_update(&tx, path.0.import_id).await?;
    if import.has_ended() {
        return Err(Problem::new(Code::Conflict).detail("The import has already ended"));
    }
    let ended = import.end(Some(Failure::new("cancelled", "ended by hand")), ctx.now());
    store::write_records(&tx, [ended]).await?;
    let view = ImportView::of(import, &tx.rules().custom_fields, ctx.now());
    ctx.commit(tx, Json(view)).await
}

/// List the rejected rows of an import.
///
/// A CSV: number, line, code and detail, then the original row, so that it can be corrected and imported again. A cell
/// that a spreadsheet would read as a formula is prefixed with an apostrophe, which an import removes. Stored for
/// thirty days. Also requires the scope that reads the rows' records.
#[utoipa::path(tag = "imports", params(ImportPath), security(("bearer" = [ImportsWrite])),
    responses((status = 200, description = "The rows", content_type = "text/csv", body = CsvText)))]
#[get("/v1/imports/{import_id}/rejects")]
async fn list_import_rejects(ctx: Ctx<ImportsWrite>, path: Path<ImportPath>) -> Reply<CsvRows> {
    let import = store::transfer::get(ctx.db(), path.0.import_id).await?;
    ctx.demand(import.kind.read_by())?;
    Ok(CsvRows::of(ctx.db(), import, false))
}

/// List the rows of an import that have warnings.
///
/// A CSV as for rejected rows: imported rows that somebody should check, such as moves that the table of stages does
/// not have, or dates before the first contact. Also requires the scope that reads the rows' records.
#[utoipa::path(tag = "imports", params(ImportPath), security(("bearer" = [ImportsWrite])),
    responses((status = 200, description = "The rows", content_type = "text/csv", body = CsvText)))]
#[get("/v1/imports/{import_id}/warnings")]
async fn list_import_warnings(ctx: Ctx<ImportsWrite>, path: Path<ImportPath>) -> Reply<CsvRows> {
    let import = store::transfer::get(ctx.db(), path.0.import_id).await?;
    ctx.demand(import.kind.read_by())?;
    Ok(CsvRows::of(ctx.db(), import, true))
}
