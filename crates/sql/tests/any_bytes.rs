//! Whatever the bytes: the scanner loses none, the parser returns, and renaming changes only what it may.

#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

mod table;

use proptest::prelude::*;
use tributary_sql::{ClientCharset, Dialect, Outline, Scanner, Token, keep_tables, parse, recognise, rename};

/// Pieces of statements: soup of these meets far more of the parser than random bytes do.
const PIECES: &[&str] = &[
    " ",
    "  ",
    "\n",
    "/*",
    "*/",
    "/*!",
    "/*!40101 ",
    "/*M!100100 ",
    "/*!999999",
    "-- ",
    "--",
    "#",
    "'",
    "\"",
    "`",
    "\\",
    "\\'",
    "''",
    "``",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    ",",
    ";",
    ".",
    "..",
    ":",
    ":=",
    "=",
    "<",
    ">",
    "@",
    "@@",
    "*",
    "%",
    "&&",
    "||",
    "-",
    "asterisk",
    "asterisk.",
    "`asterisk`.",
    "t1",
    ".t1",
    "x.y.z",
    "1",
    "1.5",
    ".5",
    "1e5",
    "0x1F",
    "1a",
    "x'41'",
    "N'x'",
    "_latin1'x'",
    "'a'",
    "@v",
    "SELECT",
    "INSERT INTO",
    "REPLACE",
    "UPDATE",
    "DELETE",
    "FROM",
    "JOIN",
    "LEFT",
    "ON",
    "USING",
    "WHERE",
    "AND",
    "OR",
    "BETWEEN",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "SET",
    "VALUES",
    "(1)",
    "UNION",
    "WITH",
    "RECURSIVE",
    "AS",
    "ORDER BY",
    "LIMIT",
    "CREATE",
    "TABLE",
    "IF NOT EXISTS",
    "LIKE",
    "ALTER",
    "RENAME",
    "TO",
    "DROP",
    "VIEW",
    "TRIGGER",
    "BEFORE INSERT",
    "FOR EACH ROW",
    "PROCEDURE",
    "FUNCTION",
    "RETURNS INT",
    "RETURN",
    "BEGIN",
    "DECLARE",
    "CURSOR FOR",
    "LOOP",
    "WHILE",
    "DO",
    "REPEAT",
    "UNTIL",
    "IF",
    "END IF",
    "FOR",
    "IN",
    "EVENT",
    "ON SCHEDULE",
    "DATABASE",
    "USE",
    "GRANT",
    "ALL",
    "LOAD DATA INFILE",
    "INTO",
    "PREPARE",
    "EXECUTE IMMEDIATE",
    "NEXT VALUE FOR",
    "NEXTVAL(",
    "JSON_TABLE(",
    "FOR SYSTEM_TIME",
    "AS OF",
    "INTERVAL",
    "CALL",
    "XA",
    "TRUNCATE",
    "LOCK TABLES",
    "OPTIMIZE TABLE",
    "REFERENCES",
    "PARTITION",
    "\u{e9}",
    "NULL",
];

fn dialects() -> impl Strategy<Value = Dialect> {
    let charset = prop_oneof![
        Just(ClientCharset::Utf8),
        Just(ClientCharset::SingleByte),
        Just(ClientCharset::SingleByteWideSpace),
        Just(ClientCharset::Gbk),
        Just(ClientCharset::Sjis),
        Just(ClientCharset::Big5),
    ];
    let version = prop_oneof![Just(0), Just(101_119), Just(50_000)];
    (any::<[bool; 4]>(), charset, version).prop_map(|(flags, charset, source_version)| Dialect {
        ansi_quotes: flags[0],
        no_backslash_escapes: flags[1],
        oracle: flags[2],
        brackets: flags[3],
        charset,
        source_version,
    })
}

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
        4 => Just(b" ".to_vec()),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A statement of the tables with a piece taken out and another put in.
fn damaged() -> impl Strategy<Value = (Vec<u8>, Dialect)> {
    let cases = table::renamed();
    let piece = prop::sample::select(PIECES);
    (
        prop::sample::select(cases),
        any::<prop::sample::Index>(),
        0_usize..12,
        piece,
    )
        .prop_map(|(case, place, length, piece)| {
            let start = place.index(case.text.len());
            let end = (start + length).min(case.text.len());
            let mut text = case.text.clone();
            text.splice(start..end, piece.bytes());
            (text, case.dialect())
        })
}

fn map(db: &[u8]) -> Option<Vec<u8>> {
    (db == b"asterisk").then(|| b"m1_asterisk".to_vec())
}

