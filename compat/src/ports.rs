//! Ports for servers that are to be found at the same place after they were killed.
//!
//! They lie below those that the system gives out (`ip_local_port_range`, from 32768 on): one of those could go to a client that
//! connects, to this server even, in the moment in which the server is down.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// The first port, and how many there are.
const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;
/// Spreads processes that run at once, which have numbers near each other.
const STEP: u32 = 631;

static TAKEN: AtomicU32 = AtomicU32::new(0);

/// An address of this machine that nobody listens on. No other call of this process gives the same, until all were given.
///
/// # Panics
/// Where every port is taken.
pub fn unused() -> String {
    let start = process::id().wrapping_mul(STEP);
    let free = (0..COUNT).find_map(|_| {
        let turn = TAKEN.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(turn) % COUNT;
        let address = (Ipv4Addr::LOCALHOST, u16::try_from(port).ok()?);
        TcpListener::bind(address).ok().map(|_| port)
    });
    let port = free.expect("a port of this machine is free");
    format!("{}:{port}", Ipv4Addr::LOCALHOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_below_those_that_the_system_gives() {
        let (one, other) = (unused(), unused());
        assert_ne!(one, other);
        let held = TcpListener::bind(&one).unwrap();
        let port = u32::from(held.local_addr().unwrap().port());
        assert!((FIRST..FIRST + COUNT).contains(&port));
    }
}
