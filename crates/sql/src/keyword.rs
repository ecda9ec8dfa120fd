//! The keywords the parser asks for. All others are words like any identifier.

use crate::word_table::WordTable;

macro_rules! keywords {
    ($($name:ident $text:literal,)*) => {
        /// A keyword; [`Keyword::None`] is every other word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Keyword {
            $($name,)*
            None,
        }

        static WORDS: &[&str] = &[$($text,)*];
        static KEYWORDS: &[Keyword] = &[$(Keyword::$name,)*];
    };
}

keywords! {
    Aggregate "AGGREGATE", Algorithm "ALGORITHM", All "ALL", Alter "ALTER", Analyze "ANALYZE", As "AS",
    Before "BEFORE", Begin "BEGIN", Between "BETWEEN", Body "BODY", Cache "CACHE", Call "CALL", Case "CASE",
    Cascade "CASCADE", Character "CHARACTER", Charset "CHARSET", Check "CHECK", Checksum "CHECKSUM", Close "CLOSE",
    Collate "COLLATE", Column "COLUMN", Comment "COMMENT", Commit "COMMIT", Concurrent "CONCURRENT",
    Condition "CONDITION", Contains "CONTAINS", Continue "CONTINUE", Convert "CONVERT", Create "CREATE",
    Cross "CROSS", Curdate "CURDATE", CurrentDate "CURRENT_DATE", CurrentRole "CURRENT_ROLE",
    CurrentTime "CURRENT_TIME", CurrentTimestamp "CURRENT_TIMESTAMP", CurrentUser "CURRENT_USER", Cursor "CURSOR",
    Curtime "CURTIME", Cycle "CYCLE", Data "DATA", Database "DATABASE", Declare "DECLARE", Default "DEFAULT",
    Definer "DEFINER", Delayed "DELAYED", Delete "DELETE", Deterministic "DETERMINISTIC", Disable "DISABLE",
    Distinct "DISTINCT", Do "DO", Drop "DROP", Dual "DUAL", Duplicate "DUPLICATE", Else "ELSE", Elseif "ELSEIF",
    Elsif "ELSIF", Enable "ENABLE", End "END", Ends "ENDS", Event "EVENT", Except "EXCEPT", Exception "EXCEPTION",
    Exchange "EXCHANGE", Execute "EXECUTE", Exists "EXISTS", Exit "EXIT", Fetch "FETCH", Flush "FLUSH", For "FOR",
    Force "FORCE", Found "FOUND", From "FROM", Full "FULL", Fulltext "FULLTEXT", Function "FUNCTION", Get "GET",
    Goto "GOTO", Grant "GRANT", Group "GROUP", Handler "HANDLER", Having "HAVING", HighPriority "HIGH_PRIORITY",
    History "HISTORY", If "IF", Ignore "IGNORE", Immediate "IMMEDIATE", In "IN", Index "INDEX", Inner "INNER",
    Inout "INOUT", Insert "INSERT", Install "INSTALL", Intersect "INTERSECT", Interval "INTERVAL", Into "INTO",
    Is "IS", Iterate "ITERATE", Join "JOIN", JsonTable "JSON_TABLE", Key "KEY", Language "LANGUAGE",
    Lastval "LASTVAL", Lateral "LATERAL", Leave "LEAVE", Left "LEFT", Like "LIKE", Limit "LIMIT", Load "LOAD",
    Local "LOCAL", Localtime "LOCALTIME", Localtimestamp "LOCALTIMESTAMP", Lock "LOCK", Loop "LOOP",
    LowPriority "LOW_PRIORITY", Minus "MINUS", Modifies "MODIFIES", Names "NAMES", Natural "NATURAL", Next "NEXT",
    Nextval "NEXTVAL", No "NO", Not "NOT", Now "NOW", Nowait "NOWAIT", Null "NULL", Of "OF", Offline "OFFLINE",
    Offset "OFFSET", On "ON", One "ONE", Online "ONLINE", Open "OPEN", Optimize "OPTIMIZE", Option "OPTION",
    Or "OR", Order "ORDER", Out "OUT", Outer "OUTER", Package "PACKAGE", Partition "PARTITION",
    Password "PASSWORD", Plugin "PLUGIN", Portion "PORTION", Prepare "PREPARE", Previous "PREVIOUS",
    Procedure "PROCEDURE", Quick "QUICK", Raise "RAISE", Read "READ", Reads "READS", Recover "RECOVER",
    Recursive "RECURSIVE", References "REFERENCES", Release "RELEASE", Rename "RENAME", Repair "REPAIR",
    Repeat "REPEAT", Replace "REPLACE", Reset "RESET", Resignal "RESIGNAL", Return "RETURN",
    Returning "RETURNING", Returns "RETURNS", Reverse "REVERSE", Revoke "REVOKE", Right "RIGHT", Role "ROLE",
    Rollback "ROLLBACK", Row "ROW", Rowtype "ROWTYPE", Savepoint "SAVEPOINT", Schedule "SCHEDULE",
    Schema "SCHEMA", Select "SELECT", Sequence "SEQUENCE", Set "SET", Setval "SETVAL", Show "SHOW",
    Signal "SIGNAL", Soname "SONAME", Spatial "SPATIAL", Sql "SQL", Sqlexception "SQLEXCEPTION",
    Sqlstate "SQLSTATE", Sqlwarning "SQLWARNING", Start "START", Starts "STARTS", Statement "STATEMENT",
    Stop "STOP", StraightJoin "STRAIGHT_JOIN", Sysdate "SYSDATE", System "SYSTEM", SystemTime "SYSTEM_TIME",
    Table "TABLE", Tables "TABLES", Temporary "TEMPORARY", Then "THEN", Timestamp "TIMESTAMP", To "TO",
    Transaction "TRANSACTION", Trigger "TRIGGER", Truncate "TRUNCATE", Type "TYPE", Undo "UNDO",
    Uninstall "UNINSTALL", Union "UNION", Unique "UNIQUE", UnixTimestamp "UNIX_TIMESTAMP", Unlock "UNLOCK",
    Until "UNTIL", Update "UPDATE", Use "USE", User "USER", Using "USING", UtcDate "UTC_DATE",
    UtcTime "UTC_TIME", UtcTimestamp "UTC_TIMESTAMP", Value "VALUE", Values "VALUES", Vector "VECTOR",
    View "VIEW", Wait "WAIT", When "WHEN", Where "WHERE", While "WHILE", Window "WINDOW", With "WITH",
    Work "WORK", Write "WRITE", Xa "XA",
}

