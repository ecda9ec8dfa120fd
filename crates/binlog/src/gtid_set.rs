//! Sets of GTIDs, as ranges: which groups above the low-water mark are done.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::gtid::{Gtid, ParseGtidError, parse_number, serde_as_text};

/// A set of [`Gtid`]s, written `0-1:5-9.12,3-2:7`: per domain and server, ranges of sequence numbers.
///
/// Ranges of one server are joined by `.`, servers by `,`. Memory grows with the number of gaps, not of GTIDs.
///
/// ```
/// use tributary_binlog::{Gtid, GtidSet};
///
/// let mut done: GtidSet = "0-1:5-8.12".parse()?;
/// done.insert(Gtid { domain: 0, server: 1, sequence: 9 });
/// assert_eq!(done.to_string(), "0-1:5-9.12");
/// assert_eq!(done.len(), 6);
/// # Ok::<(), tributary_binlog::ParseGtidError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GtidSet {
    /// First and last of each range, both included, per domain and server, in order. Ranges neither touch nor overlap, and no
    /// inner list is empty.
    ranges: BTreeMap<(u32, u32), Vec<(u64, u64)>>,
}

impl GtidSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> GtidSet {
        GtidSet::default()
    }

    /// Adds one; false if it was there.
    pub fn insert(&mut self, gtid: Gtid) -> bool {
        // Most come in order.
        let ranges = self.ranges.entry((gtid.domain, gtid.server)).or_default();
        if let Some((_, newest)) = ranges.last_mut()
            && *newest < gtid.sequence
        {
            if *newest + 1 == gtid.sequence {
                *newest = gtid.sequence;
            } else {
                ranges.push((gtid.sequence, gtid.sequence));
            }
            return true;
        }
        if holds(ranges, gtid.sequence) {
            return false;
        }
        self.insert_range((gtid.domain, gtid.server), gtid.sequence, gtid.sequence);
        true
    }

    /// Whether `gtid` is in the set.
    #[must_use]
    pub fn contains(&self, gtid: &Gtid) -> bool {
        self.ranges
            .get(&(gtid.domain, gtid.server))
            .is_some_and(|ranges| holds(ranges, gtid.sequence))
    }

    /// Adds all of `other`.
    pub fn union(&mut self, other: &GtidSet) {
        for (&key, ranges) in &other.ranges {
            for &(first, last) in ranges {
                self.insert_range(key, first, last);
            }
        }
    }

    /// Drops everything of `gtid`'s domain and server up to and including it: the low-water mark has passed it.
    pub fn remove_through(&mut self, gtid: &Gtid) {
        let key = (gtid.domain, gtid.server);
        let Some(ranges) = self.ranges.get_mut(&key) else {
            return;
        };
        ranges.drain(..ranges.partition_point(|(_, last)| *last <= gtid.sequence));
        match ranges.first_mut() {
            Some((first, _)) if *first <= gtid.sequence => *first = gtid.sequence + 1,
            Some(_) => {}
            None => {
                self.ranges.remove(&key);
            }
        }
    }

    /// How many GTIDs there are; the largest number if they do not fit.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.values().flatten().fold(0_u64, |sum, (first, last)| {
            sum.saturating_add((last - first).saturating_add(1))
        })
    }

    /// How many ranges there are: what the set costs.
    #[must_use]
    pub fn range_count(&self) -> usize {
        self.ranges.values().map(Vec::len).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    fn insert_range(&mut self, key: (u32, u32), first: u64, last: u64) {
        let ranges = self.ranges.entry(key).or_default();
        // Ranges that overlap the new one, or touch it, become one with it.
        let start = ranges.partition_point(|(_, end)| end.saturating_add(1) < first);
        let end = ranges.partition_point(|(begin, _)| *begin <= last.saturating_add(1));
        let joined = ranges.get(start..end).unwrap_or_default();
        let first = joined.first().map_or(first, |(begin, _)| first.min(*begin));
        let last = joined.last().map_or(last, |(_, end)| last.max(*end));
        ranges.splice(start..end, [(first, last)]);
    }
}

/// Whether one of the ranges holds the number.
fn holds(ranges: &[(u64, u64)], sequence: u64) -> bool {
    let next = ranges.partition_point(|(first, _)| *first <= sequence);
    let before = next.checked_sub(1).and_then(|place| ranges.get(place));
    before.is_some_and(|(_, last)| *last >= sequence)
}

impl Extend<Gtid> for GtidSet {
    fn extend<I: IntoIterator<Item = Gtid>>(&mut self, gtids: I) {
        for gtid in gtids {
            self.insert(gtid);
        }
    }
}

