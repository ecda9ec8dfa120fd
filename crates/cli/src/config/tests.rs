//! The configuration as a whole: files in, options or problems out.

use std::time::Duration;

use tributary::{ExecMode, IgnoredReads, Options, ParallelMode, Policies, SkipErrors, StartPosition};
use tributary_client::{Address, TlsMode};
use tributary_rules::TableSkips;

use super::testing::Memory;
use super::{Config, ConfigError, Input, load, load_state_dir};

const SERVER: &str = include_str!("../../../../testdata/optfile/50-server.cnf");
const MULTISOURCE: &str = include_str!("../../../../testdata/optfile/60-multisource.cnf");
const OWN: &str = include_str!("../../../../testdata/optfile/tributary.cnf");

/// The least that runs; tests add lines to it.
const LEAST: &str = "[tributary]\nserver_id=9\ntarget_host=localhost\ntarget_user=u\nm.master_host=127.0.0.1\nm.master_user=r\n";

fn memory(text: &str) -> Memory {
    let mut memory = Memory::with_file("t.cnf", text);
    memory.passwords.insert("/p".into(), "geheim".into());
    memory.variables.insert("PASSWORD".into(), "geheim".into());
    memory
}

fn loaded(text: &str) -> Config {
    let input = Input {
        files: vec!["t.cnf".into()],
        ..Input::default()
    };
    load(&input, &mut memory(text)).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

fn with(lines: &str) -> Options {
    loaded(&format!("{LEAST}{lines}\n")).options
}

/// The problems of a configuration, one per line.
fn problems(text: &str) -> Vec<String> {
    let input = Input {
        files: vec!["t.cnf".into()],
        ..Input::default()
    };
    match load(&input, &mut memory(text)) {
        Ok(config) => panic!("{text}\nis taken: {}", config.effective),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

/// The problem of one line behind the least configuration, which has 6 lines.
fn problem_of(line: &str) -> String {
    let problems = problems(&format!("{LEAST}{line}\n"));
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].clone()
}

fn users_files() -> (Input, Memory) {
    let mut memory = Memory::default();
    let own = OWN.replace("@DIR@", "/d");
    for (name, text) in [
        ("50-server.cnf", SERVER),
        ("60-multisource.cnf", MULTISOURCE),
        ("tributary.cnf", &own),
    ] {
        memory.files.insert(name.into(), text.to_owned());
    }
    for name in ["/d/target.password", "/d/sources.password"] {
        memory.passwords.insert(name.into(), "geheim".into());
    }
    let files = ["50-server.cnf", "60-multisource.cnf", "tributary.cnf"]
        .map(Into::into)
        .to_vec();
    (
        Input {
            files,
            ..Input::default()
        },
        memory,
    )
}

#[test]
fn the_files_of_a_replica_serve_as_they_stand() {
    let (input, mut memory) = users_files();
    let config = load(&input, &mut memory).expect("the files are good");
    let options = &config.options;
    assert_eq!(options.server_id, 10);
    assert_eq!(
        (options.apply.workers, options.apply.mode),
        (4, ParallelMode::Optimistic)
    );
    assert_eq!(options.target.login.address.to_string(), "127.0.0.1:3306");
    assert_eq!(config.state_dir.to_str(), Some("/d/state"));

    let names: Vec<&str> = options
        .connections
        .iter()
        .map(|connection| connection.name.as_str())
        .collect();
    assert_eq!(names, ["master1", "master2", "master3"]);
    let second = &options.connections[1];
    assert_eq!(second.source.address.to_string(), "192.0.2.12:3306");
    assert_eq!(second.source.user, "repl_replica");
    assert_eq!(second.source.password.expose(), b"geheim");
    assert!(second.source.compress && !second.use_gtid);
    assert_eq!(second.rewrite.target_name(b"asterisk"), b"master2_asterisk");
    assert_eq!(second.filter.rules().count(), 12);
    assert!(!second.filter.accepts_table(b"asterisk", b"sip_packets").accepted);
    assert_eq!(second.connect_retry, Duration::from_secs(10));
    assert_eq!(second.heartbeat_period, Duration::from_secs(30));
    let SkipErrors::List(numbers) = &second.skip_errors else {
        panic!("{:?}", second.skip_errors)
    };
    assert_eq!(
        numbers.iter().copied().collect::<Vec<_>>(),
        [1032, 1062, 1146, 1269, 1396, 1932]
    );
    let Some(StartPosition::Coordinates(start)) = &second.start else {
        panic!("{:?}", second.start)
    };
    assert_eq!(start.to_string(), "mysql-bin.000055:87654321");

    let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "50-server.cnf:69: skip_slave_start needs a control port and is passed over: without one, tributary run starts every connection; set control_port or control_socket"
        ]
    );
    assert!(config.notes.is_empty());
}

