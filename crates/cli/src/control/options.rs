//! The options of a connection: what the option files say, and over it what is kept.

use std::path::PathBuf;
use std::time::Duration;

use tributary::{ConnectionOptions, ExecMode};
use tributary_client::{Address, Secret, TlsMode};
use tributary_rules::{Filter, FilterKind, Rewrite};

use super::kept::KeptConnection;

/// The filters by the variables that hold them.
pub(super) const FILTERS: [(&str, FilterKind); 6] = [
    ("replicate_do_db", FilterKind::DoDb),
    ("replicate_ignore_db", FilterKind::IgnoreDb),
    ("replicate_do_table", FilterKind::DoTable),
    ("replicate_ignore_table", FilterKind::IgnoreTable),
    ("replicate_wild_do_table", FilterKind::WildDoTable),
    ("replicate_wild_ignore_table", FilterKind::WildIgnoreTable),
];

/// Puts what is kept over `options`.
///
/// # Errors
/// What of it makes no sense, as text.
pub(super) fn apply(kept: &KeptConnection, options: &mut ConnectionOptions) -> Result<(), String> {
    options.name.clone_from(&kept.name);
    apply_source(kept, options);
    if let Some(seconds) = kept.connect_retry {
        options.connect_retry = Duration::from_secs(seconds.into());
    }
    if let Some(milliseconds) = kept.heartbeat_ms {
        options.heartbeat_period = Duration::from_millis(milliseconds);
    }
    if let Some(uses_gtid) = kept.uses_gtid {
        options.use_gtid = uses_gtid;
    }
    if let Some(seconds) = kept.delay {
        options.delay = Duration::from_secs(seconds.into());
    }
    let origins = &mut options.origins;
    for (kept, list) in [
        (&kept.ignore_server_ids, &mut origins.ignore_server_ids),
        (&kept.do_domain_ids, &mut origins.do_domain_ids),
        (&kept.ignore_domain_ids, &mut origins.ignore_domain_ids),
    ] {
        if let Some(kept) = kept {
            list.clone_from(kept);
        }
    }
    apply_variables(kept, options)
}

fn apply_source(kept: &KeptConnection, options: &mut ConnectionOptions) {
    let source = &mut options.source;
    if kept.host.is_some() || kept.port.is_some() {
        let (old_host, old_port) = match &source.address {
            Address::Tcp { host, port } => (host.clone(), *port),
            Address::Unix(_) => (String::new(), 3306),
        };
        source.address = Address::Tcp {
            host: kept.host.clone().unwrap_or(old_host),
            port: kept.port.unwrap_or(old_port),
        };
    }
    if let Some(user) = &kept.user {
        source.user.clone_from(user);
    }
    if let Some(password) = &kept.password {
        source.password = Secret::new(password.as_bytes());
    }
    let file = |name: &Option<String>| name.as_ref().filter(|name| !name.is_empty()).map(PathBuf::from);
    if kept.ssl_ca.is_some() {
        source.tls.ca_file = file(&kept.ssl_ca);
    }
    if kept.ssl_cert.is_some() {
        source.tls.cert_file = file(&kept.ssl_cert);
    }
    if kept.ssl_key.is_some() {
        source.tls.key_file = file(&kept.ssl_key);
    }
    let verifies = kept.ssl_verify_server_cert;
    source.tls.mode = match (kept.ssl, verifies) {
        (Some(false), _) => TlsMode::Off,
        (Some(true), Some(true)) => TlsMode::VerifyIdentity,
        (Some(true), _) if source.tls.ca_file.is_some() => TlsMode::VerifyCa,
        (Some(true), _) => TlsMode::Required,
        (None, _) => source.tls.mode,
    };
}

fn apply_variables(kept: &KeptConnection, options: &mut ConnectionOptions) -> Result<(), String> {
    let said = |name: &str| kept.variables.get(name);
    if FILTERS.iter().any(|(name, _)| said(name).is_some()) {
        let mut filter = Filter::new();
        for (name, kind) in FILTERS {
            match said(name) {
                Some(rules) => {
                    for rule in rules.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
                        filter.add(kind, rule).map_err(|error| error.to_string())?;
                    }
                }
                None => {
                    for (_, rule) in options.filter.rules().filter(|(other, _)| *other == kind) {
                        filter.add(kind, rule).map_err(|error| error.to_string())?;
                    }
                }
            }
        }
        options.filter = filter;
    }
    if let Some(rules) = said("replicate_rewrite_db") {
        let mut rewrite = Rewrite::new();
        for rule in rules.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
            rewrite.add(rule).map_err(|error| error.to_string())?;
        }
        options.rewrite = rewrite;
    }
    if let Some(mode) = said("slave_exec_mode") {
        options.policies.exec_mode = match mode.eq_ignore_ascii_case("IDEMPOTENT") {
            true => ExecMode::Idempotent,
            false => ExecMode::Strict,
        };
    }
    if let Some(seconds) = said("slave_net_timeout").and_then(|text| text.parse().ok()) {
        options.net_timeout = Duration::from_secs(seconds);
    }
    if let Some(is_on) = said("slave_compressed_protocol") {
        options.source.compress = matches!(is_on.as_str(), "1" | "ON");
    }
    if let (Some(bytes), Some(relay)) = (
        said("max_relay_log_size").and_then(|text| text.parse::<u64>().ok()),
        &mut options.relay_log,
    ) {
        relay.file_bytes_max = if bytes == 0 { 1 << 30 } else { bytes };
    }
    Ok(())
}

/// A list of rules as the variable shows it.
pub(super) fn filter_text(filter: &Filter, kind: FilterKind) -> String {
    let rules: Vec<&str> = filter
        .rules()
        .filter(|(other, _)| *other == kind)
        .map(|(_, rule)| rule)
        .collect();
    rules.join(",")
}

/// The renames as the variable shows them.
pub(super) fn rewrite_text(rewrite: &Rewrite) -> String {
    let pairs: Vec<String> = rewrite
        .pairs()
        .map(|(from, to)| format!("{from}->{to}"))
        .collect();
    pairs.join(",")
}
