//! The program `tandem` under another name, so that tests can start its commands as processes.

fn main() -> std::process::ExitCode {
    tandem_api::program::commands::run()
}
