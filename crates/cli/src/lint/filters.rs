//! What becomes of `replicate_rewrite_db` and the filters of each connection.
//!
//! The server renames first and compares then; names that a statement spells out are neither renamed nor compared by their new
//! name. The engine compares every changed table by the source's name, and renames then. MariaDB server 10.11, `sql/rpl_filter.cc`,
//! `sql/log_event_server.cc`.

use std::collections::BTreeSet;

use tributary_rules::{Filter, FilterKind, Rewrite};

use super::finding::{Finding, Level, Line, Report};
use super::pattern;
use crate::config::{Group, Problem, Setting, Settings, filter_keys, rewrite_key};

/// One rule of a connection, as the server reads it.
struct Rule<'a> {
    line: &'a Setting,
    text: &'a str,
}

/// Explains the rules of every connection.
pub(super) fn explain(settings: &Settings, report: &mut Report) {
    for problem in &settings.problems {
        report.add(remark(problem));
    }
    let mut names: Vec<&str> = settings.names().iter().map(|(name, _)| name.as_str()).collect();
    let keys = || {
        let filters = filter_keys().into_iter().map(|(key, _)| key);
        filters.chain([rewrite_key()])
    };
    let has_shared = |key| {
        settings
            .shared_rules(key)
            .any(|setting| setting.group == Group::Server)
    };
    if keys().any(has_shared) {
        names.push("");
    }
    for name in &names {
        Connection::read(settings, name, report).explain(settings, report);
    }
    explain_shared_databases(settings, &names, report);
}

fn remark(problem: &Problem) -> Finding {
    Finding {
        code: "wrong",
        level: Level::Decide,
        connections: Vec::new(),
        lines: problem.place.iter().map(|place| Line::new(place, "")).collect(),
        server: "Reads this line in its own way, or does not start with it.".to_owned(),
        tributary: format!("It refuses the configuration: {}.", problem.text),
        advice: Some("Mend the line.".to_owned()),
    }
}

/// The rules of one kind, or of renames, that can be read as the server reads them: one rule to a line.
fn rules_of<'a>(
    settings: &'a Settings,
    key: &'static crate::config::Key,
    name: &str,
    report: &mut Report,
    check: impl Fn(&str) -> Result<(), String>,
) -> Vec<Rule<'a>> {
    let mut rules = Vec::new();
    for line in settings.rules(key, name) {
        if line.group != Group::Server {
            continue;
        }
        let text = line.text.as_deref().unwrap_or_default().trim();
        if text.is_empty() && line.text.is_some() {
            continue;
        }
        let finding = |code, server: &str, tributary: String, advice: &str| Finding {
            code,
            level: Level::Decide,
            connections: vec![name.to_owned()],
            lines: vec![at(line)],
            server: server.to_owned(),
            tributary,
            advice: Some(advice.to_owned()),
        };
        if text.contains(',') {
            let count = text.split(',').count();
            report.add(finding(
                "comma",
                "In an option file a comma is part of the name: the line is one rule, for a name that no database has. (Only SET GLOBAL \
                 takes a list.)",
                format!("Reads {count} rules from this line, and obeys them."),
                "If the rules are wanted, write each on a line of its own; if all went well without them, take the line out.",
            ));
        } else if let Err(error) = check(text) {
            report.add(finding(
                "wrong",
                "Takes no rule of this form: it does not start with the line, or the rule matches nothing.",
                format!("It refuses the configuration: {error}."),
                "Mend the line.",
            ));
        } else {
            rules.push(Rule { line, text });
        }
    }
    rules
}

fn at(setting: &Setting) -> Line {
    Line::new(&setting.place, setting.shown.clone())
}

