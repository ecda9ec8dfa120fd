//! Data directories: made once by `mariadb-install-db`, then copied, so a server starts in well under a second.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Size of the redo log of every sandbox server; the template is made with the same, so no start has to resize it.
pub(crate) const INNODB_LOG_ARG: &str = "--innodb-log-file-size=32M";

/// The server program: `$TRIBUTARY_MARIADBD`, or `mariadbd` from `$PATH` and the usual places for servers.
pub(crate) fn mariadbd() -> anyhow::Result<PathBuf> {
    match env::var_os("TRIBUTARY_MARIADBD") {
        Some(path) => Ok(PathBuf::from(path)),
        None => find_program("mariadbd"),
    }
}

/// Fills `data_dir`, which must not exist, with the files of a fresh server: `root` without a password, no test database.
pub(crate) fn create_data_dir(mariadbd: &Path, data_dir: &Path) -> anyhow::Result<()> {
    match cached_template(mariadbd)? {
        Some(template) => copy_tree(&template, data_dir)
            .with_context(|| format!("copy {} to {}", template.display(), data_dir.display())),
        None => install(mariadbd, data_dir),
    }
}

/// The template for this server version and user, made on first use. `None` when there is no place to keep one.
fn cached_template(mariadbd: &Path) -> anyhow::Result<Option<PathBuf>> {
    let Some(cache) = cache_dir() else { return Ok(None) };
    let output = Command::new(mariadbd)
        .args(["--no-defaults", "--version"])
        .output()
        .with_context(|| {
            format!(
                "run {} --version; install the server with scripts/install-tools.sh",
                mariadbd.display()
            )
        })?;
    let version = String::from_utf8_lossy(&output.stdout);
    let version = version
        .split_whitespace()
        .nth(2)
        .unwrap_or("unknown")
        .replace('/', "_");
    let uid = rustix::process::getuid().as_raw();
    let template = cache.join(format!("data-{version}-{uid}"));
    // Several test processes start at once; one makes the template, the others wait for it here.
    let lock = File::create(cache.join(format!("lock-{uid}"))).context("create the template's lock file")?;
    lock.lock().context("lock the template")?;
    if !template.exists() {
        let unfinished = cache.join(format!("unfinished-{uid}"));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).context("remove an unfinished template")?;
        }
        install(mariadbd, &unfinished)?;
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

fn install(mariadbd: &Path, data_dir: &Path) -> anyhow::Result<()> {
    // The installer of the same version lies beside the server, or in the bin folder beside its sbin.
    let beside = mariadbd.parent().map(|dir| dir.join("mariadb-install-db"));
    let bin = mariadbd
        .parent()
        .and_then(Path::parent)
        .map(|dir| dir.join("bin/mariadb-install-db"));
    let installer = match [beside, bin].into_iter().flatten().find(|path| path.is_file()) {
        Some(path) => path,
        None => find_program("mariadb-install-db")?,
    };
    let mut command = Command::new(&installer);
    command.arg("--no-defaults").args([
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--skip-name-resolve",
        "--force",
        INNODB_LOG_ARG,
    ]);
    command
        .arg(format!("--datadir={}", data_dir.display()))
        // A starting server deletes the temporary tables of others in the same folder.
        .arg(format!("--tmpdir={}", data_dir.display()))
        .stdin(Stdio::null());
    if let Some(arg) = user_arg() {
        command.arg(arg);
    }
    let output = command
        .output()
        .with_context(|| format!("run {}", installer.display()))?;
    if !output.status.success() {
        bail!(
            "{} failed ({}):\n{}{}",
            installer.display(),
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
