//! What lint says of whole files: the tutorial's own, and small ones for each thing it knows.

use super::*;
use crate::config::testing::Memory;

const SERVER: &str = include_str!("../../../../testdata/optfile/50-server.cnf");
const MULTISOURCE: &str = include_str!("../../../../testdata/optfile/60-multisource.cnf");

fn of_files(files: &[(&str, &str)]) -> Report {
    let mut memory = Memory::default();
    for (name, text) in files {
        memory.files.insert((*name).into(), (*text).to_owned());
    }
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| (*name).into()).collect();
    read(&paths, None, &mut memory).unwrap()
}

/// The report of lines in `[mysqld]`; the first of them is line 2.
fn of(lines: &str) -> Report {
    of_files(&[("t.cnf", &format!("[mysqld]\n{lines}"))])
}

/// `level code file:lines`, of every finding with one of these codes.
fn heads(report: &Report, codes: &[&str]) -> Vec<String> {
    let text = report.json();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let wanted =
        findings.filter(|finding| codes.is_empty() || codes.iter().any(|code| finding["code"] == **code));
    wanted
        .map(|finding| {
            let lines: Vec<String> = finding["lines"]
                .as_array()
                .unwrap()
                .iter()
                .map(|line| format!("{}:{}", line["file"].as_str().unwrap(), line["line"]))
                .collect();
            format!(
                "{} {} {}",
                finding["level"].as_str().unwrap(),
                finding["code"].as_str().unwrap(),
                lines.join(" ")
            )
        })
        .collect()
}

#[test]
fn the_tutorials_files_have_their_findings() {
    let report = of_files(&[("50-server.cnf", SERVER), ("60-multisource.cnf", MULTISOURCE)]);
    let decisions: Vec<(&str, usize)> = report
        .findings
        .iter()
        .filter(|finding| finding.level == Level::Decide)
        .map(|finding| (finding.code, finding.lines.len()))
        .collect();
    assert_eq!(
        decisions,
        [
            ("skip-slave-start", 1),
            ("skip-errors", 1),
            ("skipped-renames", 1),
            ("skipped-duplicates", 1),
            ("skipped-accounts", 1),
            // The tutorial's "critical detail": 12 tables of 3 connections, by the source's name.
            ("filter-source-name", 36),
        ]
    );
    let finding = |code: &str| {
        report
            .findings
            .iter()
            .find(|finding| finding.code == code)
            .unwrap()
    };
    assert_eq!(
        finding("filter-source-name").connections,
        ["master1", "master2", "master3"]
    );
    assert_eq!(finding("rewrite").lines.len(), 3);
    assert_eq!(finding("skipped-renames").lines, finding("skip-errors").lines);
    assert_eq!(finding("sources").connections, ["master1", "master2", "master3"]);
    for (code, line) in [
        ("server-id", 5),
        ("read-only", 20),
        ("durability", 37),
        ("relay-log-recovery", 56),
        ("parallel", 61),
        ("skip-errors", 70),
        ("log-slave-updates", 76),
        ("max-statement-time", 86),
    ] {
        let at = heads(&report, &[code]);
        assert!(at[0].contains(&format!("50-server.cnf:{line}")), "{code}: {at:?}");
    }
    let text = report.text();
    assert!(
        text.contains("  60-multisource.cnf:9-20,22-33,35-46: 36 lines of replicate_ignore_table\n"),
        "{text}"
    );
    assert!(
        text.ends_with("2 files read: 6 to decide, 10 different, 4 the same\n"),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
}

#[test]
fn a_filter_by_either_name_of_a_renamed_database_changes_its_meaning() {
    for (line, code) in [
        ("m.replicate_ignore_table=a.t", "filter-source-name"),
        ("m.replicate_ignore_db=a", "filter-source-name"),
        ("m.replicate_do_table=a.t", "filter-source-name"),
        ("m.replicate_do_db=a", "filter-source-name"),
        ("m.replicate_wild_ignore_table=a.t%", "filter-source-name"),
        ("m.replicate_wild_do_table=a.%", "filter-source-name"),
        ("m.replicate_ignore_table=m_a.t", "filter-target-name"),
        ("m.replicate_do_db=m_a", "filter-target-name"),
        ("m.replicate_wild_ignore_table=m\\_a.%", "filter-target-name"),
        ("m.replicate_wild_do_table=m__.%", "filter-target-name"),
        ("m.replicate_wild_ignore_table=m%a.%", "filter-target-name"),
    ] {
        let report = of(&format!("m.replicate_rewrite_db=a->m_a\n{line}\n"));
        let found = heads(&report, &["filter", "filter-source-name", "filter-target-name"]);
        assert_eq!(found, [format!("decide {code} t.cnf:3")], "{line}");
        assert_eq!(report.decisions(), 1, "{line}");
    }
}

#[test]
fn a_filter_that_means_the_same_needs_no_decision() {
    for line in [
        "m.replicate_ignore_table=other.t",
        "m.replicate_wild_ignore_table=%.t",
        "m.replicate_wild_ignore_table=%a.t",
        "m.replicate_do_db=other",
        // Of a connection without renames.
        "n.replicate_ignore_table=a.t",
    ] {
        let report = of(&format!("m.replicate_rewrite_db=a->m_a\n{line}\n"));
        assert_eq!(heads(&report, &["filter"]), ["same filter t.cnf:3"], "{line}");
        assert_eq!(report.decisions(), 0, "{line}");
    }
    let unused = of("m.replicate_rewrite_db=a->m_a\nm.replicate_do_db=x\nm.replicate_ignore_db=a\n");
    assert_eq!(heads(&unused, &["filter-unused"]), ["same filter-unused t.cnf:4"]);
    assert_eq!(unused.decisions(), 0);
    // Both names of one table, as a native replica needs them.
    for pair in [
        "m.replicate_ignore_table=a.t\nm.replicate_ignore_table=m_a.t",
        "m.replicate_wild_do_table=a.t%\nm.replicate_wild_do_table=m\\_a.t%",
        "m.replicate_do_db=m_a\nm.replicate_do_db=a",
    ] {
        let report = of(&format!("m.replicate_rewrite_db=a->m_a\n{pair}\n"));
        assert_eq!(report.decisions(), 0, "{pair}");
        assert_eq!(
            heads(&report, &["filter-pair"]).len(),
            2,
            "{pair}: each names the other's line"
        );
    }
}

#[test]
fn a_rule_without_prefix_is_for_connections_without_their_own() {
    let report = of(
        "replicate_ignore_table=a.t\nm.replicate_rewrite_db=a->b\nn.replicate_rewrite_db=a->c\n\
        n.replicate_ignore_table=x.y\n",
    );
    let found = report
        .findings
        .iter()
        .find(|finding| finding.code == "filter-source-name")
        .unwrap();
    assert_eq!(found.connections, ["m"]);
    let same: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.code == "filter")
        .flat_map(|finding| finding.connections.clone())
        .collect();
    assert_eq!(same, ["n", ""]);
}

