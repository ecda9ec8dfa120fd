//! A connection that runs commands: one at a time, or many in a row with their replies read later.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tributary_wire::result::{ReplyDecoder, ReplyFormat, Rows, Step};
use tributary_wire::status::ERR;
use tributary_wire::{capabilities as cap, command};

use crate::connection::{COMMAND_SEQUENCE, Connection};
use crate::local_infile::LocalFile;
use crate::{
    ConnectOptions, Error, OkInfo, RegisterReplica, Reply, ResultSet, ServerInfo, StatementResult, login,
};

/// What was being done when a reply could not be read.
const READING: &str = "read a reply";

/// How long a parting word may take.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);

/// One connection to a server.
///
/// `CLIENT_MULTI_STATEMENTS` is on, `CLIENT_FOUND_ROWS` is off: an UPDATE reports the rows it changed.
///
/// A future of this type that is dropped before it is done breaks the connection (see [`Error::Broken`]); dropping the client
/// closes the socket at once, and the server rolls back what is open.
#[derive(Debug)]
pub struct Client {
    pub(crate) connection: Connection,
    pub(crate) server: ServerInfo,
    /// Told apart from every other client of this process, so that prepared statements are not mixed up.
    pub(crate) id: u64,
    /// The replies to commands queued or sent, oldest first.
    pub(crate) due: VecDeque<DueReply>,
    is_broken: bool,
}

/// A reply that is still to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DueReply {
    rows: Rows,
    /// The number of its first packet: the one after the command's last.
    reply_sequence: u8,
}

impl Client {
    /// Connects and logs in.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::Tls`], [`Error::Auth`] or [`Error::Server`] when that is refused, [`Error::Timeout`] when
    /// it takes longer than `connect_timeout`.
    pub async fn connect(options: &ConnectOptions) -> Result<Client, Error> {
        let (connection, server) = login::connect(options).await?;
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Ok(Client {
            connection,
            server,
            id,
            due: VecDeque::new(),
            is_broken: false,
        })
    }

    /// What the server said about itself.
    pub fn server(&self) -> &ServerInfo {
        &self.server
    }

    /// Whether the connection is lost for good.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Changes the longest silence while an answer is waited for, from the next call on.
    pub fn set_reply_timeout(&mut self, reply_timeout: Duration) {
        self.connection.set_reply_timeout(reply_timeout);
    }

    /// Runs one statement and returns its rows. A statement without rows gives an empty set; of several results
    /// (`CALL`), the first one with rows is returned.
    ///
    /// # Errors
    /// [`Error::Server`] when the statement fails, [`Error::Misuse`] when replies are due; all others break the connection.
    pub async fn query(&mut self, sql: &[u8]) -> Result<ResultSet, Error> {
        let reply = self.command(&[&[command::QUERY], sql], Rows::Keep).await?;
        let mut last = OkInfo::default();
        for result in reply.results {
            match result {
                StatementResult::Rows(rows) => return Ok(rows),
                StatementResult::Ok(ok) => last = ok,
            }
        }
        Ok(ResultSet {
            end: last,
            ..ResultSet::default()
        })
    }

