//! The control port.

use std::path::PathBuf;

use super::keys;
use super::reader::Reader;

/// Where clients find the control port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ControlOptions {
    /// Address and port.
    pub(crate) tcp: Option<(String, u16)>,
    pub(crate) socket: Option<PathBuf>,
    pub(crate) connections_max: usize,
    pub(crate) tls: Option<ControlTls>,
}

/// What the port shows to clients that ask for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ControlTls {
    pub(crate) cert_file: PathBuf,
    pub(crate) key_file: PathBuf,
    pub(crate) is_required: bool,
}

/// Reads where the control port is; `None` if there is none.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<ControlOptions> {
    let has = |key| reader.line(key).is_some();
    let (has_port, has_socket) = (has(keys::CONTROL_PORT), has(keys::CONTROL_SOCKET));
    let address = reader.text(keys::CONTROL_BIND_ADDRESS);
    let connections_max = reader.number_as(keys::CONTROL_MAX_CONNECTIONS);
    let tcp = match has_port {
        true => Some((address?, reader.number_as(keys::CONTROL_PORT)?)),
        false => None,
    };
    let socket = match has_socket {
        true => Some(reader.path(keys::CONTROL_SOCKET)?),
        false => None,
    };
    let tls = read_tls(reader)?;
    (has_port || has_socket).then_some(ControlOptions {
        tls,
        tcp,
        socket,
        connections_max: connections_max?,
    })
}

/// Reads what there is of TLS; the outer `None` when that is wrong.
fn read_tls(reader: &mut Reader<'_>) -> Option<Option<ControlTls>> {
    let is_required = reader.switch(keys::CONTROL_SSL_REQUIRE);
    let cert_file = reader.path(keys::CONTROL_SSL_CERT);
    let key_file = reader.path(keys::CONTROL_SSL_KEY);
    match (cert_file, key_file) {
        (Some(cert_file), Some(key_file)) => Some(Some(ControlTls {
            cert_file,
            key_file,
            is_required,
        })),
        (None, None) if !is_required => Some(None),
        (None, None) => {
            reader.missing(
                &[keys::CONTROL_SSL_CERT],
                "control_ssl_require=ON needs it, and control_ssl_key",
            );
            None
        }
        (cert_file, _) => {
            let missing = match cert_file {
                Some(_) => keys::CONTROL_SSL_KEY,
                None => keys::CONTROL_SSL_CERT,
            };
            reader.missing(&[missing], "control_ssl_cert and control_ssl_key go together");
            None
        }
    }
}
