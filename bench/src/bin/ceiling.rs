//! A server that sends prepared answers, to show the limit of the generator.
//!
//! It answers the handshake. Then it counts bytes. For each N bytes, where N is the length of one
//! frame of the generator, it sends one prepared frame: at `/echo` to the client, at `/broadcast`
//! to all clients. It looks at one byte only: a Close at the start of a read is answered with a
//! Close. Each client has a thread with blocking reads and writes. Run: `ceiling PORT`

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use chalkwire_bench::{
    CLOSE, NORMAL_CLOSURE, PAYLOAD_HEADER, Result, answer_handshake, client_frame, payload,
    server_close, server_frame, value_of,
};

/// The clients at `/broadcast`. A client that has left is removed when a write to it fails.
type Clients = Arc<Mutex<Vec<Arc<TcpStream>>>>;

fn main() -> Result<()> {
    let port = std::env::args().nth(1).ok_or("ceiling PORT")?.parse()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let clients = Clients::default();
    for stream in listener.incoming() {
        let (stream, clients) = (Arc::new(stream?), clients.clone());
        thread::Builder::new().spawn(move || {
            // An error means that the client has left.
            let _ = serve(&stream, &clients);
        })?;
    }
    Ok(())
}

fn serve(stream: &Arc<TcpStream>, clients: &Clients) -> Result<()> {
    stream.set_nodelay(true)?;
    let request = answer_handshake(&**stream)?;
    let len =
        value_of(&request, PAYLOAD_HEADER).ok_or("the request has no payload length")?.parse()?;
    let broadcast = request.starts_with("GET /broadcast ");
    if broadcast {
        clients.lock().unwrap_or_else(PoisonError::into_inner).push(stream.clone());
    }

    let frame_in = client_frame(&payload(len)).len();
    let frame_out = server_frame(&payload(len));
    let most = (64 << 10) / frame_out.len() + 1;
    let prepared = frame_out.repeat(most);
    let mut buffer = vec![0; 64 << 10];
    let mut received = 0;
    loop {
        match (&**stream).read(&mut buffer)? {
            0 => return Ok(()),
            _ if received == 0 && buffer[0] == CLOSE => {
                return Ok((&**stream).write_all(&server_close(NORMAL_CLOSURE))?);
            }
            n => received += n,
        }
        while received >= frame_in {
            let count = (received / frame_in).min(most);
            received -= count * frame_in;
            let answer = &prepared[..count * frame_out.len()];
            if broadcast {
                clients
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .retain(|client| (&**client).write_all(answer).is_ok());
            } else {
                (&**stream).write_all(answer)?;
            }
        }
    }
}
