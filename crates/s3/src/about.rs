//! What a client says of an object in headers: what is kept, and what is refused because it would not be done.

use http::{HeaderMap, header};
use s3s::dto::{Metadata, StorageClass, Tag};

use crate::error::{Error, Result};
use crate::limits::{KEY_BYTES_MAX, METADATA_BYTES_MAX, TAG_KEY_MAX, TAG_VALUE_MAX, TAGS_MAX};
use crate::percent::decode_form;
use crate::records::{About, Headers};

/// Classes that are accepted as labels. Those that need a restore before a read are not.
const STORAGE_CLASSES: [&str; 5] = [
    StorageClass::STANDARD,
    StorageClass::STANDARD_IA,
    StorageClass::ONEZONE_IA,
    StorageClass::INTELLIGENT_TIERING,
    StorageClass::REDUCED_REDUNDANCY,
];

/// Access control lists that say no more than that the owner may do everything.
const ACLS: [&str; 3] = ["private", "bucket-owner-full-control", "bucket-owner-read"];

impl About {
    /// From the headers of a request that makes an object.
    pub(crate) fn of(headers: &HeaderMap, metadata: Option<Metadata>) -> Result<About> {
        refuse_what_is_not_done(headers)?;
        let metadata = metadata.unwrap_or_default();
        let length = |(name, value): (&String, &String)| name.len() + value.len();
        if metadata.iter().map(length).sum::<usize>() > METADATA_BYTES_MAX {
            return Err(Error::MetadataTooLarge);
        }
        Ok(About {
            headers: kept(headers)?,
            metadata: metadata.into_iter().collect(),
            tags: tags_of_header(headers)?,
            storage_class: storage_class(headers)?,
        })
    }
}

/// Refuses a key no object can have.
pub(crate) fn check_key(key: &str) -> Result<()> {
    if key.len() > KEY_BYTES_MAX {
        return Err(Error::KeyTooLong);
    }
    if key.is_empty() || key.contains('\0') {
        return Err(Error::argument(
            "Object keys must not be empty or hold a zero byte.",
        ));
    }
    Ok(())
}

/// Headers with which a client relies on something that is not there.
pub(crate) fn refuse_what_is_not_done(headers: &HeaderMap) -> Result<()> {
    if let Some(acl) = text(headers, "x-amz-acl")?
        && !ACLS.contains(&acl.as_str())
    {
        return Err(Error::AclNotSupported);
    }
    for name in headers.keys() {
        let name = name.as_str();
        if name.starts_with("x-amz-grant-") {
            return Err(Error::AclNotSupported);
        }
        if name.starts_with("x-amz-server-side-encryption") {
            return Err(Error::NotImplemented(
                "A header you provided implies functionality that is not implemented: server-side encryption",
            ));
        }
        if name.starts_with("x-amz-object-lock-") || name == "x-amz-bucket-object-lock-enabled" {
            return Err(Error::NotImplemented(
                "A header you provided implies functionality that is not implemented: Object Lock",
            ));
        }
        if name == "x-amz-write-offset-bytes" {
            return Err(Error::NotImplemented(
                "A header you provided implies functionality that is not implemented: appending",
            ));
        }
    }
    Ok(())
}

fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(Error::argument(format!("{name} must be UTF-8"))),
    }
}

fn kept(headers: &HeaderMap) -> Result<Headers> {
    let kept = |name: header::HeaderName| text(headers, name.as_str());
    Ok(Headers {
        cache_control: kept(header::CACHE_CONTROL)?,
        content_disposition: kept(header::CONTENT_DISPOSITION)?,
        content_encoding: kept(header::CONTENT_ENCODING)?.and_then(|all| without_framing(&all)),
        content_language: kept(header::CONTENT_LANGUAGE)?,
        content_type: kept(header::CONTENT_TYPE)?.filter(|given| !given.is_empty()),
        expires: kept(header::EXPIRES)?,
        website_redirect_location: text(headers, "x-amz-website-redirect-location")?,
    })
}

