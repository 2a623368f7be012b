//! How long requests are worked on, for `request_percentage` (KIP-124): the time in which they keep a thread, not that in which
//! they wait for the disk, for records or for their turn.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::{Later, Reply};
use crate::session::Call;
use crate::wire::Response;

/// Completes as `work` does, and tells how long it was worked on.
async fn timed<F: Future>(work: F) -> (F::Output, Duration) {
    let mut work = pin!(work);
    let mut spent = Duration::ZERO;
    let output = poll_fn(|context| {
        let began = Instant::now();
        let poll = work.as_mut().poll(context);
        spent += began.elapsed();
        poll
    })
    .await;
    (output, spent)
}

/// Completes as the handler does, and takes its time from the quota of whoever asks. The answer tells them to wait where they
/// have none left.
pub(crate) async fn metered<R: Response>(
    call: Call,
    handling: impl Future<Output = Reply<R>>,
) -> Reply<R> {
    let (reply, spent) = timed(handling).await;
    match reply {
        Reply::Now(mut answer) => {
            answer.throttle(call.take_time(spent));
            Reply::Now(answer)
        }
        Reply::Later(later) => Reply::Later(Box::pin(metered_later(call, later, spent))),
        Reply::Silent(done) => {
            call.take_time(spent);
            Reply::Silent(done)
        }
    }
}

async fn metered_later<R: Response>(call: Call, later: Later<R>, before: Duration) -> R {
    let (mut answer, spent) = timed(later).await;
    answer.throttle(call.take_time(before + spent));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quotas::{Entity, REQUESTS, Who};
    use crate::wire::HeartbeatResponseData;
    use crate::world::{World, answer};

    /// Keeps the thread so long.
    fn work(time: Duration) {
        let began = Instant::now();
        while began.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    #[tokio::test]
    async fn time_of_waiting_is_not_counted() {
        let (busy, wait) = (Duration::from_millis(2), Duration::from_millis(50));
        let began = Instant::now();
        let (_, spent) = timed(async {
            work(busy);
            tokio::time::sleep(wait).await;
            work(busy);
        })
        .await;
        assert!(spent >= busy * 2);
        assert!(spent + wait / 2 <= began.elapsed(), "{spent:?}");
    }

    #[tokio::test]
    async fn who_takes_more_time_than_is_theirs_is_told_to_wait() {
        let world = World::new().await;
        let all = Entity {
            client: Some(Who::Default),
            ..Entity::default()
        };
        // A tenth of a thread's time, of which a second's is there.
        let changes = [(REQUESTS.to_owned(), Some(10.0))];
        let store = world.broker.streams.store();
        let changed = world.broker.quotas.change(&**store, &all, &changes);
        changed.await.unwrap();
        let heartbeat = async |time: Duration| {
            let handling = async {
                let later = async move {
                    work(time);
                    HeartbeatResponseData::default()
                };
                Reply::later(later)
            };
            let reply = metered(world.call(4), handling).await;
            answer(reply).await.throttle_time_ms
        };
        assert_eq!(heartbeat(Duration::ZERO).await, 0);
        // Forty are owed, of which ten come in each second.
        let wait = heartbeat(Duration::from_millis(500)).await;
        assert!(wait >= 3_900, "{wait}");
        assert!(world.session.mute.ends().is_some());
    }
}
