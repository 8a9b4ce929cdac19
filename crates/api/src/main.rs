//! The program `tandem`.

/// Lists and batches are many small pieces of memory, which come and go on several threads.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    tandem_api::program::commands::run()
}
