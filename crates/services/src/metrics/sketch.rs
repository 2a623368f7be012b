//! How values are spread, in few bytes: a histogram whose buckets grow by a constant factor, so that whatever is read from it is
//! within [`ERROR`] of a value that was put in. Two of them merge into what one of all values would be. (The idea of "DDSketch: a
//! fast and fully-mergeable quantile sketch", Masson, Rim and Lee, VLDB 2019.)
//!
//! Bounded: beyond [`BUCKETS_MAX`] buckets the lowest are taken together, and low percentiles become rough.

use super::packed::{Reader, Writer};

/// The greatest relative error of a value.
pub(super) const ERROR: f64 = 0.01;
/// Buckets of one sketch: at this error they span a factor of 28,000.
pub(super) const BUCKETS_MAX: usize = 512;
/// ln((1 + ERROR) / (1 - ERROR)): by how much a bucket's logarithm is above the one's before it.
const STEP: f64 = 0.020_000_666_706_669_543;
/// The bucket of the greatest magnitude there is, 2^360: 249.53 / STEP, rounded up.
const KEY_MAX: i16 = 12_477;
/// Between 0, the bucket of zero, and the smallest magnitude told from it, 2^-360.
const SHIFT: i16 = KEY_MAX + 1;

/// Counts by bucket, lowest values first.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Sketch {
    buckets: Vec<(i16, f64)>,
}

/// The bucket of a value. Keys are ordered as values are; those of negative values are negative.
fn key(value: f64) -> i16 {
    if value == 0.0 {
        return 0;
    }
    let bucket = (value.abs().ln() / STEP).ceil();
    let bucket = bucket.clamp(f64::from(-KEY_MAX), f64::from(KEY_MAX)) as i16 + SHIFT;
    if value < 0.0 { -bucket } else { bucket }
}

/// What a bucket's values are taken for.
fn value(key: i16) -> f64 {
    if key == 0 {
        return 0.0;
    }
    let bucket = f64::from(key.abs() - SHIFT);
    // The middle of (growth^(bucket-1), growth^bucket], by relative error: 2 growth^bucket / (1 + growth).
    let magnitude = (bucket * STEP).exp() * (1.0 - ERROR);
    magnitude.copysign(f64::from(key))
}

/// Whether a sketch takes both for the same.
pub(super) fn is_same(a: f64, b: f64) -> bool {
    key(a) == key(b)
}

impl Sketch {
    /// Counts a value `count` times.
    pub(super) fn add(&mut self, value: f64, count: f64) {
        self.add_to_bucket(key(value), count);
        self.bound();
    }

    fn add_to_bucket(&mut self, key: i16, count: f64) {
        match self.buckets.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(at) => self.buckets[at].1 += count,
            Err(at) => self.buckets.insert(at, (key, count)),
        }
    }

    /// Counts all that another has counted.
    pub(super) fn merge(&mut self, other: &Sketch) {
        for (key, count) in &other.buckets {
            self.add_to_bucket(*key, *count);
        }
        self.bound();
    }

    fn bound(&mut self) {
        while self.buckets.len() > BUCKETS_MAX {
            let (_, count) = self.buckets.remove(0);
            self.buckets[0].1 += count;
        }
    }

    /// How many buckets it has.
    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Values and how often each is there, lowest first.
    pub(super) fn values(&self) -> impl Iterator<Item = (f64, f64)> {
        self.buckets
            .iter()
            .map(|(key, count)| (value(*key), *count))
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.whole(self.buckets.len() as i64);
        let mut before = 0;
        for (key, count) in &self.buckets {
            writer.whole(i64::from(*key) - before);
            writer.number(*count);
            before = i64::from(*key);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Sketch> {
        let count = reader.count()?;
        let mut buckets = Vec::with_capacity(count.min(BUCKETS_MAX));
        let mut before = 0_i64;
        for _ in 0..count {
            before = before.checked_add(reader.whole()?)?;
            buckets.push((i16::try_from(before).ok()?, reader.number()?));
        }
        let is_sound = buckets.len() <= BUCKETS_MAX && buckets.is_sorted_by(|a, b| a.0 < b.0);
        is_sound.then_some(Sketch { buckets })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= expected.abs() * ERROR * 1.001
    }

    #[test]
    fn a_value_is_found_again_within_the_error() {
        let greatest = 2.0_f64.powi(360);
        for magnitude in [1e-100, 0.001, 0.5, 1.0, 1.01, 2.0, 999.0, 1e9, greatest] {
            for expected in [magnitude, -magnitude] {
                let found = value(key(expected));
                assert!(near(found, expected), "{expected}: {found}");
            }
        }
        assert_eq!(value(key(0.0)), 0.0);
        assert_eq!(key(1e-300), 1);
    }

    #[test]
    fn the_lowest_are_taken_together() {
        let mut sketch = Sketch::default();
        for power in 0..2 * BUCKETS_MAX as i32 {
            sketch.add(1.021_f64.powi(power), 1.0);
        }
        assert_eq!(sketch.len(), BUCKETS_MAX);
        let all: f64 = sketch.values().map(|(_, count)| count).sum();
        assert_eq!(all, 2.0 * BUCKETS_MAX as f64);
        let (highest, _) = sketch.values().last().unwrap();
        assert!(near(highest, 1.021_f64.powi(2 * BUCKETS_MAX as i32 - 1)));
    }

    proptest! {
        #[test]
        fn keys_are_ordered_as_values_are(a in -1e12..1e12_f64, b in -1e12..1e12_f64) {
            prop_assert!(key(a.min(b)) <= key(a.max(b)));
        }

        #[test]
        fn merged_is_as_if_counted_together(a in prop::collection::vec(-1e6..1e6, 0..50), b in prop::collection::vec(0.0..1e6, 0..50)) {
            let of = |values: &[f64]| {
                let mut sketch = Sketch::default();
                values.iter().for_each(|value| sketch.add(*value, 1.0));
                sketch
            };
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(&merged, &of(&[a, b].concat()));
            let mut writer = Writer::default();
            merged.write(&mut writer);
            let bytes = writer.finish();
            prop_assert_eq!(Sketch::read(&mut Reader::new(&bytes)), Some(merged));
        }
    }
}
