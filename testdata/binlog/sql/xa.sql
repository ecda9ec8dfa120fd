-- options: --binlog-format=MIXED
CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB;
XA START 'one', 'branch', 7;
INSERT INTO t VALUES (1);
XA END 'one', 'branch', 7;
XA PREPARE 'one', 'branch', 7;
XA COMMIT 'one', 'branch', 7;
XA START 0x00FF27;
INSERT INTO t VALUES (2), (LAST_INSERT_ID() + 3);
XA END 0x00FF27;
XA PREPARE 0x00FF27;
XA ROLLBACK 0x00FF27;
XA START 'single';
INSERT INTO t VALUES (9);
XA END 'single';
XA COMMIT 'single' ONE PHASE;
