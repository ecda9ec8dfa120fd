//! Other database names, spliced into a statement.

use std::borrow::Cow;
use std::ops::Range;

use crate::error::{RenameError, describe};
use crate::name::Name;
use crate::scanner::{Scanner, continues_name};
use crate::statement::{DatabaseRef, Statement};
use crate::token::{Token, TokenKind};

/// What `map` is: the new name of a database, or `None` when it keeps its name.
type Map<'m> = &'m dyn Fn(&[u8]) -> Option<Vec<u8>>;

/// Writes the statement with other database names: wherever it names a database that `map` knows, the name `map` gives
/// takes its place; every other byte is copied. New names are quoted, with the quotes the old one had, or backticks.
///
/// Names are passed to `map` as the server stores them. `text` must be what `statement` was parsed from.
///
/// ```
/// use tributary_sql::{Dialect, parse, rename};
/// let text = b"INSERT INTO asterisk.calls VALUES ('asterisk.calls')";
/// let statement = parse(text, &Dialect::default())?;
/// let map = |db: &[u8]| (db == b"asterisk").then(|| b"m1_asterisk".to_vec());
/// let renamed = rename(text, &statement, &map)?;
/// assert_eq!(renamed.as_ref(), b"INSERT INTO `m1_asterisk`.calls VALUES ('asterisk.calls')");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`RenameError`] names the token whose meaning could not be proven and which `map` might concern: a column `x.y` where
/// `x` is a database to rename but no table of the statement, a name in text that a routine runs as a statement, a
/// statement we do not know.
pub fn rename<'a>(
    text: &'a [u8],
    statement: &Statement<'_>,
    map: Map<'_>,
) -> Result<Cow<'a, [u8]>, RenameError> {
    let renamer = Renamer { text, statement, map };
    let mut splices = renamer.splices()?;
    renamer.check_doubts()?;
    if splices.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    splices.sort_by_key(|splice| splice.span.start);
    let mut renamed = Vec::with_capacity(text.len() + 16 * splices.len());
    let mut copied = 0;
    for splice in &splices {
        renamed.extend_from_slice(text.get(copied..splice.span.start).unwrap_or_default());
        renamed.extend_from_slice(&splice.with);
        copied = splice.span.end;
    }
    renamed.extend_from_slice(text.get(copied..).unwrap_or_default());
    Ok(Cow::Owned(renamed))
}

/// Bytes to take out, and what takes their place.
struct Splice {
    span: Range<usize>,
    with: Vec<u8>,
}

struct Renamer<'r, 'a> {
    text: &'r [u8],
    statement: &'r Statement<'a>,
    map: Map<'r>,
}

impl Renamer<'_, '_> {
    fn splices(&self) -> Result<Vec<Splice>, RenameError> {
        let mut splices = Vec::new();
        for table in &self.statement.tables {
            if let (Some(db), Some(span)) = (&table.db, &table.db_span) {
                self.splice(db, span, &mut splices)?;
            }
        }
        for qualifier in &self.statement.qualifiers {
            self.splice(&qualifier.name, &qualifier.span, &mut splices)?;
        }
        for database in &self.statement.databases {
            if database.is_pattern {
                self.splice_pattern(database, &mut splices)?;
            } else {
                self.splice(&database.name, &database.span, &mut splices)?;
            }
        }
        Ok(splices)
    }

    fn splice(
        &self,
        name: &Name<'_>,
        span: &Range<usize>,
        into: &mut Vec<Splice>,
    ) -> Result<(), RenameError> {
        let Some(new) = self.new_name(name, span)? else {
            return Ok(());
        };
        let quote = self.text.get(span.start).copied().unwrap_or(b'`');
        let mut with = quoted(&new, quote);
        let mut end = span.end;
        if continues_name(quote) {
            end = self.quote_digits_after(end, &mut with);
        }
        into.push(Splice {
            span: span.start..end,
            with,
        });
        Ok(())
    }

    /// After a name without quotes, `.1x` is a name too; after a quoted one it would be a number. So it gets quotes.
    fn quote_digits_after(&self, mut end: usize, with: &mut Vec<u8>) -> usize {
        while self.text.get(end) == Some(&b'.') && self.text.get(end + 1).is_some_and(u8::is_ascii_digit) {
            let start = end + 1;
            end = crate::scanner::name_end(self.text, start, &self.statement.dialect);
            with.push(b'.');
            with.extend(quoted(self.text.get(start..end).unwrap_or_default(), b'`'));
        }
        end
    }

    /// `db.*` in GRANT and REVOKE, where the new name must not become a pattern.
    fn splice_pattern(&self, database: &DatabaseRef<'_>, into: &mut Vec<Splice>) -> Result<(), RenameError> {
        let written = self.text.get(database.span.clone()).unwrap_or_default();
        if has_unescaped(written, b'%') {
            return Err(self.refuse(
                &database.span,
                "a pattern in GRANT or REVOKE may stand for several databases",
            ));
        }
        let Some(new) = self.new_name(&database.name, &database.span)? else {
            return Ok(());
        };
        let mut pattern = Vec::with_capacity(new.len() + 4);
        for byte in new {
            // Who wrote a plain `_` before goes on to do so: then REVOKE finds what GRANT wrote.
            if byte == b'%' || (byte == b'_' && !has_unescaped(written, b'_')) {
                pattern.push(b'\\');
            }
            pattern.push(byte);
        }
        let quote = written.first().copied().unwrap_or(b'`');
        into.push(Splice {
            span: database.span.clone(),
            with: quoted(&pattern, quote),
        });
        Ok(())
    }

