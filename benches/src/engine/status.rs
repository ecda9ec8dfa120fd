//! How far the engine is, from its status document.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::coordinates::Coordinates;
use crate::replica::Progress;

/// The progress of the named connections, in this order; nothing while the engine has none yet.
///
/// # Errors
/// A document without one of them; the error a connection reports.
pub(super) fn progress(document: &[u8], names: &[String]) -> Result<Vec<Progress>> {
    let status: Value = serde_json::from_slice(document).context("read the engine's status")?;
    let connections = status["connections"].as_array();
    if connections.is_some_and(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let find = |name: &String| {
        let connection = connections
            .and_then(|all| all.iter().find(|entry| entry["name"] == name.as_str()))
            .with_context(|| format!("the engine's status has no connection {name}"))?;
        if !connection["last_error"].is_null() {
            bail!(
                "the engine reports an error of {name}: {}",
                connection["last_error"]
            );
        }
        Ok(Progress {
            executed: coordinates(&connection["executed"]),
            is_reading: connection["io_state"] == "running",
        })
    };
    names.iter().map(find).collect()
}

/// `None` before the first position.
fn coordinates(executed: &Value) -> Option<Coordinates> {
    match (executed["file"].as_str(), executed["offset"].as_u64()) {
        (Some(file), Some(offset)) if !file.is_empty() => Some(Coordinates {
            file: file.to_owned(),
            offset,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(document: &[u8]) -> Result<Progress> {
        Ok(progress(document, &["master1".to_owned()])?.remove(0))
    }

    #[test]
    fn a_status_gives_coordinates_or_the_engines_error() {
        let document = br#"{"connections":[{"name":"other","last_error":{"number":1}},
            {"name":"master1","io_state":"running","executed":{"file":"mysql-bin.000001","offset":77},"last_error":null}]}"#;
        let progress = one(document).unwrap();
        let executed = progress.executed.unwrap();
        assert_eq!(
            (executed.file.as_str(), executed.offset),
            ("mysql-bin.000001", 77)
        );
        assert!(progress.is_reading);

        let fresh = br#"{"connections":[{"name":"master1","io_state":"connecting","executed":null}]}"#;
        let fresh = one(fresh).unwrap();
        assert!(fresh.executed.is_none() && !fresh.is_reading);

        let stopped =
            br#"{"connections":[{"name":"master1","last_error":{"number":1146,"message":"no table"}}]}"#;
        assert!(format!("{:#}", one(stopped).unwrap_err()).contains("no table"));

        let others = br#"{"connections":[{"name":"other"}]}"#;
        assert!(format!("{:#}", one(others).unwrap_err()).contains("no connection master1"));
        let none_yet = super::progress(br#"{"connections":[]}"#, &["master1".to_owned()]);
        assert_eq!(none_yet.unwrap(), []);
        assert!(one(b"").is_err());
    }
}
