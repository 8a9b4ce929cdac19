//! The figures as a page of the documentation.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::capture::Captures;
use crate::capture::beside::Beside;
use crate::events::Events;
use crate::load::Measured;

/// What was measured on one database.
pub struct Side {
    /// What people call it.
    pub name: &'static str,
    /// The version of the database.
    pub version: String,
    /// The size of the filled database, in MB.
    pub megabytes: f64,
    /// Starts, from the process's beginning to the first 200, ascending, in milliseconds.
    pub starts: Vec<f64>,
    /// Memory at rest, before the first request, in MB.
    pub memory_before: f64,
    /// Memory after all requests, in MB.
    pub memory_after: f64,
    /// How long the rows took, in seconds; `None` where they were there already.
    pub filled_in: Option<f64>,
}

/// One kind of request, on both databases.
pub struct Line {
    /// What people call it.
    pub name: &'static str,
    /// Whether a target is about it.
    pub has_target: bool,
    /// Over how many connections.
    pub connections: u64,
    /// On each database.
    pub measured: Vec<Measured>,
}

/// Everything.
pub struct Figures {
    /// How many leads.
    pub leads: u64,
    /// The day, `2026-01-02`.
    pub day: String,
    /// The databases.
    pub sides: Vec<Side>,
    /// The requests; none where only captures were measured.
    pub lines: Vec<Line>,
    /// The captures, where they were measured.
    pub captures: Option<Captures>,
    /// The captures beside those of another build, where one was given.
    pub beside: Option<Beside>,
    /// The events, where they were measured.
    pub events: Option<Events>,
}

const MOST_MEMORY: f64 = 60.0;
const LONGEST_START: f64 = 300.0;
const LONGEST_ANSWER: f64 = 20.0;

impl Figures {
    /// The page.
    pub fn page(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut page);
        page
    }

    fn write(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "# Benchmarks\n")?;
        writeln!(
            page,
            "Written by `scripts/bench` on {}: the release build of `tandem serve` as a process of its own, measured \
             over HTTP with\nkeep-alive connections from the same machine. Run it again for your own machine; it \
             replaces this page.\n",
            self.day,
        )?;
        writeln!(page, "* Machine: {}", machine())?;
        if !self.sides.is_empty() {
            writeln!(
                page,
                "* Leads, but for captures and events: {} on each database",
                thousands(self.leads)
            )?;
        }
        for side in &self.sides {
            writeln!(
                page,
                "* {}: version {}, {:.0} MB{}",
                side.name,
                side.version,
                side.megabytes,
                side.filled_in.map_or(String::new(), |seconds| format!(
                    "; filled through the domain's rules and the store at {:.0} leads/s (both databases at once)",
                    self.leads as f64 / seconds
                )),
            )?;
        }
        if let Some(captures) = &self.captures {
            captures.write(page)?;
        }
        if let Some(beside) = &self.beside {
            beside.write(page)?;
        }
        if let Some(events) = &self.events {
            events.write(page)?;
        }
        if self.sides.is_empty() {
            return Ok(());
        }
        self.write_targets(page)?;
        for connections in [1, 8] {
            self.write_table(page, connections)?;
        }
        writeln!(page, "### How it was done\n")?;
        page.push_str(METHOD);
        Ok(())
    }

    fn write_targets(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "\n## Requests\n\n| target | database | measured | |\n| --- | --- | --: | --- |")?;
        for side in &self.sides {
            let memory = side.memory_before;
            let start = side.starts.get(side.starts.len() / 2).copied().unwrap_or(f64::NAN);
            writeln!(
                page,
                "| idle memory below {MOST_MEMORY:.0} MB | {} | {memory:.1} MB ({:.1} MB after all requests) | {} |",
                side.name,
                side.memory_after,
                met(memory < MOST_MEMORY)
            )?;
            writeln!(
                page,
                "| cold start to the first 200 below {:.1} s | {} | {:.3} s (worst {:.3} s) | {} |",
                LONGEST_START / 1000.0,
                side.name,
                start / 1000.0,
                side.starts.last().copied().unwrap_or(f64::NAN) / 1000.0,
                met(start < LONGEST_START)
            )?;
        }
        for (place, side) in self.sides.iter().enumerate() {
            for connections in [1, 8] {
                let over: Vec<String> = self
                    .targeted(connections)
                    .filter(|line| line.measured[place].percentile(0.99) >= LONGEST_ANSWER)
                    .map(|line| format!("{} ({:.0} ms)", line.name, line.measured[place].percentile(0.99)))
                    .collect();
                let worst = self
                    .targeted(connections)
                    .map(|line| line.measured[place].percentile(0.99))
                    .fold(0.0, f64::max);
                writeln!(
                    page,
                    "| detail, list page and `q` below {LONGEST_ANSWER:.0} ms (p99), {connections} connection{} | {} | worst {worst:.1} ms | {}{} |",
                    if connections == 1 { "" } else { "s" },
                    side.name,
                    met(over.is_empty()),
                    if over.is_empty() { String::new() } else { format!(": {}", over.join(", ")) },
                )?;
            }
        }
        writeln!(page)
    }

    fn targeted(&self, connections: u64) -> impl Iterator<Item = &Line> {
        let is_one = move |line: &&Line| line.has_target && line.connections == connections;
        self.lines.iter().filter(is_one)
    }

    fn write_table(&self, page: &mut String, connections: u64) -> std::fmt::Result {
        let plural = if connections == 1 { "" } else { "s" };
        writeln!(page, "### {connections} connection{plural}\n")?;
        let (mut head, mut rule) = (String::from("| request |"), String::from("| --- |"));
        for side in &self.sides {
            let name = side.name;
            write!(head, " {name} p50 ms | p99 ms | requests/s |")?;
            rule += " --: | --: | --: |";
        }
        writeln!(page, "{head} p50, {} / {} |\n{rule} --: |", self.sides[1].name, self.sides[0].name)?;
        for line in self.lines.iter().filter(|line| line.connections == connections) {
            write!(page, "| {} |", line.name)?;
            for one in &line.measured {
                write!(
                    page,
                    " {:.2} | {:.2} | {:.0} |",
                    one.percentile(0.5),
                    one.percentile(0.99),
                    one.rate()
                )?;
            }
            let ratio = line.measured[1].percentile(0.5) / line.measured[0].percentile(0.5);
            writeln!(page, " {ratio:.2} |")?;
        }
        writeln!(page)
    }
}

