//! Entries of the files to settings: which key, for which connection, from which group.

use tributary_optfile::{Entry, GroupNames, Place, SERVER_GROUPS};

use super::keys::{self, Key, Scope};
use super::problem::{Problem, shown};
use super::server_keys;

/// The engine's own group.
pub(crate) const OWN_GROUP: &str = "tributary";

/// Longest connection name; the server's own limit.
const NAME_CHARS_MAX: usize = 64;

/// Who wrote a setting: it decides what wins and what an unprefixed rule means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// A group of the server, such as `[mysqld]`.
    Server,
    /// `[tributary]`.
    Own,
}

/// One line that counts.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) key: &'static Key,
    pub(crate) connection: Option<String>,
    pub(crate) group: Group,
    /// `None` for a bare key.
    pub(crate) text: Option<String>,
    pub(crate) place: Place,
    /// `key = 'value'`, for messages.
    pub(crate) shown: String,
}

/// Every line that counts, in the order of the files.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    all: Vec<Setting>,
    /// Connection names in order of appearance, in the spelling of their first use.
    names: Vec<(String, Place)>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
}

impl Settings {
    /// Sorts out which entries count. With a `suffix`, groups such as `[mysqldSUFFIX]` count too.
    pub(crate) fn collect(entries: &[Entry], suffix: Option<&str>) -> Self {
        let own = GroupNames::new([OWN_GROUP], suffix);
        let server = GroupNames::new(SERVER_GROUPS, suffix);
        let mut settings = Self::default();
        for entry in entries {
            if own.contains(&entry.group) {
                settings.add_own(entry);
            } else if server.contains(&entry.group) {
                settings.add_server(entry);
            } else {
                settings.remark_other_group(entry);
            }
        }
        settings
    }

    /// The setting that holds for `key`: one of the connection itself before one for all, `[tributary]` before the
    /// server's groups, the last line before earlier ones.
    pub(crate) fn winner(&self, key: &Key, connection: Option<&str>) -> Option<&Setting> {
        self.all
            .iter()
            .filter(|setting| setting.key.name == key.name)
            .filter(|setting| setting.connection.is_none() || is_for(setting, connection))
            .max_by_key(|setting| (setting.connection.is_some(), setting.group))
    }

    /// The rules of a connection, in the order of the files.
    ///
    /// In the server's groups a rule without prefix is for the connections that have no rule of that key of
    /// their own, as on the server. In `[tributary]` it is for every connection, and every rule there is
    /// added.
    pub(crate) fn rules(&self, key: &Key, connection: &str) -> Vec<&Setting> {
        let of_key = || self.all.iter().filter(|setting| setting.key.name == key.name);
        let has_own =
            of_key().any(|setting| setting.group == Group::Server && is_for(setting, Some(connection)));
        of_key()
            .filter(|setting| match (setting.group, &setting.connection) {
                (Group::Server, None) => !has_own,
                (Group::Own, None) => true,
                (_, Some(_)) => is_for(setting, Some(connection)),
            })
            .collect()
    }

    /// The rules without a connection prefix.
    pub(crate) fn shared_rules(&self, key: &Key) -> impl Iterator<Item = &Setting> {
        let name = key.name;
        self.all
            .iter()
            .filter(move |setting| setting.key.name == name && setting.connection.is_none())
    }

    /// Connection names that occur as a prefix, with their first place.
    pub(crate) fn names(&self) -> &[(String, Place)] {
        &self.names
    }

    fn add_own(&mut self, entry: &Entry) {
        let resolved = entry.resolve(|name| keys::find(name).is_some());
        let Some(key) = keys::find(&resolved.name) else {
            let problem = Problem::at(&entry.place, unknown(&entry.full_key(), &resolved.name));
            if resolved.is_loose {
                self.warnings.push(problem)
            } else {
                self.problems.push(problem)
            }
            return;
        };
        match (&entry.connection, key.scope) {
            (Some(_), Scope::Engine) => {
                let text = format!(
                    "{}: {} is not set per connection; write it without a prefix",
                    entry.full_key(),
                    key.name
                );
                self.problems.push(Problem::at(&entry.place, text));
            }
            (None, Scope::OneConnection) => {
                let text = format!("{0} belongs to one connection; write NAME.{0}", key.name);
                self.problems.push(Problem::at(&entry.place, text));
            }
            _ => self.add(entry, key, Group::Own, resolved.value),
        }
    }

