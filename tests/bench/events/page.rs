//! The events on the page of figures.

use std::fmt::Write as _;
use std::time::Duration;

use super::busy::EVENTS;
use super::{BATCH, Events, Line, Side, TURNS, rate};
use crate::load::Measured;
use crate::report::met;

/// The fewest durable events a second.
const LEAST: f64 = 10_000.0;
/// The longest p99 of a page of a lead with very many events, in milliseconds.
const LONGEST: f64 = 50.0;

impl Events {
    /// The section, with its targets first.
    pub fn write(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "\n## Events\n")?;
        writeln!(page, "| target | database | measured | |\n| --- | --- | --: | --- |")?;
        for side in &self.sides {
            let best = side.lines.iter().map(|line| rate(&line.turns)).fold(0.0, f64::max);
            writeln!(
                page,
                "| {BATCH} events a request: at least {LEAST:.0} durable events/s | {} | {best:.0} | {} |",
                side.name,
                met(best >= LEAST)
            )?;
        }
        for side in &self.sides {
            let all = side.pages.iter().map(|(_, measured)| measured.percentile(0.99));
            let worst = all.fold(0.0, f64::max);
            writeln!(
                page,
                "| a lead with {EVENTS} events opens below {LONGEST:.0} ms (p99) | {} | worst {worst:.1} ms | {} |",
                side.name,
                met(worst < LONGEST)
            )?;
        }
        writeln!(
            page,
            "\n### By connections\n\n| connections | database | events/s | the same rows raw, events/s | ratio | p50 ms | p99 ms |\n\
             | --: | --- | --: | --: | --: | --: | --: |"
        )?;
        for (place, line) in self.sides[0].lines.iter().enumerate() {
            for side in &self.sides {
                side.write_line(&side.lines[place], line.connections, page)?;
            }
        }
        writeln!(
            page,
            "\n### A lead with {EVENTS} events\n\n| page | database | p50 ms | p99 ms |\n| --- | --- | --: | --: |"
        )?;
        for side in &self.sides {
            for (name, measured) in &side.pages {
                writeln!(
                    page,
                    "| {name} | {} | {:.2} | {:.2} |",
                    side.name,
                    measured.percentile(0.5),
                    measured.percentile(0.99)
                )?;
            }
        }
        writeln!(
            page,
            "\nHow events were measured:\n\n\
             * `POST /v1/events` with {BATCH} page views of 200 visitors, each with an `event_id`, a page, a referrer and properties; half of \
             the\n  visitors are new, half go on from the request before. Every answer is read; all events were accepted.\n\
             * {TURNS} turns of {} s each, SQLite and PostgreSQL one after the other, and after each the raw rows on the same database. The \
             client runs\n  on the same machine.\n\
             * The raw rows are those that {} events left ({:.2} for each: event, hash, visitor, visit), as JSON parameters that were made \
             before:\n  one `INSERT ... SELECT` a table and {BATCH} events, one connection, the store's settings of durability.\n\
             * The lead's events are page views of one visitor; each page was opened 100 times over one connection, with its default limit.\n",
            self.turn.as_secs_f64(),
            self.raw_events,
            self.rows_an_event,
        )
    }
}

impl Side {
    fn write_line(&self, line: &Line, connections: usize, page: &mut String) -> std::fmt::Result {
        let measured = Measured { took: line.took.clone(), wall: Duration::ZERO };
        let (served, raw) = (rate(&line.turns), rate(&self.raw));
        writeln!(
            page,
            "| {connections} | {} | {served:.0} | {raw:.0} | {:.2} | {:.1} | {:.1} |",
            self.name,
            served / raw,
            measured.percentile(0.5),
            measured.percentile(0.99)
        )
    }
}
