//! Settings from environment and file, and the messages about wrong ones.

use super::*;

const KEY: &str = "9f1c03b7e2d84a65507bc9f1a8362e4d10f5937c6ab8de2145fe0c8971b3d6aa";
const POSTGRES: &str = "postgres://tandem:hunter2@localhost/tandem";

fn load(env: &[(&str, &str)], file: Option<&str>) -> Result<Config, Vec<ConfigProblem>> {
    Config::load(
        env.iter()
            .map(|(name, value)| (name.to_string(), value.to_string())),
        file,
    )
}

fn complaints(env: &[(&str, &str)], file: Option<&str>) -> Vec<String> {
    load(env, file)
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn nothing_given_is_a_working_configuration() {
    let config = load(
        &[
            ("PATH", "/bin"),
            ("TANDEM_TEST_POSTGRES_URL", "x"),
            ("TANDEM_PG_DIR", "x"),
        ],
        None,
    )
    .unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.data_dir, PathBuf::from("./data"));
    assert_eq!(
        config.database,
        Database::Sqlite {
            path: "./data/tandem.db".into()
        }
    );
    assert_eq!(
        (config.log.as_str(), config.issuer(), config.readers),
        ("info", "tandem", 4)
    );
    assert!(config.master_key.is_none() && config.workers >= 1);
    assert_eq!(
        config.timeouts,
        Timeouts {
            request_ms: 30_000,
            body_ms: 10_000,
            drain_ms: 5_000,
            shutdown_ms: 25_000
        }
    );
}

#[test]
fn the_environment_goes_before_the_file() {
    let file = r#"
        listen = "0.0.0.0:9000"
        readers = 7
        trusted_proxies = ["10.0.0.0/8", "::1"]
        front_end_origins = "https://a.example, http://localhost:3000"
        public_url = "https://leads.example.com/"
    "#;
    let config = load(
        &[("TANDEM_LISTEN", "[::1]:80"), ("TANDEM_READERS", " ")],
        Some(file),
    )
    .unwrap();
    assert_eq!(
        (config.listen.to_string().as_str(), config.readers),
        ("[::1]:80", 7)
    );
    assert_eq!(
        config.front_end_origins,
        ["https://a.example", "http://localhost:3000"]
    );
    assert_eq!(config.issuer(), "https://leads.example.com");
    for (peer, trusted) in [
        ("10.9.8.7", true),
        ("::ffff:10.9.8.7", true),
        ("::1", true),
        ("11.0.0.1", false),
    ] {
        assert_eq!(config.edge().trusts(peer.parse().unwrap()), trusted, "{peer}");
    }
}

