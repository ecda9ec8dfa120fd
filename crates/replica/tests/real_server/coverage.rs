//! Kinds of statements, judged by a native replica without rename as in `context`.

use crate::context::{Trio, run};
use anyhow::Context as _;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routines_triggers_and_views() -> anyhow::Result<()> {
    for format in ["MIXED", "ROW", "STATEMENT"] {
        let trio = Trio::start(&[
            &format!("--binlog-format={format}"),
            "--log-bin-trust-function-creators=1",
        ])
        .await?;
        let mut session = trio.session().await?;
        run(
            &mut session,
            &[
                "CREATE TABLE acc (id INT AUTO_INCREMENT PRIMARY KEY, who VARCHAR(40), n BIGINT, at DATETIME(6)) ENGINE=InnoDB",
                "CREATE TABLE old (id INT, what VARCHAR(120)) ENGINE=MyISAM",
                "CREATE TABLE pair (a INT PRIMARY KEY, b INT, c INT AS (a+b) VIRTUAL, d INT AS (a*b) STORED) ENGINE=InnoDB",
                "CREATE TRIGGER t1 BEFORE INSERT ON acc FOR EACH ROW SET NEW.n=NEW.n*2, NEW.at=IFNULL(NEW.at,NOW(6))",
                "CREATE TRIGGER t2 AFTER INSERT ON acc FOR EACH ROW INSERT INTO asterisk.old VALUES (NEW.id, CONCAT('in ', NEW.who, @mark))",
                "CREATE TRIGGER t3 AFTER DELETE ON acc FOR EACH ROW INSERT INTO old VALUES (OLD.id, CONCAT('out ', OLD.n))",
                "CREATE TRIGGER t4 AFTER INSERT ON acc FOR EACH ROW FOLLOWS t2 INSERT INTO old VALUES (NEW.id, 'follows')",
                "CREATE TRIGGER t5 AFTER INSERT ON asterisk.acc FOR EACH ROW PRECEDES t4 INSERT INTO asterisk.old VALUES (NEW.id, 'precedes')",
                "SET @mark='!'",
                "INSERT INTO acc (who,n) VALUES ('a',1),('b',2)",
                "INSERT INTO acc (who,n) SELECT CONCAT(who,'x'), n FROM acc ORDER BY id",
                "UPDATE acc SET n=n+LAST_INSERT_ID()",
                "DELETE FROM acc WHERE id=2",
                "REPLACE INTO acc VALUES (1,'again',5,'2020-01-01')",
                "CREATE VIEW v AS SELECT id, n FROM acc WHERE n<1000 WITH CHECK OPTION",
                "UPDATE v SET n=7 WHERE id=1",
                "INSERT INTO v (n) VALUES (3)",
                "CREATE VIEW j AS SELECT acc.id, acc.n, old.what FROM asterisk.acc JOIN old ON acc.id=old.id",
                "UPDATE j SET what=CONCAT(what,'?') WHERE n>1",
                "CREATE OR REPLACE VIEW v AS SELECT who FROM acc",
                "UPDATE v SET who=UPPER(who)",
                "INSERT INTO pair (a,b) VALUES (1,2),(3,4)",
                "UPDATE pair SET b=c+d",
                "CREATE FUNCTION twice(x BIGINT) RETURNS BIGINT DETERMINISTIC RETURN x*2",
                "CREATE FUNCTION count_acc() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM acc)",
                "UPDATE acc SET n=twice(n)+asterisk.count_acc()",
                "CREATE PROCEDURE p(IN a INT, OUT b INT, INOUT c VARCHAR(20)) BEGIN \
                   DECLARE done INT DEFAULT 0; DECLARE x INT; DECLARE cur CURSOR FOR SELECT id FROM acc ORDER BY id; \
                   DECLARE CONTINUE HANDLER FOR NOT FOUND SET done=1; \
                   OPEN cur; l: LOOP FETCH cur INTO x; IF done THEN LEAVE l; END IF; \
                   INSERT INTO old VALUES (x, CONCAT_WS('/', c, a, x, @mark, NOW(6))); END LOOP; CLOSE cur; \
                   SET b=x, c=CONCAT(c,'.'); UPDATE acc SET who=c, at=NOW(6) WHERE id=b; END",
                "SET @c='c', @mark=NULL, timestamp=1234567890.123456",
                "CALL p(1, @b, @c)",
                "CALL asterisk.p(@b, @b, @c)",
                "INSERT INTO old VALUES (@b, @c)",
                "SET timestamp=DEFAULT",
                "PREPARE s FROM 'INSERT INTO old SELECT id, ? FROM acc WHERE id=?'",
                "SET @text='it''s', @one=1",
                "EXECUTE s USING @text, @one",
                "EXECUTE IMMEDIATE CONCAT('UPDATE acc SET n=', 5, ' WHERE id=1')",
                "INSERT INTO acc (who,n) VALUES ('r',1) RETURNING id, n",
                "DELETE FROM acc WHERE who='r' RETURNING *",
                "INSERT INTO acc (id,who,n) VALUES (1,'dup',1) ON DUPLICATE KEY UPDATE n=n+VALUES(n), who=CONCAT(who,'+')",
                "WITH c AS (SELECT MAX(n) AS top FROM acc) SELECT * FROM c",
                "INSERT INTO old WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM r WHERE x<5) SELECT x, 'rec' FROM r",
                "UPDATE old o JOIN (SELECT id, COUNT(*) AS k FROM old GROUP BY id) g ON o.id=g.id SET o.what=CONCAT(o.what, g.k)",
                "DELETE old FROM old LEFT JOIN acc ON acc.id=old.id WHERE acc.id IS NULL",
                "TRUNCATE TABLE pair",
                "DROP TRIGGER t2",
                "INSERT INTO acc (who,n) VALUES ('quiet',1)",
                "ALTER TABLE acc ADD COLUMN extra VARCHAR(10) DEFAULT 'x' AFTER who, DROP COLUMN at",
                "DROP TRIGGER t1",
                "INSERT INTO acc (who,n) VALUES ('late',1)",
                "CREATE TABLE copy LIKE acc",
                "INSERT INTO copy SELECT * FROM acc",
                "RENAME TABLE copy TO copied, old TO copy",
                "DROP FUNCTION twice",
                "DROP PROCEDURE p",
                "CREATE OR REPLACE TABLE copied (a INT) SELECT id AS a FROM acc",
                "CREATE TABLE IF NOT EXISTS copied SELECT 1 AS a",
                "ALTER TABLE copied ADD INDEX (a), COMMENT='asterisk.copied'",
            ],
        )
        .await
        .context(format)?;
        if format != "STATEMENT" {
            run(
                &mut session,
                &[
                    "CREATE FUNCTION odd() RETURNS BIGINT BEGIN INSERT INTO acc (who,n) VALUES ('f', RAND()*1000); SET @seen=LAST_INSERT_ID(); RETURN @seen + RAND()*100; END",
                    "INSERT INTO copied (a) VALUES (odd())",
                    "INSERT INTO copied (a) VALUES (@seen)",
                    "SELECT odd() INTO @x",
                    "UPDATE acc SET n=odd()*0+n LIMIT 1",
                ],
            )
            .await
            .ok();
            run(
                &mut session,
                &[
                    "INSERT INTO copied (a) VALUES (LAST_INSERT_ID()), (@x), (UUID_SHORT() MOD 1000)",
                    "DO odd()",
                ],
            )
            .await
            .context(format)?;
        }
        trio.agree().await.context(format)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sequences() -> anyhow::Result<()> {
    // Statement format has no sequences (error 1665).
    for format in ["MIXED", "ROW"] {
        let trio = Trio::start(&[&format!("--binlog-format={format}")]).await?;
        let mut session = trio.session().await?;
        run(
            &mut session,
            &[
                "CREATE SEQUENCE s START WITH 5 INCREMENT BY 3 CACHE 10",
                "CREATE SEQUENCE asterisk.m MINVALUE -10 MAXVALUE 10 CYCLE NOCACHE ENGINE=MyISAM",
                "CREATE TABLE t (id BIGINT PRIMARY KEY DEFAULT NEXT VALUE FOR asterisk.s, a BIGINT) ENGINE=InnoDB",
                "INSERT INTO t (a) VALUES (1),(2)",
                "INSERT INTO t VALUES (NEXTVAL(s), NEXT VALUE FOR m)",
                "INSERT INTO t VALUES (NEXTVAL(asterisk.s), LASTVAL(s))",
                "SELECT NEXTVAL(s), NEXTVAL(m)",
                "SELECT SETVAL(s, 500)",
                "DO SETVAL(m, 7, 0)",
                "INSERT INTO t VALUES (NEXTVAL(s), NEXTVAL(m))",
                "ALTER SEQUENCE s RESTART 1000 INCREMENT BY 7",
                "INSERT INTO t (a) SELECT a+1 FROM t",
                "UPDATE t SET a=NEXTVAL(m) WHERE id>1000",
                "RENAME TABLE s TO s2",
                "ALTER TABLE t ALTER id SET DEFAULT (NEXT VALUE FOR s2)",
                "INSERT INTO t (a) VALUES (9)",
                "CREATE SEQUENCE gone",
                "DROP SEQUENCE IF EXISTS gone, never",
                "CREATE OR REPLACE SEQUENCE m START 3",
                "INSERT INTO t VALUES (NEXTVAL(m), 0)",
            ],
        )
        .await
        .context(format)?;
        trio.agree().await.context(format)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_phase_alter_and_oracle_mode() -> anyhow::Result<()> {
    let trio = Trio::start(&["--binlog-alter-two-phase=ON"]).await?;
    let mut session = trio.session().await?;
    run(
        &mut session,
        &[
            "CREATE TABLE t (a INT, b VARCHAR(20)) ENGINE=InnoDB",
            "INSERT INTO t VALUES (1,'x'),(1,'y')",
            "ALTER TABLE t ADD COLUMN c INT DEFAULT 7, ALGORITHM=COPY",
            "ALTER TABLE asterisk.t ENGINE=MyISAM",
            "INSERT INTO t VALUES (2,'z',3)",
        ],
    )
    .await?;
    let failed = session.query(b"ALTER TABLE t ADD UNIQUE (a)").await;
    assert_eq!(failed.unwrap_err().server_code(), Some(1062));
    run(
        &mut session,
        &[
            "ALTER TABLE t RENAME TO u, ADD KEY (a)",
            "INSERT INTO u VALUES (3,'w',4)",
            "SET sql_mode='ORACLE'",
            "CREATE OR REPLACE PACKAGE asterisk.pkg AS FUNCTION f(x INT) RETURN INT; PROCEDURE p(x INT); END",
            "CREATE OR REPLACE PACKAGE BODY asterisk.pkg AS base INT := 10; \
               FUNCTION f(x INT) RETURN INT AS BEGIN RETURN x + base; END; \
               PROCEDURE p(x INT) AS y INT := f(x); BEGIN INSERT INTO asterisk.u VALUES (y, 'from ' || x, NULL); END; END",
            "CALL pkg.p(5)",
            "CALL asterisk.pkg.p(6)",
            "INSERT INTO u VALUES (pkg.f(1), 'f', 0)",
            "DECLARE x INT := 3; BEGIN FOR i IN 1..x LOOP INSERT INTO u VALUES (i, 'block ' || i, x); END LOOP; END",
            "CREATE PROCEDURE q(a u.a%TYPE) IS r u%ROWTYPE; BEGIN SELECT * INTO r FROM u WHERE b='w'; r.a := a; INSERT INTO u VALUES (r.a, r.b, r.c); EXCEPTION WHEN NO_DATA_FOUND THEN NULL; END",
            "CALL q(77)",
            "UPDATE u SET b=NULL WHERE b='' || NULL",
            "SET sql_mode='ANSI'",
            "INSERT INTO \"u\" (\"a\") VALUES (99)",
            "SET sql_mode='ORACLE'",
            "DROP PACKAGE BODY asterisk.pkg",
            "DROP PACKAGE pkg",
        ],
    )
    .await?;
    trio.agree().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn characters_that_end_in_a_backslash_or_a_quote() -> anyhow::Result<()> {
    let trio = Trio::start(&["--binlog-format=STATEMENT"]).await?;
    let mut session = trio.session().await?;
    run(
        &mut session,
        &["CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, u VARCHAR(60) CHARACTER SET utf8mb4, b VARBINARY(60), n VARCHAR(40))"],
    )
    .await?;
    // The second byte is 0x5C, a backslash in ASCII; and 0x7C, 0x60, which no quoting rule may see either.
    let texts: [(&str, &[u8]); 8] = [
        ("sjis", b"\x95\x5c\x83\x5c\x94\x5c"),
        ("cp932", b"\x83\x5c\x83\x60\x89\x7c"),
        ("big5", b"\xb3\x5c\xa5\x5c\xae\x7c"),
        ("gbk", b"\x81\x5c\x97\x60\xd5\x5c"),
        ("euckr", b"\xb0\xa1\xb3\xaa"),
        ("ujis", b"\xa4\xa2\x8f\xb0\xa1"),
        ("cp1251", b"\xcf\xf0\\'\xe8"),
        ("utf8mb3", "é".as_bytes()),
    ];
    for mode in ["", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES"] {
        for (charset, text) in texts {
            if mode == "NO_BACKSLASH_ESCAPES" && charset == "cp1251" {
                continue;
            }
            run(
                &mut session,
                &[&format!("SET NAMES {charset}, sql_mode='{mode}'")],
            )
            .await?;
            for column in ["u", "b"] {
                let statement = [
                    b"INSERT INTO asterisk.t (".as_slice(),
                    column.as_bytes(),
                    b", n) VALUES ('",
                    text,
                    b"', 'asterisk.t ",
                    charset.as_bytes(),
                    b"'), ('a''",
                    text,
                    b"', '/* ')",
                ]
                .concat();
                session
                    .query(&statement)
                    .await
                    .with_context(|| format!("{charset} {column} {mode}"))?;
            }
        }
    }
    // Bytes that are no text in the client's character set.
    run(&mut session, &["SET NAMES utf8mb4, sql_mode=''"]).await?;
    for bytes in [b"\xff\xfe".as_slice(), b"\xe9'", b"\xf0\x9f", b"\xc3"] {
        let escaped: Vec<u8> = bytes
            .iter()
            .flat_map(|byte| {
                if *byte == b'\'' {
                    vec![b'\\', b'\'']
                } else {
                    vec![*byte]
                }
            })
            .collect();
        let statement = [
            b"INSERT INTO t (b, u) VALUES ('".as_slice(),
            &escaped,
            b" ', '",
            &escaped,
            b" ')",
        ]
        .concat();
        session
            .query(&statement)
            .await
            .with_context(|| format!("{bytes:02x?}"))?;
    }
    trio.agree().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_user_variables() -> anyhow::Result<()> {
    let trio = Trio::start(&["--binlog-format=STATEMENT"]).await?;
    let mut session = trio.session().await?;
    run(
        &mut session,
        &[
            "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a LONGTEXT CHARACTER SET utf8mb4, d DECIMAL(65,30), f DOUBLE, b LONGBLOB, x VARCHAR(80))",
            "SET @z=-0e0, @dz=-0.0, @big=REPEAT('é',200000), @d65=99999999999999999999999999999999999.999999999999999999999999999999, @tiny=2.2250738585072014e-308",
            "INSERT INTO t (f,a) VALUES (@z,@z),(@dz,@dz),(@tiny,@tiny)",
            "INSERT INTO t (a,b) VALUES (@big,@big)",
            "INSERT INTO t (d,a) VALUES (@d65,@d65),(-@d65,@d65+1)",
            "SET @date=CAST('2020-02-29' AS DATE), @time=CAST('-838:59:59.5' AS TIME(1)), @dt=CAST('2020-02-29 01:02:03.456' AS DATETIME(3)), @bit=b'1010', @hex=0xFF, @bool=TRUE",
            "INSERT INTO t (a,b,x) VALUES (@date,@bit,@time),(@dt,@hex,@bool)",
            "SET @geo=ST_GeomFromText('POINT(1 2)'), @uuid=CAST('00000000-0000-0000-0000-0000000000ff' AS UUID), @ip=CAST('::1' AS INET6), @json=JSON_OBJECT('k', 1)",
            "INSERT INTO t (b,a,x) VALUES (@geo,@json,@ip),(@uuid,@uuid,ST_AsText(@geo))",
            "SET @u2=_ucs2 X'00E9', @u16=_utf16 X'D83DDE00', @u32=_utf32 X'0001F600', @bin=_binary'a\\0b', @l2=_latin2'x' COLLATE latin2_czech_cs",
            "INSERT INTO t (a,x) VALUES (@u2,COLLATION(@u2)),(@u16,COLLATION(@u16)),(@u32,CHARSET(@u32)),(@l2,COLLATION(@l2))",
            "INSERT INTO t (b,x) VALUES (@bin,CHARSET(@bin))",
            "SET @`é``'\"`='odd name', @e=''",
            "INSERT INTO t (a,x) VALUES (@`é``'\"`,@e)",
            "INSERT INTO t (x,a) VALUES (@new:=CONCAT('n',@e),@new)",
            "SET @i=9223372036854775807, @m=-1, @un=CAST(-1 AS UNSIGNED)",
            "INSERT INTO t (a,f,d) VALUES (@i+0,@m DIV 1,@un),(@un,@un,@m)",
        ],
    )
    .await?;
    trio.agree().await
}
