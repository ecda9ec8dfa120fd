//! A child process that ends with its owner.

use std::io;
use std::process::{Child, Command, ExitStatus};

use anyhow::Context;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// Dropping it kills the process and waits for it.
pub(crate) struct OwnedChild(Child);

impl OwnedChild {
    pub(crate) fn spawn(command: &mut Command) -> anyhow::Result<OwnedChild> {
        let program = command.get_program().display().to_string();
        command
            .spawn()
            .map(OwnedChild)
            .with_context(|| format!("start {program}"))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        self.0.wait()
    }

    /// Sends `signal`. The child has not been waited for, so its number cannot belong to anyone else.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill_process(self.pid()?, signal).context("send a signal")
    }

    /// Whether the process has ended. It stays unreaped, and so still shows all the CPU time it has used.
    pub(crate) fn has_ended(&self) -> anyhow::Result<bool> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.pid()?), look)
            .context("look at a child process")?
            .is_some())
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        i32::try_from(self.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("read a process number")
    }
}

impl Drop for OwnedChild {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
