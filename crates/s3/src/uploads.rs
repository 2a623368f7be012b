//! Multipart uploads: begun, listed, aborted, completed. Their parts are in `parts.rs`.
//!
//! Completing moves no bytes: the object's document names the parts' bodies, in the commit that forgets the upload.

use std::collections::HashSet;

use s3s::S3Request;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{
    self, AbortMultipartUploadInput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CompletedPart, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    ListMultipartUploadsInput, ListMultipartUploadsOutput, MultipartUpload,
};
use store::{Key, Write, key::encode};

use crate::about::check_key;
use crate::bodies::BodyId;
use crate::checksums::{self, Algorithm, Checksum, Kind};
use crate::conditions::OnWrite;
use crate::error::{Error, Result};
use crate::limits::{PART_BYTES_MIN, PARTS_MAX};
use crate::list::{Encoding, at_most};
use crate::listing::{After, Entry, Wanted, page};
use crate::namespace::Namespace;
use crate::records::{self, About, Object, Part, Upload};
use crate::shown;

/// Length of an upload's id: when it began and random bits, in hex.
const ID_LENGTH: usize = 48;

/// A part an upload has.
struct Stored {
    number: i32,
    part: Part,
}

impl Namespace {
    /// CreateMultipartUpload.
    pub(crate) async fn create_multipart_upload(
        &self,
        mut request: S3Request<CreateMultipartUploadInput>,
    ) -> Result<CreateMultipartUploadOutput> {
        let caller = self.caller(&request);
        let metadata = request.input.metadata.take();
        let about = About::of(&request.headers, metadata)?;
        let input = request.input;
        check_key(&input.key)?;
        let checksum = checksum_of_upload(&input)?;
        let owner = input.expected_bucket_owner.as_deref();
        self.bucket(&input.bucket, &caller, owner).await?;
        let upload = Upload {
            began: self.clock.now(),
            checksum,
            about,
        };
        let id = self.new_upload_id(upload.began.0);
        let write = Write::Put {
            key: records::upload(&input.bucket, &input.key, &id),
            value: encode(&upload),
        };
        let turn = self.turns.in_bucket().await;
        self.commit(&input.bucket, vec![write], Vec::new()).await?;
        drop(turn);
        let shown = |(algorithm, _): (Algorithm, Kind)| {
            dto::ChecksumAlgorithm::from_static(algorithm.name())
        };
        Ok(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: checksum.map(shown),
            checksum_type: checksum.map(|(_, kind)| kind.to_dto()),
            ..CreateMultipartUploadOutput::default()
        })
    }

    fn new_upload_id(&self, began: i64) -> String {
        let (high, low) = (self.rng.next_u64(), self.rng.next_u64());
        format!("{began:016x}{high:016x}{low:016x}")
    }

    /// An upload under way.
    pub(crate) async fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload> {
        // Ids are ours: no other text is looked up.
        if id.len() != ID_LENGTH || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error::NoSuchUpload);
        }
        let upload = self.document(&records::upload(bucket, key, id)).await?;
        upload.ok_or(Error::NoSuchUpload)
    }

    /// AbortMultipartUpload.
    pub(crate) async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> Result<()> {
        let caller = self.caller(&request);
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.bucket(&input.bucket, &caller, owner).await?;
        let document = records::upload(&input.bucket, &input.key, &input.upload_id);
        let _bucket = self.turns.in_bucket().await;
        let _upload = self.turns.of([&document]).await;
        self.upload(&input.bucket, &input.key, &input.upload_id)
            .await?;
        self.forget(&input.bucket, document, &input.upload_id).await
    }

    /// Aborts all uploads to a bucket that nobody else can change.
    pub(crate) async fn abort_all(&self, bucket: &str) -> Result<()> {
        for (document, _) in self.all::<Upload>(&records::uploads(bucket)).await? {
            let id = document.last_part().unwrap_or_default().to_owned();
            self.forget(bucket, document, &id).await?;
        }
        Ok(())
    }

    /// Forgets an upload and its parts.
    async fn forget(&self, bucket: &str, document: Key, id: &str) -> Result<()> {
        let parts = self.all::<Part>(&records::parts(id)).await?;
        let mut writes = vec![Write::Delete { key: document }];
        let mut bodies = Vec::new();
        for (key, part) in parts {
            writes.push(Write::Delete { key });
            bodies.push(part.piece.body);
        }
        self.commit(bucket, writes, Vec::new()).await?;
        self.bodies.remove(bodies).await;
        Ok(())
    }

    /// CompleteMultipartUpload. Asked again, it finds the object it made.
    pub(crate) async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> Result<CompleteMultipartUploadOutput> {
        let caller = self.caller(&request);
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.bucket(&input.bucket, &caller, owner).await?;
        let document = records::upload(&input.bucket, &input.key, &input.upload_id);
        let object = records::object(&input.bucket, &input.key);
        let _bucket = self.turns.in_bucket().await;
        let _turns = self.turns.of([&document, &object]).await;
        let found = self
            .upload(&input.bucket, &input.key, &input.upload_id)
            .await;
        let upload = match found {
            Ok(upload) => upload,
            Err(Error::NoSuchUpload) => return self.completed_before(&input).await,
            Err(other) => return Err(other),
        };
        let stored = self.all::<Part>(&records::parts(&input.upload_id)).await?;
        let mut also = vec![Write::Delete { key: document }];
        let mut parts = Vec::new();
        for (key, part) in stored {
            let number = records::part_number(&key).ok_or(Error::Internal)?;
            parts.push(Stored { number, part });
            also.push(Write::Delete { key });
        }
        let asked = input.multipart_upload.as_ref();
        let asked = asked.and_then(|upload| upload.parts.as_deref());
        let chosen = choose(asked.unwrap_or_default(), &parts)?;
        let object = Object {
            pieces: chosen.iter().map(|stored| stored.part.piece).collect(),
            etag: etag_of(&chosen)?,
            modified: self.clock.now(),
            checksum: checksum_of(upload.checksum, &chosen)?,
            upload: Some(input.upload_id.clone()),
            about: upload.about,
        };
        check_whole(&input, &object)?;
        let kept: HashSet<BodyId> = object.bodies().into_iter().collect();
        let unused: Vec<BodyId> = parts
            .iter()
            .map(|stored| stored.part.piece.body)
            .filter(|body| !kept.contains(body))
            .collect();
        let condition = OnWrite {
            if_match: input.if_match.clone(),
            if_none_match: input.if_none_match.clone(),
        };
        self.replace(
            &input.bucket,
            &input.key,
            &object,
            Vec::new(),
            &condition,
            also,
        )
        .await?;
        self.bodies.remove(unused).await;
        Ok(completed(input, &object))
    }

    /// The answer to completing an upload that made the object which is there.
    async fn completed_before(
        &self,
        input: &CompleteMultipartUploadInput,
    ) -> Result<CompleteMultipartUploadOutput> {
        let object = self.object(&input.bucket, &input.key).await?;
        let object = object.filter(|object| object.upload.as_ref() == Some(&input.upload_id));
        let object = object.ok_or(Error::NoSuchUpload)?;
        Ok(completed(input.clone(), &object))
    }

    /// ListMultipartUploads.
    pub(crate) async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> Result<ListMultipartUploadsOutput> {
        let caller = self.caller(&request);
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        let bucket = self.bucket(&input.bucket, &caller, owner).await?;
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let max = at_most(input.max_uploads, "max-uploads")?;
        let upload_marker = input.upload_id_marker.clone().filter(|id| !id.is_empty());
        let key_marker = input.key_marker.clone().filter(|key| !key.is_empty());
        let after = key_marker.map(|key| match upload_marker {
            Some(id) => After::Entry(key, id),
            None if input
                .delimiter
                .as_deref()
                .is_some_and(|end| key.ends_with(end)) =>
            {
                After::Name(key)
            }
            None => After::AllOf(key),
        });
        let wanted = Wanted {
            base: records::uploads(&input.bucket),
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().unwrap_or_default(),
            after,
            max: usize::try_from(max).unwrap_or(0),
        };
        let page = page(&*self.store, &wanted).await?;
        let owner = shown::owner(&bucket.owner);
        let uploads = page
            .entries
            .iter()
            .map(|entry| shown_upload(entry, encoding, &owner))
            .collect::<Result<_>>()?;
        let last = page.last.filter(|_| page.is_truncated);
        let last_entry = page
            .entries
            .last()
            .filter(|entry| Some(&entry.name) == last.as_ref());
        let next_upload_id_marker = last_entry.and_then(|entry| entry.suffix.clone());
        Ok(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            common_prefixes: Some(encoding.groups(&page.groups)),
            delimiter: encoding.echo(input.delimiter),
            encoding_type: input.encoding_type,
            is_truncated: Some(page.is_truncated),
            key_marker: Some(encoding.show(&input.key_marker.unwrap_or_default())),
            max_uploads: Some(max),
            next_upload_id_marker,
            next_key_marker: encoding.echo(last),
            prefix: Some(encoding.show(&input.prefix.unwrap_or_default())),
            request_charged: None,
            upload_id_marker: input.upload_id_marker,
            uploads: Some(uploads),
        })
    }
}

