//! The state that all connections share.

use std::net::SocketAddr;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::access::Access;
use super::watcher_places::WatcherPlaces;
use crate::config::Config;
use crate::dispatcher::event::Event;
use crate::http::origin::Origins;
use crate::outbox::drainer::Drainer;
use crate::sys::message_memory::MessageMemory;
use crate::sys::semaphore::Semaphore;
use crate::sys::threads::Threads;
use crate::tap::Tap;
use crate::wire::watch::WatchList;

/// The state that the threads of all connections share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) origins: Origins,
    pub(crate) access: Access,
    /// The address at which this machine reaches the server.
    pub(crate) address: SocketAddr,
    pub(crate) threads: Arc<Threads>,
    /// Sends the backlogs of slow clients.
    pub(crate) drainer: Arc<Drainer>,
    /// Counts the messages of all clients.
    pub(crate) memory: Arc<MessageMemory>,
    /// Places for open WebSockets.
    pub(crate) clients: Arc<Semaphore>,
    /// Places for pages that watch the wire.
    pub(crate) watchers: Arc<WatcherPlaces>,
    pub(crate) tap: Arc<Tap>,
    /// The watchers of the wire.
    pub(crate) watch_list: WatchList,
    /// Names this run of the server, so that a page notices when the server was started again.
    pub(crate) run: String,
    /// The way to the dispatcher. The dispatcher ends when the last of these senders is gone.
    pub(crate) events: Sender<Event>,
}
