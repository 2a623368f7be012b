//! Statistics by name, and what they are of a summary. Names from "CloudWatch statistics definitions" of the user guide.
//!
//! Percentiles and what is made of a part of the values are within the sketch's error, one per cent; they are not to be had where
//! a set of statistics was put whose least and greatest differ. Bounds that are values leave the lower out and take the upper in.

use super::sketch;
use super::summary::Summary;

/// One statistic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Statistic {
    SampleCount,
    Sum,
    Average,
    Minimum,
    Maximum,
    /// `p99`: at least so many per cent of the values are not greater.
    Percentile(f64),
    /// `tm99`, `WM(10%:90%)`, `IQM`: of the values in a range.
    Within(Part, Range),
    /// `PR(100:2000)`: how many per cent of the values are in the range.
    Rank(Range),
}

/// What is made of the values in a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Part {
    /// Their average.
    TrimmedMean,
    /// The average of all, those outside being as the bounds.
    WinsorizedMean,
    TrimmedCount,
    TrimmedSum,
}

/// From where to where.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Range {
    /// Per cent of the values, lowest first.
    Share(f64, f64),
    /// Values.
    Values(f64, f64),
}

impl Statistic {
    /// The statistic of that name, if it is one.
    pub(super) fn parse(name: &str) -> Option<Statistic> {
        Statistic::simple(name).or_else(|| Statistic::extended(name))
    }

    /// One of the five that every metric has.
    pub(super) fn simple(name: &str) -> Option<Statistic> {
        Some(match name {
            "SampleCount" => Statistic::SampleCount,
            "Sum" => Statistic::Sum,
            "Average" => Statistic::Average,
            "Minimum" => Statistic::Minimum,
            "Maximum" => Statistic::Maximum,
            _ => return None,
        })
    }

    /// One of the others.
    pub(super) fn extended(name: &str) -> Option<Statistic> {
        if name.eq_ignore_ascii_case("IQM") {
            return Some(Statistic::Within(
                Part::TrimmedMean,
                Range::Share(25.0, 75.0),
            ));
        }
        let letters = name.find(|letter: char| !letter.is_ascii_alphabetic())?;
        let (kind, rest) = name.split_at(letters);
        let kind = kind.to_ascii_lowercase();
        let part = |kind: &str| {
            Some(match kind {
                "tm" => Part::TrimmedMean,
                "wm" => Part::WinsorizedMean,
                "tc" => Part::TrimmedCount,
                "ts" => Part::TrimmedSum,
                _ => return None,
            })
        };
        let Some(range) = rest
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
        else {
            let share = share(rest)?;
            return match &*kind {
                "p" => Some(Statistic::Percentile(share)),
                kind => Some(Statistic::Within(part(kind)?, Range::Share(0.0, share))),
            };
        };
        let range = Range::parse(range)?;
        match (&*kind, range) {
            ("pr", Range::Values(..)) => Some(Statistic::Rank(range)),
            ("pr", Range::Share(..)) => None,
            (kind, range) => Some(Statistic::Within(part(kind)?, range)),
        }
    }

    /// What it is of a summary; `None` where that is not known.
    pub(super) fn of(self, summary: &Summary) -> Option<f64> {
        Some(match self {
            Statistic::SampleCount => summary.count,
            Statistic::Sum => summary.sum,
            Statistic::Average => summary.sum / summary.count,
            Statistic::Minimum => summary.min,
            Statistic::Maximum => summary.max,
            Statistic::Percentile(share) => {
                value_at(&summary.values()?, share / 100.0 * summary.count)?
            }
            Statistic::Within(part, range) => Cut::of(&summary.values()?, range).part(part)?,
            Statistic::Rank(range) => {
                let cut = Cut::of(&summary.values()?, range);
                100.0 * cut.count / summary.count
            }
        })
    }
}

/// A number of per cent, without its sign.
fn share(text: &str) -> Option<f64> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let share: f64 = text.parse().ok()?;
    (is_plain && (0.0..=100.0).contains(&share)).then_some(share)
}

impl Range {
    /// `10%:90%`, `:90%`, `150:1000`, `150:`.
    fn parse(text: &str) -> Option<Range> {
        let (low, high) = text.split_once(':')?;
        if low.is_empty() && high.is_empty() {
            return None;
        }
        let range = if low.ends_with('%') || high.ends_with('%') {
            let bound = |text: &str, absent| match text {
                "" => Some(absent),
                text => share(text.strip_suffix('%')?),
            };
            Range::Share(bound(low, 0.0)?, bound(high, 100.0)?)
        } else {
            let bound = |text: &str, absent| match text {
                "" => Some(absent),
                text => text.parse().ok().filter(|value: &f64| value.is_finite()),
            };
            Range::Values(bound(low, f64::NEG_INFINITY)?, bound(high, f64::INFINITY)?)
        };
        let (Range::Share(low, high) | Range::Values(low, high)) = range;
        (low < high).then_some(range)
    }
}

