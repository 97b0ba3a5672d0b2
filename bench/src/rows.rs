//! The rows: which work is measured.

/// What the clients of a row do.
#[derive(Clone, Copy)]
pub struct Shape {
    /// `/echo` or `/broadcast`.
    pub path: &'static str,
    /// How many there are.
    pub clients: usize,
    /// How many messages are sent at once.
    pub batch: usize,
    /// How many bytes a message has.
    pub payload: usize,
}

impl Shape {
    /// Whether each message goes to all clients.
    pub fn is_broadcast(self) -> bool {
        self.path == "/broadcast"
    }
}

/// A row.
pub struct Row {
    /// How `--rows` names it.
    pub id: &'static str,
    /// How the table names it.
    pub title: &'static str,
    /// The table it is in.
    pub set: Set,
    /// The work.
    pub shape: Shape,
}

/// A table.
#[derive(Clone, Copy, PartialEq)]
pub enum Set {
    /// Small messages that come back.
    Echo,
    /// Large messages that come back.
    Large,
    /// Messages to all.
    Broadcast,
    /// What a client costs that does nothing.
    Memory,
}

/// All tables, in order, with their headings.
pub const SETS: [(Set, &str); 4] = [
    (Set::Echo, "Echo, 16 bytes"),
    (Set::Large, "Echo, large messages"),
    (Set::Broadcast, "Broadcast, 16 bytes; a message counts once, however many get it"),
    (Set::Memory, "Memory"),
];

/// All rows, in order.
#[rustfmt::skip]
pub const ROWS: [Row; 10] = [
    echo("echo-1", "1 client, one message at a time", 1, 1),
    echo("echo-100", "100 clients, one at a time each", 100, 1),
    echo("echo-1000", "1,000 clients, one at a time each", 1000, 1),
    echo("pipelined", "20 clients, batches of 64", 20, 64),
    large("64k", "64 KiB, 4 clients, one at a time each", 4, 64 << 10),
    large("1m", "1 MiB, 2 clients, one at a time each", 2, 1 << 20),
    broadcast("broadcast-100", "to 100, one at a time", 100, 1),
    broadcast("broadcast-1000", "to 1,000, one at a time", 1000, 1),
    broadcast("burst-1000", "to 1,000, bursts of 64", 1000, 64),
    Row { set: Set::Memory, ..echo("memory", "5,000 clients that do nothing", 5000, 1) },
];

const fn echo(id: &'static str, title: &'static str, clients: usize, batch: usize) -> Row {
    let shape = Shape { path: "/echo", clients, batch, payload: 16 };
    Row { id, title, set: Set::Echo, shape }
}

const fn large(id: &'static str, title: &'static str, clients: usize, payload: usize) -> Row {
    let shape = Shape { path: "/echo", clients, batch: 1, payload };
    Row { id, title, set: Set::Large, shape }
}

const fn broadcast(id: &'static str, title: &'static str, clients: usize, batch: usize) -> Row {
    let shape = Shape { path: "/broadcast", clients, batch, payload: 16 };
    Row { id, title, set: Set::Broadcast, shape }
}
