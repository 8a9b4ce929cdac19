//! `tandem import`: a file imported by this process, with its progress.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tandem_domain::access::Actor;
use tandem_domain::id::{Ids, ImportId, RequestId};
use tandem_domain::judge::Rule;
use tandem_domain::record::Plain;
use tandem_domain::transfer::mapping::Mapping;
use tandem_domain::transfer::{ACTOR, FileFacts, FileFormat, Import, ImportKind, ImportMode, ImportState};
use tandem_store::{self as store, Db, StoreError, leases};

use crate::run::{ground, open, runtime};
use tandem_api::ambient::Ambient;
use tandem_api::program::serve;
use tandem_api::transfer::run::{Runner, effective};
use tandem_api::transfer::{FileWriter, ImportRequest, digest, mapping_faults, shapes, write_remarks};

/// How often it is looked how far an import is.
const LOOK: Duration = Duration::from_millis(200);
/// How often a line says so where there is no terminal, in looks.
const LINE: u32 = 25;

/// Why a command failed, for people.
type Failure = String;

/// What to import, and how.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The kind of the rows.
    kind: Kind,
    /// The file: CSV or NDJSON, optionally gzipped.
    file: PathBuf,
    /// A mapping of columns to fields, TOML or JSON; default by the names of the columns.
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// The mode: `live` for news, `history` for the past with its own dates; default `live`, of stage changes and deals `history`.
    #[arg(long)]
    mode: Option<Mode>,
    /// Write nothing; print what would happen and a suggested mapping.
    #[arg(long)]
    dry_run: bool,
    /// The field that every row must have to find its record, such as external_id or email.
    #[arg(long, value_name = "FIELD")]
    key: Option<String>,
    /// Where to write rejected rows, as a CSV with number and reason.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Where to write imported rows that have a warning.
    #[arg(long, value_name = "FILE")]
    warnings: Option<PathBuf>,
    /// The format of the file; default detected.
    #[arg(long)]
    format: Option<Format>,
    /// The name of the file's encoding, such as windows-1252.
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
    /// The delimiter of a CSV; default detected.
    #[arg(long, value_name = "SIGN")]
    delimiter: Option<char>,
}

macro_rules! words {
    ($($name:ident => $domain:ident { $($variant:ident),* })*) => {$(
        #[derive(Debug, Clone, Copy, ValueEnum)]
        #[value(rename_all = "snake_case")]
        enum $name { $($variant),* }

        impl From<$name> for $domain {
            fn from(one: $name) -> Self {
                match one { $($name::$variant => $domain::$variant),* }
            }
        }
    )*};
}

words! {
    Kind => ImportKind { Leads, Companies, Users, StageChanges, Deals, Revenue }
    Mode => ImportMode { Live, History }
    Format => FileFormat { Csv, Ndjson }
}

/// Import a file. The exit code is 0 if every row was accepted, 2 if rows were rejected, 1 if the import failed.
pub fn import(config: Option<PathBuf>, arguments: Arguments, rules: Vec<Arc<dyn Rule>>) -> ExitCode {
    match run(config, &arguments, rules) {
        Ok(import) if import.state == ImportState::Failed => ExitCode::FAILURE,
        Ok(import) if import.progress.rejected > 0 => ExitCode::from(2),
        Ok(_) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("tandem: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: Option<PathBuf>, arguments: &Arguments, rules: Vec<Arc<dyn Rule>>) -> Result<Import, Failure> {
    let asked = asked(arguments)?;
    let ground = ground(config, false)?;
    runtime()?.block_on(async {
        let ambient = Ambient::system();
        let db = serve::timed(open(&ground, &ambient).await?, &ambient).judging_by(rules);
        let taken = take_in(&db, &ambient, &asked, arguments).await;
        db.close().await;
        taken
    })
}

fn asked(arguments: &Arguments) -> Result<ImportRequest, Failure> {
    let kind: ImportKind = arguments.kind.into();
    let mode = arguments.mode.map_or(kind.usual_mode(), ImportMode::from);
    if mode == ImportMode::Live && !kind.can_be_live() {
        return Err(format!("{} report the past: use --mode history", kind.name()));
    }
    let mut mapping = arguments.map.as_deref().map(read_mapping).transpose()?;
    if let Some(key) = &arguments.key {
        let mapping = mapping.as_mut().ok_or("--key needs a mapping: add --map")?;
        mapping.key = Some(key.clone());
    }
    Ok(ImportRequest {
        kind,
        mode,
        is_dry_run: arguments.dry_run,
        mapping,
        file: FileFacts {
            format: arguments.format.map(FileFormat::from),
            encoding: arguments.encoding.clone(),
            delimiter: arguments.delimiter,
            ..FileFacts::default()
        },
    })
}

/// A mapping from its file: JSON by the name's ending, else TOML.
fn read_mapping(path: &Path) -> Result<Mapping, Failure> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| told(&error))?;
    if path.extension().is_some_and(|ending| ending == "json") {
        serde_json::from_str(&text).map_err(|error| told(&error))
    } else {
        toml::from_str(&text).map_err(|error| told(&error))
    }
}

