//! What the generator can do at most: a server that does not look at what it gets.
//!
//! It answers the handshake. Then each N bytes that come in, N being the length of one frame of the
//! generator, are answered with one prepared frame: at `/echo` to the client, at `/broadcast` to
//! all. A thread per client, blocking reads and writes. Run: `ceiling PORT`

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use chalkwire_bench::{
    PAYLOAD_HEADER, Result, answer_handshake, client_frame, payload, server_frame, value_of,
};

/// Who is at `/broadcast`. One who leaves is forgotten at the first write that fails.
type Everyone = Arc<Mutex<Vec<Arc<TcpStream>>>>;

fn main() -> Result<()> {
    let port = std::env::args().nth(1).ok_or("ceiling PORT")?.parse()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let everyone = Everyone::default();
    for stream in listener.incoming() {
        let (stream, everyone) = (Arc::new(stream?), everyone.clone());
        thread::Builder::new().spawn(move || {
            // An error here is a client that has left.
            let _ = serve(&stream, &everyone);
        })?;
    }
    Ok(())
}

fn serve(stream: &Arc<TcpStream>, everyone: &Everyone) -> Result<()> {
    stream.set_nodelay(true)?;
    let request = answer_handshake(&**stream)?;
    let len = value_of(&request, PAYLOAD_HEADER).ok_or("no length")?.parse()?;
    let broadcast = request.starts_with("GET /broadcast ");
    if broadcast {
        everyone.lock().unwrap_or_else(PoisonError::into_inner).push(stream.clone());
    }

    let frame_in = client_frame(&payload(len)).len();
    let frame_out = server_frame(&payload(len));
    let most = (64 << 10) / frame_out.len() + 1;
    let prepared = frame_out.repeat(most);
    let mut buffer = vec![0; 64 << 10];
    let mut came = 0;
    loop {
        match (&**stream).read(&mut buffer)? {
            0 => return Ok(()),
            n => came += n,
        }
        while came >= frame_in {
            let count = (came / frame_in).min(most);
            came -= count * frame_in;
            let answer = &prepared[..count * frame_out.len()];
            if broadcast {
                everyone
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .retain(|client| (&**client).write_all(answer).is_ok());
            } else {
                (&**stream).write_all(answer)?;
            }
        }
    }
}
