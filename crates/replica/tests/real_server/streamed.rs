//! Groups larger than `group_bytes_max` are applied as they arrive, in one transaction, whatever happens meanwhile.

use std::collections::BTreeSet;

use crate::faults::relayed;
use crate::support::{
    TARGET_DB, assert_equal, caught_up, connection, log, options, pair, root, status, stopped, tcp, until,
};
use tributary::{Options, Origins, RelayLogOptions, Replicator, SkipErrors, SqlState, Threads};
use tributary_client::Client;
use tributary_rules::FilterKind;
use tributary_sandbox::{Server, ServerOptions, TcpRelay};

const TABLES: &str = "CREATE DATABASE asterisk; USE asterisk; \
    CREATE TABLE t (id INT PRIMARY KEY, b LONGTEXT) ENGINE=InnoDB; CREATE TABLE m LIKE t; ALTER TABLE m ENGINE=MyISAM; \
    CREATE TABLE ignored LIKE t";

fn source() -> ServerOptions {
    ServerOptions::source(1)
        .arg("--log-bin-compress=OFF")
        .arg("--secure-file-priv=")
        .arg("--plugin-maturity=unknown")
}

/// Small parts, so that a few megabytes are many.
fn small_parts(options: &mut Options) {
    for connection in &mut options.connections {
        connection.group_bytes_max = 64 << 10;
        connection.relay_bytes_max = 1 << 20;
    }
}

/// What the statements of a transaction are, with about 2 KB per row.
fn rows(table: &str, from: usize, to: usize) -> String {
    format!("INSERT INTO {table} SELECT seq, REPEAT(CHAR(65 + seq % 26), 2000) FROM seq_{from}_to_{to}")
}

/// Rows that the target has changed in transactions that are open.
async fn open_rows(target: &Server) -> anyhow::Result<u64> {
    let count = "SELECT IFNULL(MAX(trx_rows_modified), 0) FROM information_schema.innodb_trx";
    Ok(target.value(count).await?.parse()?)
}

async fn wait_open_rows(target: &Server, holds: impl Fn(u64) -> bool) -> anyhow::Result<()> {
    let deadline = std::time::Instant::now() + crate::support::CATCH_UP;
    while !holds(open_rows(target).await?) {
        anyhow::ensure!(
            std::time::Instant::now() < deadline,
            "{} open rows",
            open_rows(target).await?
        );
        // The server renews its view of transactions only when nobody has read it for 100 ms.
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    }
    Ok(())
}

