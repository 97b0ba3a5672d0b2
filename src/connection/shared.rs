//! What all connections share.

use std::net::SocketAddr;
use std::sync::Arc;

use crossbeam_channel::Sender;

use crate::config::Config;
use crate::dispatcher::event::Event;
use crate::http::origin::Origins;
use crate::sys::semaphore::Semaphore;
use crate::sys::threads::Threads;
use crate::tap::Tap;
use crate::wire::watch::WatchList;

/// What all clients' threads share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) origins: Origins,
    /// Where this server is reached from this machine.
    pub(crate) address: SocketAddr,
    pub(crate) threads: Arc<Threads>,
    /// Places for open WebSockets.
    pub(crate) clients: Arc<Semaphore>,
    /// Places for those who watch the wire.
    pub(crate) watchers: Arc<Semaphore>,
    /// For the eyes of those who watch.
    pub(crate) tap: Arc<Tap>,
    /// Those who watch the wire.
    pub(crate) watch_list: WatchList,
    /// A word for this run of the server, by which pages tell it from the one before.
    pub(crate) run: String,
    /// To the dispatcher. It ends when the last of these is gone.
    pub(crate) events: Sender<Event>,
}
