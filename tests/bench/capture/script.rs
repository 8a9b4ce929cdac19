//! The statements of one lone capture, from the server's own log, as a script of pgbench in which each transaction is of
//! a person of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::Failure;

/// Stands for the ten digits of a person's number.
const PERSON: &str = "~N~";
/// Stands for them backwards.
const BACKWARDS: &str = "~R~";
/// Stands for the four digits of a company's number.
const COMPANY: &str = "~K~";
/// How many characters of an id are given anew.
const GIVEN: usize = 10;
/// The shortest text without a break that can be an id or a hash; instants are shorter.
const SHORTEST_ID: usize = 15;
/// The first person of pgbench; it takes those after it.
const FIRST_PERSON: u64 = 3_500_000_000;
/// How many clients pgbench may have: each takes every so many-th person.
const MOST_CLIENTS: u64 = 128;

/// Two captures differ in what belongs to the person alone: by that it is found.
pub const SAMPLES: [Sample; 2] =
    [Sample { person: 3_612_845_907, company: 457 }, Sample { person: 3_984_561_171, company: 823 }];

/// Who is in the log.
#[derive(Clone, Copy)]
pub struct Sample {
    /// The person's number.
    pub person: u64,
    /// The company's.
    pub company: u64,
}

/// One statement with its parameters, `None` for null.
#[derive(Debug, PartialEq, Eq)]
pub struct Logged {
    sql: String,
    parameters: Vec<Option<String>>,
}

/// The id that a company has in pgbench's database: its number stands in it.
pub fn company_id(number: &str) -> String {
    format!("00000000-0000-7000-8000-00000000{number}")
}

/// The transaction of a log in which this person's submission was written.
pub fn transaction(log: &str, sample: Sample) -> Result<Vec<Logged>, Failure> {
    let mut open: BTreeMap<&str, Vec<Logged>> = BTreeMap::new();
    let mark = sample.person.to_string();
    let entries = entries(log);
    for (pid, text) in &entries {
        let all = open.entry(pid).or_default();
        if let Some(parameters) = text.strip_prefix("DETAIL:  ") {
            if let (Some(last), Some((_, list))) = (all.last_mut(), parameters.split_once(": ")) {
                last.parameters = read_parameters(list)?;
            }
            continue;
        }
        let Some(text) = text.strip_prefix("LOG:  ") else {
            continue;
        };
        let Some((kind, sql)) = text.split_once(": ") else {
            continue;
        };
        if kind != "statement" && !kind.starts_with("execute ") {
            continue;
        }
        let sql = sql.trim().trim_end_matches(';').to_owned();
        let word = sql.split_whitespace().next().unwrap_or_default().to_uppercase();
        if word == "BEGIN" {
            all.clear();
        }
        let ends = word == "COMMIT";
        all.push(Logged { sql, parameters: vec![] });
        let told = |one: &Logged| {
            one.sql.contains("INSERT INTO submissions")
                && one.parameters.iter().flatten().any(|text| text.contains(&mark))
        };
        if ends && all.iter().any(told) {
            return Ok(std::mem::take(all));
        }
    }
    Err("the server's log does not show the transaction of the capture".into())
}

