//! What a replica says to its source before the stream begins, in the native IO thread's order.
//! MariaDB server, `sql/slave.cc`: `get_master_version_and_clock`, `register_slave_on_master`, `request_dump`.

use tributary_binlog::{ChecksumAlgorithm, Coordinates, GtidPos};
use tributary_client::{
    Client, DumpPacket, DumpRequest, DumpStream, Error as ClientError, RegisterReplica, Reply, ResultSet,
    StatementResult,
};

use crate::config::ConnectionOptions;
use crate::context::quote_text;
use crate::error::{StopReason, client_error_number, number};
use crate::retention::WAY_OUT;
use crate::status;

/// `ER_SLAVE_SAME_ID`: another replica has taken the stream.
const RIVAL: u16 = 4052;

/// A native replica's words for it.
const SAME_SERVER_ID: &str = "Fatal error: The slave I/O thread stops because master and slave have equal MariaDB server ids; these ids must be \
     different for replication to work (or the --replicate-same-server-id option must be used on slave but this does not always make sense; please \
     check the manual before using it).";

/// How long the source waits for us to read on.
const WRITE_TIMEOUT_SECONDS: u32 = 3600;

/// The replica knows GTIDs, and gaps instead of dummy events. MariaDB server, `sql/log_event.h`, `MARIA_SLAVE_CAPABILITY_GTID`.
const CAPABILITY: u32 = 4;

/// How often a stream is asked for that ends doubtfully.
const DOUBTFUL_MAX: u32 = 3;

/// How often a stream has ended in a way that may be of the moment, or for good.
///
/// What was damaged on the way is whole the next time; what is damaged in the source's binlog never is, and nothing behind it is read.
/// An engine that was replaced while it stood still takes the stream once when it wakes, and ends then; another replica with our
/// `server_id` takes it again and again.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    damages: u32,
    rivals: u32,
    attempts: u32,
}

impl Patience {
    /// The stream has got on.
    pub(crate) fn got_on(&mut self) {
        self.damages = 0;
        self.attempts = 0;
    }

    /// The source has been reached.
    pub(crate) fn reached(&mut self) {
        self.attempts = 0;
    }

    /// The source could not be reached once more. Whether it is to be tried again.
    pub(crate) fn tries_again(&mut self, options: &ConnectionOptions) -> bool {
        self.attempts = self.attempts.saturating_add(1);
        options.connect_attempts_max.is_none_or(|max| self.attempts < max)
    }

    /// The stream has ended doubtfully once more. Whether it is to be asked for again.
    pub(crate) fn lasts(&mut self, reason: &StopReason) -> bool {
        let count = match reason.number {
            number::FATAL_READING_BINLOG => &mut self.rivals,
            _ => &mut self.damages,
        };
        *count += 1;
        *count < DOUBTFUL_MAX
    }
}

/// Where a stream begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamStart {
    pub(crate) coordinates: Coordinates,
    pub(crate) gtid_pos: GtidPos,
    /// Start from `gtid_pos` whatever the mode, because there are no coordinates yet.
    pub(crate) needs_gtid: bool,
}

/// Why there is no stream, or no more of it.
#[derive(Debug)]
pub(crate) enum Lost {
    /// Try again later.
    Retry(ClientError),
    /// It may be otherwise the next time, but not the one after next; see [`Patience`].
    Doubtful(StopReason),
    /// A person must look at the stream.
    Definite(StopReason),
}

impl Lost {
    /// What to show of it.
    pub(crate) fn reason(self) -> StopReason {
        match self {
            Self::Retry(error) => StopReason::new(client_error_number(&error), error.to_string()),
            Self::Doubtful(reason) | Self::Definite(reason) => reason,
        }
    }
}

impl From<ClientError> for Lost {
    fn from(error: ClientError) -> Self {
        if error.is_network() {
            return Self::Retry(error);
        }
        let reason = StopReason::new(client_error_number(&error), error.to_string());
        match error {
            ClientError::Protocol { .. } => Self::Doubtful(reason),
            _ => Self::Definite(reason),
        }
    }
}

