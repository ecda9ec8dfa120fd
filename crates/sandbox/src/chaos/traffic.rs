//! Statements that show when one is lost or made twice: counters, tables without keys, generated ids, definitions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use mysql_async::prelude::Queryable;
use tokio::task::JoinSet;
use tributary_sandbox::random::Random;
use tributary_sandbox::{Server, Site};

/// Clients of one source.
const CLIENTS: u64 = 3;
/// Between two statements of a client: rounds are many, and what they write is read again by each comparison.
const PAUSE: Duration = Duration::from_millis(2);
/// From so many statements on a client is slower, so that a round that lasts long does not write without end.
const STATEMENTS_FAST: u64 = 1000;
/// Between two statements of a client that has made many.
const PAUSE_LONG: Duration = Duration::from_millis(100);
/// What is loaded, in the source's data directory.
const LOAD_FILE: &str = "chaos.load";
/// Lines of it: a load takes long enough to be hit.
const LOAD_LINES: u64 = 10_000;
/// Pause of a client whose source is away.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
/// How long the last statements may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// Which storage engines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engines {
    /// MyISAM, Aria, MEMORY and InnoDB.
    All,
    /// Those that a restart does not empty.
    OnDisk,
    /// InnoDB alone: what a server that is killed keeps, and what it has logged, are one thing.
    InnoDb,
}

impl Engines {
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::All => &["MyISAM", "Aria", "MEMORY", "InnoDB"],
            Self::OnDisk => &["MyISAM", "Aria", "InnoDB"],
            Self::InnoDb => &["InnoDB"],
        }
    }
}

/// Makes an empty `asterisk` with the tables that are written.
pub(crate) async fn prepare(source: &Server, engines: Engines) -> anyhow::Result<()> {
    let lines: String = (0..LOAD_LINES)
        .map(|line| format!("{line}\tline {line}\n"))
        .collect();
    std::fs::write(source.data_dir().join(LOAD_FILE), lines).context("write what is loaded")?;
    let mut text = "DROP DATABASE IF EXISTS asterisk; CREATE DATABASE asterisk; USE asterisk;".to_owned();
    for engine in engines.names() {
        let values: Vec<String> = (0..20).map(|id| format!("({id},0,'row {id}')")).collect();
        text.push_str(&format!(
            "CREATE TABLE counter_{engine} (id INT PRIMARY KEY, n INT NOT NULL, s VARCHAR(40), KEY (n)) ENGINE={engine};\
             INSERT INTO counter_{engine} VALUES {};\
             CREATE TABLE keyless_{engine} (a INT, b VARCHAR(40)) ENGINE={engine};\
             CREATE TABLE loaded_{engine} (a INT, b VARCHAR(40)) ENGINE={engine};\
             CREATE TABLE ids_{engine} (id INT AUTO_INCREMENT PRIMARY KEY, v INT, at DATETIME(6)) ENGINE={engine};",
            values.join(",")
        ));
    }
    source.run(&text).await
}

/// The clients of one source.
pub(crate) struct Traffic {
    tasks: JoinSet<anyhow::Result<()>>,
    is_over: Arc<AtomicBool>,
    statements: Arc<AtomicU64>,
}

impl Traffic {
    /// `loads`: the storage engines whose tables are loaded from files.
    pub(crate) fn start(
        source: &Server,
        engines: Engines,
        loads: &'static [&'static str],
        seed: u64,
    ) -> Traffic {
        let mut tasks = JoinSet::new();
        let (is_over, statements) = (Arc::new(AtomicBool::new(false)), Arc::default());
        for number in 0..CLIENTS {
            let client = Client {
                source: source.as_ref().clone(),
                random: Random::new(seed.wrapping_mul(CLIENTS).wrapping_add(number)),
                engines,
                loads,
                number,
                definitions: 0,
                is_over: is_over.clone(),
                statements: Arc::clone(&statements),
            };
            tasks.spawn(client.run());
        }
        Traffic {
            tasks,
            is_over,
            statements,
        }
    }

    /// Ends it; how many statements there were.
    pub(crate) async fn stop(mut self) -> anyhow::Result<u64> {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = tokio::time::timeout(STOP_TIMEOUT, self.tasks.join_next())
            .await
            .context("a client's last statement does not end")?
        {
            ended.context("a client")??;
        }
        Ok(self.statements.load(Ordering::Relaxed))
    }
}

