//! Comments, and version comments, which are code or not by their number.

use super::Scanner;
use crate::token::TokenKind;

/// Version comments without `M` are skipped by MariaDB in this range: it belongs to MySQL.
const MYSQL_ONLY_VERSIONS: std::ops::RangeInclusive<u32> = 50_700..=99_999;

impl Scanner<'_> {
    /// `--` opens a comment only before white space, a control character or the end.
    pub(super) fn is_comment_gap(&self, offset: usize) -> bool {
        self.at(offset)
            .is_none_or(|byte| self.is_space(byte) || byte.is_ascii_control())
    }

    pub(super) fn line_end(&self, start: usize) -> usize {
        let rest = self.rest(start);
        start
            + rest
                .iter()
                .position(|&byte| byte == b'\n')
                .map_or(rest.len(), |length| length + 1)
    }

    pub(super) fn comment(&mut self, start: usize) -> (TokenKind, usize) {
        let marker = match (self.at(start + 2), self.at(start + 3)) {
            (Some(b'!'), _) => Some((start + 3, false)),
            (Some(b'M'), Some(b'!')) => Some((start + 4, true)),
            _ => None,
        };
        let Some((after_marker, is_mariadb)) = marker else {
            return self.comment_end(start + 2, false);
        };
        let (version, length) = self.version(after_marker);
        if !self.is_executed(version, is_mariadb) {
            if let Some(version) = version.filter(|version| may_be_executed(*version, is_mariadb)) {
                self.oldest_skipped = self.oldest_skipped.min(version);
            }
            return self.comment_end(after_marker + length, true);
        }
        self.in_version_comment = true;
        self.newest_version = self.newest_version.max(version.unwrap_or(0));
        (TokenKind::VersionOpen, after_marker + length)
    }

    /// The version at `offset` and how many digits spell it: five or six, else there is none.
    pub(super) fn version(&self, offset: usize) -> (Option<u32>, usize) {
        let length = self
            .rest(offset)
            .iter()
            .take(6)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if length < 5 {
            return (None, 0);
        }
        let digits = self.rest(offset).iter().take(length);
        (
            Some(digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))),
            length,
        )
    }

    pub(super) fn is_executed(&self, version: Option<u32>, is_mariadb: bool) -> bool {
        let Some(version) = version else { return true };
        let is_known = self.dialect.source_version == 0 || version <= self.dialect.source_version;
        is_known && may_be_executed(version, is_mariadb)
    }

    /// The end of a comment that is not code. A skipped version comment may hold one level of comments.
    pub(super) fn comment_end(&self, mut offset: usize, may_nest: bool) -> (TokenKind, usize) {
        let mut is_nested = false;
        loop {
            match (self.at(offset), self.at(offset + 1)) {
                (Some(b'*'), Some(b'/')) if is_nested => {
                    is_nested = false;
                    offset += 2;
                }
                (Some(b'*'), Some(b'/')) => return (TokenKind::Comment, offset + 2),
                (Some(b'/'), Some(b'*')) if may_nest && !is_nested => {
                    is_nested = true;
                    offset += 2;
                }
                (Some(_), _) => offset += 1,
                (None, _) => return (TokenKind::Unterminated, self.text.len()),
            }
        }
    }
}

/// Whether a MariaDB server that is new enough runs what is in the comment.
fn may_be_executed(version: u32, is_mariadb: bool) -> bool {
    is_mariadb || !MYSQL_ONLY_VERSIONS.contains(&version)
}
