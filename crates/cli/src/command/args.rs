//! The command lines of commands to a running engine.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::{Change, Goal, GtidUse, Names, WAIT_SECONDS_MAX, Which};
use crate::config::{Input, World};
use crate::exit::Failure;
use crate::world::Machine;

/// Which engine to command.
#[derive(Debug, Args)]
pub(crate) struct EngineArgs {
    /// Option file of the engine; may be repeated
    #[arg(
        long = "defaults-file",
        value_name = "FILE",
        required_unless_present = "state_dir"
    )]
    files: Vec<PathBuf>,
    /// Also read groups with this suffix
    #[arg(
        long = "defaults-group-suffix",
        value_name = "SUFFIX",
        allow_hyphen_values = true
    )]
    group_suffix: Option<String>,
    /// State directory of the engine, instead of option files
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Print a JSON document instead of text
    #[arg(long)]
    pub(super) json: bool,
}

impl EngineArgs {
    pub(super) fn to_input(&self) -> Input {
        Input {
            files: self.files.clone(),
            group_suffix: self.group_suffix.clone(),
            state_dir: self.state_dir.clone(),
        }
    }
}

/// Which connections, and which of their threads.
#[derive(Debug, Args)]
struct WhichArgs {
    /// Connections; '' is the default one
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    names: Vec<String>,
    /// All connections
    #[arg(long)]
    all: bool,
    /// Only the thread that receives
    #[arg(long)]
    io: bool,
    /// Only the thread that applies
    #[arg(long)]
    sql: bool,
}

impl WhichArgs {
    fn split(self) -> (Names, Which) {
        let names = match self.all {
            true => Names::All,
            false => Names::These(self.names),
        };
        let threads = Which {
            io: self.io || !self.sql,
            sql: self.sql || !self.io,
        };
        (names, threads)
    }
}

/// `tributary start`
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    which: WhichArgs,
    /// Stop applying behind this place in the source's binary log
    #[arg(
        long,
        value_name = "FILE",
        requires = "until_pos",
        conflicts_with = "until_gtid"
    )]
    until_file: Option<String>,
    /// Offset in --until-file
    #[arg(long, value_name = "OFFSET", requires = "until_file")]
    until_pos: Option<u64>,
    /// Stop applying behind these GTIDs, one per domain, such as 0-1-42,1-2-7
    #[arg(long, value_name = "GTIDS")]
    until_gtid: Option<String>,
    #[command(flatten)]
    engine: EngineArgs,
}

/// `tributary stop`
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

/// `tributary reset`
#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    /// Connection; '' is the default one
    name: String,
    /// Remove the connection; what it has brought stays
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    engine: EngineArgs,
}

/// `tributary skip`
#[derive(Debug, Args)]
pub(crate) struct SkipArgs {
    /// Connection; '' is the default one
    name: String,
    /// How many events the next start passes over, to the end of a group; 0 takes it back
    #[arg(default_value_t = 1)]
    count: u64,
    #[command(flatten)]
    engine: EngineArgs,
}

/// `tributary wait`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("goal").required(true).args(["file", "gtid"]))]
pub(crate) struct WaitArgs {
    /// Connection; without one, with --gtid: whichever brings them
    #[arg(required_unless_present = "gtid")]
    name: Option<String>,
    /// Binary log file of the source
    #[arg(long, value_name = "FILE", requires = "pos")]
    file: Option<String>,
    /// Offset in --file
    #[arg(long, value_name = "OFFSET", requires = "file")]
    pos: Option<u64>,
    /// GTIDs, one per domain, such as 0-1-42,1-2-7
    #[arg(long, value_name = "GTIDS")]
    gtid: Option<String>,
    /// Longest time to wait
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=WAIT_SECONDS_MAX))]
    timeout: u64,
    #[command(flatten)]
    engine: EngineArgs,
}