#[test]
fn the_effective_configuration_reads_back_as_itself() {
    let (input, mut memory) = users_files();
    let first = load(&input, &mut memory).expect("the files are good");
    let printed = first.effective.to_string();
    assert!(!printed.contains("geheim"), "{printed}");
    assert!(
        printed.contains("# 60-multisource.cnf:6\n") && printed.contains("# default\n"),
        "{printed}"
    );

    memory.files.insert("again.cnf".into(), printed.clone());
    let again = Input {
        files: vec!["again.cnf".into()],
        ..Input::default()
    };
    let second = load(&again, &mut memory).unwrap_or_else(|error| panic!("{printed}\n{error}"));
    assert!(second.warnings.is_empty());
    assert_eq!(format!("{:?}", second.options), format!("{:?}", first.options));
}

#[test]
fn secrets_do_not_print() {
    let options = with("target_password_env=PASSWORD\nm.master_password_file=/p");
    assert_eq!(options.target.login.password.expose(), b"geheim");
    assert_eq!(options.connections[0].source.password.expose(), b"geheim");
    assert!(!format!("{options:?}").contains("geheim"));
}

#[test]
fn the_least_configuration_has_the_defaults() {
    let options = with("");
    let connection = &options.connections[0];
    assert_eq!(options.apply.stop_timeout, Duration::from_secs(30));
    assert_eq!(
        (options.apply.batch_groups_max, options.apply.batch_bytes_max),
        (10_000, 8 << 20)
    );
    assert_eq!(options.apply.transaction_retries, 10);
    assert_eq!(options.target.schema, "tributary");
    assert_eq!(connection.connect_retry, Duration::from_secs(60));
    assert_eq!(connection.net_timeout, Duration::from_secs(60));
    assert_eq!(connection.heartbeat_period, Duration::from_secs(30));
    assert_eq!(
        (connection.relay_bytes_max, connection.relay_groups_max),
        (64 << 20, 60_000)
    );
    assert_eq!(connection.skip_errors, SkipErrors::None);
    assert_eq!(connection.source.packet_bytes_max, 1 << 30);
    assert_eq!(connection.source.tls.mode, TlsMode::Off);
    assert!(connection.start.is_none() && connection.source.password.is_empty());
}

#[test]
fn policies_are_taken_per_connection() {
    let plain = &with("").connections[0].policies;
    assert_eq!(
        (plain.exec_mode, plain.ignored_reads, plain.applies_accounts),
        (ExecMode::Strict, IgnoredReads::Warn, false)
    );
    let options = with(
        "n.master_host=127.0.0.2\nn.master_user=r\nn.slave_exec_mode=idempotent\ntributary_apply_accounts\nm.tributary_apply_housekeeping=ON\nn.tributary_bulk=OFF\n\
         tributary_ignored_reads=STOP\ntributary_skip_errors=asterisk.log%:1062,1032\nn.tributary_skip_errors=asterisk.x:all\n\
         n.tributary_never_skip=asterisk.a,asterisk.b\ntributary_rewrite_engine=MyISAM->InnoDB,HEAP->InnoDB\nn.tributary_keep_engine=asterisk.old_%",
    );
    let (m, n) = (&options.connections[0].policies, &options.connections[1].policies);
    assert_eq!(
        (m.exec_mode, n.exec_mode),
        (ExecMode::Strict, ExecMode::Idempotent)
    );
    assert!(m.applies_accounts && n.applies_accounts);
    assert!(m.applies_housekeeping && !n.applies_housekeeping);
    assert!(!m.sends_text && n.sends_text);
    assert_eq!(n.ignored_reads, IgnoredReads::Stop);
    let mut skips = TableSkips::new();
    skips.allow("asterisk.log%:1032,1062").unwrap();
    assert_eq!(m.table_skips, skips);
    skips.allow("asterisk.x:all").unwrap();
    skips.forbid("asterisk.a").unwrap();
    skips.forbid("asterisk.b").unwrap();
    assert_eq!(n.table_skips, skips);
    let engine = |policies: &Policies, table: &[u8]| {
        let engine = policies.engines.target_engine(b"asterisk", table, b"MyISAM");
        engine.map(str::to_owned)
    };
    assert_eq!(engine(m, b"old_1").as_deref(), Some("InnoDB"));
    assert_eq!((engine(n, b"old_1"), engine(n, b"new").is_some()), (None, true));
}

