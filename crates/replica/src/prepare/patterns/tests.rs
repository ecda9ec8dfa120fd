//! What is found by a pattern is what is found by reading the statement in full.

use std::fmt::Write as _;

use tributary_binlog::{Charset, Coordinates, EventType, StatusVars, UserVar};

use super::super::{Place as GroupPlace, TemporaryTables, XaFootprints};
use super::*;
use crate::bulk::Shapes;
use crate::catalog::{Catalog, ColumnInfo, ValueClass, Visibility};
use crate::change::GroupLabel;
use crate::collations::Collations;
use crate::columns::SourceColumns;
use crate::context::known_flags;
use crate::load_file::Spool;
use crate::status::ConnectionCounters;

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_add(1)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }
}

/// `id` is generated, `code` is text, `n` a number; the keys as told.
fn table(is_transactional: bool, unique_keys: &[&[usize]]) -> TableInfo {
    let column = |name: &'static str, class, is_auto_increment| ColumnInfo {
        name: Bytes::from_static(name.as_bytes()),
        class,
        is_nullable: name == "n",
        is_auto_increment,
        definition: Bytes::new(),
        kind: None,
        digits: 0,
        visibility: Visibility::Visible,
    };
    let integer = ValueClass::Integer {
        size: 4,
        is_unsigned: false,
    };
    TableInfo {
        is_transactional,
        is_view: false,
        reads_clock: false,
        has_triggers: false,
        is_partitioned: false,
        columns: vec![
            column("id", integer, unique_keys.first() == Some(&&[0][..])),
            column("code", ValueClass::Text { length_max: 10 }, false),
            column("n", integer, false),
        ],
        unique_keys: unique_keys.iter().map(|key| Some(key.to_vec())).collect(),
        has_primary: !unique_keys.is_empty(),
        period_end: None,
        related: Vec::new(),
        is_bare: false,
    }
}

fn tables(random: &mut Random) -> Vec<(Bytes, Bytes, TableInfo)> {
    let keys: [&[&[usize]]; 5] = [&[&[0]], &[&[0], &[1]], &[&[1]], &[&[1, 2]], &[]];
    ["t0", "t1", "t2"]
        .map(|name| {
            let info = table(random.below(2) == 0, keys[random.below(keys.len())]);
            (
                Bytes::from_static(b"target"),
                Bytes::from_static(name.as_bytes()),
                info,
            )
        })
        .into()
}

fn preparer(catalog: &Arc<Catalog>) -> Preparer {
    let mut rewrite = tributary_rules::Rewrite::new();
    rewrite.add("source->target").unwrap();
    let collation = |id, charset: &str, name: &str| (id, charset.to_owned(), name.to_owned());
    let collations = Collations::new(
        [
            collation(45, "utf8mb4", "utf8mb4_general_ci"),
            collation(8, "latin1", "latin1_swedish_ci"),
            collation(28, "gbk", "gbk_chinese_ci"),
        ],
        false,
    );
    Preparer {
        filter: tributary_rules::Filter::default(),
        bounds: crate::prepare::Bounds::new("c", std::iter::empty(), "tributary", (10, 11, 9)),
        rewrite,
        policies: crate::policies::Policies::default(),
        tolerances: tributary_rules::Tolerances::default(),
        catalog: catalog.clone(),
        columns: Arc::new(SourceColumns::new(catalog.clone(), Arc::default(), false)),
        collations: Arc::new(collations),
        counters: Arc::new(ConnectionCounters::new()),
        schema: Bytes::from_static(b"tributary"),
        connection: "c".to_owned(),
        own_server_id: 9,
        own_account: Bytes::new(),
        version: ((10, 11, 9), 101_109),
        format: None,
        known_flags: known_flags((10, 11, 9)),
        contexts: Vec::new(),
        merges_rows: true,
        sets_rows: true,
        shapes: Shapes::default(),
        patterns: Patterns::default(),
        xa: XaFootprints::default(),
        warned_statements: false,
        temporary: TemporaryTables::default(),
        server_ids: Arc::default(),
        index: 0,
        spool: Spool::new(std::env::temp_dir()),
    }
}

/// A value: its form by `form`, what it says by `content`. Most are such as the column takes.
fn value(column: &str, form: &mut Random, content: &mut Random) -> Vec<u8> {
    let number = content.below(40);
    if form.below(4) > 0 {
        return match column.contains("code") {
            true => format!("'Name {number}'").into(),
            false => number.to_string().into(),
        };
    }
    match form.below(24) {
        0..=4 => number.to_string().into(),
        5 => format!("-{number}").into(),
        6 => format!("- {number}").into(),
        7 => format!("{number}.{}", content.below(100)).into(),
        8 => format!("-{number}.5").into(),
        9 => format!("'{number}'").into(),
        10..=13 => format!("'Name {number}'").into(),
        14 => content
            .one(&[
                "'it''s'",
                r"'a\'b\n'",
                r"'a\\'",
                "\"d\"",
                "\"d\"\"'\"",
                "''",
                "'  '",
            ])
            .into(),
        15 => [&b"'caf"[..], &[0x61 + number as u8 * 3], b"'"].concat(),
        16 => content
            .one(&["'caf\u{e9}'", "'\u{1f600}'", "'longer than ten'", "'short'"])
            .into(),
        17 => form
            .one(&["NULL", "DEFAULT", "NOW()", "TRUE", "+5", "1e5", ".5", "1."])
            .into(),
        18 => form
            .one(&[
                "x'41'", "0x41", "N'x'", "_utf8'x'", "'a' 'b'", "@v", "@'v'", "`n`",
            ])
            .into(),
        19 => content
            .one(&[
                "99999999999",
                "9223372036854775807",
                "9223372036854775808",
                "007",
                "0",
            ])
            .into(),
        20 => format!("n+{}", number % 3).into(),
        21 => format!("( {number} )").into(),
        22 => format!("IF(n>{},'a','b')", number % 3).into(),
        _ => format!("'{number}.5'").into(),
    }
}

