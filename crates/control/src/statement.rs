//! Which statement a text is, as far as replication is concerned. MariaDB server 10.11, `sql/sql_yacc.yy`.

use std::collections::HashMap;

use tributary_binlog::{Gtid, GtidPos};
use tributary_sql::TokenKind;

use crate::assignment::{Assignment, assignments};
use crate::change;
use crate::engine::{ChangeMaster, Place, Refusal, Threads, Until};
use crate::reply::not_supported;
use crate::tokens::{Tokens, has_piece, is_block};

/// `SLAVE` and its newer name.
const SLAVE: [&str; 2] = ["SLAVE", "REPLICA"];

/// Words without one of which a text has nothing to do with replication.
const WORDS: [&[u8]; 6] = [b"slave", b"replica", b"master", b"gtid_", b"relay", b"replicate_"];

/// Words that count beside `SHOW`: elsewhere they are names of columns.
const SHOWN: [&[u8]; 5] = [b"status", b"variables", b"warnings", b"errors", b"processlist"];

/// `LIMIT`: lines to pass over, and to show at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) passed: usize,
    pub(crate) shown: usize,
}

/// What `SHOW WARNINGS` is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Warnings {
    /// `SHOW ERRORS`.
    pub(crate) are_errors: bool,
    /// `SHOW COUNT(*) WARNINGS`.
    pub(crate) is_count: bool,
    pub(crate) limit: Limit,
}

/// A statement about replication. Names are `None` where the statement has none: then the session's default connection is meant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Statement {
    /// `SHOW SLAVE ['name'] STATUS`.
    ShowStatus(Option<String>),
    /// `SHOW ALL SLAVES STATUS`.
    ShowAllStatus,
    Change(Option<String>, Box<ChangeMaster>),
    Start(Option<String>, Threads, Option<Until>),
    Stop(Option<String>, Threads),
    StartAll,
    StopAll,
    /// With whether `ALL` was said.
    Reset(Option<String>, bool),
    FlushRelayLogs(Option<String>),
    /// Name, file, offset.
    ShowRelayLogEvents(Option<String>, Option<String>, u64, Limit),
    /// `SHOW WARNINGS`, or `SHOW ERRORS`.
    ShowWarnings(Warnings),
    /// `SHOW STATUS` or `SHOW VARIABLES`.
    ShowNamed,
    /// `SHOW [FULL] PROCESSLIST`.
    ShowProcesses,
    /// An assignment at least to a variable of replication.
    Set(Vec<Assignment>),
    /// Reads variables of replication, or waits by functions.
    Reads,
    /// It begins like one of these and goes on otherwise.
    Unknown,
    /// It is understood and makes no sense.
    Refused(Refusal),
}

/// Whether the text may be about replication at all: a quick look.
pub(crate) fn may_concern(text: &[u8]) -> bool {
    has_any(text, &WORDS) || (has_any(text, &[b"show"]) && has_any(text, &SHOWN))
}

fn has_any(text: &[u8], words: &[&[u8]]) -> bool {
    text.iter().enumerate().any(|(at, byte)| {
        let first = byte.to_ascii_lowercase();
        words.iter().any(|word| {
            word.first() == Some(&first)
                && text
                    .get(at..at + word.len())
                    .is_some_and(|found| found.eq_ignore_ascii_case(word))
        })
    })
}

/// What the statement is; `None` for those that have nothing to do with replication. With the connection that it is about if it
/// names none itself, as `SET STATEMENT` may say.
pub(crate) fn recognise(text: &[u8]) -> Option<(Statement, Option<String>)> {
    let mut tokens = Tokens::new(text);
    if is_block(text) && in_block(&tokens) {
        let refusal = not_supported("statements about replication in a block of statements");
        return Some((Statement::Refused(refusal), None));
    }
    if tokens.words(&["SET", "STATEMENT"]) {
        return set_statement(&mut tokens);
    }
    let statement = simple(&mut tokens)?;
    Some((statement, None))
}

/// Words that begin a statement of a block which could be about replication: nowhere else does one of ours read like that.
const BEGINNINGS: [&[u8]; 8] = [
    b"CHANGE", b"START", b"STOP", b"RESET", b"FLUSH", b"SHOW", b"EXECUTE", b"PREPARE",
];

