//! Shows what `tributary check-config` makes of option files on disk: the files of a replica as they stand, password
//! files by their mode, includes, and every kind of bad line with file, line, key and what is allowed. What
//! is wrong for `check-config` is wrong for `run`, with the same words and the same exit code.

use std::path::Path;

use crate::support::{Dir, Ran, command, defaults, testdata, tributary};

const LEAST: &str = "[tributary]\nserver_id=9\ntarget_host=localhost\ntarget_user=u\nm.master_host=127.0.0.1\nm.master_user=r\n";

fn check(path: &Path) -> Ran {
    tributary(["check-config".to_owned(), defaults(path)])
}

/// The problems that `check-config` and `run` name, which must be the same.
fn problems(path: &Path) -> String {
    let checked = check(path);
    let ran = tributary(["run".to_owned(), defaults(path)]);
    assert_eq!(
        (checked.code, ran.code),
        (Some(2), Some(2)),
        "{checked:?} {ran:?}"
    );
    assert_eq!(checked.stderr, ran.stderr);
    assert_eq!(checked.stdout, "");
    checked.stderr
}

#[test]
fn the_files_of_a_replica_serve_as_they_stand() {
    let dir = Dir::new();
    dir.file("target.password", "geheim1\n");
    dir.file("sources.password", "geheim2\n");
    let own = dir.file(
        "tributary.cnf",
        include_str!("../../../../testdata/optfile/tributary.cnf"),
    );
    let files = [
        testdata("optfile/50-server.cnf"),
        testdata("optfile/60-multisource.cnf"),
        own,
    ];
    let checked =
        tributary(std::iter::once("check-config".to_owned()).chain(files.iter().map(|path| defaults(path))));
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for line in [
        "server_id = 10",
        "slave_parallel_threads = 4",
        "master3.master_log_file = mysql-bin.000371",
    ] {
        assert!(
            checked.stdout.contains(line),
            "{line} is missing in\n{}",
            checked.stdout
        );
    }
    let of_file = |name: &str| {
        checked
            .stdout
            .lines()
            .filter(|line| line.contains(&format!("{name}:")))
            .count()
    };
    // A rename and twelve ignored tables for each of the three connections.
    assert_eq!(of_file("60-multisource.cnf"), 39);
    assert!(
        of_file("50-server.cnf") >= 6 && of_file("tributary.cnf") >= 12,
        "{}",
        checked.stdout
    );
    assert!(!checked.stdout.contains("geheim") && !checked.stderr.contains("geheim"));
    assert_eq!(checked.stderr.lines().count(), 1, "{}", checked.stderr);
    assert!(
        checked
            .stderr
            .contains("50-server.cnf:69: skip_slave_start needs a control port"),
        "{}",
        checked.stderr
    );
}

#[test]
fn all_problems_are_named_at_once_with_file_line_key_and_what_is_allowed() {
    let dir = Dir::new();
    let path = dir.file(
        "bad.cnf",
        "[mysqld]\nslave_net_timeout = 1h\n[tributary]\nserver_id = 9\ntarget_hots = x\ntarget_user = u\nm.master_host = localhost\nm.master_user = r\nstop_timeout = 0\nm.master_password = geheim\n",
    );
    let shown = path.display();
    assert_eq!(
        problems(&path),
        format!(
            "tributary: {shown}:5: unknown key 'target_hots' in [tributary]; did you mean target_host?\n\
             {shown}:10: m.master_password: passwords do not stand in option files; use master_password_file or master_password_env\n\
             {shown}:9: stop_timeout = '0': allowed: 1 to 3600 seconds\n\
             target_host or target_socket is not set: the server's address; add it to [tributary]\n\
             {shown}:2: slave_net_timeout = '1h': allowed: 1 to 31536000 seconds\n"
        )
    );
}

#[test]
fn lines_that_are_no_options_name_file_and_line() {
    let dir = Dir::new();
    for (text, message) in [
        ("[tributary\n", ":1: group line without ']'; write it as [name]"),
        (
            "\nserver_id=1\n",
            ":2: option 'server_id' stands before any [group] line; put one, such as [tributary], above it",
        ),
        ("[tributary]\n= 1\n", ":2: value without a key; write key = value"),
        ("!include\n", ":1: !include without a path; write !include PATH"),
        (
            "!includedir /does/not/exist\n",
            ":1: !includedir /does/not/exist: No such file or directory (os error 2)",
        ),
        (
            "!include @DIR@/bad.cnf\n",
            ":1: includes are nested more than 10 deep; does a file include itself?",
        ),
    ] {
        let path = dir.file("bad.cnf", text);
        assert_eq!(
            problems(&path),
            format!("tributary: {}{message}\n", path.display())
        );
    }
}

