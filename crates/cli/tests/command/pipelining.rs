//! A client that sends commands before it has read the answers to earlier ones gets each answer, in order, and nothing by them that its
//! account may not do.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::site::Site;
use crate::support::DEADLINE;

const QUERY: u8 = 0x03;
const PING: u8 = 0x0E;
const PREPARE: u8 = 0x16;

/// The statement that was prepared last, with `NULL` for its parameter.
const EXECUTE: &[u8] = b"\x17\xFF\xFF\xFF\xFF\x00\x01\x00\x00\x00\x01\x01\x06\x00";

/// Protocol 4.1 with several statements and results, and the nonce of 20 bytes.
const CAPABILITIES: u32 = 1 | 1 << 9 | 1 << 15 | 1 << 16 | 1 << 17 | 1 << 18;

/// A client that speaks in packets.
struct Raw(UnixStream);

impl Raw {
    /// Logs in, and sends the first commands with the login.
    fn log_in(site: &Site, user: &str, commands: &[Vec<u8>]) -> Self {
        let stream = UnixStream::connect(site.dir.path().join("control.sock")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut raw = Self(stream);
        raw.packet();
        let mut login = CAPABILITIES.to_le_bytes().to_vec();
        login.extend_from_slice(&(1_u32 << 24).to_le_bytes());
        login.push(45);
        login.extend_from_slice(&[0; 23]);
        login.extend_from_slice(user.as_bytes());
        login.extend_from_slice(&[0, 0]);
        let mut bytes = framed(1, &login);
        commands
            .iter()
            .for_each(|command| bytes.extend(framed(0, command)));
        raw.0.write_all(&bytes).unwrap();
        let (number, first) = raw.packet();
        assert_eq!((number, first[0]), (2, 0), "{}", first.escape_ascii());
        raw
    }

    fn send(&mut self, commands: &[Vec<u8>]) {
        let bytes: Vec<u8> = commands.iter().flat_map(|command| framed(0, command)).collect();
        self.0.write_all(&bytes).unwrap();
    }

    /// The next packet's number and payload.
    fn packet(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 4];
        self.0.read_exact(&mut head).unwrap();
        let mut payload =
            vec![0; usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16];
        self.0.read_exact(&mut payload).unwrap();
        (head[3], payload)
    }

    /// What comes up to a row with this text, cut where answers begin.
    fn answers_to(&mut self, last: &str) -> Vec<String> {
        let mut answers: Vec<String> = Vec::new();
        loop {
            let (number, payload) = self.packet();
            if number == 1 {
                answers.push(String::new());
            }
            let text = payload.escape_ascii().to_string();
            answers.last_mut().expect("an answer begins").push_str(&text);
            // The text alone: not the name of its column.
            if payload.len() == last.len() + 1 && payload.ends_with(last.as_bytes()) {
                return answers;
            }
        }
    }
}

fn framed(number: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_le_bytes()[..3].to_vec();
    bytes.push(number);
    bytes.extend_from_slice(payload);
    bytes
}

fn command(kind: u8, text: &str) -> Vec<u8> {
    [&[kind], text.as_bytes()].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_that_come_ahead_are_answered_in_order_and_bring_no_privileges() {
    let site = Site::new().await;
    let _running = site.start();
    site.change_master("master1", 0).await;
    site.run("START SLAVE 'master1'");
    let sql = "CREATE USER raw@localhost IDENTIFIED VIA mysql_native_password; GRANT SELECT, SLAVE MONITOR ON *.* TO raw@localhost";
    site.target.run(sql).await.unwrap();
    let denied = "Access denied; you need";

    let commands = [
        (command(QUERY, "SELECT 'first'"), "first"),
        (
            command(QUERY, "SHOW SLAVE 'master1' STATUS"),
            "Seconds_Behind_Master",
        ),
        (command(QUERY, "SELECT 'second'; DO 1; SELECT 'third'"), "third"),
        (command(PREPARE, "SELECT 'prepared', ?"), "prepared"),
        (command(QUERY, "STOP SLAVE 'master1'"), denied),
        (EXECUTE.to_vec(), "prepared"),
        (
            command(QUERY, "SELECT @@gtid_slave_pos, 'fourth'; SELECT 'fifth'"),
            "fifth",
        ),
        (command(PING, ""), ""),
        (command(QUERY, "SELECT REPEAT('x',100000), 'sixth'"), "sixth"),
        (command(QUERY, "STOP ALL SLAVES"), denied),
        (command(QUERY, "SELECT 'the end'"), "the end"),
    ];
    let texts: Vec<Vec<u8>> = commands.iter().map(|(command, _)| command.clone()).collect();
    let check = |answers: Vec<String>| {
        assert_eq!(answers.len(), commands.len());
        for (answer, (command, part)) in answers.iter().zip(&commands) {
            assert!(answer.contains(part), "{}: {answer}", command.escape_ascii());
        }
    };
    // With the login, and after it.
    let mut raw = Raw::log_in(&site, "raw", &texts);
    check(raw.answers_to("the end"));
    raw.packet();
    raw.send(&texts);
    check(raw.answers_to("the end"));
    raw.packet();

    // The answer to a command that is still under way is no leave.
    raw.send(&[command(QUERY, "DO 1"), command(QUERY, "DO SLEEP(1)")]);
    raw.packet();
    raw.send(&[command(QUERY, "STOP SLAVE 'master1'")]);
    let (_, done) = raw.packet();
    assert_eq!(done[0], 0, "{}", done.escape_ascii());
    let (_, answer) = raw.packet();
    assert!(
        answer.escape_ascii().to_string().contains(denied),
        "{}",
        answer.escape_ascii()
    );
    for thread in ["Slave_IO_Running", "Slave_SQL_Running"] {
        assert_eq!(site.field("master1", thread), "Yes");
    }
}
