//! Limits for each address: how many connections a client has open, and how fast it opens new ones.
//!
//! Without them, one laptop could take all places of the server. A school often has one public address for all its
//! pupils, so the limits are generous. Clients on this machine have no limit unless the operator sets one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::config::{
    ADDRESSES_KEPT, BURST_SECONDS, Config, DEFAULT_PER_ADDRESS, DEFAULT_RATE_PER_ADDRESS,
};
use crate::http::refusal::Refusal;
use crate::sys::lock::lock;
use crate::sys::socket::network_of;

/// The connections of each address.
pub(super) struct Addresses {
    remote: Limits,
    local: Limits,
    table: Mutex<Table>,
}

/// Limits of one address; 0 is none.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Limits {
    open: usize,
    /// New connections in a second.
    rate: u32,
}

#[derive(Default)]
struct Table {
    entries: HashMap<IpAddr, Entry>,
    /// The number of entries at which the next look for superfluous ones begins.
    look_at: usize,
}

/// One address, or one IPv6 network.
struct Entry {
    open: usize,
    /// New connections in a second; 0 is any number.
    rate: f64,
    /// A token bucket: each new connection takes a token, and time brings new ones.
    tokens: f64,
    refilled: Instant,
}

/// Stands for one open connection of an address. Dropping it gives the place back.
pub(super) struct AddressPermit {
    addresses: Arc<Addresses>,
    network: IpAddr,
}

impl Addresses {
    pub(super) fn new(config: &Config) -> Arc<Addresses> {
        let (open, rate) = (config.max_per_address, config.max_rate_per_address);
        let or_default = |default_open, default_rate| Limits {
            open: open.unwrap_or(default_open),
            rate: rate.unwrap_or(default_rate),
        };
        Arc::new(Addresses {
            remote: or_default(DEFAULT_PER_ADDRESS, DEFAULT_RATE_PER_ADDRESS),
            local: or_default(0, 0),
            table: Mutex::default(),
        })
    }

    /// Counts a new connection of this client. `None` needs no permit, because nothing is limited.
    ///
    /// # Errors
    /// When the client has too many connections, or opens them too fast.
    pub(super) fn admit(
        self: &Arc<Self>,
        client: IpAddr,
        now: Instant,
    ) -> Result<Option<AddressPermit>, Refusal> {
        let limits = if client.to_canonical().is_loopback() { self.local } else { self.remote };
        if limits == (Limits { open: 0, rate: 0 }) {
            return Ok(None);
        }
        let network = network_of(client);
        let mut table = lock(&self.table);
        table.forget_superfluous(now);
        let entry = table.entries.entry(network).or_insert_with(|| Entry::new(limits.rate, now));
        if limits.rate > 0 && !entry.take_token(now) {
            return Err(Refusal::TooFastFromAddress(limits.rate));
        }
        if limits.open > 0 && entry.open >= limits.open {
            return Err(Refusal::TooManyFromAddress(limits.open));
        }
        entry.open += 1;
        Ok(Some(AddressPermit { addresses: Arc::clone(self), network }))
    }
}

impl Entry {
    fn new(rate: u32, now: Instant) -> Entry {
        let rate = f64::from(rate);
        Entry { open: 0, rate, tokens: rate * BURST_SECONDS, refilled: now }
    }

    fn take_token(&mut self, now: Instant) -> bool {
        self.refill(now);
        let has_one = self.tokens >= 1.0;
        if has_one {
            self.tokens -= 1.0;
        }
        has_one
    }

    fn refill(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.refilled).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(self.rate * BURST_SECONDS);
        self.refilled = now;
    }

    fn is_full(&self) -> bool {
        self.tokens >= self.rate * BURST_SECONDS
    }
}

