//! Every limit of the server, with its unit, its default and its reason.
//!
//! A peer can send as much as it likes, as fast or as slowly as it likes. So everything that a peer can make
//! grow, and every wait for a peer, has a limit here. [`Config`] has the limits that the command line can change;
//! the constants below it follow the way of a message, from the acceptor to the wire view.

mod check;

use std::net::IpAddr;
use std::time::Duration;

pub use check::{ConfigError, LONGEST, SHORTEST};

/// What the server does with a message that comes in at `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Sends it back to its sender.
    Echo,
    /// Sends it to every client at `/`, its sender included.
    Broadcast,
}

/// The people to whom the wire view shows the connections of others. A page always sees its own connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireFor {
    /// Every page sees all connections.
    Everyone,
    /// Every page sees its own connections only.
    Own,
    /// A page that was opened with the teacher's link sees all connections, and every other page its own only.
    Teacher,
}

impl WireFor {
    /// The default for a server that listens at this address: [`Everyone`](Self::Everyone) while only this machine
    /// can reach the server, and [`Own`](Self::Own) as soon as others can.
    pub fn default_at(ip: IpAddr) -> WireFor {
        // `::ffff:127.0.0.1` is 127.0.0.1, written as an IPv6 address.
        if ip.to_canonical().is_loopback() { WireFor::Everyone } else { WireFor::Own }
    }

    /// The word for it on the command line, and in what the page is told.
    pub fn as_str(self) -> &'static str {
        match self {
            WireFor::Everyone => "everyone",
            WireFor::Own => "own",
            WireFor::Teacher => "teacher",
        }
    }
}

/// The settings of a server. [`Config::default`] has the defaults of the command line, and [`Config::check`] the
/// range of each number.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the server does with a message that comes in at `/`.
    pub mode: Mode,
    /// A text message that each client at `/` gets when its WebSocket opens.
    pub greeting: Option<String>,
    /// The number of WebSockets that may be open at the same time. One more gets HTTP 503. At start, the server
    /// lowers this number and the next one when the system has no room for so many, and says so in the log.
    pub max_clients: usize,
    /// The number of connections that may be open at the same time without being a WebSocket, or before they
    /// are one. Each costs a thread: until its request has come, for [`handshake_timeout`](Self::handshake_timeout)
    /// at most, and then until it has taken its answer. One more takes the place of the oldest that waits for its
    /// client, or gets HTTP 503 if all of them are being answered.
    pub max_handshakes: usize,
    /// The number of connections of any kind that one address may have open. One more gets HTTP 503. All IPv6
    /// addresses with the same first 64 bits count as one. `None` is 256 for clients of other machines, and any
    /// number for clients of this machine; a number is for both, and 0 is any number. All clients behind a proxy
    /// have the proxy's address.
    pub max_per_address: Option<usize>,
    /// The number of connections that one address may open in a second, after a burst of ten times as many. One
    /// more gets HTTP 429. `None` is 100 for clients of other machines, and any number for clients of this machine;
    /// a number is for both, and 0 is any number.
    pub max_rate_per_address: Option<u32>,
    /// Bytes of a request head: the request line, the headers and the blank line. A longer head gets HTTP 431,
    /// or HTTP 414 when the request line alone takes more than half of the limit.
    pub max_head: usize,
    /// Bytes of a message, all its fragments together. A longer message gets Close 1009 as soon as a frame
    /// header announces it: the server neither reads its payload nor allocates memory for it.
    pub max_message: usize,
    /// The number of frames in one message. More get Close 1008. An empty fragment costs its sender almost
    /// nothing and never reaches [`max_message`](Self::max_message), so fragments have a limit of their own.
    pub max_fragments: u32,
    /// Bytes that may wait until a client takes them. When messages of other clients reach this limit, the server
    /// drops the slow client. When the client's own messages cause it, the server stops reading from it; TCP then
    /// slows the client down, and nothing is lost.
    pub max_backlog: usize,
    /// Bytes that all messages on their way and all backlogs may take together. `None` is a quarter of the memory
    /// that the machine or its cgroup has. When they take more, the clients that owe most lose theirs: they get
    /// Close 1013, or are disconnected when they do not read. New clients get HTTP 503 meanwhile.
    pub max_memory: Option<usize>,
    /// The time in which the whole request head must arrive. A later one gets HTTP 408.
    pub handshake_timeout: Duration,
    /// The silence of a client after which the server sends a Ping. `None` switches the heartbeat off.
    pub ping_interval: Option<Duration>,
    /// The silence after a Ping after which the server drops the client.
    pub pong_timeout: Duration,
    /// The time that a client has to answer a Close, and the longest time that the server takes to stop.
    pub close_timeout: Duration,
    /// When this is not empty, only pages from these origins may open a WebSocket. Others get HTTP 403. An origin
    /// looks like `https://school.example` or `http://localhost:8080`; a page that was opened from a file has the
    /// origin `null`.
    pub allow_origin: Vec<String>,
    /// The people to whom the wire view shows the connections of others. `None` leaves it to
    /// [`WireFor::default_at`].
    pub wire_for: Option<WireFor>,
    /// Whether the wire view shows the values of `Cookie`, `Set-Cookie`, `Authorization` and `Proxy-Authorization`.
    /// Otherwise it shows only how many bytes they have.
    pub show_credentials: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            mode: Mode::Echo,
            greeting: None,
            // This fits the 65,530 memory maps that Linux gives a process by default: see `MAPS_PER_THREAD`. 10,000
            // threads also take a few GiB of address space, but not of memory.
            max_clients: 10_000,
            max_handshakes: 1_000,
            max_per_address: None,
            max_rate_per_address: None,
            // Browsers send about 600 bytes, and a few thousand more when there are cookies.
            max_head: 16 * 1024,
            max_message: 16 * 1024 * 1024,
            // Cases 9.3.1 and 9.4.1 of the Autobahn test suite send 65,536 fragments, so the limit is above that.
            max_fragments: 128 * 1024,
            max_backlog: 1024 * 1024,
            max_memory: None,
            handshake_timeout: Duration::from_secs(10),
            // Many proxies and home routers forget a connection after 60 seconds of silence. A third of that leaves
            // room for the answer.
            ping_interval: Some(Duration::from_secs(20)),
            pong_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(5),
            allow_origin: Vec::new(),
            wire_for: None,
            show_credentials: false,
        }
    }
}

