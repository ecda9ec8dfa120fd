//! A binlog file to its events.
//!
//! Relay logs are files of the same shape. An encrypted file is refused by name; so is one that ends inside an event,
//! after all whole events have been read.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::checksum::ChecksumAlgorithm;
use crate::coordinates::Coordinates;
use crate::decoder::Decoder;
use crate::error::DecodeError;
use crate::event::{Event, EventBody};
use crate::header::{HEADER_BYTES, Header};

/// What a binlog file begins with.
pub const MAGIC: [u8; 4] = [0xfe, b'b', b'i', b'n'];

/// Bytes read at once; events share the buffer.
const CHUNK_BYTES: usize = 256 * 1024;

/// Why a file could not be read as a binlog.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file does not begin as a binlog does.
    #[error("read {file}: not a binlog, it begins with {found:02x?} instead of [fe, 62, 69, 6e]")]
    NotBinlog {
        /// The file.
        file: String,
        /// Its first bytes.
        found: Vec<u8>,
    },
    /// The file could not be read.
    #[error("read {at}: {source}")]
    Read {
        /// How far reading had come.
        at: Coordinates,
        /// Why.
        source: io::Error,
    },
    /// The file ends inside an event: it was cut off, or the server that writes it has not finished the event.
    #[error(
        "read {at}: the file ends {left} bytes into an event of {needed} bytes; all events before it are whole"
    )]
    TornTail {
        /// Where the event begins.
        at: Coordinates,
        /// Bytes that are there.
        left: usize,
        /// Bytes the event has; 19 if not even its header is whole.
        needed: usize,
    },
    /// All after this place is encrypted.
    #[error(
        "read {at}: the file is encrypted from here on; read it through a server (a source decrypts what it sends), \
         or decrypt it with mariadb-binlog --read-from-remote-server --raw"
    )]
    Encrypted {
        /// Where the encrypted part is announced.
        at: Coordinates,
    },
    /// An event is not what the format says.
    #[error("read {at}: {source}")]
    Decode {
        /// Where the event begins.
        at: Coordinates,
        /// What is wrong.
        source: DecodeError,
    },
}

/// Reads the events of a binlog file, each with the coordinates of its first byte.
///
/// ```
/// use tributary_binlog::file::BinlogFile;
///
/// let error = BinlogFile::open("notes.txt", &b"hello"[..]).unwrap_err();
/// assert!(error.to_string().contains("not a binlog"));
/// ```
#[derive(Debug)]
pub struct BinlogFile<R> {
    reader: R,
    buffer: BytesMut,
    decoder: Decoder,
    file: Arc<str>,
    /// Where the next event begins.
    offset: u64,
    is_done: bool,
}

impl<R: Read> BinlogFile<R> {
    /// A reader of the binlog named `file`, whose first byte is `reader`'s next.
    ///
    /// # Errors
    /// [`FileError::NotBinlog`] and [`FileError::Read`].
    pub fn open(file: &str, reader: R) -> Result<BinlogFile<R>, FileError> {
        let mut opened = BinlogFile {
            reader,
            buffer: BytesMut::new(),
            // A file begins with a Format_description, which says the rest.
            decoder: Decoder::new(ChecksumAlgorithm::Off),
            file: file.into(),
            offset: 0,
            is_done: false,
        };
        opened.fill(MAGIC.len())?;
        if !opened.buffer.starts_with(&MAGIC) {
            let found = opened.buffer[..opened.buffer.len().min(MAGIC.len())].to_vec();
            return Err(FileError::NotBinlog {
                file: file.to_owned(),
                found,
            });
        }
        drop(opened.buffer.split_to(MAGIC.len()));
        opened.offset = MAGIC.len() as u64;
        Ok(opened)
    }

    /// Limits one event, as it comes and expanded.
    pub fn set_event_bytes_max(&mut self, bytes: usize) {
        self.decoder.set_event_bytes_max(bytes);
    }

    /// Where the next event begins.
    #[must_use]
    pub fn coordinates(&self) -> Coordinates {
        Coordinates {
            file: Arc::clone(&self.file),
            offset: self.offset,
        }
    }

    /// The next event's bytes, undecoded, with their coordinates; `None` at the end of the file.
    ///
    /// # Errors
    /// [`FileError::Read`], [`FileError::TornTail`], and [`FileError::Decode`] for a length that cannot be.
    pub fn next_raw(&mut self) -> Result<Option<(Coordinates, Bytes)>, FileError> {
        let at = self.coordinates();
        self.fill(HEADER_BYTES)?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        if self.buffer.len() < HEADER_BYTES {
            return Err(FileError::TornTail {
                at,
                left: self.buffer.len(),
                needed: HEADER_BYTES,
            });
        }
        let decode_error = |source| FileError::Decode {
            at: at.clone(),
            source,
        };
        let header = Header::decode(&self.buffer).map_err(decode_error)?;
        let needed = usize::try_from(header.length).unwrap_or(usize::MAX);
        if needed < HEADER_BYTES || needed > self.decoder.event_bytes_max() {
            let why = format!("{needed} bytes; an event has at least 19 and at most event_bytes_max");
            return Err(decode_error(DecodeError::invalid(
                header.kind,
                "event length",
                9,
                why,
            )));
        }
        self.fill(needed)?;
        if self.buffer.len() < needed {
            return Err(FileError::TornTail {
                at,
                left: self.buffer.len(),
                needed,
            });
        }
        self.offset += needed as u64;
        Ok(Some((at, self.buffer.split_to(needed).freeze())))
    }

    fn next_event(&mut self) -> Result<Option<(Coordinates, Event)>, FileError> {
        let Some((at, raw)) = self.next_raw()? else {
            return Ok(None);
        };
        match self.decoder.decode(raw) {
            Ok(Event {
                body: EventBody::StartEncryption(_),
                header,
                ..
            }) if !header.is_ignorable() => Err(FileError::Encrypted { at }),
            Ok(event) => Ok(Some((at, event))),
            Err(source) => Err(FileError::Decode { at, source }),
        }
    }

    /// Reads until the buffer holds `count` bytes or the file ends. The buffer grows with what is read, not with what is
    /// asked for.
    fn fill(&mut self, count: usize) -> Result<(), FileError> {
        while self.buffer.len() < count {
            let filled = self.buffer.len();
            self.buffer.resize(filled + CHUNK_BYTES, 0);
            let read = loop {
                match self.reader.read(&mut self.buffer[filled..]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => break result,
                }
            };
            self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(source) => {
                    return Err(FileError::Read {
                        at: self.coordinates(),
                        source,
                    });
                }
            }
        }
        Ok(())
    }
}

impl<R: Read> Iterator for BinlogFile<R> {
    type Item = Result<(Coordinates, Event), FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let item = self.next_event().transpose();
        self.is_done = !matches!(item, Some(Ok(_)));
        item
    }
}
