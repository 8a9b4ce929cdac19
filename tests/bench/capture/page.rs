//! The captures on the page of figures.

use std::fmt::Write as _;
use std::time::Duration;

use super::stranger::{LEVEL, PAIRS};
use super::{Captures, Line, OVERLOAD, Side, TURNS, Turn, captures, rate};
use crate::report::met;

/// The longest p99 at 32 connections, in milliseconds.
const LONGEST: f64 = 80.0;
/// The longest p99 of refusals, in milliseconds.
const LONGEST_REFUSAL: f64 = 50.0;
/// How much of the peak is taken under overload.
const LEAST_TAKEN: f64 = 0.9;
/// How often PostgreSQL's captures come as those of pgbench, by connections.
const AGAINST_PGBENCH: [(usize, f64); 2] = [(32, 1.5), (128, 2.0)];
/// How often SQLite's captures at 128 connections come as raw ones.
const AGAINST_RAW: f64 = 0.5;

impl Captures {
    /// The section, with its targets first.
    pub fn write(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "\n## Captures\n")?;
        writeln!(page, "| target | database | measured | |\n| --- | --- | --: | --- |")?;
        let [sqlite, postgres] = self.sides.as_slice() else {
            return Ok(());
        };
        for (connections, least) in AGAINST_PGBENCH {
            if let Some(line) = postgres.line(connections) {
                let ratio = rate(&line.turns) / rate(&line.limit);
                writeln!(
                    page,
                    "| at least {least:.1} times pgbench, the same statements one transaction each, {connections} connections \
                     | PostgreSQL | {} | {} |",
                    ratio_of(&line.turns, &line.limit),
                    met(ratio >= least)
                )?;
            }
        }
        if let Some(line) = sqlite.line(128) {
            writeln!(
                page,
                "| at least {AGAINST_RAW:.1} times the same rows raw, 64 captures in a transaction, 128 connections | SQLite \
                 | {:.2} | {} |",
                rate(&line.turns) / rate(&sqlite.raw),
                met(rate(&line.turns) / rate(&sqlite.raw) >= AGAINST_RAW)
            )?;
        }
        for side in &self.sides {
            side.write_targets(page)?;
        }
        self.write_rates(page)?;
        self.write_limits(page)?;
        self.write_overload(page)?;
        self.write_stranger(page)?;
        self.write_method(page)
    }

    fn write_rates(&self, page: &mut String) -> std::fmt::Result {
        writeln!(
            page,
            "\n### By connections\n\n| connections | database | captures/s | refused | p50 ms | p99 ms | CPU of the server, µs a capture | CPU of PostgreSQL, \
             µs a capture |\n| --: | --- | --: | --: | --: | --: | --: | --: |"
        )?;
        for (place, line) in self.sides[0].lines.iter().enumerate() {
            for side in &self.sides {
                let Line { turns, cpu, .. } = &side.lines[place];
                let theirs = side.lines[place].database_cpu.filter(|_| side.name == "PostgreSQL");
                writeln!(
                    page,
                    "| {} | {} | {:.0} | {} | {:.2} | {:.2} | {} | {} |",
                    line.connections,
                    side.name,
                    rate(turns),
                    side.lines[place].refused,
                    side.lines[place].percentile(0.5),
                    side.lines[place].percentile(0.99),
                    each(*cpu, turns),
                    each(theirs, turns),
                )?;
            }
        }
        Ok(())
    }

    fn write_limits(&self, page: &mut String) -> std::fmt::Result {
        writeln!(
            page,
            "\n### Against pgbench, one transaction each\n\n| connections | captures/s | pgbench, transactions/s | ratio (of the turns) | CPU of PostgreSQL, µs a \
             transaction of pgbench |\n| --: | --: | --: | --: | --: |"
        )?;
        for line in self.sides.iter().flat_map(|side| &side.lines) {
            if !line.limit.is_empty() {
                writeln!(
                    page,
                    "| {} | {:.0} | {:.0} | {} | {} |",
                    line.connections,
                    rate(&line.turns),
                    rate(&line.limit),
                    ratio_of(&line.turns, &line.limit),
                    each(line.limit_cpu, &line.limit),
                )?;
            }
        }
        writeln!(
            page,
            "\n### Against the same rows raw, 64 captures in a transaction\n\n| database | raw, captures/s (of the turns) | captures at 32 connections / raw | at 128 \
             connections / raw |\n| --- | --: | --: | --: |"
        )?;
        for side in &self.sides {
            let share = |connections| {
                side.line(connections).map_or(f64::NAN, |line| rate(&line.turns) / rate(&side.raw))
            };
            let of_turns = spread(side.raw.iter().map(|turn| turn.rate()));
            writeln!(
                page,
                "| {} | {:.0} ({:.0} to {:.0}) | {:.2} | {:.2} |",
                side.name,
                rate(&side.raw),
                of_turns.0,
                of_turns.1,
                share(32),
                share(128),
            )?;
        }
        Ok(())
    }

    fn write_overload(&self, page: &mut String) -> std::fmt::Result {
        writeln!(
            page,
            "\n### Overload\n\n| database | peak, captures/s | offered/s | taken/s | of the peak | p99 of the taken ms | refused | p50 of refusals ms | p99 ms | \
             other than 503 with `Retry-After` | broken | not sent |\n\
             | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |"
        )?;
        for side in &self.sides {
            for (peak, over) in &side.overload {
                let waits = crate::load::Measured { took: over.waits.clone(), wall: Duration::ZERO };
                writeln!(
                    page,
                    "| {} | {peak:.0} | {:.0} | {:.0} | {:.2} | {} | {} | {} | {} | {} | {} | {} |",
                    side.name,
                    over.offered,
                    over.taken,
                    over.taken / peak,
                    millis(waits.percentile(0.99)),
                    over.refusals.len(),
                    millis(over.refusal(0.5)),
                    millis(over.refusal(0.99)),
                    over.wrong,
                    over.broken,
                    over.unsent,
                )?;
            }
        }
        Ok(())
    }

    fn write_stranger(&self, page: &mut String) -> std::fmt::Result {
        writeln!(
            page,
            "\n### A stranger's view\n\n| database | known, median ms | unknown, median ms | known / unknown | a known one took longer, of all pairs | p \
             | status, headers and size of the answers |\n| --- | --: | --: | --: | --: | --: | --- |"
        )?;
        for side in &self.sides {
            let one = &side.stranger;
            writeln!(
                page,
                "| {} | {:.3} | {:.3} | {:.3} | {:.1} % | {} | {} |",
                side.name,
                one.known,
                one.unknown,
                one.known / one.unknown,
                one.longer * 100.0,
                chance(one.p),
                if one.looks_alike { "the same" } else { "**different**" },
            )?;
        }
        writeln!(page)
    }

    fn write_method(&self, page: &mut String) -> std::fmt::Result {
        writeln!(
            page,
            "How captures were measured:\n\n\
             * `POST /v1/capture/{{form_key}}` as JSON over keep-alive connections: name, e-mail, phone, website, message, page with \
             `utm_` parameters.\n  Each capture is of a new person at one of 1,000 companies that are known; no `Idempotency-Key`. The \
             databases begin with these\n  1,000 companies and a lead of each.\n\
             * In each of {TURNS} turns, of {} s each, come SQLite, PostgreSQL, pgbench and (from 32 connections on) the raw rows on both, \
             one\n  after another; the client is one thread on the same machine. CPU is user and system time from `/proc`; PostgreSQL's \
             is that of all\n  its processes. The sides of a ratio were measured in this one run.\n\
             * pgbench (`-M prepared`) executes the {} statements of one lone capture, `BEGIN` and `COMMIT` included, as the server's \
             own log\n  tells them, selects and locks too; each transaction has its own ids, e-mail and phone, and one of the companies. It left \
             {:.2} rows\n  a transaction, a capture {:.2}; none failed. The first seconds of\n  a run, in which its connections are made warm, do not count.\n\
             * The raw rows are those that {} captures over 64 connections left, {:.2} for each, as JSON parameters that were made before: \
             one\n  `INSERT ... SELECT` a table, one connection, the store's settings of durability (`synchronous` FULL, `fsync` on);\n  SQLite brings \
             its log home within a commit, every 1,000 pages, as it does by itself.\n\
             * Overload: {OVERLOAD:.0} times the rate that 128 connections had just shown, sent at that rate whatever is answered; the first \
             seconds do\n  not count.\n\
             * A stranger's view: {PAIRS} pairs of a known and a new person in turns over one connection; p by the test of Mann and \
             Whitney,\n  below {LEVEL} they can be told apart.\n",
            self.turn.as_secs_f64(),
            self.statements,
            self.rows_a_transaction,
            self.rows_a_capture,
            self.raw_captures,
            self.raw_rows,
        )
    }
}