struct Client {
    source: Site,
    random: Random,
    engines: Engines,
    loads: &'static [&'static str],
    number: u64,
    /// Definitions so far: the columns its own table has.
    definitions: u64,
    is_over: Arc<AtomicBool>,
    statements: Arc<AtomicU64>,
}

impl Client {
    /// Statements until it is over; when the source goes away, from the next connection on.
    async fn run(mut self) -> anyhow::Result<()> {
        while !self.is_over.load(Ordering::Relaxed) {
            let Ok(mut session) = self.source.connect().await else {
                tokio::time::sleep(RECONNECT_PAUSE).await;
                continue;
            };
            let format = self.random.pick(&["MIXED", "MIXED", "ROW"]);
            let _ = session
                .query_drop(format!("USE asterisk; SET binlog_format={format}"))
                .await;
            let mut made = 0;
            while !self.is_over.load(Ordering::Relaxed) {
                let text = self.statement();
                match session.query_drop(&text).await {
                    Ok(()) => {
                        self.statements.fetch_add(1, Ordering::Relaxed);
                    }
                    // Deadlocks, and definitions that a lost connection has left done or not, are part of life.
                    Err(mysql_async::Error::Server(error)) if error.code != 1053 => {
                        let _ = session.query_drop("ROLLBACK").await;
                    }
                    Err(_) => break,
                }
                made += 1;
                let pause = if made < STATEMENTS_FAST { PAUSE } else { PAUSE_LONG };
                tokio::time::sleep(pause).await;
            }
        }
        Ok(())
    }

    fn statement(&mut self) -> String {
        let engine = self.random.pick(self.engines.names());
        let (id, value) = (self.random.below(20), self.random.below(1000));
        match self.random.below(17) {
            0..=4 => format!("UPDATE counter_{engine} SET n=n+1 WHERE id={id}"),
            5 => format!("UPDATE counter_{engine} SET n=n+1 WHERE n%7={}", id % 7),
            6 => format!(
                "UPDATE counter_{engine} SET n=n+2,s=CONCAT('s',n) WHERE id BETWEEN {id} AND {}",
                id + 3
            ),
            7..=8 => format!("INSERT INTO keyless_{engine} VALUES ({value},'v{id}'),({value},'v{id}')"),
            9 => format!("UPDATE keyless_{engine} SET a=a+1 WHERE b='v{id}'"),
            10 => format!("DELETE FROM keyless_{engine} WHERE a>{value} AND b='v{id}'"),
            11..=12 => format!("INSERT INTO ids_{engine} (v,at) VALUES ({value},NOW(6)),({id},NOW(6))"),
            13 => {
                format!("INSERT INTO ids_{engine} (v) SELECT id+{value} FROM counter_{engine} WHERE id<{id}")
            }
            14 => format!(
                "BEGIN; UPDATE counter_InnoDB SET n=n+1 WHERE id={id}; INSERT INTO ids_InnoDB (v) VALUES ({value});\
                 INSERT INTO keyless_InnoDB VALUES ({value},'t'); COMMIT"
            ),
            15 => self.load(),
            _ => self.definition(engine),
        }
    }

    /// A file, which goes into the binlog as one.
    fn load(&mut self) -> String {
        let engine = self.random.pick(self.loads);
        match self.random.below(16) {
            0 => format!(
                "SET STATEMENT binlog_format=STATEMENT FOR LOAD DATA INFILE './{LOAD_FILE}' INTO TABLE loaded_{engine}"
            ),
            1 => format!("TRUNCATE loaded_{engine}"),
            _ => format!("INSERT INTO loaded_{engine} VALUES (-1,'one')"),
        }
    }

    /// A change of this client's own table, which no other names.
    fn definition(&mut self, engine: &str) -> String {
        let table = format!("own_{}", self.number);
        self.definitions += 1;
        match self.definitions % 5 {
            1 => format!("DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (a INT) ENGINE={engine}"),
            2 => format!("INSERT INTO {table} (a) VALUES (1),(2),(3)"),
            3 => format!("ALTER TABLE {table} ADD COLUMN b INT DEFAULT 5, ADD KEY (b)"),
            4 => format!("UPDATE {table} SET b=b+a"),
            _ => format!("ALTER TABLE {table} DROP COLUMN b; INSERT INTO {table} (a) VALUES (4)"),
        }
    }
}