// The server: it accepts connections.

/// Connections that the kernel holds for the server before it accepts them. `std` asks for 128, which a class can
/// fill when all reload the page at the same moment.
#[cfg(unix)]
pub(crate) const ACCEPT_QUEUE: i32 = 4096;

/// How long the acceptor pauses when the system first has no descriptor or memory for a connection. The pause
/// doubles with each further failure, up to [`ACCEPT_PAUSE_MAX`].
pub(crate) const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);

/// The longest pause of the acceptor: when a client leaves, others wait half a second at most.
pub(crate) const ACCEPT_PAUSE_MAX: Duration = Duration::from_millis(500);

/// Connections that one address on another machine may have open by default. A class behind one public address has
/// about thirty browsers, and each of them has a few connections.
pub(crate) const DEFAULT_PER_ADDRESS: usize = 256;

/// Connections that one address on another machine may open in a second by default.
pub(crate) const DEFAULT_RATE_PER_ADDRESS: u32 = 100;

/// Seconds for which an address may save up its rate. A class that opens the page together asks for a thousand files
/// in a moment.
pub(crate) const BURST_SECONDS: f64 = 10.0;

/// Addresses without a connection that the server remembers because they have come often: about a megabyte.
pub(crate) const ADDRESSES_KEPT: usize = 16 * 1024;

/// Connections that wait for the refuser to answer them with HTTP 503 or 429. When this many wait, the server drops the
/// next one without an answer, because a crowd must not make the server hold its sockets.
pub(crate) const REFUSALS_WAITING: usize = 64;

/// How long the refuser waits until a connection has taken its answer. One thread refuses all connections, so a
/// slow one must not keep it for long.
pub(crate) const REFUSAL_TIME: Duration = Duration::from_millis(250);

/// How long the connection that wakes the acceptor for a stop may take. It does not leave this machine.
pub(crate) const WAKE_TIMEOUT: Duration = Duration::from_secs(1);

/// Memory maps that Linux needs for a thread: a stack, a stack for signals, and a guard page for each. A process has
/// 65,530 by default, and when none is left while a thread starts, the process aborts.
pub(crate) const MAPS_PER_THREAD: usize = 4;

/// Bytes of address space that a connection needs: the stack of its thread, 64 KiB for guard pages and the stack for
/// signals, and what tungstenite reserves for a frame.
pub(crate) const CONNECTION_ADDRESS_SPACE: usize = CLIENT_STACK + 64 * 1024 + LONG_FRAGMENT;