impl Side {
    fn line(&self, connections: usize) -> Option<&Line> {
        self.lines.iter().find(|line| line.connections == connections)
    }

    fn write_targets(&self, page: &mut String) -> std::fmt::Result {
        if let Some(line) = self.line(32) {
            let p99 = line.percentile(0.99);
            writeln!(
                page,
                "| p99 below {LONGEST:.0} ms, 32 connections | {} | {p99:.1} ms | {} |",
                self.name,
                met(p99 < LONGEST)
            )?;
        }
        let shares = self.overload.iter().map(|(peak, over)| over.taken / peak);
        let (worst, _) = spread(shares);
        writeln!(
            page,
            "| at {OVERLOAD:.0} times the capacity, at least {:.0} % of the peak taken | {} | {:.0} % | {} |",
            LEAST_TAKEN * 100.0,
            self.name,
            worst * 100.0,
            met(worst >= LEAST_TAKEN)
        )?;
        let all = || self.overload.iter().map(|(_, over)| over);
        let (_, slowest) = spread(all().map(|over| over.refusal(0.99)));
        let stray: u64 = all().map(|over| over.wrong + over.broken).sum();
        let told = match all().all(|over| over.refusals.is_empty()) {
            true => "none was refused".to_owned(),
            false => format!("{slowest:.1} ms (p99), {stray} other answers"),
        };
        writeln!(
            page,
            "| refusals within {LONGEST_REFUSAL:.0} ms, each 503 with `Retry-After` | {} | {told} | {} |",
            self.name,
            met(slowest < LONGEST_REFUSAL && stray == 0)
        )?;
        let one = &self.stranger;
        writeln!(
            page,
            "| known and unknown cannot be told apart | {} | p {}, medians {:.3} and {:.3} ms | {} |",
            self.name,
            chance(one.p),
            one.known,
            one.unknown,
            met(one.p >= LEVEL && one.looks_alike)
        )
    }
}

/// The ratio over all turns, and the least and greatest of one turn.
fn ratio_of(turns: &[Turn], limit: &[Turn]) -> String {
    let each = turns.iter().zip(limit).map(|(turn, limit)| turn.rate() / limit.rate());
    let (least, most) = spread(each);
    format!("{:.2} ({least:.2} to {most:.2})", rate(turns) / rate(limit))
}

/// The least and the greatest; not a number where there are none.
fn spread(all: impl Iterator<Item = f64>) -> (f64, f64) {
    all.fold((f64::NAN, f64::NAN), |(least, most), one| (least.min(one), most.max(one)))
}

/// A dash where nothing was measured.
fn millis(value: f64) -> String {
    if value.is_nan() { "–".to_owned() } else { format!("{value:.1}") }
}

fn chance(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

fn each(cpu: Option<Duration>, turns: &[Turn]) -> String {
    cpu.map_or("–".to_owned(), |cpu| format!("{:.0}", cpu.as_secs_f64() * 1e6 / captures(turns) as f64))
}
