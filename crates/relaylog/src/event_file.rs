//! Reads the events of one file, checked, as the source sent them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use tributary_binlog::file::MAGIC;
use tributary_binlog::{
    CHECKSUM_BYTES, ChecksumAlgorithm, Coordinates, Decoder, EventBody, EventType, HEADER_BYTES, Header,
    append_checksum, verify_event,
};

use crate::error::{Damage, Error};
use crate::head::{Format, Head};

/// Bytes read at once; events share the buffer.
const CHUNK_BYTES: usize = 256 * 1024;

/// An event of the file.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) header: Header,
    /// As the source sent it.
    pub(crate) raw: Bytes,
    /// Where it begins and ends in the file.
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// One file, read from front to back.
#[derive(Debug)]
pub(crate) struct EventFile {
    file: File,
    path: PathBuf,
    buffer: BytesMut,
    /// Where the next event begins; the buffer holds what follows.
    offset: u64,
    format: Option<Format>,
    /// Whether the source sends no checksums, and those in the file were added.
    adds_checksums: bool,
}

impl EventFile {
    /// Opens the file at its first event.
    pub(crate) fn open(path: PathBuf) -> Result<EventFile, Error> {
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        let mut opened = EventFile {
            file,
            path,
            buffer: BytesMut::new(),
            offset: 0,
            format: None,
            adds_checksums: false,
        };
        opened.fill(MAGIC.len(), u64::MAX)?;
        if !opened.buffer.starts_with(&MAGIC) {
            return Err(opened.damage("it does not begin as a binlog does").into());
        }
        opened.skip(MAGIC.len());
        Ok(opened)
    }

    /// Opens the file where an event begins, and events look like `format`.
    pub(crate) fn open_at(path: PathBuf, offset: u64, format: Format) -> Result<EventFile, Error> {
        let mut file = EventFile::open(path)?;
        file.seek(offset);
        file.adds_checksums = format.checksum() == ChecksumAlgorithm::Off;
        file.format = Some(format);
        Ok(file)
    }

    /// The head of the file, as far as it ends before `limit`.
    pub(crate) fn read_head(&mut self, limit: u64) -> Result<Head, Error> {
        if self.next(limit)?.is_none() || self.format.is_none() {
            return Err(self.damage("no Format_description comes first").into());
        }
        let rotate = self.next(limit)?.and_then(|stored| self.made_here(&stored));
        let Some(EventBody::Rotate(rotate)) = rotate else {
            return Err(self.damage("no Rotate event of its own comes second").into());
        };
        let file = String::from_utf8_lossy(&rotate.file);
        let coordinates = Coordinates::new(file.as_ref(), rotate.offset);
        let end = self.offset;
        let gtid_pos = match self.next(limit)? {
            Some(stored) => match self.made_here(&stored) {
                Some(EventBody::GtidList(list)) => Some(list.position()),
                _ => {
                    self.seek(end);
                    None
                }
            },
            None => None,
        };
        let Some(format) = self.format.clone() else {
            return Err(self.damage("no Format_description comes first").into());
        };
        Ok(Head {
            format,
            coordinates,
            gtid_pos,
            end: self.offset,
        })
    }

    /// What an event says that was not received but made here.
    fn made_here(&self, stored: &Stored) -> Option<EventBody> {
        if stored.header.flags & Header::FLAG_RELAY_LOG == 0 {
            return None;
        }
        let mut decoder = Decoder::new(self.checksum_as_sent());
        decoder.decode(stored.raw.clone()).ok().map(|event| event.body)
    }

    fn seek(&mut self, offset: u64) {
        self.buffer.clear();
        self.offset = offset;
    }

    /// Where the next event begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// What the events look like from here on.
    pub(crate) fn format(&self) -> Option<&Format> {
        self.format.as_ref()
    }

