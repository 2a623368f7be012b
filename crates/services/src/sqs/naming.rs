//! Which queue a request means: names, URLs and ARNs as clients write them.
//!
//! A queue's URL is `http(s)://HOST/ACCOUNT/NAME` with the host that the client used. On the way in any host will do, since the
//! same server is reached by several.

use aws::Caller;
use model::{AccountId, Arn};

use super::error::SqsError;
use super::limits::NAME_LENGTH;
use super::records::{FIFO_SUFFIX, QueueName};

/// Whether `name` can be a queue's.
pub(super) fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix(FIFO_SUFFIX).unwrap_or(name);
    let is_legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    NAME_LENGTH.contains(&name.len()) && !stem.is_empty() && stem.bytes().all(is_legal)
}

/// The queue of that name of the caller's.
pub(super) fn own(caller: &Caller, name: &str) -> QueueName {
    QueueName {
        account: caller.account.clone(),
        region: caller.region.clone(),
        name: name.to_owned(),
    }
}

/// A queue's URL, as `caller` reaches it.
pub(super) fn url(caller: &Caller, name: &QueueName) -> String {
    let scheme = if caller.secure { "https" } else { "http" };
    let QueueName { account, name, .. } = name;
    format!("{scheme}://{}/{account}/{name}", caller.host)
}

/// The queue whose URL a request gives.
///
/// # Errors
/// [`SqsError::MissingParameter`] without one, [`SqsError::InvalidAddress`] for what is none, [`SqsError::AccessDenied`] for
/// another account's.
pub(super) fn of_url(caller: &Caller, url: Option<&str>) -> Result<QueueName, SqsError> {
    let url = url
        .filter(|url| !url.is_empty())
        .ok_or_else(|| SqsError::missing("QueueUrl"))?;
    let invalid =
        || SqsError::InvalidAddress(format!("The address {url} is not valid for this endpoint."));
    // AWS takes the name alone, too (localstack's tests, run against AWS).
    if is_name(url) {
        return Ok(own(caller, url));
    }
    let (_, rest) = url.split_once("://").ok_or_else(invalid)?;
    let (_, path) = rest.split_once('/').ok_or_else(invalid)?;
    let (account, name) = path
        .trim_end_matches('/')
        .split_once('/')
        .ok_or_else(invalid)?;
    let account = AccountId::parse(account).ok_or_else(invalid)?;
    if account != caller.account {
        return Err(SqsError::AccessDenied(format!(
            "Access to the resource {url} is denied."
        )));
    }
    if !is_name(name) {
        return Err(SqsError::QueueDoesNotExist);
    }
    Ok(own(caller, name))
}

/// The queue of an ARN; `None` for what is not the ARN of a queue.
pub(super) fn of_arn(arn: &str) -> Option<QueueName> {
    let arn: Arn = arn.parse().ok()?;
    (arn.service == "sqs" && is_name(&arn.resource)).then_some(QueueName {
        account: arn.account,
        region: arn.region,
        name: arn.resource,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_digits_hyphens_and_underscores() {
        for good in ["a", "A-1_b", "q.fifo", &"x".repeat(80)] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            ".fifo",
            "a.b",
            "a/b",
            "a b",
            "é",
            "q.fifo.fifo",
            "q.FIFO",
            &"x".repeat(81),
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn urls_name_queues_whatever_their_host() {
        let caller = Caller::local();
        let check = |url: &str, expected: Result<&str, SqsError>| {
            let found = of_url(&caller, Some(url)).map(|name| name.name);
            assert_eq!(found, expected.map(str::to_owned), "{url}");
        };
        let invalid = |url: &str| {
            Err(SqsError::InvalidAddress(format!(
                "The address {url} is not valid for this endpoint."
            )))
        };
        check("http://127.0.0.1:4566/000000000000/q", Ok("q"));
        check(
            "https://sqs.us-east-1.amazonaws.com/000000000000/q.fifo",
            Ok("q.fifo"),
        );
        check("http://h/000000000000/q/", Ok("q"));
        check("q.fifo", Ok("q.fifo"));
        for bad in [
            "a b",
            "000000000000/q",
            "http://h",
            "http://h/q",
            "http://h/12/q",
        ] {
            check(bad, invalid(bad));
        }
        check(
            "http://h/000000000000/a b",
            Err(SqsError::QueueDoesNotExist),
        );
        let foreign = "http://h/111111111111/q";
        let denied = format!("Access to the resource {foreign} is denied.");
        check(foreign, Err(SqsError::AccessDenied(denied)));
        assert_eq!(of_url(&caller, None), Err(SqsError::missing("QueueUrl")));
        assert_eq!(
            of_url(&caller, Some("")),
            Err(SqsError::missing("QueueUrl"))
        );
    }

    #[test]
    fn a_url_has_the_host_that_the_client_used() {
        let mut caller = Caller::local();
        let name = own(&caller, "q");
        assert_eq!(url(&caller, &name), "http://127.0.0.1:4566/000000000000/q");
        caller.host = "queues.example".into();
        caller.secure = true;
        let secure = url(&caller, &name);
        assert_eq!(secure, "https://queues.example/000000000000/q");
        assert_eq!(of_url(&caller, Some(&secure)), Ok(name.clone()));
        assert_eq!(of_arn(&name.arn().to_string()), Some(name));
        assert_eq!(of_arn("arn:aws:sns:us-east-1:000000000000:q"), None);
        assert_eq!(of_arn("arn:aws:sqs:us-east-1:000000000000:a b"), None);
    }
}
