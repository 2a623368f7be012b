//! The AWS SDK for Rust against a server. In a crate of its own because the SDK takes minutes to compile.

use std::process::Command;

use compat::client::check;
use compat::server::Server;

#[test]
fn the_rust_sdk_works() {
    let program = env!("CARGO_BIN_EXE_headwater-under-rust");
    let account = "800000000001";
    let mut server = Server::start_with_key(program, "rust-sdk", account, "secret", account);
    let mut command = Command::new(env!("CARGO_BIN_EXE_compat-rust-sdk"));
    check(server.known_to(&mut command));
    server.stop();
}