/// Which checksum an upload is to have, and over what.
fn checksum_of_upload(input: &CreateMultipartUploadInput) -> Result<Option<(Algorithm, Kind)>> {
    let kind = input.checksum_type.as_ref().map(Kind::parse).transpose()?;
    let Some(algorithm) = &input.checksum_algorithm else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(Error::request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )),
        };
    };
    let algorithm = Algorithm::parse(algorithm)?;
    let kind = kind.unwrap_or_else(|| algorithm.default_kind());
    if !algorithm.allows(kind) {
        return Err(Error::request(format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            kind.to_dto().as_str(),
            algorithm.name().to_ascii_lowercase()
        )));
    }
    Ok(Some((algorithm, kind)))
}

/// The parts a client lists, if the upload has them and they can make an object.
fn choose<'a>(asked: &[CompletedPart], parts: &'a [Stored]) -> Result<Vec<&'a Stored>> {
    if asked.is_empty() || asked.len() > usize::try_from(PARTS_MAX).unwrap_or(0) {
        return Err(Error::MalformedXml);
    }
    let mut chosen: Vec<&Stored> = Vec::with_capacity(asked.len());
    for part in asked {
        let number = part.part_number.ok_or(Error::MalformedXml)?;
        if chosen.last().is_some_and(|before| before.number >= number) {
            return Err(Error::InvalidPartOrder);
        }
        let at = parts.binary_search_by_key(&number, |stored| stored.number);
        let stored = at
            .ok()
            .and_then(|at| parts.get(at))
            .ok_or(Error::InvalidPart)?;
        if !is_same(part, &stored.part)? {
            return Err(Error::InvalidPart);
        }
        chosen.push(stored);
    }
    let before_last = chosen.iter().rev().skip(1);
    if before_last
        .into_iter()
        .any(|stored| stored.part.piece.size < PART_BYTES_MIN)
    {
        return Err(Error::EntityTooSmall);
    }
    Ok(chosen)
}