#[test]
fn lists_in_one_line_are_one_name_to_the_server() {
    let report = of("m.replicate_rewrite_db=a->b,c->d\nm.replicate_ignore_table=x.y,x.z\n");
    assert_eq!(heads(&report, &["comma"]), ["decide comma t.cnf:2 t.cnf:3"]);
    assert_eq!(heads(&report, &["filter", "rewrite", "several-tables"]), [""; 0]);
}

#[test]
fn renames_that_contradict_or_meet_are_found() {
    let report =
        of("m.replicate_rewrite_db=a->b\nm.replicate_rewrite_db=a->c\nn.replicate_rewrite_db=a->b\n");
    assert_eq!(
        heads(&report, &["rewrite-twice", "one-database"]),
        [
            "decide one-database t.cnf:2 t.cnf:4",
            "decide rewrite-twice t.cnf:3",
        ]
    );
    let again = of("replicate_rewrite_db=b->x\nm.replicate_rewrite_db=a->b\n");
    assert_eq!(
        heads(&again, &["rewrite-again"]),
        ["decide rewrite-again t.cnf:2"]
    );
    let chain =
        of("m.replicate_rewrite_db=a->b\nm.replicate_rewrite_db=b->c\nm.replicate_ignore_table=b.t\n");
    assert_eq!(
        heads(&chain, &["filter-both-names"]),
        ["decide filter-both-names t.cnf:4"]
    );
}

#[test]
fn spelling_and_forms_are_looked_at() {
    let report = of(
        "eu.replicate_do_db=x\nEU.replicate_do_db=y\nEU.replicate_ignore_table=nodot\nreplicate_wild_ignore_table=x.LOG%\n",
    );
    assert_eq!(
        heads(&report, &["spelling", "wrong", "pattern-case"]),
        [
            "decide spelling t.cnf:3",
            "decide wrong t.cnf:4",
            "decide pattern-case t.cnf:5",
        ]
    );
    let unknown = of("replicate_ignore_tabel=x.y\nslave_net_timeout=60\nm.slave_net_timeout=1\n");
    assert_eq!(
        heads(&unknown, &["unknown", "wrong", "setting"]),
        [
            "decide unknown t.cnf:2",
            "decide wrong t.cnf:4",
            "same setting t.cnf:3",
        ]
    );
}

