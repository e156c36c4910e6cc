//! Short lists in order. The standard library's sort is made for millions and takes four kilobytes of code for each kind
//! of list, which every visitor loads.

use std::cmp::Ordering;

/// Equal ones stay in the order they had.
pub(crate) fn put_in_order<T>(list: &mut Vec<T>, order: &dyn Fn(&T, &T) -> Ordering) {
    for next in 1..list.len() {
        let at = list[..next].partition_point(|before| order(before, &list[next]).is_le());
        if at < next {
            let item = list.remove(next);
            list.insert(at, item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ones_stay() {
        let mut list = vec![(2, 'a'), (1, 'b'), (2, 'c'), (0, 'd'), (1, 'e')];
        put_in_order(&mut list, &|a, b| a.0.cmp(&b.0));
        assert_eq!(list, [(0, 'd'), (1, 'b'), (1, 'e'), (2, 'a'), (2, 'c')]);
        let mut none: Vec<u8> = Vec::new();
        put_in_order(&mut none, &Ord::cmp);
        assert!(none.is_empty());
    }
}
