//! Rules that cannot be taken.

/// A filter or rewrite rule with a value it cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The value is empty.
    #[error("{rule} needs a value; for example {rule}={example}")]
    Empty {
        /// The setting.
        rule: &'static str,
        /// A value it could have.
        example: &'static str,
    },
    /// A table rule without a database, or with an empty part.
    #[error("{rule}={value}: write it as database.table, for example {rule}={example}")]
    NotATable {
        /// The setting.
        rule: &'static str,
        /// Its value.
        value: String,
        /// A value it could have.
        example: &'static str,
    },
    /// A rewrite rule that is not `from->to`.
    #[error(
        "replicate_rewrite_db={value}: write it as from->to, for example replicate_rewrite_db=asterisk->m1_asterisk"
    )]
    NotAPair {
        /// Its value.
        value: String,
    },
    /// Two rewrite rules for one source database.
    #[error(
        "replicate_rewrite_db={value}: database {from} is already written to {to}; remove one of the two rules"
    )]
    Contradiction {
        /// The later rule.
        value: String,
        /// The source database both name.
        from: String,
        /// Where the earlier rule writes it.
        to: String,
    },
    /// A name longer than the server allows.
    #[error("{rule}={value}: a name has at most 64 characters")]
    TooLong {
        /// The setting.
        rule: &'static str,
        /// Its value.
        value: String,
    },
}
