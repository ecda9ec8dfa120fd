//! Binlog coordinates as the bench compares them: file number, then offset.

use anyhow::{Context, Result};

/// A place in a binlog, ordered as the binlog is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Coordinates {
    /// The file, as in `mysql-bin.000001`.
    pub(crate) file: String,
    /// Bytes from the file's start.
    pub(crate) offset: u64,
}

impl Coordinates {
    /// Whether everything before `end` lies before this place too.
    ///
    /// # Errors
    /// A file name that does not end in a number.
    pub(crate) fn has_reached(&self, end: &Coordinates) -> Result<bool> {
        Ok((self.file_number()?, self.offset) >= (end.file_number()?, end.offset))
    }

    fn file_number(&self) -> Result<u64> {
        let number = self.file.rsplit('.').next().unwrap_or_default();
        number
            .parse()
            .with_context(|| format!("binlog file {:?} has no number at its end", self.file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(file: &str, offset: u64) -> Coordinates {
        Coordinates {
            file: file.to_owned(),
            offset,
        }
    }

    #[test]
    fn a_later_file_wins_over_a_larger_offset() {
        let end = at("mysql-bin.000002", 500);
        assert!(at("mysql-bin.000002", 500).has_reached(&end).unwrap());
        assert!(at("mysql-bin.000003", 4).has_reached(&end).unwrap());
        assert!(!at("mysql-bin.000002", 499).has_reached(&end).unwrap());
        assert!(!at("mysql-bin.000001", 9_999).has_reached(&end).unwrap());
        // Past 999,999 files the numbers grow a digit: they are not compared as text.
        assert!(
            at("mysql-bin.1000000", 4)
                .has_reached(&at("mysql-bin.999999", 4))
                .unwrap()
        );
        assert!(at("", 4).has_reached(&end).is_err());
    }
}
