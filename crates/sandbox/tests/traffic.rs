//! Traffic fills every table, changes nothing the server refuses, repeats by seed, and survives a restart.
#![allow(clippy::unwrap_used, missing_docs)] // a test fails by panicking

use std::time::{Duration, Instant};

use tributary_sandbox::{
    Server, ServerOptions, Traffic, TrafficPlan, compare, create_replication_user, open_all_tables, schema,
};

/// Waits until `condition` holds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn traffic_fills_every_table_in_both_formats() {
    let source = Server::start(ServerOptions::source(1)).await.unwrap();
    schema::create(&source, 1).await.unwrap();
    let plan = TrafficPlan {
        statements_max: Some(12_000),
        ..TrafficPlan::new(1)
    };
    let report = Traffic::start(&source, plan).unwrap().wait().await.unwrap();
    assert!(
        report.statements >= 11_000 && report.rows > report.statements / 2,
        "{report:?}"
    );

    let empty = "SELECT table_name FROM information_schema.tables WHERE table_schema='asterisk' AND table_rows=0 \
                 AND table_name NOT LIKE 'export%' AND engine<>'InnoDB'";
    let empty: Vec<String> = source
        .rows(empty)
        .await
        .unwrap()
        .into_iter()
        .filter_map(|row| row[0].clone())
        .collect();
    // What is live may be empty at any moment; what is recorded may not.
    let recorded: Vec<&String> = empty
        .iter()
        .filter(|table| !schema::IGNORED_TABLES.contains(&table.as_str()))
        .collect();
    assert!(recorded.is_empty(), "{recorded:?}");

    let kinds = source
        .rows("SHOW BINLOG EVENTS IN 'mysql-bin.000001'")
        .await
        .unwrap();
    let kinds: std::collections::BTreeSet<String> =
        kinds.into_iter().filter_map(|row| row[2].clone()).collect();
    for kind in [
        "Query",
        "Query_compressed",
        "Intvar",
        "RAND",
        "User var",
        "Table_map",
        "Write_rows_v1",
        "Update_rows_v1",
        "Delete_rows_v1",
        "Xid",
    ] {
        assert!(
            kinds.iter().any(|seen| seen.eq_ignore_ascii_case(kind)),
            "no {kind} among {kinds:?}"
        );
    }
}

#[tokio::test]
async fn the_schema_is_as_the_user_has_it() {
    let source = Server::start(ServerOptions::source(1)).await.unwrap();
    schema::create(&source, 1).await.unwrap();
    let count = async |condition: &str| {
        let sql = format!(
            "SELECT COUNT(*) FROM information_schema.tables t WHERE table_schema='asterisk' AND {condition}"
        );
        source.value(&sql).await.unwrap().parse::<usize>().unwrap()
    };
    let keyless = "NOT EXISTS (SELECT 1 FROM information_schema.statistics s WHERE s.table_schema=t.table_schema AND s.table_name=t.table_name)";
    assert!(count("1").await >= 25);
    assert!(count(&format!("engine='MyISAM' AND {keyless}")).await >= 8);
    assert!(count("engine='InnoDB'").await >= 3);
    let names = schema::IGNORED_TABLES.map(|name| format!("'{name}'")).join(",");
    assert_eq!(count(&format!("table_name IN ({names})")).await, 12);
    // In memory, where the user's are.
    assert_eq!(
        count(&format!("engine='MEMORY' AND table_name IN ({names})")).await,
        9
    );
}