/// The entries of a log with the usual prefix `%m [%p] `: process and text; further lines begin with a tab.
fn entries(log: &str) -> Vec<(&str, String)> {
    let mut entries: Vec<(&str, String)> = vec![];
    for line in log.lines() {
        let head = line
            .split_once(" [")
            .and_then(|(_, rest)| rest.split_once("] "))
            .filter(|(pid, _)| !line.starts_with('\t') && pid.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some((pid, text)) = head {
            entries.push((pid, text.to_owned()));
        } else if let (Some(rest), Some((_, text))) = (line.strip_prefix('\t'), entries.last_mut()) {
            text.push('\n');
            text.push_str(rest);
        }
    }
    entries
}

/// `$1 = 'a', $2 = NULL`, in which a quote within a value is doubled.
fn read_parameters(list: &str) -> Result<Vec<Option<String>>, Failure> {
    let mut parameters = vec![];
    let mut rest = list;
    while let Some((_, after)) = rest.split_once(" = ") {
        if let Some(after) = after.strip_prefix("NULL") {
            parameters.push(None);
            rest = after;
            continue;
        }
        let quoted = after.strip_prefix('\'').ok_or("a parameter in the log has no quotes")?;
        let (mut value, mut characters) = (String::new(), quoted.char_indices().peekable());
        let end = loop {
            match characters.next() {
                Some((_, '\'')) if characters.peek().is_some_and(|(_, next)| *next == '\'') => {
                    characters.next();
                    value.push('\'');
                }
                Some((end, '\'')) => break end,
                Some((_, other)) => value.push(other),
                None => return Err("a parameter in the log does not end".into()),
            }
        };
        parameters.push(Some(value));
        rest = &quoted[end + 1..];
    }
    Ok(parameters)
}

/// The script. `companies` are the ids of the samples' companies.
pub fn script(captures: [Vec<Logged>; 2], companies: &[String; 2]) -> Result<String, Failure> {
    let is_same =
        |one: &Logged, other: &Logged| one.sql == other.sql && one.parameters.len() == other.parameters.len();
    let [one, other] = &captures;
    if one.len() != other.len() || !one.iter().zip(other).all(|(one, other)| is_same(one, other)) {
        return Err("two captures have different statements".into());
    }
    let mut script = format!(
        "\\set i :i + 1\n\\set n {FIRST_PERSON} + :i * {MOST_CLIENTS} + :client_id\n\\set k random(0, {})\n",
        super::form::COMPANIES - 1
    );
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    for (one, other) in one.iter().zip(other) {
        let is_lock = one.sql.contains("pg_advisory_xact_lock");
        let mut sql = one.sql.clone();
        for (place, (mine, theirs)) in one.parameters.iter().zip(&other.parameters).enumerate().rev() {
            let value = match (mine, theirs) {
                (None, None) => "NULL".to_owned(),
                (Some(mine), Some(theirs)) => {
                    let mine = mark(mine, SAMPLES[0], &companies[0]);
                    let theirs = mark(theirs, SAMPLES[1], &companies[1]);
                    expression(&vary(&mine, &theirs, is_lock, &mut given)?)
                }
                _ => return Err("two captures have different nulls".into()),
            };
            sql = sql.replace(&format!("${}", place + 1), &value);
        }
        let _ = writeln!(script, "{sql};");
    }
    Ok(script)
}

/// Put signs for what belongs to the person and the company.
fn mark(text: &str, sample: Sample, company: &str) -> String {
    let person = sample.person.to_string();
    let backwards: String = person.chars().rev().collect();
    text.replace(company, &company_id(COMPANY))
        .replace(&person, PERSON)
        .replace(&backwards, BACKWARDS)
        .replace(&format!("firma{:04}", sample.company), &format!("firma{COMPANY}"))
}

/// Ids and hashes differ between the samples: in the script their end is the person's number.
fn vary(
    mine: &str,
    theirs: &str,
    is_lock: bool,
    given: &mut BTreeMap<String, String>,
) -> Result<String, Failure> {
    let (mine, theirs) = (words(mine), words(theirs));
    if mine.len() != theirs.len() {
        return Err("the parameters of two captures are built differently".into());
    }
    let mut varied = String::new();
    for (place, word) in mine.iter().enumerate() {
        let is_id = word.len() >= SHORTEST_ID && word.is_ascii();
        if !is_id || !(is_lock || theirs[place] != *word) {
            varied.push_str(word);
            continue;
        }
        let mut kept = word[..word.len() - GIVEN].to_owned();
        if is_lock {
            // The numbers of one list of locks begin alike.
            kept.truncate(kept.len() - 2);
            let _ = write!(kept, "{:02}", place % 100);
        }
        let new = format!("{kept}{PERSON}");
        let first = given.entry(new.clone()).or_insert_with(|| (*word).to_owned());
        if first != word {
            return Err("two ids of one capture begin alike: run it again".into());
        }
        varied.push_str(&new);
    }
    Ok(varied)
}

/// Runs of letters, digits, `-`, `_`, and what stands between them.
fn words(text: &str) -> Vec<&str> {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut words = vec![];
    let mut begin = 0;
    let mut last = None;
    for (place, c) in text.char_indices() {
        if last.is_some_and(|last| last != is_inner(c)) {
            words.push(&text[begin..place]);
            begin = place;
        }
        last = Some(is_inner(c));
    }
    words.push(&text[begin..]);
    words
}

/// A value as an expression of SQL. No colon stands in it, which pgbench would take for a variable.
fn expression(value: &str) -> String {
    let mut literal = String::from("E'");
    for c in value.chars() {
        match c {
            '\'' => literal.push_str("''"),
            '\\' => literal.push_str("\\\\"),
            ':' => literal.push_str("\\x3a"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            other => literal.push(other),
        }
    }
    literal.push('\'');
    let signs = [(PERSON, ":n::text"), (BACKWARDS, "reverse(:n::text)"), (COMPANY, "lpad(:k::text, 4, '0')")];
    let mut is_varied = false;
    for (sign, with) in signs {
        if value.contains(sign) {
            literal = format!("replace({literal}, '{sign}', {with})");
            is_varied = true;
        }
    }
    if !is_varied {
        return literal;
    }
    let plain: String = value.replace(PERSON, "0000000000").replace(COMPANY, "0000");
    let is_uuid = plain.len() == 36 && plain.bytes().filter(|byte| *byte == b'-').count() == 4;
    let is_number = plain.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
    match (is_uuid, is_number, value.starts_with("\\x")) {
        (true, ..) => format!("({literal})::uuid"),
        (_, true, _) => format!("({literal})::bigint"),
        (_, _, true) => format!("({literal})::bytea"),
        _ => format!("({literal})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(sample: Sample, id: &str) -> String {
        let Sample { person, company } = sample;
        format!(
            "2026-11-22 05:00:00.000 UTC [7] LOG:  statement: BEGIN\n\
             2026-11-22 05:00:00.001 UTC [8] LOG:  execute s_1: SELECT 1\n\
             2026-11-22 05:00:00.001 UTC [7] LOG:  execute s_2: INSERT INTO submissions SELECT $1,\n\
             \t$2, $3\n\
             2026-11-22 05:00:00.001 UTC [7] DETAIL:  parameters: $1 = '{id}', $2 = 'it''s p{person}@firma{company:04}.example: [x]\n\
             \tand more', $3 = NULL\n\
             2026-11-22 05:00:00.002 UTC [7] LOG:  statement: COMMIT\n"
        )
    }

    #[test]
    fn the_logged_capture_becomes_a_transaction_of_its_own_ids() {
        let ids = ["019a0000-0000-7000-8000-000000000001", "019a0000-0001-7000-8000-000000000002"];
        let captures = [0, 1].map(|n| transaction(&log(SAMPLES[n], ids[n]), SAMPLES[n]).unwrap());
        assert_eq!(captures[0].len(), 3, "what another process does is no part of it");

        let script = script(captures, &["none".into(), "none".into()]).unwrap();

        let lines: Vec<&str> = script.lines().skip(3).collect();
        assert_eq!(
            lines.join("\n"),
            "BEGIN;\nINSERT INTO submissions SELECT (replace(E'019a0000-0000-7000-8000-00~N~', '~N~', :n::text))::uuid,\n\
             (replace(replace(E'it''s p~N~@firma~K~.example\\x3a [x]\\nand more', '~N~', :n::text), '~K~', lpad(:k::text, 4, '0'))), \
             NULL;\nCOMMIT;"
        );
    }

    #[test]
    fn captures_of_different_statements_make_no_script() {
        let id = "019a0000-0000-7000-8000-000000000001";
        let one = transaction(&log(SAMPLES[0], id), SAMPLES[0]).unwrap();
        assert!(script([one, vec![]], &["none".into(), "none".into()]).is_err());
        assert!(transaction(&log(SAMPLES[1], id), SAMPLES[0]).is_err(), "another's capture");
    }

    #[test]
    fn locks_of_one_statement_stay_apart() {
        let mut given = BTreeMap::new();
        let locks = "[8386948031000000001,8386948031000000002]";
        let varied = vary(locks, locks, true, &mut given).unwrap();
        assert_eq!(varied, "[838694801~N~,838694803~N~]");
    }
}
