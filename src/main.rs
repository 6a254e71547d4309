//! The program; everything is in the library.

use std::process::ExitCode;

/// Gives memory back to the system after a wave of long answers. The system's allocator may keep it
/// (docs/adr/0010-allocator.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    perch::cli::main()
}
