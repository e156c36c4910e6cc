//! How long the space lasts: the growth of what is used on all disks together, from their samples.

use std::collections::BTreeMap;

/// What one disk had used: seconds since 1970 to bytes.
pub(crate) type Series = Vec<(u64, u64)>;

/// Less is no growth that one could reckon with.
const LEAST_SPAN_SECONDS: u64 = 6 * 3600;
const DAY_SECONDS: f64 = 86_400.0;
/// Further away nobody plans.
const FAR_DAYS: f64 = 3650.0;

/// The sum of all disks. A disk counts with what it had last where it has no point of its own; before its first point it
/// counts with that, so that a disk that comes in later is no growth.
pub(crate) fn total(disks: &[Series]) -> Series {
    let times: std::collections::BTreeSet<u64> = disks.iter().flatten().map(|(at, _)| *at).collect();
    let mut sums: BTreeMap<u64, u64> = times.into_iter().map(|at| (at, 0)).collect();
    for disk in disks {
        let Some((_, mut last)) = disk.first().copied() else { continue };
        let mut points = disk.iter().peekable();
        for (at, sum) in &mut sums {
            while let Some((_, used)) = points.next_if(|(when, _)| when <= at) {
                last = *used;
            }
            *sum = sum.saturating_add(last);
        }
    }
    sums.into_iter().collect()
}

/// Bytes a day, by the straight line that fits best; none where too little is known.
pub(crate) fn bytes_a_day(total: &[(u64, u64)]) -> Option<f64> {
    let (first, last) = (total.first()?.0, total.last()?.0);
    if last.saturating_sub(first) < LEAST_SPAN_SECONDS {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "an estimate of one or two digits")]
    let points: Vec<(f64, f64)> =
        total.iter().map(|(at, used)| (at.saturating_sub(first) as f64 / DAY_SECONDS, *used as f64)).collect();
    #[expect(clippy::cast_precision_loss, reason = "at most some thousand points")]
    let count = points.len() as f64;
    let (mean_x, mean_y) = (
        points.iter().map(|point| point.0).sum::<f64>() / count,
        points.iter().map(|point| point.1).sum::<f64>() / count,
    );
    let slope_of = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>();
    let spread = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>();
    (spread > 0.0).then(|| slope_of / spread)
}

/// Days until `room` is full at that pace; none where it isn't growing, or not within ten years.
pub(crate) fn days_left(room: u64, bytes_a_day: f64) -> Option<u64> {
    if bytes_a_day <= 0.0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "an estimate of one or two digits")]
    let days = room as f64 / bytes_a_day;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and ten years")]
    (0.0..FAR_DAYS).contains(&days).then_some(days as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    #[test]
    fn sums_carry_on_what_was_known() {
        let sum = total(&[vec![(0, 10), (20, 30)], vec![(10, 5)], Vec::new()]);
        assert_eq!(sum, [(0, 15), (10, 15), (20, 35)]);
    }

    #[test]
    fn steady_growth_is_seen() {
        let steady: Series = (0..48).map(|hour| (hour * HOUR, 1000 + hour * 10)).collect();
        let rate = bytes_a_day(&steady).unwrap();
        assert!((rate - 240.0).abs() < 0.1, "{rate}");
        assert_eq!(days_left(2400, rate), Some(10));
        assert_eq!(days_left(u64::MAX, rate), None, "too far away to say");
    }

    #[test]
    fn nothing_is_said_without_ground() {
        assert_eq!(bytes_a_day(&[(0, 1), (HOUR, 2)]), None, "an hour is too short");
        assert_eq!(bytes_a_day(&[]), None);
        let rate = bytes_a_day(&[(0, 100), (24 * HOUR, 50)]).unwrap();
        assert_eq!(days_left(100, rate), None, "what shrinks lasts");
    }
}