/// Bytes of memory that a client needs besides its messages: 21 KiB of the server, and the rest of the system for its
/// thread and its socket.
pub(crate) const CONNECTION_MEMORY: usize = 40 * 1024;

/// Threads that do not serve a connection: main, signals, dispatcher, drain, watch, refuser, the terminal's wire
/// view, and some for a program that uses the library.
pub(crate) const OWN_THREADS: usize = 16;

/// Descriptors that are not for a connection with a thread: twice [`REFUSALS_WAITING`] for connections that get HTTP
/// 503, and some for the listening socket, the drain thread, files and the terminal.
pub(crate) const OWN_DESCRIPTORS: usize = 2 * REFUSALS_WAITING + 32;

// A connection: its thread, the request, the messages it sends.

/// Stack of a client's thread, in bytes of address space; the system provides memory only for the part that is used.
/// The deepest use is JSON that is nested to serde_json's limit of 128 levels.
pub(crate) const CLIENT_STACK: usize = 256 * 1024;

/// Header lines in a request head. More get HTTP 431, and the wire view shows only as many. Browsers send about twenty.
pub(crate) const MAX_HEADERS: usize = 100;

/// Header lines for which the parser makes room at first. Browsers send about twenty.
pub(crate) const USUAL_HEADERS: usize = 33;

/// Bytes asked of the socket in one read of a request head. Most heads are shorter.
pub(crate) const HEAD_READ: usize = 2 * 1024;

/// Characters of a request's path that a line of the log shows. Paths of this server are shorter.
pub(crate) const LOGGED_PATH: usize = 200;

/// Characters of a request's method that a line of the log shows. The longest method in use, `UPDATEREDIRECTREF`
/// (RFC 4437), has 17.
pub(crate) const LOGGED_METHOD: usize = 20;

/// Bytes of a room's name after percent-decoding: 64 letters, or about 20 Chinese characters.
pub(crate) const MAX_ROOM_NAME: usize = 64;

/// How long a peer may take for an HTTP answer, in addition to its length at [`ANSWER_RATE`], and how long an answer
/// waits for the dispatcher.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an HTTP answer that a peer must take in a second, on average. So slow is the network of a classroom when
/// thirty pupils share 1 MB/s.
pub(crate) const ANSWER_RATE: usize = 32 * 1024;

/// Bytes of the longest answer that the server computes, which is `/stats` or `/wire/explain`. A slow peer keeps its
/// answer in memory, and [`Config::max_handshakes`] peers can be slow at the same time.
pub(crate) const MAX_ANSWER: usize = 256 * 1024;

/// Bytes that one read asks of the socket, and the size of tungstenite's buffer for each client. A larger frame gets
/// a buffer of its own after its header has announced it.
pub(crate) const READ_BUFFER: usize = 4 * 1024;

/// Bytes of payload above which a frame is large; a multiple of four. tungstenite keeps a buffer of up to twice
/// this size for a client.
pub(crate) const LARGE_FRAME: usize = 16 * 1024;

/// Bytes of payload of the longest frame that tungstenite gets; a multiple of four. It reserves so much address space
/// at once, and uses the memory as the bytes come.
pub(crate) const LONG_FRAGMENT: usize = 1024 * 1024;

/// Bytes that one look at a watcher's socket discards. A page has nothing to send after its request.
pub(crate) const WATCHER_READ: usize = 4 * 1024;

/// How long tungstenite keeps the buffer of a large message, for a client that sends one after the other.
pub(crate) const LARGE_BUFFER_KEPT: Duration = Duration::from_secs(1);

/// Bytes that one read asks of the socket while a client sends so fast that it fills [`READ_BUFFER`].
pub(crate) const READ_AHEAD: usize = 128 * 1024;

/// How often the server looks whether a page that watches the wire has closed its side, so that a place that is free
/// can be taken a second later.
pub(crate) const WATCHER_LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often a page that watches the wire gets a comment when nothing happens. A write is the only way to learn
/// that the page has vanished without closing its side.
pub(crate) const STILL_HERE_EVERY: Duration = Duration::from_secs(10);

/// How long a page that watches the wire may take no byte before the server or the system drops it. This is longer than
/// [`ANSWER_TIMEOUT`], because a busy computer may stop reading for a while; the events that it misses are counted.
pub(crate) const WATCHER_PATIENCE: Duration = Duration::from_secs(60);

// The dispatcher: who gets what.

/// Events that may wait in the channel to the dispatcher. When this many wait, the clients' threads wait too. The
/// dispatcher empties the channel often, and then each client is held back by its own credit.
pub(crate) const EVENTS_WAITING: usize = 1024;