impl Table {
    /// Removes addresses that have no connection and whose bucket is full again, because a new entry would be the
    /// same. While there are very many, it also removes those whose bucket is not full.
    ///
    /// It looks only when the table has doubled, so that a new connection does not pay for all addresses.
    fn forget_superfluous(&mut self, now: Instant) {
        if self.entries.len() < self.look_at {
            return;
        }
        self.entries.retain(|_, entry| {
            entry.refill(now);
            entry.open > 0 || !entry.is_full()
        });
        if self.entries.len() > ADDRESSES_KEPT {
            self.entries.retain(|_, entry| entry.open > 0);
        }
        self.look_at = (2 * self.entries.len()).max(64);
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        if let Some(entry) = lock(&self.addresses.table).entries.get_mut(&self.network) {
            entry.open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LAPTOP: &str = "192.0.2.7";

    fn addresses(open: Option<usize>, rate: Option<u32>) -> Arc<Addresses> {
        let config =
            Config { max_per_address: open, max_rate_per_address: rate, ..Config::default() };
        Addresses::new(&config)
    }

    /// Opens connections until one is refused, at most 2,000: the permits, and the refusal.
    fn open_all(
        addresses: &Arc<Addresses>,
        client: &str,
        now: Instant,
    ) -> (Vec<AddressPermit>, Option<Refusal>) {
        let client = client.parse().unwrap();
        let mut permits = Vec::new();
        for _ in 0..2000 {
            match addresses.admit(client, now) {
                Ok(permit) => permits.extend(permit),
                Err(refusal) => return (permits, Some(refusal)),
            }
        }
        (permits, None)
    }

    #[test]
    fn by_default_only_clients_of_other_machines_have_a_limit() {
        let now = Instant::now();
        let addresses = addresses(None, None);
        let refusal = Some(Refusal::TooManyFromAddress(256));
        for (client, other_of_same_network) in
            [(LAPTOP, "::ffff:192.0.2.7"), ("2001:db8::1", "2001:db8::2"), ("fe80::1", "fe80::1")]
        {
            let (permits, refused) = open_all(&addresses, client, now);
            assert_eq!((permits.len(), &refused), (256, &refusal), "{client}");
            assert_eq!(open_all(&addresses, other_of_same_network, now).1, refusal, "{client}");
            drop(permits);
            assert_eq!(open_all(&addresses, client, now).0.len(), 256, "{client}: all have left");
        }
        for client in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            let (permits, refused) = open_all(&addresses, client, now);
            assert_eq!((permits.len(), refused), (0, None), "{client}");
        }
    }

    #[test]
    fn a_limit_that_is_set_is_for_this_machine_too_and_0_is_no_limit() {
        let now = Instant::now();
        let set = addresses(Some(3), None);
        for client in [LAPTOP, "127.0.0.1", "::1"] {
            assert_eq!(open_all(&set, client, now).0.len(), 3, "{client}");
        }
        let without_limits = addresses(Some(0), Some(0));
        assert_eq!(open_all(&without_limits, LAPTOP, now).1, None);
    }

    #[test]
    fn an_address_may_open_a_burst_and_then_as_many_as_its_rate() {
        let mut now = Instant::now();
        for (rate, expected) in [(None, 100), (Some(5), 5)] {
            let addresses = addresses(Some(0), rate);
            let (burst, refused) = open_all(&addresses, LAPTOP, now);
            assert_eq!(burst.len(), 10 * expected);
            assert_eq!(refused, Some(Refusal::TooFastFromAddress(expected as u32)));
            for _ in 0..3 {
                now += Duration::from_secs(1);
                assert_eq!(open_all(&addresses, LAPTOP, now).0.len(), expected);
            }
            now += Duration::from_secs(3600);
            assert_eq!(open_all(&addresses, LAPTOP, now).0.len(), 10 * expected, "not more");
        }
    }

    #[test]
    fn an_address_that_has_left_is_forgotten_when_its_bucket_is_full() {
        let mut now = Instant::now();
        let addresses = addresses(None, None);
        let stays = addresses.admit(LAPTOP.parse().unwrap(), now).unwrap();
        for client in 0..10_000_u32 {
            let client = IpAddr::from([10, 0, (client >> 8) as u8, client as u8]);
            addresses.admit(client, now).unwrap();
            // An address needs ten of these steps for a token.
            now += Duration::from_millis(1);
        }
        assert!(lock(&addresses.table).entries.len() <= 64);
        drop(stays);
    }

    #[test]
    fn the_table_has_a_limit_even_if_all_addresses_come_at_once() {
        let now = Instant::now();
        let addresses = addresses(None, None);
        let open: Vec<_> =
            (0..200).map(|_| addresses.admit(LAPTOP.parse().unwrap(), now).unwrap()).collect();
        for client in 0..4 * ADDRESSES_KEPT as u128 {
            let client = IpAddr::from((client << 64).to_be_bytes());
            addresses.admit(client, now).unwrap();
        }
        assert!(lock(&addresses.table).entries.len() <= 2 * ADDRESSES_KEPT);
        let left = open_all(&addresses, LAPTOP, now).0.len();
        assert_eq!(left, 56, "an address with connections is not forgotten");
        drop(open);
    }
}
