-- options: --binlog-format=STATEMENT
-- errors expected: 1, the INSERT that finds a duplicate after its first row
CREATE TABLE calls (id INT AUTO_INCREMENT PRIMARY KEY, phone VARCHAR(20), note TEXT CHARACTER SET utf8mb4, made DATETIME(6)) ENGINE=MyISAM;
CREATE TABLE crm (id INT AUTO_INCREMENT PRIMARY KEY, phone VARCHAR(20), score DOUBLE) ENGINE=InnoDB;
INSERT INTO calls (phone, note) VALUES ('100', 'plain'), ('101', 'it''s a "quote" and a \\ backslash');
INSERT INTO crm (phone) VALUES ('100');
INSERT INTO calls (phone, made) VALUES (LAST_INSERT_ID(), NOW(6));
SET TIMESTAMP = 1700000000.123456;
INSERT INTO calls (phone, made) VALUES ('ts', NOW(6));
SET TIMESTAMP = DEFAULT;
INSERT INTO crm (phone, score) VALUES ('rand', RAND());
-- user variables of every type
SET @string = _latin1 'caf\xe9' COLLATE latin1_german1_ci, @int = -5, @real = 1.5e300, @decimal = 12345678901234567890.1234567890, @null = NULL;
SET @unsigned = CAST(18446744073709551615 AS UNSIGNED), @`odd ``name` = 'x', @negative = -0.000000001;
INSERT INTO calls (phone, note) VALUES (@int, CONCAT_WS(',', @string, @real, @decimal, @null, @unsigned, @`odd ``name`, @negative));
-- session context
SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT';
INSERT INTO "calls" ("note") VALUES ('back\slash');
SET sql_mode = DEFAULT;
SET foreign_key_checks = 0, unique_checks = 0, sql_auto_is_null = 1, check_constraint_checks = 0;
INSERT INTO crm (phone) VALUES ('flags');
SET foreign_key_checks = 1, unique_checks = 1, sql_auto_is_null = 0, check_constraint_checks = 1;
SET time_zone = '+05:30';
INSERT INTO calls (made) VALUES (FROM_UNIXTIME(1700000000));
SET time_zone = 'SYSTEM', lc_time_names = 'de_DE';
INSERT INTO calls (note) VALUES (DATE_FORMAT('2024-02-29', '%W %M'));
SET lc_time_names = DEFAULT, auto_increment_increment = 10, auto_increment_offset = 3;
INSERT INTO calls (phone) VALUES ('a'), ('b');
SET auto_increment_increment = 1, auto_increment_offset = 1;
SET NAMES latin1;
INSERT INTO calls (note) VALUES ('latin1 @LATIN1@');
SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci;
INSERT INTO calls (note) VALUES ('größe 📞');
SET collation_database = 'latin1_bin';
INSERT INTO calls (note) VALUES ('database collation');
SET collation_database = DEFAULT;
-- qualified names, other default databases, none at all
CREATE DATABASE other CHARACTER SET latin1;
USE other;
INSERT INTO asterisk.calls (note) VALUES ('from other');
CREATE TABLE t (id INT);
DROP DATABASE other;
INSERT INTO asterisk.calls (note) VALUES ('no database');
USE asterisk;
-- another domain and origin
SET gtid_domain_id = 7, server_id = 77;
INSERT INTO crm (phone) VALUES ('domain 7');
SET gtid_domain_id = 0, server_id = 101;
-- temporary tables and their end
CREATE TEMPORARY TABLE tmp (id INT);
INSERT INTO tmp VALUES (1), (2);
INSERT INTO calls (phone) SELECT id FROM tmp ORDER BY id;
DROP TEMPORARY TABLE tmp;
CREATE TEMPORARY TABLE left_open (id INT);
-- an error that leaves rows behind
INSERT INTO calls (id, phone) VALUES (500, 'kept'), (1, 'duplicate'), (501, 'never');
-- transactions
BEGIN;
INSERT INTO crm (phone) VALUES ('in transaction');
SAVEPOINT one;
INSERT INTO crm (phone) VALUES ('undone');
INSERT INTO calls (phone) VALUES ('stays in MyISAM');
ROLLBACK TO one;
UPDATE crm, calls SET crm.score = 1, calls.note = 'both' WHERE crm.phone = calls.phone;
COMMIT;
BEGIN;
INSERT INTO crm (phone) VALUES ('rolled back');
INSERT INTO calls (phone) VALUES ('not rolled back');
ROLLBACK;
-- definitions
CREATE DEFINER = agent@localhost VIEW v AS SELECT id FROM calls;
CREATE DEFINER = CURRENT_USER TRIGGER crm_bi BEFORE INSERT ON crm FOR EACH ROW SET NEW.score = COALESCE(NEW.score, 0);
DELIMITER //
CREATE PROCEDURE p (IN n INT)
BEGIN
  INSERT INTO calls (phone) VALUES (n);
  UPDATE calls SET note = 'from p' WHERE phone = CAST(n AS CHAR);
END//
DELIMITER ;
CALL p(42);
CREATE FUNCTION f () RETURNS INT DETERMINISTIC RETURN 7;
CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM calls WHERE id < 0;
-- LOAD DATA in each form
CREATE TABLE loaded (id INT PRIMARY KEY, t VARCHAR(40)) ENGINE=MyISAM;
LOAD DATA INFILE '@DIR@/load.csv' IGNORE INTO TABLE asterisk.loaded FIELDS TERMINATED BY ',';
LOAD DATA LOCAL INFILE '@DIR@/load.csv' REPLACE INTO TABLE loaded FIELDS TERMINATED BY ',' (id, @t) SET t = UPPER(@t);
CREATE TABLE loaded_long (n INT AUTO_INCREMENT PRIMARY KEY, id INT, t VARCHAR(100)) ENGINE=InnoDB;
LOAD DATA INFILE '@DIR@/load-long.csv' INTO TABLE loaded_long FIELDS TERMINATED BY ',' (id, t);
-- flags of the group
SET skip_replication = 1;
INSERT INTO crm (phone) VALUES ('skipped');
SET skip_replication = 0, skip_parallel_replication = 1;
INSERT INTO crm (phone) VALUES ('not parallel');
SET skip_parallel_replication = 0;
TRUNCATE loaded;
ALTER TABLE crm ADD COLUMN extra INT DEFAULT 5, ADD INDEX (phone);
RENAME TABLE loaded TO loaded2;
DROP TABLE IF EXISTS loaded2, nothing_there;
CREATE USER agent@localhost;
GRANT SELECT ON asterisk.* TO agent@localhost;
ANALYZE TABLE crm;
FLUSH TABLES;
