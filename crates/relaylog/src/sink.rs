//! The file that is written to. Nothing counts as written before all of it is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

#[derive(Debug)]
pub(crate) struct Sink {
    pub(crate) file: File,
    /// Where the next byte goes.
    pub(crate) end: u64,
    /// Bytes a test lets in.
    #[cfg(test)]
    pub(crate) room: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Sink {
    pub(crate) fn new(file: File, end: u64) -> Sink {
        Sink {
            file,
            end,
            #[cfg(test)]
            room: std::sync::Arc::new(u64::MAX.into()),
        }
    }

    /// Appends all or, as far as anybody can see, nothing.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.write(bytes) {
            Ok(()) => {
                self.end += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // What got in counts for nobody; giving it back helps when the disk is full.
                let _ = self.file.set_len(self.end);
                Err(error)
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        {
            let room = self.room.load(std::sync::atomic::Ordering::Relaxed);
            if (bytes.len() as u64) > room {
                let part = usize::try_from(room).unwrap_or(usize::MAX);
                self.file.write_all_at(&bytes[..part], self.end)?;
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room
                .fetch_sub(bytes.len() as u64, std::sync::atomic::Ordering::Relaxed);
        }
        self.file.write_all_at(bytes, self.end)
    }

    pub(crate) fn cut(&mut self, end: u64) -> io::Result<()> {
        self.file.set_len(end)?;
        self.end = end;
        Ok(())
    }
}
