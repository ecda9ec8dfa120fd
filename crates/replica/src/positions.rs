//! The engine's own tables on the target: positions, prepared XA transactions, and the ledger of skips.

use tributary_binlog::{Coordinates, Gtid, GtidPos, GtidSet};
use tributary_client::{Client, Error as ClientError, Row};
use tributary_schedule::GroupSeq;

use crate::change::stand_in;
use crate::context::quote_text;
use crate::progress::Position;

/// Where the last engine of a connection left off.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    /// The newest low-water mark.
    pub(crate) position: Position,
    /// Groups above it that are on the target.
    pub(crate) done: GtidSet,
    /// Groups that a worker has announced: they may be on the target although `done` does not name them.
    pub(crate) announced: GtidSet,
    /// Groups whose statement has been executed; what is remembered of it, and `done`, may be missing.
    pub(crate) executed: GtidSet,
    /// Groups that cannot be rolled back and may be on the target in part.
    pub(crate) begun: GtidSet,
}

impl Saved {
    /// What the low-water mark has passed needs not be known any more.
    fn forget_passed(&mut self) {
        let passed = self.position.gtid_pos.iter();
        let passed: Vec<Gtid> = passed.chain([stand_in(&self.position.coordinates)]).collect();
        for set in [&mut self.announced, &mut self.executed, &mut self.begun] {
            passed.iter().for_each(|gtid| set.remove_through(gtid));
        }
    }
}

/// Lets the server take another engine for one that it does not have.
const ENGINE_MAY_BE_MISSING: &str = "SET SESSION sql_mode='',default_storage_engine=Aria";

