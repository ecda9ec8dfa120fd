//! The statements of one call.
//!
//! A call is [`CALL_STATEMENTS`] transactions of one statement each, four inserts and four updates by primary key,
//! over four of the five tables: outbound calls write `vicidial_log`, inbound ones `vicidial_closer_log`. The text of
//! a call depends on its number and on the ids the source numbered its rows with, on nothing else.

use super::random::Random;

/// Transactions of one call.
pub(crate) const CALL_STATEMENTS: usize = 8;

/// One call, as its statements need it.
#[derive(Debug)]
pub(crate) struct Call {
    uniqueid: String,
    is_inbound: bool,
    server_ip: String,
    lead_id: u64,
    list_id: u64,
    campaign: String,
    agent: u64,
    phone: String,
    start_epoch: u64,
    wait_sec: u64,
    talk_sec: u64,
}

/// Ids the source's AUTO_INCREMENT gave to a call's rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallIds {
    /// `vicidial_agent_log.agent_log_id`.
    pub(crate) agent_log: u64,
    /// `recording_log.recording_id`.
    pub(crate) recording: u64,
    /// `vicidial_closer_log.closecallid`; 0 for outbound calls, which have no such row.
    pub(crate) closer_log: u64,
}

impl Call {
    /// The call with this number. Four starts a second, so a run's calls spread over hours.
    pub(crate) fn new(number: usize) -> Call {
        let number = number as u64;
        let mut random = Random::new(number);
        let start_epoch = 1_735_722_000 + number / 4;
        Call {
            uniqueid: format!("{start_epoch}.{number}"),
            is_inbound: random.below(3) == 0,
            server_ip: format!("10.20.30.{}", 11 + random.below(4)),
            lead_id: 1 + random.below(500_000),
            list_id: 1000 + random.below(20),
            campaign: format!("CAMP{:02}", random.below(12)),
            agent: 6000 + random.below(150),
            phone: format!("{}", 3_120_000_000 + random.below(99_999_999)),
            start_epoch,
            wait_sec: 1 + random.below(40),
            talk_sec: 5 + random.below(400),
        }
    }

    /// The statement at `step`, 0 to [`CALL_STATEMENTS`] - 1, in the order a call writes them.
    pub(crate) fn statement(&self, step: usize, ids: CallIds) -> String {
        match step {
            0 => self.insert_call(),
            1 if self.is_inbound => self.insert_inbound(),
            1 => self.insert_outbound(),
            2 => self.insert_agent(),
            3 => self.insert_recording(),
            4 => self.update_agent(ids.agent_log),
            5 => self.update_recording(ids.recording),
            6 if self.is_inbound => self.update_inbound(ids.closer_log),
            6 => self.update_outbound(),
            _ => self.update_call(),
        }
    }

    /// Notes the id the source gave to the row of `step`, if that table numbers its rows.
    pub(crate) fn note_id(&self, step: usize, id: Option<u64>, ids: &mut CallIds) {
        let Some(id) = id else { return };
        match step {
            1 if self.is_inbound => ids.closer_log = id,
            2 => ids.agent_log = id,
            3 => ids.recording = id,
            _ => {}
        }
    }

    fn end_epoch(&self) -> u64 {
        self.start_epoch + self.wait_sec + self.talk_sec
    }

    fn insert_call(&self) -> String {
        let Call {
            uniqueid,
            server_ip,
            agent,
            phone,
            start_epoch,
            lead_id,
            ..
        } = self;
        let start = datetime(*start_epoch);
        format!(
            "INSERT INTO call_log (uniqueid,channel,channel_group,type,server_ip,extension,number_dialed,\
             caller_code,start_time,start_epoch,end_time,end_epoch,length_in_sec,length_in_min) \
             VALUES('{uniqueid}','SIP/trunk-{agent:08x}','Outbound Dial','SIP','{server_ip}','8{agent}','{phone}',\
             'V{lead_id:010}','{start}',{start_epoch},'{start}',{start_epoch},0,0)"
        )
    }

