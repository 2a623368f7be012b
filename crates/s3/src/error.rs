//! What S3 answers when it does not do as asked: code, status and text, word for word as AWS has them where AWS documents
//! them.

use std::borrow::Cow;

use s3s::{S3Error, S3ErrorCode};
use store::StoreError;

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("The specified bucket does not exist")]
    NoSuchBucket,
    #[error(
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please \
         select a different name and try again."
    )]
    BucketAlreadyExists,
    #[error("Your previous request to create the named bucket succeeded and you already own it.")]
    BucketAlreadyOwnedByYou,
    #[error("The bucket you tried to delete is not empty")]
    BucketNotEmpty,
    #[error("The specified key does not exist.")]
    NoSuchKey,
    #[error("The specified version does not exist.")]
    NoSuchVersion,
    #[error(
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    )]
    NoSuchUpload,
    #[error(
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified \
         entity tag may not match the part's entity tag."
    )]
    InvalidPart,
    #[error("The list of parts was not in ascending order. Parts must be ordered by part number.")]
    InvalidPartOrder,
    #[error("Your proposed upload is smaller than the minimum allowed size")]
    EntityTooSmall,
    #[error("Your proposed upload exceeds the maximum allowed size")]
    EntityTooLarge,
    #[error("You did not provide the number of bytes specified by the Content-Length HTTP header")]
    IncompleteBody,
    #[error("You must provide the Content-Length HTTP header.")]
    MissingContentLength,
    #[error(
        "Your socket connection to the server was not read from or written to within the timeout period. Idle connections \
         will be closed."
    )]
    RequestTimeout,
    #[error("The {0} you specified did not match what we received.")]
    BadDigest(&'static str),
    #[error("The {0} you specified was invalid.")]
    InvalidDigest(&'static str),
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    ContentSha256Mismatch,
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    )]
    SignatureDoesNotMatch,
    #[error("At least one of the pre-conditions you specified did not hold")]
    PreconditionFailed,
    /// With the object's tag.
    #[error("Not Modified")]
    NotModified(String),
    #[error("The requested range is not satisfiable")]
    InvalidRange,
    #[error("Your key is too long")]
    KeyTooLong,
    #[error("Your metadata headers exceed the maximum allowed metadata size")]
    MetadataTooLarge,
    #[error("Your request header section exceeds the maximum allowed request header section size")]
    HeadersTooLarge,
    #[error("Your request was too big.")]
    BodyTooLarge,
    #[error("The storage class you specified is not valid")]
    InvalidStorageClass,
    #[error("The bucket does not allow ACLs")]
    AclNotSupported,
    #[error("Access Denied")]
    AccessDenied,
    #[error(
        "The XML you provided was not well-formed or did not validate against our published schema"
    )]
    MalformedXml,
    #[error("{0}")]
    InvalidTag(&'static str),
    #[error("{0}")]
    InvalidArgument(Cow<'static, str>),
    #[error("{0}")]
    InvalidRequest(Cow<'static, str>),
    #[error("{0}")]
    NotImplemented(&'static str),
    #[error("Please reduce your request rate.")]
    SlowDown,
    /// Nothing was written; it may succeed later.
    #[error("{0}")]
    Unavailable(&'static str),
    #[error("We encountered an internal error. Please try again.")]
    Internal,
}

/// What an operation comes to.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An argument that is wrong, and how.
    pub(crate) fn argument(text: impl Into<Cow<'static, str>>) -> Error {
        Error::InvalidArgument(text.into())
    }

    /// A request that is wrong as a whole, and how.
    pub(crate) fn request(text: impl Into<Cow<'static, str>>) -> Error {
        Error::InvalidRequest(text.into())
    }

    /// An error of the disk under the bodies; logged here, once.
    #[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
    pub(crate) fn disk(error: std::io::Error) -> Error {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        if matches!(error.kind(), StorageFull | QuotaExceeded) {
            return Error::Unavailable(FULL);
        }
        tracing::error!(%error, "the disk under the objects failed");
        Error::Internal
    }

    /// AWS's code for it, which decides the status.
    fn code(&self) -> S3ErrorCode {
        match self {
            Error::NoSuchBucket => S3ErrorCode::NoSuchBucket,
            Error::BucketAlreadyExists => S3ErrorCode::BucketAlreadyExists,
            Error::BucketAlreadyOwnedByYou => S3ErrorCode::BucketAlreadyOwnedByYou,
            Error::BucketNotEmpty => S3ErrorCode::BucketNotEmpty,
            Error::NoSuchKey => S3ErrorCode::NoSuchKey,
            Error::NoSuchVersion => S3ErrorCode::NoSuchVersion,
            Error::NoSuchUpload => S3ErrorCode::NoSuchUpload,
            Error::InvalidPart => S3ErrorCode::InvalidPart,
            Error::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
            Error::EntityTooSmall => S3ErrorCode::EntityTooSmall,
            Error::EntityTooLarge => S3ErrorCode::EntityTooLarge,
            Error::IncompleteBody => S3ErrorCode::IncompleteBody,
            Error::MissingContentLength => S3ErrorCode::MissingContentLength,
            Error::RequestTimeout => S3ErrorCode::RequestTimeout,
            Error::BadDigest(_) => S3ErrorCode::BadDigest,
            Error::InvalidDigest(_) => S3ErrorCode::InvalidDigest,
            Error::ContentSha256Mismatch => S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()),
            Error::SignatureDoesNotMatch => S3ErrorCode::SignatureDoesNotMatch,
            Error::PreconditionFailed => S3ErrorCode::PreconditionFailed,
            Error::NotModified(_) => S3ErrorCode::NotModified,
            Error::InvalidRange => S3ErrorCode::InvalidRange,
            Error::KeyTooLong => S3ErrorCode::KeyTooLongError,
            Error::MetadataTooLarge => S3ErrorCode::MetadataTooLarge,
            Error::HeadersTooLarge => S3ErrorCode::RequestHeaderSectionTooLarge,
            Error::BodyTooLarge => S3ErrorCode::MaxMessageLengthExceeded,
            Error::InvalidStorageClass => S3ErrorCode::InvalidStorageClass,
            Error::AclNotSupported => S3ErrorCode::AccessControlListNotSupported,
            Error::AccessDenied => S3ErrorCode::AccessDenied,
            Error::MalformedXml => S3ErrorCode::MalformedXML,
            Error::InvalidTag(_) => S3ErrorCode::InvalidTag,
            Error::InvalidArgument(_) => S3ErrorCode::InvalidArgument,
            Error::InvalidRequest(_) => S3ErrorCode::InvalidRequest,
            Error::NotImplemented(_) => S3ErrorCode::NotImplemented,
            Error::SlowDown => S3ErrorCode::SlowDown,
            Error::Unavailable(_) => S3ErrorCode::ServiceUnavailable,
            Error::Internal => S3ErrorCode::InternalError,
        }
    }
}

const FULL: &str =
    "The disk is full: free space in the data directory, writes resume by themselves.";

impl From<Error> for S3Error {
    fn from(error: Error) -> S3Error {
        let code = error.code();
        let mut answer = S3Error::with_message(code, error.to_string());
        match error {
            // s3s knows no status for codes of our own.
            Error::ContentSha256Mismatch => {
                answer.set_status_code(http::StatusCode::BAD_REQUEST);
            }
            Error::NotModified(etag) => {
                if let Ok(etag) = http::HeaderValue::try_from(format!("\"{etag}\"")) {
                    answer.set_headers(http::HeaderMap::from_iter([(http::header::ETAG, etag)]));
                }
            }
            _ => {}
        }
        answer
    }
}

/// What AWS says with a code, for those that s3s says nothing with: the command line then shows "Unknown".
pub(crate) fn text(code: &str) -> Option<&'static str> {
    Some(match code {
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check your key and signing method."
        }
        "InvalidBucketName" => "The specified bucket is not valid.",
        "KeyTooLongError" => "Your key is too long",
        "InvalidURI" => "Couldn't parse the specified URI.",
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        "MalformedXML" => {
            "The XML you provided was not well-formed or did not validate against our published schema"
        }
        "MissingContentLength" => "You must provide the Content-Length HTTP header.",
        "IncompleteBody" => {
            "You did not provide the number of bytes specified by the Content-Length HTTP header"
        }
        "InternalError" => "We encountered an internal error. Please try again.",
        _ => return None,
    })
}

/// Logs what only the operator can mend. A conflict is handled where it can arise: one that gets here is unexpected.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        match error {
            StoreError::Full => Error::Unavailable(FULL),
            StoreError::Unavailable { .. } => {
                tracing::warn!(%error, "an S3 request could not be stored");
                Error::Unavailable("Service is unable to handle request.")
            }
            other => {
                tracing::error!(error = %other, "an S3 request failed in the store");
                Error::Internal
            }
        }
    }
}
