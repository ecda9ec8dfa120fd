-- Prometheus' mysqld_exporter, whose driver sets session variables first: slave_status, heartbeat, global_status, global_variables, and others.
SET lock_wait_timeout=2
SET log_slow_filter='tmp_table_on_disk,filesort_on_disk'
SELECT @@version;
--# live
SHOW GLOBAL STATUS
--# settings
SHOW GLOBAL VARIABLES
--# engine
SHOW ALL SLAVES STATUS
--# error 1064
SHOW ALL SLAVES STATUS NONBLOCKING
--# error 1064
SHOW SLAVE STATUS NOLOCK
SHOW SLAVE HOSTS
SHOW REPLICA HOSTS
--# live
SELECT UNIX_TIMESTAMP(ts), UNIX_TIMESTAMP(NOW(6)), server_id from `heartbeat`.`heartbeat`
--# live
SELECT UNIX_TIMESTAMP(ts), UNIX_TIMESTAMP(UTC_TIMESTAMP(6)), server_id from `heartbeat`.`heartbeat`
SELECT @@log_bin
--# live
SHOW ENGINE INNODB STATUS
--# error 1054
SELECT name, subsystem, type, comment, count FROM information_schema.innodb_metrics WHERE status = 'enabled'
--# live
SELECT user, SUBSTRING_INDEX(host, ':', 1) AS host, COALESCE(command, '') AS command, COALESCE(state, '') AS state, COUNT(*) AS processes, SUM(time) AS seconds FROM information_schema.processlist WHERE ID != connection_id() AND TIME >= 0 GROUP BY user, host, command, state
--# live
SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ifnull(ENGINE, 'NONE') as ENGINE, ifnull(VERSION, '0') as VERSION, ifnull(ROW_FORMAT, 'NONE') as ROW_FORMAT FROM information_schema.tables WHERE TABLE_SCHEMA = 'd'
--# error 1193
SELECT @@query_response_time_stats
SELECT COUNT(*) FROM information_schema.user_statistics
SHOW SCHEMAS
