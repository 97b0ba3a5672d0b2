//! The statistics that `/stats` shows: the dispatcher counts, and takes a snapshot on request.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::client::Clients;
use crate::config::{CHEAP_SNAPSHOT, MAX_STATS_ROWS, SNAPSHOT_PAUSE};
use crate::sys::{Asker, ConnectionId, Secret};

/// The server at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Snapshot {
    /// Seconds since the server started.
    pub uptime_seconds: f64,
    /// WebSockets that are open now.
    pub clients: usize,
    /// WebSockets that have been opened since the server started.
    pub clients_total: u64,
    /// Threads of the server that run now.
    pub threads: usize,
    /// Messages from clients.
    pub messages_in: u64,
    /// Messages to clients. A message to ten clients counts ten times.
    pub messages_out: u64,
    /// Bytes of frames from clients, with their headers.
    pub bytes_in: u64,
    /// Bytes that have left for clients, with the answers to their handshakes.
    pub bytes_out: u64,
    /// Clients that were dropped, because they read too slowly or did not answer a Ping.
    pub dropped: u64,
    /// The same for each path. All rooms count as `/room`.
    pub paths: BTreeMap<&'static str, PathCounts>,
    /// The first 512 clients that are connected now, in the order in which they came. A reader sees a
    /// part of them: [`seen_by`](Self::seen_by).
    pub connected: Vec<ClientRow>,
    /// The number of clients that are not among them.
    pub more_connected: usize,
}

/// The counts of one path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PathCounts {
    /// WebSockets that are open now.
    pub clients: usize,
    /// WebSockets that have been opened since the server started.
    pub clients_total: u64,
    /// Messages from clients.
    pub messages_in: u64,
    /// Messages to clients.
    pub messages_out: u64,
    /// Bytes of frames from clients.
    pub bytes_in: u64,
    /// Bytes that have left for clients.
    pub bytes_out: u64,
    /// Clients that were dropped.
    pub dropped: u64,
}

impl Snapshot {
    /// The snapshot for this reader. It has the totals, but only those rows of the first 512 clients that
    /// the reader may see, because a row has the client's address and the name of its room.
    pub fn seen_by(&self, asker: &Asker) -> Cow<'_, Snapshot> {
        if asker.sees_all {
            return Cow::Borrowed(self);
        }
        let rows = self.connected.iter().filter(|row| asker.may_see(row.tab));
        let connected: Vec<ClientRow> = rows.cloned().collect();
        let more_connected = self.clients - connected.len();
        let paths = self.paths.clone();
        Cow::Owned(Snapshot { paths, connected, more_connected, ..*self })
    }
}

/// One client.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClientRow {
    /// The secret of the tab that opened the connection, if it gave one. Never serialized.
    #[serde(skip)]
    pub tab: Option<Secret>,
    /// Its number.
    pub client: ConnectionId,
    /// Its address and port.
    pub peer: String,
    /// Its path, and for a room with a subprotocol its name.
    pub path: String,
    /// Seconds since its handshake.
    pub open_seconds: f64,
    /// Messages from it.
    pub messages_in: u64,
    /// Bytes of frames from it.
    pub bytes_in: u64,
    /// Bytes that have left for it.
    pub bytes_out: u64,
    /// Milliseconds from the last answered Ping to its Pong.
    pub round_trip_ms: Option<f64>,
}

/// The counts that the dispatcher keeps.
pub(super) struct Counters {
    started: Instant,
    /// Messages of all clients, and bytes of the clients that have left. A snapshot adds the bytes of
    /// the clients that are connected.
    paths: BTreeMap<&'static str, PathCounts>,
    last_snapshot: Option<TakenSnapshot>,
}

struct TakenSnapshot {
    at: Instant,
    /// How long it took.
    cost: Duration,
    snapshot: Arc<Snapshot>,
}

impl Counters {
    pub(super) fn new() -> Counters {
        Counters { started: Instant::now(), paths: BTreeMap::new(), last_snapshot: None }
    }

    /// The counts of a path.
    pub(super) fn path(&mut self, path: &'static str) -> &mut PathCounts {
        self.paths.entry(path).or_default()
    }

    /// Takes a snapshot, or returns the last one again if it is recent and was expensive.
    ///
    /// With thousands of clients a snapshot takes milliseconds. This rule bounds the part of its
    /// time that the dispatcher spends on snapshots, however often somebody asks.
    pub(super) fn recent_snapshot(&mut self, clients: &Clients, threads: usize) -> Arc<Snapshot> {
        if let Some(last) = &self.last_snapshot
            && last.cost > CHEAP_SNAPSHOT
            && last.at.elapsed() < SNAPSHOT_PAUSE * last.cost
        {
            return Arc::clone(&last.snapshot);
        }
        let began = Instant::now();
        let snapshot = Arc::new(self.snapshot(clients, threads));
        let at = Instant::now();
        self.last_snapshot =
            Some(TakenSnapshot { at, cost: at - began, snapshot: Arc::clone(&snapshot) });
        snapshot
    }

    /// Adds up the counts and describes each client.
    pub(super) fn snapshot(&self, clients: &Clients, threads: usize) -> Snapshot {
        let mut paths = self.paths.clone();
        let mut connected = Vec::with_capacity(clients.len().min(MAX_STATS_ROWS));
        for (id, client) in clients {
            let bytes_in = client.bytes_in();
            let bytes_out = client.outbox.bytes_out();
            let counts = paths.entry(client.service.counted_as()).or_default();
            counts.bytes_in += bytes_in;
            counts.bytes_out += bytes_out;
            if connected.len() == MAX_STATS_ROWS {
                continue;
            }
            connected.push(ClientRow {
                tab: client.tab,
                client: *id,
                peer: client.peer.to_string(),
                path: client.service.to_string(),
                open_seconds: client.joined_at.elapsed().as_secs_f64(),
                messages_in: client.messages_in,
                bytes_in,
                bytes_out,
                round_trip_ms: client.liveness.round_trip.map(|time| time.as_secs_f64() * 1000.0),
            });
        }
        let sum = |count: fn(&PathCounts) -> u64| paths.values().map(count).sum();
        Snapshot {
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            clients: clients.len(),
            clients_total: sum(|path| path.clients_total),
            threads,
            messages_in: sum(|path| path.messages_in),
            messages_out: sum(|path| path.messages_out),
            bytes_in: sum(|path| path.bytes_in),
            bytes_out: sum(|path| path.bytes_out),
            dropped: sum(|path| path.dropped),
            paths,
            more_connected: clients.len() - connected.len(),
            connected,
        }
    }
}
