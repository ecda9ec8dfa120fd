//! Where on the target a source may write: everywhere but in what belongs to others.
//!
//! Every server believes its source; one that serves several must not. Whatever a statement names is looked up here, in
//! bodies of routines, triggers, views and events, too: they run with the rights of their definer.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tributary_binlog::QueryEvent;
use tributary_rules::Rewrite;
use tributary_sql::{self as sql, Dialect, Scanner, StatementKind, TokenKind};

use super::{Place, Preparer, SYSTEM_DATABASES};
use crate::error::{StopReason, excerpt_of, how_to_leave_out, number};

/// `` `#mysql50#x` `` is the database whose directory is `x`, and so another name for it.
const DIRECTORY_PREFIX: &[u8] = b"#mysql50#";

/// Whose a database of the target is, when it is not the connection's to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Another connection's, under whose rules it gets this name.
    Connection(Arc<str>),
    /// The engine's own.
    Engine,
    /// The name is that of a directory.
    Directory,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Connection(name) => write!(f, "belongs to connection {name} on the target"),
            Owner::Engine => f.write_str("is the engine's own on the target"),
            Owner::Directory => f.write_str("names a directory instead of a database"),
        }
    }
}

/// What one connection may not write.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    /// By name on the target, in lower case: a target may take two spellings for one database.
    owners: HashMap<Vec<u8>, Owner>,
    /// The target's version as in version comments: 101119.
    target_version: u32,
}

impl Bounds {
    /// For one of `connections`, each with its name and rules.
    pub(crate) fn new<'a>(
        name: &str,
        connections: impl Iterator<Item = (&'a str, &'a Rewrite)> + Clone,
        schema: &str,
        target_version: (u16, u16, u16),
    ) -> Self {
        let names = |rewrite: &'a Rewrite| rewrite.pairs().map(|(_, to)| folded(to.as_bytes()));
        let mut owners: HashMap<Vec<u8>, Owner> = HashMap::new();
        for (other, rewrite) in connections.clone() {
            owners.extend(names(rewrite).map(|to| (to, Owner::Connection(other.into()))));
        }
        for (_, rewrite) in connections.filter(|(other, _)| *other == name) {
            names(rewrite).for_each(|to| {
                owners.remove(&to);
            });
        }
        owners.insert(folded(schema.as_bytes()), Owner::Engine);
        let (major, minor, patch) = target_version;
        Self {
            owners,
            target_version: u32::from(major) * 10_000 + u32::from(minor) * 100 + u32::from(patch),
        }
    }

    /// Who owns a database of the target that the connection may not write.
    pub(crate) fn owner(&self, target_name: &[u8]) -> Option<Owner> {
        let name = folded(target_name);
        if name.starts_with(DIRECTORY_PREFIX) {
            return Some(Owner::Directory);
        }
        self.owners.get(&name).cloned()
    }
}

/// Whether it is the call of a package's function, in the words that stand for those of the source (`prepare/packages.rs`).
fn calls_package(text: &[u8], dialect: &Dialect) -> bool {
    use TokenKind::{Dot, Open, Quoted, Word};
    let tokens = Scanner::new(text, dialect).filter(|token| !token.kind.is_blank());
    let kinds = tokens.map(|token| token.kind);
    kinds.take(7).eq([Word, Quoted, Dot, Quoted, Dot, Quoted, Open])
}

