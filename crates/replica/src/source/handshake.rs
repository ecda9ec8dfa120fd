//! What a replica says to its source before the stream begins, in the native IO thread's order.
//! MariaDB server, `sql/slave.cc`: `get_master_version_and_clock`, `register_slave_on_master`, `request_dump`.

use tributary_binlog::{ChecksumAlgorithm, Coordinates, GtidPos};
use tributary_client::{
    Client, DumpRequest, Error as ClientError, RegisterReplica, Reply, ResultSet, StatementResult,
};

use super::{End, Source, SourceMessage};
use crate::context::quote_text;
use crate::error::{StopReason, number};
use crate::status;

/// `ER_UNKNOWN_SYSTEM_VARIABLE`: a source from before checksums.
const UNKNOWN_VARIABLE: u16 = 1193;

/// How long the source waits for us to read on.
const WRITE_TIMEOUT_SECONDS: u32 = 3600;

/// The replica knows GTIDs, and gaps instead of dummy events. MariaDB server, `sql/log_event.h`, `MARIA_SLAVE_CAPABILITY_GTID`.
const CAPABILITY: u32 = 4;

impl Source {
    /// Whether the source is asked by GTID.
    pub(super) fn uses_gtid(&self) -> bool {
        let is_beyond_protocol = self.position.coordinates.offset > u64::from(u32::MAX);
        self.options.use_gtid || self.position.needs_gtid || is_beyond_protocol
    }