impl FromIterator<Gtid> for GtidSet {
    fn from_iter<I: IntoIterator<Item = Gtid>>(gtids: I) -> GtidSet {
        let mut set = GtidSet::new();
        set.extend(gtids);
        set
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, ((domain, server), ranges)) in self.ranges.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{domain}-{server}")?;
            for (index, (first, last)) in ranges.iter().enumerate() {
                f.write_str(if index == 0 { ":" } else { "." })?;
                write!(f, "{first}")?;
                if last > first {
                    write!(f, "-{last}")?;
                }
            }
        }
        Ok(())
    }
}

impl FromStr for GtidSet {
    type Err = ParseGtidError;

    fn from_str(text: &str) -> Result<GtidSet, ParseGtidError> {
        let error = |why| ParseGtidError::new("GTID set", text, why);
        let mut set = GtidSet::new();
        if text.trim().is_empty() {
            return Ok(set);
        }
        for part in text.split(',') {
            let shape = "a part is domain-server:ranges, as 0-1:5-9.12";
            let (key, ranges) = part.trim().split_once(':').ok_or_else(|| error(shape))?;
            let (domain, server) = key.split_once('-').ok_or_else(|| error(shape))?;
            let (Some(domain), Some(server)) = (parse_number(domain), parse_number(server)) else {
                return Err(error("domain and server id are numbers below 4294967296"));
            };
            for range in ranges.split('.') {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let (Some(first), Some(last)) = (parse_number(first), parse_number(last)) else {
                    return Err(error("a range is a 64-bit number, or two joined by '-'"));
                };
                if first > last {
                    return Err(error("a range ends before it begins"));
                }
                set.insert_range((domain, server), first, last);
            }
        }
        Ok(set)
    }
}

serde_as_text!(GtidSet);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    fn gtid(sequence: u64) -> Gtid {
        Gtid {
            domain: 0,
            server: 1,
            sequence,
        }
    }

    #[test]
    fn neighbours_join_and_gaps_stay() {
        let mut set = GtidSet::new();
        for sequence in [5, 7, 6, 9, 1] {
            assert!(set.insert(gtid(sequence)));
        }
        assert!(!set.insert(gtid(6)));
        assert_eq!(set.to_string(), "0-1:1.5-7.9");
        assert_eq!((set.len(), set.range_count()), (5, 3));
        set.insert(Gtid {
            domain: 3,
            server: 2,
            sequence: 7,
        });
        assert_eq!(set.to_string(), "0-1:1.5-7.9,3-2:7");
    }

    #[test]
    fn the_ends_of_the_number_range_hold() {
        let mut set: GtidSet = "0-1:0-18446744073709551615".parse().unwrap();
        assert_eq!(set.len(), u64::MAX);
        assert!(!set.insert(gtid(u64::MAX)));
        set.remove_through(&gtid(u64::MAX));
        assert!(set.is_empty());
        set.insert(gtid(u64::MAX));
        set.insert(gtid(u64::MAX - 1));
        assert_eq!(set.range_count(), 1);
    }

    #[test]
    fn bad_text_is_refused() {
        for bad in [
            "0-1",
            "0:1",
            "0-1:",
            "0-1:5-",
            "0-1:9-5",
            "0-1:5,,",
            "0-1:5..6",
            "x-1:5",
            "0-1:5-6-7",
        ] {
            assert!(bad.parse::<GtidSet>().is_err(), "{bad:?}");
        }
        assert!(" ".parse::<GtidSet>().unwrap().is_empty());
    }

    proptest! {
        /// The set agrees with a plain set of numbers, whatever the order of operations; its text reads back.
        #[test]
        fn agrees_with_a_plain_set(operations in prop::collection::vec((0_u8..4, 0_u64..40), 0..60)) {
            let mut set = GtidSet::new();
            let mut model = BTreeSet::new();
            for (operation, sequence) in operations {
                if operation == 0 {
                    set.remove_through(&gtid(sequence));
                    model.retain(|&kept| kept > sequence);
                } else {
                    prop_assert_eq!(set.insert(gtid(sequence)), model.insert(sequence));
                }
                for probe in 0..41 {
                    prop_assert_eq!(set.contains(&gtid(probe)), model.contains(&probe));
                }
                prop_assert_eq!(set.len(), model.len() as u64);
            }
            prop_assert_eq!(set.to_string().parse::<GtidSet>().unwrap(), set);
        }

        /// A union holds what either held.
        #[test]
        fn union_is_either(left in prop::collection::vec(0_u64..40, 0..30), right in prop::collection::vec(0_u64..40, 0..30)) {
            let mut union: GtidSet = left.iter().copied().map(gtid).collect();
            union.union(&right.iter().copied().map(gtid).collect());
            for probe in 0..41 {
                prop_assert_eq!(union.contains(&gtid(probe)), left.contains(&probe) || right.contains(&probe));
            }
        }
    }
}
