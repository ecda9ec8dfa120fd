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
    /// A list of errors that is none.
    #[error(
        "'{value}' is no list of errors: write numbers separated by commas, or one of all, off, ddl_exist_errors"
    )]
    NotNumbers {
        /// Its text.
        value: String,
    },
    /// A skip rule that is not `database.table:numbers`.
    #[error(
        "tributary_skip_errors={value}: write it as database.table:numbers, for example tributary_skip_errors=asterisk.call_log:1062,1032"
    )]
    NotATableWithNumbers {
        /// Its value.
        value: String,
    },
    /// An engine rule that is not `FROM->TO`, or maps an engine to itself.
    #[error(
        "tributary_rewrite_engine={value}: write it as FROM->TO, two engines, for example tributary_rewrite_engine=MyISAM->InnoDB"
    )]
    NotEngines {
        /// Its value.
        value: String,
    },
    /// Two engine rules for one engine.
    #[error("{rule}={value}: this engine is already mapped to {earlier}; remove one of the two rules")]
    TwoEngines {
        /// The setting.
        rule: &'static str,
        /// The later rule.
        value: String,
        /// Where the earlier rule maps it.
        earlier: String,
    },
}
