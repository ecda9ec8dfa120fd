-- A call centre's tables: names and engines as the user runs them, columns of our own making.
-- No CREATE TABLE below names a character set unless it matters: the database's default must travel with the events.

-- Tables the connections ignore: what is going on right now. Most live in memory and are empty after a restart.

CREATE TABLE vicidial_live_agents (
  user VARCHAR(20) NOT NULL, server_ip VARCHAR(15) NOT NULL, campaign_id VARCHAR(8), lead_id INT UNSIGNED NOT NULL DEFAULT 0,
  status ENUM('READY','QUEUE','INCALL','PAUSED','CLOSER') NOT NULL DEFAULT 'PAUSED', random_id INT UNSIGNED,
  last_update_time DATETIME, calls_today SMALLINT UNSIGNED NOT NULL DEFAULT 0, PRIMARY KEY (user), KEY (campaign_id)
) ENGINE=MEMORY;
CREATE TABLE live_sip_channels (
  channel VARCHAR(100) NOT NULL, server_ip VARCHAR(15) NOT NULL, channel_group VARCHAR(30), extension VARCHAR(100),
  KEY (channel)
) ENGINE=MEMORY;
CREATE TABLE live_channels (
  channel VARCHAR(100) NOT NULL, server_ip VARCHAR(15) NOT NULL, channel_data VARCHAR(100), extension VARCHAR(100)
) ENGINE=MEMORY;
CREATE TABLE vicidial_auto_calls (
  auto_call_id INT UNSIGNED NOT NULL AUTO_INCREMENT, callerid VARCHAR(20) NOT NULL, uniqueid VARCHAR(20), lead_id INT UNSIGNED,
  status ENUM('SENT','RINGING','LIVE','XFER','CLOSER','IVR') NOT NULL DEFAULT 'SENT', call_time DATETIME,
  PRIMARY KEY (auto_call_id), KEY (callerid), KEY (uniqueid)
) ENGINE=MEMORY;
CREATE TABLE server_updater (
  server_ip VARCHAR(15) NOT NULL, last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  db_time DATETIME, PRIMARY KEY (server_ip)
) ENGINE=MyISAM;
CREATE TABLE web_client_sessions (
  extension VARCHAR(100) NOT NULL, server_ip VARCHAR(15) NOT NULL, session_name VARCHAR(40) NOT NULL, start_time DATETIME
) ENGINE=MEMORY;
CREATE TABLE vicidial_hopper (
  hopper_id INT UNSIGNED NOT NULL AUTO_INCREMENT, lead_id INT UNSIGNED NOT NULL, campaign_id VARCHAR(8),
  status ENUM('READY','QUEUE','INCALL','DONE') NOT NULL DEFAULT 'READY', priority TINYINT NOT NULL DEFAULT 0,
  PRIMARY KEY (hopper_id), UNIQUE KEY (lead_id)
) ENGINE=MyISAM;
CREATE TABLE vicidial_campaign_server_status (
  campaign_id VARCHAR(20) NOT NULL, server_ip VARCHAR(15) NOT NULL, local_trunk_shortage SMALLINT UNSIGNED DEFAULT 0,
  last_update TIMESTAMP NULL DEFAULT NULL, UNIQUE KEY (campaign_id, server_ip)
) ENGINE=MEMORY;
CREATE TABLE parked_channels (
  channel VARCHAR(100) NOT NULL, server_ip VARCHAR(15) NOT NULL, parked_by VARCHAR(100), parked_time DATETIME, KEY (channel)
) ENGINE=MEMORY;
CREATE TABLE vicidial_manager (
  man_id INT UNSIGNED NOT NULL AUTO_INCREMENT, uniqueid VARCHAR(20), entry_date DATETIME,
  status ENUM('NEW','QUEUE','SENT','UPDATED','DEAD') NOT NULL, action VARCHAR(20), callerid VARCHAR(20),
  PRIMARY KEY (man_id), KEY (callerid)
) ENGINE=MEMORY;
CREATE TABLE cid_channels_recent (
  caller_id_name VARCHAR(30) NOT NULL, connected_line_name VARCHAR(30), call_date DATETIME, channel VARCHAR(100), KEY (call_date)
) ENGINE=MEMORY;
CREATE TABLE sip_packets (
  packet_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, call_id VARCHAR(64), method VARCHAR(12), packet BLOB, PRIMARY KEY (packet_id)
) ENGINE=MyISAM;

