//! Parts of a statement that the engine answers: variables of replication, and functions that wait for it.

use tributary_sql::{Token, TokenKind};

use crate::engine::Variable;
use crate::tokens::Tokens;

/// What stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// `@@[GLOBAL.][name.]variable`.
    Variable(Option<String>, Variable),
    /// `@@[GLOBAL.]gtid_slave_pos`.
    GtidSlavePos,
    /// `MASTER_POS_WAIT(...)`, with where its arguments stand.
    WaitForPlace(Vec<(usize, usize)>),
    /// `MASTER_GTID_WAIT(...)`.
    WaitForGtid(Vec<(usize, usize)>),
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) what: What,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// It is a whole item of a `SELECT` without a name of its own: what it is shown under is its text.
    pub(crate) names_column: bool,
}

/// Whether there is any.
pub(crate) fn has_any(tokens: &Tokens<'_>) -> bool {
    (0..tokens.list().len()).any(|at| part_at(tokens, at).is_some())
}

/// All of them, in order.
pub(crate) fn parts(text: &[u8]) -> Vec<Part> {
    let tokens = Tokens::new(text);
    let list = tokens.list();
    let mut parts = Vec::new();
    let mut at = 0;
    while at < list.len() {
        let Some((what, next)) = part_at(&tokens, at) else {
            at += 1;
            continue;
        };
        let (start, end) = (list[at].start, list[next - 1].end);
        parts.push(Part {
            what,
            start,
            end,
            names_column: is_item(&tokens, at, next),
        });
        at = next;
    }
    parts
}

/// The text with each part replaced.
pub(crate) fn replace(text: &[u8], parts: &[Part], values: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut from = 0;
    for (part, value) in parts.iter().zip(values) {
        out.extend_from_slice(&text[from..part.start]);
        out.extend_from_slice(value);
        if part.names_column {
            out.extend_from_slice(b" AS `");
            for byte in &text[part.start..part.end] {
                out.push(*byte);
                if *byte == b'`' {
                    out.push(b'`');
                }
            }
            out.push(b'`');
        }
        from = part.end;
    }
    out.extend_from_slice(&text[from..]);
    out
}

/// The part that begins at a token, with the token behind it.
fn part_at(tokens: &Tokens<'_>, at: usize) -> Option<(What, usize)> {
    let list = tokens.list();
    let first = list.get(at)?;
    match first.kind {
        TokenKind::SystemVar => variable_at(tokens, at + 1),
        TokenKind::Word if list.get(at + 1)?.kind == TokenKind::Open => {
            let name = tokens.bytes(*first);
            let is_place = name.eq_ignore_ascii_case(b"MASTER_POS_WAIT");
            if !is_place && !name.eq_ignore_ascii_case(b"MASTER_GTID_WAIT") {
                return None;
            }
            let (arguments, next) = arguments(list, at + 2)?;
            let what = match (is_place, arguments.len()) {
                (true, 2..=4) => What::WaitForPlace(arguments),
                (false, 1..=2) => What::WaitForGtid(arguments),
                // The server says what is wrong.
                _ => return None,
            };
            Some((what, next))
        }
        _ => None,
    }
}

fn variable_at(tokens: &Tokens<'_>, mut at: usize) -> Option<(What, usize)> {
    let list = tokens.list();
    let mut names: Vec<String> = Vec::new();
    loop {
        let token = *list.get(at)?;
        match token.kind {
            kind if kind.is_name() => names.push(tokens.name_of(token)),
            TokenKind::String => {
                let quoted = String::from_utf8_lossy(tokens.bytes(token)).into_owned();
                names.push(
                    quoted
                        .trim_matches(|letter| matches!(letter, '\'' | '"'))
                        .to_owned(),
                );
            }
            _ => return None,
        }
        at += 1;
        if list.get(at).is_none_or(|token| token.kind != TokenKind::Dot) {
            break;
        }
        at += 1;
    }
    let is_word = |name: &String, word: &str| name.eq_ignore_ascii_case(word);
    let mut is_of_session = false;
    if names.len() > 1
        && ["GLOBAL", "SESSION", "LOCAL"]
            .iter()
            .any(|scope| is_word(&names[0], scope))
    {
        is_of_session = !is_word(&names[0], "GLOBAL");
        names.remove(0);
    }
    let last = names.pop()?;
    if names.is_empty() && !is_of_session && last.eq_ignore_ascii_case("gtid_slave_pos") {
        return Some((What::GtidSlavePos, at));
    }
    let variable = Variable::named(&last)?;
    if is_of_session && !variable.is_also_of_session() {
        return None;
    }
    match names.len() {
        0 | 1 => Some((What::Variable(names.pop(), variable), at)),
        _ => None,
    }
}

