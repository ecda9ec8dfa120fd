//! Settings to typed values. Every read is recorded, so that `tributary check-config` can print what holds and why.

use std::path::PathBuf;
use std::time::Duration;

use tributary_optfile::value::{parse_bool, parse_size};

use super::effective::{Effective, Origin};
use super::keys::{Allowed, Key};
use super::problem::Problem;
use super::settings::{Setting, Settings};

/// Reads values for the engine, or for one connection; collects what is wrong and goes on.
///
/// Every getter gives `None` when there is no value and no default, or when the value is wrong; in the second
/// case there is a problem, and the configuration will not be used.
pub(crate) struct Reader<'a> {
    settings: &'a Settings,
    connection: Option<String>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) effective: Effective,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            connection: None,
            problems: Vec::new(),
            effective: Effective::default(),
        }
    }

    /// Reads for `connection` from now on.
    pub(crate) fn enter(&mut self, connection: &str) {
        self.connection = Some(connection.to_owned());
    }

    pub(crate) fn settings(&self) -> &'a Settings {
        self.settings
    }

    /// The line that decides `key`.
    pub(crate) fn line(&self, key: &Key) -> Option<&'a Setting> {
        self.settings.winner(key, self.connection.as_deref())
    }

    /// `NAME.key` or `key`, as a person would write it to set it.
    pub(crate) fn full_name(&self, key: &Key) -> String {
        match &self.connection {
            Some(connection) => format!("{connection}.{}", key.name),
            None => key.name.to_owned(),
        }
    }

    pub(crate) fn text(&mut self, key: &'static Key) -> Option<String> {
        self.value(key, |text| (!text.is_empty()).then(|| text.to_owned()))
    }

    pub(crate) fn path(&mut self, key: &'static Key) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    pub(crate) fn switch(&mut self, key: &'static Key) -> bool {
        self.value(key, |text| parse_bool(Some(text))).unwrap_or_default()
    }

    /// A number within the key's own limits.
    pub(crate) fn number(&mut self, key: &'static Key) -> Option<u64> {
        self.value(key, |text| within(key, text))
    }

    /// A number within the key's own limits, which must lie within those of `T`.
    pub(crate) fn number_as<T: TryFrom<u64>>(&mut self, key: &'static Key) -> Option<T> {
        self.value(key, |text| T::try_from(within(key, text)?).ok())
    }

    pub(crate) fn seconds(&mut self, key: &'static Key) -> Option<Duration> {
        self.number(key).map(Duration::from_secs)
    }

    /// Reads the value of `key` with `parse`, or its default.
    pub(crate) fn value<T>(&mut self, key: &'static Key, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let Some(line) = self.line(key) else {
            return self.default_of(key, parse);
        };
        let text = match (&line.text, key.allowed) {
            (Some(text), _) => text.as_str(),
            (None, Allowed::Switch) => "ON",
            (None, allowed) => {
                let text = format!("{} needs a value; allowed: {allowed}", line.shown);
                self.problems.push(Problem::at(&line.place, text));
                return None;
            }
        };
        let value = parse(text);
        if value.is_none() {
            let text = format!("{}: allowed: {}", line.shown, key.allowed);
            self.problems.push(Problem::at(&line.place, text));
        }
        self.record(key, text, Origin::Line(line.place.clone()));
        value
    }

    fn default_of<T>(&mut self, key: &'static Key, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = key.default()?;
        self.record(key, text, Origin::Default);
        parse(text)
    }

    /// Notes a value for `tributary check-config`.
    pub(crate) fn record(&mut self, key: &'static Key, text: &str, origin: Origin) {
        self.effective
            .record(self.connection.as_deref(), key, text, origin);
    }

    /// Says that `key` must be set.
    pub(crate) fn missing(&mut self, keys: &[&Key], why: &str) {
        let names: Vec<String> = keys.iter().map(|key| self.full_name(key)).collect();
        let text = format!("{} is not set: {why}; add it to [tributary]", names.join(" or "));
        self.problems.push(Problem::missing(text));
    }

    /// Of two keys that exclude each other, says so when both decide equally much; the one that is nearer to the
    /// connection wins otherwise. Gives the line to use.
    pub(crate) fn either(&mut self, first: &'static Key, second: &'static Key) -> Option<&'static Key> {
        let (first_line, second_line) = match (self.line(first), self.line(second)) {
            (None, None) => return None,
            (Some(_), None) => return Some(first),
            (None, Some(_)) => return Some(second),
            (Some(first), Some(second)) => (first, second),
        };
        match (first_line.connection.is_some(), second_line.connection.is_some()) {
            (true, false) => Some(first),
            (false, true) => Some(second),
            _ => {
                let text = format!(
                    "{} excludes {} of {}; keep one of them",
                    self.full_name(second),
                    self.full_name(first),
                    first_line.place
                );
                self.problems.push(Problem::at(&second_line.place, text));
                None
            }
        }
    }
}

