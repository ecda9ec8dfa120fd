//! Each statement of the tables does on a target, renamed, what it did on the source: two real servers get the same
//! tables under two database names, one runs the statement as written, the other as renamed, and then the definitions,
//! rows and privileges of both are compared. The source's database does not exist on the target, so a name that was
//! missed is an error there.

#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod server;
mod table;

use std::collections::BTreeMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};
use server::Server;
use table::{Case, TARGET};
use tributary_sql::{Dialect, parse, rename};

const SOURCE: &str = "asterisk";

/// What there is on a server, by kind and name.
type Contents = BTreeMap<String, String>;

fn map(db: &[u8]) -> Option<Vec<u8>> {
    (db == SOURCE.as_bytes()).then(|| TARGET.as_bytes().to_vec())
}

fn renamed(text: &[u8], dialect: &Dialect) -> Result<Vec<u8>, String> {
    let statement = parse(text, dialect).map_err(|error| error.to_string())?;
    rename(text, &statement, &map)
        .map(|text| text.into_owned())
        .map_err(|error| error.to_string())
}

/// One side: a server and the name its database has there.
struct Side {
    server: Server,
    db: &'static str,
}

impl Side {
    async fn start(db: &'static str) -> Side {
        Side {
            server: Server::start().await,
            db,
        }
    }

    fn is_target(&self) -> bool {
        self.db == TARGET
    }

    /// The text this side runs.
    fn own(&self, text: &[u8], dialect: &Dialect) -> Result<Vec<u8>, String> {
        if self.is_target() {
            renamed(text, dialect)
        } else {
            Ok(text.to_vec())
        }
    }

    /// Makes the tables anew.
    async fn reset(&self) {
        let fixture = include_str!("../../../testdata/sql/fixture.sql").replace("{db}", self.db);
        let mut session = self.server.session().await;
        for db in [self.db, "other"] {
            session
                .query_drop(format!("DROP DATABASE IF EXISTS {db}"))
                .await
                .unwrap();
        }
        session.query_drop(fixture).await.unwrap();
        session.disconnect().await.unwrap();
    }

    /// Runs the case; the contents before the statement and after it.
    async fn run(&self, case: &Case) -> Result<(Contents, Contents), String> {
        self.reset().await;
        let dialect = case.dialect();
        let mut session = self.server.session().await;
        match case.default_db.as_deref() {
            Some(SOURCE) => execute(&mut session, format!("USE {}", self.db).into_bytes()).await?,
            Some(db) => execute(&mut session, format!("USE {db}").into_bytes()).await?,
            None => {}
        }
        if !case.mode.is_empty() {
            execute(
                &mut session,
                format!("SET sql_mode = '{}'", case.mode).into_bytes(),
            )
            .await?;
        }
        execute(&mut session, format!("SET NAMES {}", case.charset).into_bytes()).await?;
        for text in &case.setup {
            execute(&mut session, self.own(text, &dialect)?).await?;
        }
        let before = contents(&mut self.server.session().await, self.db).await;
        execute(&mut session, self.own(&case.text, &dialect)?).await?;
        if case
            .text
            .windows(7)
            .any(|word| word.eq_ignore_ascii_case(b"DELAYED"))
        {
            // Ends the server's threads that still have rows to insert.
            execute(&mut session, b"FLUSH TABLES".to_vec()).await?;
        }
        // Deferred and grouped work becomes visible.
        execute(&mut session, b"SELECT 1".to_vec()).await?;
        let mut after = None;
        for text in &case.then {
            if after.is_none() && text.starts_with(b"DROP") {
                // What the statement did, before it is cleared away.
                after = Some(contents(&mut self.server.session().await, self.db).await);
            }
            execute(&mut session, self.own(text, &dialect)?).await?;
        }
        if !case.kind.as_ref().is_some_and(|kind| kind.starts_with("Xa")) {
            execute(&mut session, b"COMMIT".to_vec()).await?;
        }
        let after = match after {
            Some(after) => after,
            None => contents(&mut self.server.session().await, self.db).await,
        };
        session.disconnect().await.unwrap();
        Ok((before, after))
    }
}

async fn execute(session: &mut Conn, text: Vec<u8>) -> Result<(), String> {
    let shown = text.escape_ascii().to_string();
    session
        .query_drop(text)
        .await
        .map_err(|error| format!("{error}\n    in {shown}"))
}

async fn rows(session: &mut Conn, query: String) -> Vec<Vec<String>> {
    let rows: Vec<Row> = session
        .query(&query)
        .await
        .unwrap_or_else(|error| panic!("{error} in {query}"));
    let text = |value: Value| match value {
        Value::NULL => "NULL".to_owned(),
        Value::Bytes(bytes) => {
            String::from_utf8(bytes).unwrap_or_else(|e| e.into_bytes().escape_ascii().to_string())
        }
        other => format!("{other:?}"),
    };
    rows.into_iter()
        .map(|row| row.unwrap().into_iter().map(text).collect())
        .collect()
}

