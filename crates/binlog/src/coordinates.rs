//! A place in a source's binlog: file name and byte offset.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A place in a source's binlog, written `mysql-bin.000003:1234`.
///
/// Order is that of the files' names and then the offsets, which is the order of writing as long as the base name stays
/// and the number keeps its width; [`Coordinates::is_before`] also holds when the number grows a digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Coordinates {
    /// The file's name, without directory.
    pub file: Arc<str>,
    /// Bytes from the start of the file; 64 bits, although events carry 32.
    pub offset: u64,
}

impl Coordinates {
    /// The first event of every file begins here, behind four magic bytes.
    pub const FIRST_OFFSET: u64 = 4;

    /// The place at `offset` of `file`.
    pub fn new(file: impl Into<Arc<str>>, offset: u64) -> Coordinates {
        Coordinates {
            file: file.into(),
            offset,
        }
    }

    /// Whether this place comes before `other` in the binlog. File numbers compare as numbers: `.999999` is before
    /// `.1000000`.
    #[must_use]
    pub fn is_before(&self, other: &Coordinates) -> bool {
        self.sort_key() < other.sort_key()
    }

    fn sort_key(&self) -> (&str, usize, &str, u64) {
        let (base, number) = self.file.rsplit_once('.').unwrap_or((&self.file, ""));
        let number = number.trim_start_matches('0');
        (base, number.len(), number, self.offset)
    }
}

impl fmt::Display for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

/// Why text is not a place in a binlog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parse coordinates {text:?}: expected file:offset, as mysql-bin.000003:1234")]
pub struct ParseCoordinatesError {
    text: String,
}

impl FromStr for Coordinates {
    type Err = ParseCoordinatesError;

    fn from_str(text: &str) -> Result<Coordinates, ParseCoordinatesError> {
        text.rsplit_once(':')
            .filter(|(file, _)| !file.is_empty())
            .and_then(|(file, offset)| Some(Coordinates::new(file, crate::gtid::parse_number(offset)?)))
            .ok_or_else(|| ParseCoordinatesError {
                text: text.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        let place: Coordinates = "mysql-bin.000003:5000000000".parse().unwrap();
        assert_eq!(place, Coordinates::new("mysql-bin.000003", 5_000_000_000));
        assert_eq!(place.to_string(), "mysql-bin.000003:5000000000");
        for bad in [
            "",
            "mysql-bin.000003",
            ":4",
            "mysql-bin.000003:",
            "mysql-bin.000003:-4",
        ] {
            assert!(bad.parse::<Coordinates>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn file_numbers_compare_as_numbers() {
        let place = |text: &str| text.parse::<Coordinates>().unwrap();
        assert!(place("b.000001:900").is_before(&place("b.000002:4")));
        assert!(place("b.999999:4").is_before(&place("b.1000000:4")));
        assert!(place("b.000002:4").is_before(&place("b.000002:5")));
        assert!(!place("b.000002:4").is_before(&place("b.000002:4")));
        assert!(!place("b.1000000:4").is_before(&place("b.999999:900")));
    }
}
