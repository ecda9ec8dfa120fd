//! Asks a source, now and then, what it still has and for how long.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tributary_binlog::{ChecksumAlgorithm, Decoder, EventBody, EventType, Header};
use tributary_client::{
    Client, DUMP_NON_BLOCKING, DumpPacket, DumpRequest, DumpStream, Error as ClientError,
};

use super::{Held, Outlook, Rules, caught_up_in, file_after, silence_warning};
use crate::connection_view::ConnectionView;
use crate::error::number;
use crate::source::log_in;
use crate::status::{ConnectionStatus, IoState, SqlState, now_seconds};

/// A connection that runs and is no further behind needs nothing that could be purged.
const BEHIND_SECONDS: u64 = 60;

/// A login as a replica that ends others with the same number; nobody has this one. MariaDB server, `sql/sql_repl.cc`,
/// `kill_zombie_dump_threads`.
const NO_SERVER_ID: u32 = 0;

/// Events at the beginning of a stream among which its file is described.
const FIRST_EVENTS_MAX: usize = 8;

/// Watches one connection's source as long as the engine lives.
pub(crate) struct Watch {
    view: Arc<ConnectionView>,
    rules: Option<Rules>,
    reached_at: Instant,
    /// The lag at the last look.
    lag: Option<(Instant, u64)>,
}

impl Watch {
    pub(crate) fn new(view: Arc<ConnectionView>) -> Self {
        Self {
            view,
            rules: None,
            reached_at: Instant::now(),
            lag: None,
        }
    }

    /// Asks for ever, unless told not to ask at all (`tributary_purge_check=0`).
    pub(crate) async fn run(mut self) {
        let period = self.view.options.purge_check;
        if period.is_zero() {
            return;
        }
        loop {
            tokio::time::sleep(period).await;
            let warning = self.look().await;
            if let Some(text) = &warning {
                tracing::warn!(connection = %self.view.options.name, "{text}");
            }
            self.view.counters.update(|state| state.purge_warning = warning);
        }
    }

    async fn look(&mut self) -> Option<String> {
        let status = self.view.status();
        let is_near = (status.io_state, status.sql_state) == (IoState::Running, SqlState::Running)
            && status
                .seconds_behind
                .is_some_and(|behind| behind <= BEHIND_SECONDS);
        let caught_up_in = self.follow_lag(&status);
        if status.io_state == IoState::Running {
            self.reached_at = Instant::now();
        }
        if is_near && self.rules.is_some() {
            return None;
        }
        let needed = needed_file(&status)?;
        match self.ask(needed).await {
            Ok((held, bytes_from)) => {
                self.reached_at = Instant::now();
                let outlook = Outlook {
                    file: needed.to_owned(),
                    rules: self.rules.unwrap_or_default(),
                    held,
                    bytes_from,
                    caught_up_in,
                };
                outlook.warning()
            }
            Err(error) => {
                tracing::debug!(connection = %self.view.options.name, %error, "the source does not tell what it keeps");
                silence_warning(self.rules?, self.reached_at.elapsed())
            }
        }
    }

    /// When the connection will have caught up, by its lag now and the last time.
    fn follow_lag(&mut self, status: &ConnectionStatus) -> Option<Duration> {
        let now = status.seconds_behind.map(|behind| (Instant::now(), behind));
        let before = std::mem::replace(&mut self.lag, now);
        let ((then, before), (now, behind)) = before.zip(now)?;
        caught_up_in(before, behind, now - then)
    }

    async fn ask(&mut self, needed: &str) -> Result<(Held, Option<u64>), ClientError> {
        let mut client = self.login().await?;
        let (rules, source_clock) = read_rules(&mut client).await?;
        self.rules = Some(rules);
        let bytes_from = bytes_from(&mut client, needed).await?;
        if begun_at(client, needed).await?.is_none() {
            let oldest = first_file(self.login().await?).await?;
            return Ok((Held::Purged { oldest }, bytes_from));
        }
        let Some(next) = file_after(needed) else {
            return Ok((Held::Newest, bytes_from));
        };
        let held = match begun_at(self.login().await?, &next).await? {
            Some(begun) => Held::EndedBefore(Duration::from_secs(
                u64::try_from(source_clock - begun).unwrap_or(0),
            )),
            None => Held::Newest,
        };
        Ok((held, bytes_from))
    }

    async fn login(&self) -> Result<Client, ClientError> {
        let mut client = log_in(&self.view.options).await?;
        // Checksums are understood, and not wanted on the made-up event that names the first file.
        client
            .execute(b"SET @master_binlog_checksum='NONE',@source_binlog_checksum='NONE'")
            .await?;
        Ok(client)
    }
}

