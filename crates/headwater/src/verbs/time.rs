//! Moments as people write and read them.

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;

const UNITS: &[(char, f64)] = &[('s', 1.0), ('m', 60.0), ('h', 3600.0), ('d', 86400.0)];

/// The moment that `text` names, in seconds since 1970: `2026-11-22T10:00:00Z`, `1795341600`, or `15m` for a quarter of an
/// hour before `now`.
pub(super) fn parse(text: &str, now: f64) -> Option<f64> {
    if let Ok(moment) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(moment.unix_timestamp_nanos() as f64 / 1e9);
    }
    let number = |text: &str| {
        text.parse::<f64>()
            .ok()
            .filter(|n| n.is_finite() && *n >= 0.0)
    };
    let last = text.chars().next_back()?;
    match UNITS.iter().find(|(unit, _)| *unit == last) {
        None => number(text),
        Some((unit, seconds)) => {
            let ago = number(text.strip_suffix(*unit)?)? * seconds;
            Some((now - ago).max(0.0))
        }
    }
}

/// To the second, in UTC.
pub(super) fn show(seconds: f64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(seconds as i64).ok();
    moment
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_else(|| format!("{seconds}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_as_people_write_them() {
        let check = |text, expected| assert_eq!(parse(text, 10_000.0), expected, "{text}");
        check("1970-01-01T00:01:00Z", Some(60.0));
        check("1970-01-01T01:00:00.5+01:00", Some(0.5));
        check("1795341600", Some(1_795_341_600.0));
        check("1.5", Some(1.5));
        check("15m", Some(10_000.0 - 900.0));
        check("2h", Some(2_800.0));
        check("9d", Some(0.0));
        check("", None);
        check("m", None);
        check("-5", None);
        check("yesterday", None);
        check("nan", None);
    }

    #[test]
    fn moments_show_to_the_second() {
        assert_eq!(show(60.7), "1970-01-01T00:01:00Z");
    }
}
