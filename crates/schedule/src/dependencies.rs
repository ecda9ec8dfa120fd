//! From footprints to dependencies: who wrote this key, this table, this database last.

use smallvec::SmallVec;

use crate::footprint::{Access, Footprint, Scope};
use crate::hash::QuickMap;
use crate::ids::{ConnectionId, DatabaseId, GroupId, GroupSeq, TableId};

/// Lists are cleaned of committed groups when they reach this length, and at each doubling after that.
const CLEAN_AT: usize = 256;

/// The recent uses of one table by one connection. Others have histories of their own: one that stops gives its groups up, and
/// what they covered of others must still be followed.
#[derive(Debug)]
struct TableHistory {
    connection: ConnectionId,
    /// The newest group.
    newest: GroupSeq,
    /// The last group that may have touched any row.
    whole: Option<GroupId>,
    /// Groups of others that `whole` follows: per connection, up to this one.
    followed: SmallVec<[(ConnectionId, GroupSeq); 1]>,
    /// Groups since `whole` that read.
    readers: CleanedList,
    /// Groups since `whole` that wrote known keys.
    key_writers: CleanedList,
    /// For each key, the last writer since `whole`.
    keys: QuickMap<u64, GroupId>,
    keys_clean_at: usize,
}

/// A list that drops committed groups now and then, so that it stays as long as the window at most.
#[derive(Debug, Default)]
struct CleanedList {
    groups: Vec<GroupId>,
    clean_at: usize,
}

impl CleanedList {
    fn push(&mut self, group: GroupId, is_committed: &dyn Fn(GroupId) -> bool) {
        if self.groups.last() == Some(&group) {
            return;
        }
        if self.groups.len() >= self.clean_at.max(CLEAN_AT) {
            self.groups.retain(|&g| !is_committed(g));
            self.clean_at = self.groups.len() * 2;
        }
        self.groups.push(group);
    }
}

/// Finds the earlier groups that a new group must follow.
///
/// Groups are entered in order of arrival. The answer names the nearest conflicting groups; what those depend on in
/// turn is not repeated.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    /// Most tables are used by one connection.
    tables: QuickMap<TableId, SmallVec<[TableHistory; 1]>>,
    /// Groups whose scope is wider than their tables, oldest first.
    barriers: Vec<(GroupId, Scope)>,
    /// Every group, with the databases it touched: what a new barrier must wait for.
    recent: Vec<(GroupId, SmallVec<[DatabaseId; 2]>)>,
    recent_clean_at: usize,
}

impl Dependencies {
    /// Enters a group and returns what it must follow, without groups that are committed.
    pub(crate) fn enter(
        &mut self,
        group: GroupId,
        footprint: &Footprint,
        is_committed: &dyn Fn(GroupId) -> bool,
    ) -> SmallVec<[GroupId; 4]> {
        let mut found = SmallVec::new();
        self.follow_barriers(group, footprint, &mut found);
        if footprint.scope != Scope::Tables {
            self.follow_recent(group, footprint.scope, &mut found);
        }
        for used in &footprint.tables {
            let histories = self.tables.entry(used.table).or_default();
            let is_own = |history: &TableHistory| history.connection == group.connection;
            let own = histories.iter().position(is_own).unwrap_or_else(|| {
                histories.push(TableHistory::new(group.connection));
                histories.len() - 1
            });
            if histories.len() > 1 {
                follow_others(histories, own, &used.access, &mut found);
            }
            histories[own].follow(group, &used.access, is_committed, &mut found);
        }
        self.remember(group, footprint, is_committed);
        found.retain(|dependency| *dependency != group && !is_committed(*dependency));
        found.sort_unstable_by_key(|dependency| (dependency.connection, dependency.seq));
        found.dedup();
        found
    }

    fn follow_barriers(&self, group: GroupId, footprint: &Footprint, found: &mut SmallVec<[GroupId; 4]>) {
        for (barrier, scope) in &self.barriers {
            let is_own = barrier.connection == group.connection;
            let is_used = |database: DatabaseId| footprint.tables.iter().any(|t| t.database == database);
            let meets = match (*scope, footprint.scope) {
                // Its rest may be long in coming, which is no matter of other connections.
                (Scope::Connection, _) => is_own,
                (Scope::Everything | Scope::Tables, _) | (_, Scope::Everything) => true,
                (Scope::Database(theirs), Scope::Connection) => is_own || is_used(theirs),
                (Scope::Database(theirs), Scope::Tables) => is_used(theirs),
                (Scope::Database(theirs), Scope::Database(mine)) => theirs == mine || is_used(theirs),
            };
            if meets {
                found.push(*barrier);
            }
        }
    }

