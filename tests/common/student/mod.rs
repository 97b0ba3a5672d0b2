//! The WebSocket server that a good student writes by hand, and the same server with one mistake in
//! it: what `chalkwire check` is tested against.
//!
//! It is an echo server on the standard library alone, with SHA-1 and base64 from elsewhere, and
//! shares nothing with the code of this crate. Each mistake stands in the line where it is made:
//! search for `Mistake::`. They are read in the order in which a connection meets them:
//! `handshake` for the request and its answer, `frame` for the bytes of a frame both ways,
//! `echo` for what the server says, `mistake` for the list.

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

/// Stopping wakes every thread, so that this is only for a fault in the server itself.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// A server that runs until it is dropped. Then its connections end, and its threads are joined.
pub struct Student {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
    /// Its other end goes with the acceptor.
    ended: Receiver<()>,
}

/// What the acceptor, the threads of the connections and the owner have in common.
struct Shared {
    address: SocketAddr,
    open: Mutex<Open>,
}

/// The connections, each from its acceptance to the end of its thread.
#[derive(Default)]
struct Open {
    stopping: bool,
    next: u64,
    sockets: HashMap<u64, TcpStream>,
}

/// What a connection leaves behind: the server goes on, or it does not survive.
#[derive(PartialEq)]
enum After {
    GoOn,
    Stop,
}

impl Student {
    /// The echo server, with one mistake or none.
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

    /// Serves on a free port: a connection in the acceptor's own thread, or each in one of its own.
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
            // Out of file descriptors, most likely: at once it would only fail again.
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let Some(id) = shared.enter(&socket) else { continue };
        let (shared, serve) = (Arc::clone(shared), Arc::clone(serve));
        let serve = move || {
            let after = serve(socket);
            shared.leave(id);
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

/// All threads of a server have its port in their name.
fn spawn(address: SocketAddr, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let name = format!("student {}", address.port());
    Builder::new().name(name).spawn(run).expect("the system has a thread left")
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().expect("nobody panics with the lock held")
    }

    /// Notes a connection, so that `stop` can end it; none when it is too late for that.
    fn enter(&self, socket: &TcpStream) -> Option<u64> {
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

    fn leave(&self, id: u64) {
        self.open().sockets.remove(&id);
    }

    fn stop(&self) {
        let mut open = self.open();
        open.stopping = true;
        for socket in open.sockets.values() {
            // Whoever waits for bytes is woken by it. It fails when the client has gone: well and good.
            let _ = socket.shutdown(Shutdown::Both);
        }
        drop(open);
        // Wakes the acceptor. It fails when there is none any more.
        let _ = TcpStream::connect_timeout(&self.address, STOP_DEADLINE);
    }
}
