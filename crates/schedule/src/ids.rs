//! Small numbers with names, so that they cannot be mixed up.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// One connection, numbered by the caller from 0 without holes.
    ConnectionId(u16),
    "c"
);
id!(
    /// One worker of the pool, numbered from 0.
    WorkerId(u16),
    "w"
);
id!(
    /// A table of the target, interned by the caller. Two connections that write one table share its id.
    TableId(u32),
    "t"
);
id!(
    /// A database of the target, interned by the caller.
    DatabaseId(u32),
    "d"
);
id!(
    /// A run, numbered from 1 in the order runs are handed out.
    RunId(u64),
    "r"
);
id!(
    /// The place of a group in its connection's stream: dense, ascending, first is 1.
    GroupSeq(u64),
    ""
);

/// One group of one connection, written `c0:17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GroupId {
    /// Whose stream.
    pub connection: ConnectionId,
    /// Which group of it.
    pub seq: GroupSeq,
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.connection, self.seq)
    }
}
