//! Option files to the engine's options.
//!
//! The path of a value: the files give entries (`tributary-optfile`), [`settings`] keeps those that count,
//! [`reader`] gives them types, [`target`], [`connection`] and [`apply`] put the options together. All
//! problems are collected, so that a person mends them in one go. Files and the environment are reached
//! through [`World`] only.

mod apply;
mod connection;
mod control;
mod effective;
mod keys;
mod login;
mod metrics;
mod policies;
mod problem;
mod reader;
mod relay_log;
mod rules;
pub(crate) mod server_keys;
mod settings;
mod start;
mod target;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use tributary::{ConnectionOptions, Options};
use tributary_client::Secret;
use tributary_optfile::value::parse_bool;
use tributary_optfile::{Files, Loaded};

pub(crate) use control::{ControlOptions, ControlTls};
pub(crate) use effective::{Effective, Origin};
pub(crate) use keys::Key;
pub(crate) use metrics::MetricsOptions;
pub(crate) use problem::{ConfigError, Problem};
use reader::Reader;
pub(crate) use rules::filter_keys;
pub(crate) use settings::check_name as check_connection_name;
pub(crate) use settings::{Group, OWN_GROUP, Setting, Settings};

/// What a configuration is made from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input {
    /// Option files, in order; later ones win.
    pub(crate) files: Vec<PathBuf>,
    /// `--defaults-group-suffix`
    pub(crate) group_suffix: Option<String>,
    /// `--state-dir`, which beats the files.
    pub(crate) state_dir: Option<PathBuf>,
}

/// What a configuration may ask of the world around it.
pub(crate) trait World: Files {
    /// The password in a file that only its owner can read.
    ///
    /// # Errors
    /// Why there is none, and what to do about it.
    fn read_password(&mut self, path: &Path) -> Result<Secret, String>;

    /// The value of an environment variable.
    fn variable(&mut self, name: &str) -> Option<Vec<u8>>;
}

/// A configuration that can be run.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) options: Options,
    /// Where the process id and the status socket are.
    pub(crate) state_dir: PathBuf,
    /// The control port, if there is one.
    pub(crate) control: Option<ControlOptions>,
    /// The port for metrics, if there is one.
    pub(crate) metrics: Option<MetricsOptions>,
    /// Connections are not started with the engine.
    pub(crate) skips_start: bool,
    /// For connections that the files do not describe in full.
    pub(crate) templates: Templates,
    /// Every value and where it comes from.
    pub(crate) effective: Effective,
    /// What was passed over, or is likely not meant.
    pub(crate) warnings: Vec<Problem>,
    /// What holds for several connections without saying so.
    pub(crate) notes: Vec<Problem>,
}

/// Reads the configuration.
///
/// # Errors
/// [`ConfigError`] with everything that is wrong.
pub(crate) fn load(input: &Input, world: &mut dyn World) -> Result<Config, ConfigError> {
    let (loaded, mut settings) = read_files(input, world)?;
    let mut problems = std::mem::take(&mut settings.problems);
    let mut warnings: Vec<Problem> = loaded
        .warnings
        .iter()
        .map(|warning| Problem::at(&warning.place, &warning.text))
        .collect();
    warnings.append(&mut settings.warnings);

    let mut reader = Reader::new(&settings);
    let state_dir = state_dir(input, &mut reader);
    let apply = apply::read(&mut reader);
    let target = target::read(&mut reader, world);
    let relay_dir = reader
        .path(keys::RELAY_LOG_DIR)
        .or_else(|| state_dir.as_ref().map(|state_dir| state_dir.join("relay")))
        .unwrap_or_default();
    let control = control::read(&mut reader);
    let metrics = metrics::read(&mut reader);
    let skips_start = control.is_some() && reader.switch(keys::SKIP_SLAVE_START);
    if let (None, Some(line)) = (&control, reader.line(keys::SKIP_SLAVE_START))
        && parse_bool(Some(line.text.as_deref().unwrap_or("ON"))) != Some(false)
    {
        let text = "skip_slave_start needs a control port and is passed over: without one, tributary run starts every \
            connection; set control_port or control_socket";
        warnings.push(Problem::at(&line.place, text));
    }
    let connections = connection::read_all(&mut reader, world, &relay_dir, control.is_some(), &mut warnings);
    if let Some(target) = &target {
        connection::check_together(
            &connections,
            target,
            settings.names(),
            &mut reader.problems,
            &mut warnings,
        );
    }
    problems.append(&mut reader.problems);
    match (target, apply, state_dir) {
        (Some(target), Some(apply), Some(state_dir)) if problems.is_empty() => {
            // With all connections read, the first one's id serves those that register no id of their own:
            // there are none.
            let server_id = connection::common_server_id(&mut reader, &connections);
            let connections: Vec<_> = connections.into_iter().map(|read| read.options).collect();
            let notes = rules::shared_notes(&settings, &connections);
            let effective = reader.effective;
            let options = Options {
                server_id,
                target,
                connections,
                apply,
            };
            Ok(Config {
                options,
                state_dir,
                control,
                metrics,
                skips_start,
                templates: Templates { settings, relay_dir },
                effective,
                warnings,
                notes,
            })
        }
        _ => Err(ConfigError::Values(problems)),
    }
}

