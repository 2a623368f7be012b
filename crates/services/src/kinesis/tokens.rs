//! Page tokens: where a list goes on. Opaque to clients, bound to the list they came from, and usable for five minutes.
//!
//! A token holds no secret and gives no right: it is read only for the account and region that it names. Base64 of JSON.

use aws::Caller;
use aws::shapes::{decode_base64, encode_base64};
use model::{StreamId, Timestamp};
use serde::{Deserialize, Serialize};

use super::error::KinesisError;
use super::limits::TOKEN_LIFETIME;
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
    /// ListStreamConsumers, after the consumer of this name.
    Consumers {
        name: String,
        stream: StreamId,
        after: String,
    },
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
    if !is_callers {
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
