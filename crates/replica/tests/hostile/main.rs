//! Servers that send what no server sends: between the engine and real servers is a line on which one packet, or one event, is another.
//!
//! Whatever it is, the engine says what is wrong and stops or tries again; it does not panic, and does not hold more memory than
//! [`MEMORY_MAX`], although lengths promise gigabytes.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    clippy::cast_possible_truncation,
    reason = "a failed step ends the test"
)]

mod lies;
mod line;
mod memory;
#[allow(dead_code, reason = "shared with another binary, which uses all of it")]
#[path = "../real_server/support.rs"]
mod support;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use line::{Line, Place};
use support::{log, open_tcp, options, pair, tcp};
use tributary::{ApplyOptions, ConnectionOptions, Options, Replicator};
use tributary_client::Client;
use tributary_sandbox::random::Random;
use tributary_sandbox::{Server, ServerOptions};

/// Largest packet that is accepted, from sources and from the target.
const PACKET_MAX: usize = 2 << 20;
/// Connections of one engine, and its workers.
const CONNECTIONS: u64 = 25;
const WORKERS: usize = 4;
/// Peak of what may be held, lying lines included: the formula of docs/configuration.md with the settings below. Lengths promise
/// thousands of times as much.
const MEMORY_MAX: usize =
    CONNECTIONS as usize * ((1 << 20) + 3 * (1 << 20) + PACKET_MAX + (10 << 20)) + WORKERS * (8 << 20);
/// How long a connection may take to notice.
const NOTICE: Duration = Duration::from_secs(20);

/// How long a start may take: it waits two minutes for an answer, and for sessions that a broken line has left on the target.
const START: Duration = Duration::from_secs(150);

/// Databases that a source has, of a few events each of many types.
const CONTENT: &str = "CREATE DATABASE asterisk; USE asterisk;\
    CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(100), b DECIMAL(10,3), c DATETIME(6), d BLOB, e ENUM('x','y'), f BIT(9), KEY (a)) ENGINE=InnoDB;\
    CREATE TABLE m (n INT, s CHAR(20)) ENGINE=MyISAM;\
    SET binlog_format=ROW; INSERT INTO t (a,b,c,d,e,f) VALUES ('one',1.5,NOW(6),REPEAT('b',300),'x',3),('two',NULL,NULL,NULL,NULL,NULL);\
    UPDATE t SET a='changed',b=b+1; DELETE FROM t WHERE id=2; INSERT INTO m VALUES (1,'a'),(2,'b'),(3,'c');\
    SET binlog_format=STATEMENT; SET @v='name', @w=5.5; INSERT INTO m VALUES (4,@v),(@w,'w'); INSERT INTO m VALUES (RAND()*10,'r');\
    INSERT INTO t (a) VALUES ('auto'); UPDATE m SET n=n+1; CREATE TEMPORARY TABLE tmp (a INT); INSERT INTO tmp VALUES (1); INSERT INTO m SELECT a,'t' FROM tmp; DROP TEMPORARY TABLE tmp;\
    XA START 'x'; INSERT INTO t (a) VALUES ('xa'); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x';\
    BEGIN; INSERT INTO t (a) VALUES ('1'); INSERT INTO t (a) VALUES ('2'); COMMIT;\
    SET GLOBAL log_bin_compress=ON; SET GLOBAL log_bin_compress_min_len=10;\
    INSERT INTO t (a) VALUES (REPEAT('compressed',9)); SET binlog_format=ROW; INSERT INTO t (a,d) VALUES ('z',REPEAT('compressed',90)); UPDATE t SET d=REPEAT('c',900);\
    SET GLOBAL log_bin_compress=OFF; FLUSH BINARY LOGS; ALTER TABLE m ADD COLUMN x INT DEFAULT 4; INSERT INTO m VALUES (9,'i',8); TRUNCATE m; INSERT INTO m VALUES (1,'last',1)";

/// The batches of cases: `HOSTILE_BATCHES` of them, from number `HOSTILE_FROM` on, for a long run by hand or one that failed.
fn batches(usual: u64) -> std::ops::Range<u64> {
    let number = |name, usual| std::env::var(name).map_or(usual, |text: String| text.parse().unwrap());
    let from = number("HOSTILE_FROM", 0);
    from..from + number("HOSTILE_BATCHES", usual)
}

