//! Things that wait for an answer, each under a number that the answer brings back.

/// A table whose numbers are places in it, so that finding one costs nothing. A number is not given again before many
/// others of its place were: an answer that comes twice finds nobody.
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

struct Slot<T> {
    /// How often the place was given.
    uses: u32,
    content: Option<T>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// Keeps it, and tells its number.
    pub(super) fn insert(&mut self, content: T) -> u64 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { uses: 0, content: None });
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[place as usize];
        slot.uses = slot.uses.wrapping_add(1);
        slot.content = Some(content);
        u64::from(slot.uses) << 32 | u64::from(place)
    }

    /// What has this number, if it is there.
    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        let (uses, place) = ((number >> 32) as u32, number as u32);
        let slot = self.slots.get_mut(place as usize).filter(|slot| slot.uses == uses)?;
        let content = slot.content.take()?;
        self.free.push(place);
        Some(content)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free.len() == self.slots.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.content.as_ref())
    }

    /// Empties the table.
    pub(super) fn take_all(&mut self) -> Vec<T> {
        let mut taken = Vec::new();
        for (place, slot) in self.slots.iter_mut().enumerate() {
            if let Some(content) = slot.content.take() {
                self.free.push(place as u32);
                taken.push(content);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_find_what_they_were_given_for_and_nothing_else() {
        let mut slots = Slots::default();
        let (first, second) = (slots.insert("first"), slots.insert("second"));
        assert_eq!(slots.remove(first), Some("first"));
        assert_eq!(slots.remove(first), None, "answered twice");
        let third = slots.insert("third");
        assert_ne!(third, first, "its place is used again, its number is not");
        assert_eq!(slots.remove(first), None);
        assert_eq!(slots.remove(u64::MAX), None);
        assert_eq!((slots.iter().count(), slots.is_empty()), (2, false));
        assert_eq!(slots.take_all().len(), 2);
        assert_eq!((slots.remove(second), slots.remove(third), slots.is_empty()), (None, None, true));
        let fourth = slots.insert("fourth");
        assert_eq!(slots.remove(fourth), Some("fourth"));
    }
}
