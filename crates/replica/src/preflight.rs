//! Checks the target before the first change: every finding says what is wrong and which statement mends it.

use std::collections::HashSet;

use tributary_client::{Client, Error as ClientError, ResultSet};

use crate::config::Options;

/// The oldest target: `BINLOG` executes the statements that count rows from here on.
const VERSION_MIN: (u16, u16) = (10, 8);

/// Privileges needed whatever is replicated.
const GLOBAL_PRIVILEGES: [&str; 4] = ["BINLOG REPLAY", "PROCESS", "CONNECTION ADMIN", "SET USER"];

/// Privileges needed on every database that is written.
const DATABASE_PRIVILEGES: [&str; 16] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "ALTER",
    "INDEX",
    "REFERENCES",
    "CREATE TEMPORARY TABLES",
    "CREATE VIEW",
    "SHOW VIEW",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "TRIGGER",
    "EVENT",
];

/// What the check found out.
#[derive(Debug)]
pub(crate) struct TargetFacts {
    /// Whether sessions are left to write into the target's own binlog, if it has one.
    pub(crate) writes_binlog: bool,
    /// Whether sessions must choose `MIXED`: rows cannot be logged under `binlog_format=STATEMENT`.
    pub(crate) logs_mixed: bool,
    /// Faults that make replication wrong or impossible.
    pub(crate) faults: Vec<String>,
    /// Settings that work, but that a person should know of.
    pub(crate) warnings: Vec<String>,
}

/// Settings of the target that decide what row events and statements do there.
struct Variables {
    read_only: bool,
    log_bin: bool,
    log_slave_updates: bool,
    slave_skip_errors: String,
    slave_exec_mode: String,
    run_triggers: String,
    rewrite_db: String,
    max_allowed_packet: u64,
    local_infile: bool,
    lower_case_table_names: u8,
    binlog_format: String,
}

/// Looks at the target.
pub(crate) async fn check(client: &mut Client, options: &Options) -> Result<TargetFacts, ClientError> {
    let mut facts = TargetFacts {
        writes_binlog: true,
        logs_mixed: false,
        faults: Vec::new(),
        warnings: Vec::new(),
    };
    let server = client.server().clone();
    if !server.is_mariadb || (server.version.0, server.version.1) < VERSION_MIN {
        facts.faults.push(format!(
            "version {}: the target must be MariaDB {}.{} or newer",
            server.version_text, VERSION_MIN.0, VERSION_MIN.1
        ));
        return Ok(facts);
    }
    let text = [
        VARIABLES,
        "SELECT CURRENT_USER(),CURRENT_ROLE()",
        "SELECT GRANTEE,PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES",
        "SELECT GRANTEE,TABLE_SCHEMA,PRIVILEGE_TYPE FROM information_schema.SCHEMA_PRIVILEGES",
    ]
    .join(";");
    let mut sets = client.query_all(text.as_bytes()).await?.into_iter();
    let mut next = || sets.next().unwrap_or_default();
    let variables = variables_of(&next());
    // Without a binlog there is nothing to keep changes out of, and no privilege needed for it.
    facts.writes_binlog = !variables.log_bin || variables.log_slave_updates;
    judge_variables(&variables, options, &mut facts);
    let held = Privileges::of(&next(), &next(), &next());
    judge_privileges(&held, &variables, options, &mut facts);
    Ok(facts)
}

const VARIABLES: &str = "SELECT @@global.read_only,@@global.log_bin,@@global.log_slave_updates,@@global.slave_skip_errors,\
     @@global.slave_exec_mode,@@global.slave_run_triggers_for_rbr,@@global.replicate_rewrite_db,\
     @@global.max_allowed_packet,@@global.local_infile,@@global.lower_case_table_names,\
     @@global.binlog_format";

fn variables_of(result: &ResultSet) -> Variables {
    let text = |index: usize| {
        result
            .rows
            .first()
            .and_then(|row| row.text(index))
            .unwrap_or_default()
    };
    Variables {
        read_only: text(0) == "1",
        log_bin: text(1) == "1",
        log_slave_updates: text(2) == "1",
        slave_skip_errors: text(3),
        slave_exec_mode: text(4),
        run_triggers: text(5),
        rewrite_db: text(6),
        max_allowed_packet: text(7).parse().unwrap_or(0),
        local_infile: text(8) == "1",
        lower_case_table_names: text(9).parse().unwrap_or(0),
        binlog_format: text(10),
    }
}

