//! Tags of objects: read, replaced, taken off. The object itself stays as it is, its time with it.

use s3s::S3Request;
use s3s::dto::{
    DeleteObjectTaggingInput, GetObjectTaggingInput, GetObjectTaggingOutput, PutObjectTaggingInput,
    Tag,
};
use store::Write;
use store::key::encode;

use crate::about::tags_of_set;
use crate::error::{Error, Result};
use crate::get::refuse_version;
use crate::namespace::Namespace;
use crate::records;

impl Namespace {
    /// GetObjectTagging.
    pub(crate) async fn get_object_tagging(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> Result<GetObjectTaggingOutput> {
        let caller = self.caller(&request);
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.bucket(&input.bucket, &caller, owner).await?;
        refuse_version(input.version_id.as_deref())?;
        let object = self.object(&input.bucket, &input.key).await?;
        let tags = object.ok_or(Error::NoSuchKey)?.about.tags;
        let shown = tags.into_iter().map(|(key, value)| Tag {
            key: Some(key),
            value: Some(value),
        });
        Ok(GetObjectTaggingOutput {
            tag_set: shown.collect(),
            version_id: None,
        })
    }

    /// PutObjectTagging.
    pub(crate) async fn put_object_tagging(
        &self,
        request: S3Request<PutObjectTaggingInput>,
    ) -> Result<()> {
        let caller = self.caller(&request);
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.bucket(&input.bucket, &caller, owner).await?;
        refuse_version(input.version_id.as_deref())?;
        let tags = tags_of_set(input.tagging.tag_set)?;
        self.set_tags(&input.bucket, &input.key, tags).await
    }

    /// DeleteObjectTagging.
    pub(crate) async fn delete_object_tagging(
        &self,
        request: S3Request<DeleteObjectTaggingInput>,
    ) -> Result<()> {
        let caller = self.caller(&request);
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.bucket(&input.bucket, &caller, owner).await?;
        refuse_version(input.version_id.as_deref())?;
        self.set_tags(&input.bucket, &input.key, Vec::new()).await
    }

    async fn set_tags(&self, bucket: &str, key: &str, tags: Vec<(String, String)>) -> Result<()> {
        let document = records::object(bucket, key);
        let _bucket = self.turns.in_bucket().await;
        let _key = self.turns.of([&document]).await;
        let mut object = self.object(bucket, key).await?.ok_or(Error::NoSuchKey)?;
        object.about.tags = tags;
        let write = Write::Put {
            key: document,
            value: encode(&object),
        };
        self.commit(bucket, vec![write], Vec::new()).await
    }
}