/// What the target's sessions do, for a case that has failed.
async fn sessions(target: &Server) -> String {
    let rows = target.rows("SELECT id, user, db, command, time_ms, state, LEFT(info, 200) FROM information_schema.processlist").await;
    format!("sessions of the target: {rows:#?}")
}

/// A source with content, and a target.
async fn servers() -> anyhow::Result<(Server, Server)> {
    log();
    memory::watch_panics();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    for server in [&source, &target] {
        open_tcp(server).await?;
        server.run("SET GLOBAL max_connections=2000").await?;
    }
    source.run(CONTENT).await?;
    Ok((source, target))
}

fn assert_sane() -> anyhow::Result<()> {
    let peak = memory::peak();
    println!("peak {} MiB", peak >> 20);
    ensure!(memory::panics() == 0, "{} panics", memory::panics());
    ensure!(peak < MEMORY_MAX, "{} MiB were held", peak >> 20);
    Ok(())
}

/// A connection over `port` that notices silence soon.
fn over(port: u16, case: u64, source: &Server) -> ConnectionOptions {
    let name = format!("h{case}");
    let mut login = tcp(port);
    login.connect_timeout = Duration::from_secs(1);
    login.reply_timeout = Duration::from_secs(1);
    login.packet_bytes_max = PACKET_MAX;
    ConnectionOptions {
        server_id: Some(1000 + case as u32),
        source: login,
        heartbeat_period: Duration::from_millis(300),
        net_timeout: Duration::from_secs(1),
        relay_bytes_max: 1 << 20,
        group_bytes_max: 1 << 20,
        ..support::connection(&name, source, &format!("asterisk->{name}_asterisk"))
    }
}

/// Half of the lies are in what is said before events come.
fn place(random: &mut Random, packets: u64) -> u64 {
    match random.below(2) {
        0 => random.below(packets / 6),
        _ => random.below(packets),
    }
}