/// One connection, or all that have no rules of their own (`""`).
struct Connection<'a> {
    name: &'a str,
    renames: Vec<(Rule<'a>, &'a str, &'a str)>,
    filters: Vec<(FilterKind, Vec<Rule<'a>>)>,
}

impl<'a> Connection<'a> {
    fn read(settings: &'a Settings, name: &'a str, report: &mut Report) -> Self {
        let is_rename = |text: &str| {
            let added = Rewrite::new().add(text);
            added.map_err(|error| error.to_string())
        };
        let renames = rules_of(settings, rewrite_key(), name, report, is_rename)
            .into_iter()
            .filter_map(|rule| {
                let (from, to) = rule.text.split_once("->")?;
                Some((rule, from.trim(), to.trim()))
            })
            .collect();
        let filters = filter_keys()
            .into_iter()
            .map(|(key, kind)| {
                let is_rule = |text: &str| {
                    let added = Filter::new().add(kind, text);
                    added.map_err(|error| error.to_string())
                };
                (kind, rules_of(settings, key, name, report, is_rule))
            })
            .collect();
        Self {
            name,
            renames,
            filters,
        }
    }

    fn explain(&self, settings: &Settings, report: &mut Report) {
        self.explain_spelling(report);
        self.explain_renames(settings, report);
        for (kind, rules) in &self.filters {
            for rule in rules {
                if *kind == FilterKind::IgnoreDb && self.has(FilterKind::DoDb) {
                    let words = Words {
                        server: "Never asks it: replicate_do_db alone decides about databases.".to_owned(),
                        tributary: "Does the same.".to_owned(),
                        advice: String::new(),
                    };
                    report.add(self.finding("filter-unused", Level::Same, rule, words));
                    continue;
                }
                report.add(match kind {
                    FilterKind::WildDoTable | FilterKind::WildIgnoreTable => {
                        self.explain_pattern(*kind, rule, rules)
                    }
                    _ => self.explain_filter(*kind, rule, rules),
                });
                self.explain_kind(*kind, rule, report);
            }
        }
    }

    fn has(&self, kind: FilterKind) -> bool {
        let mut kinds = self.filters.iter();
        kinds.any(|(other, rules)| *other == kind && !rules.is_empty())
    }

    fn finding(&self, code: &'static str, level: Level, rule: &Rule<'_>, words: Words) -> Finding {
        Finding {
            code,
            level,
            connections: vec![self.name.to_owned()],
            lines: vec![at(rule.line)],
            server: words.server,
            tributary: words.tributary,
            advice: (!words.advice.is_empty()).then_some(words.advice),
        }
    }

    /// The server looks for the rules of a connection by a prefix in the spelling of its name.
    fn explain_spelling(&self, report: &mut Report) {
        let renames = self.renames.iter().map(|(rule, _, _)| rule);
        for rule in renames.chain(self.filters.iter().flat_map(|(_, rules)| rules)) {
            let is_prefix = |prefix: &str| rule.line.connection.as_deref() == Some(prefix);
            let prefix = rule.line.shown.split_once('.').map(|(prefix, _)| prefix);
            let Some(prefix) = prefix.filter(|prefix| rule.line.connection.is_some() && !is_prefix(prefix))
            else {
                continue;
            };
            let words = Words {
                server: format!(
                    "Compares prefixes with case: '{prefix}' and '{}' have rules of their own, and a connection has those of \
                     one spelling.",
                    self.name
                ),
                tributary: format!("Takes both for connection '{}'.", self.name),
                advice: "Write the name in one spelling.".to_owned(),
            };
            report.add(self.finding("spelling", Level::Decide, rule, words));
        }
    }

    fn explain_renames(&self, settings: &Settings, report: &mut Report) {
        for (index, (rule, from, to)) in self.renames.iter().enumerate() {
            let first = self.renames.iter().position(|(_, other, _)| other == from);
            let first = first.filter(|first| *first < index && self.renames[*first].2 != *to);
            if let Some(first) = first {
                let words = Words {
                    server: format!(
                        "Takes the first rule for '{from}', at {}; this one does nothing.",
                        self.renames[first].0.line.place
                    ),
                    tributary: "Refuses two names for one database.".to_owned(),
                    advice: "Take this line out, or the other one.".to_owned(),
                };
                report.add(self.finding("rewrite-twice", Level::Decide, rule, words));
                continue;
            }
            let words = Words {
                server: format!(
                    "Renames the default database of statements, and the database of row events. Text stays: statements that spell \
                     '{from}.', CREATE and DROP DATABASE {from}, and the bodies of views, triggers and routines keep the old name, \
                     and so does the TRUNCATE that a restarted source logs for its MEMORY tables. They fail on the replica (1146, \
                     1049), or reach a database of the old name there."
                ),
                tributary:
                    "Renames all of these. What cannot be renamed with certainty stops the connection."
                        .to_owned(),
                advice: String::new(),
            };
            report.add(self.finding("rewrite", Level::Differs, rule, words));
            if rule.line.connection.is_none() && is_made_by_a_rename(settings, from) {
                let words = Words {
                    server: format!("Renames '{from}' on connections without rules of their own."),
                    tributary: format!(
                        "Writes into '{from}' by another rule, and the target would rename its row events once more: it does not \
                         start with such a target."
                    ),
                    advice: "Take the line out of the server's own file, and restart the server.".to_owned(),
                };
                report.add(self.finding("rewrite-again", Level::Decide, rule, words));
            }
        }
    }

    /// The source's database that becomes `database`, and the target's that `database` becomes.
    fn names_of(&self, database: &str) -> (Option<&'a str>, Option<&'a str>) {
        let source = self.renames.iter().find(|(_, _, to)| *to == database);
        let target = self.renames.iter().find(|(_, from, _)| *from == database);
        (source.map(|(_, from, _)| *from), target.map(|(_, _, to)| *to))
    }

    /// A filter on a database, or on a table by its name.
    fn explain_filter(&self, kind: FilterKind, rule: &Rule<'_>, all: &[Rule<'_>]) -> Finding {
        let (database, table) = rule
            .text
            .split_once('.')
            .map_or((rule.text, None), |(database, table)| (database, Some(table)));
        let twin = |database: &str| {
            let text = match table {
                Some(table) => format!("{database}.{table}"),
                None => database.to_owned(),
            };
            all.iter().find(|other| other.text == text)
        };
        match self.names_of(database) {
            (None, None) => self.finding("filter", Level::Same, rule, unchanged(kind)),
            (_, Some(to)) if to == database => self.finding("filter", Level::Same, rule, unchanged(kind)),
            (Some(other), Some(to)) => {
                let words = Words {
                    server: format!(
                        "Renames first and compares then: the rule is about what the source calls '{other}'."
                    ),
                    tributary: format!(
                        "Compares with the source's names: it is about the source's '{database}', which becomes '{to}'."
                    ),
                    advice: format!(
                        "Write '{other}' if it is to mean what it means on the server, in what Tributary reads."
                    ),
                };
                self.finding("filter-both-names", Level::Decide, rule, words)
            }
            (_, Some(to)) => match twin(to) {
                Some(twin) => self.finding("filter-pair", Level::Same, rule, pair(twin)),
                None => self.finding(
                    "filter-source-name",
                    Level::Decide,
                    rule,
                    source_name(kind, database),
                ),
            },
            (Some(from), None) => match twin(from) {
                Some(twin) => self.finding("filter-pair", Level::Same, rule, pair(twin)),
                None => self.finding(
                    "filter-target-name",
                    Level::Decide,
                    rule,
                    target_name(kind, from, database),
                ),
            },
        }
    }

    /// A filter by a pattern: what it asks of a table may differ between the two names of a database.
    fn explain_pattern(&self, kind: FilterKind, rule: &Rule<'_>, all: &[Rule<'_>]) -> Finding {
        for (_, from, to) in &self.renames {
            let (by_source, by_target) = (pattern::rest(rule.text, from), pattern::rest(rule.text, to));
            let twin = |rest: &BTreeSet<&str>, database: &str| {
                let is_twin = |other: &&Rule<'_>| {
                    other.text != rule.text && pattern::rest(other.text, database) == *rest
                };
                all.iter().find(is_twin)
            };
            if by_source == by_target {
                continue;
            }
            return match (by_source.is_empty(), by_target.is_empty()) {
                (false, true) => match twin(&by_source, to) {
                    Some(twin) => self.finding("filter-pair", Level::Same, rule, pair(twin)),
                    None => self.finding("filter-source-name", Level::Decide, rule, source_name(kind, from)),
                },
                (true, false) => match twin(&by_target, from) {
                    Some(twin) => self.finding("filter-pair", Level::Same, rule, pair(twin)),
                    None => self.finding(
                        "filter-target-name",
                        Level::Decide,
                        rule,
                        target_name(kind, from, to),
                    ),
                },
                _ => {
                    let words = Words {
                        server: format!(
                            "Compares with '{to}.TABLE', or with '{from}.TABLE' where a statement spells it."
                        ),
                        tributary: format!(
                            "Compares with '{from}.TABLE'; the pattern asks something else of the table then."
                        ),
                        advice: format!("Write a pattern that means the tables of '{from}'."),
                    };
                    self.finding("filter-both-names", Level::Decide, rule, words)
                }
            };
        }
        self.finding("filter", Level::Same, rule, unchanged(kind))
    }

    /// What is to be said of every filter of its kind.
    fn explain_kind(&self, kind: FilterKind, rule: &Rule<'_>, report: &mut Report) {
        if is_of_database(kind) {
            let words = Words {
                server: "Judges a statement by its default database alone (after USE other, a statement about this database is judged \
                         as one of 'other'), and a row event by the table's."
                    .to_owned(),
                tributary: "Judges every changed table by its own database, in statements and row events alike.".to_owned(),
                advice: String::new(),
            };
            report.add(self.finding("default-database", Level::Differs, rule, words));
            return;
        }
        let words = Words {
            server: "Takes or leaves a statement as a whole, by the first of its changed tables that a rule names. A statement that \
                     only reads a table left out is executed, and reads what the replica has of it."
                .to_owned(),
            tributary: "Judges each changed table: DROP TABLE a, b drops b alone if a is left out. A statement that fills a table from \
                        one that is left out is recorded, or stops the connection (tributary_ignored_reads)."
                .to_owned(),
            advice: String::new(),
        };
        report.add(self.finding("several-tables", Level::Differs, rule, words));
        let is_pattern = matches!(kind, FilterKind::WildDoTable | FilterKind::WildIgnoreTable);
        if is_pattern && rule.text.chars().any(char::is_uppercase) {
            let words = Words {
                server: "Compares patterns without regard to case.".to_owned(),
                tributary: "Compares byte by byte, unless the source has lower_case_table_names: upper case in the pattern matches \
                            upper case alone."
                    .to_owned(),
                advice: "Write the pattern in the case of the tables.".to_owned(),
            };
            report.add(self.finding("pattern-case", Level::Decide, rule, words));
        }
    }
}