/// Tokens of one statement of a block that are looked at.
const BLOCK_STATEMENT_TOKENS_MAX: usize = 1024;

/// Whether a block holds a statement that the target would carry out on its own threads.
fn in_block(tokens: &Tokens<'_>) -> bool {
    let list = tokens.list();
    let is_word = |token: &tributary_sql::Token, word: &[u8]| {
        token.kind == TokenKind::Word && tokens.bytes(*token).eq_ignore_ascii_case(word)
    };
    let begins = |at: usize| {
        let first = &list[at];
        if BEGINNINGS.iter().any(|word| is_word(first, word)) {
            return true;
        }
        // That of an UPDATE sets columns.
        is_word(first, b"SET")
            && list.get(at + 1).is_some_and(|next| {
                next.kind == TokenKind::SystemVar
                    || [&b"GLOBAL"[..], b"SESSION", b"STATEMENT"]
                        .iter()
                        .any(|word| is_word(next, word))
            })
    };
    (0..list.len()).filter(|at| begins(*at)).any(|at| {
        let rest = list[at..].iter().take(BLOCK_STATEMENT_TOKENS_MAX);
        let length = rest
            .take_while(|token| token.kind != TokenKind::Semicolon)
            .count();
        let mut part = tokens.part(at, at + length);
        let found = match part.words(&["SET", "STATEMENT"]) {
            true => set_statement(&mut part).map(|(statement, _)| statement),
            false => simple(&mut part),
        };
        found.is_some_and(|statement| statement.is_carried_out())
    })
}

/// Why a text is refused that is too long to be taken apart. Statements in it that are longer than `statement_bytes_max` count by
/// what they begin with.
pub(crate) fn refusal_of_long(text: &[u8], statement_bytes_max: usize) -> Option<Refusal> {
    let is_ours = |piece: &[u8]| {
        let head = &piece[..piece.len().min(statement_bytes_max)];
        recognise(head).is_some_and(|(statement, _)| statement.is_carried_out())
    };
    has_piece(text, is_ours).then(|| not_supported("statements about replication in a text of this length"))
}

impl Statement {
    /// Whether the target, given it, would show or change replication of its own: others only read.
    fn is_carried_out(&self) -> bool {
        !matches!(
            self,
            Self::ShowWarnings(_) | Self::ShowNamed | Self::ShowProcesses | Self::Reads
        )
    }
}

/// `name=value[, ...] FOR` a statement. What is set there beside `default_master_connection` holds for the session on the target: what is
/// read there has it, and what the engine carries out cannot.
fn set_statement(tokens: &mut Tokens<'_>) -> Option<(Statement, Option<String>)> {
    use Statement as S;
    let (mut connection, mut has_others) = (None, false);
    loop {
        let variable = tokens.name()?;
        tokens.sign(":");
        if !tokens.sign("=") {
            return None;
        }
        let is_connection = variable.eq_ignore_ascii_case("default_master_connection");
        match tokens.clone().string() {
            Some(name) if is_connection => connection = Some(name),
            _ => has_others = true,
        }
        pass_value(tokens);
        if !tokens.kind(TokenKind::Comma) {
            break;
        }
    }
    if !tokens.word("FOR") {
        return None;
    }
    let statement = match simple(tokens)? {
        S::Start(..)
        | S::StartAll
        | S::Stop(..)
        | S::StopAll
        | S::Change(..)
        | S::Reset(..)
        | S::FlushRelayLogs(_)
        | S::Set(_)
            if has_others =>
        {
            S::Refused(not_supported("SET STATEMENT for a statement about replication"))
        }
        statement => statement,
    };
    Some((statement, connection))
}

/// Passes an expression, up to the comma or `FOR` behind it.
fn pass_value(tokens: &mut Tokens<'_>) {
    let mut depth = 0_usize;
    loop {
        let mut look = tokens.clone();
        if depth == 0 && (look.kind(TokenKind::Comma) || look.word("FOR")) {
            return;
        }
        match tokens.skip().map(|token| token.kind) {
            None => return,
            Some(TokenKind::Open) => depth += 1,
            Some(TokenKind::Close) => depth = depth.saturating_sub(1),
            Some(_) => {}
        }
    }
}

