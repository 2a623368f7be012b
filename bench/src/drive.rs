//! Keeps many connections busy from one thread: an epoll loop, so that the generator takes as little as it can of the
//! processors it shares with the server, and knows the time to within tens of microseconds (tokio's timer: a millisecond).
//!
//! A [`Load`] says what to send and is told what came back. One request is in flight on each connection.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use crate::http1::{Answer, Incoming, Progress};

/// The longest any answer may take before the run is given up.
const STALL_MAX: Duration = Duration::from_secs(60);
/// The shortest sleep. At 20,000 requests a second four leave together, up to this late; waking for each would take a fifth of
/// a processor from the server. The lateness is in the latencies.
const SLEEP_MIN: Duration = Duration::from_micros(200);
const TIMER: u64 = u64::MAX;
const EVENTS_MAX: usize = 256;

/// What a connection with nothing in flight does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send what [`Load::request`] gives.
    Send,
    /// Nothing is due before this instant, on any connection.
    WaitUntil(Instant),
    /// Nothing more to do on this connection.
    Done,
}

/// A workload.
pub(crate) trait Load {
    /// Decides for an idle connection, and prepares the request if there is one.
    fn next(&mut self, connection: usize, now: Instant) -> Next;
    /// The bytes prepared for `connection`; unchanged until its answer is in.
    fn request(&self, connection: usize) -> &[u8];
    /// An answer is in. An error ends the run.
    fn on_answer(&mut self, connection: usize, answer: &Answer<'_>, now: Instant) -> Result<()>;
}

/// Runs `load` on `connections` connections to `server` until all are done.
pub(crate) fn drive(server: SocketAddr, connections: usize, load: &mut impl Load) -> Result<()> {
    Driver::new(server, connections)?.run(load)
}

struct Connection {
    stream: TcpStream,
    incoming: Incoming,
    sent: usize,
    in_flight: bool,
    closed: bool,
}

struct Driver {
    server: SocketAddr,
    epoll: OwnedFd,
    timer: OwnedFd,
    connections: Vec<Connection>,
    idle: VecDeque<usize>,
    running: usize,
}

impl Driver {
    fn new(server: SocketAddr, count: usize) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll_create")?;
        let timer =
            rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        epoll::add(
            &epoll,
            &timer,
            EventData::new_u64(TIMER),
            EventFlags::IN | EventFlags::ET,
        )?;
        let mut connections = Vec::with_capacity(count);
        for index in 0..count {
            let stream = connect(server, &epoll, index)?;
            let incoming = Incoming::default();
            connections.push(Connection {
                stream,
                incoming,
                sent: 0,
                in_flight: false,
                closed: false,
            });
        }
        Ok(Self {
            server,
            epoll,
            timer,
            connections,
            idle: (0..count).collect(),
            running: count,
        })
    }

    fn run(mut self, load: &mut impl Load) -> Result<()> {
        let mut events = Vec::with_capacity(EVENTS_MAX);
        loop {
            let wake_at = self.start_idle(load)?;
            if self.running == 0 {
                return Ok(());
            }
            if let Some(instant) = wake_at {
                self.set_timer(instant)?;
            }
            let stall = Timespec {
                tv_sec: STALL_MAX.as_secs() as i64,
                tv_nsec: 0,
            };
            events.clear();
            match epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&stall),
            ) {
                Ok(count) => ensure!(
                    count > 0,
                    "no answer from {} for {STALL_MAX:?}",
                    self.server
                ),
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error).context("epoll_wait"),
            }
            for event in &events {
                if event.data.u64() != TIMER {
                    self.on_ready(event.data.u64() as usize, load)?;
                }
            }
        }
    }

    /// Gives idle connections their work, in turn; returns when to try again if the load waits for a time.
    fn start_idle(&mut self, load: &mut impl Load) -> Result<Option<Instant>> {
        while let Some(&index) = self.idle.front() {
            match load.next(index, Instant::now()) {
                Next::WaitUntil(instant) => return Ok(Some(instant)),
                Next::Done => self.running -= 1,
                Next::Send => self.send(index, load)?,
            }
            self.idle.pop_front();
        }
        Ok(None)
    }

    fn set_timer(&self, at: Instant) -> Result<()> {
        let delay = at.saturating_duration_since(Instant::now()).max(SLEEP_MIN);
        let it_value = Timespec {
            tv_sec: delay.as_secs() as i64,
            tv_nsec: delay.subsec_nanos().into(),
        };
        let it_interval = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let when = Itimerspec {
            it_interval,
            it_value,
        };
        rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &when)
            .context("set the timer")?;
        Ok(())
    }

    fn send(&mut self, index: usize, load: &impl Load) -> Result<()> {
        if self.connections[index].closed {
            let stream = connect(self.server, &self.epoll, index)?;
            self.connections[index].stream = stream;
            self.connections[index].closed = false;
        }
        let connection = &mut self.connections[index];
        connection.sent = 0;
        connection.in_flight = true;
        connection.write_on(load.request(index))
    }

    fn on_ready(&mut self, index: usize, load: &mut impl Load) -> Result<()> {
        let connection = &mut self.connections[index];
        if connection.in_flight {
            connection.write_on(load.request(index))?;
        }
        match connection.incoming.read_from(&mut connection.stream)? {
            Progress::Partial => return Ok(()),
            Progress::Closed => {
                ensure!(
                    !connection.in_flight,
                    "the server closed a connection instead of answering"
                );
                connection.closed = true;
                return Ok(());
            }
            Progress::Whole => {}
        }
        ensure!(connection.in_flight, "an answer nobody asked for");
        if let Some(answer) = connection.incoming.answer() {
            connection.closed = answer.closes;
            load.on_answer(index, &answer, Instant::now())?;
        }
        connection.incoming.clear();
        connection.in_flight = false;
        self.idle.push_back(index);
        Ok(())
    }
}

