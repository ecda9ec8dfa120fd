//! A source writes into its own databases on the target and nowhere else, whatever it sends.

use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::support::{SOURCE_DB, TARGET_DB, connection, log, options, pair, until};
use anyhow::{Context as _, ensure};
use tributary::{ConnectionOptions, ErrorStatus, IoState, Options, Replicator, StartPosition};
use tributary_binlog::{Coordinates, append_checksum};
use tributary_client::{Address, ConnectOptions, Secret};
use tributary_sandbox::{Server, ServerOptions};

/// What another connection's database is called on the target. The source has one of that name, too.
const OTHERS: &str = "m2_asterisk";

/// Bytes of a statement that is put in the place of another.
const FORGED_BYTES: usize = 400;

/// Where the source's binlog ends.
async fn end_of(source: &Server) -> anyhow::Result<Coordinates> {
    let status = source.rows("SHOW MASTER STATUS").await?;
    let text = |index: usize| status[0][index].clone().context("SHOW MASTER STATUS");
    Ok(Coordinates::new(text(0)?, text(1)?.parse()?))
}

/// An engine with one connection that begins at `start`, and another that owns [`OTHERS`] and never gets anywhere.
fn from(start: Coordinates, name: &str, source: &Server, target: &Server) -> Options {
    let nowhere = ConnectOptions::new(Address::Unix("/nowhere/at/all".into()), "root", Secret::new(""));
    let mut options = options(source, target);
    options.connections = vec![
        ConnectionOptions {
            start: Some(StartPosition::Coordinates(start)),
            ..connection(name, source, &format!("{SOURCE_DB}->{TARGET_DB}"))
        },
        ConnectionOptions {
            source: nowhere,
            ..connection("m2", source, &format!("{SOURCE_DB}->{OTHERS}"))
        },
    ];
    options
}

/// What the engine says to one statement of the source, or what it reached without stopping.
async fn reaction(
    statement: &str,
    name: &str,
    source: &Server,
    target: &Server,
) -> anyhow::Result<Option<ErrorStatus>> {
    let start = end_of(source).await?;
    source.run(statement).await.context(statement.to_owned())?;
    replay(start, name, source, target).await
}

/// Has the engine read what the source's binlog holds from `start` on.
async fn replay(
    start: Coordinates,
    name: &str,
    source: &Server,
    target: &Server,
) -> anyhow::Result<Option<ErrorStatus>> {
    let end = end_of(source).await?;
    let engine = Replicator::start(from(start, name, source, target)).await?;
    let mut error = None;
    until(name, || {
        let status = engine.status();
        let now = status
            .connections
            .iter()
            .find(|c| c.name == name)
            .context("no status")?;
        error = now
            .last_error
            .clone()
            .filter(|_| now.sql_state == tributary::SqlState::Stopped || now.io_state == IoState::Stopped);
        let at = (now.executed.file.as_str(), now.executed.offset);
        Ok(error.is_some() || at >= (&end.file[..], end.offset))
    })
    .await?;
    engine.stop().await;
    Ok(error)
}

/// What is wrong unless the connection stopped for this reason.
fn other_than(why: &str, statement: &str, error: Option<ErrorStatus>) -> Option<String> {
    match error {
        Some(error) if error.message.contains(why) => None,
        Some(error) => Some(format!("{statement}: {}", error.message)),
        None => Some(format!("{statement}: applied")),
    }
}

/// The whole content of what is not the source's.
async fn belongings(target: &Server) -> anyhow::Result<Vec<Vec<Vec<Option<String>>>>> {
    let mut all = Vec::new();
    for sql in [
        "SELECT * FROM m2_asterisk.t ORDER BY 1",
        "SELECT table_schema,table_name FROM information_schema.tables WHERE table_schema NOT IN ('m1_asterisk','other','asterisk') ORDER BY 1,2",
        "SELECT routine_schema,routine_name FROM information_schema.routines WHERE routine_schema<>'m1_asterisk' ORDER BY 1,2",
        "SELECT schema_name,default_character_set_name FROM information_schema.schemata WHERE schema_name NOT IN ('m1_asterisk','other') ORDER BY 1",
        "SELECT * FROM mysql.global_priv ORDER BY host,user",
        "SELECT * FROM mysql.func",
        "SELECT * FROM mysql.plugin",
        "SELECT * FROM mysql.servers",
        "SELECT @@global.read_only,@@global.max_connections,@@global.sql_mode",
    ] {
        all.push(target.rows(sql).await?);
    }
    Ok(all)
}