    /// The GTID position that belongs to the coordinates we start from, so that a later start can be by GTID.
    async fn look_up_gtid(&mut self, client: &mut Client) -> Result<(), End> {
        let Coordinates { file, offset } = &self.position.coordinates;
        let mut text = b"SELECT binlog_gtid_pos(".to_vec();
        quote_text(file.as_bytes(), &mut text);
        text.extend_from_slice(format!(",{offset})").as_bytes());
        match client.query(&text).await {
            Ok(answer) => {
                let position = answer.first_text().and_then(|text| text.parse::<GtidPos>().ok());
                if let Some(position) = position.filter(|position| !position.is_empty()) {
                    self.position.gtid_pos = position.clone();
                    self.message(SourceMessage::StartsAt(position)).await?;
                }
                Ok(())
            }
            // A source that does not know it is read by coordinates only.
            Err(ClientError::Server(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Everything up to the registration. Returns how the first event is checksummed, and our clock minus the source's.
    pub(super) async fn handshake(&mut self, client: &mut Client) -> Result<(ChecksumAlgorithm, i64), End> {
        let mut statements = vec![
            "SELECT UNIX_TIMESTAMP()".to_owned(),
            "SHOW VARIABLES LIKE 'SERVER_ID'".to_owned(),
            // Tells the source that checksums are understood.
            "SET @master_binlog_checksum=@@global.binlog_checksum,@source_binlog_checksum=@@global.binlog_checksum"
                .to_owned(),
            "SELECT @master_binlog_checksum".to_owned(),
            // While the relay queue is full nothing is read. The source would give up after its 60 s, and a large group would have
            // to be sent again from its beginning.
            format!("SET net_write_timeout={WRITE_TIMEOUT_SECONDS}"),
            format!("SET @mariadb_slave_capability={CAPABILITY}"),
        ];
        let period = self.options.heartbeat_period.as_nanos();
        if period > 0 {
            // MySQL is about to know the second name only.
            statements.push(format!(
                "SET @master_heartbeat_period={period},@source_heartbeat_period={period}"
            ));
        }
        let mut answers = at_once(client, &statements).await?.into_iter();
        let mut next = || answers.next().unwrap_or_else(|| Ok(ResultSet::default()));
        let clock_difference = number_of(&next()?, 0).map_or(0, |source| status::now_seconds() - source);
        if number_of(&next()?, 1) == Some(i64::from(self.server_id)) {
            let message = format!(
                "the source and this replica have the same server_id {}: give the replica another one",
                self.server_id
            );
            return Err(End::Definite(StopReason::new(number::REPLICA_FATAL, message)));
        }
        let checksum = checksum_of(next(), next())?;
        answers.collect::<Result<Vec<_>, _>>()?;
        if self.uses_gtid() {
            self.announce_gtid(client).await?;
        } else if self.position.gtid_pos.is_empty() && client.server().is_mariadb {
            self.look_up_gtid(client).await?;
        }
        let registration = RegisterReplica {
            server_id: self.server_id,
            ..RegisterReplica::default()
        };
        client
            .register_replica(&registration)
            .await
            .map_err(|error| self.dump_error(error))?;
        Ok((checksum, clock_difference))
    }

    async fn announce_gtid(&self, client: &mut Client) -> Result<(), End> {
        client.query(b"SELECT @@GLOBAL.gtid_domain_id").await.map_err(|error| match error {
            ClientError::Server(server) if server.code == UNKNOWN_VARIABLE => {
                let message = "the source knows no MariaDB GTIDs: set master_use_gtid=no and give file and position";
                End::Definite(StopReason::new(number::REPLICA_FATAL, message))
            }
            error => End::from(error),
        })?;
        let state = format!(
            "SET @slave_connect_state='{}',@slave_gtid_strict_mode=0,@slave_gtid_ignore_duplicates=0",
            self.position.gtid_pos
        );
        client.execute(state.as_bytes()).await?;
        Ok(())
    }

    pub(super) fn dump_request(&self) -> DumpRequest {
        let (file, offset) = if self.uses_gtid() {
            (Vec::new(), 4)
        } else {
            let coordinates = &self.position.coordinates;
            // Offsets that do not fit the protocol's four bytes are asked for by GTID.
            (
                coordinates.file.as_bytes().to_vec(),
                u32::try_from(coordinates.offset).unwrap_or(u32::MAX),
            )
        };
        DumpRequest {
            file,
            offset,
            flags: 0,
            server_id: self.server_id,
        }
    }
}

/// Runs statements one after the other without waiting for each answer; their errors are in their places.
async fn at_once(
    client: &mut Client,
    statements: &[String],
) -> Result<Vec<Result<ResultSet, ClientError>>, ClientError> {
    for statement in statements {
        client.queue_query(&[statement.as_bytes()]);
    }
    client.flush().await?;
    let mut answers = Vec::with_capacity(statements.len());
    for _ in statements {
        let Reply { results, error } = client.read_reply().await?;
        let rows = results.into_iter().find_map(|result| match result {
            StatementResult::Rows(rows) => Some(rows),
            StatementResult::Ok(_) => None,
        });
        answers.push(error.map_or_else(
            || Ok(rows.unwrap_or_default()),
            |error| Err(ClientError::Server(error)),
        ));
    }
    Ok(answers)
}

/// How the source writes the first event: what it said when it was told that checksums are understood, and then when it was asked.
fn checksum_of(
    told: Result<ResultSet, ClientError>,
    asked: Result<ResultSet, ClientError>,
) -> Result<ChecksumAlgorithm, End> {
    match told {
        Ok(_) => {}
        Err(ClientError::Server(error)) if error.code == UNKNOWN_VARIABLE => {
            return Ok(ChecksumAlgorithm::Off);
        }
        Err(error) => return Err(error.into()),
    }
    match asked?.first_text().as_deref() {
        Some("CRC32") => Ok(ChecksumAlgorithm::Crc32),
        Some("NONE") | None => Ok(ChecksumAlgorithm::Off),
        Some(other) => {
            let message = format!(
                "the source uses the binlog checksum {other}, which is unknown here: SET GLOBAL binlog_checksum=CRC32 on it"
            );
            Err(End::Definite(StopReason::new(number::REPLICA_FATAL, message)))
        }
    }
}

fn number_of(result: &ResultSet, column: usize) -> Option<i64> {
    result.rows.first()?.text(column)?.parse().ok()
}
