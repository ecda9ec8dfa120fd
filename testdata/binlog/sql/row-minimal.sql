-- options: --binlog-format=ROW --binlog-row-image=MINIMAL --binlog-row-metadata=MINIMAL
CREATE TABLE t (id INT PRIMARY KEY, a INT UNSIGNED DEFAULT 5, b BLOB, c VARCHAR(10) DEFAULT 'c') ENGINE=InnoDB;
INSERT INTO t (id) VALUES (1), (2);
INSERT INTO t VALUES (3, 3, 'blob', 'x');
UPDATE t SET a = 7 WHERE id = 3;
UPDATE t SET b = NULL, c = 'y' WHERE id < 3;
DELETE FROM t WHERE id = 2;
SET binlog_row_image = NOBLOB;
UPDATE t SET a = 8 WHERE id = 3;
UPDATE t SET b = 'new' WHERE id = 3;
DELETE FROM t WHERE id = 3;
CREATE TABLE nokey (a INT, b BLOB) ENGINE=MyISAM;
INSERT INTO nokey VALUES (1, 'x'), (1, 'x');
UPDATE nokey SET a = 2 LIMIT 1;
DELETE FROM nokey WHERE a = 1;
SET foreign_key_checks = 0, unique_checks = 0, check_constraint_checks = 0;
INSERT INTO t (id) VALUES (9);