fn is_of_database(kind: FilterKind) -> bool {
    matches!(kind, FilterKind::DoDb | FilterKind::IgnoreDb)
}

fn is_ignore(kind: FilterKind) -> bool {
    matches!(
        kind,
        FilterKind::IgnoreDb | FilterKind::IgnoreTable | FilterKind::WildIgnoreTable
    )
}

/// Whether a rule with a connection's name makes `database` on the target.
fn is_made_by_a_rename(settings: &Settings, database: &str) -> bool {
    settings.names().iter().any(|(name, _)| {
        let rules = settings.rules(rewrite_key(), name);
        rules.iter().filter(|rule| rule.connection.is_some()).any(|rule| {
            let text = rule.text.as_deref().unwrap_or_default();
            text.split_once("->").is_some_and(|(_, to)| to.trim() == database)
        })
    })
}

/// Databases of the target that several connections write.
fn explain_shared_databases(settings: &Settings, names: &[&str], report: &mut Report) {
    let mut written: Vec<(&str, &str, &Setting)> = Vec::new();
    for name in names {
        for line in settings.rules(rewrite_key(), name) {
            let text = line.text.as_deref().unwrap_or_default();
            let Some((_, to)) = text.split_once("->").filter(|_| !text.contains(',')) else {
                continue;
            };
            written.push((to.trim(), name, line));
        }
    }
    for (to, name, line) in &written {
        let others = || {
            written
                .iter()
                .filter(|(other_to, other, _)| other_to == to && other != name)
        };
        if others().next().is_none() {
            continue;
        }
        report.add(Finding {
            code: "one-database",
            level: Level::Decide,
            connections: vec![(*name).to_owned()],
            lines: vec![at(line)],
            server: format!("Writes several sources into '{to}': rows with one key meet, fail (1062, 1032), or replace each other."),
            tributary: "Does the same, and says so at each start.".to_owned(),
            advice: Some("Unless the sources' tables or keys never meet, give each source a database of its own.".to_owned()),
        });
    }
}

