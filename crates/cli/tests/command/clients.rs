//! What clients say who know nothing of Tributary (`testdata/clients`): through the control port they hear what the target says, and
//! replication is the engine's.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, OptsBuilder, Row};

use crate::site::Site;
use crate::support::testdata;

/// What the clients find, the same before each pass.
const TABLES: &str = "DROP DATABASE IF EXISTS d; DROP DATABASE IF EXISTS heartbeat; DROP DATABASE IF EXISTS percona; \
     CREATE DATABASE d; CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(20), UNIQUE KEY a (a), CHECK (a <> '')); \
     INSERT INTO d.t (a) VALUES ('one'), ('two'), (NULL); CREATE DATABASE heartbeat; \
     CREATE TABLE heartbeat.heartbeat (ts varchar(26) NOT NULL, server_id int unsigned NOT NULL PRIMARY KEY, \
     file varchar(255) DEFAULT NULL, position bigint unsigned DEFAULT NULL, relay_master_log_file varchar(255) DEFAULT NULL, \
     exec_master_log_pos bigint unsigned DEFAULT NULL); \
     INSERT INTO heartbeat.heartbeat (ts, server_id) VALUES (UTC_TIMESTAMP(6), 2)";

/// Variables that the engine keeps, and those that no two sessions share.
const OWN_SETTINGS: [&str; 20] = [
    "gtid_slave_pos",
    "max_relay_log_size",
    "pseudo_thread_id",
    "rand_seed1",
    "rand_seed2",
    "replicate_do_db",
    "replicate_do_table",
    "replicate_ignore_db",
    "replicate_ignore_table",
    "replicate_rewrite_db",
    "replicate_wild_do_table",
    "replicate_wild_ignore_table",
    "slave_exec_mode",
    "slave_net_timeout",
    "slave_parallel_mode",
    "slave_parallel_threads",
    "slave_parallel_workers",
    "slave_transaction_retries",
    "sql_slave_skip_counter",
    "timestamp",
];

/// What is expected of a statement; `testdata/clients/README.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Same,
    Live,
    Engine,
    Settings,
    Error(u16),
}

/// The statements of a client, with their lines.
fn statements(name: &str) -> Vec<(usize, Mark, String)> {
    let text = std::fs::read_to_string(testdata("clients").join(name)).unwrap();
    let mut mark = Mark::Same;
    let mut statements = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(word) = line.strip_prefix("--# ") {
            mark = match word.split_once(' ').unwrap_or((word, "")) {
                ("live", "") => Mark::Live,
                ("engine", "") => Mark::Engine,
                ("settings", "") => Mark::Settings,
                ("error", number) => Mark::Error(number.parse().unwrap()),
                other => panic!("{name}: {other:?} is no mark"),
            };
        } else if !line.starts_with("--") {
            statements.push((number + 1, mark, line.to_owned()));
            mark = Mark::Same;
        }
    }
    assert!(statements.len() > 5, "{name}");
    statements
}

/// What a server says to a statement, as a client can know it.
#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Rows(Vec<String>, Vec<String>),
    Done(String),
    Error(u16, String),
}

async fn ask(session: &mut Conn, statement: &str) -> Answer {
    let mut answer = match session.query_iter(statement).await {
        Ok(answer) => answer,
        Err(Error::Server(error)) => {
            return Answer::Error(error.code, format!("{} {}", error.state, error.message));
        }
        Err(error) => panic!("{statement}: {error}"),
    };
    let columns: Vec<String> = answer
        .columns_ref()
        .iter()
        .map(|column| {
            format!(
                "{}.{}.{} {} {:?} {:?} {} {}",
                column.schema_str(),
                column.table_str(),
                column.org_name_str(),
                column.name_str(),
                column.column_type(),
                column.flags(),
                column.character_set(),
                column.column_length()
            )
        })
        .collect();
    let rows: Vec<Row> = answer.collect().await.unwrap();
    let rest = format!(
        "{} rows, id {:?}, {} warnings, {}",
        answer.affected_rows(),
        answer.last_insert_id(),
        answer.warnings(),
        answer.info()
    );
    answer.drop_result().await.unwrap();
    match columns.is_empty() {
        true => Answer::Done(rest),
        false => Answer::Rows(columns, rows.into_iter().map(text).collect()),
    }
}

fn text(row: Row) -> String {
    let cells = row.unwrap();
    let cells: Vec<String> = cells.iter().map(|cell| cell.as_sql(true)).collect();
    cells.join("\t")
}

/// Rows of variables that are the server's, and the same in all sessions.
fn of_server(rows: &[String]) -> Vec<&String> {
    let is_own = |row: &&String| {
        let name = row.split('\t').next().unwrap_or_default();
        !OWN_SETTINGS.contains(&name.trim_matches('\''))
    };
    rows.iter().filter(is_own).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_hear_of_the_target_what_it_says_and_of_replication_what_the_engine_does() {
    let site = Site::new().await;
    let mut running = site.start();
    site.change_master("master1", 0).await;
    let port = OptsBuilder::default()
        .socket(Some(site.dir.path().join("control.sock").display().to_string()))
        .prefer_socket(false)
        .user(Some("root"));
    let mut failed = Vec::new();
    let mut count = 0;
    for name in [
        "administrators.sql",
        "dbeaver.sql",
        "heidisql.sql",
        "mysqld_exporter.sql",
        "pt_heartbeat.sql",
        "pt_table_checksum.sql",
        "workbench.sql",
    ] {
        let statements = statements(name);
        let mut answers = Vec::new();
        for is_direct in [true, false] {
            site.target.run(TABLES).await.unwrap();
            let mut session = match is_direct {
                true => site.target.connect().await.unwrap(),
                false => Conn::new(port.clone()).await.unwrap(),
            };
            let mut heard = Vec::new();
            for (_, mark, statement) in &statements {
                let answer = match (mark, is_direct) {
                    // The server knows no such connection.
                    (Mark::Engine, true) if !statement.to_uppercase().contains("ALL") => {
                        ask(&mut session, "SHOW SLAVE '' STATUS").await
                    }
                    _ => ask(&mut session, statement).await,
                };
                heard.push(answer);
            }
            session.disconnect().await.unwrap();
            answers.push(heard);
        }
        for (((line, mark, statement), direct), through) in
            statements.iter().zip(&answers[0]).zip(&answers[1])
        {
            count += 1;
            let is_right = match (mark, direct, through) {
                (Mark::Same, Answer::Error(..), _) => false,
                (Mark::Same, direct, through) => direct == through,
                (Mark::Error(number), Answer::Error(code, _), Answer::Error(..)) => {
                    code == number && direct == through
                }
                (Mark::Live, Answer::Rows(columns, rows), Answer::Rows(others, seen)) => {
                    columns == others && rows.is_empty() == seen.is_empty()
                }
                (Mark::Engine, Answer::Rows(columns, rows), Answer::Rows(others, seen)) => {
                    columns == others && rows.is_empty() && seen.len() == 1
                }
                (Mark::Settings, Answer::Rows(columns, rows), Answer::Rows(others, seen)) => {
                    columns == others && of_server(rows) == of_server(seen) && rows.len() == seen.len()
                }
                _ => false,
            };
            if !is_right {
                failed.push(format!(
                    "{name}:{line}: {statement}\n  directly {direct:?}\n  through the port {through:?}"
                ));
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {count}:\n{}",
        failed.len(),
        failed.join("\n")
    );
    running.signal("TERM");
    assert_eq!(running.wait(), Some(0), "{}", running.log());
}
