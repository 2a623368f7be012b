//! The smallest request of all, to tell when a broker has started: ApiVersions in version 0.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Length 10, API 18, version 0, correlation 7, no client id.
const REQUEST: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// Asks, and waits for the answer's head.
pub(crate) fn ping(server: SocketAddr, patience: Duration) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(&REQUEST)?;
    let mut head = [0; 10];
    stream.read_exact(&mut head).context("the answer's head")?;
    ensure!(
        head[4..] == [0, 0, 0, 7, 0, 0],
        "ApiVersions answered {head:?}"
    );
    Ok(())
}
