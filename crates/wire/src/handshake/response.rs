//! The handshake response: what a client answers to the greeting.

use std::fmt;

use zeroize::Zeroizing;

use crate::Error;
use crate::capabilities;
use crate::reader::Reader;
use crate::writer::put_lenenc_bytes;

/// Bytes of the part that is the same in a TLS request and in a response.
const FIXED_BYTES: usize = 32;

/// What a client answers to the greeting.
#[derive(Clone)]
pub struct HandshakeResponse<'a> {
    /// What both sides will use.
    pub capabilities: u64,
    /// The largest payload the client accepts, told to the server.
    pub packet_bytes_max: u32,
    /// Collation of the session, its low byte.
    pub collation: u8,
    /// Account name, at most what the server allows, without zero bytes.
    pub user: &'a [u8],
    /// The answer to the greeting's nonce.
    pub auth_response: &'a [u8],
    /// Default database; sent when the capabilities have `CONNECT_WITH_DB`.
    pub database: &'a [u8],
    /// The plugin that `auth_response` was made by; sent when the capabilities have `PLUGIN_AUTH`.
    pub auth_plugin: &'a [u8],
    /// Names and values shown in `performance_schema.session_connect_attrs`; sent when the capabilities have `CONNECT_ATTRS`.
    pub attributes: &'a [(&'a [u8], &'a [u8])],
}

impl HandshakeResponse<'_> {
    /// The payload that asks for TLS: the response's fixed part, before anything that names a person.
    pub fn encode_tls_request(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        self.put_fixed_part(&mut out);
        out
    }

    /// The payload of the whole response; wiped when dropped, since it may hold a password in clear.
    ///
    /// # Errors
    /// [`Error::Unencodable`] when the user or the database holds a zero byte, or the authentication data is too long.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let has = |bit: u64| self.capabilities & bit != 0;
        for (name, value) in [("user name", self.user), ("database name", self.database)] {
            if value.contains(&0) {
                return Err(Error::unencodable(
                    "handshake response",
                    format!("the {name} holds a zero byte"),
                ));
            }
        }
        let mut out = Zeroizing::new(Vec::with_capacity(256));
        self.put_fixed_part(&mut out);
        out.extend_from_slice(self.user);
        out.push(0);
        if has(capabilities::PLUGIN_AUTH_LENENC) {
            put_lenenc_bytes(&mut out, self.auth_response);
        } else {
            let Ok(length) = u8::try_from(self.auth_response.len()) else {
                return Err(Error::unencodable(
                    "handshake response",
                    "the authentication data has more than 255 bytes",
                ));
            };
            out.push(length);
            out.extend_from_slice(self.auth_response);
        }
        if has(capabilities::CONNECT_WITH_DB) {
            out.extend_from_slice(self.database);
            out.push(0);
        }
        if has(capabilities::PLUGIN_AUTH) {
            out.extend_from_slice(self.auth_plugin);
            out.push(0);
        }
        if has(capabilities::CONNECT_ATTRS) {
            let mut attributes = Vec::new();
            for (name, value) in self.attributes {
                put_lenenc_bytes(&mut attributes, name);
                put_lenenc_bytes(&mut attributes, value);
            }
            put_lenenc_bytes(&mut out, &attributes);
        }
        Ok(out)
    }

    fn put_fixed_part(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.capabilities as u32).to_le_bytes());
        out.extend_from_slice(&self.packet_bytes_max.to_le_bytes());
        out.push(self.collation);
        out.extend_from_slice(&[0; 19]);
        let mariadb = match self.capabilities & capabilities::MYSQL {
            0 => (self.capabilities >> 32) as u32,
            _ => 0,
        };
        out.extend_from_slice(&mariadb.to_le_bytes());
    }
}

/// What a client sent to prove who it is. It does not print: passwords can be guessed from it, or are in it.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthData(pub Vec<u8>);

impl fmt::Debug for AuthData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthData(..)")
    }
}

/// What a client's answer to the greeting holds: the server's view of [`HandshakeResponse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandshakeRequest {
    /// The client wants TLS first, and will answer again then.
    Tls {
        /// What the client wants to use.
        capabilities: u64,
    },
    /// The client wants to log in.
    Login {
        /// What the client wants to use.
        capabilities: u64,
        /// The largest payload the client accepts.
        packet_bytes_max: u32,
        /// Collation of the session, its low byte.
        collation: u8,
        /// Account name.
        user: Vec<u8>,
        /// Answer to the nonce.
        auth_response: AuthData,
        /// Default database, if one is asked for.
        database: Option<Vec<u8>>,
        /// The plugin that the answer was made by; empty when the client does not know plugins.
        auth_plugin: Vec<u8>,
    },
}