#[test]
fn values_are_taken() {
    let options = with(
        "slave_parallel_threads=0\nslave_parallel_mode=Conservative\nm.slave_net_timeout=10\nm.relay_bytes_max=1G\nm.server_id=77\nm.slave_skip_errors=all",
    );
    let connection = &options.connections[0];
    assert_eq!(
        (options.apply.workers, options.apply.mode),
        (1, ParallelMode::Conservative)
    );
    assert_eq!(connection.heartbeat_period, Duration::from_secs(5));
    assert_eq!(connection.relay_bytes_max, 1 << 30);
    assert_eq!((options.server_id, connection.server_id), (9, Some(77)));
    assert_eq!(connection.skip_errors, SkipErrors::All);
    assert_eq!(
        with("m.master_heartbeat_period=0").connections[0].heartbeat_period,
        Duration::ZERO
    );
}

#[test]
fn a_socket_of_the_connection_beats_a_host_for_all() {
    let text = "[tributary]\nserver_id=9\ntarget_socket=/t.sock\ntarget_user=u\nmaster_host=127.0.0.1\nmaster_user=r\nm.master_socket=/s.sock\n";
    let options = loaded(text).options;
    assert_eq!(options.target.login.address, Address::Unix("/t.sock".into()));
    assert_eq!(
        options.connections[0].source.address,
        Address::Unix("/s.sock".into())
    );
}

#[test]
fn starts_are_by_file_or_by_gtid() {
    let start = |lines: &str| {
        let connection = with(lines).connections.remove(0);
        let start = match connection.start {
            None => "none".to_owned(),
            Some(StartPosition::Coordinates(coordinates)) => coordinates.to_string(),
            Some(StartPosition::Gtid(position)) => position.to_string(),
        };
        (start, connection.use_gtid)
    };
    assert_eq!(start(""), ("none".into(), false));
    assert_eq!(start("m.master_log_file=b.000002"), ("b.000002:4".into(), false));
    assert_eq!(
        start("m.master_log_file=b.000002\nm.master_log_pos=5000000000"),
        ("b.000002:5000000000".into(), false)
    );
    assert_eq!(
        start("m.gtid_slave_pos=0-1-42,5-2-7"),
        ("0-1-42,5-2-7".into(), true)
    );
    assert_eq!(start("master_use_gtid=slave_pos"), ("none".into(), true));
}

#[test]
fn starts_that_contradict_are_named() {
    for (lines, message) in [
        (
            "m.master_log_pos=4",
            "t.cnf:7: m.master_log_pos = '4' needs m.master_log_file",
        ),
        (
            "m.master_log_file=b.1\nm.gtid_slave_pos=0-1-2",
            "t.cnf:8: m.gtid_slave_pos excludes m.master_log_file of t.cnf:7; keep one of them",
        ),
        (
            "m.master_log_file=b.1\nmaster_use_gtid=slave_pos",
            "t.cnf:8: master_use_gtid = 'slave_pos' does not go with master_log_file; give gtid_slave_pos instead",
        ),
        (
            "m.gtid_slave_pos=0-1-2\nm.master_use_gtid=no",
            "t.cnf:8: m.master_use_gtid = 'no' does not go with gtid_slave_pos; give master_log_file instead",
        ),
        (
            "m.master_use_gtid=current_pos",
            "t.cnf:7: m.master_use_gtid = 'current_pos': allowed: no or slave_pos",
        ),
        (
            "m.gtid_slave_pos=0-1",
            "t.cnf:7: m.gtid_slave_pos = '0-1': allowed: GTIDs such as 0-1-42, one per domain, separated by commas",
        ),
        (
            "m.master_log_file=/var/log/b.1",
            "t.cnf:7: m.master_log_file = '/var/log/b.1': allowed: a binary log file name, as SHOW MASTER STATUS prints it",
        ),
    ] {
        assert_eq!(problem_of(lines), message);
    }
}