fn statement(form: &mut Random, content: &mut Random) -> Vec<u8> {
    let table = form.one(&["t0", "t0", "t1", "t1", "t2", "t2", "`t2`", "source.t1", "t3"]);
    let names = [
        &["id", "code", "n"][..],
        &["code", "n"],
        &["id", "code"],
        &["n"],
        &["`code`", "ID"],
    ];
    let names = names[form.below(names.len())];
    let mut pairs = |form: &mut Random, names: &[&str], between: &str| {
        let pairs: Vec<Vec<u8>> = names
            .iter()
            .map(|name| [name.as_bytes(), b"=", &value(name, form, content)].concat())
            .collect();
        pairs.join(between.as_bytes())
    };
    let text = match form.below(8) {
        0..=2 => {
            let verbs = ["INSERT INTO", "INSERT INTO", "REPLACE INTO", "INSERT IGNORE"];
            let head = format!("{} {table} ({}) VALUES (", form.one(&verbs), names.join(","));
            let rest = match form.below(8) {
                0 => [b") ON DUPLICATE KEY UPDATE ", &pairs(form, &["n"], ",")[..]].concat(),
                _ => b")".to_vec(),
            };
            let values: Vec<Vec<u8>> = names.iter().map(|name| value(name, form, content)).collect();
            [head.as_bytes(), &values.join(&b',')[..], &rest].concat()
        }
        3 => [
            format!("INSERT INTO {table} SET ").as_bytes(),
            &pairs(form, names, ","),
        ]
        .concat(),
        kind => {
            let mut text = format!("DELETE FROM {table}").into_bytes();
            if kind < 7 {
                text = format!("UPDATE {table} SET ").into_bytes();
                let assigned = [&["n"][..], &["n"], &["code"], &["n", "code"]];
                let assigned = assigned[form.below(4)];
                text.extend(pairs(form, assigned, ", "));
            }
            let by = [&["id"][..], &["id"], &["code"], &["code", "n"], &["id", "id"]];
            let (by, between) = (by[form.below(5)], form.one(&[" AND ", " and ", " OR "]));
            text.extend_from_slice(b" WHERE ");
            text.extend(pairs(form, by, between));
            text.extend_from_slice(
                form.one(&["", "", "", "", " LIMIT 1", " ORDER BY n LIMIT 2"])
                    .as_bytes(),
            );
            text
        }
    };
    let rest = form.one(&[
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        " ",
        ";",
        " -- x",
        " /* 'x */",
    ]);
    [text, rest.into()].concat()
}

fn event(session: &mut Random, random: &mut Random, text: Vec<u8>) -> (Header, QueryEvent, Option<u64>) {
    let modes = [0, 0, 0, 1 << 21, 1 << 22, 4, 1 << 20, 4 | 1 << 20, 1 << 9];
    let charsets = [45, 45, 45, 8, 28];
    let client = charsets[session.below(charsets.len())];
    let status = StatusVars {
        flags2: Some(if session.below(10) == 0 { 0x0400_0000 } else { 0 }),
        sql_mode: (session.below(20) > 0).then(|| modes[session.below(modes.len())]),
        auto_increment: (session.below(10) == 0).then_some((2, 1)),
        charset: Some(Charset {
            client,
            connection: client,
            server: 45,
        }),
        microseconds: (random.below(4) == 0).then(|| random.below(1_000_000) as u32),
        ..StatusVars::default()
    };
    let query = QueryEvent {
        thread_id: random.below(3) as u32,
        exec_time: 0,
        error_code: if random.below(30) == 0 { 1062 } else { 0 },
        status,
        raw_status: Bytes::new(),
        db: if session.below(4) == 0 { "other" } else { "source" }.into(),
        query: text.into(),
        was_compressed: false,
    };
    let header = Header {
        timestamp: 1000 + random.below(5) as u32,
        kind: EventType::QUERY,
        server_id: 1,
        length: 0,
        end_offset: 0,
        flags: if random.below(30) == 0 {
            Header::FLAG_THREAD_SPECIFIC
        } else {
            0
        },
    };
    (
        header,
        query,
        (random.below(3) > 0).then(|| random.below(1000) as u64),
    )
}

