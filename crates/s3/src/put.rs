//! PutObject.

use s3s::S3Request;
use s3s::dto::{self, PutObjectInput, PutObjectOutput};

use crate::about::check_key;
use crate::checksums::{self, Wanted};
use crate::conditions::OnWrite;
use crate::error::Result;
use crate::intake::{self, Expected, Trailers, receive};
use crate::namespace::Namespace;
use crate::records::{About, Object, Piece};
use crate::shown;

impl Namespace {
    /// PutObject: the answer goes out once the body and its document are durable.
    pub(crate) async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> Result<PutObjectOutput> {
        let caller = self.caller(&request);
        let body = request.input.body.take();
        let metadata = request.input.metadata.take();
        let about = About::of(&request.headers, metadata)?;
        let input = &request.input;
        check_key(&input.key)?;
        let condition = OnWrite {
            if_match: input.if_match.clone(),
            if_none_match: input.if_none_match.clone(),
        };
        let expected = Expected {
            length: intake::length(&request, input.content_length, body.as_ref())?,
            md5: intake::content_md5(input.content_md5.as_deref())?,
            checksum: Wanted::of(
                &given(input),
                input.checksum_algorithm.as_ref(),
                &request.headers,
            )?,
            trailers: Trailers::of(&request),
        };
        let owner = input.expected_bucket_owner.as_deref();
        self.bucket(&input.bucket, &caller, owner).await?;
        // Again when it is published, but here before the body is read for nothing.
        let before = self.object(&input.bucket, &input.key).await?;
        condition.check(before.as_ref())?;
        let received = receive(&self.bodies, body, expected).await?;
        let body = received.body;
        let object = Object {
            pieces: vec![Piece {
                body: body.id(),
                size: received.size,
            }],
            etag: shown::hex(&received.md5),
            modified: self.clock.now(),
            checksum: received.checksum,
            upload: None,
            about,
        };
        let (bucket, key) = (&input.bucket, &input.key);
        self.publish(bucket, key, &object, body, &condition).await?;
        let checksum = checksums::shown(object.checksum.as_ref());
        Ok(PutObjectOutput {
            e_tag: Some(shown::etag(&object.etag)),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            checksum_type: checksum.checksum_type,
            ..PutObjectOutput::default()
        })
    }
}

fn given(input: &PutObjectInput) -> dto::Checksum {
    dto::Checksum {
        checksum_crc32: input.checksum_crc32.clone(),
        checksum_crc32c: input.checksum_crc32c.clone(),
        checksum_crc64nvme: input.checksum_crc64nvme.clone(),
        checksum_sha1: input.checksum_sha1.clone(),
        checksum_sha256: input.checksum_sha256.clone(),
        checksum_type: None,
    }
}
