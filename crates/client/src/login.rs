//! From an address to a session: greeting, TLS, authentication, compression.

use std::time::Duration;

use tokio::time::timeout;
use tributary_wire::auth::{Channel, Login, Step};
use tributary_wire::capabilities as cap;
use tributary_wire::handshake::{Greeting, HandshakeResponse};
use tributary_wire::status::{ERR, ErrPacket};

use crate::connection::Connection;
use crate::server::ServerInfo;
use crate::tls;
use crate::transport::{Socket, Transport};
use crate::{Address, ConnectOptions, Error, TlsMode};

/// `utf8mb4_general_ci`: known to every server we support. Whoever sends statements of another character set sets it.
const COLLATION: u8 = 45;

/// The largest payload we tell the server that we take. It does not split results by it.
const PACKET_BYTES_TOLD: u32 = 1 << 30;

/// What a server must be able to do.
const NEEDED: u64 = cap::PROTOCOL_41 | cap::SECURE_CONNECTION | cap::PLUGIN_AUTH;

/// What we use when the server has it. `FOUND_ROWS` is left out, so that UPDATE counts rows as the source did; so are
/// `SESSION_TRACK` and `MARIADB_CACHE_METADATA`, which change the layout of packets for nothing that we need.
const WANTED: u64 = NEEDED
    | cap::LONG_FLAG
    | cap::LOCAL_FILES
    | cap::TRANSACTIONS
    | cap::MULTI_STATEMENTS
    | cap::MULTI_RESULTS
    | cap::PS_MULTI_RESULTS
    | cap::CONNECT_ATTRS
    | cap::PLUGIN_AUTH_LENENC
    | cap::DEPRECATE_EOF
    | cap::MARIADB_STMT_BULK_OPERATIONS;

/// Connects and logs in.
pub(crate) async fn connect(options: &ConnectOptions) -> Result<(Connection, ServerInfo), Error> {
    match timeout(options.connect_timeout, connect_and_log_in(options)).await {
        Ok(connected) => connected,
        Err(_) => {
            let what = format!("connect and log in to {}", options.address).into();
            Err(Error::Timeout {
                what,
                after: options.connect_timeout,
            })
        }
    }
}

/// The whole login has one deadline, kept by [`connect`]; no single wait comes before it.
fn login_silence(options: &ConnectOptions) -> Duration {
    options.connect_timeout.saturating_mul(2)
}

async fn connect_and_log_in(options: &ConnectOptions) -> Result<(Connection, ServerInfo), Error> {
    let socket = Socket::connect(&options.address).await?;
    let mut connection = Connection::new(Transport::Plain(socket), options);
    connection.set_reply_timeout(login_silence(options));
    let greeting = read_greeting(&mut connection).await?;
    let capabilities = agree(&greeting, options)?;
    if options.tls.mode != TlsMode::Off {
        connection = start_tls(connection, capabilities, options).await?;
    }
    authenticate(&mut connection, &greeting, capabilities, options).await?;
    if capabilities & cap::COMPRESS != 0 {
        connection.start_compression();
    }
    connection.set_reply_timeout(options.reply_timeout);
    let server = ServerInfo::new(&greeting, capabilities, options.tls.mode != TlsMode::Off);
    tracing::debug!(address = %options.address, user = options.user, server = server.version_text, "logged in");
    Ok((connection, server))
}

async fn read_greeting(connection: &mut Connection) -> Result<Greeting, Error> {
    let what = "read the greeting";
    connection.ready(what).await?;
    let payload = connection.packets().payload();
    if payload.first() == Some(&ERR)
        && let ErrPacket::Error(error) = ErrPacket::decode(payload).map_err(Error::wire(what))?
    {
        return Err(Error::Server(error));
    }
    let greeting = Greeting::decode(payload).map_err(Error::wire(what))?;
    connection.packets().consume();
    Ok(greeting)
}