/// A stream that has been asked for.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) stream: DumpStream,
    /// How the first event is checksummed.
    pub(crate) checksum: ChecksumAlgorithm,
    /// The source's `server_id`.
    pub(crate) source_id: u32,
    /// Our clock minus the source's.
    pub(crate) clock_difference: i64,
    /// The GTID position of the coordinates the stream starts from, if it was not known.
    pub(crate) starts_at: Option<GtidPos>,
}

/// What a source says before the stream; see [`Opened`].
struct Greeting {
    source_id: u32,
    clock_difference: i64,
    checksum: ChecksumAlgorithm,
    starts_at: Option<GtidPos>,
}

/// A source that is asked for its binlog.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Upstream<'a> {
    pub(crate) options: &'a ConnectionOptions,
    pub(crate) server_id: u32,
    pub(crate) start: &'a StreamStart,
}

/// Most memory for an answer of a source; the longest is its list of binlogs. Events have a limit of their own.
const REPLY_BYTES_MAX: usize = 16 << 20;

/// Logs in on the source.
pub(crate) async fn log_in(options: &ConnectionOptions) -> Result<Client, ClientError> {
    let mut login = options.source.clone();
    login.reply_bytes_max = login.reply_bytes_max.min(REPLY_BYTES_MAX);
    login.reply_timeout = options.net_timeout;
    Client::connect(&login).await
}

