//! The program `tandem` and its command line: `tandem serve | work | migrate | openapi | admin | import | backup | demo | doctor`.

/// Print a line on standard output. Unlike `println!` it does not panic when the reader has closed the pipe.
macro_rules! print_line {
    ($($arguments:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($arguments)*);
    }};
}

mod backup;
mod doctor;
mod import;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tandem_api::program::config;
use tandem_domain::judge::Rule;

/// The one record of every lead that marketing and sales share.
#[derive(Debug, Parser)]
#[command(name = "tandem", version, propagate_version = true)]
struct Arguments {
    /// A TOML file with settings; the environment takes precedence.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the HTTP API and run background jobs (the default).
    Serve,
    /// Run background jobs only, beside servers on one PostgreSQL.
    Work,
    /// Migrate the schema and stop.
    Migrate,
    /// Print the OpenAPI document.
    Openapi {
        /// Write it to a file instead.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Administer Tandem from the machine itself.
    #[command(subcommand)]
    Admin(Admin),
    /// Copy the embedded database into a new file while the service runs.
    Backup {
        /// The file to create; an existing file is never overwritten.
        #[arg(value_name = "FILE")]
        target: PathBuf,
    },
    /// Import a file: leads, companies, users, stage changes, deals or revenue. May run beside a server.
    Import(import::Arguments),
    /// Fill an empty database with a year of a fictitious company, and print what to look at.
    Demo {
        /// Another number generates another year; the same number generates the same year.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The day on which the year ends, such as 2026-05-04; default today.
        #[arg(long, value_name = "DATE")]
        until: Option<jiff::civil::Date>,
    },
    /// Check configuration, data directory, master key and database, or a running service, and print what is wrong.
    Doctor {
        /// The address of a running service's readiness, such as http://127.0.0.1:8080/readyz.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum Admin {
    /// Create a user with the rights of an admin; the password is read from standard input, else generated.
    Create {
        /// The e-mail to log in with.
        #[arg(long)]
        email: String,
        /// The user's name, as others see it.
        #[arg(long, default_value = "Administrator")]
        name: String,
    },
}

/// Run the program with the arguments and the environment of this process; leads are judged by these rules.
pub fn run(rules: Vec<Arc<dyn Rule>>) -> ExitCode {
    let arguments =
        match Arguments::from_arg_matches(&Arguments::command().after_help(variables()).get_matches()) {
            Ok(arguments) => arguments,
            Err(error) => error.exit(),
        };
    let file = arguments
        .config
        .or_else(|| std::env::var_os("TANDEM_CONFIG").map(PathBuf::from));
    let done = match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => run::serve(file, rules),
        Command::Work => run::work(file, rules),
        Command::Migrate => run::migrate(file),
        Command::Openapi { output } => run::openapi(output),
        Command::Admin(Admin::Create { email, name }) => run::create_admin(file, &email, &name),
        Command::Backup { target } => backup::copy(file, &target),
        Command::Import(arguments) => return import::import(file, arguments, rules),
        Command::Demo { seed, until } => run::demo(file, seed, until, rules),
        Command::Doctor { url: Some(url) } => doctor::ask(&url),
        Command::Doctor { url: None } => doctor::look(file),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("tandem: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The settings of the environment, for `--help`.
fn variables() -> String {
    let lines = config::variables().map(|(name, example)| format!("  {name:<32} {example}"));
    let lines: Vec<String> = lines.collect();
    format!(
        "Environment, each with an example (docs/operation.md explains them):\n{}\n  {:<32} {}",
        lines.join("\n"),
        config::CONFIG_VARIABLE,
        "/etc/tandem.toml"
    )
}
