//! What programs of the sandbox read from the environment.

use std::env;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, bail, ensure};

/// The number in a variable; `None` when it is not set, or empty.
///
/// # Errors
/// When it holds anything else.
pub fn number<T: FromStr>(name: &str) -> anyhow::Result<Option<T>> {
    match env::var(name) {
        Ok(text) if !text.is_empty() => {
            let number = text.parse().ok();
            Ok(Some(number.with_context(|| {
                format!("{name} is '{text}', which is no number it can be")
            })?))
        }
        _ => Ok(None),
    }
}

/// Whether a variable is 1; not when it is 0, empty or not set.
///
/// # Errors
/// When it holds anything else.
pub fn switch(name: &str) -> anyhow::Result<bool> {
    match env::var(name).as_deref() {
        Ok("1") => Ok(true),
        Ok("0" | "") | Err(_) => Ok(false),
        Ok(other) => bail!("{name} is '{other}', allowed are 0 and 1"),
    }
}

/// The `tributary` to run: `TRIBUTARY_BIN`, or the program beside this one.
///
/// # Errors
/// When there is none.
pub fn tributary_program() -> anyhow::Result<PathBuf> {
    let program = match env::var_os("TRIBUTARY_BIN") {
        Some(path) => PathBuf::from(path),
        None => env::current_exe()
            .context("find this program's folder")?
            .with_file_name("tributary"),
    };
    ensure!(
        program.is_file(),
        "{} does not exist: build it with `cargo build --release -p tributary-cli` or name another with TRIBUTARY_BIN",
        program.display()
    );
    Ok(program)
}
