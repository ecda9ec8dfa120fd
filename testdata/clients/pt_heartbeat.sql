-- pt-heartbeat --update and --monitor: the toolkit's login, the table, its row, and the replica's place.
--# live
SHOW VARIABLES LIKE 'wait\_timeout'
SET SESSION wait_timeout=10000
SELECT @@SQL_MODE
SET @@SQL_QUOTE_SHOW_CREATE = 1/*!40101, @@SQL_MODE='NO_AUTO_VALUE_ON_ZERO,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'*/
SHOW VARIABLES LIKE 'version%'
SHOW ENGINES
SHOW VARIABLES LIKE 'innodb_version'
--# live
SELECT CONCAT(@@hostname, @@port)
SELECT @@server_id
--# live
SHOW GRANTS FOR CURRENT_USER()
--# live
SHOW FULL PROCESSLIST
USE `heartbeat`
CREATE TABLE IF NOT EXISTS `heartbeat`.`heartbeat` (ts varchar(26) NOT NULL, server_id int unsigned NOT NULL PRIMARY KEY, file varchar(255) DEFAULT NULL, position bigint unsigned DEFAULT NULL, relay_master_log_file varchar(255) DEFAULT NULL, exec_master_log_pos bigint unsigned DEFAULT NULL)
SHOW WARNINGS
--# live
SELECT * FROM `heartbeat`.`heartbeat` LIMIT 1
SHOW MASTER STATUS
--# engine
SHOW SLAVE 'master1' STATUS
--# engine
SHOW ALL SLAVES STATUS
REPLACE INTO `heartbeat`.`heartbeat` (ts, server_id, file, position) VALUES (UTC_TIMESTAMP(6), '1', NULL, NULL)
UPDATE `heartbeat`.`heartbeat` SET ts='2026-01-02T03:04:05.000100', file='mysql-bin.000001', position='4', relay_master_log_file=NULL, exec_master_log_pos=NULL WHERE server_id='1'
SELECT ts, server_id FROM `heartbeat`.`heartbeat` WHERE server_id='1'
SELECT MIN(server_id) FROM `heartbeat`.`heartbeat`
