//! Authentication: from the greeting's nonce to the server's OK.
//!
//! [`Login`] is fed the server's packets and says what to send. It knows `mysql_native_password`, `client_ed25519` and
//! `caching_sha2_password`. It never sends a password in clear, except for the full authentication of
//! `caching_sha2_password` on a private channel (TLS or a unix socket); plugins that ask for it (`mysql_clear_password`,
//! `dialog`) are refused, since a server in the middle could ask for them too.
//!
//! MariaDB protocol documentation, "Authentication plugins"; for `caching_sha2_password`: MySQL internals, "Caching SHA-2".

mod caching_sha2;
mod rsa;

use std::fmt;

use mysql_common::scramble::{create_response_for_ed25519, scramble_native, scramble_sha256};
use zeroize::Zeroizing;

pub use rsa::PublicKey;

use crate::Error;
use crate::reader::Reader;
use crate::status::{EOF, ERR, ErrPacket, OK, OkInfo, ServerError};

/// The most packets we take from a server before it must have decided. The longest honest exchange has a switch, the request
/// for the full authentication, a public key and the decision.
const PACKETS_MAX: u8 = 16;

/// The most times a server may switch to another plugin. A MariaDB account may list several plugins, tried in turn.
const SWITCHES_MAX: u8 = 6;

/// Nonce bytes that `mysql_native_password` and `caching_sha2_password` use.
const SHORT_NONCE_BYTES: usize = 20;

/// Nonce bytes that `client_ed25519` signs.
const ED25519_NONCE_BYTES: usize = 32;

/// First byte of a packet with more data for the plugin.
const MORE_DATA: u8 = 0x01;

/// Whether others can read what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// TLS or a unix socket: a password may be sent in clear where the plugin wants it.
    Private,
    /// Plain TCP.
    Open,
}

/// An authentication method that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plugin {
    /// `mysql_native_password`: SHA-1 of password and nonce.
    Native,
    /// `client_ed25519`, MariaDB's `ed25519`: the nonce is signed with a key made of the password.
    Ed25519,
    /// `caching_sha2_password`: SHA-256 of password and nonce; the password itself when the server has no cached hash.
    CachingSha2,
}

impl Plugin {
    /// The plugin with this name on the wire.
    pub fn from_name(name: &[u8]) -> Option<Plugin> {
        [Plugin::Native, Plugin::Ed25519, Plugin::CachingSha2]
            .into_iter()
            .find(|plugin| plugin.name() == name)
    }

    /// The name on the wire.
    pub fn name(self) -> &'static [u8] {
        match self {
            Plugin::Native => b"mysql_native_password",
            Plugin::Ed25519 => b"client_ed25519",
            Plugin::CachingSha2 => b"caching_sha2_password",
        }
    }

    /// The first answer to a nonce.
    fn respond(self, nonce: &[u8], password: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let answer = match self {
            Plugin::Native => scramble_native(nonce_of(nonce, SHORT_NONCE_BYTES)?, password)
                .map(Vec::from)
                .unwrap_or_default(),
            Plugin::CachingSha2 => scramble_sha256(nonce_of(nonce, SHORT_NONCE_BYTES)?, password)
                .map(Vec::from)
                .unwrap_or_default(),
            Plugin::Ed25519 => {
                create_response_for_ed25519(password, nonce_of(nonce, ED25519_NONCE_BYTES)?).to_vec()
            }
        };
        Ok(Zeroizing::new(answer))
    }
}

/// The first bytes of a nonce; some servers close it with a zero byte, some do not.
fn nonce_of(nonce: &[u8], count: usize) -> Result<&[u8], Error> {
    nonce.get(..count).ok_or(Error::Truncated {
        what: "authentication data",
        field: "nonce",
        offset: 0,
        needed: count as u64,
        left: nonce.len(),
    })
}

