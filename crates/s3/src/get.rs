//! GetObject and HeadObject.

use std::ops::Range;

use s3s::S3Request;
use s3s::dto::{
    self, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, StreamingBlob,
    TimestampFormat,
};

use crate::bodies::Hold;
use crate::caller::Caller;
use crate::checksums;
use crate::conditions::OnRead;
use crate::error::{Error, Result};
use crate::namespace::Namespace;
use crate::reader::Reader;
use crate::records::Object;
use crate::shown;

/// How often an object that is overwritten while it is looked up is looked up again.
const LOOKS_MAX: usize = 16;

/// What is asked for, of either operation.
struct Asked {
    bucket: String,
    key: String,
    owner: Option<String>,
    version: Option<String>,
    condition: OnRead,
    range: Option<dto::Range>,
    part: Option<i32>,
    checksum: Option<dto::ChecksumMode>,
}

/// Which bytes are given.
enum Span {
    Whole,
    Range(Range<u64>),
    Part(Range<u64>),
}

/// An object looked up, its bodies held.
struct Found {
    object: Object,
    hold: Hold,
    span: Span,
    shows_checksum: bool,
}

impl Namespace {
    /// GetObject.
    pub(crate) async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> Result<GetObjectOutput> {
        let caller = self.caller(&request);
        let input = request.input;
        let asked = Asked {
            bucket: input.bucket,
            key: input.key,
            owner: input.expected_bucket_owner,
            version: input.version_id,
            condition: OnRead {
                if_match: input.if_match,
                if_none_match: input.if_none_match,
                if_modified_since: input.if_modified_since,
                if_unmodified_since: input.if_unmodified_since,
            },
            range: input.range,
            part: input.part_number,
            checksum: input.checksum_mode,
        };
        let found = self.find(&caller, &asked).await?;
        let mut output = found.describe();
        let range = found.span.of(&found.object);
        let reader = Reader::new(&self.bodies, found.hold, &found.object.pieces, &range);
        output.body = Some(StreamingBlob::new(reader));
        Ok(output)
    }

    /// HeadObject: GetObject without the bytes.
    pub(crate) async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> Result<HeadObjectOutput> {
        let caller = self.caller(&request);
        let input = request.input;
        let asked = Asked {
            bucket: input.bucket,
            key: input.key,
            owner: input.expected_bucket_owner,
            version: input.version_id,
            condition: OnRead {
                if_match: input.if_match,
                if_none_match: input.if_none_match,
                if_modified_since: input.if_modified_since,
                if_unmodified_since: input.if_unmodified_since,
            },
            range: input.range,
            part: input.part_number,
            checksum: input.checksum_mode,
        };
        let found = self.find(&caller, &asked).await?;
        Ok(head(found.describe()))
    }

    async fn find(&self, caller: &Caller, asked: &Asked) -> Result<Found> {
        self.bucket(&asked.bucket, caller, asked.owner.as_deref())
            .await?;
        refuse_version(asked.version.as_deref())?;
        let (object, hold) = self.held(&asked.bucket, &asked.key).await?;
        asked.condition.check(&object)?;
        let span = Span::new(asked, &object)?;
        let is_whole = matches!(span, Span::Whole);
        let mode = asked.checksum.as_ref();
        Ok(Found {
            shows_checksum: is_whole
                && mode.is_some_and(|mode| mode.as_str() == dto::ChecksumMode::ENABLED),
            object,
            hold,
            span,
        })
    }

    /// An object, and a hold on its bodies taken while it still named them.
    pub(crate) async fn held(&self, bucket: &str, key: &str) -> Result<(Object, Hold)> {
        let mut object = self.object(bucket, key).await?;
        for _ in 0..LOOKS_MAX {
            let before = object.ok_or(Error::NoSuchKey)?;
            let hold = self.bodies.hold(before.bodies());
            let now = self.object(bucket, key).await?;
            if now.as_ref() == Some(&before) {
                return Ok((before, hold));
            }
            object = now;
        }
        Err(Error::SlowDown)
    }
}

/// There are no versions but the one without a name.
pub(crate) fn refuse_version(version: Option<&str>) -> Result<()> {
    match version {
        None | Some("" | "null") => Ok(()),
        Some(_) => Err(Error::NoSuchVersion),
    }
}

