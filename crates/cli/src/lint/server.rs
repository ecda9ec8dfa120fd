//! What becomes of the server's other settings of replication.

use tributary_optfile::value::{parse_bool, parse_size};
use tributary_optfile::{Entry, Loaded, SERVER_GROUPS};
use tributary_rules::SkipErrors;

use super::finding::{Finding, Level, Line, Report};
use crate::config::{OWN_GROUP, Settings, find_server_key, rewrite_key, server_keys};

/// A setting as it holds: the last of its lines.
struct Holding<'a> {
    name: String,
    /// `None` for a bare key.
    value: Option<String>,
    entry: &'a Entry,
}

/// What is to be said of a setting.
struct Words {
    code: &'static str,
    level: Level,
    server: String,
    tributary: String,
    advice: Option<String>,
}

impl Words {
    fn new(code: &'static str, level: Level, server: &str, tributary: &str, advice: &str) -> Self {
        Self {
            code,
            level,
            server: server.to_owned(),
            tributary: tributary.to_owned(),
            advice: (!advice.is_empty()).then(|| advice.to_owned()),
        }
    }

    fn at(self, lines: Vec<Line>) -> Finding {
        Finding {
            code: self.code,
            level: self.level,
            connections: Vec::new(),
            lines,
            server: self.server,
            tributary: self.tributary,
            advice: self.advice,
        }
    }
}

/// Explains the settings of the server's groups, and what is not in the files.
pub(super) fn explain(entries: &[&Entry], loaded: &Loaded, settings: &Settings, report: &mut Report) {
    let mut holding: Vec<Holding<'_>> = Vec::new();
    for entry in entries {
        let resolved = entry.resolve(is_known);
        if is_rule(&resolved.name) {
            continue;
        }
        if entry.connection.is_some() {
            explain_prefixed(entry, &resolved.name, report);
            continue;
        }
        let value = resolved
            .value
            .as_deref()
            .map(|value| String::from_utf8_lossy(value).into_owned());
        let new = Holding {
            name: resolved.name,
            value,
            entry,
        };
        match holding.iter_mut().find(|other| other.name == new.name) {
            Some(old) => {
                if is_known(&new.name) {
                    report.add(overridden(old.entry, &new));
                }
                *old = new;
            }
            None => holding.push(new),
        }
    }
    let context = Context {
        settings,
        has_control: has_own(loaded, &["control_port", "control_socket"]),
        has_server_id: has_own(loaded, &["server_id"]),
        is_myisam: holding.iter().any(|setting| {
            setting.name == "default_storage_engine"
                && setting.value.as_deref().is_some_and(is_non_transactional)
        }),
    };
    for setting in &holding {
        for words in context.explain(setting) {
            report.add(words.at(vec![line(setting.entry)]));
        }
    }
    if !settings.names().is_empty() && !holding.iter().any(|setting| setting.name == "read_only") {
        report.add(read_only(false).at(Vec::new()));
    }
    explain_dumps(loaded, context.is_myisam, report);
    explain_version_groups(loaded, entries, report);
    explain_sources(loaded, settings, report);
}

fn line(entry: &Entry) -> Line {
    let shown = match &entry.value {
        // What is executed may hold a password.
        Some(_) if entry.name() == "init_slave" || entry.name().contains("password") => entry.full_key(),
        Some(value) => format!(
            "{} = '{}'",
            entry.full_key(),
            String::from_utf8_lossy(value).escape_debug()
        ),
        None => entry.full_key(),
    };
    Line::new(&entry.place, shown)
}

fn is_rule(name: &str) -> bool {
    let filters = crate::config::filter_keys();
    name == rewrite_key().name || filters.iter().any(|(key, _)| key.name == name)
}

fn is_known(name: &str) -> bool {
    find_server_key(name).is_some() || server_keys::is_known(name) || OTHERS.contains(&name)
}

/// Settings that are explained though neither the engine nor its list of what it passes over has them.
const OTHERS: [&str; 14] = [
    "read_only",
    "max_statement_time",
    "max_allowed_packet",
    "local_infile",
    "innodb_flush_log_at_trx_commit",
    "relay_log",
    "relay_log_index",
    "relay_log_info_file",
    "relay_log_purge",
    "sync_relay_log_info",
    "sync_master_info",
    "gtid_pos_auto_engines",
    "default_storage_engine",
    "master_info_file",
];

