//! XA transactions: under which id a source's transaction is prepared on the target.
//!
//! Several sources share one target, and two of them may use one id for different transactions. The first part of the id, the
//! global transaction id, therefore names the connection on the target; branch qualifier and format id stay as they are.

use std::io::Write as _;

use sha2::{Digest as _, Sha256};
use tributary_binlog::XaId;

/// Longest global transaction id, in bytes: the XA standard, and the server's `MAXGTRIDSIZE`.
const GTRID_BYTES_MAX: usize = 64;

/// What a group does to an XA transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum XaStep {
    /// The group's changes are prepared, not committed.
    Prepare,
    /// What an earlier group has prepared is committed.
    Commit,
    /// What an earlier group has prepared is rolled back.
    Rollback,
}

/// The XA transaction a group is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct XaChange {
    pub(crate) step: XaStep,
    /// Its id on the source.
    pub(crate) source: XaId,
    /// Its id on the target.
    pub(crate) target: XaId,
}

impl XaChange {
    /// `schema` is the engine's database on the target, of letters, digits and `_`.
    pub(crate) fn new(step: XaStep, source: XaId, schema: &[u8], connection: &str) -> Self {
        let target = XaId {
            gtrid: target_gtrid(schema, connection, &source.gtrid).into(),
            ..source.clone()
        };
        Self { step, source, target }
    }
}

/// `SCHEMA/CONNECTION/GTRID`. When that is too long, or the connection's name has a `/`, the 64 hexadecimal digits of the SHA-256
/// of the three, joined by a zero byte: `SHA2(CONCAT(schema, CHAR(0), connection, CHAR(0), gtrid), 256)`.
fn target_gtrid(schema: &[u8], connection: &str, gtrid: &[u8]) -> Vec<u8> {
    let plain = [schema, b"/", connection.as_bytes(), b"/", gtrid].concat();
    if plain.len() <= GTRID_BYTES_MAX && !connection.contains('/') {
        return plain;
    }
    let digest = Sha256::digest([schema, b"\0", connection.as_bytes(), b"\0", gtrid].concat());
    let mut text = Vec::with_capacity(GTRID_BYTES_MAX);
    for byte in digest {
        // Writing to a Vec cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn mapped(connection: &str, gtrid: &[u8]) -> String {
        let source = XaId {
            format_id: 7,
            gtrid: Bytes::copy_from_slice(gtrid),
            bqual: Bytes::from_static(b"b"),
        };
        let change = XaChange::new(XaStep::Prepare, source, b"tributary", connection);
        assert_eq!(
            (change.target.format_id, &change.target.bqual[..]),
            (7, &b"b"[..])
        );
        String::from_utf8_lossy(&change.target.gtrid).into_owned()
    }

    #[test]
    fn connections_never_share_an_id() {
        assert_eq!(mapped("m1", b"abc"), "tributary/m1/abc");
        assert_eq!(mapped("m1", &[b'x'; 51]).len(), 64);
        let long = mapped("m1", &[b'x'; 52]);
        assert_eq!(
            long, "d12a3b7d0a026ad7e2a235bc44116c6aa0b34f7c27f4c0a9d4842a29b772d097",
            "documented, so that SQL can find it"
        );
        assert_ne!(mapped("m2", &[b'x'; 52]), long);
        assert_ne!(mapped("a/b", b"c"), mapped("a", b"b/c"));
    }
}
