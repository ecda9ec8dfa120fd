//! Recognises row statements of simple shape.

use crate::dialect::Dialect;
use crate::keyword::Keyword;
use crate::name::Name;
use crate::recognise::{Literals, RowStatement, Value};
use crate::statement::{Statement, StatementKind};
use crate::token::TokenKind;

use super::Parser;
use super::table::Path;

/// What ends the last assignment, or the condition, of an UPDATE or DELETE.
const AFTER_CONDITION: &[Keyword] = &[Keyword::Order, Keyword::Limit, Keyword::Returning];
const AFTER_ASSIGNMENT: &[Keyword] = &[Keyword::Where, Keyword::Order, Keyword::Limit, Keyword::Returning];

/// Recognises a statement that writes rows of one table by literals; `None` for everything else.
///
/// `statement` is what [`crate::parse`] made of `text`. Names and values are those of the statement; what they mean for a
/// key (types, collations, defaults) is for the caller to judge.
///
/// ```
/// use tributary_sql::{Dialect, RowStatement, Value, parse, recognise};
/// let (text, dialect) = (b"UPDATE leads SET status = 'A', n = n + 1 WHERE id = 7 AND n > 2", Dialect::default());
/// let statement = parse(text, &dialect)?;
/// let Some(RowStatement::Update { assigned, equal, .. }) = recognise(text, &statement, &dialect) else { panic!() };
/// assert_eq!(assigned, ["status", "n"]);
/// assert_eq!(equal[0].0, "id");
/// assert_eq!(equal[0].1, Value::Int(7));
/// # Ok::<(), tributary_sql::SqlError>(())
/// ```
#[must_use]
pub fn recognise<'a>(
    text: &'a [u8],
    statement: &Statement<'a>,
    dialect: &Dialect,
) -> Option<RowStatement<'a>> {
    recognise_literals(text, statement, dialect).map(|(found, _)| found)
}

/// As [`recognise`], with the places of the literals that can be taken out of the text.
///
/// ```
/// use tributary_sql::{Dialect, parse, recognise_literals};
/// let (text, dialect) = (b"UPDATE leads SET status = 'A', n = n + 1 WHERE id = 7", Dialect::default());
/// let statement = parse(text, &dialect)?;
/// let (_, literals) = recognise_literals(text, &statement, &dialect).unwrap();
/// let taken: Vec<&[u8]> = literals.list.iter().map(|literal| &text[literal.start..literal.end]).collect();
/// assert_eq!(taken, [&b"'A'"[..], b"7"]);
/// # Ok::<(), tributary_sql::SqlError>(())
/// ```
#[must_use]
pub fn recognise_literals<'a>(
    text: &'a [u8],
    statement: &Statement<'a>,
    dialect: &Dialect,
) -> Option<(RowStatement<'a>, Literals<'a>)> {
    let is_single = statement.tables.len() == 1 && statement.calls.is_empty();
    if !is_single || statement.uncertain.is_some() {
        return None;
    }
    let mut parser = Parser::new(text, dialect);
    let found = match statement.kind {
        StatementKind::Insert => parser.simple_insert(false),
        StatementKind::Replace => parser.simple_insert(true),
        StatementKind::Update => parser.simple_update(),
        StatementKind::Delete => parser.simple_delete(),
        _ => None,
    };
    let is_whole = parser.token.kind == TokenKind::End && parser.failure.is_none();
    let literals = std::mem::take(&mut parser.literals);
    found.filter(|_| is_whole).map(|found| (found, literals))
}

