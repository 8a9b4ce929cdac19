//! The commands, as processes with a configuration of their own.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use sea_orm::ConnectionTrait;
use serde_json::json;
use tandem_api::edge::crypto::seal::MasterKey;
use tandem_api::program::config;
use tandem_tests::{Backend, Database, Given, PASSWORD, TestApp};

/// A command on a database, with nothing else in its environment.
fn command(database: &Database, arguments: &[&str]) -> Command {
    let config = database.config();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
    command.args(arguments).env_clear().env("TANDEM_DATA_DIR", &database.dir);
    command.env("TANDEM_MASTER_KEY", config.master_key.unwrap().reveal());
    if let config::Database::Postgres { url } = &config.database {
        command.env("DATABASE_URL", url.as_str());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Its exit code and all that it says, given a standard input.
fn said(mut command: Command, input: &str) -> (i32, String) {
    let mut child = command.spawn().unwrap();
    // Who does not read its standard input may have ended before.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), text.concat())
}

#[track_caller]
fn expect(command: Command, code: i32, part: &str) {
    let (ended, text) = said(command, "");
    assert!(ended == code && text.contains(part), "{ended}: {text}");
}

#[tandem_tests::test]
async fn the_schema_is_brought_up_to_date_again_and_again(database: &Database) {
    if database.backend == Backend::Sqlite {
        let file = database.dir.join("tandem.db");
        fs::remove_file(&file).unwrap();
        expect(command(database, &["doctor"]), 0, "does not exist yet");
        assert!(!file.exists(), "the doctor makes nothing");
    }
    for _ in 0..2 {
        expect(command(database, &["migrate"]), 0, "The schema is up to date");
    }
    expect(command(database, &["doctor"]), 0, "schema: up to date");
    let raw = database.raw().await;
    raw.execute_unprepared("DELETE FROM migrations").await.unwrap();
    raw.close().await.unwrap();
    expect(command(database, &["doctor"]), 1, "schema: behind");
}

#[tandem_tests::test]
async fn a_worker_ends_when_it_is_told_to(database: &Database) {
    let mut worker = command(database, &["work"]).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(worker.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let beside = said(command(database, &["doctor"]), "");
    let lock = (database.backend == Backend::Sqlite).then(|| said(command(database, &["demo"]), ""));
    let stop = Command::new("sh").args(["-c", &format!("kill -TERM {}", worker.id())]).status();
    let ended = worker.wait().unwrap();
    assert!(stop.unwrap().success() && ended.code() == Some(0), "{ended}");
    assert_eq!(first, "Tandem runs background jobs\n");
    assert_eq!(beside.0, 0, "{}", beside.1);
    if let Some((code, text)) = lock {
        assert!(code == 1 && text.contains(&format!("(process {}) uses", worker.id())), "{code}: {text}");
    }
}

#[tandem_tests::test]
async fn an_admin_made_on_the_machine_logs_in(app: &TestApp) {
    let create = |email| command(&app.database, &["admin", "create", "--email", email]);
    let (code, text) = said(create("grace@example.com"), &format!("{PASSWORD}\n"));
    assert!(
        code == 0 && text.contains("Created grace@example.com (user_") && !text.contains("Password:"),
        "{code}: {text}"
    );
    app.login("grace@example.com").await;

    let (code, text) = said(create("mary@example.com"), "");
    let made = text.lines().find_map(|line| line.strip_prefix("Password: "));
    let login = json!({"email": "mary@example.com", "password": made.unwrap()});
    app.post("/v1/auth/login").json(login).await.expect(200);
    assert_eq!((code, said(create("mary@example.com"), "").0), (0, 1), "there is one of this e-mail");

    let mut foreign = create("eve@example.com");
    foreign.env("TANDEM_MASTER_KEY", MasterKey::generate().reveal());
    expect(foreign, 1, "is not the key of this database");
    let leads = app.database.dir.join("leads.csv");
    fs::write(&leads, "email\nada@example.com\n").unwrap();
    for arguments in [&["migrate"][..], &["import", "leads", leads.to_str().unwrap()]] {
        let mut foreign = command(&app.database, arguments);
        foreign.env("TANDEM_MASTER_KEY", MasterKey::generate().reveal());
        expect(foreign, 1, "is not the key of this database");
    }
}

#[tandem_tests::test]
async fn a_doctor_looks_at_the_master_key(app: &TestApp) {
    let doctor = || command(&app.database, &["doctor"]);
    expect(doctor(), 0, "master key: good");
    let mut foreign = doctor();
    foreign.env("TANDEM_MASTER_KEY", MasterKey::generate().reveal());
    expect(foreign, 1, "is not the key of this database");
    if app.database.backend == Backend::Postgres {
        return expect(doctor(), 0, ", UTF8");
    }

    let without = || {
        let mut doctor = doctor();
        doctor.env_remove("TANDEM_MASTER_KEY");
        doctor
    };
    expect(without(), 1, "master key: missing");
    let file = app.database.dir.join("master.key");
    assert!(!file.exists(), "the doctor makes nothing");
    fs::write(&file, app.database.config().master_key.unwrap().reveal()).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    expect(without(), 1, "chmod 600");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    expect(without(), 0, "master key: good");
}

#[tandem_tests::test]
async fn help_names_the_variables_and_a_closed_pipe_ends_quietly(database: &Database) {
    let (code, help) = said(command(database, &["--help"]), "");
    assert_eq!(code, 0);
    for name in ["TANDEM_LISTEN", "DATABASE_URL", "TANDEM_MASTER_KEY", "TANDEM_DRAIN_MS", "TANDEM_CONFIG"] {
        assert!(help.contains(name), "{name}: {help}");
    }
    let mut document = command(database, &["openapi"]).spawn().unwrap();
    drop(document.stdout.take());
    let output = document.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    // A disk that is full: half a document is no document.
    if let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") {
        let output = command(database, &["openapi"]).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"));
    }
}

#[actix_web::test]
async fn a_server_that_is_not_there_is_named_with_the_cause() {
    let database = Database::start(Backend::Sqlite).await.unwrap();
    let mut migrate = command(&database, &["migrate"]);
    migrate.env("DATABASE_URL", "postgres://tandem:secret@127.0.0.1:1/tandem");
    let (code, text) = said(migrate, "");
    assert!(code == 1 && text.contains("127.0.0.1:1") && text.contains("refused"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    for (url, place, not) in [
        ("postgres://tandem@[::1]:1/tandem", "[::1]:1", "lookup"),
        ("postgres:///tandem?host=/nowhere", "the socket in /nowhere", "localhost"),
    ] {
        let mut migrate = command(&database, &["migrate"]);
        migrate.env("DATABASE_URL", url);
        let (code, text) = said(migrate, "");
        assert!(code == 1 && text.contains(place) && !text.contains(not), "{text}");
    }
    database.stop().await;
}

/// What is left of a database that was lost is not mistaken for a new one.
#[actix_web::test]
async fn an_empty_or_foreign_file_and_a_missing_key_are_refused() {
    let database = Database::start(Backend::Sqlite).await.unwrap();
    let file = database.dir.join("tandem.db");
    let without_key = || {
        let mut migrate = command(&database, &["migrate"]);
        migrate.env_remove("TANDEM_MASTER_KEY");
        migrate
    };
    expect(without_key(), 1, "the master key of");
    assert!(!database.dir.join("master.key").exists(), "none is made");

    fs::write(&file, "").unwrap();
    expect(command(&database, &["migrate"]), 1, "is empty");
    expect(command(&database, &["doctor"]), 1, "is empty");
    fs::remove_file(&file).unwrap();
    let foreign = database.raw_file().await;
    foreign.execute_unprepared("CREATE TABLE notes (text text)").await.unwrap();
    foreign.close().await.unwrap();
    expect(command(&database, &["migrate"]), 1, "another program");
    fs::remove_file(&file).unwrap();
    expect(command(&database, &["migrate"]), 0, "up to date");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0x5a);
    fs::write(&file, bytes).unwrap();
    expect(command(&database, &["doctor"]), 1, "damaged");
    database.stop().await;
}