impl Preparer {
    /// The statement with the databases' names on the target.
    pub(super) fn renamed<'a>(
        &self,
        text: &'a [u8],
        statement: &sql::Statement<'_>,
        place: &Place<'_>,
    ) -> Result<Cow<'a, [u8]>, StopReason> {
        let met: RefCell<Option<(Vec<u8>, Owner)>> = RefCell::new(None);
        let map = |name: &[u8]| {
            let target = self.rewrite.target_name(name);
            if let Some(owner) = self.bounds.owner(target) {
                met.replace(Some((name.to_vec(), owner)));
                return Some(target.to_vec());
            }
            self.rewrite.is_mapped(name).then(|| target.to_vec())
        };
        let renamed = sql::rename(text, statement, &map);
        if let Some((name, owner)) = met.take() {
            return Err(self.out_of_bounds(&name, &owner, &excerpt_of(statement.kind, text), place));
        }
        renamed.map_err(|error| {
            let what = format!("{error}: {}", excerpt_of(statement.kind, text));
            place.stop(number::REPLICA_FATAL, what)
        })
    }

    /// Stops at a statement that no server logs, or that would reach what is not the connection's. `database` is the default
    /// one on the target.
    pub(super) fn check_bounds(
        &self,
        statement: &sql::Statement<'_>,
        query: &QueryEvent,
        database: &[u8],
        has_file: bool,
        place: &Place<'_>,
    ) -> Result<(), StopReason> {
        use StatementKind::{Call, CreateRoutine, CreateTrigger, LoadData, Select, Set};
        let refuse = |why: &str| {
            let text = excerpt_of(statement.kind, &query.query);
            let advice = how_to_leave_out(&self.schema_name(), &self.connection, place.label.gtid);
            place.stop(number::REPLICA_FATAL, format!("{why}: {text}{advice}"))
        };
        if let Some(owner) = self.bounds.owner(database) {
            let text = excerpt_of(statement.kind, &query.query);
            return Err(self.out_of_bounds(&query.db, &owner, &text, place));
        }
        if database.is_empty() && looks_in_default(statement) {
            return Err(refuse(
                "a name without its database, where the source has no default database",
            ));
        }
        if !statement.reads_alike_on(self.bounds.target_version) {
            return Err(refuse(
                "a version comment (/*!NNNNNN ... */) is code on one of source and target and a comment on the other",
            ));
        }
        let is_logged = match statement.kind {
            Select => {
                sql::logged_call(&query.query, statement.dialect()).is_some()
                    || calls_package(&query.query, statement.dialect())
            }
            LoadData => has_file,
            Call | Set => false,
            _ => true,
        };
        if !is_logged {
            return Err(refuse(
                "the source has logged a statement that no server logs in this form",
            ));
        }
        if matches!(statement.kind, Select | CreateRoutine | CreateTrigger)
            && let Some(what) = sql::reaches_server(&query.query, statement.dialect())
        {
            return Err(refuse(&format!(
                "{what} in a routine or trigger would change the target's server or its files when a statement calls it. If it is \
                 wanted, create it on the target by hand"
            )));
        }
        match self.names_server(statement) {
            Some(name) => Err(refuse(&format!(
                "the database {} belongs to the target's server: what is defined with it would work there with the rights of its \
                 definer. If it is wanted, create it on the target by hand",
                String::from_utf8_lossy(name)
            ))),
            None => Ok(()),
        }
    }

    /// The database of the server that a routine, trigger or view names. Events do not run on the target.
    fn names_server<'s>(&self, statement: &'s sql::Statement<'_>) -> Option<&'s [u8]> {
        use StatementKind::{AlterView, CreateRoutine, CreateTrigger, CreateView};
        if !matches!(
            statement.kind,
            CreateRoutine | CreateTrigger | CreateView | AlterView
        ) {
            return None;
        }
        let tables = statement.tables.iter().filter_map(|table| table.db.as_deref());
        let qualifiers = statement.qualifiers.iter().map(|qualifier| &qualifier.name[..]);
        tables
            .chain(qualifiers)
            .find(|name| name.eq_ignore_ascii_case(SYSTEM_DATABASES[0]))
    }

    /// Why the connection stops at something that is another's.
    pub(super) fn out_of_bounds(
        &self,
        name: &[u8],
        owner: &Owner,
        what: &str,
        place: &Place<'_>,
    ) -> StopReason {
        let advice = how_to_leave_out(&self.schema_name(), &self.connection, place.label.gtid);
        let message = format!(
            "the source names the database {}, which {owner}; a source may not reach it. Rename it with replicate_rewrite_db, leave it \
             out with replicate_ignore_db, or change what the source does: {what}{advice}",
            String::from_utf8_lossy(name)
        );
        place.stop(number::REPLICA_FATAL, message)
    }

    fn schema_name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.schema)
    }
}

/// Whether something that the statement names without a database is looked up in the default one.
pub(super) fn looks_in_default(statement: &sql::Statement<'_>) -> bool {
    statement.tables.iter().any(|table| table.db.is_none())
        || statement.calls.iter().any(|call| call.db.is_none())
        || statement.grants_in_default
        || (defines_object(statement.kind) && statement.object_database().is_none())
}

/// Whether it is about a routine, trigger or event.
pub(super) fn defines_object(kind: StatementKind) -> bool {
    use StatementKind::{
        AlterEvent, AlterRoutine, CreateEvent, CreateRoutine, CreateTrigger, DropEvent, DropRoutine,
        DropTrigger,
    };
    matches!(
        kind,
        AlterEvent
            | AlterRoutine
            | CreateEvent
            | CreateRoutine
            | CreateTrigger
            | DropEvent
            | DropRoutine
            | DropTrigger
    )
}

fn folded(name: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(name).to_lowercase().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_is_out_of_bounds() {
        let rules = |pairs: &[&str]| {
            let mut rewrite = Rewrite::new();
            pairs.iter().for_each(|pair| rewrite.add(pair).unwrap());
            rewrite
        };
        let (first, second) = (rules(&["a->m1_a", "b->both"]), rules(&["a->m2_a", "b->both"]));
        let all = [("m1", &first), ("m2", &second)];
        let bounds = Bounds::new("m1", all.into_iter(), "tributary", (10, 11, 19));
        assert_eq!(bounds.owner(b"m2_a"), Some(Owner::Connection("m2".into())));
        assert_eq!(bounds.owner(b"M2_A"), Some(Owner::Connection("m2".into())));
        assert_eq!(bounds.owner(b"Tributary"), Some(Owner::Engine));
        assert_eq!(bounds.owner(b"#MySQL50#m1_a"), Some(Owner::Directory));
        for own in [&b"m1_a"[..], b"both", b"a", b"", b"other"] {
            assert_eq!(bounds.owner(own), None);
        }
        assert_eq!(bounds.target_version, 101_119);
    }
}
