//! Writes protocol fields to the end of a buffer: the counterpart of [`crate::reader`].

/// Appends a three-byte integer; the top byte of `value` must be zero.
pub fn put_u24(out: &mut Vec<u8>, value: u32) {
    let [a, b, c, top] = value.to_le_bytes();
    debug_assert_eq!(top, 0, "{value} does not fit three bytes");
    out.extend_from_slice(&[a, b, c]);
}

/// Appends a length-encoded integer.
pub fn put_lenenc_int(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0xFA => out.push(value as u8),
        0xFB..=0xFFFF => {
            out.push(0xFC);
            out.extend_from_slice(&(value as u16).to_le_bytes());
        }
        0x1_0000..=0xFF_FFFF => {
            out.push(0xFD);
            put_u24(out, value as u32);
        }
        _ => {
            out.push(0xFE);
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
}

/// Appends a length-encoded string.
pub fn put_lenenc_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_lenenc_int(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reader::Reader;

    proptest! {
        #[test]
        fn length_encoded_integers_come_back(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_lenenc_int(&mut out, value);
            let mut reader = Reader::new("test", &out);
            prop_assert_eq!(reader.lenenc_int("value"), Ok(value));
            prop_assert_eq!(reader.left(), 0);
        }

        #[test]
        fn length_encoded_strings_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut out = Vec::new();
            put_lenenc_bytes(&mut out, &bytes);
            prop_assert_eq!(Reader::new("test", &out).lenenc_bytes("value"), Ok(&bytes[..]));
        }
    }
}