async fn take_in(
    db: &Db,
    ambient: &Ambient,
    asked: &ImportRequest,
    arguments: &Arguments,
) -> Result<Import, Failure> {
    let rules = store::rules::read(db).await.map_err(|error| error.to_string())?;
    let faults = asked
        .mapping
        .iter()
        .flat_map(|mapping| mapping_faults(mapping, asked.kind, asked.mode, &rules.custom_fields));
    let faults: Vec<String> = faults
        .map(|fault| format!("  {}: {}", fault.pointer, fault.detail))
        .collect();
    if !faults.is_empty() {
        return Err(format!(
            "the mapping has {} problem(s):\n{}",
            faults.len(),
            faults.join("\n")
        ));
    }
    let id = keep(db, ambient, asked, &arguments.file).await?;
    let import = follow(db, ambient, id).await?;
    if import.is_dry_run && import.file.rows.is_some() {
        let mapping = effective(&import, &rules.custom_fields);
        let text = serde_json::to_string_pretty(&mapping).map_err(|error| error.to_string())?;
        print_line!("{text}");
    }
    tell(db, &import).await?;
    for (path, kept) in [(&arguments.rejects, false), (&arguments.warnings, true)] {
        if let Some(path) = path {
            let file = std::fs::File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
            write_remarks(db, &import, kept, &mut std::io::BufWriter::new(file)).await?;
        }
    }
    Ok(import)
}

/// Store the file in the database, unless it is there already, partly imported.
async fn keep(db: &Db, ambient: &Ambient, asked: &ImportRequest, path: &Path) -> Result<ImportId, Failure> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = std::fs::File::open(path).map_err(told)?;
    let now = ambient.now();
    let id: ImportId = Ids::new(now, ambient.seed()).next();
    let (mut hash, mut piece) = (
        ring::digest::Context::new(&ring::digest::SHA256),
        vec![0; 1 << 20],
    );
    loop {
        let read = file.read(&mut piece).map_err(told)?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
    }
    let mut sum = [0; 32];
    sum.copy_from_slice(hash.finish().as_ref());
    let known = store::transfer::unfinished_like(db, &digest(&sum, asked)).await;
    if let Some(known) = known.map_err(|error| error.to_string())? {
        eprintln!("Continuing {} after row {}", known.id, known.progress.rows_read);
        return Ok(known.id);
    }
    let mut file = std::fs::File::open(path).map_err(told)?;
    let mut keeper = FileWriter::new(db, ambient, id);
    loop {
        let read = file.read(&mut piece).map_err(told)?;
        if read == 0 {
            break;
        }
        keeper
            .push(&piece[..read])
            .await
            .map_err(|error| error.to_string())?;
    }
    let kept = keeper.finish().await.map_err(|error| error.to_string())?;
    let import = kept.import(asked.clone(), &Actor::System(ACTOR), now);
    let made = async {
        let tx = db.begin(ambient.act(ACTOR)).await?;
        store::write_records(&tx, [import.created()]).await?;
        tx.commit().await
    };
    made.await.map_err(|error: StoreError| error.to_string())?;
    Ok(id)
}

