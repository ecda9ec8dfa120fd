//! One option with its group, its connection prefix and its place, and what the prefixes of its key mean.

use crate::{Error, Place};

/// One option line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The group it stands in, as written.
    pub group: String,
    /// The connection before the first dot of the key: `master1` in `master1.replicate_do_db`.
    pub connection: Option<String>,
    /// The key as written, without the connection. Bytes that are not UTF-8 are replaced.
    pub key: String,
    /// The value without quotes and escapes; `None` for a bare key, empty for `key =`.
    pub value: Option<Vec<u8>>,
    /// File and line.
    pub place: Place,
}

/// A key and value after prefixes such as `skip-` are taken off. See [`Entry::resolve`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The normalised key; without prefixes when it is known without them.
    pub name: String,
    /// The value, `0` or `1` when a prefix says so.
    pub value: Option<Vec<u8>>,
    /// `loose-` stood before it: if the key is unknown, that is no error.
    pub is_loose: bool,
    /// Whether `name` is a known key.
    pub is_known: bool,
}

impl Entry {
    pub(crate) fn new(group: String, key: &[u8], value: Option<Vec<u8>>, place: Place) -> Self {
        let key = String::from_utf8_lossy(key);
        let (connection, key) = split_connection(&key);
        Self {
            group,
            connection: connection.map(str::to_owned),
            key: key.to_owned(),
            value,
            place,
        }
    }

    /// The key in the form keys are compared in: lower case, `_` for `-`.
    #[must_use]
    pub fn name(&self) -> String {
        normalise(&self.key)
    }

    /// The key as written, with its connection.
    #[must_use]
    pub fn full_key(&self) -> String {
        match &self.connection {
            Some(connection) => format!("{connection}.{}", self.key),
            None => self.key.clone(),
        }
    }

    /// The value as text.
    ///
    /// # Errors
    /// [`Error::NotUtf8`].
    pub fn text(&self) -> Result<Option<&str>, Error> {
        let Some(value) = &self.value else { return Ok(None) };
        match std::str::from_utf8(value) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Error::NotUtf8 {
                place: self.place.clone(),
                key: self.full_key(),
            }),
        }
    }

    /// Takes prefixes off until `is_known` knows the key, as the server does: `loose-` forgives an unknown key, `skip-`
    /// and `disable-` turn an option off, `enable-` on, and `skip-x=0` means on. A key that is known with its prefix
    /// (`skip_slave_start`) keeps it.
    pub fn resolve(&self, is_known: impl Fn(&str) -> bool) -> Resolved {
        let written = self.name();
        let mut name = written.as_str();
        let mut is_loose = false;
        let mut switch = None;
        while !is_known(name) {
            let Some((prefix, rest)) = split_prefix(name) else {
                let name = written.strip_prefix("loose_").unwrap_or(&written).to_owned();
                return Resolved {
                    name,
                    value: self.value.clone(),
                    is_loose,
                    is_known: false,
                };
            };
            name = rest;
            match prefix {
                Prefix::Loose => is_loose = true,
                other => switch = Some(other),
            }
        }
        let value = match switch {
            None => self.value.clone(),
            Some(switch) => {
                let is_negated = self.value.as_deref() == Some(b"0");
                let is_on = (switch == Prefix::Enable) != is_negated;
                Some(if is_on { b"1".to_vec() } else { b"0".to_vec() })
            }
        };
        Resolved {
            name: name.to_owned(),
            value,
            is_loose,
            is_known: true,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    Loose,
    Skip,
    Enable,
}

fn split_prefix(name: &str) -> Option<(Prefix, &str)> {
    let prefixes = [
        ("loose_", Prefix::Loose),
        ("skip_", Prefix::Skip),
        ("disable_", Prefix::Skip),
        ("enable_", Prefix::Enable),
    ];
    prefixes
        .iter()
        .find_map(|(text, prefix)| Some((*prefix, name.strip_prefix(text)?)))
}

fn normalise(key: &str) -> String {
    key.to_ascii_lowercase().replace('-', "_")
}

/// Splits at the first dot. A dot at either end is no separator: the server then takes the whole for a plain key.
fn split_connection(key: &str) -> (Option<&str>, &str) {
    match key.split_once('.') {
        Some((connection, rest)) if !connection.is_empty() && !rest.is_empty() => (Some(connection), rest),
        _ => (None, key),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn entry(key: &str, value: Option<&str>) -> Entry {
        let place = Place {
            file: Path::new("t.cnf").into(),
            line: 1,
        };
        Entry::new(
            "mysqld".into(),
            key.as_bytes(),
            value.map(|value| value.as_bytes().to_vec()),
            place,
        )
    }

    fn resolved(key: &str, value: Option<&str>) -> Resolved {
        entry(key, value)
            .resolve(|name| ["skip_slave_start", "slave_compressed_protocol", "master_port"].contains(&name))
    }

    #[test]
    fn keys_compare_without_case_and_dashes() {
        assert_eq!(entry("Slave-Net_Timeout", None).name(), "slave_net_timeout");
    }

    #[test]
    fn the_connection_ends_at_the_first_dot_and_keeps_its_spelling() {
        let of = |key| {
            let entry = entry(key, None);
            (entry.connection.clone(), entry.name())
        };
        assert_eq!(
            of("eu-West.replicate-do-db"),
            (Some("eu-West".into()), "replicate_do_db".into())
        );
        assert_eq!(of("a.b.c"), (Some("a".into()), "b.c".into()));
        assert_eq!(of(".a"), (None, ".a".into()));
        assert_eq!(of("a."), (None, "a.".into()));
    }

    #[test]
    fn prefixes_switch_and_forgive() {
        let off = resolved("skip-slave-compressed-protocol", None);
        assert_eq!(
            (off.name.as_str(), off.value.as_deref()),
            ("slave_compressed_protocol", Some(&b"0"[..]))
        );
        assert_eq!(
            resolved("disable_slave_compressed_protocol", Some("0"))
                .value
                .as_deref(),
            Some(&b"1"[..])
        );
        assert_eq!(
            resolved("enable-slave-compressed-protocol", None)
                .value
                .as_deref(),
            Some(&b"1"[..])
        );
        assert_eq!(
            resolved("loose-master-port", Some("7")).value.as_deref(),
            Some(&b"7"[..])
        );

        let own = resolved("skip-slave-start", Some("ON"));
        assert_eq!(
            (own.name.as_str(), own.value.as_deref()),
            ("skip_slave_start", Some(&b"ON"[..]))
        );

        let both = resolved("loose-skip-slave-compressed-protocol", None);
        assert!(both.is_known && both.is_loose);
        assert_eq!(both.value.as_deref(), Some(&b"0"[..]));
    }

    #[test]
    fn unknown_keys_say_so() {
        let strict = resolved("skip-nothing", None);
        assert!(!strict.is_known && !strict.is_loose);
        assert_eq!(strict.name, "skip_nothing");
        let loose = resolved("loose-nothing", None);
        assert!(!loose.is_known && loose.is_loose);
        assert_eq!(loose.name, "nothing");
    }

    #[test]
    fn text_that_is_not_utf8_names_its_place() {
        let place = Place {
            file: Path::new("t.cnf").into(),
            line: 3,
        };
        let entry = Entry::new("mysqld".into(), b"m.k", Some(vec![0xff]), place);
        let message = entry
            .text()
            .map(|_| ())
            .expect_err("0xff is not UTF-8")
            .to_string();
        assert_eq!(
            message,
            "t.cnf:3: the value of 'm.k' is not UTF-8 text; save the file as UTF-8"
        );
    }
}
