//! How to reach a server, and the limits of a connection to it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::Secret;

/// Where a server listens. Written `host:port`, or as the path of a unix socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP port.
    Tcp {
        /// Host name or IP address, without brackets.
        host: String,
        /// Port, 3306 by convention.
        port: u16,
    },
    /// A unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Whether what is sent there stays on this machine: a unix socket, `localhost` or a loopback address.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Address::Tcp { host, .. } => {
                let address = host.parse::<IpAddr>();
                host.eq_ignore_ascii_case("localhost")
                    || address.is_ok_and(|address| address.to_canonical().is_loopback())
            }
            Address::Unix(_) => true,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// How much a connection is protected. There is no "if possible": whoever stands in the middle could say it is not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// No encryption.
    #[default]
    Off,
    /// Encrypt, and believe any certificate: protects from listeners, not from someone in the middle.
    Required,
    /// Encrypt, and check that the certificate comes from the authority in `ca_file`.
    VerifyCa,
    /// As `VerifyCa`, and check that the certificate is for this host: a subject alternative name, not the common name.
    VerifyIdentity,
}

/// TLS of a connection. TLS 1.2 and 1.3; the system's certificate authorities are not used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// How much to protect.
    pub mode: TlsMode,
    /// PEM file with the certificates of the authorities to trust; needed for `VerifyCa` and `VerifyIdentity`.
    pub ca_file: Option<PathBuf>,
    /// PEM file with the certificate to show to the server, and what links it to its authority. Goes with `key_file`.
    pub cert_file: Option<PathBuf>,
    /// PEM file with the key of that certificate, not encrypted.
    pub key_file: Option<PathBuf>,
}

/// How to connect, and the limits of the connection.
///
/// Memory of one connection, at worst: `packet_bytes_max` for a packet being read, `reply_bytes_max` for the reply being
/// read, the same again for replies that arrive while [`flush`](crate::Client::flush) writes, 16 MiB for a compressed frame,
/// and what was queued.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Where the server listens.
    pub address: Address,
    /// Account name.
    pub user: String,
    /// Its password; empty for none.
    pub password: Secret,
    /// TLS; off by default.
    pub tls: TlsOptions,
    /// Whether to ask for zlib compression; a server without it is used without. Off by default: it costs processor time on
    /// both sides and pays on slow networks.
    pub compress: bool,
    /// Default database; none by default.
    pub database: Option<String>,
    /// Longest time from the first packet to the end of the login. Default 10 s.
    pub connect_timeout: Duration,
    /// Longest silence while a command's answer, or room for sending a command, is waited for. It must be longer than the
    /// slowest statement runs. Default 60 s.
    pub reply_timeout: Duration,
    /// Largest payload accepted, in bytes. Default 1 GiB, which is the servers' own limit and more than an event can have.
    pub packet_bytes_max: usize,
    /// Most memory for one reply with buffered rows, in bytes. Default 1 GiB.
    pub reply_bytes_max: usize,
}

impl ConnectOptions {
    /// The default `connect_timeout`.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
    /// The default `reply_timeout`.
    pub const REPLY_TIMEOUT: Duration = Duration::from_secs(60);
    /// The default `packet_bytes_max` and `reply_bytes_max`. A little above 1 GiB, since a packet of the dump stream has an
    /// event of up to 1 GiB and a few bytes before it.
    pub const PACKET_BYTES_MAX: usize = (1 << 30) + 1024;

    /// Options with defaults for everything but the account.
    pub fn new(address: Address, user: impl Into<String>, password: Secret) -> ConnectOptions {
        ConnectOptions {
            address,
            user: user.into(),
            password,
            tls: TlsOptions::default(),
            compress: false,
            database: None,
            connect_timeout: Self::CONNECT_TIMEOUT,
            reply_timeout: Self::REPLY_TIMEOUT,
            packet_bytes_max: Self::PACKET_BYTES_MAX,
            reply_bytes_max: Self::PACKET_BYTES_MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_people_write_them() {
        let tcp = |host: &str| Address::Tcp {
            host: host.to_owned(),
            port: 3306,
        };
        assert_eq!(tcp("db1").to_string(), "db1:3306");
        assert_eq!(tcp("::1").to_string(), "[::1]:3306");
        assert_eq!(Address::Unix("/run/db.sock".into()).to_string(), "/run/db.sock");
    }

    #[test]
    fn options_do_not_print_the_password() {
        let options = ConnectOptions::new(Address::Unix("/s".into()), "repl", Secret::new("hunter2"));
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
