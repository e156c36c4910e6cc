use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn moments(cron: &str, zone: &str) -> Moments {
    let zone = TimeZone::get(zone).unwrap();
    Moments { cron: cron.parse().unwrap(), zone, anchor: at("2026-03-01T00:00:30Z") }
}

/// What comes within a time, on the zone's own clock.
fn clock_times(cron: &str, zone: &str, from: &str, until: &str) -> Vec<String> {
    let (found, until) = (moments(cron, zone), at(until));
    let within = found.following(at(from)).take_while(|moment| *moment <= until);
    within.map(|moment| moment.to_zoned(found.zone.clone()).strftime("%d %H:%M %z").to_string()).collect()
}

#[test]
fn the_next_and_the_last_one() {
    let now = "2026-11-21T17:34:56Z";
    for (cron, last, next) in [
        ("0 0 */7 * *", "2026-11-15T00:00:00Z", "2026-11-22T00:00:00Z"),
        ("* * * * *", "2026-11-21T17:34:00Z", "2026-11-21T17:35:00Z"),
        ("34 17 * * *", "2026-11-21T17:34:00Z", "2026-11-22T17:34:00Z"),
        ("0 6 ? * SAT", "2026-11-21T06:00:00Z", "2026-11-28T06:00:00Z"),
        ("0 0/3 * * ?", "2026-11-21T15:00:00Z", "2026-11-21T18:00:00Z"),
        ("@yearly", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("0 0 29 2 *", "2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
        ("@every 1h30m", "2026-11-21T16:30:30Z", "2026-11-21T18:00:30Z"),
    ] {
        let found = moments(cron, "UTC");
        assert_eq!(
            (found.latest(Timestamp::MIN, at(now)), found.next(at(now))),
            (Some(at(last)), Some(at(next))),
            "{cron}"
        );
        assert_eq!(found.latest(at(last), at(now)), None, "{cron}: what is done is not done again");
        assert_eq!(found.latest(Timestamp::MIN, at(last)), Some(at(last)), "{cron}: the moment itself counts");
        assert_eq!(found.next(at(last)), Some(at(next)), "{cron}");
    }
    assert_eq!(moments("0 2 * * ?", "UTC").count(at("2026-11-01T00:00:00Z"), at(now)), 21);
    assert_eq!(moments("* * * * *", "UTC").count(at("2026-11-01T00:00:00Z"), at(now)), COUNTED_MAXIMUM);
    assert_eq!(moments("@every 1h", "UTC").latest(Timestamp::MIN, at("2026-03-01T00:59:00Z")), None, "not begun yet");
}

/// 29 March 2026: after 01:59 comes 03:00.
#[test]
fn a_time_that_does_not_exist_runs_once_right_after_the_gap() {
    let day = |cron| clock_times(cron, "Europe/Berlin", "2026-03-28T22:59:59Z", "2026-03-29T21:59:59Z");
    assert_eq!(day("30 2 * * *"), ["29 03:00 +0200"]);
    assert_eq!(day("*/20 2 * * *"), ["29 03:00 +0200"], "however many are lost");
    assert_eq!(day("0,30 2,3 * * *"), ["29 03:00 +0200", "29 03:30 +0200"], "not twice in the same minute");
    assert_eq!(day("0 2 29 * *"), ["29 03:00 +0200"]);
    assert_eq!(day("0 2 30 * *"), Vec::<String>::new());
    let three = ["29 00:00 +0100", "29 03:00 +0200", "29 06:00 +0200", "29 09:00 +0200", "29 12:00 +0200"];
    assert_eq!(day("0 0/3 * * ?")[..5], three);
    assert_eq!(day("30 * * * *")[..3], ["29 00:30 +0100", "29 01:30 +0100", "29 03:30 +0200"], "the rhythm goes on");
    assert_eq!(day("* * * * *").len(), 23 * 60);
    assert_eq!(day("@every 1h").len(), 23);
}

/// 25 October 2026: after 02:59 comes 02:00 again.
#[test]
fn a_time_that_comes_twice_runs_once_unless_it_is_a_rhythm() {
    let day = |cron| clock_times(cron, "Europe/Berlin", "2026-10-24T21:59:59Z", "2026-10-25T22:59:59Z");
    assert_eq!(day("30 2 * * *"), ["25 02:30 +0200"]);
    assert_eq!(day("0 2 * * *"), ["25 02:00 +0200"]);
    assert_eq!(day("0,30 2,3 * * *"), ["25 02:00 +0200", "25 02:30 +0200", "25 03:00 +0100", "25 03:30 +0100"]);
    let twice = ["25 01:30 +0200", "25 02:30 +0200", "25 02:30 +0100", "25 03:30 +0100"];
    assert_eq!(day("30 * * * *")[1..5], twice);
    assert_eq!(day("* * * * *").len(), 25 * 60);
    assert_eq!(day("@every 1h").len(), 25);
    // Who asks within the hour that is repeated hears the same.
    let within = clock_times("40 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-26T10:00:00Z");
    assert_eq!(within, ["26 02:40 +0100"]);
    let within = clock_times("40 2,3 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-25T10:00:00Z");
    assert_eq!(within, ["25 03:40 +0100"]);
}

#[test]
fn unusual_clocks() {
    // Lord Howe Island moves by half an hour, and Beirut skips midnight.
    let howe = clock_times("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T10:00:00Z", "2026-10-04T10:00:00Z");
    assert_eq!(howe, ["04 02:30 +1100"]);
    let beirut = clock_times("0 0 * * *", "Asia/Beirut", "2026-03-28T10:00:00Z", "2026-03-29T20:00:00Z");
    assert_eq!(beirut, ["29 01:00 +0300"]);
    // Samoa left out 30 December 2011.
    let samoa = clock_times("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", "2011-12-31T12:00:00Z");
    assert_eq!(samoa, ["29 12:00 -1000", "31 00:00 +1400", "31 12:00 +1400"]);
}

/// Minute by minute comes to the same where the clock goes evenly, and on any other day everything that fits is found.
#[test]
fn the_search_misses_nothing() {
    for zone in ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"] {
        for cron in ["58,59 23 * * *", "0 0 1 1 *", "*/17 3-5 */9 * mon", "0 12 31 * *", "30 4 13 * fri", "* * * * *"] {
            let found = moments(cron, zone);
            let Cron::At(calendar) = found.cron else { panic!("{cron}") };
            // No zone changes its clock in these weeks.
            let (from, until) = (at("2026-12-20T11:11:00Z"), at("2027-02-18T00:00:00Z"));
            let fits = |moment: &Timestamp| {
                let clock = found.zone.to_datetime(*moment);
                let day = midnight(clock.date());
                calendar.fits(Minute {
                    minute: clock.minute().cast_unsigned(),
                    hour: clock.hour().cast_unsigned(),
                    ..day
                })
            };
            let minutes = (from.as_second() + 60..=until.as_second()).step_by(60);
            let slowly: Vec<Timestamp> =
                minutes.map(|second| Timestamp::from_second(second).unwrap()).filter(fits).collect();
            let quickly: Vec<Timestamp> = found.following(from).take_while(|moment| *moment <= until).collect();
            assert_eq!(quickly, slowly, "{cron} {zone}");
            assert_eq!(found.latest(from, until), slowly.last().copied(), "{cron} {zone}");
        }
    }
}
