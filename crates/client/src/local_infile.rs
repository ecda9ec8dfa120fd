//! `LOAD DATA LOCAL INFILE`, answered from memory.

use tributary_wire::command;
use tributary_wire::result::{Rows, Step};

use crate::client::last_ok;
use crate::connection::Sequence;
use crate::{Client, Error, OkInfo, Reply};

/// Bytes of the file per packet: far below any `max_allowed_packet`.
const PACKET_BYTES: usize = 64 * 1024;

/// Bytes of the file that are queued before they are sent.
const BATCH_BYTES: usize = 16 * PACKET_BYTES;

impl Client {
    /// Runs one `LOAD DATA LOCAL INFILE` statement; `data` is what the file holds, whatever its name in the statement.
    ///
    /// # Errors
    /// As [`Client::query`]; [`Error::LocalInfileRefused`] when the server asks for a second file.
    pub async fn load_local(&mut self, sql: &[u8], data: &[u8]) -> Result<OkInfo, Error> {
        self.idle()?;
        self.begin()?;
        let reply = self.load(sql, data).await;
        let reply = self.end(reply)?;
        match reply.error {
            Some(error) => Err(Error::Server(error)),
            None => Ok(last_ok(reply)),
        }
    }

    async fn load(&mut self, sql: &[u8], data: &[u8]) -> Result<Reply, Error> {
        self.connection.queue(Sequence::Start, &[&[command::QUERY], sql]);
        self.due.push_back(Rows::Discard);
        self.connection.flush().await?;
        let mut data = Some(data);
        let mut refused = None;
        let mut decoder = self.start_reply();
        loop {
            match self.step(&mut decoder).await? {
                Step::More => {}
                Step::Done => break,
                Step::LocalInfile(file) => match data.take() {
                    Some(data) => self.send_file(data).await?,
                    None => {
                        self.refuse_file(&file).await?;
                        refused = Some(String::from_utf8_lossy(&file).into_owned());
                    }
                },
            }
        }
        match refused {
            Some(file) => Err(Error::LocalInfileRefused { file }),
            None => Ok(decoder.into_reply()),
        }
    }

    async fn send_file(&mut self, data: &[u8]) -> Result<(), Error> {
        let mut sequence = self.connection.next_sequence();
        for batch in data.chunks(BATCH_BYTES) {
            sequence = self
                .connection
                .queue_payloads(sequence, batch.chunks(PACKET_BYTES));
            self.connection.flush().await?;
        }
        // An empty packet ends the file.
        self.connection.queue_payloads(sequence, std::iter::once(&[][..]));
        self.connection.flush().await
    }

    /// Answers a request for a file with an empty one.
    pub(crate) async fn refuse_file(&mut self, file: &[u8]) -> Result<(), Error> {
        if !self.due.is_empty() {
            // The packets behind this one were sent already, and the server reads them as the file.
            let detail = format!(
                "LOAD DATA LOCAL of {:?} was queued before other packets, which became its data",
                String::from_utf8_lossy(file)
            );
            let source = tributary_wire::Error::Invalid {
                what: "reply",
                detail: detail.into(),
            };
            return Err(Error::Protocol {
                what: "read a reply",
                source,
            });
        }
        let sequence = self.connection.next_sequence();
        self.connection.queue_payloads(sequence, std::iter::once(&[][..]));
        self.connection.flush().await
    }
}
