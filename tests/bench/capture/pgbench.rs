//! The limit of one transaction each: pgbench executes the statements of a lone capture on a database like the server's.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection};

use super::Turn;
use super::crowd::Connection;
use super::form;
use super::script::{self, SAMPLES};
use super::stage::Stage;
use crate::Failure;
use crate::raw::{connect, texts};
use crate::server::Home;

/// How far apart the persons of two runs are, in rounds of all clients.
const APART: u64 = 100_000;
/// What does not count of a run: 128 new connections prepare their statements.
const WARM_UP: Duration = Duration::from_secs(3);
/// What a capture may leave less in pgbench than in the server: nothing, but for what is written now and then.
const TOLERANCE: f64 = 0.02;

/// A database and a script for it.
pub struct Pgbench {
    url: String,
    script: PathBuf,
    runs: u64,
    transactions: u64,
    before: BTreeMap<String, i64>,
    /// How many statements a transaction has, BEGIN and COMMIT included.
    pub statements: usize,
}

impl Pgbench {
    /// Write the script for a copy of the stage. `log` is the server's log.
    pub fn prepare(stage: &Stage, log: &Path) -> Result<(Self, Home), Failure> {
        let logged = logged(stage, log)?;
        let home = stage.copy("pgbench")?;
        let url = home.url.clone().ok_or("pgbench is for PostgreSQL")?;
        let (companies, before) = crate::wait_for(async {
            let on = connect(&url).await?;
            let companies = name_companies(&on).await?;
            on.execute_unprepared("VACUUM (FULL, ANALYZE)").await?;
            let before = counts(&on).await?;
            on.close().await?;
            Ok((companies, before))
        })?;
        let statements = logged[0].len();
        let text = script::script(logged, &companies)?;
        let script = home.dir.join("capture.sql");
        fs::write(&script, text)?;
        let pgbench = Self { url, script, runs: 0, transactions: 0, before, statements };
        Ok((pgbench, home))
    }

