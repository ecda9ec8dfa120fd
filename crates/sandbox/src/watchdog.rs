//! Ends a process, and removes a directory, whose owner died without the chance to do so.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::Context;
use tempfile::TempDir;

/// Reads orders from standard input. End of input without `done` means the owner is dead, even by SIGKILL: the kernel
/// closed its end of the pipe. The command line is checked, so a process number used anew is never hit.
const SCRIPT: &str = r#"
pid=
while read -r word value; do
    case $word in
        watch) pid=$value ;;
        done) exit 0 ;;
    esac
done
if [ -n "$pid" ] && tr '\0' ' ' < "/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "=$1/"; then
    kill -9 "$pid"
fi
# The first try may meet the last files of the process that was just killed.
[ -z "$2" ] || rm -rf -- "$2" || { sleep 1; rm -rf -- "$2"; }
"#;

/// A small shell process that outlives us by a moment: it kills one process and removes one directory when we are gone.
pub(crate) struct Watchdog {
    child: Child,
    orders: Option<ChildStdin>,
}

impl Watchdog {
    /// Watches over a process that has an option `--...=DIRECTORY/...`, once told which; the directory stays.
    pub(crate) fn for_process(directory: &Path) -> anyhow::Result<Watchdog> {
        Watchdog::start(directory, Path::new(""))
    }

    fn start(known_by: &Path, removed: &Path) -> anyhow::Result<Watchdog> {
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT, "tributary-sandbox-watchdog"])
            .args([known_by, removed])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own: Ctrl-C on the terminal must not end the watchdog before its work.
            .process_group(0)
            .spawn()
            .context("start a shell as watchdog")?;
        let orders = child.stdin.take();
        Ok(Watchdog { child, orders })
    }

    /// From now on, process `pid` is the one to end.
    pub(crate) fn watch(&mut self, pid: u32) -> anyhow::Result<()> {
        let orders = self.orders.as_mut().context("the watchdog takes no orders")?;
        orders
            .write_all(format!("watch {pid}\n").as_bytes())
            .context("tell the watchdog of a process")
    }
}

impl Drop for Watchdog {
    /// Lets the watchdog go. The process must have ended before, and the directory be removed.
    fn drop(&mut self) {
        if let Some(mut orders) = self.orders.take() {
            // A watchdog that is already gone has nothing left to be told.
            let _ = orders.write_all(b"done\n");
        }
        let _ = self.child.wait();
    }
}

/// A temporary directory that does not outlive us, however we end.
pub struct ScratchDirectory {
    /// Declared before the watchdog: it is let go when the directory has been removed.
    directory: TempDir,
    watchdog: Watchdog,
}

impl ScratchDirectory {
    /// Makes an empty directory whose name begins with `prefix`.
    ///
    /// # Errors
    /// When the directory cannot be made, or no shell be started to watch over it.
    pub fn create(prefix: &str) -> anyhow::Result<ScratchDirectory> {
        let directory = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir()
            .context("create a directory")?;
        let watchdog = Watchdog::start(directory.path(), directory.path())?;
        Ok(ScratchDirectory { directory, watchdog })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Process `pid`, which has an option `--...=PATH/...` for its files in here, ends with us.
    pub(crate) fn watch(&mut self, pid: u32) -> anyhow::Result<()> {
        self.watchdog.watch(pid)
    }
}
