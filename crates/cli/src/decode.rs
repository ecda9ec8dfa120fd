//! `tributary decode`: binary log files to text or JSON.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use tributary_binlog::file::{BinlogFile, FileError};
use tributary_binlog::{Coordinates, Event, Renderer};

use crate::exit::{Exit, Failure};

/// Prints every event of `files`, in order. A file that fails is named at the end of its events, and the next
/// one is read.
///
/// # Errors
/// A [`Failure`] when standard output cannot be written to, for another reason than that nobody reads it any
/// more.
pub(crate) fn decode(files: &[PathBuf], as_json: bool) -> Result<Exit, Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut exit = Exit::Clean;
    for path in files {
        let printed = print_file(path, as_json, &mut out).and_then(|()| out.flush().map_err(Problem::Write));
        match printed {
            Ok(()) => {}
            // A pager or `head` has seen enough.
            Err(Problem::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(exit),
            Err(Problem::Write(error)) => return Err(Failure::failed(format!("print: {error}"))),
            Err(Problem::Read(why)) => {
                // What has been read stands before the message, also when both go to one terminal.
                let _ = out.flush();
                eprintln!("tributary: decode {}: {why}", path.display());
                exit = Exit::Failed;
            }
        }
    }
    Ok(exit)
}

/// Why a file was not printed to its end.
enum Problem {
    Read(String),
    Write(io::Error),
}

impl From<FileError> for Problem {
    fn from(error: FileError) -> Self {
        Self::Read(error.to_string())
    }
}

fn print_file(path: &Path, as_json: bool, out: &mut impl Write) -> Result<(), Problem> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let reader: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(|error| Problem::Read(error.to_string()))?)
    };
    let mut renderer = Renderer::new();
    for item in BinlogFile::open(&name, reader)? {
        let (at, event) = item?;
        print_event(&mut renderer, &event, &at, as_json, out).map_err(Problem::Write)?;
    }
    Ok(())
}

fn print_event(
    renderer: &mut Renderer,
    event: &Event,
    at: &Coordinates,
    as_json: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    if as_json {
        return writeln!(out, "{}", renderer.json(event, at));
    }
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = renderer.text(event, at, &mut text);
    out.write_all(text.as_bytes())
}
