//! The server's own replica: one connection for each source.

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::{FromValue, Queryable};
use mysql_async::{Conn, Row};

use crate::coordinates::Coordinates;
use crate::link::Route;
use crate::replica::Progress;
use crate::source::{Source, Sources};
use crate::system::NativeSetting;
use crate::target::{Target, on_off};
use crate::workload::{connection, target_database};

/// The replica of one target.
pub(crate) struct Native {
    conn: Conn,
    sources: usize,
}

impl Native {
    /// Configures a connection for each source.
    ///
    /// # Errors
    /// When the target refuses, or does not run with the settings the result is named after.
    pub(crate) async fn prepare(
        setting: NativeSetting,
        sources: &Sources,
        target: &Target,
        route: &Route,
    ) -> Result<Native> {
        let mut conn = target.as_ref().connect().await?;
        let mut statements = vec![
            format!("SET GLOBAL slave_parallel_threads={}", setting.threads),
            format!(
                "SET GLOBAL slave_compressed_protocol={}",
                on_off(route.link.is_compressed)
            ),
        ];
        for (index, source) in sources.all.iter().enumerate() {
            let name = connection(source.number);
            let to = target_database(source.number);
            statements.extend([
                change_master(source, route.source(index)),
                format!("SET GLOBAL {name}.slave_parallel_mode='{}'", setting.mode),
                format!(
                    "SET GLOBAL {name}.replicate_rewrite_db='{}->{to}'",
                    source.database
                ),
            ]);
        }
        for statement in statements {
            conn.query_drop(statement)
                .await
                .context("configure the native replica")?;
        }
        // A server of the user's has its own settings.
        if target.socket().is_some() {
            check_settings(&mut conn, setting, route.link.is_compressed).await?;
        }
        Ok(Native {
            conn,
            sources: sources.all.len(),
        })
    }

    /// Starts all connections.
    pub(crate) async fn start(&mut self) -> Result<()> {
        Ok(self.conn.query_drop("START ALL SLAVES").await?)
    }

    /// Stops all connections.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.conn.query_drop("STOP ALL SLAVES").await?;
        self.conn.disconnect().await?;
        Ok(())
    }

    /// How far each connection is, in the sources' order; an error when one has stopped.
    pub(crate) async fn connections(&mut self) -> Result<Vec<Progress>> {
        let rows: Vec<Row> = self.conn.query("SHOW ALL SLAVES STATUS").await?;
        ensure!(
            rows.len() == self.sources,
            "the target has {} connections instead of {}",
            rows.len(),
            self.sources
        );
        let mut named: Vec<(String, Progress)> = rows.iter().map(progress).collect::<Result<_>>()?;
        // The sources' order is that of their connections' names.
        named.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(named.into_iter().map(|(_, progress)| progress).collect())
    }
}

fn change_master(source: &Source, (host, port): (&str, u16)) -> String {
    let text = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
    format!(
        "CHANGE MASTER '{}' TO MASTER_HOST='{}', MASTER_PORT={port}, MASTER_USER='{}', MASTER_PASSWORD='{}', \
         MASTER_LOG_FILE='{}', MASTER_LOG_POS={}, MASTER_CONNECT_RETRY=10, MASTER_USE_GTID=no",
        connection(source.number),
        text(host),
        text(&source.login.user),
        text(&source.login.password),
        text(&source.start.file),
        source.start.offset
    )
}

async fn check_settings(conn: &mut Conn, setting: NativeSetting, is_compressed: bool) -> Result<()> {
    let row: Option<(u64, u64, u64, u16)> = conn
        .query_first(
            "SELECT @@innodb_flush_log_at_trx_commit, @@log_bin, @@slave_compressed_protocol, @@slave_parallel_threads",
        )
        .await?;
    let expected = (2, 0, u64::from(is_compressed), setting.threads);
    ensure!(
        row.as_ref() == Some(&expected),
        "the target's settings are {row:?} instead of {expected:?}"
    );
    let connections: Vec<Row> = conn.query("SHOW ALL SLAVES STATUS").await?;
    for connection in &connections {
        let mode: String = column(connection, "Parallel_Mode")?;
        ensure!(
            mode == setting.mode,
            "slave_parallel_mode is {mode} instead of {}",
            setting.mode
        );
    }
    Ok(())
}

fn progress(row: &Row) -> Result<(String, Progress)> {
    let name: String = column(row, "Connection_name")?;
    for thread in ["IO", "SQL"] {
        let error: u64 = column(row, &format!("Last_{thread}_Errno"))?;
        if error != 0 {
            let text: String = column(row, &format!("Last_{thread}_Error"))?;
            bail!("the native replica's connection {name} stopped: {text} ({error})");
        }
    }
    let io: String = column(row, "Slave_IO_Running")?;
    let progress = Progress {
        executed: Some(Coordinates {
            file: column(row, "Relay_Master_Log_File")?,
            offset: column(row, "Exec_Master_Log_Pos")?,
        }),
        is_reading: io == "Yes",
    };
    Ok((name, progress))
}

fn column<T: FromValue>(row: &Row, name: &str) -> Result<T> {
    row.get_opt(name)
        .with_context(|| format!("SHOW ALL SLAVES STATUS has no {name}"))?
        .map_err(|error| anyhow::anyhow!("SHOW ALL SLAVES STATUS: {name}: {error:?}"))
}
