//! Filters and renames of one connection.

use tributary_rules::{Filter, FilterKind, Rewrite, RuleError};

use tributary::ConnectionOptions;

use super::effective::Origin;
use super::keys::{self, Key};
use super::problem::Problem;
use super::reader::Reader;
use super::settings::{Group, Setting, Settings};

/// The rules of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(crate) filter: Filter,
    pub(crate) rewrite: Rewrite,
}

/// Reads the rules of `connection`, in the order of the files.
pub(crate) fn read(reader: &mut Reader<'_>, connection: &str, warnings: &mut Vec<Problem>) -> Rules {
    let mut rules = Rules::default();
    read_key(reader, connection, keys::REPLICATE_REWRITE_DB, |rule| {
        rules.rewrite.add(rule)
    });
    for (key, kind) in filter_keys() {
        read_key(reader, connection, key, |rule| rules.filter.add(kind, rule));
        warn_of_target_names(reader, connection, key, &rules.rewrite, warnings);
    }
    rules
}

/// A rule that names a database the way the target does would never match: the filter comes before the
/// rename. The native server renames first, so such rules may stand in files that worked there.
fn warn_of_target_names(
    reader: &Reader<'_>,
    connection: &str,
    key: &Key,
    rewrite: &Rewrite,
    warnings: &mut Vec<Problem>,
) {
    for line in reader.settings().rules(key, connection) {
        for rule in line.text.as_deref().unwrap_or_default().split(',') {
            let database = rule.split_once('.').map_or(rule, |(database, _)| database).trim();
            let renamed = rewrite.pairs().find(|(_, to)| *to == database);
            let Some((from, _)) = renamed.filter(|_| !rewrite.is_mapped(database.as_bytes())) else {
                continue;
            };
            let text = format!(
                "{}: '{database}' is a name on the target and matches nothing on connection '{connection}': \
                    rules are written in the source's names; write '{from}'",
                line.shown
            );
            warnings.push(Problem::at(&line.place, text));
        }
    }
}

/// Says of every rule without a connection prefix which connections it is for.
pub(crate) fn shared_notes(settings: &Settings, connections: &[ConnectionOptions]) -> Vec<Problem> {
    let policies = [
        keys::TRIBUTARY_SKIP_ERRORS,
        keys::TRIBUTARY_NEVER_SKIP,
        keys::TRIBUTARY_REWRITE_ENGINE,
        keys::TRIBUTARY_KEEP_ENGINE,
    ];
    let keys = std::iter::once(keys::REPLICATE_REWRITE_DB)
        .chain(filter_keys().map(|(key, _)| key))
        .chain(policies);
    let mut notes = Vec::new();
    for line in keys.flat_map(|key| settings.shared_rules(key)) {
        let names: Vec<&str> = connections
            .iter()
            .filter(|connection| {
                settings
                    .rules(line.key, &connection.name)
                    .iter()
                    .any(|rule| rule.place == line.place)
            })
            .map(|connection| connection.name.as_str())
            .collect();
        let text = match names.as_slice() {
            [] => format!(
                "{} is for no connection: each has rules of that key of its own",
                line.shown
            ),
            names => format!("{} is for connections {}", line.shown, names.join(", ")),
        };
        notes.push(Problem::at(&line.place, text));
    }
    notes
}

/// The keys of the filters, in the order they are asked.
pub(crate) fn filter_keys() -> [(&'static Key, FilterKind); 6] {
    [
        (keys::REPLICATE_DO_DB, FilterKind::DoDb),
        (keys::REPLICATE_IGNORE_DB, FilterKind::IgnoreDb),
        (keys::REPLICATE_DO_TABLE, FilterKind::DoTable),
        (keys::REPLICATE_IGNORE_TABLE, FilterKind::IgnoreTable),
        (keys::REPLICATE_WILD_DO_TABLE, FilterKind::WildDoTable),
        (keys::REPLICATE_WILD_IGNORE_TABLE, FilterKind::WildIgnoreTable),
    ]
}

/// Hands every rule of `key` to `add`. One line may hold several, separated by commas; an empty line of the
/// server's groups sets nothing, as on the server.
pub(super) fn read_key(
    reader: &mut Reader<'_>,
    connection: &str,
    key: &'static Key,
    mut add: impl FnMut(&str) -> Result<(), RuleError>,
) {
    for line in reader.settings().rules(key, connection) {
        let text = line.text.as_deref().unwrap_or_default();
        if text.trim().is_empty() && line.group == Group::Server && line.text.is_some() {
            continue;
        }
        for rule in text.split(',').map(str::trim) {
            take(reader, line, rule, &mut add);
        }
    }
}

/// Hands every line of `key` to `add`, for rules that hold commas themselves.
pub(super) fn read_lines(
    reader: &mut Reader<'_>,
    connection: &str,
    key: &'static Key,
    mut add: impl FnMut(&str) -> Result<(), RuleError>,
) {
    for line in reader.settings().rules(key, connection) {
        take(
            reader,
            line,
            line.text.as_deref().unwrap_or_default().trim(),
            &mut add,
        );
    }
}

/// Hands one rule to `add`, and notes it down, or what is wrong with it.
fn take(
    reader: &mut Reader<'_>,
    line: &Setting,
    rule: &str,
    add: &mut impl FnMut(&str) -> Result<(), RuleError>,
) {
    match add(rule) {
        Ok(()) => reader.record(line.key, rule, Origin::Line(line.place.clone())),
        Err(error) => {
            let text = format!("{}: {error}; allowed: {}", line.shown, line.key.allowed);
            let problem = Problem::at(&line.place, text);
            // A rule for all connections is read once for each of them.
            if !reader.problems.contains(&problem) {
                reader.problems.push(problem);
            }
        }
    }
}
