//! The order of names.

use std::cmp::Ordering;

/// `disk-2` before `disk-10`: runs of digits compare as numbers.
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let (mut a_rest, mut b_rest) = (a, b);
    while let (Some(a_first), Some(b_first)) = (a_rest.chars().next(), b_rest.chars().next()) {
        if a_first.is_ascii_digit() && b_first.is_ascii_digit() {
            let (a_number, a_after) = digits(a_rest);
            let (b_number, b_after) = digits(b_rest);
            // Without leading zeros the longer number is the larger one.
            let by_number = a_number.len().cmp(&b_number.len()).then_with(|| a_number.cmp(b_number));
            if by_number != Ordering::Equal {
                return by_number;
            }
            (a_rest, b_rest) = (a_after, b_after);
        } else if a_first == b_first {
            (a_rest, b_rest) = (&a_rest[a_first.len_utf8()..], &b_rest[b_first.len_utf8()..]);
        } else {
            return a_first.cmp(&b_first);
        }
    }
    a_rest.len().cmp(&b_rest.len()).then_with(|| a.cmp(b))
}

fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].trim_start_matches('0'), &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names() {
        let mut names = ["pvc-10", "pvc-9", "pvc-009b", "a", "pvc-1", ""];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["", "a", "pvc-1", "pvc-9", "pvc-009b", "pvc-10"]);
    }
}
