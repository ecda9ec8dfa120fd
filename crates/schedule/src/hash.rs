//! A quick hash for keys that are not chosen by a stranger, or whose collisions cost nothing but time.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map with the quick hash.
pub type QuickMap<K, V> = HashMap<K, V, BuildHasherDefault<QuickHasher>>;

/// Multiplies eight bytes at a time into a state of 64 bits, and folds the product.
#[derive(Debug, Clone, Copy, Default)]
pub struct QuickHasher(u64);

/// Digits of pi: bits without a pattern.
const SEED: u64 = 0x243f_6a88_85a3_08d3;
const FACTOR: u64 = 0x1319_8a2e_0370_7345;

impl QuickHasher {
    fn mix(&mut self, value: u64) {
        let product = u128::from(self.0 ^ value ^ SEED) * u128::from(FACTOR);
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for QuickHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        // The length tells a rest that ends in zeros from a shorter one.
        self.mix(u64::from_le_bytes(last));
        self.mix(bytes.len() as u64);
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.mix(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.mix(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn finish(&self) -> u64 {
        // Tables take the low bits for the place and the high ones to compare.
        self.0 ^ self.0.rotate_right(32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_that_are_close_have_hashes_that_are_not() {
        let hash = |bytes: &[u8]| {
            let mut hasher = QuickHasher::default();
            hasher.write(bytes);
            hasher.finish()
        };
        let numbers: HashSet<u64> = (0..100_000_u32).map(|n| hash(&n.to_le_bytes())).collect();
        assert_eq!(numbers.len(), 100_000);
        let buckets: HashSet<u64> = numbers.iter().map(|hash| hash % 1024).collect();
        assert_eq!(buckets.len(), 1024);
        assert_ne!(hash(b"ab"), hash(b"ab\0"));
        assert_ne!(hash(b"12345678ab"), hash(b"ab12345678"));
    }
}