#[tokio::test]
async fn one_client_of_one_seed_leaves_the_same_data() {
    let first = Server::start(ServerOptions::source(1)).await.unwrap();
    let second = Server::start(ServerOptions::source(2)).await.unwrap();
    for server in [&first, &second] {
        schema::create(server, 5).await.unwrap();
        let plan = TrafficPlan {
            clients: 1,
            statements_max: Some(3000),
            ..TrafficPlan::new(5)
        };
        Traffic::start(server, plan).unwrap().wait().await.unwrap();
    }
    // Times and dice differ between two runs; all else does not.
    let found = compare(&first, "asterisk", &second, "asterisk", &[])
        .await
        .unwrap();
    for table in found
        .tables
        .iter()
        .filter(|table| table.table != "vicidial_hourly_counts")
    {
        assert_eq!(table.source_rows, table.target_rows, "{table:?}");
    }
    let rows = "SELECT lead_id, status, user, called_count, phone_number, first_name, last_name FROM asterisk.vicidial_list ORDER BY 1";
    assert_eq!(first.rows(rows).await.unwrap(), second.rows(rows).await.unwrap());
    let rows = "SELECT account_id, balance, open_tickets FROM asterisk.crm_accounts ORDER BY 1";
    assert_eq!(first.rows(rows).await.unwrap(), second.rows(rows).await.unwrap());
}

/// The server's own replica is the judge: traffic that it cannot repeat would prove nothing about ours.
#[tokio::test]
async fn a_native_replica_ends_up_equal() {
    let mut source = Server::start(ServerOptions::source(1)).await.unwrap();
    let replica = Server::start(ServerOptions::target()).await.unwrap();
    let account = create_replication_user(&source).await.unwrap();
    let change = format!(
        "CHANGE MASTER TO master_host='127.0.0.1', master_port={}, master_user='{}', master_password='{}', \
         master_log_file='mysql-bin.000001', master_log_pos=4, master_connect_retry=1; START SLAVE",
        source.port(),
        account.user,
        account.password
    );
    replica.run(&change).await.unwrap();
    schema::create(&source, 1).await.unwrap();
    let plan = TrafficPlan {
        statements_max: Some(15_000),
        ..TrafficPlan::new(4)
    };
    Traffic::start(&source, plan).unwrap().wait().await.unwrap();
    // A statement that a shutdown ends half way (1053) stops a native replica: none is under way.
    source.shutdown().await;
    source.start_again().await.unwrap();
    open_all_tables(&source, "asterisk").await.unwrap();

    let end = source.rows("SHOW MASTER STATUS").await.unwrap().remove(0);
    let (file, offset) = (end[0].clone().unwrap(), end[1].clone().unwrap());
    let wait = format!("SELECT MASTER_POS_WAIT('{file}', {offset}, 60)");
    let waited = replica.rows(&wait).await.unwrap().remove(0).remove(0);
    let status = replica.rows("SHOW SLAVE STATUS").await.unwrap();
    assert!(
        waited.as_deref().is_some_and(|groups| groups != "-1"),
        "{waited:?} {status:?}"
    );
    for database in ["asterisk", "tools"] {
        let found = compare(&source, database, &replica, database, &[]).await.unwrap();
        assert!(found.is_equal(), "{found}");
    }
}

#[tokio::test]
async fn traffic_survives_a_restart_and_stops_when_told() {
    let mut source = Server::start(ServerOptions::source(1)).await.unwrap();
    schema::create(&source, 1).await.unwrap();
    let traffic = Traffic::start(&source, TrafficPlan::new(9)).unwrap();
    until("traffic flows", || traffic.report().statements > 500).await;
    source.shutdown().await;
    source.start_again().await.unwrap();
    let before = traffic.report().statements;
    until("traffic flows again", || {
        traffic.report().statements > before + 500
    })
    .await;
    let report = traffic.stop().await.unwrap();
    assert!(report.reconnects >= 1, "{report:?}");
}

#[tokio::test]
async fn the_rate_is_kept() {
    let source = Server::start(ServerOptions::source(1)).await.unwrap();
    schema::create(&source, 1).await.unwrap();
    let plan = TrafficPlan {
        statements_per_second_max: Some(100),
        statements_max: Some(100),
        ..TrafficPlan::new(2)
    };
    let start = Instant::now();
    Traffic::start(&source, plan).unwrap().wait().await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(900));
}
