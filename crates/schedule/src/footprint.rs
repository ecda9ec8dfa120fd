//! What a group touches on the target.

use smallvec::SmallVec;

use crate::ids::{DatabaseId, TableId};

/// How one group uses one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Reads any row; conflicts with every write of the table.
    Read,
    /// Writes the rows with these key hashes and no other. Every key by which another group could name one of these
    /// rows, or collide with it, must be listed. A hash shared by two keys only costs parallelism.
    Keys(SmallVec<[u64; 4]>),
    /// May write any row, or change the table itself.
    Whole,
}

/// One table in a footprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableUse {
    /// Which table.
    pub table: TableId,
    /// The database it lies in; matters to groups with a [`Scope`] wider than tables.
    pub database: DatabaseId,
    /// How it is used.
    pub access: Access,
}

/// Whether the listed tables are all a group can touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// The listed tables and nothing else.
    #[default]
    Tables,
    /// Anything in this database, and the listed tables.
    Database(DatabaseId),
    /// Anything that other groups of its own connection touch, and the listed tables: a group whose changes have not all
    /// arrived. Other connections go on meanwhile, whatever they touch, unless they share a listed table.
    Connection,
    /// Anything at all.
    Everything,
}

/// All that one group touches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Footprint {
    /// The tables known by name. A table may occur more than once.
    pub tables: SmallVec<[TableUse; 2]>,
    /// How much more there may be.
    pub scope: Scope,
}

impl Footprint {
    /// Whether a group of `self` and one of `other`, both of one connection, must keep their order.
    ///
    /// The coordinator uses faster tables of its own; this is the definition they are tested against.
    #[must_use]
    pub fn conflicts_with(&self, other: &Self) -> bool {
        self.reaches(other)
            || other.reaches(self)
            || self
                .tables
                .iter()
                .any(|a| other.tables.iter().any(|b| a.conflicts_with(b)))
    }

    /// Whether the scope of `self` alone meets anything of `other`.
    fn reaches(&self, other: &Self) -> bool {
        match (self.scope, other.scope) {
            (Scope::Tables, _) => false,
            (Scope::Everything | Scope::Connection, _) => true,
            (Scope::Database(_), Scope::Everything | Scope::Connection) => true,
            (Scope::Database(mine), Scope::Database(theirs)) if mine == theirs => true,
            (Scope::Database(mine), _) => other.tables.iter().any(|t| t.database == mine),
        }
    }
}

impl TableUse {
    fn conflicts_with(&self, other: &Self) -> bool {
        self.table == other.table
            && match (&self.access, &other.access) {
                (Access::Read, Access::Read) => false,
                (Access::Keys(mine), Access::Keys(theirs)) => mine.iter().any(|key| theirs.contains(key)),
                _ => true,
            }
    }
}
