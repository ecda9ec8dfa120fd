//! Taps the event stream of a binlog file: prints each event, then what each event group changed.
//!
//! `cargo run -p tributary-binlog --example tap -- testdata/binlog/mixed.bin`

use std::error::Error;
use std::fs::File;

use tributary_binlog::file::BinlogFile;
use tributary_binlog::{Assembled, Coordinates, GroupAssembler, Renderer};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: tap BINLOG")?;
    let mut renderer = Renderer::new();
    let mut groups = GroupAssembler::new(Coordinates::new(path.as_str(), Coordinates::FIRST_OFFSET));
    for item in BinlogFile::open(&path, File::open(&path)?)? {
        let (at, event) = item?;
        let mut text = String::new();
        renderer.text(&event, &at, &mut text)?;
        print!("{text}");
        if let Some(Assembled::Group(group)) = groups.push(event)? {
            println!(
                "== group {} with {} changes ends at {}",
                group.name(),
                group.items.len(),
                group.end
            );
        }
    }
    Ok(())
}
