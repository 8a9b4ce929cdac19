//! The program `tandem`.

use std::process::ExitCode;

use tandem_domain::judge;

/// Lists and batches are many small pieces of memory, which come and go on several threads.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tandem::run(judge::rules())
}