fn judge_variables(variables: &Variables, options: &Options, facts: &mut TargetFacts) {
    let faults = &mut facts.faults;
    if !matches!(
        variables.slave_skip_errors.to_ascii_uppercase().as_str(),
        "" | "OFF"
    ) {
        faults.push(format!(
            "slave_skip_errors={}: with it the target itself drops the rest of a row event behind an error, unseen. Remove the \
             line from the server's option file and restart the server; the engine takes the same list from its own files and \
             skips single rows, with a record of each",
            variables.slave_skip_errors
        ));
    }
    if !variables.slave_exec_mode.eq_ignore_ascii_case("STRICT") {
        faults.push(format!(
            "slave_exec_mode={}: errors in rows would not be seen. SET GLOBAL slave_exec_mode='STRICT'",
            variables.slave_exec_mode
        ));
    }
    if !variables.run_triggers.eq_ignore_ascii_case("NO") {
        faults.push(format!(
            "slave_run_triggers_for_rbr={}: triggers would run for rows that contain their effects already. \
             SET GLOBAL slave_run_triggers_for_rbr='NO'",
            variables.run_triggers
        ));
    }
    let targets: HashSet<&str> = options
        .connections
        .iter()
        .flat_map(|c| c.rewrite.pairs())
        .map(|(_, to)| to)
        .collect();
    for rule in variables.rewrite_db.split(',').filter(|rule| !rule.is_empty()) {
        let from = rule.split("->").next().unwrap_or_default().trim();
        if targets.contains(from) {
            faults.push(format!(
                "replicate_rewrite_db={rule}: the target would rename row events a second time. Remove the rule from the server's \
                 option file and restart the server"
            ));
        }
    }
    facts.logs_mixed = variables.logs_statements();
    if variables.lower_case_table_names != 0 {
        facts.warnings.push(format!(
            "lower_case_table_names={}: sources whose tables differ only in case end up in one table",
            variables.lower_case_table_names
        ));
    }
    if !variables.local_infile {
        facts.warnings.push(
            "local_infile=OFF: LOAD DATA of a source will stop its connection. SET GLOBAL local_infile=ON"
                .to_owned(),
        );
    }
    if !variables.read_only {
        facts.warnings.push(
            "read_only=OFF: other accounts can write into the replicated tables. SET GLOBAL read_only=ON"
                .to_owned(),
        );
    }
    const PACKET_BYTES_MIN: u64 = 16 << 20;
    if variables.max_allowed_packet < PACKET_BYTES_MIN {
        facts.warnings.push(format!(
            "max_allowed_packet={}: statements and rows of sources can be larger. SET GLOBAL max_allowed_packet={PACKET_BYTES_MIN} or more",
            variables.max_allowed_packet
        ));
    }
}

impl Variables {
    /// Whether what is applied would be logged as statements only.
    fn logs_statements(&self) -> bool {
        self.log_bin && self.log_slave_updates && self.binlog_format.eq_ignore_ascii_case("STATEMENT")
    }
}

