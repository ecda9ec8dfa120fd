//! The connections: which there are, and the options of each.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tributary::{ConnectionOptions, TargetOptions};
use tributary_client::{Address, ConnectOptions, Secret};
use tributary_optfile::Place;

use super::World;
use super::effective::Origin;
use super::login::{self, LoginKeys};
use super::problem::Problem;
use super::reader::Reader;
use super::settings::{check_name, is_same_name};
use super::{keys, policies, relay_log, rules, start};

const LOGIN: LoginKeys = LoginKeys {
    host: keys::MASTER_HOST,
    port: keys::MASTER_PORT,
    socket: keys::MASTER_SOCKET,
    user: keys::MASTER_USER,
    password_file: keys::MASTER_PASSWORD_FILE,
    password_env: keys::MASTER_PASSWORD_ENV,
    ssl_mode: keys::MASTER_SSL_MODE,
    ssl_ca: keys::MASTER_SSL_CA,
    ssl_cert: keys::MASTER_SSL_CERT,
    ssl_key: keys::MASTER_SSL_KEY,
};

/// The servers' own port.
const PORT: u16 = 3306;

/// One connection and the id it registers with.
#[derive(Debug)]
pub(crate) struct ReadConnection {
    pub(crate) options: ConnectionOptions,
    pub(crate) server_id: u32,
}

/// Reads every connection; those with a problem are left out, and the problem is in `reader`. With a control port, there need be none.
pub(crate) fn read_all(
    reader: &mut Reader<'_>,
    world: &mut dyn World,
    relay_dir: &Path,
    has_control: bool,
    warnings: &mut Vec<Problem>,
) -> Vec<ReadConnection> {
    let mut names = names(reader, has_control, warnings);
    // Those without a source are made by CHANGE MASTER.
    names.retain(|name| !has_control || has_source(reader, name));
    let mut connections = Vec::with_capacity(names.len());
    for name in names {
        reader.enter(&name);
        let problem_count = reader.problems.len();
        let own_mistake =
            format!("connection '{name}' cannot be read; this is a mistake in tributary, please report it");
        match read_one(reader, world, relay_dir, name, warnings) {
            Some(connection) => connections.push(connection),
            // A connection is never left out without a word.
            None if reader.problems.len() == problem_count => {
                reader.problems.push(Problem::missing(own_mistake))
            }
            None => {}
        }
    }
    connections
}

/// The names of the key `connections`, or else every name that is used as a prefix.
pub(super) fn names(reader: &mut Reader<'_>, has_control: bool, warnings: &mut Vec<Problem>) -> Vec<String> {
    let used = reader.settings().names();
    let Some(line) = reader.line(keys::CONNECTIONS) else {
        if used.is_empty() && !has_control {
            let text = "no connection is configured; add NAME.master_host, NAME.master_user and \
                NAME.replicate_rewrite_db to [tributary], one set for each source";
            reader.problems.push(Problem::missing(text));
        }
        return used.iter().map(|(name, _)| name.clone()).collect();
    };
    let Some(text) = reader.text(keys::CONNECTIONS) else {
        return Vec::new();
    };
    let mut names: Vec<String> = Vec::new();
    for name in text.split(',').map(str::trim) {
        let problem = match check_name(name) {
            Err(text) => Some(text),
            Ok(()) if names.iter().any(|other| is_same_name(other, name)) => {
                Some(format!("'{name}' is listed twice"))
            }
            Ok(()) => None,
        };
        match problem {
            Some(text) => reader
                .problems
                .push(Problem::at(&line.place, format!("{}: {text}", line.shown))),
            None => names.push(name.to_owned()),
        }
    }
    for (name, place) in used {
        if !names.iter().any(|listed| is_same_name(listed, name)) {
            let text = format!(
                "connection '{name}' is not listed in connections ({}) and passed over",
                line.place
            );
            warnings.push(Problem::at(place, text));
        }
    }
    names
}

fn read_one(
    reader: &mut Reader<'_>,
    world: &mut dyn World,
    relay_dir: &Path,
    name: String,
    warnings: &mut Vec<Problem>,
) -> Option<ReadConnection> {
    let server_id = reader.number_as(keys::SERVER_ID);
    if reader.line(keys::SERVER_ID).is_none() {
        let text = "server_id is not set: the id to register with, unique among all servers and replicas; \
            add it to [tributary]";
        let problem = Problem::missing(text);
        if !reader.problems.contains(&problem) {
            reader.problems.push(problem);
        }
    }
    let source = read_source(reader, world);
    let options = read_rest(reader, relay_dir, name, warnings);
    Some(ReadConnection {
        options: ConnectionOptions {
            source: source?,
            server_id,
            ..options?
        },
        server_id: server_id?,
    })
}

