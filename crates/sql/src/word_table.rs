//! A fixed set of words, found without regard to ASCII case.

/// An open-addressed hash table of words, built when the program is compiled.
///
/// `SLOTS` is a power of two and at least twice the number of words, so that a search ends soon.
pub(crate) struct WordTable<const SLOTS: usize> {
    words: &'static [&'static str],
    /// Index into `words`, plus one; zero for an empty slot.
    slots: [u16; SLOTS],
    longest: usize,
}

impl<const SLOTS: usize> WordTable<SLOTS> {
    pub(crate) const fn new(words: &'static [&'static str]) -> Self {
        assert!(SLOTS.is_power_of_two() && words.len() * 2 <= SLOTS && words.len() < u16::MAX as usize);
        let mut slots = [0; SLOTS];
        let mut longest = 0;
        let mut index = 0;
        while index < words.len() {
            let bytes = words[index].as_bytes();
            if bytes.len() > longest {
                longest = bytes.len();
            }
            let mut slot = hash(bytes) & (SLOTS - 1);
            while slots[slot] != 0 {
                slot = (slot + 1) & (SLOTS - 1);
            }
            slots[slot] = index as u16 + 1;
            index += 1;
        }
        WordTable {
            words,
            slots,
            longest,
        }
    }

    /// The index of `word` in the list the table was made from.
    pub(crate) fn find(&self, word: &[u8]) -> Option<usize> {
        if word.len() > self.longest {
            return None;
        }
        let mut slot = hash(word) & (SLOTS - 1);
        loop {
            let index = usize::from(self.slots[slot]).checked_sub(1)?;
            if self.words[index].as_bytes().eq_ignore_ascii_case(word) {
                return Some(index);
            }
            slot = (slot + 1) & (SLOTS - 1);
        }
    }
}

/// Same for upper and lower case: bit 5 does not count.
const fn hash(word: &[u8]) -> usize {
    let mut hash: u32 = 0x811C_9DC5;
    let mut index = 0;
    while index < word.len() {
        hash = (hash ^ (word[index] & 0xDF) as u32).wrapping_mul(0x0100_0193);
        index += 1;
    }
    (hash ^ (hash >> 15)) as usize
}

#[cfg(test)]
mod tests {
    use super::WordTable;

    static WORDS: &[&str] = &["SELECT", "FROM", "NOW", "a_b"];
    static TABLE: WordTable<8> = WordTable::new(WORDS);

    #[test]
    fn words_are_found_in_any_case_and_others_are_not() {
        assert_eq!(TABLE.find(b"select"), Some(0));
        assert_eq!(TABLE.find(b"From"), Some(1));
        assert_eq!(TABLE.find(b"A_B"), Some(3));
        for other in ["", "SELEC", "SELECTS", "x", "a\x7Fb"] {
            assert_eq!(TABLE.find(other.as_bytes()), None, "{other}");
        }
    }
}