/// What the files say of connections in general, and of those of which they know no source.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    settings: Settings,
    relay_dir: PathBuf,
}

impl Templates {
    /// The options of the connection with this name, without a source. `None` if the files are wrong, which was reported when they
    /// were read.
    pub(crate) fn make(&self, name: &str) -> Option<ConnectionOptions> {
        connection::template(&mut Reader::new(&self.settings), &self.relay_dir, name)
    }
}

/// Reads only where the state directory is, which needs no password and tolerates a configuration that cannot run.
///
/// # Errors
/// [`ConfigError`] when the files cannot be read.
pub(crate) fn load_state_dir(input: &Input, world: &mut dyn World) -> Result<PathBuf, ConfigError> {
    let (_, settings) = read_files(input, world)?;
    let mut reader = Reader::new(&settings);
    let state_dir = state_dir(input, &mut reader);
    state_dir.ok_or(ConfigError::Values(reader.problems))
}

/// Reads where the state directory is, and which connections there should be; needs no password either.
///
/// # Errors
/// [`ConfigError`] when the files cannot be read, or do not say.
pub(crate) fn load_outline(
    input: &Input,
    world: &mut dyn World,
) -> Result<(PathBuf, Vec<String>), ConfigError> {
    let (_, settings) = read_files(input, world)?;
    let mut reader = Reader::new(&settings);
    let state_dir = state_dir(input, &mut reader);
    let names = connection::names(&mut reader, true, &mut Vec::new());
    match state_dir {
        Some(state_dir) if reader.problems.is_empty() => Ok((state_dir, names)),
        _ => Err(ConfigError::Values(reader.problems)),
    }
}

fn read_files(input: &Input, world: &mut dyn World) -> Result<(Loaded, Settings), ConfigError> {
    let loaded = tributary_optfile::load(&input.files, &mut AsFiles(world))?;
    let settings = Settings::collect(&loaded.entries, input.group_suffix.as_deref());
    Ok((loaded, settings))
}

/// The key of the renames.
pub(crate) fn rewrite_key() -> &'static Key {
    keys::REPLICATE_REWRITE_DB
}

/// The key of the server that is called `name`, if the engine takes it.
pub(crate) fn find_server_key(name: &str) -> Option<&'static Key> {
    keys::find(name).filter(|key| key.is_server_key)
}

/// Whether a key is called `name` that belongs in `[tributary]` alone.
pub(crate) fn is_own_key(name: &str) -> bool {
    keys::find(name).is_some_and(|key| !key.is_server_key)
}

/// A world seen as files only.
struct AsFiles<'a>(&'a mut dyn World);

impl Files for AsFiles<'_> {
    fn read(&mut self, path: &Path, bytes_max: u64) -> std::io::Result<Vec<u8>> {
        self.0.read(path, bytes_max)
    }

    fn list(&mut self, directory: &Path) -> std::io::Result<Vec<PathBuf>> {
        self.0.list(directory)
    }
}

fn state_dir(input: &Input, reader: &mut Reader<'_>) -> Option<PathBuf> {
    match &input.state_dir {
        Some(path) => {
            reader.record(
                keys::STATE_DIR,
                &path.display().to_string(),
                Origin::Flag("--state-dir"),
            );
            Some(path.clone())
        }
        None => reader.path(keys::STATE_DIR),
    }
}
