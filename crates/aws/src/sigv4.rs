//! AWS Signature Version 4: who signed a request, whether the signature holds, and signing our own.
//!
//! Verified: the `Authorization` header, presigned queries, unsigned payloads. Not verified, and refused in plain words:
//! payloads signed chunk by chunk (`STREAMING-...`), which S3 alone uses, and the asymmetric SigV4A.
//!
//! Read `claim` (what a request says of its signature), `canonical` (what is signed), `verify`, `sign`.
//! Source: "Create a signed AWS API request", IAM User Guide.

mod canonical;
mod claim;
pub(crate) mod escape;
mod key;
mod moment;
mod sign;
mod verify;

pub(crate) use canonical::host;
pub(crate) use claim::Identity;
pub use key::{Credentials, Keys};
pub use sign::sign;
pub(crate) use verify::Signed;
pub use verify::{Signer, Verifier};

/// The only algorithm there is.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What ends every credential scope.
const TERMINATOR: &str = "aws4_request";
/// In place of the payload's hash: the payload is not signed.
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

#[cfg(test)]
mod tests;