/// Bytes of encoded messages that the dispatcher collects for a group before it sends them: enough that a series of
/// messages costs one system call for each client, few enough that nobody notices the delay.
pub(crate) const BATCH_BYTES: usize = 256 * 1024;

/// How long the dispatcher collects messages for groups while more events wait: long enough to fill a batch with
/// small messages, short enough that nobody notices the delay.
pub(crate) const COLLECT_TIME: Duration = Duration::from_millis(1);

/// The part of [`Config::close_timeout`] in which a server that stops still handles the messages that it has read
/// before. The clients need the rest to take them, and to answer the Close.
pub(crate) const LAST_MESSAGES: f32 = 0.25;

/// Characters of a name in the classroom.
pub(crate) const MAX_MEMBER_NAME: usize = 32;

/// Bytes of one `classroom.v1` message: a page of text. The dispatcher encodes it as JSON again, and copies it for each
/// member.
pub(crate) const MAX_CLASSROOM_MESSAGE: usize = 4 * 1024;

/// Bytes that each message to a classroom counts for in addition to its payload, until the dispatcher has handled
/// it. So about 16 messages of a member may wait, and the server can still send them when it stops.
pub(crate) const CLASSROOM_OVERHEAD: usize = 64 * 1024;

/// Characters that a refusal repeats of the error in a message.
pub(crate) const REFUSAL_LENGTH: usize = 160;

/// Bytes that each message to another group counts for in addition to its payload. So a few thousand short messages
/// of a member may wait, and its thread does not use the processor for more while the dispatcher sends these.
pub(crate) const GROUP_OVERHEAD: usize = 512;

/// Cost in bytes up to which the messages that came in one read are light work. Light work comes before heavy work,
/// such as large messages, and the flood of a client that fills [`READ_BUFFER`].
pub(crate) const LIGHT_COST: usize = 16 * 1024;

/// Light events after which the dispatcher does one step of heavy work, so that neither has to wait for all of the
/// other.
pub(crate) const LIGHT_IN_A_ROW: usize = 16;

/// Clients that `/stats` lists. It counts the others. In JSON a client takes at most 512 bytes, if every character of its
/// room's name has to be escaped.
pub(crate) const MAX_STATS_ROWS: usize = MAX_ANSWER / 512;

/// How long the dispatcher waits for the next event without sleeping, while one client alone sends: longer than such
/// a client takes to send its next message, and short enough to waste little.
pub(crate) const SPIN_TIME: Duration = Duration::from_micros(50);

/// A snapshot for `/stats` that takes no longer than this is taken anew for each request.
pub(crate) const CHEAP_SNAPSHOT: Duration = Duration::from_millis(1);

/// A snapshot that takes longer is shown again for this many times the time it took. So the dispatcher spends at most
/// a twentieth of its time on snapshots.
pub(crate) const SNAPSHOT_PAUSE: u32 = 20;

/// How often the dispatcher looks for clients that have to give up memory, while messages take too much of it. It looks
/// at all clients, and they need a moment to let go.
pub(crate) const SHED_INTERVAL: Duration = Duration::from_millis(10);

/// The time that the end of one connection may take when the server stops: its thread wakes up, says in the log how the
/// connection ended, and ends.
pub(crate) const TIME_TO_END: Duration = Duration::from_micros(400);

/// Bytes for all messages on a system that does not say how much memory it has.
pub(crate) const MESSAGE_MEMORY: usize = 1024 * 1024 * 1024;

// The outbox: the only way out to a client.

/// Bytes that each message counts for in addition to its payload while it is not sent, so that a flood of empty
/// messages reaches the limit too.
pub(crate) const MESSAGE_OVERHEAD: usize = 64;

/// Bytes below which a payload is copied behind its frame header. The socket gets a larger payload without a copy, as
/// a second piece; for a smaller one the copy is cheaper than the piece.
pub(crate) const COPY_BELOW: usize = 8 * 1024;

/// Bytes that the drain thread offers a socket in one write: enough to fill it, and few enough that progress is
/// visible (to the heartbeat and to lingering close) while a large message leaves. Each slow client with room gets
/// one such write in turn.
pub(crate) const DRAIN_BYTES: usize = 64 * 1024;

/// Pieces in one write. Operating systems take at most 1,024, and 64 small frames fill a packet.
pub(crate) const MAX_PIECES: usize = 64;

/// Sockets that the system reports to the drain thread at once. It asks again until all have been reported.
#[cfg(unix)]
pub(crate) const DRAIN_EVENTS: usize = 256;