/// The number `text` says, if the key allows it.
fn within(key: &Key, text: &str) -> Option<u64> {
    let (number, min, max) = match key.allowed {
        Allowed::Number { min, max, .. } => (parse_plain(text)?, min, max),
        Allowed::Bytes { min, max } => (parse_size(text)?, min, max),
        Allowed::Text(_) | Allowed::Switch => return None,
    };
    (min..=max).contains(&number).then_some(number)
}

/// A whole number without suffix: `server_id = 1K` is a slip, not a thousand.
fn parse_plain(text: &str) -> Option<u64> {
    let has_only_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if has_only_digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::keys;
    use super::super::testing::entries;
    use super::*;

    #[test]
    fn every_default_is_allowed() {
        let settings = Settings::default();
        let mut reader = Reader::new(&settings);
        for key in keys::ALL {
            if let Some(default) = key.default() {
                match key.allowed {
                    Allowed::Number { .. } | Allowed::Bytes { .. } => {
                        assert!(reader.number(key).is_some(), "{} = {default}", key.name);
                    }
                    Allowed::Switch => {
                        assert!(parse_bool(Some(default)).is_some(), "{} = {default}", key.name)
                    }
                    Allowed::Text(_) => assert!(reader.text(key).is_some(), "{} = {default}", key.name),
                }
            }
        }
        assert!(reader.problems.is_empty());
    }

    #[test]
    fn values_outside_the_limits_are_named_with_what_is_allowed() {
        for (line, message) in [
            (
                "stop_timeout=0",
                "t.cnf:2: stop_timeout = '0': allowed: 1 to 3600 seconds",
            ),
            (
                "stop_timeout=3601",
                "t.cnf:2: stop_timeout = '3601': allowed: 1 to 3600 seconds",
            ),
            (
                "stop_timeout=1K",
                "t.cnf:2: stop_timeout = '1K': allowed: 1 to 3600 seconds",
            ),
            (
                "stop_timeout=",
                "t.cnf:2: stop_timeout = '': allowed: 1 to 3600 seconds",
            ),
            (
                "stop_timeout",
                "t.cnf:2: stop_timeout needs a value; allowed: 1 to 3600 seconds",
            ),
            (
                "stop_timeout=-5",
                "t.cnf:2: stop_timeout = '-5': allowed: 1 to 3600 seconds",
            ),
        ] {
            let settings = Settings::collect(&entries(&format!("[tributary]\n{line}\n")), None);
            let mut reader = Reader::new(&settings);
            assert_eq!(reader.number(keys::STOP_TIMEOUT), None);
            assert_eq!(
                reader.problems.iter().map(Problem::to_string).collect::<Vec<_>>(),
                [message]
            );
        }
    }

    #[test]
    fn both_ends_are_allowed() {
        for (text, number) in [("1", 1), ("3600", 3600)] {
            let settings = Settings::collect(&entries(&format!("[tributary]\nstop_timeout={text}\n")), None);
            assert_eq!(Reader::new(&settings).number(keys::STOP_TIMEOUT), Some(number));
        }
    }

    #[test]
    fn a_bare_switch_is_on_and_skip_turns_it_off() {
        for (line, is_on) in [
            ("target_compress", true),
            ("skip-target-compress", false),
            ("target_compress=0", false),
        ] {
            let settings = Settings::collect(&entries(&format!("[tributary]\n{line}\n")), None);
            assert_eq!(
                Reader::new(&settings).switch(keys::TARGET_COMPRESS),
                is_on,
                "{line}"
            );
        }
    }

    #[test]
    fn of_two_that_exclude_each_other_the_nearer_wins() {
        let text = "[tributary]\nmaster_host=h\na.master_socket=/s\nb.master_host=h\nb.master_socket=/s\n";
        let settings = Settings::collect(&entries(text), None);
        let mut reader = Reader::new(&settings);
        reader.enter("a");
        assert_eq!(
            reader
                .either(keys::MASTER_HOST, keys::MASTER_SOCKET)
                .map(|key| key.name),
            Some("master_socket")
        );
        reader.enter("c");
        assert_eq!(
            reader
                .either(keys::MASTER_HOST, keys::MASTER_SOCKET)
                .map(|key| key.name),
            Some("master_host")
        );
        assert!(reader.problems.is_empty());
        reader.enter("b");
        assert!(reader.either(keys::MASTER_HOST, keys::MASTER_SOCKET).is_none());
        assert_eq!(
            reader.problems[0].to_string(),
            "t.cnf:5: b.master_socket excludes b.master_host of t.cnf:4; keep one of them"
        );
    }
}