/// Both sides have what the statements below are about.
async fn furnish(source: &Server, target: &Server) -> anyhow::Result<()> {
    source
        .run("SET GLOBAL log_bin_trust_function_creators=ON")
        .await?;
    for (server, own) in [(source, SOURCE_DB), (target, TARGET_DB)] {
        server
            .run(&format!(
                "CREATE DATABASE {own}; CREATE DATABASE m2_asterisk; CREATE TABLE {own}.t (a INT PRIMARY KEY) ENGINE=MyISAM;\
                 CREATE TABLE {own}.r (a INT PRIMARY KEY); CREATE TABLE {own}.forged (a VARCHAR(500)) ENGINE=MyISAM;\
                 CREATE TABLE m2_asterisk.t (a INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO m2_asterisk.t VALUES (1),(2);\
                 CREATE TABLE m2_asterisk.i (a INT PRIMARY KEY) ENGINE=InnoDB;\
                 CREATE FUNCTION {own}.f() RETURNS INT RETURN 1; CREATE PROCEDURE {own}.p() DELETE FROM {own}.t"
            ))
            .await?;
    }
    source
        .run("CREATE DATABASE tributary; CREATE TABLE tributary.position (a INT)")
        .await
}

/// Statements of a real server, and a word of why the connection stops at them.
const LOGGED: &[(&str, &str)] = &[
    (
        "INSERT INTO m2_asterisk.t VALUES (10)",
        "belongs to connection m2",
    ),
    (
        "USE m2_asterisk; INSERT INTO t VALUES (11)",
        "belongs to connection m2",
    ),
    (
        "SET binlog_format=ROW; INSERT INTO m2_asterisk.t VALUES (12)",
        "belongs to connection m2",
    ),
    (
        "USE asterisk; SET binlog_format=ROW; BEGIN; INSERT INTO r VALUES (12); UPDATE m2_asterisk.i SET a=5; INSERT INTO m2_asterisk.i VALUES (12); COMMIT",
        "belongs to connection m2",
    ),
    (
        "UPDATE asterisk.t a, m2_asterisk.t b SET b.a=b.a+100",
        "belongs to connection m2",
    ),
    (
        "REPLACE INTO asterisk.t VALUES (1); DELETE FROM m2_asterisk.t USING asterisk.t, m2_asterisk.t WHERE m2_asterisk.t.a>100",
        "belongs to connection m2",
    ),
    (
        "SET binlog_format=STATEMENT; REPLACE INTO asterisk.t SELECT a FROM m2_asterisk.t",
        "belongs to connection m2",
    ),
    (
        "INSERT /*!50000 INTO m2_asterisk.t */ VALUES (20)",
        "belongs to connection m2",
    ),
    (
        "INSERT /*M!100000 INTO m2_asterisk.t */ VALUES (21)",
        "belongs to connection m2",
    ),
    (
        "XA START 'x'; INSERT INTO m2_asterisk.i VALUES (30); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'",
        "belongs to connection m2",
    ),
    ("CREATE TABLE m2_asterisk.new (a INT)", "belongs to connection m2"),
    (
        "CREATE TEMPORARY TABLE m2_asterisk.new2 (a INT)",
        "belongs to connection m2",
    ),
    (
        "CREATE TABLE asterisk.alike LIKE m2_asterisk.t",
        "belongs to connection m2",
    ),
    (
        "CREATE TABLE asterisk.merged (a INT) ENGINE=MERGE UNION=(m2_asterisk.t) INSERT_METHOD=LAST",
        "belongs to connection m2",
    ),
    (
        "CREATE TABLE asterisk.child (a INT REFERENCES m2_asterisk.i (a)) ENGINE=InnoDB",
        "belongs to connection m2",
    ),
    (
        "DROP TABLE asterisk.child, m2_asterisk.t",
        "belongs to connection m2",
    ),
    ("CREATE TABLE m2_asterisk.t (a INT)", "belongs to connection m2"),
    (
        "ALTER TABLE m2_asterisk.i ADD COLUMN b INT",
        "belongs to connection m2",
    ),
    (
        "ALTER TABLE asterisk.r RENAME TO m2_asterisk.r",
        "belongs to connection m2",
    ),
    (
        "RENAME TABLE m2_asterisk.r TO asterisk.r",
        "belongs to connection m2",
    ),
    ("CREATE INDEX b ON m2_asterisk.i (b)", "belongs to connection m2"),
    ("TRUNCATE m2_asterisk.i", "belongs to connection m2"),
    ("DROP TABLE m2_asterisk.i", "belongs to connection m2"),
    ("CREATE SEQUENCE m2_asterisk.s", "belongs to connection m2"),
    (
        "SET STATEMENT max_statement_time=100 FOR INSERT INTO m2_asterisk.t VALUES (40)",
        "belongs to connection m2",
    ),
    (
        "ALTER DATABASE m2_asterisk CHARACTER SET utf8mb3",
        "belongs to connection m2",
    ),
    (
        "CREATE VIEW asterisk.v AS SELECT * FROM m2_asterisk.t",
        "belongs to connection m2",
    ),
    (
        "CREATE VIEW asterisk.v2 AS SELECT * FROM mysql.user",
        "belongs to the target's server",
    ),
    (
        "CREATE VIEW asterisk.v3 AS SELECT * FROM tributary.position",
        "engine's own",
    ),
    (
        "CREATE PROCEDURE m2_asterisk.p2() SET @a=1",
        "belongs to connection m2",
    ),
    (
        "USE m2_asterisk; CREATE PROCEDURE p3() SET @a=1",
        "belongs to connection m2",
    ),
    (
        "CREATE DEFINER=root@localhost FUNCTION asterisk.f1() RETURNS INT BEGIN UPDATE m2_asterisk.t SET a=a+1; RETURN 1; END",
        "belongs to connection m2",
    ),
    (
        "CREATE DEFINER=root@localhost FUNCTION asterisk.f2() RETURNS INT BEGIN DELETE FROM mysql.global_priv; RETURN 1; END",
        "belongs to the target's server",
    ),
    (
        "CREATE DEFINER=root@localhost FUNCTION asterisk.f3() RETURNS INT BEGIN SET GLOBAL read_only=0; RETURN 1; END",
        "SET GLOBAL",
    ),
    (
        "CREATE DEFINER=root@localhost FUNCTION asterisk.f4() RETURNS INT BEGIN SELECT 1 INTO OUTFILE '/dev/shm/never'; RETURN 1; END",
        "INTO OUTFILE",
    ),
    (
        "CREATE DEFINER=root@localhost FUNCTION asterisk.f5() RETURNS INT BEGIN DELETE FROM tributary.position; RETURN 1; END",
        "engine's own",
    ),
    (
        "CREATE DEFINER=root@localhost PROCEDURE asterisk.p4() BEGIN EXECUTE IMMEDIATE 'DROP TABLE m2_asterisk.t'; END",
        "belongs to connection m2",
    ),
    (
        "CREATE DEFINER=root@localhost PROCEDURE asterisk.p5() BEGIN PREPARE s FROM 'DROP TABLE m2_asterisk.t'; EXECUTE s; END",
        "belongs to connection m2",
    ),
    (
        "CREATE PROCEDURE asterisk.p6() /*!50003 BEGIN CALL m2_asterisk.p2(); END */",
        "belongs to connection m2",
    ),
    (
        "CREATE TRIGGER asterisk.tr BEFORE INSERT ON asterisk.r FOR EACH ROW INSERT INTO m2_asterisk.t VALUES (NEW.a)",
        "belongs to connection m2",
    ),
    (
        "CREATE TRIGGER asterisk.tr2 BEFORE INSERT ON asterisk.r FOR EACH ROW SET @@global.max_connections=1",
        "SET GLOBAL",
    ),
    (
        "CREATE EVENT asterisk.e ON SCHEDULE EVERY 1 DAY DO DELETE FROM m2_asterisk.t",
        "belongs to connection m2",
    ),
    (
        "CREATE TABLE mysql.own (a INT); INSERT INTO mysql.own VALUES (1); UPDATE asterisk.forged, mysql.own SET forged.a='x', own.a=3",
        "cannot be taken apart",
    ),
    ("DROP DATABASE m2_asterisk", "belongs to connection m2"),
];