fn overridden(entry: &Entry, by: &Holding<'_>) -> Finding {
    let words = Words {
        code: "overridden",
        level: Level::Same,
        server: format!("Goes by the last line: {}.", by.entry.place),
        tributary: "Does the same.".to_owned(),
        advice: None,
    };
    words.at(vec![line(entry)])
}

fn explain_prefixed(entry: &Entry, name: &str, report: &mut Report) {
    // Others with a prefix are no options of the server, which was said with what is wrong.
    if name == "slave_parallel_mode" {
        let words = Words::new(
            "parallel-mode",
            Level::Differs,
            "Has a mode for each connection.",
            "Has one mode for all: connections share the workers. It passes over the line.",
            "",
        );
        report.add(words.at(vec![line(entry)]));
    }
}

/// What other lines have to do with a setting.
struct Context<'a> {
    settings: &'a Settings,
    has_control: bool,
    has_server_id: bool,
    is_myisam: bool,
}

impl Context<'_> {
    fn explain(&self, setting: &Holding<'_>) -> Vec<Words> {
        let text = setting.value.as_deref();
        // A bare switch is on.
        let is_on = parse_bool(Some(text.unwrap_or("1"))).unwrap_or(false);
        let words = match setting.name.as_str() {
            "slave_skip_errors" => return self.skip_errors(text.unwrap_or_default()),
            "skip_slave_start" => self.skip_slave_start(is_on),
            "slave_exec_mode" => exec_mode(text.unwrap_or_default()),
            "slave_parallel_threads" | "slave_parallel_workers" | "slave_parallel_mode" => parallel(),
            "read_only" => read_only(is_on || text.is_some_and(|text| !is_off(text))),
            "log_slave_updates" => log_slave_updates(is_on),
            "max_allowed_packet" => max_allowed_packet(text),
            "local_infile" if !is_on => Words::new(
                "local-infile",
                Level::Decide,
                "Replication threads need no local_infile.",
                "Is a client, to which the server refuses LOAD DATA with this: LOAD DATA of a source stops its connection.",
                "Set local_infile=ON.",
            ),
            "innodb_flush_log_at_trx_commit" if text != Some("1") => Words::new(
                "durability",
                Level::Differs,
                "Loses the last transactions in a power cut, while the position in relay-log.info goes on from where it was: it resumes \
                 too late or too early.",
                "Saves the position in the transaction: a power cut takes both, and it resumes where the data are.",
                "",
            ),
            "relay_log_purge" if !is_on => Words::new(
                "relay-log-purge",
                Level::Decide,
                "Keeps every relay log.",
                "Removes a file of its relay log when all of it is applied.",
                "If something reads the old files, take its data from the sources' binary logs; then take the line out.",
            ),
            "relay_log_recovery" => Words::new(
                "relay-log-recovery",
                Level::Differs,
                "With ON, throws the relay logs away at the start and fetches again from the executed position. That is a file, which is \
                 written behind the data: what was applied in between, to MyISAM tables above all, is applied twice.",
                "Has the executed position in the target, with the data, and checks its relay log: the setting is taken, and not needed.",
                "",
            ),
            "relay_log"
            | "relay_log_index"
            | "relay_log_info_file"
            | "sync_relay_log_info"
            | "sync_master_info" => Words::new(
                "native-files",
                Level::Differs,
                "Has relay logs and positions in files of these names, and syncs positions now and then.",
                "Has relay logs in state_dir (relay_log_dir), and positions on the target. It passes over these lines.",
                "",
            ),
            "gtid_pos_auto_engines" => Words::new(
                "gtid-tables",
                Level::Differs,
                "Has GTID positions in mysql.gtid_slave_pos, in tables of these engines.",
                "Has positions in the schema 'tributary' of the target. It passes over the line.",
                "",
            ),
            "server_id" if self.has_server_id => Words::new(
                "server-id",
                Level::Same,
                "Registers at the sources with this id.",
                "Has an id of its own.",
                "",
            ),
            "server_id" => Words::new(
                "server-id",
                Level::Differs,
                "Registers at the sources with this id.",
                "Takes the same id. A source ends the older of two streams with one id.",
                "Stop the replication of the server (STOP ALL SLAVES) before Tributary starts, or give Tributary an id of its own.",
            ),
            "max_statement_time" if text.and_then(|text| text.parse::<f64>().ok()) != Some(0.0) => {
                Words::new(
                    "max-statement-time",
                    Level::Same,
                    "Ends statements of clients that take longer; not those of replication.",
                    "Sets no limit in its own sessions.",
                    "",
                )
            }
            name => return self.others(name, text, setting),
        };
        vec![words]
    }

    fn others(&self, name: &str, text: Option<&str>, setting: &Holding<'_>) -> Vec<Words> {
        if OTHERS.contains(&name) || name == "relay_log_purge" {
            return Vec::new();
        }
        if find_server_key(name).is_some() {
            let words = Words::new(
                "setting",
                Level::Same,
                "Goes by this setting.",
                "Takes it over.",
                "",
            );
            return vec![words];
        }
        let remark = match crate::config::is_own_key(name) {
            true => Some(format!(
                "{name} is no option of a server and belongs in [{OWN_GROUP}]"
            )),
            false => server_keys::remark(name, text),
        };
        match remark {
            None if server_keys::is_known(name) && !server_keys::is_silent(name) => {
                vec![Words::new(
                    "setting",
                    Level::Same,
                    "Goes by this setting.",
                    "Does the same without it.",
                    "",
                )]
            }
            None => Vec::new(),
            Some(remark) if !server_keys::is_known(name) => {
                let (level, server) = match setting.entry.name().starts_with("loose_") {
                    true => (Level::Differs, "Passes over what it does not know."),
                    false => (
                        Level::Decide,
                        "Does not start with an option that it does not know.",
                    ),
                };
                vec![Words {
                    code: "unknown",
                    level,
                    server: server.to_owned(),
                    tributary: format!("It passes over the line: {remark}."),
                    advice: Some("Mend the line, or take it out.".to_owned()),
                }]
            }
            Some(_) => vec![passed_over(name)],
        }
    }

    fn skip_slave_start(&self, is_on: bool) -> Words {
        let server = "Starts no connection with the server: somebody says START SLAVE.";
        match (is_on, self.has_control) {
            (true, true) => Words::new(
                "skip-slave-start",
                Level::Same,
                server,
                "Does the same: connections wait for START SLAVE.",
                "",
            ),
            (true, false) => Words::new(
                "skip-slave-start",
                Level::Decide,
                server,
                "Passes over it without a control port: nobody could start the connections. All are started with the engine.",
                "Set control_port or control_socket in [tributary] if connections are to wait.",
            ),
            (false, _) => Words::new(
                "skip-slave-start",
                Level::Same,
                "Starts the connections with the server.",
                "Starts them with the engine.",
                "",
            ),
        }
    }

    fn skip_errors(&self, text: &str) -> Vec<Words> {
        let errors = match text.parse::<SkipErrors>() {
            Ok(errors) => errors,
            Err(error) => {
                return vec![Words {
                    code: "wrong",
                    level: Level::Decide,
                    server: "Reads the numbers up to what it does not understand.".to_owned(),
                    tributary: format!("It refuses the configuration: {error}."),
                    advice: Some("Mend the line.".to_owned()),
                }];
            }
        };
        if errors == SkipErrors::None {
            return vec![Words::new(
                "skip-errors",
                Level::Same,
                "Stops a connection at every error.",
                "Does the same.",
                "",
            )];
        }
        let mut all = vec![Words::new(
            "skip-errors",
            Level::Decide,
            "Behind a row with one of these errors, it drops the rest of the row event, and of a statement on InnoDB the whole. It goes on, \
             and tells nobody which rows: Slave_skipped_errors is one number for all connections, and statements leave no line in \
             the log. A missing table (1146) is passed over for statements and stops row events.",
            "Leaves out the one row or the one statement, and writes each into tributary.skipped on the target. It does not start while the \
             target itself has such a list.",
            "Take the line out of the server's own file, and restart the server. Give Tributary the errors that are really to be passed \
             over, if possible for single tables (tributary_skip_errors); protect tables that must be right (tributary_never_skip).",
        )];
        let mut add = |numbers: &[u16], code, server: &str, tributary: &str, advice: &str| {
            if numbers.iter().any(|number| errors.contains(*number)) {
                all.push(Words::new(code, Level::Decide, server, tributary, advice));
            }
        };
        if let Some(from) = self.renamed() {
            let server = format!(
                "Passes over what replicate_rewrite_db misses: statements that spell the source's database were lost (INSERT INTO \
                 {from}.t fails with 1146, CREATE TABLE {from}.t with 1049). After a lost ALTER TABLE, row events go into the wrong \
                 columns, without an error."
            );
            add(
                &[1146, 1049],
                "skipped-renames",
                &server,
                "Renames these statements and executes them.",
                "The target may differ from the sources already: compare the tables, or begin with new copies. Then 1146 is not needed.",
            );
        }
        add(
            &[1062],
            "skipped-duplicates",
            "Passes over rows that are there already: also those of a first copy that overlaps the stream, as a dump of MyISAM tables with \
             --single-transaction does. Counters and tables without keys then hold changes twice, without an error.",
            "Passes over such rows, too, and records each; it cannot tell what was applied twice before.",
            "Compare the tables with the sources, or begin with new copies (for MyISAM under FLUSH TABLES WITH READ LOCK).",
        );
        add(
            &[1269, 1396],
            "skipped-accounts",
            "Applies account statements of all sources (CREATE USER, GRANT), and passes over those that fail.",
            "Leaves account statements out, unless tributary_apply_accounts is set.",
            "Decide whether the sources' accounts belong on the target; if not, 1269 and 1396 are not needed.",
        );
        if text.to_ascii_lowercase().contains("ddl_exist_errors") {
            all.push(Words::new(
                "ddl-exist-errors",
                Level::Decide,
                "Knows the word and passes over nothing by it.",
                "Passes over 1007, 1008, 1050, 1051, 1054, 1060, 1061, 1068, 1091 and 1146 by it.",
                "Take the word out, unless these errors are to be passed over.",
            ));
        }
        all
    }

    /// A database that is renamed, if any is.
    fn renamed(&self) -> Option<String> {
        let names = self.settings.names().iter().map(|(name, _)| name.as_str());
        let rules = names
            .chain([""])
            .flat_map(|name| self.settings.rules(rewrite_key(), name));
        rules.into_iter().find_map(|rule| {
            let (from, _) = rule.text.as_deref()?.split_once("->")?;
            Some(from.trim().to_owned())
        })
    }
}

