//! How to log in on a server: address, account, password, TLS. The same for the target and for sources.

use std::path::PathBuf;

use tributary_client::{Address, ConnectOptions, Secret, TlsMode, TlsOptions};

use super::World;
use super::effective::Origin;
use super::keys::{self, Key};
use super::problem::Problem;
use super::reader::Reader;

/// The keys of one side.
pub(crate) struct LoginKeys {
    pub(crate) host: &'static Key,
    pub(crate) port: &'static Key,
    pub(crate) socket: &'static Key,
    pub(crate) user: &'static Key,
    pub(crate) password_file: &'static Key,
    pub(crate) password_env: &'static Key,
    pub(crate) ssl_mode: &'static Key,
    pub(crate) ssl_ca: &'static Key,
    pub(crate) ssl_cert: &'static Key,
    pub(crate) ssl_key: &'static Key,
}

/// Reads a login; `None` when something is wrong or missing. `native_mode` is what `master_ssl` says.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    world: &mut dyn World,
    keys: &LoginKeys,
    native_mode: Option<TlsMode>,
) -> Option<ConnectOptions> {
    let address = read_address(reader, keys);
    let user = reader.text(keys.user);
    if user.is_none() && reader.line(keys.user).is_none() {
        reader.missing(&[keys.user], "the account to log in with");
    }
    let password = read_password(reader, world, keys);
    let is_local = address.as_ref().is_none_or(Address::is_local);
    let tls = read_tls(reader, keys, native_mode, is_local);
    let mut login = ConnectOptions::new(address?, user?, password?);
    login.tls = tls?;
    Some(login)
}

fn read_address(reader: &mut Reader<'_>, keys: &LoginKeys) -> Option<Address> {
    let are_missing = reader.line(keys.host).is_none() && reader.line(keys.socket).is_none();
    if are_missing {
        reader.missing(&[keys.host, keys.socket], "the server's address");
        return None;
    }
    if reader.either(keys.host, keys.socket)?.name == keys.socket.name {
        return Some(Address::Unix(reader.path(keys.socket)?));
    }
    let host = reader.text(keys.host);
    let port = reader.number_as(keys.port);
    Some(Address::Tcp {
        host: host?,
        port: port?,
    })
}

/// Reads the password: from a file, from the environment, or empty when neither is named.
fn read_password(reader: &mut Reader<'_>, world: &mut dyn World, keys: &LoginKeys) -> Option<Secret> {
    let is_named = reader.line(keys.password_file).is_some() || reader.line(keys.password_env).is_some();
    if !is_named {
        return Some(Secret::new(Vec::new()));
    }
    let key = reader.either(keys.password_file, keys.password_env)?;
    let text = reader.text(key)?;
    let password = if key.name == keys.password_file.name {
        world.read_password(&PathBuf::from(&text))
    } else {
        let missing = || format!("the environment has no variable {text}; export it before the start");
        world.variable(&text).map(Secret::new).ok_or_else(missing)
    };
    match (password, reader.line(key)) {
        (Ok(password), _) => Some(password),
        (Err(why), Some(line)) => {
            reader
                .problems
                .push(Problem::at(&line.place, format!("{}: {why}", line.shown)));
            None
        }
        (Err(_), None) => None,
    }
}

fn read_tls(
    reader: &mut Reader<'_>,
    keys: &LoginKeys,
    native_mode: Option<TlsMode>,
    is_local: bool,
) -> Option<TlsOptions> {
    let ca_file = reader.path(keys.ssl_ca);
    let cert_file = reader.path(keys.ssl_cert);
    let key_file = reader.path(keys.ssl_key);
    let mode = match (reader.line(keys.ssl_mode), native_mode) {
        (Some(_), _) => reader.value(keys.ssl_mode, parse_mode)?,
        (None, Some(mode)) => mode,
        (None, None) if !is_local => TlsMode::VerifyIdentity,
        (None, None) if ca_file.is_some() => TlsMode::VerifyCa,
        (None, None) if cert_file.is_some() => TlsMode::Required,
        (None, None) => TlsMode::Off,
    };
    if reader.line(keys.ssl_mode).is_none() {
        reader.record(
            keys.ssl_mode,
            mode_name(&mode),
            Origin::Derived("the address and the other TLS keys"),
        );
    }
    let verifies = matches!(mode, TlsMode::VerifyCa | TlsMode::VerifyIdentity);
    if verifies && ca_file.is_none() {
        let name = mode_name(&mode);
        let why = if reader.line(keys.ssl_mode).is_none() && native_mode.is_none() {
            let key = reader.full_name(keys.ssl_mode);
            format!(
                "the server is on another machine, so its certificate is checked against this one (to do without, set {key} to off or \
                 required)"
            )
        } else {
            format!("mode {name} checks the server's certificate against it")
        };
        reader.missing(&[keys.ssl_ca], &why);
        return None;
    }
    if cert_file.is_some() != key_file.is_some() {
        let why = "a client certificate and its key go together";
        reader.missing(
            &[if cert_file.is_some() {
                keys.ssl_key
            } else {
                keys.ssl_cert
            }],
            why,
        );
        return None;
    }
    Some(TlsOptions {
        mode,
        ca_file,
        cert_file,
        key_file,
    })
}

/// What `master_ssl` and `master_ssl_verify_server_cert` ask for; `None` when neither stands in the files.
pub(crate) fn native_mode(reader: &mut Reader<'_>) -> Option<TlsMode> {
    let is_asked =
        reader.line(keys::MASTER_SSL).is_some() || reader.line(keys::MASTER_SSL_VERIFY_SERVER_CERT).is_some();
    if !is_asked {
        return None;
    }
    let verifies = reader.switch(keys::MASTER_SSL_VERIFY_SERVER_CERT);
    let is_on = reader.switch(keys::MASTER_SSL);
    Some(match (is_on, verifies) {
        (false, _) => TlsMode::Off,
        (true, true) => TlsMode::VerifyIdentity,
        (true, false) if reader.line(keys::MASTER_SSL_CA).is_some() => TlsMode::VerifyCa,
        (true, false) => TlsMode::Required,
    })
}

fn parse_mode(text: &str) -> Option<TlsMode> {
    Some(match text.to_ascii_lowercase().replace('-', "_").as_str() {
        "off" => TlsMode::Off,
        "required" => TlsMode::Required,
        "verify_ca" => TlsMode::VerifyCa,
        "verify_identity" => TlsMode::VerifyIdentity,
        _ => return None,
    })
}

fn mode_name(mode: &TlsMode) -> &'static str {
    match mode {
        TlsMode::Off => "off",
        TlsMode::Required => "required",
        TlsMode::VerifyCa => "verify_ca",
        TlsMode::VerifyIdentity => "verify_identity",
    }
}
