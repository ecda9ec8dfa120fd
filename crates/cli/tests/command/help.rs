//! Shows that the help teaches: the lines a newcomer needs are there, exit codes included, and wrong usage
//! ends with code 2 and a hint.

use crate::support::{Dir, defaults, tributary};

/// Asserts that `text` has these lines in this order, each as a part of one of its lines.
fn assert_lines(text: &str, lines: &[&str]) {
    let mut rest = text.lines();
    for line in lines {
        assert!(
            rest.any(|found| found.contains(line)),
            "missing, or not in this order: {line:?}\n{text}"
        );
    }
}

#[test]
fn the_help_has_commands_examples_and_exit_codes() {
    let help = tributary(["--help"]);
    assert_eq!(help.code, Some(0));
    assert_lines(
        &help.stdout,
        &[
            "Tributary reads the binary logs of several MariaDB sources and applies them to one target",
            "Usage: tributary",
            "run",
            "status",
            "check",
            "check-config",
            "decode",
            "--log-format",
            "--log-level",
            "Examples:",
            "tributary run --defaults-file=/etc/mysql/mariadb.conf.d/50-server.cnf",
            "tributary check-config",
            "tributary status",
            "tributary check",
            "tributary decode mysql-bin.000042",
            "Exit codes:",
            "0  done, or stopped cleanly on request",
            "1  failed",
            "2  the command line or the configuration is wrong",
            "3  the target lacks something",
            "4  the stop did not finish within stop_timeout",
        ],
    );
}

#[test]
fn the_help_of_run_has_a_first_configuration() {
    let help = tributary(["run", "--help"]);
    assert_eq!(help.code, Some(0));
    assert_lines(
        &help.stdout,
        &[
            "Replicate until a signal comes",
            "--defaults-file <FILE>",
            "may be repeated, later files win",
            "--defaults-group-suffix <SUFFIX>",
            "--state-dir <DIR>",
            "A first configuration",
            "[tributary]",
            "server_id = 10",
            "target_password_file",
            "master1.master_host",
            "master1.master_log_file",
            "master1.replicate_rewrite_db = asterisk->master1_asterisk",
            "Signals:",
            "SIGTERM, SIGINT, SIGHUP",
            "Exit codes: 0 stopped cleanly, 1 a connection stopped with an error",
        ],
    );
}

/// The example of `run --help` is taken as it stands, up to the passwords, which are not there.
#[test]
fn the_first_configuration_is_a_good_one() {
    let help = tributary(["run", "--help"]).stdout;
    let lines: Vec<&str> = help
        .lines()
        .skip_while(|line| line.trim() != "[tributary]")
        .take_while(|line| !line.starts_with("Replication keys"))
        .filter(|line| !line.contains("password_file"))
        .collect();
    let dir = Dir::new();
    let path = dir.file("first.cnf", &lines.join("\n"));
    let checked = tributary(["check-config".to_owned(), defaults(&path)]);
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
    assert!(
        checked.stdout.contains("master1.master_log_pos = 12345678"),
        "{}",
        checked.stdout
    );
}

#[test]
fn every_command_has_examples_or_exit_codes() {
    for command in ["run", "status", "check", "check-config", "decode"] {
        let help = tributary([command, "--help"]);
        assert_eq!(help.code, Some(0));
        assert!(
            help.stdout.contains("Exit codes: 0"),
            "{command}: {}",
            help.stdout
        );
    }
}

#[test]
fn the_version_is_printed() {
    let version = tributary(["--version"]);
    assert_eq!(
        version.stdout,
        format!("tributary {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn wrong_usage_ends_with_2_and_a_hint() {
    for (args, hint) in [
        (vec![], "Usage: tributary"),
        (vec!["rum"], "'run'"),
        (vec!["run"], "--defaults-file <FILE>"),
        (vec!["status"], "--defaults-file <FILE>"),
        (vec!["decode"], "<FILE>..."),
        (vec!["decode", "x", "--log-format=xml"], "human, json"),
        (
            vec!["decode", "x", "--log-level=a=b=c"],
            "allowed: error, warn, info, debug, trace, off",
        ),
    ] {
        let ran = tributary(&args);
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(hint), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn failures_are_objects_where_logs_are() {
    let ran = tributary(["decode", "--log-format=json", "--log-level=a=b=c", "x"]);
    // Before the log is set up there is only text.
    assert!(
        ran.stderr.starts_with("tributary: --log-level=a=b=c: "),
        "{}",
        ran.stderr
    );
    let ran = tributary([
        "check-config",
        "--log-format=json",
        "--defaults-file=/does/not/exist",
    ]);
    assert_eq!(ran.code, Some(2));
    let line: serde_json::Value = serde_json::from_str(ran.stderr.trim_end()).unwrap();
    assert_eq!(line["level"], "ERROR");
    let message = line["message"].as_str().unwrap();
    assert!(
        message.starts_with("read option file /does/not/exist: "),
        "{message}"
    );
}
