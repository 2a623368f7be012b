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

/// As [`read`], of a number that Kafka's clients read as one of 32 bits: over five bytes they stop at it, and greater ones they
/// cut.
#[must_use]
pub fn read_short(source: &[u8]) -> Option<(i32, &[u8])> {
    let mut value: u32 = 0;
    for (index, &byte) in source.iter().enumerate().take(5) {
        if index == 4 && byte > 0x0F {
            return None;
        }
        value |= u32::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let number = (value >> 1) as i32 ^ -((value & 1) as i32);
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
    fn a_short_number_is_one_of_32_bits_in_five_bytes() {
        for value in [0, 1, -1, 63, -64, 64, 300, i32::MAX, i32::MIN] {
            let mut bytes = Vec::new();
            write(&mut bytes, i64::from(value));
            bytes.push(9);
            assert_eq!(read_short(&bytes), Some((value, &[9u8][..])));
        }
        for value in [i64::from(i32::MAX) + 1, i64::from(i32::MIN) - 1, i64::MAX] {
            let mut bytes = Vec::new();
            write(&mut bytes, value);
            assert_eq!(read_short(&bytes), None, "{value}");
        }
        assert_eq!(read_short(&[0x82, 0x80, 0]), Some((1, &[][..])));
        assert_eq!(read_short(&[0x82, 0x80, 0x80, 0x80, 0x80, 0]), None);
        assert_eq!(read_short(&[0x80]), None);
    }

    #[test]
    fn a_cut_or_endless_number_is_none() {
        assert_eq!(read(&[0x80]), None);
        assert_eq!(read(&[0xFF; 11]), None);
    }
}