/// Runs a transaction of which the engine gets the first half, and then no source for now.
async fn lose_source_inside(
    source: &Server,
    target: &Server,
    relay: &TcpRelay,
    transaction: &str,
) -> anyhow::Result<()> {
    relay.refuse(true);
    relay.cut_after_bytes(2_000_000);
    source.run(transaction).await?;
    wait_open_rows(target, |rows| rows > 300).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_groups_of_every_kind_arrive_in_pieces() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(source()).await?;
    source.run(TABLES).await?;
    let mut options = options(&source, &target);
    small_parts(&mut options);
    options.connections[0]
        .filter
        .add(FilterKind::IgnoreTable, "asterisk.ignored")?;
    let engine = Replicator::start(options.clone()).await?;
    let row = "SET SESSION binlog_format=ROW; USE asterisk; ";
    let statements = |table: &str, from: usize| {
        let insert = |id: usize| format!("INSERT INTO {table} VALUES ({id}, '{}');", "s".repeat(1000));
        (from..from + 400).map(insert).collect::<String>()
    };
    for transaction in [
        // Rows: inserted, changed, deleted; several statements in one transaction; a table without transactions.
        format!(
            "{row} BEGIN; {}; UPDATE t SET b=CONCAT(b,'u'); DELETE FROM t WHERE id%3=0; COMMIT",
            rows("t", 1, 1000)
        ),
        format!("{row} {}", rows("m", 1, 1000)),
        format!("{row} CREATE TABLE c ENGINE=InnoDB AS SELECT * FROM t"),
        // Filtered altogether, and in part.
        format!("{row} {}", rows("ignored", 1, 300)),
        format!(
            "{row} BEGIN; {}; {}; COMMIT",
            rows("ignored", 1001, 1300),
            rows("t", 1001, 1300)
        ),
        format!(
            "{row} BEGIN; {}; {}; COMMIT",
            rows("t", 2001, 2300),
            rows("ignored", 2001, 2300)
        ),
        // Statements; undone, but for a table that cannot be.
        format!("USE asterisk; BEGIN; {} COMMIT", statements("t", 5000)),
        format!(
            "SET SESSION binlog_format=STATEMENT; USE asterisk; BEGIN; INSERT INTO t VALUES (7000, 'undone'); {} {} ROLLBACK",
            statements("m", 7000),
            statements("t", 7001)
        ),
        "INSERT INTO asterisk.t VALUES (9999, 'small')".to_owned(),
    ] {
        source.run(&transaction).await?;
    }
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &["ignored"]).await?;
    let now = status(&engine, "m1");
    assert_eq!(
        now.rows_applied,
        1000 + 1000 + 333 + 1000 + 667 + 300 + 300,
        "{now:#?}"
    );
    assert_eq!((now.queue_groups, now.queue_bytes), (0, 0));
    assert!(now.groups_ignored >= 1, "{now:#?}");
    assert!(engine.stop().await.is_clean);
    let read = |column: &'static str| target.value(column);
    let low_water: u64 = read("SELECT MAX(low_water) FROM tributary.position")
        .await?
        .parse()?;
    assert_eq!(low_water, now.groups_applied + now.groups_ignored, "{now:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_lost_inside_a_group_goes_on_where_it_was() -> anyhow::Result<()> {
    let (source, mut target, relay, mut options) = relayed(source()).await?;
    // With one, the engine goes back to what it has written down.
    options.connections[0].relay_log = None;
    let other = Server::start(ServerOptions::source(2)).await?;
    source.run(TABLES).await?;
    other.run(TABLES).await?;
    options
        .connections
        .push(connection("m2", &other, "asterisk->m2_asterisk"));
    small_parts(&mut options);
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    let row = "SET SESSION binlog_format=ROW; USE asterisk; ";

    // The line comes back: the open transaction goes on.
    lose_source_inside(&source, &target, &relay, &format!("{row} {}", rows("t", 1, 2000))).await?;
    assert_eq!(
        target.value("SELECT COUNT(*) FROM m1_asterisk.t").await?,
        "0",
        "nothing is visible yet"
    );
    let before = open_rows(&target).await?;
    // Nobody else waits for it.
    other
        .run("INSERT INTO asterisk.m VALUES (1, 'meanwhile'); INSERT INTO asterisk.t VALUES (1, 'too')")
        .await?;
    caught_up(&engine, "m2", &other).await?;
    assert_eq!(open_rows(&target).await?, before, "the first half was not undone");
    relay.refuse(false);
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert_equal(&other, &target, "m2_asterisk", &[]).await?;
    assert_eq!(status(&engine, "m1").retried, 0);

    // The engine is stopped inside the group: it is undone, and comes whole at the next start.
    lose_source_inside(
        &source,
        &target,
        &relay,
        &format!("{row} UPDATE t SET b=CONCAT(b, '!')"),
    )
    .await?;
    assert!(engine.stop().await.is_clean);
    wait_open_rows(&target, |rows| rows == 0).await?;
    assert_eq!(
        target
            .value("SELECT COUNT(*) FROM m1_asterisk.t WHERE b LIKE '%!'")
            .await?,
        "0"
    );
    relay.refuse(false);
    let engine = Replicator::start(options).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;

    // The target is killed inside the group.
    lose_source_inside(
        &source,
        &target,
        &relay,
        &format!("{row} UPDATE t SET b=REVERSE(b)"),
    )
    .await?;
    target.kill().await;
    until("the loss", || Ok(engine.status().target.state == "connecting")).await?;
    relay.refuse(false);
    target.start_again().await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

/// Such a group holds a worker. Those of sources that are away are given up in the end, with a relay log and without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_lost_inside_a_group_do_not_hold_all_workers() -> anyhow::Result<()> {
    let (source, target, first, mut options) = relayed(source()).await?;
    let other = Server::start(ServerOptions::source(2)).await?;
    source.run(TABLES).await?;
    other.run(TABLES).await?;
    let mut relays = vec![first];
    for number in 2..=options.apply.workers {
        let relay = TcpRelay::start(source.port()).await?;
        let name = format!("m{number}");
        let relay_log = RelayLogOptions::new(target.data_dir().join(format!(".relay-{name}")));
        let rule = format!("asterisk->{name}_asterisk");
        options.connections.push(tributary::ConnectionOptions {
            server_id: Some(100 + number as u32),
            source: tcp(relay.port()),
            relay_log: (number % 2 == 0).then_some(relay_log),
            ..connection(&name, &source, &rule)
        });
        relays.push(relay);
    }
    let is_away = options.connections.len();
    options
        .connections
        .push(connection("other", &other, "asterisk->other_asterisk"));
    small_parts(&mut options);
    let engine = Replicator::start(options.clone()).await?;
    for connection in &options.connections[..is_away] {
        caught_up(&engine, &connection.name, &source).await?;
    }
    for relay in &relays {
        relay.refuse(true);
        relay.cut_after_bytes(2_000_000);
    }
    let transaction = rows("t", 1, 2000);
    source
        .run(&format!(
            "SET SESSION binlog_format=ROW; USE asterisk; {transaction}"
        ))
        .await?;
    let open = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_rows_modified > 300";
    let deadline = std::time::Instant::now() + crate::support::CATCH_UP;
    while target.value(open).await? != is_away.to_string() {
        anyhow::ensure!(std::time::Instant::now() < deadline, "{:#?}", engine.status());
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    }
    other
        .run("INSERT INTO asterisk.t VALUES (1, 'meanwhile')")
        .await?;
    caught_up(&engine, "other", &other).await?;
    wait_open_rows(&target, |rows| rows == 0).await?;

    relays.iter().for_each(|relay| relay.refuse(false));
    for connection in &options.connections[..is_away] {
        caught_up(&engine, &connection.name, &source).await?;
        assert_equal(&source, &target, &format!("{}_asterisk", connection.name), &[]).await?;
        assert_eq!(status(&engine, &connection.name).retried, 0);
    }
    assert_equal(&other, &target, "other_asterisk", &[]).await?;
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_in_pieces_are_passed_over() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(source()).await?;
    source.run(TABLES).await?;
    let mut options = options(&source, &target);
    small_parts(&mut options);
    options.connections[0].origins = Origins {
        ignore_server_ids: vec![7],
        ignore_domain_ids: vec![5],
        ..Origins::default()
    };
    let engine = Replicator::start(options).await?;
    let controller = engine.controller();
    caught_up(&engine, "m1", &source).await?;
    let row = "USE asterisk; SET SESSION binlog_format=ROW; ";
    let ignored = format!(
        "{row} SET SESSION server_id=7; {}; SET SESSION server_id=1, gtid_domain_id=5; {}",
        rows("t", 1, 500),
        rows("m", 1, 500)
    );
    source.run(&ignored).await?;
    controller.stop("m1", Threads::BOTH).await?;
    // What is counted ends inside the group: it is passed over to its end.
    source.run(&format!("{row} {}", rows("t", 1001, 1500))).await?;
    source.run(&format!("{row} {}", rows("t", 2001, 2500))).await?;
    controller.skip_events("m1", 2).await?;
    controller.start("m1", Threads::BOTH, None).await?;
    caught_up(&engine, "m1", &source).await?;
    let there = "SELECT CONCAT_WS(' ', (SELECT COUNT(*) FROM m1_asterisk.m), MIN(id), MAX(id), COUNT(*)) FROM m1_asterisk.t";
    assert_eq!(target.value(there).await?, "0 2001 2500 500");
    assert!(engine.stop().await.is_clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_a_group_that_cannot_be_undone() -> anyhow::Result<()> {
    let (source, target, relay, mut options) = relayed(source()).await?;
    source.run(TABLES).await?;
    small_parts(&mut options);
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    relay.refuse(true);
    relay.cut_after_bytes(2_000_000);
    source
        .run(&format!(
            "SET SESSION binlog_format=ROW; USE asterisk; {}",
            rows("m", 1, 2000)
        ))
        .await?;
    let mut count = 0;
    while count < 300 {
        count = target
            .value("SELECT COUNT(*) FROM m1_asterisk.m")
            .await?
            .parse::<u64>()?;
    }
    let stopping = tokio::spawn(engine.stop());
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!stopping.is_finished(), "it would be applied twice");
    relay.refuse(false);
    assert!(stopping.await?.is_clean);
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    let engine = Replicator::start(options).await?;
    source.run("INSERT INTO asterisk.m VALUES (0, 'behind')").await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_inside_a_group_in_pieces() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(source()).await?;
    source.run(TABLES).await?;
    target.run("SET GLOBAL innodb_lock_wait_timeout=1").await?;
    let mut options = options(&source, &target);
    small_parts(&mut options);
    options.apply.transaction_retries = 2;
    options.connections[0].skip_errors = SkipErrors::List(BTreeSet::from([1062]));
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    let row = "SET SESSION binlog_format=ROW; USE asterisk; ";

    // A row in its middle is skipped; the others arrive.
    target
        .run("INSERT INTO m1_asterisk.t VALUES (700, 'mine'), (701, 'mine')")
        .await?;
    source.run(&format!("{row} {}", rows("t", 1, 1000))).await?;
    caught_up(&engine, "m1", &source).await?;
    let skipped = "SELECT GROUP_CONCAT(event_row IS NOT NULL, ' ', REGEXP_SUBSTR(CONVERT(statement USING utf8mb4), '[0-9]+') ORDER BY id) FROM tributary.skipped";
    assert_eq!(target.value(skipped).await?, "1 700,1 701");
    target
        .run("UPDATE m1_asterisk.t SET b=REPEAT(CHAR(65 + id % 26), 2000) WHERE id IN (700, 701)")
        .await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;

    // A row lock in its middle: it is received and applied again.
    let mut holder = Client::connect(&root(&target)).await?;
    let hold = b"SELECT id FROM m1_asterisk.t WHERE id=800 FOR UPDATE";
    holder.execute(b"BEGIN").await?;
    holder.query(hold).await?;
    source
        .run(&format!("{row} UPDATE t SET b=CONCAT(b, 'u')"))
        .await?;
    until("another attempt", || Ok(status(&engine, "m1").retried > 0)).await?;
    holder.execute(b"ROLLBACK").await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;

    // For ever: the connection stops, with nothing of the group on the target; and goes on when it may.
    holder.execute(b"BEGIN").await?;
    holder.query(hold).await?;
    source
        .run(&format!("{row} UPDATE t SET b=CONCAT(b, 'v')"))
        .await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1205, "{}", error.message);
    assert!(error.message.contains("after 2 retries"), "{}", error.message);
    wait_open_rows(&target, |rows| rows == 0).await?;
    engine.stop().await;
    holder.execute(b"ROLLBACK").await?;
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;

    // An error that may not be skipped stops, and names the rest.
    target.run("DELETE FROM m1_asterisk.t WHERE id=900").await?;
    source
        .run(&format!("{row} UPDATE t SET b=CONCAT(b, 'w')"))
        .await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1032, "{}", error.message);
    assert_eq!(
        target
            .value("SELECT COUNT(*) FROM m1_asterisk.t WHERE b LIKE '%w'")
            .await?,
        "0"
    );
    engine.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_data_files_wait_on_disk() -> anyhow::Result<()> {
    let (source, target, relay, mut options) = relayed(source()).await?;
    source.run(TABLES).await?;
    source.run("CREATE TABLE asterisk.i LIKE asterisk.t").await?;
    let directory = source.data_dir().join("load");
    std::fs::create_dir(&directory)?;
    let file = directory.join("rows.txt");
    let lines: String = (1..=3000)
        .map(|id| format!("{id}\t{}\n", "x".repeat(1000)))
        .collect();
    std::fs::write(&file, lines)?;
    small_parts(&mut options);
    options.apply.load_tmpdir = "/nowhere/at/all".into();
    let load = |table: &str| format!("LOAD DATA INFILE '{}' INTO TABLE {table}", file.display());
    source
        .run(&format!(
            "SET SESSION binlog_format=STATEMENT; USE asterisk; {}",
            load("t")
        ))
        .await?;
    let engine = Replicator::start(options.clone()).await?;
    let error = stopped(&engine, "m1").await?;
    assert!(
        error.message.contains("/nowhere/at/all") && error.message.contains("slave_load_tmpdir"),
        "{}",
        error.message
    );
    engine.stop().await;

    options.apply.load_tmpdir = directory.clone();
    let engine = Replicator::start(options).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    // Beside other changes in a large transaction; without transactions; with the line cut inside a file.
    relay.cut_after_bytes(1_500_000);
    source
        .run(&format!(
            "SET SESSION binlog_format=STATEMENT; USE asterisk; BEGIN; INSERT INTO i VALUES (100000, '{}'); {}; INSERT INTO i VALUES (100001, 'last'); COMMIT; {}",
            "y".repeat(200_000),
            load("i"),
            load("m")
        ))
        .await?;
    caught_up(&engine, "m1", &source).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    let names: Vec<_> = std::fs::read_dir(&directory)?.collect();
    assert_eq!(names.len(), 1, "temporary files have no names: {names:?}");
    let state = status(&engine, "m1");
    assert_eq!((state.sql_state, state.queue_bytes), (SqlState::Running, 0));
    assert!(engine.stop().await.is_clean);
    Ok(())
}