#[test]
fn postgres_demands_a_master_key() {
    let env = [
        ("DATABASE_URL", POSTGRES),
        ("TANDEM_MASTER_KEY", KEY),
        ("READ_DATABASE_URL", POSTGRES),
    ];
    let config = load(&env, None).unwrap();
    assert!(matches!(&config.database, Database::Postgres { url } if url.as_str() == POSTGRES));
    assert!(config.master_key.is_some() && config.read_database_url.is_some());

    let told = complaints(&env[..1], None);
    assert!(
        told.len() == 1 && told[0].starts_with("TANDEM_MASTER_KEY is missing"),
        "{told:?}"
    );
    let told = complaints(
        &[
            ("DATABASE_URL", POSTGRES),
            ("TANDEM_MASTER_KEY", &"ab".repeat(32)),
        ],
        None,
    );
    assert!(
        told.len() == 1 && told[0].starts_with("TANDEM_MASTER_KEY is not random"),
        "{told:?}"
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let env = [
        ("TANDEM_LISTEN", "localhost"),
        ("TANDEM_WORKERS", "-1"),
        ("TANDEM_READERS", "many"),
        ("TANDEM_LOG", "info,=,,/x=y=z"),
        ("TANDEM_TRUSTED_PROXIES", "10.0.0.0/8,10.0.0.0/99,proxy"),
        ("TANDEM_FRONT_END_ORIGINS", "https://a.example/"),
        ("TANDEM_PUBLIC_URL", "https://user:pass@a.example"),
        ("TANDEM_BODY_TIMEOUT_MS", "40000"),
        ("TANDEM_LISTNE", "x"),
        ("TANDEM_DATABASE_URL", "x"),
        ("TANDEM_XYZZY", "x"),
        ("READ_DATABASE_URL", POSTGRES),
    ];
    let told = complaints(
        &env,
        Some("rate_per_kye = 5\nrate_per_form = 1.5\ndata_dir = [1]"),
    );
    let expected = [
        "READ_DATABASE_URL requires DATABASE_URL; for example: ",
        "TANDEM_BODY_TIMEOUT_MS is longer than request_timeout_ms",
        "TANDEM_DATABASE_URL is not a known variable; did you mean DATABASE_URL?",
        "TANDEM_FRONT_END_ORIGINS is wrong: entry 1 is not an origin",
        "TANDEM_LISTEN is not an IP address with a port; for example: 127.0.0.1:8080",
        "TANDEM_LISTNE is not a known variable; did you mean TANDEM_LISTEN?",
        "TANDEM_LOG is not a list of log directives",
        "TANDEM_PUBLIC_URL is not a http:// or https:// URL",
        "TANDEM_READERS is not a whole number from 1 to 256; for example: 4",
        "TANDEM_TRUSTED_PROXIES is wrong: entry 2 is not an IP address or network; entry 3 is not an IP address",
        "TANDEM_WORKERS is not a whole number from 1 to 256",
        "TANDEM_XYZZY is not a known variable",
        "data_dir (configuration file) is neither text",
        "rate_per_form (configuration file) is neither text",
        "rate_per_kye is not a known key of the configuration file; did you mean rate_per_key?",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told:?} against {expected:?}");
    }
}

#[test]
fn no_value_is_ever_repeated() {
    let env = [
        ("DATABASE_URL", "mysql://tandem:hunter2@localhost"),
        ("READ_DATABASE_URL", "hunter2"),
        ("TANDEM_MASTER_KEY", "hunter2"),
        ("TANDEM_LISTEN", "hunter2"),
        ("TANDEM_DATA_DRI", "hunter2"),
        ("TANDEM_TRUSTED_PROXIES", "hunter2"),
        ("TANDEM_FRONT_END_ORIGINS", "hunter2"),
        ("TANDEM_PUBLIC_URL", "hunter2"),
        ("TANDEM_LOG", "hunter2=hunter2"),
    ];
    let told = complaints(&env, None);
    assert_eq!(told.len(), env.len(), "{told:#?}");
    for file in [
        "master_key = hunter2",
        "master_key = \"hunter2",
        "listen = 5\nlisten = \"hunter2\"",
        "[hunter2",
    ] {
        let told = complaints(&env, Some(file)).concat();
        assert!(!told.contains("hunter2"), "{told}");
    }
    assert!(!told.concat().contains("hunter2"), "{told:#?}");

    let right = load(&[("DATABASE_URL", POSTGRES), ("TANDEM_MASTER_KEY", KEY)], None).unwrap();
    let shown = format!("{right:?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("9f1c") && !shown.contains("[159"),
        "{shown}"
    );
}

#[test]
fn a_broken_file_is_told_by_its_line() {
    let told = complaints(&[], Some("listen = \"127.0.0.1:1\"\n\nreaders = = 5\n"));
    assert_eq!(told, ["the configuration file is not valid TOML at line 3"]);
    let told = complaints(&[], Some("= 5"));
    assert_eq!(told, ["the configuration file is not valid TOML at line 1"]);
}

#[test]
fn one_database_away_from_a_wrong_url_is_still_no_embedded_one() {
    for url in ["postgres:", "sqlite://x", "/tmp/x.db", "http://localhost"] {
        let told = complaints(&[("DATABASE_URL", url), ("TANDEM_MASTER_KEY", KEY)], None);
        assert!(
            told.len() == 1 && told[0].starts_with("DATABASE_URL is not a postgres:// URL"),
            "{told:?}"
        );
    }
    let socket = "postgresql:///tandem?host=/run/postgresql";
    assert!(load(&[("DATABASE_URL", socket), ("TANDEM_MASTER_KEY", KEY)], None).is_ok());
}