/// `tributary change`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("secret").args(["password_file", "password_env", "password_stdin"]))]
pub(crate) struct ChangeArgs {
    /// Connection; it is made if there is none of this name. '' is the default one
    name: String,
    /// Where the source listens
    #[arg(long)]
    host: Option<String>,
    /// Port of the source
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Account on the source
    #[arg(long)]
    user: Option<String>,
    /// Take its password from a file that only its owner can read
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Take its password from an environment variable
    #[arg(long, value_name = "VARIABLE")]
    password_env: Option<String>,
    /// Take its password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Where to begin: binary log file of the source
    #[arg(long, value_name = "FILE")]
    log_file: Option<String>,
    /// Offset in the binary log file
    #[arg(long, value_name = "OFFSET")]
    log_pos: Option<u64>,
    /// Ask the source by GTID
    #[arg(long, value_enum, value_name = "WHICH")]
    use_gtid: Option<GtidUse>,
    /// Pause between attempts to reach the source
    #[arg(long, value_name = "SECONDS")]
    connect_retry: Option<u32>,
    /// How often an idle source says that it lives; 0: never
    #[arg(long, value_name = "SECONDS", value_parser = milliseconds)]
    heartbeat_period: Option<u64>,
    /// Stay this far behind the source
    #[arg(long, value_name = "SECONDS")]
    delay: Option<u32>,
    /// Talk to the source over TLS
    #[arg(long, value_name = "ON|OFF", value_parser = switch)]
    ssl: Option<bool>,
    /// The source's certificate must be for its host name
    #[arg(long, value_name = "ON|OFF", value_parser = switch)]
    ssl_verify_server_cert: Option<bool>,
    /// Certificates of the authorities to trust
    #[arg(long, value_name = "FILE")]
    ssl_ca: Option<String>,
    /// Certificate to show to the source
    #[arg(long, value_name = "FILE")]
    ssl_cert: Option<String>,
    /// Key of that certificate
    #[arg(long, value_name = "FILE")]
    ssl_key: Option<String>,
    /// Server ids whose events are passed over, such as 1,2; '' for none
    #[arg(long, value_name = "IDS", value_parser = ids)]
    ignore_server_ids: Option<Ids>,
    /// GTID domains to take, such as 1,2; '' for all
    #[arg(long, value_name = "IDS", value_parser = ids)]
    do_domain_ids: Option<Ids>,
    /// GTID domains to pass over, such as 1,2; '' for none
    #[arg(long, value_name = "IDS", value_parser = ids)]
    ignore_domain_ids: Option<Ids>,
    #[command(flatten)]
    engine: EngineArgs,
}

/// A list of ids, as one value.
#[derive(Debug, Clone)]
struct Ids(Vec<u32>);

fn ids(text: &str) -> Result<Ids, String> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let ids: Result<_, _> = words.map(str::parse).collect();
    ids.map(Ids)
        .map_err(|_| "write numbers, separated by commas".to_owned())
}

fn switch(text: &str) -> Result<bool, String> {
    let value = tributary_optfile::value::parse_bool(Some(text));
    value.ok_or_else(|| "write ON or OFF".to_owned())
}

fn milliseconds(text: &str) -> Result<u64, String> {
    /// The server's own limit, in seconds.
    const SECONDS_MAX: f64 = 4_294_967.0;
    let seconds: f64 = text.parse().map_err(|_| "write a number of seconds".to_owned())?;
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return Err(format!("allowed: 0 to {SECONDS_MAX} seconds"));
    }
    let milliseconds = (seconds * 1000.0).round();
    if milliseconds == 0.0 && seconds > 0.0 {
        return Err("less than a millisecond".to_owned());
    }
    // Within the range that was checked, nothing is lost but what is behind the point.
    Ok(milliseconds as u64)
}

impl StartArgs {
    pub(super) fn into_request(self) -> (super::Request, EngineArgs) {
        let (names, threads) = self.which.split();
        let place = self.until_file.zip(self.until_pos);
        let place = place.map(|(file, offset)| Goal::Place { file, offset });
        let until = place.or(self.until_gtid.map(Goal::Gtid));
        let request = super::Request::Start {
            names,
            threads,
            until,
        };
        (request, self.engine)
    }
}

