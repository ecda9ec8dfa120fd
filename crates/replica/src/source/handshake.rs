//! What a replica says to its source before the stream begins, in the native IO thread's order.
//! MariaDB server, `sql/slave.cc`: `get_master_version_and_clock`, `register_slave_on_master`, `request_dump`.

use tributary_binlog::{ChecksumAlgorithm, Coordinates, GtidPos};
use tributary_client::{Client, DumpRequest, Error as ClientError, RegisterReplica, ResultSet};

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
        let clock = client.query(b"SELECT UNIX_TIMESTAMP()").await?;
        let clock_difference = number_of(&clock, 0).map_or(0, |source| status::now_seconds() - source);
        let server_id = client.query(b"SHOW VARIABLES LIKE 'SERVER_ID'").await?;
        if number_of(&server_id, 1) == Some(i64::from(self.server_id)) {
            let message = format!(
                "the source and this replica have the same server_id {}: give the replica another one",
                self.server_id
            );
            return Err(End::Definite(StopReason::new(number::REPLICA_FATAL, message)));
        }
        let period = self.options.heartbeat_period.as_nanos();
        if period > 0 {
            client
                // MySQL is about to know the second name only.
                .execute(
                    format!("SET @master_heartbeat_period={period},@source_heartbeat_period={period}")
                        .as_bytes(),
                )
                .await?;
        }
        // While the relay queue is full nothing is read. The source would give up after its 60 s, and a large group would have to
        // be sent again from its beginning.
        client
            .execute(format!("SET net_write_timeout={WRITE_TIMEOUT_SECONDS}").as_bytes())
            .await?;
        let checksum = negotiate_checksum(client).await?;
        client
            .execute(format!("SET @mariadb_slave_capability={CAPABILITY}").as_bytes())
            .await?;
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
        let state = format!("SET @slave_connect_state='{}'", self.position.gtid_pos);
        for statement in [
            state.as_str(),
            "SET @slave_gtid_strict_mode=0",
            "SET @slave_gtid_ignore_duplicates=0",
        ] {
            client.execute(statement.as_bytes()).await?;
        }
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

/// Tells the source that checksums are understood, and asks how it writes the first event.
async fn negotiate_checksum(client: &mut Client) -> Result<ChecksumAlgorithm, End> {
    match client
        .execute(b"SET @master_binlog_checksum=@@global.binlog_checksum,@source_binlog_checksum=@@global.binlog_checksum")
        .await
    {
        Ok(_) => {}
        Err(ClientError::Server(error)) if error.code == UNKNOWN_VARIABLE => {
            return Ok(ChecksumAlgorithm::Off);
        }
        Err(error) => return Err(error.into()),
    }
    let answer = client.query(b"SELECT @master_binlog_checksum").await?;
    match answer.first_text().as_deref() {
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
