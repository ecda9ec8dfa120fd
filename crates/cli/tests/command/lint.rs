//! Shows what `tributary lint` says of option files on disk, how it ends, that its JSON has what the text has, and that the server does
//! with the lines what lint says it does.

use serde_json::Value;
use tributary_sandbox::{Server, ServerOptions, create_replication_user};

use crate::support::{Dir, testdata, tributary};

/// A rule, what lint calls it, and tables with whether their rows arrive on a native replica.
type Rule = (&'static str, &'static str, &'static [(&'static str, bool)]);

const RULES: [Rule; 9] = [
    ("replicate_rewrite_db=src->dst", "rewrite", &[("free", true)]),
    (
        "replicate_ignore_table=src.by_source",
        "filter-source-name",
        &[("by_source", true)],
    ),
    (
        "replicate_ignore_table=dst.by_target",
        "filter-target-name",
        &[("by_target", false)],
    ),
    ("replicate_ignore_table=src.paired", "filter-pair", &[]),
    (
        "replicate_ignore_table=dst.paired",
        "filter-pair",
        &[("paired", false)],
    ),
    (
        "replicate_ignore_table=dst.one,dst.two",
        "comma",
        &[("one", true), ("two", true)],
    ),
    (
        "replicate_wild_ignore_table=%.wild%",
        "filter",
        &[("wild_t", false)],
    ),
    (
        "replicate_wild_ignore_table=src.w\\_%",
        "filter-source-name",
        &[("w_t", true)],
    ),
    (
        "replicate_wild_ignore_table=dst.V\\_%",
        "pattern-case",
        &[("v_t", false)],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_native_replica_does_what_lint_says() {
    let options = RULES.iter().fold(
        ServerOptions::target().arg("--slave-skip-errors=1146"),
        |options, (rule, ..)| options.arg(&format!("--m.{rule}")),
    );
    let source = Server::start(ServerOptions::source(1)).await.unwrap();
    let replica = Server::start(options).await.unwrap();
    let account = create_replication_user(&source).await.unwrap();
    let tables = || RULES.iter().flat_map(|(.., tables)| tables.iter());
    for (server, database) in [(&source, "src"), (&replica, "dst")] {
        server.run(&format!("CREATE DATABASE {database}")).await.unwrap();
        for (table, _) in tables() {
            let sql = format!("CREATE TABLE {database}.{table} (a INT)");
            server.run(&sql).await.unwrap();
        }
    }
    let place = |row: Vec<Option<String>>| (row[0].clone().unwrap(), row[1].clone().unwrap());
    let (file, offset) = place(source.rows("SHOW MASTER STATUS").await.unwrap().remove(0));
    let change = format!(
        "CHANGE MASTER 'm' TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='{}', MASTER_PASSWORD='{}', \
         MASTER_LOG_FILE='{file}', MASTER_LOG_POS={offset}; START SLAVE 'm'",
        source.port(),
        account.user,
        account.password,
    );
    replica.run(&change).await.unwrap();
    // In each format, and once with the database spelled out.
    for format in ["STATEMENT", "ROW"] {
        for (table, _) in tables() {
            let sql = format!("SET binlog_format={format}; USE src; INSERT INTO {table} VALUES (1)");
            source.run(&sql).await.unwrap();
        }
    }
    source
        .run("SET binlog_format=STATEMENT; USE src; INSERT INTO src.free VALUES (1)")
        .await
        .unwrap();
    let (file, offset) = place(source.rows("SHOW MASTER STATUS").await.unwrap().remove(0));
    let wait = format!("SELECT MASTER_POS_WAIT('{file}',{offset},30,'m')");
    let waited = replica.rows(&wait).await.unwrap()[0][0].clone();
    let status = replica.rows("SHOW SLAVE 'm' STATUS").await.unwrap();
    assert!(waited.is_some_and(|events| events != "-1"), "{status:?}");
    for (table, arrives) in tables() {
        let count = replica
            .rows(&format!("SELECT COUNT(*) FROM dst.{table}"))
            .await
            .unwrap()[0][0]
            .clone();
        let expected = if *arrives { "2" } else { "0" };
        // Of the three rows of `free`, the one whose statement spells the source's database is lost.
        assert_eq!(count.as_deref(), Some(expected), "{table}");
    }

    let lines: String = RULES.iter().map(|(rule, ..)| format!("m.{rule}\n")).collect();
    let dir = Dir::new();
    let path = dir.file(
        "replica.cnf",
        &format!("[mysqld]\n{lines}slave_skip_errors=1146\n"),
    );
    let ran = tributary(["lint".as_ref(), "--json".as_ref(), path.as_os_str()]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let codes_at = |line: usize| -> Vec<&str> {
        let findings = report["findings"].as_array().unwrap().iter();
        let of_line = findings.filter(|finding| {
            let lines = finding["lines"].as_array().unwrap();
            lines.iter().any(|at| at["line"] == line)
        });
        of_line.map(|finding| finding["code"].as_str().unwrap()).collect()
    };
    for (index, (rule, code, _)) in RULES.iter().enumerate() {
        assert!(
            codes_at(index + 2).contains(code),
            "{rule}: {:?}",
            codes_at(index + 2)
        );
    }
    let skips = codes_at(RULES.len() + 2);
    assert!(skips.contains(&"skipped-renames"), "{skips:?}");
}

#[test]
fn the_files_of_a_replica_ask_for_decisions() {
    let files = [
        testdata("optfile/50-server.cnf"),
        testdata("optfile/60-multisource.cnf"),
    ];
    let text = tributary([
        "lint".to_owned(),
        files[0].display().to_string(),
        files[1].display().to_string(),
    ]);
    assert_eq!((text.code, text.stderr.as_str()), (Some(1), ""), "{text:?}");
    assert!(
        text.stdout.contains("decide: filter-source-name") && text.stdout.contains("36 lines of"),
        "{}",
        text.stdout
    );
    let json = tributary([
        "lint".to_owned(),
        "--json".to_owned(),
        files[0].display().to_string(),
        files[1].display().to_string(),
    ]);
    assert_eq!(json.code, Some(1), "{json:?}");
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let decisions = findings
        .iter()
        .filter(|finding| finding["level"] == "decide")
        .count();
    assert_eq!(report["decisions"], decisions);
    let filter = findings
        .iter()
        .find(|finding| finding["code"] == "filter-source-name")
        .unwrap();
    let first = &filter["lines"][0];
    assert_eq!(first["line"], 9);
    assert_eq!(first["file"], files[1].display().to_string());
    assert_eq!(
        first["text"],
        "master1.replicate_ignore_table = 'asterisk.vicidial_live_agents'"
    );
}

#[test]
fn exit_codes_tell_clean_files_from_unreadable_ones() {
    let dir = Dir::new();
    let included = dir.file(
        "replica.cnf",
        "[mysqld]\nm.replicate_ignore_table=a.t\nslave_exec_mode=STRICT\n",
    );
    let clean = dir.file("my.cnf", &format!("!include {}\n", included.display()));
    let ran = tributary(["lint".as_ref(), clean.as_os_str()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.stdout.contains(&format!("{}:2: ", included.display())),
        "{}",
        ran.stdout
    );

    for (path, message) in [
        (dir.path().join("none.cnf"), "none.cnf: No such file"),
        (
            dir.file("broken.cnf", "[mysqld\n"),
            "broken.cnf:1: group line without ']'",
        ),
        (
            dir.file_with_mode("open.cnf", "[mysqld]\n", 0o666),
            "everybody may write this file",
        ),
    ] {
        let ran = tributary(["lint".as_ref(), path.as_os_str()]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
    }
    assert_eq!(tributary(["lint"]).code, Some(2), "no file is wrong usage");
}
