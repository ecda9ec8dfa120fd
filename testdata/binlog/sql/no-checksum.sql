-- options: --binlog-format=MIXED --binlog-checksum=NONE
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40)) ENGINE=InnoDB;
INSERT INTO t VALUES (1, 'no checksum');
INSERT INTO t VALUES (2, UUID());
