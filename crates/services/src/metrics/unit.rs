//! Units of values. Data of one metric in different units are kept apart, and none is turned into another.

/// A unit: its place in [`NAMES`], which never changes, for it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unit(u8);

/// As AWS lists them.
const NAMES: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

impl Unit {
    /// What data have that come without one.
    pub(super) const NONE: Unit = Unit(26);

    /// The unit of that name.
    pub(super) fn parse(name: &str) -> Option<Unit> {
        let at = NAMES.iter().position(|known| *known == name)?;
        Unit::from_number(at as i64)
    }

    /// AWS's name for it.
    pub(super) fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }

    pub(super) fn number(self) -> i64 {
        i64::from(self.0)
    }

    pub(super) fn from_number(number: i64) -> Option<Unit> {
        let number = u8::try_from(number).ok()?;
        (usize::from(number) < NAMES.len()).then_some(Unit(number))
    }

    /// All names, as AWS lists them in a refusal.
    pub(super) fn listed() -> String {
        NAMES.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_found_by_its_name() {
        for name in NAMES {
            assert_eq!(Unit::parse(name).map(Unit::name), Some(name));
        }
        assert_eq!(Unit::parse("bytes"), None);
        assert_eq!(Unit::from_number(27), None);
        assert_eq!(Unit::NONE.name(), "None");
    }
}
