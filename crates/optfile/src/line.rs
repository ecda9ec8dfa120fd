//! One line of an option file, without its place: which of the five kinds it is, and its parts.
//!
//! The rules are those of the server's own reader, checked line by line against `my_print_defaults` in
//! `tests/print_defaults.rs`. Two differences are on purpose: a line may be of any length (the server breaks
//! it at 4 KiB), and only ASCII white space is trimmed (the server also trims byte 0xA0, which is half of
//! some UTF-8 letters).

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// Nothing, or a comment.
    Blank,
    /// `[name]`
    Group(Vec<u8>),
    /// `key` or `key = value`
    Setting { key: Vec<u8>, value: Option<Vec<u8>> },
    /// `!include PATH`
    Include(Vec<u8>),
    /// `!includedir PATH`
    IncludeDir(Vec<u8>),
    /// `!` and something else; the server passes over it without a word.
    UnknownDirective(Vec<u8>),
}

/// What is wrong with a line; the caller adds the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineError {
    BadGroup,
    NoKey,
    NoPath(&'static str),
    ZeroByte,
}

/// Reads one line; `bytes` has no line feed.
pub(crate) fn parse(bytes: &[u8]) -> Result<Line, LineError> {
    if bytes.contains(&0) {
        return Err(LineError::ZeroByte);
    }
    let text = trim(bytes);
    match text.first() {
        None | Some(b'#' | b';') => Ok(Line::Blank),
        Some(b'!') => parse_directive(trim(&text[1..])),
        Some(b'[') => parse_group(&text[1..]),
        Some(_) => parse_setting(text),
    }
}

/// Reads what follows `!`.
fn parse_directive(text: &[u8]) -> Result<Line, LineError> {
    let word_length = text.iter().position(|byte| is_space(*byte)).unwrap_or(text.len());
    let (word, path) = text.split_at(word_length);
    let path = trim(path).to_vec();
    match word {
        b"include" if path.is_empty() => Err(LineError::NoPath("!include")),
        b"include" => Ok(Line::Include(path)),
        b"includedir" if path.is_empty() => Err(LineError::NoPath("!includedir")),
        b"includedir" => Ok(Line::IncludeDir(path)),
        _ => Ok(Line::UnknownDirective(text.to_vec())),
    }
}

/// Reads what follows `[`. Space before the name belongs to it, space after it does not; text after `]` is a comment.
fn parse_group(text: &[u8]) -> Result<Line, LineError> {
    let end = text
        .iter()
        .position(|byte| *byte == b']')
        .ok_or(LineError::BadGroup)?;
    Ok(Line::Group(trim_end(&text[..end]).to_vec()))
}

/// Reads `key` or `key = value`, with a comment at the end or not.
fn parse_setting(text: &[u8]) -> Result<Line, LineError> {
    let text = &text[..comment_start(text)];
    let (key, value) = match text.iter().position(|byte| *byte == b'=') {
        Some(equals) => (&text[..equals], Some(&text[equals + 1..])),
        None => (text, None),
    };
    let key = trim_end(key);
    if key.is_empty() {
        return Err(LineError::NoKey);
    }
    let value = value.map(|value| unescape(unquote(trim(value))));
    Ok(Line::Setting {
        key: key.to_vec(),
        value,
    })
}

/// Where a comment begins that stands behind a setting: the first `#` outside quotes. A quote opens anywhere, also in
/// the middle of a word (`it's # not a comment`), and a backslash protects a quote only between quotes.
fn comment_start(text: &[u8]) -> usize {
    let mut quote = None;
    let mut is_escaped = false;
    for (index, &byte) in text.iter().enumerate() {
        if (byte == b'\'' || byte == b'"') && !is_escaped {
            match quote {
                None => quote = Some(byte),
                Some(open) if open == byte => quote = None,
                Some(_) => {}
            }
        }
        if quote.is_none() && byte == b'#' {
            return index;
        }
        is_escaped = quote.is_some() && byte == b'\\' && !is_escaped;
    }
    text.len()
}

/// Takes one pair of equal quotes off the ends.
fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [first @ (b'"' | b'\''), inner @ .., last] if first == last => inner,
        _ => value,
    }
}

/// Resolves `\b \t \n \r \s \\ \" \'`; a backslash before anything else, or at the end, stands for itself.
fn unescape(value: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(value.len());
    let mut bytes = value.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let resolved = match (byte, bytes.peek()) {
            (b'\\', Some(b'b')) => Some(0x08),
            (b'\\', Some(b't')) => Some(b'\t'),
            (b'\\', Some(b'n')) => Some(b'\n'),
            (b'\\', Some(b'r')) => Some(b'\r'),
            (b'\\', Some(b's')) => Some(b' '),
            (b'\\', Some(&same @ (b'\\' | b'"' | b'\''))) => Some(same),
            _ => None,
        };
        if resolved.is_some() {
            bytes.next();
        }
        plain.push(resolved.unwrap_or(byte));
    }
    plain
}

