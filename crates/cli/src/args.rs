//! The command line: what can be asked of the command, and the help that teaches it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::check::CheckArgs;
use crate::command::{ChangeArgs, ResetArgs, SkipArgs, StartArgs, StopArgs, WaitArgs};
use crate::config::Input;

const EXAMPLES: &str = "\
Examples:
  # Take over the rules of an existing replica; target and sources stand in the third file.
  tributary run --defaults-file=/etc/mysql/mariadb.conf.d/50-server.cnf \\
                --defaults-file=/etc/mysql/mariadb.conf.d/60-multisource.cnf \\
                --defaults-file=/etc/tributary.cnf

  tributary check-config --defaults-file=/etc/tributary.cnf   # what would hold, and why
  tributary status --defaults-file=/etc/tributary.cnf   # how a running engine is doing
  tributary stop master1 --defaults-file=/etc/tributary.cnf   # also start, change, reset, skip, wait
  tributary check --lag=60 --defaults-file=/etc/tributary.cnf   # the same for a monitoring system
  tributary decode mysql-bin.000042                     # what a binary log says
  tributary lint /etc/mysql/my.cnf                      # what a replica's rules do, and what would change

Exit codes:
  0  done, or stopped cleanly on request
  1  failed: a connection stopped with an error, a file cannot be decoded, no engine answers,
     or lint found something to decide
  2  the command line or the configuration is wrong
  3  the target lacks something; the message has the statement that mends it
  4  the stop did not finish within stop_timeout; the next start resumes from the saved position.
     wait: not reached in time
  tributary check has those of monitoring plugins: 0 ok, 1 warning, 2 critical, 3 unknown";

const RUN_HELP: &str = "\
A first configuration, in the syntax of MariaDB's option files:

  [tributary]
  server_id = 10                               # unique among all servers and replicas
  state_dir = /var/lib/tributary
  target_socket = /run/mysqld/mysqld.sock
  target_user = tributary
  target_password_file = /etc/tributary/target.password   # mode 0600

  master1.master_host = 192.0.2.11
  master1.master_user = repl_replica
  master1.master_password_file = /etc/tributary/master1.password
  master1.master_ssl_ca = /etc/tributary/master1-ca.pem   # a server on another machine is verified
  master1.master_log_file = mysql-bin.000042   # where to begin, used only at the first start
  master1.master_log_pos = 12345678
  master1.replicate_rewrite_db = asterisk->master1_asterisk
  master1.replicate_ignore_table = asterisk.vicidial_live_agents

Replication keys of [mysqld], [mariadb] and the server's other groups are taken too, so the option files of an existing
replica serve as they are. docs/configuration.md explains every key; `tributary check-config` prints what holds.

Signals:
  SIGTERM, SIGINT, SIGHUP   stop at the next group boundaries, within stop_timeout (30 s); a second one stops at once

Exit codes: 0 stopped cleanly, 1 a connection stopped with an error, 2 wrong configuration, 3 the target lacks something,
4 the stop did not finish in time.";

const STATUS_HELP: &str = "\
Asks the engine that runs with this configuration, or in this state directory.

Examples:
  tributary status --defaults-file=/etc/tributary.cnf
  tributary status --state-dir=/var/lib/tributary --json

Exit codes: 0 the engine answered, 1 no engine answers, 2 wrong usage. Whether every connection runs is in the answer.";

const CHECK_CONFIG_HELP: &str = "\
Prints the configuration that would hold as one option file; behind each value stands where it comes from. Passwords are
read to see that they can be read, and never printed. Warnings go to standard error. No server is asked.

Exit codes: 0 the configuration can be run, 2 it cannot; every problem is named with file and line.";

const COMMAND_HELP: &str = "\
The engine is commanded over a socket in its state directory, by the user that runs it, or root. Add --defaults-file=FILE or
--state-dir=DIR to each:
  tributary stop master1 && tributary skip master1 1 && tributary start master1
  tributary start master1 --until-file=mysql-bin.000042 --until-pos=12345678
  tributary wait master1 --file=mysql-bin.000042 --pos=12345678 --timeout=300
  tributary stop --all --sql                            # go on receiving
  tributary change master4 --host=192.0.2.14 --user=repl_replica --password-file=/etc/tributary/master4.password \\
                           --log-file=mysql-bin.000001 --log-pos=4
  tributary reset master3 --all                         # removes the connection, not its data

Exit codes: 0 done (wait: reached), 1 refused, or no engine answers (wait: applying does not run), 2 wrong usage,
4 wait: not reached in time.";

const LINT_HELP: &str = "\
Reads the option files of an existing replica, with what they include, and says of each replication line what the server
does with it, what Tributary does, and what has to be decided before Tributary takes over. No server is asked.

