//! Which stream, shard or consumer a request means: names, ARNs and ids as clients write them.

use std::sync::Arc;

use aws::Caller;
use model::{AccountId, Arn};
use streams::{Settings, Status, Stream, StreamName};

use super::Kinesis;
use super::consumers::ConsumerName;
use super::error::KinesisError;
use super::limits::STREAM_NAME_MAX;

/// The highest shard number AWS takes for one.
const SHARD_MAX: u32 = i32::MAX as u32;

impl Kinesis {
    /// The stream that a request names, by name, ARN or both.
    ///
    /// # Errors
    /// [`KinesisError::InvalidArgument`] without either and where they differ, [`KinesisError::ResourceNotFound`],
    /// [`KinesisError::AccessDenied`] for another account's.
    pub async fn find(
        &self,
        caller: &Caller,
        name: Option<&str>,
        arn: Option<&str>,
    ) -> Result<Arc<Stream>, KinesisError> {
        self.find_named(&stream_name(caller, name, arn)?).await
    }

    /// The stream of that name.
    ///
    /// # Errors
    /// [`KinesisError::ResourceNotFound`].
    pub async fn find_named(&self, name: &StreamName) -> Result<Arc<Stream>, KinesisError> {
        let found = self.streams.find(name).await;
        found.map_err(|error| KinesisError::of_streams(error, name))
    }

    /// Changes the settings of the stream of that name by `change`, which is asked again where others get in between.
    pub(super) async fn change(
        &self,
        name: &StreamName,
        change: impl Fn(&Stream, &mut Settings) -> Result<(), KinesisError>,
    ) -> Result<Arc<Stream>, KinesisError> {
        // Found here first, so that one that is not there is told by its name.
        self.find_named(name).await?;
        self.streams.update(name, change).await
    }

    /// Refuses what AWS does to no stream in CREATING.
    pub(super) fn must_be_made(&self, stream: &Stream) -> Result<(), KinesisError> {
        match stream.status(self.clock.now()) {
            Status::Creating => Err(KinesisError::not_active(&stream.name, Status::Creating)),
            Status::Updating | Status::Active => Ok(()),
        }
    }

    /// Refuses what AWS does to ACTIVE streams alone.
    pub(super) fn must_be_active(&self, stream: &Stream) -> Result<(), KinesisError> {
        match stream.status(self.clock.now()) {
            Status::Active => Ok(()),
            other => Err(KinesisError::not_active(&stream.name, other)),
        }
    }
}

/// The name that a request gives its stream, by name, ARN or both.
pub(super) fn stream_name(
    caller: &Caller,
    name: Option<&str>,
    arn: Option<&str>,
) -> Result<StreamName, KinesisError> {
    let by_name = name.map(|name| StreamName {
        account: caller.account.clone(),
        region: caller.region.clone(),
        name: name.to_owned(),
    });
    let Some(arn) = arn else {
        return by_name.ok_or_else(|| {
            KinesisError::InvalidArgument("Either StreamARN or StreamName must be provided.".into())
        });
    };
    let by_arn = match Resource::parse(caller, arn)? {
        Resource::Stream(stream) => stream,
        Resource::Consumer { .. } => return Err(not_a_stream(arn)),
    };
    match by_name {
        Some(by_name) if by_name.name != by_arn.name => Err(KinesisError::InvalidArgument(
            "StreamARN and StreamName must name the same stream.".into(),
        )),
        _ => Ok(by_arn),
    }
}

/// What an ARN of Kinesis names.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Resource {
    /// `stream/NAME`
    Stream(StreamName),
    /// `stream/NAME/consumer/NAME:SECONDS`
    Consumer {
        stream: StreamName,
        consumer: ConsumerName,
    },
}