    /// Runs one statement, passing over its rows. Returns what its last result reports.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn execute(&mut self, sql: &[u8]) -> Result<OkInfo, Error> {
        let reply = self.command(&[&[command::QUERY], sql], Rows::Discard).await?;
        Ok(last_ok(reply))
    }

    /// Runs several statements in one packet and returns the rows of those that have any. The server stops at the first that fails.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn query_all(&mut self, sql: &[u8]) -> Result<Vec<ResultSet>, Error> {
        let reply = self.command(&[&[command::QUERY], sql], Rows::Keep).await?;
        let sets = reply.results.into_iter().filter_map(|result| match result {
            StatementResult::Rows(rows) => Some(rows),
            StatementResult::Ok(_) => None,
        });
        Ok(sets.collect())
    }

    /// Asks whether the server is alive.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn ping(&mut self) -> Result<(), Error> {
        self.command(&[&[command::PING]], Rows::Discard).await.map(drop)
    }

    /// Brings the session back to its state after the login: rolls back, drops temporary tables, forgets variables and
    /// prepared statements.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn reset_session(&mut self) -> Result<(), Error> {
        self.command(&[&[command::RESET_CONNECTION]], Rows::Discard)
            .await
            .map(drop)
    }

    /// Makes this replica visible in the source's `SHOW SLAVE HOSTS`.
    ///
    /// # Errors
    /// As [`Client::query`]; [`Error::Protocol`] when a text is too long, which leaves the connection as it was.
    pub async fn register_replica(&mut self, replica: &RegisterReplica) -> Result<(), Error> {
        let payload = replica.encode().map_err(Error::wire("register as a replica"))?;
        self.command(&[&payload], Rows::Discard).await.map(drop)
    }

    /// Says goodbye and closes the connection. Never waits for long, never fails.
    pub async fn quit(mut self) {
        if !self.is_broken {
            self.connection.queue(COMMAND_SEQUENCE, [&[command::QUIT][..]]);
            self.connection.set_reply_timeout(QUIT_TIMEOUT);
            // The server closes without an answer; if it is gone already, so much the better.
            if self.connection.flush().await.is_ok() {
                let _ = tokio::time::timeout(QUIT_TIMEOUT, self.connection.shut_down()).await;
            }
        }
    }

    /// Queues one packet of statements, given in parts, without sending it. The parts are copied once, into the write buffer.
    ///
    /// Later packets run even when an earlier one fails; within a packet the server stops at the first failure. Do not queue
    /// `LOAD DATA LOCAL` before other packets: the server would take them for the file, so that breaks the connection.
    pub fn queue_query(&mut self, parts: &[&[u8]]) {
        self.queue(
            [&[command::QUERY][..]].into_iter().chain(parts.iter().copied()),
            Rows::Keep,
        );
    }

    /// Queues one command whose reply is due.
    pub(crate) fn queue<'a>(
        &mut self,
        parts: impl IntoIterator<Item = &'a [u8], IntoIter: Clone>,
        rows: Rows,
    ) {
        let reply_sequence = self.connection.queue(COMMAND_SEQUENCE, parts);
        self.due.push_back(DueReply { rows, reply_sequence });
    }

    /// Bytes queued and not sent yet.
    pub fn queued_bytes(&self) -> usize {
        self.connection.queued_bytes()
    }

    /// How many replies are still to be read: one per queued packet, sent or not.
    pub fn replies_due(&self) -> usize {
        self.due.len()
    }

    /// Sends everything that is queued. It keeps reading while it writes, so that a server that is blocked on its replies
    /// cannot block us.
    ///
    /// # Errors
    /// [`Error::Timeout`] or [`Error::TooLarge`], which break the connection. When the socket fails, the replies that arrived
    /// can still be read; the failure is reported after them.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.begin()?;
        let flushed = self.connection.flush().await;
        self.end(flushed)
    }

    /// Reads the reply to the oldest packet that has none yet.
    ///
    /// # Errors
    /// [`Error::Misuse`] when no reply is due, or packets were not flushed; all others break the connection. An error of the
    /// server is in the reply.
    pub async fn read_reply(&mut self) -> Result<Reply, Error> {
        if self.connection.queued_bytes() > 0 && !self.is_broken {
            return Err(Error::Misuse(
                "queued packets were not flushed before reading replies",
            ));
        }
        if self.due.is_empty() && !self.is_broken {
            return Err(Error::Misuse("there is no reply to read"));
        }
        self.begin()?;
        let reply = self.reply(None).await;
        self.end(reply)
    }

    /// Runs one command and returns its reply, which has no error in it.
    pub(crate) async fn command(&mut self, parts: &[&[u8]], rows: Rows) -> Result<Reply, Error> {
        self.command_with_file(parts, rows, None).await
    }

    /// As [`Client::command`]; the server may ask for one file.
    pub(crate) async fn command_with_file(
        &mut self,
        parts: &[&[u8]],
        rows: Rows,
        file: Option<&mut LocalFile<'_>>,
    ) -> Result<Reply, Error> {
        self.idle()?;
        self.begin()?;
        self.queue(parts.iter().copied(), rows);
        let reply = match self.connection.flush().await {
            Ok(()) => self.reply(file).await,
            Err(error) => Err(error),
        };
        let reply = self.end(reply)?;
        match reply.error {
            Some(error) => Err(Error::Server(error)),
            None => Ok(reply),
        }
    }

    /// Reads one reply. The first request for a file gets `file`, if there is one; all others are refused.
    pub(crate) async fn reply(&mut self, mut file: Option<&mut LocalFile<'_>>) -> Result<Reply, Error> {
        let mut refused = None;
        let mut decoder = self.start_reply().await?;
        loop {
            match self.step(&mut decoder).await? {
                Step::More => {}
                Step::Done => break,
                Step::LocalInfile(name) => match file.take() {
                    Some(file) => self.send_file(file).await?,
                    None => {
                        self.refuse_file(&name).await?;
                        refused = Some(String::from_utf8_lossy(&name).into_owned());
                    }
                },
            }
        }
        match refused {
            Some(file) => Err(Error::LocalInfileRefused { file }),
            None => Ok(decoder.into_reply()),
        }
    }

    /// Waits for the oldest reply that is due, and checks that it is that one.
    ///
    /// 10.11 forgets to announce results that follow a `BINLOG` in the same packet. Without this check they would be taken for the
    /// replies to the next packets.
    pub(crate) async fn start_reply(&mut self) -> Result<ReplyDecoder, Error> {
        let due = self
            .due
            .pop_front()
            .ok_or(Error::Misuse("there is no reply to read"))?;
        self.connection.ready(READING).await?;
        let packets = self.connection.packets();
        // Errors of the connection as a whole (killed, shut down) have numbers of their own.
        if packets.sequence() != due.reply_sequence && packets.payload().first() != Some(&ERR) {
            let detail = format!(
                "its first packet has number {}, expected {}: results that were not announced follow the last reply",
                packets.sequence(),
                due.reply_sequence
            );
            let source = tributary_wire::Error::Invalid {
                what: "reply",
                detail: detail.into(),
            };
            return Err(Error::Protocol {
                what: READING,
                source,
            });
        }
        let reply_bytes_max = self.connection.reply_bytes_max();
        let deprecate_eof = self.server.has(cap::DEPRECATE_EOF);
        Ok(ReplyDecoder::new(ReplyFormat {
            deprecate_eof,
            rows: due.rows,
            reply_bytes_max,
        }))
    }

    /// Waits for the reply's next packet and takes it, and all that arrived with it.
    pub(crate) async fn step(&mut self, decoder: &mut ReplyDecoder) -> Result<Step, Error> {
        self.connection.ready(READING).await?;
        loop {
            let packets = self.connection.packets();
            let step = decoder.step(packets).map_err(Error::wire(READING))?;
            if step != Step::More || !packets.is_ready().map_err(Error::wire(READING))? {
                return Ok(step);
            }
        }
    }

    /// Checks that nothing is queued or due.
    pub(crate) fn idle(&self) -> Result<(), Error> {
        if !self.is_broken && (!self.due.is_empty() || self.connection.queued_bytes() > 0) {
            return Err(Error::Misuse(
                "replies to queued packets must be read before another command is run",
            ));
        }
        Ok(())
    }

    /// Starts something that breaks the connection unless it [ends](Client::end) well: the future may be dropped in between.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        if self.is_broken {
            return Err(Error::Broken);
        }
        self.is_broken = true;
        Ok(())
    }

    /// Ends what was begun. Only errors that leave the stream of replies in step keep the connection.
    pub(crate) fn end<T>(&mut self, outcome: Result<T, Error>) -> Result<T, Error> {
        self.is_broken = !matches!(
            outcome,
            Ok(_) | Err(Error::Server(_) | Error::LocalInfileRefused { .. } | Error::Misuse(_))
        );
        outcome
    }
}

/// What the last result of a reply reports.
pub(crate) fn last_ok(mut reply: Reply) -> OkInfo {
    match reply.results.pop() {
        Some(StatementResult::Ok(ok)) => ok,
        Some(StatementResult::Rows(rows)) => rows.end,
        None => OkInfo::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DumpRequest, DumpStream};

    /// Compiles only if the futures can move between threads, as tasks of a runtime do.
    #[test]
    fn futures_can_be_spawned() {
        fn spawnable<T: Send>(_: impl FnOnce(&'static mut Client, &'static mut DumpStream) -> T) {}
        spawnable(|client, _| client.query(b""));
        spawnable(|client, _| client.flush());
        spawnable(|client, _| client.read_reply());
        spawnable(|client, _| client.load_local(b"", &b""[..]));
        spawnable(|_, stream| stream.next(Duration::ZERO));
        fn connects<T: Send>(_: impl FnOnce(&'static ConnectOptions, Client, &'static DumpRequest) -> T) {}
        connects(|options, _, _| Client::connect(options));
        connects(|_, client, request| client.dump(request));
        connects(|_, client, _| client.quit());
    }
}
