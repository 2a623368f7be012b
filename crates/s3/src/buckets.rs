//! Buckets: made, listed, looked at, deleted.

use s3s::S3Request;
use s3s::dto::{
    self, BucketLocationConstraint, CreateBucketInput, CreateBucketOutput, DeleteBucketInput,
    GetBucketLocationInput, GetBucketLocationOutput, GetBucketVersioningInput,
    GetBucketVersioningOutput, HeadBucketInput, HeadBucketOutput, ListBucketsInput,
    ListBucketsOutput,
};
use store::{Check, Expect, Scan, StoreError, Txn, Write, key::encode};

use crate::about::refuse_what_is_not_done;
use crate::error::{Error, Result};
use crate::limits::BUCKETS_LIST_MAX;
use crate::namespace::Namespace;
use crate::records::{self, Bucket};
use crate::shown;

/// Where a bucket lies that no region is given for; shown as no location at all.
const CLASSIC: &str = "us-east-1";

impl Namespace {
    /// CreateBucket. In the region the request gives, or is signed for.
    pub(crate) async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> Result<CreateBucketOutput> {
        refuse_what_is_not_done(&request.headers)?;
        let caller = self.caller(&request);
        let input = request.input;
        let region = region(&input, caller.region.as_str())?;
        let bucket = Bucket {
            owner: caller.account.as_str().to_owned(),
            region,
            created: self.clock.now(),
        };
        let key = records::bucket(&input.bucket);
        let location = CreateBucketOutput {
            location: Some(format!("/{}", input.bucket)),
        };
        let _turn = self.turns.over_buckets().await;
        let existing: Option<Bucket> = self.document(&key).await?;
        match existing {
            None => {}
            Some(existing) if existing.owner != bucket.owner => {
                return Err(Error::BucketAlreadyExists);
            }
            // As AWS has it: there, and nowhere else, making it again is no error.
            Some(existing) if existing.region == CLASSIC && bucket.region == CLASSIC => {
                return Ok(location);
            }
            Some(_) => return Err(Error::BucketAlreadyOwnedByYou),
        }
        let txn = Txn {
            checks: vec![Check {
                key: key.clone(),
                expect: Expect::Absent,
            }],
            writes: vec![Write::Put {
                key,
                value: encode(&bucket),
            }],
            ..Txn::default()
        };
        match self.store.commit(txn).await {
            Ok(_) => Ok(location),
            Err(StoreError::Conflict { .. }) => Err(Error::BucketAlreadyExists),
            Err(other) => Err(other.into()),
        }
    }

    /// DeleteBucket. Uploads under way to it are aborted.
    pub(crate) async fn delete_bucket(&self, request: S3Request<DeleteBucketInput>) -> Result<()> {
        let caller = self.caller(&request);
        let input = request.input;
        let expected = input.expected_bucket_owner.as_deref();
        let _turn = self.turns.over_buckets().await;
        self.bucket(&input.bucket, &caller, expected).await?;
        let mut any = Scan::below(&records::objects(&input.bucket));
        any.limit = 1;
        if !self.store.scan(any).await?.is_empty() {
            return Err(Error::BucketNotEmpty);
        }
        self.abort_all(&input.bucket).await?;
        let key = records::bucket(&input.bucket);
        self.commit(&input.bucket, vec![Write::Delete { key }], Vec::new())
            .await
    }

    /// HeadBucket.
    pub(crate) async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> Result<HeadBucketOutput> {
        let caller = self.caller(&request);
        let input = request.input;
        let expected = input.expected_bucket_owner.as_deref();
        let bucket = self.bucket(&input.bucket, &caller, expected).await?;
        Ok(HeadBucketOutput {
            bucket_region: Some(bucket.region),
            ..HeadBucketOutput::default()
        })
    }

    /// GetBucketLocation.
    pub(crate) async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> Result<GetBucketLocationOutput> {
        let caller = self.caller(&request);
        let input = request.input;
        let expected = input.expected_bucket_owner.as_deref();
        let bucket = self.bucket(&input.bucket, &caller, expected).await?;
        let shown = Some(bucket.region).filter(|region| region != CLASSIC);
        Ok(GetBucketLocationOutput {
            location_constraint: shown.map(BucketLocationConstraint::from),
        })
    }

    /// GetBucketVersioning: never turned on, which AWS says by saying nothing.
    pub(crate) async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> Result<GetBucketVersioningOutput> {
        let caller = self.caller(&request);
        let input = request.input;
        let expected = input.expected_bucket_owner.as_deref();
        self.bucket(&input.bucket, &caller, expected).await?;
        Ok(GetBucketVersioningOutput::default())
    }

    /// ListBuckets: those of the caller's account.
    pub(crate) async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> Result<ListBucketsOutput> {
        let caller = self.caller(&request);
        let input = request.input;
        let max = input.max_buckets.unwrap_or(BUCKETS_LIST_MAX);
        if !(1..=BUCKETS_LIST_MAX).contains(&max) {
            return Err(Error::argument(
                "Argument max-buckets must be an integer between 1 and 10000",
            ));
        }
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let base = records::buckets();
        let mut listed = Vec::new();
        let mut next = None;
        for (key, bucket) in self.all::<Bucket>(&base).await? {
            let name = records::below(&key, &base).unwrap_or_default();
            let is_wanted = bucket.owner == caller.account.as_str()
                && name.starts_with(prefix)
                && input
                    .continuation_token
                    .as_deref()
                    .is_none_or(|after| name > after)
                && input
                    .bucket_region
                    .as_ref()
                    .is_none_or(|region| *region == bucket.region);
            if !is_wanted {
                continue;
            }
            if listed.len() == usize::try_from(max).unwrap_or(0) {
                next = listed
                    .last()
                    .and_then(|bucket: &dto::Bucket| bucket.name.clone());
                break;
            }
            listed.push(dto::Bucket {
                name: Some(name.to_owned()),
                creation_date: Some(shown::time(bucket.created)),
                bucket_region: Some(bucket.region),
            });
        }
        Ok(ListBucketsOutput {
            buckets: Some(listed),
            continuation_token: next,
            owner: Some(shown::owner(caller.account.as_str())),
            prefix: input.prefix,
        })
    }
}

/// Where a new bucket is to lie.
fn region(input: &CreateBucketInput, signed_for: &str) -> Result<String> {
    let configuration = input.create_bucket_configuration.as_ref();
    let Some(constraint) = configuration.and_then(|given| given.location_constraint.as_ref())
    else {
        return Ok(signed_for.to_owned());
    };
    match constraint.as_str() {
        "" => Ok(signed_for.to_owned()),
        "EU" => Ok("eu-west-1".to_owned()),
        region if model::Region::parse(region).is_some() => Ok(region.to_owned()),
        _ => Err(Error::argument(
            "The specified location-constraint is not valid",
        )),
    }
}