    /// The next event that ends before `limit`, to which the file is whole; `None` at the limit.
    pub(crate) fn next(&mut self, limit: u64) -> Result<Option<Stored>, Error> {
        let start = self.offset;
        if start >= limit {
            return Ok(None);
        }
        self.fill(HEADER_BYTES, limit)?;
        let Ok(header) = Header::decode(&self.buffer) else {
            let why = format!("it ends there, though {} bytes follow", limit - start);
            return Err(self.damage(why).into());
        };
        let needed = header.length as usize;
        if needed < HEADER_BYTES {
            return Err(self.damage(format!("an event of {needed} bytes")).into());
        }
        self.fill(needed, limit)?;
        if self.buffer.len() < needed {
            let left = self.buffer.len();
            let why = format!("an event of {needed} bytes, of which {left} are there");
            return Err(self.damage(why).into());
        }
        let raw = self.buffer.split_to(needed).freeze();
        let (header, raw) = self.check(raw).map_err(|why| {
            // Asked again, it says the same again.
            self.seek(start);
            self.damage_at(start, why)
        })?;
        self.offset += needed as u64;
        Ok(Some(Stored {
            header,
            raw,
            start,
            end: self.offset,
        }))
    }

    /// Checks an event, and gives it back as the source sent it.
    fn check(&mut self, raw: Bytes) -> Result<(Header, Bytes), String> {
        let checksum = match (&self.format, self.adds_checksums) {
            (Some(_), true) => ChecksumAlgorithm::Crc32,
            (Some(format), false) => format.checksum(),
            (None, _) => ChecksumAlgorithm::Off,
        };
        let header = verify_event(&raw, checksum).map_err(|error| error.to_string())?;
        if header.kind != EventType::FORMAT_DESCRIPTION {
            return Ok(match self.adds_checksums {
                true => without_checksum(&header, &raw),
                false => (header, raw),
            });
        }
        let (format, sent) = Format::read(&raw).ok_or("a Format_description that cannot be read")?;
        self.adds_checksums = header.flags & Header::FLAG_RELAY_LOG != 0;
        self.format = Some(format);
        Ok((header, sent))
    }

    fn checksum_as_sent(&self) -> ChecksumAlgorithm {
        match (&self.format, self.adds_checksums) {
            (Some(format), false) => format.checksum(),
            _ => ChecksumAlgorithm::Off,
        }
    }

    /// Reads until the buffer holds `count` bytes, the limit is reached, or the file ends. The buffer grows with what is read.
    fn fill(&mut self, count: usize, limit: u64) -> Result<(), Error> {
        while self.buffer.len() < count {
            let filled = self.buffer.len();
            let at = self.offset + filled as u64;
            let room = usize::try_from(limit.saturating_sub(at)).unwrap_or(usize::MAX);
            let wanted = CHUNK_BYTES.min(room);
            if wanted == 0 {
                return Ok(());
            }
            self.buffer.resize(filled + wanted, 0);
            let read = match self.file.read_at(&mut self.buffer[filled..], at) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
                other => Some(other),
            };
            let count = match &read {
                Some(Ok(count)) => *count,
                _ => 0,
            };
            self.buffer.truncate(filled + count);
            match read {
                Some(Ok(0)) => return Ok(()),
                Some(Err(error)) => return Err(Error::io("read", &self.path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn skip(&mut self, count: usize) {
        drop(self.buffer.split_to(count));
        self.offset += count as u64;
    }

    fn damage(&self, why: impl Into<String>) -> Damage {
        self.damage_at(self.offset, why)
    }

    /// Damage of the event that begins at `offset`.
    pub(crate) fn damage_at(&self, offset: u64, why: impl Into<String>) -> Damage {
        Damage {
            path: self.path.clone(),
            offset,
            why: why.into(),
        }
    }
}

/// Takes off a checksum that was added; see [`with_checksum`].
fn without_checksum(header: &Header, raw: &Bytes) -> (Header, Bytes) {
    let length = header.length.saturating_sub(CHECKSUM_BYTES as u32);
    let header = Header { length, ..*header };
    let mut out = Vec::with_capacity(raw.len());
    header.encode(&mut out);
    out.extend_from_slice(&raw[HEADER_BYTES..raw.len().saturating_sub(CHECKSUM_BYTES).max(HEADER_BYTES)]);
    (header, out.into())
}

/// Appends an event of a source that sends no checksums, with one.
pub(crate) fn with_checksum(header: &Header, raw: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let length = header.length.saturating_add(CHECKSUM_BYTES as u32);
    Header { length, ..*header }.encode(out);
    out.extend_from_slice(&raw[HEADER_BYTES..]);
    append_checksum(out, start);
}
