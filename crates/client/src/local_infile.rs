//! `LOAD DATA LOCAL INFILE`, answered by the caller.

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tributary_wire::command;
use tributary_wire::result::Rows;

use crate::client::last_ok;
use crate::{Client, Error, OkInfo};

/// What a file holds.
pub(crate) type LocalFile<'a> = dyn AsyncRead + Unpin + Send + 'a;

/// Bytes of the file per packet: far below any `max_allowed_packet`.
const PACKET_BYTES: usize = 64 * 1024;

/// Packets of the file that are queued before they are sent.
const BATCH_PACKETS: usize = 16;

impl Client {
    /// Runs one `LOAD DATA LOCAL INFILE` statement; `data` is what the file holds, whatever its name in the statement. About
    /// 1 MiB of it is in memory at a time.
    ///
    /// # Errors
    /// As [`Client::query`]; [`Error::LocalInfileRefused`] when the server asks for a second file; [`Error::Io`] when `data`
    /// cannot be read, which breaks the connection.
    pub async fn load_local(
        &mut self,
        sql: &[u8],
        mut data: impl AsyncRead + Unpin + Send,
    ) -> Result<OkInfo, Error> {
        let reply = self
            .command_with_file(&[&[command::QUERY], sql], Rows::Discard, Some(&mut data))
            .await?;
        Ok(last_ok(reply))
    }

    /// Answers a request for a file with these bytes.
    pub(crate) async fn send_file(&mut self, data: &mut LocalFile<'_>) -> Result<(), Error> {
        let mut sequence = self.connection.next_sequence();
        let mut packet = Vec::with_capacity(PACKET_BYTES);
        let mut queued = 0;
        loop {
            packet.clear();
            let mut packet_room = (&mut *data).take(PACKET_BYTES as u64);
            let read = packet_room.read_to_end(&mut packet).await;
            let doing = "read the file of a LOAD DATA LOCAL";
            if read.map_err(|source| Error::Io { doing, source })? == 0 {
                break;
            }
            sequence = self.connection.queue(sequence, [&packet[..]]);
            queued += 1;
            if queued % BATCH_PACKETS == 0 {
                self.connection.flush().await?;
            }
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