impl Span {
    fn new(asked: &Asked, object: &Object) -> Result<Span> {
        match (&asked.range, asked.part) {
            (Some(_), Some(_)) => Err(Error::request(
                "Cannot specify both Range header and partNumber query parameter",
            )),
            (None, None) => Ok(Span::Whole),
            (Some(range), None) => {
                let range = range
                    .check(object.size())
                    .map_err(|_| Error::InvalidRange)?;
                Ok(Span::Range(range))
            }
            (None, Some(number)) => {
                let before = usize::try_from(number)
                    .ok()
                    .and_then(|number| number.checked_sub(1))
                    .ok_or_else(|| {
                        Error::argument(
                            "Part number must be an integer between 1 and 10000, inclusive",
                        )
                    })?;
                let piece = object.pieces.get(before).ok_or(Error::InvalidRange)?;
                let start = object
                    .pieces
                    .iter()
                    .take(before)
                    .map(|piece| piece.size)
                    .sum();
                Ok(Span::Part(start..start + piece.size))
            }
        }
    }

    fn of(&self, object: &Object) -> Range<u64> {
        match self {
            Span::Whole => 0..object.size(),
            Span::Range(range) | Span::Part(range) => range.clone(),
        }
    }
}

impl Found {
    /// Everything but the body.
    fn describe(&self) -> GetObjectOutput {
        let Found { object, span, .. } = self;
        let about = &object.about;
        let headers = &about.headers;
        let range = span.of(object);
        let content_range = match span {
            Span::Whole => None,
            _ if range.is_empty() => None,
            _ => Some(format!(
                "bytes {}-{}/{}",
                range.start,
                range.end - 1,
                object.size()
            )),
        };
        let shown_checksum = object.checksum.as_ref().filter(|_| self.shows_checksum);
        let checksum = checksums::shown(shown_checksum);
        let content_type = headers.content_type.as_deref();
        GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            cache_control: headers.cache_control.clone(),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            checksum_type: checksum.checksum_type,
            content_disposition: headers.content_disposition.clone(),
            content_encoding: headers.content_encoding.clone(),
            content_language: headers.content_language.clone(),
            content_length: Some(shown::size(range.end - range.start)),
            content_range,
            content_type: Some(content_type.unwrap_or("binary/octet-stream").to_owned()),
            e_tag: Some(shown::etag(&object.etag)),
            expires: headers
                .expires
                .as_deref()
                .and_then(|date| dto::Timestamp::parse(TimestampFormat::HttpDate, date).ok()),
            last_modified: Some(shown::time(object.modified)),
            metadata: (!about.metadata.is_empty())
                .then(|| about.metadata.clone().into_iter().collect()),
            parts_count: match span {
                Span::Part(_) => object.parts(),
                Span::Whole | Span::Range(_) => None,
            },
            storage_class: about.storage_class.clone().map(dto::StorageClass::from),
            tag_count: (!about.tags.is_empty()).then(|| shown::count(about.tags.len())),
            website_redirect_location: headers.website_redirect_location.clone(),
            ..GetObjectOutput::default()
        }
    }
}

fn head(get: GetObjectOutput) -> HeadObjectOutput {
    HeadObjectOutput {
        accept_ranges: get.accept_ranges,
        cache_control: get.cache_control,
        checksum_crc32: get.checksum_crc32,
        checksum_crc32c: get.checksum_crc32c,
        checksum_crc64nvme: get.checksum_crc64nvme,
        checksum_sha1: get.checksum_sha1,
        checksum_sha256: get.checksum_sha256,
        checksum_type: get.checksum_type,
        content_disposition: get.content_disposition,
        content_encoding: get.content_encoding,
        content_language: get.content_language,
        content_length: get.content_length,
        content_range: get.content_range,
        content_type: get.content_type,
        e_tag: get.e_tag,
        expires: get.expires,
        last_modified: get.last_modified,
        metadata: get.metadata,
        parts_count: get.parts_count,
        storage_class: get.storage_class,
        website_redirect_location: get.website_redirect_location,
        ..HeadObjectOutput::default()
    }
}
