//! The rows of a file, one after the other, with what is wrong with the file as a whole.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

use serde_json::Value;
use tandem_domain::fault::Fault;
use tandem_domain::transfer::{Failure, FileFacts, FileFormat};

use crate::edge::http::problem::Code;
use crate::edge::http::strict;

use super::decoding::{self, Allowance, MAX_ROW, Text, failure_of, too_long};

/// The most columns of a file.
pub const MAX_COLUMNS: usize = 1000;
/// What may separate values, the likeliest first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A row as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its number, from 1, the header not counted.
    pub number: i64,
    /// The line of the file on which it begins, from 1.
    pub line: i64,
    /// Its values, in the order of the columns; where the row is broken, what is left of it.
    pub cells: Vec<String>,
    /// What is wrong with it as a row.
    pub fault: Option<Fault>,
}

/// The rows of an opened file.
pub struct Rows {
    facts: FileFacts,
    kind: Kind,
    number: i64,
}

enum Kind {
    Csv {
        reader: Box<csv::Reader<Box<dyn Read + Send>>>,
        allowance: Allowance,
        delimiter: u8,
        /// The line of the row before, where its last value goes over several lines.
        runs_on: Option<i64>,
    },
    Ndjson {
        reader: BufReader<Box<dyn Read + Send>>,
        allowance: Allowance,
        taken: u64,
        line: i64,
        places: HashMap<String, usize>,
        /// Whether the columns are still being found.
        is_open: bool,
    },
}

impl Rows {
    /// Open a file; what is not stated about it is detected.
    pub fn open(input: impl Read + Send + 'static, said: &FileFacts) -> Result<Self, Failure> {
        let text = decoding::open(input, said.encoding.as_deref())?;
        let first = text.head.iter().find(|byte| !byte.is_ascii_whitespace());
        let format = match (said.format, first) {
            (Some(format), _) => format,
            (None, Some(b'{')) => FileFormat::Ndjson,
            (None, Some(b'[')) => {
                let detail = "the file is one JSON array; NDJSON has one object a line";
                return Err(Failure::new("not_ndjson", detail));
            }
            (None, None) => {
                return Err(Failure::new(
                    "empty_file",
                    "the file holds nothing but white space",
                ));
            }
            (None, Some(_)) => FileFormat::Csv,
        };
        let mut facts = FileFacts {
            format: Some(format),
            encoding: Some(text.encoding.name().to_owned()),
            rows: said.rows,
            ..FileFacts::default()
        };
        let kind = match format {
            FileFormat::Csv => csv(text, said, &mut facts)?,
            FileFormat::Ndjson => {
                facts.columns = said.columns.clone();
                let places = said.columns.iter().cloned().zip(0..).collect();
                Kind::Ndjson {
                    reader: BufReader::new(text.read),
                    allowance: text.allowance,
                    taken: 0,
                    line: 0,
                    places,
                    is_open: said.columns.is_empty(),
                }
            }
        };
        Ok(Self {
            facts,
            kind,
            number: 0,
        })
    }

    /// What is known about the file so far.
    #[cfg(test)]
    fn facts(&self) -> &FileFacts {
        &self.facts
    }

    /// Read to the end, and answer what is then known about the file, or what is wrong with it.
    pub fn survey(mut self) -> Result<FileFacts, Failure> {
        let (mut rows, mut ragged) = (0, 0);
        while let Some(row) = self.next()? {
            rows += 1;
            ragged += i64::from(row.fault.as_ref().is_some_and(|fault| fault.code == "ragged_row"));
        }
        if rows > 0 && rows == ragged {
            let detail = "no row has as many values as the header";
            return Err(Failure::new("ragged_file", detail));
        }
        self.facts.rows = Some(rows);
        Ok(self.facts)
    }

    /// The next row.
    pub fn next(&mut self) -> Result<Option<Row>, Failure> {
        let found = match &mut self.kind {
            Kind::Csv {
                reader,
                allowance,
                delimiter,
                runs_on,
            } => csv_row(reader, allowance, *delimiter, &self.facts.columns, runs_on)?,
            Kind::Ndjson { .. } => self.object()?,
        };
        Ok(found.map(|(line, cells, fault)| {
            self.number += 1;
            Row {
                number: self.number,
                line,
                cells,
                fault,
            }
        }))
    }