fn is_off(text: &str) -> bool {
    matches!(text.to_ascii_uppercase().as_str(), "0" | "OFF" | "FALSE" | "NO")
}

fn exec_mode(text: &str) -> Words {
    match text.eq_ignore_ascii_case("STRICT") {
        true => Words::new(
            "exec-mode",
            Level::Same,
            "Stops at an error.",
            "Does the same.",
            "",
        ),
        false => Words::new(
            "exec-mode",
            Level::Decide,
            "Inserts over rows that are there, and passes over missing ones, in row events. Nothing counts them.",
            "Does the same by rows and records each in tributary.skipped; tributary_never_skip excepts tables. It does not start while the \
             target itself is in this mode.",
            "Take the line out of the server's own file (SET GLOBAL slave_exec_mode=STRICT), and give it to Tributary only while a part of a \
             log is applied a second time.",
        ),
    }
}

fn parallel() -> Words {
    Words::new(
        "parallel",
        Level::Differs,
        "Has one pool of threads for all connections (0: none). MyISAM tables get nothing of it in any mode: such a change waits for all \
         before it.",
        "Has one pool of workers for all connections (0 counts as 1). Changes of different tables run beside each other, MyISAM or not; \
         those of one table keep their order.",
        "",
    )
}

fn read_only(is_on: bool) -> Words {
    match is_on {
        true => Words::new(
            "read-only",
            Level::Differs,
            "Does not hold for replication threads.",
            "Is a client, and needs READ_ONLY ADMIN on the target; a start says so if it is missing.",
            "",
        ),
        false => Words::new(
            "read-only",
            Level::Differs,
            "Lets every account write into replicated tables.",
            "Warns of it at each start: what others write makes the tables differ.",
            "Set read_only=ON if only replication is to write.",
        ),
    }
}

