//! Values put at once: of which metric, in which unit, of which second.
//!
//! In the journal: how many; of each the metric, the unit, the resolution in seconds, the second, the summary.

use super::identity::Identity;
use super::packed::{Reader, Writer};
use super::series::Resolution;
use super::summary::Summary;
use super::unit::Unit;

/// What one put adds to one metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Datum {
    pub(super) identity: Identity,
    pub(super) unit: Unit,
    pub(super) resolution: Resolution,
    /// Seconds since the epoch.
    pub(super) at: i64,
    pub(super) summary: Summary,
}

pub(super) fn pack(data: &[Datum]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.whole(data.len() as i64);
    for datum in data {
        datum.identity.write(&mut writer);
        writer.whole(datum.unit.number());
        writer.whole(match datum.resolution {
            Resolution::Second => 1,
            Resolution::Minute => 60,
        });
        writer.whole(datum.at);
        datum.summary.write(&mut writer);
    }
    writer.finish()
}

/// What [`pack`] made; `None` where the bytes are not that.
pub(super) fn unpack(bytes: &[u8]) -> Option<Vec<Datum>> {
    let mut reader = Reader::new(bytes);
    let count = reader.count()?;
    let mut data = Vec::with_capacity(count);
    for _ in 0..count {
        data.push(Datum {
            identity: Identity::read(&mut reader)?,
            unit: Unit::from_number(reader.whole()?)?,
            resolution: match reader.whole()? {
                1 => Resolution::Second,
                60 => Resolution::Minute,
                _ => return None,
            },
            at: reader.whole()?,
            summary: Summary::read(&mut reader)?,
        });
    }
    reader.is_at_end().then_some(data)
}