/// The value below which, itself included, `rank` of the values lie.
fn value_at(values: &[(f64, f64)], rank: f64) -> Option<f64> {
    let mut below = 0.0;
    for (value, count) in values {
        below += count;
        if below >= rank {
            return Some(*value);
        }
    }
    values.last().map(|(value, _)| *value)
}

/// What is in a range and what is outside.
struct Cut {
    count: f64,
    sum: f64,
    /// Values below, taken for the lower bound; likewise above.
    clamped_sum: f64,
    all: f64,
}

impl Cut {
    fn of(values: &[(f64, f64)], range: Range) -> Cut {
        let all: f64 = values.iter().map(|(_, count)| count).sum();
        let mut cut = Cut {
            count: 0.0,
            sum: 0.0,
            clamped_sum: 0.0,
            all,
        };
        // One value alone is known as it is, several by their buckets.
        let is_up_to = |value: f64, bound: f64| {
            value <= bound || values.len() > 1 && sketch::is_same(value, bound)
        };
        let mut below = 0.0;
        for (value, count) in values {
            let (inside, bound) = match range {
                Range::Share(low, high) => {
                    let (low, high) = (low / 100.0 * all, high / 100.0 * all);
                    let inside = (below + count).min(high) - f64::max(below, low);
                    let nearest = if below + count <= low { low } else { high };
                    (inside.max(0.0), value_at(values, nearest).unwrap_or(*value))
                }
                Range::Values(low, high) => {
                    let is_inside = is_up_to(*value, high) && !is_up_to(*value, low);
                    let inside = if is_inside { *count } else { 0.0 };
                    (inside, value.clamp(low, high))
                }
            };
            cut.count += inside;
            cut.sum += inside * value;
            cut.clamped_sum += inside * value + (count - inside) * bound;
            below += count;
        }
        cut
    }

    /// An average of nothing is none.
    fn part(&self, part: Part) -> Option<f64> {
        match part {
            Part::TrimmedCount => Some(self.count),
            Part::TrimmedSum => Some(self.sum),
            Part::TrimmedMean => (self.count > 0.0).then(|| self.sum / self.count),
            Part::WinsorizedMean => (self.all > 0.0).then(|| self.clamped_sum / self.all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hundred() -> Summary {
        let mut summary = Summary::of(1.0, 1.0);
        for value in 2..=100 {
            summary.merge(&Summary::of(f64::from(value), 1.0));
        }
        summary
    }

    fn check(name: &str, expected: f64) {
        let statistic = Statistic::parse(name).unwrap_or_else(|| panic!("{name} is none"));
        let found = statistic.of(&hundred()).unwrap();
        assert!(
            (found - expected).abs() <= expected.abs() * 0.011,
            "{name}: {found}, not {expected}"
        );
    }

    #[test]
    fn of_the_numbers_to_a_hundred() {
        check("SampleCount", 100.0);
        check("Sum", 5050.0);
        check("Average", 50.5);
        check("Minimum", 1.0);
        check("Maximum", 100.0);
        check("p50", 50.0);
        check("p99.5", 100.0);
        check("p0", 1.0);
        check("p100", 100.0);
        check("tm90", 45.5);
        check("TM(10%:90%)", 50.5);
        check("IQM", 50.5);
        check("TM(50:60)", 55.5);
        check("TS(:10)", 55.0);
        check("tc90", 90.0);
        check("TC(:10)", 10.0);
        check("ts10", 55.0);
        check("WM(10%:90%)", 50.4);
        check("wm50", 38.0);
        check("WM(:50)", 37.75);
        check("PR(:25)", 25.0);
        check("PR(25:75)", 50.0);
    }

    #[test]
    fn what_is_no_statistic() {
        for name in [
            "",
            "p",
            "p101",
            "p-1",
            "p1e1",
            "average",
            "tm",
            "tm(10%)",
            "TM(:)",
            "TM(90%:10%)",
            "TM(10%:200)",
            "PR(10%:20%)",
            "pr90",
            "XX(1:2)",
            "x99",
            "p99 ",
            "TM(1:inf)",
        ] {
            assert_eq!(Statistic::parse(name), None, "{name}");
        }
    }

    #[test]
    fn nothing_is_made_up() {
        let told = Summary::told(10.0, 55.0, 1.0, 10.0);
        assert_eq!(Statistic::parse("Average").unwrap().of(&told), Some(5.5));
        for name in ["p50", "tm90", "PR(:5)", "IQM"] {
            assert_eq!(Statistic::parse(name).unwrap().of(&told), None, "{name}");
        }
        assert_eq!(Statistic::parse("TM(1000:)").unwrap().of(&hundred()), None);
        assert_eq!(
            Statistic::parse("TC(1000:)").unwrap().of(&hundred()),
            Some(0.0)
        );
    }
}
