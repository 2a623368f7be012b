//! The operations that are served: what is not here answers `NotImplemented`, which is s3s's default.

use std::sync::Arc;

use async_trait::async_trait;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use crate::incoming::Passage;
use crate::namespace::Namespace;

/// Leaves word of which operation it is.
fn told<T>(request: &S3Request<T>, operation: &'static str) {
    if let Some(passage) = request.extensions.get::<Passage>() {
        passage.is_for(operation);
    }
}

/// S3's operations on a namespace.
pub(crate) struct Operations(pub(crate) Arc<Namespace>);

#[async_trait]
impl S3 for Operations {
    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        told(&request, "CreateBucket");
        Ok(S3Response::new(self.0.create_bucket(request).await?))
    }

    async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        told(&request, "DeleteBucket");
        self.0.delete_bucket(request).await?;
        Ok(S3Response::new(DeleteBucketOutput::default()))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        told(&request, "HeadBucket");
        Ok(S3Response::new(self.0.head_bucket(request).await?))
    }

    async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        told(&request, "ListBuckets");
        Ok(S3Response::new(self.0.list_buckets(request).await?))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        told(&request, "GetBucketLocation");
        Ok(S3Response::new(self.0.get_bucket_location(request).await?))
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        told(&request, "GetBucketVersioning");
        Ok(S3Response::new(
            self.0.get_bucket_versioning(request).await?,
        ))
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        told(&request, "ListObjects");
        Ok(S3Response::new(self.0.list_objects(request).await?))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        told(&request, "ListObjectsV2");
        Ok(S3Response::new(self.0.list_objects_v2(request).await?))
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        told(&request, "PutObject");
        Ok(S3Response::new(self.0.put_object(request).await?))
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        told(&request, "GetObject");
        Ok(S3Response::new(self.0.get_object(request).await?))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        told(&request, "HeadObject");
        Ok(S3Response::new(self.0.head_object(request).await?))
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        told(&request, "CopyObject");
        Ok(S3Response::new(self.0.copy_object(request).await?))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        told(&request, "DeleteObject");
        self.0.delete_object(request).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        told(&request, "DeleteObjects");
        Ok(S3Response::new(self.0.delete_objects(request).await?))
    }

    async fn get_object_tagging(
        &self,
        request: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        told(&request, "GetObjectTagging");
        Ok(S3Response::new(self.0.get_object_tagging(request).await?))
    }

    async fn put_object_tagging(
        &self,
        request: S3Request<PutObjectTaggingInput>,
    ) -> S3Result<S3Response<PutObjectTaggingOutput>> {
        told(&request, "PutObjectTagging");
        self.0.put_object_tagging(request).await?;
        Ok(S3Response::new(PutObjectTaggingOutput::default()))
    }

    async fn delete_object_tagging(
        &self,
        request: S3Request<DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
        told(&request, "DeleteObjectTagging");
        self.0.delete_object_tagging(request).await?;
        Ok(S3Response::new(DeleteObjectTaggingOutput::default()))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        told(&request, "CreateMultipartUpload");
        Ok(S3Response::new(
            self.0.create_multipart_upload(request).await?,
        ))
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        told(&request, "UploadPart");
        Ok(S3Response::new(self.0.upload_part(request).await?))
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        told(&request, "UploadPartCopy");
        Ok(S3Response::new(self.0.upload_part_copy(request).await?))
    }

    async fn list_parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        told(&request, "ListParts");
        Ok(S3Response::new(self.0.list_parts(request).await?))
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        told(&request, "ListMultipartUploads");
        Ok(S3Response::new(
            self.0.list_multipart_uploads(request).await?,
        ))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        told(&request, "CompleteMultipartUpload");
        Ok(S3Response::new(
            self.0.complete_multipart_upload(request).await?,
        ))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        told(&request, "AbortMultipartUpload");
        self.0.abort_multipart_upload(request).await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}