/// Stack of a drain thread in bytes: none of its calls goes deep.
pub(crate) const DRAIN_STACK: usize = 64 * 1024;

/// Slow clients that have a drain thread of their own, where one thread cannot wait for all of them (on Windows).
/// The server drops the next slow client.
pub(crate) const MAX_DRAIN_THREADS: usize = 256;

// The tap and the wire view: what crosses the wire, for those who watch.

/// Crossings that may wait for the watch thread. The tap counts further ones instead of copying them, so that
/// watching delays nobody.
pub(crate) const CROSSINGS_WAITING: usize = 4096;

/// Handshakes that the tap keeps for watchers that come later.
pub(crate) const HANDSHAKES_KEPT: usize = 64;

/// Bytes that the tap copies from the start of a payload. A page does not show a megabyte, but its length,
/// its start and its end.
pub(crate) const KEPT_START: usize = 1024;

/// Bytes that the tap copies from the end of a payload.
pub(crate) const KEPT_END: usize = 64;

/// The number of watchers at the same time: the browser tabs of a class, and the terminal.
pub(crate) const MAX_WATCHERS: usize = 64;

/// The number of watchers at the same time at one address that is not this machine's own, so that one laptop cannot
/// take all places. A class behind one NAT shares these places.
pub(crate) const MAX_WATCHERS_PER_ADDRESS: usize = 16;

/// Events that may wait for one watcher. Further ones are counted, and the watcher learns how many it missed.
pub(crate) const WATCHER_EVENTS_WAITING: usize = 1024;

/// Bytes of memory that the events may take that wait for one watcher. Further events are counted in the same way. An
/// event of a short frame takes about 1.5 KiB, and one with a head of 16 KiB at most 64 KiB.
pub(crate) const WATCHER_BYTES_WAITING: usize = 1024 * 1024;

/// Bytes of a handshake's key up to which the wire view shows how the accept key is made. A right key has 24, and the
/// steps repeat the key twice.
pub(crate) const MAX_KEY_SHOWN: usize = 64;

/// Connections whose frames the wire view relates to each other. A connection leaves when it ends, so only
/// connections whose end was missed can fill this.
pub(crate) const MAX_TRACKED_CONNECTIONS: usize = 16 * 1024;

/// Pings that the wire view remembers for each side of a connection. The Pong to an older one is shown without its
/// round-trip time.
pub(crate) const PINGS_KEPT: usize = 16;

// The lab, and the raw client with which it breaks rules.

/// Bytes of payload in a message that the lab page makes the server send: enough for a length in 64 bits.
pub(crate) const MAX_DEMO_BYTES: usize = 64 * 1024;

/// Frames that one answer of `/wire/explain` shows: enough for a lesson. Without its payload, a frame takes about 1.2 KiB.
pub(crate) const MAX_EXPLAINED_FRAMES: usize = 64;

/// Bytes that one answer of `/wire/explain` shows. A byte takes up to 24 characters, because it is shown masked,
/// unmasked, and twice or three times as text in which it may have to be escaped.
pub(crate) const MAX_EXPLAINED_BYTES: usize = MAX_ANSWER / 64;

/// How long a violation waits for the server's answer. A student waits for the result, and the server answers at once
/// or, as for half a frame, not at all.
pub(crate) const VIOLATION_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes of the answer to a violation after which there is enough to show.
pub(crate) const VIOLATION_ANSWER: usize = 64 * 1024;

/// Bytes that one read of the raw client asks of the socket.
pub(crate) const RAW_CLIENT_READ: usize = 16 * 1024;

/// Bytes that the raw client keeps while a frame or a head is not complete. Four times the default of
/// [`Config::max_message`], so that only a broken server reaches it.
pub(crate) const RAW_CLIENT_UNREAD: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_see_the_connections_of_others_by_default_only_on_loopback() {
        for (ip, expected) in [
            ("127.0.0.1", WireFor::Everyone),
            ("127.9.9.9", WireFor::Everyone),
            ("::1", WireFor::Everyone),
            ("::ffff:127.0.0.1", WireFor::Everyone),
            ("0.0.0.0", WireFor::Own),
            ("::", WireFor::Own),
            ("192.168.1.7", WireFor::Own),
            ("::ffff:192.168.1.7", WireFor::Own),
            ("fe80::1", WireFor::Own),
        ] {
            assert_eq!(WireFor::default_at(ip.parse().unwrap()), expected, "{ip}");
        }
    }
}
