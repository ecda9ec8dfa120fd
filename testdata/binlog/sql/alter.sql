-- options: --binlog-format=ROW
-- errors expected: 1, the ALTER that finds a duplicate
CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB;
INSERT INTO t VALUES (1, 1), (2, 1);
SET binlog_alter_two_phase = 1;
ALTER TABLE t ADD COLUMN w INT DEFAULT 3;
ALTER TABLE t ADD UNIQUE KEY (v);
ALTER TABLE t ADD INDEX (w), ALGORITHM=COPY;
SET binlog_alter_two_phase = 0;
ALTER TABLE t DROP COLUMN w;
