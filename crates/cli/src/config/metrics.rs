//! The HTTP port for metrics and health.

use super::keys;
use super::reader::Reader;

/// Where monitoring finds the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetricsOptions {
    pub(crate) address: String,
    pub(crate) port: u16,
}

/// Reads where the port is; `None` if there is none.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<MetricsOptions> {
    let has_port = reader.line(keys::METRICS_PORT).is_some();
    let address = reader.text(keys::METRICS_BIND_ADDRESS);
    if !has_port {
        return None;
    }
    Some(MetricsOptions {
        port: reader.number_as(keys::METRICS_PORT)?,
        address: address?,
    })
}
