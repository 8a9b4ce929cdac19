//! Collects settings from the environment and the file, and everything that is wrong with them.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;

use toml::{Table, Value};

use super::settings::{SETTINGS, Setting, is_claimed, nearest};

/// One thing that is wrong. It never holds a value, since any value may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The variable, or the key in the file.
    pub name: String,
    /// What is wrong with it.
    pub what: String,
    /// What would be right.
    pub example: Option<&'static str>,
}

impl Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.what)?;
        self.example
            .map_or(Ok(()), |example| write!(f, "; for example: {example}"))
    }
}

/// What was given, and what was found wrong so far.
pub(super) struct Reader {
    given: BTreeMap<&'static str, Given>,
    problems: Vec<ConfigProblem>,
}

struct Given {
    name: String,
    text: String,
}

impl Reader {
    pub(super) fn new(env: impl Iterator<Item = (String, String)>, file: Option<&str>) -> Self {
        let mut reader = Self {
            given: BTreeMap::new(),
            problems: Vec::new(),
        };
        file.into_iter().for_each(|contents| reader.read_file(contents));
        env.for_each(|(name, value)| reader.read_variable(name, value));
        reader
    }

    /// The parsed value of a setting; `None` if it is absent or wrong, which is then noted.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match parse(&self.given.get(key)?.text) {
            Ok(value) => Some(value),
            Err(what) => {
                self.refuse(key, what);
                None
            }
        }
    }

    /// Whether a setting was given, rightly or wrongly.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// Note that something is wrong with a setting.
    pub(super) fn refuse(&mut self, key: &'static str, what: String) {
        let setting = SETTINGS.iter().find(|setting| setting.key == key);
        let name = match (self.given.get(key), setting) {
            (Some(given), _) => given.name.clone(),
            (None, Some(setting)) => setting.env.to_owned(),
            (None, None) => key.to_owned(),
        };
        self.problems.push(ConfigProblem {
            name,
            what,
            example: setting.map(|setting| setting.example),
        });
    }

    /// The configuration, if nothing is wrong.
    pub(super) fn finish<T>(mut self, config: T) -> Result<T, Vec<ConfigProblem>> {
        self.problems.sort_by(|left, right| left.name.cmp(&right.name));
        if self.problems.is_empty() {
            Ok(config)
        } else {
            Err(self.problems)
        }
    }

    fn read_variable(&mut self, name: String, value: String) {
        match SETTINGS.iter().find(|setting| setting.env == name) {
            Some(setting) => self.give(setting, name, &value),
            None if is_claimed(&name) => self.unknown(&name, |setting| setting.env, "variable"),
            None => {}
        }
    }

    fn read_file(&mut self, contents: &str) {
        let table = match contents.parse::<Table>() {
            Ok(table) => table,
            Err(error) => {
                let before = error
                    .span()
                    .and_then(|span| contents.get(..span.start))
                    .unwrap_or_default();
                let line =
                    before.lines().count().max(1) + usize::from(before.ends_with('\n') && !before.is_empty());
                return self.push(
                    "the configuration file",
                    format!("is not valid TOML at line {line}"),
                );
            }
        };
        for (key, value) in table {
            match (
                SETTINGS.iter().find(|setting| setting.key == key),
                as_text(&value),
            ) {
                (Some(setting), Some(text)) => self.give(setting, in_file(&key), &text),
                (Some(setting), None) => self.problems.push(ConfigProblem {
                    name: in_file(&key),
                    what: "is neither text, a whole number nor a list of texts".to_owned(),
                    example: Some(setting.example),
                }),
                (None, _) => self.unknown(&key, |setting| setting.key, "key of the configuration file"),
            }
        }
    }

    fn give(&mut self, setting: &Setting, name: String, value: &str) {
        let text = value.trim();
        if !text.is_empty() {
            self.given.insert(
                setting.key,
                Given {
                    name,
                    text: text.to_owned(),
                },
            );
        }
    }

    fn unknown(&mut self, name: &str, known: fn(&Setting) -> &'static str, kind: &str) {
        let meant = nearest(name, SETTINGS.iter().map(known));
        let hint = meant.map_or(String::new(), |meant| format!("; did you mean {meant}?"));
        self.push(
            &name.escape_debug().to_string(),
            format!("is not a known {kind}{hint}"),
        );
    }

    fn push(&mut self, name: &str, what: String) {
        self.problems.push(ConfigProblem {
            name: name.to_owned(),
            what,
            example: None,
        });
    }
}

/// A whole number within a range.
pub(super) fn number<T>(text: &str, least: T, most: T) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    match text.parse::<T>() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("is not a whole number from {least} to {most}")),
    }
}

/// The entries of a list that is separated by commas; every wrong one is named by its place.
pub(super) fn list<T>(text: &str, parse: fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let mut entries = Vec::new();
    let mut faults = Vec::new();
    for (at, entry) in text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .enumerate()
    {
        match parse(entry) {
            Ok(entry) => entries.push(entry),
            Err(what) => faults.push(format!("entry {} {what}", at + 1)),
        }
    }
    if faults.is_empty() {
        Ok(entries)
    } else {
        Err(format!("is wrong: {}", faults.join("; ")))
    }
}

fn in_file(key: &str) -> String {
    format!("{key} (configuration file)")
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Array(entries) => {
            let texts: Option<Vec<&str>> = entries.iter().map(Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}
