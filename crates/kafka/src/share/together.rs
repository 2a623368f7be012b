//! How many records go out together (KAFKA-17541). A record that its consumer cannot bear takes those with it that went out
//! beside it: their deliveries count too. So those delivered often go out with few others, and at their last attempt alone.

use streams::delivery::Receipt;

/// Deliveries before which nobody is suspected, at least.
const UNSUSPECTED_MIN: u32 = 2;

/// Most records that may go out with one at its `attempt`th delivery of `attempts_max`, of so many that could.
fn together_max(attempt: u32, attempts_max: u32, count: usize) -> usize {
    let unsuspected = attempts_max.div_ceil(2).max(UNSUSPECTED_MIN);
    if attempt <= unsuspected {
        usize::MAX
    } else if attempt >= attempts_max {
        1
    } else {
        // Halved by each attempt more.
        let halved = count.checked_shr(attempt - unsuspected).unwrap_or(0);
        halved.max(1)
    }
}

/// Those of `receipts`, in order of their offsets, that may go out together: as many as follow each other, but one at least.
pub(crate) fn together(mut receipts: Vec<Receipt>, attempts_max: u32) -> Vec<Receipt> {
    receipts.sort_unstable_by_key(|receipt| receipt.offset);
    let count = receipts.len();
    let mut most = usize::MAX;
    let mut taken = 0;
    for receipt in &receipts {
        let with_it = most.min(together_max(receipt.receives, attempts_max, count));
        if taken > 0 && taken >= with_it {
            break;
        }
        most = with_it;
        taken += 1;
    }
    receipts.truncate(taken);
    receipts
}

#[cfg(test)]
mod tests {
    use model::Offset;

    use super::*;

    /// How many of records at these deliveries go out together, of five at most.
    fn check(attempts: &[u32], expected: usize) {
        let receipts = attempts.iter().zip(0..).map(|(&receives, offset)| Receipt {
            offset: Offset(offset),
            receives,
        });
        let mut receipts: Vec<Receipt> = receipts.collect();
        receipts.reverse();
        let taken = together(receipts, 5);
        let offsets: Vec<u64> = taken.iter().map(|receipt| receipt.offset.0).collect();
        let first: Vec<u64> = (0..).take(expected).collect();
        assert_eq!(offsets, first, "{attempts:?}");
    }

    #[test]
    fn records_delivered_often_go_out_with_few_others() {
        check(&[], 0);
        check(&[1, 2, 3, 1, 3, 2], 6);
        check(&[4, 4, 4, 4, 4, 4], 3);
        check(&[1, 1, 1, 4, 1, 1], 3);
        check(&[1, 4, 1, 1, 1, 1], 3);
        check(&[4, 4], 1);
        check(&[4], 1);
    }

    #[test]
    fn a_record_at_its_last_attempt_goes_out_alone() {
        check(&[5, 5, 5], 1);
        check(&[5, 1], 1);
        check(&[1, 1, 5, 1], 2);
        check(&[5], 1);
    }
}