fn judge_privileges(held: &Privileges, variables: &Variables, options: &Options, facts: &mut TargetFacts) {
    let mut missing: Vec<&str> = GLOBAL_PRIVILEGES
        .iter()
        .copied()
        .filter(|name| !held.has_global(name))
        .collect();
    if variables.read_only && !held.has_global("READ_ONLY ADMIN") {
        missing.push("READ_ONLY ADMIN");
    }
    let has_own_way = (variables.log_bin && !variables.log_slave_updates) || variables.logs_statements();
    if has_own_way && !held.has_global("BINLOG ADMIN") {
        missing.push("BINLOG ADMIN");
    }
    let policies = || options.connections.iter().map(|connection| &connection.policies);
    if policies().any(|policies| policies.applies_accounts) && !held.has_global("CREATE USER") {
        missing.push("CREATE USER");
    }
    if policies().any(|policies| policies.applies_housekeeping) && !held.has_global("RELOAD") {
        missing.push("RELOAD");
    }
    if !missing.is_empty() {
        facts.faults.push(format!(
            "privileges are missing: GRANT {} ON *.* TO {}",
            missing.join(", "),
            held.account
        ));
    }
    let mut databases: Vec<&str> = options
        .connections
        .iter()
        .flat_map(|c| c.rewrite.pairs())
        .map(|(_, to)| to)
        .collect();
    databases.push(&options.target.schema);
    databases.sort_unstable();
    databases.dedup();
    for database in databases {
        let missing: Vec<&str> = DATABASE_PRIVILEGES
            .iter()
            .copied()
            .filter(|name| !held.has_on(database, name))
            .collect();
        if !missing.is_empty() {
            facts.faults.push(format!(
                "privileges are missing: GRANT {} ON `{database}`.* TO {}",
                missing.join(", "),
                held.account
            ));
        }
    }
}

/// Privileges of the account and of its role.
struct Privileges {
    /// As `GRANT` wants it: `'user'@'host'`.
    account: String,
    global: HashSet<String>,
    /// Database patterns as in `mysql.db`, with what is granted there.
    databases: Vec<(String, String)>,
}

impl Privileges {
    fn of(names: &ResultSet, global: &ResultSet, databases: &ResultSet) -> Self {
        let name = |index: usize| names.rows.first().and_then(|row| row.text(index));
        let user = name(0).unwrap_or_default();
        let (user, host) = user.rsplit_once('@').unwrap_or((&user, "%"));
        let account = format!("'{user}'@'{host}'");
        let mut grantees = vec![account.clone()];
        grantees.extend(name(1).map(|role| format!("'{role}'@''")));
        let is_ours = |grantee: Option<String>| grantee.is_some_and(|grantee| grantees.contains(&grantee));
        let global = global
            .rows
            .iter()
            .filter(|row| is_ours(row.text(0)))
            .filter_map(|row| row.text(1))
            .collect();
        let databases = databases
            .rows
            .iter()
            .filter(|row| is_ours(row.text(0)))
            .filter_map(|row| Some((row.text(1)?, row.text(2)?)))
            .collect();
        Self {
            account,
            global,
            databases,
        }
    }

    fn has_global(&self, name: &str) -> bool {
        self.global.contains(name) || self.global.contains("SUPER")
    }

    fn has_on(&self, database: &str, name: &str) -> bool {
        self.global.contains(name)
            || self
                .databases
                .iter()
                .any(|(pattern, held)| held == name && matches_pattern(pattern, database))
    }
}

/// `_` and `%` in a granted database name match any character and any text, unless escaped.
fn matches_pattern(pattern: &str, name: &str) -> bool {
    let mut pattern_chars = pattern.chars();
    match pattern_chars.next() {
        None => name.is_empty(),
        Some('%') => {
            let rest = pattern_chars.as_str();
            name.char_indices()
                .map(|(index, _)| index)
                .chain([name.len()])
                .any(|index| matches_pattern(rest, &name[index..]))
        }
        Some('_') => {
            let mut chars = name.chars();
            chars.next().is_some() && matches_pattern(pattern_chars.as_str(), chars.as_str())
        }
        Some('\\') => {
            let literal = pattern_chars.next().unwrap_or('\\');
            name.strip_prefix(literal)
                .is_some_and(|rest| matches_pattern(pattern_chars.as_str(), rest))
        }
        Some(literal) => name
            .strip_prefix(literal)
            .is_some_and(|rest| matches_pattern(pattern_chars.as_str(), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn granted_names_are_patterns() {
        assert!(matches_pattern("master1\\_asterisk", "master1_asterisk"));
        assert!(!matches_pattern("master1\\_asterisk", "master1xasterisk"));
        assert!(matches_pattern("master%asterisk", "master12_asterisk"));
        assert!(matches_pattern("m_", "m1"));
        assert!(!matches_pattern("m_", "m"));
        assert!(matches_pattern("%", ""));
    }
}
