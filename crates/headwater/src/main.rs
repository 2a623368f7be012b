//! The program `headwater`. Everything is in the library, so that other binaries can start it too.

/// What is cached goes in the order in which it came, in all sizes: glibc's allocator keeps a third more than is in use. Figures are in
/// `docs/decisions/2026-11-27-jemalloc.md`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    headwater::run(std::env::args_os())
}
