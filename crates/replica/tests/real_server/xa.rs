//! XA transactions of the sources: prepared on the target under a name of their own, through every kind of stop.

use crate::support::{
    SOURCE_DB, TARGET_DB, assert_equal, caught_up, connection, log, options, pair, root, stopped, until,
};
use anyhow::Context as _;
use tributary::Replicator;
use tributary_client::Client;
use tributary_sandbox::{Server, ServerOptions};

/// Names of the transactions that the target holds prepared.
async fn prepared(target: &Server) -> anyhow::Result<Vec<String>> {
    let rows = target.rows("XA RECOVER").await?;
    let mut names: Vec<String> = rows.into_iter().filter_map(|row| row[3].clone()).collect();
    names.sort();
    Ok(names)
}

const TABLES: &str = "CREATE DATABASE IF NOT EXISTS asterisk; USE asterisk; CREATE TABLE i (a INT PRIMARY KEY, b INT) ENGINE=InnoDB; \
     CREATE TABLE m (a INT) ENGINE=MyISAM; INSERT INTO i VALUES (1,0),(2,0),(3,0)";

/// Each statement in a session of its own, as XA needs once something is prepared.
async fn sessions(source: &Server, sessions: &[&str]) -> anyhow::Result<()> {
    for statements in sessions {
        source
            .run(&format!("USE {SOURCE_DB}; {statements}"))
            .await
            .with_context(|| (*statements).to_owned())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepared_by_one_group_completed_by_another_in_every_format() -> anyhow::Result<()> {
    log();
    let (mut source, mut target) = pair(ServerOptions::source(1)).await?;
    source.run(TABLES).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    for format in ["STATEMENT", "ROW", "MIXED"] {
        let format = format!("SET binlog_format={format}, binlog_direct_non_transactional_updates=0;");
        sessions(&source, &["DELETE FROM i WHERE a>3"]).await?;
        let long = "x".repeat(64);
        let every = [
            "XA START 'kept'; INSERT INTO i VALUES (10,1); UPDATE i SET b=b+1 WHERE a=1; INSERT INTO m VALUES (1); XA END 'kept'; XA PREPARE 'kept'".to_owned(),
            "XA START X'FF00','branch',7; INSERT INTO i VALUES (11,1); XA END X'FF00','branch',7; XA PREPARE X'FF00','branch',7".to_owned(),
            format!("XA START '{long}'; UPDATE i SET b=b+100 WHERE a=2; SAVEPOINT s; UPDATE i SET b=b+1000 WHERE a=2; ROLLBACK TO s; INSERT INTO m VALUES (2); XA END '{long}'; XA PREPARE '{long}'"),
            "XA START 'empty'; SELECT * FROM i; XA END 'empty'; XA PREPARE 'empty'; XA ROLLBACK 'empty'".to_owned(),
            "XA START 'never'; INSERT INTO i VALUES (12,1); INSERT INTO m VALUES (3); XA END 'never'; XA ROLLBACK 'never'".to_owned(),
            "XA START 'one'; INSERT INTO i VALUES (13,1); INSERT INTO m VALUES (4); XA END 'one'; XA COMMIT 'one' ONE PHASE".to_owned(),
            "INSERT INTO i VALUES (20,20)".to_owned(),
            "XA COMMIT 'kept'".to_owned(),
            "XA ROLLBACK X'FF00','branch',7".to_owned(),
            format!("XA ROLLBACK '{long}'"),
        ];
        let every: Vec<String> = every.iter().map(|text| format!("{format} {text}")).collect();
        let every: Vec<&str> = every.iter().map(String::as_str).collect();
        let (begin, end) = every.split_at(7);
        sessions(&source, begin).await?;
        caught_up(&engine, "m1", &source).await?;
        let held = prepared(&target).await?;
        // The long name is SHA2(CONCAT('tributary', CHAR(0), 'm1', CHAR(0), REPEAT('x', 64)), 256).
        assert_eq!(
            held,
            [
                "7c55e7a38760385467e07eeae46b978a687efe426e2ee00ef8cdac20a9d3d0ed",
                "tributary/m1/kept",
                "tributary/m1/\u{fffd}\0branch"
            ]
        );
        assert_eq!(
            target.value("SELECT COUNT(*) FROM tributary.xa").await?,
            held.len().to_string()
        );
        // Prepared transactions outlive the target's restart, and the engine's life with it.
        target.kill().await;
        target.start_again().await?;
        assert_eq!(prepared(&target).await?, held, "{format}");
        source.kill().await;
        source.start_again().await?;
        sessions(&source, end).await?;
        caught_up(&engine, "m1", &source).await?;
        assert_equal(&source, &target, TARGET_DB, &[])
            .await
            .context(format)?;
        assert_eq!(prepared(&target).await?, Vec::<String>::new());
        assert_eq!(target.value("SELECT COUNT(*) FROM tributary.xa").await?, "0");
    }
    assert!(engine.stop().await.is_clean);
    Ok(())
}

/// A copy of the saved position, and the way back to it: what a crash between a change and its position leaves.
async fn save_position(target: &Server) -> anyhow::Result<()> {
    target
        .run("CREATE OR REPLACE TABLE tributary.saved SELECT * FROM tributary.position")
        .await
}

async fn restore_position(target: &Server) -> anyhow::Result<()> {
    target
        .run("DELETE FROM tributary.position; INSERT INTO tributary.position SELECT * FROM tributary.saved")
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_has_left_is_recognised_and_nothing_else() -> anyhow::Result<()> {
    log();
    let (source, target) = pair(ServerOptions::source(1)).await?;
    source.run(TABLES).await?;
    let run = async |statements: &[&str]| -> anyhow::Result<()> {
        sessions(&source, statements).await?;
        let engine = Replicator::start(options(&source, &target)).await?;
        caught_up(&engine, "m1", &source).await?;
        assert!(engine.stop().await.is_clean);
        Ok(())
    };
    run(&[]).await?;
    let steps = [
        "XA START 'c'; UPDATE i SET b=b+1; XA END 'c'; XA PREPARE 'c'",
        "XA COMMIT 'c'",
        "XA START 'c'; UPDATE i SET b=b+10; XA END 'c'; XA PREPARE 'c'",
        "XA ROLLBACK 'c'",
    ];
    for step in steps {
        save_position(&target).await?;
        run(&[step]).await.context(step)?;
        restore_position(&target).await?;
        if step.starts_with("XA START") {
            assert_eq!(prepared(&target).await?, ["tributary/m1/c"]);
        } else {
            // The row goes with the position, so it is there again, too.
            target
                .run(&format!(
                    "INSERT INTO tributary.xa VALUES ('m1','c','',1,'tributary/m1/c','0-1-1',{})",
                    u8::from(step.starts_with("XA COMMIT"))
                ))
                .await?;
        }
        run(&[]).await.with_context(|| format!("{step}, again"))?;
    }
    assert_equal(&source, &target, TARGET_DB, &[]).await?;
    assert_eq!(target.value("SELECT COUNT(*) FROM tributary.xa").await?, "0");

    // Somebody else has ended it: the connection stops and says so.
    run(&["XA START 'd'; UPDATE i SET b=b+1 WHERE a=1; XA END 'd'; XA PREPARE 'd'"]).await?;
    target.run("XA ROLLBACK 'tributary/m1/d'").await?;
    sessions(&source, &["XA COMMIT 'd'"]).await?;
    let engine = Replicator::start(options(&source, &target)).await?;
    let error = stopped(&engine, "m1").await?;
    assert_eq!(error.number, 1397, "{error:?}");
    assert!(
        error.message.contains("rolled back there by somebody else"),
        "{error:?}"
    );
    engine.stop().await;
    // What the message says to do.
    let statement = error
        .message
        .split("run on the target ")
        .nth(1)
        .and_then(|rest| rest.split(", and start").next())
        .context("a way forward")?;
    target.run(statement).await?;
    target
        .run(&format!("UPDATE {TARGET_DB}.i SET b=b+1 WHERE a=1"))
        .await?;
    run(&["INSERT INTO m VALUES (99)"]).await?;
    assert_equal(&source, &target, TARGET_DB, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_names_of_two_sources_do_not_meet_and_crashes_are_exact() -> anyhow::Result<()> {
    log();
    // A target that writes a binlog of its own.
    let logging = ServerOptions::target()
        .arg("--log-bin=of-target")
        .arg("--log-slave-updates=ON");
    let (one, two, mut target) = tokio::try_join!(
        Server::start(ServerOptions::source(1)),
        Server::start(ServerOptions::source(1)),
        Server::start(logging)
    )?;
    let mut settings = options(&one, &target);
    settings
        .connections
        .push(connection("m2", &two, &format!("{SOURCE_DB}->m2_asterisk")));
    for source in [&one, &two] {
        source.run(TABLES).await?;
    }
    let begin = ["XA START 'same'; UPDATE i SET b=b+1 WHERE a=1; XA END 'same'; XA PREPARE 'same'"];
    sessions(&one, &begin).await?;
    sessions(&two, &begin).await?;
    let engine = Replicator::start(settings.clone()).await?;
    caught_up(&engine, "m1", &one).await?;
    caught_up(&engine, "m2", &two).await?;
    assert_eq!(
        prepared(&target).await?,
        ["tributary/m1/same", "tributary/m2/same"]
    );
    sessions(&one, &["XA COMMIT 'same'"]).await?;
    sessions(&two, &["XA ROLLBACK 'same'"]).await?;
    caught_up(&engine, "m1", &one).await?;
    caught_up(&engine, "m2", &two).await?;
    drop(engine);

    // Transactions that double if they are applied twice, while the engine and the target are killed.
    let traffic = |source: &Server| {
        let login = root(source);
        async move {
            for round in 0..120 {
                let mut session = Client::connect(&login).await?;
                let format = ["STATEMENT", "ROW", "MIXED"][round % 3];
                session
                    .execute(format!("SET binlog_format={format}").as_bytes())
                    .await?;
                session.execute(b"USE asterisk").await?;
                for text in [
                    format!("XA START 'r{round}'"),
                    "UPDATE i SET b=b+1 WHERE a=1".to_owned(),
                    format!("INSERT INTO i VALUES ({},0)", 100 + round),
                    format!("XA END 'r{round}'"),
                    format!("XA PREPARE 'r{round}'"),
                    format!("XA {} 'r{round}'", ["COMMIT", "ROLLBACK", "COMMIT"][round % 3]),
                    "UPDATE i SET b=b+1 WHERE a=2".to_owned(),
                ] {
                    session
                        .execute(text.as_bytes())
                        .await
                        .with_context(|| text.clone())?;
                }
                session.quit().await;
            }
            anyhow::Ok(())
        }
    };
    let both = async { tokio::try_join!(traffic(&one), traffic(&two)) };
    let kills = async {
        for round in 0..8_u64 {
            let engine = Replicator::start(settings.clone()).await?;
            let groups = |engine: &Replicator| -> u64 {
                engine.status().connections.iter().map(|c| c.groups_applied).sum()
            };
            let has_ended = || Ok(groups(&engine) >= 25 + round || groups(&engine) == 0 && round > 5);
            until("some groups", has_ended).await?;
            if round % 4 == 3 {
                target.kill().await;
                target.start_again().await?;
            }
        }
        anyhow::Ok(())
    };
    tokio::try_join!(both, kills)?;
    let engine = Replicator::start(settings.clone()).await?;
    caught_up(&engine, "m1", &one).await?;
    caught_up(&engine, "m2", &two).await?;
    assert_equal(&one, &target, TARGET_DB, &[]).await?;
    assert_equal(&two, &target, "m2_asterisk", &[]).await?;
    assert_eq!(prepared(&target).await?, Vec::<String>::new());
    assert!(engine.stop().await.is_clean);
    Ok(())
}