#[test]
fn files_that_are_not_there_are_named() {
    assert_eq!(
        problems(Path::new("/does/not/exist.cnf")),
        "tributary: read option file /does/not/exist.cnf: No such file or directory (os error 2)\n"
    );
}

#[test]
fn option_files_everybody_may_write_are_refused() {
    let dir = Dir::new();
    let path = dir.file_with_mode("open.cnf", LEAST, 0o666);
    let shown = path.display();
    assert_eq!(
        problems(&path),
        format!(
            "tributary: read option file {shown}: everybody may write this file; run: chmod o-w {shown}\n"
        )
    );
}

#[test]
fn problems_in_included_files_name_the_included_file() {
    let dir = Dir::new();
    let included = dir.file("rules.cnf", "[mysqld]\nm.replicate_do_table = nodot\n");
    let path = dir.file("main.cnf", &format!("{LEAST}!include @DIR@/rules.cnf\n"));
    let message = problems(&path);
    let start = format!(
        "tributary: {}:2: m.replicate_do_table = 'nodot': ",
        included.display()
    );
    assert!(message.starts_with(&start), "{message}");
    assert!(
        message.ends_with("allowed: DATABASE.TABLE, as the source calls them\n"),
        "{message}"
    );
}

#[test]
fn password_files_must_be_private() {
    let dir = Dir::new();
    let path = dir.file("t.cnf", &format!("{LEAST}target_password_file=@DIR@/secret\n"));
    let secret = dir.path().join("secret");
    for mode in [0o644, 0o640, 0o602] {
        dir.file_with_mode("secret", "geheim", mode);
        let message = problems(&path);
        let expected = format!(
            "tributary: {}:7: target_password_file = '{secret}': others may read {secret} (mode {mode:04o}); run: chmod 600 {secret}\n",
            path.display(),
            secret = secret.display()
        );
        assert_eq!(message, expected);
    }
    for mode in [0o600, 0o400] {
        std::fs::remove_file(&secret).unwrap();
        dir.file_with_mode("secret", "geheim", mode);
        let checked = check(&path);
        assert_eq!(checked.code, Some(0), "{checked:?}");
        assert!(!checked.stdout.contains("geheim"));
    }
}

#[test]
fn a_password_may_come_from_the_environment() {
    let dir = Dir::new();
    let path = dir.file(
        "t.cnf",
        &format!("{LEAST}m.master_password_env=TRIBUTARY_TEST_PASSWORD\n"),
    );
    let with = command()
        .arg("check-config")
        .arg(defaults(&path))
        .env("TRIBUTARY_TEST_PASSWORD", "geheim")
        .output();
    let with = Ran::from(with.unwrap());
    assert_eq!(with.code, Some(0), "{with:?}");
    assert!(!with.stdout.contains("geheim"));
    assert!(problems(&path).ends_with(
        ":7: m.master_password_env = 'TRIBUTARY_TEST_PASSWORD': the environment has no variable TRIBUTARY_TEST_PASSWORD; export it before the start\n"
    ));
}

#[test]
fn groups_with_a_suffix_are_taken_on_request() {
    let dir = Dir::new();
    let path = dir.file("t.cnf", &format!("{LEAST}[mariadb-10.11]\nm.replicate_do_db=x\n"));
    let without = check(&path);
    assert!(
        without.stderr.contains("--defaults-group-suffix=-10.11 takes it"),
        "{without:?}"
    );
    assert!(!without.stdout.contains("replicate_do_db"));
    let with = tributary([
        "check-config".to_owned(),
        defaults(&path),
        "--defaults-group-suffix=-10.11".to_owned(),
    ]);
    assert_eq!((with.code, with.stderr.as_str()), (Some(0), ""));
    assert!(with.stdout.contains("m.replicate_do_db = x"));
}

#[test]
fn warnings_and_notes_go_to_standard_error() {
    let dir = Dir::new();
    let path = dir.file(
        "t.cnf",
        &format!("{LEAST}[mysqld]\nslave_run_triggers_for_rbr=YES\nreplicate_do_db=a\n"),
    );
    let checked = check(&path);
    let shown = path.display();
    assert_eq!(checked.code, Some(0));
    assert_eq!(
        checked.stderr,
        format!(
            "warning: {shown}:8: slave_run_triggers_for_rbr is not supported and passed over: triggers do not run for row events\n\
             note: {shown}:9: replicate_do_db = 'a' is for connections m\n"
        )
    );
}
