//! Targets of `tributary-sql`.

use tributary_sql::{Dialect, Scanner};

/// The first two bytes choose `sql_mode` and character set, the rest is the statement.
fn split(data: &[u8]) -> Option<(Dialect, &[u8])> {
    /// ANSI_QUOTES, NO_BACKSLASH_ESCAPES and ORACLE, as `sql_mode` has them.
    const MODES: [u64; 4] = [0, 0x4, 0x10_0000, 0x200];
    /// utf8mb4, latin1, gbk, sjis, big5, euckr, cp932.
    const COLLATIONS: [u16; 7] = [45, 8, 28, 13, 1, 19, 95];
    let (&[mode, collation], text) = data.split_first_chunk::<2>()?;
    let mode = MODES[usize::from(mode) % MODES.len()];
    let collation = COLLATIONS[usize::from(collation) % COLLATIONS.len()];
    Some((Dialect::from_event(mode, collation, 101_100), text))
}

/// The scanner loses no byte.
pub fn scan(data: &[u8]) {
    let Some((dialect, text)) = split(data) else {
        return;
    };
    let mut scanned = Vec::with_capacity(text.len());
    for token in Scanner::new(text, &dialect) {
        scanned.extend_from_slice(&text[token.start..token.end]);
    }
    assert_eq!(scanned, text, "tokens put together are the text");
}

/// What parses can be renamed or is refused; renaming to the same name changes no other byte's meaning.
pub fn parse(data: &[u8]) {
    let Some((dialect, text)) = split(data) else {
        return;
    };
    let Ok(statement) = tributary_sql::parse(text, &dialect) else {
        return;
    };
    for table in &statement.tables {
        assert!(text.get(table.table_span.clone()).is_some());
    }
    let _ = tributary_sql::recognise(text, &statement, &dialect);
    let _ = tributary_sql::keep_tables(text, &statement, &|table| table.table.as_bytes().len() % 2 == 0);
    let none = tributary_sql::rename(text, &statement, &|_| None);
    if let Ok(unchanged) = none {
        assert_eq!(unchanged.as_ref(), text, "nothing to rename, nothing changed");
    }
    let map = |db: &[u8]| (db == b"asterisk").then(|| b"m1_asterisk".to_vec());
    let Ok(renamed) = tributary_sql::rename(text, &statement, &map) else {
        return;
    };
    let again = tributary_sql::parse(&renamed, &dialect).expect("a renamed statement parses");
    assert_eq!(
        again.kind, statement.kind,
        "a renamed statement is of the same kind"
    );
    assert_eq!(again.tables.len(), statement.tables.len());
}
