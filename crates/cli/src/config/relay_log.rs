//! The relay log of a connection: where it is, and its bounds.

use std::path::Path;

use tributary::RelayLogOptions;

use super::keys;
use super::problem::Problem;
use super::reader::Reader;

/// Least bytes of a limit: a log needs several files.
const SPACE_BYTES_MIN: u64 = 1 << 20;

/// What `max_relay_log_size=0` means, as on the server.
const FILE_BYTES_OF_ZERO: u64 = 1 << 30;

/// Reads the options of the connection called `name`; `Some(None)` with the log turned off, `None` when one is wrong.
pub(crate) fn read(reader: &mut Reader<'_>, parent: &Path, name: &str) -> Option<Option<RelayLogOptions>> {
    let is_on = reader.switch(keys::TRIBUTARY_RELAY_LOG);
    let space_bytes_max = read_limit(reader);
    let file_bytes_max = reader.number(keys::MAX_RELAY_LOG_SIZE);
    let sync_events = reader.number(keys::SYNC_RELAY_LOG);
    let discards_at_start = reader.switch(keys::RELAY_LOG_RECOVERY);
    let options = RelayLogOptions {
        dir: parent.join(directory_name(name)),
        space_bytes_max: space_bytes_max?,
        file_bytes_max: match file_bytes_max? {
            0 => FILE_BYTES_OF_ZERO,
            bytes => bytes,
        },
        sync_events: sync_events?,
        discards_at_start,
    };
    Some(is_on.then_some(options))
}

fn read_limit(reader: &mut Reader<'_>) -> Option<Option<u64>> {
    let limit = reader.number(keys::RELAY_LOG_SPACE_LIMIT)?;
    if (1..SPACE_BYTES_MIN).contains(&limit) {
        let line = reader.line(keys::RELAY_LOG_SPACE_LIMIT)?;
        let text = format!(
            "{}: less than 1M is no room for a log; 0 means no limit",
            line.shown
        );
        reader.problems.push(Problem::at(&line.place, text));
        return None;
    }
    Some((limit > 0).then_some(limit))
}

/// A name for a directory that no other connection has: what is not a letter, a digit, `-` or `_` as the hexadecimal numbers of its
/// bytes.
fn directory_name(connection: &str) -> String {
    let mut name = String::with_capacity(connection.len());
    for byte in connection.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_connections_stay_inside_the_directory() {
        assert_eq!(directory_name("m1-Eu_2"), "m1-Eu_2");
        assert_eq!(directory_name("../a b"), "%2e%2e%2fa%20b");
        assert_eq!(directory_name("\u{e4}"), "%c3%a4");
        assert_ne!(directory_name("a%20b"), directory_name("a b"));
    }
}
