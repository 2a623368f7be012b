//! Tokens of transactions: the same one is not carried out twice within ten minutes, also after a restart.
//!
//! | key | document |
//! |---|---|
//! | `dynamodb-token, account, region, token in base64` | [`Token`], committed with its transaction |

use aws::Caller;
use model::Timestamp;
use serde::{Deserialize, Serialize};
use store::key::encode;
use store::{Check, Document, Expect, Key, Scan, Txn, Write};

use super::error::DynamoError;
use super::{Dynamo, limits};

/// Tokens forgotten in one transaction.
const CHUNK: usize = 256;

/// A transaction that was carried out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Token {
    /// What was asked for: see [`super::fingerprint`].
    digest: Vec<u8>,
    at: Timestamp,
}

/// What is known of a token.
pub(super) enum Remembered {
    /// Its transaction was carried out.
    Done,
    /// Nothing, or nothing that still counts: so long as this holds.
    Fresh(Check),
}

pub(super) fn token_key(caller: &Caller, token: &str) -> Key {
    // A token may have any characters: a zero byte would make another path of it.
    let token = aws::shapes::encode_base64(token.as_bytes());
    Key::of(&[
        "dynamodb-token",
        caller.account.as_str(),
        caller.region.as_str(),
        &token,
    ])
}

/// What is to be committed with a transaction, so that its token is known from then on.
pub(super) fn token_write(key: &Key, digest: &[u8], at: Timestamp) -> Write {
    let token = Token {
        digest: digest.into(),
        at,
    };
    Write::Put {
        key: key.clone(),
        value: encode(&token),
    }
}

impl Dynamo {
    /// What is known of a token that comes with a transaction of this digest.
    ///
    /// # Errors
    /// [`DynamoError::IdempotentParameterMismatch`]; the store's.
    pub(super) async fn remembered(
        &self,
        key: &Key,
        digest: &[u8],
    ) -> Result<Remembered, DynamoError> {
        let fresh = |expect| {
            Ok(Remembered::Fresh(Check {
                key: key.clone(),
                expect,
            }))
        };
        let Some(document) = self.store.get(key).await? else {
            return fresh(Expect::Absent);
        };
        let token: Token = document.decode()?;
        if self.has_expired(&token) {
            return fresh(Expect::At(document.version));
        }
        if token.digest == digest {
            return Ok(Remembered::Done);
        }
        Err(DynamoError::IdempotentParameterMismatch(
            "The request uses the same client token as a previous, but non-identical request. Do not reuse a client token with \
             different requests, unless the requests are identical"
                .into(),
        ))
    }

    fn has_expired(&self, token: &Token) -> bool {
        let now = self.clock.now();
        // In the future, a clock was set back meanwhile: it would never be forgotten.
        token.at > now || now.since(token.at) > limits::TOKEN_LIFETIME
    }

    /// Forgets tokens that no longer count. Gives how many.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn forget_tokens(&self) -> Result<usize, DynamoError> {
        let mut forgotten = 0;
        let mut after = None;
        loop {
            let scan = Scan {
                after,
                limit: CHUNK,
                ..Scan::below(&Key::of(&["dynamodb-token"]))
            };
            let documents = self.store.scan(scan).await?;
            let is_last = documents.len() < CHUNK;
            after = documents.last().map(|(key, _)| key.clone());
            for (key, document) in documents {
                forgotten += usize::from(self.forget_token(key, &document).await?);
            }
            if is_last {
                return Ok(forgotten);
            }
        }
    }

    async fn forget_token(&self, key: Key, document: &Document) -> Result<bool, DynamoError> {
        if !self.has_expired(&document.decode()?) {
            return Ok(false);
        }
        let txn = Txn {
            checks: vec![Check {
                key: key.clone(),
                expect: Expect::At(document.version),
            }],
            writes: vec![Write::Delete { key }],
            ..Txn::default()
        };
        match self.store.commit(txn).await {
            Ok(_) => Ok(true),
            Err(store::StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
