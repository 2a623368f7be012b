//! Amazon Resource Names: `arn:partition:service:region:account:resource`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A 12-digit account number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(Arc<str>);

impl AccountId {
    /// The account where nothing says otherwise.
    #[must_use]
    pub fn unnamed() -> AccountId {
        AccountId("000000000000".into())
    }

    /// The account that twelve ASCII digits name.
    #[must_use]
    pub fn parse(text: &str) -> Option<AccountId> {
        let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        is_account.then(|| AccountId(text.into()))
    }

    /// Its twelve digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A region's name, such as `eu-central-1`: 1 to 64 of `a-z`, `0-9` and `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Region(Arc<str>);

impl Region {
    /// The region where nothing says otherwise: `us-east-1`.
    #[must_use]
    pub fn unnamed() -> Region {
        Region("us-east-1".into())
    }

    /// The region of that name, if it can be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Region> {
        let is_region = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        is_region.then(|| Region(text.into()))
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A parsed ARN. The partition (`aws`, `aws-cn`, ...) is read and kept, so that what a client gave comes back.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Arn {
    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    pub partition: String,
    /// `kinesis`, `sqs`, ...
    pub service: String,
    /// Where it is.
    pub region: Region,
    /// Whose it is.
    pub account: AccountId,
    /// What it is; may hold colons and slashes.
    pub resource: String,
}

impl Arn {
    /// The ARN of `resource` in the partition `aws`.
    #[must_use]
    pub fn new(service: &str, region: &Region, account: &AccountId, resource: &str) -> Arn {
        Arn {
            partition: "aws".into(),
            service: service.into(),
            region: region.clone(),
            account: account.clone(),
            resource: resource.into(),
        }
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Arn {
            partition,
            service,
            region,
            account,
            resource,
        } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

/// The text is no ARN with region and account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an ARN of the form arn:partition:service:region:account:resource")]
pub struct NotAnArn;

impl FromStr for Arn {
    type Err = NotAnArn;

    fn from_str(text: &str) -> Result<Arn, NotAnArn> {
        let mut parts = text.splitn(6, ':');
        let mut part = || parts.next().filter(|part| !part.is_empty()).ok_or(NotAnArn);
        if part()? != "arn" {
            return Err(NotAnArn);
        }
        Ok(Arn {
            partition: part()?.into(),
            service: part()?.into(),
            region: Region::parse(part()?).ok_or(NotAnArn)?,
            account: AccountId::parse(part()?).ok_or(NotAnArn)?,
            resource: part()?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_makes_the_round_trip() {
        let text = "arn:aws:kinesis:eu-central-1:123456789012:stream/a/consumer/b:1";
        let arn: Arn = text.parse().unwrap();
        assert_eq!(arn.resource, "stream/a/consumer/b:1");
        assert_eq!(arn.to_string(), text);
    }

    #[test]
    fn what_is_no_arn_is_refused() {
        for bad in [
            "",
            "arn",
            "arn:aws:kinesis:eu:12:stream/a",
            "x:aws:kinesis:eu:123456789012:r",
            "arn:aws:kinesis:eu:123456789012:",
        ] {
            assert!(bad.parse::<Arn>().is_err(), "{bad}");
        }
    }
}