/// Creates schema and tables if they are missing.
pub(crate) async fn create_tables(client: &mut Client, schema: &str) -> Result<(), ClientError> {
    let statements = [
        format!("CREATE DATABASE IF NOT EXISTS `{schema}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
        format!(
            "CREATE TABLE IF NOT EXISTS `{schema}`.position (\
             connection VARCHAR(64) NOT NULL COMMENT 'connection name', \
             slot SMALLINT UNSIGNED NOT NULL COMMENT 'worker that writes this row', \
             low_water BIGINT UNSIGNED NOT NULL COMMENT 'groups committed without a gap, counted from the first start', \
             log_file VARCHAR(512) NOT NULL COMMENT 'binlog file of the low-water mark', \
             log_offset BIGINT UNSIGNED NOT NULL COMMENT 'offset in it', \
             gtid_pos TEXT NOT NULL COMMENT 'newest GTID of each domain at the low-water mark', \
             done LONGTEXT NOT NULL COMMENT 'groups above the low-water mark that this worker has committed', \
             announced LONGTEXT NOT NULL DEFAULT '' COMMENT 'groups that may be there though done does not name them', \
             executed LONGTEXT NOT NULL DEFAULT '' COMMENT 'groups whose definition statement is executed though done may not name it', \
             begun LONGTEXT NOT NULL DEFAULT '' COMMENT 'groups that may be there in part though done does not name them', \
             epoch BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'which engine may write: each start counts', \
             PRIMARY KEY (connection, slot)) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS `{schema}`.skipped (\
             id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, \
             skipped_at DATETIME(6) NOT NULL, \
             kind VARCHAR(16) NOT NULL DEFAULT 'skipped' COMMENT 'why it stands here: skipped, overwritten, ignored, diverging, engine, in_doubt, emptied', \
             connection VARCHAR(64) NOT NULL, \
             log_file VARCHAR(512) NOT NULL, \
             log_offset BIGINT UNSIGNED NOT NULL COMMENT 'end of the group', \
             gtid VARCHAR(64) NOT NULL, \
             database_name VARCHAR(64) NOT NULL, \
             table_name VARCHAR(64) NOT NULL, \
             error_number SMALLINT UNSIGNED NOT NULL, \
             error_message TEXT NOT NULL, \
             event_row INT UNSIGNED COMMENT 'which row of the event; NULL for a statement', \
             statement LONGBLOB NOT NULL COMMENT 'the statement, or the values of the row') \
             ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS `{schema}`.temporary_table (\
             connection VARCHAR(64) NOT NULL, \
             server_id INT UNSIGNED NOT NULL COMMENT 'server that made it', \
             thread_id INT UNSIGNED NOT NULL COMMENT 'session there that made it', \
             database_name VARBINARY(256) NOT NULL COMMENT 'in the source''s names', \
             table_name VARBINARY(256) NOT NULL, \
             PRIMARY KEY (connection, server_id, thread_id, database_name, table_name)) \
             ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin \
             COMMENT 'temporary tables of the sources that are open'"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS `{schema}`.xa (\
             connection VARCHAR(64) NOT NULL, \
             gtrid VARBINARY(64) NOT NULL COMMENT 'global transaction id on the source', \
             bqual VARBINARY(64) NOT NULL COMMENT 'branch qualifier, on source and target', \
             format_id INT UNSIGNED NOT NULL COMMENT 'format id, on source and target', \
             target_gtrid VARBINARY(64) NOT NULL COMMENT 'global transaction id on the target', \
             prepared_by VARCHAR(600) NOT NULL COMMENT 'GTID, or else end, of the group that prepares it', \
             is_committed BOOL NOT NULL COMMENT 'set by the transaction itself, so seen once it is committed', \
             PRIMARY KEY (connection, gtrid, bqual, format_id)) \
             ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin \
             COMMENT 'XA transactions of the sources that are prepared and not completed'"
        ),
        crate::columns::create_table(schema),
    ];
    // Tables of earlier versions do not have these.
    let columns = [
        (
            "skipped",
            "kind VARCHAR(16) NOT NULL DEFAULT 'skipped' AFTER skipped_at",
        ),
        ("position", "announced LONGTEXT NOT NULL DEFAULT ''"),
        ("position", "executed LONGTEXT NOT NULL DEFAULT ''"),
        ("position", "begun LONGTEXT NOT NULL DEFAULT ''"),
        ("position", "epoch BIGINT UNSIGNED NOT NULL DEFAULT 0"),
    ];
    // A server without InnoDB takes Aria instead.
    let mut text = format!("{ENGINE_MAY_BE_MISSING};{}", statements.join(";"));
    for (table, definition) in columns {
        let name = definition.split(' ').next().unwrap_or_default();
        text.push_str(&format!(
            ";SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='{schema}' AND TABLE_NAME='{table}' AND COLUMN_NAME='{name}'"
        ));
    }
    let found = client.query_all(text.as_bytes()).await?;
    warn_of_engine(client, schema).await?;
    for ((table, definition), found) in columns.into_iter().zip(found) {
        if found.first_text().as_deref() != Some("0") {
            continue;
        }
        let text = format!("ALTER TABLE `{schema}`.{table} ADD COLUMN {definition}");
        client.execute(text.as_bytes()).await?;
    }
    widen_executed(client, schema).await
}

/// The column gathers what each life of the engine has left; it was too short for that once.
async fn widen_executed(client: &mut Client, schema: &str) -> Result<(), ClientError> {
    let text = format!(
        "SELECT DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='{schema}' AND TABLE_NAME='position' AND COLUMN_NAME='executed'"
    );
    if client.query(text.as_bytes()).await?.first_text().as_deref() != Some("varchar") {
        return Ok(());
    }
    let text = format!("ALTER TABLE `{schema}`.position MODIFY executed LONGTEXT NOT NULL DEFAULT ''");
    client.execute(text.as_bytes()).await.map(drop)
}

/// What is promised of crashes needs tables that roll back.
async fn warn_of_engine(client: &mut Client, schema: &str) -> Result<(), ClientError> {
    let text = format!(
        "SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA='{schema}' AND TABLE_NAME='position'"
    );
    let engine = client
        .query(text.as_bytes())
        .await?
        .first_text()
        .unwrap_or_default();
    if !engine.eq_ignore_ascii_case("InnoDB") {
        tracing::warn!(
            "target: {schema}.position is in {engine}, because the server has no InnoDB or somebody has changed it: groups may be applied \
             twice after a crash of engine or target. Start the server with InnoDB, and ALTER TABLE {schema}.position ENGINE=InnoDB"
        );
    }
    Ok(())
}

/// The epoch of the engine that began last on this target; 0 when there was none.
pub(crate) async fn newest_epoch(client: &mut Client, schema: &str) -> Result<u64, ClientError> {
    let text = format!("SELECT MAX(epoch) FROM `{schema}`.position");
    let newest = client.query(text.as_bytes()).await?.first_text();
    Ok(newest.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Begins this epoch: from here on nobody of an earlier one saves a position, nor makes changes that need it saved with them.
/// Waits for transactions that have saved theirs and are not committed yet.
pub(crate) async fn begin_epoch(client: &mut Client, schema: &str, epoch: u64) -> Result<(), ClientError> {
    let text = format!("UPDATE `{schema}`.position SET epoch={epoch}");
    client.execute(text.as_bytes()).await.map(drop)
}

/// Reads where a connection stands. `None` when it has never been started.
///
/// # Errors
/// A row that cannot be read is reported as text: somebody has changed it.
pub(crate) async fn load(
    client: &mut Client,
    schema: &str,
    connection: &str,
) -> Result<Result<Option<Saved>, String>, ClientError> {
    let mut text = format!(
        "SELECT low_water,log_file,log_offset,gtid_pos,done,announced,executed,begun FROM `{schema}`.position WHERE connection="
    )
    .into_bytes();
    quote_text(connection.as_bytes(), &mut text);
    text.extend_from_slice(b" ORDER BY low_water DESC");
    let rows = client.query(&text).await?;
    Ok(merge(&rows.rows, connection))
}

fn merge(rows: &[Row], connection: &str) -> Result<Option<Saved>, String> {
    let mut saved: Option<Saved> = None;
    for row in rows {
        let broken = |column: &str| {
            format!(
                "connection {connection}: the saved position's {column} cannot be read: correct table position on the target"
            )
        };
        let text = |index: usize| row.text(index).unwrap_or_default();
        let seq = text(0).parse().map_err(|_| broken("low_water"))?;
        let offset = text(2).parse().map_err(|_| broken("log_offset"))?;
        let gtid_pos: GtidPos = text(3).parse().map_err(|_| broken("gtid_pos"))?;
        let done: GtidSet = text(4).parse().map_err(|_| broken("done"))?;
        let announced: GtidSet = text(5).parse().map_err(|_| broken("announced"))?;
        let executed: GtidSet = text(6).parse().map_err(|_| broken("executed"))?;
        let begun: GtidSet = text(7).parse().map_err(|_| broken("begun"))?;
        let position = Position {
            seq: GroupSeq(seq),
            coordinates: Coordinates::new(text(1), offset),
            gtid_pos,
        };
        // Rows come newest first; older low-water marks add only what their worker had done.
        let saved = saved.get_or_insert(Saved {
            position,
            done: GtidSet::new(),
            announced: GtidSet::new(),
            executed: GtidSet::new(),
            begun: GtidSet::new(),
        });
        saved.done.union(&done);
        saved.announced.union(&announced);
        saved.executed.union(&executed);
        saved.begun.union(&begun);
    }
    if let Some(saved) = &mut saved {
        saved.forget_passed();
    }
    Ok(saved)
}

/// Writes the merged position to the rows that workers update. What was done above the low-water mark goes into the last of them,
/// the applier's own: a worker writes down only what it did itself. Rows of a larger pool of the past stay, and say nothing more:
/// an engine of an earlier epoch that still writes must find them, with the epoch that is not its own.
pub(crate) async fn save_all(
    client: &mut Client,
    schema: &str,
    connection: &str,
    saved: &Saved,
    (rows, epoch): (u16, u64),
) -> Result<(), ClientError> {
    let mut text = format!(
        "START TRANSACTION;UPDATE `{schema}`.position SET done='',announced='',executed='',begun='' WHERE connection="
    )
    .into_bytes();
    quote_text(connection.as_bytes(), &mut text);
    text.extend_from_slice(
        format!(
            ";REPLACE INTO `{schema}`.position (slot,low_water,log_offset,epoch,connection,log_file,gtid_pos,done,announced,executed,begun) VALUES "
        )
        .as_bytes(),
    );
    for slot in 0..rows {
        let position = &saved.position;
        let start = format!("({slot},{},{},{epoch}", position.seq, position.coordinates.offset);
        text.extend_from_slice(start.as_bytes());
        let sets = [&saved.done, &saved.announced, &saved.executed, &saved.begun];
        let [done, announced, executed, begun] = sets.map(|set| match slot + 1 == rows {
            true => set.to_string(),
            false => String::new(),
        });
        for value in [
            connection,
            &position.coordinates.file,
            &position.gtid_pos.to_string(),
            &done,
            &announced,
            &executed,
            &begun,
        ] {
            text.push(b',');
            quote_text(value.as_bytes(), &mut text);
        }
        text.extend_from_slice(if slot + 1 == rows { b");" } else { b")," });
    }
    text.extend_from_slice(b"COMMIT");
    client.query_all(&text).await?;
    Ok(())
}