impl StopArgs {
    pub(super) fn into_request(self) -> (super::Request, EngineArgs) {
        let (names, threads) = self.which.split();
        (super::Request::Stop { names, threads }, self.engine)
    }
}

impl ResetArgs {
    pub(super) fn into_request(self) -> (super::Request, EngineArgs) {
        let request = super::Request::Reset {
            name: self.name,
            all: self.all,
        };
        (request, self.engine)
    }
}

impl SkipArgs {
    pub(super) fn into_request(self) -> (super::Request, EngineArgs) {
        let request = super::Request::Skip {
            name: self.name,
            count: self.count,
        };
        (request, self.engine)
    }
}

impl WaitArgs {
    /// # Errors
    /// When there is nothing to wait for, which the definition of the arguments rules out.
    pub(super) fn into_request(self) -> Result<(super::Request, EngineArgs), Failure> {
        let place = self.file.zip(self.pos);
        let place = place.map(|(file, offset)| Goal::Place { file, offset });
        let goal = place.or(self.gtid.map(Goal::Gtid));
        let goal = goal.ok_or_else(|| Failure::usage("wait needs --file and --pos, or --gtid"))?;
        let request = super::Request::Wait {
            name: self.name,
            goal,
            seconds: self.timeout,
        };
        Ok((request, self.engine))
    }
}

impl ChangeArgs {
    /// # Errors
    /// When the password cannot be read.
    pub(super) fn into_request(self) -> Result<(super::Request, EngineArgs), Failure> {
        let password = self.password()?;
        let change = Change {
            host: self.host,
            port: self.port,
            user: self.user,
            password,
            log_file: self.log_file,
            log_pos: self.log_pos,
            use_gtid: self.use_gtid,
            connect_retry: self.connect_retry,
            heartbeat_ms: self.heartbeat_period,
            delay: self.delay,
            ssl: self.ssl,
            ssl_verify_server_cert: self.ssl_verify_server_cert,
            ssl_ca: self.ssl_ca,
            ssl_cert: self.ssl_cert,
            ssl_key: self.ssl_key,
            ignore_server_ids: self.ignore_server_ids.map(|ids| ids.0),
            do_domain_ids: self.do_domain_ids.map(|ids| ids.0),
            ignore_domain_ids: self.ignore_domain_ids.map(|ids| ids.0),
        };
        let request = super::Request::Change {
            name: self.name,
            change: Box::new(change),
        };
        Ok((request, self.engine))
    }

    fn password(&self) -> Result<Option<String>, Failure> {
        let failed = |why: String| Failure::usage(format!("read the password: {why}"));
        let secret = if let Some(path) = &self.password_file {
            Machine.read_password(path).map_err(failed)?
        } else if let Some(name) = &self.password_env {
            let value = Machine.variable(name);
            value
                .map(tributary_client::Secret::new)
                .ok_or_else(|| failed(format!("the environment variable {name} is not set")))?
        } else if self.password_stdin {
            crate::world::read_password_from(std::io::stdin().lock()).map_err(failed)?
        } else {
            return Ok(None);
        };
        let text = std::str::from_utf8(secret.expose());
        let text = text.map_err(|_| failed("it is not UTF-8 text".to_owned()))?;
        Ok(Some(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_within_their_limits() {
        assert_eq!(milliseconds("1.5"), Ok(1500));
        assert_eq!(milliseconds("0"), Ok(0));
        for text in ["-1", "NaN", "inf", "1e9", "0.0001", "x", ""] {
            assert!(milliseconds(text).is_err(), "{text}");
        }
        assert_eq!(ids("1, 2").map(|ids| ids.0), Ok(vec![1, 2]));
        assert_eq!(ids("").map(|ids| ids.0), Ok(vec![]));
        assert!(ids("1;2").is_err() && ids("4294967296").is_err());
        assert_eq!((switch("on"), switch("OFF")), (Ok(true), Ok(false)));
        assert!(switch("maybe").is_err());
    }
}
