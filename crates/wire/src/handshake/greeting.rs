//! The greeting: what a server says first.

use crate::Error;
use crate::capabilities;
use crate::reader::Reader;

/// The only protocol version in use.
const PROTOCOL_VERSION: u8 = 10;

/// Bytes of authentication data before the capabilities.
const NONCE_HEAD_BYTES: usize = 8;

/// Bytes of authentication data after the capabilities, when the greeting does not say how many.
const NONCE_TAIL_BYTES_MIN: usize = 12;

/// MariaDB 10 and later put this before their version for replicas that only know single-digit versions.
const REPLICATION_VERSION_PREFIX: &str = "5.5.5-";

/// What a server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// The version as the server writes it, without the `5.5.5-` that MariaDB puts before it.
    pub version_text: String,
    /// The server's number for this connection, as `SHOW PROCESSLIST` has it.
    pub connection_id: u32,
    /// The nonce for the authentication, without its closing zero byte.
    pub nonce: Vec<u8>,
    /// What the server can do, see [`crate::capabilities`].
    pub capabilities: u64,
    /// The server's default collation, its low byte.
    pub collation: u8,
    /// Server status flags.
    pub status: u16,
    /// The authentication plugin that the nonce is meant for; empty when the server does not know plugins.
    pub auth_plugin: Vec<u8>,
}

impl Greeting {
    /// Reads a greeting. A server that does not want us sends an ERR packet instead: look at the first byte before.
    ///
    /// # Errors
    /// [`Error::Truncated`] when it is cut off, [`Error::Invalid`] when the protocol version is not 10.
    pub fn decode(payload: &[u8]) -> Result<Greeting, Error> {
        let mut reader = Reader::new("greeting", payload);
        let version = reader.u8("protocol version")?;
        if version != PROTOCOL_VERSION {
            let detail =
                format!("the protocol version is {version}, expected 10: not a MariaDB or MySQL server?");
            return Err(Error::invalid("greeting", detail));
        }
        let version_text = reader.null_terminated("server version")?;
        let connection_id = reader.u32("connection id")?;
        let mut nonce = reader.bytes("nonce, first part", NONCE_HEAD_BYTES)?.to_vec();
        reader.bytes("filler", 1)?;
        let low = reader.u16("capabilities, low")?;
        let collation = reader.u8("collation")?;
        let status = reader.u16("status")?;
        let high = reader.u16("capabilities, high")?;
        let nonce_length = usize::from(reader.u8("nonce length")?);
        reader.bytes("reserved", 6)?;
        let mariadb = reader.u32("MariaDB capabilities")?;
        let mut capabilities = u64::from(low) | u64::from(high) << 16;
        if capabilities & capabilities::MYSQL == 0 {
            capabilities |= u64::from(mariadb) << 32;
        }
        if capabilities & capabilities::SECURE_CONNECTION != 0 {
            // The length counts both parts and the closing zero byte.
            let tail = nonce_length
                .saturating_sub(NONCE_HEAD_BYTES + 1)
                .max(NONCE_TAIL_BYTES_MIN);
            nonce.extend_from_slice(reader.bytes("nonce, second part", tail)?);
            if reader.left() > 0 {
                reader.bytes("end of the nonce", 1)?;
            }
        }
        let auth_plugin = match capabilities & capabilities::PLUGIN_AUTH {
            0 => Vec::new(),
            // Some old servers forget the closing zero byte.
            _ => reader
                .rest()
                .split(|byte| *byte == 0)
                .next()
                .unwrap_or_default()
                .to_vec(),
        };
        let version_text = String::from_utf8_lossy(version_text).into_owned();
        Ok(Greeting {
            version_text: match version_text.strip_prefix(REPLICATION_VERSION_PREFIX) {
                Some(real) => real.to_owned(),
                None => version_text,
            },
            connection_id,
            nonce,
            capabilities,
            collation,
            status,
            auth_plugin,
        })
    }

