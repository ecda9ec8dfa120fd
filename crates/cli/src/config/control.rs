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
    (has_port || has_socket).then_some(ControlOptions {
        tcp,
        socket,
        connections_max: connections_max?,
    })
}
