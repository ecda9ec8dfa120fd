//! A replica's administration through the control port, with the server's own client: connections are made, started, watched,
//! stopped, mended, added and removed by the statements and the script that administrators of the native replica use.

use std::process::Command;

use crate::site::{Site, TABLES};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_run_by_the_statements_of_the_server() {
    let site = Site::new().await;
    let tables = TABLES.replace("asterisk", "master1_asterisk")
        + ";"
        + &TABLES.replace("asterisk", "master2_asterisk");
    site.target.run(&tables).await.unwrap();
    let mut running = site.start();
    assert_eq!(site.run("SHOW ALL SLAVES STATUS"), "", "nothing is configured");
    assert_eq!(site.health(), (Some(0), String::new()));
    site.change_master("master1", 0).await;
    site.change_master("master2", 1).await;
    assert_eq!(site.field("master1", "Slave_IO_Running"), "No");
    assert_eq!(site.health().0, Some(1), "nothing runs yet");
    let port = site.sources[0].0.port();
    let conflict = site.client(&["-e", &format!("CHANGE MASTER 'master2' TO MASTER_PORT={port}")]);
    assert!(conflict.stderr.contains("1934"), "{}", conflict.stderr);
    site.run("START ALL SLAVES");
    for (name, source) in [("master1", 0), ("master2", 1)] {
        let sql = format!(
            "INSERT INTO asterisk.vicidial_log VALUES ({source},'A'); INSERT INTO asterisk.sip_packets VALUES (1)"
        );
        site.sources[source].0.run(&sql).await.unwrap();
        site.wait_for(name, source).await;
        site.wait_for_field(name, "Slave_IO_Running", "Yes");
        site.wait_for_field(name, "Seconds_Behind_Master", "0");
        assert_eq!(
            site.field(name, "Replicate_Rewrite_DB"),
            format!("asterisk->{name}_asterisk")
        );
        assert_eq!(site.field(name, "Replicate_Ignore_Table"), "asterisk.sip_packets");
        let counts = format!(
            "SELECT (SELECT COUNT(*) FROM {name}_asterisk.vicidial_log),(SELECT COUNT(*) FROM {name}_asterisk.sip_packets)"
        );
        assert_eq!(site.run(&counts).trim(), "1\t0");
    }
    assert_eq!(site.health(), (Some(0), String::new()));
    let columns = site.client(&["-e", "SHOW ALL SLAVES STATUS"]).stdout;
    assert_eq!(columns.lines().next().unwrap().split('\t').count(), 62);

    // A duplicate row stops one connection only; it is passed over, by the form that the server refuses.
    site.target
        .run("INSERT INTO master1_asterisk.vicidial_log VALUES (7,'mine')")
        .await
        .unwrap();
    for (source, _) in &site.sources {
        source
            .run("INSERT INTO asterisk.vicidial_log VALUES (7,'B'); INSERT INTO asterisk.vicidial_log VALUES (8,'C')")
            .await
            .unwrap();
    }
    site.wait_for_field("master1", "Slave_SQL_Running", "No");
    assert_eq!(site.field("master1", "Last_SQL_Errno"), "1062");
    let (code, alert) = site.health();
    assert!(
        code == Some(1) && alert.contains("REPLICATION BROKEN [master1]") && !alert.contains("master2"),
        "{alert}"
    );
    site.wait_for("master2", 1).await;
    site.run("STOP SLAVE 'master1'; SET GLOBAL master1.sql_slave_skip_counter = 1; START SLAVE 'master1'");
    site.wait_for("master1", 0).await;
    assert_eq!(
        site.run("SELECT status FROM master1_asterisk.vicidial_log WHERE id IN (7,8)"),
        "mine\nC\n"
    );

    // The engine's machine is started anew: connections are there, and wait.
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
    let mut running = site.start();
    assert_eq!(site.field("master1", "Slave_SQL_Running"), "No");
    let before = site.field("master1", "Exec_Master_Log_Pos");
    site.run("START ALL SLAVES");
    site.sources[0]
        .0
        .run("UPDATE asterisk.vicidial_log SET status='D' WHERE id=8")
        .await
        .unwrap();
    site.wait_for("master1", 0).await;
    assert_ne!(site.field("master1", "Exec_Master_Log_Pos"), before);

    // Filters change while a connection is stopped, and are kept.
    let refused = site.client(&[
        "-e",
        "SET GLOBAL master1.replicate_ignore_table='asterisk.vicidial_log'",
    ]);
    assert!(refused.stderr.contains("1198"), "{}", refused.stderr);
    site.run("STOP SLAVE 'master1'; SET GLOBAL master1.replicate_ignore_table='asterisk.vicidial_log'; START SLAVE 'master1'");
    assert_eq!(
        site.run("SELECT @@master1.replicate_ignore_table").trim(),
        "asterisk.vicidial_log"
    );
    site.sources[0]
        .0
        .run("DELETE FROM asterisk.vicidial_log")
        .await
        .unwrap();
    site.wait_for("master1", 0).await;
    assert_eq!(
        site.run("SELECT COUNT(*) FROM master1_asterisk.vicidial_log")
            .trim(),
        "3"
    );

    // A connection is removed, and its data stays; another is made.
    let refused = site.client(&["-e", "RESET SLAVE 'master2' ALL"]);
    assert!(refused.stderr.contains("1198"), "{}", refused.stderr);
    site.run("STOP SLAVE 'master2'; RESET SLAVE 'master2' ALL");
    let unknown = site.client(&["-e", "SHOW SLAVE 'master2' STATUS"]);
    assert!(unknown.stderr.contains("1617"), "{}", unknown.stderr);
    assert_eq!(
        site.run("SELECT COUNT(*) FROM master2_asterisk.vicidial_log")
            .trim(),
        "3"
    );
    site.target.run("CREATE DATABASE master4_asterisk").await.unwrap();
    site.change_master("master4", 1).await;
    site.run("SET GLOBAL master4.replicate_rewrite_db='asterisk->master4_asterisk'; START SLAVE 'master4'");
    site.sources[1]
        .0
        .run("CREATE TABLE asterisk.new (a INT); INSERT INTO asterisk.new VALUES (1)")
        .await
        .unwrap();
    site.wait_for("master4", 1).await;
    assert_eq!(site.run("SELECT COUNT(*) FROM master4_asterisk.new").trim(), "1");

    // Whoever may not control replication is told so in the server's words.
    site.target
        .run("CREATE USER guest@localhost; GRANT SELECT ON master1_asterisk.* TO guest@localhost")
        .await
        .unwrap();
    for sql in [
        "STOP SLAVE 'master1'",
        "SHOW ALL SLAVES STATUS",
        "SET GLOBAL master1.replicate_do_db='x'",
    ] {
        let refused = site.client(&["-uguest", "-e", sql]);
        assert!(refused.stderr.contains("1227"), "{sql}: {}", refused.stderr);
    }
    assert_eq!(site.field("master1", "Slave_SQL_Running"), "Yes");
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_else_goes_through_untouched() {
    let site = Site::new().await;
    let mut running = site.start();
    // Large rows and statements, several statements at a time, and files of the client.
    site.run("SET GLOBAL max_allowed_packet=67108864; SET GLOBAL local_infile=1");
    assert_eq!(
        site.run("SELECT LENGTH(REPEAT('x', 20000000))").trim(),
        "20000000"
    );
    let long = site.client(&[
        "-NB",
        "--max-allowed-packet=64M",
        "-e",
        "SELECT REPEAT('x', 20000000)",
    ]);
    assert_eq!(long.stdout.trim().len(), 20_000_000, "{}", long.stderr);
    let script = site.dir.file(
        "long.sql",
        &format!("SELECT LENGTH('{}');", "y".repeat(18_000_000)),
    );
    let sourced = site.client(&[
        "-NB",
        "--max-allowed-packet=64M",
        "-e",
        &format!("source {}", script.display()),
    ]);
    assert_eq!(sourced.stdout.trim(), "18000000", "{}", sourced.stderr);
    let lines: String = (0..300_000).map(|line| format!("{line}\n")).collect();
    let file = site.dir.file("lines", &lines);
    site.run("CREATE DATABASE d; CREATE TABLE d.t (a INT)");
    let loaded = site.client(&[
        "--local-infile=1",
        "-NBe",
        &format!(
            "LOAD DATA LOCAL INFILE '{}' INTO TABLE d.t; SELECT COUNT(*) FROM d.t",
            file.display()
        ),
    ]);
    assert_eq!(loaded.stdout.trim(), "300000", "{}", loaded.stderr);
    // Statements of both kinds in one text, and what a wrong one says.
    let mixed = site.client(&[
        "-NBe",
        "SELECT 1; STOP SLAVE; SHOW WARNINGS; SELECT @@gtid_slave_pos; SELECT 2",
    ]);
    assert_eq!(mixed.stdout.lines().next(), Some("1"), "{mixed:?}");
    assert!(
        mixed.stdout.contains("1255") && mixed.stdout.trim_end().ends_with('2'),
        "{mixed:?}"
    );
    let counted = "STOP SLAVE; SHOW COUNT(*) WARNINGS; SHOW COUNT(*) ERRORS";
    assert_eq!(site.run(counted), "1\n0\n");
    let delimited = site.client(&["--delimiter=//", "-NBe", "SELECT 1; STOP SLAVE; SELECT 2//"]);
    assert_eq!(delimited.stdout, "1\n2\n", "{delimited:?}");
    let wrong = site.client(&["-e", "START SLAVE EVERYWHERE"]);
    assert!(wrong.stderr.contains("1064"), "{wrong:?}");
    let wrong = site.client(&["-e", "START SLAVE"]);
    assert!(wrong.stderr.contains("1200"), "{wrong:?}");
    let denied = site.client(&["-unobody", "-e", "SELECT 1"]);
    assert!(
        denied.stderr.contains("1045") || denied.stderr.contains("1698"),
        "{denied:?}"
    );
    let dump = Command::new("mariadb-dump")
        .env("HOME", site.dir.path())
        .args(["d", "t"])
        .output()
        .unwrap();
    assert!(dump.status.success() && dump.stdout.len() > 1_000_000);
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
}