    fn follow_recent(&self, group: GroupId, scope: Scope, found: &mut SmallVec<[GroupId; 4]>) {
        let reached = self.recent.iter().filter(|(recent, databases)| match scope {
            Scope::Connection => recent.connection == group.connection,
            Scope::Database(mine) => databases.contains(&mine),
            Scope::Everything | Scope::Tables => true,
        });
        found.extend(reached.map(|(group, _)| *group));
    }

    fn remember(&mut self, group: GroupId, footprint: &Footprint, is_committed: &dyn Fn(GroupId) -> bool) {
        self.barriers.retain(|(barrier, _)| !is_committed(*barrier));
        if footprint.scope != Scope::Tables {
            self.forget_covered(group.connection, footprint.scope);
            self.barriers.push((group, footprint.scope));
        }
        if self.recent.len() >= self.recent_clean_at.max(CLEAN_AT) {
            self.recent.retain(|(recent, _)| !is_committed(*recent));
            self.recent_clean_at = self.recent.len() * 2;
        }
        if footprint.scope == Scope::Connection {
            // Those of its connection follow it as a barrier.
            return;
        }
        let mut databases: SmallVec<[DatabaseId; 2]> = footprint.tables.iter().map(|t| t.database).collect();
        databases.dedup();
        self.recent.push((group, databases));
    }
}

impl Dependencies {
    /// A new barrier follows its connection's earlier groups as far as it reaches, so later barriers need only follow it;
    /// without this each would name all groups of a backlog. Groups of other connections stay named: the barrier
    /// may be given up with its connection while they still run.
    fn forget_covered(&mut self, connection: ConnectionId, scope: Scope) {
        if scope == Scope::Connection {
            // Barriers of other connections do not follow this one.
            return;
        }
        let is_covered = |theirs: Scope| scope == Scope::Everything || theirs == scope;
        self.barriers
            .retain(|(barrier, theirs)| barrier.connection != connection || !is_covered(*theirs));
        self.recent.retain_mut(|(recent, databases)| {
            if recent.connection != connection {
                return true;
            }
            match scope {
                Scope::Database(mine) => {
                    databases.retain(|database| *database != mine);
                    !databases.is_empty()
                }
                Scope::Everything | Scope::Connection | Scope::Tables => false,
            }
        });
    }
}

/// What a group of the history `own` must follow in those of others.
fn follow_others(
    histories: &mut [TableHistory],
    own: usize,
    access: &Access,
    found: &mut SmallVec<[GroupId; 4]>,
) {
    let mut newest = SmallVec::new();
    let followed = &histories[own].followed;
    for (_, other) in histories.iter().enumerate().filter(|(index, _)| *index != own) {
        let since = followed
            .iter()
            .find(|(connection, _)| *connection == other.connection);
        let is_new = |group: &GroupId| since.is_none_or(|(_, seq)| group.seq > *seq);
        found.extend(other.users(access).filter(is_new));
        newest.push((other.connection, other.newest));
    }
    if *access == Access::Whole {
        histories[own].followed = newest;
    }
}

impl TableHistory {
    fn new(connection: ConnectionId) -> Self {
        Self {
            connection,
            newest: GroupSeq(0),
            whole: None,
            followed: SmallVec::new(),
            readers: CleanedList::default(),
            key_writers: CleanedList::default(),
            keys: QuickMap::default(),
            keys_clean_at: 0,
        }
    }

    /// The groups that conflict with this access.
    fn users<'a>(&'a self, access: &'a Access) -> impl Iterator<Item = GroupId> + 'a {
        let (readers, writers) = (&self.readers.groups[..], &self.key_writers.groups[..]);
        let (readers, writers, keys) = match access {
            Access::Read => (&[][..], writers, &[][..]),
            Access::Keys(keys) => (readers, &[][..], &keys[..]),
            Access::Whole => (readers, writers, &[][..]),
        };
        let keys = keys.iter().filter_map(|key| self.keys.get(key));
        let listed = readers.iter().chain(writers).chain(keys);
        listed.chain(&self.whole).copied()
    }

    fn follow(
        &mut self,
        group: GroupId,
        access: &Access,
        is_committed: &dyn Fn(GroupId) -> bool,
        found: &mut SmallVec<[GroupId; 4]>,
    ) {
        self.newest = group.seq;
        found.extend(self.whole);
        match access {
            Access::Read => {
                found.extend(self.key_writers.groups.iter().copied());
                self.readers.push(group, is_committed);
            }
            Access::Keys(keys) => {
                found.extend(self.readers.groups.iter().copied());
                self.clean_keys(is_committed);
                for key in keys {
                    found.extend(self.keys.insert(*key, group));
                }
                self.key_writers.push(group, is_committed);
            }
            Access::Whole => {
                found.extend(self.readers.groups.drain(..));
                found.extend(self.key_writers.groups.drain(..));
                self.keys.clear();
                self.whole = Some(group);
            }
        }
    }

