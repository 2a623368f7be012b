//! Work that goes on whoever waits for it. An answer that a client leaves unread is not worked on, and may hold what others wait
//! for.

use crate::error::Refusal;
use crate::wire::ErrorCode;

/// Does `work` to its end, whether or not whoever asked still waits.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::spawn(work).await;
    done.unwrap_or_else(|_| Err(ErrorCode::UnknownServerError.into()))
}