/// `aws-chunked` is of the request, not of the object.
fn without_framing(encodings: &str) -> Option<String> {
    let kept: Vec<&str> = encodings
        .split(',')
        .map(str::trim)
        .filter(|encoding| !encoding.is_empty() && *encoding != "aws-chunked")
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

fn storage_class(headers: &HeaderMap) -> Result<Option<String>> {
    let class = text(headers, "x-amz-storage-class")?;
    if let Some(class) = &class
        && !STORAGE_CLASSES.contains(&class.as_str())
    {
        return Err(Error::InvalidStorageClass);
    }
    Ok(class.filter(|class| class != StorageClass::STANDARD))
}

/// `x-amz-tagging`, which is a form.
fn tags_of_header(headers: &HeaderMap) -> Result<Vec<(String, String)>> {
    let invalid = || {
        Error::argument(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
        )
    };
    let form = text(headers, "x-amz-tagging")?.unwrap_or_default();
    let mut tags = Vec::new();
    for pair in form.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decode_form(key).ok_or_else(invalid)?;
        let value = decode_form(value).ok_or_else(invalid)?;
        tags.push((key, value));
    }
    checked(tags)
}

/// Tags as an XML body gives them.
pub(crate) fn tags_of_set(set: Vec<Tag>) -> Result<Vec<(String, String)>> {
    let pairs = set
        .into_iter()
        .map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
    checked(pairs.collect::<Option<_>>().ok_or(Error::MalformedXml)?)
}

/// S3's rules for the tags of an object.
fn checked(tags: Vec<(String, String)>) -> Result<Vec<(String, String)>> {
    if tags.len() > TAGS_MAX {
        return Err(Error::request("Object tags cannot be greater than 10"));
    }
    for (at, (key, value)) in tags.iter().enumerate() {
        if key.is_empty() || key.chars().count() > TAG_KEY_MAX {
            return Err(Error::InvalidTag("The TagKey you have provided is invalid"));
        }
        if value.chars().count() > TAG_VALUE_MAX {
            return Err(Error::InvalidTag(
                "The TagValue you have provided is invalid",
            ));
        }
        if tags.iter().take(at).any(|(other, _)| other == key) {
            return Err(Error::InvalidTag(
                "Cannot provide multiple Tags with the same key",
            ));
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(headers: &[(&'static str, &str)]) -> Result<About> {
        let pairs = headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (header::HeaderName::from_static(name), value)
        });
        About::of(&pairs.collect(), None)
    }

    #[test]
    fn headers_are_kept() {
        let about = of(&[
            ("content-type", "text/plain"),
            ("content-encoding", "aws-chunked,gzip"),
            ("x-amz-tagging", "a=1&b=x+y%26"),
            ("x-amz-storage-class", "STANDARD"),
        ])
        .unwrap();
        assert_eq!(about.headers.content_type.as_deref(), Some("text/plain"));
        assert_eq!(about.headers.content_encoding.as_deref(), Some("gzip"));
        let tags = [("a", "1"), ("b", "x y&")];
        assert_eq!(about.tags, tags.map(|(k, v)| (k.to_owned(), v.to_owned())));
        assert_eq!(about.storage_class, None);
    }

    #[test]
    fn what_would_not_be_done_is_refused() {
        let check =
            |name: &'static str, value: &str| assert!(of(&[(name, value)]).is_err(), "{name}");
        check("x-amz-acl", "public-read");
        check("x-amz-grant-read", "id=1");
        check("x-amz-server-side-encryption", "AES256");
        check("x-amz-server-side-encryption-customer-key", "k");
        check("x-amz-object-lock-mode", "GOVERNANCE");
        check("x-amz-storage-class", "GLACIER");
        check("x-amz-tagging", "a=1&a=2");
        check("x-amz-tagging", "a=%ff");
        assert!(of(&[("x-amz-acl", "private")]).is_ok());
    }
}