    fn clean_keys(&mut self, is_committed: &dyn Fn(GroupId) -> bool) {
        if self.keys.len() >= self.keys_clean_at.max(4 * CLEAN_AT) {
            self.keys.retain(|_, writer| !is_committed(*writer));
            self.keys_clean_at = self.keys.len() * 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footprint::TableUse;

    fn group(connection: u16, seq: u64) -> GroupId {
        GroupId {
            connection: ConnectionId(connection),
            seq: GroupSeq(seq),
        }
    }

    fn footprint(database: u32, scope: Scope) -> Footprint {
        let used = TableUse {
            table: TableId(database),
            database: DatabaseId(database),
            access: Access::Whole,
        };
        Footprint {
            tables: std::iter::once(used).collect(),
            scope,
        }
    }

    /// Otherwise a backlog of n barriers takes n² names, and the memory for them.
    #[test]
    fn a_backlog_of_barriers_names_each_group_a_few_times() {
        let mut dependencies = Dependencies::default();
        let mut names = 0;
        for seq in 0..3000 {
            let database = DatabaseId((seq / 3 % 2) as u32);
            let scope = [Scope::Everything, Scope::Tables, Scope::Database(database)][seq as usize % 3];
            let found = dependencies.enter(group(0, seq), &footprint(database.0, scope), &|_| false);
            names += found.len();
        }
        assert!(names < 5 * 3000, "{names} names for 3000 groups");
    }

    #[test]
    fn a_barrier_covers_groups_of_its_own_connection_only() {
        let mut dependencies = Dependencies::default();
        let mut enter = |connection, seq, scope| {
            dependencies
                .enter(
                    group(connection, seq),
                    &footprint(u32::from(connection), scope),
                    &|_| false,
                )
                .to_vec()
        };
        enter(0, 1, Scope::Tables);
        enter(1, 1, Scope::Tables);
        assert_eq!(enter(0, 2, Scope::Everything), [group(0, 1), group(1, 1)]);
        assert_eq!(enter(0, 3, Scope::Everything), [group(0, 2), group(1, 1)]);
        // Should connection 0 stop, its barriers are void: connection 1 keeps its own order without them.
        assert_eq!(enter(1, 2, Scope::Everything), [group(0, 3), group(1, 1)]);
    }

    /// The rest of such a group comes when its source sends it, which may be never.
    #[test]
    fn nobody_waits_for_the_unfinished_group_of_another_connection() {
        let mut dependencies = Dependencies::default();
        let mut enter = |connection, seq, database, scope| {
            dependencies
                .enter(group(connection, seq), &footprint(database, scope), &|_| false)
                .to_vec()
        };
        enter(0, 1, 1, Scope::Tables);
        assert_eq!(enter(0, 2, 2, Scope::Connection), [group(0, 1)]);
        assert_eq!(enter(1, 1, 3, Scope::Everything), [group(0, 1)]);
        assert_eq!(
            enter(0, 3, 1, Scope::Everything),
            [group(0, 1), group(0, 2), group(1, 1)]
        );
        // But for a table that both name.
        assert_eq!(
            enter(2, 1, 2, Scope::Tables),
            [group(0, 2), group(0, 3), group(1, 1)]
        );
    }

    #[test]
    fn what_a_connection_covers_of_others_is_followed_without_it() {
        let mut dependencies = Dependencies::default();
        let mut enter = |connection, seq, access| {
            let mut footprint = footprint(7, Scope::Tables);
            footprint.tables[0].access = access;
            dependencies
                .enter(group(connection, seq), &footprint, &|_| false)
                .to_vec()
        };
        let key = |key| Access::Keys(smallvec::smallvec![key]);
        enter(1, 1, key(5));
        enter(1, 2, Access::Read);
        assert_eq!(enter(0, 1, Access::Whole), [group(1, 1), group(1, 2)]);
        // Should connection 0 stop, its group is void: connection 1 keeps its own order without it.
        assert_eq!(enter(1, 3, key(5)), [group(0, 1), group(1, 1), group(1, 2)]);
        enter(0, 2, key(5));
        assert_eq!(
            enter(1, 4, key(5)),
            [group(0, 1), group(0, 2), group(1, 2), group(1, 3)]
        );
        assert_eq!(
            enter(0, 3, Access::Whole),
            [group(0, 1), group(0, 2), group(1, 3), group(1, 4)]
        );
    }
}
