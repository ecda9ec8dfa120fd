//! The target's collations, and which of them stand for those of a source that the target does not have.
//!
//! Servers differ in three ways: newer ones know more collations, they may take another one for a character set that is named
//! alone (11.5 on: `utf8mb4_uca1400_ai_ci`), and MySQL has its own (`utf8mb4_0900_ai_ci`). Events carry ids, texts carry names.

use std::borrow::Cow;
use std::collections::HashMap;

use tributary_binlog::StatusVars;
use tributary_sql::{CollationRules, Dialect, collate};

/// Languages of MySQL's collations by UCA 9.0.0, in the order of their ids, and what MariaDB calls them in those by UCA 14.0.0.
/// MySQL has three gaps in that order; MariaDB server, `strings/ctype-uca0900.h` pairs them the same way.
const LANGUAGES: [Option<(&str, &str)>; 23] = [
    Some(("", "")),
    Some(("de_pb_", "german2_")),
    Some(("is_", "icelandic_")),
    Some(("lv_", "latvian_")),
    Some(("ro_", "romanian_")),
    Some(("sl_", "slovenian_")),
    Some(("pl_", "polish_")),
    Some(("et_", "estonian_")),
    Some(("es_", "spanish_")),
    Some(("sv_", "swedish_")),
    Some(("tr_", "turkish_")),
    Some(("cs_", "czech_")),
    Some(("da_", "danish_")),
    Some(("lt_", "lithuanian_")),
    Some(("sk_", "slovak_")),
    Some(("es_trad_", "spanish2_")),
    Some(("la_", "roman_")),
    None,
    Some(("eo_", "esperanto_")),
    Some(("hu_", "hungarian_")),
    Some(("hr_", "croatian_")),
    None,
    Some(("vi_", "vietnamese_")),
];

/// Collations by which newer servers (11.8) compare names, and log some statements of their own; case alone tells them from these.
const OF_NAMES: [(u16, &str); 2] = [(579, "utf8mb3_general_ci"), (611, "utf8mb4_general_ci")];

/// MySQL's ids from here on are its collations by UCA 9.0.0.
const FIRST_0900: u32 = 255;
/// `utf8mb4_0900_as_cs`; the languages follow in the same order.
const FIRST_0900_AS_CS: u32 = 278;

/// The target's collations.
#[derive(Debug, Default)]
pub(crate) struct Collations {
    /// Character set and collation.
    by_id: HashMap<u32, (String, String)>,
    by_name: HashMap<String, u32>,
    /// Whether sessions of the target have `character_set_collations` (11.2 on).
    takes_defaults: bool,
}

/// The collations of a Query event as the target has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct StatementCollations {
    /// Client, connection and server.
    pub(crate) charset: Option<(u16, u16, u16)>,
    pub(crate) database: Option<u16>,
    /// Pairs of a character set, by its built-in default, and the collation it stands for when it is named alone.
    pub(crate) defaults: Vec<(u16, u16)>,
}

impl Collations {
    /// From id, character set and collation.
    pub(crate) fn new(rows: impl IntoIterator<Item = (u32, String, String)>, takes_defaults: bool) -> Self {
        let by_id: HashMap<u32, (String, String)> = rows
            .into_iter()
            .map(|(id, charset, name)| (id, (charset, name)))
            .collect();
        let by_name = by_id.iter().map(|(id, (_, name))| (name.clone(), *id)).collect();
        Self {
            by_id,
            by_name,
            takes_defaults,
        }
    }

    /// Whether sessions have `character_set_collations`.
    pub(crate) fn takes_defaults(&self) -> bool {
        self.takes_defaults
    }

    /// Character set and collation of a source's id.
    pub(crate) fn get(&self, id: u32) -> Option<(&str, &str)> {
        let known = |id: u32| self.by_id.get(&id);
        known(id)
            .or_else(|| known(*self.by_name.get(&equivalent(&name_0900(id)?)?)?))
            .map(|(charset, name)| (charset.as_str(), name.as_str()))
    }

    /// The target's id for a source's.
    fn resolve(&self, id: u16) -> Result<u16, String> {
        if let Some(stand_in) = self.of_names(id) {
            return Ok(stand_in);
        }
        // Nothing is known in tests only.
        if self.by_id.is_empty() || self.by_id.contains_key(&u32::from(id)) {
            return Ok(id);
        }
        let name = name_0900(u32::from(id));
        name.as_ref()
            .and_then(|name| self.by_name.get(&equivalent(name)?))
            .and_then(|id| u16::try_from(*id).ok())
            .ok_or_else(|| {
                let name = name.map_or_else(|| format!("the collation with id {id}"), |name| format!("the collation {name}"));
                format!("the target does not know {name}, and no other that stands for it; use another one on the source, or a newer target")
            })
    }

