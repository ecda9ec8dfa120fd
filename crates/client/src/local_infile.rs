//! `LOAD DATA LOCAL INFILE`, answered from memory.

use tributary_wire::command;
use tributary_wire::result::Rows;

use crate::client::last_ok;
use crate::{Client, Error, OkInfo};

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
        let reply = self
            .command_with_file(&[&[command::QUERY], sql], Rows::Discard, Some(data))
            .await?;
        Ok(last_ok(reply))
    }

    /// Answers a request for a file with these bytes.
    pub(crate) async fn send_file(&mut self, data: &[u8]) -> Result<(), Error> {
        let mut sequence = self.connection.next_sequence();
        for batch in data.chunks(BATCH_BYTES) {
            for payload in batch.chunks(PACKET_BYTES) {
                sequence = self.connection.queue(sequence, [payload]);
            }
            self.connection.flush().await?;
        }
        // An empty packet ends the file.
        self.connection.queue(sequence, []);
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
        self.connection.queue(self.connection.next_sequence(), []);
        self.connection.flush().await
    }
}
