//! The engine in a process list: its threads as those of a native replica, and its sessions on the target as what they are.

use crate::engine::{Processes, Thread};

/// Whose the server's own threads are.
const SYSTEM_USER: &str = "system user";

/// A worker that has nothing to do.
const IDLE: &str = "Waiting for work from SQL thread";

/// The cells of a row; `None` is NULL.
pub(crate) type Cells = Vec<Option<Vec<u8>>>;

/// A row of the target's as it is shown; `None`: as it is.
pub(crate) fn shown(of: &Processes, columns: &[String], mut cells: Cells) -> Option<Cells> {
    let place = |name: &str| {
        columns
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name))
    };
    let text = |cells: &Cells, index: usize| {
        let cell = cells.get(index)?.as_deref()?;
        std::str::from_utf8(cell).ok().map(str::to_owned)
    };
    let [id, user, host] = ["Id", "User", "Host"].map(place);
    let [database, command, state] = ["db", "Command", "State"].map(place);
    let (id, user, host, database, command, state) = (id?, user?, host?, database?, command?, state?);
    let session = text(&cells, id)?.parse().ok()?;
    // A number alone would be that of somebody else after the target has begun to count anew.
    if !of.worker_sessions.contains(&session) || text(&cells, user)? != of.user {
        return None;
    }
    if text(&cells, command).as_deref() == Some("Sleep") {
        *cells.get_mut(state)? = Some(IDLE.into());
        // That of the group before.
        *cells.get_mut(database)? = None;
    }
    *cells.get_mut(user)? = Some(SYSTEM_USER.into());
    *cells.get_mut(host)? = Some(Vec::new());
    *cells.get_mut(command)? = Some(b"Slave_worker".to_vec());
    Some(cells)
}

/// Rows of threads that the target does not know.
pub(crate) fn added(of: &Processes, columns: &[String]) -> Vec<Cells> {
    let row = |thread| columns.iter().map(|column| cell(thread, column)).collect();
    of.threads.iter().map(row).collect()
}

fn cell(thread: &Thread, column: &str) -> Option<Vec<u8>> {
    let text = match column.to_ascii_lowercase().as_str() {
        "id" => thread.id.to_string(),
        "user" => SYSTEM_USER.to_owned(),
        "host" => String::new(),
        "command" => thread.command.to_owned(),
        "time" => thread.seconds.to_string(),
        "state" => thread.state.clone(),
        "progress" => "0.000".to_owned(),
        _ => return None,
    };
    Some(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: &[&str]) -> Cells {
        texts.iter().map(|text| Some(text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn only_sessions_of_workers_are_shown_otherwise() {
        let of = Processes {
            threads: Vec::new(),
            user: "writer".to_owned(),
            worker_sessions: vec![5, 6],
        };
        let columns = ["Id", "User", "Host", "db", "Command", "Time", "State", "Info"].map(str::to_owned);
        let shown = |row: [&str; 8]| shown(&of, &columns, cells(&row));
        let idle = ["5", "writer", "localhost", "d", "Sleep", "3", "", "x"];
        let worker = |state| cells(&["5", "system user", "", "d", "Slave_worker", "3", state, "x"]);
        let mut at_rest = worker(IDLE);
        at_rest[3] = None;
        assert_eq!(shown(idle), Some(at_rest));
        let busy = ["5", "writer", "localhost", "d", "Query", "3", "Updating", "x"];
        assert_eq!(shown(busy), Some(worker("Updating")));
        for (id, user) in [("5", "else"), ("7", "writer"), ("-", "writer")] {
            let row = [id, user, "localhost", "d", "Sleep", "3", "", "x"];
            assert_eq!(shown(row), None, "{row:?}");
        }
        assert_eq!(
            super::shown(&of, &columns[..3], cells(&["5", "writer", ""])),
            None
        );
    }
}
