-- pt-table-checksum: its settings, its table, chunks with REPLACE ... SELECT, and what it asks of a replica.
SHOW VARIABLES LIKE 'innodb\_lock_wait_timeout'
SET SESSION innodb_lock_wait_timeout=1
SELECT @@binlog_format
/*!50108 SET @@binlog_format := 'STATEMENT'*/
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ
SHOW VARIABLES LIKE 'wsrep_on'
SELECT @@SERVER_ID
SHOW SLAVE HOSTS
--# live
SHOW GLOBAL STATUS LIKE 'Threads_running'
CREATE DATABASE IF NOT EXISTS `percona` /* pt-table-checksum */
USE `percona`
CREATE TABLE IF NOT EXISTS `percona`.`checksums` (db CHAR(64) NOT NULL, tbl CHAR(64) NOT NULL, chunk INT NOT NULL, chunk_time FLOAT NULL, chunk_index VARCHAR(200) NULL, lower_boundary TEXT NULL, upper_boundary TEXT NULL, this_crc CHAR(40) NOT NULL, this_cnt INT NOT NULL, master_crc CHAR(40) NULL, master_cnt INT NULL, ts TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, PRIMARY KEY (db, tbl, chunk), INDEX ts_db_tbl (ts, db, tbl)) ENGINE=InnoDB DEFAULT CHARSET=utf8
SHOW TABLES FROM `percona` LIKE 'checksums'
SHOW DATABASES
SHOW /*!50002 FULL*/ TABLES FROM `d`
/*!40101 SET @OLD_SQL_MODE := @@SQL_MODE, @@SQL_MODE := '', @OLD_QUOTE := @@SQL_QUOTE_SHOW_CREATE, @@SQL_QUOTE_SHOW_CREATE := 1 */
USE `d`
SHOW CREATE TABLE `d`.`t`
/*!40101 SET @@SQL_MODE := @OLD_SQL_MODE, @@SQL_QUOTE_SHOW_CREATE := @OLD_QUOTE */
EXPLAIN SELECT * FROM `d`.`t` WHERE 1=1
SELECT CRC32('test-string')
--# error 1305
SELECT FNV1A_64('test-string')
DELETE FROM `percona`.`checksums` WHERE db = 'd' AND tbl = 't'
SELECT /*!40001 SQL_NO_CACHE */ `id` FROM `d`.`t` FORCE INDEX(`PRIMARY`) ORDER BY `id` LIMIT 1 /*first lower boundary*/
SELECT /*!40001 SQL_NO_CACHE */ `id` FROM `d`.`t` FORCE INDEX(`PRIMARY`) WHERE ((`id` >= '1')) ORDER BY `id` LIMIT 1, 2 /*next chunk boundary*/
EXPLAIN SELECT COUNT(*), '0' FROM `d`.`t` FORCE INDEX(`PRIMARY`) WHERE ((`id` >= '1')) AND ((`id` <= '2')) /*explain checksum chunk*/
REPLACE INTO `percona`.`checksums` (db, tbl, chunk, chunk_index, lower_boundary, upper_boundary, this_cnt, this_crc) SELECT 'd', 't', '1', 'PRIMARY', '1', '2', COUNT(*) AS cnt, COALESCE(LOWER(CONV(BIT_XOR(CAST(CRC32(CONCAT_WS('#', `id`, `a`, CONCAT(ISNULL(`a`)))) AS UNSIGNED)), 10, 16)), 0) AS crc FROM `d`.`t` FORCE INDEX(`PRIMARY`) WHERE ((`id` >= '1')) AND ((`id` <= '2')) /*checksum chunk*/
SHOW WARNINGS
SELECT this_crc, this_cnt FROM `percona`.`checksums` WHERE db = 'd' AND tbl = 't' AND chunk = '1'
UPDATE `percona`.`checksums` SET chunk_time = '0.000715', master_crc = 'f', master_cnt = '2' WHERE db = 'd' AND tbl = 't' AND chunk = '1'
--# engine
SHOW SLAVE 'master1' STATUS
SELECT CONCAT(db, '.', tbl) AS `table`, chunk, chunk_index, lower_boundary, upper_boundary, COALESCE(this_cnt-master_cnt, 0) AS cnt_diff, COALESCE(this_crc <> master_crc OR ISNULL(master_crc) <> ISNULL(this_crc), 0) AS crc_diff, this_cnt, master_cnt, this_crc, master_crc FROM `percona`.`checksums` WHERE (master_cnt <> this_cnt OR master_crc <> this_crc OR ISNULL(master_crc) <> ISNULL(this_crc)) AND (db='d' AND tbl='t')
SHOW GLOBAL VARIABLES LIKE 'wait_timeout'