impl Resource {
    /// Reads an ARN that `caller` gave. One in another region is of a stream that this region does not have.
    pub(super) fn parse(caller: &Caller, text: &str) -> Result<Resource, KinesisError> {
        let arn: Arn = text.parse().map_err(|_| not_a_stream(text))?;
        if arn.service != "kinesis" {
            return Err(not_a_stream(text));
        }
        let mut parts = arn.resource.split('/');
        let (kind, name) = (parts.next(), parts.next());
        let (Some("stream"), Some(name)) = (kind, name.filter(|name| is_name(name))) else {
            return Err(not_a_stream(text));
        };
        let stream = StreamName {
            account: arn.account,
            region: arn.region,
            name: name.to_owned(),
        };
        if stream.account != caller.account {
            return Err(foreign(&caller.account, text));
        }
        if stream.region != caller.region {
            return Err(KinesisError::no_stream(&stream));
        }
        match (parts.next(), parts.next(), parts.next()) {
            (None, None, None) => Ok(Resource::Stream(stream)),
            (Some("consumer"), Some(consumer), None) => consumer
                .split_once(':')
                .and_then(|(name, created)| {
                    let consumer = ConsumerName {
                        name: Some(name).filter(|name| is_name(name))?.to_owned(),
                        created: Some(created.parse().ok()?),
                    };
                    Some(Resource::Consumer { stream, consumer })
                })
                .ok_or_else(|| not_a_stream(text)),
            _ => Err(not_a_stream(text)),
        }
    }

    /// The stream it is, or is of.
    pub(super) fn stream(&self) -> &StreamName {
        match self {
            Resource::Stream(stream) | Resource::Consumer { stream, .. } => stream,
        }
    }
}

/// Whether it can name a stream or a consumer.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    (1..=STREAM_NAME_MAX).contains(&(name.len() as u64)) && name.bytes().all(allowed)
}

fn not_a_stream(arn: &str) -> KinesisError {
    KinesisError::InvalidArgument(format!("{arn} is not the ARN of a stream or consumer."))
}

/// Another account's streams need a policy that allows it, and nothing enforces policies yet.
fn foreign(account: &AccountId, arn: &str) -> KinesisError {
    KinesisError::AccessDenied(format!(
        "User: arn:aws:iam::{account}:root is not authorized to access resource: {arn}"
    ))
}

/// A shard's id as AWS writes it.
#[must_use]
pub(super) fn shard_id(index: u32) -> String {
    String::from_utf8_lossy(&shard_id_digits(index)).into_owned()
}

/// A shard's id as AWS writes it, without allocating.
pub(super) fn shard_id_digits(index: u32) -> [u8; 20] {
    let mut id = *b"shardId-000000000000";
    let mut rest = index;
    for digit in id.iter_mut().rev().take(10) {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    id
}

/// The shard number an id names. AWS takes any prefix and any number of digits: `shard-0` and `5` too.
#[must_use]
pub(super) fn shard_index(id: &str) -> Option<u32> {
    let digits = id.rsplit_once('-').map_or(id, |(_, digits)| digits);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let index = digits.parse().ok().filter(|_| is_number)?;
    (index <= SHARD_MAX).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_parse(text: &str, expected: Option<&str>) {
        let found = Resource::parse(&Caller::local(), text).ok();
        let told = found.map(|resource| match resource {
            Resource::Stream(stream) => stream.name,
            Resource::Consumer { stream, consumer } => {
                format!(
                    "{} {} {}",
                    stream.name,
                    consumer.name,
                    consumer.created.unwrap()
                )
            }
        });
        assert_eq!(told.as_deref(), expected, "{text}");
    }

    #[test]
    fn arns_name_streams_and_consumers() {
        let arn = |tail: &str| format!("arn:aws:kinesis:us-east-1:000000000000:{tail}");
        check_parse(&arn("stream/a"), Some("a"));
        check_parse(&arn("stream/a/consumer/b:17"), Some("a b 17"));
        for tail in [
            "stream/",
            "stream/a b",
            "stream/a/",
            "stream/a/consumer/b",
            "stream/a/consumer/b:x",
            "stream/a/consumer/b:1/c",
            "stream/a/reader/b:1",
            "queue/a",
        ] {
            check_parse(&arn(tail), None);
        }
        check_parse("arn:aws:s3:us-east-1:000000000000:stream/a", None);
        check_parse("arn:aws:kinesis:eu-west-1:000000000000:stream/a", None);
        check_parse("arn:aws:kinesis:us-east-1:111111111111:stream/a", None);
    }

    #[test]
    fn shard_ids_are_read_as_loosely_as_aws_reads_them() {
        assert_eq!(shard_id(0), "shardId-000000000000");
        assert_eq!(shard_id(u32::MAX), "shardId-004294967295");
        assert_eq!(shard_index(&shard_id(20_000)), Some(20_000));
        assert_eq!(shard_index("shard-0"), Some(0));
        assert_eq!(shard_index("2147483647"), Some(i32::MAX as u32));
        for bad in ["2147483648", "ABKLFD8", "2.14E4", "", "shardId-", "-1x"] {
            assert_eq!(shard_index(bad), None, "{bad}");
        }
    }
}