    fn object(&mut self) -> Result<Option<Found>, Failure> {
        let Kind::Ndjson {
            reader,
            allowance,
            taken,
            line,
            places,
            is_open,
        } = &mut self.kind
        else {
            return Ok(None);
        };
        let mut text = vec![];
        loop {
            text.clear();
            allowance.row_at(*taken);
            let read = reader
                .by_ref()
                .take(MAX_ROW + 1)
                .read_until(b'\n', &mut text)
                .map_err(failure_of)?;
            if read == 0 {
                return Ok(None);
            }
            (*taken, *line) = (*taken + read as u64, *line + 1);
            if read as u64 > MAX_ROW {
                return Err(too_long());
            }
            if !text.trim_ascii().is_empty() {
                break;
            }
        }
        let words = std::str::from_utf8(&text).map_err(|_| not_utf8(*line))?;
        let broken = |detail: &str| {
            let fault = Fault::new("", "malformed_json", detail);
            Ok(Some((*line, vec![words.trim().to_owned()], Some(fault))))
        };
        let members = match strict::parse(words.as_bytes()) {
            Ok(Value::Object(members)) => members,
            Err(problem) if problem.code() == Code::DuplicateKey => {
                return broken("names a member twice");
            }
            _ => return broken("is not one JSON object"),
        };
        let mut values = vec![];
        if flatten(String::new(), Value::Object(members), &mut values).is_err() {
            return broken("holds a list, or objects within objects within objects");
        }
        let mut cells = vec![String::new(); self.facts.columns.len()];
        for (name, value) in values {
            match places.get(&name) {
                Some(place) => cells[*place] = value,
                None if *is_open => {
                    places.insert(name.clone(), cells.len());
                    self.facts.columns.push(name);
                    cells.push(value);
                }
                None => {}
            }
        }
        if self.facts.columns.len() > MAX_COLUMNS {
            return Err(too_many_columns());
        }
        Ok(Some((*line, cells, None)))
    }
}

type Found = (i64, Vec<String>, Option<Fault>);

fn csv(text: Text, said: &FileFacts, facts: &mut FileFacts) -> Result<Kind, Failure> {
    let named = named_delimiter(&text.head);
    let delimiter = match (said.delimiter, named) {
        (Some(said), _) => {
            u8::try_from(said).map_err(|_| Failure::new("wrong_delimiter", "the delimiter must be ASCII"))?
        }
        (None, Some(named)) => named,
        (None, None) => likeliest_delimiter(&text.head),
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.read);
    let mut record = csv::ByteRecord::new();
    if named.is_some() {
        reader.read_byte_record(&mut record).map_err(csv_failure)?;
    }
    let is_there = reader.read_byte_record(&mut record).map_err(csv_failure)?;
    if !is_there {
        return Err(Failure::new(
            "empty_file",
            "the file holds nothing but white space",
        ));
    }
    if record.len() > MAX_COLUMNS {
        return Err(too_many_columns());
    }
    let names = texts(&record).ok_or_else(|| not_utf8(1))?;
    let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
    if let [alone] = &names[..] {
        let holds: Vec<char> = DELIMITERS
            .iter()
            .map(|byte| char::from(*byte))
            .filter(|sign| alone.contains(*sign))
            .collect();
        if let Some(sign) = holds.first() {
            return Err(match said.delimiter {
                Some(_) => {
                    let detail = format!(
                        "the header is one column that holds {}: that seems to be the delimiter",
                        shown(*sign)
                    );
                    Failure::new("wrong_delimiter", detail)
                }
                None => quoted_lines(),
            });
        }
    }
    let mut sorted: Vec<&String> = names.iter().filter(|name| !name.is_empty()).collect();
    sorted.sort_unstable();
    if sorted.is_empty() {
        return Err(Failure::new("no_header", "the first line names no columns"));
    }
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        let name: String = twice[0].chars().take(100).collect();
        return Err(Failure::new(
            "duplicate_column",
            format!("the column {name} is there twice"),
        ));
    }
    facts.delimiter = Some(char::from(delimiter));
    facts.columns = names;
    Ok(Kind::Csv {
        reader: Box::new(reader),
        allowance: text.allowance,
        delimiter,
        runs_on: None,
    })
}