/// What to do after a packet of the server.
pub enum Step {
    /// Send this payload, then read the next packet.
    Send(Zeroizing<Vec<u8>>),
    /// Read the next packet.
    Read,
    /// The login is done.
    Done(OkInfo),
    /// The server refused.
    Refused(ServerError),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // It may be the password.
            Step::Send(_) => f.write_str("Send(..)"),
            Step::Read => f.write_str("Read"),
            Step::Done(ok) => f.debug_tuple("Done").field(ok).finish(),
            Step::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
        }
    }
}

/// One login, as far as it is.
#[derive(Debug)]
pub struct Login {
    plugin: Plugin,
    nonce: Vec<u8>,
    channel: Channel,
    packets: u8,
    switches: u8,
    asked_for_key: bool,
}

impl Login {
    /// Starts with what the greeting says. An unknown plugin is no error yet: accounts have their own, and the server
    /// switches to it.
    pub fn new(greeting_plugin: &[u8], nonce: &[u8], channel: Channel) -> Login {
        let plugin = match Plugin::from_name(greeting_plugin) {
            // The greeting's nonce has 20 bytes, too few to sign: let the server switch.
            None | Some(Plugin::Ed25519) => Plugin::Native,
            Some(plugin) => plugin,
        };
        Login {
            plugin,
            nonce: nonce.to_vec(),
            channel,
            packets: 0,
            switches: 0,
            asked_for_key: false,
        }
    }

    /// The plugin in use, for the handshake response.
    pub fn plugin(&self) -> Plugin {
        self.plugin
    }

    /// The authentication data of the handshake response.
    ///
    /// # Errors
    /// [`Error::Truncated`] when the greeting's nonce is too short.
    pub fn first_response(&self, password: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.plugin.respond(&self.nonce, password)
    }

    /// Takes the server's next packet.
    ///
    /// # Errors
    /// [`Error::UnsupportedAuth`] when the server asks for a plugin that we do not have, [`Error::Invalid`] and
    /// [`Error::Truncated`] when it does not keep to the protocol, [`Error::TooLarge`] when it goes on for too long.
    pub fn receive(&mut self, payload: &[u8], password: &[u8]) -> Result<Step, Error> {
        self.packets += 1;
        if self.packets > PACKETS_MAX {
            let (size, limit) = (self.packets.into(), PACKETS_MAX.into());
            return Err(Error::TooLarge {
                what: "authentication exchange (packets)",
                size,
                limit,
            });
        }
        match payload.first() {
            Some(&OK) => Ok(Step::Done(OkInfo::decode(payload)?)),
            Some(&ERR) => match ErrPacket::decode(payload)? {
                ErrPacket::Error(error) => Ok(Step::Refused(error)),
                ErrPacket::Progress => Ok(Step::Read),
            },
            Some(&EOF) => self.switch(payload, password),
            Some(&MORE_DATA) if self.plugin == Plugin::CachingSha2 => {
                self.caching_sha2_data(payload.get(1..).unwrap_or_default(), password)
            }
            first => {
                let first = first.map_or("nothing".to_owned(), |byte| format!("{byte:#04x}"));
                Err(Error::invalid(
                    "authentication answer",
                    format!("it starts with {first}"),
                ))
            }
        }
    }

    fn switch(&mut self, payload: &[u8], password: &[u8]) -> Result<Step, Error> {
        self.switches += 1;
        if self.switches > SWITCHES_MAX {
            let (size, limit) = (self.switches.into(), SWITCHES_MAX.into());
            return Err(Error::TooLarge {
                what: "authentication exchange (plugin switches)",
                size,
                limit,
            });
        }
        let mut reader = Reader::new("authentication switch", payload);
        reader.u8("first byte")?;
        if reader.left() == 0 {
            return Err(unsupported(b"mysql_old_password"));
        }
        let name = reader.null_terminated("plugin name")?;
        self.plugin = Plugin::from_name(name).ok_or_else(|| unsupported(name))?;
        self.nonce = reader.rest().to_vec();
        Ok(Step::Send(self.plugin.respond(&self.nonce, password)?))
    }
}

