//! Seconds since the epoch as a date and time in UTC.

use std::fmt;

/// Prints as `2024-02-29 12:34:56`.
pub(super) struct Utc(pub(super) u32);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        )
    }
}

/// Year, month and day of a day since 1970-01-01.
///
/// Years are taken to begin in March, so the leap day is the last of a year; 400 years have 146,097 days.
fn civil(days: u32) -> (u32, u32, u32) {
    const DAYS_TO_1970: u32 = 719_468;
    let days = days + DAYS_TO_1970;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u32::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        let text = |seconds| Utc(seconds).to_string();
        assert_eq!(text(0), "1970-01-01 00:00:00");
        assert_eq!(text(951_827_696), "2000-02-29 12:34:56");
        assert_eq!(text(1_709_210_096), "2024-02-29 12:34:56");
        assert_eq!(text(u32::MAX), "2106-02-07 06:28:15");
    }
}
