//! Every key there is: its name, where it may stand, what it allows, its default.
//!
//! This table is the one definition. Parsing, error messages, `tributary check-config` and the test of `docs/configuration.md`
//! all read it.

use std::fmt;

/// Which connections a key speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The whole engine; a connection prefix is an error.
    Engine,
    /// One connection with a prefix, every connection that has no value of its own without.
    Connection,
    /// One connection; the prefix must be there, because no two connections can share the value.
    OneConnection,
    /// Like [`Self::Connection`], and every line adds to a list.
    Rules,
}

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Allowed {
    /// Free text; the words end the sentence "allowed: ...".
    Text(&'static str),
    /// `ON` or `OFF`.
    Switch,
    /// A whole number of `unit`, both ends included.
    Number { min: u64, max: u64, unit: &'static str },
    /// Bytes, with a suffix or not, both ends included.
    Bytes { min: u64, max: u64 },
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(words) => f.write_str(words),
            Self::Switch => f.write_str("ON or OFF"),
            Self::Number { min, max, unit: "" } => write!(f, "{min} to {max}"),
            Self::Number { min, max, unit } => write!(f, "{min} to {max} {unit}"),
            Self::Bytes { min, max } => {
                write!(
                    f,
                    "{} to {} bytes, with a suffix K, M or G or without",
                    bytes(*min),
                    bytes(*max)
                )
            }
        }
    }
}

/// A size as it would be written, in the largest unit that leaves a whole number.
fn bytes(size: u64) -> String {
    match size {
        size if size > 0 && size % (1 << 30) == 0 => format!("{}G", size >> 30),
        size if size > 0 && size % (1 << 20) == 0 => format!("{}M", size >> 20),
        size if size > 0 && size % (1 << 10) == 0 => format!("{}K", size >> 10),
        size => size.to_string(),
    }
}

/// One key of an option file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) scope: Scope,
    /// Whether the groups of the server are asked too, not only `[tributary]`.
    pub(crate) is_server_key: bool,
    pub(crate) allowed: Allowed,
    /// The default as it would be written, or, in parentheses, what holds without a value.
    default: &'static str,
}

impl Key {
    /// The default as it would be written; `None` when there is none.
    pub(crate) fn default(&self) -> Option<&'static str> {
        (!self.default.starts_with('(')).then_some(self.default)
    }

    const fn new(name: &'static str, scope: Scope, allowed: Allowed, default: &'static str) -> Self {
        Self {
            name,
            scope,
            is_server_key: false,
            allowed,
            default,
        }
    }

    const fn engine(name: &'static str, allowed: Allowed, default: &'static str) -> Self {
        Self::new(name, Scope::Engine, allowed, default)
    }

    const fn connection(name: &'static str, allowed: Allowed, default: &'static str) -> Self {
        Self::new(name, Scope::Connection, allowed, default)
    }

    const fn one_connection(name: &'static str, allowed: Allowed, default: &'static str) -> Self {
        Self::new(name, Scope::OneConnection, allowed, default)
    }

    const fn rules(name: &'static str, allowed: Allowed) -> Self {
        Self::own_rules(name, allowed).also_server()
    }

    const fn own_rules(name: &'static str, allowed: Allowed) -> Self {
        Self::new(name, Scope::Rules, allowed, "(no rule)")
    }

    const fn also_server(mut self) -> Self {
        self.is_server_key = true;
        self
    }
}

macro_rules! keys {
    ($($constant:ident = $key:expr;)*) => {
        $(pub(crate) const $constant: &Key = &$key;)*
        /// All keys, in the order of the manual page.
        pub(crate) const ALL: &[&Key] = &[$($constant),*];
    };
}

const fn number(min: u64, max: u64) -> Allowed {
    Allowed::Number { min, max, unit: "" }
}

const fn seconds(min: u64, max: u64) -> Allowed {
    Allowed::Number {
        min,
        max,
        unit: "seconds",
    }
}

