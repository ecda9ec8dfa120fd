//! Random statements, and the same ones renamed: whatever each does to `asterisk` and `tools`, its renamed text must do
//! to `m1_asterisk` and `m1_tools` on the same server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step ends the test"
)]

use std::borrow::Cow;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, WhiteListFsHandler};
use tributary_sandbox::workload::{DATABASES, Kinds, Script};
use tributary_sandbox::{Server, ServerOptions, compare};
use tributary_sql::{ClientCharset, Dialect, parse, rename};

/// Statements per seed.
const STATEMENTS: usize = 2500;

/// What two sessions cannot do at once, what a binary log never holds, and what depends on more than the statement.
const LEFT_OUT: [&str; 7] = [
    "xa",
    "events",
    "prepared",
    "packets",
    "unsafe_functions",
    "interruptions",
    "clock",
];

#[tokio::test]
async fn renamed_statements_do_in_renamed_databases_what_the_originals_do() {
    let server = Server::start(
        ServerOptions::plain(1)
            .arg("--local-infile=ON")
            .arg("--log-bin-trust-function-creators=ON"),
    )
    .await
    .unwrap();
    for seed in [1, 2] {
        play(&server, seed).await;
    }
}

async fn play(server: &Server, seed: u64) {
    let file = server.data_dir().join("load.txt");
    let kinds = Kinds::ALL.without(&LEFT_OUT).unwrap();
    let mut script = Script::new(seed, kinds, file.clone());
    for database in DATABASES {
        let sql = format!("CREATE OR REPLACE DATABASE {database}; CREATE OR REPLACE DATABASE m1_{database}");
        server.run(&sql).await.unwrap();
    }
    let (mut original, mut renamed) = (session(server, &script).await, session(server, &script).await);
    let mut done = 0;
    for number in 0..STATEMENTS {
        let statement = script.next_statement();
        if let Some(data) = &statement.file {
            std::fs::write(&file, data).unwrap();
        }
        let text = renamed_text(&mut original, &statement.sql).await;
        let same_chance = format!(
            "SET timestamp = {}, rand_seed1 = {number}, rand_seed2 = 7",
            1_700_000_000 + number
        );
        original.query_drop(&same_chance).await.unwrap();
        renamed.query_drop(&same_chance).await.unwrap();
        let outcomes = (
            outcome(&mut original, &statement.sql).await,
            outcome(&mut renamed, &text).await,
        );
        assert_eq!(
            outcomes.0,
            outcomes.1,
            "seed {seed}, statement {number}: {}\nrenamed: {}",
            statement.sql.escape_ascii(),
            text.escape_ascii()
        );
        if outcomes.0.is_ok() {
            script.succeeded(&statement);
            done += 1;
        }
    }
    assert!(
        done > STATEMENTS / 2,
        "only {done} of {STATEMENTS} statements were executed"
    );
    original.disconnect().await.unwrap();
    renamed.disconnect().await.unwrap();
    for database in DATABASES {
        let comparison = compare(server, database, server, &format!("m1_{database}"), &[])
            .await
            .unwrap();
        assert!(comparison.is_equal(), "seed {seed}, {database}: {comparison}");
    }
}

async fn session(server: &Server, script: &Script) -> Conn {
    let files = WhiteListFsHandler::new([server.data_dir().join("load.txt")]);
    let options = OptsBuilder::default()
        .socket(Some(server.socket().display().to_string()))
        .user(Some("root"))
        .prefer_socket(false)
        .local_infile_handler(Some(files));
    let mut session = Conn::new(options).await.unwrap();
    session.query_drop(script.greeting()).await.unwrap();
    session
}

/// Affected rows, or the error's number. Messages name databases.
async fn outcome(session: &mut Conn, sql: &[u8]) -> Result<u64, u16> {
    match session.query_drop(sql).await {
        Ok(()) => Ok(session.affected_rows()),
        Err(mysql_async::Error::Server(error)) => Err(error.code),
        Err(error) => panic!("{error}: {}", sql.escape_ascii()),
    }
}

/// The statement under the dialect of the session it is for.
async fn renamed_text(session: &mut Conn, sql: &[u8]) -> Vec<u8> {
    if let Some(database) = sql.strip_prefix(b"USE ") {
        return [b"USE m1_", database].concat();
    }
    let dialect = dialect(session).await;
    let map = |database: &[u8]| {
        let is_known = DATABASES.iter().any(|known| known.as_bytes() == database);
        is_known.then(|| [b"m1_", database].concat())
    };
    let parsed = parse(sql, &dialect).unwrap_or_else(|error| panic!("{error}: {}", sql.escape_ascii()));
    rename(sql, &parsed, &map)
        .map(Cow::into_owned)
        .unwrap_or_else(|error| panic!("{error}: {}", sql.escape_ascii()))
}

async fn dialect(session: &mut Conn) -> Dialect {
    let (mode, collation): (String, u16) = session
        .query_first(
            "SELECT @@sql_mode, (SELECT MIN(id) FROM information_schema.collations \
             WHERE character_set_name = @@character_set_client)",
        )
        .await
        .unwrap()
        .expect("one row");
    let has = |name: &str| mode.split(',').any(|set| set == name);
    Dialect {
        ansi_quotes: has("ANSI_QUOTES"),
        no_backslash_escapes: has("NO_BACKSLASH_ESCAPES"),
        oracle: has("ORACLE"),
        brackets: false,
        charset: ClientCharset::from_collation(collation),
        source_version: 101_100,
    }
}