/// Whether a part is the one the client means.
fn is_same(asked: &CompletedPart, part: &Part) -> Result<bool> {
    let etag = asked.e_tag.as_ref().ok_or(Error::MalformedXml)?;
    let given = checksums::single(&dto::Checksum {
        checksum_crc32: asked.checksum_crc32.clone(),
        checksum_crc32c: asked.checksum_crc32c.clone(),
        checksum_crc64nvme: asked.checksum_crc64nvme.clone(),
        checksum_sha1: asked.checksum_sha1.clone(),
        checksum_sha256: asked.checksum_sha256.clone(),
        checksum_type: None,
    })?;
    let is_given = given.is_none_or(|(algorithm, value)| {
        let stored = part.checksum.as_ref();
        stored.is_some_and(|stored| stored.algorithm == algorithm && stored.value == value)
    });
    Ok(etag.value() == part.etag && is_given)
}

/// MD5 of the parts' MD5s, and how many they are.
fn etag_of(chosen: &[&Stored]) -> Result<String> {
    let mut md5 = Md5::new();
    for stored in chosen {
        let digest = u128::from_str_radix(&stored.part.etag, 16).map_err(|_| Error::Internal)?;
        md5.update(&digest.to_be_bytes());
    }
    Ok(format!("{}-{}", shown::hex(&md5.finalize()), chosen.len()))
}

