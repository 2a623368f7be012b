//! What one client, or all together, may take of the server.

use std::time::Duration;

/// Bounds on requests and connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body, in bytes. The largest an AWS service here takes is PutRecords' 10 MiB, a third more as base64.
    pub body_bytes_max: usize,
    /// All request bodies, and replies not yet sent, held at one time, in bytes; requests beyond are told to come again.
    pub buffered_bytes_max: usize,
    /// As much of that, in bytes, as requests may hold whose signature cannot be checked before their body is here; further ones
    /// are told to come again.
    pub unverified_bytes_max: usize,
    /// As much of `buffered_bytes_max`, in bytes, as one connection may hold: HTTP/2 has many requests on one.
    pub connection_bytes_max: usize,
    /// Longest a client may pause within a body.
    pub body_pause_max: Duration,
    /// Longest a client may take over a whole body: one that drips would hold its part of `buffered_bytes_max` for ever.
    pub body_time_max: Duration,
    /// Longest a client may take over the TLS handshake, and again over a request's headers.
    pub header_time_max: Duration,
    /// Longest a connection may stay open without a request. SDKs keep idle connections for about a minute, and a
    /// server that hangs up first makes them fail a request now and then.
    pub idle_time_max: Duration,
    /// Longest a client may leave a reply unread, or take less than 16 KiB of what waits for it; in HTTP/2, also by granting it no
    /// window.
    pub reply_pause_max: Duration,
    /// Connections at one time; further ones wait to be accepted.
    pub connections_max: usize,
    /// Requests at one time on one HTTP/2 connection.
    pub streams_max: u32,
    /// Largest head of an HTTP/2 request, in bytes. HTTP/1.1's is bounded by 100 headers and by what is read ahead: 448 KiB,
    /// or 64 KiB once `read_ahead_bytes_max` has no room for more.
    pub header_bytes_max: u32,
    /// What all HTTP/1.1 connections read ahead at one time, in bytes: heads that are not whole, and parts of bodies. Never less
    /// than 64 KiB for each of `connections_max`.
    pub read_ahead_bytes_max: usize,
    /// Longest that requests under way may take to finish once the server is to stop.
    pub drain_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body_bytes_max: 16 << 20,
            buffered_bytes_max: 1 << 30,
            // Three dozen of the largest PutRecords at once, by one client over HTTP/2 that does not say their hashes beforehand.
            unverified_bytes_max: 1 << 29,
            connection_bytes_max: 1 << 29,
            body_pause_max: Duration::from_secs(20),
            // The largest body at 1 Mbit/s.
            body_time_max: Duration::from_secs(140),
            header_time_max: Duration::from_secs(20),
            idle_time_max: Duration::from_secs(120),
            reply_pause_max: Duration::from_secs(60),
            connections_max: 10_000,
            streams_max: 256,
            header_bytes_max: 64 << 10,
            // The first thousand connections read far.
            read_ahead_bytes_max: 1 << 30,
            drain_time_max: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_dozen_of_the_largest_bodies_come_at_once() {
        let limits = Limits::default();
        let largest = (10 << 20) * 4 / 3;
        assert!(36 * largest <= limits.unverified_bytes_max);
        assert!(36 * largest <= limits.connection_bytes_max);
        assert!(2 * limits.connection_bytes_max <= limits.buffered_bytes_max);
    }
}
