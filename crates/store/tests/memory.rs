//! The naive engine keeps the contract too, and is equal to itself.

use model::{Clock, Timestamp};
use store::{Memory, conformance};

#[tokio::test]
async fn the_naive_engine_keeps_the_rules() {
    conformance::check_all(async |clock| Memory::new(clock)).await;
}

#[tokio::test]
async fn a_history_holds_together() {
    for seed in 0..20 {
        conformance::check_history(&Memory::new(Clock::manual(Timestamp(0))), seed, 200).await;
    }
}
