//! Which lines count, for which connection, and what is said of the others.

use super::*;
use crate::config::testing::entries;

fn collect(text: &str) -> Settings {
    Settings::collect(&entries(text), None)
}

fn texts(settings: Vec<&Setting>) -> Vec<String> {
    settings
        .into_iter()
        .map(|setting| setting.text.clone().unwrap_or_default())
        .collect()
}

#[test]
fn own_beats_server_connection_beats_all_last_beats_first() {
    let settings = collect(
        "[tributary]\nslave_net_timeout=1\nslave_net_timeout=2\n[mysqld]\nslave_net_timeout=3\n[tributary]\nm.slave_net_timeout=4\n",
    );
    let winner = |connection| {
        settings
            .winner(keys::SLAVE_NET_TIMEOUT, connection)
            .and_then(|setting| setting.text.clone())
    };
    assert_eq!(winner(None).as_deref(), Some("2"));
    assert_eq!(winner(Some("other")).as_deref(), Some("2"));
    assert_eq!(winner(Some("M")).as_deref(), Some("4"));
    assert!(settings.problems.is_empty() && settings.warnings.is_empty());
}

#[test]
fn rules_without_prefix_are_a_fallback_on_the_server_and_for_all_in_our_group() {
    let settings = collect(
        "[mysqld]\nreplicate_do_db=s\na.replicate_do_db=sa\n[tributary]\nreplicate_do_db=t\nb.replicate_do_db=tb\n",
    );
    assert_eq!(texts(settings.rules(keys::REPLICATE_DO_DB, "a")), ["sa", "t"]);
    assert_eq!(
        texts(settings.rules(keys::REPLICATE_DO_DB, "b")),
        ["s", "t", "tb"]
    );
    assert_eq!(texts(settings.rules(keys::REPLICATE_IGNORE_DB, "b")), [""; 0]);
}

#[test]
fn names_differ_in_more_than_case() {
    let settings = collect("[mysqld]\neu.replicate_do_db=x\nEU.replicate_do_db=y\n");
    assert_eq!(settings.names().len(), 1);
    assert_eq!(
        settings.warnings[0].to_string(),
        "t.cnf:3: connection 'EU' is taken to be 'eu' of t.cnf:2: names differ only in case"
    );
    assert_eq!(texts(settings.rules(keys::REPLICATE_DO_DB, "eu")), ["x", "y"]);
}

#[test]
fn lines_that_cannot_count_are_named() {
    for (line, message) in [
        (
            "target_hots=x",
            "t.cnf:2: unknown key 'target_hots' in [tributary]; did you mean target_host?",
        ),
        (
            "xyzzy",
            "t.cnf:2: unknown key 'xyzzy' in [tributary]; docs/configuration.md lists all keys",
        ),
        (
            "m.master_password=geheim",
            "t.cnf:2: m.master_password: passwords do not stand in option files; use master_password_file or master_password_env",
        ),
        (
            "m.target_host=x",
            "t.cnf:2: m.target_host: target_host is not set per connection; write it without a prefix",
        ),
        (
            "master_log_pos=4",
            "t.cnf:2: master_log_pos belongs to one connection; write NAME.master_log_pos",
        ),
    ] {
        let settings = collect(&format!("[tributary]\n{line}\n"));
        let problems: Vec<String> = settings.problems.iter().map(Problem::to_string).collect();
        assert_eq!(problems, [message]);
    }
}

#[test]
fn server_groups_give_what_they_have_and_keep_the_rest() {
    let settings = collect(
        "[mysqld]\nport=3306\nslave_parallel_workers=3\nmaster_host=x\nm.server_id=4\nm.slave_parallel_mode=none\nskip-slave-start\n[mariadb-10.11]\nserver_id=5\n[client]\nuser=x\n",
    );
    assert_eq!(
        settings
            .winner(keys::SLAVE_PARALLEL_THREADS, None)
            .and_then(|setting| setting.text.as_deref()),
        Some("3")
    );
    let warnings: Vec<String> = settings.warnings.iter().map(Problem::to_string).collect();
    assert_eq!(
        warnings,
        [
            "t.cnf:4: master_host is no option of a server and passed over; it belongs in [tributary]",
            "t.cnf:6: slave_parallel_mode per connection is not supported and passed over: all connections share the workers",
            "t.cnf:9: server_id stands in [mariadb-10.11], which is for servers of that version, and is passed over; --defaults-group-suffix=-10.11 takes it",
        ]
    );
    assert_eq!(
        settings.problems[0].to_string(),
        "t.cnf:5: m.server_id: the server takes no connection prefix here; move the line to [tributary] or take the prefix off"
    );
    assert_eq!(settings.problems.len(), 1);
}

#[test]
fn a_loose_unknown_key_is_only_named() {
    let settings = collect("[tributary]\nloose-xyzzy=1\n");
    assert!(settings.problems.is_empty());
    assert_eq!(settings.warnings.len(), 1);
}

#[test]
fn a_suffix_adds_groups() {
    let entries = entries("[mysqld-10.11]\nserver_id=5\n[tributary-10.11]\nschema=x\n");
    let settings = Settings::collect(&entries, Some("-10.11"));
    assert!(
        settings.winner(keys::SERVER_ID, None).is_some() && settings.winner(keys::SCHEMA, None).is_some()
    );
}