static TABLE: WordTable<1024> = WordTable::new(WORDS);

impl Keyword {
    /// The keyword this word is, in any case.
    pub(crate) fn of(word: &[u8]) -> Keyword {
        TABLE.find(word).map_or(Keyword::None, |index| KEYWORDS[index])
    }

    /// Reads the clock, as a function or by itself.
    pub(crate) fn reads_clock(self) -> bool {
        use Keyword::*;
        matches!(
            self,
            Curdate
                | CurrentDate
                | CurrentTime
                | CurrentTimestamp
                | Curtime
                | Localtime
                | Localtimestamp
                | Now
                | Sysdate
                | UnixTimestamp
                | UtcDate
                | UtcTime
                | UtcTimestamp
        )
    }

    /// Cannot be an alias where it follows a table without AS: it goes on with the statement.
    pub(crate) fn ends_table(self) -> bool {
        use Keyword::*;
        matches!(
            self,
            Cross
                | Except
                | Fetch
                | For
                | Force
                | From
                | Group
                | Having
                | Ignore
                | Inner
                | Intersect
                | Into
                | Join
                | Left
                | Limit
                | Lock
                | Loop
                | Minus
                | Natural
                | Offset
                | On
                | Order
                | Partition
                | Procedure
                | Returning
                | Right
                | Select
                | Set
                | StraightJoin
                | Then
                | Union
                | Use
                | Using
                | Values
                | Where
                | Window
                | With
                | Read
                | Write
                | As
                | Before
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_finds_its_keyword() {
        for (word, keyword) in WORDS.iter().zip(KEYWORDS) {
            assert_eq!(Keyword::of(word.as_bytes()), *keyword);
            assert_eq!(Keyword::of(word.to_lowercase().as_bytes()), *keyword);
        }
        assert_eq!(Keyword::of(b"asterisk"), Keyword::None);
    }
}