    /// What stands for a collation of names that the target does not have.
    fn of_names(&self, id: u16) -> Option<u16> {
        let (_, stand_in) = OF_NAMES.iter().find(|(own, _)| *own == id)?;
        let id = self
            .by_name
            .get(*stand_in)
            .filter(|_| !self.by_id.contains_key(&u32::from(id)))?;
        u16::try_from(*id).ok()
    }

    /// `character_set_client` takes a character set's built-in default only, by whatever collation the source names it.
    fn resolve_client(&self, id: u16) -> Result<u16, String> {
        let id = self.resolve(id)?;
        Ok(
            match self
                .by_id
                .get(&u32::from(id))
                .map(|(charset, _)| charset.as_str())
            {
                Some("utf8mb4") => 45,
                Some("utf8mb3") => 33,
                _ => id,
            },
        )
    }

    /// The collations of a Query event's session.
    ///
    /// # Errors
    /// What the target does not know, in words.
    pub(crate) fn of_statement(&self, status: &StatusVars) -> Result<StatementCollations, String> {
        let charset = status.charset.map(|charset| {
            Ok::<_, String>((
                self.resolve_client(charset.client)?,
                self.resolve(charset.connection)?,
                self.resolve(charset.server)?,
            ))
        });
        let defaults = status.character_set_collations.iter().flatten();
        Ok(StatementCollations {
            charset: charset.transpose()?,
            database: status.charset_database.map(|id| self.resolve(id)).transpose()?,
            defaults: defaults
                .map(|(charset, collation)| Ok((*charset, self.resolve(*collation)?)))
                .collect::<Result<_, String>>()?,
        })
    }

    /// `utf8mb4=utf8mb4_uca1400_ai_ci,...`: the value of `character_set_collations`.
    pub(crate) fn render_defaults(&self, defaults: &[(u16, u16)]) -> String {
        let pair = |(charset, collation): &(u16, u16)| {
            let (charset, _) = self.by_id.get(&u32::from(*charset))?;
            let (_, collation) = self.by_id.get(&u32::from(*collation))?;
            Some(format!("{charset}={collation}"))
        };
        defaults.iter().filter_map(pair).collect::<Vec<_>>().join(",")
    }

    /// The text of a statement with the collations it means on the source.
    ///
    /// # Errors
    /// A collation that the target does not know and nothing stands for, in words.
    pub(crate) fn translate<'a>(
        &self,
        text: &'a [u8],
        dialect: &Dialect,
        is_definition: bool,
        defaults: &[(u16, u16)],
    ) -> Result<Cow<'a, [u8]>, String> {
        let writes_defaults = is_definition && !self.takes_defaults && !defaults.is_empty();
        let may_name_0900 = contains_0900(text) && !self.by_id.contains_key(&FIRST_0900);
        if !writes_defaults && !may_name_0900 {
            return Ok(Cow::Borrowed(text));
        }
        let unknown = std::cell::RefCell::new(None);
        let rules = CollationRules {
            default_of: &|charset| self.default_of(charset, defaults).filter(|_| writes_defaults),
            rename: &|name| {
                if self.by_name.contains_key(name) || !name.contains("_0900_") {
                    return None;
                }
                let stand_in = equivalent(name).filter(|stand_in| self.by_name.contains_key(stand_in));
                if stand_in.is_none() {
                    unknown.replace(Some(name.to_owned()));
                }
                stand_in
            },
        };
        let translated = collate(text, dialect, &rules);
        match unknown.into_inner() {
            None => Ok(translated),
            Some(name) => Err(format!(
                "the target does not know the collation {name}, and no other that stands for it; use another one on the source"
            )),
        }
    }

    /// What a character set stands for alone, where that is not the target's own choice.
    fn default_of(&self, charset: &str, defaults: &[(u16, u16)]) -> Option<String> {
        let charset = if charset == "utf8" { "utf8mb3" } else { charset };
        let (own, wanted) = defaults.iter().find(|(own, _)| {
            self.by_id
                .get(&u32::from(*own))
                .is_some_and(|(name, _)| name == charset)
        })?;
        let (_, name) = self.by_id.get(&u32::from(*wanted))?;
        (own != wanted).then(|| name.clone())
    }
}

/// Looks at every fourth byte: each occurrence has one of them.
fn contains_0900(text: &[u8]) -> bool {
    let is_around = |at: usize| {
        let around = &text[at - 3..text.len().min(at + 4)];
        around.windows(4).any(|part| part == b"0900")
    };
    (3..text.len())
        .step_by(4)
        .any(|at| matches!(text[at], b'0' | b'9') && is_around(at))
}

/// The name of a MySQL collation by UCA 9.0.0; `None` for the few of which MariaDB has no counterpart, and for other ids.
fn name_0900(id: u32) -> Option<String> {
    let name = |first: u32, kind: &str| {
        let (language, _) = (*LANGUAGES.get(usize::try_from(id.checked_sub(first)?).ok()?)?)?;
        Some(format!("utf8mb4_{language}0900_{kind}"))
    };
    match id {
        305 => Some("utf8mb4_0900_as_ci".to_owned()),
        309 => Some("utf8mb4_0900_bin".to_owned()),
        FIRST_0900_AS_CS.. => name(FIRST_0900_AS_CS, "as_cs"),
        _ => name(FIRST_0900, "ai_ci"),
    }
}

