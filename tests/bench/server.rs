//! The program under test, as a process: started, measured, stopped.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tandem_domain::access::Scope;
use tandem_domain::id::splitmix64;
use tandem_store::db::DatabaseLocation;

use crate::Failure;
use crate::client::{Client, Request};

const ADMIN: &str = "admin@example.com";
const PASSWORD: &str = "correct horse battery staple 7";

/// Where a server finds its program and its database.
#[derive(Clone)]
pub struct Home {
    /// What people call the database.
    pub name: &'static str,
    /// The program.
    pub program: PathBuf,
    /// The data directory, or what stands for it.
    pub dir: PathBuf,
    /// The server's URL, for PostgreSQL.
    pub url: Option<String>,
}

impl Home {
    /// Where the store finds the database.
    pub fn place(&self) -> DatabaseLocation {
        match &self.url {
            Some(url) => DatabaseLocation::Postgres { url: url.clone(), replica: None },
            None => DatabaseLocation::Sqlite(self.dir.join("tandem.db")),
        }
    }

    /// The same kind of database for another program, beside this one.
    pub fn renamed(&self, suffix: &str, program: &Path) -> Self {
        let dir = self.dir.file_name().unwrap_or_default().to_string_lossy();
        Self {
            program: program.to_owned(),
            dir: self.dir.with_file_name(format!("{dir}-{suffix}")),
            url: self.url.as_ref().map(|url| format!("{url}_{suffix}")),
            ..self.clone()
        }
    }

    fn command(&self, arguments: &[&str]) -> Result<Command, Failure> {
        let log = File::options().create(true).append(true).open(self.dir.join("tandem.log"))?;
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TANDEM_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .env_remove("DATABASE_URL")
            .env_remove("READ_DATABASE_URL")
            .env("TANDEM_DATA_DIR", &self.dir)
            .env("TANDEM_RATE_PER_KEY", "0")
            .env("TANDEM_RATE_PER_FORM", "0")
            .env("TANDEM_RATE_PER_ADDRESS", "0")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if let Some(url) = &self.url {
            command.env("DATABASE_URL", url);
            command.env("TANDEM_MASTER_KEY", master_key());
        }
        Ok(command)
    }

    /// Make the database anew, as a copy of another one; of a file there is nothing to do.
    pub fn create(&self, template: &str) -> Result<(), Failure> {
        let Some((server, name)) = self.url.as_ref().and_then(|url| url.rsplit_once('/')) else {
            return Ok(());
        };
        let make = [
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("CREATE DATABASE {name} TEMPLATE {template}"),
        ];
        crate::wait_for(crate::execute(&format!("{server}/postgres"), &make))
    }

    /// Remove it, its database too.
    pub fn strike(&self) -> Result<(), Failure> {
        let _ = fs::remove_dir_all(&self.dir);
        if let Some((server, name)) = self.url.as_ref().and_then(|url| url.rsplit_once('/')) {
            let drop = [format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")];
            crate::wait_for(crate::execute(&format!("{server}/postgres"), &drop))?;
        }
        Ok(())
    }

    /// Make the schema and the admin.
    pub fn prepare(&self) -> Result<(), Failure> {
        fs::create_dir_all(&self.dir)?;
        self.run(&["migrate"], "")?;
        self.run(&["admin", "create", "--email", ADMIN], PASSWORD)
    }

    fn run(&self, arguments: &[&str], input: &str) -> Result<(), Failure> {
        let file = self.dir.join("input");
        fs::write(&file, input)?;
        let status = self.command(arguments)?.stdin(File::open(&file)?).status()?;
        fs::remove_file(&file)?;
        match status.success() {
            true => Ok(()),
            false => {
                Err(format!("tandem {arguments:?} failed: see {}", self.dir.join("tandem.log").display())
                    .into())
            }
        }
    }

    /// Start the server and wait for its first 200 on `/readyz`.
    pub fn start(&self) -> Result<Server, Failure> {
        let address = free_address()?;
        let mut command = self.command(&["serve"])?;
        command.env("TANDEM_LISTEN", address.to_string());
        let begun = Instant::now();
        let child = command.spawn()?;
        let mut server = Server { child, address, started_in: Duration::ZERO };
        loop {
            if begun.elapsed() > Duration::from_secs(30) || server.child.try_wait()?.is_some() {
                return Err(format!(
                    "the server did not start: see {}",
                    self.dir.join("tandem.log").display()
                )
                .into());
            }
            if is_ready(address) {
                server.started_in = begun.elapsed();
                return Ok(server);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The same at every run, so that a kept database stays readable; it guards nothing.
fn master_key() -> String {
    (1..=4).map(|n| format!("{:016x}", splitmix64(n))).collect()
}

fn is_ready(address: SocketAddr) -> bool {
    let answer = Client::connect(address, None).and_then(|mut client| client.ask(&Request::get("/readyz")));
    answer.is_ok_and(|answer| answer.status == 200)
}

fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A server that runs; it ends with this value.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From its start to its first 200.
    pub started_in: Duration,
}

impl Server {
    /// The access token of the admin.
    pub fn admin(&self) -> Result<String, Failure> {
        let login = json!({"email": ADMIN, "password": PASSWORD});
        let login = Client::connect(self.address, None)?.succeed(&Request::post("/v1/auth/login", login))?;
        Ok(login.json()?["access_token"].as_str().unwrap_or_default().to_owned())
    }

    /// A secret key that may do everything a key may.
    pub fn key(&self) -> Result<String, Failure> {
        let token = self.admin()?;
        let scopes = [
            Scope::LeadsRead,
            Scope::LeadsWrite,
            Scope::EventsWrite,
            Scope::FormsWrite,
            Scope::ReportsRead,
            Scope::ChangesRead,
            Scope::JournalRead,
        ];
        let wanted = json!({"name": "bench", "scopes": scopes});
        let made =
            Client::connect(self.address, Some(&token))?.succeed(&Request::post("/v1/api-keys", wanted))?;
        let secret = made.json()?["secret"].as_str().map(str::to_owned);
        secret.ok_or_else(|| "the new key has no secret".into())
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The memory that it holds, in MB (resident set, shared pages included).
    pub fn memory(&self) -> Result<f64, Failure> {
        let status = Path::new("/proc").join(self.child.id().to_string()).join("status");
        if let Ok(status) = fs::read_to_string(status) {
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kilobytes: f64 =
                line.and_then(|rest| rest.split_whitespace().next()).unwrap_or("0").parse()?;
            return Ok(kilobytes / 1024.0);
        }
        let ps = Command::new("ps").args(["-o", "rss=", "-p", &self.child.id().to_string()]).output()?;
        Ok(String::from_utf8_lossy(&ps.stdout).trim().parse::<f64>()? / 1024.0)
    }

    /// Stop it as an operator does.
    pub fn stop(mut self) -> Result<(), Failure> {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status()?;
        let begun = Instant::now();
        while asked.success() && begun.elapsed() < Duration::from_secs(30) {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err("the server did not stop".into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