/// A statement as a literal, to be prepared or executed: the target would take it for one about its own threads.
fn prepared(tokens: &mut Tokens<'_>) -> Option<Statement> {
    // `ER_UNSUPPORTED_PS`.
    const NOT_PREPARED: u16 = 1295;
    let text = tokens.string()?;
    match recognise(text.as_bytes())?.0 {
        Statement::ShowNamed | Statement::ShowProcesses | Statement::ShowWarnings(_) => None,
        _ => Some(Statement::Refused(Refusal::new(
            NOT_PREPARED,
            "This command is not supported in the prepared statement protocol yet",
        ))),
    }
}

fn simple(tokens: &mut Tokens<'_>) -> Option<Statement> {
    let whole = tokens.clone();
    let statement = if tokens.words(&["CHANGE", "MASTER"]) {
        change_master(tokens)
    } else if tokens.word("START") {
        if tokens.words(&["ALL", "SLAVES"]) || tokens.words(&["ALL", "REPLICAS"]) {
            Some(Statement::StartAll)
        } else if tokens.one_of(&SLAVE) {
            start(tokens)
        } else {
            return None;
        }
    } else if tokens.word("STOP") {
        if tokens.words(&["ALL", "SLAVES"]) || tokens.words(&["ALL", "REPLICAS"]) {
            Some(Statement::StopAll)
        } else if tokens.one_of(&SLAVE) {
            stop(tokens)
        } else {
            return None;
        }
    } else if tokens.word("RESET") {
        if !tokens.one_of(&SLAVE) {
            return None;
        }
        reset(tokens)
    } else if tokens.word("FLUSH") {
        tokens.one_of(&["LOCAL", "NO_WRITE_TO_BINLOG"]);
        if !tokens.words(&["RELAY", "LOGS"]) {
            return None;
        }
        name(tokens).map(Statement::FlushRelayLogs)
    } else if tokens.word("SHOW") {
        show(tokens)?
    } else if tokens.words(&["EXECUTE", "IMMEDIATE"]) {
        return prepared(tokens);
    } else if tokens.word("PREPARE") {
        tokens.name()?;
        return match tokens.word("FROM") {
            true => prepared(tokens),
            false => None,
        };
    } else if tokens.word("SET") {
        let list = assignments(tokens)?;
        let concerns = list.iter().any(Assignment::concerns);
        if concerns {
            return Some(Statement::Set(list));
        }
        return reads(&whole);
    } else {
        return reads(&whole);
    };
    match statement {
        Some(statement) if tokens.is_at_end() => Some(statement),
        _ => Some(Statement::Unknown),
    }
}

/// A statement that has nothing to do with replication itself may read what has.
fn reads(tokens: &Tokens<'_>) -> Option<Statement> {
    let mut first = tokens.clone();
    if !first.one_of(&["SELECT", "SET", "DO", "CREATE", "INSERT", "CALL", "IF", "WITH"]) {
        return None;
    }
    crate::substitute::has_any(tokens).then_some(Statement::Reads)
}

/// A connection's name, if there is one. `None`: it is not understood.
fn name(tokens: &mut Tokens<'_>) -> Option<Option<String>> {
    if let Some(name) = tokens.string() {
        return Some(Some(name));
    }
    channel(tokens)
}

/// `FOR CHANNEL 'name'`, if it is there.
fn channel(tokens: &mut Tokens<'_>) -> Option<Option<String>> {
    match tokens.words(&["FOR", "CHANNEL"]) {
        true => Some(Some(tokens.string()?)),
        false => Some(None),
    }
}

fn change_master(tokens: &mut Tokens<'_>) -> Option<Statement> {
    let name = tokens.string();
    if !tokens.word("TO") {
        return None;
    }
    let change = change::options(tokens)?;
    let name = name.or(channel(tokens)?);
    Some(match change::refusal(&change) {
        Some(refusal) => Statement::Refused(refusal),
        None => Statement::Change(name, Box::new(change)),
    })
}