-- Who works here and what is dialled.

CREATE TABLE vicidial_users (
  user_id INT UNSIGNED NOT NULL AUTO_INCREMENT, user VARCHAR(20) NOT NULL, full_name VARCHAR(50), user_level TINYINT UNSIGNED DEFAULT 1,
  failed_login_count TINYINT UNSIGNED DEFAULT 0, last_login_date DATETIME DEFAULT '2001-01-01 00:00:01', PRIMARY KEY (user_id),
  UNIQUE KEY (user)
);
CREATE TABLE vicidial_campaigns (
  campaign_id VARCHAR(8) NOT NULL, campaign_name VARCHAR(40), active ENUM('Y','N') NOT NULL DEFAULT 'N', dial_level DECIMAL(5,2) DEFAULT 1.00,
  campaign_calldate DATETIME, dial_statuses SET('NEW','NA','B','AB','CALLBK') DEFAULT 'NEW', PRIMARY KEY (campaign_id)
);
CREATE TABLE vicidial_lists (
  list_id BIGINT UNSIGNED NOT NULL, list_name VARCHAR(30), campaign_id VARCHAR(8), active ENUM('Y','N'), list_changedate DATETIME,
  resets_today SMALLINT UNSIGNED DEFAULT 0, PRIMARY KEY (list_id)
);
CREATE TABLE vicidial_statuses (
  status VARCHAR(6) NOT NULL, status_name VARCHAR(30), selectable ENUM('Y','N'), human_answered ENUM('Y','N') DEFAULT 'N', PRIMARY KEY (status)
);
CREATE TABLE vicidial_list (
  lead_id INT UNSIGNED NOT NULL AUTO_INCREMENT, entry_date DATETIME, modify_date TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  status VARCHAR(6), user VARCHAR(20), list_id BIGINT UNSIGNED NOT NULL DEFAULT 0, phone_number VARCHAR(18) NOT NULL,
  first_name VARCHAR(30), last_name VARCHAR(30), city VARCHAR(50), gender ENUM('M','F','U') DEFAULT 'U', comments VARCHAR(255),
  called_count SMALLINT UNSIGNED DEFAULT 0, last_local_call_time DATETIME, `rank` SMALLINT NOT NULL DEFAULT 0,
  PRIMARY KEY (lead_id), KEY phone_number (phone_number), KEY list_id (list_id), KEY status (status),
  KEY called_count (called_count), KEY last_local_call_time (last_local_call_time)
) CHARACTER SET utf8mb3;
CREATE TABLE vicidial_callbacks (
  callback_id INT UNSIGNED NOT NULL AUTO_INCREMENT, lead_id INT UNSIGNED, campaign_id VARCHAR(8), status VARCHAR(10), entry_time DATETIME,
  callback_time DATETIME, modify_date TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, user VARCHAR(20),
  recipient ENUM('USERONLY','ANYONE'), PRIMARY KEY (callback_id), KEY (lead_id), KEY (status, callback_time)
);
CREATE TABLE vicidial_dnc (phone_number VARCHAR(18) NOT NULL, added TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (phone_number));

-- Call records: what reports and invoices are made of.

