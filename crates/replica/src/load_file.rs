//! Files of `LOAD DATA` on their way: the last blocks in memory, what came before them in a temporary file.
//!
//! The source sends a file ahead of its statement. What does not fit into one part of the group is written to a file without
//! a name, so that it goes with the process, whatever ends it. A native replica does the same (`slave_load_tmpdir`).

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};
use tributary_binlog::LoadFileItem;

/// The file of one `LOAD DATA`, whole.
#[derive(Debug, Default)]
pub(crate) struct LoadFile {
    spooled: Option<Spooled>,
    /// What comes behind `spooled`.
    blocks: Vec<Bytes>,
}

#[derive(Debug)]
struct Spooled {
    file: File,
    bytes: u64,
}

impl LoadFile {
    /// Bytes on disk.
    pub(crate) fn spooled_bytes(&self) -> u64 {
        self.spooled.as_ref().map_or(0, |spooled| spooled.bytes)
    }

    /// Reads it from its beginning; as often as wanted.
    pub(crate) fn reader(&self) -> LoadFileReader<'_> {
        LoadFileReader {
            file: self,
            spooled_read: 0,
            block: 0,
            block_read: 0,
        }
    }
}

/// Reads a [`LoadFile`]. Never pending: what is on disk was written moments ago and comes from the page cache.
#[derive(Debug)]
pub(crate) struct LoadFileReader<'a> {
    file: &'a LoadFile,
    spooled_read: u64,
    block: usize,
    block_read: usize,
}

impl LoadFileReader<'_> {
    fn read(&mut self, out: &mut ReadBuf<'_>) -> io::Result<()> {
        if let Some(spooled) = &self.file.spooled
            && self.spooled_read < spooled.bytes
        {
            let count = spooled
                .file
                .read_at(out.initialize_unfilled(), self.spooled_read)?;
            if count == 0 && out.remaining() > 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.spooled_read += count as u64;
            out.advance(count);
            return Ok(());
        }
        while let Some(block) = self.file.blocks.get(self.block) {
            let rest = block.get(self.block_read..).unwrap_or_default();
            let count = rest.len().min(out.remaining());
            out.put_slice(&rest[..count]);
            self.block_read += count;
            if count < rest.len() {
                return Ok(());
            }
            (self.block, self.block_read) = (self.block + 1, 0);
        }
        Ok(())
    }
}

impl AsyncRead for LoadFileReader<'_> {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().read(out))
    }
}

/// Files of one connection whose `LOAD DATA` has not come yet. Bound: what one group of the source holds.
#[derive(Debug)]
pub(crate) struct Spool {
    directory: PathBuf,
    files: HashMap<(u32, u32), Spooled>,
}

impl Spool {
    /// Files go to `directory`, where they have no name.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            files: HashMap::new(),
        }
    }

    /// Writes a piece down.
    ///
    /// # Errors
    /// What a person needs to know when there is no room, or no directory.
    pub(crate) fn append(&mut self, piece: &LoadFileItem) -> Result<(), String> {
        let directory = self.directory.display().to_string();
        self.write(piece).map_err(|error| {
            format!(
                "cannot write the file of a LOAD DATA to {directory}: {error}; set slave_load_tmpdir to a directory with room \
                 for it"
            )
        })
    }

    fn write(&mut self, piece: &LoadFileItem) -> io::Result<()> {
        let key = (piece.server_id, piece.file_id);
        if piece.is_first {
            self.files.remove(&key);
        }
        let spooled = match self.files.entry(key) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(Spooled {
                file: tempfile::tempfile_in(&self.directory)?,
                bytes: 0,
            }),
        };
        for block in &piece.blocks {
            spooled.file.write_all(block)?;
            spooled.bytes += block.len() as u64;
        }
        Ok(())
    }

    /// The whole file: what was written down under this id, and the rest.
    pub(crate) fn take(&mut self, server_id: u32, file_id: u32, rest: Vec<Bytes>) -> LoadFile {
        LoadFile {
            spooled: self.files.remove(&(server_id, file_id)),
            blocks: rest,
        }
    }

    /// Drops what no statement has asked for.
    pub(crate) fn clear(&mut self) {
        self.files.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    fn piece(file_id: u32, is_first: bool, blocks: &[&'static str]) -> LoadFileItem {
        LoadFileItem {
            server_id: 1,
            file_id,
            is_first,
            blocks: blocks
                .iter()
                .map(|block| Bytes::from_static(block.as_bytes()))
                .collect(),
        }
    }

    async fn text(file: &LoadFile) -> String {
        let mut text = String::new();
        file.reader().read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_file_is_what_was_written_down_and_the_rest() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(directory.path().to_owned());
        spool.append(&piece(1, true, &["void"])).unwrap();
        spool.append(&piece(1, true, &["one,", "two,"])).unwrap();
        spool.append(&piece(2, true, &["other"])).unwrap();
        spool.append(&piece(1, false, &["three,"])).unwrap();
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            0,
            "no names"
        );
        let rest = vec![
            Bytes::from_static(b"four,"),
            Bytes::new(),
            Bytes::from_static(b"five"),
        ];
        let file = spool.take(1, 1, rest);
        assert_eq!(file.spooled_bytes(), 14);
        for _ in 0..2 {
            assert_eq!(text(&file).await, "one,two,three,four,five");
        }
        assert_eq!(
            text(&spool.take(1, 7, vec![Bytes::from_static(b"small")])).await,
            "small"
        );
        assert_eq!(text(&spool.take(1, 7, Vec::new())).await, "");
    }

    #[test]
    fn a_missing_directory_is_named() {
        let mut spool = Spool::new("/nowhere/at/all".into());
        let message = spool.append(&piece(1, true, &["x"])).unwrap_err();
        assert!(
            message.contains("/nowhere/at/all") && message.contains("slave_load_tmpdir"),
            "{message}"
        );
    }
}
