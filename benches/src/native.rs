//! Catching up by the server's own replica: `START SLAVE` until its executed coordinates are the source's end.

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::{FromValue, Queryable};
use mysql_async::{Conn, Row};
use tributary_sandbox::Server;

use crate::coordinates::Coordinates;
use crate::measure::{POLL_INTERVAL, Run, Watch};
use crate::settings::Settings;
use crate::source::{REPLICATION_PASSWORD, REPLICATION_USER, Source};
use crate::target::CONNECTION;

/// Runs the replica on `target` from the source's start to its end.
///
/// # Errors
/// A replica that stops, or does not arrive in time.
pub(crate) async fn catch_up(source: &Source, target: &Server, settings: &Settings) -> Result<Run> {
    let mut conn = target.connect().await?;
    conn.query_drop(change_master(source))
        .await
        .context("configure the native replica")?;
    check_settings(&mut conn, settings).await?;

    let watch = Watch::start(&source.server, target)?;
    conn.query_drop(format!("START SLAVE '{CONNECTION}'")).await?;
    while !executed(&mut conn).await?.has_reached(&source.end)? {
        watch.check_time()?;
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let run = watch.stop(None)?;

    conn.query_drop(format!("STOP SLAVE '{CONNECTION}'")).await?;
    conn.disconnect().await?;
    Ok(run)
}

fn change_master(source: &Source) -> String {
    format!(
        "CHANGE MASTER '{CONNECTION}' TO MASTER_HOST='127.0.0.1', MASTER_PORT={}, MASTER_USER='{REPLICATION_USER}', \
         MASTER_PASSWORD='{REPLICATION_PASSWORD}', MASTER_LOG_FILE='{}', MASTER_LOG_POS={}, \
         MASTER_CONNECT_RETRY=10, MASTER_USE_GTID=no",
        source.server.port(),
        source.start.file,
        source.start.offset
    )
}

/// The server must really run with the settings the result is named after.
async fn check_settings(conn: &mut Conn, settings: &Settings) -> Result<()> {
    let row: Option<(u64, u64, u64)> = conn
        .query_first("SELECT @@innodb_flush_log_at_trx_commit, @@log_bin, @@slave_compressed_protocol")
        .await?;
    let expected = (2, 0, u64::from(settings.is_compressed));
    ensure!(
        row == Some(expected),
        "the target's settings are {row:?} instead of {expected:?}"
    );
    Ok(())
}

/// How far the replica has executed; an error when it has stopped.
async fn executed(conn: &mut Conn) -> Result<Coordinates> {
    let row: Row = conn
        .query_first(format!("SHOW SLAVE '{CONNECTION}' STATUS"))
        .await?
        .context("the target does not know the connection")?;
    for thread in ["IO", "SQL"] {
        let error: u64 = column(&row, &format!("Last_{thread}_Errno"))?;
        if error != 0 {
            let text: String = column(&row, &format!("Last_{thread}_Error"))?;
            bail!("the native replica stopped: {text} ({error})");
        }
    }
    Ok(Coordinates {
        file: column(&row, "Relay_Master_Log_File")?,
        offset: column(&row, "Exec_Master_Log_Pos")?,
    })
}

fn column<T: FromValue>(row: &Row, name: &str) -> Result<T> {
    row.get_opt(name)
        .with_context(|| format!("SHOW SLAVE STATUS has no {name}"))?
        .map_err(|error| anyhow::anyhow!("SHOW SLAVE STATUS: {name}: {error:?}"))
}
