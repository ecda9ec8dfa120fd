//! Statements of MariaDB's own tests (package `mariadb-test-data`), tens of thousands that nobody wrote with this parser
//! in mind: what a real server parses, we parse too, and every table it looks for is one that we found.
//!
//! Run with `cargo test -p tributary-sql --test corpus -- --ignored`; `CORPUS` names another folder of `*.test` files.

#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod server;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use server::Server;
use tributary_sql::{Dialect, SqlError, StatementKind, parse, rename};

const FOLDER: &str = "/usr/share/mysql/mysql-test";

/// Longer ones test limits of the server, not its grammar.
const STATEMENT_BYTES_MAX: usize = 20_000;

/// More tables than one statement can join.
const TABLES_MAX: usize = 64;

const SYNTAX_ERROR: u16 = 1064;
const NO_SUCH_TABLE: u16 = 1146;

/// First words of statements that binlogs hold.
const LOGGED: &[&str] = &[
    "ALTER",
    "ANALYZE",
    "CALL",
    "CREATE",
    "DELETE",
    "DO",
    "DROP",
    "FLUSH",
    "GRANT",
    "INSERT",
    "OPTIMIZE",
    "RENAME",
    "REPAIR",
    "REPLACE",
    "REVOKE",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "TRUNCATE",
    "UPDATE",
    "WITH",
];

/// Unknown to the binlog, or to us on purpose: what follows the first word.
const NOT_LOGGED: &[&str] = &[
    "SERVER",
    "TABLESPACE",
    "LOGFILE",
    "INSTANCE",
    "PREPARE",
    "SELECT",
    "UPDATE",
    "DELETE",
    "INSERT",
    "FORMAT",
    "REPLACE",
    "WITH",
    "(",
    "VALUES",
    "UNDO",
    "DATABASE",
    "STATEMENT",
];

fn test_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            test_files(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "test" || extension == "inc")
        {
            found.push(path);
        }
    }
}

/// The statements of a test file. Commands of the test language are taken for statements too; the server refuses them.
fn statements(text: &str, found: &mut BTreeSet<String>) {
    let mut delimiter = ";".to_owned();
    let mut statement = String::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if statement.trim().is_empty() {
            statement.clear();
            let command = trimmed.trim_start_matches("--").trim_start().to_ascii_lowercase();
            if let Some(new) = command.strip_prefix("delimiter ") {
                let new = new
                    .strip_suffix(&delimiter.to_ascii_lowercase())
                    .unwrap_or(new)
                    .trim();
                delimiter = new.to_owned();
                continue;
            }
            if trimmed.starts_with('#') || trimmed.starts_with("--") {
                continue;
            }
        }
        statement.push_str(line);
        statement.push('\n');
        if let Some(whole) = statement.trim_end().strip_suffix(delimiter.as_str()) {
            let whole = whole.trim();
            let is_logged = LOGGED.contains(&first_words(whole).0.as_str());
            // Variables of the test language make a statement something else.
            if is_logged && whole.len() <= STATEMENT_BYTES_MAX && !whole.contains('$') {
                found.insert(whole.to_owned());
            }
            statement.clear();
        }
    }
}

