//! Names for requests: unpredictable enough to be unique, cheap enough for every request.

use std::sync::atomic::{AtomicU64, Ordering};

use model::Rng;

use crate::caller::RequestId;

/// Makes request ids: a counter from a random start, scrambled. Not secret, and need not be.
#[derive(Debug)]
pub(super) struct RequestIds {
    high: u64,
    low: AtomicU64,
}

impl RequestIds {
    pub(super) fn new(rng: &Rng) -> Self {
        RequestIds {
            high: rng.next_u64(),
            low: AtomicU64::new(rng.next_u64()),
        }
    }

    pub(super) fn next(&self) -> RequestId {
        let count = self.low.fetch_add(1, Ordering::Relaxed);
        let low = scramble(count);
        let high = scramble(low ^ self.high);
        RequestId::from_bits(u128::from(high) << 64 | u128::from(low))
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): different numbers stay different.
pub(super) fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn request_ids_differ() {
        let ids = RequestIds::new(&Rng::seeded(1));
        let made: HashSet<RequestId> = (0..10_000).map(|_| ids.next()).collect();
        assert_eq!(made.len(), 10_000);
    }
}