/// The options of a connection whose source is not in the files.
pub(crate) fn template(reader: &mut Reader<'_>, relay_dir: &Path, name: &str) -> Option<ConnectionOptions> {
    reader.enter(name);
    let server_id = reader.number_as(keys::SERVER_ID);
    let mut options = read_rest(reader, relay_dir, name.to_owned(), &mut Vec::new())?;
    options.server_id = server_id;
    options.source.compress = reader.switch(keys::SLAVE_COMPRESSED_PROTOCOL);
    options.source.packet_bytes_max = reader.number_as(keys::SLAVE_MAX_ALLOWED_PACKET)?;
    Some(options)
}

/// Whether the files name a source of the connection called `name`.
fn has_source(reader: &mut Reader<'_>, name: &str) -> bool {
    reader.enter(name);
    reader.line(keys::MASTER_HOST).is_some() || reader.line(keys::MASTER_SOCKET).is_some()
}

/// Everything but the login on the source.
fn read_rest(
    reader: &mut Reader<'_>,
    relay_dir: &Path,
    name: String,
    warnings: &mut Vec<Problem>,
) -> Option<ConnectionOptions> {
    let start = start::read(reader);
    let connect_retry = reader.seconds(keys::MASTER_CONNECT_RETRY);
    // More attempts than a life has seconds are no limit.
    let attempts = reader.number(keys::MASTER_RETRY_COUNT);
    let attempts_max = attempts
        .and_then(|attempts| u32::try_from(attempts).ok())
        .filter(|attempts| *attempts > 0);
    let net_timeout = reader.seconds(keys::SLAVE_NET_TIMEOUT);
    let heartbeat_period = read_heartbeat(reader, net_timeout, warnings);
    let purge_check = reader.seconds(keys::TRIBUTARY_PURGE_CHECK);
    let drop_missing_columns = reader.switch(keys::DROP_MISSING_COLUMNS);
    let skip_errors = reader.value(keys::SLAVE_SKIP_ERRORS, |text| text.parse().ok());
    let policies = policies::read(reader, &name);
    let relay_bytes_max = reader.number_as(keys::RELAY_BYTES_MAX);
    let relay_groups_max = reader.number_as(keys::RELAY_GROUPS_MAX);
    let group_bytes_max = reader.number_as(keys::GROUP_BYTES_MAX);
    let relay_log = relay_log::read(reader, relay_dir, &name);
    let rules = rules::read(reader, &name, warnings);
    let start = start?;
    let nowhere = Address::Tcp {
        host: String::new(),
        port: PORT,
    };
    Some(ConnectionOptions {
        start: start.position,
        use_gtid: start.use_gtid,
        connect_retry: connect_retry?,
        connect_attempts_max: attempts_max,
        heartbeat_period: heartbeat_period?,
        net_timeout: net_timeout?,
        purge_check: purge_check?,
        filter: rules.filter,
        rewrite: rules.rewrite,
        skip_errors: skip_errors?,
        drop_missing_columns,
        policies: policies?,
        relay_bytes_max: relay_bytes_max?,
        relay_groups_max: relay_groups_max?,
        group_bytes_max: group_bytes_max?,
        relay_log: relay_log?,
        ..ConnectionOptions::new(name, ConnectOptions::new(nowhere, "", Secret::new(Vec::new())))
    })
}

fn read_source(reader: &mut Reader<'_>, world: &mut dyn World) -> Option<ConnectOptions> {
    let is_native = reader.line(keys::MASTER_SSL).is_some();
    if is_native && reader.line(keys::MASTER_SSL_MODE).is_some() {
        reader.either(keys::MASTER_SSL, keys::MASTER_SSL_MODE)?;
    }
    let native_mode = login::native_mode(reader);
    let login = login::read(reader, world, &LOGIN, native_mode);
    let compress = reader.switch(keys::SLAVE_COMPRESSED_PROTOCOL);
    let packet_bytes_max = reader.number_as(keys::SLAVE_MAX_ALLOWED_PACKET);
    let mut login = login?;
    login.compress = compress;
    login.packet_bytes_max = packet_bytes_max?;
    Some(login)
}