/// Import queued files until this import has ended, here or in another process, and show its progress.
async fn follow(db: &Db, ambient: &Ambient, id: ImportId) -> Result<Import, Failure> {
    let holder: RequestId = Ids::new(ambient.now(), ambient.seed()).next();
    let holder = holder.to_string();
    let stopping = AtomicBool::new(false);
    let runner = Runner {
        db,
        ambient,
        shapes: shapes().map_err(|error| error.to_string())?,
        holder: &holder,
        is_stopping: &stopping,
        waiting: &|| 0,
        batches: None,
    };
    let shown = Shown::new();
    let work = async {
        loop {
            match runner.run().await {
                Ok(_) => {}
                // A server beside it has the database to itself for a moment: nothing that anybody should look at.
                Err(
                    error @ (StoreError::Unavailable(_)
                    | StoreError::Contended
                    | StoreError::Locked
                    | StoreError::TooSlow(_)),
                ) => tracing::debug!(%error, "the database is busy; the import continues in a moment"),
                Err(error) => tracing::warn!(%error, "the import failed; it will be retried"),
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let watch = async {
        let mut looks = 0;
        loop {
            if let Ok(import) = store::transfer::get(db, id).await {
                shown.at(&import, looks, ambient);
                if import.has_ended() {
                    return import;
                }
            }
            looks += 1;
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::pin!(work, watch);
    let ended = tokio::select! {
        import = &mut watch => Ok(import),
        () = &mut work => Err("the work has no end".to_owned()),
        _ = tokio::signal::ctrl_c() => {
            stopping.store(true, Ordering::SeqCst);
            Err("interrupted; run the same command to continue".to_owned())
        }
    };
    shown.end();
    let _ = leases::release_all(db, &holder).await;
    let import = ended?;
    // What the import left to be forgotten is forgotten here, not an hour later.
    let _ = tandem_api::transfer::run::forget_file(db, ambient, id).await;
    Ok(import)
}

/// A bar on a terminal, lines elsewhere.
struct Shown(Option<ProgressBar>);

impl Shown {
    fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rows  {per_sec}  {eta} left  {msg}");
        Self(Some(match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }))
    }

    fn at(&self, import: &Import, looks: u32, ambient: &Ambient) {
        let told = import.progress;
        match &self.0 {
            Some(bar) => {
                if let Some(rows) = import.file.rows {
                    bar.set_length(rows as u64);
                }
                bar.set_position(told.rows_read as u64);
                bar.set_message(format!("{} rejected", told.rejected));
            }
            None if looks > 0 && looks.is_multiple_of(LINE) && !import.has_ended() => {
                let rows = import.file.rows.map_or("?".into(), |rows| rows.to_string());
                let rate = import.rate(ambient.now()).map_or(0.0, f64::round);
                eprintln!(
                    "{} of {rows} rows, {rate} a second, {} rejected",
                    told.rows_read, told.rejected
                );
            }
            None => {}
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

async fn tell(db: &Db, import: &Import) -> Result<(), Failure> {
    let told = import.progress;
    let would = if import.is_dry_run { "would be " } else { "" };
    print_line!(
        "{}: {} rows read, {} {would}created, {} {would}updated, {} unchanged, {} {would}rejected, {} with a warning",
        import.kind.name(),
        told.rows_read,
        told.created,
        told.updated,
        told.unchanged,
        told.rejected,
        told.warnings
    );
    for kept in [false, true] {
        let codes = store::transfer::remark_codes(db, import.id, kept)
            .await
            .map_err(|error| error.to_string())?;
        let what = if kept {
            "imported with a warning"
        } else {
            "rejected"
        };
        for (code, count, first) in codes {
            let example = store::transfer::remarks(db, import.id, kept, first - 1, 1).await;
            let example = example.map_err(|error| error.to_string())?;
            let detail = example.first().map_or("", |remark| remark.detail.as_str());
            print_line!("  {count} {what}: {code}, such as row {first}: {detail}");
        }
    }
    if told.rejected > 0 || told.warnings > 0 {
        print_line!("  --rejects FILE and --warnings FILE write those rows");
    }
    match &import.failure {
        Some(failure) => eprintln!("tandem: not imported: {} ({})", failure.detail, failure.code),
        None => print_line!("{}", import.id),
    }
    Ok(())
}