const METHOD: &str = "\
* The leads are fictitious and the same at every run: two years of them, 12 countries, 10 sources, 40 owners, every
  stage, a company for each 20 leads, two or three custom fields, e-mail, external id and mostly a phone each. They are
  decided by the domain and written by the store, in transactions of 1,000, journal and search terms included; then
  `ANALYZE` (SQLite) and `VACUUM (ANALYZE)` (PostgreSQL).
* Both servers run with their defaults, but without rate limits; PostgreSQL is durable (`fsync` on) with 256 MB of shared buffers.
* For every kind of request the databases take turns, four times each, so that a busy moment of the machine hits
  both; up to 2,000 requests, or 3 s where they are slow. Lists are of 50 leads. Client, server and database share the
  cores: with 8 connections that all ask without a pause, the time in the queue is most of what is seen.
* Memory is the resident set of the server process, 3 s after its start; the cold start counts from the start of the
  process to the first 200 on `/readyz`, the median of 10, with the files in the system's cache.
* The rare word is a last name of one lead in 40,000, the common word a first name of one in seven; of the words that
  hardly meet each belongs to one lead in some 30, and one in 100,000 has both; the two words of the company belong to
  one lead in 60 each, and both to some 340 in a million.
";

/// Whether a target is met, for the page.
pub fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "**missed**" }
}

fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let told = |command: &str, argument: &str| {
        let output = Command::new(command).arg(argument).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let named = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let system = named.map(|name| name.trim_matches('"').to_owned());
    let system = system.or_else(|| told("uname", "-sr").ok()).unwrap_or_default();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse::<f64>().ok());
    let memory = kilobytes
        .map_or(String::new(), |kilobytes| format!(", {:.0} GB of memory", kilobytes / 1024.0 / 1024.0));
    format!("{cores} cores{memory}, {system}")
}
