//! Wrong on purpose: an echo server that takes what one `read` gives for one frame.
//!
//! Run: `cargo run --example wrong_04_one_read_one_frame`
//! See: the first of two frames comes back, the second never does. Chapter 04 says why.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use chalkwire::protocol::{Frame, Opcode};

/// An echo server that takes what one read gives for one frame.
#[derive(argh::FromArgs)]
struct Flags {
    /// where to listen, ADDR:PORT (default 127.0.0.1:8080)
    #[argh(option, default = "\"127.0.0.1:8080\".to_owned()")]
    listen: String,
    /// end after the demonstration, as it does anyway
    #[argh(switch)]
    #[expect(dead_code, reason = "every example takes it")]
    once: bool,
}

/// How long the client waits for an echo.
const PATIENCE: Duration = Duration::from_millis(500);
/// The masking key of the RFC's examples.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

// ANCHOR: serve
/// Frames over bare TCP: the handshake is left out, for the error is in what comes after it.
fn serve(mut socket: TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE * 10))?;
    let mut bytes = [0; 4096];
    loop {
        let count = socket.read(&mut bytes)?;
        // Wrong: what stands behind the first frame is thrown away.
        let Some((frame, _)) = Frame::decode(&bytes[..count]) else { return Ok(()) };
        socket.write_all(&Frame::new(frame.header.opcode, None, &frame.payload).encode())?;
    }
}
// ANCHOR_END: serve

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let flags: Flags = argh::from_env();
    let listener = TcpListener::bind(&flags.listen)
        .map_err(|error| format!("cannot listen at {}: {error}", flags.listen))?;
    let address = listener.local_addr()?;
    println!("listening at {address}");
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(|| serve(socket).ok());
        }
    });

    let mut client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(PATIENCE))?;
    let texts = ["one", "two"];
    let frames = texts.map(|text| Frame::new(Opcode::Text, Some(KEY), text.as_bytes()).encode());
    client.write_all(&frames.concat())?;
    println!("sent two frames in one write");
    for text in texts {
        let mut echo = [0; 5];
        let ms = PATIENCE.as_millis();
        client.read_exact(&mut echo).map_err(|_| format!("no echo of {text:?} in {ms} ms"))?;
        println!("got an echo of {:?}", String::from_utf8_lossy(&echo[2..]));
    }
    Ok(())
}
