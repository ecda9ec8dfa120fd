//! What can go wrong on a connection.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use crate::ServerError;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server answered with an error. Unless it came during the login, the connection can be used on.
    #[error("{0}")]
    Server(#[from] ServerError),
    /// The server could not be reached.
    #[error(
        "connect to {address}: {source}; is the server running there, and is the port open for this host?"
    )]
    Connect {
        /// Where we tried to connect to.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The socket failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The peer was silent for too long.
    #[error("{what}: no answer for {after:?}")]
    Timeout {
        /// What was waited for.
        what: Cow<'static, str>,
        /// How long.
        after: Duration,
    },
    /// The peer closed the connection.
    #[error("{what}: the server closed the connection")]
    Closed {
        /// What was being done.
        what: &'static str,
    },
    /// The peer sent what the protocol does not allow, or we were asked to send what it cannot carry.
    #[error("{what}: {source}")]
    Protocol {
        /// What was being done.
        what: &'static str,
        /// What is wrong with it.
        source: tributary_wire::Error,
    },
    /// TLS could not be set up.
    #[error("TLS with {address}: {detail}")]
    Tls {
        /// The server.
        address: String,
        /// What is wrong, and what to do about it.
        detail: String,
    },
    /// The login cannot be done the way the server wants it.
    #[error("log in to {address} as {user:?}: {source}")]
    Auth {
        /// The server.
        address: String,
        /// The account.
        user: String,
        /// What the server wants.
        source: tributary_wire::Error,
    },
    /// Something is larger than a limit of the connection.
    #[error("{what} has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size, as far as it is known.
        size: u64,
        /// The limit, a field of [`ConnectOptions`](crate::ConnectOptions).
        limit: u64,
    },
    /// A statement asked for a file of the client. It got an empty one.
    #[error("the server asked for the local file {file:?}; files are only given out by load_local")]
    LocalInfileRefused {
        /// The name the server asked for.
        file: String,
    },
    /// The call does not fit what was called before. The connection is as it was.
    #[error("{0}")]
    Misuse(&'static str),
    /// An earlier call failed or was abandoned half way; the connection cannot be used any more.
    #[error("the connection is broken by an earlier failure; connect again")]
    Broken,
}

impl Error {
    /// The server's error number, if the server answered.
    pub fn server_code(&self) -> Option<u16> {
        match self {
            Error::Server(error) => Some(error.code),
            _ => None,
        }
    }

    /// Whether the network, or the server's end of it, is to blame: connecting again may help.
    pub fn is_network(&self) -> bool {
        match self {
            Error::Connect { .. }
            | Error::Io { .. }
            | Error::Timeout { .. }
            | Error::Closed { .. }
            | Error::Broken => true,
            // The native replica reconnects on these; sql/slave.cc, is_network_error.
            Error::Server(error) => matches!(
                error.code,
                1040 | 1053 | 1159 | 1184 | 1927 | 2002 | 2003 | 2006 | 2013
            ),
            _ => false,
        }
    }

    /// A decoding error that came up while doing `what`.
    pub(crate) fn wire(what: &'static str) -> impl Fn(tributary_wire::Error) -> Error {
        move |source| match source {
            tributary_wire::Error::TooLarge { what, size, limit } => Error::TooLarge { what, size, limit },
            source => Error::Protocol { what, source },
        }
    }
}
