//! What a queue's journal says, read back.

use std::collections::HashMap;

use model::{Offset, Timestamp};
use store::{Store, StoreError};

use super::journal::{self, Entry};
use super::state::{Hold, State};
use super::{Logs, Policy};

/// Bytes of the journal read at once.
const READ_BYTES: usize = 1 << 20;

/// The state of a queue as its journal has it, and the journal's length in bytes.
pub(super) async fn load(
    store: &dyn Store,
    logs: Logs,
    policy: Policy,
    now: Timestamp,
) -> Result<(State, usize), StoreError> {
    let start = store.bounds(logs.messages).await?.start;
    let mut state = State::new(policy, start);
    let mut holds: HashMap<Offset, Hold> = HashMap::new();
    let mut bytes = 0;
    let bounds = store.bounds(logs.journal).await?;
    let mut from = bounds.start;
    while from < bounds.end {
        let batches = store.read(logs.journal, from, READ_BYTES).await?;
        let Some(last) = batches.last() else { break };
        from = last.end();
        for record in batches.iter().flat_map(|batch| batch.records()) {
            let value = record.value.unwrap_or_default();
            bytes += value.len();
            let entries = journal::parse(value).ok_or_else(|| damaged(logs, record.offset))?;
            for entry in entries {
                match entry {
                    Entry::Done(start, end) => state.absorb(start, end),
                    Entry::Hold(hold) => remember(&mut holds, hold),
                    Entry::Whole => {
                        state = State::new(policy, start);
                        holds.clear();
                    }
                }
            }
        }
    }
    for hold in holds.into_values() {
        state.restore(hold, now);
    }
    Ok((state, bytes))
}

fn remember(holds: &mut HashMap<Offset, Hold>, hold: Hold) {
    let known = holds.entry(hold.offset).or_insert(hold);
    if known.receives <= hold.receives {
        *known = hold;
    }
}

fn damaged(logs: Logs, offset: Offset) -> StoreError {
    StoreError::Damaged {
        file: format!("journal of queue {}", logs.journal).into(),
        position: offset.0,
        what: "the record is no journal's".into(),
    }
}