/// What replicates as on a native replica, or is left out; the connection goes on.
const HARMLESS: &[&str] = &[
    "CREATE DATABASE other; CREATE TABLE other.t (a INT); INSERT INTO other.t VALUES (1)",
    "USE other; CREATE VIEW v AS SELECT table_name FROM information_schema.tables; INSERT INTO asterisk.r VALUES (100)",
    "CREATE FUNCTION asterisk.g() RETURNS INT BEGIN DECLARE n INT; SELECT COUNT(*) INTO n FROM information_schema.columns; SET @x=@@global.read_only; RETURN n; END",
    "CREATE EVENT asterisk.e1 ON SCHEDULE EVERY 1 DAY DO TRUNCATE mysql.slow_log",
    "CREATE TABLE mysql.own2 (a INT); CREATE TABLE asterisk.own2 (a INT); DROP TABLE mysql.own2, asterisk.own2",
    "INSERT INTO tributary.position VALUES (1); DELETE FROM tributary.position; CREATE PROCEDURE mysql.p() SET @a=1; DROP PROCEDURE mysql.p",
    "CREATE USER evil@'%' IDENTIFIED BY 'x'; GRANT ALL ON *.* TO evil@'%'; SET PASSWORD FOR evil@'%'=''; FLUSH PRIVILEGES",
    "INSERT INTO asterisk.t VALUES (asterisk.f()) ON DUPLICATE KEY UPDATE a=/*!50000 7 */; /*!50000 REPLACE INTO asterisk.t VALUES (8) */",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_reaches_its_own_databases_only() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    furnish(&source, &target).await?;
    let engine = Replicator::start(from(end_of(&source).await?, "first", &source, &target)).await?;
    engine.stop().await;
    let before = belongings(&target).await?;
    let mut failures = Vec::new();
    for (index, statement) in HARMLESS.iter().enumerate() {
        let error = reaction(statement, &format!("h{index}"), &source, &target).await?;
        let refused = error.map(|error| format!("{statement}: {}", error.message));
        failures.extend(refused);
    }
    assert_eq!(target.value("SELECT COUNT(*) FROM other.t").await?, "1");
    assert_eq!(belongings(&target).await?, before);
    for (index, (statement, why)) in LOGGED.iter().enumerate() {
        let error = reaction(statement, &format!("c{index}"), &source, &target).await?;
        failures.extend(other_than(why, statement, error));
    }
    assert_eq!(belongings(&target).await?, before);
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

/// Statements that only a source that lies has in its binlog, and a word of why the connection stops at them.
const FORGED: &[(&str, &str)] = &[
    ("SET GLOBAL read_only=0", "no server logs"),
    ("SET @@global.max_connections=1", "no server logs"),
    (
        "SET STATEMENT max_statement_time=1 FOR SET GLOBAL read_only=0",
        "no server logs",
    ),
    ("CALL asterisk.p()", "no server logs"),
    ("SELECT 1 INTO OUTFILE '/dev/shm/never'", "no server logs"),
    ("SELECT * FROM mysql.user", "no server logs"),
    (
        "SELECT `asterisk`.`f`() INTO OUTFILE '/dev/shm/never'",
        "INTO OUTFILE",
    ),
    (
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE asterisk.forged",
        "no server logs",
    ),
    (
        "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE asterisk.forged",
        "no server logs",
    ),
    ("INSTALL SONAME 'ha_archive'", "Install"),
    ("INSTALL PLUGIN x SONAME 'ha_archive'", "Install"),
    ("UNINSTALL PLUGIN unix_socket", "Install"),
    ("CREATE FUNCTION sys_exec RETURNS INT SONAME 'udf.so'", "Install"),
    ("PREPARE s FROM 'DROP DATABASE m2_asterisk'", "unknown kind"),
    ("EXECUTE IMMEDIATE 'DROP DATABASE m2_asterisk'", "unknown kind"),
    ("BEGIN NOT ATOMIC DROP DATABASE m2_asterisk; END", "unknown kind"),
    (
        "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'x')",
        "unknown kind",
    ),
    ("CHANGE MASTER TO MASTER_HOST='evil'", "unknown kind"),
    ("SHUTDOWN", "unknown kind"),
    ("KILL 1", "unknown kind"),
    ("USE m2_asterisk", "Use"),
    ("LOCK TABLES m2_asterisk.t WRITE", "LockTables"),
    (
        "INSERT INTO asterisk.t VALUES (50); DROP DATABASE m2_asterisk",
        "the end of the statement",
    ),
    (
        "INSERT INTO asterisk.t VALUES (51) /*!100400 , (52) */",
        "version comment",
    ),
    (
        "CREATE TABLE asterisk.sly (a INT) /*M!100400 UNION=(m2_asterisk.t) */",
        "version comment",
    ),
    (
        "INSERT INTO `#mysql50#m2_asterisk`.t VALUES (22)",
        "names a directory",
    ),
    (
        "INSERT INTO /*M!120000 asterisk. */ t VALUES (53)",
        "no default database",
    ),
    ("INSERT INTO t VALUES (54)", "no default database"),
    ("CREATE PROCEDURE p9() SET @a=1", "no default database"),
    (
        "INSERT INTO asterisk.t VALUES (55) /* ; DROP DATABASE m2_asterisk",
        "cannot read",
    ),
];

/// Has the format description at the start of a binlog file name an older server.
fn describe_as_older(file: &mut [u8]) -> anyhow::Result<()> {
    const VERSION_OFFSET: usize = 21;
    const FLAGS_OFFSET: usize = 17;
    const CHECKSUM_BYTES: usize = 4;
    let file = file.get_mut(4..).context("no events")?;
    let length = u32::from_le_bytes(file[9..13].try_into()?) as usize;
    let mut event = file[..length - CHECKSUM_BYTES].to_vec();
    event[VERSION_OFFSET..VERSION_OFFSET + 5].copy_from_slice(b"10.03");
    // The mark of a file that is being written is not part of what is summed up.
    let flags = std::mem::replace(&mut event[FLAGS_OFFSET], 0);
    append_checksum(&mut event, 0);
    event[FLAGS_OFFSET] = flags;
    file[..length].copy_from_slice(&event);
    Ok(())
}

/// Writes `text` over the placeholder in a binlog file, and another version over the server's. Events there have no checksums.
fn forge(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut bytes = std::fs::read(file)?;
    let placeholder = placeholder();
    let at = bytes
        .windows(placeholder.len())
        .position(|window| window == placeholder.as_bytes())
        .context("no placeholder in the binlog")?;
    let forged = format!("{text:<width$}", width = placeholder.len());
    ensure!(forged.len() == placeholder.len());
    bytes[at..at + forged.len()].copy_from_slice(forged.as_bytes());
    describe_as_older(&mut bytes)?;
    std::fs::write(file, bytes).context("write the binlog")
}

fn placeholder() -> String {
    format!(
        "INSERT INTO asterisk.forged VALUES ('{}')",
        "x".repeat(FORGED_BYTES)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_no_server_logs_are_refused() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(
        ServerOptions::source(1)
            .arg("--binlog-checksum=NONE")
            .arg("--log-bin-compress=OFF"),
    )
    .await?;
    furnish(&source, &target).await?;
    let engine = Replicator::start(from(end_of(&source).await?, "first", &source, &target)).await?;
    engine.stop().await;
    let before = belongings(&target).await?;
    let mut failures = Vec::new();
    for (index, (statement, why)) in FORGED.iter().enumerate() {
        source.run("FLUSH BINARY LOGS").await?;
        let start = Coordinates::new(end_of(&source).await?.file, 4);
        source.run(&placeholder()).await?;
        forge(&source.data_dir().join(&*start.file), statement)?;
        let error = replay(start, &format!("c{index}"), &source, &target).await?;
        failures.extend(other_than(why, statement, error));
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(belongings(&target).await?, before);
    assert_eq!(
        target.value("SELECT COUNT(*) FROM m1_asterisk.forged").await?,
        "0"
    );
    assert_eq!(target.value("SELECT COUNT(*) FROM m1_asterisk.t").await?, "0");
    Ok(())
}

/// Writes other offsets of the file clause over those of the only `LOAD DATA` in a binlog file without checksums; `forged` gets the old
/// ones and the length of the text.
fn forge_offsets(file: &Path, forged: impl Fn(u32, u32, u32) -> (u32, u32)) -> anyhow::Result<()> {
    const EXECUTE_LOAD: u8 = 18;
    const OFFSETS: usize = 19 + 13 + 4;
    let bytes = std::fs::read(file)?;
    let number = |bytes: &[u8], at: usize| {
        let number = bytes.get(at..).and_then(|rest| rest.first_chunk());
        number
            .map(|number| u32::from_le_bytes(*number))
            .context("an event ends early")
    };
    let mut at = 4;
    while *bytes.get(at + 4).context("no LOAD DATA in the binlog")? != EXECUTE_LOAD {
        at += number(&bytes, at + 9)? as usize;
    }
    let end = at + number(&bytes, at + 9)? as usize;
    let text = bytes[at..end]
        .windows(4)
        .position(|window| window == b"LOAD")
        .context("no statement")?;
    let length = u32::try_from(end - at - text)?;
    let old = (number(&bytes, at + OFFSETS)?, number(&bytes, at + OFFSETS + 4)?);
    let new = forged(old.0, old.1, length);
    // In place: the server has the file open.
    let offsets = [new.0.to_le_bytes(), new.1.to_le_bytes()].concat();
    let file = std::fs::File::options().write(true).open(file)?;
    file.write_all_at(&offsets, (at + OFFSETS) as u64)
        .context("write the binlog")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_of_a_load_that_hide_another_statement_are_refused() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1).arg("--binlog-checksum=NONE")).await?;
    furnish(&source, &target).await?;
    let engine = Replicator::start(from(end_of(&source).await?, "first", &source, &target)).await?;
    engine.stop().await;
    let before = belongings(&target).await?;
    let lines = source.data_dir().join("load.txt");
    std::fs::write(&lines, "loaded\n")?;
    let load = format!(
        "SET binlog_format=STATEMENT; LOAD DATA INFILE '{}' INTO TABLE asterisk.forged",
        lines.display()
    );
    type Offsets = fn(u32, u32, u32) -> (u32, u32);
    let forged: [(&str, Offsets); 10] = [
        ("nothing", |_, _, _| (0, 0)),
        ("all of it", |_, _, length| (0, length)),
        ("a byte less at the start", |start, end, _| (start + 1, end)),
        ("a byte more at the start", |start, end, _| (start - 1, end)),
        ("a byte less at the end", |start, end, _| (start, end - 1)),
        ("a byte more at the end", |start, end, _| (start, end + 1)),
        ("to the end of the text", |start, _, length| (start, length)),
        ("the wrong way round", |start, end, _| (end, start)),
        ("behind the text", |_, _, length| (length + 1, length + 9)),
        ("at the end of all numbers", |_, _, _| (u32::MAX - 1, u32::MAX)),
    ];
    let mut loaded = 0;
    for (index, (what, offsets)) in forged.into_iter().enumerate() {
        source.run("FLUSH BINARY LOGS").await?;
        let start = Coordinates::new(end_of(&source).await?.file, 4);
        source.run(&load).await?;
        forge_offsets(&source.data_dir().join(&*start.file), offsets)?;
        let error = replay(start, &format!("o{index}"), &source, &target).await?;
        match error {
            Some(error) => ensure!(
                error.message.contains("outside its own text")
                    || error.message.contains("is no part of a statement")
                    || error.number == 1064,
                "{what}: {}",
                error.message
            ),
            // A blank more or less does not change what is read into which table.
            None => {
                ensure!(what.contains("a byte"), "{what}: applied");
                loaded += 1;
            }
        }
    }
    assert_eq!(belongings(&target).await?, before);
    let rows = "SELECT COUNT(*),COALESCE(SUM(a='loaded'),0) FROM m1_asterisk.forged";
    let count = |count: u32| vec![vec![Some(count.to_string()), Some(count.to_string())]];
    assert_eq!(target.rows(rows).await?, count(loaded));
    // As it is, it is loaded.
    let start = end_of(&source).await?;
    source.run(&load).await?;
    let error = replay(start, "whole", &source, &target).await?;
    ensure!(error.is_none(), "{error:?}");
    assert_eq!(target.rows(rows).await?, count(loaded + 1));
    Ok(())
}