fn given(insert_id: Option<u64>, has_variable: bool) -> Given {
    let variable = || UserVar {
        name: Bytes::from_static(b"v"),
        value: None,
    };
    Given {
        insert_id,
        last_insert_id: None,
        rand: None,
        user_vars: has_variable.then(variable).into_iter().collect(),
        has_file: false,
    }
}

#[test]
fn a_pattern_finds_what_reading_in_full_finds() {
    let mut random = Random(7);
    let catalog = Arc::new(Catalog::default());
    catalog.replace_databases(None, tables(&mut random));
    let (mut tested, mut plain) = (preparer(&catalog), preparer(&catalog));
    let label = GroupLabel {
        gtid: None,
        end: Coordinates::new("b.000001", 4),
        timestamp: 0,
        counted: None,
    };
    let place = GroupPlace { label: &label };
    let mut hits = 0;
    for number in 0..90_000_u64 {
        if random.below(2000) == 0 {
            catalog.replace_databases(None, tables(&mut random));
        }
        if random.below(200) == 0 {
            let text = if random.below(8) == 0 {
                "CREATE TEMPORARY TABLE t0 (a INT)"
            } else {
                "DROP TEMPORARY TABLE t0"
            };
            let (header, query, _) = event(&mut Random(7), &mut random, text.into());
            for preparer in [&mut tested, &mut plain] {
                let mut draft = Draft::default();
                let _ = preparer.change(&header, &query, given(None, false), 1, &mut draft, &place);
            }
        }
        // A program has a few statements, and a few sessions.
        let program = number / 3000;
        let text = statement(&mut Random(program << 20 | random.below(80) as u64), &mut random);
        let mut session = Random(program << 8 | random.below(3) as u64);
        let (header, query, insert_id) = event(&mut session, &mut random, text);
        let has_variable = random.below(20) == 0;
        plain.patterns.clear();
        let [found, expected] = [&mut tested, &mut plain].map(|preparer| {
            let mut draft = Draft::default();
            let given = given(insert_id, has_variable);
            let known = preparer.change_by_pattern(&header, &mut query.clone(), &given, 1, &mut draft);
            hits += usize::from(known.is_some());
            let change = match known {
                Some(known) => Ok(Some(known)),
                None => preparer.change(&header, &query, given, 1, &mut draft, &place),
            };
            let mut all = String::new();
            write!(all, "{change:?} {draft:?}").unwrap();
            all
        });
        assert_eq!(
            found,
            expected,
            "statement {number}: {}",
            query.query.escape_ascii()
        );
    }
    assert!(hits > 5000, "{hits} statements were of a known pattern");
}

/// The error that is expected of a statement that the source has logged with `error_code`.
fn expected_error(info: TableInfo, text: &str, error_code: u16) -> u16 {
    let catalog = Arc::new(Catalog::default());
    let name = |name: &'static str| Bytes::from_static(name.as_bytes());
    catalog.replace_databases(None, vec![(name("target"), name("t0"), info)]);
    let label = GroupLabel {
        gtid: None,
        end: Coordinates::new("b.000001", 4),
        timestamp: 0,
        counted: None,
    };
    let (header, mut query, _) = event(&mut Random(7), &mut Random(7), text.into());
    (query.error_code, query.db) = (error_code, name("source"));
    let place = GroupPlace { label: &label };
    let mut draft = Draft::default();
    let change = preparer(&catalog).change(&header, &query, given(None, false), 1, &mut draft, &place);
    match change {
        Ok(Some(statement)) => statement.expected_error,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_statement_killed_behind_the_only_row_it_can_change_is_whole() {
    let by_key = "UPDATE t0 SET n=n+1 WHERE id=545";
    for text in [
        by_key,
        "DELETE FROM t0 WHERE id=5 AND n>3",
        "INSERT INTO t0 (id,n) VALUES (5,6)",
    ] {
        assert_eq!(expected_error(table(false, &[&[0]]), text, 1053), 0, "{text}");
    }
    for text in [
        "UPDATE t0 SET n=n+1 WHERE id>545",
        "UPDATE t0 SET n=n+1 WHERE id=5 OR n=6",
        "INSERT INTO t0 (id,n) VALUES (5,6),(6,7)",
        "REPLACE INTO t0 (id,n) VALUES (5,6)",
    ] {
        assert_eq!(expected_error(table(false, &[&[0]]), text, 1053), 1053, "{text}");
    }
    assert_eq!(
        expected_error(table(true, &[&[0]]), by_key, 1317),
        1317,
        "it can be rolled back"
    );
    assert_eq!(
        expected_error(table(false, &[]), by_key, 1317),
        1317,
        "other rows may have that id"
    );
    assert_eq!(
        expected_error(table(false, &[&[0]]), by_key, 1062),
        1062,
        "an error, not a kill"
    );
    let mut triggered = table(false, &[&[0]]);
    triggered.has_triggers = true;
    assert_eq!(
        expected_error(triggered, by_key, 1317),
        1317,
        "a trigger may have been cut off"
    );
}
