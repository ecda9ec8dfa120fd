//! A table's definition, as far as two servers can agree on it.

/// What `SHOW CREATE TABLE` says, and what reading the rows needs.
pub(super) struct Definition {
    /// The statement without its `AUTO_INCREMENT` counter, which an engine may leave at different values.
    pub(super) statement: String,
    pub(super) is_view: bool,
    /// In order, the invisible ones included.
    pub(super) columns: Vec<String>,
    /// Positions in `columns` of the primary key; empty when there is none.
    pub(super) key: Vec<usize>,
}

/// `statement` without ` AUTO_INCREMENT=123` among the table options, the text after the last `)` of its own line.
pub(super) fn without_counter(statement: &str) -> String {
    let options = statement.rfind("\n)").unwrap_or(0);
    let Some(start) = statement[options..]
        .find(" AUTO_INCREMENT=")
        .map(|start| options + start)
    else {
        return statement.to_owned();
    };
    let after = &statement[start + " AUTO_INCREMENT=".len()..];
    let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{}{rest}", &statement[..start])
}

/// `statement` with the name that newer servers have for `utf8`.
pub(super) fn with_new_names(statement: &str) -> String {
    // Behind a blank or a sign only: `utf8_` inside another name stays.
    let mut text = statement.to_owned();
    for before in ["CHARSET=", "COLLATE=", "CHARACTER SET ", "COLLATE "] {
        text = text
            .replace(&format!("{before}utf8_"), &format!("{before}utf8mb3_"))
            .replace(&format!("{before}utf8 "), &format!("{before}utf8mb3 "));
    }
    text
}

/// `statement` without what versions write in their own order: where in a column's line `INVISIBLE` stands (last here), quotes
/// around options that are numbers, how a comment says that only MariaDB is to read it, and an option of Aria that tables keep (or not)
/// which are no longer Aria's.
pub(super) fn with_one_order(statement: &str) -> String {
    const WORD: &str = " INVISIBLE";
    let lines = statement.lines().map(|line| match line.split_once(WORD) {
        Some((before, after)) if line.starts_with("  `") => format!("{before}{after}{WORD}"),
        _ => line.to_owned(),
    });
    lines
        .collect::<Vec<_>>()
        .join("\n")
        .replace("`PAGE_COMPRESSED`='1'", "`PAGE_COMPRESSED`=1")
        .replace("/*!100301 COMPRESSED*/", "/*M!100301 COMPRESSED*/")
        .replace(" PAGE_CHECKSUM=1", "")
}

/// The first line in which two definitions differ.
pub(super) fn first_difference(source: &Definition, target: &Definition) -> Option<String> {
    if source.statement == target.statement {
        return None;
    }
    let (mut here, mut there) = (source.statement.lines(), target.statement.lines());
    loop {
        match (here.next(), there.next()) {
            (None, None) => return Some("definitions differ in line ends".to_owned()),
            (a, b) if a == b => {}
            (a, b) => {
                let text = |line: Option<&str>| {
                    line.map_or("nothing".to_owned(), |line| format!("`{}`", line.trim()))
                };
                return Some(format!(
                    "definition: {} on the source, {} on the target",
                    text(a),
                    text(b)
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_of_utf8_are_the_new_ones() {
        let old = "CREATE TABLE `utf8_t` (\n  `a` text CHARACTER SET utf8 COLLATE utf8_bin\n) DEFAULT CHARSET=utf8 COLLATE=utf8_general_ci";
        let new = "CREATE TABLE `utf8_t` (\n  `a` text CHARACTER SET utf8mb3 COLLATE utf8mb3_bin\n) DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci";
        assert_eq!(with_new_names(old), new);
        assert_eq!(with_new_names(new), new);
    }

    #[test]
    fn orders_of_versions_are_one() {
        let old = "CREATE TABLE `t` (\n  `a` int(11) INVISIBLE DEFAULT 18 COMMENT 'x',\n  `b` int(11)\n) ENGINE=InnoDB `PAGE_COMPRESSED`='1'";
        let new = "CREATE TABLE `t` (\n  `a` int(11) DEFAULT 18 INVISIBLE COMMENT 'x',\n  `b` int(11)\n) ENGINE=InnoDB `PAGE_COMPRESSED`=1";
        assert_ne!(old, new);
        assert_eq!(with_one_order(old), with_one_order(new));
        assert_eq!(
            with_one_order("x) ENGINE=MyISAM PAGE_CHECKSUM=1"),
            "x) ENGINE=MyISAM"
        );
        assert_eq!(
            with_one_order("CREATE TABLE `t` (\n  `a` int\n)"),
            "CREATE TABLE `t` (\n  `a` int\n)"
        );
    }

    #[test]
    fn only_the_counter_is_left_out() {
        let statement = "CREATE TABLE `t` (\n  `a` int COMMENT ' AUTO_INCREMENT=5',\n) ENGINE=MyISAM AUTO_INCREMENT=123 DEFAULT CHARSET=latin1";
        let without = "CREATE TABLE `t` (\n  `a` int COMMENT ' AUTO_INCREMENT=5',\n) ENGINE=MyISAM DEFAULT CHARSET=latin1";
        assert_eq!(without_counter(statement), without);
        assert_eq!(without_counter(without), without);
    }
}