Examples:
  tributary lint /etc/mysql/my.cnf
  tributary lint --json 50-server.cnf 60-multisource.cnf | jq '.findings[] | select(.level == \"decide\")'

Exit codes: 0 nothing to decide, 1 something to decide, 2 a file cannot be read.";

const CHECK_HELP: &str = "\
Prints one line with performance data. Each connection of the option files must be there, receive and apply; a lag that is
not known is critical, and so is an engine that does not answer.

Examples:
  tributary check --defaults-file=/etc/tributary.cnf --lag=60 --lag-critical=600
  tributary check --state-dir=/var/lib/tributary --connection=master1

Exit codes: 0 ok, 1 warning (behind by more than --lag, or the source may soon purge what is still to be read),
2 critical, 3 unknown: the check could not be made.";

const DECODE_HELP: &str = "\
Prints the events of binary log files (or relay log files), plain or compressed, statement or row format.

Examples:
  tributary decode mysql-bin.000042
  tributary decode --json mysql-bin.0000* | jq 'select(.type == \"Gtid\")'

Exit codes: 0 all files were read to their end, 1 a file cannot be read or ends in the middle of an event.";

/// Tributary reads the binary logs of several MariaDB sources and applies them to one target, each source under its own
/// database names.
#[derive(Debug, Parser)]
#[command(name = "tributary", version, after_help = EXAMPLES, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Replicate until a signal comes
    #[command(after_help = RUN_HELP)]
    Run {
        #[command(flatten)]
        config: ConfigArgs,
        /// Directory for the process id and the sockets, instead of the key state_dir
        #[arg(long, value_name = "DIR")]
        state_dir: Option<PathBuf>,
    },
    /// Show how a running engine is doing
    #[command(after_help = STATUS_HELP)]
    Status(StatusArgs),
    /// Say whether a running engine is well, as a plugin for Nagios, Icinga or Zabbix
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Print the effective configuration, each value with where it comes from
    #[command(after_help = CHECK_CONFIG_HELP)]
    CheckConfig {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Start connections of a running engine
    #[command(after_help = COMMAND_HELP)]
    Start(StartArgs),
    /// Stop connections of a running engine at the end of a group
    #[command(after_help = COMMAND_HELP)]
    Stop(StopArgs),
    /// Make a connection, or change its source; it must be stopped
    #[command(after_help = COMMAND_HELP)]
    Change(Box<ChangeArgs>),
    /// Forget where a stopped connection is, or remove it
    #[command(after_help = COMMAND_HELP)]
    Reset(ResetArgs),
    /// Have the next start of a connection pass over events
    #[command(after_help = COMMAND_HELP)]
    Skip(SkipArgs),
    /// Wait until a place of a source is on the target
    #[command(after_help = COMMAND_HELP)]
    Wait(WaitArgs),
    /// Explain the replication lines of an existing server, and what changes
    #[command(after_help = LINT_HELP)]
    Lint(LintArgs),
    /// Print the events of binary log files
    #[command(after_help = DECODE_HELP)]
    Decode {
        /// Binary log files; - reads standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// One JSON object per line instead of text
        #[arg(long)]
        json: bool,
    },
}

/// Which files to explain.
#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Option files of the server, in the order it reads them
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Also read groups with this suffix: -10.11 adds [mysqld-10.11] and [mariadb-10.11]
    #[arg(
        long = "defaults-group-suffix",
        value_name = "SUFFIX",
        allow_hyphen_values = true
    )]
    pub(crate) group_suffix: Option<String>,
    /// Print a JSON document instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// Option file to read; may be repeated, later files win
    #[arg(long = "defaults-file", required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Also read groups with this suffix: -10.11 adds [mysqld-10.11], [mariadb-10.11], [tributary-10.11]
    #[arg(
        long = "defaults-group-suffix",
        value_name = "SUFFIX",
        allow_hyphen_values = true
    )]
    pub(crate) group_suffix: Option<String>,
}

/// Which engine to ask.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
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
    /// Print the status as JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

impl ConfigArgs {
    pub(crate) fn into_input(self, state_dir: Option<PathBuf>) -> Input {
        Input {
            files: self.files,
            group_suffix: self.group_suffix,
            state_dir,
        }
    }
}

impl StatusArgs {
    pub(crate) fn to_input(&self) -> Input {
        Input {
            files: self.files.clone(),
            group_suffix: self.group_suffix.clone(),
            state_dir: self.state_dir.clone(),
        }
    }
}

/// How to log; logs go to standard error.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Form of the log lines
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Human, value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    /// What to log: error, warn, info, debug, trace, or directives such as info,tributary=debug
    #[arg(
        long,
        global = true,
        env = "TRIBUTARY_LOG",
        default_value = "info",
        value_name = "LEVEL"
    )]
    pub(crate) log_level: String,
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One line of text per event, in colour on a terminal
    Human,
    /// One JSON object per line
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }
}