    /// Appends the greeting's payload; the version is written as it stands, without a prefix.
    ///
    /// # Errors
    /// [`Error::Unencodable`] when the nonce has not 20 to 246 bytes, or a text holds a zero byte.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let tail = self.nonce.get(NONCE_HEAD_BYTES..).unwrap_or_default();
        if tail.len() < NONCE_TAIL_BYTES_MIN || self.nonce.len() > 246 {
            return Err(Error::unencodable(
                "greeting",
                format!("the nonce has {} bytes", self.nonce.len()),
            ));
        }
        if self.version_text.contains('\0') || self.auth_plugin.contains(&0) {
            return Err(Error::unencodable("greeting", "a text holds a zero byte"));
        }
        out.push(PROTOCOL_VERSION);
        out.extend_from_slice(self.version_text.as_bytes());
        out.push(0);
        out.extend_from_slice(&self.connection_id.to_le_bytes());
        out.extend_from_slice(&self.nonce[..NONCE_HEAD_BYTES]);
        out.push(0);
        out.extend_from_slice(&(self.capabilities as u16).to_le_bytes());
        out.push(self.collation);
        out.extend_from_slice(&self.status.to_le_bytes());
        out.extend_from_slice(&((self.capabilities >> 16) as u16).to_le_bytes());
        out.push(self.nonce.len() as u8 + 1);
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&((self.capabilities >> 32) as u32).to_le_bytes());
        out.extend_from_slice(tail);
        out.push(0);
        out.extend_from_slice(&self.auth_plugin);
        out.push(0);
        Ok(())
    }

    /// Whether the server is a MariaDB server: it says so in its version, or has MariaDB's own capabilities.
    pub fn is_mariadb(&self) -> bool {
        self.capabilities & capabilities::MYSQL == 0 || self.version_text.contains("MariaDB")
    }

    /// Major, minor and patch number; a part that is missing or not a number is 0.
    pub fn version(&self) -> (u16, u16, u16) {
        let mut parts = self
            .version_text
            .split(|c: char| !c.is_ascii_digit())
            .map(|part| part.parse().unwrap_or(0));
        let mut next = || parts.next().unwrap_or(0);
        (next(), next(), next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shape of a 10.11 greeting, fields set by hand.
    fn greeting_bytes() -> Vec<u8> {
        let mut bytes = b"\x0a5.5.5-10.11.19-MariaDB-log\0".to_vec();
        bytes.extend_from_slice(&[0x2A, 0, 0, 0]);
        bytes.extend_from_slice(b"abcdefgh\0");
        bytes.extend_from_slice(&[0xFE, 0xF7, 0x2D, 0x02, 0x00, 0xFF, 0x81, 21]);
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&[0x1D, 0, 0, 0]);
        bytes.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
        bytes
    }

    #[test]
    fn a_mariadb_greeting_is_read() {
        let greeting = Greeting::decode(&greeting_bytes()).unwrap();
        assert_eq!(greeting.version_text, "10.11.19-MariaDB-log");
        assert_eq!(greeting.version(), (10, 11, 19));
        assert_eq!(greeting.connection_id, 42);
        assert_eq!(greeting.nonce, b"abcdefghijklmnopqrst");
        assert_eq!(greeting.auth_plugin, b"mysql_native_password");
        assert!(greeting.is_mariadb());
        assert_ne!(
            greeting.capabilities & capabilities::MARIADB_STMT_BULK_OPERATIONS,
            0
        );
    }

    #[test]
    fn the_extended_capabilities_of_a_mysql_greeting_are_not_read() {
        let mut bytes = greeting_bytes();
        let low = bytes.windows(2).position(|pair| pair == [0xFE, 0xF7]).unwrap();
        bytes[low] = 0xFF;
        assert_eq!(Greeting::decode(&bytes).unwrap().capabilities >> 32, 0);
    }

    #[test]
    fn a_greeting_cut_before_its_plugin_name_is_an_error_at_every_length() {
        let bytes = greeting_bytes();
        let plugin = bytes.windows(6).position(|window| window == b"mysql_").unwrap();
        for length in 0..plugin - 1 {
            assert!(
                matches!(Greeting::decode(&bytes[..length]), Err(Error::Truncated { .. })),
                "length {length}"
            );
        }
    }

    #[test]
    fn another_protocol_version_is_named() {
        let error = Greeting::decode(b"\x09old").unwrap_err();
        assert!(error.to_string().contains("version is 9"), "{error}");
        assert!(Greeting::decode(b"SSH-2.0-OpenSSH").is_err());
    }

    #[test]
    fn a_greeting_comes_back() {
        let mut greeting = Greeting::decode(&greeting_bytes()).unwrap();
        greeting.nonce = (1..=40).collect();
        let mut bytes = Vec::new();
        greeting.encode(&mut bytes).unwrap();
        assert_eq!(Greeting::decode(&bytes), Ok(greeting));
    }

    #[test]
    fn versions_without_three_numbers_do_not_fail() {
        let mut greeting = Greeting::decode(&greeting_bytes()).unwrap();
        for (text, expected) in [
            ("", (0, 0, 0)),
            ("11.8", (11, 8, 0)),
            ("x.y.z", (0, 0, 0)),
            ("8.4.1-log", (8, 4, 1)),
        ] {
            greeting.version_text = text.to_owned();
            assert_eq!(greeting.version(), expected, "{text}");
        }
    }
}
