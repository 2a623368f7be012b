//! Item collections: all items of one partition key in a table with local indexes, and how much they are.

use store::Scan;

use super::Dynamo;
use super::api::items::ItemCollectionMetrics;
use super::error::DynamoError;
use super::rows::{self, Run};
use super::tables::Found;
use super::value::Item;

/// Documents read at once.
const CHUNK: usize = 1_024;

/// How much the collection of an item is, where its table has collections: from a whole number of gigabytes to the next.
///
/// # Errors
/// The store's.
pub(super) async fn metrics(
    dynamo: &Dynamo,
    found: &Found,
    key: &Item,
) -> Result<Option<ItemCollectionMetrics>, DynamoError> {
    let table = &found.table;
    let (Some(hash), false) = (key.get(&table.key.hash.name), table.local.is_empty()) else {
        return Ok(None);
    };
    let mut bytes = 0_u64;
    let numbers = table.local.values().map(|index| index.number);
    for number in std::iter::once(0).chain(numbers) {
        let prefix = Run::of(rows::partition(table, number, hash)).prefix_key();
        let mut after = None;
        loop {
            let scan = Scan {
                prefix: prefix.clone(),
                after,
                limit: CHUNK,
            };
            let documents = dynamo.store.scan(scan).await?;
            bytes += documents
                .iter()
                .map(|(_, it)| it.value.len() as u64)
                .sum::<u64>();
            match documents.last() {
                Some((last, _)) if documents.len() == CHUNK => after = Some(last.clone()),
                _ => break,
            }
        }
    }
    let gigabytes = (bytes >> 30) as f64;
    let collection_key = [(table.key.hash.name.clone(), hash.clone())];
    Ok(Some(ItemCollectionMetrics {
        item_collection_key: collection_key.into(),
        size_estimate_range_gb: [gigabytes, gigabytes + 1.0],
    }))
}
