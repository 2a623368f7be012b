//! Randomness that can be replayed: the system's in production, a seed's in tests.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::rand::SecureRandom;

/// Where random bytes come from. Cheap to clone; clones of a seeded one share its sequence.
#[derive(Clone, Debug, Default)]
pub struct Rng(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Seeded(Arc<Mutex<u64>>),
}

impl Rng {
    /// The system's cryptographic generator.
    #[must_use]
    pub fn system() -> Rng {
        Rng(Source::System)
    }

    /// A repeatable sequence; never for secrets.
    #[must_use]
    pub fn seeded(seed: u64) -> Rng {
        Rng(Source::Seeded(Arc::new(Mutex::new(seed))))
    }

    /// Fills `target` with random bytes.
    pub fn fill(&self, target: &mut [u8]) {
        match &self.0 {
            Source::System => aws_lc_rs::rand::SystemRandom::new()
                .fill(target)
                .expect("the operating system gives random bytes"),
            Source::Seeded(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                for chunk in target.chunks_mut(8) {
                    let bytes = split_mix(&mut state).to_le_bytes();
                    chunk.copy_from_slice(&bytes[..chunk.len()]);
                }
            }
        }
    }

    /// A uniformly random number.
    #[must_use]
    pub fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number in `0..bound`; 0 for a bound of 0. The bias of the remainder is below 2^-32 for bounds under 2^32.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 {
            0
        } else {
            self.next_u64() % bound
        }
    }
}

/// `SplitMix64`, by Steele, Lea and Flood (OOPSLA 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (a, b) = (Rng::seeded(7), Rng::seeded(7));
        let from_a: Vec<u64> = (0..4).map(|_| a.next_u64()).collect();
        let from_b: Vec<u64> = (0..4).map(|_| b.next_u64()).collect();
        assert_eq!(from_a, from_b);
        assert_ne!(from_a[0], Rng::seeded(8).next_u64());
    }

    #[test]
    fn a_bound_holds() {
        let rng = Rng::seeded(1);
        assert!((0..1000).all(|_| rng.below(10) < 10));
        assert_eq!(rng.below(0), 0);
    }
}
