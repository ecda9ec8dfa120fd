//! What a statement does depends on its session. A native replica without rename, fed from the same source, is the judge:
//! source, native replica and the engine's target must hold the same.

use std::time::Instant;

use crate::support::{
    CATCH_UP, SOURCE_DB, TARGET_DB, assert_equal, caught_up, log, open_tcp, options, pair, root,
};
use anyhow::{Context as _, ensure};
use tributary::Replicator;
use tributary_client::Client;
use tributary_sandbox::{Server, ServerOptions};

/// A source with the engine's target and a native replica behind it.
pub struct Trio {
    pub source: Server,
    pub target: Server,
    pub native: Server,
    pub engine: Replicator,
}

impl Trio {
    pub async fn start(args: &[&str]) -> anyhow::Result<Trio> {
        log();
        let big = "--max-allowed-packet=128M";
        let source = args.iter().fold(
            ServerOptions::source(1).arg(big).arg("--local-infile=ON"),
            |options, arg| options.arg(arg),
        );
        let ((source, target), native) = tokio::try_join!(
            pair(source),
            Server::start(
                ServerOptions::plain(20)
                    .arg(big)
                    .arg("--default-storage-engine=MyISAM")
            )
        )?;
        target.run("SET GLOBAL max_allowed_packet=128<<20").await?;
        for server in [&source, &target, &native] {
            load_time_zones(server).await?;
        }
        open_tcp(&source).await?;
        native
            .run(&format!(
                "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='root', MASTER_LOG_FILE='mysql-bin.000001', MASTER_LOG_POS=4;\
                 START SLAVE",
                source.port()
            ))
            .await?;
        source.run(&format!("CREATE DATABASE {SOURCE_DB}")).await?;
        let mut settings = options(&source, &target);
        settings.connections[0].relay_bytes_max = 4 << 20;
        let engine = Replicator::start(settings).await?;
        Ok(Trio {
            source,
            target,
            native,
            engine,
        })
    }

    /// A session on the source.
    pub async fn session(&self) -> anyhow::Result<Client> {
        let mut client = Client::connect(&root(&self.source)).await?;
        client.execute(b"USE asterisk").await?;
        Ok(client)
    }

    /// Both replicas have everything, and all three hold the same.
    pub async fn agree(&self) -> anyhow::Result<()> {
        let status = self.source.rows("SHOW MASTER STATUS").await?;
        let (file, offset) = (
            status[0][0].clone().context("file")?,
            status[0][1].clone().context("offset")?,
        );
        let waited = self
            .native
            .value(&format!(
                "SELECT MASTER_POS_WAIT('{file}', {offset}, {})",
                CATCH_UP.as_secs()
            ))
            .await;
        let error = || async {
            self.native
                .rows("SHOW SLAVE STATUS")
                .await
                .map(|rows| format!("{rows:?}"))
        };
        ensure!(
            waited.as_ref().is_ok_and(|value| value != "-1"),
            "the native replica does not follow: {waited:?} {:?}",
            error().await
        );
        assert_equal(&self.source, &self.native, SOURCE_DB, &[])
            .await
            .context("source and native replica")?;
        caught_up(&self.engine, "m1", &self.source).await?;
        assert_equal(&self.source, &self.target, TARGET_DB, &[])
            .await
            .context("source and target")
    }
}

/// Two named zones, one of them with a change of clocks.
pub async fn load_time_zones(server: &Server) -> anyhow::Result<()> {
    server
        .run(
            "SET sql_log_bin=0; USE mysql; SET @@global.sql_mode=@@global.sql_mode;\
             INSERT INTO time_zone (Time_zone_id, Use_leap_seconds) VALUES (901,'N');\
             INSERT INTO time_zone_name VALUES ('Test/Springtime', 901);\
             INSERT INTO time_zone_transition_type VALUES (901,0,3600,0,'TST'),(901,1,7200,1,'TDT');\
             INSERT INTO time_zone_transition VALUES (901,1000000000,1),(901,1100000000,0)",
        )
        .await
}