const TLS_MODE: Allowed = Allowed::Text("off, required, verify_ca or verify_identity");
const TLS_DEFAULT: &str = "(verify_identity unless the host is this machine; there verify_ca with a CA file, required with a certificate, else off)";
const HOST: Allowed = Allowed::Text("a host name or address");
const PORT: Allowed = number(1, 65535);
const SOCKET: Allowed = Allowed::Text("the path of a unix socket");
const ACCOUNT: Allowed = Allowed::Text("an account name");
const SECRET_FILE: Allowed = Allowed::Text("the path of a file that only its owner can read");
const SECRET_ENV: Allowed = Allowed::Text("the name of an environment variable");
const PEM: Allowed = Allowed::Text("the path of a PEM file");
const PRIVATE_PEM: Allowed = Allowed::Text("the path of a PEM file that only its owner can read");
const REWRITE: Allowed = Allowed::Text("FROM->TO, both database names, FROM as the source calls it");
const DATABASE: Allowed = Allowed::Text("a database name, as the source calls it");
const TABLE: Allowed = Allowed::Text("DATABASE.TABLE, as the source calls them");
const PATTERN: Allowed = Allowed::Text("DATABASE.TABLE with the wildcards % and _, as the source calls them");
const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;

keys! {
    SERVER_ID = Key::connection("server_id", number(1, u32::MAX as u64), "(must be set)").also_server();
    CONNECTIONS = Key::engine(
        "connections",
        Allowed::Text("connection names, separated by commas"),
        "(every name that is used as a prefix)",
    );
    STATE_DIR = Key::engine("state_dir", Allowed::Text("a directory"), "/var/lib/tributary");
    STOP_TIMEOUT = Key::engine("stop_timeout", seconds(1, 3600), "30");

    SKIP_SLAVE_START = Key::engine("skip_slave_start", Allowed::Switch, "OFF").also_server();
    CONTROL_PORT = Key::engine("control_port", PORT, "(no port)");
    CONTROL_BIND_ADDRESS = Key::engine(
        "control_bind_address",
        Allowed::Text("an address of this machine"),
        "127.0.0.1",
    );
    CONTROL_SOCKET = Key::engine("control_socket", SOCKET, "(no socket)");
    CONTROL_MAX_CONNECTIONS = Key::engine("control_max_connections", number(1, 100_000), "151");
    CONTROL_SSL_CERT = Key::engine("control_ssl_cert", PEM, "(no TLS)");
    CONTROL_SSL_KEY = Key::engine("control_ssl_key", PRIVATE_PEM, "(no TLS)");
    CONTROL_SSL_REQUIRE = Key::engine("control_ssl_require", Allowed::Switch, "OFF");
    METRICS_PORT = Key::engine("metrics_port", PORT, "(no port)");
    METRICS_BIND_ADDRESS = Key::engine(
        "metrics_bind_address",
        Allowed::Text("an address of this machine"),
        "127.0.0.1",
    );

    TARGET_HOST = Key::engine("target_host", HOST, "(this or target_socket must be set)");
    TARGET_PORT = Key::engine("target_port", PORT, "3306");
    TARGET_SOCKET = Key::engine("target_socket", SOCKET, "(this or target_host must be set)");
    TARGET_USER = Key::engine("target_user", ACCOUNT, "(must be set)");
    TARGET_PASSWORD_FILE = Key::engine("target_password_file", SECRET_FILE, "(no password)");
    TARGET_PASSWORD_ENV = Key::engine("target_password_env", SECRET_ENV, "(no password)");
    TARGET_SSL_MODE = Key::engine("target_ssl_mode", TLS_MODE, TLS_DEFAULT);
    TARGET_SSL_CA = Key::engine("target_ssl_ca", PEM, "(none)");
    TARGET_SSL_CERT = Key::engine("target_ssl_cert", PEM, "(none)");
    TARGET_SSL_KEY = Key::engine("target_ssl_key", PRIVATE_PEM, "(none)");
    TARGET_COMPRESS = Key::engine("target_compress", Allowed::Switch, "OFF");
    SCHEMA = Key::engine("schema", Allowed::Text("1 to 64 letters, digits and _"), "tributary");
    TRIBUTARY_STATUS_INTERVAL = Key::engine("tributary_status_interval", seconds(0, 3600), "1");

    MASTER_HOST = Key::connection("master_host", HOST, "(this or master_socket must be set)");
    MASTER_PORT = Key::connection("master_port", PORT, "3306");
    MASTER_SOCKET = Key::connection("master_socket", SOCKET, "(this or master_host must be set)");
    MASTER_USER = Key::connection("master_user", ACCOUNT, "(must be set)");
    MASTER_PASSWORD_FILE = Key::connection("master_password_file", SECRET_FILE, "(no password)");
    MASTER_PASSWORD_ENV = Key::connection("master_password_env", SECRET_ENV, "(no password)");
    MASTER_SSL_MODE = Key::connection("master_ssl_mode", TLS_MODE, TLS_DEFAULT);
    MASTER_SSL = Key::connection("master_ssl", Allowed::Switch, "OFF");
    MASTER_SSL_VERIFY_SERVER_CERT = Key::connection("master_ssl_verify_server_cert", Allowed::Switch, "OFF");
    MASTER_SSL_CA = Key::connection("master_ssl_ca", PEM, "(none)");
    MASTER_SSL_CERT = Key::connection("master_ssl_cert", PEM, "(none)");
    MASTER_SSL_KEY = Key::connection("master_ssl_key", PRIVATE_PEM, "(none)");
    MASTER_LOG_FILE = Key::one_connection(
        "master_log_file",
        Allowed::Text("a binary log file name, as SHOW MASTER STATUS prints it"),
        "(resume only)",
    );
    MASTER_LOG_POS = Key::one_connection(
        "master_log_pos",
        Allowed::Number { min: 4, max: u64::MAX, unit: "" },
        "4",
    );
    GTID_SLAVE_POS = Key::one_connection(
        "gtid_slave_pos",
        Allowed::Text("GTIDs such as 0-1-42, one per domain, separated by commas"),
        "(resume only)",
    );
    MASTER_USE_GTID = Key::connection(
        "master_use_gtid",
        Allowed::Text("no or slave_pos"),
        "(slave_pos with gtid_slave_pos, else no)",
    );
    MASTER_CONNECT_RETRY = Key::connection("master_connect_retry", seconds(1, 86_400), "60");
    MASTER_RETRY_COUNT = Key::connection("master_retry_count", number(0, u64::MAX), "0").also_server();
    MASTER_HEARTBEAT_PERIOD = Key::connection(
        "master_heartbeat_period",
        Allowed::Text("0 to 4294967 seconds, with up to three decimals; 0 turns heartbeats off"),
        "(half of slave_net_timeout)",
    );

    SLAVE_NET_TIMEOUT = Key::connection("slave_net_timeout", seconds(1, 31_536_000), "60").also_server();
    TRIBUTARY_PURGE_CHECK = Key::connection("tributary_purge_check", seconds(0, 86_400), "600");
    SLAVE_COMPRESSED_PROTOCOL = Key::connection(
        "slave_compressed_protocol",
        Allowed::Switch,
        "OFF",
    )
    .also_server();
    SLAVE_MAX_ALLOWED_PACKET = Key::connection(
        "slave_max_allowed_packet",
        Allowed::Bytes { min: KIB, max: GIB },
        "1G",
    )
    .also_server();
    SLAVE_SKIP_ERRORS = Key::connection(
        "slave_skip_errors",
        Allowed::Text("error numbers separated by commas, or one of all, off, ddl_exist_errors"),
        "off",
    )
    .also_server();
    SLAVE_EXEC_MODE = Key::connection(
        "slave_exec_mode",
        Allowed::Text("STRICT or IDEMPOTENT"),
        "STRICT",
    )
    .also_server();
    TRIBUTARY_APPLY_ACCOUNTS = Key::connection("tributary_apply_accounts", Allowed::Switch, "OFF");
    TRIBUTARY_APPLY_HOUSEKEEPING = Key::connection("tributary_apply_housekeeping", Allowed::Switch, "OFF");
    TRIBUTARY_BULK = Key::connection("tributary_bulk", Allowed::Switch, "ON");
    TRIBUTARY_IGNORED_READS = Key::connection(
        "tributary_ignored_reads",
        Allowed::Text("warn or stop"),
        "warn",
    );

    TRIBUTARY_SKIP_ERRORS = Key::own_rules(
        "tributary_skip_errors",
        Allowed::Text("DATABASE.TABLE:NUMBERS, with the wildcards % and _, as the source calls them"),
    );
    TRIBUTARY_NEVER_SKIP = Key::own_rules("tributary_never_skip", PATTERN);
    TRIBUTARY_REWRITE_ENGINE = Key::own_rules("tributary_rewrite_engine", Allowed::Text("FROM->TO, both storage engines"));
    TRIBUTARY_KEEP_ENGINE = Key::own_rules("tributary_keep_engine", PATTERN);

    DROP_MISSING_COLUMNS = Key::connection("drop_missing_columns", Allowed::Switch, "OFF");

    REPLICATE_REWRITE_DB = Key::rules("replicate_rewrite_db", REWRITE);
    REPLICATE_DO_DB = Key::rules("replicate_do_db", DATABASE);
    REPLICATE_IGNORE_DB = Key::rules("replicate_ignore_db", DATABASE);
    REPLICATE_DO_TABLE = Key::rules("replicate_do_table", TABLE);
    REPLICATE_IGNORE_TABLE = Key::rules("replicate_ignore_table", TABLE);
    REPLICATE_WILD_DO_TABLE = Key::rules("replicate_wild_do_table", PATTERN);
    REPLICATE_WILD_IGNORE_TABLE = Key::rules("replicate_wild_ignore_table", PATTERN);

    SLAVE_PARALLEL_THREADS = Key::engine("slave_parallel_threads", number(0, 1024), "4").also_server();
    SLAVE_PARALLEL_MODE = Key::engine(
        "slave_parallel_mode",
        Allowed::Text("none, minimal, conservative, optimistic or aggressive"),
        "optimistic",
    )
    .also_server();
    SLAVE_TRANSACTION_RETRIES = Key::engine(
        "slave_transaction_retries",
        number(0, u32::MAX as u64),
        "10",
    )
    .also_server();
    RELAY_BYTES_MAX = Key::connection(
        "relay_bytes_max",
        Allowed::Bytes { min: 64 * KIB, max: 64 * GIB },
        "64M",
    );
    RELAY_GROUPS_MAX = Key::connection("relay_groups_max", number(1, 10_000_000), "60000");
    GROUP_BYTES_MAX = Key::connection(
        "group_bytes_max",
        Allowed::Bytes { min: 64 * KIB, max: GIB },
        "8M",
    );
    TRIBUTARY_RELAY_LOG = Key::connection("tributary_relay_log", Allowed::Switch, "ON");
    RELAY_LOG_DIR = Key::engine("relay_log_dir", Allowed::Text("a directory"), "(relay in state_dir)");
    RELAY_LOG_SPACE_LIMIT = Key::connection(
        "relay_log_space_limit",
        Allowed::Bytes { min: 0, max: 16_384 * GIB },
        "16G",
    )
    .also_server();
    MAX_RELAY_LOG_SIZE = Key::connection(
        "max_relay_log_size",
        Allowed::Bytes { min: 0, max: GIB },
        "256M",
    )
    .also_server();
    SYNC_RELAY_LOG = Key::connection("sync_relay_log", number(0, u32::MAX as u64), "10000").also_server();
    RELAY_LOG_RECOVERY = Key::connection("relay_log_recovery", Allowed::Switch, "OFF").also_server();
    BATCH_GROUPS_MAX = Key::engine("batch_groups_max", number(1, 100_000), "10000");
    BATCH_BYTES_MAX = Key::engine("batch_bytes_max", Allowed::Bytes { min: KIB, max: GIB }, "8M");
    TRIBUTARY_MERGE_ROWS = Key::engine("tributary_merge_rows", Allowed::Switch, "ON");
    TRIBUTARY_SET_ROWS = Key::engine("tributary_set_rows", number(0, 1_000_000), "16");
    TRIBUTARY_NET_CHANGES = Key::engine("tributary_net_changes", Allowed::Switch, "ON");
    SLAVE_LOAD_TMPDIR = Key::engine(
        "slave_load_tmpdir",
        Allowed::Text("the path of a directory"),
        "(the directory for temporary files, TMPDIR or /tmp)",
    )
    .also_server();
}

