//! Which groups of a file count.

/// The groups a MariaDB server reads in every version. It also reads `mysqld-10.11` and the like, for its own version
/// only; ask for those with a suffix.
pub const SERVER_GROUPS: [&str; 6] = [
    "mysqld",
    "server",
    "mariadb",
    "mariadbd",
    "client-server",
    "galera",
];

/// A set of group names, compared without regard to ASCII case, as the server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupNames {
    names: Vec<String>,
}

impl GroupNames {
    /// The groups `names`; with a `suffix`, also each name with the suffix added (`--defaults-group-suffix`).
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>, suffix: Option<&str>) -> Self {
        let plain: Vec<String> = names.into_iter().map(str::to_ascii_lowercase).collect();
        let suffixed: Vec<String> = suffix
            .iter()
            .flat_map(|suffix| {
                plain
                    .iter()
                    .map(move |name| format!("{name}{}", suffix.to_ascii_lowercase()))
            })
            .collect();
        Self {
            names: plain.into_iter().chain(suffixed).collect(),
        }
    }

    /// Whether `group` is one of them.
    #[must_use]
    pub fn contains(&self, group: &str) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_match_without_case_and_with_suffix() {
        let plain = GroupNames::new(SERVER_GROUPS, None);
        assert!(plain.contains("mysqld") && plain.contains("MYSQLD") && plain.contains("mariadbd"));
        assert!(!plain.contains("mysqld-10.11") && !plain.contains(" mysqld") && !plain.contains("client"));

        let suffixed = GroupNames::new(SERVER_GROUPS, Some("-10.11"));
        assert!(suffixed.contains("mysqld") && suffixed.contains("mariadb-10.11"));
        assert!(!suffixed.contains("mariadb-10.6"));
    }
}
