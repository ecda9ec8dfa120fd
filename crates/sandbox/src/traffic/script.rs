//! What one client does: an endless list of steps that follows from the seed and the client's number alone.

use std::collections::VecDeque;

use super::{agents, back_office, calls, crm, spelling, tables, words};
use crate::random::Random;
use crate::schema::{AGENT_COUNT, CAMPAIGNS, LEAD_COUNT};

/// Calls one client has open at most; then it hangs up first.
const OPEN_CALLS_MAX: usize = 12;

/// Statements that belong together: sent one after another on one connection, each alone.
pub(super) type Step = Vec<String>;

/// The character set one client speaks to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Latin1,
    Utf8mb4,
}

/// A call that has begun and not ended.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) lead: u64,
    pub(super) campaign: &'static str,
    pub(super) agent: String,
}

/// The state of one client.
pub(super) struct Script {
    pub(super) random: Random,
    pub(super) client: usize,
    pub(super) charset: Charset,
    /// Whether this client changes tables, and how many it has made.
    pub(super) with_ddl: bool,
    pub(super) scratch_tables: u64,
    seed: u64,
    counter: u64,
    open_calls: VecDeque<Call>,
}

type Scene = fn(&mut Script) -> Step;

/// How often each scene is played, of the sum of all.
const SCENES: [(u64, Scene); 23] = [
    (30, calls::dial),
    (28, calls::hang_up),
    (6, calls::transfer),
    (14, agents::heartbeat),
    (10, agents::pause_and_talk),
    (3, agents::log_in),
    (4, agents::change_screen),
    (6, agents::events),
    (5, back_office::fill_hopper),
    (5, back_office::call_backs),
    (4, back_office::do_not_call),
    (4, back_office::archive),
    (4, back_office::process_logs),
    (4, back_office::oldest_first),
    (3, back_office::lists),
    (2, back_office::measure),
    (8, crm::ticket),
    (5, crm::payment),
    (2, crm::close_tickets),
    (2, crm::both_engines),
    (6, spelling::qualified),
    (4, spelling::session),
    (2, tables::life),
];

impl Script {
    /// The script of client `client` under `seed`.
    pub(super) fn new(seed: u64, client: usize, with_ddl: bool) -> Script {
        // Far apart, so neighbouring clients have nothing in common.
        let mut mixer = Random::new(seed ^ (client as u64).wrapping_mul(0xa076_1d64_78bd_642f));
        Script {
            random: Random::new(mixer.bits()),
            client,
            charset: if client % 3 == 2 {
                Charset::Latin1
            } else {
                Charset::Utf8mb4
            },
            with_ddl,
            scratch_tables: 0,
            seed,
            counter: 0,
            open_calls: VecDeque::new(),
        }
    }

    /// What comes next.
    pub(super) fn next_step(&mut self) -> Step {
        let total: u64 = SCENES.iter().map(|(weight, _)| weight).sum();
        let mut at = self.random.below(total);
        for (weight, scene) in SCENES {
            if at < weight {
                return scene(self);
            }
            at -= weight;
        }
        Step::new()
    }

    /// A number this client has not had.
    pub(super) fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// A key no other client of any seed has, 20 characters at most.
    pub(super) fn unique_id(&mut self) -> String {
        let number = self.count();
        format!(
            "{:04x}{:02}{number:07}.{}",
            self.seed & 0xffff,
            self.client,
            number % 7
        )
    }

    /// Begins a call; `None` while too many are open.
    pub(super) fn begin_call(&mut self) -> Option<Call> {
        if self.open_calls.len() >= OPEN_CALLS_MAX {
            return None;
        }
        let call = Call {
            id: self.unique_id(),
            lead: self.lead(),
            campaign: self.campaign(),
            agent: self.agent(),
        };
        self.open_calls.push_back(call.clone());
        Some(call)
    }

    /// Ends the oldest open call.
    pub(super) fn end_call(&mut self) -> Option<Call> {
        self.open_calls.pop_front()
    }

    /// The newest open call, which stays open.
    pub(super) fn newest_call(&self) -> Option<Call> {
        self.open_calls.back().cloned()
    }

    pub(super) fn lead(&mut self) -> u64 {
        self.random.below(LEAD_COUNT) + 1
    }

    pub(super) fn agent(&mut self) -> String {
        format!("agent{:03}", self.random.below(AGENT_COUNT) + 1)
    }

    pub(super) fn campaign(&mut self) -> &'static str {
        CAMPAIGNS[self.random.below(CAMPAIGNS.len() as u64) as usize]
    }

    pub(super) fn phone(&mut self) -> String {
        format!("7{:09}", self.random.below(1_000_000_000))
    }

    /// A remark as a literal this client can send.
    pub(super) fn remark(&mut self) -> &'static str {
        if self.charset == Charset::Utf8mb4 && self.random.once_in(4) {
            words::wide_remark(&mut self.random)
        } else {
            words::remark(&mut self.random)
        }
    }

    /// A remark for a column that only holds latin1.
    pub(super) fn narrow_remark(&mut self) -> &'static str {
        words::remark(&mut self.random)
    }
}

impl Charset {
    /// The bytes of a statement in this character set. Texts for latin1 clients hold no other characters.
    pub(super) fn encode(self, statement: &str) -> Vec<u8> {
        match self {
            Charset::Utf8mb4 => statement.as_bytes().to_vec(),
            Charset::Latin1 => statement
                .chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
                .collect(),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Charset::Latin1 => "latin1",
            Charset::Utf8mb4 => "utf8mb4",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(seed: u64, client: usize) -> Vec<String> {
        let mut script = Script::new(seed, client, true);
        (0..2000).flat_map(|_| script.next_step()).collect()
    }

    #[test]
    fn a_seed_and_a_client_give_one_script() {
        assert_eq!(statements(1, 0), statements(1, 0));
        assert_ne!(statements(1, 0), statements(2, 0));
        assert_ne!(statements(1, 0), statements(1, 1));
    }

    #[test]
    fn the_script_has_what_a_call_centre_does() {
        let all = statements(3, 0).join("\n");
        for part in [
            "INSERT IGNORE",
            "ON DUPLICATE KEY UPDATE",
            "ORDER BY",
            "LIMIT 1",
            "START TRANSACTION",
            "ROLLBACK",
            "LAST_INSERT_ID()",
            "RAND()",
            "NOW(6)",
            "UUID()",
            "INSERT INTO asterisk.",
            "USE tools",
            "CREATE TABLE",
            "ALTER TABLE",
            "RENAME TABLE",
            "TRUNCATE TABLE",
            "DROP TABLE",
            "REPLACE INTO",
            "@recording",
            "ANSI_QUOTES",
        ] {
            assert!(all.contains(part), "no {part} in 2000 steps");
        }
    }

    #[test]
    fn latin1_clients_send_one_byte_per_character() {
        assert_eq!(Charset::Latin1.encode("caf\u{e9}"), b"caf\xe9");
        assert_eq!(Charset::Utf8mb4.encode("caf\u{e9}"), "caf\u{e9}".as_bytes());
        let text = statements(5, 2).join("");
        assert!(text.chars().all(|c| u32::from(c) <= 0xff));
    }
}