fn threads(tokens: &mut Tokens<'_>) -> Threads {
    let mut threads = Threads {
        io: false,
        sql: false,
    };
    loop {
        if tokens.one_of(&["IO_THREAD", "RELAY_THREAD"]) {
            threads.io = true;
        } else if tokens.word("SQL_THREAD") {
            threads.sql = true;
        }
        if !tokens.kind(TokenKind::Comma) {
            break;
        }
    }
    match threads.io || threads.sql {
        true => threads,
        false => Threads::BOTH,
    }
}

fn start(tokens: &mut Tokens<'_>) -> Option<Statement> {
    let name = tokens.string();
    let threads = threads(tokens);
    let until = match tokens.word("UNTIL") {
        true => match until(tokens)? {
            Ok(until) => Some(until),
            Err(refusal) => return Some(Statement::Refused(refusal)),
        },
        false => None,
    };
    let name = name.or(channel(tokens)?);
    // A GTID position is for both threads.
    if threads != Threads::BOTH && matches!(until, Some(Until::Gtid(_))) {
        return Some(Statement::Refused(bad_until()));
    }
    Some(Statement::Start(name, threads, until))
}

/// The outer `None`: it is not understood.
fn until(tokens: &mut Tokens<'_>) -> Option<Result<Until, Refusal>> {
    let (mut file, mut offset, mut relay_file, mut relay_offset, mut gtid) = (None, None, None, None, None);
    loop {
        let option = tokens.name()?.to_ascii_uppercase();
        if !tokens.sign("=") {
            return None;
        }
        match option.as_str() {
            "MASTER_LOG_FILE" => file = Some(tokens.string()?),
            "MASTER_LOG_POS" => offset = Some(tokens.number()?),
            "RELAY_LOG_FILE" => relay_file = Some(tokens.string()?),
            "RELAY_LOG_POS" => relay_offset = Some(tokens.number()?),
            "MASTER_GTID_POS" => gtid = Some(tokens.string()?),
            _ => return None,
        }
        if !tokens.kind(TokenKind::Comma) {
            break;
        }
    }
    let until = match (file, offset, relay_file, relay_offset, gtid) {
        (Some(file), Some(offset), None, None, None) => Until::Place(Place { file, offset }),
        (None, None, Some(file), Some(offset), None) => Until::RelayLog(Place { file, offset }),
        (None, None, None, None, Some(gtid)) => match gtid_pos(&gtid) {
            Ok(gtid) => Until::Gtid(gtid),
            Err(refusal) => return Some(Err(refusal)),
        },
        // The grammar has it only alone.
        (.., Some(_)) => return None,
        _ => return Some(Err(bad_until())),
    };
    Some(Ok(until))
}

/// `ER_BAD_SLAVE_UNTIL_COND`.
fn bad_until() -> Refusal {
    Refusal::new(
        1277,
        "Incorrect parameter or combination of parameters for START SLAVE UNTIL",
    )
}

/// Reads a position: a GTID of each domain.
pub(crate) fn gtid_pos(text: &str) -> Result<GtidPos, Refusal> {
    let mut known: HashMap<u32, Gtid> = HashMap::new();
    let gtids = text.split(',').map_while(|part| part.parse::<Gtid>().ok());
    for gtid in gtids {
        if let Some(other) = known.insert(gtid.domain, gtid) {
            // `ER_DUPLICATE_GTID_DOMAIN`.
            let message = format!(
                "GTID {gtid} and {other} conflict (duplicate domain id {})",
                gtid.domain
            );
            return Err(Refusal::new(1943, message));
        }
    }
    // `ER_INCORRECT_GTID_STATE`.
    text.parse()
        .map_err(|_| Refusal::new(1941, "Could not parse GTID list"))
}

fn stop(tokens: &mut Tokens<'_>) -> Option<Statement> {
    let name = tokens.string();
    let threads = threads(tokens);
    let name = name.or(channel(tokens)?);
    Some(Statement::Stop(name, threads))
}

fn reset(tokens: &mut Tokens<'_>) -> Option<Statement> {
    let name = tokens.string();
    let all = tokens.word("ALL");
    let name = name.or(channel(tokens)?);
    Some(Statement::Reset(name, all))
}

