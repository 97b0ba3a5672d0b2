//! The acceptor.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::connection::registry::Registry;
use crate::connection::shared::Shared;
use crate::connection::{self, Accepted};
use crate::dispatcher::event::Event;
use crate::sys::ConnectionId;
use crate::sys::semaphore::Semaphore;

pub(super) struct Acceptor {
    pub(super) shared: Arc<Shared>,
    pub(super) handshakes: Arc<Semaphore>,
    pub(super) registry: Arc<Registry>,
    pub(super) refused: Sender<Arc<TcpStream>>,
    /// Of the thread that a connection gets first, in bytes.
    pub(super) stack: usize,
}

impl Acceptor {
    /// Accepts connections until a stop is requested. Lack of descriptors or memory is waited
    /// out: clients that leave give theirs back.
    pub(super) fn accept_all(&self, listener: &TcpListener, stop_requested: &AtomicBool) {
        const SHORTEST: Duration = Duration::from_millis(10);
        const LONGEST: Duration = Duration::from_millis(500);
        let mut pause = SHORTEST;
        let mut next = 1;
        while !stop_requested.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok(_) if stop_requested.load(Ordering::SeqCst) => return,
                Ok((socket, peer)) => {
                    pause = SHORTEST;
                    self.admit(ConnectionId(next), socket, peer);
                    next += 1;
                }
                // The peer was gone before we looked, or a signal came.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => {
                    if pause == SHORTEST {
                        log::warn!("cannot accept connections for now: {error}");
                    }
                    thread::sleep(pause);
                    pause = (pause * 2).min(LONGEST);
                }
            }
        }
    }

    /// Gives a connection its thread, or turns it away. Costs the others nothing either way.
    fn admit(&self, client: ConnectionId, socket: TcpStream, peer: SocketAddr) {
        // Otherwise a small frame may wait for the acknowledgement of the one before it
        // (Nagle's algorithm).
        let _ = socket.set_nodelay(true);
        let socket = Arc::new(socket);
        let Some(handshake) = self.handshakes.try_acquire() else {
            let limit = self.shared.config.max_handshakes;
            log::info!("{client} {peer} -> 503: {limit} handshakes under way");
            return self.refuse(socket);
        };
        let entry = self.registry.register(client, &socket);
        let connection = Accepted { client, peer, socket: Arc::clone(&socket), handshake, entry };
        let shared = Arc::clone(&self.shared);
        let name = client.to_string();
        let started = self
            .shared
            .threads
            .spawn(name, self.stack, move || connection::serve(connection, shared));
        if let Err(error) = started {
            log::warn!("{client} {peer} -> 503: no thread for it: {error}");
            self.refuse(socket);
        }
    }

    fn refuse(&self, socket: Arc<TcpStream>) {
        // Full: the connection is dropped.
        let _ = self.refused.try_send(socket);
    }

    /// Says goodbye to everyone and sees them off, at most for the close timeout.
    pub(super) fn end_all(&self) {
        let _ = self.shared.events.send(Event::Shutdown);
        self.shared.watch_list.stop();
        // A tenth of the time is for the threads to end in.
        let deadline = Instant::now() + self.shared.config.close_timeout.mul_f32(0.9);
        self.registry.end_handshakes();
        self.registry.wait_until_none(deadline);
        self.registry.abort_all();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use crossbeam_channel::bounded;

    use super::*;
    use crate::config::{CLIENT_STACK, Config};
    use crate::server::Server;
    use crate::server::refuser::{REFUSALS_WAITING, refuse_all};

    /// What a client is told that the acceptor admits.
    fn told(acceptor: &Acceptor, listener: &TcpListener) -> String {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let (socket, peer) = listener.accept().unwrap();
        acceptor.admit(ConnectionId(1), socket, peer);
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_client_for_whom_no_thread_can_be_had_gets_503_and_the_next_is_served() {
        let server = Server::bind("127.0.0.1:0", Config::default()).unwrap();
        let threads = Arc::clone(&server.shared.threads);
        let (refused, to_refuse) = bounded(REFUSALS_WAITING);
        threads.spawn("refuser".to_owned(), CLIENT_STACK, move || refuse_all(&to_refuse)).unwrap();
        let mut acceptor = Acceptor {
            shared: Arc::new(server.shared),
            handshakes: Semaphore::new(1),
            registry: Arc::default(),
            refused,
            // 64 TiB: no system gives a thread that.
            stack: 1 << 46,
        };
        let answer = told(&acceptor, &server.listener);
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.ends_with("no room for more connections\n"), "{answer}");
        acceptor.stack = CLIENT_STACK;
        assert!(told(&acceptor, &server.listener).starts_with("HTTP/1.1 200 "));
        drop(acceptor);
        threads.join_all();
    }
}
