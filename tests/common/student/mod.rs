//! The WebSocket server that a good student writes by hand, and the same server with one mistake.
//! `chalkwire check` is tested against both.
//!
//! It is an echo server on the standard library, with SHA-1 and base64 from other crates. It shares no code
//! with this crate, so that a mistake here and a mistake there cannot hide each other. Each mistake is on the
//! line where a student would make it: search for `Mistake::`.
//!
//! Read the files in the order in which a connection meets them: `connection` for the socket, `handshake` for
//! the request and the response, `frame` for the bytes of a frame in both directions, `echo` for what the server
//! sends back. `mistake` lists the mistakes, and `stages` has servers that are not finished.

mod connection;
mod echo;
mod frame;
mod handshake;
mod mistake;
pub mod stages;

use std::collections::HashMap;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use connection::Connection;
pub use mistake::Mistake;

/// How long a server may take to stop. Stopping wakes every thread, so only a fault in this code takes longer.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// A server that runs until it is dropped. Dropping it ends its connections and joins its threads.
pub struct Student {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
    /// Disconnected when the acceptor ends, because the acceptor has the other end.
    ended: Receiver<()>,
}

/// What the acceptor, the threads of the connections and the owner share.
struct Shared {
    address: SocketAddr,
    open: Mutex<Open>,
}

/// The open connections. Each is here until its thread ends.
#[derive(Default)]
struct Open {
    stopping: bool,
    next: u64,
    sockets: HashMap<u64, TcpStream>,
}

/// What happens to the server after a connection.
#[derive(PartialEq)]
enum After {
    GoOn,
    Stop,
}

impl Student {
    /// Starts the echo server, with one mistake or without.
    pub fn start(mistake: Option<Mistake>) -> Student {
        let one_at_a_time = mistake == Some(Mistake::OneClientAtATime);
        Student::listen(one_at_a_time, move |socket| {
            if mistake == Some(Mistake::NeverAnswers) {
                Connection::new(socket, mistake).read_to_end();
                return After::GoOn;
            }
            let lost_inside_a_frame = Connection::new(socket, mistake).serve();
            if lost_inside_a_frame && mistake == Some(Mistake::LostClientEndsServer) {
                return After::Stop;
            }
            After::GoOn
        })
    }

    /// Serves on a free port: one connection at a time in the acceptor's thread, or each in a thread of its own.
    fn listen(
        one_at_a_time: bool,
        serve: impl Fn(TcpStream) -> After + Send + Sync + 'static,
    ) -> Student {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared { address, open: Mutex::default() });
        let (alive, ended) = channel();
        let serve = Arc::new(serve);
        let for_acceptor = Arc::clone(&shared);
        let acceptor = spawn(address, move || {
            let _alive = alive;
            accept(listener, &for_acceptor, one_at_a_time, &serve);
        });
        Student { address, shared, acceptor: Some(acceptor), ended }
    }
}

impl Drop for Student {
    fn drop(&mut self) {
        self.shared.stop();
        let ended = self.ended.recv_timeout(STOP_DEADLINE);
        if std::thread::panicking() {
            return;
        }
        assert_eq!(ended, Err(RecvTimeoutError::Disconnected), "the student's server did not end");
        let acceptor = self.acceptor.take().expect("only this takes it");
        acceptor.join().expect("the student's server does not panic");
    }
}

fn accept<Serve>(
    listener: TcpListener,
    shared: &Arc<Shared>,
    one_at_a_time: bool,
    serve: &Arc<Serve>,
) where
    Serve: Fn(TcpStream) -> After + Send + Sync + 'static,
{
    let address = shared.address;
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    while !shared.open().stopping {
        let Ok((socket, _)) = listener.accept() else {
            // Probably there are no file descriptors left. An immediate retry would fail again.
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let Some(id) = shared.register(&socket) else { continue };
        let (shared, serve) = (Arc::clone(shared), Arc::clone(serve));
        let serve = move || {
            let after = serve(socket);
            shared.unregister(id);
            if after == After::Stop {
                shared.stop();
            }
        };
        if one_at_a_time {
            serve();
        } else {
            threads.retain(|thread| !thread.is_finished());
            threads.push(spawn(address, serve));
        }
    }
    drop(listener);
    for thread in threads {
        thread.join().expect("a connection's thread does not panic");
    }
}

/// Starts a thread whose name has the port of the server, so that a test can find it.
fn spawn(address: SocketAddr, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let name = format!("student {}", address.port());
    Builder::new().name(name).spawn(run).expect("the system has a thread left")
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().expect("nobody panics with the lock held")
    }

    /// Registers a connection, so that `stop` can end it. `None` if the server is already stopping.
    fn register(&self, socket: &TcpStream) -> Option<u64> {
        let copy = socket.try_clone().ok()?;
        let mut open = self.open();
        if open.stopping {
            return None;
        }
        open.next += 1;
        let id = open.next;
        open.sockets.insert(id, copy);
        Some(id)
    }

    fn unregister(&self, id: u64) {
        self.open().sockets.remove(&id);
    }

    fn stop(&self) {
        let mut open = self.open();
        open.stopping = true;
        for socket in open.sockets.values() {
            // This wakes a thread that waits for bytes. It fails if the client has gone, which is fine.
            let _ = socket.shutdown(Shutdown::Both);
        }
        drop(open);
        // This wakes the acceptor. It fails if the acceptor has already ended.
        let _ = TcpStream::connect_timeout(&self.address, STOP_DEADLINE);
    }
}