/// The outer `None`: it shows something else.
fn show(tokens: &mut Tokens<'_>) -> Option<Option<Statement>> {
    if tokens.word("ALL") {
        let is_it = tokens.one_of(&["SLAVES", "REPLICAS"]) && tokens.word("STATUS");
        return Some(is_it.then_some(Statement::ShowAllStatus));
    }
    if tokens.one_of(&SLAVE) {
        if tokens.word("HOSTS") {
            return None;
        }
        let name = tokens.string();
        if !tokens.word("STATUS") {
            return Some(None);
        }
        let channel = channel(tokens)?;
        return Some(Some(Statement::ShowStatus(name.or(channel))));
    }
    if tokens.word("RELAYLOG") {
        return Some(relaylog(tokens));
    }
    let mut list = tokens.clone();
    list.word("FULL");
    if list.word("PROCESSLIST") {
        *tokens = list;
        return Some(Some(Statement::ShowProcesses));
    }
    let mut listed = tokens.clone();
    let is_count = listed.word("COUNT")
        && listed.kind(TokenKind::Open)
        && listed.sign("*")
        && listed.kind(TokenKind::Close);
    if is_count {
        *tokens = listed;
    }
    let are_errors = tokens.clone().word("ERRORS");
    if tokens.one_of(&["WARNINGS", "ERRORS"]) {
        let shown = limit(tokens).map(|limit| Warnings {
            are_errors,
            is_count,
            limit,
        });
        // A count has no limit; the target says so.
        let is_right = !is_count || tokens.is_at_end();
        return Some(shown.filter(|_| is_right).map(Statement::ShowWarnings));
    }
    let mut other = tokens.clone();
    other.one_of(&["GLOBAL", "SESSION", "LOCAL"]);
    if !other.one_of(&["STATUS", "VARIABLES"]) {
        return None;
    }
    while tokens.skip().is_some() {}
    Some(Some(Statement::ShowNamed))
}

fn relaylog(tokens: &mut Tokens<'_>) -> Option<Statement> {
    let name = tokens.string();
    if !tokens.word("EVENTS") {
        return None;
    }
    let file = match tokens.word("IN") {
        true => Some(tokens.string()?),
        false => None,
    };
    let offset = match tokens.word("FROM") {
        true => tokens.number()?,
        false => 0,
    };
    let limit = limit(tokens)?;
    let name = name.or(channel(tokens)?);
    Some(Statement::ShowRelayLogEvents(name, file, offset, limit))
}

