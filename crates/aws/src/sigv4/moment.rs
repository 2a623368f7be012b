//! SigV4's way of writing time: `20150830T123600Z`.

use model::Timestamp;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc2822;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

const BASIC: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// Writes a moment; one beyond the year 9999 becomes the epoch.
pub(super) fn format(moment: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp(moment.0.div_euclid(1000))
        .ok()
        .and_then(|moment| moment.format(BASIC).ok())
        .unwrap_or_else(|| "19700101T000000Z".to_owned())
}

/// Reads a moment as `X-Amz-Date` has it.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let moment = PrimitiveDateTime::parse(text, BASIC).ok()?.assume_utc();
    Some(Timestamp(moment.unix_timestamp().checked_mul(1000)?))
}

/// Reads a moment as the `Date` header has it: HTTP's form, or SigV4's.
pub(super) fn parse_http(text: &str) -> Option<Timestamp> {
    let http = || {
        let moment = OffsetDateTime::parse(text, &Rfc2822).ok()?;
        let seconds = moment.to_offset(UtcOffset::UTC).unix_timestamp();
        Some(Timestamp(seconds.checked_mul(1000)?))
    };
    parse(text).or_else(http)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_written() {
        let moment = Timestamp(1_440_938_160_000);
        assert_eq!(format(moment), "20150830T123600Z");
        assert_eq!(parse("20150830T123600Z"), Some(moment));
        assert_eq!(parse_http("Sun, 30 Aug 2015 12:36:00 GMT"), Some(moment));
        assert_eq!(parse_http("20150830T123600Z"), Some(moment));
        for bad in ["", "a", "20150830", "20159930T123600Z", "20150830T123600"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(format(Timestamp(i64::MAX)), "19700101T000000Z");
    }
}
