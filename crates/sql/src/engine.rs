//! Other storage engines, spliced into CREATE and ALTER TABLE and CREATE SEQUENCE.

use std::borrow::Cow;

use crate::statement::Statement;

/// Writes the statement with other storage engines: wherever it names one that `map` knows, for the table or for a
/// partition, the engine that `map` gives takes its place; every other byte is copied. The new text has to be parsed anew.
///
/// ```
/// use tributary_sql::{Dialect, parse, rewrite_engine};
/// let text = b"CREATE TABLE t (engine INT) ENGINE = MyISAM COMMENT 'MyISAM'";
/// let statement = parse(text, &Dialect::default())?;
/// let map = |engine: &[u8]| engine.eq_ignore_ascii_case(b"myisam").then(|| "InnoDB".to_owned());
/// let rewritten = rewrite_engine(text, &statement, &map);
/// assert_eq!(rewritten.as_ref(), b"CREATE TABLE t (engine INT) ENGINE = InnoDB COMMENT 'MyISAM'");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn rewrite_engine<'a>(
    text: &'a [u8],
    statement: &Statement<'_>,
    map: &dyn Fn(&[u8]) -> Option<String>,
) -> Cow<'a, [u8]> {
    let mut rewritten = Vec::new();
    let mut copied = 0;
    for engine in &statement.engines {
        if let Some(new) = map(&engine.name) {
            rewritten.extend_from_slice(text.get(copied..engine.span.start).unwrap_or_default());
            rewritten.extend_from_slice(new.as_bytes());
            copied = engine.span.end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    rewritten.extend_from_slice(text.get(copied..).unwrap_or_default());
    Cow::Owned(rewritten)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;
    use crate::parse;

    fn rewritten(text: &str) -> String {
        let statement = parse(text.as_bytes(), &Dialect::default()).unwrap();
        let map = |engine: &[u8]| {
            engine
                .eq_ignore_ascii_case(b"MyISAM")
                .then(|| "InnoDB".to_owned())
        };
        let rewritten = rewrite_engine(text.as_bytes(), &statement, &map);
        String::from_utf8(rewritten.into_owned()).unwrap()
    }

    #[test]
    fn every_place_of_an_engine_and_no_other() {
        for text in [
            "CREATE TABLE t (a INT) ENGINE=[MyISAM]",
            "CREATE TABLE t (a INT) engine [myisam] ROW_FORMAT=FIXED",
            "CREATE TABLE t (a INT) COMMENT='ENGINE=MyISAM', ENGINE = `[MyISAM]` CHARSET latin1",
            "CREATE TABLE t (engine ENUM('MyISAM'), KEY engine (engine), CHECK (engine = MyISAM)) ENGINE='[MYISAM]'",
            "CREATE TABLE t ENGINE=[MyISAM] SELECT engine FROM MyISAM WHERE engine = MyISAM",
            "CREATE TABLE t (a INT) ENGINE=[MyISAM] PARTITION BY RANGE (a) (PARTITION engine VALUES LESS THAN (5) ENGINE = [MyISAM], PARTITION p1 VALUES LESS THAN MAXVALUE STORAGE ENGINE [MyISAM] (SUBPARTITION engine ENGINE=[MyISAM]))",
            "CREATE TABLE t (a INT) /*!50100 ENGINE=[MyISAM] */",
            "CREATE TABLE t (a INT) ENGINE=InnoDB",
            "CREATE OR REPLACE SEQUENCE IF NOT EXISTS engine START WITH 5 INCREMENT = 2 ENGINE=[MyISAM] COMMENT 'ENGINE=MyISAM'",
            "CREATE TEMPORARY SEQUENCE s ENGINE=MyISAM",
            "CREATE TABLE t LIKE MyISAM",
            "ALTER TABLE t ENGINE [MyISAM]",
            "ALTER TABLE t ADD engine INT, DROP COLUMN engine, ENGINE [MyISAM], FORCE",
            "ALTER TABLE t ADD COLUMN b INT AFTER engine, ROW_FORMAT=DYNAMIC ENGINE [MyISAM] COMMENT 'x' ENGINE [MyISAM]",
            "ALTER TABLE t MODIFY engine MyISAM",
            "ALTER TABLE t DROP COLUMN a, ENGINE=[MyISAM]",
            "ALTER TABLE t ADD PARTITION (PARTITION p VALUES IN (1) ENGINE=[MyISAM])",
        ] {
            if text.contains("MODIFY engine MyISAM") {
                assert_eq!(rewritten(text), text);
                continue;
            }
            let mut expected = text.to_owned();
            let mut plain = text.to_owned();
            for quote in ["`[MyISAM]`", "'[MYISAM]'", "[MyISAM]", "[myisam]"] {
                expected = expected.replace(quote, "InnoDB");
                plain = plain.replace(quote, &quote.replace(['[', ']'], ""));
            }
            assert_eq!(rewritten(&plain), expected);
        }
    }
}