/// The arguments of a call, from behind its bracket on, and the token behind the call.
fn arguments(list: &[Token], first: usize) -> Option<(Vec<(usize, usize)>, usize)> {
    let mut arguments = Vec::new();
    let mut depth = 0_usize;
    let mut from = first;
    for (at, token) in list.iter().enumerate().skip(first) {
        let ends = match token.kind {
            TokenKind::Open => {
                depth += 1;
                false
            }
            TokenKind::Close if depth > 0 => {
                depth -= 1;
                false
            }
            TokenKind::Close => true,
            TokenKind::Comma => depth == 0,
            _ => false,
        };
        if ends {
            if at > from {
                arguments.push((list[from].start, list[at - 1].end));
            }
            from = at + 1;
            if token.kind == TokenKind::Close {
                return Some((arguments, at + 1));
            }
        }
    }
    None
}

/// Whether the tokens are an item of the statement's own list, without a name.
fn is_item(tokens: &Tokens<'_>, at: usize, next: usize) -> bool {
    let list = tokens.list();
    let is_word = |place: usize, word: &str| {
        list.get(place).is_some_and(|token| {
            token.kind == TokenKind::Word && tokens.bytes(*token).eq_ignore_ascii_case(word.as_bytes())
        })
    };
    if at == 0 || !is_word(0, "SELECT") {
        return false;
    }
    let depth: isize = list[..at]
        .iter()
        .map(|token| match token.kind {
            TokenKind::Open => 1,
            TokenKind::Close => -1,
            _ => 0,
        })
        .sum();
    let begins = list[at - 1].kind == TokenKind::Comma || is_word(at - 1, "SELECT");
    let ends = match list.get(next) {
        None => true,
        Some(token) if matches!(token.kind, TokenKind::Comma | TokenKind::Semicolon) => true,
        Some(_) => ["FROM", "INTO", "LIMIT", "WHERE"]
            .iter()
            .any(|word| is_word(next, word)),
    };
    depth == 0 && begins && ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: &str, value: &str) -> String {
        let parts = parts(text.as_bytes());
        let values = vec![value.as_bytes().to_vec(); parts.len()];
        String::from_utf8(replace(text.as_bytes(), &parts, &values)).unwrap()
    }

    #[test]
    fn parts_become_values_under_the_same_names() {
        for (text, expected) in [
            (
                "select master_pos_wait('f', 4, 300, '')",
                "select 7 AS `master_pos_wait('f', 4, 300, '')`",
            ),
            ("SELECT MASTER_POS_WAIT('f', 4) >= 0", "SELECT 7 >= 0"),
            ("SELECT master_gtid_wait('0-1-2', 1) AS x", "SELECT 7 AS x"),
            (
                "SELECT @@global.gtid_slave_pos",
                "SELECT 7 AS `@@global.gtid_slave_pos`",
            ),
            ("SET @old = @@GLOBAL.slave_parallel_mode", "SET @old = 7"),
            (
                "SELECT @@m1.replicate_do_db, 1",
                "SELECT 7 AS `@@m1.replicate_do_db`, 1",
            ),
            ("SELECT CONCAT(@@gtid_slave_pos, 'x')", "SELECT CONCAT(7, 'x')"),
            ("SELECT '@@gtid_slave_pos'", "SELECT '@@gtid_slave_pos'"),
            (
                "SELECT @@session.sql_slave_skip_counter",
                "SELECT 7 AS `@@session.sql_slave_skip_counter`",
            ),
            (
                "SELECT @@session.slave_exec_mode",
                "SELECT @@session.slave_exec_mode",
            ),
            ("SELECT master_pos_wait('f')", "SELECT master_pos_wait('f')"),
        ] {
            assert_eq!(replaced(text, "7"), expected, "{text}");
        }
        let parts = parts(b"SELECT MASTER_POS_WAIT(f(1, 2), ROW(1,2), 3)");
        let What::WaitForPlace(arguments) = &parts[0].what else {
            panic!("{parts:?}")
        };
        assert_eq!(arguments.len(), 3);
    }
}
