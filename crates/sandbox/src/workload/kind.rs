//! Column types.

use super::grammar::Grammar;
use crate::random::Random;

/// A column's type, as far as it decides what may be stored in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Integer {
        name: &'static str,
        bits: u32,
        unsigned: bool,
        zerofill: bool,
    },
    Decimal {
        digits: u64,
        scale: u64,
    },
    Float {
        double: bool,
    },
    Bit(u64),
    Date,
    Year,
    Time(u64),
    DateTime(u64),
    Timestamp(u64),
    Text {
        type_name: String,
        chars: u64,
        collation: &'static str,
        compressed: bool,
    },
    Bytes {
        type_name: String,
        bytes: u64,
        compressed: bool,
    },
    Enum,
    Set,
    Json,
    Uuid,
    Inet4,
    Inet6,
    Geometry(&'static str),
}

const INTEGERS: [(&str, u32); 5] = [
    ("TINYINT", 8),
    ("SMALLINT", 16),
    ("MEDIUMINT", 24),
    ("INT", 32),
    ("BIGINT", 64),
];

const COLLATIONS: [&str; 16] = [
    "latin1_swedish_ci",
    "latin1_bin",
    "latin1_german2_ci",
    "utf8mb3_general_ci",
    "utf8mb3_bin",
    "utf8mb4_unicode_520_ci",
    "utf8mb4_bin",
    "utf8mb4_unicode_nopad_ci",
    "cp1251_general_ci",
    "gbk_chinese_ci",
    "sjis_japanese_ci",
    "ucs2_general_ci",
    "utf16_general_ci",
    "utf32_general_ci",
    "koi8r_general_ci",
    "big5_chinese_ci",
];

const GEOMETRIES: [&str; 5] = ["GEOMETRY", "POINT", "LINESTRING", "POLYGON", "MULTIPOINT"];

impl Kind {
    /// A type that the servers on both sides have.
    pub(super) fn random(grammar: Grammar, random: &mut Random) -> Kind {
        loop {
            let kind = Kind::any(grammar, random);
            let is_known = match kind {
                Kind::Inet6 => grammar.is_mariadb_from(10, 5),
                Kind::Uuid => grammar.is_mariadb_from(10, 7),
                Kind::Inet4 => grammar.is_mariadb_from(10, 10),
                _ => true,
            };
            if is_known {
                return kind;
            }
        }
    }

    fn any(grammar: Grammar, random: &mut Random) -> Kind {
        let fraction = random.below(7);
        match random.below(30) {
            0..=4 => {
                let (name, bits) = INTEGERS[random.below(5) as usize];
                let unsigned = random.once_in(2);
                Kind::Integer {
                    name,
                    bits,
                    unsigned,
                    zerofill: unsigned && random.once_in(4),
                }
            }
            5..=6 => {
                let digits = 1 + random.below(38);
                Kind::Decimal {
                    digits,
                    scale: random.below(digits.min(20) + 1),
                }
            }
            7 => Kind::Float { double: false },
            8 => Kind::Float { double: true },
            // Of MySQL, whole bytes: a target of 10.11 does not find all rows of a MyISAM table by a row event with other ones.
            9 if grammar.is_mysql() => Kind::Bit(8 + 8 * random.below(8)),
            9 => Kind::Bit(1 + random.below(64)),
            10 => Kind::Date,
            11 => Kind::Year,
            12 => Kind::Time(fraction),
            13 => Kind::DateTime(fraction),
            14 => Kind::Timestamp(fraction),
            15..=19 => Kind::text(grammar, random),
            20..=22 => Kind::bytes(grammar, random),
            23 => Kind::Enum,
            24 => Kind::Set,
            25 => Kind::Json,
            26 => Kind::Uuid,
            27 => Kind::Inet6,
            28 => Kind::Inet4,
            _ => Kind::Geometry(random.pick(&GEOMETRIES.each_ref().map(|name| *name))),
        }
    }

    fn text(grammar: Grammar, random: &mut Random) -> Kind {
        let chars = 1 + random.below(60);
        let collation = known_collation(random.pick(&COLLATIONS), grammar);
        let (type_name, chars) = match random.below(8) {
            0..=1 => (format!("CHAR({chars})"), chars),
            2..=4 => (format!("VARCHAR({chars})"), chars),
            5 => ("TINYTEXT".to_owned(), 60),
            6 => ("TEXT".to_owned(), 400),
            _ => ("MEDIUMTEXT".to_owned(), 3000),
        };
        let compressed = !type_name.starts_with("CHAR") && random.once_in(6) && !grammar.is_mysql();
        Kind::Text {
            type_name,
            chars,
            collation,
            compressed,
        }
    }

