//! Protocol Buffers' base-128 varints with zigzag, as Kafka's record format uses them.

/// Bytes that `value` takes.
#[must_use]
pub fn length(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Adds `value` to `target`.
pub fn write(target: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        target.push((rest as u8) | 0x80);
        rest >>= 7;
    }
    target.push(rest as u8);
}

/// The number at the front of `source` and what follows it; `None` where it is cut short or over ten bytes.
#[must_use]
pub fn read(source: &[u8]) -> Option<(i64, &[u8])> {
    let mut value: u64 = 0;
    for (index, &byte) in source.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let number = (value >> 1) as i64 ^ -((value & 1) as i64);
            return source.get(index + 1..).map(|rest| (number, rest));
        }
    }
    None
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_makes_the_round_trip() {
        for value in [
            0,
            1,
            -1,
            63,
            -64,
            64,
            300,
            i64::from(i32::MAX),
            i64::MAX,
            i64::MIN,
        ] {
            let mut bytes = Vec::new();
            write(&mut bytes, value);
            assert_eq!(bytes.len(), length(value), "{value}");
            bytes.push(9);
            assert_eq!(read(&bytes), Some((value, &[9u8][..])));
        }
    }

    #[test]
    fn a_cut_or_endless_number_is_none() {
        assert_eq!(read(&[0x80]), None);
        assert_eq!(read(&[0xFF; 11]), None);
    }
}
