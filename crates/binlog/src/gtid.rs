//! MariaDB global transaction ids, and the position they make: the newest of each domain.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why text is not a GTID, a GTID position or a GTID set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parse {what} {text:?}: {why}")]
pub struct ParseGtidError {
    what: &'static str,
    text: String,
    why: &'static str,
}

impl ParseGtidError {
    /// The part of the text an error quotes, at most.
    const QUOTED_CHARS_MAX: usize = 100;

    pub(crate) fn new(what: &'static str, text: &str, why: &'static str) -> ParseGtidError {
        ParseGtidError {
            what,
            text: text.chars().take(Self::QUOTED_CHARS_MAX).collect(),
            why,
        }
    }
}

/// A MariaDB global transaction id, written `domain-server-sequence`: `0-1-42`.
///
/// Two ids order only within one domain, so there is no `Ord`; see [`Gtid::is_newer_than`].
///
/// # Wire form
/// In a Gtid event, little-endian: sequence `u64`, domain `u32`. The server id is the one in the event header.
/// MariaDB protocol documentation, page "GTID_EVENT".
///
/// ```
/// use tributary_binlog::Gtid;
///
/// let gtid: Gtid = "0-1-42".parse()?;
/// assert_eq!(gtid, Gtid { domain: 0, server: 1, sequence: 42 });
/// assert_eq!(gtid.to_string(), "0-1-42");
/// # Ok::<(), tributary_binlog::ParseGtidError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gtid {
    /// The replication domain: an independent stream of groups.
    pub domain: u32,
    /// The server the group was first committed on.
    pub server: u32,
    /// Grows within the domain.
    pub sequence: u64,
}

impl Gtid {
    /// Whether `self` comes after `other` in their domain; `None` when the domains differ.
    #[must_use]
    pub fn is_newer_than(&self, other: &Gtid) -> Option<bool> {
        (self.domain == other.domain).then_some(self.sequence > other.sequence)
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server, self.sequence)
    }
}

impl FromStr for Gtid {
    type Err = ParseGtidError;

    fn from_str(text: &str) -> Result<Gtid, ParseGtidError> {
        let error = |why| ParseGtidError::new("GTID", text, why);
        let mut parts = text.trim().split('-');
        let (Some(domain), Some(server), Some(sequence), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(error("a GTID is domain-server-sequence, as 0-1-42"));
        };
        Ok(Gtid {
            domain: parse_number(domain)
                .ok_or_else(|| error("the domain is not a number below 4294967296"))?,
            server: parse_number(server)
                .ok_or_else(|| error("the server id is not a number below 4294967296"))?,
            sequence: parse_number(sequence).ok_or_else(|| error("the sequence is not a 64-bit number"))?,
        })
    }
}

/// Digits only: `str::parse` would accept a sign.
pub(crate) fn parse_number<T: FromStr>(digits: &str) -> Option<T> {
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
}

/// How far a stream has come: the newest GTID of each domain, written `0-1-42,5-2-7`.
///
/// The text is what `gtid_slave_pos` holds and `@slave_connect_state` takes. The empty text is the empty position.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GtidPos(BTreeMap<u32, Gtid>);

impl GtidPos {
    /// The position before the first group of every domain.
    #[must_use]
    pub fn new() -> GtidPos {
        GtidPos::default()
    }

    /// Makes `gtid` the newest of its domain, whatever stood there: groups arrive in the order of the source's binlog,
    /// in which sequence numbers may repeat or fall back.
    pub fn advance(&mut self, gtid: Gtid) {
        self.0.insert(gtid.domain, gtid);
    }

    /// The newest GTID of a domain.
    #[must_use]
    pub fn get(&self, domain: u32) -> Option<Gtid> {
        self.0.get(&domain).copied()
    }

    /// All, ordered by domain.
    pub fn iter(&self) -> impl Iterator<Item = Gtid> + '_ {
        self.0.values().copied()
    }

    /// How many domains there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing has been seen yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Gtid> for GtidPos {
    fn from_iter<I: IntoIterator<Item = Gtid>>(gtids: I) -> GtidPos {
        GtidPos(gtids.into_iter().map(|gtid| (gtid.domain, gtid)).collect())
    }
}

impl fmt::Display for GtidPos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, gtid) in self.0.values().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            gtid.fmt(f)?;
        }
        Ok(())
    }
}

impl FromStr for GtidPos {
    type Err = ParseGtidError;

    fn from_str(text: &str) -> Result<GtidPos, ParseGtidError> {
        let mut position = GtidPos::new();
        if text.trim().is_empty() {
            return Ok(position);
        }
        for part in text.split(',') {
            let gtid: Gtid = part.parse()?;
            if position.0.insert(gtid.domain, gtid).is_some() {
                return Err(ParseGtidError::new(
                    "GTID position",
                    text,
                    "a domain is named twice",
                ));
            }
        }
        Ok(position)
    }
}

macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

serde_as_text!(Gtid);
serde_as_text!(GtidPos);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gtids_read_and_print() {
        let gtid: Gtid = " 4294967295-1-18446744073709551615 ".parse().unwrap();
        assert_eq!(gtid.to_string(), "4294967295-1-18446744073709551615");
        for bad in [
            "",
            "0-1",
            "0-1-2-3",
            "0-1-",
            "-1-1",
            "0--1",
            "+0-1-2",
            "4294967296-1-1",
            "0-1-x",
            "0-1-2 3",
        ] {
            assert!(bad.parse::<Gtid>().is_err(), "{bad:?}");
        }
        let message = "0-1".parse::<Gtid>().unwrap_err().to_string();
        assert_eq!(
            message,
            r#"parse GTID "0-1": a GTID is domain-server-sequence, as 0-1-42"#
        );
    }

    #[test]
    fn ids_of_different_domains_do_not_order() {
        let older = Gtid {
            domain: 0,
            server: 9,
            sequence: 4,
        };
        let newer = Gtid {
            domain: 0,
            server: 1,
            sequence: 5,
        };
        assert_eq!(newer.is_newer_than(&older), Some(true));
        assert_eq!(older.is_newer_than(&newer), Some(false));
        assert_eq!(newer.is_newer_than(&Gtid { domain: 1, ..older }), None);
    }

    #[test]
    fn positions_keep_the_newest_of_each_domain() {
        let mut position: GtidPos = "5-2-7, 0-1-42".parse().unwrap();
        assert_eq!(position.to_string(), "0-1-42,5-2-7");
        position.advance("0-3-43".parse().unwrap());
        assert_eq!(position.to_string(), "0-3-43,5-2-7");
        assert_eq!(position.get(5).unwrap().sequence, 7);
        assert_eq!("".parse::<GtidPos>().unwrap(), GtidPos::new());
        assert!("0-1-1,0-2-2".parse::<GtidPos>().is_err());
        assert!("0-1-1,".parse::<GtidPos>().is_err());
    }

    #[test]
    fn json_is_the_text() {
        let position: GtidPos = "0-1-42".parse().unwrap();
        assert_eq!(serde_json::to_string(&position).unwrap(), r#""0-1-42""#);
        assert_eq!(serde_json::from_str::<GtidPos>(r#""0-1-42""#).unwrap(), position);
    }
}
