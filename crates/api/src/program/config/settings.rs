//! The names of the settings.

/// One setting.
pub(super) struct Setting {
    /// Its name in the file.
    pub(super) key: &'static str,
    /// Its name in the environment.
    pub(super) env: &'static str,
    /// A right value.
    pub(super) example: &'static str,
}

/// Every setting there is.
pub(super) const SETTINGS: &[Setting] = &[
    setting("listen", "TANDEM_LISTEN", "127.0.0.1:8080"),
    setting("metrics_listen", "TANDEM_METRICS_LISTEN", "127.0.0.1:9464"),
    setting("data_dir", "TANDEM_DATA_DIR", "/var/lib/tandem"),
    setting(
        "database_url",
        "DATABASE_URL",
        "postgres://tandem:PASSWORD@localhost:5432/tandem",
    ),
    setting(
        "read_database_url",
        "READ_DATABASE_URL",
        "postgres://tandem:PASSWORD@replica:5432/tandem",
    ),
    setting(
        "master_key",
        "TANDEM_MASTER_KEY",
        "the output of `openssl rand -hex 32`",
    ),
    setting("log", "TANDEM_LOG", "info,tandem_api=debug"),
    setting("workers", "TANDEM_WORKERS", "4"),
    setting("readers", "TANDEM_READERS", "4"),
    setting("capture_queue", "TANDEM_CAPTURE_QUEUE", "1024"),
    setting(
        "trusted_proxies",
        "TANDEM_TRUSTED_PROXIES",
        "10.0.0.0/8,192.168.1.7",
    ),
    setting(
        "front_end_origins",
        "TANDEM_FRONT_END_ORIGINS",
        "https://crm.example.com",
    ),
    setting("public_url", "TANDEM_PUBLIC_URL", "https://leads.example.com"),
    setting("request_timeout_ms", "TANDEM_REQUEST_TIMEOUT_MS", "30000"),
    setting("body_timeout_ms", "TANDEM_BODY_TIMEOUT_MS", "10000"),
    setting("shutdown_timeout_ms", "TANDEM_SHUTDOWN_TIMEOUT_MS", "25000"),
    setting("drain_ms", "TANDEM_DRAIN_MS", "5000"),
    setting("connections_per_address", "TANDEM_CONNECTIONS_PER_ADDRESS", "512"),
    setting("rate_per_key", "TANDEM_RATE_PER_KEY", "12000"),
    setting("rate_per_form", "TANDEM_RATE_PER_FORM", "6000"),
    setting("rate_per_address", "TANDEM_RATE_PER_ADDRESS", "1200"),
    setting("collected_kib_per_key", "TANDEM_COLLECTED_KIB_PER_KEY", "60000"),
    setting(
        "collected_kib_per_address",
        "TANDEM_COLLECTED_KIB_PER_ADDRESS",
        "6000",
    ),
];

/// The variable that names the file; it cannot stand in the file.
pub const CONFIG_VARIABLE: &str = "TANDEM_CONFIG";

/// Variables of the scripts and tests, which the service passes over.
const FOREIGN: &[&str] = &["TANDEM_TEST_", "TANDEM_PG_"];

/// The variables of the environment that are settings, each with a valid example.
pub fn variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    SETTINGS.iter().map(|setting| (setting.env, setting.example))
}

/// Whether a variable claims to be a setting, so that it must be a known one.
pub(super) fn is_claimed(variable: &str) -> bool {
    let is_foreign = FOREIGN.iter().any(|prefix| variable.starts_with(prefix));
    variable.starts_with("TANDEM_") && variable != CONFIG_VARIABLE && !is_foreign
}

/// The name that was probably meant, if any is near: `TANDEM_` and case count for nothing.
pub(super) fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let bare = |name: &str| name.to_ascii_lowercase().trim_start_matches("tandem_").to_owned();
    let wanted = bare(name);
    known
        .map(|candidate| {
            (
                strsim::normalized_damerau_levenshtein(&wanted, &bare(candidate)),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}

const fn setting(key: &'static str, env: &'static str, example: &'static str) -> Setting {
    Setting { key, env, example }
}
