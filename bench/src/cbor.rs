//! As much CBOR (RFC 8949) as the generator needs: heads of definite length, and text.

/// Major type of an unsigned integer.
pub(crate) const UINT: u8 = 0;
/// Major type of a byte string.
pub(crate) const BYTES: u8 = 2;
/// Major type of a text string.
pub(crate) const TEXT: u8 = 3;
/// Major type of an array.
pub(crate) const ARRAY: u8 = 4;
/// Major type of a map.
pub(crate) const MAP: u8 = 5;

/// Section 3: the major type in three bits, then the argument in as few bytes as hold it (here 4 at most).
pub(crate) fn write_head(out: &mut Vec<u8>, major: u8, argument: usize) {
    let major = major << 5;
    match argument {
        0..24 => out.push(major | argument as u8),
        24..0x100 => out.extend_from_slice(&[major | 24, argument as u8]),
        0x100..0x1_0000 => {
            out.extend_from_slice(&[major | 25, (argument >> 8) as u8, argument as u8])
        }
        _ => {
            out.push(major | 26);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
    }
}

/// A text string with its head.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    write_head(out, TEXT, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// The head at the start of `bytes` as major type, argument and what follows. `None` if it is cut off or of indefinite length.
pub(crate) fn read_head(bytes: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (major, short) = (first >> 5, first & 31);
    let width = match short {
        0..24 => return Some((major, u64::from(short), rest)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let (argument, rest) = rest.split_at_checked(width)?;
    let argument = argument
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Some((major, argument, rest))
}

/// The byte or text string at the start of `bytes`, and what follows it.
pub(crate) fn read_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (major, length, rest) = read_head(bytes)?;
    if major != BYTES && major != TEXT {
        return None;
    }
    rest.split_at_checked(usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_read_back_as_written() {
        for argument in [0, 23, 24, 255, 256, 65_535, 65_536, 10 << 20] {
            let mut bytes = Vec::new();
            write_head(&mut bytes, BYTES, argument);
            assert_eq!(read_head(&bytes), Some((BYTES, argument as u64, &[][..])));
            bytes.pop();
            assert!(argument < 24 || read_head(&bytes).is_none());
        }
    }

    #[test]
    fn a_string_longer_than_its_bytes_is_refused() {
        let mut bytes = Vec::new();
        write_text(&mut bytes, "abc");
        assert_eq!(read_string(&bytes), Some((&b"abc"[..], &[][..])));
        assert_eq!(read_string(&bytes[..3]), None);
        assert_eq!(read_string(b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff"), None);
    }
}
