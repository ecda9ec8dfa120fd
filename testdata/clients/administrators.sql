-- Statements of scripts and people who look after a replica, in spellings of all ages.
--# engine
show all slaves status;
--# engine
SHOW ALL REPLICAS STATUS
--# engine
SHOW SLAVE 'master1' STATUS
--# engine
SHOW SLAVE 'MASTER1' STATUS
--# engine
SHOW SLAVE STATUS FOR CHANNEL 'master1'
--# engine
/* nagios */ SHOW /*!50000 ALL */ SLAVES STATUS -- at the end
--# error 1617
SHOW SLAVE 'nobody' STATUS
SET @@default_master_connection='master1'
--# engine
SHOW SLAVE STATUS
--# engine
SHOW REPLICA STATUS
SELECT @@default_master_connection
SHOW VARIABLES LIKE 'read_only'
SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_id','log_bin')
--# live
SHOW STATUS LIKE 'Slave_running'
--# live
SHOW GLOBAL STATUS LIKE 'Slave%'
--# live
SELECT @@gtid_current_pos, @@gtid_binlog_pos
SELECT @@server_id, @@read_only, @@log_slave_updates
--# error 1381
SHOW BINARY LOGS