/// Half of the timeout, as on the server, unless it is set.
fn read_heartbeat(
    reader: &mut Reader<'_>,
    net_timeout: Option<Duration>,
    warnings: &mut Vec<Problem>,
) -> Option<Duration> {
    let Some(line) = reader.line(keys::MASTER_HEARTBEAT_PERIOD) else {
        let period = net_timeout? / 2;
        let text = period.as_secs_f64().to_string();
        reader.record(
            keys::MASTER_HEARTBEAT_PERIOD,
            &text,
            Origin::Derived("slave_net_timeout"),
        );
        return Some(period);
    };
    let period = reader.value(keys::MASTER_HEARTBEAT_PERIOD, parse_heartbeat)?;
    if period >= net_timeout? {
        let text = format!(
            "{} is not shorter than slave_net_timeout: an idle source will be taken for dead and reconnected",
            line.shown
        );
        warnings.push(Problem::at(&line.place, text));
    }
    Some(period)
}

/// Longest heartbeat period the server takes, in milliseconds.
const HEARTBEAT_MS_MAX: u64 = 4_294_967_000;

fn parse_heartbeat(text: &str) -> Option<Duration> {
    let (seconds, decimals) = text.split_once('.').unwrap_or((text, ""));
    let are_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if seconds.is_empty() || !are_digits(seconds) || !are_digits(decimals) || decimals.len() > 3 {
        return None;
    }
    let thousandths: u64 = format!("{decimals:0<3}").parse().ok()?;
    let period_ms = seconds
        .parse::<u64>()
        .ok()?
        .checked_mul(1000)?
        .checked_add(thousandths)?;
    (period_ms <= HEARTBEAT_MS_MAX).then(|| Duration::from_millis(period_ms))
}

/// The id of the options as a whole: the one without prefix, or the first connection's.
pub(crate) fn common_server_id(reader: &mut Reader<'_>, connections: &[ReadConnection]) -> u32 {
    let common = reader
        .settings()
        .winner(keys::SERVER_ID, None)
        .and_then(|line| line.text.as_ref()?.parse().ok());
    common.unwrap_or_else(|| connections.first().map_or(0, |connection| connection.server_id))
}

/// Looks for what is wrong between connections.
pub(crate) fn check_together(
    connections: &[ReadConnection],
    target: &TargetOptions,
    names: &[(String, Place)],
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) {
    let at = |name: &str, text: String| {
        let place = names
            .iter()
            .find(|(used, _)| is_same_name(used, name))
            .map(|(_, place)| place.clone());
        Problem { place, text }
    };
    let mut registered: BTreeMap<(String, u32), &str> = BTreeMap::new();
    let mut written: BTreeMap<&str, &str> = BTreeMap::new();
    for ReadConnection { options, server_id } in connections {
        let name = options.name.as_str();
        let address = options.source.address.to_string();
        if let Some(other) = registered.insert((address.clone(), *server_id), name) {
            let text = format!(
                "connections '{other}' and '{name}' both register with server_id {server_id} at {address}, \
                    which would end each other's stream; give one of them NAME.server_id"
            );
            problems.push(at(name, text));
        }
        for (from, to) in options.rewrite.pairs() {
            if to.eq_ignore_ascii_case(&target.schema) {
                let text = format!(
                    "connection '{name}' renames {from} to {to}, which holds the engine's own tables; set \
                        schema to another name"
                );
                problems.push(at(name, text));
            }
            if let Some(other) = written.insert(to, name).filter(|other| *other != name) {
                let text =
                    format!("connections '{other}' and '{name}' both write to database {to} on the target");
                warnings.push(at(name, text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeats_have_up_to_three_decimals() {
        assert_eq!(parse_heartbeat("30"), Some(Duration::from_secs(30)));
        assert_eq!(parse_heartbeat("0"), Some(Duration::ZERO));
        assert_eq!(parse_heartbeat("2.5"), Some(Duration::from_millis(2500)));
        assert_eq!(parse_heartbeat("0.001"), Some(Duration::from_millis(1)));
        assert_eq!(parse_heartbeat("4294967"), Some(Duration::from_secs(4_294_967)));
        for text in [
            "",
            ".5",
            "-1",
            "1e3",
            "0.0001",
            "4294967.001",
            "99999999999999999999",
        ] {
            assert_eq!(parse_heartbeat(text), None, "{text}");
        }
    }
}