    fn bytes(grammar: Grammar, random: &mut Random) -> Kind {
        let bytes = 1 + random.below(60);
        let (type_name, bytes) = match random.below(6) {
            0 => (format!("BINARY({bytes})"), bytes),
            1..=2 => (format!("VARBINARY({bytes})"), bytes),
            3 => ("TINYBLOB".to_owned(), 200),
            4 => ("BLOB".to_owned(), 400),
            _ => ("LONGBLOB".to_owned(), 3000),
        };
        let compressed = !type_name.starts_with("BINARY") && random.once_in(6) && !grammar.is_mysql();
        Kind::Bytes {
            type_name,
            bytes,
            compressed,
        }
    }

    /// As in a column's definition.
    pub(super) fn definition(&self) -> String {
        let fraction = |name: &str, digits: u64| {
            if digits == 0 {
                name.to_owned()
            } else {
                format!("{name}({digits})")
            }
        };
        match self {
            Kind::Integer {
                name,
                unsigned,
                zerofill,
                ..
            } => format!(
                "{name}{}{}",
                if *unsigned { " UNSIGNED" } else { "" },
                if *zerofill { " ZEROFILL" } else { "" }
            ),
            Kind::Decimal { digits, scale } => format!("DECIMAL({digits},{scale})"),
            Kind::Float { double: false } => "FLOAT".to_owned(),
            Kind::Float { double: true } => "DOUBLE".to_owned(),
            Kind::Bit(bits) => format!("BIT({bits})"),
            Kind::Date => "DATE".to_owned(),
            Kind::Year => "YEAR".to_owned(),
            Kind::Time(digits) => fraction("TIME", *digits),
            Kind::DateTime(digits) => fraction("DATETIME", *digits),
            Kind::Timestamp(digits) => fraction("TIMESTAMP", *digits),
            Kind::Text {
                type_name,
                collation,
                compressed,
                ..
            } => {
                let charset = collation.split('_').next().unwrap_or_default();
                let compressed = if *compressed { " COMPRESSED" } else { "" };
                format!("{type_name}{compressed} CHARACTER SET {charset} COLLATE {collation}")
            }
            Kind::Bytes {
                type_name,
                compressed,
                ..
            } => {
                format!("{type_name}{}", if *compressed { " COMPRESSED" } else { "" })
            }
            Kind::Enum => "ENUM('new','open','it''s','closed','')".to_owned(),
            Kind::Set => "SET('a','b','c','dd','e e','f')".to_owned(),
            Kind::Json => "JSON".to_owned(),
            Kind::Uuid => "UUID".to_owned(),
            Kind::Inet4 => "INET4".to_owned(),
            Kind::Inet6 => "INET6".to_owned(),
            Kind::Geometry(name) => (*name).to_owned(),
        }
    }

    /// How an index names the column; `None` when it cannot be indexed like this.
    pub(super) fn index_part(&self, column: &str) -> Option<String> {
        match self {
            Kind::Text { compressed: true, .. }
            | Kind::Bytes { compressed: true, .. }
            | Kind::Geometry(_) => None,
            Kind::Text { type_name, .. } | Kind::Bytes { type_name, .. }
                if type_name.ends_with("TEXT") || type_name.ends_with("BLOB") =>
            {
                Some(format!("{column}(7)"))
            }
            Kind::Json => None,
            _ => Some(column.to_owned()),
        }
    }

    /// Whether versions differ in what they refuse for it, and when: at once, row by row, or not at all.
    pub(super) fn is_cast_strictly(&self) -> bool {
        matches!(
            self,
            Kind::Geometry(_) | Kind::Uuid | Kind::Inet4 | Kind::Inet6 | Kind::Json
        )
    }

    /// Whether a table in memory can have it.
    pub(super) fn fits_memory(&self) -> bool {
        match self {
            Kind::Json | Kind::Geometry(_) => false,
            Kind::Text {
                type_name,
                compressed,
                ..
            }
            | Kind::Bytes {
                type_name,
                compressed,
                ..
            } => !compressed && !type_name.ends_with("TEXT") && !type_name.ends_with("BLOB"),
            _ => true,
        }
    }
}

/// The collation, by the name that both servers have, or another one.
fn known_collation(name: &'static str, grammar: Grammar) -> &'static str {
    match name {
        "utf8mb4_unicode_nopad_ci" if grammar.is_mysql() => "utf8mb4_0900_ai_ci",
        "utf8mb4_unicode_520_ci" if grammar.is_mysql() => "utf8mb4_0900_as_cs",
        // The names with a 3 came with 10.6.
        "utf8mb3_general_ci" if !grammar.is_mysql() && !grammar.is_mariadb_from(10, 6) => "utf8_general_ci",
        "utf8mb3_bin" if !grammar.is_mysql() && !grammar.is_mariadb_from(10, 6) => "utf8_bin",
        name => name,
    }
}