/// Memory of this process, engine included, after groups that are far larger than it may grow. Takes minutes and 10 GB of disk:
/// `cargo nextest run -p tributary --run-ignored only -E 'test(peak_memory)' --no-capture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes and 10 GB of disk"]
async fn peak_memory_of_huge_groups() -> anyhow::Result<()> {
    const PEAK_MAX: u64 = 256 << 20;
    log();
    let (source, target) = pair(source().arg("--max-allowed-packet=64M")).await?;
    source.run(TABLES).await?;
    let mut options = options(&source, &target);
    options.connections[0] = tributary::ConnectionOptions {
        relay_bytes_max: 64 << 20,
        relay_groups_max: 20_000,
        ..options.connections[0].clone()
    };
    let engine = Replicator::start(options).await?;
    caught_up(&engine, "m1", &source).await?;
    let file = source.data_dir().join("large.txt");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&file)?);
    for id in 1..=100_000 {
        std::io::Write::write_fmt(&mut out, format_args!("{id}\t{}\n", "x".repeat(1040)))?;
    }
    drop(out);
    let load = format!("LOAD DATA INFILE '{}' INTO TABLE t", file.display());
    for (what, format, statement, table) in [
        ("LOAD DATA of 100 MB", "STATEMENT", load, "t"),
        ("a transaction of 1 million rows", "ROW", "CREATE TABLE r (id INT PRIMARY KEY, b VARCHAR(50)) ENGINE=InnoDB AS SELECT seq id, MD5(seq) b FROM seq_1_to_1000000".to_owned(), "r"),
        ("a transaction of 2 GB", "ROW", "CREATE TABLE g (id INT PRIMARY KEY, b LONGTEXT) ENGINE=InnoDB AS SELECT seq id, REPEAT(CHAR(65 + seq % 26), 1000000) b FROM seq_1_to_2100".to_owned(), "g"),
    ] {
        source
            .run(&format!("SET SESSION binlog_format={format}; USE asterisk; {statement}"))
            .await?;
        let began = std::time::Instant::now();
        let end = source.value("SELECT CONCAT(@@gtid_binlog_pos)").await?;
        while status(&engine, "m1").gtid != end {
            let now = status(&engine, "m1");
            anyhow::ensure!(now.sql_state == SqlState::Running, "{now:#?}");
            anyhow::ensure!(began.elapsed().as_secs() < 1800, "{now:#?}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let peak = tributary_sandbox::process::peak_rss_bytes(std::process::id());
        println!("{what}: {:.0} s, peak {} MiB", began.elapsed().as_secs_f64(), peak >> 20);
        anyhow::ensure!(peak < PEAK_MAX, "{what}: {peak} bytes");
        let count = |db: &str| format!("SELECT CONCAT(COUNT(*), ' ', SUM(CRC32(b))) FROM {db}.{table}");
        assert_eq!(
            source.value(&count("asterisk")).await?,
            target.value(&count(TARGET_DB)).await?
        );
    }
    assert!(engine.stop().await.is_clean);
    Ok(())
}

/// A table gets another storage engine behind statements that are still to be applied when the first piece is received.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_loses_its_transactions_in_front_of_a_group_in_pieces() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(source()).await?;
    source.run(TABLES).await?;
    let mut options = options(&source, &target);
    small_parts(&mut options);
    options.connections[0].skip_errors = SkipErrors::List(BTreeSet::from([1062]));
    let engine = Replicator::start(options.clone()).await?;
    caught_up(&engine, "m1", &source).await?;
    engine.stop().await;
    target
        .run("INSERT INTO m1_asterisk.t SELECT 10, b FROM (SELECT REPEAT(CHAR(65 + 10 % 26), 2000) AS b) x")
        .await?;
    source
        .run(&format!(
            "USE asterisk; SET SESSION binlog_format=STATEMENT; INSERT INTO t VALUES (-1, SLEEP(1)); ALTER TABLE t ENGINE=MyISAM; \
             SET SESSION binlog_format=ROW; {}",
            rows("t", 1, 400)
        ))
        .await?;
    let engine = Replicator::start(options).await?;
    caught_up(&engine, "m1", &source).await?;
    assert_eq!(status(&engine, "m1").skipped, 1, "no row is made twice");
    engine.stop().await;
    assert_equal(&source, &target, TARGET_DB, &[]).await
}