#[test]
fn tls_is_off_or_as_asked() {
    let mode = |lines: &str| with(lines).connections[0].source.tls.mode;
    assert_eq!(mode("master_ssl=1"), TlsMode::Required);
    assert_eq!(mode("master_ssl=1\nmaster_ssl_ca=/ca"), TlsMode::VerifyCa);
    assert_eq!(
        mode("master_ssl=1\nmaster_ssl_ca=/ca\nmaster_ssl_verify_server_cert=1"),
        TlsMode::VerifyIdentity
    );
    assert_eq!(mode("master_ssl=0\nmaster_ssl_ca=/ca"), TlsMode::Off);
    assert_eq!(mode("master_ssl_ca=/ca"), TlsMode::VerifyCa);
    assert_eq!(mode("master_ssl_cert=/c\nmaster_ssl_key=/k"), TlsMode::Required);
    assert_eq!(
        mode("m.master_ssl_mode=verify-identity\nmaster_ssl_ca=/ca"),
        TlsMode::VerifyIdentity
    );
    assert_eq!(mode("master_ssl=1\nm.master_ssl_mode=off"), TlsMode::Off);
    let target = with("target_ssl_mode=VERIFY_CA\ntarget_ssl_ca=/ca\ntarget_compress")
        .target
        .login;
    assert!(target.tls.mode == TlsMode::VerifyCa && target.compress);
}

#[test]
fn servers_on_other_machines_are_verified() {
    let mode = |lines: &str| with(lines).connections[0].source.tls.mode;
    for host in ["localhost", "127.0.0.3", "::1"] {
        assert_eq!(mode(&format!("m.master_host={host}")), TlsMode::Off);
    }
    for host in ["192.0.2.1", "db.example.com", "::2", "localhost.example.com"] {
        let host = format!("m.master_host={host}");
        assert_eq!(
            mode(&format!("{host}\nmaster_ssl_ca=/ca")),
            TlsMode::VerifyIdentity
        );
        assert_eq!(mode(&format!("{host}\nmaster_ssl_mode=off")), TlsMode::Off);
        assert_eq!(mode(&format!("{host}\nmaster_ssl=0")), TlsMode::Off);
        let problem = problem_of(&host);
        assert!(
            problem.starts_with("m.master_ssl_ca is not set: the server is on another machine")
                && problem.contains("set m.master_ssl_mode to off or required"),
            "{problem}"
        );
    }
}

#[test]
fn tls_that_cannot_be_is_named() {
    for (lines, message) in [
        (
            "m.master_ssl_mode=verify_ca",
            "m.master_ssl_ca is not set: mode verify_ca checks the server's certificate against it; add it to [tributary]",
        ),
        (
            "master_ssl=1\nmaster_ssl_verify_server_cert=1",
            "m.master_ssl_ca is not set: mode verify_identity checks the server's certificate against it; add it to [tributary]",
        ),
        (
            "target_ssl_cert=/c",
            "target_ssl_key is not set: a client certificate and its key go together; add it to [tributary]",
        ),
        (
            "target_ssl_mode=preferred",
            "t.cnf:7: target_ssl_mode = 'preferred': allowed: off, required, verify_ca or verify_identity",
        ),
        (
            "m.master_ssl=1\nm.master_ssl_mode=off",
            "t.cnf:8: m.master_ssl_mode excludes m.master_ssl of t.cnf:7; keep one of them",
        ),
        (
            "m.master_ssl=maybe",
            "t.cnf:7: m.master_ssl = 'maybe': allowed: ON or OFF",
        ),
    ] {
        assert_eq!(problem_of(lines), message);
    }
}

#[test]
fn an_empty_configuration_says_what_is_missing() {
    assert_eq!(
        problems("[tributary]\n"),
        [
            "target_host or target_socket is not set: the server's address; add it to [tributary]",
            "target_user is not set: the account to log in with; add it to [tributary]",
            "no connection is configured; add NAME.master_host, NAME.master_user and NAME.replicate_rewrite_db to [tributary], one set for each source",
        ]
    );
    assert_eq!(
        problems(
            "[tributary]\ntarget_host=localhost\ntarget_user=u\n[mysqld]\na.replicate_do_db=x\nb.replicate_do_db=x\n"
        ),
        [
            "server_id is not set: the id to register with, unique among all servers and replicas; add it to [tributary]",
            "a.master_host or a.master_socket is not set: the server's address; add it to [tributary]",
            "a.master_user is not set: the account to log in with; add it to [tributary]",
            "b.master_host or b.master_socket is not set: the server's address; add it to [tributary]",
            "b.master_user is not set: the account to log in with; add it to [tributary]",
        ]
    );
}

