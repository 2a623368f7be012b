//! Pages of lists of queues, and the tokens by which they go on.
//!
//! A token is opaque to clients and bound to the list it came from. It holds no secret and gives no right: base64 of JSON.

use aws::Caller;
use aws::shapes::{decode_base64, encode_base64};
use serde::{Deserialize, Serialize};

use super::error::SqsError;
use super::records::QueueName;
use super::{limits, naming};

#[derive(Serialize, Deserialize)]
struct Token {
    account: String,
    region: String,
    /// What tells this list from others of the caller's: a prefix, or a queue.
    of: String,
    /// The last queue of the page before.
    after: String,
}

/// Which part of a list is asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Page {
    /// Queues after the one of this name.
    pub after: Option<String>,
    /// Queues on it, at most.
    pub size: usize,
    /// AWS gives a token to those alone who ask for pages.
    is_paged: bool,
}

impl Page {
    /// # Errors
    /// [`SqsError::InvalidParameterValue`] for a token of another list, and for a size that no page has.
    pub(super) fn of(
        caller: &Caller,
        of: &str,
        token: Option<&str>,
        size: Option<i64>,
    ) -> Result<Page, SqsError> {
        let largest = *limits::PAGE.end();
        if let Some(size) = size.filter(|size| !limits::PAGE.contains(size)) {
            let reason = "MaxResults must be an integer between 1 and 1000.";
            return Err(SqsError::invalid(&size.to_string(), "MaxResults", reason));
        }
        Ok(Page {
            after: token.map(|token| redeem(caller, of, token)).transpose()?,
            size: usize::try_from(size.unwrap_or(largest)).unwrap_or(usize::MAX),
            is_paged: size.is_some(),
        })
    }

    /// The page's part of what comes after [`Page::after`], and the token for the rest.
    pub(super) fn cut(
        &self,
        mut names: Vec<QueueName>,
        token: impl Fn(&QueueName) -> String,
    ) -> (Vec<QueueName>, Option<String>) {
        let goes_on = self.is_paged && names.len() > self.size;
        names.truncate(self.size);
        let next = names.last().filter(|_| goes_on).map(token);
        (names, next)
    }
}

/// The token for what comes after a queue.
pub(super) fn token(caller: &Caller, of: &str, after: &QueueName) -> String {
    let token = Token {
        account: caller.account.to_string(),
        region: caller.region.to_string(),
        of: of.to_owned(),
        after: after.name.clone(),
    };
    encode_base64(&store::key::encode(&token))
}

fn redeem(caller: &Caller, of: &str, text: &str) -> Result<String, SqsError> {
    let read = |text: &str| -> Option<Token> {
        let bytes = decode_base64(text).ok()?;
        serde_json::from_slice(&bytes).ok()
    };
    let is_good = |token: &Token| {
        token.account == caller.account.as_str()
            && token.region == caller.region.as_str()
            && token.of == of
            && naming::is_name(&token.after)
    };
    match read(text).filter(is_good) {
        Some(token) => Ok(token.after),
        None => Err(SqsError::invalid(
            text,
            "NextToken",
            "The token is not one that this list gave.",
        )),
    }
}
