-- DBeaver with MySQL's and MariaDB's drivers for Java: the drivers' own questions, then those of the navigator for a server, a schema, a table.
/* mysql-connector-j-8.2.0 */SELECT  @@session.auto_increment_increment AS auto_increment_increment, @@character_set_client AS character_set_client, @@character_set_connection AS character_set_connection, @@character_set_results AS character_set_results, @@character_set_server AS character_set_server, @@collation_server AS collation_server, @@collation_connection AS collation_connection, @@init_connect AS init_connect, @@interactive_timeout AS interactive_timeout, @@license AS license, @@lower_case_table_names AS lower_case_table_names, @@max_allowed_packet AS max_allowed_packet, @@net_write_timeout AS net_write_timeout, @@sql_mode AS sql_mode, @@system_time_zone AS system_time_zone, @@time_zone AS time_zone, @@tx_isolation AS transaction_isolation, @@wait_timeout AS wait_timeout
SHOW WARNINGS
SET NAMES utf8mb4
SET character_set_results = NULL
SET autocommit=1
set autocommit=1, session_track_schema=1, sql_mode = concat(@@sql_mode,',STRICT_TRANS_TABLES')
SELECT @@max_allowed_packet, @@wait_timeout, @@tx_isolation, @@auto_increment_increment
/* ApplicationName=DBeaver - Main */ SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ
/* ApplicationName=DBeaver - Metadata */ SELECT DATABASE()
/* ApplicationName=DBeaver - Metadata */ SHOW ENGINES
/* ApplicationName=DBeaver - Metadata */ SHOW CHARSET
/* ApplicationName=DBeaver - Metadata */ SHOW COLLATION
/* ApplicationName=DBeaver - Metadata */ SELECT @@GLOBAL.character_set_server,@@GLOBAL.collation_server
/* ApplicationName=DBeaver - Metadata */ SHOW PLUGINS
/* ApplicationName=DBeaver - Metadata */ SHOW VARIABLES LIKE 'lower_case_table_names'
/* ApplicationName=DBeaver - Metadata */ show databases
--# live
/* ApplicationName=DBeaver - Metadata */ SELECT * FROM information_schema.TABLES t WHERE t.TABLE_SCHEMA = 'information_schema' AND t.TABLE_NAME = 'CHECK_CONSTRAINTS'
/* ApplicationName=DBeaver - Metadata */ SHOW FULL TABLES FROM `d`
--# live
/* ApplicationName=DBeaver - Metadata */ SHOW TABLE STATUS FROM `d`
/* ApplicationName=DBeaver - Metadata */ SELECT * FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='d' AND TABLE_NAME='t' ORDER BY ORDINAL_POSITION
/* ApplicationName=DBeaver - Metadata */ SELECT * FROM information_schema.STATISTICS WHERE TABLE_SCHEMA='d' AND TABLE_NAME='t' ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX
/* ApplicationName=DBeaver - Metadata */ SELECT kc.CONSTRAINT_NAME,kc.TABLE_NAME,kc.COLUMN_NAME,kc.ORDINAL_POSITION FROM information_schema.KEY_COLUMN_USAGE kc WHERE kc.TABLE_SCHEMA='d' AND kc.REFERENCED_TABLE_NAME IS NULL AND kc.TABLE_NAME='t' ORDER BY kc.CONSTRAINT_NAME,kc.ORDINAL_POSITION
/* ApplicationName=DBeaver - Metadata */ SHOW CREATE TABLE `d`.`t`
/* ApplicationName=DBeaver - Metadata */ SELECT * FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='d' AND ROUTINE_TYPE IN ('PROCEDURE','FUNCTION') ORDER BY ROUTINE_NAME
/* ApplicationName=DBeaver - Metadata */ SHOW FULL TRIGGERS FROM `d`
/* ApplicationName=DBeaver - Metadata */ SELECT * FROM information_schema.EVENTS WHERE EVENT_SCHEMA='d' ORDER BY EVENT_NAME
/* ApplicationName=DBeaver - Metadata */ SELECT * FROM information_schema.VIEWS WHERE TABLE_SCHEMA='d'
/* ApplicationName=DBeaver - Metadata */ SHOW PRIVILEGES
/* ApplicationName=DBeaver - Metadata */ SELECT User,Host FROM mysql.user WHERE User='root' ORDER BY User,Host
--# live
/* ApplicationName=DBeaver - Session Manager */ SHOW FULL PROCESSLIST
--# live
/* ApplicationName=DBeaver - Dashboard */ SHOW GLOBAL STATUS
--# settings
/* ApplicationName=DBeaver - Metadata */ SHOW GLOBAL VARIABLES
--# settings
/* ApplicationName=DBeaver - Metadata */ SHOW VARIABLES
/* ApplicationName=DBeaver - SQLEditor <Script.sql> */ SELECT x.* FROM d.t x LIMIT 0, 200
--# engine
/* ApplicationName=DBeaver - SQLEditor <Script.sql> */ SHOW ALL SLAVES STATUS
SET autocommit=0
/* ApplicationName=DBeaver - Main */ UPDATE d.t SET a='edited' WHERE id=1
/* ApplicationName=DBeaver - Main */ SELECT id,a FROM d.t WHERE id=1
rollback
SET autocommit=1
