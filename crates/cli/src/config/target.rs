//! The target server.

use tributary::TargetOptions;

use super::World;
use super::keys;
use super::login::{self, LoginKeys};
use super::reader::Reader;

/// Longest name of a database on the server.
const NAME_BYTES_MAX: usize = 64;

const LOGIN: LoginKeys = LoginKeys {
    host: keys::TARGET_HOST,
    port: keys::TARGET_PORT,
    socket: keys::TARGET_SOCKET,
    user: keys::TARGET_USER,
    password_file: keys::TARGET_PASSWORD_FILE,
    password_env: keys::TARGET_PASSWORD_ENV,
    ssl_mode: keys::TARGET_SSL_MODE,
    ssl_ca: keys::TARGET_SSL_CA,
    ssl_cert: keys::TARGET_SSL_CERT,
    ssl_key: keys::TARGET_SSL_KEY,
};

/// Reads the options; `None` when one is wrong or missing.
pub(crate) fn read(reader: &mut Reader<'_>, world: &mut dyn World) -> Option<TargetOptions> {
    let login = login::read(reader, world, &LOGIN, None);
    let compress = reader.switch(keys::TARGET_COMPRESS);
    let schema = reader.value(keys::SCHEMA, |text| is_plain_name(text).then(|| text.to_owned()));
    let status_interval = reader.seconds(keys::TRIBUTARY_STATUS_INTERVAL);
    let mut login = login?;
    login.compress = compress;
    Some(TargetOptions {
        login,
        schema: schema?,
        status_interval: status_interval?,
    })
}

/// The engine writes this name into statements of its own; a plain name needs no quoting there or in messages.
fn is_plain_name(text: &str) -> bool {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_plain && (1..=NAME_BYTES_MAX).contains(&text.len())
}
