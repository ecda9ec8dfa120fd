//! Whether a target has the stored code of its source: routines, triggers, events, and what views were created under.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Context;

use crate::Site;

/// Shown of a value in a description.
const SHOWN_CHARS_MAX: usize = 200;

/// A replica's events do not run, whatever state the source's have.
const OF_A_REPLICA: &str = "SLAVESIDE_DISABLED";

/// One kind of object: a query for database, name and properties, and what these are called.
struct Kind {
    query: &'static str,
    properties: &'static [&'static str],
    /// The last so many properties are the servers' names of character sets and collations.
    collations: usize,
}

const KINDS: [Kind; 4] = [
    Kind {
        query: "SELECT db, CONCAT(LOWER(type), ' ', name), body_utf8, param_list, returns, language, sql_data_access, is_deterministic, \
                security_type, definer, sql_mode, comment, aggregate, character_set_client, collation_connection, db_collation FROM mysql.proc",
        properties: &[
            "body",
            "parameters",
            "type",
            "language",
            "data access",
            "determinism",
            "security",
            "definer",
            "sql_mode",
            "comment",
            "aggregate",
            "character set",
            "collation",
            "collation of the database",
        ],
        collations: 3,
    },
    Kind {
        query: "SELECT TRIGGER_SCHEMA, CONCAT('trigger ', TRIGGER_NAME), EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER, \
                ACTION_STATEMENT, SQL_MODE, DEFINER, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, DATABASE_COLLATION \
                FROM information_schema.TRIGGERS",
        properties: &[
            "table",
            "timing",
            "event",
            "order",
            "body",
            "sql_mode",
            "definer",
            "character set",
            "collation",
            "collation of the database",
        ],
        collations: 3,
    },
    Kind {
        query: "SELECT EVENT_SCHEMA, CONCAT('event ', EVENT_NAME), STATUS, EVENT_DEFINITION, EXECUTE_AT, INTERVAL_VALUE, INTERVAL_FIELD, STARTS, \
                ENDS, TIME_ZONE, ON_COMPLETION, EVENT_COMMENT, SQL_MODE, DEFINER, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, \
                DATABASE_COLLATION FROM information_schema.EVENTS",
        properties: &[
            "status",
            "body",
            "time",
            "interval",
            "unit of the interval",
            "start",
            "end",
            "time zone",
            "completion",
            "comment",
            "sql_mode",
            "definer",
            "character set",
            "collation",
            "collation of the database",
        ],
        collations: 3,
    },
    Kind {
        query: "SELECT TABLE_SCHEMA, CONCAT('view ', TABLE_NAME), DEFINER, SECURITY_TYPE, CHECK_OPTION, CHARACTER_SET_CLIENT, \
                COLLATION_CONNECTION FROM information_schema.VIEWS",
        properties: &[
            "definer",
            "security",
            "check option",
            "character set",
            "collation",
        ],
        collations: 2,
    },
];

/// What [`compare_code`] found.
#[derive(Clone, Debug, Default)]
pub struct CodeComparison {
    /// Objects on the source.
    pub objects: usize,
    /// What differs, in words.
    pub differences: Vec<String>,
}

impl CodeComparison {
    /// Whether nothing differs.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Lists what differs, or says that nothing does.
impl fmt::Display for CodeComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_equal() {
            return write!(f, "all {} stored objects are equal", self.objects);
        }
        write!(f, "{}", self.differences.join("\n"))
    }
}