/// Has an engine read from sources with one lie each.
async fn lying_sources(seeds: std::ops::Range<u64>, source: &Server, target: &Server) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    let mut all = options(source, target);
    all.connections.clear();
    // What a lie has left locked, such as a prepared transaction, is not waited for.
    all.apply.stop_timeout = Duration::from_secs(2);
    all.apply.workers = WORKERS;
    for seed in seeds {
        let packet = place(&mut Random::new(!seed), 170);
        let place = Place {
            connection: 0,
            packet,
        };
        let line = Line::to(source.port(), place, seed).await?;
        all.connections.push(over(line.port, seed, source));
        lines.push(line);
    }
    let engine = Replicator::start(all).await?;
    let deadline = Instant::now() + NOTICE;
    let unaware = || {
        let status = engine.status();
        let connections = status.connections.into_iter().zip(&lines);
        connections
            .filter(|(one, line)| {
                !line.has_lied()
                    || one
                        .last_error
                        .as_ref()
                        .is_none_or(|error| error.message.is_empty())
            })
            .map(|(one, line)| (one, line.has_lied()))
            .collect::<Vec<_>>()
    };
    while !unaware().is_empty() {
        ensure!(
            Instant::now() < deadline,
            "nothing is said of a lie: {:#?}\n{}",
            unaware(),
            sessions(target).await
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let status = engine.status();
    ensure!(status.target.last_error.is_none(), "{:?}", status.target);
    for connection in status.connections {
        println!(
            "{} {:?} {:?} {:?}",
            connection.name, connection.io_state, connection.sql_state, connection.last_error
        );
    }
    tokio::time::timeout(NOTICE, engine.stop())
        .await
        .context("the stop hangs")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_that_lie_are_noticed() -> anyhow::Result<()> {
    let (source, target) = servers().await?;
    for batch in batches(2) {
        lying_sources(batch * CONNECTIONS..(batch + 1) * CONNECTIONS, &source, &target)
            .await
            .with_context(|| format!("batch {batch}"))?;
    }
    assert_sane()
}

/// Has an engine write to a target that lies once.
async fn lying_target(seed: u64, source: &Server, target: &Server) -> anyhow::Result<()> {
    let mut random = Random::new(!seed);
    let place = Place {
        connection: random.below(5),
        packet: place(&mut random, 120),
    };
    let line = Line::to(target.port(), place, seed).await?;
    let base = options(source, target);
    let mut login = tcp(line.port);
    login.reply_timeout = Duration::from_secs(2);
    login.connect_timeout = Duration::from_secs(3);
    login.packet_bytes_max = PACKET_MAX;
    login.reply_bytes_max = PACKET_MAX;
    let mine = Options {
        target: tributary::TargetOptions {
            login,
            schema: format!("tributary_{seed}"),
            status_interval: Duration::from_secs(1),
        },
        connections: vec![over(source.port(), 1000 + seed, source)],
        apply: ApplyOptions {
            stop_timeout: Duration::from_secs(2),
            ..base.apply
        },
        server_id: base.server_id,
    };
    let starting = tokio::time::timeout(START, Replicator::start(mine)).await;
    let Ok(starting) = starting else {
        anyhow::bail!("the start hangs; {}", sessions(target).await);
    };
    let engine = match starting {
        Ok(engine) => engine,
        Err(error) => {
            println!("{seed} {place:?} start: {error}");
            ensure!(
                !error.to_string().is_empty() && !error.to_string().contains("a fault of its own"),
                "{error}"
            );
            return Ok(());
        }
    };
    let (deadline, gives_up) = (Instant::now() + NOTICE, Instant::now() + Duration::from_secs(2));
    loop {
        let status = engine.status();
        let errors = [&status.target.last_error, &status.connections[0].last_error];
        if let Some(error) = errors.into_iter().flatten().next() {
            ensure!(
                !error.message.is_empty() && !error.message.contains("a fault of its own"),
                "{error:?}"
            );
            println!("{seed} {place:?} {} {error:?}", status.target.state);
            break;
        }
        ensure!(Instant::now() < deadline, "nothing is said of a lie: {status:#?}");
        if Instant::now() > gives_up {
            // What was changed did not matter, or is behind the end: from here on there is no target.
            line.close();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::timeout(NOTICE, engine.stop())
        .await
        .context("the stop hangs")?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_that_lie_are_noticed() -> anyhow::Result<()> {
    let (source, target) = servers().await?;
    for batch in batches(4) {
        let cases = (batch * 10..(batch + 1) * 10).map(|seed| {
            let (source, target) = (&source, &target);
            async move {
                lying_target(seed, source, target)
                    .await
                    .with_context(|| format!("seed {seed}"))
            }
        });
        for case in join_all(cases).await {
            case?;
        }
    }
    assert_sane()
}

/// Runs them beside each other.
async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut open: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = open.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in open.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        match done.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// Asks a server that lies once; whether it was noticed.
async fn ask(seed: u64, server: &Server) -> anyhow::Result<bool> {
    let place = Place {
        connection: 0,
        packet: Random::new(!seed).below(30),
    };
    let line = Line::to(server.port(), place, seed).await?;
    let mut login = tcp(line.port);
    login.connect_timeout = Duration::from_millis(500);
    login.reply_timeout = Duration::from_millis(500);
    login.reply_bytes_max = 4 << 20;
    login.packet_bytes_max = 4 << 20;
    let questions = [
        "SELECT * FROM asterisk.t",
        "SELECT 1",
        "SET @a=1",
        "SHOW VARIABLES LIKE 'binlog%'",
    ];
    let asked = async {
        let mut client = Client::connect(&login).await?;
        for sql in questions {
            client.query_all(sql.as_bytes()).await?;
        }
        client.ping().await
    };
    let asked = tokio::time::timeout(NOTICE, asked).await;
    let Err(error) = asked.with_context(|| format!("seed {seed} hangs"))? else {
        return Ok(false);
    };
    ensure!(!error.to_string().is_empty());
    Ok(true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_a_server_that_lies_gets_an_error_or_an_answer() -> anyhow::Result<()> {
    let (source, _target) = servers().await?;
    let mut errors = 0;
    for batch in batches(20) {
        for noticed in join_all((batch * 20..(batch + 1) * 20).map(|seed| ask(seed, &source))).await {
            errors += usize::from(noticed?);
        }
    }
    println!("{errors} lies were errors");
    ensure!(errors > 10 * batches(20).count(), "{errors} errors only");
    assert_sane()
}
