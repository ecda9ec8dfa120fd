//! What goes wrong only when much is waiting: definitions that are not on the target yet when the next ones are read,
//! and a source that has ended with a reason while groups before it wait.

use tributary::Replicator;
use tributary_sandbox::{ServerOptions, compare};

use crate::support::{SOURCE_DB, TARGET_DB, assert_equal, log, options, pair, status, stopped};

/// Families made and dropped this often, one behind the other.
const FAMILIES: usize = 60;
/// Groups that wait before the one that cannot be applied.
const ROWS: usize = 600;

/// A `DROP` of the parent must not pass the one of its child, which nothing but a foreign key ties to it; what a trigger in
/// one database does in another must be done before the next statement finds it; and the reason to stop, which is known
/// long before, is told when everything before it is applied.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_keeps_families_in_order_and_is_applied_up_to_the_reason_to_stop() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    let mut sql = format!(
        "CREATE DATABASE {SOURCE_DB}; USE {SOURCE_DB}; CREATE TABLE r (id INT PRIMARY KEY) ENGINE=InnoDB; \
         CREATE DATABASE tools; CREATE TABLE tools.log (id INT, KEY (id)) ENGINE=MyISAM;"
    );
    for family in 0..FAMILIES {
        sql.push_str(&format!(
            "CREATE TABLE x (id INT) ENGINE=MyISAM; \
             CREATE TRIGGER tr AFTER INSERT ON x FOR EACH ROW INSERT INTO tools.log VALUES (NEW.id); \
             INSERT INTO x VALUES ({family}); UPDATE tools.log SET id = id + 1000 WHERE id = {family}; \
             DROP TABLE x;"
        ));
        sql.push_str(
            "CREATE TABLE p (id INT PRIMARY KEY) ENGINE=InnoDB; \
             CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id)) ENGINE=InnoDB; \
             INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1); \
             DROP TABLE c; DROP TABLE p;",
        );
    }
    for id in 0..ROWS {
        sql.push_str(&format!("INSERT INTO r VALUES ({id});"));
    }
    // What stands before the dot is a database or a package; the packages are not on the target yet.
    sql.push_str(
        "CREATE FUNCTION f (n INT) RETURNS INT DETERMINISTIC RETURN n; SET sql_mode = ORACLE, binlog_format = STATEMENT; \
         CREATE FUNCTION g (n INT) RETURN INT DETERMINISTIC AS BEGIN INSERT INTO r VALUES (n); RETURN n; END;",
    );
    for package in ["p", "asterisk"] {
        sql.push_str(&format!(
            "CREATE PACKAGE {package} AS FUNCTION h (n INT) RETURN INT; END; \
             CREATE PACKAGE BODY {package} AS FUNCTION h (n INT) RETURN INT DETERMINISTIC AS \
             BEGIN INSERT INTO r VALUES (-n); RETURN n; END; END;"
        ));
        if package == "p" {
            sql.push_str("INSERT INTO r VALUES (asterisk.f(70000)); UPDATE r SET id = asterisk.f(70001) WHERE id = 70000;");
        }
        sql.push_str(&format!("DO {package}.h(70010 + LENGTH('{package}'));"));
    }
    // The text of a statement that runs later is not renamed.
    sql.push_str(
        "DO asterisk.g(70020); SET sql_mode = DEFAULT; DO asterisk.p.h(70030); \
         CREATE PROCEDURE q () EXECUTE IMMEDIATE 'DELETE FROM asterisk.r'",
    );
    source.run(&sql).await?;
    let mut options = options(&source, &target);
    options.connections[0].rewrite.add("tools->m1_tools").unwrap();
    options.connections[0].relay_groups_max = FAMILIES * 11 + ROWS + 100;
    let engine = Replicator::start(options).await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1593, "{}", error.message);
    assert!(error.message.contains("EXECUTE IMMEDIATE"), "{}", error.message);
    assert_eq!(
        status(&engine, "m1").sql_state,
        tributary::SqlState::Stopped,
        "everything before it is applied"
    );
    source
        .run("SET sql_log_bin = 0; DROP PROCEDURE asterisk.q")
        .await?;
    let tools = compare(&source, "tools", &target, "m1_tools", &[]).await?;
    assert!(tools.is_equal(), "{tools}");
    assert_equal(&source, &target, TARGET_DB, &[]).await
}