impl Upstream<'_> {
    /// Logs in and asks for the stream.
    pub(crate) async fn open(self) -> Result<Opened, Lost> {
        // Any failure to log in is tried again, as on the server: the account may be made any moment.
        let mut client = log_in(self.options).await.map_err(Lost::Retry)?;
        let Greeting {
            source_id,
            clock_difference,
            checksum,
            starts_at,
        } = self.handshake(&mut client).await?;
        tracing::info!(
            connection = %self.options.name,
            source = %self.options.source.address,
            version = %client.server().version_text,
            from = %self.start.coordinates,
            gtid = %starts_at.as_ref().unwrap_or(&self.start.gtid_pos),
            by_gtid = self.uses_gtid(),
            "reading"
        );
        let stream = client
            .dump(&self.dump_request())
            .await
            .map_err(|error| self.dump_error(error))?;
        Ok(Opened {
            stream,
            checksum,
            source_id,
            clock_difference,
            starts_at,
        })
    }

    /// Whether the source is asked by GTID.
    fn uses_gtid(self) -> bool {
        let is_beyond_protocol = self.start.coordinates.offset > u64::from(u32::MAX);
        self.options.use_gtid || self.start.needs_gtid || is_beyond_protocol
    }

    /// The GTID position that belongs to the coordinates we start from, so that a later start can be by GTID.
    async fn look_up_gtid(self, client: &mut Client) -> Result<Option<GtidPos>, Lost> {
        let Coordinates { file, offset } = &self.start.coordinates;
        let mut text = b"SELECT binlog_gtid_pos(".to_vec();
        quote_text(file.as_bytes(), &mut text);
        text.extend_from_slice(format!(",{offset})").as_bytes());
        match client.query(&text).await {
            Ok(answer) => {
                let position = answer.first_text().and_then(|text| text.parse::<GtidPos>().ok());
                Ok(position.filter(|position| !position.is_empty()))
            }
            // A source that does not know it is read by coordinates only.
            Err(ClientError::Server(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Everything up to the registration; see [`Opened`] for what it tells.
    async fn handshake(self, client: &mut Client) -> Result<Greeting, Lost> {
        let mut statements = vec![
            // First: the control port of another engine answers that itself, and nothing may be under way then.
            "SHOW VARIABLES LIKE 'SERVER_ID'".to_owned(),
            "SELECT UNIX_TIMESTAMP()".to_owned(),
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
        let source_id = number_of(&next()?, 1).and_then(|id| u32::try_from(id).ok());
        let clock_difference = number_of(&next()?, 0).map_or(0, |source| status::now_seconds() - source);
        if source_id == Some(self.server_id) {
            let message = format!(
                "the source and this replica have the same server_id {}: give the replica another one",
                self.server_id
            );
            let reason = StopReason::new(number::REPLICA_FATAL, message);
            return Err(Lost::Definite(
                reason.natively(number::REPLICA_FATAL, SAME_SERVER_ID),
            ));
        }
        let checksum = checksum_of(next(), next())?;
        answers.collect::<Result<Vec<_>, _>>()?;
        let mut starts_at = None;
        if self.uses_gtid() {
            self.announce_gtid(client).await?;
        } else if self.start.gtid_pos.is_empty() && client.server().is_mariadb {
            starts_at = self.look_up_gtid(client).await?;
        }
        let registration = RegisterReplica {
            server_id: self.server_id,
            ..RegisterReplica::default()
        };
        client
            .register_replica(&registration)
            .await
            .map_err(|error| self.dump_error(error))?;
        Ok(Greeting {
            source_id: source_id.unwrap_or(0),
            clock_difference,
            checksum,
            starts_at,
        })
    }

    async fn announce_gtid(self, client: &mut Client) -> Result<(), Lost> {
        client.query(b"SELECT @@GLOBAL.gtid_domain_id").await.map_err(|error| match error {
            ClientError::Server(server) if server.code == number::UNKNOWN_VARIABLE => {
                let message = "the source knows no MariaDB GTIDs: set master_use_gtid=no and give file and position";
                Lost::Definite(StopReason::new(number::REPLICA_FATAL, message))
            }
            error => Lost::from(error),
        })?;
        let state = format!(
            "SET @slave_connect_state='{}',@slave_gtid_strict_mode=0,@slave_gtid_ignore_duplicates=0",
            self.start.gtid_pos
        );
        client.execute(state.as_bytes()).await?;
        Ok(())
    }

    fn dump_request(self) -> DumpRequest {
        let (file, offset) = if self.uses_gtid() {
            (Vec::new(), 4)
        } else {
            let coordinates = &self.start.coordinates;
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

    /// What an error of the dump means.
    pub(crate) fn dump_error(self, error: ClientError) -> Lost {
        let ClientError::Server(server) = &error else {
            return Lost::from(error);
        };
        let purged = format!("; the source has purged it, or never had it: {WAY_OUT}");
        let hint = match server.code {
            number::FATAL_READING_BINLOG if is_purged(&server.message) => &purged,
            number::FATAL_READING_BINLOG if server.message.contains("not open") => {
                "; set log_bin on the source"
            }
            RIVAL => "; another replica of this source uses the same server_id: give each its own",
            // The registration is refused with the one, the dump with the other (10.11).
            number::ACCESS_DENIED | 1227 => "; GRANT REPLICATION SLAVE ON *.* to the account on the source",
            _ => "",
        };
        match server.code {
            number::FATAL_READING_BINLOG | number::ACCESS_DENIED | 1227 | 1941 | RIVAL => {
                let message = format!(
                    "source: {} (asked for {}){hint}",
                    server.message, self.start.coordinates
                );
                let fatal = |code: u16| {
                    let native = format!(
                        "Got fatal error {code} from master when reading data from binary log: '{}'",
                        server.message
                    );
                    StopReason::new(code, message.clone()).natively(code, native)
                };
                match server.code {
                    RIVAL => Lost::Doubtful(fatal(number::FATAL_READING_BINLOG)),
                    code @ number::FATAL_READING_BINLOG => Lost::Definite(fatal(code)),
                    code => Lost::Definite(StopReason::new(code, message)),
                }
            }
            _ => Lost::from(error),
        }
    }
}

/// Whether a message of error 1236 says that what was asked for is not there: by file, by GTID (`sql/sql_repl.cc`), MySQL's.
fn is_purged(message: &str) -> bool {
    [
        "Could not find first log file",
        "Could not find GTID state",
        "purged required binary logs",
    ]
    .iter()
    .any(|text| message.contains(text))
}

/// The event of a packet.
pub(crate) fn payload_of(packet: DumpPacket) -> Result<bytes::Bytes, Lost> {
    match packet {
        DumpPacket::Event { payload, .. } => Ok(payload),
        DumpPacket::EndOfStream => Err(Lost::Retry(ClientError::Closed {
            what: "read the binlog: the source ended the stream",
        })),
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
) -> Result<ChecksumAlgorithm, Lost> {
    match told {
        Ok(_) => {}
        Err(ClientError::Server(error)) if error.code == number::UNKNOWN_VARIABLE => {
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
            Err(Lost::Definite(StopReason::new(number::REPLICA_FATAL, message)))
        }
    }
}

fn number_of(result: &ResultSet, column: usize) -> Option<i64> {
    result.rows.first()?.text(column)?.parse().ok()
}