    fn new_name(&self, name: &Name<'_>, span: &Range<usize>) -> Result<Option<Vec<u8>>, RenameError> {
        let spells_utf8 = self.statement.dialect.charset.spells_utf8();
        if !name.is_ascii() && !spells_utf8 {
            let why =
                "the name is not ASCII and the client's character set is not UTF-8, so it cannot be compared";
            return Err(self.refuse(span, why));
        }
        match (self.map)(name) {
            Some(new) if !new.is_ascii() && !spells_utf8 => Err(self.refuse(
                span,
                "the new name is not ASCII and the client's character set is not UTF-8",
            )),
            Some(new) if new.is_empty() || new.contains(&0) => {
                Err(self.refuse(span, "the new name is empty or holds a zero byte"))
            }
            new => Ok(new),
        }
    }

    /// Looks for names that `map` knows where nothing proves what they are.
    fn check_doubts(&self) -> Result<(), RenameError> {
        for span in &self.statement.unresolved {
            let token = self.token_at(span);
            if (self.map)(&self.name_of(token)).is_some() {
                let why = "it is a database to rename, and no table or alias of the statement has this name";
                return Err(self.refuse(span, why));
            }
        }
        for call in &self.statement.maybe_packages {
            if (self.map)(&call.name).is_some() {
                let why = "it is a database to rename, and may also be a package";
                return Err(self.refuse(&call.span, why));
            }
        }
        if self.statement.doubtful.is_empty() && !self.statement.has_dynamic_sql {
            return Ok(());
        }
        for token in Scanner::new(self.text, &self.statement.dialect) {
            self.check_token(token)?;
        }
        Ok(())
    }

    /// Refuses a mapped name where names could not be placed, and a string that holds one as a word there, or anywhere
    /// when the body runs text as a statement.
    fn check_token(&self, token: Token) -> Result<(), RenameError> {
        let is_doubtful = self
            .statement
            .doubtful
            .iter()
            .any(|range| range.contains(&token.start));
        let concerns = match token.kind {
            TokenKind::Word | TokenKind::Quoted => is_doubtful && (self.map)(&self.name_of(token)).is_some(),
            TokenKind::String if is_doubtful || self.statement.has_dynamic_sql => {
                let bytes = self.text.get(token.start..token.end).unwrap_or_default();
                bytes
                    .split(|byte| !continues_name(*byte))
                    .any(|word| (self.map)(word).is_some())
            }
            _ => false,
        };
        let why = match &self.statement.uncertain {
            Some(uncertain) if is_doubtful => uncertain.why,
            _ => "a string in a body that runs text as a statement",
        };
        if concerns {
            Err(self.refuse(&(token.start..token.end), why))
        } else {
            Ok(())
        }
    }

    fn token_at(&self, span: &Range<usize>) -> Token {
        let kind = match self.text.get(span.start) {
            Some(byte) if continues_name(*byte) => TokenKind::Word,
            Some(b'\'') => TokenKind::String,
            Some(b'"') if !self.statement.dialect.ansi_quotes => TokenKind::String,
            _ => TokenKind::Quoted,
        };
        Token {
            kind,
            start: span.start,
            end: span.end,
        }
    }

    fn name_of(&self, token: Token) -> Name<'_> {
        let bytes = self.text.get(token.start..token.end).unwrap_or_default();
        match token.kind {
            TokenKind::Quoted => Name::from_quoted(bytes, self.statement.dialect.charset),
            _ => Name::new(bytes),
        }
    }

    fn refuse(&self, span: &Range<usize>, why: &'static str) -> RenameError {
        RenameError {
            token: describe(self.text, self.token_at(span)),
            offset: span.start,
            why,
        }
    }
}

/// The name in the quotes that go with `quote`, the first byte of the old spelling.
pub(crate) fn quoted(name: &[u8], quote: u8) -> Vec<u8> {
    let (open, close) = match quote {
        b'"' => (b'"', b'"'),
        b'[' => (b'[', b']'),
        _ => (b'`', b'`'),
    };
    let mut text = Vec::with_capacity(name.len() + 2);
    text.push(open);
    for &byte in name {
        text.push(byte);
        if byte == close {
            text.push(byte);
        }
    }
    text.push(close);
    text
}

fn has_unescaped(text: &[u8], wildcard: u8) -> bool {
    let mut is_escaped = false;
    for &byte in text {
        if byte == wildcard && !is_escaped {
            return true;
        }
        is_escaped = byte == b'\\' && !is_escaped;
    }
    false
}