impl HandshakeRequest {
    /// Reads a TLS request or a handshake response of the 4.1 protocol. Connection attributes are left out.
    ///
    /// # Errors
    /// [`Error::Truncated`] when it is cut off, [`Error::Invalid`] when the client does not speak the 4.1 protocol.
    pub fn decode(payload: &[u8]) -> Result<HandshakeRequest, Error> {
        let mut reader = Reader::new("handshake response", payload);
        let low = reader.u32("capabilities")?;
        let packet_bytes_max = reader.u32("largest packet")?;
        let collation = reader.u8("collation")?;
        reader.bytes("reserved", 19)?;
        let mariadb = reader.u32("MariaDB capabilities")?;
        let mut capabilities = u64::from(low);
        if capabilities & capabilities::MYSQL == 0 {
            capabilities |= u64::from(mariadb) << 32;
        }
        let has = |bit: u64| capabilities & bit != 0;
        if !has(capabilities::PROTOCOL_41) {
            return Err(Error::invalid(
                "handshake response",
                "the client does not speak the 4.1 protocol",
            ));
        }
        if has(capabilities::SSL) && payload.len() == FIXED_BYTES {
            return Ok(HandshakeRequest::Tls { capabilities });
        }
        let user = reader.null_terminated("user")?.to_vec();
        let auth_response = if has(capabilities::PLUGIN_AUTH_LENENC) {
            reader.lenenc_bytes("authentication data")?
        } else if has(capabilities::SECURE_CONNECTION) {
            let length = reader.u8("length of the authentication data")?;
            reader.bytes("authentication data", length.into())?
        } else {
            reader.null_terminated("authentication data")?
        };
        let database = match has(capabilities::CONNECT_WITH_DB) {
            true => Some(reader.null_terminated("database")?.to_vec()),
            false => None,
        };
        let auth_plugin = match has(capabilities::PLUGIN_AUTH) {
            true => reader.null_terminated("plugin")?.to_vec(),
            false => Vec::new(),
        };
        Ok(HandshakeRequest::Login {
            capabilities,
            packet_bytes_max,
            collation,
            user,
            auth_response: AuthData(auth_response.to_vec()),
            database,
            auth_plugin,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(user: &'static [u8]) -> HandshakeResponse<'static> {
        HandshakeResponse {
            capabilities: capabilities::PROTOCOL_41
                | capabilities::PLUGIN_AUTH
                | capabilities::PLUGIN_AUTH_LENENC
                | capabilities::CONNECT_WITH_DB
                | capabilities::MARIADB_STMT_BULK_OPERATIONS,
            packet_bytes_max: 1 << 30,
            collation: 45,
            user,
            auth_response: b"12345",
            database: b"asterisk",
            auth_plugin: b"mysql_native_password",
            attributes: &[],
        }
    }

    #[test]
    fn the_response_has_the_documented_layout() {
        let bytes = response(b"repl").encode().unwrap();
        let mut expected = vec![0x08, 0x02, 0x28, 0x00, 0, 0, 0, 0x40, 45];
        expected.extend_from_slice(&[0; 19]);
        expected.extend_from_slice(&[4, 0, 0, 0]);
        expected.extend_from_slice(b"repl\0\x0512345asterisk\0mysql_native_password\0");
        assert_eq!(bytes.as_slice(), expected);
        assert_eq!(response(b"repl").encode_tls_request(), expected[..32]);
    }

    #[test]
    fn a_user_with_a_zero_byte_is_refused() {
        assert!(matches!(
            response(b"re\0pl").encode(),
            Err(Error::Unencodable { .. })
        ));
    }

    #[test]
    fn the_server_reads_what_the_client_wrote() {
        let response = response(b"repl");
        let without = |bit: u64| HandshakeResponse {
            capabilities: response.capabilities & !bit,
            ..response.clone()
        };
        for sent in [
            response.clone(),
            without(capabilities::PLUGIN_AUTH_LENENC),
            without(capabilities::CONNECT_WITH_DB),
            without(capabilities::PLUGIN_AUTH),
        ] {
            let secure = sent.capabilities | capabilities::SECURE_CONNECTION;
            let sent = HandshakeResponse {
                capabilities: secure,
                ..sent
            };
            let bytes = sent.encode().unwrap();
            let has = |bit: u64| sent.capabilities & bit != 0;
            let expected = HandshakeRequest::Login {
                capabilities: sent.capabilities,
                packet_bytes_max: sent.packet_bytes_max,
                collation: sent.collation,
                user: sent.user.to_vec(),
                auth_response: AuthData(sent.auth_response.to_vec()),
                database: has(capabilities::CONNECT_WITH_DB).then(|| sent.database.to_vec()),
                auth_plugin: if has(capabilities::PLUGIN_AUTH) {
                    sent.auth_plugin.to_vec()
                } else {
                    Vec::new()
                },
            };
            assert_eq!(HandshakeRequest::decode(&bytes), Ok(expected));
            for length in 0..bytes.len() {
                assert!(
                    HandshakeRequest::decode(&bytes[..length]).is_err(),
                    "length {length}"
                );
            }
        }
    }

    #[test]
    fn a_request_for_tls_is_told_from_a_login() {
        let response = response(b"repl");
        let capabilities = response.capabilities | capabilities::SSL;
        let response = HandshakeResponse {
            capabilities,
            ..response
        };
        let request = HandshakeRequest::decode(&response.encode_tls_request());
        assert_eq!(request, Ok(HandshakeRequest::Tls { capabilities }));
        let login = HandshakeRequest::decode(&response.encode().unwrap());
        assert!(matches!(login, Ok(HandshakeRequest::Login { .. })));
        assert!(matches!(
            HandshakeRequest::decode(&[0; 40]),
            Err(Error::Invalid { .. })
        ));
    }
}
