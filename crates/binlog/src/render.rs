//! Events as text for people and as JSON for programs.
//!
//! Both forms are complete enough to tell events apart and to read their data; neither is meant to be read back.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::coordinates::Coordinates;
use crate::event::{Event, EventBody};
use crate::events::{OptionalMetadata, TableMap};

mod escape;
mod json;
mod rows;
mod text;
mod time;

/// Prints events of one stream in order; it remembers table maps, so rows print with values and, where the source sends
/// them, column names.
///
/// Bytes that are no printable UTF-8 print as hex, or escaped within text, so a terminal is safe from them.
#[derive(Debug, Default)]
pub struct Renderer {
    tables: HashMap<u64, Table>,
}

/// A table map and what it carries besides.
#[derive(Debug)]
struct Table {
    map: Arc<TableMap>,
    metadata: OptionalMetadata,
}

impl Renderer {
    /// Table maps remembered at most; a statement needs its own few only.
    const TABLES_MAX: usize = 4096;

    /// A renderer that has seen nothing yet.
    #[must_use]
    pub fn new() -> Renderer {
        Renderer::default()
    }

    /// Prints an event that begins at `at`: a line about the header, and indented lines about the body.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn text(&mut self, event: &Event, at: &Coordinates, out: &mut impl fmt::Write) -> fmt::Result {
        self.remember(event);
        text::event(self, event, at, out)
    }

    /// An event that begins at `at` as a JSON object.
    #[must_use]
    pub fn json(&mut self, event: &Event, at: &Coordinates) -> serde_json::Value {
        self.remember(event);
        json::event(self, event, at)
    }

    fn remember(&mut self, event: &Event) {
        match &event.body {
            EventBody::TableMap(map) => {
                if self.tables.len() >= Renderer::TABLES_MAX {
                    self.tables.clear();
                }
                // Metadata that cannot be read costs names, not the event.
                let metadata = map.optional_metadata().unwrap_or_default();
                self.tables.insert(
                    map.table_id,
                    Table {
                        map: Arc::clone(map),
                        metadata,
                    },
                );
            }
            EventBody::FormatDescription(_) => self.tables.clear(),
            _ => {}
        }
    }
}

/// Prints one event that begins at `at`; rows print without values, for which a [`Renderer`] is needed.
///
/// # Errors
/// Those of `out`.
pub fn render_text(event: &Event, at: &Coordinates, out: &mut impl fmt::Write) -> fmt::Result {
    Renderer::new().text(event, at, out)
}

/// One event that begins at `at` as a JSON object; rows come without values, for which a [`Renderer`] is needed.
#[must_use]
pub fn to_json(event: &Event, at: &Coordinates) -> serde_json::Value {
    Renderer::new().json(event, at)
}
