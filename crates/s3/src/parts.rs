//! Parts of multipart uploads: uploaded, copied, listed.

use std::ops::Range;

use s3s::S3Request;
use s3s::dto::{
    self, CopyPartResult, ListPartsInput, ListPartsOutput, UploadPartCopyInput,
    UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use store::Write;
use store::key::encode;

use crate::about::refuse_what_is_not_done;
use crate::checksums::{self, Algorithm, Wanted};
use crate::conditions::OnRead;
use crate::error::{Error, Result};
use crate::intake::{self, Expected, Received, Trailers, receive};
use crate::limits::{PARTS_MAX, PUT_BYTES_MAX};
use crate::list::at_most;
use crate::namespace::Namespace;
use crate::records::{self, Part, Piece, Upload};
use crate::shown;

/// Which part of which upload.
struct Place<'a> {
    bucket: &'a str,
    key: &'a str,
    upload: &'a str,
    number: i32,
}

impl Namespace {
    /// UploadPart.
    pub(crate) async fn upload_part(
        &self,
        mut request: S3Request<UploadPartInput>,
    ) -> Result<UploadPartOutput> {
        let caller = self.caller(&request);
        refuse_what_is_not_done(&request.headers)?;
        let body = request.input.body.take();
        let input = &request.input;
        let place = Place {
            bucket: &input.bucket,
            key: &input.key,
            upload: &input.upload_id,
            number: input.part_number,
        };
        place.check()?;
        let owner = input.expected_bucket_owner.as_deref();
        self.bucket(&input.bucket, &caller, owner).await?;
        let upload = self.upload(place.bucket, place.key, place.upload).await?;
        let wanted = Wanted::of(
            &given(input),
            input.checksum_algorithm.as_ref(),
            &request.headers,
        )?;
        let expected = Expected {
            length: intake::length(&request, input.content_length, body.as_ref())?,
            md5: intake::content_md5(input.content_md5.as_deref())?,
            checksum: of_upload(wanted, &upload)?,
            trailers: Trailers::of(&request),
        };
        let received = receive(&self.bodies, body, expected).await?;
        let part = self.keep_part(&place, received).await?;
        let checksum = checksums::shown(part.checksum.as_ref());
        Ok(UploadPartOutput {
            e_tag: Some(shown::etag(&part.etag)),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            ..UploadPartOutput::default()
        })
    }

    /// UploadPartCopy.
    pub(crate) async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> Result<UploadPartCopyOutput> {
        let caller = self.caller(&request);
        refuse_what_is_not_done(&request.headers)?;
        let input = request.input;
        let place = Place {
            bucket: &input.bucket,
            key: &input.key,
            upload: &input.upload_id,
            number: input.part_number,
        };
        place.check()?;
        let owner = input.expected_bucket_owner.as_deref();
        self.bucket(&input.bucket, &caller, owner).await?;
        let upload = self.upload(place.bucket, place.key, place.upload).await?;
        let condition = OnRead {
            if_match: input.copy_source_if_match.clone(),
            if_none_match: input.copy_source_if_none_match.clone(),
            if_modified_since: input.copy_source_if_modified_since.clone(),
            if_unmodified_since: input.copy_source_if_unmodified_since.clone(),
        };
        let from_owner = input.expected_source_bucket_owner.as_deref();
        let source = self
            .source(&caller, &input.copy_source, from_owner, &condition)
            .await?;
        let range = range(input.copy_source_range.as_deref(), source.object.size())?;
        let algorithm = upload.checksum.map(|(algorithm, _)| algorithm);
        let received = self.duplicate(source, range, algorithm).await?;
        let part = self.keep_part(&place, received).await?;
        let checksum = checksums::shown(part.checksum.as_ref());
        Ok(UploadPartCopyOutput {
            copy_part_result: Some(CopyPartResult {
                checksum_crc32: checksum.checksum_crc32,
                checksum_crc32c: checksum.checksum_crc32c,
                checksum_crc64nvme: checksum.checksum_crc64nvme,
                checksum_sha1: checksum.checksum_sha1,
                checksum_sha256: checksum.checksum_sha256,
                e_tag: Some(shown::etag(&part.etag)),
                last_modified: Some(shown::time(part.modified)),
            }),
            ..UploadPartCopyOutput::default()
        })
    }