    /// Takes the keys of the server that the engine knows. An unprefixed start position or login there is no
    /// option of the server, which would not start with it; it is named rather than obeyed.
    fn add_server(&mut self, entry: &Entry) {
        let is_taken = |name: &str| keys::find(name).is_some_and(|key| key.is_server_key);
        let resolved = entry.resolve(|name| is_taken(name) || server_keys::is_known(name));
        let Some(key) = keys::find(&resolved.name).filter(|key| key.is_server_key) else {
            let text = resolved.value.as_deref().map(String::from_utf8_lossy);
            let remark = match keys::find(&resolved.name) {
                Some(key) => Some(format!(
                    "{} is no option of a server and passed over; it belongs in [{OWN_GROUP}]",
                    key.name
                )),
                None => server_keys::remark(&resolved.name, text.as_deref()),
            };
            self.warnings
                .extend(remark.map(|text| Problem::at(&entry.place, text)));
            return;
        };
        if entry.connection.is_some() && key.scope != Scope::Rules {
            let text = format!(
                "{}: the server takes no connection prefix here; move the line to [{OWN_GROUP}] or take the \
                    prefix off",
                entry.full_key()
            );
            // The server knows a mode per connection; the engine has one for all workers, and works with any.
            let problem = Problem::at(&entry.place, text);
            if key.name == keys::SLAVE_PARALLEL_MODE.name {
                self.warnings.push(Problem {
                    text: "slave_parallel_mode per connection is not supported and \
                    passed over: all connections share the workers"
                        .into(),
                    ..problem
                });
            } else {
                self.problems.push(problem);
            }
            return;
        }
        self.add(entry, key, Group::Server, resolved.value);
    }

    fn add(&mut self, entry: &Entry, key: &'static Key, group: Group, value: Option<Vec<u8>>) {
        let text = match value.map(String::from_utf8).transpose() {
            Ok(text) => text,
            Err(_) => {
                let text = format!(
                    "the value of '{}' is not UTF-8 text; save the file as UTF-8",
                    entry.full_key()
                );
                self.problems.push(Problem::at(&entry.place, text));
                return;
            }
        };
        let connection = match &entry.connection {
            None => None,
            Some(name) => match self.known_name(name, &entry.place) {
                Some(name) => Some(name),
                None => return,
            },
        };
        let place = entry.place.clone();
        self.all.push(Setting {
            key,
            connection,
            group,
            text,
            place,
            shown: shown(entry),
        });
    }

    /// The connection's name in its first spelling. The server compares connection names without case, but its prefixes
    /// with case: `Eu.replicate_do_db` is then lost on connection `eu`. Here it counts, and the odd spelling is named.
    fn known_name(&mut self, name: &str, place: &Place) -> Option<String> {
        if let Err(text) = check_name(name) {
            self.problems.push(Problem::at(place, text));
            return None;
        }
        if let Some((first, first_place)) = self.names.iter().find(|(first, _)| is_same_name(first, name)) {
            if first != name {
                let text = format!(
                    "connection '{name}' is taken to be '{first}' of {first_place}: names differ only in case"
                );
                self.warnings.push(Problem::at(place, text));
            }
            return Some(first.clone());
        }
        self.names.push((name.to_owned(), place.clone()));
        Some(name.to_owned())
    }

    /// Groups such as `[mysqld-10.11]` are for servers of one version; rules in them are easily believed to count.
    fn remark_other_group(&mut self, entry: &Entry) {
        let group = entry.group.to_ascii_lowercase();
        let Some((plain, version)) = group.split_once('-') else {
            return;
        };
        let is_server_group =
            SERVER_GROUPS.contains(&plain) && version.starts_with(|first: char| first.is_ascii_digit());
        let is_taken = |name: &str| keys::find(name).is_some_and(|key| key.is_server_key);
        if is_server_group && entry.resolve(is_taken).is_known {
            let text = format!(
                "{} stands in [{group}], which is for servers of that version, and is passed over; \
                    --defaults-group-suffix=-{version} takes it",
                entry.full_key()
            );
            self.warnings.push(Problem::at(&entry.place, text));
        }
    }
}

/// Whether two connection names mean one connection.
pub(crate) fn is_same_name(left: &str, right: &str) -> bool {
    left.to_lowercase() == right.to_lowercase()
}

/// Whether `name` can be the name of a connection.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let is_printable = !name
        .chars()
        .any(|letter| letter.is_control() || letter == char::REPLACEMENT_CHARACTER);
    if !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && is_printable {
        return Ok(());
    }
    Err(format!(
        "connection name '{}': allowed: 1 to {NAME_CHARS_MAX} printable characters of UTF-8",
        name.escape_debug().take(2 * NAME_CHARS_MAX).collect::<String>()
    ))
}

fn is_for(setting: &Setting, connection: Option<&str>) -> bool {
    matches!((&setting.connection, connection), (Some(own), Some(wanted)) if is_same_name(own, wanted))
}

/// What to say of a key that does not exist. A password in an option file would be world-readable on many
/// systems, so there is no key for one; the value is not repeated.
fn unknown(full_key: &str, name: &str) -> String {
    if let Some(side) = ["master", "target"]
        .iter()
        .find(|side| name == format!("{side}_password"))
    {
        return format!(
            "{full_key}: passwords do not stand in option files; use {side}_password_file or \
                {side}_password_env"
        );
    }
    match keys::suggest(name) {
        Some(key) => format!("unknown key '{full_key}' in [{OWN_GROUP}]; did you mean {key}?"),
        None => format!("unknown key '{full_key}' in [{OWN_GROUP}]; docs/configuration.md lists all keys"),
    }
}

#[cfg(test)]
mod tests;
