//! A small generator of numbers (xorshift64*), seeded by what is written, so that a text depends on its number alone.

/// The generator.
pub(super) struct Random(u64);

impl Random {
    /// Seeded by a number; neighbours give unrelated numbers.
    pub(super) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x51ed_270b | 1)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}
