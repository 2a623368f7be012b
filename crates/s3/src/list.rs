//! ListObjects and ListObjectsV2.

use s3s::S3Request;
use s3s::dto::{
    self, CommonPrefix, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, ObjectStorageClass,
};

use crate::error::{Error, Result};
use crate::limits::LIST_MAX;
use crate::listing::{After, Entry, Wanted, page};
use crate::namespace::Namespace;
use crate::percent;
use crate::records::{self, Object};
use crate::shown;

/// How names are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As they are; such as XML cannot hold make an answer that cannot be read, as with AWS.
    Plain,
    /// Percent-encoded.
    Url,
}

impl Encoding {
    pub(crate) fn of(asked: Option<&EncodingType>) -> Result<Encoding> {
        match asked.map(EncodingType::as_str) {
            None => Ok(Encoding::Plain),
            Some(EncodingType::URL) => Ok(Encoding::Url),
            Some(_) => Err(Error::argument(
                "Invalid Encoding Method specified in Request",
            )),
        }
    }

    pub(crate) fn show(self, name: &str) -> String {
        match self {
            Encoding::Plain => name.to_owned(),
            Encoding::Url => percent::encode(name),
        }
    }

    /// As [`Encoding::show`] for what the client gave, if it did.
    pub(crate) fn echo(self, given: Option<String>) -> Option<String> {
        given.map(|given| self.show(&given))
    }

    pub(crate) fn groups(self, groups: &[String]) -> Vec<CommonPrefix> {
        let group = |name: &String| CommonPrefix {
            prefix: Some(self.show(name)),
        };
        groups.iter().map(group).collect()
    }
}

/// How many entries a client wants; it gets no more than S3 gives.
pub(crate) fn at_most(asked: Option<i32>, name: &'static str) -> Result<i32> {
    let asked = asked.unwrap_or(LIST_MAX);
    if asked < 0 {
        return Err(Error::argument(format!(
            "Argument {name} must be an integer between 0 and 2147483647"
        )));
    }
    Ok(asked.min(LIST_MAX))
}

impl Namespace {
    /// ListObjects.
    pub(crate) async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> Result<ListObjectsOutput> {
        let caller = self.caller(&request);
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        let bucket = self.bucket(&input.bucket, &caller, owner).await?;
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let max = at_most(input.max_keys, "maxKeys")?;
        let after = input.marker.clone().filter(|marker| !marker.is_empty());
        let wanted = Wanted {
            base: records::objects(&input.bucket),
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().unwrap_or_default(),
            after: after.map(After::Name),
            max: usize::try_from(max).unwrap_or(0),
        };
        let page = page(&*self.store, &wanted).await?;
        let owner = shown::owner(&bucket.owner);
        let contents = page
            .entries
            .iter()
            .map(|entry| shown_object(entry, encoding, Some(owner.clone())))
            .collect::<Result<_>>()?;
        // Only with a delimiter, as AWS has it; without one the last key is the marker.
        let next_marker = page
            .last
            .filter(|_| page.is_truncated && !wanted.delimiter.is_empty())
            .map(|last| encoding.show(&last));
        Ok(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(encoding.show(&input.prefix.unwrap_or_default())),
            marker: Some(encoding.show(&input.marker.unwrap_or_default())),
            max_keys: Some(max),
            is_truncated: Some(page.is_truncated),
            contents: Some(contents),
            common_prefixes: Some(encoding.groups(&page.groups)),
            delimiter: encoding.echo(input.delimiter),
            next_marker,
            encoding_type: input.encoding_type,
            request_charged: None,
        })
    }

    /// ListObjectsV2.
    pub(crate) async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> Result<ListObjectsV2Output> {
        let caller = self.caller(&request);
        let input = request.input;
        let owner = input.expected_bucket_owner.as_deref();
        let bucket = self.bucket(&input.bucket, &caller, owner).await?;
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let max = at_most(input.max_keys, "max-keys")?;
        let after = match &input.continuation_token {
            Some(token) => Some(of_token(token)?),
            None => input.start_after.clone().filter(|after| !after.is_empty()),
        };
        let wanted = Wanted {
            base: records::objects(&input.bucket),
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref().unwrap_or_default(),
            after: after.map(After::Name),
            max: usize::try_from(max).unwrap_or(0),
        };
        let page = page(&*self.store, &wanted).await?;
        let shows_owner = input.fetch_owner.unwrap_or(false);
        let owner = shows_owner.then(|| shown::owner(&bucket.owner));
        let contents: Vec<dto::Object> = page
            .entries
            .iter()
            .map(|entry| shown_object(entry, encoding, owner.clone()))
            .collect::<Result<_>>()?;
        let next = page.last.filter(|_| page.is_truncated);
        Ok(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encoding.show(&input.prefix.unwrap_or_default())),
            max_keys: Some(max),
            key_count: Some(shown::count(contents.len() + page.groups.len())),
            continuation_token: input.continuation_token,
            is_truncated: Some(page.is_truncated),
            next_continuation_token: next.map(|last| to_token(&last)),
            contents: Some(contents),
            common_prefixes: Some(encoding.groups(&page.groups)),
            delimiter: encoding.echo(input.delimiter),
            encoding_type: input.encoding_type,
            start_after: encoding.echo(input.start_after),
            request_charged: None,
        })
    }
}

/// A token says after which name to go on. Clients are to take it for opaque, which base64 helps them do.
fn to_token(name: &str) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(name)
}

fn of_token(token: &str) -> Result<String> {
    let decoded = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token.as_bytes());
    decoded
        .ok()
        .and_then(|name| String::from_utf8(name).ok())
        .ok_or_else(|| Error::argument("The continuation token provided is incorrect"))
}

fn shown_object(
    entry: &Entry,
    encoding: Encoding,
    owner: Option<dto::Owner>,
) -> Result<dto::Object> {
    let object: Object = entry.document.decode()?;
    let checksum = object.checksum.as_ref();
    let size = shown::size(object.size());
    let class = object
        .about
        .storage_class
        .unwrap_or_else(|| "STANDARD".to_owned());
    Ok(dto::Object {
        checksum_algorithm: checksum
            .map(|sum| vec![dto::ChecksumAlgorithm::from_static(sum.algorithm.name())]),
        checksum_type: checksum.map(|sum| sum.kind.to_dto()),
        e_tag: Some(shown::etag(&object.etag)),
        key: Some(encoding.show(&entry.name)),
        last_modified: Some(shown::time(object.modified)),
        owner,
        restore_status: None,
        size: Some(size),
        storage_class: Some(ObjectStorageClass::from(class)),
    })
}
