//! Clusters that were uncompressed a moment ago: reads are smaller than clusters, and come in sequence.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// At most a number of bytes, or one cluster where that is larger.
#[derive(Debug)]
pub(super) struct ClusterCache {
    capacity: usize,
    /// Place in the file and content, the one put in last at the front.
    kept: Mutex<VecDeque<(u64, Arc<[u8]>)>>,
}

impl ClusterCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, kept: Mutex::default() }
    }

    pub(super) fn get(&self, host: u64) -> Option<Arc<[u8]>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(place, _)| *place == host).map(|(_, cluster)| Arc::clone(cluster))
    }

    /// Keeps a cluster and lets go of the oldest ones.
    pub(super) fn put(&self, host: u64, cluster: &Arc<[u8]>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Two threads may have uncompressed the same cluster.
        kept.retain(|(place, _)| *place != host);
        kept.truncate((self.capacity / cluster.len().max(1)).saturating_sub(1));
        kept.push_front((host, Arc::clone(cluster)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(cache: &ClusterCache, places: std::ops::Range<u64>) -> Vec<u64> {
        places.filter(|place| cache.get(*place).is_some()).collect()
    }

    #[test]
    fn the_last_ones_are_kept_up_to_the_capacity_and_one_beyond_it() {
        let cache = ClusterCache::new(4096);
        for place in 0..100 {
            cache.put(place, &vec![place as u8; 1024].into());
            cache.put(place, &vec![place as u8; 1024].into());
        }
        assert_eq!(kept(&cache, 0..100), [96, 97, 98, 99]);
        assert_eq!(cache.get(97).unwrap()[0], 97);
        let large = ClusterCache::new(4096);
        for place in 0..3 {
            large.put(place, &vec![0; 65536].into());
        }
        assert_eq!(kept(&large, 0..3), [2]);
    }
}
