//! The program `headwater`. Everything is in the library, so that other binaries can start it too.

fn main() -> std::process::ExitCode {
    headwater::run(std::env::args_os())
}
