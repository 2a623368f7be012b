//! The server itself, as a program of this crate: cargo builds it before the tests and tells them where it lies.

fn main() -> std::process::ExitCode {
    headwater::run(std::env::args_os())
}
