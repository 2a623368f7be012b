//! How often an operation may be called: `--limits aws` refuses what comes faster, as AWS does for each account or stream.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use aws::Caller;
use model::Timestamp;

use super::error::KinesisError;
use super::{Kinesis, Limits};

/// Callers remembered before those that have been quiet are forgotten.
const CALLERS: usize = 4_096;

type Answering<O> = Pin<Box<dyn Future<Output = Result<O, KinesisError>> + Send>>;

/// Inputs that name the stream whose calls are counted.
pub(super) trait OfStream {
    /// The stream's name, or its ARN.
    fn stream(&self) -> &str;
}

/// Answers by `handler`, `per_second` times a second for each account and region.
pub(super) fn at_most<I, O, F, Fut>(
    per_second: u32,
    handler: F,
) -> impl Fn(Arc<Kinesis>, Caller, I) -> Answering<O> + Send + Sync + 'static
where
    F: Fn(Arc<Kinesis>, Caller, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, KinesisError>> + Send + 'static,
    O: Send + 'static,
{
    let calls = Calls::new(per_second);
    move |kinesis, caller, input| match calls.admit(&kinesis, &caller, "") {
        Ok(()) => Box::pin(handler(kinesis, caller, input)),
        Err(error) => Box::pin(std::future::ready(Err(error))),
    }
}

/// Answers by `handler`, `per_second` times a second for each stream.
pub(super) fn at_most_per_stream<I, O, F, Fut>(
    per_second: u32,
    handler: F,
) -> impl Fn(Arc<Kinesis>, Caller, I) -> Answering<O> + Send + Sync + 'static
where
    I: OfStream,
    F: Fn(Arc<Kinesis>, Caller, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, KinesisError>> + Send + 'static,
    O: Send + 'static,
{
    let calls = Calls::new(per_second);
    move |kinesis, caller, input| match calls.admit(&kinesis, &caller, input.stream()) {
        Ok(()) => Box::pin(handler(kinesis, caller, input)),
        Err(error) => Box::pin(std::future::ready(Err(error))),
    }
}

/// The calls of one operation, by who makes them.
struct Calls {
    per_second: u32,
    buckets: Mutex<HashMap<String, Bucket>>,
}

impl Calls {
    fn new(per_second: u32) -> Self {
        Calls {
            per_second,
            buckets: Mutex::default(),
        }
    }

    fn admit(&self, kinesis: &Kinesis, caller: &Caller, stream: &str) -> Result<(), KinesisError> {
        if kinesis.limits == Limits::None {
            return Ok(());
        }
        let (account, region) = (&caller.account, &caller.region);
        let who = format!("{account} {region} {stream}");
        if self.take(who, kinesis.clock.now()) {
            return Ok(());
        }
        let of = if stream.is_empty() {
            String::new()
        } else {
            format!("stream {stream} under ")
        };
        Err(KinesisError::LimitExceeded(format!(
            "Rate exceeded for {of}account {account}."
        )))
    }

    fn take(&self, who: String, now: Timestamp) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CALLERS {
            buckets.retain(|_, bucket| !bucket.is_full(self.per_second, now));
            // Too many at once to count: admit rather than grow.
            if buckets.len() >= CALLERS {
                return true;
            }
        }
        let full = Bucket {
            millicalls: u64::from(self.per_second) * 1_000,
            at: now,
        };
        buckets
            .entry(who)
            .or_insert(full)
            .take(self.per_second, now)
    }
}

/// Calls left, in thousandths, which grow with the milliseconds.
#[derive(Clone, Copy)]
struct Bucket {
    millicalls: u64,
    at: Timestamp,
}

impl Bucket {
    fn refilled(self, per_second: u32, now: Timestamp) -> u64 {
        let passed = now.since(self.at).as_millis().min(1_000) as u64;
        let per_second = u64::from(per_second);
        (self.millicalls + passed * per_second).min(per_second * 1_000)
    }

    fn is_full(self, per_second: u32, now: Timestamp) -> bool {
        self.refilled(per_second, now) == u64::from(per_second) * 1_000
    }

    fn take(&mut self, per_second: u32, now: Timestamp) -> bool {
        self.millicalls = self.refilled(per_second, now);
        self.at = now;
        match self.millicalls.checked_sub(1_000) {
            Some(rest) => {
                self.millicalls = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_so_many_calls_and_no_more() {
        let calls = Calls::new(5);
        let take = |who: &str, at: i64| calls.take(who.to_owned(), Timestamp(at));
        assert!((0..5).all(|_| take("a", 0)));
        assert!(!take("a", 0));
        assert!(take("b", 0), "others have their own");
        assert!(!take("a", 199));
        assert!(take("a", 200));
        assert!(!take("a", 200));
        assert!((0..5).all(|_| take("a", 10_000)));
        assert!(!take("a", 10_000), "time unused is not saved up");
    }
}