/// Says why a plugin is not supported, with what the operator can do.
fn unsupported(plugin: &[u8]) -> Error {
    let detail = match plugin {
        b"mysql_old_password" => "passwords of before 4.1 are not safe; set the account's password again",
        b"mysql_clear_password" | b"dialog" => {
            "passwords are not sent to whoever asks for them; use an account with mysql_native_password or ed25519"
        }
        b"auth_gssapi_client" | b"parsec" => {
            "not supported; use an account with mysql_native_password or ed25519"
        }
        _ => "this plugin is not known; use an account with mysql_native_password or ed25519",
    };
    Error::UnsupportedAuth {
        plugin: String::from_utf8_lossy(plugin).into_owned(),
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &[u8] = b"abcdefghijklmnopqrst";

    fn login() -> Login {
        Login::new(b"mysql_native_password", NONCE, Channel::Open)
    }

    fn switch_to(plugin: &[u8], nonce: &[u8]) -> Vec<u8> {
        [b"\xfe", plugin, b"\0", nonce, b"\0"].concat()
    }

    #[test]
    fn an_empty_password_answers_with_nothing() {
        assert!(login().first_response(b"").unwrap().is_empty());
        assert_eq!(login().first_response(b"secret").unwrap().len(), 20);
    }

    #[test]
    fn a_server_may_switch_several_times_but_not_for_ever() {
        let mut login = login();
        for _ in 0..SWITCHES_MAX / 2 {
            let step = login
                .receive(&switch_to(b"client_ed25519", &[7; 32]), b"secret")
                .unwrap();
            assert!(matches!(step, Step::Send(signature) if signature.len() == 64));
            let step = login
                .receive(&switch_to(b"mysql_native_password", NONCE), b"secret")
                .unwrap();
            assert!(matches!(step, Step::Send(scramble) if scramble.len() == 20));
        }
        let error = login
            .receive(&switch_to(b"client_ed25519", &[7; 32]), b"secret")
            .unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }

    #[test]
    fn plugins_that_ask_for_the_password_in_clear_are_refused() {
        for plugin in [
            &b"mysql_clear_password"[..],
            b"dialog",
            b"mysql_old_password",
            b"nonsense",
        ] {
            let error = login().receive(&switch_to(plugin, b""), b"secret").unwrap_err();
            assert!(matches!(error, Error::UnsupportedAuth { .. }), "{error}");
            assert!(!error.to_string().contains("secret"));
        }
        assert!(matches!(
            login().receive(&[0xFE], b"secret"),
            Err(Error::UnsupportedAuth { .. })
        ));
    }

    #[test]
    fn a_switch_with_a_short_nonce_is_an_error() {
        for (plugin, length) in [
            (&b"client_ed25519"[..], 30),
            (b"mysql_native_password", 18),
            (b"caching_sha2_password", 18),
        ] {
            let error = login()
                .receive(&switch_to(plugin, &vec![1; length]), b"secret")
                .unwrap_err();
            assert!(matches!(error, Error::Truncated { .. }), "{error}");
        }
    }

    #[test]
    fn more_data_for_a_plugin_that_wants_none_is_an_error() {
        assert!(matches!(
            login().receive(&[1, 2, 3], b"secret"),
            Err(Error::Invalid { .. })
        ));
        assert!(matches!(
            login().receive(&[], b"secret"),
            Err(Error::Invalid { .. })
        ));
    }

    #[test]
    fn endless_packets_end() {
        let mut login = login();
        let progress = b"\xff\xff\xff";
        let ends =
            (0..=PACKETS_MAX).any(|_| matches!(login.receive(progress, b""), Err(Error::TooLarge { .. })));
        assert!(ends);
    }

    #[test]
    fn the_servers_decision_ends_the_login() {
        assert!(matches!(
            login().receive(b"\x00\x00\x00\x02\x00\x00\x00", b"x"),
            Ok(Step::Done(_))
        ));
        let refused = login().receive(b"\xff\x15\x04#28000Access denied", b"x").unwrap();
        assert!(matches!(refused, Step::Refused(error) if error.code == 1045));
    }
}