/// Compares routines, triggers, events and views of databases, each with its name on the target.
///
/// Whether a body names the databases it should is not told: it is compared with the target's names read as the source's.
/// Bodies of views are left to [`crate::compare`]. Triggers of tables in `ignored` must be absent. Events of a replica need
/// not be in the state of the source's. Servers of two vendors are not compared, and what character sets and collations are called
/// only between servers of one version.
///
/// # Errors
/// When a server cannot be read. A difference is not an error.
pub async fn compare_code(
    source: &impl AsRef<Site>,
    target: &impl AsRef<Site>,
    databases: &[(&str, &str)],
    ignored: &[&str],
) -> anyhow::Result<CodeComparison> {
    let (source, target) = (source.as_ref(), target.as_ref());
    if source.is_mysql().await? || target.is_mysql().await? {
        return Ok(CodeComparison::default());
    }
    let has_one_version = source.value("SELECT VERSION()").await? == target.value("SELECT VERSION()").await?;
    let mut found = CodeComparison::default();
    for kind in &KINDS {
        let own_names: Vec<_> = databases.iter().map(|(name, _)| (*name, *name)).collect();
        let mut here = kind.read(source, &own_names).await?;
        let there = kind.read(target, databases).await?;
        here.retain(|_, values| !(kind.is_trigger() && is_ignored(values, ignored)));
        found.objects += here.len();
        let count = kind.properties.len() - if has_one_version { 0 } else { kind.collations };
        for (name, values) in &here {
            match there.get(name) {
                Some(others) => found
                    .differences
                    .extend(kind.difference(name, values, others, count)),
                None => found.differences.push(format!("{name}: not on the target")),
            }
        }
        let more = there.keys().filter(|name| !here.contains_key(*name));
        found
            .differences
            .extend(more.map(|name| format!("{name}: not on the source")));
    }
    Ok(found)
}

/// Properties by the object's name, in the source's words.
type Objects = BTreeMap<String, Vec<Option<String>>>;

impl Kind {
    fn is_trigger(&self) -> bool {
        self.properties.first() == Some(&"table")
    }

    async fn read(&self, site: &Site, databases: &[(&str, &str)]) -> anyhow::Result<Objects> {
        let rows = site.rows(self.query).await.context("read stored code")?;
        let mut objects = Objects::new();
        for row in rows {
            let mut row = row.into_iter();
            let (database, name) = (row.next().flatten(), row.next().flatten());
            let (database, name) = database.zip(name).context("stored code without a name")?;
            let Some((original, _)) = databases.iter().find(|(_, renamed)| *renamed == database) else {
                continue;
            };
            let values = row.map(|value| value.map(|text| in_words_of_source(&text, databases)));
            objects.insert(format!("{original}: {name}"), values.collect());
        }
        Ok(objects)
    }

    fn difference(
        &self,
        name: &str,
        source: &[Option<String>],
        target: &[Option<String>],
        count: usize,
    ) -> Option<String> {
        let pairs = source.iter().zip(target).zip(self.properties).take(count);
        let mut different = pairs.filter(|((source, target), property)| {
            source != target && !(**property == "status" && target.as_deref() == Some(OF_A_REPLICA))
        });
        let ((source, target), property) = different.next()?;
        let shown = |value: &Option<String>| {
            let text = value.as_deref().unwrap_or("NULL");
            text.chars().take(SHOWN_CHARS_MAX).collect::<String>()
        };
        Some(format!(
            "{name}: its {property} is `{}` on the source, `{}` on the target",
            shown(source),
            shown(target)
        ))
    }
}

fn is_ignored(trigger: &[Option<String>], ignored: &[&str]) -> bool {
    let table = trigger.first().and_then(Option::as_deref);
    table.is_some_and(|table| ignored.contains(&table))
}

/// A text with the databases' old names where it has the new ones, and without the quotes that come with these.
fn in_words_of_source(text: &str, databases: &[(&str, &str)]) -> String {
    let mut text = text.replace('`', "");
    for (original, renamed) in databases.iter().filter(|(original, renamed)| original != renamed) {
        text = with_word(&text, renamed, original);
    }
    text
}

/// `text` with `new` for each `old` that is not part of a longer word.
fn with_word(text: &str, old: &str, new: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(old) {
        let (before, found) = rest.split_at(at);
        let after = &found[old.len()..];
        out.push_str(before);
        let is_word = !out.ends_with(is_part) && !after.starts_with(is_part);
        out.push_str(if is_word { new } else { old });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_name_of_a_database_is_read_as_the_old_one() {
        let databases = [("asterisk", "m1_asterisk"), ("crm", "m1_crm"), ("log", "log")];
        let text =
            "INSERT INTO `m1_asterisk`.t SELECT * FROM m1_crm.t, m1_crm2.t, xm1_crm.m1_crm, log.m1_asterisk";
        assert_eq!(
            in_words_of_source(text, &databases),
            "INSERT INTO asterisk.t SELECT * FROM crm.t, m1_crm2.t, xm1_crm.crm, log.asterisk"
        );
        assert_eq!(with_word("aa a", "a", "aa"), "aa aa");
    }
}
