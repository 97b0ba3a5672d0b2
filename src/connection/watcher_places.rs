//! Places for pages that watch the wire: a number for all, and a smaller one for each address.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use crate::config::{MAX_WATCHERS, MAX_WATCHERS_PER_ADDRESS};
use crate::http::refusal::Refusal;
use crate::sys::lock::lock;
use crate::sys::socket::network_of;

/// The places of all watchers.
#[derive(Default)]
pub(crate) struct WatcherPlaces {
    /// The address behind each place that is taken.
    taken: Mutex<Vec<IpAddr>>,
}

/// A place of one watcher. Dropping it gives it back.
pub(crate) struct WatcherPlace {
    places: Arc<WatcherPlaces>,
    address: IpAddr,
}

impl WatcherPlaces {
    /// Takes a place for a watcher at `peer`, if one is free, and does not wait.
    ///
    /// # Errors
    /// A refusal that names the limit.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr) -> Result<WatcherPlace, Refusal> {
        let address = network_of(peer);
        let mut taken = lock(&self.taken);
        if taken.len() >= MAX_WATCHERS {
            return Err(Refusal::TooManyWatchers(MAX_WATCHERS));
        }
        let share = taken.iter().filter(|other| **other == address).count();
        if share >= MAX_WATCHERS_PER_ADDRESS && !peer.to_canonical().is_loopback() {
            return Err(Refusal::TooManyWatchersAtAddress(MAX_WATCHERS_PER_ADDRESS));
        }
        taken.push(address);
        Ok(WatcherPlace { places: Arc::clone(self), address })
    }
}

impl Drop for WatcherPlace {
    fn drop(&mut self) {
        let mut taken = lock(&self.places.taken);
        if let Some(at) = taken.iter().position(|other| *other == self.address) {
            taken.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(places: &Arc<WatcherPlaces>, peer: &str) -> Result<WatcherPlace, Refusal> {
        places.take(peer.parse().expect("an address"))
    }

    #[test]
    fn one_address_gets_its_share_of_the_watchers_places_and_loopback_all() {
        let places = Arc::new(WatcherPlaces::default());
        let mut mine: Vec<_> = (0..MAX_WATCHERS_PER_ADDRESS)
            .map(|n| take(&places, &format!("2001:db8::{n}")).expect("its share"))
            .collect();
        let refusal = take(&places, "2001:db8::ffff").err().expect("no more");
        assert_eq!(refusal, Refusal::TooManyWatchersAtAddress(MAX_WATCHERS_PER_ADDRESS));
        assert!(refusal.to_string().contains("16 pages at your address"), "{refusal}");
        assert!(take(&places, "2001:db8:0:1::").is_ok(), "a neighbour");
        mine.pop();
        mine.push(take(&places, "2001:db8::ffff").expect("the place that was given back"));

        let here: Vec<_> = ["127.0.0.1", "::ffff:127.0.0.1", "::1"]
            .iter()
            .cycle()
            .take(MAX_WATCHERS - MAX_WATCHERS_PER_ADDRESS)
            .map(|peer| take(&places, peer).expect("a place"))
            .collect();
        let refusal = take(&places, "192.0.2.1").err();
        assert_eq!(refusal, Some(Refusal::TooManyWatchers(MAX_WATCHERS)));
        drop(here);
        assert!(take(&places, "192.0.2.1").is_ok());
    }
}
