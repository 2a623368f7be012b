//! DeleteObject and DeleteObjects: the catalog forgets first, then the bodies go.

use s3s::S3Request;
use s3s::dto::{
    self, DeleteObjectInput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETagCondition,
    ObjectIdentifier,
};
use store::Write;

use crate::conditions::OnWrite;
use crate::error::{Error, Result};
use crate::get::refuse_version;
use crate::limits::DELETE_MAX;
use crate::namespace::Namespace;
use crate::records::{self, Object};
use crate::shown;

/// When an object may be deleted.
#[derive(Default)]
struct OnDelete {
    if_match: Option<ETagCondition>,
    modified: Option<dto::Timestamp>,
    size: Option<i64>,
}

impl OnDelete {
    fn check(&self, object: &Object) -> Result<()> {
        let tag = OnWrite {
            if_match: self.if_match.clone(),
            if_none_match: None,
        };
        tag.check(Some(object))?;
        let is_time = self
            .modified
            .as_ref()
            .is_none_or(|time| *time == shown::time(object.modified));
        let is_size = self
            .size
            .is_none_or(|size| size == shown::size(object.size()));
        if is_time && is_size {
            Ok(())
        } else {
            Err(Error::PreconditionFailed)
        }
    }
}

impl Namespace {
    /// DeleteObject. Deleting what is not there succeeds.
    pub(crate) async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> Result<()> {
        let caller = self.caller(&request);
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.bucket(&input.bucket, &caller, owner).await?;
        let condition = OnDelete {
            if_match: input.if_match,
            modified: input.if_match_last_modified_time,
            size: input.if_match_size,
        };
        let wanted = (input.key, input.version_id, condition);
        let mut done = self.delete_all(&input.bucket, vec![wanted]).await?;
        done.pop().map_or(Ok(()), |(_, outcome)| outcome)
    }

    /// DeleteObjects: each for itself, in one commit.
    pub(crate) async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> Result<DeleteObjectsOutput> {
        let caller = self.caller(&request);
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        self.bucket(&input.bucket, &caller, owner).await?;
        let wanted = input.delete.objects;
        if wanted.is_empty() || wanted.len() > DELETE_MAX {
            return Err(Error::MalformedXml);
        }
        let is_quiet = input.delete.quiet.unwrap_or(false);
        let wanted = wanted.into_iter().map(of_identifier).collect();
        let mut deleted = Vec::new();
        let mut errors = Vec::new();
        for (key, outcome) in self.delete_all(&input.bucket, wanted).await? {
            match outcome {
                Ok(()) if is_quiet => {}
                Ok(()) => deleted.push(DeletedObject {
                    key: Some(key),
                    ..DeletedObject::default()
                }),
                Err(error) => errors.push(shown_error(key, error)),
            }
        }
        Ok(DeleteObjectsOutput {
            deleted: Some(deleted),
            errors: Some(errors),
            request_charged: None,
        })
    }

    /// Deletes each if its condition holds.
    async fn delete_all(
        &self,
        bucket: &str,
        wanted: Vec<(String, Option<String>, OnDelete)>,
    ) -> Result<Vec<(String, Result<()>)>> {
        let keys: Vec<_> = wanted
            .iter()
            .map(|(key, ..)| records::object(bucket, key))
            .collect();
        let _bucket = self.turns.in_bucket().await;
        let _keys = self.turns.of(&keys).await;
        let mut outcomes = Vec::with_capacity(wanted.len());
        let mut writes = Vec::new();
        let mut bodies = Vec::new();
        for ((key, version, condition), document) in wanted.into_iter().zip(keys) {
            let found: Option<Object> = self.document(&document).await?;
            let outcome = refuse_version(version.as_deref()).and_then(|()| {
                found
                    .as_ref()
                    .map_or(Ok(()), |found| condition.check(found))
            });
            let delete = Write::Delete { key: document };
            // A key named twice is deleted once: a transaction has each key once.
            if let (Ok(()), Some(found)) = (&outcome, found)
                && !writes.contains(&delete)
            {
                bodies.extend(found.bodies());
                writes.push(delete);
            }
            outcomes.push((key, outcome));
        }
        if !writes.is_empty() {
            self.commit(bucket, writes, Vec::new()).await?;
            self.bodies.remove(bodies).await;
        }
        Ok(outcomes)
    }
}

fn of_identifier(identifier: ObjectIdentifier) -> (String, Option<String>, OnDelete) {
    let condition = OnDelete {
        if_match: identifier.e_tag.map(ETagCondition::ETag),
        modified: identifier.last_modified_time,
        size: identifier.size,
    };
    (identifier.key, identifier.version_id, condition)
}

fn shown_error(key: String, error: Error) -> dto::Error {
    let message = error.to_string();
    let error = s3s::S3Error::from(error);
    dto::Error {
        code: Some(error.code().as_str().to_owned()),
        key: Some(key),
        message: Some(message),
        version_id: None,
    }
}
