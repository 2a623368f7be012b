//! What all batches have in common: one to ten entries, each with an id of its own, each with an outcome of its own.

use super::api::messages::{BatchOutput, BatchResultError};
use super::error::SqsError;

/// Entries of a batch.
const ENTRIES_MAX: usize = 10;
/// Letters of an entry's id.
const ID_LENGTH_MAX: usize = 80;

/// The entries of a batch whose ids are `ids`. `shape` is what AWS calls an entry, such as `DeleteMessageBatchRequestEntry`.
///
/// # Errors
/// In this order: [`SqsError::EmptyBatchRequest`], [`SqsError::TooManyEntriesInBatchRequest`], [`SqsError::InvalidBatchEntryId`],
/// [`SqsError::BatchEntryIdsNotDistinct`].
pub(super) fn must_be_a_batch(ids: &[Option<&str>], shape: &str) -> Result<(), SqsError> {
    if ids.is_empty() {
        return Err(SqsError::EmptyBatchRequest(format!(
            "There should be at least one {shape} in the request."
        )));
    }
    if ids.len() > ENTRIES_MAX {
        return Err(SqsError::TooManyEntriesInBatchRequest(format!(
            "Maximum number of entries per request are {ENTRIES_MAX}. You have sent {}.",
            ids.len()
        )));
    }
    if !ids.iter().all(|id| id.is_some_and(is_id)) {
        return Err(SqsError::InvalidBatchEntryId(
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters \
             long."
                .into(),
        ));
    }
    for (place, id) in ids.iter().enumerate() {
        if ids[..place].contains(id) {
            return Err(SqsError::BatchEntryIdsNotDistinct(format!(
                "Id {} repeated.",
                id.unwrap_or_default()
            )));
        }
    }
    Ok(())
}

fn is_id(id: &str) -> bool {
    let is_legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=ID_LENGTH_MAX).contains(&id.len()) && id.bytes().all(is_legal)
}

/// An entry of that id that failed.
pub(super) fn failure(id: &str, error: &SqsError) -> BatchResultError {
    BatchResultError {
        id: id.to_owned(),
        sender_fault: !matches!(
            error,
            SqsError::Unavailable | SqsError::DiskFull | SqsError::InternalFailure
        ),
        code: error.query_code().to_owned(),
        message: error.to_string(),
    }
}

/// The outcomes of a batch, in its order.
pub(super) fn output<T>(outcomes: Vec<Result<T, BatchResultError>>) -> BatchOutput<T> {
    let mut output = BatchOutput {
        successful: Vec::with_capacity(outcomes.len()),
        failed: Vec::new(),
    };
    for outcome in outcomes {
        match outcome {
            Ok(success) => output.successful.push(success),
            Err(failure) => output.failed.push(failure),
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ids: &[&str], expected: &Result<(), SqsError>) {
        let ids: Vec<Option<&str>> = ids.iter().map(|id| Some(*id)).collect();
        assert_eq!(
            &must_be_a_batch(&ids, "SendMessageBatchRequestEntry"),
            expected
        );
    }

    #[test]
    fn a_batch_has_one_to_ten_entries_with_ids_of_their_own() {
        check(&["a", "B-1_", &"x".repeat(80)], &Ok(()));
        check(&["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], &Ok(()));
        let empty = "There should be at least one SendMessageBatchRequestEntry in the request.";
        check(&[], &Err(SqsError::EmptyBatchRequest(empty.into())));
        let many = "Maximum number of entries per request are 10. You have sent 11.";
        let many = SqsError::TooManyEntriesInBatchRequest(many.into());
        check(&["a"; 11], &Err(many));
        let id = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 \
                  letters long.";
        for bad in ["", "a:b", "é", " ", &"x".repeat(81)] {
            check(&["a", bad], &Err(SqsError::InvalidBatchEntryId(id.into())));
        }
        assert_eq!(
            must_be_a_batch(&[None], "X"),
            Err(SqsError::InvalidBatchEntryId(id.into()))
        );
        let twice = SqsError::BatchEntryIdsNotDistinct("Id b repeated.".into());
        check(&["a", "b", "c", "b"], &Err(twice));
    }

    #[test]
    fn an_entry_fails_by_the_name_that_query_has() {
        let failed = failure("a", &SqsError::missing("ReceiptHandle"));
        assert!(failed.sender_fault);
        assert_eq!(failed.code, "MissingParameter");
        assert!(!failure("a", &SqsError::InternalFailure).sender_fault);
    }
}