#[test]
fn settings_are_judged_by_their_values() {
    for (line, expected) in [
        ("slave_skip_errors=off", "same skip-errors t.cnf:2"),
        ("slave_exec_mode=STRICT", "same exec-mode t.cnf:2"),
        ("slave_exec_mode=idempotent", "decide exec-mode t.cnf:2"),
        ("log_slave_updates", "decide log-slave-updates t.cnf:2"),
        ("skip-log-slave-updates", "same log-slave-updates t.cnf:2"),
        ("skip_slave_start=0", "same skip-slave-start t.cnf:2"),
        ("skip-slave-start", "decide skip-slave-start t.cnf:2"),
        ("read_only=OFF", "differs read-only t.cnf:2"),
        ("relay_log_purge=0", "decide relay-log-purge t.cnf:2"),
        ("skip-local-infile", "decide local-infile t.cnf:2"),
        ("max_allowed_packet=1M", "decide max-allowed-packet t.cnf:2"),
        ("max_allowed_packet=64M", "differs max-allowed-packet t.cnf:2"),
        ("gtid_strict_mode=ON", "differs passed-over t.cnf:2"),
        ("gtid_ignore_duplicates=ON", "decide passed-over t.cnf:2"),
        ("rpl_semi_sync_slave_enabled", "decide passed-over t.cnf:2"),
        ("slave_run_triggers_for_rbr=YES", "decide passed-over t.cnf:2"),
        ("sync_relay_log_info=1", "differs native-files t.cnf:2"),
        ("sync_relay_log=1", "same setting t.cnf:2"),
    ] {
        assert_eq!(heads(&of(&format!("{line}\n")), &[]), [expected], "{line}");
    }
    for line in [
        "local_infile=ON",
        "innodb_flush_log_at_trx_commit=1",
        "innodb_buffer_pool_size=1G",
        "[client]\nslave_exec_mode=IDEMPOTENT",
    ] {
        assert_eq!(heads(&of(&format!("{line}\n")), &[]), [""; 0], "{line}");
    }
    let last = of("slave_exec_mode=IDEMPOTENT\nslave_exec_mode=STRICT\n");
    assert_eq!(
        heads(&last, &[]),
        ["same overridden t.cnf:2", "same exec-mode t.cnf:3"]
    );
    let own = of("[tributary]\nmaster_password=geheim\nm.replicate_do_db=x,y\nnonsense=1\n");
    assert_eq!(heads(&own, &[]), [""; 0], "the engine's own group is for check");
    let loose = of("loose-slave_foo=1\n");
    assert_eq!(heads(&loose, &[]), ["differs unknown t.cnf:2"]);
    let id = of("server_id=10\n[tributary]\nserver_id=11\n");
    assert_eq!(heads(&id, &[]), ["same server-id t.cnf:2"]);
    let writable = of("m.replicate_do_db=x\n");
    assert_eq!(heads(&writable, &["read-only"]), ["differs read-only "]);
    let control = of("skip_slave_start\n[tributary]\ncontrol_port=3307\n");
    assert_eq!(heads(&control, &[]), ["same skip-slave-start t.cnf:2"]);
}

#[test]
fn skipped_errors_are_told_by_what_they_hide() {
    let codes = |lines: &str| -> Vec<&str> {
        let report = of(lines);
        let of_list = report
            .findings
            .iter()
            .filter(|finding| finding.code.contains("skip") || finding.code.contains("exist"));
        of_list.map(|finding| finding.code).collect()
    };
    assert_eq!(
        codes("slave_skip_errors=1146\n"),
        ["skip-errors"],
        "without a rename it hides none"
    );
    assert_eq!(
        codes("slave_skip_errors=1146\nm.replicate_rewrite_db=a->b\n"),
        ["skip-errors", "skipped-renames"]
    );
    assert_eq!(
        codes("slave_skip_errors=all\n"),
        ["skip-errors", "skipped-duplicates", "skipped-accounts"]
    );
    assert_eq!(
        codes("slave_skip_errors=ddl_exist_errors\n"),
        ["skip-errors", "ddl-exist-errors"]
    );
    assert_eq!(
        heads(&of("slave_skip_errors=1062,x\n"), &[]),
        ["decide wrong t.cnf:2"]
    );
}

#[test]
fn copies_that_overlap_and_groups_that_are_passed_over_are_found() {
    let report = of(
        "default_storage_engine=MyISAM\n[mysqldump]\nsingle-transaction\n[mysqld-10.6]\nreplicate_do_db=x\n",
    );
    assert_eq!(
        heads(&report, &[]),
        ["decide dump t.cnf:4", "differs version-group t.cnf:6"]
    );
    let mut memory = Memory::with_file("t.cnf", "[mysqld-10.6]\nm.replicate_do_db=x\n");
    let of_version = read(&["t.cnf".into()], Some("-10.6"), &mut memory).unwrap();
    assert_eq!(
        heads(&of_version, &["version-group", "filter"]),
        ["same filter t.cnf:2"]
    );
    let innodb = of("[mysqldump]\nsingle-transaction\n");
    assert_eq!(heads(&innodb, &[]), [""; 0]);
}

#[test]
fn includes_are_followed_and_values_that_may_be_secret_are_not_repeated() {
    let report = of_files(&[
        ("a.cnf", "!include b.cnf\n!include none.cnf\n"),
        (
            "b.cnf",
            "[mysqld]\ninit_slave=SET @a='geheim'\nmaster_password=geheim\n",
        ),
    ]);
    assert_eq!(
        heads(&report, &["passed-over", "unknown"]).len(),
        3,
        "{}",
        report.text()
    );
    assert!(!report.text().contains("geheim") && !report.json().contains("geheim"));
    assert!(
        report.text().contains("b.cnf:2: init_slave\n"),
        "{}",
        report.text()
    );
    let error = read(&["none.cnf".into()], None, &mut Memory::default()).unwrap_err();
    assert!(
        error.to_string().starts_with("read option file none.cnf: "),
        "{error}"
    );
}