#[test]
fn every_kind_of_bad_value_names_file_line_key_and_what_is_allowed() {
    for (line, message) in [
        (
            "server_id=0",
            "t.cnf:7: server_id = '0': allowed: 1 to 4294967295",
        ),
        (
            "target_port=66000",
            "t.cnf:7: target_port = '66000': allowed: 1 to 65535",
        ),
        (
            "target_host=",
            "t.cnf:7: target_host = '': allowed: a host name or address",
        ),
        (
            "target_host",
            "t.cnf:7: target_host needs a value; allowed: a host name or address",
        ),
        (
            "schema=a.b",
            "t.cnf:7: schema = 'a.b': allowed: 1 to 64 letters, digits and _",
        ),
        (
            "m.master_heartbeat_period=1h",
            "t.cnf:7: m.master_heartbeat_period = '1h': allowed: 0 to 4294967 seconds, with up to three decimals; 0 turns heartbeats off",
        ),
        (
            "relay_bytes_max=1K",
            "t.cnf:7: relay_bytes_max = '1K': allowed: 64K to 64G bytes, with a suffix K, M or G or without",
        ),
        (
            "slave_parallel_mode=fast",
            "t.cnf:7: slave_parallel_mode = 'fast': allowed: none, minimal, conservative, optimistic or aggressive",
        ),
        (
            "slave_skip_errors=1062x",
            "t.cnf:7: slave_skip_errors = '1062x': allowed: error numbers separated by commas, or one of all, off, ddl_exist_errors",
        ),
        (
            "tributary_skip_errors=asterisk.log",
            "t.cnf:7: tributary_skip_errors = 'asterisk.log': tributary_skip_errors=asterisk.log: write it as database.table:numbers, for example tributary_skip_errors=asterisk.call_log:1062,1032; allowed: DATABASE.TABLE:NUMBERS, with the wildcards % and _, as the source calls them",
        ),
        (
            "tributary_ignored_reads=never",
            "t.cnf:7: tributary_ignored_reads = 'never': allowed: warn or stop",
        ),
        (
            "m.slave_exec_mode=lenient",
            "t.cnf:7: m.slave_exec_mode = 'lenient': allowed: STRICT or IDEMPOTENT",
        ),
        (
            "slave_compressed_protocol=maybe",
            "t.cnf:7: slave_compressed_protocol = 'maybe': allowed: ON or OFF",
        ),
        (
            "m.replicate_do_table=abc",
            "t.cnf:7: m.replicate_do_table = 'abc': replicate_do_table=abc: write it as database.table, for example replicate_do_table=asterisk.live_channels; allowed: DATABASE.TABLE, as the source calls them",
        ),
        (
            "replicate_rewrite_db=abc",
            "t.cnf:7: replicate_rewrite_db = 'abc': replicate_rewrite_db=abc: write it as from->to, for example replicate_rewrite_db=asterisk->m1_asterisk; allowed: FROM->TO, both database names, FROM as the source calls it",
        ),
        (
            "target_password_file=/none",
            "t.cnf:7: target_password_file = '/none': no such file",
        ),
        (
            "m.master_password_env=NONE",
            "t.cnf:7: m.master_password_env = 'NONE': the environment has no variable NONE; export it before the start",
        ),
        (
            "target_password_file=/p\ntarget_password_env=PASSWORD",
            "t.cnf:8: target_password_env excludes target_password_file of t.cnf:7; keep one of them",
        ),
        (
            "connections=m,,x",
            "t.cnf:7: connections = 'm,,x': connection name '': allowed: 1 to 64 printable characters of UTF-8",
        ),
        (
            "connections=m,M",
            "t.cnf:7: connections = 'm,M': 'M' is listed twice",
        ),
        ("[nonsense", "t.cnf:7: group line without ']'; write it as [name]"),
    ] {
        let lines = problems(&format!("{LEAST}{line}\n"));
        assert_eq!(lines[0], message);
    }
}