    /// Transactions by so many clients, for some time after all of them are warm; and what `cpu` grows by meanwhile.
    pub fn run(
        &mut self,
        clients: usize,
        time: Duration,
        cpu: impl Fn() -> Option<Duration>,
    ) -> Result<(Turn, Option<Duration>), Failure> {
        let first = self.runs * APART;
        self.runs += 1;
        let mut running = Command::new("pgbench")
            .args(["-n", "-M", "prepared", "-c", &clients.to_string()])
            .args(["-j", &clients.min(2).to_string(), "-P", "1"])
            .args(["-T", &(WARM_UP + time).as_secs().to_string()])
            .args(["-D", &format!("i={first}"), "-f"])
            .args([self.script.as_os_str(), self.url.as_ref()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("pgbench was not started: {error}"))?;
        let errors = running.stderr.take().ok_or("pgbench has no errors to be read")?;
        let (mut turn, mut told, mut last) = (Turn::new(0, Duration::ZERO), String::new(), 0.0);
        let (mut from, mut to) = (None, None);
        for line in BufReader::new(errors).lines() {
            let line = line?;
            let Some((second, rate)) = progress(&line) else {
                told += &line;
                continue;
            };
            if from.is_none() {
                if second >= WARM_UP.as_secs_f64() {
                    from = Some(cpu());
                }
            } else {
                turn.captures += (rate * (second - last)).round() as u64;
                turn.wall += second - last;
                to = Some(cpu());
            }
            last = second;
        }
        let output = running.wait_with_output()?;
        told += &String::from_utf8_lossy(&output.stdout);
        let number = |title: &str| -> Option<u64> {
            let line = told.lines().find_map(|line| line.strip_prefix(title))?;
            line.trim().split([' ', '/']).next()?.parse().ok()
        };
        let processed = number("number of transactions actually processed:");
        let failed = number("number of failed transactions:").unwrap_or_default();
        match processed {
            Some(processed) if output.status.success() && failed == 0 && turn.wall > 0.0 => {
                self.transactions += processed;
                let taken = || to.flatten()?.checked_sub(from.flatten()?);
                Ok((turn, taken()))
            }
            _ => Err(format!("pgbench failed: {told}").into()),
        }
    }

    /// That each transaction left what a capture leaves: a lead, a submission, and about as many rows in all.
    pub fn check(&self, rows_a_capture: f64) -> Result<f64, Failure> {
        let after = crate::wait_for(async {
            let on = connect(&self.url).await?;
            let after = counts(&on).await?;
            on.close().await?;
            Ok(after)
        })?;
        let grown = |table: &str| after[table] - self.before.get(table).copied().unwrap_or_default();
        for table in ["leads", "submissions"] {
            if grown(table) as u64 != self.transactions {
                let (grown, wanted) = (grown(table), self.transactions);
                return Err(format!("pgbench left {grown} rows in {table}, for {wanted} transactions").into());
            }
        }
        let rows: i64 = after.keys().map(|table| grown(table)).sum();
        let rows = rows as f64 / self.transactions as f64;
        if rows < rows_a_capture * (1.0 - TOLERANCE) {
            return Err(format!("a transaction left {rows:.2} rows, a capture {rows_a_capture:.2}").into());
        }
        Ok(rows)
    }
}

/// `progress: 3.0 s, 2712.5 tps, lat ...`: the second, and the transactions a second since the line before.
fn progress(line: &str) -> Option<(f64, f64)> {
    let (second, rest) = line.strip_prefix("progress: ")?.split_once(" s, ")?;
    let (rate, _) = rest.split_once(" tps")?;
    Some((second.parse().ok()?, rate.parse().ok()?))
}

/// The statements of two lone captures, each by a server that logs them.
fn logged(stage: &Stage, log: &Path) -> Result<[Vec<script::Logged>; 2], Failure> {
    let home = stage.copy("logged")?;
    let url = home.url.clone().ok_or("pgbench is for PostgreSQL")?;
    let (server, name) = url.rsplit_once('/').ok_or("not a URL of PostgreSQL")?;
    let alter = [format!("ALTER DATABASE {name} SET log_statement = 'all'")];
    crate::wait_for(crate::execute(&format!("{server}/postgres"), &alter))?;
    let begin = fs::metadata(log).map_err(|error| format!("{}: {error}", log.display()))?.len();
    let server = home.start()?;
    let sender = stage.sender();
    crate::wait_for(async {
        let mut connection = Connection::to(server.address).await?;
        for sample in SAMPLES {
            let told = connection.ask(&sender.of(sample.person, sample.company, "")).await?;
            if told.status != 201 {
                return Err(format!("a lone capture was answered {}", told.status).into());
            }
        }
        Ok(())
    })?;
    server.stop()?;
    home.strike()?;
    let mut text = vec![];
    let mut file = fs::File::open(log)?;
    file.seek(SeekFrom::Start(begin))?;
    file.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    Ok([script::transaction(&text, SAMPLES[0])?, script::transaction(&text, SAMPLES[1])?])
}

/// Give each company an id in which its number stands; answer those that the samples' companies had.
async fn name_companies(on: &DatabaseConnection) -> Result<[String; 2], Failure> {
    let mut companies = [const { String::new() }; 2];
    for (company, sample) in companies.iter_mut().zip(SAMPLES) {
        let domain = form::domain(sample.company);
        let found =
            texts::<1>(on, &format!("SELECT id::text FROM companies WHERE domain = '{domain}'")).await?;
        let [id] = found.into_iter().next().ok_or("a company did not become known")?;
        *company = id;
    }
    let named = format!("('{}' || substr(domain, 6, 4))::uuid", script::company_id(""));
    let referring = "SELECT table_name::text FROM information_schema.columns WHERE table_schema = current_schema() \
                     AND column_name = 'company_id' AND data_type = 'uuid'";
    for [table] in texts::<1>(on, referring).await? {
        on.execute_unprepared(&format!(
            "UPDATE {table} t SET company_id = (SELECT {named} FROM companies WHERE id = t.company_id) \
             WHERE company_id IN (SELECT id FROM companies)"
        ))
        .await?;
    }
    on.execute_unprepared(&format!("UPDATE companies SET id = {named}")).await?;
    Ok(companies)
}

/// How many rows each table holds.
pub async fn counts(on: &DatabaseConnection) -> Result<BTreeMap<String, i64>, Failure> {
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace \
                  AND relkind IN ('r', 'p') AND NOT relispartition";
    let each = texts::<1>(on, tables)
        .await?
        .into_iter()
        .map(|[table]| format!("SELECT '{table}', count(*)::text FROM {table}"));
    let sql = each.collect::<Vec<_>>().join(" UNION ALL ");
    let mut counts = BTreeMap::new();
    for [table, count] in texts::<2>(on, &sql).await? {
        counts.insert(table, count.parse()?);
    }
    Ok(counts)
}
