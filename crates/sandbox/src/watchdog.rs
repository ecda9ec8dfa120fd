//! Ends a process whose owner died without the chance to do so.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

/// Waits for a line on standard input. End of input without one means the owner is dead, even by SIGKILL: the kernel
/// closed its end of the pipe. The command line is checked, so a process number used anew is never hit.
const SCRIPT: &str = r#"
read -r word && exit 0
if tr '\0' ' ' < "/proc/$1/cmdline" 2>/dev/null | grep -qF -- "=$2/"; then
    kill -9 "$1"
fi
rm -rf -- "$2"
"#;

/// A small shell process that outlives us by a moment: it kills one process and removes its directory when we are gone.
pub(crate) struct Watchdog {
    child: Child,
}

impl Watchdog {
    /// Watches over process `pid`, which was started with an option `--...=DIRECTORY/...` for its files in `directory`.
    pub(crate) fn start(pid: u32, directory: &Path) -> anyhow::Result<Watchdog> {
        let child = Command::new("sh")
            .args(["-c", SCRIPT, "tributary-sandbox-watchdog"])
            .arg(pid.to_string())
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own: Ctrl-C on the terminal must not end the watchdog before its work.
            .process_group(0)
            .spawn()
            .context("start a shell as watchdog")?;
        Ok(Watchdog { child })
    }
}

impl Drop for Watchdog {
    /// Lets the watchdog go. The process must have ended before.
    fn drop(&mut self) {
        if let Some(mut stdin) = self.child.stdin.take() {
            // A watchdog that is already gone has nothing left to be told.
            let _ = stdin.write_all(b"done\n");
        }
        let _ = self.child.wait();
    }
}