#[test]
fn a_rule_for_all_that_is_wrong_is_named_once() {
    let text = format!("{LEAST}n.master_host=127.0.0.3\nn.master_user=r\nreplicate_ignore_table=x\n");
    assert_eq!(problems(&text).len(), 1);
}

#[test]
fn listed_connections_run_in_their_order_and_others_do_not() {
    let config = loaded(&format!(
        "{LEAST}n.master_host=127.0.0.3\nn.master_user=r\nconnections = n, M\nold.replicate_do_db=x\n"
    ));
    let names: Vec<&str> = config
        .options
        .connections
        .iter()
        .map(|connection| connection.name.as_str())
        .collect();
    assert_eq!(names, ["n", "M"]);
    let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["t.cnf:10: connection 'old' is not listed in connections (t.cnf:9) and passed over"]
    );
}

#[test]
fn connections_that_get_in_each_others_way_are_named() {
    let two = format!("{LEAST}n.master_host=127.0.0.1\nn.master_user=r\n");
    assert_eq!(
        problems(&two),
        [
            "t.cnf:7: connections 'm' and 'n' both register with server_id 9 at 127.0.0.1:3306, which would end each other's stream; give one of them NAME.server_id"
        ]
    );
    let config = loaded(&format!("{two}n.server_id=10\nreplicate_rewrite_db=a->b\n"));
    assert_eq!(
        config.warnings[0].to_string(),
        "t.cnf:7: connections 'm' and 'n' both write to database b on the target"
    );
    assert_eq!(
        problem_of("m.replicate_rewrite_db=a->Tributary"),
        "t.cnf:5: connection 'm' renames a to Tributary, which holds the engine's own tables; set schema to another name"
    );
}

#[test]
fn rules_without_a_prefix_say_whom_they_are_for() {
    let config = loaded(&format!(
        "{LEAST}n.master_host=127.0.0.3\nn.master_user=r\n[mysqld]\nreplicate_ignore_db=x\nn.replicate_ignore_db=y\nreplicate_do_db=a,b\n[tributary]\nreplicate_ignore_db=z\n"
    ));
    let notes: Vec<String> = config.notes.iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "t.cnf:12: replicate_do_db = 'a,b' is for connections m, n",
            "t.cnf:10: replicate_ignore_db = 'x' is for connections m",
            "t.cnf:14: replicate_ignore_db = 'z' is for connections m, n",
        ]
    );
    assert_eq!(config.options.connections[0].filter.rules().count(), 4);
}

#[test]
fn a_rule_in_the_targets_names_is_warned_about() {
    let config = loaded(&format!(
        "{LEAST}m.replicate_rewrite_db=asterisk->eu\nm.replicate_ignore_table=eu.hopper\nm.replicate_ignore_table=asterisk.x\n"
    ));
    let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "t.cnf:8: m.replicate_ignore_table = 'eu.hopper': 'eu' is a name on the target and matches nothing on connection 'm': rules are written in the source's names; write 'asterisk'"
        ]
    );
}

#[test]
fn a_long_heartbeat_is_warned_about() {
    let config = loaded(&format!("{LEAST}m.master_heartbeat_period=60\n"));
    assert_eq!(
        config.warnings[0].to_string(),
        "t.cnf:7: m.master_heartbeat_period = '60' is not shorter than slave_net_timeout: an idle source will be taken for dead and reconnected"
    );
}

#[test]
fn the_state_directory_is_known_without_the_rest() {
    let input = Input {
        files: vec!["t.cnf".into()],
        ..Input::default()
    };
    let of = |text: &str| load_state_dir(&input, &mut memory(text));
    assert_eq!(
        of("[tributary]\nstate_dir=/s\nnonsense=1\n").ok(),
        Some("/s".into())
    );
    assert_eq!(of("").ok(), Some("/var/lib/tributary".into()));
    assert!(matches!(
        of("[tributary]\nstate_dir=\n"),
        Err(ConfigError::Values(_))
    ));
    let flag = Input {
        state_dir: Some("/f".into()),
        ..input
    };
    let config = load(&flag, &mut memory(LEAST)).expect("the configuration is good");
    assert_eq!(config.state_dir.to_str(), Some("/f"));
}