    fn insert_outbound(&self) -> String {
        let Call {
            uniqueid,
            lead_id,
            list_id,
            campaign,
            phone,
            agent,
            start_epoch,
            ..
        } = self;
        let start = datetime(*start_epoch);
        format!(
            "INSERT INTO vicidial_log (uniqueid,lead_id,list_id,campaign_id,call_date,start_epoch,status,\
             phone_code,phone_number,user,comments,processed,user_group) \
             VALUES('{uniqueid}',{lead_id},{list_id},'{campaign}','{start}',{start_epoch},'INCALL','1','{phone}',\
             '{agent}','AUTO','N','AGENTS')"
        )
    }

    fn insert_inbound(&self) -> String {
        let Call {
            uniqueid,
            lead_id,
            list_id,
            campaign,
            phone,
            start_epoch,
            wait_sec,
            ..
        } = self;
        let start = datetime(*start_epoch);
        format!(
            "INSERT INTO vicidial_closer_log (lead_id,list_id,campaign_id,call_date,start_epoch,status,\
             phone_number,user,queue_seconds,user_group,uniqueid) \
             VALUES({lead_id},{list_id},'{campaign}_IN','{start}',{start_epoch},'QUEUE','{phone}','VDCL',{wait_sec}.25,\
             'AGENTS','{uniqueid}')"
        )
    }

    fn insert_agent(&self) -> String {
        let Call {
            uniqueid,
            lead_id,
            campaign,
            agent,
            server_ip,
            start_epoch,
            ..
        } = self;
        let start = datetime(*start_epoch);
        format!(
            "INSERT INTO vicidial_agent_log (user,server_ip,event_time,lead_id,campaign_id,pause_epoch,pause_sec,\
             wait_epoch,user_group,uniqueid) \
             VALUES('{agent}','{server_ip}','{start}',{lead_id},'{campaign}',{start_epoch},0,{start_epoch},'AGENTS',\
             '{uniqueid}')"
        )
    }

    fn insert_recording(&self) -> String {
        let Call {
            uniqueid,
            lead_id,
            agent,
            server_ip,
            phone,
            campaign,
            start_epoch,
            ..
        } = self;
        let start = datetime(*start_epoch);
        format!(
            "INSERT INTO recording_log (channel,server_ip,extension,start_time,start_epoch,filename,lead_id,user,\
             vicidial_id) \
             VALUES('Local/58600051@default-{agent:04x}','{server_ip}','58600051','{start}',{start_epoch},\
             '{campaign}_{start_epoch}_{agent}_{phone}',{lead_id},'{agent}','{uniqueid}')"
        )
    }

    fn update_agent(&self, id: u64) -> String {
        let Call {
            wait_sec,
            talk_sec,
            start_epoch,
            ..
        } = self;
        let (talk_epoch, end_epoch) = (start_epoch + wait_sec, self.end_epoch());
        format!(
            "UPDATE vicidial_agent_log SET wait_sec={wait_sec},talk_epoch={talk_epoch},talk_sec={talk_sec},\
             dispo_epoch={end_epoch},dispo_sec=3,status='{}' WHERE agent_log_id={id}",
            self.status()
        )
    }

    fn update_recording(&self, id: u64) -> String {
        let Call {
            server_ip,
            talk_sec,
            campaign,
            start_epoch,
            agent,
            phone,
            ..
        } = self;
        let end_epoch = self.end_epoch();
        let end = datetime(end_epoch);
        format!(
            "UPDATE recording_log SET end_time='{end}',end_epoch={end_epoch},length_in_sec={talk_sec},\
             length_in_min='{}',location='http://{server_ip}/RECORDINGS/MP3/{campaign}_{start_epoch}_{agent}_{phone}-all.mp3' \
             WHERE recording_id={id}",
            minutes(*talk_sec)
        )
    }

