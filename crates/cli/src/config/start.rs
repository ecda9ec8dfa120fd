//! Where a connection begins when the target holds no position of it.

use std::str::FromStr;

use tributary::StartPosition;
use tributary_binlog::{Coordinates, GtidPos};

use super::effective::Origin;
use super::keys;
use super::problem::Problem;
use super::reader::Reader;

/// Where a connection begins.
pub(crate) struct Start {
    pub(crate) position: Option<StartPosition>,
    pub(crate) use_gtid: bool,
}

/// Reads where to begin: by file and offset, by GTID, or nowhere, which can only resume.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Start> {
    let has_file = reader.line(keys::MASTER_LOG_FILE).is_some();
    if let Some(line) = reader.line(keys::MASTER_LOG_POS).filter(|_| !has_file) {
        let text = format!("{} needs {}", line.shown, reader.full_name(keys::MASTER_LOG_FILE));
        reader.problems.push(Problem::at(&line.place, text));
        return None;
    }
    let has_gtid = reader.line(keys::GTID_SLAVE_POS).is_some();
    if has_file && has_gtid {
        reader.either(keys::MASTER_LOG_FILE, keys::GTID_SLAVE_POS)?;
    }
    let use_gtid = read_use_gtid(reader, has_file, has_gtid)?;
    let position = if has_file {
        let file = reader.value(keys::MASTER_LOG_FILE, parse_file_name);
        let offset = reader.number(keys::MASTER_LOG_POS);
        Some(StartPosition::Coordinates(Coordinates::new(file?, offset?)))
    } else if has_gtid {
        let position = reader.value(keys::GTID_SLAVE_POS, |text| GtidPos::from_str(text).ok());
        Some(StartPosition::Gtid(position?))
    } else {
        None
    };
    Some(Start { position, use_gtid })
}

/// A start by file excludes asking by GTID and the other way round: the server would pass over one of the two
/// in silence.
fn read_use_gtid(reader: &mut Reader<'_>, has_file: bool, has_gtid: bool) -> Option<bool> {
    let Some(line) = reader.line(keys::MASTER_USE_GTID) else {
        let text = if has_gtid { "slave_pos" } else { "no" };
        reader.record(keys::MASTER_USE_GTID, text, Origin::Derived("the start position"));
        return Some(has_gtid);
    };
    let use_gtid = reader.value(keys::MASTER_USE_GTID, parse_use_gtid)?;
    let contradicts = match (use_gtid, has_file, has_gtid) {
        (true, true, _) => Some((keys::MASTER_LOG_FILE, keys::GTID_SLAVE_POS)),
        (false, _, true) => Some((keys::GTID_SLAVE_POS, keys::MASTER_LOG_FILE)),
        _ => None,
    };
    if let Some((given, wanted)) = contradicts {
        let text = format!(
            "{} does not go with {}; give {} instead",
            line.shown, given.name, wanted.name
        );
        reader.problems.push(Problem::at(&line.place, text));
        return None;
    }
    Some(use_gtid)
}

fn parse_use_gtid(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "no" | "0" | "off" => Some(false),
        "slave_pos" | "replica_pos" => Some(true),
        _ => None,
    }
}

/// A name without directory that ends in a number, as the server makes them.
fn parse_file_name(text: &str) -> Option<String> {
    let (base, number) = text.rsplit_once('.')?;
    let is_name = !base.is_empty() && !text.contains('/') && text.len() <= 255;
    let is_numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_name && is_numbered).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_end_in_a_number() {
        assert!(parse_file_name("mysql-bin.000042").is_some() && parse_file_name("a.b.1").is_some());
        for text in [
            "",
            "mysql-bin",
            "mysql-bin.",
            ".000001",
            "/var/lib/mysql-bin.000001",
            "x.00a",
        ] {
            assert_eq!(parse_file_name(text), None, "{text}");
        }
    }
}
