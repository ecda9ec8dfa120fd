-- options: --binlog-format=MIXED --log-bin-compress=ON --log-bin-compress-min-len=32
CREATE TABLE calls (id INT AUTO_INCREMENT PRIMARY KEY, phone VARCHAR(20), note TEXT) ENGINE=MyISAM COMMENT='long enough to be compressed';
INSERT INTO calls (phone, note) VALUES ('100', 'a statement long enough to be compressed'), ('101', 'another row');
INSERT INTO calls (note) VALUES (REPEAT('short', 1));
SET binlog_format = ROW;
INSERT INTO calls (note) VALUES (REPEAT('row data ', 50)), (REPEAT('more ', 40));
INSERT INTO calls (note) VALUES ('x');
UPDATE calls SET note = CONCAT(note, REPEAT(' updated', 30));
DELETE FROM calls WHERE id > 2;
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(2000)) ENGINE=InnoDB;
BEGIN;
INSERT INTO t VALUES (1, REPEAT('first ', 100));
INSERT INTO t VALUES (2, 'second');
COMMIT;
INSERT INTO t SELECT seq + 10, REPEAT(seq, 300) FROM seq_1_to_60;
