-- MySQL Workbench: at login, for its navigator, its server status page, its dashboard and its editor.
SET NAMES 'utf8mb4'
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ
SET CHARACTER SET utf8
SET SQL_SAFE_UPDATES=1
--# live
SELECT CONNECTION_ID()
--# live
SHOW SESSION STATUS LIKE 'Ssl_cipher'
SELECT current_user()
SHOW SESSION VARIABLES LIKE 'lower_case_table_names'
SHOW SESSION VARIABLES LIKE 'sql_mode'
SHOW SESSION VARIABLES LIKE 'version_comment'
SHOW VARIABLES LIKE 'version_compile_os'
SELECT @@version
SHOW DATABASES
SHOW FULL TABLES FROM `d`
SHOW PROCEDURE STATUS WHERE Db='d'
SHOW FUNCTION STATUS WHERE Db='d'
SHOW FULL COLUMNS FROM `d`.`t`
SHOW INDEXES FROM `d`.`t`
SHOW TRIGGERS FROM `d` LIKE 't'
--# settings
SHOW VARIABLES
--# settings
SHOW GLOBAL VARIABLES
--# live
SHOW GLOBAL STATUS
SHOW PLUGINS
SHOW MASTER STATUS
--# live
SELECT st.* FROM performance_schema.events_statements_current st JOIN performance_schema.threads thr ON thr.thread_id = st.thread_id WHERE thr.processlist_id = 5
--# live
SHOW FULL PROCESSLIST
SHOW GRANTS
EXPLAIN FORMAT=JSON SELECT * FROM `d`.`t` WHERE id = 1
SELECT * FROM d.t LIMIT 0, 1000
--# error 1175
DELETE FROM d.t
--# error 1094
KILL QUERY 4294967295
--# engine
SHOW REPLICA 'master1' STATUS
