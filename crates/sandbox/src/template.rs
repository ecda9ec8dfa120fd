//! Data directories: made once by `mariadb-install-db`, then copied, so a server starts in well under a second.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// A server program and what its kind asks of the command line.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// Holds the program's messages and character sets; `None`: the program knows where it was installed.
    base: Option<PathBuf>,
    is_mysql: bool,
}

impl Program {
    /// `$TRIBUTARY_MARIADBD`, or `mariadbd` from `$PATH` and the usual places for servers.
    pub(crate) fn installed() -> anyhow::Result<Program> {
        let path = match env::var_os("TRIBUTARY_MARIADBD") {
            Some(path) => PathBuf::from(path),
            None => find_program("mariadbd")?,
        };
        Ok(Program {
            path,
            base: None,
            is_mysql: false,
        })
    }

    /// The program at `path`, in the `sbin` folder of its base directory.
    pub(crate) fn at(path: &Path) -> Program {
        Program {
            path: path.to_owned(),
            base: path.parent().and_then(Path::parent).map(Path::to_owned),
            is_mysql: path.ends_with("mysqld"),
        }
    }

    /// Whether it is a MySQL server.
    pub(crate) fn is_mysql(&self) -> bool {
        self.is_mysql
    }

    /// Where the program finds its messages.
    pub(crate) fn base_args(&self) -> Vec<String> {
        let Some(base) = &self.base else { return Vec::new() };
        vec![format!("--basedir={}", base.display())]
    }

    /// Small logs and caches. Templates are made with the same, so no start has to resize a log.
    pub(crate) fn size_args(&self) -> &'static [&'static str] {
        if self.is_mysql {
            &[
                "--innodb-redo-log-capacity=64M",
                "--mysqlx=OFF",
                "--secure-file-priv=",
            ]
        } else {
            &["--innodb-log-file-size=32M", "--aria-pagecache-buffer-size=16M"]
        }
    }

    /// The version, as a part of a file name.
    fn version(&self) -> anyhow::Result<String> {
        let output = Command::new(&self.path)
            .args(["--no-defaults", "--version"])
            .output()
            .with_context(|| {
                format!(
                    "run {} --version; install the server with scripts/install-tools.sh",
                    self.path.display()
                )
            })?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_whitespace().nth(2).unwrap_or("unknown");
        Ok(version.replace('/', "_"))
    }

    /// A command that fills `data_dir` with the files of a fresh server.
    fn installer(&self, data_dir: &Path) -> anyhow::Result<Command> {
        let mut command = if self.is_mysql {
            let mut command = Command::new(&self.path);
            command.args(["--no-defaults", "--initialize-insecure"]);
            command.args(self.size_args());
            command
        } else {
            let mut command = Command::new(self.mariadb_installer()?);
            command.args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
                "--force",
                self.size_args()[0],
            ]);
            command
        };
        command
            .args(self.base_args())
            .arg(format!("--datadir={}", data_dir.display()))
            .stdin(Stdio::null())
            .args(user_arg());
        if !self.is_mysql {
            // A starting server deletes the temporary tables of others in the same folder.
            command.arg(format!("--tmpdir={}", data_dir.display()));
        }
        Ok(command)
    }

    /// The installer of the same version lies beside the server, or in the bin folder beside its sbin.
    fn mariadb_installer(&self) -> anyhow::Result<PathBuf> {
        let folder = self.path.parent();
        let beside = folder.map(|dir| dir.join("mariadb-install-db"));
        let bin = folder
            .and_then(Path::parent)
            .map(|dir| dir.join("bin/mariadb-install-db"));
        match [beside, bin].into_iter().flatten().find(|path| path.is_file()) {
            Some(path) => Ok(path),
            None => find_program("mariadb-install-db"),
        }
    }
}

/// Fills `data_dir`, which must not exist, with the files of a fresh server: `root` without a password, no test database.
pub(crate) fn create_data_dir(program: &Program, data_dir: &Path) -> anyhow::Result<()> {
    match cached_template(program)? {
        Some(template) => copy_tree(&template, data_dir)
            .with_context(|| format!("copy {} to {}", template.display(), data_dir.display())),
        None => install(program, data_dir),
    }
}

/// The template for this server version and user, made on first use. `None` when there is no place to keep one.
fn cached_template(program: &Program) -> anyhow::Result<Option<PathBuf>> {
    let Some(cache) = cache_dir() else { return Ok(None) };
    let uid = rustix::process::getuid().as_raw();
    let template = cache.join(format!("data-{}-{uid}", program.version()?));
    // Several test processes start at once; one makes the template, the others wait for it here.
    let lock = File::create(cache.join(format!("lock-{uid}"))).context("create the template's lock file")?;
    lock.lock().context("lock the template")?;
    if !template.exists() {
        let unfinished = cache.join(format!("unfinished-{uid}"));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).context("remove an unfinished template")?;
        }
        install(program, &unfinished)?;
        fs::rename(&unfinished, &template).context("name the finished template")?;
    }
    Ok(Some(template))
}

/// A folder in the build directory this program was built into, if it is there and we may write to it.
fn cache_dir() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    let target = program
        .ancestors()
        .find(|dir| dir.join("CACHEDIR.TAG").exists())?;
    let uid = rustix::process::getuid().as_raw();
    let cache = target.join("sandbox").join(uid.to_string());
    fs::create_dir_all(&cache).ok()?;
    tempfile::tempfile_in(&cache).ok().map(|_| cache)
}

fn install(program: &Program, data_dir: &Path) -> anyhow::Result<()> {
    let mut command = program.installer(data_dir)?;
    let name = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("run {name}"))?;
    if !output.status.success() {
        bail!(
            "{name} failed ({}):\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// The server refuses to run as root unless told to by name.
pub(crate) fn user_arg() -> Option<&'static str> {
    rustix::process::getuid().is_root().then_some("--user=root")
}

fn find_program(name: &str) -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // The server lies in an sbin folder, which is not on every user's path.
    let usual = ["/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/bin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(usual)
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
        .with_context(|| format!("{name} is not installed; scripts/install-tools.sh installs it"))
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
