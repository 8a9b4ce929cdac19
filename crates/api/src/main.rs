//! The program `tandem`.

fn main() -> std::process::ExitCode {
    tandem_api::commands::run()
}