fn first_words(statement: &str) -> (String, String) {
    let mut words = statement.split_whitespace().map(str::to_ascii_uppercase);
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

/// The statements of the corpus: those for Oracle mode, or all others.
fn corpus(for_oracle: bool) -> BTreeSet<String> {
    let folder = std::env::var("CORPUS").unwrap_or_else(|_| FOLDER.to_owned());
    let mut files = Vec::new();
    test_files(Path::new(&folder), &mut files);
    files.retain(|file| file.to_string_lossy().contains("/oracle/") == for_oracle);
    let mut found = BTreeSet::new();
    for file in files {
        // Some files are in other character sets; those statements are tested elsewhere.
        if let Ok(text) = std::fs::read_to_string(file) {
            statements(&text, &mut found);
        }
    }
    found
}

/// Whether a server parses the statement, without running it where that is possible.
async fn is_parsed(session: &mut Conn, statement: &str) -> bool {
    let upper = statement.get(..200).unwrap_or(statement).to_ascii_uppercase();
    let objects = ["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE", "VIEW"];
    let is_definition = matches!(first_words(statement).0.as_str(), "CREATE" | "ALTER")
        && objects.iter().any(|word| upper.contains(word));
    let probe = if is_definition {
        statement.to_owned()
    } else {
        // The database does not exist: the server parses the body and then stops.
        format!("CREATE PROCEDURE no_such_database.p () {statement}")
    };
    match session.query_drop(probe).await {
        Ok(()) => true,
        Err(Error::Server(error)) => matches!(error.code, 1049 | 1050 | NO_SUCH_TABLE | 1304 | 1359 | 1537),
        Err(_) => false,
    }
}

/// What is wrong with our reading of it.
async fn complaint(session: &mut Conn, statement: &str, dialect: &Dialect) -> Option<String> {
    let parsed = match parse(statement.as_bytes(), dialect) {
        Ok(parsed) => parsed,
        // The server's bound is its stack; ours is lower.
        Err(SqlError::TooDeep { .. }) => return None,
        Err(error) => {
            // A second statement on the line is the test file's: then the first one is whole by itself.
            if let SqlError::Unexpected {
                expected: "the end of the statement",
                offset,
                ..
            } = error
                && is_parsed(session, &statement[..offset]).await
            {
                return None;
            }
            return is_parsed(session, statement).await.then(|| error.to_string());
        }
    };
    let unchanged = rename(statement.as_bytes(), &parsed, &|_| None);
    if unchanged.is_ok_and(|text| text.as_ref() != statement.as_bytes()) {
        return Some("changed by no rule".to_owned());
    }
    let (first, second) = first_words(statement);
    let is_expected = first == "CREATE" && statement.contains("SERVER")
        || NOT_LOGGED.iter().any(|word| second.starts_with(word));
    if parsed.kind == StatementKind::Unknown && !is_expected && is_parsed(session, statement).await {
        return Some(format!("{:?}", parsed.uncertain));
    }
    None
}

async fn session(server: &Server, mode: &str) -> Conn {
    let mut session = server.session().await;
    let start = format!("CREATE OR REPLACE DATABASE scratch; USE scratch; SET sql_mode = '{mode}'");
    session.query_drop(start.as_str()).await.unwrap();
    session
}

async fn check_all(mode: &str, dialect: Dialect, at_least: usize) {
    let found = corpus(dialect.oracle);
    assert!(found.len() > at_least, "{} statements", found.len());
    let server = Server::start().await;
    let mut session = session(&server, mode).await;
    let mut complaints = Vec::new();
    for statement in &found {
        if let Some(complaint) = complaint(&mut session, statement, &dialect).await {
            complaints.push(format!("{complaint}\n    {}", statement.replace('\n', "\n    ")));
        }
    }
    assert!(
        complaints.is_empty(),
        "{}:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

/// The statement with every table we found replaced by one that exists, `z1`, `z2` and so on.
fn with_known_tables(statement: &str, dialect: &Dialect) -> Option<String> {
    use StatementKind::{Delete, Insert, Replace, Select, Update};
    let parsed = parse(statement.as_bytes(), dialect).ok()?;
    let is_row_statement = matches!(parsed.kind, Delete | Insert | Replace | Select | Update);
    if !is_row_statement || parsed.tables.len() > TABLES_MAX || !parsed.is_joinable {
        return None;
    }
    let mut places: Vec<_> = parsed
        .tables
        .iter()
        .enumerate()
        .map(|(index, table)| {
            let start = table
                .db_span
                .as_ref()
                .map_or(table.table_span.start, |span| span.start);
            (start..table.table_span.end, format!("scratch.`z{}`", index + 1))
        })
        .collect();
    places.sort_by_key(|(span, _)| span.start);
    let (mut text, mut copied) = (String::new(), 0);
    for (span, name) in places {
        text.push_str(&statement[copied..span.start]);
        text.push_str(&name);
        copied = span.end;
    }
    text.push_str(&statement[copied..]);
    Some(text)
}

#[tokio::test]
#[ignore = "needs the package mariadb-test-data"]
async fn what_the_server_parses_we_parse() {
    check_all(
        "",
        Dialect {
            source_version: 101_119,
            ..Dialect::default()
        },
        100_000,
    )
    .await;
}

#[tokio::test]
#[ignore = "needs the package mariadb-test-data"]
async fn what_the_server_parses_in_oracle_mode_we_parse() {
    let dialect = Dialect {
        source_version: 101_119,
        oracle: true,
        ansi_quotes: true,
        ..Dialect::default()
    };
    check_all("ORACLE", dialect, 2_000).await;
}

/// PREPARE opens all tables before it looks at anything else. When each one we found is replaced by one that exists, a
/// table that does not exist is one that we missed, and a syntax error shows a name that is no table.
#[tokio::test]
#[ignore = "needs the package mariadb-test-data"]
async fn the_server_looks_for_no_table_that_we_did_not_find() {
    let dialect = Dialect {
        source_version: 101_119,
        ..Dialect::default()
    };
    let server = Server::start().await;
    let mut session = session(&server, "").await;
    for index in 1..=TABLES_MAX {
        session
            .query_drop(format!("CREATE TABLE z{index} (a INT) ENGINE=MyISAM"))
            .await
            .unwrap();
    }
    let (mut count, mut complaints) = (0, Vec::new());
    for statement in &corpus(false) {
        let Some(text) = with_known_tables(statement, &dialect) else {
            continue;
        };
        count += 1;
        let probe = format!(
            "PREPARE probe FROM '{}'",
            text.replace('\\', "\\\\").replace('\'', "''")
        );
        let Err(Error::Server(error)) = session.query_drop(probe).await else {
            continue;
        };
        let is_wrong = match error.code {
            NO_SUCH_TABLE => true,
            SYNTAX_ERROR => is_parsed(&mut session, statement).await,
            _ => false,
        };
        if is_wrong {
            complaints.push(format!("{}\n    {statement}\n    {text}", error.message));
        }
    }
    assert!(count > 50_000, "{count} statements");
    assert!(
        complaints.is_empty(),
        "{} of {count}:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}