impl Connection {
    /// Writes on from where the socket last was full. Edge-triggered, so it is called again when there is room.
    fn write_on(&mut self, request: &[u8]) -> Result<()> {
        while self.sent < request.len() {
            match self.stream.write(&request[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("send a request"),
            }
        }
        Ok(())
    }
}

fn connect(server: SocketAddr, epoll: &OwnedFd, index: usize) -> Result<TcpStream> {
    let stream = TcpStream::connect(server).with_context(|| format!("connect to {server}"))?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
    epoll::add(epoll, &stream, EventData::new_u64(index as u64), flags)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;

    use super::*;

    /// Answers each line `n` with its number; hangs up after every third answer, as `closes` has announced or not.
    fn serve(listener: TcpListener, closes: &'static str) {
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                    for answered in 1..=3 {
                        let Some(Ok(number)) = lines.next() else {
                            return;
                        };
                        let closes = if answered == 3 { closes } else { "" };
                        let length = number.len();
                        let head =
                            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{closes}\r\n");
                        (&stream).write_all(head.as_bytes()).unwrap();
                        (&stream).write_all(number.as_bytes()).unwrap();
                    }
                });
            }
        });
    }

    struct Numbers {
        next: usize,
        sent: Vec<Vec<u8>>,
        expected: Vec<usize>,
        seen: Vec<usize>,
    }

    impl Load for Numbers {
        fn next(&mut self, connection: usize, _: Instant) -> Next {
            if self.next == 30 {
                return Next::Done;
            }
            self.sent[connection] = format!("{}\n", self.next).into_bytes();
            self.expected[connection] = self.next;
            self.next += 1;
            Next::Send
        }

        fn request(&self, connection: usize) -> &[u8] {
            &self.sent[connection]
        }

        fn on_answer(&mut self, connection: usize, answer: &Answer<'_>, _: Instant) -> Result<()> {
            let number: usize = std::str::from_utf8(answer.body)?.parse()?;
            assert_eq!(number, self.expected[connection]);
            self.seen.push(number);
            Ok(())
        }
    }

    #[test]
    fn every_request_gets_its_answer_though_the_server_hangs_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        serve(listener, "Connection: close\r\n");
        let mut load = Numbers {
            next: 0,
            sent: vec![Vec::new(); 4],
            expected: vec![0; 4],
            seen: Vec::new(),
        };
        drive(address, 4, &mut load).unwrap();
        load.seen.sort();
        assert_eq!(load.seen, (0..30).collect::<Vec<_>>());
    }

    #[test]
    fn a_server_that_hangs_up_instead_of_answering_ends_the_run() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut line = String::new();
                let _ = BufReader::new(&stream).read_line(&mut line);
            }
        });
        let mut load = Numbers {
            next: 0,
            sent: vec![Vec::new()],
            expected: vec![0],
            seen: Vec::new(),
        };
        assert!(drive(address, 1, &mut load).is_err());
    }
}
