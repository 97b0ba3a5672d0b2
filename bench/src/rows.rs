//! The rows of the tables: each is a kind of work that every server does.

/// The work of a row, in numbers.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Where the clients connect: `/echo` or `/broadcast`.
    pub path: &'static str,
    /// How many clients are connected at the same time.
    pub clients: usize,
    /// How many messages a client sends before it waits for the answers.
    pub batch: usize,
    /// Length of a message's payload, in bytes.
    pub payload: usize,
}

impl Shape {
    /// Whether each message goes to all clients.
    pub fn is_broadcast(self) -> bool {
        self.path == "/broadcast"
    }
}

/// A row of a table.
pub struct Row {
    /// The name of the row for `--rows`.
    pub id: &'static str,
    /// The name of the row in the table.
    pub title: &'static str,
    /// The table that has the row.
    pub set: Set,
    /// The work.
    pub shape: Shape,
}

/// A table.
#[derive(Clone, Copy, PartialEq)]
pub enum Set {
    /// Small messages, which the server sends back.
    Echo,
    /// Large messages, which the server sends back.
    Large,
    /// Messages that the server sends to all clients.
    Broadcast,
    /// Connections that begin and end.
    Handshakes,
    /// The memory that an idle client costs.
    Memory,
}

impl Set {
    /// What the table counts, as its labels name it.
    pub fn unit(self) -> &'static str {
        if self == Set::Handshakes { "handshake" } else { "msg" }
    }
}

/// All tables, in order, with their headings.
pub const SETS: [(Set, &str); 5] = [
    (Set::Echo, "Echo, 16 bytes"),
    (Set::Large, "Echo, large messages"),
    (Set::Broadcast, "Broadcast, 16 bytes; a message counts once, however many clients receive it"),
    (Set::Handshakes, "Connections: opening handshake, one echo of 16 bytes, closing handshake"),
    (Set::Memory, "Memory"),
];

/// All rows, in order.
#[rustfmt::skip]
pub const ROWS: [Row; 11] = [
    echo("echo-1", "1 client, one message at a time", 1, 1),
    echo("echo-100", "100 clients, one at a time each", 100, 1),
    echo("echo-1000", "1,000 clients, one at a time each", 1000, 1),
    echo("pipelined", "20 clients, batches of 64", 20, 64),
    large("64k", "64 KiB, 4 clients, one at a time each", 4, 64 << 10),
    large("1m", "1 MiB, 2 clients, one at a time each", 2, 1 << 20),
    broadcast("broadcast-100", "to 100, one at a time", 100, 1),
    broadcast("broadcast-1000", "to 1,000, one at a time", 1000, 1),
    broadcast("burst-1000", "to 1,000, bursts of 64", 1000, 64),
    Row { set: Set::Handshakes, ..echo("handshakes", "50 clients that come and go", 50, 1) },
    Row { set: Set::Memory, ..echo("memory", "5,000 idle clients", 5000, 1) },
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