/// The log that holds what a start at this moment would ask the source for.
fn needed_file(status: &ConnectionStatus) -> Option<&str> {
    [
        status.relay_log_bytes.map(|_| &status.read),
        Some(&status.executed),
    ]
    .into_iter()
    .flatten()
    .map(|place| place.file.as_str())
    .find(|file| !file.is_empty())
}

/// The source's rules, and its clock.
async fn read_rules(client: &mut Client) -> Result<(Rules, i64), ClientError> {
    let variables = client
        .query(
            b"SHOW GLOBAL VARIABLES WHERE Variable_name IN ('binlog_expire_logs_seconds','expire_logs_days','max_binlog_total_size',\
            'binlog_expire_logs_auto_purge')",
        )
        .await?;
    let value = |name: &str| {
        let row = variables
            .rows
            .iter()
            .find(|row| row.text(0).is_some_and(|found| found.eq_ignore_ascii_case(name)))?;
        row.text(1)
    };
    let number = |name: &str| {
        value(name)
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    // Both are one setting where there are both; MySQL can turn it off by a third.
    let seconds = number("binlog_expire_logs_seconds").max(number("expire_logs_days") * 86_400.0);
    let is_off = value("binlog_expire_logs_auto_purge").is_some_and(|text| text.eq_ignore_ascii_case("OFF"));
    let bytes_max = number("max_binlog_total_size") as u64;
    let clock = client.query(b"SELECT UNIX_TIMESTAMP()").await?;
    let rules = Rules {
        age_max: Duration::try_from_secs_f64(seconds)
            .ok()
            .filter(|time| !time.is_zero() && !is_off),
        bytes_max: (bytes_max > 0).then_some(bytes_max),
    };
    let clock = clock.first_text().and_then(|text| text.parse().ok());
    Ok((rules, clock.unwrap_or_else(now_seconds)))
}

/// The bytes of a log and those after it, if the account may ask.
async fn bytes_from(client: &mut Client, file: &str) -> Result<Option<u64>, ClientError> {
    let logs = match client.query(b"SHOW BINARY LOGS").await {
        Ok(logs) => logs,
        Err(ClientError::Server(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    let sizes = logs
        .rows
        .iter()
        .skip_while(|row| row.text(0).is_none_or(|name| name != file));
    Ok(Some(
        sizes.filter_map(|row| row.text(1)?.parse::<u64>().ok()).sum(),
    ))
}

/// When the source began a log, by its clock; `None` if there is no such log.
async fn begun_at(client: Client, file: &str) -> Result<Option<i64>, ClientError> {
    let mut stream = dump(client, file).await?;
    let is_description =
        |header: &Header| header.kind == EventType::FORMAT_DESCRIPTION && header.timestamp > 0;
    let found = first_event(&mut stream, is_description).await?;
    Ok(found
        .and_then(|event| Header::decode(&event).ok())
        .map(|header| i64::from(header.timestamp)))
}

/// The source's oldest log: where a stream begins that asks for none.
async fn first_file(client: Client) -> Result<Option<String>, ClientError> {
    let mut stream = dump(client, "").await?;
    let Some(event) = first_event(&mut stream, |header| header.kind == EventType::ROTATE).await? else {
        return Ok(None);
    };
    let decoded = Decoder::new(ChecksumAlgorithm::Off).decode(event);
    Ok(match decoded.map(|event| event.body) {
        Ok(EventBody::Rotate(rotate)) => Some(String::from_utf8_lossy(&rotate.file).into_owned()),
        _ => None,
    })
}

async fn dump(client: Client, file: &str) -> Result<DumpStream, ClientError> {
    let request = DumpRequest {
        file: file.as_bytes().to_vec(),
        offset: 4,
        flags: DUMP_NON_BLOCKING,
        server_id: NO_SERVER_ID,
    };
    client.dump(&request).await
}

/// The first event of a kind; `None` if the source does not have the log.
async fn first_event(
    stream: &mut DumpStream,
    is_wanted: impl Fn(&Header) -> bool,
) -> Result<Option<bytes::Bytes>, ClientError> {
    const PATIENCE: Duration = Duration::from_secs(60);
    for _ in 0..FIRST_EVENTS_MAX {
        match stream.next(PATIENCE).await {
            Ok(DumpPacket::Event { payload, .. }) => {
                if Header::decode(&payload).is_ok_and(|header| is_wanted(&header)) {
                    return Ok(Some(payload));
                }
            }
            Ok(DumpPacket::EndOfStream) => return Ok(None),
            Err(ClientError::Server(error)) if error.code == number::FATAL_READING_BINLOG => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
