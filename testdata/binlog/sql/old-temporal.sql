-- options: --binlog-format=ROW --mysql56-temporal-format=OFF
SET time_zone = '+00:00';
CREATE TABLE whole (id INT PRIMARY KEY, t TIME, dt DATETIME, ts TIMESTAMP NULL, note VARCHAR(20)) ENGINE=MyISAM;
INSERT INTO whole VALUES (1, '12:34:56', '2024-02-29 12:34:56', '2024-02-29 12:34:56', 'one'),
  (2, '-838:59:59', '1000-01-01 00:00:00', '1970-01-01 00:00:01', 'two'), (3, NULL, NULL, NULL, 'three');
UPDATE whole SET dt = '2025-01-01 00:00:00' WHERE id = 1;
CREATE TABLE parts (id INT PRIMARY KEY, t TIME(3), dt DATETIME(6), ts TIMESTAMP(2) NULL, note VARCHAR(20)) ENGINE=MyISAM;
INSERT INTO parts VALUES (1, '12:34:56.789', '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56.78', 'one'),
  (2, '-00:00:01.001', '1000-01-01 00:00:00', '1970-01-01 00:00:01', 'two'), (3, NULL, NULL, NULL, 'three');