/// Other names of keys, as the server has them.
const ALIASES: [(&str, &Key); 1] = [("slave_parallel_workers", SLAVE_PARALLEL_THREADS)];

/// The key called `name` (normalised).
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    let by_name = ALL.iter().copied().find(|key| key.name == name);
    by_name.or_else(|| {
        ALIASES
            .iter()
            .find(|(alias, _)| *alias == name)
            .map(|(_, key)| *key)
    })
}

/// The key whose name is nearest to `name`, if one is near enough that it may have been meant.
pub(crate) fn suggest(name: &str) -> Option<&'static str> {
    ALL.iter()
        .map(|key| (edit_distance(name, key.name), key.name))
        .min()
        .filter(|(distance, nearest)| *distance <= 2 || *distance <= nearest.len() / 4)
        .map(|(_, nearest)| nearest)
}

/// How many letters must be put in, taken out or changed to make `right` from `left`.
fn edit_distance(left: &str, right: &str) -> usize {
    // Keys are short; a longer text is no near miss of any and would only cost time.
    if left.len() > 128 {
        return usize::MAX;
    }
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_normalised_and_unique() {
        let names: BTreeSet<&str> = ALL.iter().map(|key| key.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(names.iter().all(|name| {
            name.chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '_')
        }));
    }

    #[test]
    fn allowed_values_read_as_a_sentence() {
        assert_eq!(STOP_TIMEOUT.allowed.to_string(), "1 to 3600 seconds");
        assert_eq!(SERVER_ID.allowed.to_string(), "1 to 4294967295");
        assert_eq!(
            RELAY_BYTES_MAX.allowed.to_string(),
            "64K to 64G bytes, with a suffix K, M or G or without"
        );
        assert_eq!(TARGET_COMPRESS.allowed.to_string(), "ON or OFF");
    }

    #[test]
    fn near_misses_are_suggested_and_far_ones_not() {
        assert_eq!(suggest("target_hots"), Some("target_host"));
        assert_eq!(suggest("replicate_ignore_tables"), Some("replicate_ignore_table"));
        assert_eq!(suggest("state_directory"), None);
        assert_eq!(suggest(""), None);
        assert_eq!(suggest(&"x".repeat(5000)), None);
    }

    #[test]
    fn distances_are_counted_in_letters() {
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", "abc"), 0);
        assert_eq!(edit_distance("abc", "axc"), 1);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }

    /// The manual page says of every key what this table says.
    #[test]
    fn the_manual_page_has_every_key() {
        let page = include_str!("../../../../docs/configuration.md");
        for key in ALL {
            let row = page
                .lines()
                .find(|line| line.starts_with(&format!("| `{}` |", key.name)));
            let row = row.unwrap_or_else(|| panic!("docs/configuration.md has no row for `{}`", key.name));
            let allowed = key.allowed.to_string();
            assert!(
                row.contains(&allowed),
                "`{}` allows: {allowed}\nthe page says: {row}",
                key.name
            );
            let default = key.default.trim_matches(['(', ')']);
            assert!(
                row.contains(default),
                "`{}` defaults to {default}\nthe page says: {row}",
                key.name
            );
        }
        let documented = page
            .lines()
            .filter(|line| line.starts_with("| `") && line.matches(" | ").count() == 3)
            .count();
        assert_eq!(
            documented,
            ALL.len(),
            "the page documents a key that does not exist"
        );
    }
}
