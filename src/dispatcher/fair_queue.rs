//! A fair queue: clients take turns, and small work does not wait behind large work.
//!
//! Each client has a line of its own, which keeps its order. The clients whose first item is light take turns with
//! each other, and so do the clients whose first item is heavy. Whoever takes items out decides how many light ones
//! come before a heavy one.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// How much work an item makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// A few microseconds.
    Light,
    /// More, or an unknown amount.
    Heavy,
}

/// Items that wait, each in the line of its client, which is named by a `K`.
pub(super) struct FairQueue<K, T> {
    /// The only item, while there is one. Most of the time a single event waits, and it needs no line.
    only: Option<(K, Weight, T)>,
    /// The lines that are not empty.
    lines: HashMap<K, VecDeque<(Weight, T)>>,
    /// The clients whose first item is light, in the order of their turns.
    light: VecDeque<K>,
    /// The clients whose first item is heavy, in the order of their turns.
    heavy: VecDeque<K>,
}

impl<K: Copy + Eq + Hash, T> FairQueue<K, T> {
    pub(super) fn new() -> FairQueue<K, T> {
        let (light, heavy) = (VecDeque::new(), VecDeque::new());
        FairQueue { only: None, lines: HashMap::new(), light, heavy }
    }

    /// Adds an item behind the others of `key`.
    pub(super) fn push(&mut self, key: K, weight: Weight, item: T) {
        if self.only.is_none() && self.lines.is_empty() {
            self.only = Some((key, weight, item));
            return;
        }
        if let Some((key, weight, item)) = self.only.take() {
            self.push_into_line(key, weight, item);
        }
        self.push_into_line(key, weight, item);
    }

    fn push_into_line(&mut self, key: K, weight: Weight, item: T) {
        match self.lines.entry(key) {
            Entry::Occupied(line) => line.into_mut().push_back((weight, item)),
            Entry::Vacant(line) => {
                line.insert(VecDeque::from([(weight, item)]));
                self.turns(weight).push_back(key);
            }
        }
    }

    /// Whether a light item can be taken.
    pub(super) fn has_light(&self) -> bool {
        !self.light.is_empty() || matches!(self.only, Some((_, Weight::Light, _)))
    }

    /// Takes the first item of the client whose turn it is, among those whose first item has this weight.
    pub(super) fn pop(&mut self, weight: Weight) -> Option<T> {
        if let Some((_, _, item)) = self.only.take_if(|(_, its, _)| *its == weight) {
            return Some(item);
        }
        let key = self.turns(weight).pop_front()?;
        let Entry::Occupied(mut line) = self.lines.entry(key) else { return None };
        let (_, item) = line.get_mut().pop_front()?;
        match line.get().front() {
            Some((next, _)) => {
                let next = *next;
                self.turns(next).push_back(key);
            }
            None => drop(line.remove()),
        }
        Some(item)
    }

    fn turns(&mut self, weight: Weight) -> &mut VecDeque<K> {
        match weight {
            Weight::Light => &mut self.light,
            Weight::Heavy => &mut self.heavy,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::Weight::{Heavy, Light};
    use super::*;

    /// All items, light ones first.
    fn order<T>(queue: &mut FairQueue<u8, T>) -> Vec<T> {
        std::iter::from_fn(|| queue.pop(Light).or_else(|| queue.pop(Heavy))).collect()
    }

    #[test]
    fn a_quiet_clients_event_is_served_before_the_rest_of_a_busy_clients() {
        for weight in [Light, Heavy] {
            let mut queue = FairQueue::new();
            (0..100).for_each(|n| queue.push(1, weight, n));
            assert_eq!(queue.pop(weight), Some(0));
            queue.push(2, weight, 1000);
            assert_eq!([queue.pop(weight), queue.pop(weight)], [Some(1), Some(1000)]);
        }
    }

    #[test]
    fn busy_clients_take_turns() {
        let mut queue = FairQueue::new();
        for client in 0..3 {
            (0..4).for_each(|n| queue.push(client, Heavy, 10 * client + n));
        }
        assert_eq!(order(&mut queue), [0, 10, 20, 1, 11, 21, 2, 12, 22, 3, 13, 23]);
    }

    #[test]
    fn light_work_waits_only_for_the_heavy_work_of_its_own_client() {
        let mut queue = FairQueue::new();
        (0..3).for_each(|n| queue.push(1, Heavy, n));
        queue.push(1, Light, 3);
        queue.push(2, Light, 20);
        queue.push(2, Heavy, 21);
        queue.push(2, Light, 22);
        assert!(queue.has_light());
        assert_eq!(order(&mut queue), [20, 0, 21, 22, 1, 2, 3]);
        assert!(!queue.has_light());
    }

    #[test]
    fn nothing_is_kept_of_clients_that_do_not_wait() {
        let mut queue = FairQueue::new();
        (0..100).for_each(|client| queue.push(client, Light, 0));
        assert_eq!(order(&mut queue).len(), 100);
        queue.push(1, Heavy, 0);
        assert_eq!((queue.has_light(), queue.pop(Light), queue.pop(Heavy)), (false, None, Some(0)));
        assert!(
            queue.only.is_none()
                && queue.lines.is_empty()
                && queue.light.is_empty()
                && queue.heavy.is_empty()
        );
    }

    proptest! {
        /// However pushes and pops alternate, no item is lost, and the items of a client keep their order.
        #[test]
        fn the_items_of_a_client_keep_their_order(
            steps in prop::collection::vec((0..6_u8, any::<bool>(), 0..3_u8, any::<bool>()), 0..300)
        ) {
            let weight = |is_light| if is_light { Light } else { Heavy };
            let mut queue = FairQueue::new();
            let mut popped: Vec<(u8, usize)> = Vec::new();
            for (n, (client, is_light, pops, light_first)) in steps.iter().enumerate() {
                queue.push(*client, weight(*is_light), (*client, n));
                for _ in 0..*pops {
                    let (first, second) = (weight(*light_first), weight(!*light_first));
                    popped.extend(queue.pop(first).or_else(|| queue.pop(second)));
                }
            }
            popped.extend(order(&mut queue));
            prop_assert_eq!(popped.len(), steps.len());
            let mut last = BTreeMap::new();
            for (client, n) in popped {
                prop_assert!(last.insert(client, n).is_none_or(|before| before < n));
            }
        }
    }
}