fn log_slave_updates(is_on: bool) -> Words {
    match is_on {
        true => Words::new(
            "log-slave-updates",
            Level::Decide,
            "Writes what it applies into its own binary log, with the sources' server ids and GTIDs.",
            "Is a client: the target's log has its changes with the target's id and GTIDs of its own, several groups in one, and positions \
             beside them.",
            "If other servers replicate from this one, they have to begin anew, by its own GTIDs; if none does, turn it off.",
        ),
        false => Words::new(
            "log-slave-updates",
            Level::Same,
            "Writes nothing of what it applies into its own binary log.",
            "Does the same (with BINLOG ADMIN, if the target has a binary log).",
            "",
        ),
    }
}

/// The least that the engine asks of a target without a warning.
const PACKET_BYTES_MIN: u64 = 16 << 20;

fn max_allowed_packet(text: Option<&str>) -> Words {
    let is_small = text
        .and_then(parse_size)
        .is_some_and(|bytes| bytes < PACKET_BYTES_MIN);
    let server = "Does not hold for replication threads, which have slave_max_allowed_packet (1G).";
    let tributary = "Is a client: a statement of a source that is larger stops its connection.";
    match is_small {
        true => Words::new(
            "max-allowed-packet",
            Level::Decide,
            server,
            tributary,
            "Set it to 16M at least, and to no less than on the sources.",
        ),
        false => Words::new(
            "max-allowed-packet",
            Level::Differs,
            server,
            tributary,
            "Set it to no less than on the sources.",
        ),
    }
}