/// What both do, and what to do about it.
struct Words {
    server: String,
    tributary: String,
    advice: String,
}

fn unchanged(kind: FilterKind) -> Words {
    let what = match is_ignore(kind) {
        true => "leaves out what it names",
        false => "replicates what it names, and nothing else",
    };
    Words {
        server: format!("The database is not renamed: the rule {what}."),
        tributary: "Does the same.".to_owned(),
        advice: String::new(),
    }
}

fn pair(twin: &Rule<'_>) -> Words {
    Words {
        server: format!(
            "Together with {}, the rule holds for the database's name before and after the rename.",
            twin.line.place
        ),
        tributary: "Does the same by the rule with the source's name alone; the other one matches nothing and may go."
            .to_owned(),
        advice: String::new(),
    }
}

fn source_name(kind: FilterKind, from: &str) -> Words {
    let what = match is_of_database(kind) {
        true => "the database is",
        false => "these tables are",
    };
    let matched = match is_of_database(kind) {
        true => String::new(),
        false => format!(" Only statements that spell '{from}.' match."),
    };
    match is_ignore(kind) {
        true => Words {
            server: format!(
                "Renames '{from}' first and compares then, so the rule misses ordinary statements and all row events: {what} \
                 replicated.{matched}"
            ),
            tributary: format!("Compares with the source's names, before the rename: {what} left out."),
            advice: format!(
                "If nobody reads them on the target, keep the lines, which then do what they say; what {} there already is no longer \
                 kept up to date, so drop it. If somebody does, take the lines out.",
                if is_of_database(kind) { "is" } else { "they hold" }
            ),
        },
        false => Words {
            server: format!(
                "Renames '{from}' first and compares then, so ordinary statements and all row events are not among what is to be \
                 replicated: {what} left out.{matched}"
            ),
            tributary: format!("Compares with the source's names, before the rename: {what} replicated."),
            advice: "If they are wanted, make a new copy of them first: changes are missing. If not, take the lines out."
                .to_owned(),
        },
    }
}

fn target_name(kind: FilterKind, from: &str, to: &str) -> Words {
    let (server, tributary) = match is_ignore(kind) {
        true => ("left out", "replicated"),
        false => (
            "replicated",
            "left out, and so is all else that no other rule names",
        ),
    };
    Words {
        server: format!(
            "Renames first and compares then: what the rule names is {server}, but for statements that spell '{from}.'."
        ),
        tributary: format!(
            "Compares with the source's names, where there is no '{to}': the rule matches nothing, and what it names is {tributary}."
        ),
        advice: format!("Write '{from}' instead of '{to}' in what Tributary reads."),
    }
}