/// `LIMIT [offset,] count` or `LIMIT count OFFSET offset`, if it is there. `None`: it is not understood.
fn limit(tokens: &mut Tokens<'_>) -> Option<Limit> {
    let mut limit = Limit {
        passed: 0,
        shown: usize::MAX,
    };
    if tokens.word("LIMIT") {
        limit.shown = usize::try_from(tokens.number()?).ok()?;
        if tokens.kind(TokenKind::Comma) {
            limit.passed = std::mem::replace(&mut limit.shown, usize::try_from(tokens.number()?).ok()?);
        } else if tokens.word("OFFSET") {
            limit.passed = usize::try_from(tokens.number()?).ok()?;
        }
    }
    Some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::UseGtid;

    fn read(text: &str) -> Option<Statement> {
        recognise(text.as_bytes()).map(|(statement, _)| statement)
    }

    fn named(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[test]
    fn blocks_hold_no_statement_about_replication() {
        for (text, is_refused) in [
            ("BEGIN NOT ATOMIC STOP SLAVE; END", true),
            ("begin not atomic select 1; start slave 'm1'; end", true),
            ("IF 1 THEN CHANGE MASTER TO MASTER_HOST='x'; END IF", true),
            ("x: LOOP SHOW SLAVE STATUS; LEAVE x; END LOOP", true),
            ("WHILE 1 DO SET GLOBAL sql_slave_skip_counter=1; END WHILE", true),
            (
                "BEGIN NOT ATOMIC SET STATEMENT default_master_connection='m1' FOR STOP SLAVE; END",
                true,
            ),
            ("BEGIN NOT ATOMIC EXECUTE IMMEDIATE 'STOP SLAVE'; END", true),
            (
                "SET STATEMENT max_statement_time=1 FOR BEGIN NOT ATOMIC STOP SLAVE; END",
                true,
            ),
            (
                "BEGIN NOT ATOMIC SELECT 'STOP SLAVE; x'; SHOW WARNINGS; END",
                false,
            ),
            ("BEGIN NOT ATOMIC START TRANSACTION; SET @slave=1; END", false),
        ] {
            let found = read(text);
            assert_eq!(
                matches!(found, Some(Statement::Refused(_))),
                is_refused,
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn long_texts_are_looked_through() {
        let long = "x".repeat(100);
        for (text, is_refused) in [
            (format!("INSERT INTO t VALUES ('{long}'); STOP SLAVE"), true),
            (format!("CHANGE MASTER TO MASTER_HOST='{long}'"), true),
            (format!("INSERT INTO t VALUES ('{long}; STOP SLAVE')"), false),
            (format!("INSERT INTO slave VALUES ('{long}'); SELECT 1"), false),
        ] {
            assert_eq!(
                refusal_of_long(text.as_bytes(), 64).is_some(),
                is_refused,
                "{text}"
            );
        }
    }

    #[test]
    fn statements_about_replication_are_told_from_others() {
        use Statement as S;
        let sql = Threads { io: false, sql: true };
        for (text, expected) in [
            ("SHOW SLAVE STATUS", Some(S::ShowStatus(None))),
            (
                "/* x */ show replica 'm1' status;",
                Some(S::ShowStatus(named("m1"))),
            ),
            (
                "SHOW SLAVE STATUS FOR CHANNEL 'm1'",
                Some(S::ShowStatus(named("m1"))),
            ),
            ("SHOW ALL SLAVES STATUS", Some(S::ShowAllStatus)),
            ("SHOW SLAVE HOSTS", None),
            ("SHOW TABLE STATUS", None),
            ("show full processlist", Some(S::ShowProcesses)),
            ("SHOW PROCESSLIST;", Some(S::ShowProcesses)),
            ("SHOW PROCESSLIST 'm1'", Some(S::Unknown)),
            ("SHOW FULL TABLES", None),
            ("EXECUTE IMMEDIATE 'SHOW PROCESSLIST'", None),
            ("SELECT * FROM information_schema.PROCESSLIST", None),
            ("SHOW GLOBAL STATUS LIKE 'Slave%'", Some(S::ShowNamed)),
            (
                "START SLAVE 'm1' SQL_THREAD",
                Some(S::Start(named("m1"), sql, None)),
            ),
            (
                "START SLAVE IO_THREAD, SQL_THREAD",
                Some(S::Start(None, Threads::BOTH, None)),
            ),
            ("START TRANSACTION", None),
            ("STOP ALL SLAVES", Some(S::StopAll)),
            ("RESET SLAVE 'm1' ALL", Some(S::Reset(named("m1"), true))),
            ("RESET MASTER", None),
            ("FLUSH RELAY LOGS", Some(S::FlushRelayLogs(None))),
            ("FLUSH TABLES", None),
            ("START SLAVE NOW", Some(S::Unknown)),
            ("CHANGE MASTER TO MASTER_COLOUR='red'", Some(S::Unknown)),
            (
                "SHOW RELAYLOG 'm1' EVENTS IN 'f' FROM 4 LIMIT 2, 3",
                Some(S::ShowRelayLogEvents(
                    named("m1"),
                    named("f"),
                    4,
                    Limit { passed: 2, shown: 3 },
                )),
            ),
            ("SELECT 'START SLAVE'", None),
            ("SELECT @@gtid_slave_pos", Some(S::Reads)),
            ("INSERT INTO slave_log VALUES (1)", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn nothing_reaches_the_threads_of_the_target_by_a_detour() {
        let code = |text: &str| match read(text) {
            Some(Statement::Refused(refusal)) => refusal.code,
            _ => 0,
        };
        for text in [
            "EXECUTE IMMEDIATE 'CHANGE MASTER TO MASTER_HOST=''h'''",
            "PREPARE p FROM 'START SLAVE'",
            "EXECUTE IMMEDIATE \"SELECT MASTER_POS_WAIT('f', 4)\"",
        ] {
            assert_eq!(code(text), 1295, "{text}");
        }
        for text in [
            "SET STATEMENT max_statement_time=3 FOR START SLAVE",
            "SET STATEMENT sql_mode=concat('a', ','), default_master_connection='m1' FOR STOP SLAVE",
            "SET STATEMENT default_master_connection=@x FOR RESET SLAVE",
        ] {
            assert_eq!(code(text), 1235, "{text}");
        }
        let status =
            b"SET STATEMENT max_statement_time=3, default_master_connection='m1' FOR SHOW SLAVE STATUS";
        assert_eq!(
            recognise(status),
            Some((Statement::ShowStatus(None), named("m1")))
        );
        let alone = b"SET STATEMENT default_master_connection='m1' FOR START SLAVE";
        assert_eq!(
            recognise(alone),
            Some((Statement::Start(None, Threads::BOTH, None), named("m1")))
        );
        for text in [
            "EXECUTE IMMEDIATE 'SELECT 1 FROM slave_log'",
            "EXECUTE IMMEDIATE @slave_statement",
            "PREPARE p FROM 'SHOW STATUS LIKE ''Slave%'''",
            "SET STATEMENT max_statement_time=3 FOR SELECT 1 FROM slave_log",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn change_master_takes_every_kind_of_option() {
        let text = "CHANGE MASTER 'm1' TO MASTER_HOST='h', MASTER_PORT=3307, MASTER_PASSWORD='it''s', MASTER_USE_GTID=slave_pos, \
            MASTER_HEARTBEAT_PERIOD=1.5, IGNORE_SERVER_IDS=(3,1,3), DO_DOMAIN_IDS=(), MASTER_SSL=1";
        let Some(Statement::Change(name, change)) = read(text) else {
            panic!("{:?}", read(text))
        };
        assert_eq!(
            (name, change.host, change.port),
            (named("m1"), named("h"), Some(3307))
        );
        assert_eq!(change.use_gtid, Some(UseGtid::SlavePos));
        assert_eq!(
            change.heartbeat_period,
            Some(std::time::Duration::from_millis(1500))
        );
        assert_eq!(change.ignore_server_ids, Some(vec![1, 3]));
        assert_eq!(change.do_domain_ids, Some(Vec::new()));
        assert_eq!(change.ssl, Some(true));
        assert!(
            !format!("{:?}", change.password).contains("it's"),
            "secrets are not shown"
        );
        for (text, code) in [
            ("CHANGE MASTER TO MASTER_HOST=''", 1210),
            ("START SLAVE UNTIL MASTER_LOG_FILE='f'", 1277),
            ("START SLAVE SQL_THREAD UNTIL MASTER_GTID_POS='0-1-1'", 1277),
            ("START SLAVE UNTIL MASTER_GTID_POS='x'", 1941),
            ("START SLAVE UNTIL MASTER_GTID_POS='0-1-1,1-1-1,0-2-2,x'", 1943),
        ] {
            assert!(
                matches!(read(text), Some(Statement::Refused(refusal)) if refusal.code == code),
                "{text}"
            );
        }
    }

    #[test]
    fn of_a_file_and_a_gtid_position_together_the_target_tells() {
        let text = "START SLAVE UNTIL MASTER_LOG_FILE='f', MASTER_LOG_POS=4, MASTER_GTID_POS=''";
        assert_eq!(read(text), Some(Statement::Unknown));
    }

    #[test]
    fn the_quick_look_passes_over_what_has_nothing_to_do_with_it() {
        assert!(!may_concern(
            b"SELECT status, variables FROM vicidial_log WHERE status='A'"
        ));
        assert!(may_concern(b"show\nStatus"));
        assert!(may_concern(b"Show full Processlist"));
        assert!(!may_concern(b"SELECT * FROM information_schema.PROCESSLIST"));
        assert!(may_concern(b"select MASTER_pos_wait('f', 4)"));
    }
}
