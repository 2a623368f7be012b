//! Offsets that are done with, as ranges: as many as there are gaps between those that are not.

use std::collections::BTreeMap;

use model::Offset;

/// A set of offsets. Each range as its start and its end, which is not in it; none touch.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds `start..end`.
    pub(crate) fn insert(&mut self, start: Offset, end: Offset) {
        let (mut start, mut end) = (start.0, end.0);
        if start >= end {
            return;
        }
        if let Some((&before, &until)) = self.0.range(..=start).next_back()
            && until >= start
        {
            if until >= end {
                return;
            }
            start = before;
        }
        while let Some((&next, &until)) = self.0.range(start..=end).next() {
            self.0.remove(&next);
            end = end.max(until);
        }
        self.0.insert(start, end);
    }

    /// Whether `offset` is in it.
    pub(crate) fn contains(&self, offset: Offset) -> bool {
        self.end_of(offset).is_some()
    }

    /// The first offset at or after `offset` that is not in it.
    pub(crate) fn gap_from(&self, offset: Offset) -> Offset {
        self.end_of(offset).unwrap_or(offset)
    }

    /// How many of `start..end` are in it.
    pub(crate) fn count(&self, start: Offset, end: Offset) -> u64 {
        let straddling = self
            .end_of(start)
            .map_or(0, |until| until.0.min(end.0).saturating_sub(start.0));
        let inside = self
            .0
            .range(start.0.saturating_add(1)..end.0.max(start.0.saturating_add(1)))
            .map(|(&from, &until)| until.min(end.0) - from);
        straddling + inside.sum::<u64>()
    }

    /// The ranges in order.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (Offset, Offset)> {
        self.0
            .iter()
            .map(|(&start, &end)| (Offset(start), Offset(end)))
    }

    fn end_of(&self, offset: Offset) -> Option<Offset> {
        let (_, &end) = self.0.range(..=offset.0).next_back()?;
        (offset.0 < end).then_some(Offset(end))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set_of_offsets(inserts in proptest::collection::vec((0u64..60, 0u64..12), 0..40)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (start, length) in inserts {
                ranges.insert(Offset(start), Offset(start + length));
                set.extend(start..start + length);
            }
            for offset in 0..80 {
                prop_assert_eq!(ranges.contains(Offset(offset)), set.contains(&offset));
                let gap = (offset..).find(|at| !set.contains(at));
                prop_assert_eq!(Some(ranges.gap_from(Offset(offset)).0), gap);
                for end in offset..80 {
                    let count = set.range(offset..end).count() as u64;
                    prop_assert_eq!(ranges.count(Offset(offset), Offset(end)), count);
                }
            }
            let listed: Vec<(Offset, Offset)> = ranges.iter().collect();
            for pair in listed.windows(2) {
                prop_assert!(pair[0].1 < pair[1].0, "{listed:?}");
            }
        }
    }
}