fn passed_over(name: &str) -> Words {
    let words = |level, server: &str, tributary: &str, advice: &str| {
        Words::new("passed-over", level, server, tributary, advice)
    };
    match name {
        "slave_ddl_exec_mode" => words(
            Level::Decide,
            "With STRICT, DROP of what is not there and CREATE of what is stop the connection.",
            "Forgives these, as with IDEMPOTENT.",
            "Nothing else is to be had; take the line out if that will do.",
        ),
        "slave_run_triggers_for_rbr" => words(
            Level::Decide,
            "Runs triggers of the replica for row events.",
            "Runs no triggers for row events, and does not start with a target that would.",
            "Take the line out of the server's own file. What the triggers did has to be done otherwise.",
        ),
        "slave_type_conversions" => words(
            Level::Differs,
            "Allows these conversions between columns of source and replica.",
            "Is bound by the same setting, as long as the target has it: leave it in the server's own file.",
            "",
        ),
        "slave_max_statement_time" => words(
            Level::Decide,
            "Stops a connection at a statement that takes longer.",
            "Has no such limit.",
            "If long statements are to be noticed, watch the lag.",
        ),
        "slave_transaction_retry_errors" | "slave_transaction_retry_interval" => words(
            Level::Differs,
            "Applies a group again after these errors, or after this pause.",
            "Has its own list of such errors (deadlocks, lock waits, lost connections), and tries again at once.",
            "",
        ),
        "slave_sql_verify_checksum" => words(
            Level::Differs,
            "Does not check relay log events.",
            "Checks every event.",
            "",
        ),
        "slave_domain_parallel_threads" | "slave_parallel_max_queued" => words(
            Level::Differs,
            "Bounds what one GTID domain, or one thread, may have of the pool.",
            "Shares all workers, and bounds what is held in memory by relay_bytes_max.",
            "",
        ),
        "replicate_events_marked_for_skip" => words(
            Level::Decide,
            "Leaves out what sessions with skip_replication=1 have changed.",
            "Replicates it.",
            "If sources use skip_replication, leave their tables out by a filter.",
        ),
        "replicate_same_server_id" => words(
            Level::Decide,
            "Applies events that have its own server id.",
            "Passes over events that have its own server id.",
            "Give Tributary a server_id that no source has.",
        ),
        "gtid_ignore_duplicates" => words(
            Level::Decide,
            "Applies a GTID that comes over several connections once.",
            "Applies every group of every connection.",
            "Do not bring one server's changes over two connections.",
        ),
        "gtid_strict_mode" => words(
            Level::Differs,
            "Stops at GTIDs whose numbers do not grow.",
            "Takes groups as they come; their order is the source's log.",
            "",
        ),
        "init_slave" => words(
            Level::Decide,
            "Executes this when applying starts.",
            "Executes nothing.",
            "Do it on the target otherwise, or take the line out.",
        ),
        "read_binlog_speed_limit" => words(
            Level::Differs,
            "Reads no faster than this.",
            "Reads as fast as it may write to its relay log.",
            "",
        ),
        "rpl_semi_sync_slave_enabled" => words(
            Level::Decide,
            "Acknowledges what it has received to sources that wait for it.",
            "Acknowledges nothing: a source that waits for this replica alone waits in vain, until its timeout.",
            "Turn rpl_semi_sync_master_enabled off on such sources, or let other replicas acknowledge.",
        ),
        _ => words(
            Level::Decide,
            "Goes by this setting.",
            "Passes over it.",
            "Take the line out if that will do.",
        ),
    }
}

