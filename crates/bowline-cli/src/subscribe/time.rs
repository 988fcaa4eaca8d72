//! Times of the calendar, in UTC. Knows no clock.

use std::time::Duration;

/// A time since 1970 as `2026-11-25T18:24:36`.
pub(super) fn civil(since: Duration) -> String {
    let (days, secs) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Years that begin with March have their odd day at the end; 719,468 days lie between the first March of year 0 and 1970.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, is_next_year) =
        if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    let year = era * 400 + year_of_era + is_next_year;
    let (hours, minutes, secs) = (secs / 3_600, secs / 60 % 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{secs:02}")
}

/// The same with microseconds.
pub(super) fn civil_with_micros(since: Duration) -> String {
    format!("{}.{:06}", civil(since), since.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_leap_years_and_centuries() {
        let at = |secs| civil(Duration::from_secs(secs));
        assert_eq!(at(0), "1970-01-01T00:00:00");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00");
        assert_eq!(at(1_709_251_199), "2024-02-29T23:59:59");
        assert_eq!(at(1_709_251_200), "2024-03-01T00:00:00");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00");
        assert_eq!(
            civil_with_micros(Duration::from_micros(1_700_000_000_000_007)),
            "2023-11-14T22:13:20.000007"
        );
    }
}