/// Runs statements one after the other in one session.
pub async fn run(client: &mut Client, statements: &[&str]) -> anyhow::Result<()> {
    for statement in statements {
        client
            .query(statement.as_bytes())
            .await
            .with_context(|| (*statement).to_owned())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_and_zones() -> anyhow::Result<()> {
    let trio = Trio::start(&[]).await?;
    let mut session = trio.session().await?;
    run(
        &mut session,
        &[
            "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a DATETIME(6), b TIMESTAMP(6) NULL, c TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, d VARCHAR(60)) CHARACTER SET utf8mb4",
            "INSERT INTO t (a,b,d) VALUES (NOW(6), NOW(6), NOW()), (SYSDATE(6), CURRENT_TIMESTAMP(3), CURTIME())",
            "INSERT INTO t (a) VALUES (NOW())",
            "SET time_zone='+05:45'",
            "INSERT INTO t (a,b,d) VALUES (NOW(6), '2020-02-29 12:00:00.5', FROM_UNIXTIME(1000000000))",
            "SET time_zone='Test/Springtime'",
            "INSERT INTO t (a,b,d) VALUES (NOW(6), '2003-06-01 12:00:00', FROM_UNIXTIME(1050000000)), (NOW(), '2006-01-01 00:00:00', UNIX_TIMESTAMP('2003-06-01 12:00:00'))",
            "SET time_zone='SYSTEM'",
            "UPDATE t SET d=CONCAT(d,'!') WHERE id=1",
            "SET timestamp=1234567890.123456",
            "INSERT INTO t (a,b,d) VALUES (NOW(6), NOW(6), DATE_FORMAT(NOW(), '%W %M'))",
            "SET timestamp=DEFAULT, lc_time_names='de_DE'",
            "INSERT INTO t (a,d) VALUES (NOW(6), DATE_FORMAT('2024-03-04', '%W %M %a %b'))",
            "SET lc_time_names='ru_RU'",
            "INSERT INTO t (a,d) VALUES (NOW(6), CONVERT(DAYNAME('2024-03-04') USING utf8mb4))",
            "INSERT INTO t (a,d) VALUES (UTC_TIMESTAMP(6), UTC_TIME())",
            "DELETE FROM t WHERE a > NOW() + INTERVAL 1 DAY",
        ],
    )
    .await?;
    trio.agree().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_modes() -> anyhow::Result<()> {
    let trio = Trio::start(&[]).await?;
    let mut session = trio.session().await?;
    run(
        &mut session,
        &[
            "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(80), n TINYINT, d DATE)",
            "SET sql_mode='ANSI_QUOTES'",
            "INSERT INTO \"asterisk\".\"t\" (\"a\") VALUES ('\"asterisk\".\"t\"')",
            "SET sql_mode='NO_BACKSLASH_ESCAPES'",
            "INSERT INTO asterisk.t (a) VALUES ('C:\\'), ('asterisk.t\\n')",
            "SET sql_mode='PIPES_AS_CONCAT'",
            "INSERT INTO t (a) VALUES ('a' || 'b')",
            "SET sql_mode=''",
            "INSERT INTO t (a,n,d) VALUES ('a' || 'b', 1000, '2020-00-00'), (REPEAT('x',100), -1000, '0000-00-00')",
            "INSERT INTO t (a) VALUES ('\\'asterisk.t\\\\'), (\"asterisk.t\")",
            "SET sql_mode='NO_AUTO_VALUE_ON_ZERO'",
            "INSERT INTO t (id,a) VALUES (0,'zero')",
            "SET sql_mode='ORACLE'",
            "INSERT INTO asterisk.t (a) VALUES ('o' || NULL || 'racle')",
            "CREATE PROCEDURE asterisk.p(x IN VARCHAR2) AS BEGIN INSERT INTO asterisk.t (a) VALUES (x || '!'); END",
            "CALL p('called')",
            "SET sql_mode='TRADITIONAL,HIGH_NOT_PRECEDENCE,IGNORE_SPACE,NO_UNSIGNED_SUBTRACTION'",
            "INSERT INTO t (n) VALUES (NOT 1 BETWEEN -5 AND 5), (CAST(0 AS UNSIGNED) - 1)",
            "SET sql_mode=DEFAULT",
            "INSERT INTO t (a) VALUES ('default')",
        ],
    )
    .await?;
    trio.agree().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn character_sets() -> anyhow::Result<()> {
    let trio = Trio::start(&[]).await?;
    let mut session = trio.session().await?;
    run(
        &mut session,
        &["CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, l VARCHAR(20) CHARACTER SET latin1, u VARCHAR(20) CHARACTER SET utf8mb4, g VARCHAR(20) CHARACTER SET gbk, b VARBINARY(40), note VARCHAR(40))"],
    )
    .await?;
    // 0x5C is the second byte of a gbk character and a backslash elsewhere; 0xFF and 0xE9 are no UTF-8.
    let texts: [(&str, &[u8]); 5] = [
        ("latin1", b"caf\xe9"),
        ("utf8mb4", "né 😀".as_bytes()),
        ("cp1251", b"\xcf\xf0\xe8"),
        ("gbk", b"\x95\x5c\xd6\xd0"),
        ("binary", b"\xff\x01\xe9"),
    ];
    for (charset, text) in texts {
        session.query(format!("SET NAMES {charset}").as_bytes()).await?;
        let columns: &[&str] = if charset == "binary" { &["b"] } else { &["u", "b"] };
        for column in columns {
            let statement = [
                b"INSERT INTO asterisk.t (".as_slice(),
                column.as_bytes(),
                b", note) VALUES ('",
                text,
                b"', '",
                charset.as_bytes(),
                b"')",
            ]
            .concat();
            session
                .query(&statement)
                .await
                .with_context(|| format!("{charset} into {column}"))?;
            let statement = [
                b"UPDATE t SET note=CONCAT(note, ' found') WHERE ".as_slice(),
                column.as_bytes(),
                b"='",
                text,
                b"'",
            ]
            .concat();
            session
                .query(&statement)
                .await
                .with_context(|| format!("{charset} from {column}"))?;
        }
    }
    run(
        &mut session,
        &[
            "SET NAMES latin1 COLLATE latin1_german2_ci",
            "INSERT INTO t (u, note) VALUES (_utf8mb4 X'F09F9880', 'introducer'), (N'abc', CONCAT(CHARSET('x'), COLLATION('x')))",
            "SET character_set_connection=utf8mb4, collation_connection=utf8mb4_bin",
            "INSERT INTO t (note) VALUES (IF('a'='A', 'same', 'different')), (COLLATION('x'))",
            "SET NAMES utf8mb4",
            "INSERT INTO t (note) VALUES (IF('a'='A', 'same', 'different')), (CONCAT(@@collation_server, @@character_set_database))",
            "CREATE DATABASE greek CHARACTER SET greek",
            "USE greek",
            "CREATE TABLE asterisk.made_there (a VARCHAR(10))",
            "USE asterisk",
            "CREATE TABLE made_here (a VARCHAR(10))",
            "SET collation_server=latin2_czech_cs",
            "CREATE DATABASE asterisk_czech",
        ],
    )
    .await?;
    trio.agree().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_ids() -> anyhow::Result<()> {
    let trio = Trio::start(&[]).await?;
    let mut session = trio.session().await?;
    run(
        &mut session,
        &[
            "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a BIGINT, u INT UNIQUE) ENGINE=MyISAM",
            "CREATE TABLE i (id INT AUTO_INCREMENT PRIMARY KEY, a BIGINT, u INT UNIQUE) ENGINE=InnoDB",
            "CREATE TABLE k (g INT, id INT AUTO_INCREMENT, PRIMARY KEY (g,id)) ENGINE=MyISAM",
            "INSERT INTO t (a) VALUES (1),(2),(3)",
            "INSERT INTO i (a) VALUES (LAST_INSERT_ID()), (LAST_INSERT_ID()+1)",
            "INSERT INTO t (a) SELECT LAST_INSERT_ID() FROM i",
            "UPDATE t SET a=LAST_INSERT_ID(id+100) WHERE id=2",
            "INSERT INTO i (a) VALUES (LAST_INSERT_ID())",
            "SET auto_increment_increment=10, auto_increment_offset=3",
            "INSERT INTO t (a) VALUES (4),(5)",
            "INSERT INTO i (a) VALUES (4),(5)",
            "SET auto_increment_increment=1, auto_increment_offset=1",
            "INSERT INTO t (id,a) VALUES (500,6),(NULL,7),(0,8)",
            "SET insert_id=777",
            "INSERT INTO i (a) VALUES (9),(10)",
            "INSERT INTO k (g) VALUES (1),(1),(2),(1)",
            "INSERT INTO i (a,u) VALUES (11,1) ON DUPLICATE KEY UPDATE a=a+1",
            "INSERT INTO i (a,u) VALUES (12,1),(13,2) ON DUPLICATE KEY UPDATE a=VALUES(a)+100, id=LAST_INSERT_ID(id)",
            "INSERT IGNORE INTO i (a,u) VALUES (14,1),(15,3)",
            "REPLACE INTO i (a,u) VALUES (16,1),(17,3)",
            "REPLACE INTO t (a,u) VALUES (18,1)",
            "INSERT INTO t (a) VALUES (RAND(7)*1000000),(RAND()*1000000),(RAND()*1000000)",
            "UPDATE t SET a=RAND()*1000000000 WHERE id=1",
            "UPDATE t SET a=a+FLOOR(RAND()*1000) ORDER BY id LIMIT 3",
            "DELETE FROM t ORDER BY a LIMIT 1",
            "INSERT INTO t (a) VALUES (CONNECTION_ID())",
            "INSERT INTO i (a) VALUES (ROW_COUNT()), (FOUND_ROWS())",
        ],
    )
    .await?;
    trio.agree().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_variables() -> anyhow::Result<()> {
    let trio = Trio::start(&[]).await?;
    let mut session = trio.session().await?;
    run(
        &mut session,
        &[
            "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(120) CHARACTER SET utf8mb4, n DECIMAL(65,30), f DOUBLE, b VARBINARY(40))",
            "SET @i=-9223372036854775808, @u=18446744073709551615, @r=1.7976931348623157e308, @small=-4.9e-324, @d=12345678901234567890.123456789, @n=NULL, @s='it''s \\\\ \"x\"', @x=X'00FF27', @`odd ``name`='odd'",
            "INSERT INTO t (a,n) VALUES (@i,@i),(@u,@u),(@d,@d),(@n,@n)",
            "INSERT INTO t (a,f) VALUES (@r,@r),(@small,@small),(@r/3,0.1e0+@small)",
            "INSERT INTO t (a,b) VALUES (@s,@x),(@`odd ``name`,@s),(CONCAT(@s,@nothing),@x)",
            "SET @l=_latin1 X'E9' COLLATE latin1_german2_ci, @e=_utf8mb4'' COLLATE utf8mb4_bin, @g=_gbk X'955C'",
            "INSERT INTO t (a) VALUES (@l),(@e),(@g),(COLLATION(@l)),(CHARSET(@g))",
            "SELECT @row:=0",
            "UPDATE t SET b=(@row:=@row+1) ORDER BY id",
            "SET @sql='INSERT INTO asterisk.t (a) VALUES (?)', @v='prepared asterisk.t'",
            "PREPARE s FROM @sql",
            "EXECUTE s USING @v",
            "EXECUTE s USING @i",
        ],
    )
    .await?;
    trio.agree().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn temporary_tables_of_two_sessions() -> anyhow::Result<()> {
    let trio = Trio::start(&[]).await?;
    let (mut one, mut two) = (trio.session().await?, trio.session().await?);
    run(
        &mut one,
        &[
            "CREATE TABLE t (who VARCHAR(10), a INT) ENGINE=MyISAM",
            "CREATE TABLE w (a INT) ENGINE=InnoDB",
        ],
    )
    .await?;
    run(
        &mut one,
        &[
            "CREATE TEMPORARY TABLE w (a INT) ENGINE=MyISAM",
            "INSERT INTO w VALUES (1),(2)",
        ],
    )
    .await?;
    run(
        &mut two,
        &[
            "CREATE TEMPORARY TABLE asterisk.w SELECT 10 AS a UNION SELECT 20",
            "INSERT INTO t SELECT 'two', a FROM w",
        ],
    )
    .await?;
    run(
        &mut one,
        &[
            "INSERT INTO t SELECT 'one', a FROM asterisk.w",
            "UPDATE w SET a=a+1",
            "INSERT INTO t SELECT 'again', a FROM w",
            "DROP TEMPORARY TABLE w",
            "INSERT INTO w VALUES (100)",
        ],
    )
    .await?;
    run(
        &mut two,
        &[
            "ALTER TABLE w ADD COLUMN b INT DEFAULT 5",
            "INSERT INTO t SELECT 'b', a+b FROM w",
            "DELETE FROM t USING t JOIN w ON t.a=w.a WHERE who='two' AND t.a=10",
        ],
    )
    .await?;
    two.quit().await;
    run(&mut one, &["INSERT INTO t SELECT 'real', a FROM w"]).await?;
    one.quit().await;
    trio.agree().await?;
    let left = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='m1_asterisk'";
    assert_eq!(
        trio.target.value(left).await?,
        "2",
        "temporary tables do not become tables"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn temporary_tables_in_every_statement() -> anyhow::Result<()> {
    for format in ["MIXED", "STATEMENT"] {
        let trio = Trio::start(&[&format!("--binlog-format={format}")]).await?;
        let (mut one, mut two) = (trio.session().await?, trio.session().await?);
        run(
            &mut two,
            &[
                "CREATE TABLE t (a BIGINT, b INT) ENGINE=InnoDB",
                "CREATE TABLE w (a BIGINT, b INT) ENGINE=InnoDB",
                "INSERT INTO t VALUES (1,1),(2,2),(3,3)",
            ],
        )
        .await?;
        run(
            &mut one,
            &[
                "CREATE TEMPORARY TABLE w LIKE t",
                "INSERT INTO w SELECT * FROM t",
                "UPDATE t JOIN w ON t.a=w.a SET t.b=t.b+w.b*10",
                "UPDATE t JOIN w ON t.a=w.a SET w.b=w.b+5",
                "INSERT INTO t SELECT a+10, b FROM w",
                "DELETE t FROM t JOIN w ON t.a=w.a+10 WHERE w.b=7",
                "CREATE TEMPORARY TABLE v SELECT a, b FROM w UNION SELECT 99, 99",
                "RENAME TABLE v TO u",
                "ALTER TABLE u ADD COLUMN c INT DEFAULT 3, RENAME TO v",
                "INSERT INTO t SELECT a+c, b FROM v",
                "TRUNCATE TABLE v",
                "INSERT INTO v VALUES (50,50,50)",
                "BEGIN",
                "INSERT INTO t SELECT a, b FROM v",
                "INSERT INTO v VALUES (51,51,51)",
                "ROLLBACK",
                "INSERT INTO t SELECT a+100, b FROM v",
                "CREATE OR REPLACE TEMPORARY TABLE v (z INT) ENGINE=MEMORY",
                "INSERT INTO v VALUES (7)",
                "INSERT INTO t SELECT z, z FROM v",
            ],
        )
        .await?;
        // Rows of the real table, while a temporary one of another thread hides its name.
        run(
            &mut two,
            &[
                "INSERT INTO w VALUES (1,1)",
                "SET binlog_format=ROW",
                "INSERT INTO w VALUES (2,1)",
                "UPDATE w SET b=2",
            ],
        )
        .await?;
        if format == "MIXED" {
            // Logged as rows from here on; the source says nothing of its temporary tables any more.
            run(
                &mut one,
                &[
                    "INSERT INTO w SELECT CONNECTION_ID(), LENGTH(UUID())",
                    "INSERT INTO t SELECT b, b FROM w",
                    "UPDATE t JOIN w ON t.b=w.b SET t.b=t.b+1",
                    "CREATE TABLE made SELECT b FROM w",
                    "CREATE TABLE made_like LIKE w",
                    "DROP TEMPORARY TABLE w",
                    "INSERT INTO w VALUES (3,3)",
                ],
            )
            .await?;
        }
        run(
            &mut one,
            &[
                "DROP TABLE v, t",
                "CREATE TABLE t (a INT)",
                "INSERT INTO t VALUES (1)",
            ],
        )
        .await?;
        // In a database that goes before its temporary tables do; only the engine's target renames it.
        run(
            &mut two,
            &[
                "CREATE DATABASE asterisk_gone",
                "USE asterisk_gone",
                "CREATE TEMPORARY TABLE asterisk.x (a INT)",
                "CREATE TEMPORARY TABLE x (a INT)",
                "INSERT INTO x VALUES (1)",
            ],
        )
        .await?;
        run(&mut one, &["DROP DATABASE asterisk_gone"]).await?;
        run(
            &mut two,
            &["INSERT INTO asterisk.t VALUES (2)", "UPDATE asterisk.t SET a=a+1"],
        )
        .await?;
        two.quit().await;
        if format == "MIXED" {
            run(
                &mut one,
                &[
                    "CREATE TEMPORARY SEQUENCE s START 5",
                    "INSERT INTO t VALUES (NEXTVAL(s))",
                ],
            )
            .await?;
        }
        run(
            &mut one,
            &["CREATE TABLE late (a INT)", "INSERT INTO late VALUES (1)"],
        )
        .await?;
        one.quit().await;
        trio.agree().await.context(format)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_over_several_tables() -> anyhow::Result<()> {
    for format in ["MIXED", "STATEMENT", "ROW"] {
        let trio = Trio::start(&[&format!("--binlog-format={format}")]).await?;
        let mut session = trio.session().await?;
        run(
            &mut session,
            &[
                "CREATE TABLE parent (id INT PRIMARY KEY, n INT) ENGINE=InnoDB",
                "CREATE TABLE child (id INT PRIMARY KEY, p INT, n INT, FOREIGN KEY (p) REFERENCES parent(id) ON DELETE CASCADE ON UPDATE CASCADE) ENGINE=InnoDB",
                "CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(60)) ENGINE=MyISAM",
                "INSERT INTO parent VALUES (1,0),(2,0),(3,0)",
                "INSERT INTO child VALUES (1,1,0),(2,1,0),(3,2,0),(4,3,0)",
                "SET foreign_key_checks=0, unique_checks=0",
                "INSERT INTO child VALUES (5,99,0)",
                "SET foreign_key_checks=1, unique_checks=1",
                "UPDATE parent SET id=id+10 WHERE id=2",
                "DELETE FROM parent WHERE id=3",
                "UPDATE parent p JOIN child c ON c.p=p.id SET p.n=p.n+1, c.n=c.n+p.id",
                "DELETE c, p FROM parent p JOIN child c ON c.p=p.id WHERE p.id=12",
                "CREATE TABLE made SELECT p.id, c.n, NOW() AS at FROM parent p LEFT JOIN child c ON c.p=p.id",
                "CREATE TABLE made2 (x INT PRIMARY KEY) ENGINE=InnoDB SELECT id AS x, n FROM child",
                "INSERT INTO made SELECT id+100, n, NOW() FROM child",
                "CREATE TRIGGER tr AFTER UPDATE ON parent FOR EACH ROW INSERT INTO log (what) VALUES (CONCAT('parent ', OLD.id, ' ', NEW.n))",
                "UPDATE parent SET n=n+1",
                "CREATE FUNCTION f(x INT) RETURNS INT DETERMINISTIC BEGIN INSERT INTO log (what) VALUES (CONCAT('f ', x)); RETURN x+1; END",
                "CREATE PROCEDURE p(x INT) BEGIN DECLARE y INT DEFAULT x*2; INSERT INTO log (what) VALUES (CONCAT('p ', x, ' ', y)); UPDATE parent SET n=f(y) WHERE id=x; END",
                "CALL p(1)",
                "INSERT INTO child VALUES (20,1,f(41))",
                "START TRANSACTION",
                "UPDATE parent SET n=100",
                "SAVEPOINT a",
                "UPDATE parent SET n=200",
                "INSERT INTO child VALUES (6,1,6)",
                "ROLLBACK TO SAVEPOINT a",
                "INSERT INTO child VALUES (7,1,7)",
                "COMMIT",
                "START TRANSACTION",
                "UPDATE parent SET n=300",
                "INSERT INTO log (what) VALUES ('stays')",
                "UPDATE child SET n=n+1",
                "ROLLBACK",
                "START TRANSACTION",
                "INSERT INTO log (what) VALUES ('before')",
                "SAVEPOINT b",
                "INSERT INTO child VALUES (8,1,8)",
                "INSERT INTO log (what) VALUES ('within')",
                "ROLLBACK TO SAVEPOINT b",
                "INSERT INTO child VALUES (9,1,9)",
                "COMMIT",
                "UPDATE child SET n=n+1 WHERE p IN (SELECT id FROM parent)",
            ],
        )
        .await
        .context(format)?;
        trio.agree().await.context(format)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_loaded() -> anyhow::Result<()> {
    for format in ["STATEMENT", "ROW"] {
        let trio = Trio::start(&[&format!("--binlog-format={format}")]).await?;
        let mut session = trio.session().await?;
        run(&mut session, &["CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(200), b VARCHAR(40), UNIQUE (b)) CHARACTER SET utf8mb4"]).await?;
        let data: String = (0..20_000)
            .map(|n| format!("asterisk.t {n} 'x' \\\\ é|{n}\n"))
            .collect();
        let file = trio.source.data_dir().join("load.txt");
        std::fs::write(&file, &data)?;
        let quoted = file.display();
        for statement in [
            format!(
                "LOAD DATA INFILE '{quoted}' INTO TABLE asterisk.t CHARACTER SET utf8mb4 FIELDS TERMINATED BY '|' (a, b)"
            ),
            format!(
                "LOAD DATA INFILE '{quoted}' IGNORE INTO TABLE t CHARACTER SET utf8mb4 FIELDS TERMINATED BY '|' (a, @v) SET b=CONCAT('n', @v DIV 2)"
            ),
            format!(
                "LOAD DATA INFILE '{quoted}' REPLACE INTO TABLE `asterisk`.`t` CHARACTER SET utf8mb4 FIELDS TERMINATED BY '|' IGNORE 19990 LINES (a, b)"
            ),
        ] {
            session
                .query(statement.as_bytes())
                .await
                .with_context(|| statement.clone())?;
        }
        let local = "LOAD DATA LOCAL INFILE 'client' INTO TABLE t CHARACTER SET utf8mb4 FIELDS TERMINATED BY '|' (a, b) SET b=CONCAT('local ', b)";
        session.load_local(local.as_bytes(), data.as_bytes()).await?;
        trio.agree().await.context(format)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_megabytes_in_one_statement_and_in_one_row() -> anyhow::Result<()> {
    for format in ["STATEMENT", "ROW"] {
        for compress in ["ON", "OFF"] {
            let trio = Trio::start(&[
                &format!("--binlog-format={format}"),
                &format!("--log-bin-compress={compress}"),
            ])
            .await?;
            let mut session = trio.session().await?;
            run(
                &mut session,
                &["CREATE TABLE t (id INT PRIMARY KEY, a LONGTEXT) ENGINE=InnoDB"],
            )
            .await?;
            let began = Instant::now();
            let statement = format!(
                "INSERT INTO asterisk.t VALUES (1,'{}')",
                "0123456789abcdef".repeat((20 << 20) / 16)
            );
            session.query(statement.as_bytes()).await?;
            run(&mut session, &["UPDATE t SET a=CONCAT(a,'.') WHERE id=1"]).await?;
            trio.agree()
                .await
                .with_context(|| format!("{format} {compress} {:?}", began.elapsed()))?;
        }
    }
    Ok(())
}