fn is_non_transactional(engine: &str) -> bool {
    ["MyISAM", "Aria", "MEMORY"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(engine))
}

/// Whether `[tributary]` has one of these keys.
fn has_own(loaded: &Loaded, names: &[&str]) -> bool {
    loaded
        .entries
        .iter()
        .any(|entry| entry.group.eq_ignore_ascii_case(OWN_GROUP) && names.contains(&entry.name().as_str()))
}

/// Settings of the dump program that make copies which do not fit the position in them.
fn explain_dumps(loaded: &Loaded, is_myisam: bool, report: &mut Report) {
    let of_dump = loaded.entries.iter().filter(|entry| {
        ["mysqldump", "mariadb-dump"]
            .iter()
            .any(|group| entry.group.eq_ignore_ascii_case(group))
    });
    let is_single = |entry: &&Entry| {
        let resolved = entry.resolve(|name| name == "single_transaction");
        resolved.is_known && resolved.value.as_deref() != Some(b"0")
    };
    for entry in of_dump.filter(is_single).filter(|_| is_myisam) {
        let words = Words::new(
            "dump",
            Level::Decide,
            "A dump with --single-transaction is one moment of InnoDB tables alone. MyISAM tables go on changing while they are read, so \
             what is behind the position in the dump is in the copy already, and is applied twice.",
            "Begins at the position it is given, and applies the same changes twice.",
            "Copy MyISAM tables with --lock-all-tables.",
        );
        report.add(words.at(vec![line(entry)]));
    }
}

/// Lines for servers of one version, which are easily believed to count.
fn explain_version_groups(loaded: &Loaded, entries: &[&Entry], report: &mut Report) {
    for entry in &loaded.entries {
        let group = entry.group.to_ascii_lowercase();
        let is_of_version = group.split_once('-').is_some_and(|(plain, version)| {
            SERVER_GROUPS.contains(&plain) && version.starts_with(|first: char| first.is_ascii_digit())
        });
        if !is_of_version
            || entries.iter().any(|other| std::ptr::eq(*other, entry))
            || !entry.resolve(is_known).is_known
        {
            continue;
        }
        let words = Words {
            code: "version-group",
            level: Level::Differs,
            server: format!("Reads [{group}] if it is of that version."),
            tributary: "Passes over the group, and lint has not looked into it.".to_owned(),
            advice: Some(
                "Say --defaults-group-suffix, here and to Tributary, if the group counts.".to_owned(),
            ),
        };
        report.add(words.at(vec![line(entry)]));
    }
}

/// Where the sources are is in no option file of the server.
fn explain_sources(loaded: &Loaded, settings: &Settings, report: &mut Report) {
    let is_told = |name: &str| {
        loaded.entries.iter().any(|entry| {
            let of = entry
                .connection
                .as_deref()
                .is_some_and(|own| own.eq_ignore_ascii_case(name));
            of && matches!(entry.name().as_str(), "master_host" | "master_socket")
        })
    };
    let names = settings.names().iter().map(|(name, _)| name.clone());
    let connections: Vec<String> = names.filter(|name| !is_told(name)).collect();
    if connections.is_empty() {
        return;
    }
    report.add(Finding {
        code: "sources",
        level: Level::Differs,
        connections,
        lines: Vec::new(),
        server: "Has address, account, password (in clear text) and coordinates of each source in master-NAME.info and relay-log-NAME.info \
                 in its data directory, by CHANGE MASTER."
            .to_owned(),
        tributary: "Has them in [tributary] (passwords in files of their own), or by CHANGE MASTER through its control port.".to_owned(),
        advice: Some(
            "After STOP ALL SLAVES, take Relay_Master_Log_File and Exec_Master_Log_Pos of SHOW ALL SLAVES STATUS for master_log_file and \
             master_log_pos."
                .to_owned(),
        ),
    });
}