fn csv_row(
    reader: &mut csv::Reader<Box<dyn Read + Send>>,
    allowance: &Allowance,
    delimiter: u8,
    columns: &[String],
    runs_on: &mut Option<i64>,
) -> Result<Option<Found>, Failure> {
    let mut record = csv::ByteRecord::new();
    loop {
        allowance.row_at(reader.position().byte());
        if !reader.read_byte_record(&mut record).map_err(csv_failure)? {
            // A last value over several lines was quoted; what has no quote at its end has swallowed the rest of the file.
            return match runs_on.filter(|_| allowance.last_byte() != b'"') {
                Some(line) => Err(unclosed_quote(line)),
                None => Ok(None),
            };
        }
        // What a spreadsheet writes below its table says nothing.
        if record.iter().any(|cell| !cell.trim_ascii().is_empty()) {
            break;
        }
    }
    // The position of a record is where the one before ended, with the empty lines between them; each ends with a line feed.
    let within = record.as_slice().iter().filter(|byte| **byte == b'\n').count();
    let line = reader.position().line() as i64 - within as i64 - 1;
    let mut cells = texts(&record).ok_or_else(|| not_utf8(line))?;
    while cells.len() > columns.len() && cells.last().is_some_and(|cell| cell.trim().is_empty()) {
        cells.pop();
    }
    while columns.get(cells.len()).is_some_and(String::is_empty) {
        cells.push(String::new());
    }
    let width = columns.len();
    if record.as_slice().len() as u64 > MAX_ROW {
        return Err(too_long());
    }
    *runs_on = cells
        .last()
        .is_some_and(|cell| cell.contains('\n'))
        .then_some(line);
    if cells.len() == width {
        return Ok(Some((line, cells, None)));
    }
    if cells.iter().any(|cell| cell.contains('\n')) {
        return Err(unclosed_quote(line));
    }
    if width > 1 && cells.len() == 1 && cells[0].contains(char::from(delimiter)) {
        return Err(quoted_lines());
    }
    let detail = format!("has {} values where the header has {width}", cells.len());
    Ok(Some((line, cells, Some(Fault::new("", "ragged_row", detail)))))
}

/// The cells of a record as text; `None` where one of them is not UTF-8.
fn texts(record: &csv::ByteRecord) -> Option<Vec<String>> {
    let text = |cell: &[u8]| std::str::from_utf8(cell).ok().map(str::to_owned);
    record.iter().map(text).collect()
}

fn csv_failure(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => failure_of(error),
        other => Failure::new("unreadable", format!("the file cannot be read as CSV: {other:?}")),
    }
}

/// The delimiter that a first line names for spreadsheets: `sep=;`, `SEP=` with a tab behind, or with the empty cells
/// that a spreadsheet adds (`sep=;;;`).
fn named_delimiter(head: &[u8]) -> Option<u8> {
    let line = head.split(|byte| matches!(byte, b'\n' | b'\r')).next()?;
    let line = line.trim_ascii_start();
    let line = line.strip_prefix(b"\"").unwrap_or(line);
    let (key, named) = line.split_at_checked(4)?;
    let (delimiter, rest) = named.split_first()?;
    let is_alone = rest.iter().all(|byte| byte == delimiter || *byte == b'"');
    (key.eq_ignore_ascii_case(b"sep=") && is_alone).then_some(*delimiter)
}

/// The one of the usual delimiters that the first line has most of, outside of quotes.
fn likeliest_delimiter(head: &[u8]) -> u8 {
    let (mut counts, mut is_quoted) = ([0u32; DELIMITERS.len()], false);
    for byte in head {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' | b'\r' if !is_quoted => break,
            _ if is_quoted => {}
            _ => counts
                .iter_mut()
                .zip(DELIMITERS)
                .filter(|(_, sign)| sign == byte)
                .for_each(|(count, _)| *count += 1),
        }
    }
    let best = DELIMITERS
        .into_iter()
        .zip(counts)
        .rev()
        .max_by_key(|(_, count)| *count);
    best.filter(|(_, count)| *count > 0)
        .map_or(b',', |(sign, _)| sign)
}

/// The members of nested objects under dotted names, as text.
fn flatten(prefix: String, value: Value, out: &mut Vec<(String, String)>) -> Result<(), ()> {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let dotted = if prefix.is_empty() {
                    name
                } else {
                    format!("{prefix}.{name}")
                };
                if dotted.matches('.').count() > 3 {
                    return Err(());
                }
                flatten(dotted, member, out)?;
            }
        }
        Value::Null => out.push((prefix, String::new())),
        Value::String(text) => out.push((prefix, text)),
        Value::Bool(flag) => out.push((prefix, flag.to_string())),
        Value::Number(number) => out.push((prefix, number.to_string())),
        Value::Array(_) => return Err(()),
    }
    Ok(())
}

fn shown(sign: char) -> String {
    if sign == '\t' {
        "tabs".into()
    } else {
        format!("\"{sign}\"")
    }
}

fn unclosed_quote(line: i64) -> Failure {
    let detail = format!("the row that begins on line {line} has a quote that is never closed");
    Failure::new("unclosed_quote", detail)
}

fn quoted_lines() -> Failure {
    let detail = "each line is quoted as a whole, so that it is one value: save the file again without quotes around lines";
    Failure::new("quoted_lines", detail)
}

fn too_many_columns() -> Failure {
    Failure::new(
        "too_many_columns",
        format!("the file has more than {MAX_COLUMNS} columns"),
    )
}

fn not_utf8(line: i64) -> Failure {
    let detail = format!(
        "line {line} is not UTF-8; name the file's encoding: windows-1252 for most files of Windows in Western Europe"
    );
    Failure::new("not_utf8", detail)
}
