//! Reading a shard by SubscribeToShard: events pushed for five minutes, and then subscribed to again.

use std::time::Duration;

use aws::event_stream::{Message, decode};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::api;
use super::feed::Feed;
use super::position::{Place, Position};
use crate::error::ClientError;

const OPERATION: &str = "SubscribeToShard";
/// An event comes every few seconds, if only to say that there is nothing; after so long without, the connection is dead.
const SILENCE_MAX: Duration = Duration::from_secs(35);
/// What says how long a message is, with the checksum of that.
const PRELUDE: usize = 12;
/// No message is longer.
const MESSAGE_MAX: usize = 24 << 20;

/// How a subscription went on.
enum Went {
    /// It is over, as all are after a while.
    Over,
    /// The shard has ended.
    Ended(Vec<api::Child>),
    /// Nobody listens.
    Unheard,
}

/// Reads until the shard ends or nobody listens.
pub(super) async fn run(mut feed: Feed, consumer_arn: &str) {
    while !feed.sink.is_closed() {
        let went = match api::subscribe(&feed.kinesis, consumer_arn, &feed.shard, &feed.from).await
        {
            Ok(response) => follow(&mut feed, response.into_body()).await,
            Err(error) => Err(error),
        };
        match went {
            Ok(Went::Over) => {}
            Ok(Went::Ended(children)) => return feed.end(children).await,
            Ok(Went::Unheard) => return,
            Err(error) if feed.get_over(&error).await => {}
            Err(_) => return feed.end(Vec::new()).await,
        }
    }
}

async fn follow(feed: &mut Feed, mut body: Incoming) -> Result<Went, ClientError> {
    let mut pending = BytesMut::new();
    loop {
        let frame = tokio::select! {
            frame = tokio::time::timeout(SILENCE_MAX, body.frame()) => frame,
            () = feed.sink.closed() => return Ok(Went::Unheard),
        };
        let frame = match frame {
            Err(elapsed) => return Err(broken(feed, elapsed.into())),
            Ok(None) => return Ok(Went::Over),
            Ok(Some(frame)) => frame.map_err(|error| broken(feed, error.into()))?,
        };
        if let Some(data) = frame.data_ref() {
            pending.extend_from_slice(data);
        }
        while let Some(length) = first_length(&pending) {
            let bytes = pending.split_to(length).freeze();
            let decoded = decode(&bytes).map_err(|damage| broken(feed, damage.into()))?;
            if let Some((message, _)) = decoded
                && let Some(went) = take(feed, &message).await?
            {
                return Ok(went);
            }
        }
    }
}

/// How long the first message is, once all of it is there. What cannot be one is as long as the part that shows it.
fn first_length(pending: &[u8]) -> Option<usize> {
    let prelude = pending.first_chunk::<PRELUDE>()?;
    let length = prelude
        .first_chunk::<4>()
        .map(|bytes| u32::from_be_bytes(*bytes) as usize)?;
    let length = if length > MESSAGE_MAX {
        PRELUDE
    } else {
        length.max(PRELUDE)
    };
    (pending.len() >= length).then_some(length)
}

async fn take(feed: &mut Feed, message: &Message) -> Result<Option<Went>, ClientError> {
    match message.header(":message-type") {
        Some("event") => {}
        Some("exception") => {
            return Err(refused(message.header(":exception-type"), &message.payload));
        }
        _ => return Err(refused(message.header(":error-code"), &message.payload)),
    }
    if message.header(":event-type") != Some("SubscribeToShardEvent") {
        return Ok(None);
    }
    let page = api::read_event(&message.payload)?;
    let next = page.next.clone();
    let children = page.children.clone();
    if !feed.pass_on(page).await {
        return Ok(Some(Went::Unheard));
    }
    match next {
        None => Ok(Some(Went::Ended(children))),
        Some(number) => {
            if let Some(place) = Place::new(&number, 0) {
                feed.from.position = Position::At(place);
                feed.from.is_after = true;
            }
            Ok(None)
        }
    }
}

fn broken(feed: &Feed, source: Box<dyn std::error::Error + Send + Sync>) -> ClientError {
    ClientError::Unreachable {
        endpoint: feed.kinesis.client().endpoint().to_owned(),
        source,
    }
}

fn refused(code: Option<&str>, payload: &Bytes) -> ClientError {
    ClientError::Refused {
        operation: OPERATION,
        code: code.unwrap_or("InternalFailureException").to_owned(),
        message: String::from_utf8_lossy(payload).into_owned(),
        status: 500,
    }
}
