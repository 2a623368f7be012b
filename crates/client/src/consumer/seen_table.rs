//! Marks of what was processed, in a DynamoDB table: an item for each id, which DynamoDB deletes when its time is over.
//!
//! | attribute | type | meaning                                              |
//! |-----------|------|------------------------------------------------------|
//! | `id`      | S    | the record's id; the hash key                        |
//! | `expires` | N    | seconds since 1970; the table's time-to-live         |

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use model::Clock;
use tokio::task::JoinSet;

use super::seen::Seen;
use crate::dynamodb::{Attribute, BATCH_GET_MAX, DynamoDb, Item, Terms};
use crate::error::ClientError;

const ID: &str = "id";
const EXPIRES: &str = "expires";
/// Marks written at one time.
const WRITES_MAX: usize = 32;

/// Marks in a DynamoDB table.
#[derive(Debug)]
pub struct SeenTable {
    dynamodb: DynamoDb,
    table: String,
    lifetime: Duration,
    clock: Clock,
}

impl SeenTable {
    /// Marks in the table of that name, each kept for `lifetime`. The table is made when the first worker starts.
    #[must_use]
    pub fn new(dynamodb: DynamoDb, table: &str, lifetime: Duration) -> SeenTable {
        SeenTable {
            dynamodb,
            table: table.to_owned(),
            lifetime,
            clock: Clock::system(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.now().0 / 1000).unwrap_or_default()
    }
}

#[async_trait]
impl Seen for SeenTable {
    async fn prepare(&self) -> Result<(), ClientError> {
        self.dynamodb.ensure_table(&self.table, ID).await?;
        self.dynamodb.ensure_expiry(&self.table, EXPIRES).await
    }

    async fn seen(&self, ids: &[String]) -> Result<HashSet<String>, ClientError> {
        let mut marked = HashSet::new();
        let now = self.now();
        for some in ids.chunks(BATCH_GET_MAX) {
            let keys: Vec<Item> = some.iter().map(|id| key(id)).collect();
            for item in self.dynamodb.get_many(&self.table, &keys).await? {
                // DynamoDB deletes them when it comes to it.
                let is_over = item
                    .get(EXPIRES)
                    .and_then(Attribute::as_number)
                    .is_some_and(|expires| expires <= now);
                if let Some(id) = item.get(ID).and_then(Attribute::as_text)
                    && !is_over
                {
                    marked.insert(id.to_owned());
                }
            }
        }
        Ok(marked)
    }

    async fn mark(&self, ids: &[String]) -> Result<(), ClientError> {
        let now = self.now();
        let expires = now.saturating_add(self.lifetime.as_secs());
        for some in ids.chunks(WRITES_MAX) {
            let mut writes = JoinSet::new();
            for id in some {
                let (dynamodb, table) = (self.dynamodb.clone(), self.table.clone());
                let mut item = key(id);
                item.insert(EXPIRES.to_owned(), Attribute::number(expires));
                let mut terms = Terms::default();
                // A mark that is there keeps its time: the first processing counts.
                let condition = format!(
                    "attribute_not_exists({}) OR {} <= {}",
                    terms.name(ID),
                    terms.name(EXPIRES),
                    terms.value("now", Attribute::number(now)),
                );
                writes
                    .spawn(async move { dynamodb.put_if(&table, &item, &condition, &terms).await });
            }
            while let Some(written) = writes.join_next().await {
                match written {
                    Ok(outcome) => drop(outcome?),
                    Err(panic) => std::panic::resume_unwind(panic.into_panic()),
                }
            }
        }
        Ok(())
    }
}

fn key(id: &str) -> Item {
    Item::from([(ID.to_owned(), Attribute::text(id))])
}
