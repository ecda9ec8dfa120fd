//! The list of a `SET`.

use tributary_sql::TokenKind;

use crate::engine::Variable;
use crate::tokens::Tokens;

/// `GLOBAL` or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Global,
    Session,
}

/// One `variable = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) scope: Scope,
    /// `name` of `name.variable`.
    pub(crate) connection: Option<String>,
    /// In lower case; with its `@` if it is the user's.
    pub(crate) variable: String,
    /// Where the value stands; `None` is `DEFAULT`.
    pub(crate) value: Option<(usize, usize)>,
    /// Where all of it stands.
    pub(crate) place: (usize, usize),
}

impl Assignment {
    /// Whether the engine has to know of it.
    pub(crate) fn concerns(&self) -> bool {
        self.managed().is_some() || self.is_gtid_slave_pos() || self.is_default_connection()
    }

    /// The variable, if the engine keeps it.
    pub(crate) fn managed(&self) -> Option<Variable> {
        Variable::named(&self.variable)
            .filter(|variable| self.scope == Scope::Global || variable.is_also_of_session())
    }

    pub(crate) fn is_gtid_slave_pos(&self) -> bool {
        self.scope == Scope::Global && self.variable == "gtid_slave_pos"
    }

    pub(crate) fn is_default_connection(&self) -> bool {
        self.variable == "default_master_connection"
    }
}

/// Reads the list behind `SET`. `None`: it is not one of assignments.
pub(crate) fn assignments(tokens: &mut Tokens<'_>) -> Option<Vec<Assignment>> {
    let mut list = Vec::new();
    let mut scope = Scope::Session;
    loop {
        let start = tokens.offset();
        let (connection, variable) = target(tokens, &mut scope)?;
        tokens.sign(":");
        if !tokens.sign("=") {
            return None;
        }
        let value = value(tokens);
        list.push(Assignment {
            scope: if variable.starts_with('@') {
                Scope::Session
            } else {
                scope
            },
            connection,
            variable,
            value: value.0,
            place: (start, value.1),
        });
        if !tokens.kind(TokenKind::Comma) {
            return tokens.is_at_end().then_some(list);
        }
    }
}

/// What is set. A scope counts for what follows, too, until there is another.
fn target(tokens: &mut Tokens<'_>, scope: &mut Scope) -> Option<(Option<String>, String)> {
    let mut user = tokens.clone();
    if let Some(token) = user.skip()
        && token.kind == TokenKind::UserVar
    {
        let name = String::from_utf8_lossy(user.bytes(token)).to_ascii_lowercase();
        while user.kind(TokenKind::Dot) {
            user.skip()?;
        }
        *tokens = user;
        return Some((None, name));
    }
    if tokens.kind(TokenKind::SystemVar) {
        let mut scoped = tokens.clone();
        let found = scope_of(&mut scoped);
        if let Some(found) = found
            && scoped.kind(TokenKind::Dot)
        {
            *tokens = scoped;
            *scope = found;
        } else {
            *scope = Scope::Session;
        }
    } else if let Some(found) = scope_of(tokens) {
        *scope = found;
    }
    let first = tokens.string().or_else(|| tokens.name())?;
    match tokens.kind(TokenKind::Dot) {
        true => Some((Some(first), tokens.name()?.to_ascii_lowercase())),
        false => Some((None, first.to_ascii_lowercase())),
    }
}

pub(crate) fn scope_of(tokens: &mut Tokens<'_>) -> Option<Scope> {
    if tokens.word("GLOBAL") {
        return Some(Scope::Global);
    }
    tokens.one_of(&["SESSION", "LOCAL"]).then_some(Scope::Session)
}

/// Passes an expression, up to the comma behind it. Where it stands (`None`: it is `DEFAULT`), and where it ends.
fn value(tokens: &mut Tokens<'_>) -> (Option<(usize, usize)>, usize) {
    let (start, mut end) = (tokens.offset(), tokens.offset());
    let mut depth = 0_usize;
    let mut words = 0;
    let mut is_default = tokens.clone().word("DEFAULT");
    let mut look = tokens.clone();
    while let Some(token) = look.skip() {
        match token.kind {
            TokenKind::Comma | TokenKind::Semicolon if depth == 0 => break,
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        words += 1;
        end = token.end;
        tokens.skip();
    }
    is_default &= words == 1;
    ((!is_default).then_some((start, end)), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scope, connection, variable, value.
    type Shown = (Scope, Option<String>, String, Option<String>);

    fn read(text: &str) -> Option<Vec<Shown>> {
        let mut tokens = Tokens::new(text.as_bytes());
        assert!(tokens.word("SET"));
        let list = assignments(&mut tokens)?;
        let shown = |one: Assignment| {
            let value = one.value.map(|(start, end)| text[start..end].to_owned());
            (one.scope, one.connection, one.variable, value)
        };
        Some(list.into_iter().map(shown).collect())
    }

    fn one(
        scope: Scope,
        connection: Option<&str>,
        variable: &str,
        value: Option<&str>,
    ) -> Option<Vec<Shown>> {
        Some(vec![(
            scope,
            connection.map(str::to_owned),
            variable.to_owned(),
            value.map(str::to_owned),
        )])
    }

    #[test]
    fn every_spelling_of_an_assignment() {
        use Scope::{Global, Session};
        for (text, expected) in [
            (
                "SET GLOBAL Replicate_Do_DB='a,b'",
                one(Global, None, "replicate_do_db", Some("'a,b'")),
            ),
            (
                "SET @@global.max_relay_log_size=1024*1024;",
                one(Global, None, "max_relay_log_size", Some("1024*1024")),
            ),
            (
                "SET GLOBAL m1.sql_slave_skip_counter := 1",
                one(Global, Some("m1"), "sql_slave_skip_counter", Some("1")),
            ),
            (
                "SET @@GLOBAL.'m 1'.replicate_rewrite_db=DEFAULT",
                one(Global, Some("m 1"), "replicate_rewrite_db", None),
            ),
            (
                "SET default_master_connection=''",
                one(Session, None, "default_master_connection", Some("''")),
            ),
            (
                "SET @x= concat('a', f(1,2))",
                one(Session, None, "@x", Some("concat('a', f(1,2))")),
            ),
            ("SET NAMES utf8mb4", None),
            ("SET PASSWORD FOR u = 'x'", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        let list = read("SET GLOBAL a=1, b=2, @@c=3, SESSION d=4").unwrap();
        let scopes: Vec<Scope> = list.iter().map(|(scope, ..)| *scope).collect();
        assert_eq!(scopes, [Global, Global, Session, Session]);
    }
}
