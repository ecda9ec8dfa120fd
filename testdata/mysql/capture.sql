-- Run on a fresh MySQL server by capture.sh.
CREATE DATABASE asterisk;
USE asterisk;
-- Rows of every kind, JSON among them.
CREATE TABLE everything (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  t TINYINT, s SMALLINT UNSIGNED, m MEDIUMINT, b BIGINT UNSIGNED, f FLOAT, d DOUBLE, n DECIMAL(20,6), bits BIT(12),
  c CHAR(10), v VARCHAR(300) COLLATE utf8mb4_0900_as_cs, l VARCHAR(20) CHARACTER SET latin1, bin BINARY(8), vb VARBINARY(20),
  tx TEXT, mb MEDIUMBLOB, e ENUM('one','two','three'), st SET('a','b','c'),
  da DATE, ti TIME(3), dt DATETIME(6), ts TIMESTAMP(2) NULL, y YEAR, g POINT, j JSON, j2 JSON,
  KEY ((CAST(JSON_LENGTH(j) AS UNSIGNED))), KEY ((CAST(j->'$.tags' AS CHAR(20) ARRAY))), KEY (v)) DEFAULT CHARSET=utf8mb4;
SET time_zone = '+00:00', timestamp = 1700000000.123456;
INSERT INTO everything VALUES
  (1, -1, 65535, -8388608, 18446744073709551615, 1.5, -2.25e-10, -123456.789, b'101010101010', 'char', 'ünïcödé 😀', 'l\'atin', 'bin', x'00ff',
   'text', x'deadbeef', 'two', 'a,c', '2024-02-29', '-838:59:59', NOW(6), NOW(2), 2024, POINT(1, 2),
   '{"a": "x", "b": [1, 2.5, true, null, "\\"q\\"\\n"], "c": {"d": {"e": -7}}, "big": 18446744073709551615}', '[]'),
  (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO everything (id, j) VALUES (3, JSON_ARRAY(CAST(1.50 AS DECIMAL(10,3)), NOW(6), CURDATE(), CAST('-10:11:12.5' AS TIME(1)), x'cafe', 1e15, 1e14, -0.0, 'é'));
INSERT INTO everything (id, j2) VALUES (4, JSON_OBJECT('long', REPEAT('x', 70000), 'n', 1));
UPDATE everything SET j = '{"changed": [1]}', v = 'again' WHERE id = 1;
DELETE FROM everything WHERE id = 2;
-- Changes in place of documents.
SET binlog_row_value_options = 'PARTIAL_JSON';
CREATE TABLE partial (id INT PRIMARY KEY, a JSON, b VARCHAR(20), c JSON, d JSON);
INSERT INTO partial VALUES (1, '{"a": 1, "bb": [1, 2, 3], "c": {"x": "long enough a text to make changes cheaper than documents, 1234567890"}}', 'x', '[1, 2, {"k k": 1}]', NULL);
UPDATE partial SET a = JSON_SET(a, '$.a', 2), b = 'y';
UPDATE partial SET a = JSON_SET(a, '$.new', 'v'), c = JSON_REPLACE(c, '$[2]."k k"', 1.5);
UPDATE partial SET c = JSON_ARRAY_INSERT(c, '$[1]', 7);
UPDATE partial SET a = JSON_REMOVE(a, '$.bb[0]', '$.c.x'), c = JSON_ARRAY_APPEND(c, '$', 9);
SET binlog_row_value_options = '';
-- Transactions: compressed, with a definition inside, rolled back, prepared.
SET binlog_transaction_compression = ON;
BEGIN;
INSERT INTO partial SELECT 100 + seq, a, REPEAT('z', 20), c, d FROM partial, (SELECT 1 seq UNION ALL SELECT 2 UNION ALL SELECT 3) s;
UPDATE partial SET b = 'compressed';
COMMIT;
SET binlog_transaction_compression = OFF;
CREATE TABLE copied SELECT id, b, c FROM partial;
XA START 'x'; INSERT INTO copied VALUES (9, 'xa', NULL); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x';
-- Statements with the settings that MySQL alone writes.
SET binlog_format = STATEMENT, sql_mode = 'ANSI_QUOTES,TIME_TRUNCATE_FRACTIONAL', explicit_defaults_for_timestamp = OFF, @v = 'ü';
INSERT INTO copied (id, b) VALUES (10, @v);
CREATE TABLE old_defaults (a TIMESTAMP);
SET GLOBAL binlog_format = DEFAULT;
SET binlog_format = ROW, binlog_rows_query_log_events = ON, binlog_row_image = MINIMAL, sql_mode = DEFAULT;
UPDATE partial SET b = 'minimal' WHERE id = 1;
ALTER TABLE copied DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_de_pb_0900_ai_ci;
DROP TABLE old_defaults;
