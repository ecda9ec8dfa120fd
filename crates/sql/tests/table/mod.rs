//! Reads the statement tables in `testdata/sql`; their form is described in the README beside them.

#![allow(dead_code, reason = "each test uses a part")]

use std::path::Path;

use tributary_sql::{ClientCharset, Dialect};

/// What a renamed statement's database is called.
pub(crate) const TARGET: &str = "m1_asterisk";

/// One statement of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    pub(crate) title: String,
    /// The statement, in the client's character set.
    pub(crate) text: Vec<u8>,
    /// What it becomes.
    pub(crate) renamed: Vec<u8>,
    /// The token named in the refusal, if it is refused.
    pub(crate) refused: Option<String>,
    pub(crate) mode: String,
    pub(crate) charset: String,
    /// The default database; `None` for none.
    pub(crate) default_db: Option<String>,
    /// Statements run before and after it, as the source ran them.
    pub(crate) setup: Vec<Vec<u8>>,
    pub(crate) then: Vec<Vec<u8>>,
    /// Expected parts of the parsed statement, if given.
    pub(crate) tables: Option<String>,
    pub(crate) databases: Option<String>,
    pub(crate) calls: Option<String>,
    pub(crate) object: Option<String>,
    pub(crate) kind: Option<String>,
    /// It changes nothing that can be seen afterwards.
    pub(crate) is_idle: bool,
    /// Parsed by no server as it stands: why is in the table.
    pub(crate) is_not_run: bool,
}

impl Case {
    pub(crate) fn dialect(&self) -> Dialect {
        let has = |mode: &str| self.mode.split(',').any(|given| given == mode);
        Dialect {
            ansi_quotes: has("ANSI_QUOTES") || has("ORACLE") || has("MSSQL"),
            no_backslash_escapes: has("NO_BACKSLASH_ESCAPES"),
            oracle: has("ORACLE"),
            brackets: has("MSSQL"),
            charset: match self.charset.as_str() {
                "utf8mb4" => ClientCharset::Utf8,
                "gbk" => ClientCharset::Gbk,
                "sjis" | "cp932" => ClientCharset::Sjis,
                "big5" => ClientCharset::Big5,
                "latin1" => ClientCharset::SingleByteWideSpace,
                "binary" => ClientCharset::SingleByte,
                other => panic!("character set {other} in {}", self.title),
            },
            source_version: 101_119,
        }
    }
}

/// The cases of one table.
pub(crate) fn read(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../testdata/sql")
        .join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let blocks = text
        .split("\n\n")
        .map(str::trim)
        .filter(|block| !block.is_empty());
    // The first block is about the file, and `##` opens a section.
    blocks
        .skip(1)
        .filter(|block| !block.starts_with("##"))
        .map(case)
        .collect()
}

/// All tables of statements that are renamed.
pub(crate) fn renamed() -> Vec<Case> {
    [read("rename.txt"), read("rename_ddl.txt")].concat()
}

fn case(block: &str) -> Case {
    let mut case = Case {
        charset: "utf8mb4".to_owned(),
        default_db: Some("asterisk".to_owned()),
        ..Case::default()
    };
    let mut lines = block.lines().peekable();
    let title = lines.next().and_then(|line| line.strip_prefix("# "));
    case.title = title
        .unwrap_or_else(|| panic!("a case starts with `# title`: {block}"))
        .to_owned();
    let mut is_bytes = false;
    let mut renamed: Option<String> = None;
    while let Some(line) = lines.next_if(|line| line.starts_with('@')) {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = value.to_owned();
        match key {
            "@mode" => case.mode = value,
            "@charset" => case.charset = value,
            "@use" => case.default_db = (value != "-").then_some(value),
            "@setup" => case.setup.push(value.into_bytes()),
            "@setup_bytes" => case.setup.push(with_bytes(&value)),
            "@then" => case.then.push(value.into_bytes()),
            "@then_bytes" => case.then.push(with_bytes(&value)),
            "@tables" => case.tables = Some(value),
            "@databases" => case.databases = Some(value),
            "@calls" => case.calls = Some(value),
            "@object" => case.object = Some(value),
            "@kind" => case.kind = Some(value),
            "@renamed" => renamed = Some(value),
            "@refused" => case.refused = Some(value),
            "@bytes" => is_bytes = true,
            "@idle" => case.is_idle = true,
            "@not_run" => case.is_not_run = true,
            other => panic!("{other} in {}", case.title),
        }
    }
    let body = lines.collect::<Vec<_>>().join("\n");
    assert!(!body.is_empty(), "no statement in {}", case.title);
    let (text, marked) = (
        unmarked(&body),
        renamed.unwrap_or_else(|| renamed_at_marks(&body)),
    );
    case.text = if is_bytes {
        with_bytes(&text)
    } else {
        text.into_bytes()
    };
    case.renamed = if is_bytes {
        with_bytes(&marked)
    } else {
        marked.into_bytes()
    };
    case
}

/// `\xHH` is one byte.
fn with_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        let hex = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(hex.unwrap_or_else(|| panic!("\\x without two digits in {text}")));
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn unmarked(body: &str) -> String {
    body.replace(['⟦', '⟧'], "")
}

fn renamed_at_marks(body: &str) -> String {
    let mut renamed = String::new();
    for part in body.split('⟦') {
        match part.split_once('⟧') {
            None => renamed.push_str(part),
            Some((name, after)) => {
                match name.as_bytes()[0] {
                    b'"' => renamed.push_str(&format!("\"{TARGET}\"")),
                    b'[' => renamed.push_str(&format!("[{TARGET}]")),
                    _ => renamed.push_str(&format!("`{TARGET}`")),
                }
                renamed.push_str(after);
            }
        }
    }
    renamed
}