    fn update_outbound(&self) -> String {
        let end_epoch = self.end_epoch();
        format!(
            "UPDATE vicidial_log SET end_epoch={end_epoch},length_in_sec={},status='{}',term_reason='AGENT',\
             processed='Y' WHERE uniqueid='{}'",
            self.talk_sec,
            self.status(),
            self.uniqueid
        )
    }

    fn update_inbound(&self, id: u64) -> String {
        let end_epoch = self.end_epoch();
        format!(
            "UPDATE vicidial_closer_log SET end_epoch={end_epoch},length_in_sec={},status='{}',user='{}',\
             term_reason='CALLER' WHERE closecallid={id}",
            self.talk_sec,
            self.status(),
            self.agent
        )
    }

    fn update_call(&self) -> String {
        let (end_epoch, length) = (self.end_epoch(), self.wait_sec + self.talk_sec);
        let end = datetime(end_epoch);
        format!(
            "UPDATE call_log SET end_time='{end}',end_epoch={end_epoch},length_in_sec={length},\
             length_in_min='{}' WHERE uniqueid='{}'",
            minutes(length),
            self.uniqueid
        )
    }

    fn status(&self) -> &'static str {
        ["SALE", "NI", "CALLBK", "DNC", "A", "B"][(self.talk_sec % 6) as usize]
    }
}

/// `seconds` as minutes with two decimals.
fn minutes(seconds: u64) -> String {
    format!("{}.{:02}", seconds / 60, seconds % 60 * 100 / 60)
}

/// A date and time of 2025 for an epoch of that year: the days are counted from 1 January.
fn datetime(epoch: u64) -> String {
    const YEAR_START: u64 = 1_735_689_600;
    const MONTH_DAYS: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let seconds = epoch - YEAR_START;
    let mut day = seconds / 86_400 % 365;
    let mut month = 0;
    while day >= MONTH_DAYS[month] {
        day -= MONTH_DAYS[month];
        month += 1;
    }
    let second = seconds % 86_400;
    format!(
        "2025-{:02}-{:02} {:02}:{:02}:{:02}",
        month + 1,
        day + 1,
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_four_inserts_then_four_updates_by_key() {
        for number in 0..100 {
            let call = Call::new(number);
            let mut ids = CallIds::default();
            for step in 0..CALL_STATEMENTS {
                let sql = call.statement(step, ids);
                assert_eq!(sql.starts_with("INSERT INTO "), step < 4, "{sql}");
                assert_eq!(sql.starts_with("UPDATE "), step >= 4, "{sql}");
                call.note_id(step, Some(70 + step as u64), &mut ids);
            }
            assert_eq!((ids.agent_log, ids.recording), (72, 73));
            assert_eq!(ids.closer_log, if call.is_inbound { 71 } else { 0 });
            assert!(call.statement(4, ids).ends_with("WHERE agent_log_id=72"));
            assert!(call.statement(5, ids).ends_with("WHERE recording_id=73"));
        }
    }

    #[test]
    fn both_directions_occur_and_text_depends_on_the_number_only() {
        let inbound = (0..300).filter(|n| Call::new(*n).is_inbound).count();
        assert!((50..150).contains(&inbound), "{inbound} of 300 inbound");
        assert_eq!(
            Call::new(7).statement(0, CallIds::default()),
            Call::new(7).statement(0, CallIds::default())
        );
        assert_ne!(Call::new(7).uniqueid, Call::new(8).uniqueid);
    }

    #[test]
    fn datetimes_are_calendar_dates() {
        assert_eq!(datetime(1_735_689_600), "2025-01-01 00:00:00");
        assert_eq!(
            datetime(1_735_689_600 + 31 * 86_400 + 3_661),
            "2025-02-01 01:01:01"
        );
        assert_eq!(
            datetime(1_735_689_600 + 364 * 86_400 + 86_399),
            "2025-12-31 23:59:59"
        );
    }
}