/// Everything there is to do with a text.
fn use_all(text: &[u8], dialect: &Dialect) {
    let Ok(statement) = parse(text, dialect) else {
        return;
    };
    let same = rename(text, &statement, &|_| None);
    // Only a pattern or a name that cannot be compared is refused without any rule.
    if let Ok(same) = same {
        assert_eq!(same.as_ref(), text);
    }
    let _ = recognise(text, &statement, dialect);
    let _ = keep_tables(text, &statement, &|table| table.table.len() % 2 == 0);
    for table in &statement.tables {
        assert!(
            text.get(table.table_span.clone())
                .is_some_and(|name| !name.is_empty())
        );
    }
    if let Ok(renamed) = rename(text, &statement, &map) {
        let again = parse(&renamed, dialect).unwrap();
        assert_eq!(again.kind, statement.kind);
        let tables = |tables: &[tributary_sql::TableRef<'_>]| -> Vec<Vec<u8>> {
            tables.iter().map(|table| table.table.to_vec()).collect()
        };
        assert_eq!(tables(&again.tables), tables(&statement.tables));
        assert_eq!(rename(&renamed, &again, &map).unwrap().as_ref(), renamed.as_ref());
    }
}

fn check_tokens(text: &[u8], dialect: &Dialect) {
    let mut end = 0;
    for token in Scanner::new(text, dialect) {
        assert_eq!(token.start, end, "no gap and no overlap");
        assert!(token.end > token.start, "no empty token");
        end = token.end;
    }
    assert_eq!(end, text.len());
}

/// Whatever takes the place of a literal that is a token, the others stay the same.
fn check_outline(text: &[u8], dialect: &Dialect) {
    let mut outline = Outline::default();
    if !outline.read(text, dialect) {
        return;
    }
    let tokens: Vec<Token> = Scanner::new(text, dialect).collect();
    let (mut other, mut copied) = (Vec::new(), 0);
    for literal in outline.literals() {
        let is_token = |token: &Token| (token.start, token.end) == (literal.start, literal.end);
        if tokens.iter().any(is_token) {
            other.extend_from_slice(&text[copied..literal.start]);
            other.extend_from_slice(match text[literal.start] {
                b'\'' => br"'it''s -- \\ /* `'",
                b'"' => br#""a""b' # \\ ""#,
                _ if text[literal.start..literal.end].contains(&b'.') => b"007.50",
                _ => b"0",
            });
            copied = literal.end;
        }
    }
    other.extend_from_slice(&text[copied..]);
    let mut again = Outline::default();
    assert!(again.read(&other, dialect));
    assert_eq!(outline.key(), again.key());
    let kinds: Vec<_> = Scanner::new(&other, dialect).map(|token| token.kind).collect();
    assert_eq!(kinds, tokens.iter().map(|token| token.kind).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn tokens_are_the_text(text in prop::collection::vec(any::<u8>(), 0..200), dialect in dialects()) {
        check_tokens(&text, &dialect);
    }

    #[test]
    fn tokens_of_soup_are_the_text(text in soup(), dialect in dialects()) {
        check_tokens(&text, &dialect);
    }

    #[test]
    fn random_bytes_are_survived(text in prop::collection::vec(any::<u8>(), 0..200), dialect in dialects()) {
        check_outline(&text, &dialect);
        use_all(&text, &dialect);
    }

    #[test]
    fn damaged_statements_are_survived((text, dialect) in damaged()) {
        check_tokens(&text, &dialect);
        check_outline(&text, &dialect);
        use_all(&text, &dialect);
    }

    #[test]
    fn soup_is_survived(text in soup(), dialect in dialects()) {
        check_outline(&text, &dialect);
        use_all(&text, &dialect);
    }
}

#[test]
fn deep_nesting_is_refused_or_read_without_exhausting_the_stack() {
    for (open, close) in [
        ("(", ")"),
        ("(SELECT ", ")"),
        ("BEGIN ", "; END"),
        ("{ OJ ", "}"),
        ("IF 1 THEN ", "; END IF"),
    ] {
        for start in [
            "SELECT ",
            "SELECT 1 FROM ",
            "CREATE PROCEDURE p () ",
            "INSERT INTO t VALUES ",
            "UPDATE t SET a = 1 WHERE ",
        ] {
            let text = format!("{start}{}1{}", open.repeat(20_000), close.repeat(20_000));
            use_all(text.as_bytes(), &Dialect::default());
        }
    }
}

#[test]
fn many_names_are_read_in_time_that_grows_with_their_number() {
    // Quadratic work would take minutes here.
    let joins: String = (0..20_000)
        .map(|i| format!(" JOIN t{i} a{i} ON a{i}.x = a{}.x", i / 2))
        .collect();
    let text = format!("SELECT 1 FROM asterisk.t a{joins}");
    let statement = parse(text.as_bytes(), &Dialect::default()).unwrap();
    assert_eq!(statement.tables.len(), 20_001);
}

#[test]
fn an_empty_table_name_is_refused() {
    let text = b"CREATE TABLE``asterisk.new_15 (id INT) WITH SYSTEM VERSIONING";
    assert!(parse(text, &Dialect::default()).is_err());
}
