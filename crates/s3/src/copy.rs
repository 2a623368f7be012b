//! CopyObject, and the copying itself. A body that is one file is shared by a hard link where nothing of it is to change;
//! anything else is read through and written anew.

use std::ops::Range;

use futures_util::StreamExt as _;
use s3s::S3Request;
use s3s::dto::{
    self, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, MetadataDirective,
    TaggingDirective,
};

use crate::about::check_key;
use crate::bodies::Hold;
use crate::caller::Caller;
use crate::checksums::{self, Algorithm};
use crate::conditions::{OnRead, OnWrite};
use crate::error::{Error, Result};
use crate::get::refuse_version;
use crate::intake::{Received, Sink, blocking};
use crate::limits::{PUT_BYTES_MAX, WRITE_BYTES};
use crate::namespace::Namespace;
use crate::reader::Reader;
use crate::records::{About, Object, Piece};
use crate::shown;

/// An object to copy from.
pub(crate) struct Source {
    pub(crate) object: Object,
    hold: Hold,
}

impl Namespace {
    /// CopyObject.
    pub(crate) async fn copy_object(
        &self,
        mut request: S3Request<CopyObjectInput>,
    ) -> Result<CopyObjectOutput> {
        let caller = self.caller(&request);
        let metadata = request.input.metadata.take();
        let told = About::of(&request.headers, metadata)?;
        let input = request.input;
        check_key(&input.key)?;
        let owner = input.expected_bucket_owner.as_deref();
        self.bucket(&input.bucket, &caller, owner).await?;
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
        if source.object.size() > PUT_BYTES_MAX {
            return Err(Error::request(
                "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
            ));
        }
        let about = about(&input, told, &source.object)?;
        let algorithm = match &input.checksum_algorithm {
            Some(named) => Some(Algorithm::parse(named)?),
            None => source.object.checksum.as_ref().map(|sum| sum.algorithm),
        };
        let range = 0..source.object.size();
        let received = self.duplicate(source, range, algorithm).await?;
        let object = Object {
            pieces: vec![Piece {
                body: received.body.id(),
                size: received.size,
            }],
            etag: shown::hex(&received.md5),
            modified: self.clock.now(),
            checksum: received.checksum,
            upload: None,
            about,
        };
        let always = OnWrite::default();
        self.publish(&input.bucket, &input.key, &object, received.body, &always)
            .await?;
        Ok(answer(&object))
    }

    /// The object a copy is to be of.
    pub(crate) async fn source(
        &self,
        caller: &Caller,
        source: &CopySource,
        owner: Option<&str>,
        condition: &OnRead,
    ) -> Result<Source> {
        let CopySource::Bucket {
            bucket,
            key,
            version_id,
        } = source
        else {
            return Err(Error::NotImplemented(
                "A header you provided implies functionality that is not implemented: access points",
            ));
        };
        self.bucket(bucket, caller, owner).await?;
        refuse_version(version_id.as_deref())?;
        let (object, hold) = self.held(bucket, key).await?;
        condition.check_source(&object)?;
        Ok(Source { object, hold })
    }

    /// A body of its own with `range` of the source's bytes, durable.
    pub(crate) async fn duplicate(
        &self,
        source: Source,
        range: Range<u64>,
        algorithm: Option<Algorithm>,
    ) -> Result<Received> {
        if let Some(shared) = self.share(&source, &range, algorithm).await? {
            return Ok(shared);
        }
        let mut reader = Reader::new(&self.bodies, source.hold, &source.object.pieces, &range);
        let mut sink = Sink::open(&self.bodies, algorithm).await?;
        while let Some(bytes) = reader.next().await {
            // Whoever reads has logged why.
            let bytes = bytes.map_err(|_| Error::Internal)?;
            debug_assert!(bytes.len() <= WRITE_BYTES);
            sink = sink.write(vec![bytes]).await?;
        }
        sink.finish(Vec::new(), |_, _| Ok(())).await
    }

    /// A link to the source's only file, if the copy is to be just like it.
    async fn share(
        &self,
        source: &Source,
        range: &Range<u64>,
        algorithm: Option<Algorithm>,
    ) -> Result<Option<Received>> {
        let object = &source.object;
        let [piece] = object.pieces.as_slice() else {
            return Ok(None);
        };
        let same_checksum = object.checksum.as_ref().map(|sum| sum.algorithm) == algorithm;
        let Some(md5) = md5_of(&object.etag) else {
            return Ok(None);
        };
        if *range != (0..piece.size) || !same_checksum {
            return Ok(None);
        }
        let bodies = self.bodies.clone();
        let shared = piece.body;
        Ok(Some(Received {
            body: blocking(move || bodies.link(shared)).await?,
            size: piece.size,
            md5,
            checksum: object.checksum.clone(),
        }))
    }
}

/// The digest a tag shows; none for an object that was uploaded in parts.
fn md5_of(etag: &str) -> Option<[u8; 16]> {
    let digest = u128::from_str_radix(etag, 16).ok();
    digest.filter(|_| etag.len() == 32).map(u128::to_be_bytes)
}

/// What is said of the copy: what was said of the source, unless the request replaces it.
fn about(input: &CopyObjectInput, told: About, source: &Object) -> Result<About> {
    let replaces = match input
        .metadata_directive
        .as_ref()
        .map(MetadataDirective::as_str)
    {
        None | Some(MetadataDirective::COPY) => false,
        Some(MetadataDirective::REPLACE) => true,
        Some(_) => return Err(Error::argument("Unknown metadata directive.")),
    };
    let replaces_tags = match input
        .tagging_directive
        .as_ref()
        .map(TaggingDirective::as_str)
    {
        None | Some(TaggingDirective::COPY) => false,
        Some(TaggingDirective::REPLACE) => true,
        Some(_) => return Err(Error::argument("Unknown tagging directive.")),
    };
    let is_itself = matches!(
        &input.copy_source,
        CopySource::Bucket { bucket, key, .. } if **bucket == *input.bucket && **key == *input.key
    );
    let changes = replaces || replaces_tags || told.storage_class != source.about.storage_class;
    if is_itself && !changes {
        return Err(Error::request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's \
             metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let of = &source.about;
    let (headers, metadata) = if replaces {
        (told.headers, told.metadata)
    } else {
        (of.headers.clone(), of.metadata.clone())
    };
    let tags = if replaces_tags {
        told.tags
    } else {
        of.tags.clone()
    };
    Ok(About {
        headers,
        metadata,
        tags,
        // Never copied: a copy is of the class the request names.
        storage_class: told.storage_class,
    })
}

fn answer(object: &Object) -> CopyObjectOutput {
    let checksum: dto::Checksum = checksums::shown(object.checksum.as_ref());
    CopyObjectOutput {
        copy_object_result: Some(CopyObjectResult {
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
            checksum_type: checksum.checksum_type,
            e_tag: Some(shown::etag(&object.etag)),
            last_modified: Some(shown::time(object.modified)),
        }),
        ..CopyObjectOutput::default()
    }
}
