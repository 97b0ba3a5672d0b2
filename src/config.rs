//! Every limit in one place: its unit, its default, and why it is what it is.
//!
//! Whatever a peer can make grow has a limit here, and a flag on the command line.

use std::time::Duration;

/// What a WebSocket at `/` gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Each message goes back to the client that sent it.
    Echo,
    /// Each message goes to everyone connected at `/`, the sender too.
    Broadcast,
}

/// What a server is told when it is made. [`Config::default`] is what the command line starts from.
#[derive(Debug, Clone)]
pub struct Config {
    /// What a WebSocket at `/` gets.
    pub mode: Mode,
    /// A text message for every client at `/` when it opens.
    pub greeting: Option<String>,
    /// WebSockets open at the same time. One more gets HTTP 503.
    pub max_clients: usize,
    /// Connections at the same time that are not WebSockets, or not yet: each costs a thread, for
    /// [`handshake_timeout`](Self::handshake_timeout) at most. One more gets HTTP 503.
    pub max_handshakes: usize,
    /// Bytes of a request head: request line, headers and the blank line. More gets HTTP 431,
    /// or 414 when the request line alone takes more than half of it.
    pub max_head: usize,
    /// Bytes of a message, all its fragments together. More gets Close 1009, before the bytes
    /// are read or room for them is made.
    pub max_message: usize,
    /// Frames that one message may be cut into. More gets Close 1008: empty fragments cost the
    /// sender next to nothing and never reach [`max_message`](Self::max_message).
    pub max_fragments: u32,
    /// Unsent bytes of other people's messages that a client may owe before it is dropped; and
    /// unsent bytes of its own at which the server stops reading from it.
    pub max_backlog: usize,
    /// Time in which the whole request head must have come. Later gets HTTP 408.
    pub handshake_timeout: Duration,
    /// Silence after which a Ping is sent. `None` sends none.
    pub ping_interval: Option<Duration>,
    /// Silence after that Ping before the client is dropped.
    pub pong_timeout: Duration,
    /// How long a Close may go unanswered, and how long the server takes to end at most.
    pub close_timeout: Duration,
    /// When not empty, only pages from these origins may open a WebSocket; others get HTTP 403.
    pub allow_origin: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            mode: Mode::Echo,
            greeting: None,
            // 10,000 threads: 40,000 of Linux's default 65,530 memory maps (a thread has two
            // stacks with a guard page each), and a few GiB of address space, not of memory.
            max_clients: 10_000,
            max_handshakes: 1_000,
            // Browsers send about 600 bytes, some thousand more with cookies.
            max_head: 16 * 1024,
            max_message: 16 * 1024 * 1024,
            // Above the 65,536 fragments that Autobahn's cases 9.3.1 and 9.4.1 send.
            max_fragments: 128 * 1024,
            max_backlog: 1024 * 1024,
            handshake_timeout: Duration::from_secs(10),
            // Half of the sixty seconds after which many proxies and home routers forget a
            // silent connection, with room for the answer.
            ping_interval: Some(Duration::from_secs(20)),
            pong_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(5),
            allow_origin: Vec::new(),
        }
    }
}

/// Header lines in a request head. More gets HTTP 431. Browsers send about twenty.
pub(crate) const MAX_HEADERS: usize = 100;

/// Bytes asked of the socket in one read, and what tungstenite keeps for each client. Larger
/// frames get room of their own when their header has announced them.
pub(crate) const READ_BUFFER: usize = 4 * 1024;

/// Bytes asked of the socket in one read while a client sends so much that it fills the above.
pub(crate) const READ_AHEAD: usize = 128 * 1024;

/// Events that may wait for the dispatcher. Past that its readers wait, and TCP slows the senders.
pub(crate) const EVENTS_WAITING: usize = 1024;

/// Bytes of encoded broadcast that the dispatcher collects before it sends them: enough that a
/// burst costs one system call a client, little enough that nobody waits for it.
pub(crate) const BATCH_BYTES: usize = 256 * 1024;

/// Payloads from this size on are handed to the socket where they lie; smaller ones are copied
/// behind their header, which costs less than a second piece to gather.
pub(crate) const COPY_BELOW: usize = 8 * 1024;

/// What a message is taken to cost beside its payload when unsent bytes are counted, so that a
/// flood of empty messages counts too.
pub(crate) const MESSAGE_OVERHEAD: usize = 64;

/// What a message to a classroom counts for beside that, while it waits to be dealt with: enough that
/// one who talks without end makes others wait for milliseconds, not for seconds.
pub(crate) const CLASSROOM_OVERHEAD: usize = 8 * 1024;

/// Stack of a client's thread, in bytes of address space; memory is used only as far as it is
/// touched. The deepest use is reading JSON nested to serde_json's limit of 128 levels.
pub(crate) const CLIENT_STACK: usize = 256 * 1024;

/// Stack of the thread that reads a request and answers it. Smaller than [`CLIENT_STACK`], because the C
/// library gives the stacks of ended threads to new ones that ask for no more, with all the memory
/// that they have touched: clients would get stacks of 24 KiB instead of 8.
pub(crate) const HANDSHAKE_STACK: usize = 192 * 1024;

/// Connections the kernel may hold for us before we accept them. `std` asks for 128, which a
/// classroom that reloads a page at the same moment can fill.
#[cfg(unix)]
pub(crate) const ACCEPT_QUEUE: i32 = 4096;

/// Bytes of a room's name, once percent-decoded.
pub(crate) const MAX_ROOM_NAME: usize = 64;

/// Characters of a name in the classroom.
pub(crate) const MAX_MEMBER_NAME: usize = 32;

/// Bytes of one `classroom.v1` message: the dispatcher writes it out as JSON again, and nobody
/// should have to wait while it does that for megabytes.
pub(crate) const MAX_CLASSROOM_MESSAGE: usize = 64 * 1024;

/// Crossings that may wait for the watch thread. Past that they are counted instead of shown.
pub(crate) const CROSSINGS_WAITING: usize = 4096;

/// Events that may wait for one watcher. Past that they are counted instead of shown.
pub(crate) const WATCHER_EVENTS_WAITING: usize = 1024;

/// Watchers at the same time: browser tabs of the class, and the terminal.
pub(crate) const MAX_WATCHERS: usize = 64;

/// Connections whose frames the wire view remembers, to show how they belong together. Only those
/// whose end it has missed can fill this.
pub(crate) const MAX_TRACKED_CONNECTIONS: usize = 16 * 1024;

/// Handshakes that are kept for watchers who come later.
pub(crate) const HANDSHAKES_KEPT: usize = 64;

/// Bytes of a payload that are shown from its start and from its end.
pub(crate) const KEPT_START: usize = 1024;
/// See [`KEPT_START`].
pub(crate) const KEPT_END: usize = 64;

/// How long a peer may take to read an answer to its end.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Unanswered Pings that the wire view remembers for each direction of a connection. A Pong to an older
/// one is shown without a round-trip time.
pub(crate) const PINGS_KEPT: usize = 16;