/// The capabilities both sides will use.
fn agree(greeting: &Greeting, options: &ConnectOptions) -> Result<u64, Error> {
    if greeting.capabilities & NEEDED != NEEDED {
        let detail = format!(
            "server {} is too old: it lacks capabilities {:#x} (4.1 protocol, nonce, plugins)",
            greeting.version_text,
            NEEDED & !greeting.capabilities
        );
        let source = tributary_wire::Error::Invalid {
            what: "greeting",
            detail: detail.into(),
        };
        return Err(Error::Protocol {
            what: "log in",
            source,
        });
    }
    let mut wanted = WANTED;
    if options.compress {
        wanted |= cap::COMPRESS;
    }
    if options.database.is_some() {
        wanted |= cap::CONNECT_WITH_DB;
    }
    if options.tls.mode != TlsMode::Off {
        wanted |= cap::SSL;
        if greeting.capabilities & cap::SSL == 0 {
            let detail =
                "the server does not offer it; give the server a certificate, or switch TLS off".to_owned();
            return Err(Error::Tls {
                address: options.address.to_string(),
                detail,
            });
        }
    }
    // Kept as the server has it: it says which of the two layouts the reserved bytes have.
    wanted |= cap::MYSQL;
    Ok(wanted & greeting.capabilities)
}

async fn start_tls(
    mut connection: Connection,
    capabilities: u64,
    options: &ConnectOptions,
) -> Result<Connection, Error> {
    let request = response(capabilities, options).encode_tls_request();
    connection.queue(connection.next_sequence(), [&request[..]]);
    connection.flush().await?;
    let sequence = connection.packets().sequence().wrapping_add(1);
    if connection.packets().buffered_bytes() > 0 {
        // Whoever can add bytes before the encryption starts must not have them taken for the server's.
        let detail = "the server sent bytes before the encryption started".to_owned();
        return Err(Error::Tls {
            address: options.address.to_string(),
            detail,
        });
    }
    let Transport::Plain(socket) = connection.into_transport() else {
        return Err(Error::Misuse("TLS was started twice"));
    };
    let stream = tls::start(socket, options).await?;
    let mut connection = Connection::new(Transport::Tls(Box::new(stream)), options);
    connection.set_reply_timeout(login_silence(options));
    connection.packets().set_sequence(sequence);
    Ok(connection)
}

async fn authenticate(
    connection: &mut Connection,
    greeting: &Greeting,
    capabilities: u64,
    options: &ConnectOptions,
) -> Result<(), Error> {
    let failed = |source| Error::Auth {
        address: options.address.to_string(),
        user: options.user.clone(),
        source,
    };
    let is_private = options.tls.mode != TlsMode::Off || matches!(options.address, Address::Unix(_));
    let channel = if is_private {
        Channel::Private
    } else {
        Channel::Open
    };
    let mut login = Login::new(&greeting.auth_plugin, &greeting.nonce, channel);
    let password = options.password.expose();
    let auth_response = login.first_response(password).map_err(failed)?;
    let process = std::process::id().to_string();
    let attributes: [(&[u8], &[u8]); 3] = [
        (b"_client_name", b"tributary"),
        (b"_client_version", env!("CARGO_PKG_VERSION").as_bytes()),
        (b"_pid", process.as_bytes()),
    ];
    let response = HandshakeResponse {
        auth_response: &auth_response,
        auth_plugin: login.plugin().name(),
        attributes: &attributes,
        ..response(capabilities, options)
    };
    connection
        .send_secret(&response.encode().map_err(failed)?)
        .await?;
    loop {
        let what = "log in";
        connection.ready(what).await?;
        let step = login
            .receive(connection.packets().payload(), password)
            .map_err(failed)?;
        connection.packets().consume();
        match step {
            Step::Send(payload) => connection.send_secret(&payload).await?,
            Step::Read => {}
            Step::Done(_) => return Ok(()),
            Step::Refused(error) => return Err(Error::Server(error)),
        }
    }
}

/// The handshake response without authentication.
fn response(capabilities: u64, options: &ConnectOptions) -> HandshakeResponse<'_> {
    HandshakeResponse {
        capabilities,
        packet_bytes_max: PACKET_BYTES_TOLD,
        collation: COLLATION,
        user: options.user.as_bytes(),
        auth_response: &[],
        database: options.database.as_deref().unwrap_or_default().as_bytes(),
        auth_plugin: &[],
        attributes: &[],
    }
}