CREATE TABLE vicidial_log (
  uniqueid VARCHAR(20) NOT NULL, lead_id INT UNSIGNED NOT NULL, list_id BIGINT UNSIGNED, campaign_id VARCHAR(8), call_date DATETIME,
  start_epoch INT UNSIGNED, end_epoch INT UNSIGNED, length_in_sec INT, status VARCHAR(6), phone_number VARCHAR(18), user VARCHAR(20),
  comments VARCHAR(255), term_reason ENUM('CALLER','AGENT','QUEUETIMEOUT','ABANDON','NONE') DEFAULT 'NONE',
  PRIMARY KEY (uniqueid), KEY (lead_id), KEY (call_date)
);
CREATE TABLE vicidial_log_archive LIKE vicidial_log;
CREATE TABLE vicidial_log_extended (
  uniqueid VARCHAR(50) NOT NULL, server_ip VARCHAR(15), call_date DATETIME(6), lead_id INT UNSIGNED, caller_code VARCHAR(30) NOT NULL,
  custom_call_id VARCHAR(100), PRIMARY KEY (uniqueid, caller_code)
);
CREATE TABLE vicidial_closer_log (
  closecallid INT UNSIGNED NOT NULL AUTO_INCREMENT, lead_id INT UNSIGNED NOT NULL, campaign_id VARCHAR(20), call_date DATETIME,
  length_in_sec INT, status VARCHAR(6), queue_seconds DECIMAL(7,2) DEFAULT 0, uniqueid VARCHAR(20) NOT NULL DEFAULT '', user VARCHAR(20),
  PRIMARY KEY (closecallid), KEY (lead_id), KEY (call_date), KEY (uniqueid)
);
CREATE TABLE vicidial_xfer_log (
  xfercallid INT UNSIGNED NOT NULL AUTO_INCREMENT, lead_id INT UNSIGNED NOT NULL, call_date DATETIME, user VARCHAR(20), closer VARCHAR(20),
  PRIMARY KEY (xfercallid), KEY (lead_id)
);
CREATE TABLE call_log (
  uniqueid VARCHAR(20) NOT NULL, channel VARCHAR(100), server_ip VARCHAR(15), number_dialed VARCHAR(15), start_time DATETIME,
  start_epoch INT, end_time DATETIME, length_in_min DOUBLE(8,2), caller_code VARCHAR(20), PRIMARY KEY (uniqueid), KEY (caller_code)
);
CREATE TABLE user_call_log (
  user_call_log_id INT UNSIGNED NOT NULL AUTO_INCREMENT, user VARCHAR(20), call_date DATETIME, call_type VARCHAR(20), server_ip VARCHAR(15),
  phone_number VARCHAR(20), lead_id INT UNSIGNED, PRIMARY KEY (user_call_log_id), KEY (user), KEY (call_date)
);
CREATE TABLE recording_log (
  recording_id INT UNSIGNED NOT NULL AUTO_INCREMENT, channel VARCHAR(100), start_time DATETIME, start_epoch INT UNSIGNED, end_time DATETIME,
  length_in_sec MEDIUMINT UNSIGNED, filename VARCHAR(100), location VARCHAR(255), lead_id INT UNSIGNED, user VARCHAR(20), vicidial_id VARCHAR(20),
  PRIMARY KEY (recording_id), KEY (filename), KEY (lead_id), KEY (vicidial_id)
);
CREATE TABLE vicidial_carrier_log (
  uniqueid VARCHAR(20) NOT NULL, call_date DATETIME, lead_id INT UNSIGNED, hangup_cause TINYINT UNSIGNED DEFAULT 0, dialstatus VARCHAR(16),
  dial_time SMALLINT UNSIGNED, sip_call_id BINARY(16), PRIMARY KEY (uniqueid)
);

-- Agents.

CREATE TABLE vicidial_agent_log (
  agent_log_id INT UNSIGNED NOT NULL AUTO_INCREMENT, user VARCHAR(20), event_time DATETIME, lead_id INT UNSIGNED, campaign_id VARCHAR(8),
  pause_epoch INT UNSIGNED, pause_sec SMALLINT UNSIGNED DEFAULT 0, wait_sec SMALLINT UNSIGNED DEFAULT 0, talk_sec SMALLINT UNSIGNED DEFAULT 0,
  dispo_sec SMALLINT UNSIGNED DEFAULT 0, status VARCHAR(6), sub_status VARCHAR(6), PRIMARY KEY (agent_log_id), KEY (lead_id), KEY (user), KEY (event_time)
);
CREATE TABLE vicidial_user_log (
  user_log_id INT UNSIGNED NOT NULL AUTO_INCREMENT, user VARCHAR(20), event VARCHAR(50), campaign_id VARCHAR(8), event_date DATETIME, data LONGTEXT,
  PRIMARY KEY (user_log_id), KEY (user)
);
CREATE TABLE vicidial_hourly_counts (
  date_hour DATETIME NOT NULL, campaign_id VARCHAR(8) NOT NULL, calls INT UNSIGNED NOT NULL DEFAULT 0, seconds BIGINT NOT NULL DEFAULT 0,
  last_update TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, PRIMARY KEY (date_hour, campaign_id)
);
-- In memory like its neighbours, but replicated: a restart of the source empties it there, and must empty it here.
CREATE TABLE vicidial_agent_screen (
  user VARCHAR(20) NOT NULL, screen VARCHAR(20), changed DATETIME, PRIMARY KEY (user)
) ENGINE=MEMORY;