impl<'a> Parser<'a> {
    fn simple_insert(&mut self, replace: bool) -> Option<RowStatement<'a>> {
        self.advance();
        let mut ignore = false;
        while self.at_any(&[
            Keyword::LowPriority,
            Keyword::Delayed,
            Keyword::HighPriority,
            Keyword::Ignore,
        ]) {
            ignore |= self.at(Keyword::Ignore);
            self.literals.is_delayed |= self.at(Keyword::Delayed);
            self.advance();
        }
        self.eat(Keyword::Into);
        self.path("a table").ok()?;
        let (columns, rows) = if self.eat(Keyword::Set) {
            let (columns, row) = self.assigned_values()?;
            (Some(columns), vec![row])
        } else {
            let columns = if self.token.kind == TokenKind::Open {
                Some(self.columns()?)
            } else {
                None
            };
            if !self.eat(Keyword::Values) && !self.eat(Keyword::Value) {
                return None;
            }
            (columns, self.rows()?)
        };
        let on_duplicate = if self.at(Keyword::On) {
            Some(self.on_duplicate()?)
        } else {
            None
        };
        Some(RowStatement::Insert {
            columns,
            rows,
            replace,
            ignore,
            on_duplicate,
        })
    }

    /// `(a, t.b, db.t.c)`: the names of the columns.
    fn columns(&mut self) -> Option<Vec<Name<'a>>> {
        self.advance();
        let mut columns = Vec::new();
        while self.token.kind != TokenKind::Close {
            let path = self.path("a column").ok()?;
            columns.push(self.name_of(path.last()));
            if !self.eat_kind(TokenKind::Comma) {
                break;
            }
        }
        self.literals.columns_end = Some(self.token.start);
        self.eat_kind(TokenKind::Close).then_some(columns)
    }

    fn rows(&mut self) -> Option<Vec<Vec<Value<'a>>>> {
        let mut rows: Vec<Vec<Value<'a>>> = Vec::new();
        loop {
            if !self.eat_kind(TokenKind::Open) {
                return None;
            }
            let mut row = Vec::with_capacity(rows.first().map_or(8, Vec::len));
            while self.token.kind != TokenKind::Close {
                self.row_place = Some(row.len());
                row.push(self.value(&[])?);
                if !self.eat_kind(TokenKind::Comma) {
                    break;
                }
            }
            self.literals.row_end = self.token.start;
            if !self.eat_kind(TokenKind::Close) {
                return None;
            }
            rows.push(row);
            if !self.eat_kind(TokenKind::Comma) {
                return Some(rows);
            }
        }
    }

    /// `a = 1, b = 'x'` after SET of INSERT.
    fn assigned_values(&mut self) -> Option<(Vec<Name<'a>>, Vec<Value<'a>>)> {
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        loop {
            columns.push(self.assigned_column()?);
            self.row_place = Some(values.len());
            values.push(self.value(&[Keyword::On, Keyword::Returning])?);
            self.literals.row_end = self.previous_end;
            if !self.eat_kind(TokenKind::Comma) {
                return Some((columns, values));
            }
        }
    }

    /// `column =` or `column :=`.
    fn assigned_column(&mut self) -> Option<Name<'a>> {
        let path = self.path("a column").ok()?;
        self.eat_operator(b":");
        self.eat_operator(b"=").then(|| self.name_of(path.last()))
    }

    /// `ON DUPLICATE KEY UPDATE a = expression, ...`
    fn on_duplicate(&mut self) -> Option<Vec<Name<'a>>> {
        self.advance();
        self.row_place = None;
        if !self.eat(Keyword::Duplicate) || !self.eat(Keyword::Key) || !self.eat(Keyword::Update) {
            return None;
        }
        self.assignments()
    }

    fn assignments(&mut self) -> Option<Vec<Name<'a>>> {
        let mut columns = Vec::new();
        loop {
            columns.push(self.assigned_column()?);
            let start = self.mark();
            if self.literal().is_some() && self.ends_value(AFTER_ASSIGNMENT) {
                self.keep_literal();
            } else {
                self.reset(start);
                self.literals.has_expressions = true;
                self.harmless(AFTER_ASSIGNMENT)?;
            }
            if !self.eat_kind(TokenKind::Comma) {
                return Some(columns);
            }
        }
    }

    fn simple_update(&mut self) -> Option<RowStatement<'a>> {
        self.advance();
        self.eat_all(&[Keyword::LowPriority, Keyword::Ignore]);
        let table = self.path("a table").ok()?;
        let alias = if self.at(Keyword::Set) {
            None
        } else {
            self.alias().ok()?
        };
        if !self.eat(Keyword::Set) {
            return None;
        }
        let assigned = self.assignments()?;
        let (equal, limited) = self.condition(table, alias.as_ref())?;
        Some(RowStatement::Update {
            assigned,
            equal,
            limited,
        })
    }

    fn simple_delete(&mut self) -> Option<RowStatement<'a>> {
        self.advance();
        self.eat_all(&[Keyword::LowPriority, Keyword::Quick, Keyword::Ignore]);
        if !self.eat(Keyword::From) {
            return None;
        }
        let table = self.path("a table").ok()?;
        let alias = self.alias().ok()?;
        let (equal, limited) = self.condition(table, alias.as_ref())?;
        Some(RowStatement::Delete { equal, limited })
    }

    /// `[WHERE condition] [ORDER BY ...] [LIMIT n]`: what must be equal, and whether the rows are limited. Anything else,
    /// like RETURNING, is left standing, and then the statement is not recognised.
    fn condition(&mut self, table: Path, alias: Option<&Name<'a>>) -> Option<(Conditions<'a>, bool)> {
        let mut equal = Conditions::new();
        if self.eat(Keyword::Where) {
            let found = self.conjuncts(table, alias)?;
            self.literals.conditions = found.iter().map(|(.., place)| *place).collect();
            equal = found
                .into_iter()
                .map(|(column, value, _)| (column, value))
                .collect();
        }
        let limited = self.at_any(&[Keyword::Order, Keyword::Limit]);
        self.literals.has_expressions |= limited;
        while limited && self.token.kind != TokenKind::End {
            if self.ends_part() || self.at(Keyword::Returning) {
                return None;
            }
            if !self.eat_kind(TokenKind::Comma) {
                self.harmless(&[Keyword::Returning])?;
            }
        }
        Some((equal, limited))
    }

    /// The parts of a condition joined by AND, as far as they are `column = literal`; none of them when an OR joins any.
    fn conjuncts(&mut self, table: Path, alias: Option<&Name<'a>>) -> Option<Equal<'a>> {
        let mut equal = Equal::new();
        let mut has_or = false;
        loop {
            let (start, kept) = (self.mark(), self.literals.list.len());
            match self.equality(table, alias).filter(|_| self.ends_conjunct()) {
                Some(found) => equal.extend(found),
                None => {
                    self.literals.list.truncate(kept);
                    self.literals.has_expressions = true;
                    self.reset(start);
                    has_or |= self.other_conjunct()?;
                }
            }
            if !self.eat_and() {
                break;
            }
        }
        if has_or {
            equal.clear();
        }
        Some(equal)
    }

    /// `column = literal`, `literal = column`, or either of them in parentheses.
    fn equality(&mut self, table: Path, alias: Option<&Name<'a>>) -> Option<Equal<'a>> {
        if self.eat_kind(TokenKind::Open) {
            let inside = self.deeper(|parser| Ok(parser.equalities(table, alias))).ok()??;
            return self.eat_kind(TokenKind::Close).then_some(inside);
        }
        if let Some(value) = self.literal() {
            let place = self.keep_literal();
            let column = self.eat_operator(b"=").then(|| self.own_column(table, alias))??;
            return Some(one(column, value, place));
        }
        let column = self.own_column(table, alias)?;
        let value = self.eat_operator(b"=").then(|| self.literal())??;
        let place = self.keep_literal();
        Some(one(column, value, place))
    }

    /// Equalities joined by AND inside parentheses; `None` when there is anything else.
    fn equalities(&mut self, table: Path, alias: Option<&Name<'a>>) -> Option<Equal<'a>> {
        let mut equal = self.equality(table, alias)?;
        while self.eat_and() {
            equal.extend(self.equality(table, alias)?);
        }
        Some(equal)
    }

    /// The name of a column, perhaps after its table's name or alias.
    fn own_column(&mut self, table: Path, alias: Option<&Name<'a>>) -> Option<Name<'a>> {
        if !self.token.kind.is_name() || self.keyword().reads_clock() {
            return None;
        }
        let path = self.path("a column").ok()?;
        let qualifier = match (path.second, path.third) {
            (None, _) => return Some(self.name_of(path.first)),
            (Some(_), None) => self.name_of(path.first),
            (Some(second), Some(_)) => self.name_of(second),
        };
        let table_name = self.name_of(table.last());
        let is_own = qualifier == *alias.unwrap_or(&table_name) && !path.has_star;
        is_own.then(|| self.name_of(path.last()))
    }

    fn ends_conjunct(&self) -> bool {
        self.ends_part() || self.at_and() || self.at_any(AFTER_CONDITION)
    }

    fn at_and(&self) -> bool {
        let is_sign = self.at_operator(b"&") && self.text.get(self.token.end) == Some(&b'&');
        is_sign || (self.token.kind == TokenKind::Word && self.bytes(self.token).eq_ignore_ascii_case(b"AND"))
    }

    fn eat_and(&mut self) -> bool {
        let found = self.at_and();
        if found && self.at_operator(b"&") {
            self.advance();
        }
        if found {
            self.advance();
        }
        found
    }

    /// Takes a part that is no equality; whether an OR stands in it. The AND of BETWEEN and those in CASE are its own.
    fn other_conjunct(&mut self) -> Option<bool> {
        let (mut has_or, mut open, mut betweens, mut cases) = (false, 0_usize, 0_usize, 0_usize);
        loop {
            let is_outside = open == 0 && cases == 0;
            if is_outside && betweens == 0 && self.ends_conjunct() {
                return Some(has_or);
            }
            match self.token.kind {
                TokenKind::End | TokenKind::Semicolon => return None,
                TokenKind::Open => {
                    open += 1;
                    self.advance();
                    continue;
                }
                TokenKind::Close => {
                    open = open.checked_sub(1)?;
                    self.advance();
                    continue;
                }
                _ => {}
            }
            if is_outside && betweens > 0 && self.at_and() {
                betweens -= 1;
                self.eat_and();
                continue;
            }
            match self.keyword() {
                Keyword::Case => cases += 1,
                Keyword::End => cases = cases.saturating_sub(1),
                Keyword::Between if is_outside => betweens += 1,
                _ => has_or |= is_outside && self.at_or(),
            }
            self.harmless_token()?;
        }
    }

    /// OR, XOR and `||`, which is OR too unless a mode makes it CONCAT.
    fn at_or(&self) -> bool {
        let is_sign = self.at_operator(b"|") && self.text.get(self.token.end) == Some(&b'|');
        let word = self.bytes(self.token);
        let is_word = self.token.kind == TokenKind::Word
            && (word.eq_ignore_ascii_case(b"OR") || word.eq_ignore_ascii_case(b"XOR"));
        is_sign || is_word
    }
}

/// Conditions `column = literal`.
type Conditions<'a> = Vec<(Name<'a>, Value<'a>)>;

/// The same, each with the place of its literal among those that can be taken out of the text.
type Equal<'a> = Vec<(Name<'a>, Value<'a>, Option<usize>)>;

/// One condition; none when the literal says nothing about the column.
fn one<'a>(column: Name<'a>, value: Value<'a>, place: Option<usize>) -> Equal<'a> {
    match value {
        Value::Int(_) | Value::String(_) | Value::Null => vec![(column, value, place)],
        Value::Default | Value::Other => Vec::new(),
    }
}
