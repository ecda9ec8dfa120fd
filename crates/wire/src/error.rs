//! What can be wrong with bytes from the other end, or with what we were asked to send.

use std::borrow::Cow;

/// Why bytes could not be decoded, or a request could not be encoded.
///
/// `what` names the structure ("OK packet", "greeting"), `field` the part of it; offsets count from the first byte of
/// the structure's payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field runs past the end of the payload.
    #[error("decode {what}: {field} at offset {offset} needs {needed} bytes, {left} left")]
    Truncated {
        /// The structure being decoded.
        what: &'static str,
        /// The field that runs past the end.
        field: &'static str,
        /// Where the field starts.
        offset: usize,
        /// How many bytes the field says it has; as sent, so it may be absurd.
        needed: u64,
        /// How many bytes there are.
        left: usize,
    },
    /// A field holds a value that the protocol does not allow here, or that we do not understand.
    #[error("decode {what}: {detail}")]
    Invalid {
        /// The structure being decoded.
        what: &'static str,
        /// What was found and what was expected.
        detail: Cow<'static, str>,
    },
    /// Something is larger than the limit we set.
    #[error("{what} has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size, as far as it is known.
        size: u64,
        /// The limit in force.
        limit: u64,
    },
    /// The server asks for an authentication method that we do not have, or not on this channel.
    #[error("the server wants the account to log in by {plugin:?}: {detail}")]
    UnsupportedAuth {
        /// The plugin's name, as the server sent it.
        plugin: String,
        /// Why we cannot, and what to do about it.
        detail: &'static str,
    },
    /// We were asked to encode something that has no form on the wire.
    #[error("encode {what}: {detail}")]
    Unencodable {
        /// The structure being encoded.
        what: &'static str,
        /// Why it cannot be written.
        detail: Cow<'static, str>,
    },
}

impl Error {
    /// A value that the protocol does not allow.
    pub(crate) fn invalid(what: &'static str, detail: impl Into<Cow<'static, str>>) -> Error {
        Error::Invalid {
            what,
            detail: detail.into(),
        }
    }

    /// A request that has no form on the wire.
    pub(crate) fn unencodable(what: &'static str, detail: impl Into<Cow<'static, str>>) -> Error {
        Error::Unencodable {
            what,
            detail: detail.into(),
        }
    }
}