fn checksum_of(of: Option<(Algorithm, Kind)>, chosen: &[&Stored]) -> Result<Option<Checksum>> {
    let Some((algorithm, kind)) = of else {
        return Ok(None);
    };
    let mut parts = Vec::with_capacity(chosen.len());
    for stored in chosen {
        let checksum = stored.part.checksum.as_ref().ok_or(Error::InvalidPart)?;
        parts.push((checksum.value.as_str(), stored.part.piece.size));
    }
    checksums::of_parts(algorithm, kind, &parts).map(Some)
}

/// Holds the object against what the client says it should be.
fn check_whole(input: &CompleteMultipartUploadInput, object: &Object) -> Result<()> {
    if let Some(size) = input.mpu_object_size
        && size != shown::size(object.size())
    {
        return Err(Error::request(
            "The provided 'x-amz-mp-object-size' header does not match what was computed.",
        ));
    }
    let given = checksums::single(&dto::Checksum {
        checksum_crc32: input.checksum_crc32.clone(),
        checksum_crc32c: input.checksum_crc32c.clone(),
        checksum_crc64nvme: input.checksum_crc64nvme.clone(),
        checksum_sha1: input.checksum_sha1.clone(),
        checksum_sha256: input.checksum_sha256.clone(),
        checksum_type: None,
    })?;
    let Some((algorithm, value)) = given else {
        return Ok(());
    };
    let computed = object.checksum.as_ref();
    if computed.is_some_and(|sum| sum.algorithm == algorithm && sum.value == value) {
        Ok(())
    } else {
        Err(Error::BadDigest(algorithm.name()))
    }
}

fn completed(
    input: CompleteMultipartUploadInput,
    object: &Object,
) -> CompleteMultipartUploadOutput {
    let checksum = checksums::shown(object.checksum.as_ref());
    CompleteMultipartUploadOutput {
        location: Some(format!("/{}/{}", input.bucket, input.key)),
        bucket: Some(input.bucket),
        key: Some(input.key),
        e_tag: Some(shown::etag(&object.etag)),
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        checksum_type: checksum.checksum_type,
        ..CompleteMultipartUploadOutput::default()
    }
}

fn shown_upload(entry: &Entry, encoding: Encoding, owner: &dto::Owner) -> Result<MultipartUpload> {
    let upload: Upload = entry.document.decode()?;
    let class = upload
        .about
        .storage_class
        .unwrap_or_else(|| "STANDARD".to_owned());
    Ok(MultipartUpload {
        checksum_algorithm: upload
            .checksum
            .map(|(algorithm, _)| dto::ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: upload.checksum.map(|(_, kind)| kind.to_dto()),
        initiated: Some(shown::time(upload.began)),
        initiator: Some(dto::Initiator {
            id: owner.id.clone(),
            display_name: None,
        }),
        key: Some(encoding.show(&entry.name)),
        owner: Some(owner.clone()),
        storage_class: Some(dto::StorageClass::from(class)),
        upload_id: entry.suffix.clone(),
    })
}