/// Space, tab, carriage return and their kind, including the vertical tab.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn trim(text: &[u8]) -> &[u8] {
    let start = text
        .iter()
        .position(|byte| !is_space(*byte))
        .unwrap_or(text.len());
    trim_end(&text[start..])
}

fn trim_end(text: &[u8]) -> &[u8] {
    let end = text
        .iter()
        .rposition(|byte| !is_space(*byte))
        .map_or(0, |last| last + 1);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn setting(text: &str) -> (String, Option<String>) {
        match parse(text.as_bytes()) {
            Ok(Line::Setting { key, value }) => {
                let text_of = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the test's text is UTF-8");
                (text_of(key), value.map(text_of))
            }
            other => panic!("{text:?} is not a setting: {other:?}"),
        }
    }

    fn value(text: &str) -> String {
        setting(&format!("k = {text}")).1.expect("there is a '='")
    }

    #[test]
    fn blank_and_comment_lines_say_nothing() {
        for text in ["", "   ", "\t\r", "# x", "  ; x = 1", "#[group]"] {
            assert_eq!(parse(text.as_bytes()), Ok(Line::Blank), "{text:?}");
        }
    }

    #[test]
    fn groups_end_at_the_first_bracket() {
        let group = |text: &str| parse(text.as_bytes());
        assert_eq!(group("[mysqld]"), Ok(Line::Group(b"mysqld".to_vec())));
        assert_eq!(group("  [mysqld ] # c"), Ok(Line::Group(b"mysqld".to_vec())));
        assert_eq!(group("[ mysqld]"), Ok(Line::Group(b" mysqld".to_vec())));
        assert_eq!(group("[a]b]"), Ok(Line::Group(b"a".to_vec())));
        assert_eq!(group("[mysqld"), Err(LineError::BadGroup));
    }

    #[test]
    fn keys_are_bare_or_have_a_value() {
        assert_eq!(setting("skip-name-resolve"), ("skip-name-resolve".into(), None));
        assert_eq!(
            setting("skip-name-resolve # why"),
            ("skip-name-resolve".into(), None)
        );
        assert_eq!(setting("a="), ("a".into(), Some(String::new())));
        assert_eq!(setting("a = b = c\r"), ("a".into(), Some("b = c".into())));
        assert_eq!(parse(b"= 1"), Err(LineError::NoKey));
    }

    #[test]
    fn comments_end_a_value_outside_quotes_only() {
        assert_eq!(value("1 # one"), "1");
        assert_eq!(value("a#b"), "a");
        assert_eq!(value("1;2"), "1;2");
        assert_eq!(value("\"a # b\" # c"), "a # b");
        assert_eq!(value("it's # text"), "it's # text");
        assert_eq!(value("\"a\\\"b\" # c"), "a\"b");
        assert_eq!(value("\\\"x # y\\\""), "\"x # y\"");
    }

    #[test]
    fn one_pair_of_quotes_is_taken_off() {
        assert_eq!(value("\"  sp  \""), "  sp  ");
        assert_eq!(value("'x'"), "x");
        assert_eq!(value("\"a\" \"b\""), "a\" \"b");
        assert_eq!(value("\"abc"), "\"abc");
        assert_eq!(value("\""), "\"");
        assert_eq!(value("\"\""), "");
    }

    #[test]
    fn escapes_are_resolved_and_unknown_ones_kept() {
        assert_eq!(value(r"\b\t\n\r\\\s\qx"), "\u{8}\t\n\r\\ \\qx");
        assert_eq!(value(r"a\"), "a\\");
        assert_eq!(value(r"'a\'b'"), "a'b");
    }

    #[test]
    fn directives_need_a_path() {
        assert_eq!(
            parse(b"!include /a b.cnf "),
            Ok(Line::Include(b"/a b.cnf".to_vec()))
        );
        assert_eq!(
            parse(b" ! includedir\t/etc/d"),
            Ok(Line::IncludeDir(b"/etc/d".to_vec()))
        );
        assert_eq!(parse(b"!include"), Err(LineError::NoPath("!include")));
        assert_eq!(parse(b"!includedir "), Err(LineError::NoPath("!includedir")));
        assert_eq!(
            parse(b"!include=/a"),
            Ok(Line::UnknownDirective(b"include=/a".to_vec()))
        );
    }

    #[test]
    fn a_zero_byte_is_refused() {
        assert_eq!(parse(b"a = \0"), Err(LineError::ZeroByte));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_quoted_and_escaped_value_comes_back(text in "[ -~\\t\\n\\r]{0,60}") {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let line = format!("k = \"{escaped}\" # comment");
            prop_assert_eq!(setting(&line).1, Some(text));
        }
    }
}
