//! What is kept of all values of a period: their count, sum, least and greatest, and how they are spread. Summaries merge.
//!
//! Packed: flags; the count unless it is one; the least; the greatest unless all are the same; the sum unless the flags say that it
//! is the least times the count; the sketch where there is one.

use super::packed::{Reader, Writer};
use super::sketch::Sketch;

const ONE: i64 = 1;
const SAME: i64 = 2;
const SUM_IMPLIED: i64 = 4;
const SKETCHED: i64 = 8;

/// Of one value or more.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    pub(super) count: f64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    spread: Spread,
}

/// How values lie between the least and the greatest.
#[derive(Debug, Clone, PartialEq)]
enum Spread {
    /// They are all the same.
    None,
    Sketched(Box<Sketch>),
    /// They were told as a set of statistics: nobody knows.
    Unknown,
}

impl Summary {
    /// Of one value that is there `count` times.
    pub(super) fn of(value: f64, count: f64) -> Summary {
        Summary {
            count,
            sum: value * count,
            min: value,
            max: value,
            spread: Spread::None,
        }
    }

    /// Of values that nobody shows: a set of statistics. Where least and greatest are the same, so are all.
    pub(super) fn told(count: f64, sum: f64, min: f64, max: f64) -> Summary {
        let spread = if min == max {
            Spread::None
        } else {
            Spread::Unknown
        };
        Summary {
            count,
            sum,
            min,
            max,
            spread,
        }
    }

    /// Takes another's values in.
    pub(super) fn merge(&mut self, other: &Summary) {
        self.spread = match (&self.spread, &other.spread) {
            (Spread::None, Spread::None) if self.min == other.min => Spread::None,
            (Spread::Unknown, _) | (_, Spread::Unknown) => Spread::Unknown,
            _ => {
                let mut sketch = self.take_sketch();
                match &other.spread {
                    Spread::Sketched(more) => sketch.merge(more),
                    _ => sketch.add(other.min, other.count),
                }
                Spread::Sketched(sketch)
            }
        };
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    fn take_sketch(&mut self) -> Box<Sketch> {
        if let Spread::Sketched(sketch) = &mut self.spread {
            return std::mem::take(sketch);
        }
        let mut sketch = Box::<Sketch>::default();
        sketch.add(self.min, self.count);
        sketch
    }

    /// Values and how often each is there, lowest first, within the sketch's error; `None` where nobody knows.
    pub(super) fn values(&self) -> Option<Vec<(f64, f64)>> {
        match &self.spread {
            Spread::None => Some(vec![(self.min, self.count)]),
            Spread::Sketched(sketch) => {
                let within = |(value, count): (f64, f64)| (value.clamp(self.min, self.max), count);
                Some(sketch.values().map(within).collect())
            }
            Spread::Unknown => None,
        }
    }

    /// Buckets it holds in memory.
    pub(super) fn buckets(&self) -> usize {
        match &self.spread {
            Spread::Sketched(sketch) => sketch.len(),
            Spread::None | Spread::Unknown => 0,
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let is_one = self.count == 1.0;
        let is_same = self.min == self.max;
        let is_implied = self.sum == self.min * self.count;
        let sketch = match &self.spread {
            Spread::Sketched(sketch) => Some(sketch),
            Spread::None | Spread::Unknown => None,
        };
        let flag = |is: bool, flag: i64| if is { flag } else { 0 };
        writer.whole(
            flag(is_one, ONE)
                | flag(is_same, SAME)
                | flag(is_implied, SUM_IMPLIED)
                | flag(sketch.is_some(), SKETCHED),
        );
        if !is_one {
            writer.number(self.count);
        }
        writer.number(self.min);
        if !is_same {
            writer.number(self.max);
        }
        if !is_implied {
            writer.number(self.sum);
        }
        if let Some(sketch) = sketch {
            sketch.write(writer);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Summary> {
        let flags = reader.whole()?;
        let has = |flag| flags & flag != 0;
        let count = if has(ONE) { 1.0 } else { reader.number()? };
        let min = reader.number()?;
        let max = if has(SAME) { min } else { reader.number()? };
        let sum = if has(SUM_IMPLIED) {
            min * count
        } else {
            reader.number()?
        };
        let told = Summary::told(count, sum, min, max);
        if !has(SKETCHED) {
            return Some(told);
        }
        let spread = Spread::Sketched(Box::new(Sketch::read(reader)?));
        Some(Summary { spread, ..told })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) fn of_all(values: &[f64]) -> Summary {
        let mut values = values.iter();
        let mut summary = Summary::of(*values.next().unwrap(), 1.0);
        values.for_each(|value| summary.merge(&Summary::of(*value, 1.0)));
        summary
    }

    #[test]
    fn what_is_told_without_values_spoils_the_spread() {
        let mut summary = of_all(&[1.0, 2.0]);
        assert!(summary.values().is_some());
        summary.merge(&Summary::told(3.0, 9.0, 3.0, 3.0));
        assert!(summary.values().is_some(), "a set of one value thrice");
        summary.merge(&Summary::told(2.0, 9.0, 4.0, 5.0));
        assert_eq!(summary.values(), None);
        assert_eq!(
            (summary.count, summary.sum, summary.min, summary.max),
            (7.0, 21.0, 1.0, 5.0)
        );
    }

    proptest! {
        #[test]
        fn a_summary_is_what_its_values_are(values in prop::collection::vec(prop_oneof![-1e6..1e6, 0.0..3.0, Just(2.0)], 1..40), at in 0..40_usize) {
            let whole = of_all(&values);
            let (front, back) = values.split_at(at.min(values.len() - 1));
            let mut merged = of_all(back);
            if !front.is_empty() {
                merged.merge(&of_all(front));
            }
            prop_assert_eq!(whole.count, values.len() as f64);
            prop_assert_eq!((merged.count, merged.min, merged.max), (whole.count, whole.min, whole.max));
            prop_assert!((merged.sum - whole.sum).abs() <= 1e-6);
            prop_assert_eq!(merged.values(), whole.values());
            let mut writer = Writer::default();
            merged.write(&mut writer);
            let bytes = writer.finish();
            prop_assert_eq!(Summary::read(&mut Reader::new(&bytes)), Some(merged));
        }
    }
}
