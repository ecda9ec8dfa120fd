//! What a filter says about a whole statement.

use std::borrow::Cow;

use tributary_sql::{Statement, StatementKind, TableRef};

use crate::filter::{Filter, Verdict};

/// What is to be done with a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is applied.
    Apply,
    /// It is left out.
    Ignore {
        /// The rule that decided.
        rule: String,
    },
    /// Some tables of its list are left out: see [`tributary_sql::keep_tables`].
    Subset,
    /// It changes a replicated and an ignored table at once, and cannot be taken apart.
    Mixed {
        /// A table that is replicated.
        applied: String,
        /// A table that is not, and the rule that says so.
        ignored: String,
    },
}

impl Filter {
    /// Judges a statement by the tables it changes, each by its own database (the default database when it is not
    /// qualified). Tables that are only read do not count.
    ///
    /// A statement that changes no table is judged by the database it names, or by the default database. Transaction
    /// control always passes. Account statements count as changes to `mysql.user`.
    #[must_use]
    pub fn decide(&self, default_db: &[u8], statement: &Statement<'_>) -> Decision {
        if self.is_empty() || statement.kind.is_transaction_control() {
            return Decision::Apply;
        }
        match statement.kind {
            StatementKind::Empty => return Decision::Apply,
            StatementKind::Account => return single(&self.accepts_table(b"mysql", b"user")),
            _ => {}
        }
        let mut applied: Option<&TableRef<'_>> = None;
        let mut ignored: Option<(&TableRef<'_>, Verdict<'_>)> = None;
        for table in statement.changed_tables() {
            let verdict = self.judge(default_db, table);
            if verdict.accepted {
                applied.get_or_insert(table);
            } else if ignored.is_none() {
                ignored = Some((table, verdict));
            }
        }
        match (applied, ignored) {
            (None, None) => single(&self.accepts_database(named_database(default_db, statement))),
            (Some(_), None) => Decision::Apply,
            (None, Some((_, verdict))) => single(&verdict),
            (Some(_), Some(_)) if self.can_be_taken_apart(default_db, statement) => Decision::Subset,
            (Some(applied), Some((table, verdict))) => Decision::Mixed {
                applied: full_name(default_db, applied),
                ignored: format!("{} ({verdict})", full_name(default_db, table)),
            },
        }
    }

    fn judge(&self, default_db: &[u8], table: &TableRef<'_>) -> Verdict<'_> {
        self.accepts_table(table.db.as_deref().unwrap_or(default_db), &table.table)
    }

    fn can_be_taken_apart(&self, default_db: &[u8], statement: &Statement<'_>) -> bool {
        let mut parts = statement.list_parts().peekable();
        parts.peek().is_some()
            && parts.all(|tables| {
                let accepted = tables
                    .iter()
                    .filter(|table| self.judge(default_db, table).accepted)
                    .count();
                accepted == 0 || accepted == tables.len()
            })
    }
}

fn single(verdict: &Verdict<'_>) -> Decision {
    if verdict.accepted {
        return Decision::Apply;
    }
    Decision::Ignore {
        rule: verdict.rule.map(|rule| rule.to_string()).unwrap_or_default(),
    }
}

/// The database a statement without changed tables is about.
fn named_database<'s>(default_db: &'s [u8], statement: &'s Statement<'_>) -> &'s [u8] {
    let object = statement.object_database().map(|name| name.as_bytes());
    let database = statement
        .databases
        .first()
        .map(|database| database.name.as_bytes());
    let routine = statement.calls.iter().find_map(|call| call.db.as_deref());
    object.or(database).or(routine).unwrap_or(default_db)
}

fn full_name(default_db: &[u8], table: &TableRef<'_>) -> String {
    let db = table.db.as_deref().unwrap_or(default_db);
    let text = |bytes: &[u8]| -> String { Cow::into_owned(String::from_utf8_lossy(bytes)) };
    format!("{}.{}", text(db), text(&table.table))
}