    /// Names a part's body, in place of one uploaded before under its number.
    async fn keep_part(&self, place: &Place<'_>, received: Received) -> Result<Part> {
        let part = Part {
            piece: Piece {
                body: received.body.id(),
                size: received.size,
            },
            etag: shown::hex(&received.md5),
            modified: self.clock.now(),
            checksum: received.checksum,
        };
        let upload = records::upload(place.bucket, place.key, place.upload);
        let document = records::part(place.upload, place.number);
        let _bucket = self.turns.in_bucket().await;
        // An upload that is completed or aborted meanwhile takes no more parts.
        let _upload = self.turns.of([&upload]).await;
        self.upload(place.bucket, place.key, place.upload).await?;
        let before: Option<Part> = self.document(&document).await?;
        let write = Write::Put {
            key: document,
            value: encode(&part),
        };
        self.commit(place.bucket, vec![write], vec![received.body])
            .await?;
        if let Some(before) = before {
            self.bodies.remove(vec![before.piece.body]).await;
        }
        Ok(part)
    }

    /// ListParts.
    pub(crate) async fn list_parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> Result<ListPartsOutput> {
        let caller = self.caller(&request);
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        let bucket = self.bucket(&input.bucket, &caller, owner).await?;
        let upload = self
            .upload(&input.bucket, &input.key, &input.upload_id)
            .await?;
        let max = at_most(input.max_parts, "max-parts")?;
        let after = input.part_number_marker.unwrap_or(0);
        let mut shown = Vec::new();
        let mut is_truncated = false;
        for (key, part) in self.all::<Part>(&records::parts(&input.upload_id)).await? {
            let number = records::part_number(&key).ok_or(Error::Internal)?;
            if number <= after {
                continue;
            }
            if shown::count(shown.len()) == max {
                is_truncated = true;
                break;
            }
            shown.push(shown_part(number, &part));
        }
        let class = upload
            .about
            .storage_class
            .unwrap_or_else(|| "STANDARD".to_owned());
        Ok(ListPartsOutput {
            bucket: Some(input.bucket),
            checksum_algorithm: upload
                .checksum
                .map(|(algorithm, _)| dto::ChecksumAlgorithm::from_static(algorithm.name())),
            checksum_type: upload.checksum.map(|(_, kind)| kind.to_dto()),
            is_truncated: Some(is_truncated),
            key: Some(input.key),
            max_parts: Some(max),
            next_part_number_marker: shown.last().and_then(|part: &dto::Part| part.part_number),
            owner: Some(shown::owner(&bucket.owner)),
            part_number_marker: Some(after),
            parts: Some(shown),
            storage_class: Some(dto::StorageClass::from(class)),
            upload_id: Some(input.upload_id),
            ..ListPartsOutput::default()
        })
    }
}

impl Place<'_> {
    fn check(&self) -> Result<()> {
        if (1..=PARTS_MAX).contains(&self.number) {
            return Ok(());
        }
        Err(Error::argument(
            "Part number must be an integer between 1 and 10000, inclusive",
        ))
    }
}

/// The checksum a part is to have: the upload's, whatever the request says beyond it.
fn of_upload(wanted: Option<Wanted>, upload: &Upload) -> Result<Option<Wanted>> {
    let name = |algorithm: Algorithm| algorithm.name().to_ascii_lowercase();
    match (wanted, upload.checksum) {
        (Some(wanted), Some((algorithm, _))) if wanted.algorithm() != algorithm => {
            Err(Error::request(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                name(algorithm),
                name(wanted.algorithm())
            )))
        }
        (None, Some((algorithm, _))) => Ok(Some(Wanted::Computed(algorithm))),
        (wanted, _) => Ok(wanted),
    }
}

/// `bytes=first-last`, both there and within the source.
fn range(header: Option<&str>, size: u64) -> Result<Range<u64>> {
    let range = match header {
        None => 0..size,
        Some(header) => match dto::Range::parse(header) {
            Ok(dto::Range::Int {
                first,
                last: Some(last),
            }) if last < size => first..last + 1,
            Ok(dto::Range::Int { last: Some(_), .. }) => return Err(Error::InvalidRange),
            _ => {
                return Err(Error::argument(
                    "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
                     zero-based offsets of the first and last bytes to copy",
                ));
            }
        },
    };
    if range.end - range.start > PUT_BYTES_MAX {
        return Err(Error::EntityTooLarge);
    }
    Ok(range)
}

fn given(input: &UploadPartInput) -> dto::Checksum {
    dto::Checksum {
        checksum_crc32: input.checksum_crc32.clone(),
        checksum_crc32c: input.checksum_crc32c.clone(),
        checksum_crc64nvme: input.checksum_crc64nvme.clone(),
        checksum_sha1: input.checksum_sha1.clone(),
        checksum_sha256: input.checksum_sha256.clone(),
        checksum_type: None,
    }
}

fn shown_part(number: i32, part: &Part) -> dto::Part {
    let checksum = checksums::shown(part.checksum.as_ref());
    dto::Part {
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        e_tag: Some(shown::etag(&part.etag)),
        last_modified: Some(shown::time(part.modified)),
        part_number: Some(number),
        size: Some(shown::size(part.piece.size)),
    }
}