-- Tables without any key.

CREATE TABLE vicidial_dial_log (
  caller_code VARCHAR(30) NOT NULL, lead_id INT UNSIGNED, server_ip VARCHAR(15), call_date DATETIME, extension VARCHAR(100), timeout MEDIUMINT, context VARCHAR(20)
);
CREATE TABLE vicidial_did_log (uniqueid VARCHAR(20) NOT NULL, channel VARCHAR(100), did_id VARCHAR(9), call_date DATETIME, extension VARCHAR(100));
CREATE TABLE vicidial_agent_events (user VARCHAR(20), event_time DATETIME, event VARCHAR(20), detail TEXT);
CREATE TABLE vicidial_api_log (user VARCHAR(20), api_date DATETIME, `function` VARCHAR(20), result ENUM('SUCCESS','ERROR'), data TEXT, run_time FLOAT);
CREATE TABLE vicidial_process_log (serial_id VARCHAR(20), run_time DATETIME, run_sec INT, script VARCHAR(100), output_lines MEDIUMTEXT);
CREATE TABLE vicidial_url_log (url_date DATETIME, url_type VARCHAR(10), response_sec INT UNSIGNED, url TEXT, url_response TEXT);
CREATE TABLE vicidial_drop_log (uniqueid VARCHAR(50), drop_date DATETIME, lead_id INT UNSIGNED, campaign_id VARCHAR(20), phone_number VARCHAR(18));
CREATE TABLE vicidial_call_notes (lead_id INT UNSIGNED, call_date DATETIME, order_id VARCHAR(20), call_notes TEXT) CHARACTER SET latin1;
CREATE TABLE server_performance (
  start_time DATETIME, server_ip VARCHAR(15), sysload DECIMAL(6,2), freeram SMALLINT UNSIGNED, channels_total SMALLINT UNSIGNED, cpu_user_percent FLOAT
);

-- The centre's own additions, transactional.

CREATE TABLE crm_accounts (
  account_id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, name VARCHAR(60) CHARACTER SET utf8mb4 NOT NULL, balance DECIMAL(12,2) NOT NULL DEFAULT 0,
  open_tickets INT NOT NULL DEFAULT 0, changed TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), KEY (name)
) ENGINE=InnoDB;
CREATE TABLE crm_tickets (
  ticket_id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, account_id INT UNSIGNED NOT NULL, state ENUM('open','waiting','closed') NOT NULL DEFAULT 'open',
  subject VARCHAR(100) CHARACTER SET utf8mb4, opened DATETIME(3), reference VARCHAR(40) UNIQUE, KEY (account_id, state),
  FOREIGN KEY (account_id) REFERENCES crm_accounts (account_id)
) ENGINE=InnoDB;
CREATE TABLE crm_ticket_events (
  ticket_id INT UNSIGNED NOT NULL, number SMALLINT UNSIGNED NOT NULL, happened TIMESTAMP(3) NULL, note TEXT CHARACTER SET utf8mb4, attachment BLOB,
  PRIMARY KEY (ticket_id, number), FOREIGN KEY (ticket_id) REFERENCES crm_tickets (ticket_id) ON DELETE CASCADE
) ENGINE=InnoDB;
CREATE TABLE crm_audit (happened DATETIME(6), who VARCHAR(20), what VARCHAR(100), token CHAR(36)) ENGINE=InnoDB;
