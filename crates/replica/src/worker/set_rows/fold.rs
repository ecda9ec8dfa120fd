//! What changes of rows come to, where rows are known by nothing but their values: a table without an index is a bag of rows, in which
//! equal ones stand for each other.

use std::hash::Hash;

use smallvec::SmallVec;
use tributary_schedule::QuickMap;

/// A row that has been changed: what it was before all changes, and what it is now. `None`: it is not there.
#[derive(Debug, Clone, Copy)]
struct Changed<I> {
    before: Option<I>,
    now: Option<I>,
}

/// Changes of rows, one after the other.
#[derive(Debug)]
pub(super) struct Fold<I> {
    rows: Vec<Changed<I>>,
    /// The changed rows that are now like this.
    now: QuickMap<I, SmallVec<[usize; 1]>>,
}

/// What becomes of the rows that were like this.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fates<I> {
    pub(super) before: I,
    /// One for each row that must have been there; `None`: it is deleted.
    pub(super) after: SmallVec<[Option<I>; 1]>,
}

/// What the changes come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Net<I> {
    pub(super) changed: Vec<Fates<I>>,
    pub(super) inserted: Vec<I>,
}

impl<I: Copy + Eq + Hash> Fold<I> {
    pub(super) fn new() -> Self {
        Self {
            rows: Vec::new(),
            now: QuickMap::default(),
        }
    }

    /// One more change: of a row that is like `before`, if one is changed or deleted, to `after`, if it stays or is inserted.
    ///
    /// A row that was changed already is taken first, so that no more rows are asked of the table than the changes need.
    pub(super) fn change(&mut self, before: Option<I>, after: Option<I>) {
        let known = before.and_then(|before| self.now.get_mut(&before)?.pop());
        let place = match known {
            Some(place) => {
                self.rows[place].now = after;
                place
            }
            None => {
                self.rows.push(Changed { before, now: after });
                self.rows.len() - 1
            }
        };
        if let Some(after) = after {
            self.now.entry(after).or_default().push(place);
        }
    }

    pub(super) fn finish(self) -> Net<I> {
        let mut places: QuickMap<I, usize> = QuickMap::default();
        let mut changed: Vec<Fates<I>> = Vec::new();
        let mut inserted = Vec::new();
        for row in self.rows {
            let Some(before) = row.before else {
                inserted.extend(row.now);
                continue;
            };
            let place = *places.entry(before).or_insert(changed.len());
            match changed.get_mut(place) {
                Some(fates) => fates.after.push(row.now),
                None => changed.push(Fates {
                    before,
                    after: SmallVec::from_iter([row.now]),
                }),
            }
        }
        Net { changed, inserted }
    }
}

impl<I: Copy + Eq> Fates<I> {
    /// What becomes of all of them, if it is the same.
    pub(super) fn common(&self) -> Option<Option<I>> {
        let first = *self.after.first()?;
        self.after.iter().all(|after| *after == first).then_some(first)
    }

    /// Those that are not what they were.
    pub(super) fn differing(&self) -> impl Iterator<Item = Option<I>> {
        self.after
            .iter()
            .copied()
            .filter(|after| *after != Some(self.before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    type Bag = BTreeMap<u8, u32>;

    fn add(bag: &mut Bag, row: u8) {
        *bag.entry(row).or_default() += 1;
    }

    fn take(bag: &mut Bag, row: u8) -> Option<()> {
        let count = bag.get_mut(&row).filter(|count| **count > 0)?;
        *count -= 1;
        if *count == 0 {
            bag.remove(&row);
        }
        Some(())
    }

    fn one_by_one(bag: &mut Bag, changes: &[(Option<u8>, Option<u8>)]) -> Option<()> {
        for (before, after) in changes {
            if let Some(before) = before {
                take(bag, *before)?;
            }
            if let Some(after) = after {
                add(bag, *after);
            }
        }
        Some(())
    }

    fn together(bag: &mut Bag, net: &Net<u8>) -> Option<()> {
        let is_there =
            |fates: &Fates<u8>| bag.get(&fates.before).copied().unwrap_or(0) as usize >= fates.after.len();
        if !net.changed.iter().all(is_there) {
            return None;
        }
        for fates in &net.changed {
            for _ in fates.differing() {
                take(bag, fates.before)?;
            }
        }
        let after = net.changed.iter().flat_map(|fates| fates.differing().flatten());
        after
            .chain(net.inserted.iter().copied())
            .for_each(|row| add(bag, row));
        Some(())
    }

    /// Numbers that look random and are the same each time.
    fn next(state: &mut u64) -> u64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    #[test]
    fn together_they_do_what_they_do_one_by_one_and_miss_a_row_when_those_do() {
        let mut state = 7;
        let mut missed = 0;
        for _ in 0..5000 {
            let mut bag = Bag::new();
            for _ in 0..next(&mut state) % 12 {
                add(&mut bag, (next(&mut state) % 5) as u8);
            }
            let mut row = || Some((next(&mut state) % 5) as u8);
            let changes: Vec<_> = (0..1 + row().unwrap() * 2)
                .map(|_| match row().unwrap() {
                    0 => (None, row()),
                    1 => (row(), None),
                    _ => (row(), row()),
                })
                .collect();
            let mut fold = Fold::new();
            changes
                .iter()
                .for_each(|(before, after)| fold.change(*before, *after));
            let net = fold.finish();
            let (mut expected, mut found) = (bag.clone(), bag);
            let is_done = one_by_one(&mut expected, &changes);
            assert_eq!(together(&mut found, &net), is_done, "{changes:?}");
            match is_done {
                Some(()) => assert_eq!(found, expected, "{changes:?}"),
                None => missed += 1,
            }
        }
        assert!((500..4500).contains(&missed), "{missed}");
    }

    #[test]
    fn a_row_is_followed_through_its_changes() {
        let mut fold = Fold::new();
        fold.change(None, Some(1));
        fold.change(Some(1), Some(2));
        fold.change(Some(3), Some(4));
        fold.change(Some(4), Some(5));
        fold.change(Some(6), Some(7));
        fold.change(Some(7), None);
        fold.change(Some(8), Some(9));
        fold.change(Some(9), Some(8));
        let net = fold.finish();
        assert_eq!(net.inserted, [2]);
        let fates: Vec<_> = net
            .changed
            .iter()
            .map(|fates| (fates.before, fates.common()))
            .collect();
        assert_eq!(fates, [(3, Some(Some(5))), (6, Some(None)), (8, Some(Some(8)))]);
        assert_eq!(net.changed[2].differing().count(), 0);
    }
}