/// The collation that stands for one of MySQL's: the same language, padding and sensitivity, by the newer UCA.
fn equivalent(name: &str) -> Option<String> {
    if name == "utf8mb4_0900_bin" {
        return Some("utf8mb4_nopad_bin".to_owned());
    }
    let (language, kind) = name.strip_prefix("utf8mb4_")?.split_once("0900_")?;
    let (_, language) = LANGUAGES
        .into_iter()
        .flatten()
        .find(|(own, _)| *own == language)?;
    Some(format!("utf8mb4_uca1400_{language}nopad_{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_binlog::Charset;

    fn older() -> Collations {
        let rows = [
            (33, "utf8mb3", "utf8mb3_general_ci"),
            (45, "utf8mb4", "utf8mb4_general_ci"),
            (1070, "utf8mb4", "utf8mb4_nopad_bin"),
            (2304, "utf8mb4", "utf8mb4_uca1400_ai_ci"),
            (2308, "utf8mb4", "utf8mb4_uca1400_nopad_ai_ci"),
            (2468, "utf8mb4", "utf8mb4_uca1400_german2_nopad_ai_ci"),
        ];
        Collations::new(
            rows.map(|(id, charset, name)| (id, charset.to_owned(), name.to_owned())),
            false,
        )
    }

    #[test]
    fn mysql_collations_have_counterparts() {
        let target = older();
        assert_eq!(target.get(255), Some(("utf8mb4", "utf8mb4_uca1400_nopad_ai_ci")));
        assert_eq!(
            target.get(256),
            Some(("utf8mb4", "utf8mb4_uca1400_german2_nopad_ai_ci"))
        );
        assert_eq!(target.get(309), Some(("utf8mb4", "utf8mb4_nopad_bin")));
        assert_eq!(target.get(303), None, "Japanese has none");
        assert_eq!(name_0900(277).as_deref(), Some("utf8mb4_vi_0900_ai_ci"));
        assert_eq!(name_0900(300).as_deref(), Some("utf8mb4_vi_0900_as_cs"));
        assert_eq!(
            (name_0900(272), name_0900(301), name_0900(254)),
            (None, None, None)
        );
    }

    #[test]
    fn collations_of_names_are_those_of_older_servers() {
        let status = StatusVars {
            charset: Some(Charset {
                client: 579,
                connection: 611,
                server: 2304,
            }),
            ..StatusVars::default()
        };
        let session = older().of_statement(&status).unwrap();
        assert_eq!(session.charset, Some((33, 45, 2304)));
    }

    #[test]
    fn a_sessions_collations_become_the_targets() {
        let charset = |connection| StatusVars {
            charset: Some(Charset {
                client: 255,
                connection,
                server: 2304,
            }),
            character_set_collations: Some(vec![(45, 255)]),
            ..StatusVars::default()
        };
        let of_255 = older().of_statement(&charset(255)).unwrap();
        assert_eq!(of_255.charset, Some((45, 2308, 2304)));
        assert_eq!(of_255.defaults, [(45, 2308)]);
        let error = older().of_statement(&charset(303)).unwrap_err();
        assert!(error.contains("id 303"), "{error}");
    }

    #[test]
    fn the_names_are_found_at_any_place() {
        for before in 0..9 {
            for behind in 0..9 {
                let text = ["x".repeat(before), "0900".to_owned(), "9".repeat(behind)].concat();
                assert!(contains_0900(text.as_bytes()), "{text}");
                assert!(!contains_0900(text.replace("0900", "0_900").as_bytes()), "{text}");
            }
        }
    }

    #[test]
    fn texts_name_what_the_target_has() {
        let target = older();
        let translate = |text: &'static str, defaults: &[(u16, u16)]| {
            target
                .translate(text.as_bytes(), &Dialect::default(), true, defaults)
                .map(|text| String::from_utf8(text.into_owned()).unwrap())
        };
        assert_eq!(
            translate(
                "CREATE TABLE t (a TEXT COLLATE utf8mb4_0900_ai_ci) CHARSET=utf8mb4",
                &[(45, 2308)]
            )
            .unwrap(),
            "CREATE TABLE t (a TEXT COLLATE utf8mb4_uca1400_nopad_ai_ci) CHARSET=utf8mb4 COLLATE utf8mb4_uca1400_nopad_ai_ci"
        );
        let same = "CREATE TABLE t (a INT) CHARSET=utf8mb4";
        assert_eq!(translate(same, &[(45, 45)]).unwrap(), same);
        let error = translate("CREATE TABLE t (a TEXT COLLATE utf8mb4_ja_0900_as_cs)", &[]).unwrap_err();
        assert!(error.contains("utf8mb4_ja_0900_as_cs"), "{error}");
    }
}