/// Definitions, rows and privileges, with the database's name and quotes taken out of definitions (not of rows).
async fn contents(session: &mut Conn, db: &str) -> Contents {
    let mut found = Contents::new();
    let own = format!("('{db}', 'other')");
    for table in rows(
        session,
        format!("SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema IN {own}"),
    )
    .await
    {
        let full = format!("`{}`.`{}`", table[0], table[1].replace('`', "``"));
        let name = format!("table {}", plain(&full));
        let definition = rows(session, format!("SHOW CREATE TABLE {full}")).await;
        found.insert(format!("{name} definition"), plain(&definition[0][1..2].join(" ")));
        if table[2] == "BASE TABLE" || table[2] == "SYSTEM VERSIONED" || table[2] == "SEQUENCE" {
            let mut lines: Vec<String> =
                rows(session, format!("SELECT * FROM {full}")).await.iter().map(|row| row.join("|")).collect();
            lines.sort();
            found.insert(format!("{name} rows"), lines.join("\n"));
        }
    }
    let definitions = [
        "SELECT 'database', schema_name, default_character_set_name, default_collation_name, schema_comment FROM information_schema.schemata WHERE schema_name NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')".to_owned(),
        format!("SELECT 'trigger', trigger_schema, trigger_name, event_object_schema, event_object_table, action_timing, event_manipulation, action_order, sql_mode, definer, action_statement FROM information_schema.triggers WHERE trigger_schema IN {own}"),
        format!("SELECT 'routine', db, name, type, param_list, returns, aggregate, is_deterministic, security_type, comment, sql_mode, body FROM mysql.proc WHERE db IN {own}"),
        format!("SELECT 'event', event_schema, event_name, event_definition, event_type, execute_at, interval_value, interval_field, starts, status, event_comment FROM information_schema.events WHERE event_schema IN {own}"),
        "SELECT 'user', host, user, JSON_VALUE(priv, '$.authentication_string'), JSON_VALUE(priv, '$.is_role'), JSON_VALUE(priv, '$.access') FROM mysql.global_priv WHERE user NOT IN ('root', 'mariadb.sys', '')".to_owned(),
        "SELECT 'database privilege', host, user, REPLACE(db, '\\\\', ''), select_priv, insert_priv, grant_priv, create_priv FROM mysql.db".to_owned(),
        "SELECT 'table privilege', host, user, db, table_name, table_priv, column_priv FROM mysql.tables_priv WHERE user <> 'mariadb.sys'".to_owned(),
        "SELECT 'routine privilege', host, user, db, routine_name, routine_type, proc_priv FROM mysql.procs_priv".to_owned(),
        "SELECT 'role', host, user, role, admin_option FROM mysql.roles_mapping".to_owned(),
    ];
    for query in definitions {
        for row in rows(session, query).await {
            let (name, rest) = row.split_at(3);
            found.insert(plain(&name.join(" ")), plain(&rest.join("|")));
        }
    }
    found
}

/// A definition without the database's name and the quotes, which renaming may change.
fn plain(definition: &str) -> String {
    let escaped = TARGET.replace('_', "\\_");
    definition
        .replace(&escaped, SOURCE)
        .replace(TARGET, SOURCE)
        .replace(['`', '"', '[', ']'], "")
}

fn difference(one: &Contents, other: &Contents) -> Vec<String> {
    let keys: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    keys.into_iter()
        .filter(|key| one.get(*key) != other.get(*key))
        .map(|key| format!("    {key}\n      {:?}\n      {:?}", one.get(key), other.get(key)))
        .collect()
}

async fn check(case: &Case, source: &Side, target: &Side) -> Result<(), String> {
    let (on_source, on_target) = tokio::join!(source.run(case), target.run(case));
    let (before, after) = on_source.map_err(|error| format!("on the source: {error}"))?;
    let (target_before, target_after) = on_target.map_err(|error| format!("on the target: {error}"))?;
    let fixture = difference(&before, &target_before);
    if !fixture.is_empty() {
        return Err(format!("different before the statement:\n{}", fixture.join("\n")));
    }
    if (before == after) != case.is_idle {
        let what = if case.is_idle {
            "it is marked @idle and changes"
        } else {
            "it changes nothing"
        };
        return Err(format!("{what}:\n{}", difference(&before, &after).join("\n")));
    }
    let wrong = difference(&after, &target_after);
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("different after it:\n{}", wrong.join("\n")))
    }
}

#[tokio::test]
async fn renamed_statements_do_on_the_target_what_they_did_on_the_source() {
    let (source, target) = tokio::join!(Side::start(SOURCE), Side::start(TARGET));
    let cases = table::renamed();
    let mut wrong = Vec::new();
    for case in &cases {
        if let Err(error) = check(case, &source, &target).await {
            wrong.push(format!("{}: {error}", case.title));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn refused_statements_are_accepted_by_the_source() {
    let source = Side::start(SOURCE).await;
    for case in table::read("refused.txt").iter().filter(|case| !case.is_not_run) {
        if let Err(error) = source.run(case).await {
            panic!("{}: {error}", case.title);
        }
    }
}
