//! Page tokens: where a list goes on. Opaque to clients, bound to the list they came from, and usable for five minutes.
//!
//! A token holds no secret and gives no right: it is read only for the account and region that it names. Base64 of JSON.

use aws::Caller;
use aws::shapes::{decode_base64, encode_base64};
use model::{StreamId, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::KinesisError;
use super::limits::TOKEN_LIFETIME;
use super::naming::is_name;
use super::shards::Filter;

/// A list that goes on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) enum Page {
    /// ListStreams, after the stream of this name.
    Streams { after: String },
    /// ListShards, after the shard of this number.
    Shards {
        name: String,
        stream: StreamId,
        after: u32,
        filter: Filter,
    },
    /// ListQueues, after the queue of this name, among those of these streams.
    Queues { after: String, of: Vec<String> },
    /// ListStreamConsumers, after the consumer of this name.
    Consumers {
        name: String,
        stream: StreamId,
        after: String,
    },
}

impl Page {
    /// The names it holds. Nobody but the client vouches for them.
    fn names(&self) -> Vec<&str> {
        match self {
            Page::Streams { after } => vec![after],
            Page::Shards { name, .. } => vec![name],
            Page::Queues { after, .. } => vec![after],
            Page::Consumers { name, after, .. } => vec![name, after],
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Token {
    account: String,
    region: String,
    issued: Timestamp,
    page: Page,
}

/// The token for `page`, made at `now`.
pub(super) fn issue(caller: &Caller, now: Timestamp, page: Page) -> String {
    let token = Token {
        account: caller.account.to_string(),
        region: caller.region.to_string(),
        issued: now,
        page,
    };
    encode_base64(&store::key::encode(&token))
}

/// The page that a client's token stands for.
///
/// # Errors
/// [`KinesisError::ExpiredNextToken`]; [`KinesisError::InvalidArgument`] for one that is not this server's or not this caller's.
pub(super) fn redeem(caller: &Caller, now: Timestamp, text: &str) -> Result<Page, KinesisError> {
    let bytes = decode_base64(text).map_err(|_| invalid())?;
    let token: Token = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
    let is_callers =
        token.account == caller.account.as_str() && token.region == caller.region.as_str();
    if !is_callers || !token.page.names().into_iter().all(is_name) {
        return Err(invalid());
    }
    if now.since(token.issued) > TOKEN_LIFETIME {
        return Err(KinesisError::ExpiredNextToken(
            "The pagination token passed to the operation is expired.".into(),
        ));
    }
    Ok(token.page)
}

/// A token of another list, of another caller, or of nobody.
pub(super) fn invalid() -> KinesisError {
    KinesisError::InvalidArgument("The NextToken is not one that this operation gave.".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: Page, is_good: bool) {
        let (caller, now) = (Caller::local(), Timestamp(0));
        let text = issue(&caller, now, page.clone());
        let expected = if is_good { Ok(page) } else { Err(invalid()) };
        assert_eq!(redeem(&caller, now, &text), expected);
    }

    #[test]
    fn a_forged_token_names_only_what_can_be_a_name() {
        let stream = StreamId(1);
        for (name, is_good) in [("s-1_.", true), ("a\0b", false), ("", false)] {
            check(Page::Streams { after: name.into() }, is_good);
            let (after, filter) = (0, Filter::AtLatest);
            check(
                Page::Shards {
                    name: name.into(),
                    stream,
                    after,
                    filter,
                },
                is_good,
            );
            check(
                Page::Consumers {
                    name: "s".into(),
                    stream,
                    after: name.into(),
                },
                is_good,
            );
        }
    }
}
